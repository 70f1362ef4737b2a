//! What a run left that lets nobody serve while a release takes the place of another: the slot is
//! led to one release on all members, gated, with its traffic; never to two at once.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rolling::{self, Rolling};
use super::super::{Action, Move, Plan, Refusal, Setup, Undo, judge};
use super::settle::sends_to;
use super::{Unfinished, neither};
use crate::fleet::{Fleet, MemberState, Traffic};
use crate::name::{HostName, OutcomeKind, ReleaseId, SlotName, StepId};

/// What was found, and the members that are led to one release.
struct Found<'a> {
    setup: &'a Setup,
    fleet: &'a Fleet,
    run: &'a Unfinished,
    slot: &'a SlotName,
    /// What each load balancer does.
    sends: BTreeMap<HostName, Traffic>,
    hosts: Vec<HostName>,
}

/// Leads the slot to the release that it holds, where that is one and it is known to be fit; else to
/// the one before the run.
pub(super) fn settle(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    run: &Unfinished,
    generation: &str,
) -> Result<(), Refusal> {
    let slot = &run.target;
    plan.old = Some(slot.clone());
    plan.end = OutcomeKind::Cancelled;
    let there = |h: &&HostName| fleet.hosts.contains_key(*h);
    let found = Found {
        setup,
        fleet,
        run,
        slot,
        sends: sends_to(setup, fleet, slot)?,
        hosts: setup.hosts(slot).filter(there).cloned().collect(),
    };
    let to = found.wished(generation);
    if let Some(id) = found.serves() {
        plan.to.clone_from(&plan.from);
        let new = run.wanted.as_ref() == Some(&id);
        let same = |h: &HostName| run.was.get(h) == Some(&id);
        if new && !found.hosts.iter().all(same) {
            plan.end = OutcomeKind::Succeeded;
        }
        return found.give(plan, to, &id);
    }
    found.back(plan, to, generation)
}

