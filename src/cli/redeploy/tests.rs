use super::*;
use crate::name::{Digest, OutcomeKind};
use crate::plan::PlanKind;
use crate::plan::blue_green::deploy;
use crate::plan::fixture::{World, host, label, release, slot};
use crate::record::HistoryEntry;
use crate::record::fixture::entry;

fn plan(w: &World, number: u64) -> Plan {
    deploy(
        &w.setup,
        &release(&w.setup, number),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    )
    .unwrap()
}

fn ran(n: i64, why: &str) -> Remembered {
    Remembered {
        entry: HistoryEntry {
            why: why.to_owned(),
            ..entry(&format!("r-{n}"), n, OutcomeKind::Succeeded)
        },
        hosts: vec![],
        otherwise: vec![],
        attempt: false,
    }
}

fn again(past: Vec<Remembered>) -> Again {
    Again {
        recorded: label(42),
        past,
        limit: 3,
        now: 1000,
    }
}

#[test]
fn it_says_why_it_acts() {
    let mut w = World::serving();
    assert!(plan(&w, 42).is_empty(), "what is as wanted is left alone");
    w.host("web1").containers.clear();
    assert_eq!(
        again(vec![]).why(&plan(&w, 42)).unwrap(),
        "web1: no container of web"
    );
    let mut other = again(vec![]);
    other.recorded = label(41);
    let digest = |c: &str| Digest::new(format!("sha256:{}", c.repeat(64))).ok();
    let mut changed = plan(&w, 42);
    let to = changed.to.as_mut().unwrap();
    to.digest = digest("b");
    other.recorded.digest = digest("a");
    let newer = other.why(&changed).unwrap();
    assert!(
        newer.ends_with(&format!(" is newer than {}", label(41).version)),
        "{newer}"
    );
    other.recorded.version = changed.to.as_ref().unwrap().version.clone();
    let why = other.why(&changed).unwrap();
    assert!(
        why.contains("means sha256:bbbb") && why.contains("was sha256:aaaa"),
        "{why}"
    );
    other.recorded.digest = digest("b");
    assert_eq!(other.why(&changed).unwrap(), "its configuration changed");
    assert_eq!(host("web1").as_str(), "web1");
}

#[test]
fn a_host_that_missed_a_change_does_not_say_what_serves() {
    let which = |w: &World| serves(&w.setup, &w.fleet, &Unreachable::default());
    let mut w = World::serving();
    w.put(&host("web1"), &slot("blue"), 41);
    let refused = which(&w).unwrap_err().to_string();
    assert!(refused.contains("hold different releases"), "{refused}");
    let w = w.owes("web1", &[]);
    assert_eq!(which(&w).unwrap(), label(42));
    let shown = judge::shown_release(&w.setup, &w.fleet, &slot("blue"));
    assert_eq!(shown, Some(label(42)));
}

#[test]
fn equal_redeploys_in_a_row_are_stopped() {
    let mut w = World::serving();
    w.host("web1").containers.clear();
    let plan = plan(&w, 42);
    let why = "redeploy: web1: no container of web";
    let row = |whys: &[&str]| {
        let past = whys.iter().zip(900..).map(|(why, n)| ran(n, why)).collect();
        again(past).why(&plan)
    };
    assert!(row(&[why, why]).is_ok());
    let stopped = row(&["by hand", why, why, why]).unwrap_err();
    assert_eq!(stopped.kind().exit_code(), ExitCode::Refused);
    assert!(
        stopped.to_string().contains("the last 3 redeploys"),
        "{stopped}"
    );
    // Any other run breaks the row; attempts do not, and what is long ago does not count.
    assert!(row(&[why, why, why, "by hand"]).is_ok());
    let mut attempts = [why, why, why].map(|w| ran(900, w)).to_vec();
    attempts.push(ran(950, ""));
    attempts[3].attempt = true;
    assert!(again(attempts).why(&plan).is_err());
    let old = Again {
        now: 900 + DAY,
        ..again([why, why, why].map(|w| ran(900, w)).to_vec())
    };
    assert!(old.why(&plan).is_ok());
}
