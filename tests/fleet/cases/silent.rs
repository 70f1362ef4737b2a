//! App hosts that do not answer while they serve on: refused, or skipped within the budget and set down. Nothing is lost.
//! To add one: a `case` in the one test, which shares fleet and load.

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use crate::support::shop::{Cases, FIRST, SECOND, Shop, THIRD};

    const STAGING: &str = "inventories/staging.yml";
    const BUDGET: &str = "protection: { unreachable: { skip: 2, share: 25% } }\n\ngroups:\n";

    /// sshd of the host refuses everyone; what it serves is served on.
    fn shut(shop: &Shop, host: &str) {
        let drop = "iptables -I INPUT -p tcp --dport 22 -j REJECT --reject-with tcp-reset";
        shop.sh(host, drop);
    }

    fn open(shop: &Shop, host: &str) {
        shop.sh(host, "iptables -F INPUT");
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn app_hosts_that_do_not_answer_are_skipped_within_the_budget() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "2000"]);
        let mut cases = Cases::default();
        let status = || shop.run(&["status", "staging"]);
        shut(&shop, "web2");
        cases.case("without a budget nothing is done", || {
            let before = shop.state();
            shop.deploy(SECOND)
                .assert_code(7)
                .assert_says(&["web2 does not answer"]);
            assert_eq!(shop.state(), before);
        });
        shop.project.edit(STAGING, "groups:\n", BUDGET);
        cases.case("one that is sent to is set down, and owes", || {
            shop.deploy(SECOND).assert_code(0).assert_says(&[
                "web2 does not answer and is skipped",
                "web2 misses this",
                "switch lb1 lb2 to blue without web2",
            ]);
            shop.assert_serving(SECOND);
            status().assert_code(7).assert_says(&["owing: web2"]);
        });
        shut(&shop, "web3");
        cases.case("more than may be is refused", || {
            let before = shop.state();
            shop.deploy(THIRD).assert_code(7).assert_says(&[
                "web3 does not answer",
                "2 of 4 hosts do not answer, and 1 may be skipped",
            ]);
            assert_eq!(shop.state(), before);
        });
        open(&shop, "web3");
        cases.case(
            "one of the slot that is brought up misses the release",
            || {
                shop.deploy(THIRD)
                    .assert_code(0)
                    .assert_says(&["web2 does not answer and is skipped", "blue without web2"]);
                shop.assert_serving(THIRD);
            },
        );
        open(&shop, "web2");
        cases.case("back again, the same deploy brings it", || {
            status().assert_code(0).assert_says(&["owing: web2"]);
            shop.deploy(THIRD).assert_code(0);
            shop.assert_serving(THIRD);
            status().assert_code(0).assert_silent_on("owing");
        });
        load.go_on(std::time::Duration::from_secs(1));
        cases.case("no request was lost", || load.stop().assert_good());
        cases.assert_all();
    }
}
