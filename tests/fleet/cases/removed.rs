//! An app taken off some of its hosts, then out of the environment; under load, and cut off half-way.

use crate::support::journal::Journals;
use crate::support::load::Load;
use crate::support::shop::{Cases, FIRST, LBS, SECOND, Shop, WEBS};
use crate::support::tool::Answer;
use std::time::{Duration, Instant};

fn run(shop: &Shop, line: &str, more: &[&str]) -> Answer {
    let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
    shop.run(&words)
}

/// nginx's reload for changed members closes idle connections, which the plan says; a client that
/// looks before it writes, or opens a new one, loses nothing.
fn no_loss(load: Load) {
    let all = load.stop();
    for mode in ["checking", "close"] {
        assert_eq!(all.failed_in(mode), 0, "{mode}: {}", all.json);
    }
}

/// What a host holds of the app beside its history: containers, networks, releases, slots.
fn left(shop: &Shop, host: &str) -> String {
    shop.sh(
        host,
        "docker ps -aq --filter label=com.docker.compose.project=staging-app-blue
        docker ps -aq --filter label=com.docker.compose.project=staging-app-green
        docker network ls -q --filter name=staging-app
        cd /var/lib/deploy/staging/app && ls releases slots promoted 2>/dev/null | grep -v ':$'",
    )
    .trim()
    .to_owned()
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn an_app_leaves_some_hosts_then_all() {
        let shop = Shop::serving(FIRST);
        let load = shop.load(&["--floor", "1000"]);
        let mut cases = Cases::default();
        cases.case("a host that serves leaves, and nobody notices", || {
            run(&shop, "remove staging app --hosts web1", &[])
                .assert_code(0)
                .assert_says(&[
                    "probe blue web2",
                    "switch lb1 lb2 to blue without web1",
                    "web1: stop and remove blue and green",
                ]);
            assert_eq!(left(&shop, "web1"), "");
            shop.assert_serving(FIRST);
        });
        cases.case("the last one does not, with or without --force", || {
            let words = "remove staging app --hosts web2";
            run(&shop, words, &[])
                .assert_code(4)
                .assert_says(&["nobody would serve app: blue has no other member"]);
            run(&shop, words, &["--force"])
                .assert_code(2)
                .assert_says(&["--force needs a reason"]);
            run(&shop, words, &["--force", "-m", "I said so"]).assert_code(4);
            run(&shop, "remove staging app --hosts lb1", &[])
                .assert_code(2)
                .assert_says(&["app does not run on lb1"]);
        });
        cases.case("it is not done while a person holds the app", || {
            run(&shop, "lock staging app -m", &["hands off"]).assert_code(0);
            run(&shop, "remove staging app", &[])
                .assert_code(4)
                .assert_says(&["hands off"]);
            run(&shop, "unlock staging app", &[]).assert_code(0);
        });
        cases.case("deploys bring it again", || {
            shop.deploy(SECOND).assert_code(0);
            shop.deploy(FIRST).assert_code(0);
            shop.assert_serving(FIRST);
            assert_ne!(left(&shop, "web1"), "");
        });
        load.go_on(Duration::from_secs(1));
        cases.case("no request was lost", || no_loss(load));
        cases.case("the whole app goes, its history stays", || {
            run(&shop, "remove staging app", &[])
                .assert_code(0)
                .assert_says(&["away from", "switch lb1 lb2 to nothing of this app"]);
            for host in WEBS {
                assert_eq!(left(&shop, host), "", "{host}");
            }
            for lb in LBS {
                assert_eq!(
                    shop.sh(lb, "ls /etc/nginx/deploy | grep staging || true")
                        .trim(),
                    ""
                );
            }
            run(&shop, "history staging app", &[])
                .assert_code(0)
                .assert_says(&["removed", FIRST]);
            run(&shop, "rollback staging app", &[]).assert_code(4);
            run(&shop, "remove staging app", &[])
                .assert_code(0)
                .assert_says(&["nothing of it is there"]);
        });
        cases.case("and it comes again as on new hosts", || {
            shop.deploy(SECOND).assert_code(0);
            shop.assert_serving(SECOND);
        });
        cases.assert_all();
    }

    /// A removal whose client dies after so many lines of the journals, and whoever resumes it.
    fn cut_off(shop: &Shop, words: &[&str], lines: usize) -> Answer {
        let journals = Journals::of(shop);
        let begun = journals.lines();
        let mut child = shop.tool(words).start();
        journals.wait_for(begun + lines);
        child.kill().expect("kill");
        child.wait().expect("wait");
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let resumed = shop.run(&["resume", "staging", "app"]);
            if resumed.code != 4 && resumed.code != 7 {
                return resumed;
            }
            assert!(Instant::now() < end, "{}", resumed.said());
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_removal_that_was_cut_off_is_finished_or_was_none() {
        let shop = Shop::serving(FIRST);
        let mut cases = Cases::default();
        let load = shop.load(&["--floor", "500"]);
        // 6 claims; then both shifts with two lines on each load balancer, then the hosts.
        for lines in [6, 7, 9, 11, 14, 16] {
            cases.case(&format!("some hosts, cut off after {lines} lines"), || {
                let words = ["remove", "staging", "app", "--hosts", "web1,web3"];
                let resumed = cut_off(&shop, &words, lines);
                assert!([0, 1].contains(&resumed.code), "{}", resumed.said());
                let gone = resumed.code == 0 && resumed.said().contains("succeeded");
                for host in ["web1", "web3"] {
                    assert_eq!(left(&shop, host).is_empty(), gone, "{}", resumed.said());
                }
                shop.assert_serving(FIRST);
                if gone {
                    shop.deploy(SECOND).assert_code(0);
                    shop.deploy(FIRST).assert_code(0);
                }
            });
        }
        load.go_on(Duration::from_secs(1));
        cases.case("no request was lost", || no_loss(load));
        for lines in [7, 9, 11, 14] {
            cases.case(&format!("the app, cut off after {lines} lines"), || {
                let resumed = cut_off(&shop, &["remove", "staging", "app"], lines);
                assert!([0, 1].contains(&resumed.code), "{}", resumed.said());
                if left(&shop, "web2").is_empty() {
                    for host in WEBS {
                        assert_eq!(left(&shop, host), "", "{host} {}", resumed.said());
                    }
                } else {
                    shop.assert_serving(FIRST);
                }
                shop.deploy(FIRST).assert_code(0);
            });
        }
        cases.assert_all();
    }
}
