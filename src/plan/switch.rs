//! Switch and rollback: move traffic to what stands by. No pull, no start, no registry.

use crate::fleet::{Fleet, MemberState, Severity, Traffic};
use crate::name::{HostName, SlotName, StepId};
use crate::release::ReleaseLabel;

use super::entry::{self, Entry, Need};
use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo};
use super::{activity, debts, in_place, jobs, judge, rolling, spare, traffic, weight};
use crate::inventory::Strategy;

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
    if let Some(slot) = wish.to.as_ref().filter(|s| !setup.slots.contains(s)) {
        let known: Vec<&str> = setup.slots.iter().map(SlotName::as_str).collect();
        return Err(Refusal::one(
            format!("{} has no slot {slot}", setup.app),
            format!("its slots are {}", known.join(" ")),
        ));
    }
    // A named target sets every load balancer, so it is also the way out when they disagree.
    let (entry, agree) = match entry::checks(setup, fleet, Need::None) {
        Ok(entry) => (entry, true),
        Err(refusal) if wish.to.is_some() => (disagreeing(setup, fleet, refusal)?, false),
        Err(refusal) => return Err(refusal),
    };
    let active = match traffic::active(setup, entry.before.as_ref()) {
        Ok(active) => active,
        Err(_) if wish.to.is_some() => None,
        Err(refusal) => return Err(refusal),
    };
    let slot = match (&wish.to, &active) {
        (Some(slot), _) => slot.clone(),
        (None, Some(active)) => setup.other(active).cloned().ok_or_else(|| {
            Refusal::one(
                format!("{} has one slot only", setup.app),
                "there is nothing to switch to",
            )
        })?,
        (None, None) => only_fit(setup, fleet)?,
    };
    let target = Target {
        active,
        slot,
        agree,
        kind: PlanKind::Switch,
        force: wish.force,
    };
    target.plan(setup, fleet, entry, generation)
}

/// Before the first switch there is no standby: the slot that holds something fit is meant.
fn only_fit(setup: &Setup, fleet: &Fleet) -> Result<SlotName, Refusal> {
    let mut fit = setup
        .slots
        .iter()
        .filter(|s| judge::unfit(setup, fleet, s).is_empty());
    match (fit.next(), fit.next()) {
        (Some(slot), None) => Ok(slot.clone()),
        _ => Err(Refusal::one(
            "no slot has traffic yet",
            format!(
                "name one: `deploy switch {} {} --to SLOT`",
                setup.env, setup.app
            ),
        )),
    }
}

/// Load balancers that disagree are led to the named slot, each from what it does now. One that
/// cannot be read, or is broken, cannot be led anywhere.
fn disagreeing(setup: &Setup, fleet: &Fleet, refusal: Refusal) -> Result<Entry, Refusal> {
    let Err(traffic) = traffic::now(setup, fleet) else {
        return Err(refusal);
    };
    let told = traffic.reasons.len() + explained(setup, fleet);
    if refusal.unknown || refusal.reasons.len() > told {
        return Err(refusal);
    }
    Ok(Entry {
        before: None,
        notes: traffic.reasons.into_iter().map(|(what, _)| what).collect(),
    })
}

/// Errors of load balancers that send elsewhere than their files say: that is what is cured. Where
/// one is broken as well, its own check refuses the new state before anything is switched.
fn explained(setup: &Setup, fleet: &Fleet) -> usize {
    let views = setup.balancers.iter();
    let views = views.filter_map(|lb| fleet.balancers.get(&lb.host));
    views
        .filter(|v| matches!((v.persisted.get(), v.running.get()), (Some(p), Some(r)) if p != r))
        .flat_map(|v| &v.problems)
        .filter(|p| p.severity == Severity::Error)
        .count()
}

