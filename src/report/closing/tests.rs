//! The block of every outcome, whole.

use super::*;
use crate::name::{Digest, Version};

fn stamp(text: &str) -> Stamp {
    Stamp(format!("2024-03-07T{text}Z").parse().unwrap())
}

fn label(revision: u64, version: &str, id: &str) -> ReleaseLabel {
    ReleaseLabel {
        adopted: false,
        id: id.parse().unwrap(),
        version: Version::new(version).unwrap(),
        revision,
        digest: Some(Digest::new(format!("sha256:{}", "9f2c".repeat(16))).unwrap()),
    }
}

fn new() -> ReleaseLabel {
    label(43, "1.0.2-30-abc1234", "b2")
}

fn old() -> ReleaseLabel {
    label(42, "1.0.1-22-7e56158", "a1")
}

fn hosts(names: &str) -> Vec<HostName> {
    names
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect()
}

fn side(slot: &str, names: &str, release: Option<ReleaseLabel>, state: &str) -> Side {
    Side {
        slot: slot.parse().unwrap(),
        hosts: hosts(names),
        release,
        state: state.to_owned(),
    }
}

fn summary(what: &str, kind: OutcomeKind, why: &str) -> Summary {
    let outcome = Outcome {
        kind,
        why: why.to_owned(),
        hosts: Vec::new(),
    };
    let times = (stamp("02:11:04.123"), stamp("02:13:37.9"));
    let by = Actor::new("ops@bastion1:4711:99").unwrap();
    let mut s = Summary::new(
        "production".parse().unwrap(),
        "app".parse().unwrap(),
        what,
        outcome,
        times,
        by,
    );
    s.release = Some(new());
    s.run = Some(RunId::new("r-7f3a9c01").unwrap());
    s
}

fn times(list: &[(Stage, u64, Option<&str>)]) -> Vec<StageTime> {
    list.iter()
        .map(|(stage, millis, slowest)| StageTime {
            stage: *stage,
            took: Duration::from_millis(*millis),
            slowest: slowest.map(|h| h.parse().unwrap()),
        })
        .collect()
}

fn show(s: &Summary) -> String {
    text(s, &TimeZone::UTC)
}

