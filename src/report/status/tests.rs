//! Status of scripted fleets: equal and folded, drifted, load balancers that disagree or are silent.

use std::time::Duration;

use super::*;
use crate::fleet::view::project;
use crate::fleet::{
    BalancerView, ClaimView, Container, Fleet, Health, HoldView, HostView, Known, Member,
    MemberState, RecordView, SlotRecord,
};
use crate::name::{Digest, HostName, ServiceName, Version};
use crate::plan::{LbHost, Setup};
use crate::release::{HostRelease, ServiceSpec};

const GREEN: (&str, u64, &str) = ("b2", 43, "1.0.2-30-abc1234");
const BLUE: (&str, u64, &str) = ("a1", 42, "1.0.1-22-7e56158");

fn label((id, revision, version): (&str, u64, &str)) -> ReleaseLabel {
    ReleaseLabel {
        adopted: false,
        id: id.parse().unwrap(),
        version: Version::new(version).unwrap(),
        revision,
        digest: Some(Digest::new(format!("sha256:{}", "9f2c".repeat(16))).unwrap()),
    }
}

fn slot(name: &str) -> SlotName {
    name.parse().unwrap()
}

fn setup() -> Setup {
    let member = |name: &str| Member {
        host: name.parse().unwrap(),
        address: format!("{name}.svc"),
        port: 8080,
        state: MemberState::Ready,
    };
    let lb = |name: &str| LbHost {
        host: name.parse().unwrap(),
        balancer: "edge".parse().unwrap(),
        drain: true,
        spare: false,
    };
    Setup {
        env: "staging".parse().unwrap(),
        app: "app".parse().unwrap(),
        slots: vec![slot("blue"), slot("green")],
        groups: [
            (slot("blue"), vec![member("web1"), member("web2")]),
            (slot("green"), vec![member("web3"), member("web4")]),
        ]
        .into(),
        balancers: vec![lb("lb1"), lb("lb2")],
        left_out: Vec::new(),
        resting: std::collections::BTreeSet::new(),
        min_healthy: 1,
        strategy: crate::inventory::Strategy::BlueGreen,
        rolling: crate::inventory::Rolling::default(),
        activity: None,
        jobs: Vec::new(),
        gates: std::collections::BTreeMap::new(),
        bake: Duration::ZERO,
        drain: Duration::from_secs(10),
        calendar: crate::inventory::calendar::Calendar::default(),
        budget: std::collections::BTreeMap::new(),
    }
}

fn spec() -> ServiceSpec {
    ServiceSpec {
        image: "app:1".to_owned(),
        digest: None,
        restart: Some("always".to_owned()),
        memory: Some(512 << 20),
        nano_cpus: None,
        one_shot: false,
        ports: Vec::new(),
    }
}

fn container(setup: &Setup, in_slot: &str, which: (&str, u64, &str)) -> Container {
    let project = project(&setup.env, &setup.app, &slot(in_slot));
    let labels = [
        ("com.docker.compose.project", project.clone()),
        ("com.docker.compose.service", "web".to_owned()),
        ("deploy.release", which.0.to_owned()),
        ("deploy.version", which.2.to_owned()),
        ("deploy.revision", which.1.to_string()),
    ];
    Container {
        id: "c".repeat(64),
        name: format!("{project}-web-1"),
        image: "app:1".to_owned(),
        image_id: String::new(),
        state: "running".to_owned(),
        health: Health::Healthy,
        restarts: 0,
        exit_code: 0,
        oom: false,
        started: "2024-03-07T01:59:00.123456789Z".to_owned(),
        created: "2024-03-07T01:59:00Z".to_owned(),
        restart: "always".to_owned(),
        memory: 512 << 20,
        nano_cpus: 0,
        network_mode: "bridge".to_owned(),
        ports: Vec::new(),
        labels: labels.map(|(k, v)| (k.to_owned(), v)).into(),
    }
}

fn host(setup: &Setup, in_slot: &str, which: (&str, u64, &str)) -> HostView {
    let release = HostRelease {
        adopted: std::collections::BTreeMap::new(),
        label: label(which),
        slot: slot(in_slot),
        services: [(ServiceName::new("web").unwrap(), spec())].into(),
        secrets: crate::release::Prints::default(),
        made: crate::release::Made::default(),
    };
    let record = SlotRecord {
        release: which.0.parse().unwrap(),
        run: "r-1".parse().unwrap(),
    };
    HostView {
        machine: "m1".parse().ok(),
        engine: Known::Is("29.0.0".to_owned()),
        compose: Known::Is("2.40.0".to_owned()),
        memory: 1 << 33,
        disk_free: 1 << 40,
        inodes_free: 1 << 20,
        clock: 0,
        containers: vec![container(setup, in_slot, which)],
        record: RecordView {
            slots: [(slot(in_slot), record)].into(),
            kept: vec![release],
            promoted: vec![which.0.parse().unwrap()],
            ..RecordView::default()
        },
        problems: Vec::new(),
    }
}

