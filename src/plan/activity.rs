//! What a release does beside requests (`activate`, `deactivate`): with two slots it is on in one of
//! them at a time. Before a switch the slot that is left is switched off on all of its hosts, and only
//! then the other one on: between the two nobody is active, and never are both. Where there is one slot, a
//! member is on as long as it gets requests.
//!
//! A call may be made again at any time: so whoever resumes a run asks nobody how far it had come. To
//! add to what goes with a change of activity: [`swap`] for slots, [`Rolling::on`] for members.

use std::collections::BTreeSet;

use super::rolling::{self, Rolling};
use super::{Action, Plan, Refusal, Setup, Undo, weight};
use crate::fleet::{Fleet, Traffic};
use crate::name::{HostName, SlotName, StepId};

/// Switches the member on.
pub(super) fn on(host: &HostName, slot: &SlotName) -> Action {
    Action::Activate {
        host: host.clone(),
        slot: slot.clone(),
    }
}

/// Switches it off.
pub(super) fn off(host: &HostName, slot: &SlotName) -> Action {
    Action::Deactivate {
        host: host.clone(),
        slot: slot.clone(),
        may_fail: false,
    }
}

/// The slot that is active while the load balancers do this: the one that has all requests. Where they
/// are shared, the one that had them before.
fn holder(setup: &Setup, fleet: &Fleet, now: &Traffic) -> Option<SlotName> {
    match now.sole() {
        Some(slot) => Some(slot.clone()),
        None => weight::served_before(setup, fleet, now),
    }
}

/// Adds what goes before the switch to `after`: the other slots off, then this one on. The steps that
/// the switch waits for; none where nothing is switched on and off, or two slots go on sharing.
pub(super) fn swap(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    after: &Traffic,
    needs: &[StepId],
) -> Vec<StepId> {
    if !setup.switches() {
        return Vec::new();
    }
    let Some(to) = after.sole().cloned() else {
        return Vec::new();
    };
    let before = plan.before.as_ref();
    let was = before.and_then(|t| holder(setup, fleet, t));
    let was = was.or(plan.old.clone());
    let mut last = needs.to_vec();
    if let Some(was) = &was {
        let others = setup.slots.iter().filter(|s| **s != to);
        let mut gone = Vec::new();
        for slot in others {
            // Those that take no part in the run as well: what they run may be active all the same.
            for host in setup.members(slot) {
                if !fleet.hosts.contains_key(host) {
                    plan.notes.push(unseen(host, slot));
                    continue;
                }
                let undo = match slot == was {
                    true => Undo::Do(vec![on(host, slot)]),
                    false => Undo::Nothing,
                };
                let why = "one slot is active at a time";
                gone.push(plan.push(off(host, slot), undo, needs, why));
            }
        }
        if !gone.is_empty() {
            last = gone;
        }
    }
    let mut out = Vec::new();
    for host in setup.hosts(&to) {
        let undo = match was.as_ref() == Some(&to) {
            true => Undo::Nothing,
            false => Undo::Do(vec![off(host, &to)]),
        };
        let why = "it is active from here on";
        out.push(plan.push(on(host, &to), undo, &last, why));
    }
    out
}

fn unseen(host: &HostName, slot: &SlotName) -> String {
    format!("{host} does not answer and is not deactivated: {slot} may still be active there")
}

/// Refuses a switch away from hosts that cannot be switched off, for nobody can tell what they do.
///
/// # Errors
/// A [`Refusal`] with a line for each such host.
pub(super) fn refuse_unseen(setup: &Setup, fleet: &Fleet, to: &SlotName) -> Result<(), Refusal> {
    if !setup.switches() {
        return Ok(());
    }
    let mut reasons = Vec::new();
    for slot in setup.slots.iter().filter(|s| *s != to) {
        let all = setup.members(slot);
        let silent = all.filter(|h| !fleet.hosts.contains_key(*h));
        reasons.extend(silent.map(|host| {
            let why = fleet.silent.get(host);
            let why = why.map_or("it was not asked", String::as_str);
            let what = format!("{host} does not answer, and {slot} may be active there: {why}");
            (what, String::new())
        }));
    }
    if let Some(last) = reasons.last_mut() {
        last.1 = format!(
            "two releases would be active at once; `deploy switch {} {} --to {to} --force -m REASON` when you know that it is not",
            setup.env, setup.app
        );
    }
    Refusal::of(reasons).map_or(Ok(()), |r| Err(Refusal { unknown: true, ..r }))
}

