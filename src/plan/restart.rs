//! Restart: the same release again, host by host within the active slot: drain, stop, start, gate,
//! back. No registry.

use crate::fleet::{Fleet, MemberState, Traffic};
use crate::name::{HostName, OutcomeKind, ReleaseId, SlotName, StepId};

use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo, blue_green, judge};

/// Plans a restart of every member of the active slot, one after the other.
///
/// # Errors
/// A [`Refusal`] where nothing serves, what serves is not recorded, or a load balancer cannot take
/// out single members.
pub fn restart(setup: &Setup, fleet: &Fleet, generation: &str) -> Result<Plan, Refusal> {
    let before = blue_green::entry_checks(setup, fleet)?;
    let active = judge::active(setup, before.as_ref())?;
    let (Some(active), Some(serving)) = (active, before.clone()) else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            "deploy a release first",
        ));
    };
    refuse_without_drain(setup, &active)?;
    refuse_member_out(setup, &serving, &active)?;
    let mut plan = Plan {
        kind: PlanKind::Restart,
        env: setup.env.clone(),
        app: setup.app.clone(),
        to: judge::slot_release(setup, fleet, &active),
        from: judge::slot_release(setup, fleet, &active),
        target: active.clone(),
        old: Some(active.clone()),
        before: before.clone(),
        after: before,
        steps: Vec::new(),
        commit: None,
        end: OutcomeKind::Succeeded,
        notes: Vec::new(),
    };
    let mut last = None;
    let mut unknown = Vec::new();
    for host in setup.hosts(&active) {
        let Some(kept) = fleet
            .hosts
            .get(host)
            .and_then(|v| judge::recorded(v, &active))
        else {
            unknown.push((
                format!(
                    "{host} has no recorded release of {} in {active}",
                    setup.app
                ),
                "deploy a version first".to_owned(),
            ));
            continue;
        };
        let step = Member {
            slot: &active,
            host,
            release: &kept.label.id,
            why: "restart",
        };
        last = Some(member(&mut plan, setup, &serving, &step, generation, last));
    }
    if unknown.is_empty() {
        Ok(plan)
    } else {
        Err(Refusal {
            reasons: unknown,
            unknown: false,
        })
    }
}

fn refuse_member_out(setup: &Setup, serving: &Traffic, active: &SlotName) -> Result<(), Refusal> {
    let out: Vec<&str> = out_of_traffic(serving, active)
        .map(|h| h.as_str())
        .collect();
    if out.is_empty() {
        return Ok(());
    }
    Err(Refusal::one(
        format!(
            "{} gets no traffic: one more out would be one too many",
            out.join(", ")
        ),
        format!(
            "`deploy {} {}@VERSION` with the running version puts it back",
            setup.env, setup.app
        ),
    ))
}

/// Members of a slot that are not given requests.
pub(super) fn out_of_traffic<'a>(
    traffic: &'a Traffic,
    slot: &SlotName,
) -> impl Iterator<Item = &'a HostName> {
    let members = traffic.groups.get(slot).into_iter().flatten();
    members
        .filter(|m| m.state != MemberState::Ready)
        .map(|m| &m.host)
}

fn refuse_without_drain(setup: &Setup, active: &SlotName) -> Result<(), Refusal> {
    let mut reasons: Vec<(String, String)> = setup
        .balancers
        .iter()
        .filter(|b| !b.drain)
        .map(|b| {
            (
                format!("load balancer {} cannot take out single members", b.host),
                "deploy the same version into the other slot instead".to_owned(),
            )
        })
        .collect();
    if setup.hosts(active).count() < 2 && !setup.balancers.is_empty() {
        reasons.push((
            format!("{active} has one member only: its restart would stop all traffic"),
            "deploy the same version into the other slot instead".to_owned(),
        ));
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

/// One member that is taken out, brought up again and put back.
pub(super) struct Member<'a> {
    pub slot: &'a SlotName,
    pub host: &'a HostName,
    pub release: &'a ReleaseId,
    pub why: &'a str,
}

/// Adds the steps for one member after `last`; returns the step that puts it back.
pub(super) fn member(
    plan: &mut Plan,
    setup: &Setup,
    serving: &Traffic,
    member: &Member<'_>,
    generation: &str,
    last: Option<StepId>,
) -> StepId {
    let (slot, host) = (member.slot, member.host);
    let hosts: Vec<HostName> = setup.balancers.iter().map(|b| b.host.clone()).collect();
    let part = |s: &str| format!("{generation}.{host}.{s}");
    let out = Setup::with_member(serving, slot, host, MemberState::Drain, &part("out"));
    let mut back = serving.clone();
    back.generation = part("back");
    let needs: Vec<StepId> = last.into_iter().collect();
    let shift = |from: &Traffic, to: &Traffic| Action::Shift {
        moves: hosts
            .iter()
            .map(|lb| Move {
                host: lb.clone(),
                before: Some(from.clone()),
                after: Some(to.clone()),
            })
            .collect(),
    };
    let undo = Undo::Do(vec![shift(&out, serving)]);
    let taken = plan.push(shift(serving, &out), undo, &needs, member.why);
    let idle: Vec<StepId> = hosts
        .iter()
        .map(|lb| {
            let action = Action::Drain {
                host: lb.clone(),
                now: out.clone(),
                within: setup.drain,
            };
            plan.push(
                action,
                Undo::Nothing,
                &[taken],
                "open requests of the member end",
            )
        })
        .collect();
    let action = Action::Restart {
        host: host.clone(),
        slot: slot.clone(),
        release: member.release.clone(),
    };
    // What cannot be brought up again must not get traffic again: the member stays out.
    let started = plan.push(action, Undo::NeverBack, &idle, member.why);
    let gate = Action::Gate {
        slot: slot.clone(),
        hosts: vec![host.clone()],
        release: Some(member.release.clone()),
        once: false,
    };
    let gated = plan.push(
        gate,
        Undo::Nothing,
        &[started],
        "no traffic before the gates have passed",
    );
    plan.after = Some(back.clone());
    plan.push(
        shift(&out, &back),
        Undo::Nothing,
        &[gated],
        "back into traffic",
    )
}
