//! Hosts that miss a change. A load balancer that was left out may still send to what it sent to
//! then: such a slot counts as active, until a change of it was read back or a
//! person says that it carries nothing.
//!
//! A plan that changes a slot asks [`refuse_touched`] first. A plan that moves traffic writes with
//! [`owe`] who misses it, before the move, and with [`pay`] who has caught up by it, at its end.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Debt, Fleet, Traffic};
use crate::name::{HostName, SlotName, StepId};

use super::{Action, Owes, Plan, Refusal, Setup, Step, Undo};

/// Lets members rest: those that a person drained, except one that is brought back; and, where
/// `behind`, those that owe and do not hold what the others of their slot hold. Such a one gets no
/// traffic until a run has brought it.
pub fn rest(setup: &mut Setup, fleet: &Fleet, except: Option<&HostName>, behind: bool) {
    let mut resting = fleet.drained();
    if behind {
        for slot in &setup.slots {
            let held = |h: &HostName| {
                let record = &fleet.hosts.get(h)?.record;
                record.slots.get(slot).map(|s| s.release.clone())
            };
            let (owing, well) = by_debt(setup, fleet, slot);
            let others: BTreeSet<_> = well.into_iter().filter_map(held).collect();
            let late = |h: &&HostName| held(h).is_none_or(|id| !others.contains(&id));
            // Where all of them owe, nobody says what is right.
            if !others.is_empty() {
                resting.extend(owing.into_iter().filter(late).cloned());
            }
        }
    }
    for host in resting.iter().filter(|h| Some(*h) != except) {
        setup.rest(host);
    }
}

/// The hosts of a slot that owe, and those that do not: whoever missed a change holds what was before
/// it, so the others say what there is.
#[must_use]
pub fn by_debt<'a>(
    setup: &'a Setup,
    fleet: &Fleet,
    slot: &SlotName,
) -> (Vec<&'a HostName>, Vec<&'a HostName>) {
    let debts = fleet.debts();
    setup.hosts(slot).partition(|h| debts.contains_key(*h))
}

/// Refuses to go on where a host was drained or brought back since the plan was made.
///
/// # Errors
/// A [`Refusal`] that says so.
pub fn refuse_other_drained(fleet: &Fleet, then: &BTreeSet<HostName>) -> Result<(), Refusal> {
    let now = fleet.drained();
    let changed: Vec<&str> = now.symmetric_difference(then).map(|h| h.as_str()).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let what = format!("{}: drained or brought back meanwhile", changed.join(" "));
    Err(Refusal::one(what, "the same command again plans anew"))
}

/// Load balancers of the app that owe a change: those that take part and those that are left out.
#[must_use]
pub fn owing_balancers(setup: &Setup, fleet: &Fleet) -> BTreeMap<HostName, Debt> {
    let mut all = fleet.debts();
    let ours = |h: &HostName| {
        let mut lbs = setup.balancers.iter().chain(&setup.left_out);
        lbs.any(|lb| lb.host == *h)
    };
    // One that left the inventory still sends where it sent.
    all.retain(|h, d| ours(h) || !d.slots.is_empty());
    all
}

/// Slots that a load balancer which is left out may send to: what it owes since earlier, for
/// nothing has changed it since, else what the others send to now.
fn slots_of(debt: Option<&Debt>, now: &BTreeSet<SlotName>) -> BTreeSet<SlotName> {
    let owed = debt.map(|d| &d.slots).filter(|s| !s.is_empty());
    owed.unwrap_or(now).clone()
}

/// Slots that get requests from any of these.
fn reached<'a>(setup: &Setup, all: impl IntoIterator<Item = &'a Traffic>) -> BTreeSet<SlotName> {
    let all: Vec<&Traffic> = all.into_iter().collect();
    let slots = setup.slots.iter();
    let reached = slots.filter(|s| all.iter().any(|t| t.reaches(s)));
    reached.cloned().collect()
}

