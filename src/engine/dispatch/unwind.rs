//! Unwind: every step that was begun is taken back, in the reverse order of its needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::jobs::jobs;
use super::{Dispatcher, Out, Phase, Progress, Token};
use crate::balancer::Verdict;
use crate::engine::remote::{Answer, Trouble, Work};
use crate::event::{Kind, Stage};
use crate::fleet::{Member, MemberState, Traffic};
use crate::name::{HostName, OutcomeKind, StepId};
use crate::plan::{Action, Move, Step, Undo};

/// How often a load balancer is asked to take its traffic back.
const TRIES: u32 = 3;
/// Between two of these.
const PAUSE: Duration = Duration::from_secs(1);

/// The actions that take one step back, and how far that has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) left: Vec<Action>,
    open: BTreeSet<u64>,
    /// The traffic that is given back by it, by load balancer.
    moves: Vec<Move>,
    /// Load balancers that are asked once more, and when.
    again: Vec<(Duration, Move)>,
    /// How often each was asked.
    tries: BTreeMap<HostName, u32>,
    /// Members whose gates are waited for before the next action, since then.
    pub(super) gate: Option<(Duration, Vec<HostName>)>,
}

impl Line {
    /// Puts a call back in front that was not heard, so many times as one is asked.
    pub(super) fn once_more(&mut self, host: &HostName, action: Action) -> bool {
        let tries = self.tries.entry(host.clone()).or_insert(1);
        if *tries >= TRIES {
            return false;
        }
        *tries += 1;
        self.left.insert(0, action);
        true
    }

    fn done(&self) -> bool {
        self.left.is_empty() && self.open.is_empty() && self.again.is_empty() && self.gate.is_none()
    }
}

impl Dispatcher {
    pub(super) fn begin_unwind(&mut self, out: &mut Vec<Out>) {
        self.phase = Phase::Unwinding;
        let begun: Vec<StepId> = self
            .steps
            .iter()
            .filter(|(_, p)| **p != Progress::Waiting)
            .map(|(id, _)| *id)
            .collect();
        self.halves();
        let kept = self.kept(&begun);
        let mut lines = BTreeMap::new();
        let over = |s: &&Step| begun.contains(&s.id) && !self.sealed(s.id);
        for step in self.plan.steps.iter().filter(over) {
            let left = match &step.undo {
                Undo::Do(actions) if !kept.contains(&step.id) && !self.stands_by(step) => {
                    actions.clone()
                }
                Undo::Half(actions) if self.steps.get(&step.id) != Some(&Progress::Done) => {
                    actions.clone()
                }
                _ => Vec::new(),
            };
            let left = if self.log.mixed.is_empty() {
                left
            } else {
                Vec::new()
            };
            lines.insert(
                step.id,
                Line {
                    left,
                    ..Line::default()
                },
            );
        }
        self.undo = lines;
        if self.undo.values().any(|l| !l.done()) {
            out.push(Out::Say(Kind::Note {
                text: "taking back what was begun".to_owned(),
                hint: String::new(),
            }));
        }
    }

    /// A switch that failed half-way and has no way back leaves load balancers that differ: nothing
    /// more is touched.
    fn halves(&mut self) {
        let shifts = self.plan.steps.iter().filter_map(|s| match &s.action {
            Action::Shift { moves } if s.undo == Undo::NeverBack => Some((s.id, moves)),
            _ => None,
        });
        let failed = shifts.filter(|(id, _)| self.steps.get(id) == Some(&Progress::Failed));
        let hosts: Vec<HostName> = failed
            .flat_map(|(_, moves)| moves.iter().map(|m| m.host.clone()))
            .collect();
        self.log.mixed.extend(hosts);
    }