/// Plans the way back: one switch to the standby, which must hold an earlier release that served.
///
/// # Errors
/// A [`Refusal`] that says why the standby is not fit and what can be redeployed.
pub fn rollback(setup: &Setup, fleet: &Fleet, generation: &str) -> Result<Plan, Refusal> {
    if setup.strategy != Strategy::BlueGreen {
        return in_place::rollback(setup, fleet, generation);
    }
    let entry = entry::checks(setup, fleet, Need::None)?;
    if let Some(target) = before_sharing(setup, fleet, entry.before.as_ref()) {
        return target?.plan(setup, fleet, entry, generation);
    }
    let Some(active) = traffic::active(setup, entry.before.as_ref())? else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            "there is nothing to go back from",
        ));
    };
    let Some(slot) = setup.other(&active).cloned() else {
        return Err(Refusal::one(
            format!("{} has one slot only", setup.app),
            redeploy(setup, fleet, &active),
        ));
    };
    let target = Target {
        active: Some(active),
        slot,
        agree: true,
        kind: PlanKind::Rollback,
        force: false,
    };
    target.refuse_never_served(setup, fleet)?;
    target.plan(setup, fleet, entry, generation)
}

/// Where traffic is shared, the way back is to whoever served before.
fn before_sharing(
    setup: &Setup,
    fleet: &Fleet,
    now: Option<&Traffic>,
) -> Option<Result<Target, Refusal>> {
    let now = now.filter(|t| t.sole().is_none() && !t.nobody())?;
    let Some(slot) = weight::served_before(setup, fleet, now) else {
        return Some(Err(Refusal::one(
            format!(
                "traffic is shared: {}, and which slot served before is not on record",
                traffic::says(Some(now))
            ),
            format!(
                "`deploy switch {} {} --to SLOT` gives all to one",
                setup.env, setup.app
            ),
        )));
    };
    Some(Ok(Target {
        active: setup.other(&slot).cloned(),
        slot,
        agree: true,
        kind: PlanKind::Rollback,
        force: false,
    }))
}

/// What a person can type instead.
fn redeploy(setup: &Setup, fleet: &Fleet, active: &SlotName) -> String {
    let serving = judge::shown_release(setup, fleet, active).map(|r| r.id);
    let kept = fleet.hosts.values().flat_map(|v| v.record.kept.iter());
    let secret = kept.clone().any(|r| !r.secrets.is_empty());
    let mut known: Vec<ReleaseLabel> = kept.map(|r| r.label.clone()).collect();
    known.retain(|r| Some(&r.id) != serving.as_ref());
    known.sort_by_key(|r| std::cmp::Reverse(r.revision));
    known.dedup_by(|a, b| a.id == b.id);
    let list: Vec<String> = known
        .iter()
        .map(|r| format!("`deploy {} {}@{}`", setup.env, setup.app, r.version))
        .collect();
    if list.is_empty() {
        format!(
            "deploy a version that is known to be good: `deploy {} {}@VERSION`",
            setup.env, setup.app
        )
    } else {
        let today = if secret {
            " (with today's secrets)"
        } else {
            ""
        };
        format!("can be deployed again: {}{today}", list.join(", "))
    }
}

/// Where traffic goes, and how that was decided.
struct Target {
    active: Option<SlotName>,
    slot: SlotName,
    /// The load balancers agree on what they do now.
    agree: bool,
    kind: PlanKind,
    force: bool,
}

impl Target {
    fn refuse_never_served(&self, setup: &Setup, fleet: &Fleet) -> Result<(), Refusal> {
        let Some(held) = judge::slot_release(setup, fleet, &self.slot) else {
            return Ok(());
        };
        // One that was brought to it later was not there when it served.
        let served = setup.hosts(&self.slot).any(|h| {
            let view = fleet.hosts.get(h);
            view.is_some_and(|v| v.record.promoted.contains(&held.id))
        });
        if served {
            return Ok(());
        }
        Err(Refusal::one(
            format!(
                "{} holds {held}, which never served: that is not a way back",
                self.slot
            ),
            format!(
                "to go forward to it: `deploy switch {} {}`",
                setup.env, setup.app
            ),
        ))
    }

