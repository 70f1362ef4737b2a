//! Work on the members of a slot that has traffic, one after the other: out of traffic, idle, up
//! again, gated, back. Never is a member taken out before the others have been probed.

use crate::fleet::{Fleet, MemberState, Traffic};
use crate::name::{HostName, ReleaseId, SlotName, StepId};

use super::in_place::Todo;
use super::{Action, Batch, Move, Plan, Refusal, Setup, Undo, activity, debts, judge};

/// The steps so far, and the traffic after them.
pub(super) struct Rolling<'a> {
    pub plan: &'a mut Plan,
    pub setup: &'a Setup,
    pub slot: &'a SlotName,
    /// What the load balancers do when all steps so far are done.
    pub now: Traffic,
    /// Steps that the next one waits for.
    pub last: Vec<StepId>,
    generation: &'a str,
    shifts: u32,
}

impl<'a> Rolling<'a> {
    pub fn new(
        plan: &'a mut Plan,
        setup: &'a Setup,
        slot: &'a SlotName,
        now: Traffic,
        generation: &'a str,
    ) -> Self {
        Self {
            plan,
            setup,
            slot,
            now,
            last: Vec::new(),
            generation,
            shifts: 0,
        }
    }

    /// Probes members; `once` where they serve already.
    pub fn gate(
        &mut self,
        hosts: Vec<HostName>,
        release: Option<ReleaseId>,
        once: bool,
        why: &str,
    ) {
        if hosts.is_empty() {
            return;
        }
        let gate = Action::Gate {
            slot: self.slot.clone(),
            hosts,
            release,
            once,
        };
        let needs = std::mem::take(&mut self.last);
        self.last = vec![self.plan.push(gate, Undo::Nothing, &needs, why)];
    }

    /// Moves all load balancers from what they do to `to`.
    pub(super) fn shift(
        &mut self,
        mut to: Traffic,
        undo: fn(Vec<Action>) -> Undo,
        why: &str,
    ) -> StepId {
        self.shifts += 1;
        to.generation = format!("{}.{}", self.generation, self.shifts);
        let change = |lb: &super::LbHost| Move {
            host: lb.host.clone(),
            before: Some(self.now.clone()),
            after: Some(to.clone()),
        };
        let moves: Vec<Move> = self.setup.balancers.iter().map(change).collect();
        let back = Action::Shift {
            moves: moves.iter().map(Move::reversed).collect(),
        };
        let needs = std::mem::take(&mut self.last);
        let id = self
            .plan
            .push(Action::Shift { moves }, undo(vec![back]), &needs, why);
        self.plan.after = Some(to.clone());
        self.now = to;
        self.last = vec![id];
        id
    }

    /// These members, which have been gated, get requests again.
    pub fn back(&mut self, hosts: &[HostName], why: &str) {
        let mut to = self.now.clone();
        for host in hosts {
            to = Setup::with_member(&to, self.slot, host, MemberState::Ready, "");
        }
        if !to.same_as(&self.now) {
            self.on(&self.gain(&to), Undo::Half);
            // Once back, a member that is well stays, also when a later step fails.
            self.shift(to, Undo::Half, why);
        }
    }

    /// The slot gets all traffic with its members as the inventory has them.
    pub fn settle(&mut self, why: &str) {
        let to = self.setup.all_to(self.slot, self.generation);
        if to.groups.get(self.slot) != self.now.groups.get(self.slot) {
            self.on(&self.gain(&to), Undo::Half);
            self.shift(to, Undo::Half, why);
        }
    }

    /// Members that do not answer: out of traffic, and they stay out.
    pub fn set_down(&mut self, hosts: &[HostName]) -> StepId {
        let mut to = self.now.clone();
        for host in hosts {
            to = Setup::with_member(&to, self.slot, host, MemberState::Drain, "");
        }
        self.shift(to, Undo::Half, "it does not answer")
    }