fn balancer(setup: &Setup, to: &str) -> BalancerView {
    let traffic = setup.all_to(&slot(to), "g1");
    BalancerView {
        balancer: "edge".parse().unwrap(),
        machine: "m9".parse().ok(),
        persisted: Known::Is(Some(traffic.clone())),
        running: Known::Is(Some(traffic)),
        spare: None,
        version: "nginx 1.28".to_owned(),
        instance: "i1".to_owned(),
        record: RecordView::default(),
        problems: Vec::new(),
    }
}

fn fleet(setup: &Setup) -> Fleet {
    let mut fleet = Fleet::default();
    for (name, in_slot, which) in [
        ("web1", "blue", BLUE),
        ("web2", "blue", BLUE),
        ("web3", "green", GREEN),
        ("web4", "green", GREEN),
    ] {
        let view = host(setup, in_slot, which);
        fleet.hosts.insert(name.parse().unwrap(), view);
    }
    for name in ["lb1", "lb2"] {
        let view = balancer(setup, "green");
        fleet.balancers.insert(name.parse().unwrap(), view);
    }
    fleet
}

fn app_host<'a>(fleet: &'a mut Fleet, name: &str) -> &'a mut HostView {
    fleet.hosts.get_mut(name).unwrap()
}

fn view(setup: &Setup, fleet: &Fleet) -> StatusView {
    StatusView {
        at: Stamp("2024-03-07T02:13:37Z".parse().unwrap()),
        env: setup.env.clone(),
        apps: vec![look::app(setup, fleet)],
    }
}

fn show(setup: &Setup, fleet: &Fleet) -> String {
    text(&view(setup, fleet), &TimeZone::UTC)
}

#[test]
fn equal_hosts_are_folded_and_the_active_slot_comes_first() {
    let setup = setup();
    let found = fleet(&setup);
    let text = show(&setup, &found);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    assert_eq!(view(&setup, &found).exit_code(), ExitCode::Success);
    insta::assert_snapshot!(text, @r#"
    staging app  at 02:13:37
      active    green  web3 web4  #43 1.0.2-30-abc1234  healthy  since 01:59
      standby   blue   web1 web2  #42 1.0.1-22-7e56158  healthy  since 01:59
      balancer  edge   lb1 lb2    → green
      way back: ready, deploy rollback staging app
    "#);
}

#[test]
fn what_a_bake_keeps_in_reserve_is_named_per_load_balancer() {
    let setup = setup();
    let mut found = fleet(&setup);
    let lb1: HostName = "lb1".parse().unwrap();
    let lb1 = found.balancers.get_mut(&lb1).unwrap();
    lb1.spare = Some(slot("blue"));
    let text = show(&setup, &found);
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("→")).collect();
    assert_eq!(
        lines,
        [
            "  balancer  edge   lb1        → green (spare blue)",
            "  balancer  edge   lb2        → green",
        ]
    );
}