/// A person answers for what cannot be switched off: the switch goes on.
pub(super) fn forced(plan: &mut Plan) {
    for step in &mut plan.steps {
        if let Action::Deactivate { may_fail, .. } = &mut step.action {
            *may_fail = true;
        }
    }
}

/// What leads back from `before` is done: whoever was active then is again, after all others were
/// switched off. What is removed or replaced by the plan is off by that.
pub(super) fn restore(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    before: Option<&Traffic>,
    needs: &[StepId],
) {
    let was = before.and_then(|t| holder(setup, fleet, t));
    let Some(was) = was.filter(|_| setup.switches()) else {
        return;
    };
    let seen = |h: &&HostName| fleet.hosts.contains_key(*h);
    let reverted: BTreeSet<(HostName, SlotName)> = plan
        .steps
        .iter()
        .filter_map(|s| match &s.action {
            Action::Revert { host, slot, .. } => Some((host.clone(), slot.clone())),
            _ => None,
        })
        .collect();
    let reverts = plan.steps.iter();
    let reverts = reverts.filter(|s| matches!(s.action, Action::Revert { .. }));
    let mut gone: Vec<StepId> = needs.to_vec();
    gone.extend(reverts.map(|s| s.id));
    for slot in setup.slots.iter().filter(|s| **s != was) {
        for host in setup.members(slot) {
            if !seen(&host) {
                plan.notes.push(unseen(host, slot));
                continue;
            }
            if !reverted.contains(&(host.clone(), slot.clone())) {
                let why = "one slot is active at a time";
                gone.push(plan.push(off(host, slot), Undo::Nothing, needs, why));
            }
        }
    }
    for host in setup.hosts(&was).filter(seen) {
        let why = "as it was before the run";
        plan.push(on(host, &was), Undo::Nothing, &gone, why);
    }
}

impl Rolling<'_> {
    /// Members that are about to get requests are switched on.
    pub(super) fn on(&mut self, hosts: &[HostName], undo: fn(Vec<Action>) -> Undo) {
        if !self.setup.switches() || hosts.is_empty() {
            return;
        }
        let needs = std::mem::take(&mut self.last);
        for host in hosts {
            let back = undo(vec![off(host, self.slot)]);
            let why = "it is active from here on";
            let id = self.plan.push(on(host, self.slot), back, &needs, why);
            self.last.push(id);
        }
    }

    /// Members that get no requests any more are switched off.
    pub(super) fn off(&mut self, hosts: &[HostName], undo: fn(Vec<Action>) -> Undo) {
        if !self.setup.switches() || hosts.is_empty() {
            return;
        }
        let needs = std::mem::take(&mut self.last);
        for host in hosts {
            let back = undo(vec![on(host, self.slot)]);
            let why = "not active when it stops";
            // What hangs is stopped all the same: a restart is what mends it.
            let mut action = off(host, self.slot);
            if let Action::Deactivate { may_fail, .. } = &mut action {
                *may_fail = true;
            }
            let id = self.plan.push(action, back, &needs, why);
            self.last.push(id);
        }
    }

    /// Members that get requests by `to` and get none now.
    pub(super) fn gain(&self, to: &Traffic) -> Vec<HostName> {
        let had: BTreeSet<&HostName> = rolling::ready(&self.now, self.slot).collect();
        let gets = rolling::ready(to, self.slot).filter(|h| !had.contains(h));
        gets.cloned().collect()
    }
}