    /// One member: out of traffic, its open requests end, and it is not active any more.
    pub fn out(&mut self, host: &HostName, why: &str) {
        let out = Setup::with_member(&self.now, self.slot, host, MemberState::Drain, "");
        let taken = self.shift(out, Undo::Do, why);
        self.drain(taken);
        self.off(std::slice::from_ref(host), Undo::Do);
    }

    /// Members that leave for good: those that serve get nothing and their open requests end, then
    /// no load balancer knows any of them.
    pub fn gone(&mut self, hosts: &[HostName], serving: &[HostName]) {
        let mut to = self.now.clone();
        for host in serving {
            to = Setup::with_member(&to, self.slot, host, MemberState::Drain, "");
        }
        if !to.same_as(&self.now) {
            let taken = self.shift(to, Undo::Do, "they are to be removed");
            self.drain(taken);
        }
        let mut to = self.now.clone();
        for group in to.groups.values_mut() {
            group.retain(|m| !hosts.contains(&m.host));
        }
        to.groups.retain(|_, group| !group.is_empty());
        if !to.same_as(&self.now) {
            self.shift(to, Undo::Do, "no load balancer knows them any more");
        }
    }

    /// One member: out of traffic where it gets some, up again, gated, back.
    pub fn member(&mut self, host: &HostName, release: &ReleaseId, why: &str) {
        if ready(&self.now, self.slot).any(|h| h == host) {
            self.out(host, why);
        }
        let action = Action::Restart {
            host: host.clone(),
            slot: self.slot.clone(),
            release: release.clone(),
        };
        // What cannot be brought up again must not get traffic again: the member stays out.
        let needs = std::mem::take(&mut self.last);
        self.last = vec![self.plan.push(action, Undo::NeverBack, &needs, why)];
        let why = "no traffic before the gates have passed";
        self.gate(vec![host.clone()], Some(release.clone()), false, why);
        self.back(std::slice::from_ref(host), "back into traffic");
    }

    /// Members that leave the traffic together, come up with another release, pass their gates, get
    /// their traffic back and are watched with it. Until that is over, what fails returns all of
    /// them to what they ran, which gets traffic only behind its own gates.
    pub fn batch(&mut self, fleet: &Fleet, todo: &[Todo]) {
        let first = self.next();
        let hosts: Vec<HostName> = todo.iter().map(|t| t.host.clone()).collect();
        let had: Vec<HostName> = ready(&self.now, self.slot)
            .filter(|h| hosts.contains(h))
            .cloned()
            .collect();
        let start = self.now.clone();
        let out = self.members(&hosts, MemberState::Drain);
        if !had.is_empty() {
            self.leave(&had, out, "the batch leaves the traffic");
        }
        let away = self.now.clone();
        let drained = std::mem::take(&mut self.last);
        for t in todo {
            let up = self.up(t, &drained);
            self.last.push(up);
        }
        let release = todo.first().map(|t| t.release.clone());
        let why = "no traffic before the gates have passed";
        self.gate(hosts.clone(), release, false, why);
        self.on(&hosts, Undo::Do);
        let back = self.members(&hosts, MemberState::Ready);
        let shifted = self.shift(back, Undo::Do, "back into traffic");
        let mut undo = vec![self.moves(&self.now.clone(), &away)];
        undo.extend(self.drains(&away));
        self.set_undo(shifted, undo);
        self.settled(fleet, &hosts);
        let last = StepId(self.next().0 - 1);
        let served = ready(&start, self.slot)
            .filter(|h| hosts.contains(h))
            .count()
            == hosts.len();
        self.plan.batches.push(Batch {
            first,
            last,
            hosts,
            served,
        });
    }

    /// Debts are paid, and the gates stay on for a while.
    pub(super) fn settled(&mut self, fleet: &Fleet, hosts: &[HostName]) {
        let before = self.next();
        let why = "they have caught up";
        debts::pay(self.plan, self.setup, fleet, hosts.iter().cloned(), why);
        if self.next() != before {
            self.last = vec![before];
        }
        if !self.setup.bake.is_zero() {
            let bake = Action::Bake {
                slot: self.slot.clone(),
                time: self.setup.bake,
            };
            let needs = std::mem::take(&mut self.last);
            let why = "gates stay on with traffic";
            self.last = vec![self.plan.push(bake, Undo::Nothing, &needs, why)];
        }
    }

