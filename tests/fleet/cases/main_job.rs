//! The main job: `deploy staging app@VERSION` under load drops nothing, whatever the release is like.

use crate::support::Fleet;
use crate::support::load::Load;
use crate::support::project::Project;
use crate::support::tool::{Answer, Tool};
use std::time::Duration;

const FIRST: &str = "1.0.1-22-7e56158";
const SITE: &str = "shop.example.com";
const SECOND: &str = "1.0.2-30-abc1234";

/// A fleet that serves `FIRST`.
fn serving_first() -> (Fleet, Project) {
    let fleet = Fleet::take();
    let project = Project::new(&fleet);
    deploy(&fleet, &project, FIRST).assert_code(0);
    (fleet, project)
}

fn deploy(fleet: &Fleet, project: &Project, version: &str) -> Answer {
    Tool::new(
        fleet,
        project.folder(),
        &["staging", &format!("app@{version}"), "--yes"],
    )
    .run()
}

/// A deploy that must not take: the old release serves on, no request fails, the message names what happened.
fn refused_without_harm(version: &str, code: i32, words: &[&str]) {
    let (fleet, project) = serving_first();
    let load = Load::start(&fleet, SITE, &["--floor", "1000"]);
    let answer = deploy(&fleet, &project, version);
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
    answer.assert_code(code);
    let said = format!("{}{}", answer.stdout, answer.stderr);
    for word in words {
        assert!(said.contains(word), "no '{word}' in:\n{said}");
    }
    for lb in ["lb1", "lb2"] {
        let url = format!("http://{}/", fleet.address(lb));
        let serves = fleet.exec(lb, &["curl", "-s", "-H", &format!("Host: {SITE}"), &url]);
        assert!(serves.contains(FIRST), "{lb} serves {serves}");
    }
}

#[test]
#[ignore = "needs the fleet"]
fn a_new_version_under_load_drops_nothing() {
    let (fleet, project) = serving_first();
    let expect = [
        "--expect-release",
        SECOND,
        "--expect-members",
        "web3,web4",
        "--floor",
        "2000",
    ];
    let load = Load::start(&fleet, SITE, &expect);
    deploy(&fleet, &project, SECOND).assert_code(0);
    let before = "releases that answer";
    load.wait_until(before, Duration::from_secs(10), |progress| {
        progress["releases"][SECOND].as_u64() > Some(300)
    });
    let summary = load.stop();
    summary.assert_good();
    assert!(
        summary.answered_by(FIRST) > 300,
        "{}",
        summary.json["releases"]
    );
    for host in ["web1", "web2", "web3", "web4"] {
        let limits = fleet.exec(host, &["sh", "-c", "docker inspect -f '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' $(docker ps -q)"]);
        assert_eq!(limits, "always 268435456 1000000000\n", "{host}");
    }
}

#[test]
#[ignore = "needs the fleet"]
fn the_same_version_again_changes_nothing() {
    let (fleet, project) = serving_first();
    let started = fleet.containers("web1", "{{.ID}} {{.CreatedAt}}");
    let answer = deploy(&fleet, &project, FIRST);
    answer.assert_code(0);
    assert!(answer.took < Duration::from_secs(3), "{:?}", answer.took);
    assert_eq!(fleet.containers("web1", "{{.ID}} {{.CreatedAt}}"), started);
}

#[test]
#[ignore = "needs the fleet"]
fn six_scripts_per_host_are_enough() {
    let (fleet, project) = serving_first();
    let hosts = ["web1", "web3", "lb1", "lb2"];
    let before = hosts.map(|host| fleet.sessions(host));
    deploy(&fleet, &project, SECOND).assert_code(0);
    for (host, before) in hosts.into_iter().zip(before) {
        let scripts = fleet.sessions(host) - before;
        assert!((1..=6).contains(&scripts), "{host}: {scripts} SSH commands");
    }
}

#[test]
#[ignore = "needs the fleet"]
fn a_rollback_is_one_switch() {
    let (fleet, project) = serving_first();
    deploy(&fleet, &project, SECOND).assert_code(0);
    let expect = [
        "--expect-release",
        FIRST,
        "--expect-members",
        "web1,web2",
        "--floor",
        "1000",
    ];
    let load = Load::start(&fleet, SITE, &expect);
    Tool::new(
        &fleet,
        project.folder(),
        &["rollback", "staging", "app", "--yes"],
    )
    .run()
    .assert_code(0);
    load.wait_until(
        "the old release answers",
        Duration::from_secs(10),
        |progress| progress["releases"][FIRST].as_u64() > Some(300),
    );
    load.stop().assert_good();
}

#[test]
#[ignore = "needs the fleet"]
fn a_tag_that_the_registry_does_not_have_is_refused_before_any_change() {
    refused_without_harm("9.9.9-1-0000000", 2, &["9.9.9-1-0000000", "hint:"]);
}

#[test]
#[ignore = "needs the fleet"]
fn an_image_that_fails_at_start_is_unwound() {
    refused_without_harm("1.0.3-31-bad0001", 1, &["database.url", "web3"]);
}

#[test]
#[ignore = "needs the fleet"]
fn an_image_that_never_gets_healthy_is_unwound() {
    refused_without_harm(
        "1.0.3-32-bad0002",
        1,
        &["no connection to the database", "web3"],
    );
}

#[test]
#[ignore = "needs the fleet"]
fn a_port_held_by_somebody_else_is_refused_and_named() {
    let (fleet, project) = serving_first();
    fleet.fault("foreign", &["web3", "8080", "legacy-shop"]);
    let answer = deploy(&fleet, &project, SECOND);
    answer.assert_code(4);
    let said = format!("{}{}", answer.stdout, answer.stderr);
    assert!(
        said.contains("legacy-shop") && said.contains("web3") && said.contains("acme/web"),
        "{said}"
    );
    assert_eq!(
        fleet.containers("web4", "{{.Names}}"),
        Vec::<String>::new(),
        "nothing was started on web4"
    );
}

#[test]
#[ignore = "needs the fleet"]
fn a_dead_process_half_way_leaves_something_to_resume() {
    let (fleet, project) = serving_first();
    let load = Load::start(&fleet, SITE, &["--floor", "1000"]);
    let mut child = Tool::new(
        &fleet,
        project.folder(),
        &["staging", &format!("app@{SECOND}"), "--yes"],
    )
    .start();
    std::thread::sleep(Duration::from_millis(1500));
    child.kill().expect("kill");
    child.wait().expect("the end");
    let resumed = Tool::new(
        &fleet,
        project.folder(),
        &["resume", "staging", "app", "--yes"],
    )
    .env("LANG", "C")
    .run();
    // To `after` or back to `before`: where the process died decides; an end without a name is neither.
    assert!([0, 1].contains(&resumed.code), "{resumed:?}");
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}
