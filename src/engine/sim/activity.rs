//! What is switched on and off: at no moment in two releases at once, and in the end it is on where the
//! requests go. What was switched off is known by the model alone: no look tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::after::Leaving;
use super::fault::{Blow, Fault, Faults};
use super::judge::told;
use super::model::{Model, reached};
use super::play::{Along, Play, play};
use super::stage::{self, Stage};
use super::tests::{Broken, one, singles};
use crate::engine::dispatch::Log;
use crate::engine::remote::Work;
use crate::fleet::Traffic;
use crate::inventory::Strategy;
use crate::name::{HostName, Outcome, OutcomeKind, ReleaseId, SlotName};
use crate::plan::fixture::World;
use crate::plan::{Action, Step, Undo};

/// The label by which one who comes later is told what the model knows: `yes` or `no`.
pub const ACTIVE: &str = "sim.active";

/// Who is switched on when a run begins: as it was left, else whoever gets all requests.
pub fn of(world: &World) -> BTreeSet<(HostName, SlotName)> {
    let setup = &world.setup;
    let mut out = BTreeSet::new();
    if !setup.switches() {
        return out;
    }
    let sends = world.fleet.balancers.values();
    let mut sends = sends.filter_map(|v| v.running.get().cloned().flatten());
    let gets = reached(sends.find(|t| t.sole().is_some()).as_ref());
    for slot in &setup.slots {
        for (host, view) in &world.fleet.hosts {
            let own = crate::plan::judge::containers(view, &setup.env, &setup.app, slot);
            let told = own.filter_map(|c| c.label(ACTIVE)).next();
            let on = match told {
                Some(told) => told == "yes",
                None => gets.contains(&(slot.clone(), host.clone())),
            };
            if on {
                out.insert((host.clone(), slot.clone()));
            }
        }
    }
    out
}

/// Members that are switched on and run, with what they run.
fn on(model: &Model) -> Vec<(&HostName, &SlotName, Option<&ReleaseId>)> {
    let all = model.active.iter().filter_map(|(host, slot)| {
        let found = model.slots.get(&(host.clone(), slot.clone()))?;
        found.up.then_some((host, slot, found.release.as_ref()))
    });
    all.collect()
}

/// Whether a planned call is this one.
pub fn planned(action: &Action, host: &HostName, work: &Work) -> bool {
    match (action, work) {
        (Action::Activate { host: h, slot: s }, Work::Activate { slot })
        | (
            Action::Deactivate {
                host: h, slot: s, ..
            },
            Work::Deactivate { slot },
        ) => h == host && s == slot,
        (Action::Remove { host: h, .. }, Work::Remove { .. }) => h == host,
        _ => false,
    }
}

/// Never two slots, nor two releases of what must not run twice.
pub fn alone(play: &Play<'_>) -> Result<(), String> {
    let setup = &play.stage.world.setup;
    if !setup.switches() || setup.strategy == Strategy::Rolling {
        return Ok(());
    }
    let mut on = on(&play.model);
    let steps = &play.stage.plan.steps;
    // A person answers for whoever a forced switch could not switch off.
    let answered = |h: &HostName, s: &SlotName| {
        let may = |a: &Action| matches!(a, Action::Deactivate { host, slot, may_fail: true } if (host, slot) == (h, s));
        setup.strategy == Strategy::BlueGreen && steps.iter().any(|s| may(&s.action))
    };
    on.retain(|(host, slot, _)| !(play.faulty.contains(*host) && answered(host, slot)));
    let slots: BTreeSet<&SlotName> = on.iter().map(|(_, slot, _)| *slot).collect();
    if slots.len() > 1 {
        return Err(format!("two slots are active: {on:?}"));
    }
    let releases: BTreeSet<Option<&ReleaseId>> = on.iter().map(|(_, _, r)| *r).collect();
    if releases.len() > 1 && setup.strategy == Strategy::Recreate {
        return Err(format!("two releases are active: {on:?}"));
    }
    Ok(())
}

/// Who gets all requests is switched on, and nobody else.
fn where_requests_go(
    (model, first): (&Model, Option<&Traffic>),
    pardoned: impl Fn(&HostName) -> bool,
) -> Result<(), String> {
    let Some(to) = first.and_then(Traffic::sole) else {
        return Ok(());
    };
    for (slot, host) in reached(first) {
        let key = (host.clone(), slot);
        let up = model.slots.get(&key).is_some_and(|s| s.up);
        if up && !model.active.contains(&key) && !pardoned(&host) {
            return Err(format!("{host} gets requests and is not active"));
        }
    }
    let on = on(model);
    let other = |(host, slot, _): &(&HostName, &SlotName, _)| *slot != to && !pardoned(host);
    let other = on.into_iter().find(other);
    other.map_or(Ok(()), |(host, slot, _)| {
        Err(format!(
            "{slot} is active on {host}, and requests go to {to}"
        ))
    })
}

