//! What runs once per release: counted by what it has itself written on the hosts, over failures, clients that are
//! killed and hosts that lose their power.

use crate::support::shop::{FIRST, SECOND, Shop, WEBS};

/// A migration that notes that it begins, takes its time, and ends as its host says. It lies on the host, and so does
/// the shell that runs it: the sample app's image has none.
const MIGRATE: &str = r#"#!/bin/sh
echo "$LOG_LEVEL" >>/job/starts
sync /job/starts
sleep "$(cat /job/takes)"
echo "migrated for $LOG_LEVEL"
exit "$(cat /job/ends)"
"#;

/// A shop whose releases are migrated; each migration takes so many seconds.
fn shop(takes: &str) -> Shop {
    let shop = Shop::empty();
    for host in WEBS {
        let script = format!(
            "rm -rf /srv/job; mkdir /srv/job; chmod 777 /srv/job; cat >/srv/job/run <<'X'\n{MIGRATE}X\n: >/srv/job/starts; echo {takes} >/srv/job/takes; echo 0 >/srv/job/ends; chmod 777 /srv/job/*"
        );
        shop.sh(host, &script);
    }
    shop.project.edit(
        "templates/app/docker-compose.yml.j2",
        "    environment:\n",
        "    entrypoint: [\"/usr/bin/env\"]\n    command: [\"/app\"]\n    volumes: [\"/bin:/bin:ro\", \"/lib:/lib:ro\", \"/lib64:/lib64:ro\", \"/usr:/usr:ro\", \"/srv/job:/job\"]\n    environment:\n",
    );
    shop.project.edit(
        "inventories/staging.yml",
        "    bake: 3s",
        "    jobs:\n      migrate: { command: [/bin/sh, /job/run], within: 60s }\n    bake: 0s",
    );
    shop
}

/// How often the migration of a release was started, on all hosts together.
fn starts(shop: &Shop, of: &str) -> usize {
    let on = |host| shop.sh(host, "cat /srv/job/starts");
    let all: String = WEBS.map(on).concat();
    all.lines().filter(|l| *l == of).count()
}

fn ends(shop: &Shop, code: u8) {
    for host in WEBS {
        shop.sh(host, &format!("echo {code} >/srv/job/ends"));
    }
}

fn containers(shop: &Shop) -> Vec<Vec<String>> {
    WEBS.map(|host| shop.ids(host)).into()
}

