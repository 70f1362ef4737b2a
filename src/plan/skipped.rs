//! App hosts that do not answer at the start of a run: refused, or passed by as far as the
//! environment allows it (`protection.unreachable`).
//!
//! Who is passed by rests: nothing is done to it, it gets no traffic, and it is owing. One that
//! load balancers send to is set down there by the plan's first steps ([`set_down`]), and stays so
//! however the run ends: whoever comes next finds it written on every other host.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, MemberState, Traffic};
use crate::inventory::Unreachable;
use crate::name::{HostName, SlotName, StepId};

use super::rolling::{self, Rolling};
use super::{Action, Owes, Plan, Refusal, Setup, Undo, debts};

/// The hosts that a run passes by: none where all that take part answer, and none where none may
/// be, for then the plan is refused with all its reasons.
///
/// # Errors
/// A [`Refusal`] with each of them and why it is silent, where some may be skipped and these are
/// more.
pub fn within(
    setup: &Setup,
    fleet: &Fleet,
    budget: &Unreachable,
) -> Result<Vec<HostName>, Refusal> {
    let all: BTreeSet<&HostName> = setup.all_hosts().collect();
    let silent: Vec<&HostName> = all
        .iter()
        .copied()
        .filter(|h| !fleet.hosts.contains_key(*h))
        .collect();
    // Where a release goes through the slot that serves, all of them have to answer.
    let most = if setup.slots.len() < 2 {
        0
    } else {
        budget.most(all.len())
    };
    if most == 0 {
        return Ok(Vec::new());
    }
    if silent.len() <= most {
        return Ok(silent.into_iter().cloned().collect());
    }
    let mut reasons: Vec<(String, String)> = silent
        .iter()
        .map(|h| {
            (
                format!("{h} does not answer: {}", why(fleet, h)),
                String::new(),
            )
        })
        .collect();
    let what = format!(
        "{} of {} hosts do not answer, and {most} may be skipped",
        silent.len(),
        all.len()
    );
    let hint = "make them answer; `protection.unreachable` says how many may be missing";
    reasons.push((what, hint.to_owned()));
    Err(Refusal {
        reasons,
        unknown: true,
    })
}

fn why<'a>(fleet: &'a Fleet, host: &HostName) -> &'a str {
    let said = fleet.silent.get(host);
    said.map_or("it was not asked", String::as_str)
}

/// Hosts that rest because they do not answer; one that a person drained is none of them.
fn skipped<'a>(setup: &'a Setup, fleet: &Fleet) -> impl Iterator<Item = &'a HostName> {
    let drained = fleet.drained();
    let silent: Vec<&HostName> = setup
        .resting
        .iter()
        .filter(|h| !fleet.hosts.contains_key(*h) && !drained.contains(*h))
        .collect();
    silent.into_iter()
}

/// What a person should know of them.
pub(super) fn notes(setup: &Setup, fleet: &Fleet) -> Vec<String> {
    let note = |h: &HostName| {
        let why = why(fleet, h);
        format!("{h} does not answer and is skipped: {why}")
    };
    skipped(setup, fleet).map(note).collect()
}

/// What load balancers do once the hosts that rest are out: what is compared where some of them may
/// be set down already and others not.
pub(super) fn at_rest(setup: &Setup, traffic: &Traffic) -> Traffic {
    let mut out = traffic.clone();
    let members = out.groups.values_mut().flatten();
    members
        .filter(|m| setup.resting.contains(&m.host))
        .for_each(|m| m.state = MemberState::Drain);
    out
}

/// The first steps of a plan where load balancers send to hosts that are skipped: it is written on
/// the others, and they are taken out. `None` where none is sent to.
///
/// Those who go on serve already, so they are not gated for it: a gate would bind the run to the
/// health of the slot that it leaves.
///
/// # Errors
/// A [`Refusal`] where fewer members than `min_healthy` would be left, or a load balancer cannot
/// take out single members or is not there to do it.
pub(super) fn set_down(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    (slot, now): (&SlotName, &Traffic),
    generation: &str,
) -> Result<Option<(Traffic, StepId)>, Refusal> {
    let ready = |h: &&HostName| rolling::ready(now, slot).any(|r| r == *h);
    let down: Vec<HostName> = skipped(setup, fleet).filter(ready).cloned().collect();
    if down.is_empty() {
        return Ok(None);
    }
    debts::refuse_behind(setup, fleet, slot)?;
    refuse(setup, fleet, (slot, now), &down)?;
    let needs = tell(plan, setup, fleet, &down, generation)
        .into_iter()
        .collect();
    let generation = format!("{generation}.down");
    let mut rolling = Rolling::new(plan, setup, slot, now.clone(), &generation);
    rolling.last = needs;
    let step = rolling.set_down(&down);
    Ok(Some((rolling.now, step)))
}

/// Writes on every other host that these owe, as far as not all remember it. They stay out however
/// the run ends, so it stays written too.
fn tell(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    hosts: &[HostName],
    generation: &str,
) -> Option<StepId> {
    let new = hosts
        .iter()
        .filter(|h| !debts::remembered_by_all(setup, fleet, h));
    let owing: Vec<Owes> = new
        .map(|h| Owes {
            host: h.clone(),
            missed: generation.to_owned(),
            slots: BTreeSet::new(),
        })
        .collect();
    let action = Action::Owe {
        on: debts::everyone(setup, fleet),
        owing: owing.clone(),
        paid: Vec::new(),
    };
    let why = "whoever comes next must know before the change";
    (!owing.is_empty()).then(|| plan.push(action, Undo::Nothing, &[], why))
}

/// The same for all that are skipped: where a run that was left sets them down to its end.
pub(super) fn tell_all(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    generation: &str,
) -> Option<StepId> {
    let hosts: Vec<HostName> = skipped(setup, fleet).cloned().collect();
    tell(plan, setup, fleet, &hosts, generation)
}

fn refuse(
    setup: &Setup,
    fleet: &Fleet,
    (slot, now): (&SlotName, &Traffic),
    down: &[HostName],
) -> Result<(), Refusal> {
    let names: Vec<&str> = down.iter().map(HostName::as_str).collect();
    let names = names.join(" ");
    let cannot = setup.balancers.iter().filter(|b| !b.drain);
    let mut reasons: Vec<(String, String)> = cannot
        .map(|b| {
            let what = format!(
                "load balancer {} cannot take out single members and sends to {names}",
                b.host
            );
            (what, String::new())
        })
        .collect();
    // Those that would be left alone with the traffic: what cannot serve is no member.
    let serves = |h: &&HostName| !down.contains(h) && rolling::answers(setup, fleet, slot, h);
    let left = rolling::ready(now, slot).filter(serves).count();
    let least = setup.min_healthy.max(1);
    if left < least {
        reasons.push((
            format!(
                "{slot} would have {left} of {least} members that it needs: {names} does not answer"
            ),
            "make it answer".to_owned(),
        ));
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}
