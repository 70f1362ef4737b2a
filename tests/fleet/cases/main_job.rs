//! The main job: from one release to the next and back, under load, without a dropped request.

use crate::support::shop::{FIRST, LBS, SECOND, Shop, THIRD, WEBS};
use std::time::Duration;

const INSPECT: &str = "docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' $(docker ps -q)";

/// The load client has had `count` answers of a release.
fn answers(load: &crate::support::load::Load, release: &str, count: u64) {
    load.wait_until(release, Duration::from_secs(20), |progress| {
        progress["releases"][release].as_u64() > Some(count)
    });
}

#[test]
#[ignore = "needs the fleet"]
fn there_and_back_under_load_drops_nothing() {
    let shop = Shop::serving(FIRST);
    let expect = [
        "--expect-release",
        SECOND,
        "--expect-members",
        "web3,web4",
        "--floor",
        "5000",
    ];
    let load = shop.load(&expect);
    answers(&load, FIRST, 300);
    shop.deploy(SECOND)
        .assert_code(0)
        .assert_says(&["succeeded", "deploy rollback staging app"]);
    shop.assert_serving(SECOND);
    answers(&load, SECOND, 300);
    for host in WEBS {
        assert_eq!(
            shop.sh(host, INSPECT),
            "always 268435456 1000000000\n",
            "{host}"
        );
    }

    // Once more: nothing to do, nothing is touched.
    let before = shop.state();
    let again = shop.deploy(SECOND);
    again.assert_code(0).assert_says(&["no_change", "way back"]);
    assert_eq!(shop.state(), before);
    println!("no_change took {:?}", again.took);

    let back = shop.run(&["rollback", "staging", "app"]);
    back.assert_code(0).assert_says(&["succeeded"]);
    println!("rollback took {:?}", back.took);
    shop.assert_serving(FIRST);

    // The release still runs in the standby slot: it is gated and switched to, not started again.
    let before = WEBS.map(|host| shop.ids(host));
    let ready = shop.deploy(SECOND);
    ready
        .assert_code(0)
        .assert_silent_on("pull")
        .assert_silent_on("starting");
    assert_eq!(WEBS.map(|host| shop.ids(host)), before);
    shop.assert_serving(SECOND);
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

#[test]
#[ignore = "needs the fleet"]
fn status_agrees_with_docker_and_with_what_is_served() {
    let shop = Shop::serving(FIRST);
    shop.deploy(SECOND).assert_code(0);
    let status = shop.run(&["status", "staging"]);
    status.assert_code(0);
    let line = |word: &str| {
        let found = status
            .stdout
            .lines()
            .find(|line| line.trim_start().starts_with(word));
        found
            .unwrap_or_else(|| panic!("no line '{word}' in:\n{}", status.stdout))
            .to_owned()
    };
    for (role, hosts, slot, release) in [
        ("active", ["web3", "web4"], "green", SECOND),
        ("standby", ["web1", "web2"], "blue", FIRST),
    ] {
        let said = line(role);
        for word in [slot, release, "healthy", hosts[0], hosts[1]] {
            assert!(said.contains(word), "no '{word}' in: {said}");
        }
        for host in hosts {
            let runs = shop
                .fleet
                .containers(host, "{{.Names}} {{.Label \"deploy.release\"}} {{.State}}");
            assert!(
                runs.len() == 1 && runs[0].contains(slot) && runs[0].ends_with("running"),
                "{host}: {runs:?}"
            );
            let image = shop.sh(
                host,
                "docker inspect -f '{{.Config.Image}}' $(docker ps -q)",
            );
            assert!(image.contains("acme/app"), "{host}: {image}");
        }
    }
    let balancers = line("balancer");
    assert!(balancers.contains("→ green"), "{balancers}");
    for lb in LBS {
        assert!(balancers.contains(lb), "{balancers}");
        assert!(
            shop.serves(lb, crate::support::shop::SITE)
                .contains("green"),
            "{lb}"
        );
    }
    assert!(line("way back").contains("ready"), "{}", status.stdout);

    // The same when something was changed behind its back.
    shop.sh("web1", "docker stop $(docker ps -q)");
    let status = shop.run(&["status", "staging"]);
    status.assert_says(&["NOT READY", "web1"]);
    let rollback = shop.run(&["rollback", "staging", "app"]);
    rollback
        .assert_code(4)
        .assert_says(&["rollback is refused", "web1", "hint:"]);
    shop.assert_serving(SECOND);
}

#[test]
#[ignore = "needs the fleet"]
fn stage_and_switch_are_the_two_halves_of_a_deploy() {
    let shop = Shop::serving(FIRST);
    let load = shop.load(&[
        "--floor",
        "1000",
        "--expect-release",
        SECOND,
        "--expect-members",
        "web3,web4",
    ]);
    shop.run(&["stage", "staging", &format!("app@{SECOND}")])
        .assert_code(0)
        .assert_says(&["staged", "deploy switch staging app"]);
    shop.assert_serving(FIRST);
    let preview = format!("http://{}:8080/", shop.fleet.address("web3"));
    assert!(
        shop.fleet
            .exec("lb1", &["curl", "-s", &preview])
            .contains(SECOND)
    );
    let switched = shop.run(&["switch", "staging", "app"]);
    switched.assert_code(0).assert_says(&["succeeded"]);
    println!("switch took {:?}", switched.took);
    shop.assert_serving(SECOND);
    answers(&load, SECOND, 300);
    load.stop().assert_good();

    // What was staged is not what is there any more.
    shop.run(&["stage", "staging", &format!("app@{THIRD}")])
        .assert_code(0);
    shop.sh(
        "web1",
        "docker update -m 128m --memory-swap 128m $(docker ps -q)",
    );
    shop.run(&["switch", "staging", "app"])
        .assert_code(4)
        .assert_says(&["web1", "memory limit", "hint:"]);
    shop.assert_serving(SECOND);

    // The night when both slots are unfit: a reason is wanted, and what is unfit is named.
    shop.run(&["switch", "staging", "app", "--to", "blue", "--force"])
        .assert_code(2)
        .assert_says(&["-m"]);
    shop.assert_serving(SECOND);
    shop.run(&[
        "switch",
        "staging",
        "app",
        "--to",
        "blue",
        "--force",
        "-m",
        "the night",
    ])
    .assert_code(0)
    .assert_says(&["memory limit", "web1"]);
    shop.assert_serving(THIRD);
}

#[test]
#[ignore = "needs the fleet"]
fn a_dead_process_half_way_leaves_something_to_resume() {
    let shop = Shop::serving(FIRST);
    let load = shop.load(&["--floor", "1000"]);
    let mut child = shop.tool(&["staging", &format!("app@{SECOND}")]).start();
    let begun = std::time::Instant::now();
    while !shop
        .sh(
            "web3",
            "ls /var/lib/deploy/staging/app/runs 2>/dev/null || true",
        )
        .contains("r-")
    {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run never claims web3"
        );
    }
    std::thread::sleep(Duration::from_millis(1500));
    child.kill().expect("kill");
    child.wait().expect("the end");
    // Its lease is not over, but on this machine everybody can see that the process is gone: nobody waits for it.
    let resumed = shop.run(&["resume", "staging", "app"]);
    // To `after` or back to `before`: where the process died decides; an end without a name is neither.
    assert!([0, 1].contains(&resumed.code), "{resumed:?}");
    shop.assert_serving(if resumed.code == 0 { SECOND } else { FIRST });
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn what_was_changed_by_hand_is_named_and_repaired() {
        let shop = Shop::serving(FIRST);
        shop.sh("web1", "docker rm -f $(docker ps -q)");
        let load = shop.load(&["--floor", "1000"]);
        shop.deploy(FIRST).assert_code(0).assert_says(&[
            "web1: ",
            "no container of app",
            "succeeded",
        ]);
        assert_eq!(shop.ids("web1").len(), 1);

        shop.sh(
            "web2",
            "docker update -m 128m --memory-swap 128m $(docker ps -q)",
        );
        let before = shop.ids("web1");
        shop.deploy(FIRST)
            .assert_code(0)
            .assert_says(&["memory limit is 128.0 MiB, wanted 256.0 MiB"]);
        assert_eq!(shop.sh("web2", INSPECT), "always 268435456 1000000000\n");
        assert_eq!(shop.ids("web1"), before, "only what differs is touched");

        let started = |host| {
            shop.sh(
                host,
                "docker inspect -f '{{.State.StartedAt}}' $(docker ps -q)",
            )
        };
        let before = ["web1", "web2"].map(started);
        shop.run(&["restart", "staging", "app"])
            .assert_code(0)
            .assert_says(&["succeeded"]);
        for (host, before) in ["web1", "web2"].into_iter().zip(before) {
            assert_ne!(started(host), before, "{host}");
        }
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
        shop.assert_serving(FIRST);
    }
}
