//! Schedules that random ones meet too rarely: words that go stale, drains that take long.

use std::time::Duration;

use super::fault::{Blow, Fault, Faults};
use super::play::{Ended, play};
use super::stage::{self, Stage};
use crate::name::{HostName, OutcomeKind};

fn of(name: &str) -> Stage {
    let mut all = stage::all().into_iter();
    all.find(|s| s.name == name).expect("a plan of that name")
}

fn h(name: &str) -> HostName {
    name.parse().expect("a host name")
}

fn run(stage: &Stage, faults: Faults) -> Ended {
    let said = format!("{faults:?}");
    play(stage, faults, None, 1).unwrap_or_else(|why| panic!("{}: {why} {said}", stage.name))
}

/// The gates opened long ago, the check of a load balancer takes long, and a watcher falls silent a
/// moment before the switch.
#[test]
fn traffic_does_not_move_on_words_that_are_older_than_two_seconds() {
    let stage = of("deploy");
    for watcher in ["web3", "web4", "lb1", "lb2"] {
        for early in [2_400, 3_000, 3_600, 4_200, 4_800] {
            let mute = Duration::from_millis(20_000 - early);
            let ended = run(
                &stage,
                Faults {
                    work: vec![("prepare", h("lb1"), 0, Fault::Slow)],
                    blows: vec![(mute, Blow::Mute(h(watcher)))],
                },
            );
            assert_eq!(ended.outcome.kind, OutcomeKind::Failed, "{watcher} {early}");
            let shifted = ended.work.iter().any(|(kind, ..)| *kind == "shift");
            assert!(!shifted, "{watcher} {early}: {:?}", ended.outcome);
        }
    }
}

/// One member was well long ago and its watcher is silent since; the other one comes late.
#[test]
fn a_gate_does_not_open_on_words_that_were_good_once() {
    let stage = of("stage");
    let ended = run(
        &stage,
        Faults {
            work: vec![("replace", h("web4"), 0, Fault::Slow)],
            blows: vec![(Duration::from_secs(8), Blow::Mute(h("web3")))],
        },
    );
    assert_eq!(
        ended.outcome.kind,
        OutcomeKind::Failed,
        "{:?}",
        ended.outcome
    );
}

/// The new slot fails while requests of the old one are still open: going back does not wait.
#[test]
fn traffic_goes_back_at_once_though_drains_take_long() {
    let stage = of("deploy");
    let slow = ["lb1", "lb2"].map(|lb| ("drain", h(lb), 0, Fault::Slow));
    let hurt = Duration::from_secs(6);
    let ended = run(
        &stage,
        Faults {
            work: slow.into(),
            blows: vec![(hurt, Blow::Ends(h("web3")))],
        },
    );
    assert_eq!(ended.outcome.kind, OutcomeKind::RolledBack);
    assert!(
        ended.took < hurt + Duration::from_secs(6),
        "{:?}",
        ended.took
    );
}