    /// Steps that a begun step which is never taken back was built on: they stay done as well.
    /// (A member that could not be started again must not be given traffic again.)
    fn kept(&self, begun: &[StepId]) -> BTreeSet<StepId> {
        let final_steps = self.plan.steps.iter().filter(|s| s.undo == Undo::NeverBack);
        let mut open: Vec<StepId> = final_steps
            .map(|s| s.id)
            .filter(|id| begun.contains(id))
            .collect();
        let mut kept = BTreeSet::new();
        while let Some(id) = open.pop() {
            if kept.insert(id) {
                let step = self.plan.steps.iter().find(|s| s.id == id);
                open.extend(step.into_iter().flat_map(|s| s.needs.iter().copied()));
            }
        }
        kept
    }

    /// Whether everything that was built on this step has been taken back.
    fn free(&self, id: StepId) -> bool {
        let dependants = self.plan.steps.iter().filter(|s| s.needs.contains(&id));
        dependants
            .filter_map(|s| Some((s.id, self.undo.get(&s.id)?)))
            .all(|(later, line)| line.done() && self.free(later))
    }

    /// Whether the next action of a line may start: nothing of the line runs, its hosts are idle.
    fn startable(&self, line: &Line) -> bool {
        line.open.is_empty()
            && line.again.is_empty()
            && line.gate.is_none()
            && line.left.first().is_some_and(|action| {
                let drain = matches!(action, Action::Drain { .. });
                drain || action.hosts().into_iter().all(|h| self.idle(h))
            })
    }

    pub(super) fn unwind(&mut self, out: &mut Vec<Out>) {
        self.ask_again(out);
        self.wait_returned(out);
        loop {
            if self.phase == Phase::Ended {
                return;
            }
            if self.undo.values().all(Line::done) {
                if self.batch_returned(out) {
                    self.advance(out);
                    return;
                }
                self.end_unwound(out);
                return;
            }
            let next = self
                .undo
                .iter()
                .find(|(id, l)| self.startable(l) && self.free(**id))
                .map(|(id, _)| *id);
            let Some(id) = next else { return };
            self.undo_next(id, out);
        }
    }

    /// Starts the next action of a step's undo; drains next to each other run together.
    fn undo_next(&mut self, id: StepId, out: &mut Vec<Out>) {
        loop {
            let Some(line) = self.undo.get_mut(&id) else {
                return;
            };
            if line.left.is_empty() {
                return;
            }
            let action = line.left.remove(0);
            // What does not pass its gates is not switched on.
            if matches!(&action, Action::Activate { host, .. } if self.outside.contains(host)) {
                continue;
            }
            let next = matches!(line.left.first(), Some(Action::Drain { .. }));
            if self.must_stay_off(&action) {
                continue;
            }
            let action = self.as_it_is(&action);
            let more = matches!(action, Action::Drain { .. }) && next;
            let mut open = Vec::new();
            if let Action::Gate { slot, hosts, .. } = &action {
                self.gate_returned(id, slot, hosts, out);
                return;
            }
            if let (Action::Shift { moves }, Some(line)) = (&action, self.undo.get_mut(&id)) {
                line.moves.clone_from(moves);
            }
            for (host, stage, work) in jobs(&action) {
                if matches!(work, Work::Revert { .. } | Work::Stop { .. }) {
                    self.forget(&host);
                }
                let stage = match stage {
                    Stage::Switch => Stage::Unwind,
                    other => other,
                };
                open.push(self.act(id, true, &host, stage, work, out));
            }
            if let Some(line) = self.undo.get_mut(&id) {
                line.open.extend(open);
            }
            if !more {
                return;
            }
        }
    }

