//! Forward: which step starts, when a gate is open, when the bake is over, who is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::jobs::jobs;
use super::{Dispatcher, Out, Phase, Progress, Token};
use crate::engine::remote::{Answer, Trouble, Watch};
use crate::event::{Kind, Stage};
use crate::name::{HostName, SlotName, StepId};
use crate::plan::judge::says;
use crate::plan::{Action, PlanKind, Step, Undo};

/// How long a switch waits for fresh probes before it gives up.
const FRESH_WITHIN: Duration = Duration::from_secs(5);
/// How long a switch or rollback waits for its one good probe of each member.
const ONCE_WITHIN: Duration = Duration::from_secs(5);

impl Dispatcher {
    /// Starts the watchers for a member, once: on its host, and on the load balancers for its slot.
    ///
    /// When its probes begin to count, and not before: what a watcher asks while the slot is being
    /// brought up tells nothing, and takes from the host what bringing it up needs.
    pub(super) fn watch(&mut self, host: &HostName, slot: &SlotName, out: &mut Vec<Out>) {
        if !self.watched.insert((slot.clone(), Some(host.clone()))) {
            return;
        }
        out.push(Out::Watch {
            host: host.clone(),
            watch: Watch::Member { slot: slot.clone() },
        });
        if !self.watched.insert((slot.clone(), None)) {
            return;
        }
        for host in self.book.balancers().to_vec() {
            out.push(Out::Watch {
                host,
                watch: Watch::Balancer { slot: slot.clone() },
            });
        }
    }

    /// A member whose gates had opened must stay well until the run ends.
    pub(super) fn check_live(&mut self, out: &mut Vec<Out>) {
        let lost = self
            .live
            .iter()
            .find_map(|h| Some((h.clone(), self.book.lost(h, self.now)?)));
        if let Some((host, why)) = lost {
            let stage = match self.moved || self.baking() {
                true => Stage::Bake,
                false => Stage::Gate,
            };
            self.fail(
                Some(host),
                stage,
                format!("it was fit and is not any more: {why}"),
                out,
            );
        }
    }

    /// Starts what can start and ends what has waited long enough, until nothing changes.
    pub(super) fn advance(&mut self, out: &mut Vec<Out>) {
        loop {
            let before = self.changes;
            let plan = Arc::clone(&self.plan);
            for step in &plan.steps {
                if self.phase != Phase::Forward {
                    return;
                }
                match self.steps.get(&step.id) {
                    Some(Progress::Waiting) if self.ready(step) => self.start(step, out),
                    Some(Progress::Running { .. }) => self.wait(step, out),
                    _ => {}
                }
            }
            if self.steps.values().all(|p| *p == Progress::Done) {
                self.end_forward(out);
                return;
            }
            let behind = |id: &StepId| self.limit.is_some_and(|limit| *id > limit);
            if self.limit.is_some()
                && self
                    .steps
                    .iter()
                    .all(|(id, p)| *p == Progress::Done || behind(id))
            {
                self.phase = Phase::Stopping;
                return;
            }
            if self.changes == before {
                return;
            }
        }
    }

    fn ready(&self, step: &Step) -> bool {
        // Asked of every step after every word: what is cheap to know comes first.
        let free = || {
            let works = !jobs(&step.action).is_empty();
            !works || step.action.hosts().into_iter().all(|h| self.idle(h))
        };
        self.limit.is_none_or(|limit| step.id <= limit)
            && step
                .needs
                .iter()
                .all(|n| self.steps.get(n) == Some(&Progress::Done))
            && free()
    }

    /// The step that gives a member its traffic back, where one was begun that cannot be undone.
    pub(super) fn member_in_hand(&self) -> Option<StepId> {
        let begun = |s: &&Step| self.steps.get(&s.id) != Some(&Progress::Waiting);
        let last = self.plan.steps.iter().filter(|s| s.undo == Undo::NeverBack);
        let last = last.filter(begun).map(|s| s.id).max()?;
        let moves = |s: &Step| matches!(s.action, Action::Shift { .. });
        let back = |s: &&Step| s.id > last && moves(s) && matches!(s.undo, Undo::Half(_));
        let back = self.plan.steps.iter().find(back)?.id;
        (self.steps.get(&back) != Some(&Progress::Done)).then_some(back)
    }