/// Asked at the end of a run.
pub fn at_end(play: &Play<'_>, outcome: &Outcome, log: &Log) -> Result<(), String> {
    let open = [
        OutcomeKind::Superseded,
        OutcomeKind::Unfinished,
        OutcomeKind::Mixed,
    ];
    let resumed = play.stage.plan.kind == crate::plan::PlanKind::Resume;
    let failed = resumed && outcome.kind == OutcomeKind::Failed;
    if !play.stage.world.setup.switches() || open.contains(&outcome.kind) || failed {
        return Ok(());
    }
    let pardoned = |host: &HostName| {
        let named = |text: &String| text.starts_with(&format!("{host}:"));
        log.untidy.iter().any(named) || play.hurt.contains_key(host)
    };
    let first = told(play).next().and_then(Option::as_ref);
    where_requests_go((&play.model, first), pardoned)
        .map_err(|why| format!("{}: {why}", outcome.kind))
}

/// Traffic was given back, and somebody who failed could not be switched off: nobody else was switched
/// on, and who it is is named.
pub fn left_on(play: &Play<'_>, outcome: &Outcome, log: &Log) -> bool {
    let said = |u: &String| u.contains("so no other slot was activated again");
    let value = |t: &Option<Traffic>| t.as_ref().map(Traffic::without_spare);
    let told = play.model.balancers.iter();
    let mut balancers = told.filter(|(lb, _)| !play.reverted.contains(*lb));
    // Who does not answer is set down first, and stays so.
    let sets = |s: &Step, lb: &HostName, now: &Option<Traffic>| match (&s.action, &s.undo) {
        (Action::Shift { moves }, Undo::Nothing | Undo::Half(_)) => moves
            .iter()
            .any(|m| m.host == *lb && value(&m.after) == value(now)),
        _ => false,
    };
    let kept = |lb: &HostName, now: &Option<Traffic>| {
        play.stage.plan.steps.iter().any(|s| sets(s, lb, now))
    };
    log.untidy.iter().any(said)
        && play.unrestored.is_empty()
        && balancers
            .all(|(lb, now)| value(now) == value(&play.start.balancers[lb]) || kept(lb, now))
        && outcome.hosts.iter().all(|h| play.faulty.contains(h))
}

/// Asked where a run that was left has come to its end.
pub fn settled(stage: &Stage, model: &Model) -> Result<(), String> {
    match stage.world.setup.switches() {
        true => {
            let first = model.balancers.values().next().and_then(Option::as_ref);
            where_requests_go((model, first), |_| false)
        }
        false => Ok(()),
    }
}

#[test]
fn every_call_with_every_fault() {
    let mut matrix: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    let mut broken = Broken::default();
    for stage in stage::active() {
        let calm = one(&stage, &Faults::default()).unwrap();
        assert_eq!(calm.outcome.kind, stage.plan.end, "{}", stage.name);
        for faults in singles(&stage) {
            let Some(ended) = broken.note(one(&stage, &faults)) else {
                continue;
            };
            let (kind, _, _, fault) = &faults.work[0];
            // What is stopped next is stopped all the same.
            let in_place =
                |s: &Step| matches!(s.action, Action::Deactivate { may_fail, .. } if may_fail);
            let kind = match *kind {
                "deactivate" if stage.plan.steps.iter().any(in_place) => "deactivate in place",
                kind => kind,
            };
            let cell = matrix.entry((kind, format!("{fault:?}"))).or_default();
            cell.insert(ended.outcome.kind.word());
        }
    }
    for kind in ["activate", "deactivate"] {
        for fault in [Fault::Fails, Fault::FailsAfter, Fault::SilentNot] {
            let ends = &matrix[&(kind, format!("{fault:?}"))];
            let may = BTreeSet::from(["failed", "mixed"]);
            assert!(ends.is_subset(&may), "{kind} {fault:?}: {ends:?}");
        }
    }
    let gone_on = &matrix[&("deactivate in place", format!("{:?}", Fault::Fails))];
    assert!(gone_on.contains("succeeded"), "{gone_on:?}");
}