    /// These members leave the traffic, and are active no more. The way back goes past the gates: what
    /// was returned to an older release has started just now.
    pub(super) fn leave(&mut self, had: &[HostName], out: Traffic, why: &str) {
        let start = self.now.clone();
        let taken = self.shift(out, Undo::Do, why);
        let gate = Action::Gate {
            slot: self.slot.clone(),
            hosts: had.to_vec(),
            release: None,
            once: false,
        };
        let away = self.now.clone();
        let mut undo = vec![gate];
        if self.setup.switches() {
            undo.extend(had.iter().map(|h| activity::on(h, self.slot)));
        }
        undo.push(self.moves(&away, &start));
        self.set_undo(taken, undo);
        self.drain(taken);
        self.off(had, |_| Undo::Nothing);
    }

    /// The members as the inventory has them, in traffic as they are now, except these.
    fn members(&self, hosts: &[HostName], state: MemberState) -> Traffic {
        let mut to = self.setup.as_now(&self.now, self.slot);
        for host in hosts {
            to = Setup::with_member(&to, self.slot, host, state, "");
        }
        to
    }

    pub(super) fn up(&mut self, t: &Todo, needs: &[StepId]) -> StepId {
        let (host, slot) = (t.host.clone(), self.slot.clone());
        let undo = vec![
            Action::Evidence {
                host: host.clone(),
                slot: slot.clone(),
            },
            Action::Revert {
                host: host.clone(),
                slot: slot.clone(),
                to: t.was.clone(),
            },
        ];
        let release = t.release.clone();
        let action = Action::Replace {
            host,
            slot,
            release,
        };
        self.plan.push(action, Undo::Do(undo), needs, &t.why)
    }

    pub(super) fn set_undo(&mut self, id: StepId, undo: Vec<Action>) {
        for step in self.plan.steps.iter_mut().filter(|s| s.id == id) {
            step.undo = Undo::Do(undo.clone());
        }
    }

    /// All load balancers go from one value to another.
    pub(super) fn moves(&self, from: &Traffic, to: &Traffic) -> Action {
        let change = |lb: &super::LbHost| Move {
            host: lb.host.clone(),
            before: Some(from.clone()),
            after: Some(to.clone()),
        };
        Action::Shift {
            moves: self.setup.balancers.iter().map(change).collect(),
        }
    }

    pub(super) fn drains(&self, now: &Traffic) -> Vec<Action> {
        let drain = |lb: &super::LbHost| Action::Drain {
            host: lb.host.clone(),
            now: now.clone(),
            within: self.setup.drain,
        };
        self.setup.balancers.iter().map(drain).collect()
    }

    /// The number of the next step.
    pub(super) fn next(&self) -> StepId {
        let n = u32::try_from(self.plan.steps.len()).unwrap_or(u32::MAX);
        StepId(n.saturating_add(1))
    }

    /// Open requests to members that a shift left end.
    pub fn drain(&mut self, taken: StepId) {
        let mut idle = Vec::new();
        for lb in &self.setup.balancers {
            let action = Action::Drain {
                host: lb.host.clone(),
                now: self.now.clone(),
                within: self.setup.drain,
            };
            let why = "open requests of the member end";
            idle.push(self.plan.push(action, Undo::Nothing, &[taken], why));
        }
        self.last = idle;
    }
}

/// Members that are given requests.
pub(super) fn ready<'a>(
    traffic: &'a Traffic,
    slot: &SlotName,
) -> impl Iterator<Item = &'a HostName> {
    let members = traffic.groups.get(slot).filter(|_| traffic.reaches(slot));
    let members = members.into_iter().flatten();
    members
        .filter(|m| m.state == MemberState::Ready)
        .map(|m| &m.host)
}