    fn plan(
        &self,
        setup: &Setup,
        fleet: &Fleet,
        entry: Entry,
        generation: &str,
    ) -> Result<Plan, Refusal> {
        if !self.force {
            debts::refuse_too_few(setup, &self.slot)?;
        }
        let unfit = judge::unfit(setup, fleet, &self.slot);
        let mut plan = Plan::new(setup, self.kind, &self.slot);
        plan.to = judge::shown_release(setup, fleet, &self.slot);
        let leaves = self
            .active
            .clone()
            .or_else(|| setup.other(&self.slot).cloned());
        // Where both serve, the other one is what is left.
        let shared = entry.before.as_ref().filter(|t| t.reaches(&self.slot));
        let other = shared.and_then(|t| setup.other(&self.slot).filter(|s| t.reaches(s)));
        plan.from = self
            .active
            .as_ref()
            .or(other)
            .and_then(|a| judge::shown_release(setup, fleet, a));
        plan.old = leaves.filter(|_| entry.before.is_some() || !self.agree);
        plan.before = entry.before;
        plan.notes = entry.notes;
        jobs::back_over(&mut plan, setup, fleet, self.force)?;
        if self.active.as_ref() == Some(&self.slot)
            && unfit.is_empty()
            && let Some(before) = &plan.before
            && rolling::out_of_traffic(setup, before, &self.slot).is_empty()
            && debts::all_do(setup, fleet, before)
        {
            plan.after.clone_from(&plan.before);
            if spare::end_left(&mut plan, setup, fleet, &self.slot).is_none() {
                plan.end = judge::NOTHING;
            }
            plan.notes
                .push(format!("all load balancers send to {} already", self.slot));
            return Ok(plan);
        }
        let mut needs = Vec::new();
        if self.force && !self.empty(setup, fleet) {
            // Force leads to members that do not answer as well: nobody asks what would keep it.
            let forced = |u: String| format!("forced although {} is not fit: {u}", self.slot);
            plan.notes.extend(unfit.into_iter().map(forced));
            let asked = format!("forced: whether {} answers is not asked", self.slot);
            plan.notes.push(asked);
        } else if unfit.is_empty() {
            let gate = Action::Gate {
                slot: self.slot.clone(),
                hosts: setup.hosts(&self.slot).cloned().collect(),
                release: plan.to.as_ref().map(|r| r.id.clone()),
                once: true,
            };
            let why = "one fresh probe of every member from every view";
            needs.push(plan.push(gate, Undo::Nothing, &[], why));
        } else {
            return Err(self.refuse_unfit(setup, fleet, unfit));
        }
        if !self.force {
            activity::refuse_unseen(setup, fleet, &self.slot)?;
        }
        let after = setup.all_to(&self.slot, generation);
        shift(&mut plan, setup, fleet, after, &needs);
        if self.force {
            activity::forced(&mut plan);
        }
        Ok(plan)
    }

    /// Every host of the slot has answered, and none has a container: nobody could answer a request.
    fn empty(&self, setup: &Setup, fleet: &Fleet) -> bool {
        setup.hosts(&self.slot).all(|h| {
            fleet.hosts.get(h).is_some_and(|v| {
                judge::containers(v, &setup.env, &setup.app, &self.slot)
                    .next()
                    .is_none()
            })
        })
    }

    fn refuse_unfit(&self, setup: &Setup, fleet: &Fleet, unfit: Vec<String>) -> Refusal {
        let silent = setup
            .hosts(&self.slot)
            .any(|h| !fleet.hosts.contains_key(h));
        let reasons = unfit
            .into_iter()
            .map(|u| (format!("{} is not fit: {u}", self.slot), String::new()));
        let mut reasons: Vec<(String, String)> = reasons.collect();
        let (env, app, slot) = (&setup.env, &setup.app, &self.slot);
        // To where nothing runs nobody is led, not even by force.
        let force = (!self.empty(setup, fleet)).then(|| {
            format!(
                "`deploy switch {env} {app} --to {slot} --force -m REASON` switches all the same"
            )
        });
        let other = match (&self.kind, &self.active) {
            (PlanKind::Rollback, Some(active)) => Some(redeploy(setup, fleet, active)),
            _ if force.is_none() => Some(format!(
                "`deploy stage {env} {app}@VERSION` brings a release up there"
            )),
            _ => None,
        };
        if let Some(last) = reasons.last_mut() {
            let hints: Vec<String> = other.into_iter().chain(force).collect();
            last.1 = hints.join("; ");
        }
        Refusal {
            reasons,
            unknown: silent,
        }
    }
}

