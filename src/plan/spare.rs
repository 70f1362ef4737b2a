//! The spare: as long as a new release bakes, the slot that served takes what no member of the new
//! one takes, where the load balancer can do that. It is in force from the commit on; a plan's last
//! step ends it, and so does every later change of traffic.
//!
//! Only the slot that served just before is one, whole and untouched; before anything in a slot is
//! changed that a load balancer still has as its spare, [`end`] ends it.

use crate::fleet::{Fleet, MemberState, Traffic};
use crate::name::{SlotName, StepId};

use super::{Action, Move, Plan, PlanKind, Setup, Undo};

/// The same moves with the slot that they leave as its spare, where the load balancer can do that
/// and the plan bakes; all members of it must be in traffic until then.
pub(super) fn with(plan: &Plan, setup: &Setup, moves: &mut [Move]) {
    let bakes = matches!(plan.kind, PlanKind::Deploy | PlanKind::Resume);
    if !bakes || setup.bake.is_zero() {
        return;
    }
    for change in moves {
        let can = setup.balancers.iter().find(|lb| lb.host == change.host);
        let Some(after) = change
            .after
            .as_mut()
            .filter(|_| can.is_some_and(|lb| lb.spare))
        else {
            continue;
        };
        after.spare = plan.before.as_ref().and_then(|now| spare(now, after));
    }
}

/// The slot that serves now, where it can be the spare of what serves then.
fn spare(now: &Traffic, then: &Traffic) -> Option<SlotName> {
    let (old, new) = (now.sole()?, then.sole()?);
    let whole = |slot: &SlotName, t: &Traffic| {
        let all = t.groups.get(slot).map_or(&[][..], Vec::as_slice);
        !all.is_empty() && all.iter().all(|m| m.state == MemberState::Ready)
    };
    let same = now.groups.get(old) == then.groups.get(old);
    (old != new && same && whole(old, now) && whole(new, then)).then(|| old.clone())
}

/// Adds the end of what these moves began: the last step of a bake.
pub(super) fn over(plan: &mut Plan, moves: &[Move], needs: &[StepId]) {
    let spared = moves.iter().filter_map(|m| {
        let now = m.after.as_ref().filter(|t| t.spare.is_some())?;
        Some(Move {
            host: m.host.clone(),
            before: Some(now.clone()),
            after: Some(now.without_spare()),
        })
    });
    let moves: Vec<Move> = spared.collect();
    if !moves.is_empty() {
        let action = Action::Unspare { moves };
        plan.push(action, Undo::Nothing, needs, "the bake is over");
    }
}

/// The same where a plan leaves the slot as it is: nothing bakes any more, so it is no spare any
/// more. A plan that moves traffic ends it by that.
pub(super) fn end_left(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    active: &SlotName,
) -> Option<StepId> {
    let moves = |a: &Action| matches!(a, Action::Shift { .. });
    let standby = setup.other(active)?;
    if plan.steps.iter().any(|s| moves(&s.action)) {
        return None;
    }
    let why = "an earlier run left it so, and nothing bakes any more";
    end_because(plan, setup, fleet, standby, why)
}

/// Ends what an earlier run left in force with this slot, before anything in it is changed; `None`
/// where no load balancer has it.
pub(super) fn end(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
) -> Option<StepId> {
    let why = "no load balancer may send there once it is changed";
    end_because(plan, setup, fleet, slot, why)
}

fn end_because(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    why: &str,
) -> Option<StepId> {
    let left = setup.balancers.iter().filter_map(|lb| {
        let view = fleet.balancers.get(&lb.host)?;
        let spare = view.spare.clone().filter(|s| s == slot)?;
        let now = view.running.get()?.clone()?;
        Some(Move {
            host: lb.host.clone(),
            before: Some(Traffic {
                spare: Some(spare),
                ..now.clone()
            }),
            after: Some(now),
        })
    });
    let moves: Vec<Move> = left.collect();
    (!moves.is_empty()).then(|| plan.push(Action::Unspare { moves }, Undo::Nothing, &[], why))
}