    fn start(&mut self, step: &Step, out: &mut Vec<Out>) {
        if self.too_late(step) {
            return;
        }
        let mut open = BTreeSet::new();
        match &step.action {
            Action::Gate {
                slot,
                hosts,
                release,
                ..
            } => {
                for host in hosts {
                    self.watch(host, slot, out);
                    if self.armed.insert(host.clone()) {
                        self.book.arm(host, release.clone(), self.now);
                    }
                    out.push(Out::Say(Kind::Begin {
                        host: host.clone(),
                        stage: Stage::Gate,
                    }));
                }
                self.since.insert(step.id, self.now);
            }
            Action::Bake { time, slot } => {
                self.since.insert(step.id, self.now);
                out.push(Out::Say(Kind::Waiting {
                    text: format!("bake {slot}"),
                    took: *time,
                }));
            }
            other => {
                if matches!(other, Action::Shift { .. }) {
                    if !self.fresh(step.id, out) {
                        return;
                    }
                    self.moved |= self.plan.commit == Some(step.id);
                }
                for (host, stage, work) in jobs(&self.as_it_is(other)) {
                    if matches!(stage, Stage::Up | Stage::Stop) {
                        // Its end is wanted now; nothing that it answers meanwhile counts.
                        self.book.disarm(&host);
                        self.armed.remove(&host);
                        self.live.remove(&host);
                    }
                    open.insert(self.act(step.id, false, &host, stage, work, out));
                }
            }
        }
        let waits = matches!(step.action, Action::Gate { .. } | Action::Bake { .. });
        let progress = if open.is_empty() && !waits {
            Progress::Done
        } else {
            Progress::Running { open, bad: None }
        };
        self.set(step.id, progress);
    }

    /// Traffic moves only on good words that are at most two seconds old.
    fn fresh(&mut self, step: StepId, out: &mut Vec<Out>) -> bool {
        let stale = self
            .live
            .iter()
            .find(|h| !self.book.fresh(h, self.now))
            .cloned();
        let Some(host) = stale else { return true };
        let since = *self.since.entry(step).or_insert(self.now);
        if self.now.saturating_sub(since) > FRESH_WITHIN {
            let why = self
                .book
                .missing(&host, true)
                .unwrap_or_else(|| "no fresh answer from every view".to_owned());
            self.fail(
                Some(host),
                Stage::Gate,
                format!("not fit at the switch: {why}"),
                out,
            );
        }
        false
    }

    fn wait(&mut self, step: &Step, out: &mut Vec<Out>) {
        let since = self.since.get(&step.id).copied().unwrap_or(self.now);
        match &step.action {
            Action::Gate { hosts, once, .. } => self.wait_gate(step.id, hosts, *once, since, out),
            Action::Bake { time, .. } if self.now.saturating_sub(since) >= *time => {
                self.set(step.id, Progress::Done);
            }
            _ => {}
        }
    }

