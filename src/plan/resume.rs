//! Resume: what a run left unfinished is led to one of its two ends, `before` or `after`.
//!
//! Steps are not replayed. The manifest says what the run wanted, the look says what there is, and
//! the table of docs/promises.md says where to go: all load balancers at `before` unwinds; anything
//! else goes forward where the new slot is fit, back where only the old one is, and touches nothing
//! where neither is or where somebody else changed a load balancer.

mod recreate;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Fleet, Traffic};
use crate::inventory::Strategy;
use crate::name::{HostName, OutcomeKind, ReleaseId, SlotName, StepId};

use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo};
use super::{activity, judge, remove, skipped, switch};

/// What the unfinished run wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The slot that it changed.
    pub target: SlotName,
    /// What was last brought up there before it; nothing where absent.
    pub was: BTreeMap<HostName, ReleaseId>,
    /// What it was to run.
    pub wanted: Option<ReleaseId>,
    /// Traffic before it.
    pub before: Option<Traffic>,
    /// Traffic in the end.
    pub after: Option<Traffic>,
    /// It brought a release: only then the slot that it leaves is whole enough to be a spare.
    pub brings: bool,
    /// The command that does it again, where what it left half done harms nothing.
    pub again: Option<&'static str>,
    /// The hosts that it was to take out and clean up; `None` where it was no removal.
    pub removes: Option<BTreeSet<HostName>>,
    /// How it ended, where a host was told already: only the others are left to be told.
    pub ended: Option<OutcomeKind>,
    /// App hosts that a person has left out by name: unfit, and left as they are.
    pub excluded: BTreeSet<HostName>,
    /// Its gates were asked and have not passed: the new slot is not fit, whatever Docker says.
    pub failed: bool,
}

/// Where a load balancer is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    After,
    /// Written one thing, doing the other: one half of a commit.
    Between,
    /// Neither: somebody changed it.
    Elsewhere,
}

/// Plans the end of an unfinished run.
///
/// # Errors
/// A [`Refusal`] where a load balancer does not say what it does, was changed by somebody else, or
/// where neither slot is fit: then nothing may be touched.
pub fn resume(setup: &Setup, fleet: &Fleet, run: &Unfinished) -> Result<Plan, Refusal> {
    let mut plan = Plan::new(setup, PlanKind::Resume, &run.target);
    let run = &at_rest(setup, run);
    plan.before.clone_from(&run.before);
    plan.from = judge::shown_release(setup, fleet, &run.target);
    plan.old = setup.other(&run.target).cloned();
    if let Some(ended) = run.ended {
        told(&mut plan, setup, fleet, run, ended);
        return Ok(plan);
    }
    if let Some(again) = run.again {
        plan.end = OutcomeKind::Cancelled;
        plan.notes.push(format!(
            "what it left half done harms nothing: `deploy {again} {} {}` does the rest",
            setup.env, setup.app
        ));
        return Ok(plan);
    }
    silent(setup, fleet, run)?;
    if let Some(hosts) = &run.removes {
        remove::unfinished::finish(&mut plan, setup, fleet, run, hosts)?;
        return Ok(plan);
    }
    for host in run
        .excluded
        .iter()
        .filter(|h| !fleet.hosts.contains_key(*h))
    {
        let note = format!("{host} does not answer and is left as it is");
        plan.notes.push(note);
    }
    if setup.strategy == Strategy::Recreate
        && let Some(before) = &run.before
    {
        let generation = format!("{}.resume", before.generation);
        recreate::settle(&mut plan, setup, fleet, run, &generation)?;
        return Ok(plan);
    }
    // A restart or a repair works on the slot that serves: nothing there may be taken away.
    let shared = [&run.before, &run.after].into_iter().flatten();
    let shared = shared.clone().any(|t| t.sole().is_none() && !t.nobody());
    let serves = run.before.as_ref().filter(|t| t.reaches(&run.target));
    if let Some(before) = serves.filter(|_| !shared) {
        settle::settle(&mut plan, setup, fleet, run, before)?;
        return Ok(plan);
    }
    let places = places(setup, fleet, run)?;
    let moved = run.after.is_some() && !same(run.before.as_ref(), run.after.as_ref());
    if !moved || places.iter().all(|at| *at == At::Before) {
        unwind(&mut plan, setup, fleet, run);
        return Ok(plan);
    }
    let mut unfit = judge::unfit(setup, fleet, &run.target);
    if run.failed {
        unfit.push(format!("{} has not passed its gates", run.target));
    }
    if unfit.is_empty() {
        forward(&mut plan, setup, fleet, run);
        return Ok(plan);
    }
    let old = plan.old.clone().filter(|_| run.before.is_some());
    match old.map(|slot| (judge::unfit(setup, fleet, &slot), slot)) {
        Some((why, slot)) if why.is_empty() => {
            back(&mut plan, setup, fleet, run, &slot);
            Ok(plan)
        }
        Some((why, _)) => Err(neither(setup, unfit.into_iter().chain(why))),
        None => Err(neither(setup, unfit.into_iter())),
    }
}