/// What each load balancer does then, and what it shall do: what earlier steps of the plan lead to,
/// else what it does now.
fn moves(setup: &Setup, fleet: &Fleet, led: Option<&Traffic>, after: &Traffic) -> Vec<Move> {
    let before = |lb: &super::LbHost| {
        if led.is_some() {
            return led.cloned();
        }
        let view = fleet.balancers.get(&lb.host);
        view.and_then(|v| v.running.get().cloned().flatten())
    };
    let change = |lb: &super::LbHost| Move {
        host: lb.host.clone(),
        before: before(lb),
        after: Some(after.clone()),
    };
    setup.balancers.iter().map(change).collect()
}

/// Who has caught up by the switch: its load balancers, and the members that were gated for it.
fn caught_up(plan: &Plan, setup: &Setup) -> Vec<HostName> {
    let mut out: Vec<HostName> = setup.balancers.iter().map(|lb| lb.host.clone()).collect();
    out.extend(debts::gated(plan, &plan.target));
    out
}

/// A slot that gets requests and is not `gated` keeps the members that load balancers know, those out
/// of traffic out of it, whether it is left or goes on with a share: a member that is new to it was
/// never gated there, and some write a changed group down a moment before they leave the slot.
pub(super) fn as_known(
    before: Option<&Traffic>,
    gated: Option<&SlotName>,
    mut after: Traffic,
) -> Traffic {
    let Some(before) = before else {
        return after;
    };
    let others = after.groups.iter_mut();
    for (slot, group) in others.filter(|(s, _)| Some(*s) != gated && before.reaches(s)) {
        let Some(known) = before.groups.get(slot) else {
            continue;
        };
        group.retain_mut(|member| {
            let was = known.iter().find(|k| k.host == member.host);
            if let Some(out) = was.filter(|k| k.state != MemberState::Ready) {
                member.state = out.state;
            }
            was.is_some()
        });
        if group.is_empty() {
            group.clone_from(known);
        }
    }
    after
}

/// Adds prepare, shift, drain and bake: the one switch of a plan, its commit point.
pub(super) fn shift(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    after: Traffic,
    needs: &[StepId],
) {
    let after = as_known(plan.before.as_ref(), Some(&plan.target), after);
    let led = plan.after.take();
    let mut moves = moves(setup, fleet, led.as_ref(), &after);
    spare::with(plan, setup, &mut moves);
    let earlier: Vec<StepId> = plan
        .steps
        .iter()
        .filter(|s| matches!(s.action, Action::Shift { .. }))
        .map(|s| s.id)
        .collect();
    let mut ready = needs.to_vec();
    for change in &moves {
        let action = Action::Prepare(change.clone());
        let why = "checked by the server before the switch";
        ready.push(plan.push(action, Undo::Nothing, &earlier, why));
    }
    let now: Vec<&Traffic> = moves.iter().filter_map(|m| m.before.as_ref()).collect();
    let silent = debts::without(setup, fleet, &now);
    let to = after.generation.as_str();
    // While the gates are waited for: then nothing is between them and the switch.
    let gates = plan.steps.iter().filter(|s| needs.contains(&s.id));
    let early: Vec<StepId> = gates.flat_map(|s| s.needs.clone()).collect();
    ready.extend(debts::owe(plan, setup, fleet, &now, &silent, to, &early));
    let active = activity::swap(plan, setup, fleet, &after, &ready);
    ready.extend(active);
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
    let shift = Action::Shift {
        moves: moves.clone(),
    };
    let commit = plan.push(shift, undo, &ready, "the switch");
    plan.commit = Some(commit);
    let mut last = vec![commit];
    // Where both slots go on, nobody is left.
    if served && after.sole().is_some() {
        for lb in &setup.balancers {
            let action = Action::Drain {
                host: lb.host.clone(),
                now: after.clone(),
                within: setup.drain,
            };
            let why = "open requests of the old slot end";
            last.push(plan.push(action, Undo::Nothing, &[commit], why));
        }
    }
    if matches!(plan.kind, PlanKind::Deploy | PlanKind::Resume) && !setup.bake.is_zero() {
        let action = Action::Bake {
            slot: plan.target.clone(),
            time: setup.bake,
        };
        let why = "gates stay on with traffic";
        last.push(plan.push(action, Undo::Nothing, &[commit], why));
        spare::over(plan, &moves, &last);
    }
    let paid = caught_up(plan, setup);
    debts::pay(plan, setup, fleet, paid, "they have caught up");
    plan.after = Some(after);
}
