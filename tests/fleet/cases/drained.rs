//! A host taken out of traffic by a person, passed by, brought back; under load.

use crate::support::shop::{Cases, FIRST, SECOND, Shop, THIRD};

fn run(shop: &Shop, line: &str, more: &[&str]) -> crate::support::tool::Answer {
    let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
    shop.run(&words)
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_drained_host_is_passed_by_until_it_is_brought_back() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "2000"]);
        let mut cases = Cases::default();
        let first = shop.ids("web1");
        cases.case("it is taken out of traffic and goes on running", || {
            run(&shop, "drain staging web1", &[])
                .assert_code(2)
                .assert_says(&["needs a reason"]);
            run(&shop, "drain staging web1 -m", &["new disks"])
                .assert_code(0)
                .assert_says(&["web1 is drained", "switch lb1 lb2 to blue without web1"]);
            assert_eq!(shop.ids("web1"), first);
            run(&shop, "status staging", &[])
                .assert_code(0)
                .assert_says(&["web1: was drained by run r-", "deploy undrain staging web1"]);
            run(&shop, "drain staging web2 -m", &["too many"])
                .assert_code(4)
                .assert_says(&["web2 is the last member of blue that gets requests"]);
        });
        cases.case("runs pass it by", || {
            shop.deploy(SECOND)
                .assert_code(0)
                .assert_says(&["web1 was drained by run r-"]);
            run(&shop, "rollback staging app", &[])
                .assert_code(0)
                .assert_says(&["probe blue web2"]);
            shop.assert_serving(FIRST);
            assert_eq!(shop.ids("web1"), first);
            run(&shop, "switch staging app", &[]).assert_code(0);
            // Blue gets the third release, without web1.
            shop.deploy(THIRD).assert_code(0);
            shop.assert_serving(THIRD);
            assert_eq!(shop.ids("web1"), first);
        });
        cases.case(
            "one that missed a release stays out until a deploy brings it",
            || {
                run(&shop, "undrain staging web1", &[])
                    .assert_code(0)
                    .assert_says(&[
                        "web1 stays out of traffic: it holds #1",
                        "deploy staging app@1.0.4",
                    ]);
                shop.deploy(THIRD).assert_code(0);
                shop.assert_serving(THIRD);
                run(&shop, "status staging", &[]).assert_code(0);
            },
        );
        cases.case("one that did not is gated and back", || {
            let serving = if run(&shop, "status staging", &[])
                .said()
                .contains("active    green")
            {
                "web3"
            } else {
                "web1"
            };
            run(&shop, &format!("drain staging {serving} -m"), &["again"]).assert_code(0);
            run(&shop, &format!("undrain staging {serving}"), &[])
                .assert_code(0)
                .assert_says(&["back into traffic", "owes nothing any more"]);
            run(&shop, "status staging", &[])
                .assert_code(0)
                .assert_silent_on("drained");
        });
        load.go_on(std::time::Duration::from_secs(1));
        cases.case("no request was lost", || load.stop().assert_good());
        cases.assert_all();
    }
}
