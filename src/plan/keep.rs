//! The wanted release serves already: what differs is repaired, the way back too; else nothing.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, Traffic};
use crate::name::{HostName, OutcomeKind, SlotName, StepId};
use crate::release::Release;

use super::rolling::{self, Rolling};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo};
use super::{blue_green, debts, in_place, judge, skipped, spare};

/// Plans the repair of the active slot and of the way back.
pub(super) fn keep(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    serving: &Traffic,
    active: &SlotName,
    notes: Vec<String>,
    generation: &str,
) -> Result<Plan, Refusal> {
    let mut plan = Plan::new(setup, PlanKind::Deploy, active);
    plan.to = Some(release.label.clone());
    plan.from.clone_from(&plan.to);
    plan.old = Some(active.clone());
    plan.before = Some(serving.clone());
    plan.after = Some(serving.clone());
    plan.notes = notes;
    let broken = blue_green::differing(setup, release, fleet, active);
    refuse_clashes(setup, release, fleet, active, &broken)?;
    let down = skipped::set_down(&mut plan, setup, fleet, (active, serving), generation)?;
    let serving = down.as_ref().map_or(serving, |(now, _)| now);
    let needs: Vec<StepId> = down.iter().map(|(_, step)| *step).collect();
    let mut last = repair_active(
        &mut plan, setup, release, fleet, serving, active, &broken, generation, needs,
    );
    last.extend(spare::end_left(&mut plan, setup, fleet, active));
    let left = repair_standby(&mut plan, setup, fleet, active, &last)?;
    let gated = debts::gated(&plan, active);
    debts::pay(&mut plan, setup, fleet, gated, "they have caught up");
    let back = match left {
        Some(why) => Err(why),
        None => way_back(setup, fleet, active),
    };
    if plan.is_empty() {
        // Nothing was to be done only where one could go back too.
        plan.end = match &back {
            Ok(_) => judge::NOTHING,
            Err(_) => OutcomeKind::Failed,
        };
        plan.notes.push(format!(
            "{active} serves {} on every host as wanted, all load balancers agree",
            release.label
        ));
    }
    let (Ok(said) | Err(said)) = back;
    plan.notes.push(said);
    Ok(plan)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site a line above; a struct would say the same"
)]
fn repair_active(
    plan: &mut Plan,
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    serving: &Traffic,
    active: &SlotName,
    broken: &[(HostName, Vec<String>)],
    generation: &str,
    needs: Vec<StepId>,
) -> Vec<StepId> {
    let id = &release.label.id;
    let mut rolling = Rolling::new(plan, setup, active, serving.clone(), generation);
    rolling.last = needs;
    let is_broken = |h: &HostName| broken.iter().any(|(b, _)| b == h);
    let out = rolling::out_of_traffic(setup, serving, active);
    let debts = fleet.debts();
    let mut well: Vec<HostName> = out.into_iter().filter(|h| !is_broken(h)).collect();
    let owing = setup
        .hosts(active)
        .filter(|h| debts.contains_key(*h) && !is_broken(h));
    well.extend(
        owing
            .filter(|h| !well.contains(h))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let why = if well.iter().any(|h| debts.contains_key(h)) {
        "it missed a change"
    } else {
        "it gets no traffic"
    };
    rolling.gate(well.clone(), Some(id.clone()), false, why);
    rolling.back(&well, "it is well: back into traffic");
    let hosts = broken.iter().map(|(h, _)| h.clone()).collect();
    let hosts = rolling::order(setup, fleet, active, serving, hosts);
    if let Some(first) = hosts.first() {
        let others = rolling::others(setup, fleet, active, &rolling.now, first);
        let all_same = others.iter().all(|h| !is_broken(h));
        let wanted = all_same.then(|| id.clone());
        rolling.gate(others, wanted, true, "they serve alone while one is out");
    }
    for host in &hosts {
        let why = broken
            .iter()
            .find(|(h, _)| h == host)
            .map(|(_, why)| why.join(", "));
        rolling.member(host, id, &why.unwrap_or_default());
    }
    let now = rolling.now.groups.get(active);
    if now != setup.groups.get(active) {
        let all = setup.hosts(active).cloned().collect();
        let why = "the load balancers' members differ from the inventory";
        rolling.gate(all, Some(id.clone()), false, why);
        rolling.settle(why);
    }
    rolling.last
}

/// A container of somebody else on a port of ours: told before a member is taken out.
fn refuse_clashes(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    active: &SlotName,
    broken: &[(HostName, Vec<String>)],
) -> Result<(), Refusal> {
    let hosts: BTreeSet<&HostName> = broken.iter().map(|(h, _)| h).collect();
    Refusal::of(blue_green::clashes(setup, release, fleet, active, |h| {
        hosts.contains(h)
    }))
    .map_or(Ok(()), Err)
}

/// Brings the standby's own release up again where a part of it is missing: the way back. Why it
/// is left as it is, where it cannot be repaired now.
fn repair_standby(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    active: &SlotName,
    last: &[StepId],
) -> Result<Option<String>, Refusal> {
    let Some(slot) = setup.other(active) else {
        return Ok(None);
    };
    let mut broken = Vec::new();
    let mut reasons = Vec::new();
    let mut ids = BTreeSet::new();
    for host in setup.hosts(slot) {
        let view = fleet.hosts.get(host);
        let Some((view, want)) = view.and_then(|v| Some((v, judge::recorded(v, slot)?))) else {
            // Where a host was never given the release, there is no whole way back to repair.
            return Ok(None);
        };
        ids.insert(&want.label.id);
        let here = |id: &String| view.containers.iter().any(|c| c.id == *id);
        if want.label.adopted && !want.adopted.values().all(|one| here(&one.id)) {
            return Ok(Some(format!(
                "{slot} is NOT a way back: what was adopted on {host} is gone"
            )));
        }
        let (env, app) = (&setup.env, &setup.app);
        let found = judge::differences(view, env, app, slot, &want.label.id, &want.services);
        if !found.is_empty() {
            reasons.extend(judge::port_clashes(host, view, env, app, want));
            broken.push((host.clone(), want.label.id.clone(), found.join(", ")));
        }
    }
    if broken.is_empty() || ids.len() > 1 {
        return Ok(None);
    }
    let free = debts::refuse_touched(setup, fleet, slot, plan.before.as_ref());
    if let Err(touched) = free {
        let (why, hints): (Vec<String>, Vec<String>) = touched.reasons.into_iter().unzip();
        let (why, hint) = (why.join("; "), hints.join("; "));
        return Ok(Some(format!("{slot} is NOT a way back: {why}: {hint}")));
    }
    let gated = |h: &HostName| plan.steps.iter().any(|s| s.action.hosts().contains(&h));
    if broken.iter().any(|(h, _, _)| gated(h)) {
        // The gates of a host are of one slot at a time.
        let why = format!("{slot} is repaired by the next deploy of this version");
        return Ok(Some(why));
    }
    if let Some(refusal) = Refusal::of(reasons) {
        return Err(refusal);
    }
    push_repair(plan, slot, &broken, last);
    Ok(None)
}

fn push_repair(
    plan: &mut Plan,
    slot: &SlotName,
    broken: &[(HostName, crate::name::ReleaseId, String)],
    last: &[StepId],
) {
    let mut ups = Vec::new();
    for (host, id, why) in broken {
        let action = Action::Replace {
            host: host.clone(),
            slot: slot.clone(),
            release: id.clone(),
        };
        let cause = format!("way back: {why}");
        ups.push(plan.push(action, Undo::Nothing, last, &cause));
    }
    let gate = Action::Gate {
        slot: slot.clone(),
        hosts: broken.iter().map(|(h, _, _)| h.clone()).collect(),
        release: broken.first().map(|(_, id, _)| id.clone()),
        once: false,
    };
    plan.push(gate, Undo::Nothing, &ups, "the way back is fit");
}

/// What the standby is good for, in words; an error where it holds what nobody can go back to.
fn way_back(setup: &Setup, fleet: &Fleet, active: &SlotName) -> Result<String, String> {
    let Some(slot) = setup.other(active) else {
        return Ok(in_place::way_back(setup, fleet, active));
    };
    let empty = setup.hosts(slot).all(|h| {
        let view = fleet.hosts.get(h);
        view.is_none_or(|v| {
            !v.record.slots.contains_key(slot)
                && judge::containers(v, &setup.env, &setup.app, slot)
                    .next()
                    .is_none()
        })
    });
    if empty {
        return Ok(format!(
            "{slot} is empty: there is no earlier release to go back to"
        ));
    }
    let mut ids = BTreeSet::new();
    let mut held = None;
    let mut served = false;
    for host in setup.hosts(slot) {
        let view = fleet.hosts.get(host);
        let Some((view, kept)) = view.and_then(|v| Some((v, judge::recorded(v, slot)?))) else {
            return Err(format!(
                "{slot} is NOT a way back: {host} has no recorded release there; `deploy sync {} {}` brings it",
                setup.env, setup.app
            ));
        };
        ids.insert(&kept.label.id);
        served |= view.record.promoted.contains(&kept.label.id);
        held = Some(&kept.label);
    }
    match held {
        _ if ids.len() > 1 => Err(format!(
            "{slot} is NOT a way back: its hosts hold different releases; the next version that is deployed takes their place"
        )),
        Some(label) if served => Ok(format!("way back: {slot} holds {label}")),
        Some(label) => Ok(format!(
            "{slot} holds {label}, which never served: `deploy switch {} {}` goes forward to it",
            setup.env, setup.app
        )),
        None => Ok(format!("{slot} has no hosts")),
    }
}
