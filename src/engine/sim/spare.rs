//! The slot that served is the spare as long as a new release bakes: whatever happens, no slot is
//! changed that a load balancer has as its spare, and in the end there is none, or it is named.

use std::time::Duration;

use super::after::Leaving;
use super::fault::{Fault, Faults};
use super::play::play;
use super::stage;
use super::tests::{Broken, one, singles};
use crate::engine::remote::Work;
use crate::name::OutcomeKind;
use crate::plan::{Action, Move};

#[test]
fn every_step_of_a_deploy_with_a_spare_keeps_the_invariants_with_every_fault() {
    let stage = stage::spare();
    let mut broken = Broken::default();
    for faults in singles(&stage) {
        broken.note(one(&stage, &faults));
    }
}

#[test]
fn a_run_with_a_spare_that_is_left_at_any_moment_is_led_to_one_of_its_ends() {
    let stage = stage::spare();
    let took = play(&stage, Faults::default(), None, 1).expect("no fault");
    let all = u64::try_from(took.took.as_millis()).expect("short");
    let mut leaving = Leaving::new(&stage);
    for at in (0..all).step_by(100) {
        for sent in [true, false] {
            let end = leaving.at(Duration::from_millis(at), sent);
            let (_, end) = end.unwrap_or_else(|why| panic!("left at {at} ms, sent {sent}: {why}"));
            assert!(
                ["cancelled", "succeeded"].contains(&end),
                "at {at} ms: {end}"
            );
        }
    }
}

/// Whatever became of a drain or of the spare's end is a word to a person: a release that serves and
/// baked stays, also where a debt is paid by it.
#[test]
fn what_is_not_heard_after_the_switch_does_not_take_a_good_release_back() {
    let mut owing = stage::spare();
    owing.world = owing.world.owes("web4", &[]);
    let owing = stage::spare_of(owing.world);
    for stage in [stage::spare(), owing] {
        let mut ends = 0;
        for (kind, host, nth, work) in play(&stage, Faults::default(), None, 1).unwrap().work {
            let end = match &work {
                Work::Drain { .. } => true,
                Work::Shift(change) => ends_spare(&stage, change),
                _ => false,
            };
            for fault in Fault::ALL.into_iter().filter(|f| end && f.fits(&work)) {
                if matches!(fault, Fault::Lost | Fault::Moved) {
                    continue;
                }
                let faults = Faults {
                    work: vec![(kind, host.clone(), nth, fault)],
                    blows: Vec::new(),
                };
                let kind = one(&stage, &faults).map(|e| e.outcome.kind);
                assert_eq!(kind, Ok(OutcomeKind::Succeeded), "{fault:?} {work:?}");
                ends += 1;
            }
        }
        assert!(ends > 10, "{ends}");
    }
}

/// The end of what this run began.
fn ends_spare(stage: &stage::Stage, change: &Move) -> bool {
    let last = stage.plan.steps.iter().rev();
    let mut last = last.filter_map(|s| match &s.action {
        Action::Unspare { moves } => Some(moves),
        _ => None,
    });
    last.next().is_some_and(|moves| moves.contains(change))
}

/// The judge is awake: a plan that begins a spare and does not end it, one that changes what an
/// earlier run left as the spare.
#[test]
fn a_plan_that_forgets_a_spare_is_found() {
    for (which, why) in [
        (0, "is the spare of lb"),
        (1, "does not do what was planned"),
    ] {
        let mut stage = stage::spare();
        let ends = stage.plan.steps.iter_mut();
        let ends = ends.filter(|s| matches!(s.action, Action::Unspare { .. }));
        let forgotten = ends.into_iter().nth(which).expect("two of them");
        forgotten.action = Action::Owe {
            on: Vec::new(),
            owing: Vec::new(),
            paid: Vec::new(),
        };
        let said = play(&stage, Faults::default(), None, 1).map(|e| e.outcome.kind);
        assert!(
            said.as_ref().is_err_and(|said| said.contains(why)),
            "{which}: {said:?}"
        );
    }
    let whole = play(&stage::spare(), Faults::default(), None, 1);
    assert_eq!(whole.map(|e| e.outcome.kind), Ok(OutcomeKind::Succeeded));
}