/// Whatever goes wrong on the way back as well.
#[test]
fn every_way_back_of_a_call_with_every_fault() {
    let mut broken = Broken::default();
    let long = super::random::long();
    for stage in stage::active() {
        if !long && !["active", "active two"].contains(&stage.name) {
            continue;
        }
        let forward = one(&stage, &Faults::default()).unwrap().work;
        let calls = ["activate", "deactivate", "shift"];
        let singles = singles(&stage).into_iter();
        let singles = singles.filter(|f| calls.contains(&f.work[0].0));
        let some = |f: Fault| long || [Fault::FailsAfter, Fault::SilentNot].contains(&f);
        for first in singles.filter(|f| some(f.work[0].3)) {
            let Ok(unwound) = one(&stage, &first) else {
                continue;
            };
            let back = unwound.work.into_iter().filter(|w| !forward.contains(w));
            for (kind, host, nth, work) in back.collect::<Vec<_>>() {
                for fault in Fault::ALL.into_iter().filter(|f| f.fits(&work) && some(*f)) {
                    let mut faults = first.clone();
                    // Whoever is asked again fails again.
                    let calls = ["activate", "deactivate"].contains(&kind);
                    let again = if calls { 4 } else { 1 };
                    let all = (nth..nth + again).map(|n| (kind, host.clone(), n, fault));
                    faults.work.extend(all);
                    broken.note(one(&stage, &faults));
                }
            }
        }
    }
}

#[test]
fn a_run_that_is_left_at_any_moment_is_never_active_twice() {
    let mut broken = Vec::new();
    let mut ends = BTreeSet::new();
    for stage in stage::active() {
        let took = one(&stage, &Faults::default()).unwrap().took;
        let all = u64::try_from(took.as_millis()).unwrap();
        let mut leaving = Leaving::new(&stage);
        let pace = if super::random::long() { 60 } else { 200 };
        for at in (0..all).step_by(pace).map(Duration::from_millis) {
            for sent in [true, false] {
                match leaving.at(at, sent) {
                    Ok((_, end)) => drop(ends.insert(end)),
                    Err(why) => {
                        broken.push(format!("{} at {at:?}, sent {sent}: {why}", stage.name));
                    }
                }
            }
        }
    }
    let some: Vec<&String> = broken.iter().take(10).collect();
    assert!(broken.is_empty(), "{} broken {some:#?}", broken.len());
    assert_eq!(ends, BTreeSet::from(["cancelled", "succeeded"]));
}

/// Of what must never run twice a member loses its power with the new release and comes back with it,
/// while the others are led back: they are not switched on beside it.
#[test]
fn a_recreated_member_that_comes_back_with_the_new_release_is_never_active_beside_the_old_one() {
    let stage = stage::active().into_iter().find(|s| s.name == "active two");
    let stage = stage.expect("a plan of that name");
    let took = one(&stage, &Faults::default()).unwrap().took;
    let mut along = Along::new(&stage, Faults::default()).unwrap();
    let (mut broken, mut kept_off) = (Broken::default(), 0);
    let mut at = Duration::ZERO;
    while at < took {
        along.until(at).unwrap();
        for name in ["web1", "web2"].map(crate::plan::fixture::host) {
            for blow in [Blow::Reboots(name.clone()), Blow::Dies(name.clone())] {
                if let Some(ended) = broken.note(along.with(&[(at, blow)])) {
                    let reverted = |w: &Work| matches!(w, Work::Revert { .. });
                    let mut after = ended.work.iter().skip_while(|(.., w)| !reverted(w));
                    let some = after.next().is_some();
                    let on = after.any(|(kind, ..)| *kind == "activate");
                    kept_off += u32::from(some && !on);
                }
            }
        }
        at += Duration::from_millis(200);
    }
    assert!(kept_off > 10, "{kept_off}");
}

/// The judge is awake: a plan that forgets to switch off, and one that is in too great a hurry.
#[test]
fn a_plan_that_lets_two_be_active_is_found() {
    let mut forgets = stage::active().remove(0);
    for step in &mut forgets.plan.steps {
        if matches!(step.action, Action::Deactivate { .. }) {
            step.action = Action::Owe {
                on: Vec::new(),
                owing: Vec::new(),
                paid: Vec::new(),
            };
        }
    }
    let mut hurries = stage::active().remove(0);
    for step in &mut hurries.plan.steps {
        if matches!(step.action, Action::Activate { .. }) {
            step.needs.clear();
        }
    }
    for stage in [forgets, hurries] {
        let why = "two slots are active";
        let said = play(&stage, Faults::default(), None, 1).map(|e| e.outcome.kind);
        let found = said.as_ref().is_err_and(|said| said.contains(why));
        assert!(found, "{said:?}");
    }
}