/// Slots that a load balancer which answers has as its spare.
fn spares(fleet: &Fleet) -> BTreeSet<SlotName> {
    let views = fleet.balancers.values();
    views.filter_map(|v| v.spare.clone()).collect()
}

/// Refuses to change anything in a slot that a load balancer may still send to, although the
/// others do not.
///
/// # Errors
/// A [`Refusal`] with a line for each such load balancer.
pub fn refuse_touched(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    before: Option<&Traffic>,
) -> Result<(), Refusal> {
    let debts = owing_balancers(setup, fleet);
    let now = reached(setup, before);
    let mut reasons = Vec::new();
    for (host, debt) in &debts {
        if debt.slots.contains(slot) {
            reasons.push((
                format!("{slot} must not be changed: {host} {}", debt.says()),
                catch_up_or_forget(setup, host),
            ));
        }
    }
    // A run that was left in its bake gave all of them the same spare.
    let spare = spares(fleet).contains(slot);
    for lb in setup.left_out.iter().filter(|lb| spare && lb.spare) {
        let what = format!(
            "{slot} must not be changed: {} is left out and may still have it as its spare",
            lb.host
        );
        let hint = "make it answer; where it is gone for good, take it out of the inventory";
        reasons.push((what, hint.to_owned()));
    }
    // One that owes is not asked to agree with the others; what it does counts all the same.
    for lb in &setup.balancers {
        let running = fleet.balancers.get(&lb.host).map(|v| v.running.get());
        let sends = running.flatten().and_then(Option::as_ref);
        if debts.contains_key(&lb.host)
            && !debts[&lb.host].slots.contains(slot)
            && sends.is_some_and(|t| t.reaches(slot))
            && !now.contains(slot)
        {
            reasons.push((
                format!("{slot} must not be changed: {} sends to it", lb.host),
                catch_up_or_forget(setup, &lb.host),
            ));
        }
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}

/// Refuses to take single members out of a slot while a load balancer does not do what the others
/// do: it would go on sending to them.
///
/// # Errors
/// A [`Refusal`] with a line for each such load balancer.
pub fn refuse_behind(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Result<(), Refusal> {
    let debts = owing_balancers(setup, fleet);
    let ours = |h: &HostName| setup.balancers.iter().any(|lb| lb.host == *h);
    let behind = debts
        .iter()
        .filter(|(h, d)| ours(h) || d.slots.contains(slot));
    let mut reasons: Vec<(String, String)> = behind
        .map(|(host, debt)| {
            (
                format!(
                    "members of {slot} must not be changed: {host} {}",
                    debt.says()
                ),
                catch_up_or_forget(setup, host),
            )
        })
        .collect();
    reasons.extend(setup.left_out.iter().map(|lb| {
        (
            format!(
                "members of {slot} must not be changed: {} is left out and may send to them",
                lb.host
            ),
            "only what moves all traffic away from a slot can be done without a load balancer"
                .into(),
        )
    }));
    Refusal::of(reasons).map_or(Ok(()), Err)
}

pub(super) fn catch_up_or_forget(setup: &Setup, host: &HostName) -> String {
    format!(
        "`deploy catch-up {0} {1}` leads it to what the others do; where it is gone for good: `deploy catch-up {0} {1} --forget-lb {host} -m REASON`",
        setup.env, setup.app
    )
}

/// Whether every load balancer that takes part does this, those that owe included.
#[must_use]
pub fn all_do(setup: &Setup, fleet: &Fleet, traffic: &Traffic) -> bool {
    setup.balancers.iter().all(|lb| {
        let view = fleet.balancers.get(&lb.host);
        let running = view.and_then(|v| v.running.get()).and_then(Option::as_ref);
        running.is_some_and(|t| t.same_as(traffic))
    })
}

/// Hosts of the app that answer: where debts are written.
pub(super) fn everyone(setup: &Setup, fleet: &Fleet) -> Vec<HostName> {
    let lbs = setup.balancers.iter().map(|lb| &lb.host);
    let lbs = lbs.filter(|h| fleet.balancers.contains_key(*h));
    let apps = setup.every_member();
    let apps = apps.filter(|h| fleet.hosts.contains_key(*h));
    let mut out: Vec<HostName> = Vec::new();
    for host in apps.chain(lbs) {
        if !out.contains(host) {
            out.push(host.clone());
        }
    }
    out
}

/// Whether every other host that answers remembers the debt: a run may have died while it was written.
pub(super) fn remembered_by_all(setup: &Setup, fleet: &Fleet, owing: &HostName) -> bool {
    let others = everyone(setup, fleet);
    let mut asked = fleet
        .records()
        .filter(|(h, _)| others.contains(h) && *h != owing);
    asked.all(|(_, record)| record.owing.contains_key(owing))
}

/// Writes who misses the change that follows; `None` where nobody does. `missing` are app hosts.
pub(super) fn owe(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    now: &[&Traffic],
    missing: &[HostName],
    generation: &str,
    needs: &[StepId],
) -> Option<StepId> {
    let debts = fleet.debts();
    let mut now = reached(setup, now.iter().copied());
    if plan.before.is_none() && !now.is_empty() {
        // The others disagree: nobody knows which of them it is like.
        now = setup.slots.iter().cloned().collect();
    }
    now.extend(spares(fleet));
    let mut owing = Vec::new();
    for lb in &setup.left_out {
        let slots = slots_of(debts.get(&lb.host), &now);
        let told = remembered_by_all(setup, fleet, &lb.host);
        if !told || debts.get(&lb.host).is_none_or(|d| d.slots != slots) {
            owing.push((lb.host.clone(), slots));
        }
    }
    let told = |h: &HostName| plan.steps.iter().any(|s| owes(&s.action, h));
    let known = |h: &HostName| debts.contains_key(h) && remembered_by_all(setup, fleet, h);
    let new = missing.iter().filter(|h| !known(h) && !told(h));
    owing.extend(new.map(|h| (h.clone(), BTreeSet::new())));
    if owing.is_empty() {
        return None;
    }
    let first = owing.iter().filter(|(h, _)| !debts.contains_key(h));
    let undone = Action::Owe {
        on: everyone(setup, fleet),
        owing: Vec::new(),
        paid: first.map(|(h, _)| h.clone()).collect(),
    };
    let undo = match &undone {
        Action::Owe { paid, .. } if paid.is_empty() => Undo::Nothing,
        _ => Undo::Do(vec![undone]),
    };
    let action = Action::Owe {
        on: everyone(setup, fleet),
        owing: owing
            .into_iter()
            .map(|(host, slots)| Owes {
                host,
                missed: generation.to_owned(),
                slots,
            })
            .collect(),
        paid: Vec::new(),
    };
    let why = "whoever comes next must know before the change";
    Some(plan.push(action, undo, needs, why))
}

/// Whether this action writes that the host owes.
fn owes(action: &Action, host: &HostName) -> bool {
    matches!(action, Action::Owe { owing, .. } if owing.iter().any(|o| o.host == *host))
}

/// Members of the slot that the plan gates: whoever passes has caught up.
pub(super) fn gated(plan: &Plan, of: &SlotName) -> Vec<HostName> {
    let gates = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Gate { slot, hosts, .. } if slot == of => Some(hosts),
        _ => None,
    });
    gates.flatten().cloned().collect()
}