/// Hosts that the run passed by count as set down, wherever that has come to.
fn at_rest(setup: &Setup, run: &Unfinished) -> Unfinished {
    let out = |t: &Option<Traffic>| t.as_ref().map(|t| skipped::at_rest(setup, t));
    Unfinished {
        before: out(&run.before),
        after: out(&run.after),
        ..run.clone()
    }
}

/// It ended and did not come to give every host back.
fn told(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished, ended: OutcomeKind) {
    let forward = matches!(ended, OutcomeKind::Succeeded | OutcomeKind::Staged);
    let serves = if forward {
        Some(&run.target)
    } else {
        plan.old.as_ref()
    };
    plan.to = serves.and_then(|slot| judge::shown_release(setup, fleet, slot));
    plan.before
        .clone_from(if forward { &run.after } else { &run.before });
    plan.after.clone_from(&plan.before);
    plan.end = ended;
    plan.notes.push(format!(
        "the run ended as {ended}; what is left is to give its hosts back"
    ));
}

/// Every app host of the run answers, or was left out by name: what is not seen is not led to an end.
fn silent(setup: &Setup, fleet: &Fleet, run: &Unfinished) -> Result<(), Refusal> {
    let all: BTreeSet<&HostName> = setup.all_hosts().collect();
    let mute = all
        .into_iter()
        .filter(|h| !fleet.hosts.contains_key(*h) && !run.excluded.contains(*h));
    let reasons: Vec<(String, String)> = mute
        .map(|host| {
            let why = fleet
                .silent
                .get(host)
                .map_or("it was not asked", String::as_str);
            (
                format!("{host} does not answer: {why}"),
                format!("make it answer, or go on without it: --exclude {host}"),
            )
        })
        .collect();
    match Refusal::of(reasons) {
        None => Ok(()),
        Some(refusal) => Err(Refusal {
            unknown: true,
            ..refusal
        }),
    }
}

fn neither(setup: &Setup, why: impl Iterator<Item = String>) -> Refusal {
    let mut reasons: Vec<(String, String)> = why
        .map(|w| (format!("neither slot is fit: {w}"), String::new()))
        .collect();
    if let Some(last) = reasons.last_mut() {
        last.1 = format!(
            "nothing is touched; `deploy switch {} {} --to SLOT --force -m REASON` when you know which",
            setup.env, setup.app
        );
    }
    Refusal {
        reasons,
        unknown: false,
    }
}

fn same(a: Option<&Traffic>, b: Option<&Traffic>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_as(b),
        (None, None) => true,
        _ => false,
    }
}