#[test]
#[ignore = "needs the fleet"]
fn a_migration_runs_once_and_one_that_failed_waits_for_a_person() {
    let shop = shop("0");
    shop.deploy(FIRST).assert_code(0);
    assert_eq!(starts(&shop, "debug"), 1);

    // It fails: nothing was brought up, the old release serves, and what it said is shown.
    ends(&shop, 3);
    let before = containers(&shop);
    shop.deploy(SECOND).assert_code(1).assert_says(&[
        "job migrate ended with exit code 3: migrated for debug",
        "`deploy job staging app retry migrate -m REASON`",
    ]);
    assert_eq!(containers(&shop), before);
    shop.assert_serving(FIRST);
    assert_eq!(starts(&shop, "debug"), 2);
    let kept = "cat /var/lib/deploy/staging/app/runs/*/out.* | grep -c 'migrated for debug'";
    assert_eq!(shop.sh("web3", kept), "2\n");

    // Nobody starts it again but a person.
    ends(&shop, 0);
    shop.deploy(SECOND)
        .assert_code(4)
        .assert_says(&["failed on web3 with exit code 3", "skip migrate"]);
    let again = ["job", "staging", "app", "retry", "-m", "it was full"];
    shop.run(&again[..4]).assert_code(2);
    shop.run(&again).assert_code(0);
    shop.run(&["job", "staging"])
        .assert_code(0)
        .assert_says(&["migrate may be started again", "migrate ran on web1"]);
    shop.deploy(SECOND).assert_code(0);
    assert_eq!(starts(&shop, "debug"), 3);
    shop.assert_serving(SECOND);
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;
    use crate::support::journal::Journals;
    use crate::support::tool::Answer;
    use std::time::{Duration, Instant};

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn there_and_back_it_ran_once_for_each_release_and_a_way_back_says_so() {
        let shop = shop("0");
        for version in [FIRST, FIRST, SECOND, SECOND] {
            shop.deploy(version).assert_code(0);
        }
        assert_eq!(starts(&shop, "debug"), 2);
        shop.run(&["rollback", "staging", "app"])
            .assert_code(0)
            .assert_says(&["job migrate of #", "it is not undone"]);
        shop.deploy(SECOND).assert_code(0);
        assert_eq!(starts(&shop, "debug"), 2);
        let blocked = "command: [/bin/sh, /job/run], rollback: blocked,";
        shop.project.edit(
            "inventories/staging.yml",
            "command: [/bin/sh, /job/run],",
            blocked,
        );
        shop.run(&["rollback", "staging", "app"])
            .assert_code(4)
            .assert_says(&["says `rollback: blocked`", "--force -m REASON"]);
        shop.assert_serving(SECOND);
        let forced = ["switch", "staging", "app", "--to", "blue", "--force"];
        shop.run(&[&forced[..], &["-m", "it works with both"]].concat())
            .assert_code(0);
        shop.assert_serving(FIRST);
    }

    const CRASHES: u64 = 50;
    const CUTS: u64 = 10;

    /// Small random numbers, the same for the same seed.
    fn dice(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) % below
    }

    fn deploy(shop: &Shop, release: &str) -> Answer {
        let set = format!("apps.app.vars.log_level={release}");
        shop.run(&["staging", &format!("app@{SECOND}"), "--set", &set])
    }

    /// The first host of the slot that stands by: it runs the job.
    fn runs(shop: &Shop) -> &'static str {
        let serves = shop.serves("lb1", crate::support::shop::SITE);
        if serves.contains("\"blue\"") {
            "web3"
        } else {
            "web1"
        }
    }

    /// What the run left is led to its end.
    fn resumed(shop: &Shop) {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let resumed = shop.run(&["resume", "staging", "app"]);
            if [0, 1, 5].contains(&resumed.code) {
                return;
            }
            assert!(Instant::now() < end, "{}", resumed.said());
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_migration_over_crashes_of_clients_and_power_cuts_never_starts_twice() {
        let shop = shop("1");
        shop.deploy(FIRST).assert_code(0);
        let journals = Journals::of(&shop);
        let mut seed = 7;
        let (mut unknown, mut once, mut over) = (0, 0, 0);
        for round in 0..CRASHES + CUTS {
            let release = format!("r{round}");
            let host = runs(&shop);
            let cut = round % 6 == 5;
            let from = journals.of_host(host, " job ");
            let set = format!("apps.app.vars.log_level={release}");
            let target = format!("app@{SECOND}");
            let mut child = shop.tool(&["staging", &target, "--set", &set]).start();
            if dice(&mut seed, 3) > 0 {
                // Two of three come while the job is at work, or at its edges.
                let end = Instant::now() + Duration::from_secs(60);
                while journals.of_host(host, " job ") == from
                    && child.try_wait().expect("a child").is_none()
                {
                    assert!(Instant::now() < end, "no job on {host}");
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(Duration::from_millis(dice(&mut seed, 1_800)));
            } else {
                std::thread::sleep(Duration::from_millis(dice(&mut seed, 3_000)));
            }
            if cut {
                shop.fleet.fault("power-cut", &[host]);
                child.wait().expect("it ended");
            } else {
                let _ = child.kill();
                child.wait().expect("it ended");
            }
            resumed(&shop);
            assert!(starts(&shop, &release) <= 1, "{release} was started twice");
            let before = starts(&shop, &release);
            let next = deploy(&shop, &release);
            match next.code {
                0 => {
                    assert_eq!(starts(&shop, &release), 1, "{release}: {}", next.said());
                    once += 1;
                    over += before;
                }
                7 => {
                    next.assert_says(&["nobody knows how it ended", "retry migrate"]);
                    assert!(
                        cut,
                        "{release}: only a host knows less than all: {}",
                        next.said()
                    );
                    unknown += 1;
                    shop.run(&["job", "staging", "app", "skip", "-m", "a test"])
                        .assert_code(0);
                    deploy(&shop, &release).assert_code(0);
                    assert!(starts(&shop, &release) <= 1, "{release} was started twice");
                }
                code => panic!("{release}: {code}\n{}", next.said()),
            }
        }
        eprintln!("{once} ran once, {over} of them before the crash; {unknown} were not known");
        assert!(
            unknown > 0 && over > 0,
            "{unknown} not known, {over} before"
        );
    }
}
