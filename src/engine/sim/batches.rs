//! The invariants of plans that go through the slot that serves, batch by batch: enough members serve
//! at any time, and what failed was returned to what it ran.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::after::Leaving;
use super::fault::Faults;
use super::judge::told;
use super::model::reached;
use super::play::{Along, Play};
use super::stage;
use super::tests::{Broken, blows, one, singles};
use crate::engine::dispatch::Log;
use crate::fleet::Traffic;
use crate::inventory::Strategy;
use crate::name::{HostName, Outcome, OutcomeKind, ReleaseId};

/// Never fewer than half of the members have traffic and serve.
pub fn enough(play: &Play<'_>, after: Option<&Traffic>) -> Result<(), String> {
    let plan = &play.stage.plan;
    let interrupts = play.stage.world.setup.strategy == Strategy::Recreate;
    if plan.batches.is_empty() || interrupts {
        return Ok(());
    }
    let all = play.stage.world.setup.hosts(&plan.target).count();
    let mut gets = reached(after);
    gets.retain(|(slot, host)| {
        let found = play.model.slots.get(&(host.clone(), slot.clone()));
        found.is_some_and(super::model::Slot::serves) || play.hurt.contains_key(host)
    });
    if gets.len() * 2 < all {
        return Err(format!("only {} of {all} members serve", gets.len()));
    }
    Ok(())
}

/// Of what must never run twice, no two releases run at once. Where a host did not do as it was told
/// nobody knows what runs there.
pub fn one_release(play: &Play<'_>, on: &HostName, to: &ReleaseId) -> Result<(), String> {
    if play.stage.world.setup.strategy != Strategy::Recreate {
        return Ok(());
    }
    let mut others = play.model.slots.iter();
    let other = others.find(|((host, _), slot)| {
        host != on && slot.up && slot.release.as_ref() != Some(to) && !play.faulty.contains(host)
    });
    other.map_or(Ok(()), |((host, _), slot)| {
        Err(format!("{on} starts {to} while {host} is {slot:?}"))
    })
}

/// Member by member: it serves what it ran before or what was wanted; where the run says that nothing
/// was brought, what it ran before.
pub fn at_end(play: &Play<'_>, outcome: &Outcome, log: &Log) -> Result<(), String> {
    let plan = &play.stage.plan;
    let mut all = told(play);
    let first = all.next().and_then(Option::as_ref);
    if all.any(|t| reached(t.as_ref()) != reached(first)) {
        return Err("the load balancers do not agree".to_owned());
    }
    let gets = reached(first);
    let had = reached(
        play.start
            .balancers
            .values()
            .next()
            .and_then(Option::as_ref),
    );
    let wanted = plan.to.as_ref().map(|r| &r.id);
    let (mut new, mut old, mut left) = (0, 0, 0);
    for host in play.stage.world.setup.hosts(&plan.target) {
        let key = (host.clone(), plan.target.clone());
        let (now, was) = (&play.model.slots[&key], &play.start.slots[&key]);
        let named = outcome.why.contains(host.as_str())
            || log
                .untidy
                .iter()
                .any(|u| u.starts_with(&format!("{host}:")));
        let hurt = play.hurt.contains_key(host);
        if !gets.contains(&(plan.target.clone(), host.clone())) {
            let lost = had.contains(&(plan.target.clone(), host.clone()));
            if lost && !named {
                return Err(format!("{host} gets no requests and nobody says so"));
            }
            continue;
        }
        if play.touched.contains_key(&key) && !now.serves() && !hurt {
            return Err(format!("{host} gets requests and is {now:?}"));
        }
        if log
            .untidy
            .iter()
            .any(|u| u.starts_with(&format!("{host}:")))
        {
            // It could not be returned, and the run says so.
            left += 1;
            continue;
        }
        if now.release == was.release {
            old += 1;
        } else if now.release.as_ref() == wanted {
            new += 1;
        } else {
            return Err(format!("{host} was {was:?} and is {now:?}"));
        }
    }
    match (outcome.kind, new, old) {
        (OutcomeKind::Failed | OutcomeKind::Cancelled, 1.., _) => {
            Err("some members run the wanted release and nobody says so".to_owned())
        }
        (OutcomeKind::Mixed, 0, _) if left == 0 => {
            Err("no member runs the wanted release".to_owned())
        }
        _ => Ok(()),
    }
}

#[test]
fn every_step_of_a_batch_with_every_fault() {
    let mut matrix: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut broken = Broken::default();
    for stage in stage::in_place() {
        for faults in singles(&stage) {
            let Some(ended) = broken.note(one(&stage, &faults)) else {
                continue;
            };
            let (kind, _, _, fault) = &faults.work[0];
            let cell = matrix.entry((kind, format!("{fault:?}"))).or_default();
            cell.insert(ended.outcome.kind.word());
        }
    }
    for ((kind, fault), ends) in &matrix {
        let may: &[&str] = match (*kind, fault.as_str()) {
            (_, "Slow" | "Twice" | "Stepped") => &["succeeded"],
            (_, "Lost") => &["superseded"],
            // Nobody has left the traffic yet.
            ("pull", _) => &["failed"],
            _ => &["failed", "mixed"],
        };
        let other = ends.iter().find(|end| !may.contains(end));
        assert_eq!(other, None, "{kind} {fault}: {ends:?}");
    }
    let brought = ["drain", "pull", "replace", "shift", "stop"];
    let hit: BTreeSet<&str> = matrix.keys().map(|(kind, _)| *kind).collect();
    assert_eq!(hit, BTreeSet::from(brought));
}

#[test]
fn blows_at_every_time_of_a_batch() {
    let mut broken = Broken::default();
    let mut ends: BTreeSet<&str> = BTreeSet::new();
    let stages = stage::in_place();
    let some = |s: &&stage::Stage| ["rolling", "recreate"].contains(&s.name);
    for stage in stages.iter().filter(some) {
        let calm = one(stage, &Faults::default()).unwrap();
        let long = u64::try_from(calm.took.as_millis()).unwrap();
        let mut along = Along::new(stage, Faults::default()).unwrap();
        for at in (0..long).step_by(300).map(Duration::from_millis) {
            along.until(at).unwrap();
            for blow in blows(stage) {
                if let Some(ended) = broken.note(along.with(&[(at, blow)])) {
                    ends.insert(ended.outcome.kind.word());
                }
            }
        }
    }
    let all = ["cancelled", "failed", "mixed", "succeeded", "superseded"];
    assert_eq!(ends, BTreeSet::from(all));
}

#[test]
fn a_run_that_is_left_within_a_batch_is_led_to_members_that_serve() {
    let mut broken = Vec::new();
    for stage in stage::in_place() {
        let mut leaving = Leaving::new(&stage);
        for at in (0..14_000).step_by(200).map(Duration::from_millis) {
            for sent in [true, false] {
                if let Err(why) = leaving.at(at, sent) {
                    broken.push(format!("{} at {at:?}, sent {sent}: {why}", stage.name));
                }
            }
        }
    }
    let some = broken.iter().take(10).cloned().collect::<Vec<_>>();
    assert!(
        broken.is_empty(),
        "{} broken\n{}",
        broken.len(),
        some.join("\n")
    );
}
