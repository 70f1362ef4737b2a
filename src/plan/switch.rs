//! Switch and rollback: move traffic to what stands by. No pull, no start, no registry.

use crate::fleet::{Fleet, Traffic};
use crate::name::{OutcomeKind, SlotName, StepId};
use crate::release::ReleaseLabel;

use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo, blue_green, judge};

/// What was asked of a switch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The slot to switch to; the standby where absent.
    pub to: Option<SlotName>,
    /// Switch though the slot is unfit; what is unfit is named in the plan.
    pub force: bool,
}

/// Plans a switch to the standby slot, or to the slot that was named.
///
/// # Errors
/// A [`Refusal`] where the slot is not fit (unless forced), or what stands by is not what was staged.
pub fn switch(
    setup: &Setup,
    fleet: &Fleet,
    wish: &Wish,
    generation: &str,
) -> Result<Plan, Refusal> {
    // A named target sets every load balancer, so it is also the way out when they disagree.
    let before = match (&wish.to, blue_green::entry_checks(setup, fleet)) {
        (_, Ok(before)) => before,
        (Some(_), Err(refusal)) if !refusal.unknown => disagreeing(setup, fleet, refusal)?,
        (_, Err(refusal)) => return Err(refusal),
    };
    let active = judge::active(setup, before.as_ref())
        .or_else(|r| if wish.to.is_some() { Ok(None) } else { Err(r) })?;
    let target = match (&wish.to, &active) {
        (Some(slot), _) if setup.slots.contains(slot) => slot.clone(),
        (Some(slot), _) => {
            let known: Vec<&str> = setup.slots.iter().map(SlotName::as_str).collect();
            return Err(Refusal::one(
                format!("{} has no slot {slot}", setup.app),
                format!("its slots are {}", known.join(", ")),
            ));
        }
        (None, Some(active)) => setup.other(active).cloned().ok_or_else(|| {
            Refusal::one(
                format!("{} has one slot only", setup.app),
                "there is nothing to switch to",
            )
        })?,
        (None, None) => {
            return Err(Refusal::one(
                "no slot has traffic yet",
                format!(
                    "name one: `deploy switch {} {} --to SLOT`",
                    setup.env, setup.app
                ),
            ));
        }
    };
    plan_to(
        setup,
        fleet,
        before,
        active,
        &target,
        PlanKind::Switch,
        wish.force,
        generation,
    )
}

/// Load balancers that disagree are led to the named slot, each from what it does now.
fn disagreeing(setup: &Setup, fleet: &Fleet, refusal: Refusal) -> Result<Option<Traffic>, Refusal> {
    if judge::problems(fleet).is_empty()
        && judge::all_answer(fleet, setup.balancers.iter().map(|b| &b.host)).is_ok()
    {
        Ok(None)
    } else {
        Err(refusal)
    }
}

/// Plans the way back: one switch to the standby, which must hold an earlier release that served.
///
/// # Errors
/// A [`Refusal`] that says why the standby is not fit and what can be redeployed.
pub fn rollback(setup: &Setup, fleet: &Fleet, generation: &str) -> Result<Plan, Refusal> {
    let before = blue_green::entry_checks(setup, fleet)?;
    let Some(active) = judge::active(setup, before.as_ref())? else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            "there is nothing to go back from",
        ));
    };
    let Some(standby) = setup.other(&active).cloned() else {
        return Err(Refusal::one(
            format!("{} has one slot only", setup.app),
            redeploy(setup, fleet),
        ));
    };
    let held = judge::slot_release(setup, fleet, &standby);
    if let Some(held) = &held {
        let served = setup.hosts(&standby).all(|h| {
            fleet
                .hosts
                .get(h)
                .is_some_and(|v| v.record.promoted.contains(&held.id))
        });
        if !served {
            return Err(Refusal::one(
                format!("{standby} holds {held}, which never served: that is not a way back"),
                format!(
                    "to go forward to it: `deploy switch {} {}`; {}",
                    setup.env,
                    setup.app,
                    redeploy(setup, fleet)
                ),
            ));
        }
    }
    plan_to(
        setup,
        fleet,
        before,
        Some(active),
        &standby,
        PlanKind::Rollback,
        false,
        generation,
    )
}