/// Members of the inventory that are not given requests.
pub(super) fn out_of_traffic(setup: &Setup, traffic: &Traffic, slot: &SlotName) -> Vec<HostName> {
    let out = setup
        .hosts(slot)
        .filter(|h| ready(traffic, slot).all(|r| r != *h));
    out.cloned().collect()
}

/// Whether a member answers, as far as the look can tell.
pub(super) fn answers(setup: &Setup, fleet: &Fleet, slot: &SlotName, host: &HostName) -> bool {
    fleet.hosts.get(host).is_some_and(|view| {
        let (env, app) = (&setup.env, &setup.app);
        let kept = judge::recorded(view, slot);
        kept.is_some_and(|r| judge::serves(view, env, app, slot, &r.services))
    })
}

/// The order of work: members that are out anyway, then those that do not answer, then the rest.
/// So there is always a member left that serves, if there is one at all.
pub(super) fn order(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    now: &Traffic,
    mut hosts: Vec<HostName>,
) -> Vec<HostName> {
    let out = out_of_traffic(setup, now, slot);
    hosts.sort_by_key(|h| (!out.contains(h), answers(setup, fleet, slot, h)));
    hosts
}

/// Members that get requests and answer, without `first`: they must be well before it is taken out.
pub(super) fn others(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    now: &Traffic,
    first: &HostName,
) -> Vec<HostName> {
    let all = setup.hosts(slot).filter(|h| *h != first);
    let serving = all.filter(|h| ready(now, slot).any(|r| r == *h));
    serving
        .filter(|h| answers(setup, fleet, slot, h))
        .cloned()
        .collect()
}

/// Load balancers that know only whole slots, each in a sentence.
fn cannot_take_out(setup: &Setup) -> impl Iterator<Item = String> {
    let cannot = setup.balancers.iter().filter(|b| !b.drain);
    cannot.map(|b| format!("load balancer {} cannot take out single members", b.host))
}

/// Refuses to take members out of a slot that would have `left` then: `nobody` says what is wrong
/// with none and what to do, `force` what goes below `min_healthy` all the same, where it was not given.
pub(super) fn refuse_leaving(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    left: usize,
    nobody: (String, String),
    force: Option<&str>,
) -> Result<(), Refusal> {
    debts::refuse_behind(setup, fleet, slot)?;
    let cannot = cannot_take_out(setup).map(|what| (what, String::new()));
    let mut reasons: Vec<(String, String)> = cannot.collect();
    match force {
        _ if left == 0 => reasons.push(nobody),
        Some(force) if left < setup.min_healthy => {
            let wanted = setup.min_healthy;
            let what = format!("{slot} would have {left} of {wanted} members that it needs");
            reasons.push((what, format!("{force} does it all the same")));
        }
        _ => {}
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}

/// Why single members cannot be taken out; empty where they can.
pub(super) fn obstacles(setup: &Setup, slot: &SlotName) -> Vec<String> {
    let mut out: Vec<String> = cannot_take_out(setup).collect();
    if setup.hosts(slot).count() < 2 {
        out.push(format!("{slot} has one member only"));
    }
    out
}

/// No traffic may be without a member: the last refusal before steps are made.
pub(super) fn refuse_obstacles(setup: &Setup, slot: &SlotName) -> Result<(), Refusal> {
    let hint = match setup.other(slot) {
        Some(_) => format!(
            "a restart would drop requests; `deploy {} {}@VERSION` with another version goes through the other slot",
            setup.env, setup.app
        ),
        None => "requests would be dropped; `strategy: blue-green` with a second slot drops none"
            .to_owned(),
    };
    let mut reasons: Vec<(String, String)> = obstacles(setup, slot)
        .into_iter()
        .map(|o| (o, String::new()))
        .collect();
    if let Some(last) = reasons.last_mut() {
        last.1 = hint;
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}
