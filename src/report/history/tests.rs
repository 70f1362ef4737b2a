use super::*;
use crate::name::{Digest, ReleaseId};
use crate::record::{RunKind, fixture};

const DAY: i64 = 1_700_000_000;

fn entry(run: &str, started: i64, outcome: OutcomeKind) -> HistoryEntry {
    HistoryEntry {
        revision: 2,
        highest: 2,
        who: Actor::new("ops@bastion1:1:2").unwrap(),
        release: Some(ReleaseId::new("0123456789abcdef").unwrap()),
        version: "1.0.2-30-abc1234".into(),
        digest: Digest::new(format!("sha256:{}", "9".repeat(64))).ok(),
        ended: DAY + started + 72,
        ..fixture::entry(run, DAY + started, outcome)
    }
}

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn view(pasts: &[(&str, Past)], silent: &[&str]) -> HistoryView {
    let pasts = pasts.iter().map(|(h, p)| (host(h), p.clone())).collect();
    let silent = silent.iter().map(|h| Said {
        host: host(h),
        what: "it does not answer".into(),
    });
    HistoryView {
        env: "staging".parse().unwrap(),
        apps: vec![AppHistory::of(
            "app".parse().unwrap(),
            &pasts,
            silent.collect(),
            true,
        )],
    }
}

fn past() -> Past {
    let mut first = entry("r-1", 0, OutcomeKind::Succeeded);
    first.ticket = "CHG0012345".into();
    first.why = "the \x1b[2Jnight".into();
    let mut failed = entry("r-2", 600, OutcomeKind::Failed);
    failed.reason = "web3 was never healthy\nsee its log".into();
    let mut back = entry("r-3", 700, OutcomeKind::Succeeded);
    back.kind = RunKind::Rollback;
    back.ended = back.started;
    (back.revision, back.version) = (1, "1.0.1-22-7e56158".into());
    let nothing = |n: i64| {
        let mut e = entry(&format!("r-n{n}"), 800 + n, OutcomeKind::NoChange);
        e.ended = e.started + 1;
        e
    };
    let mut refused = entry("r-4", 900, OutcomeKind::Refused);
    (refused.revision, refused.version) = (0, String::new());
    refused.reason = "web1 is held by run r-9".into();
    let attempts = (0..41).map(nothing).chain([refused]);
    Past {
        runs: vec![first, failed, back],
        attempts: attempts.collect(),
        claim: crate::record::Claim::read("1 r-9 1-abc 60 4 begun me@laptop:1:2 ."),
        damaged: 1,
    }
}

#[test]
fn the_newest_stands_first_and_what_says_the_same_is_folded() {
    let view = view(&[("web1", past())], &[]);
    insta::assert_snapshot!(text(&view, 20, &TimeZone::UTC), @"
    staging app
      not ended: r-9 by me@laptop, on web1
      2023-11-14 22:28  -                    deploy    refused        1m12s  ops@bastion1  r-4
        why: web1 is held by run r-9
      2023-11-14 22:27  #2 1.0.2-30-abc1234  deploy    no_change ×41  1 s    ops@bastion1  r-n40
      2023-11-14 22:25  #1 1.0.1-22-7e56158  rollback  succeeded      0 s    ops@bastion1  r-3
      2023-11-14 22:23  #2 1.0.2-30-abc1234  deploy    failed         1m12s  ops@bastion1  r-2
        why: web3 was never healthy
          see its log
      2023-11-14 22:13  #2 1.0.2-30-abc1234  deploy    succeeded      1m12s  ops@bastion1  r-1
        CHG0012345  the \u{fffd}[2Jnight
      problem: web1: 1 line of its history cannot be read
    ");
    assert_eq!(view.exit_code(), ExitCode::Success);
    let short = text(&view, 1, &TimeZone::UTC);
    assert!(short.contains("r-4") && !short.contains("r-3"), "{short}");
}

#[test]
fn a_host_that_is_silent_makes_the_answer_unsure() {
    let some = view(&[("web1", past())], &["web2"]);
    assert_eq!(some.exit_code(), ExitCode::Unknown);
    let none = view(&[], &["web1"]);
    insta::assert_snapshot!(text(&none, 20, &TimeZone::UTC), @"
    staging app
      nothing that the hosts that answered remember
    ");
    let fresh = view(&[("web1", Past::default())], &[]);
    insta::assert_snapshot!(text(&fresh, 20, &TimeZone::UTC), @"
    staging app
      nothing yet
    ");
}

#[test]
fn machines_get_every_field_and_who_remembers_it() {
    let mut other = past();
    other.runs[1].outcome = OutcomeKind::RolledBack;
    other.runs[1].ended += 5;
    let view = view(&[("web1", past()), ("web2", other)], &["lb1"]);
    let value: serde_json::Value = serde_json::from_str(&json(&view, 100)).unwrap();
    let app = &value["apps"][0];
    let runs = app["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &app["silent"][0]["host"]), (45, &"lb1".into()));
    let run = |id: &str| runs.iter().find(|r| r["run"] == id).unwrap();
    assert_eq!(run("r-1")["ticket"], "CHG0012345");
    assert_eq!(run("r-1")["hosts"], serde_json::json!(["web1", "web2"]));
    assert_eq!(run("r-2")["outcome"], "rolled_back");
    assert_eq!(run("r-2")["otherwise"], serde_json::json!(["web1"]));
    assert_eq!(app["open"][0]["who"], "me@laptop:1:2");
}
