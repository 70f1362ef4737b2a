//! Deploy and stage: bring the release up in the standby slot, gate it, switch to it.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, Traffic};
use crate::name::{HostName, OutcomeKind, SlotName, StepId};
use crate::release::Release;

use super::restart::{self, Member};
use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo, judge, switch};

/// Plans a deploy (or, with [`PlanKind::Stage`], everything up to the gates).
///
/// # Errors
/// A [`Refusal`] with every reason against it; nothing may be changed then.
pub fn deploy(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    kind: PlanKind,
    generation: &str,
) -> Result<Plan, Refusal> {
    let before = entry_checks(setup, fleet)?;
    let active = judge::active(setup, before.as_ref())?;
    let Some(active) = active else {
        let first = setup.slots.first().ok_or_else(no_slots)?.clone();
        return into_standby(
            setup, release, fleet, kind, generation, before, None, &first,
        );
    };
    let running = judge::slot_release(setup, fleet, &active);
    if running.as_ref().is_some_and(|r| r.id == release.label.id)
        || serves(setup, release, fleet, &active)
    {
        return keep(setup, release, fleet, kind, generation, before, &active);
    }
    let standby = setup.other(&active).ok_or_else(no_slots)?.clone();
    into_standby(
        setup,
        release,
        fleet,
        kind,
        generation,
        before,
        Some(active),
        &standby,
    )
}

fn no_slots() -> Refusal {
    Refusal::one(
        "the app needs two slots for blue-green",
        "name them under `slots:` of the app",
    )
}

/// What must hold before any plan: everybody answers, nothing is broken, traffic is understood.
pub(super) fn entry_checks(setup: &Setup, fleet: &Fleet) -> Result<Option<Traffic>, Refusal> {
    let balancers = setup.balancers.iter().map(|b| &b.host);
    let silent = judge::all_answer(fleet, setup.all_hosts().chain(balancers));
    let mut reasons = judge::problems(fleet);
    let mut unknown = false;
    for found in [silent.err(), judge::traffic_now(setup, fleet).err()]
        .into_iter()
        .flatten()
    {
        unknown |= found.unknown;
        reasons.extend(found.reasons);
    }
    // A silent load balancer is said twice; one line is enough.
    let mut seen = BTreeSet::new();
    reasons.retain(|(what, _)| seen.insert(what.clone()));
    if reasons.is_empty() {
        judge::traffic_now(setup, fleet)
    } else {
        Err(Refusal { reasons, unknown })
    }
}

/// Whether the active slot is meant to run the release, though a part of it may be missing.
fn serves(setup: &Setup, release: &Release, fleet: &Fleet, slot: &SlotName) -> bool {
    let id = &release.label.id;
    setup.hosts(slot).all(|h| {
        fleet
            .hosts
            .get(h)
            .and_then(|v| v.record.slots.get(slot))
            .is_some_and(|s| s.release == *id)
    })
}

/// Differences of every host of a slot from the release, hosts without any left out.
fn slot_differences(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
) -> Vec<(HostName, Vec<String>)> {
    let mut out = Vec::new();
    for host in setup.hosts(slot) {
        let (Some(view), Some(want)) = (fleet.hosts.get(host), release.on(slot, host)) else {
            out.push((host.clone(), vec!["not part of the release".to_owned()]));
            continue;
        };
        let (env, app) = (&setup.env, &setup.app);
        let found =
            judge::differences(view, env, app, slot, &release.label.id, &want.spec.services);
        if !found.is_empty() {
            out.push((host.clone(), found));
        }
    }
    out
}

/// The wanted release serves already: repair what differs, else change nothing.
fn keep(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    kind: PlanKind,
    generation: &str,
    before: Option<Traffic>,
    active: &SlotName,
) -> Result<Plan, Refusal> {
    let mut plan = empty(setup, release, kind, active);
    plan.from = Some(release.label.clone());
    plan.old = Some(active.clone());
    plan.before.clone_from(&before);
    plan.after.clone_from(&before);
    let broken = slot_differences(setup, release, fleet, active);
    let serving = before.ok_or_else(no_slots)?;
    let mut last = None;
    for (host, why) in &broken {
        let member = Member {
            slot: active,
            host,
            release: &release.label.id,
            why: &why.join(", "),
        };
        last = Some(restart::member(
            &mut plan, setup, &serving, &member, generation, last,
        ));
    }
    if broken.is_empty() {
        put_back(
            &mut plan,
            setup,
            &serving,
            active,
            &release.label.id,
            generation,
        );
    }
    repair_standby(&mut plan, setup, fleet, active);
    if plan.is_empty() {
        plan.end = judge::NOTHING;
        plan.notes.push(format!(
            "{active} serves {} on every host as wanted, all load balancers agree{}",
            release.label,
            standby_words(setup, fleet, active)
        ));
    }
    Ok(plan)
}

/// Members that are well but get no traffic, e.g. after a restart that failed, get it again.
fn put_back(
    plan: &mut Plan,
    setup: &Setup,
    serving: &Traffic,
    active: &SlotName,
    release: &crate::name::ReleaseId,
    generation: &str,
) {
    let out: Vec<HostName> = restart::out_of_traffic(serving, active).cloned().collect();
    if out.is_empty() {
        return;
    }
    let gate = Action::Gate {
        slot: active.clone(),
        hosts: out,
        release: Some(release.clone()),
        once: false,
    };
    let gate = plan.push(gate, Undo::Nothing, &[], "it is out of traffic");
    let after = setup.all_to(active, generation);
    let change = |lb: &super::LbHost| Move {
        host: lb.host.clone(),
        before: Some(serving.clone()),
        after: Some(after.clone()),
    };
    let moves: Vec<Move> = setup.balancers.iter().map(change).collect();
    let back = moves.iter().map(Move::reversed).collect();
    let undo = Undo::Do(vec![Action::Shift { moves: back }]);
    plan.push(Action::Shift { moves }, undo, &[gate], "back into traffic");
    plan.after = Some(after);
}