/// At the end of a plan: these hosts have caught up, as far as they owed anything.
pub(super) fn pay(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    caught_up: impl IntoIterator<Item = HostName>,
    why: &str,
) {
    let debts = fleet.debts();
    let mut paid: Vec<HostName> = Vec::new();
    for host in caught_up {
        if debts.contains_key(&host) && !paid.contains(&host) {
            paid.push(host);
        }
    }
    if paid.is_empty() {
        return;
    }
    // Where the plan is taken back, they owe again what they owed.
    let owing = paid.iter().map(|h| Owes {
        host: h.clone(),
        missed: debts[h].generation.clone(),
        slots: debts[h].slots.clone(),
    });
    let again = Action::Owe {
        on: everyone(setup, fleet),
        owing: owing.collect(),
        paid: Vec::new(),
    };
    let action = Action::Owe {
        on: everyone(setup, fleet),
        owing: Vec::new(),
        paid,
    };
    let needs = last_of(plan);
    plan.push(action, Undo::Do(vec![again]), &needs, why);
}

/// Steps that no other one waits for. Drains and ends of a spare are not among them: what could not
/// be heard of one is no reason to go back, and would be one for a step that waits for it.
fn last_of(plan: &Plan) -> Vec<StepId> {
    let may_fail = |a: &Action| matches!(a, Action::Drain { .. } | Action::Unspare { .. });
    let steps = plan.steps.iter().filter(|s| !may_fail(&s.action));
    let steps: Vec<&Step> = steps.collect();
    let waited = |s: &&&Step| !steps.iter().any(|other| other.needs.contains(&s.id));
    steps.iter().filter(waited).map(|s| s.id).collect()
}