fn places(setup: &Setup, fleet: &Fleet, run: &Unfinished) -> Result<Vec<At>, Refusal> {
    let mut out = Vec::new();
    let mut refusal = Refusal {
        reasons: Vec::new(),
        unknown: false,
    };
    for lb in &setup.balancers {
        let view = fleet.balancers.get(&lb.host);
        let known = view.and_then(|v| Some((v.persisted.get()?, v.running.get()?)));
        let rest = |t: &Option<Traffic>| t.as_ref().map(|t| skipped::at_rest(setup, t));
        let Some((written, doing)) = known.map(|(w, d)| (rest(w), rest(d))) else {
            refusal.unknown = true;
            refusal.reasons.push((
                format!("load balancer {} does not say what it does", lb.host),
                "make it answer, then resume again".to_owned(),
            ));
            continue;
        };
        let is = |t: &Option<Traffic>, end: &Option<Traffic>| same(t.as_ref(), end.as_ref());
        let known = |t: &Option<Traffic>| is(t, &run.before) || is(t, &run.after);
        let at = if is(&written, &run.before) && is(&doing, &run.before) {
            At::Before
        } else if is(&written, &run.after) && is(&doing, &run.after) {
            At::After
        } else if known(&written) && known(&doing) {
            At::Between
        } else {
            At::Elsewhere
        };
        if at == At::Elsewhere {
            refusal.reasons.push((
                format!(
                    "load balancer {} was changed by somebody else since",
                    lb.host
                ),
                format!(
                    "nothing is touched; `deploy switch {} {} --to SLOT` sets all of them",
                    setup.env, setup.app
                ),
            ));
        }
        out.push(at);
    }
    if refusal.reasons.is_empty() {
        Ok(out)
    } else {
        Err(refusal)
    }
}

/// No request has seen the new slot: what the run put there is taken away.
fn unwind(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished) {
    plan.to = plan
        .old
        .as_ref()
        .and_then(|slot| judge::shown_release(setup, fleet, slot));
    plan.after.clone_from(&run.before);
    plan.end = OutcomeKind::Cancelled;
    let note = if serves(run) {
        "no load balancer has come to the new shares, and no slot was changed"
    } else {
        "no load balancer sends to the new slot: what the run began is taken back"
    };
    plan.notes.push(note.into());
    let needs: Vec<StepId> = agree(plan, setup, fleet, run).into_iter().collect();
    revert(plan, setup, fleet, run, &needs);
    if run.after.is_some() && !same(run.before.as_ref(), run.after.as_ref()) {
        activity::restore(plan, setup, fleet, run.before.as_ref(), &needs);
    }
}

/// Where the run was setting hosts down that do not answer and not all load balancers came to it, all
/// do it now: it is written that these hosts owe.
fn agree(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished) -> Option<StepId> {
    let before = run.before.clone()?;
    let views = setup
        .balancers
        .iter()
        .map(|lb| (lb, fleet.balancers.get(&lb.host)));
    let mut moves = Vec::new();
    let (mut some, mut all) = (false, true);
    for (lb, view) in views {
        let running = view.and_then(|v| v.running.get().cloned().flatten());
        let written = view.and_then(|v| v.persisted.get().cloned().flatten());
        let [doing, says] = [&running, &written].map(|t| same(t.as_ref(), Some(&before)));
        some |= doing || says;
        all &= doing && says;
        moves.push(Move {
            host: lb.host.clone(),
            before: running,
            after: Some(before.clone()),
        });
    }
    let why = "hosts that do not answer get no requests from any of them";
    (some && !all).then(|| plan.push(Action::Shift { moves }, Undo::Nothing, &[], why))
}

/// Whether requests went to the slot before the run already: then it only moved traffic, and nothing
/// in the slot is its work.
fn serves(run: &Unfinished) -> bool {
    run.before.as_ref().is_some_and(|t| t.reaches(&run.target))
}

fn revert(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished, needs: &[StepId]) {
    let slot = &run.target;
    if serves(run) {
        return;
    }
    for host in setup.hosts(slot) {
        let Some(view) = fleet.hosts.get(host) else {
            continue;
        };
        let to = run.was.get(host).cloned();
        let kept = to.as_ref().and_then(|id| {
            view.record
                .kept
                .iter()
                .find(|k| k.label.id == *id && k.slot == *slot)
        });
        let whole = match kept {
            Some(kept) => {
                let id = &kept.label.id;
                judge::differences(view, &setup.env, &setup.app, slot, id, &kept.services)
                    .is_empty()
            }
            None => judge::containers(view, &setup.env, &setup.app, slot)
                .next()
                .is_none(),
        };
        if whole {
            continue;
        }
        let evidence = Action::Evidence {
            host: host.clone(),
            slot: slot.clone(),
        };
        let evidence = plan.push(evidence, Undo::Nothing, needs, "what the run left behind");
        let back = Action::Revert {
            host: host.clone(),
            slot: slot.clone(),
            to,
        };
        plan.push(
            back,
            Undo::NeverBack,
            &[evidence],
            "as it was before the run",
        );
    }
}

