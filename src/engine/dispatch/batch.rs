//! Batches of a plan that goes through a slot: what fails in one returns that one. A member that was
//! returned gets traffic again behind its gates; where its old release does not pass them either, it
//! stays out and is named. Then the run stops, or goes on where the plan allows for it.

use std::collections::BTreeSet;

use super::{Dispatcher, Failure, Out, Phase, Progress};
use crate::event::{Kind, Stage};
use crate::fleet::{Member, MemberState};
use crate::name::{HostName, SlotName, StepId};
use crate::plan::{Action, Batch, Setup};

impl Dispatcher {
    /// Whether a step belongs to a batch that is over: it is not taken back any more.
    pub(super) fn sealed(&self, step: StepId) -> bool {
        let of = self.plan.batches.iter().find(|b| b.has(step));
        of.is_some_and(|b| self.steps.get(&b.last) == Some(&Progress::Done))
    }

    /// The batch that was begun and is not over, with its number.
    fn in_hand(&self) -> Option<(usize, Batch)> {
        let begun = |id: &StepId| self.steps.get(id) != Some(&Progress::Waiting);
        let open = |b: &&Batch| {
            let some = self.steps.keys().any(|id| b.has(*id) && begun(id));
            some && self.steps.get(&b.last) != Some(&Progress::Done)
        };
        let mut all = self.plan.batches.iter().enumerate();
        let found = all.find(|(_, b)| open(b));
        found.map(|(n, b)| (n, b.clone()))
    }

    /// Whether a member of a batch is watched with its traffic now.
    pub(super) fn baking(&self) -> bool {
        let bake = |id: &StepId| {
            let step = self.plan.steps.iter().find(|s| s.id == *id);
            step.is_some_and(|s| matches!(s.action, Action::Bake { .. }))
        };
        let mut running = self.steps.iter();
        running.any(|(id, p)| matches!(p, Progress::Running { .. }) && bake(id))
    }

    /// Nothing that it answers from here on counts: it is stopped on purpose.
    pub(super) fn forget(&mut self, host: &HostName) {
        self.book.disarm(host);
        self.armed.remove(host);
        self.live.remove(host);
    }

    /// Begins to wait for the gates of members that were returned.
    pub(super) fn gate_returned(
        &mut self,
        id: StepId,
        slot: &SlotName,
        hosts: &[HostName],
        out: &mut Vec<Out>,
    ) {
        let hosts: Vec<HostName> = hosts
            .iter()
            .filter(|h| !self.outside.contains(*h))
            .cloned()
            .collect();
        for host in &hosts {
            self.watch(host, slot, out);
            // What it was to run is not asked for any more.
            self.live.remove(host);
            self.armed.insert(host.clone());
            self.book.arm(host, None, self.now);
            out.push(Out::Say(Kind::Begin {
                host: host.clone(),
                stage: Stage::Gate,
            }));
        }
        if let Some(line) = self.undo.get_mut(&id) {
            line.gate = Some((self.now, hosts));
        }
    }

    /// Ends the wait where every member has passed, or cannot pass any more.
    pub(super) fn wait_returned(&mut self, out: &mut Vec<Out>) {
        let waiting = self.undo.iter();
        let waiting: Vec<(StepId, Vec<HostName>)> = waiting
            .filter_map(|(id, l)| Some((*id, l.gate.as_ref()?.1.clone())))
            .collect();
        for (id, hosts) in waiting {
            let ends: Vec<Option<Result<(), String>>> =
                hosts.iter().map(|h| self.returned_end(h)).collect();
            if ends.iter().any(Option::is_none) {
                continue;
            }
            let mut well = Vec::new();
            for (host, end) in hosts.into_iter().zip(ends.into_iter().flatten()) {
                match end {
                    Ok(()) => well.push(host),
                    Err(why) => self.stays_out(host, why, out),
                }
            }
            self.book.opened(&well);
            for host in &well {
                out.push(Out::Say(Kind::Done {
                    host: host.clone(),
                    stage: Stage::Gate,
                    took: std::time::Duration::ZERO,
                    text: String::new(),
                }));
            }
            self.live.extend(well);
            if let Some(line) = self.undo.get_mut(&id) {
                line.gate = None;
            }
        }
    }

    /// How the gates of a returned member ended; nothing while they are waited for.
    fn returned_end(&self, host: &HostName) -> Option<Result<(), String>> {
        if let Some(why) = self.book.hopeless(host) {
            return Some(Err(why));
        }
        let stale = || {
            let fresh = self.book.fresh(host, self.now);
            (!fresh).then(|| "no fresh answer from every view".to_owned())
        };
        match self.book.missing(host, false).or_else(stale) {
            None => Some(Ok(())),
            Some(missing) if self.book.deadline(host).is_some_and(|d| self.now > d) => {
                Some(Err(missing))
            }
            Some(_) => None,
        }
    }