    /// A piece of unwinding work ended.
    pub(super) fn undone(
        &mut self,
        number: u64,
        token: &Token,
        end: Result<Answer, Trouble>,
        took: Duration,
        out: &mut Vec<Out>,
    ) {
        if let Some(line) = self.undo.get_mut(&token.step) {
            line.open.remove(&number);
        }
        let host = token.host.clone();
        let moved = matches!(&end, Ok(Answer::Balancer(Verdict::Moved { .. })));
        let said = match end {
            Ok(Answer::Balancer(verdict)) => self.verdict(&host, &verdict, false),
            Ok(Answer::Done(_)) if token.stage == Stage::Unwind && self.is_shift(token.step) => {
                Err("what it does now was not read back".to_owned())
            }
            Ok(Answer::Evidence { end, log }) => {
                self.log.evidence.push((host.clone(), end, log));
                Ok(())
            }
            Ok(Answer::Failed { why, lines }) => {
                for text in lines {
                    out.push(Out::Say(Kind::Line {
                        host: host.clone(),
                        text,
                    }));
                }
                Err(why)
            }
            Ok(Answer::Done(_) | Answer::Drained { .. }) => Ok(()),
            Err(trouble) => Err(trouble.to_string()),
        };
        match said {
            Ok(()) => {
                self.is_off(token);
                let text = String::new();
                out.push(Out::Say(Kind::Done {
                    host,
                    stage: token.stage,
                    took,
                    text,
                }));
            }
            Err(why) => {
                out.push(Out::Say(Kind::Failed {
                    host: host.clone(),
                    stage: token.stage,
                    why: why.clone(),
                }));
                self.undo_failed(token, why, moved);
            }
        }
    }

    /// One lost answer is not the end: giving traffic back may be repeated, and `mixed` needs a
    /// person. Whatever somebody else changed is left to that person at once.
    fn plan_again(&mut self, token: &Token, moved: bool) -> bool {
        let now = self.now;
        let Some(line) = self.undo.get_mut(&token.step) else {
            return false;
        };
        let change = line.moves.iter().find(|m| m.host == token.host).cloned();
        let tries = line.tries.entry(token.host.clone()).or_insert(1);
        let Some(change) = change.filter(|_| !moved && *tries < TRIES) else {
            return false;
        };
        *tries += 1;
        line.again.push((now + PAUSE, change));
        true
    }

    fn ask_again(&mut self, out: &mut Vec<Out>) {
        let mut due = Vec::new();
        for (id, line) in &mut self.undo {
            let now = self.now;
            for (_, change) in line.again.extract_if(.., |(at, _)| *at <= now) {
                due.push((*id, change));
            }
        }
        for (id, change) in due {
            let (host, stage) = (change.host.clone(), Stage::Unwind);
            let token = self.act(id, true, &host, stage, Work::Shift(change), out);
            if let Some(line) = self.undo.get_mut(&id) {
                line.open.insert(token);
            }
        }
    }

    fn undo_failed(&mut self, token: &Token, why: String, moved: bool) {
        if token.stage == Stage::Unwind
            && self.is_shift(token.step)
            && self.plan_again(token, moved)
        {
            return;
        }
        match token.stage {
            // Traffic that cannot be given back: the slots it may reach must stay as they are.
            Stage::Unwind if self.is_shift(token.step) => self.log.mixed.push(token.host.clone()),
            Stage::Activate | Stage::Deactivate if self.calls_again(token) => return,
            Stage::Deactivate => self.stays_on(token, &why),
            Stage::Activate => self.stays_off(token, &why),
            Stage::Unwind | Stage::Note | Stage::Stop => {
                if token.stage == Stage::Unwind {
                    self.not_returned(&token.host);
                }
                self.log.untidy.push(format!("{}: {why}", token.host));
            }
            _ => {}
        }
        if !self.log.mixed.is_empty() {
            for line in self.undo.values_mut() {
                line.left.clear();
                line.gate = None;
            }
        }
    }

    fn is_shift(&self, id: StepId) -> bool {
        let step = self.plan.steps.iter().find(|s| s.id == id);
        step.is_some_and(|s| matches!(s.action, Action::Shift { .. }))
    }