    fn wait_gate(
        &mut self,
        id: StepId,
        hosts: &[HostName],
        once: bool,
        since: Duration,
        out: &mut Vec<Out>,
    ) {
        let mut open = true;
        for host in hosts {
            if let Some(why) = self.book.hopeless(host) {
                self.set(id, Progress::Failed);
                self.fail(Some(host.clone()), Stage::Gate, why, out);
                return;
            }
            // What passed a while ago and was not heard of since has not passed.
            let stale = || {
                let fresh = self.book.fresh(host, self.now);
                (!fresh).then(|| "no fresh answer from every view".to_owned())
            };
            let Some(missing) = self.book.missing(host, once).or_else(stale) else {
                continue;
            };
            open = false;
            let deadline = if once {
                Some(since + ONCE_WITHIN)
            } else {
                self.book.deadline(host)
            };
            if deadline.is_some_and(|d| self.now > d) {
                let waited = crate::text::duration(self.now.saturating_sub(since));
                self.set(id, Progress::Failed);
                let why = format!("not healthy within {waited}: {missing}");
                self.fail(Some(host.clone()), Stage::Gate, why, out);
                return;
            }
        }
        if open {
            self.book.opened(hosts);
            self.live.extend(hosts.iter().cloned());
            self.set(id, Progress::Done);
            let took = self.now.saturating_sub(since);
            for host in hosts {
                self.log.took.push((host.clone(), Stage::Gate, took));
                out.push(Out::Say(Kind::Done {
                    host: host.clone(),
                    stage: Stage::Gate,
                    took,
                    text: String::new(),
                }));
            }
        }
    }

    /// A piece of forward work ended.
    pub(super) fn stepped(
        &mut self,
        number: u64,
        token: &Token,
        end: Result<Answer, Trouble>,
        took: Duration,
        out: &mut Vec<Out>,
    ) {
        let result = self.judge_answer(token, end, out);
        if let Ok(text) = &result {
            out.push(Out::Say(Kind::Done {
                host: token.host.clone(),
                stage: token.stage,
                took,
                text: text.clone(),
            }));
        }
        let Some(Progress::Running { open, bad }) = self.steps.get_mut(&token.step) else {
            return;
        };
        open.remove(&number);
        if let Err(why) = result {
            *bad = Some(why.clone());
            let last = open.is_empty();
            self.fail(Some(token.host.clone()), token.stage, why, out);
            if last {
                self.set(token.step, Progress::Failed);
            }
        } else if open.is_empty() {
            let end = if bad.is_some() {
                Progress::Failed
            } else {
                Progress::Done
            };
            self.set(token.step, end);
            self.arm_after_up(token, out);
        }
    }

    /// What was brought up is probed from now on.
    fn arm_after_up(&mut self, token: &Token, out: &mut Vec<Out>) {
        let step = self.plan.steps.iter().find(|s| s.id == token.step);
        let started = step.and_then(|s| s.action.starts());
        let started = started.map(|(h, s, r)| (h.clone(), s.clone(), r.clone()));
        if let Some((host, slot, release)) = started {
            self.armed.insert(host.clone());
            self.book.arm(&host, Some(release), self.now);
            self.watch(&host, &slot, out);
        }
    }

    fn judge_answer(
        &mut self,
        token: &Token,
        end: Result<Answer, Trouble>,
        out: &mut Vec<Out>,
    ) -> Result<String, String> {
        match end {
            // A change of traffic is done when it was read back, and by nothing else.
            Ok(Answer::Balancer(verdict)) => {
                // Where one change is the switch, the others are not what is told of.
                let counts = self.plan.commit.is_none_or(|c| c == token.step);
                let forward = token.stage == Stage::Switch && counts;
                match self.verdict(&token.host, &verdict, forward) {
                    Err(why) if self.may_stay(token) => Ok(self.still_there(token, &why)),
                    Err(why) => Err(why),
                    Ok(()) => Ok(self.turned(token)),
                }
            }
            Ok(Answer::Done(_)) if self.read_back(token) => {
                let why = "what it does now was not read back";
                match self.may_stay(token) {
                    true => Ok(self.still_there(token, why)),
                    false => Err(why.to_owned()),
                }
            }
            Ok(Answer::Done(text)) => Ok(text),
            Ok(Answer::Evidence { .. }) => Ok(String::new()),
            Ok(Answer::Failed { why, .. }) if self.may_stay(token) => {
                Ok(self.still_there(token, &why))
            }
            Ok(Answer::Failed { why, lines }) => {
                for text in lines {
                    out.push(Out::Say(Kind::Line {
                        host: token.host.clone(),
                        text,
                    }));
                }
                Err(why)
            }
            Ok(Answer::Drained { left }) => {
                self.note_drained(token, left);
                Ok(match left {
                    Some(0) => "idle".to_owned(),
                    Some(n) => format!("{n} still open"),
                    None => "the server does not tell what is open".to_owned(),
                })
            }
            // Where nothing is stopped after a drain, the old slot stays up: not knowing is a note.
            Err(trouble) if token.stage == Stage::Drain && !self.awaited(token.step) => {
                Ok(format!("could not tell: {trouble}"))
            }
            Err(trouble) if self.may_stay(token) => {
                Ok(self.still_there(token, &trouble.to_string()))
            }
            Err(trouble) => Err(trouble.to_string()),
        }
    }

