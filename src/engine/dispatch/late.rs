//! A run that is past its window: what it has brought up stays and stands by, its traffic is not
//! moved, and it ends `staged`. Once traffic was moved nothing is late any more. A run that brings
//! nothing up for a switch (`weight`, `remove`) is cancelled: all is as it was.
//!
//! Where a plan goes through the slot that serves there is no standby: such a run begins no member
//! when it is late, and goes on to its end where one was begun, since half of it would be worse.

use std::time::Duration;

use super::{Dispatcher, Phase, Progress};
use crate::name::StepId;
use crate::plan::{Action, PlanKind, Step};

impl Dispatcher {
    /// From `at` on (by the clock of [`Dispatcher::handle`]) traffic is not moved any more; `why`:
    /// what is over then.
    pub fn closes(&mut self, at: Duration, why: String) {
        self.closes = Some((at, why));
    }

    /// Whether a step that moves traffic comes too late; then nothing new starts.
    pub(super) fn too_late(&mut self, step: &Step) -> bool {
        let closed = self.closes.as_ref().is_some_and(|(at, _)| self.now >= *at);
        if !closed || !self.guards(step) {
            return false;
        }
        // It has early needs: what the gates say is still waited for.
        if !self.all_but_debts(step) {
            return true;
        }
        self.late = true;
        self.phase = Phase::Stopping;
        true
    }

    /// The switch, what is written on the hosts just for it, and calls that go with it. Without a switch: the first step that
    /// does more than fetch.
    fn guards(&self, step: &Step) -> bool {
        let of = |id: StepId| self.plan.steps.iter().find(|s| s.id == id);
        match self.plan.commit.and_then(of) {
            Some(commit) => {
                let owe = matches!(step.action, Action::Owe { .. });
                let own = owe && commit.needs.contains(&step.id);
                step.id == commit.id || own || (step.id < commit.id && calls(step))
            }
            None => {
                let fetches = |s: &Step| matches!(s.action, Action::Pull { .. });
                let mut more = self.plan.steps.iter().filter(|s| !fetches(s));
                !fetches(step) && more.all(|s| self.steps.get(&s.id) == Some(&Progress::Waiting))
            }
        }
    }

    /// Steps that were done and not taken back, for tests.
    #[cfg(test)]
    pub(crate) fn done(&self) -> Vec<StepId> {
        let done = self.steps.iter().filter(|(_, p)| **p == Progress::Done);
        done.map(|(id, _)| *id).collect()
    }

    /// Whether all that the switch needs is done, but for what is written just for it.
    fn all_but_debts(&self, step: &Step) -> bool {
        let Some(commit) = self
            .plan
            .steps
            .iter()
            .find(|s| Some(s.id) == self.plan.commit)
        else {
            return true;
        };
        let owe = |s: &Step| matches!(s.action, Action::Owe { .. });
        let debt = |s: &Step| s.id == step.id || owe(s) || calls(s);
        let needed = |s: &&Step| commit.needs.contains(&s.id) && !debt(s);
        let mut others = self.plan.steps.iter().filter(needed);
        others.all(|s| self.steps.get(&s.id) == Some(&Progress::Done))
    }

    /// Whether the run ends with the release beside the one that serves.
    pub(super) fn staged(&self) -> bool {
        self.late && self.log.failure.is_none() && self.stages()
    }

    /// Whether `deploy switch` does the rest later: a slot without traffic is to get it.
    fn stages(&self) -> bool {
        let (plan, before) = (&self.plan, self.plan.before.as_ref());
        plan.commit.is_some()
            && matches!(plan.kind, PlanKind::Deploy | PlanKind::Switch)
            && !before.is_some_and(|t| t.reaches(&plan.target))
    }

    /// Whether a step is not taken back, since what it brought up stands by.
    pub(super) fn stands_by(&self, step: &Step) -> bool {
        self.staged() && step.action.starts().is_some()
    }

    /// Why a run that was late ended as it did.
    pub(super) fn late_why(&self) -> Option<String> {
        let (_, why) = self.closes.as_ref().filter(|_| self.late)?;
        let what = match self.plan.commit {
            Some(_) if self.stages() => {
                "before the switch: the release stands by, no traffic was moved"
            }
            Some(_) => "before any traffic was moved: all is as it was",
            None => "before the first member was changed",
        };
        Some(format!("{why}, {what}"))
    }
}

/// Whether it switches a member on or off.
fn calls(step: &Step) -> bool {
    matches!(
        step.action,
        Action::Activate { .. } | Action::Deactivate { .. }
    )
}