#[test]
fn succeeded_says_what_serves_how_it_was_switched_and_how_to_go_back() {
    let mut s = summary("deploy", OutcomeKind::Succeeded, "");
    s.ticket = Some("CHG0012345".to_owned());
    s.active = Some(side("green", "web3 web4", Some(new()), ""));
    s.standby = Some(side("blue", "web1 web2", Some(old()), "hot"));
    s.switched = [("lb1", "02:12:51.204"), ("lb2", "02:12:51.211")]
        .map(|(host, at)| Switched {
            host: host.parse().unwrap(),
            at: stamp(at),
        })
        .to_vec();
    s.drained = Some(Drained {
        took: Duration::from_millis(4100),
        cut: Some(0),
    });
    s.stages = times(&[
        (Stage::Connect, 210, None),
        (Stage::Pull, 31_200, Some("web4")),
        (Stage::Up, 2100, Some("web3")),
        (Stage::Gate, 4200, None),
        (Stage::Switch, 180, None),
        (Stage::Drain, 4100, None),
        (Stage::Bake, 30_000, None),
    ]);
    s.back = WayBack::Ready;
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  succeeded  2024-03-07 02:11:04–02:13:37  CHG0012345  by ops@bastion1
      active green web3 web4    standby blue web1 web2 (#42 1.0.1-22-7e56158, hot)
      switched lb1 02:12:51.204, lb2 02:12:51.211 (skew 7 ms); old idle after 4.1 s, 0 cut
      times connect 210 ms, pull 31.2 s (web4), up 2.1 s (web3), gate 4.2 s, switch 180 ms, drain 4.1 s,
            bake 30.0 s
      back: deploy rollback production app      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn failed_says_where_why_the_last_words_and_what_serves() {
    let mut s = summary(
        "deploy",
        OutcomeKind::Failed,
        "web3 did not start: exit code 3",
    );
    s.troubles = vec![Trouble {
        host: Some("web3".parse().unwrap()),
        stage: Some(Stage::Up),
        what: "container production-app-green-web-1 ended with exit code 3 after 0.4 s".to_owned(),
        log: (1..=23).map(|i| format!("line {i}\x1b[31m")).collect(),
    }];
    s.active = Some(side("blue", "web1 web2", Some(old()), "untouched"));
    s.standby = Some(side("green", "web3 web4", None, "empty"));
    s.hints = vec!["look at DATABASE_URL in templates/app".to_owned()];
    let text = show(&s);
    assert!(!text.contains('\x1b'));
    insta::assert_snapshot!(text, @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  failed  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      why: web3 did not start: exit code 3
      failed web3 up: container production-app-green-web-1 ended with exit code 3 after 0.4 s
        | … 3 lines more
        | line 4�[31m
        | line 5�[31m
        | line 6�[31m
        | line 7�[31m
        | line 8�[31m
        | line 9�[31m
        | line 10�[31m
        | line 11�[31m
        | line 12�[31m
        | line 13�[31m
        | line 14�[31m
        | line 15�[31m
        | line 16�[31m
        | line 17�[31m
        | line 18�[31m
        | line 19�[31m
        | line 20�[31m
        | line 21�[31m
        | line 22�[31m
        | line 23�[31m
      active blue web1 web2 (#42 1.0.1-22-7e56158, untouched)    standby green web3 web4 (empty)
      hint: look at DATABASE_URL in templates/app
      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn rolled_back_says_why_and_that_the_old_release_serves() {
    let why = "web4 failed its gate during the bake";
    let mut s = summary("deploy", OutcomeKind::RolledBack, why);
    s.active = Some(side("blue", "web1 web2", Some(old()), "served throughout"));
    s.standby = Some(side("green", "web3 web4", None, "empty"));
    s.back = WayBack::NotReady("the standby is empty".to_owned());
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  rolled_back  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      why: web4 failed its gate during the bake
      active blue web1 web2 (#42 1.0.1-22-7e56158, served throughout)    standby green web3 web4 (empty)
      way back NOT READY: the standby is empty      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn mixed_shows_every_host_and_marks_those_that_need_a_person() {
    let why = "lb2 did not answer while it was switched back";
    let mut s = summary("deploy", OutcomeKind::Mixed, why);
    s.outcome.hosts = hosts("lb2");
    s.ends = [
        ("lb1", "edge", "sends to blue"),
        ("lb2", "edge", "did not answer; may send to green"),
        ("web1", "blue", "runs #42 1.0.1-22-7e56158, healthy"),
        ("web3", "green", "runs #43 1.0.2-30-abc1234, healthy"),
    ]
    .map(|(host, group, state)| HostEnd {
        host: host.parse().unwrap(),
        group: group.to_owned(),
        state: state.to_owned(),
    })
    .to_vec();
    s.hints = vec!["both slots stay up; reach lb2, then type the command again".to_owned()];
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  mixed  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      why: lb2 did not answer while it was switched back
        lb1   edge   sends to blue
      ! lb2   edge   did not answer; may send to green
        web1  blue   runs #42 1.0.1-22-7e56158, healthy
        web3  green  runs #43 1.0.2-30-abc1234, healthy
      hint: both slots stay up; reach lb2, then type the command again
      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn no_change_says_why() {
    let why = "every host and load balancer is as wanted, and the way back is fit";
    let mut s = summary("deploy", OutcomeKind::NoChange, why);
    s.run = None;
    s.active = Some(side("green", "web3 web4", Some(new()), ""));
    s.standby = Some(side("blue", "web1 web2", Some(old()), "hot"));
    s.back = WayBack::Ready;
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  no_change  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      why: every host and load balancer is as wanted, and the way back is fit
      active green web3 web4    standby blue web1 web2 (#42 1.0.1-22-7e56158, hot)
      back: deploy rollback production app
    "#);
}

#[test]
fn staged_says_where_to_look_and_what_to_type_next() {
    let mut s = summary("stage", OutcomeKind::Staged, "");
    s.message = Some("for tonight".to_owned());
    s.active = Some(side("blue", "web1 web2", Some(old()), ""));
    s.standby = Some(side("green", "web3 web4", Some(new()), "gates passed"));
    s.previews = [
        ("web3", "http://web3.svc:8080"),
        ("web4", "http://web4.svc:8080"),
    ]
    .map(|(host, url)| Preview {
        host: host.parse().unwrap(),
        url: url.to_owned(),
    })
    .to_vec();
    insta::assert_snapshot!(show(&s), @r#"
    production app stage  #43 1.0.2-30-abc1234 (sha256:9f2c…)  staged  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      message: for tonight
      active blue web1 web2 (#42 1.0.1-22-7e56158)
      standby green web3 web4 (#43 1.0.2-30-abc1234, gates passed)
      preview web3 http://web3.svc:8080
      preview web4 http://web4.svc:8080
      next: deploy switch production app      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn refused_says_who_and_what_to_do() {
    let why = "production app is held by dana@laptop since 02:10:58, run r-11223344";
    let mut s = summary("deploy", OutcomeKind::Refused, why);
    s.run = None;
    s.hints = vec!["wait until it has ended; its lease ends in 41 s".to_owned()];
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  refused  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      why: production app is held by dana@laptop since 02:10:58, run r-11223344
      hint: wait until it has ended; its lease ends in 41 s
    "#);
}

#[test]
fn a_forced_switch_says_what_was_set_aside() {
    let mut s = summary("switch", OutcomeKind::Succeeded, "");
    s.overridden = vec!["gate GET /healthz on web1".to_owned()];
    s.active = Some(side(
        "green",
        &(1..=40).map(|i| format!("web{i} ")).collect::<String>(),
        Some(new()),
        "",
    ));
    s.standby = Some(side("blue", "web1 web2", Some(old()), "not fit"));
    insta::assert_snapshot!(show(&s), @r#"
    production app switch  #43 1.0.2-30-abc1234 (sha256:9f2c…)  succeeded  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      active green web1 web2 web3 web4 web5 web6 web7 and 33 more
      standby blue web1 web2 (#42 1.0.1-22-7e56158, not fit)
      overridden gate GET /healthz on web1
      record: deploy show r-7f3a9c01
    "#);
}

#[test]
fn a_run_over_midnight_is_shown_in_local_time() {
    let s = summary("deploy", OutcomeKind::Succeeded, "");
    let west = TimeZone::fixed(jiff::tz::offset(-3));
    assert!(text(&s, &west).contains("2024-03-06 23:11:04–23:13:37"));
}

#[test]
fn what_passed_its_budget_is_a_note() {
    let mut s = summary("deploy", OutcomeKind::Succeeded, "");
    s.over = vec![OverBudget {
        stage: Stage::Pull,
        host: "web4".parse().unwrap(),
        took: Duration::from_secs(252),
        budget: Duration::from_secs(180),
    }];
    insta::assert_snapshot!(show(&s), @r#"
    production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  succeeded  2024-03-07 02:11:04–02:13:37  by ops@bastion1
      note: pull took 4m12s on web4, its budget is 3m00s
      record: deploy show r-7f3a9c01
    "#);
}