/// The new slot is fit and a load balancer sends there: all do in the end.
fn forward(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished) {
    plan.to = judge::shown_release(setup, fleet, &run.target);
    plan.notes
        .push("the switch had begun and the new slot is fit: it is finished".into());
    let gate = gate(plan, setup, &run.target, run.wanted.clone());
    if let Some(after) = run.after.clone() {
        let mut setup = setup.clone();
        for lb in &mut setup.balancers {
            // What a way back or a switch leaves is what somebody wanted to leave.
            lb.spare &= run.brings;
        }
        switch::shift(plan, &setup, fleet, after, &[gate]);
        let setup = &setup;
        lead_back_to(plan, setup, run);
    }
}

/// A failure from here on leads every load balancer to `before`, not to the half-way state in which
/// the run was found.
fn lead_back_to(plan: &mut Plan, setup: &Setup, run: &Unfinished) {
    let change = |lb: &super::LbHost| Move {
        host: lb.host.clone(),
        before: run.after.clone(),
        after: run.before.clone(),
    };
    let mut undo = vec![Action::Shift {
        moves: setup.balancers.iter().map(change).collect(),
    }];
    if let Some(before) = &run.before {
        undo.extend(setup.balancers.iter().map(|lb| Action::Drain {
            host: lb.host.clone(),
            now: before.clone(),
            within: setup.drain,
        }));
    }
    let commit = plan.commit;
    for step in plan.steps.iter_mut().filter(|s| Some(s.id) == commit) {
        step.undo = Undo::Do(undo.clone());
    }
}

/// The new slot is not fit, the old one is: all load balancers go back to it.
fn back(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished, old: &SlotName) {
    plan.target = old.clone();
    plan.old = Some(run.target.clone());
    plan.to = judge::shown_release(setup, fleet, old);
    plan.end = OutcomeKind::RolledBack;
    plan.notes
        .push("the switch had begun, but the new slot is not fit: traffic goes back".into());
    let gate = gate(plan, setup, old, None);
    let Some(before) = run.before.clone() else {
        return;
    };
    let change = |lb: &super::LbHost| Move {
        host: lb.host.clone(),
        before: fleet
            .balancers
            .get(&lb.host)
            .and_then(|v| v.running.get().cloned().flatten()),
        after: Some(before.clone()),
    };
    let moves = setup.balancers.iter().map(change).collect();
    // There is nothing to go back to from here: the other side is not fit.
    let shifted = plan.push(
        Action::Shift { moves },
        Undo::NeverBack,
        &[gate],
        "the way back",
    );
    plan.commit = Some(shifted);
    let mut drained = vec![shifted];
    // Where both slots go on, nobody is left.
    let left = setup.balancers.iter().filter(|_| before.sole().is_some());
    for lb in left {
        let drain = Action::Drain {
            host: lb.host.clone(),
            now: before.clone(),
            within: setup.drain,
        };
        drained.push(plan.push(
            drain,
            Undo::Nothing,
            &[shifted],
            "open requests of the new slot end",
        ));
    }
    revert(plan, setup, fleet, run, &drained);
    activity::restore(plan, setup, fleet, Some(&before), &drained);
    plan.after = Some(before);
}

fn gate(plan: &mut Plan, setup: &Setup, slot: &SlotName, release: Option<ReleaseId>) -> StepId {
    let gate = Action::Gate {
        slot: slot.clone(),
        hosts: setup.hosts(slot).cloned().collect(),
        release,
        once: true,
    };
    plan.push(
        gate,
        Undo::Nothing,
        &[],
        "one fresh probe of every member from every view",
    )
}