#[test]
fn what_differs_gets_its_own_row_and_reason() {
    let setup = setup();
    let mut found = fleet(&setup);
    let web1 = app_host(&mut found, "web1");
    web1.containers[0].memory = 1 << 30;
    web1.containers[0].restarts = 3;
    let web2 = app_host(&mut found, "web2");
    web2.containers[0].state = "exited".to_owned();
    web2.containers[0].exit_code = 137;
    web2.containers[0].oom = true;
    web2.problems.push(crate::fleet::Problem {
        severity: crate::fleet::Severity::Warning,
        what: "disk is 96 % full".to_owned(),
        hint: "docker image prune".to_owned(),
    });
    app_host(&mut found, "web4").containers.clear();
    insta::assert_snapshot!(show(&setup, &found), @r#"
    staging app  at 02:13:37
      active    green  web3     #43 1.0.2-30-abc1234  healthy     since 01:59
                       web4     -                     empty
      standby   blue   web1     #42 1.0.1-22-7e56158  healthy     since 01:59  3 restarts
                       web2     #42 1.0.1-22-7e56158  exited oom  since 01:59
      balancer  edge   lb1 lb2  → green
      differs: web4 no container of web
      differs: web1 web memory limit is 1.0 GiB, wanted 512.0 MiB
      differs: web2 web is exited (exit code 137)
      problem: web2: disk is 96 % full (hint: docker image prune)
      way back: NOT READY:
        blue is not fit: web1: web memory limit is 1.0 GiB, wanted 512.0 MiB
        blue is not fit: web2: web is exited (exit code 137)
    "#);
}

#[test]
fn load_balancers_that_disagree_are_shouted_and_no_slot_is_called_standby() {
    let setup = setup();
    let mut found = fleet(&setup);
    let blue = balancer(&setup, "blue");
    found.balancers.insert("lb2".parse().unwrap(), blue);
    insta::assert_snapshot!(show(&setup, &found), @r#"
    staging app  at 02:13:37
      partly    blue   web1 web2  #42 1.0.1-22-7e56158  healthy  since 01:59
      partly    green  web3 web4  #43 1.0.2-30-abc1234  healthy  since 01:59
      balancer  edge   lb1        → green
      balancer  edge   lb2        → blue
      LOAD BALANCERS DISAGREE: no deploy begins until they agree
      way back: NOT READY: load balancers disagree: lb1 sends to green, lb2 sends to blue
    "#);
}

#[test]
fn a_load_balancer_that_does_not_answer_may_send_anywhere() {
    let setup = setup();
    let mut found = fleet(&setup);
    found.balancers.remove("lb2");
    let why = "connection timed out after 5 s".to_owned();
    found.silent.insert("lb2".parse().unwrap(), why);
    assert_eq!(view(&setup, &found).exit_code(), ExitCode::Unknown);
    insta::assert_snapshot!(show(&setup, &found), @"
    staging app  at 02:13:37
      active?   blue   web1 web2  #42 1.0.1-22-7e56158  healthy  since 01:59
      active?   green  web3 web4  #43 1.0.2-30-abc1234  healthy  since 01:59
      balancer  edge   lb1        → green
      balancer  edge   lb2        → ? no answer
      no answer: lb2: connection timed out after 5 s
      way back: NOT READY: no answer from lb2
    ");
}

#[test]
fn claims_holds_and_debts_are_named() {
    let setup = setup();
    let mut found = fleet(&setup);
    for name in ["web1", "web2", "web3", "web4"] {
        app_host(&mut found, name).record.claim = Some(ClaimView {
            run: "r-11223344".parse().unwrap(),
            fence: "1-0f3a".parse().unwrap(),
            who: "dana@laptop:4711:99".parse().unwrap(),
            phase: "begun".to_owned(),
            seq: 3,
            left: 41,
        });
    }
    let record = &mut app_host(&mut found, "web1").record;
    record.holds = vec![HoldView {
        whole: false,
        who: "dana@laptop:4711:99".parse().unwrap(),
        text: "year end, ask dana".to_owned(),
        since: view(&setup, &fleet(&setup)).at.0.as_second() - 600,
        until: Some(view(&setup, &fleet(&setup)).at.0.as_second() + 7200),
    }];
    let debt = crate::fleet::Debt {
        generation: "g1".to_owned(),
        slots: [slot("blue")].into(),
        run: "r-1".parse().unwrap(),
        since: 99,
    };
    record.owing.insert("lb2".parse().unwrap(), debt);
    let lb1 = found.balancers.get_mut("lb1").unwrap();
    lb1.persisted = Known::Is(Some(setup.all_to(&slot("blue"), "g0")));
    insta::assert_snapshot!(show(&setup, &found), @"
    staging app  at 02:13:37
      active    green  web3 web4  #43 1.0.2-30-abc1234  healthy  since 01:59
      active?   blue   web1 web2  #42 1.0.1-22-7e56158  healthy  since 01:59
      balancer  edge   lb1        → green, its files say blue
      balancer  edge   lb2        → green
      held by dana@laptop (r-11223344) on web1 web2 web3 web4, lease 41 s
      locked by dana@laptop since 02:03 until 04:13 on web1: year end, ask dana
      owing: lb2: may still send to blue since run r-1 (hint: deploy catch-up staging app)
      LOAD BALANCERS DISAGREE: no deploy begins until they agree
      way back: NOT READY: lb1: its files say blue, but it sends to green
    ");
}

#[test]
fn nothing_deployed_yet_reads_as_empty() {
    let setup = setup();
    let mut found = fleet(&setup);
    for view in found.hosts.values_mut() {
        view.containers.clear();
        view.record = RecordView::default();
    }
    for view in found.balancers.values_mut() {
        view.running = Known::Is(None);
        view.persisted = Known::Is(None);
    }
    insta::assert_snapshot!(show(&setup, &found), @r#"
    staging app  at 02:13:37
      standby   blue   web1 web2  -  empty
      standby   green  web3 web4  -  empty
      balancer  edge   lb1 lb2    → nothing of this app
      way back: none yet, nothing served before
    "#);
}

#[test]
fn the_json_says_the_same() {
    let setup = setup();
    let line = json(&view(&setup, &fleet(&setup))).unwrap();
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&value["event"], &value["v"]),
        (&"status".into(), &1.into())
    );
    let active = &value["apps"][0]["slots"][0];
    assert_eq!(active["role"], "active");
    assert_eq!(active["hosts"][1]["host"], "web4");
    assert_eq!(active["hosts"][1]["release"]["version"], "1.0.2-30-abc1234");
    assert_eq!(value["apps"][0]["way_back"], "ready");
}
