//! Catch-up: load balancers that missed a change are led to what the others do, or are verified
//! where they do it already. Then nobody remembers a debt of theirs any more.

use std::collections::BTreeMap;

use crate::fleet::{Debt, Fleet, Traffic};
use crate::name::{HostName, SlotName, StepId};

use super::entry::{self, Need};
use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo, debts, judge, rolling, traffic};

/// Plans it. `forget`: load balancers of which a person says that they carry no traffic. Those that
/// owe and do not answer are left out of `setup`; they owe on.
///
/// # Errors
/// A [`Refusal`] where none of those that owe answers, where what the others do is not known, or
/// where one that is to be forgotten answers or owes nothing.
pub fn catch_up(setup: &Setup, fleet: &Fleet, forget: &[HostName]) -> Result<Plan, Refusal> {
    let entry = entry::checks(setup, fleet, Need::None)?;
    let owing = debts::owing_balancers(setup, fleet);
    let mut known = owing.clone();
    let left = debts::strangers(setup, fleet);
    known.extend(fleet.debts().into_iter().filter(|(h, _)| left.contains(h)));
    refuse_forgetting(setup, fleet, forget, &known)?;
    let active = traffic::active(setup, entry.before.as_ref())?;
    let Some((active, now)) = active.zip(entry.before) else {
        return Err(Refusal::one(
            "no slot has traffic yet: there is nothing to catch up with",
            format!(
                "`deploy {} {}@VERSION` brings the first release up",
                setup.env, setup.app
            ),
        ));
    };
    let mut plan = Plan::new(setup, PlanKind::CatchUp, &active);
    plan.to = judge::shown_release(setup, fleet, &active);
    plan.from.clone_from(&plan.to);
    plan.old = Some(active.clone());
    plan.before = Some(now.clone());
    plan.after = Some(now.clone());
    plan.notes = entry.notes;
    let behind = owing.keys().filter(|h| !forget.contains(h));
    let (there, gone): (Vec<&HostName>, Vec<&HostName>) =
        behind.partition(|h| setup.balancers.iter().any(|lb| lb.host == **h));
    if there.is_empty() && forget.is_empty() && !gone.is_empty() {
        return Err(nobody_answers(setup, fleet, &gone));
    }
    lead(&mut plan, setup, fleet, &active, &now, &there);
    for host in forget {
        // It is not waited for any more.
        plan.notes
            .retain(|n| !n.starts_with(&format!("{host} is left out")));
        let note = format!("{host} is forgotten: a person says that it carries no traffic");
        plan.notes.push(note);
    }
    let paid = there.into_iter().chain(forget).cloned();
    let why = "what they do was read, or a person answers for them";
    debts::pay(&mut plan, setup, fleet, paid, why);
    if plan.is_empty() {
        plan.end = judge::NOTHING;
        plan.notes.push("no load balancer owes a change".to_owned());
    }
    Ok(plan)
}

fn refuse_forgetting(
    setup: &Setup,
    fleet: &Fleet,
    forget: &[HostName],
    owing: &BTreeMap<HostName, Debt>,
) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    for host in forget {
        if let Some(view) = fleet.balancers.get(host) {
            let does = view.running.get().map(|t| judge::says(t.as_ref()));
            let does = does.map_or_else(String::new, |d| format!(" and sends to {d}"));
            let hint = format!(
                "`deploy catch-up {} {}` leads it to what the others do",
                setup.env, setup.app
            );
            reasons.push((
                format!("{host} answers{does}: it cannot be forgotten"),
                hint,
            ));
        } else if !owing.contains_key(host) {
            let known: Vec<&str> = owing.keys().map(HostName::as_str).collect();
            let hint = match known.as_slice() {
                [] => "no load balancer owes a change".to_owned(),
                some => format!("owing: {}", some.join(" ")),
            };
            reasons.push((format!("{host} owes nothing"), hint));
        }
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}

fn nobody_answers(setup: &Setup, fleet: &Fleet, gone: &[&HostName]) -> Refusal {
    let why = |h: &HostName| {
        let why = fleet
            .silent
            .get(h)
            .map_or("it is not in the inventory", String::as_str);
        let hint = format!(
            "make it answer; where it is gone for good: `deploy catch-up {} {} --forget-lb {h} -m REASON`",
            setup.env, setup.app
        );
        (
            format!("{h} owes a change and cannot be reached: {why}"),
            hint,
        )
    };
    Refusal {
        reasons: gone.iter().map(|h| why(h)).collect(),
        unknown: true,
    }
}

/// Those that answer go to what the others do; those that do it already are only probed.
fn lead(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    active: &SlotName,
    now: &Traffic,
    there: &[&HostName],
) {
    if there.is_empty() {
        return;
    }
    let members = rolling::ready(now, active).cloned().collect();
    let gate = Action::Gate {
        slot: active.clone(),
        hosts: members,
        release: None,
        once: true,
    };
    let why = "one fresh probe of every member from every view";
    let gate = plan.push(gate, Undo::Nothing, &[], why);
    let moves: Vec<Move> = there.iter().filter_map(|h| behind(fleet, h, now)).collect();
    if moves.is_empty() {
        return;
    }
    let mut ready: Vec<StepId> = vec![gate];
    for change in &moves {
        let action = Action::Prepare(change.clone());
        let why = "checked by the server before the change";
        ready.push(plan.push(action, Undo::Nothing, &[], why));
    }
    let back = Action::Shift {
        moves: moves.iter().map(Move::reversed).collect(),
    };
    let hosts: Vec<HostName> = moves.iter().map(|m| m.host.clone()).collect();
    let why = "what the others do";
    let shift = plan.push(Action::Shift { moves }, Undo::Do(vec![back]), &ready, why);
    plan.commit = Some(shift);
    for host in hosts {
        let drain = Action::Drain {
            host,
            now: now.clone(),
            within: setup.drain,
        };
        let why = "open requests of what it sent to end";
        plan.push(drain, Undo::Nothing, &[shift], why);
    }
}

/// One that still has a spare is behind too: whoever catches up has none then.
fn behind(fleet: &Fleet, host: &HostName, now: &Traffic) -> Option<Move> {
    let view = fleet.balancers.get(host)?;
    let same =
        |t: Option<&Option<Traffic>>| t.and_then(Option::as_ref).is_some_and(|t| t.same_as(now));
    if same(view.persisted.get()) && same(view.running.get()) && view.spare.is_none() {
        return None;
    }
    let before = view.running.get().cloned().flatten();
    Some(Move {
        host: host.clone(),
        before: before.map(|t| Traffic {
            spare: view.spare.clone(),
            ..t
        }),
        after: Some(now.clone()),
    })
}