fn standby_words(setup: &Setup, fleet: &Fleet, active: &SlotName) -> String {
    let standby = setup.other(active);
    match standby.and_then(|s| judge::slot_release(setup, fleet, s).map(|r| (s, r))) {
        Some((slot, r)) => format!(", {slot} is fit to go back to {r}"),
        None => ", there is no earlier release to go back to".to_owned(),
    }
}

/// Brings the standby's own release up again where a part of it is missing: the way back.
fn repair_standby(plan: &mut Plan, setup: &Setup, fleet: &Fleet, active: &SlotName) {
    let Some(slot) = setup.other(active) else {
        return;
    };
    let mut repaired = Vec::new();
    let mut ups = Vec::new();
    for host in setup.hosts(slot) {
        let Some(view) = fleet.hosts.get(host) else {
            continue;
        };
        let Some(want) = judge::recorded(view, slot) else {
            continue;
        };
        let id = &want.label.id;
        let found = judge::differences(view, &setup.env, &setup.app, slot, id, &want.services);
        if found.is_empty() {
            continue;
        }
        let action = Action::Replace {
            host: host.clone(),
            slot: slot.clone(),
            release: id.clone(),
        };
        let cause = format!("way back: {}", found.join(", "));
        ups.push(plan.push(action, Undo::Nothing, &[], &cause));
        repaired.push((host.clone(), id.clone()));
    }
    let Some((_, first)) = repaired.first() else {
        return;
    };
    let release = repaired
        .iter()
        .all(|(_, id)| id == first)
        .then(|| first.clone());
    let gate = Action::Gate {
        slot: slot.clone(),
        hosts: repaired.into_iter().map(|(h, _)| h).collect(),
        release,
        once: false,
    };
    plan.push(gate, Undo::Nothing, &ups, "the way back is fit");
}

fn empty(setup: &Setup, release: &Release, kind: PlanKind, target: &SlotName) -> Plan {
    Plan {
        kind,
        env: setup.env.clone(),
        app: setup.app.clone(),
        to: Some(release.label.clone()),
        from: None,
        target: target.clone(),
        old: None,
        before: None,
        after: None,
        steps: Vec::new(),
        commit: None,
        end: OutcomeKind::Succeeded,
        notes: Vec::new(),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site a line above; a struct would say the same"
)]
fn into_standby(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    kind: PlanKind,
    generation: &str,
    before: Option<Traffic>,
    active: Option<SlotName>,
    standby: &SlotName,
) -> Result<Plan, Refusal> {
    refuse_clashes(setup, release, fleet, standby)?;
    let mut plan = empty(setup, release, kind, standby);
    plan.from = active
        .as_ref()
        .and_then(|a| judge::slot_release(setup, fleet, a));
    plan.before = before;
    plan.old = active;
    let ups = stage(&mut plan, setup, release, fleet, standby);
    let gate = Action::Gate {
        slot: standby.clone(),
        hosts: setup.hosts(standby).cloned().collect(),
        release: Some(release.label.id.clone()),
        once: false,
    };
    let gate = plan.push(
        gate,
        Undo::Nothing,
        &ups,
        "no traffic before the gates have passed",
    );
    if kind == PlanKind::Stage {
        plan.after.clone_from(&plan.before);
        plan.end = OutcomeKind::Staged;
        return Ok(plan);
    }
    let after = setup.all_to(standby, generation);
    switch::shift(&mut plan, setup, fleet, after, &[gate]);
    Ok(plan)
}

/// Pull and replace on every host of the slot that does not run the release yet.
fn stage(
    plan: &mut Plan,
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
) -> Vec<StepId> {
    let mut ups = Vec::new();
    let differing = slot_differences(setup, release, fleet, slot);
    if differing.is_empty() {
        plan.notes.push(format!(
            "{slot} runs {} already; only gates and switch are needed",
            release.label
        ));
    }
    for (host, why) in differing {
        let id = release.label.id.clone();
        let was = fleet
            .hosts
            .get(&host)
            .and_then(|v| v.record.slots.get(slot));
        let back = was.map(|s| s.release.clone()).filter(|r| *r != id);
        let pull = Action::Pull {
            host: host.clone(),
            slot: slot.clone(),
            release: id.clone(),
        };
        let pull = plan.push(pull, Undo::Nothing, &[], "the image of the release");
        let undo = Undo::Do(vec![
            Action::Evidence {
                host: host.clone(),
                slot: slot.clone(),
            },
            Action::Revert {
                host: host.clone(),
                slot: slot.clone(),
                to: back,
            },
        ]);
        let replace = Action::Replace {
            host,
            slot: slot.clone(),
            release: id,
        };
        ups.push(plan.push(replace, undo, &[pull], &why.join(", ")));
    }
    ups
}

fn refuse_clashes(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    for host in setup.hosts(slot) {
        if let (Some(view), Some(want)) = (fleet.hosts.get(host), release.on(slot, host)) {
            reasons.extend(judge::port_clashes(
                host, view, &setup.env, &setup.app, &want.spec,
            ));
        }
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Refusal {
            reasons,
            unknown: false,
        })
    }
}