fn redeploy(setup: &Setup, fleet: &Fleet) -> String {
    let mut known: Vec<ReleaseLabel> = fleet
        .hosts
        .values()
        .flat_map(|v| v.record.kept.iter().map(|r| r.label.clone()))
        .collect();
    known.sort_by_key(|r| std::cmp::Reverse(r.revision));
    known.dedup();
    let list: Vec<String> = known
        .iter()
        .map(|r| format!("`deploy {} {}@{}`", setup.env, setup.app, r.version))
        .collect();
    if list.is_empty() {
        "deploy a version that is known to be good".to_owned()
    } else {
        format!("can be deployed again: {}", list.join(", "))
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "two call sites above; each argument is a decision made there"
)]
fn plan_to(
    setup: &Setup,
    fleet: &Fleet,
    before: Option<Traffic>,
    active: Option<SlotName>,
    target: &SlotName,
    kind: PlanKind,
    force: bool,
    generation: &str,
) -> Result<Plan, Refusal> {
    let unfit = judge::unfit(setup, fleet, target);
    let mut plan = Plan {
        kind,
        env: setup.env.clone(),
        app: setup.app.clone(),
        to: judge::slot_release(setup, fleet, target),
        from: active
            .as_ref()
            .and_then(|a| judge::slot_release(setup, fleet, a)),
        target: target.clone(),
        old: active
            .clone()
            .filter(|a| a != target)
            .or_else(|| setup.other(target).cloned()),
        before,
        after: None,
        steps: Vec::new(),
        commit: None,
        end: OutcomeKind::Succeeded,
        notes: Vec::new(),
    };
    if active.as_ref() == Some(target) && unfit.is_empty() {
        plan.after.clone_from(&plan.before);
        plan.end = judge::NOTHING;
        plan.notes
            .push(format!("all load balancers send to {target} already"));
        return Ok(plan);
    }
    if !unfit.is_empty() && !force {
        let reasons = unfit
            .into_iter()
            .map(|u| (format!("{target} is not fit: {u}"), String::new()));
        let mut reasons: Vec<(String, String)> = reasons.collect();
        let hint = if kind == PlanKind::Rollback {
            redeploy(setup, fleet)
        } else {
            "`--force -m REASON` switches all the same".to_owned()
        };
        if let Some(last) = reasons.last_mut() {
            last.1 = hint;
        }
        return Err(Refusal {
            reasons,
            unknown: false,
        });
    }
    let mut needs = Vec::new();
    if unfit.is_empty() {
        needs.push(plan.push(
            Action::Gate {
                slot: target.clone(),
                hosts: setup.hosts(target).cloned().collect(),
                release: plan.to.as_ref().map(|r| r.id.clone()),
                once: true,
            },
            Undo::Nothing,
            &[],
            "one fresh probe of every member from every view",
        ));
    } else {
        plan.notes.extend(
            unfit
                .into_iter()
                .map(|u| format!("forced although {target} is not fit: {u}")),
        );
    }
    let after = setup.all_to(target, generation);
    shift(&mut plan, setup, fleet, after, &needs);
    Ok(plan)
}

/// What each load balancer does now, and what it shall do.
fn moves(setup: &Setup, fleet: &Fleet, after: &Traffic) -> Vec<Move> {
    setup
        .balancers
        .iter()
        .map(|lb| Move {
            host: lb.host.clone(),
            before: fleet
                .balancers
                .get(&lb.host)
                .and_then(|v| v.running.get().cloned().flatten()),
            after: Some(after.clone()),
        })
        .collect()
}

/// Adds prepare, shift, drain and bake: the one switch of a plan, its commit point.
pub(super) fn shift(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    after: Traffic,
    needs: &[StepId],
) {
    let moves = moves(setup, fleet, &after);
    let mut ready = needs.to_vec();
    for change in &moves {
        let action = Action::Prepare(change.clone());
        ready.push(plan.push(
            action,
            Undo::Nothing,
            &[],
            "checked by the server before the switch",
        ));
    }
    let back = moves.iter().map(Move::reversed).collect();
    let served = moves.iter().any(|m| m.before.is_some());
    let mut undo = vec![Action::Shift { moves: back }];
    // What the new slot has taken on meanwhile may end before it is removed.
    undo.extend(moves.iter().filter_map(|m| {
        Some(Action::Drain {
            host: m.host.clone(),
            now: m.before.clone()?,
            within: setup.drain,
        })
    }));
    let undo = Undo::Do(undo);
    let commit = plan.push(Action::Shift { moves }, undo, &ready, "the switch");
    plan.commit = Some(commit);
    if served {
        for lb in &setup.balancers {
            let action = Action::Drain {
                host: lb.host.clone(),
                now: after.clone(),
                within: setup.drain,
            };
            plan.push(
                action,
                Undo::Nothing,
                &[commit],
                "open requests of the old slot end",
            );
        }
    }
    if plan.kind == PlanKind::Deploy && !setup.bake.is_zero() {
        let action = Action::Bake {
            slot: plan.target.clone(),
            time: setup.bake,
        };
        plan.push(
            action,
            Undo::Nothing,
            &[commit],
            "gates stay on with traffic",
        );
    }
    plan.after = Some(after);
}