/// Refuses to send a slot's traffic to fewer members than the environment wants.
///
/// # Errors
/// A [`Refusal`] that names those that rest.
pub(super) fn refuse_too_few(setup: &Setup, slot: &SlotName) -> Result<(), Refusal> {
    let left = setup.hosts(slot).count();
    if left >= setup.min_healthy {
        return Ok(());
    }
    let rest = setup.members(slot).filter(|h| setup.resting.contains(*h));
    let rest: Vec<&str> = rest.map(HostName::as_str).collect();
    Err(Refusal::one(
        format!(
            "{slot} would have {left} of {} members that it needs: {} out of traffic",
            setup.min_healthy,
            rest.join(" ")
        ),
        "bring one back (`deploy undrain`), or make it answer",
    ))
}

/// Hosts that a change of traffic goes on without: members that do not answer, and members of the
/// present traffic that left the inventory, where the app may still run.
pub(super) fn without(setup: &Setup, fleet: &Fleet, now: &[&Traffic]) -> Vec<HostName> {
    let members = setup.every_member();
    let known: BTreeSet<&HostName> = members.collect();
    let silent = known.iter().filter(|h| !fleet.hosts.contains_key(**h));
    let sent = now.iter().flat_map(|t| t.groups.values().flatten());
    let left = sent.map(|m| &m.host).filter(|h| !known.contains(h));
    let all: BTreeSet<&HostName> = silent.copied().chain(left).collect();
    all.into_iter().cloned().collect()
}

/// Members that the load balancers know and the inventory does not: the app may still run there.
pub(super) fn strangers(setup: &Setup, fleet: &Fleet) -> BTreeSet<HostName> {
    let known: BTreeSet<&HostName> = setup.every_member().collect();
    let running = fleet.balancers.values().filter_map(|v| v.running.get());
    let members = running.flatten().flat_map(|t| t.groups.values().flatten());
    let owing = fleet.debts().into_iter();
    let owing = owing.filter(|(_, d)| d.slots.is_empty()).map(|(h, _)| h);
    let all = members.map(|m| m.host.clone()).chain(owing);
    all.filter(|h| !known.contains(h)).collect()
}

/// What a person should know of hosts that owe or are left out.
pub(super) fn notes(setup: &Setup, fleet: &Fleet) -> Vec<String> {
    let debts = fleet.debts();
    let gone = strangers(setup, fleet);
    let mut out: Vec<String> = debts
        .iter()
        .filter(|(host, _)| !gone.contains(*host))
        .map(|(host, debt)| match debt.drained() {
            true => format!(
                "{host} {}: out of traffic until `deploy undrain {} {host}`",
                debt.says(),
                setup.env
            ),
            false => format!("{host} is owing: it {}", debt.says()),
        })
        .collect();
    for host in &gone {
        out.push(format!(
            "{host} is not in the inventory any more: {} may still run there",
            setup.app
        ));
    }
    for lb in &setup.left_out {
        out.push(format!(
            "{} is left out: what it may still send to stays as it is until `deploy catch-up {} {}`",
            lb.host, setup.env, setup.app
        ));
    }
    out
}