    pub(super) fn end_unwound(&mut self, out: &mut Vec<Out>) {
        let mut why = self.log.failure.as_ref().map_or_else(
            || self.late_why().unwrap_or("stopped by a signal".to_owned()),
            |f| match &f.host {
                Some(host) => format!("{host}: {}", f.why),
                None => f.why.clone(),
            },
        );
        let out_of_traffic = self.left_out();
        let kind = self.kind_unwound();
        if let Some(left) = self.removed() {
            if left.is_empty() {
                let why = self.log.failure.as_ref().map_or_else(String::new, |_| why);
                return self.end(OutcomeKind::Succeeded, why, out);
            }
            let names: Vec<&str> = left.iter().map(HostName::as_str).collect();
            why = format!("{why}; still to be removed: {}", names.join(" "));
            self.log.mixed = left;
            return self.end(OutcomeKind::Mixed, why, out);
        }
        if !out_of_traffic.is_empty() {
            let names: Vec<&str> = out_of_traffic.iter().map(HostName::as_str).collect();
            why = format!("{why}; out of traffic: {}", names.join(" "));
        }
        self.end(kind, why, out);
    }

    /// Hosts that are still to be cleaned up, where that was begun: from there no way leads back.
    fn removed(&self) -> Option<Vec<HostName>> {
        let removes = self.plan.steps.iter().filter_map(|s| match &s.action {
            Action::Remove { host, .. } => Some((host, self.steps.get(&s.id)?)),
            _ => None,
        });
        let all: Vec<(&HostName, &Progress)> = removes.collect();
        if all.iter().all(|(_, p)| **p == Progress::Waiting) {
            return None;
        }
        let left = all.iter().filter(|(_, p)| **p != Progress::Done);
        let left: Vec<HostName> = left.map(|(h, _)| (*h).clone()).collect();
        if left.is_empty() && self.steps.values().any(|p| *p != Progress::Done) {
            // What they owed is written yet.
            return Some(all.into_iter().map(|(h, _)| h.clone()).collect());
        }
        Some(left)
    }

    fn kind_unwound(&mut self) -> OutcomeKind {
        if !self.log.mixed.is_empty() || self.between_releases() {
            OutcomeKind::Mixed
        } else if self.staged() {
            OutcomeKind::Staged
        } else if self.log.failure.is_none() && (self.cancelled || self.late) {
            OutcomeKind::Cancelled
        } else if self.moved && !self.log.switched.is_empty() {
            OutcomeKind::RolledBack
        } else {
            OutcomeKind::Failed
        }
    }

    /// Members that get no traffic after the last change that was kept.
    fn left_out(&self) -> Vec<HostName> {
        if !self.plan.batches.is_empty() {
            return self.outside.iter().cloned().collect();
        }
        let done = |s: &&Step| self.steps.get(&s.id) == Some(&Progress::Done);
        let kept = |s: &&Step| matches!(s.undo, Undo::Half(_)) || self.begun_behind(s.id);
        let shifts = self.plan.steps.iter().filter(done).filter(kept);
        let mut last = shifts.filter_map(|s| match &s.action {
            Action::Shift { moves } => moves.first()?.after.as_ref(),
            _ => None,
        });
        // Where there is no switch, members were to come back: what was before says who is out.
        let rolls = self.plan.commit.is_none();
        let before = self.plan.before.as_ref().filter(|_| rolls);
        let now = last.next_back().or(before);
        let nobody = now.is_some_and(Traffic::nobody);
        let target = &self.plan.target;
        let members = |t: Option<&Traffic>| t.and_then(|t| t.groups.get(target)).cloned();
        let now = members(now).unwrap_or_default();
        let wanted = members(self.plan.after.as_ref().filter(|_| rolls)).unwrap_or_default();
        let (ready, mut out): (Vec<Member>, Vec<Member>) = now
            .into_iter()
            .partition(|m| m.state == MemberState::Ready && !nobody);
        let new = wanted.into_iter().filter(|m| m.state == MemberState::Ready);
        let missing = |m: &Member| ready.iter().chain(&out).all(|o| o.host != m.host);
        let new: Vec<Member> = new.filter(missing).collect();
        out.extend(new);
        out.into_iter().map(|m| m.host).collect()
    }

    /// Whether a step that is never taken back was begun after this one.
    fn begun_behind(&self, id: StepId) -> bool {
        let mut later = self.plan.steps.iter().filter(|s| s.id > id);
        later
            .any(|s| s.undo == Undo::NeverBack && self.steps.get(&s.id) != Some(&Progress::Waiting))
    }
}
