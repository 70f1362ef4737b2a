//! A load balancer that the operator cannot reach and that carries traffic all the same: left out, switched without,
//! protected, caught up, forgotten. Nothing is lost. To add one: a `case` in the one test, which shares fleet and load.

use crate::support::shop::{Cases, FIRST, SECOND, SITE, Shop, THIRD};

/// sshd of the host refuses everyone; what it serves is served on.
fn shut(shop: &Shop, host: &str, how: &str) {
    shop.sh(
        host,
        &format!("iptables -I INPUT -p tcp --dport 22 -j {how}"),
    );
}

fn open(shop: &Shop, host: &str) {
    shop.sh(host, "iptables -F INPUT");
}

const REFUSE: &str = "REJECT --reject-with tcp-reset";
const OUT: [&str; 2] = ["--exclude-lb", "lb2"];

fn run(shop: &Shop, line: &str, more: &[&str]) -> crate::support::tool::Answer {
    let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
    shop.run(&words)
}

fn assert_serves(shop: &Shop, lb: &str, version: &str) {
    let answer = shop.serves(lb, SITE);
    assert!(
        answer.contains(version),
        "{lb} serves {answer}, not {version}"
    );
}

fn forgotten(shop: &Shop, cases: &mut Cases) {
    shut(shop, "lb2", REFUSE);
    cases.case("a person may say that it carries nothing", || {
        run(shop, "rollback staging app", &OUT).assert_code(0);
        run(shop, "catch-up staging app", &[])
            .assert_code(7)
            .assert_says(&["lb2 owes a change and cannot be reached", "--forget-lb lb2"]);
        run(shop, "catch-up staging app --forget-lb lb2", &[])
            .assert_code(2)
            .assert_says(&["needs a reason"]);
        run(
            shop,
            "catch-up staging app --forget-lb lb2 -m",
            &["it is gone"],
        )
        .assert_code(0)
        .assert_says(&["lb2 is forgotten"]);
    });
    open(shop, "lb2");
    cases.case(
        "one that was forgotten and is back is seen to differ",
        || {
            run(shop, "status staging", &[])
                .assert_says(&["LOAD BALANCERS DISAGREE"])
                .assert_silent_on("owing");
            run(shop, "switch staging app --to green", &[]).assert_code(0);
            shop.assert_serving(SECOND);
        },
    );
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_load_balancer_that_cannot_be_reached_is_left_out_and_catches_up() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "2000"]);
        let mut cases = Cases::default();
        let deploy = |version: &str, more: &[&str]| {
            let release = format!("app@{version}");
            run(&shop, "staging", &[&[release.as_str()], more].concat())
        };
        cases.case("one that is well cannot be left out", || {
            let before = shop.state();
            deploy(SECOND, &OUT)
                .assert_code(4)
                .assert_says(&["lb2 answers and is well"]);
            assert_eq!(shop.state(), before);
        });
        shut(&shop, "lb2", REFUSE);
        cases.case("nothing is switched without a word of it", || {
            let before = shop.state();
            deploy(SECOND, &[])
                .assert_code(7)
                .assert_says(&["lb2", "--exclude-lb lb2"]);
            assert_eq!(shop.state(), before);
        });
        cases.case("a deploy goes on without it, and it is owing", || {
            deploy(SECOND, &OUT).assert_code(0).assert_says(&[
                "lb2 misses this and may still send to blue",
                "lb2 owes this switch: `deploy catch-up staging app`",
                "back: deploy rollback staging app --exclude-lb lb2",
            ]);
            assert_serves(&shop, "lb1", SECOND);
            assert_serves(&shop, "lb2", FIRST);
            run(&shop, "status staging", &[])
                .assert_code(7)
                .assert_says(&["owing: lb2: may still send to blue since run r-"]);
        });
        cases.case("what it may still send to is not changed", || {
            let before = shop.state();
            for line in [
                "staging app@1.0.4-40-c0ffee0",
                "stage staging app@1.0.4-40-c0ffee0",
            ] {
                run(&shop, line, &OUT)
                    .assert_code(4)
                    .assert_says(&["blue must not be changed: lb2 may still send to blue"]);
            }
            assert_eq!(shop.state(), before);
        });
        cases.case("back and forth without it", || {
            run(&shop, "rollback staging app", &OUT).assert_code(0);
            shop.assert_serving(FIRST);
            run(&shop, "switch staging app", &OUT).assert_code(0);
            assert_serves(&shop, "lb1", SECOND);
            assert_serves(&shop, "lb2", FIRST);
        });
        open(&shop, "lb2");
        cases.case("its debt is not forgotten because it is back", || {
            deploy(THIRD, &[])
                .assert_code(4)
                .assert_says(&["blue must not be changed", "deploy catch-up staging app"]);
            run(&shop, "restart staging app", &[])
                .assert_code(4)
                .assert_says(&["members of green must not be changed: lb2"]);
        });
        cases.case("it catches up", || {
            run(&shop, "catch-up staging app", &[])
                .assert_code(0)
                .assert_says(&["switch lb2 to green", "lb2 owes nothing any more"]);
            shop.assert_serving(SECOND);
            run(&shop, "status staging", &[])
                .assert_code(0)
                .assert_silent_on("owing");
            run(&shop, "catch-up staging app", &[])
                .assert_code(0)
                .assert_says(&["no load balancer owes a change"]);
        });
        cases.case("then both slots are free again", || {
            deploy(THIRD, &[]).assert_code(0);
            shop.assert_serving(THIRD);
        });
        load.go_on(std::time::Duration::from_secs(1));
        cases.case("no request was lost", || {
            let summary = load.stop();
            summary.assert_good();
            assert!(summary.answered_by(SECOND) > 0 && summary.answered_by(THIRD) > 0);
        });
        forgotten(&shop, &mut cases);
        cases.assert_all();
    }
}
