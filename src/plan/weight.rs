//! Weight: two slots share the traffic until a person changes it. Both count as active for as long:
//! nothing in either is stopped or changed, and only a whole share, a switch or a rollback ends it.

use std::collections::BTreeMap;

use super::entry::{self, Entry, Need};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo};
use super::{activity, debts, judge, switch, traffic};
use crate::fleet::{Fleet, Traffic, WHOLE};
use crate::name::{HostName, SlotName};

/// What was asked for: this slot gets this share of the requests, in basis points, and the other one
/// the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The slot.
    pub slot: SlotName,
    /// Of [`WHOLE`].
    pub share: u32,
}

/// Plans the shares that were asked for.
///
/// # Errors
/// A [`Refusal`] where there are not two slots, nothing serves yet, a load balancer misses a change,
/// or the slot that gets more is not fit.
pub fn weight(
    setup: &Setup,
    fleet: &Fleet,
    wish: &Wish,
    generation: &str,
) -> Result<Plan, Refusal> {
    let other = setup.other(&wish.slot).ok_or_else(|| {
        Refusal::one(
            format!("{} has one slot only", setup.app),
            "there is nothing to share with",
        )
    })?;
    let Entry { before, notes } = entry::checks(setup, fleet, Need::None)?;
    let Some(before) = before.filter(|t| !t.nobody()) else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            format!(
                "`deploy {} {}@VERSION` brings the first release up",
                setup.env, setup.app
            ),
        ));
    };
    let had = before.split.get(&wish.slot).copied().unwrap_or(0);
    // Nothing at all is no gain, whatever the slot had: then the other one is who serves.
    let (gains, loses) = if wish.share >= had && wish.share > 0 {
        (&wish.slot, other)
    } else {
        (other, &wish.slot)
    };
    let mut plan = Plan::new(setup, PlanKind::Weight, gains);
    plan.to = judge::shown_release(setup, fleet, gains);
    plan.from = judge::shown_release(setup, fleet, loses);
    plan.old = Some(loses.clone());
    plan.before = Some(before.clone());
    plan.notes = notes;
    // Where nobody gets more, nobody new comes into traffic either.
    let gated = Some(gains).filter(|_| wish.share != had);
    let after = shared(setup, wish, other, generation);
    let after = switch::as_known(Some(&before), gated, after);
    if after.same_as(&before) {
        plan.after = Some(before);
        plan.end = judge::NOTHING;
        let says = traffic::says(plan.after.as_ref());
        plan.notes
            .push(format!("all load balancers send to {says} already"));
        return Ok(plan);
    }
    fit(setup, fleet, gains)?;
    let gate = Action::Gate {
        slot: gains.clone(),
        hosts: setup.hosts(gains).cloned().collect(),
        release: plan.to.as_ref().map(|r| r.id.clone()),
        once: true,
    };
    let why = "it gets more: one fresh probe of every member from every view";
    let gate = plan.push(gate, Undo::Nothing, &[], why);
    let held = after.sole().is_none();
    if !held {
        activity::refuse_unseen(setup, fleet, gains)?;
    }
    switch::shift(&mut plan, setup, fleet, after, &[gate]);
    if held && setup.switches() {
        plan.notes.push(format!(
            "what {} does beside requests stays where it is: it is activated in the slot that gets all",
            setup.app
        ));
    }
    if held {
        plan.notes.push(format!(
            "held until it is changed: {gains} and {loses} count as active, neither is stopped or changed; `deploy weight {0} {1} {2}=100%` or `{2}=0%` ends it, `deploy rollback {0} {1}` gives all back",
            setup.env, setup.app, wish.slot
        ));
    }
    Ok(plan)
}

fn shared(setup: &Setup, wish: &Wish, other: &SlotName, generation: &str) -> Traffic {
    let rest = WHOLE.saturating_sub(wish.share);
    let shares = [(wish.slot.clone(), wish.share), (other.clone(), rest)];
    let given = shares.into_iter().filter(|(_, share)| *share > 0);
    Traffic {
        generation: generation.to_owned(),
        groups: setup.groups.clone(),
        split: given.collect::<BTreeMap<_, _>>(),
        rules: Vec::new(),
        spare: None,
    }
}

/// The slot that gets more must be able to.
fn fit(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Result<(), Refusal> {
    debts::refuse_behind(setup, fleet, slot)?;
    debts::refuse_too_few(setup, slot)?;
    let unfit = judge::unfit(setup, fleet, slot);
    let mut reasons: Vec<(String, String)> = unfit
        .into_iter()
        .map(|u| (format!("{slot} is not fit: {u}"), String::new()))
        .collect();
    if let Some(last) = reasons.last_mut() {
        last.1 = format!(
            "`deploy stage {} {}@VERSION` brings a release up in the slot that stands by",
            setup.env, setup.app
        );
    }
    let unknown = setup.hosts(slot).any(|h| !fleet.hosts.contains_key(h));
    Refusal::of(reasons).map_or(Ok(()), |r| Err(Refusal { unknown, ..r }))
}

/// The slot that served before the traffic was shared: the one that gets some and whose hosts hold
/// what served last as a whole. `None` where both do, or neither.
#[must_use]
pub(super) fn served_before(setup: &Setup, fleet: &Fleet, now: &Traffic) -> Option<SlotName> {
    let mut found = setup.slots.iter().filter(|slot| {
        let (_, well) = debts::by_debt(setup, fleet, slot);
        let served = |h: &&HostName| {
            let record = fleet.hosts.get(*h).map(|v| &v.record);
            record.is_some_and(|r| {
                let held = r.slots.get(*slot).map(|s| &s.release);
                held.is_some() && held == r.promoted.last()
            })
        };
        now.reaches(slot) && well.iter().any(served)
    });
    match (found.next(), found.next()) {
        (Some(slot), None) => Some(slot.clone()),
        _ => None,
    }
}