    /// A returned member that does not pass its gates gets no traffic.
    fn stays_out(&mut self, host: HostName, why: String, out: &mut Vec<Out>) {
        out.push(Out::Say(Kind::Failed {
            host: host.clone(),
            stage: Stage::Gate,
            why: why.clone(),
        }));
        let said = format!("{host}: what it ran before does not pass its gates either: {why}");
        self.log.untidy.push(said);
        self.no_traffic_for(host);
    }

    /// A member whose old release could not be brought up again: whatever answers there is not it.
    pub(super) fn not_returned(&mut self, host: &HostName) {
        if self.in_hand().is_some_and(|(_, b)| b.hosts.contains(host)) {
            self.no_traffic_for(host.clone());
        }
    }

    /// What is left to be undone gives the member no traffic.
    fn no_traffic_for(&mut self, host: HostName) {
        let target = self.plan.target.clone();
        for action in self.undo.values_mut().flat_map(|l| &mut l.left) {
            let Action::Shift { moves } = action else {
                continue;
            };
            for after in moves.iter_mut().filter_map(|m| m.after.as_mut()) {
                let token = format!("{}.out", after.generation);
                let rest = Setup::with_member(after, &target, &host, MemberState::Drain, &token);
                let ready = |m: &Member| m.state == MemberState::Ready;
                let some = rest
                    .groups
                    .get(&target)
                    .is_some_and(|g| g.iter().any(ready));
                *after = if some { rest } else { after.to_nobody(token) };
            }
        }
        self.outside.insert(host);
    }

    /// A batch was returned: whether the run goes on with the next one.
    pub(super) fn batch_returned(&mut self, out: &mut Vec<Out>) -> bool {
        let Some((number, batch)) = self.in_hand() else {
            return false;
        };
        let failed = self.log.failure.as_ref();
        let of_batch = failed
            .and_then(|f| f.host.as_ref())
            .is_some_and(|h| batch.hosts.contains(h));
        self.returned.insert(number);
        let whole = self.log.mixed.is_empty() && self.outside.is_empty() && batch.served;
        let may = self.returned.len() <= self.plan.failures;
        if !(of_batch && whole && may && !self.cancelled) {
            return false;
        }
        let Some(failure) = self.log.failure.take() else {
            return false;
        };
        let hosts: Vec<&str> = batch.hosts.iter().map(HostName::as_str).collect();
        out.push(Out::Say(Kind::Note {
            text: format!(
                "{} run what they ran before; the run goes on with the next batch",
                hosts.join(" ")
            ),
            hint: String::new(),
        }));
        self.log.returned.push(failure);
        self.goes_on_from(&batch);
        self.undo.clear();
        let ids: Vec<StepId> = self.steps.keys().copied().collect();
        for id in ids.into_iter().filter(|id| batch.has(*id)) {
            self.set(id, Progress::Done);
        }
        self.phase = Phase::Forward;
        true
    }

    /// The action with what the load balancers do in the place of planned values.
    pub(super) fn as_it_is(&self, action: &Action) -> Action {
        let mut action = action.clone();
        if let Action::Shift { moves } = &mut action {
            let ends = moves.iter_mut().flat_map(|m| [&mut m.before, &mut m.after]);
            for end in ends.flatten() {
                if let Some(now) = self.instead.get(&end.generation) {
                    end.clone_from(now);
                }
            }
        }
        action
    }

    /// What the load balancers were to do after the batch is what they do since before it.
    fn goes_on_from(&mut self, batch: &Batch) {
        let own = self.plan.steps.iter().filter(|s| batch.has(s.id));
        let mut shifts = own.filter_map(|s| match &s.action {
            Action::Shift { moves } => moves.first().cloned(),
            _ => None,
        });
        let first = shifts.next().and_then(|m| m.before);
        let last = shifts.next_back().and_then(|m| m.after);
        if let (Some(was), Some(planned)) = (first, last) {
            let was = self.instead.get(&was.generation).cloned().unwrap_or(was);
            self.instead.insert(planned.generation, was);
        }
    }

    /// Members that run the wanted release with traffic, and those that were to and do not.
    fn brought(&self) -> (BTreeSet<HostName>, BTreeSet<HostName>) {
        let (mut done, mut not) = (BTreeSet::new(), BTreeSet::new());
        for (number, batch) in self.plan.batches.iter().enumerate() {
            let over = self.steps.get(&batch.last) == Some(&Progress::Done);
            let to = match over && !self.returned.contains(&number) {
                true => &mut done,
                false => &mut not,
            };
            to.extend(batch.hosts.iter().cloned());
        }
        (done, not)
    }

    /// Whether some members run the wanted release and others do not; those are named then.
    pub(super) fn between_releases(&mut self) -> bool {
        let (done, not) = self.brought();
        let between = !done.is_empty() && !not.is_empty();
        if between {
            self.log.mixed.extend(not);
        }
        between
    }

    /// All steps are done, or their batches were returned.
    pub(super) fn end_forward(&mut self, out: &mut Vec<Out>) {
        if self.returned.is_empty() {
            self.end(self.plan.end, String::new(), out);
            return;
        }
        let first: Option<Failure> = self.log.returned.first().cloned();
        self.log.failure = first;
        self.end_unwound(out);
    }
}
