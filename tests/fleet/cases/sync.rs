//! Hosts that were rebuilt, are new, or differ are brought to what is recorded, while the others serve. Nothing is lost.
//! To add one: a `case` in the one test, which shares fleet and load.

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use crate::support::shop::{Cases, FIRST, SECOND, Shop};

    const STAGING: &str = "inventories/staging.yml";
    const TEMPLATE: &str = "templates/app/docker-compose.yml.j2";

    /// As after a new installation: no container, no image, no record.
    fn rebuild(shop: &Shop, host: &str) {
        let script = "docker ps -aq | xargs -r docker rm -f; docker image prune -af; \
                      rm -rf /var/lib/deploy/*";
        shop.sh(host, script);
    }

    fn sync(shop: &Shop, more: &[&str]) -> crate::support::tool::Answer {
        shop.run(&[&["sync", "staging"], more].concat())
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn hosts_are_brought_to_what_is_recorded() {
        let shop = Shop::empty();
        // web4 comes later.
        shop.project.edit(STAGING, "[web3, web4]", "[web3]");
        shop.deploy(FIRST).assert_code(0);
        shop.deploy(SECOND).assert_code(0);
        let mut cases = Cases::default();
        cases.case("as recorded, nothing is done", || {
            let before = shop.state();
            sync(&shop, &[])
                .assert_code(0)
                .assert_says(&["every host runs what is recorded"]);
            assert_eq!(shop.state(), before);
        });
        cases.case("a new member gets the release, then requests", || {
            shop.project.edit(STAGING, "[web3]", "[web3, web4]");
            sync(&shop, &[]).assert_code(0).assert_says(&[
                "web4: pull",
                "gate green web4",
                "switch lb1 lb2 to green",
            ]);
            shop.assert_serving(SECOND);
            assert_eq!(shop.ids("web4").len(), 1, "{:?}", shop.ids("web4"));
        });
        // A list of members that grows needs a reload of nginx, which careless clients notice; nothing after it does.
        let load = shop.load(&["--floor", "2000"]);
        cases.case("one that differs is taken out first", || {
            let other = shop.ids("web3");
            let container = shop.ids("web4")[0]
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned();
            shop.sh(
                "web4",
                &format!("docker update --memory 200m --memory-swap 400m {container}"),
            );
            sync(&shop, &["--hosts", "web3"])
                .assert_code(0)
                .assert_says(&["every host runs what is recorded"]);
            sync(&shop, &["--hosts", "web4"])
                .assert_code(0)
                .assert_says(&["memory limit is 200", "green without web4"]);
            assert_eq!(shop.ids("web3"), other);
        });
        cases.case("one that was rebuilt, and stands by", || {
            rebuild(&shop, "web1");
            sync(&shop, &[])
                .assert_code(0)
                .assert_says(&["web1: pull", "gate blue web1"]);
            shop.run(&["status", "staging"]).assert_code(0);
        });
        cases.case("it is a way back again", || {
            shop.run(&["rollback", "staging", "app"]).assert_code(0);
            shop.assert_serving(FIRST);
        });
        cases.case("one that was rebuilt while it was drained", || {
            shop.run(&["drain", "staging", "web2", "-m", "new disks"])
                .assert_code(0);
            rebuild(&shop, "web2");
            shop.run(&["undrain", "staging", "web2"])
                .assert_code(0)
                .assert_says(&["web2 stays out of traffic"]);
            sync(&shop, &[]).assert_code(0).assert_says(&[
                "web2: pull",
                "back into traffic",
                "web2 owes nothing any more",
            ]);
            shop.run(&["status", "staging"])
                .assert_code(0)
                .assert_silent_on("owing");
        });
        cases.case("a change of configuration is for a deploy", || {
            let before = shop.state();
            let more = "EXTRA: \"1\"\n      LOG_LEVEL: {{";
            shop.project.edit(TEMPLATE, "LOG_LEVEL: {{", more);
            sync(&shop, &[]).assert_code(4).assert_says(&[
                "is not what",
                "was made from",
                "docker-compose.yml",
            ]);
            assert_eq!(shop.state(), before);
        });
        load.go_on(std::time::Duration::from_secs(1));
        cases.case("no request was lost", || load.stop().assert_good());
        cases.assert_all();
    }
}