impl Found<'_> {
    /// Somebody sends to the slot.
    fn sent(&self) -> bool {
        self.sends.values().any(|t| t.reaches(self.slot))
    }

    fn held(&self, host: &HostName) -> Option<&ReleaseId> {
        Some(
            &judge::recorded(self.fleet.hosts.get(host)?, self.slot)?
                .label
                .id,
        )
    }

    fn answers(&self, host: &HostName) -> bool {
        rolling::answers(self.setup, self.fleet, self.slot, host)
    }

    /// The one release that every member runs. What is new counts only where somebody sends to it:
    /// then it has passed its gates.
    fn serves(&self) -> Option<ReleaseId> {
        let held: BTreeSet<Option<&ReleaseId>> = self.hosts.iter().map(|h| self.held(h)).collect();
        let one = held
            .first()
            .copied()
            .flatten()
            .filter(|_| held.len() == 1)?;
        let known = self.sent() || self.run.wanted.as_ref() != Some(one);
        let well = known && self.hosts.iter().all(|h| self.answers(h));
        well.then(|| one.clone())
    }

    /// All traffic to the slot; members that do not answer and were left out by name get none.
    fn wished(&self, generation: &str) -> Traffic {
        let mut to = self.setup.all_to(self.slot, generation);
        for host in self
            .setup
            .hosts(self.slot)
            .filter(|h| !self.hosts.contains(h))
        {
            to = Setup::with_member(&to, self.slot, host, MemberState::Drain, generation);
        }
        to
    }

    fn moves(&self, to: &Traffic) -> Action {
        let moves = self.sends.iter().map(|(host, now)| Move {
            host: host.clone(),
            before: Some(now.clone()),
            after: Some(to.clone()),
        });
        Action::Shift {
            moves: moves.collect(),
        }
    }

    fn gate(&self, release: Option<ReleaseId>, once: bool) -> Action {
        Action::Gate {
            slot: self.slot.clone(),
            hosts: self.hosts.clone(),
            release,
            once,
        }
    }

    /// The slot is whole: all load balancers send to it.
    fn give(&self, plan: &mut Plan, to: Traffic, id: &ReleaseId) -> Result<(), Refusal> {
        if self.sends.values().all(|t| t.same_as(&to)) {
            let note = format!(
                "{} serves on every member: nothing is left to do",
                self.slot
            );
            plan.notes.push(note);
            plan.after = Some(to);
            return Ok(());
        }
        let why = "no traffic before the gates have passed";
        let gate = self.gate(Some(id.clone()), self.sent());
        let gate = plan.push(gate, Undo::Nothing, &[], why);
        let mut rolling = Rolling::new(plan, self.setup, self.slot, to.clone(), "");
        rolling.last = vec![gate];
        rolling.on(&self.hosts, Undo::Half);
        let needs = rolling.last;
        // Half done it is as good as what was found; the next resume goes on from there.
        let why = "requests are answered again";
        plan.push(self.moves(&to), Undo::Nothing, &needs, why);
        plan.after = Some(to);
        Ok(())
    }

    /// What a member ran before the run, where its files are still there; else what it holds.
    fn earlier(&self, host: &HostName) -> Option<ReleaseId> {
        let kept = &self.fleet.hosts.get(host)?.record.kept;
        let there = |id: &&ReleaseId| {
            let mut kept = kept.iter();
            kept.any(|k| k.label.id == **id && k.slot == *self.slot)
        };
        let was = self.run.was.get(host).filter(there);
        was.or_else(|| self.held(host)).cloned()
    }

    /// All members go back to what they ran; while they do, nobody serves.
    fn back(&self, plan: &mut Plan, to: Traffic, generation: &str) -> Result<(), Refusal> {
        let mut work = Vec::new();
        let mut ids = BTreeSet::new();
        for host in &self.hosts {
            let Some(id) = self.earlier(host) else {
                let why = judge::unfit(self.setup, self.fleet, self.slot);
                return Err(neither(self.setup, why.into_iter()));
            };
            ids.insert(id.clone());
            if !self.answers(host) || self.held(host) != Some(&id) {
                work.push((host.clone(), id));
            }
        }
        let label = |id: &ReleaseId| {
            let kept = self.hosts.iter().filter_map(|h| self.fleet.hosts.get(h));
            let mut kept = kept.flat_map(|v| &v.record.kept);
            kept.find(|k| k.label.id == *id).map(|k| k.label.clone())
        };
        plan.to = ids.first().and_then(label);
        let (nobody, mut last) = self.nobody(plan, generation);
        if work.len() > 1 {
            let stop = |(host, _): &(HostName, ReleaseId)| {
                let stop = Action::Stop {
                    host: host.clone(),
                    slot: self.slot.clone(),
                };
                plan.push(stop, Undo::Nothing, &last, "no two releases run at once")
            };
            last = work.iter().map(stop).collect();
        }
        let up = |(host, release): (HostName, ReleaseId)| {
            let again = Action::Restart {
                host,
                slot: self.slot.clone(),
                release,
            };
            plan.push(again, Undo::NeverBack, &last, "the run left it like this")
        };
        let ups: Vec<StepId> = work.into_iter().map(up).collect();
        let release = ids.first().filter(|_| ids.len() == 1).cloned();
        let needs = if ups.is_empty() { last } else { ups };
        let why = "no traffic before the gates have passed";
        let gate = plan.push(self.gate(release, false), Undo::Nothing, &needs, why);
        let mut rolling = Rolling::new(plan, self.setup, self.slot, nobody, generation);
        rolling.last = vec![gate];
        rolling.on(&self.hosts, Undo::Half);
        rolling.shift(to, Undo::Half, "requests are answered again");
        Ok(())
    }

    /// Nobody sends to the slot, and what was open has ended: what load balancers do then.
    fn nobody(&self, plan: &mut Plan, generation: &str) -> (Traffic, Vec<StepId>) {
        let first = self.sends.values().next().filter(|t| t.nobody());
        let alike = first.filter(|t| self.sends.values().all(|other| other == *t));
        let (now, needs) = match alike {
            Some(now) => (now.clone(), Vec::new()),
            None => {
                let now = self.wished("").to_nobody(format!("{generation}.none"));
                let why = "nobody serves until one release does";
                let shift = plan.push(self.moves(&now), Undo::Nothing, &[], why);
                (now, vec![shift])
            }
        };
        let drain = |lb: &super::super::LbHost| {
            let drain = Action::Drain {
                host: lb.host.clone(),
                now: now.clone(),
                within: self.setup.drain,
            };
            plan.push(drain, Undo::Nothing, &needs, "open requests end")
        };
        let drained = self.setup.balancers.iter().map(drain).collect();
        (now, drained)
    }
}