    /// Where a load balancer sends to now, e.g. `to blue without web1`; nothing for other work.
    fn turned(&self, token: &Token) -> String {
        let step = self.plan.steps.iter().find(|s| s.id == token.step);
        let Some(Action::Shift { moves }) = step.map(|s| &s.action) else {
            return String::new();
        };
        let own = moves.iter().find(|m| m.host == token.host);
        own.map_or_else(String::new, |m| format!("to {}", says(m.after.as_ref())))
    }

    /// A debt that stays written costs a `catch-up`, a spare that stays is ended by whoever changes
    /// it next: neither is a reason to go back.
    fn may_stay(&self, token: &Token) -> bool {
        // There a word on the record is all that the run is for.
        if self.plan.kind == PlanKind::Job {
            return false;
        }
        let step = self.plan.steps.iter().find(|s| s.id == token.step);
        let may = |a: &Action| matches!(a, Action::Deactivate { may_fail: true, .. });
        token.stage == Stage::Note && !self.awaited(token.step)
            || step.is_some_and(|s| may(&s.action))
    }

    fn still_there(&mut self, token: &Token, why: &str) -> String {
        let step = self.plan.steps.iter().find(|s| s.id == token.step);
        let plan = &self.plan;
        let (what, not, hint) = match step.map(|s| &s.action) {
            Some(Action::Unspare { .. }) => (
                "the slot that served may still be its spare",
                "ended",
                format!(
                    "; `deploy switch {} {} --to {}` ends that",
                    plan.env, plan.app, plan.target
                ),
            ),
            Some(Action::Mark { start, .. }) => {
                let (host, job) = (&token.host, &start.job.name);
                let said = format!("{host} was not told how job {job} ended: {why}");
                self.log.untidy.push(said);
                return format!("not written: {why}");
            }
            Some(Action::Deactivate { slot, .. }) => {
                let said = format!("{}: {slot} may still be active there: {why}", token.host);
                self.log.untidy.push(said);
                return format!("not switched off: {why}");
            }
            _ => (
                "a debt that was paid stays written there",
                "written",
                String::new(),
            ),
        };
        let said = format!("{}: {what}: {why}{hint}", token.host);
        self.log.untidy.push(said);
        format!("not {not}: {why}")
    }

    /// Whether its end is told by a load balancer that was asked afterwards, and by nothing else.
    fn read_back(&self, token: &Token) -> bool {
        let step = self.plan.steps.iter().find(|s| s.id == token.step);
        let ends = step.is_some_and(|s| matches!(s.action, Action::Unspare { .. }));
        ends || matches!(token.stage, Stage::Switch | Stage::Prepare)
    }

    /// Whether another step needs this one. The end of a spare waits for what is before it, however
    /// that ends: it is no reason to go back.
    fn awaited(&self, id: StepId) -> bool {
        let needing = |s: &&Step| !matches!(s.action, Action::Unspare { .. });
        let mut needing = self.plan.steps.iter().filter(needing);
        needing.any(|s| s.needs.contains(&id))
    }

    fn note_drained(&mut self, token: &Token, left: Option<u64>) {
        let took = self.now.saturating_sub(token.since);
        self.log.drained = Some(self.log.drained.map_or(took, |d| d.max(took)));
        self.log.left = match (self.log.left, left) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }
}
