//! A step: what is done, how it is undone, what it waits for, why it is there.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fleet::{JobState, Traffic};
use crate::inventory::Job;
use crate::name::{AppName, EnvName, HostName, OutcomeKind, ReleaseId, SlotName, StepId};
use crate::release::ReleaseLabel;

use super::{PlanKind, Setup};

/// A change of traffic on one load-balancer host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The host.
    pub host: HostName,
    /// What it does now; nothing of the app where absent.
    pub before: Option<Traffic>,
    /// What it shall do; nothing of the app where absent.
    pub after: Option<Traffic>,
}

impl Move {
    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            host: self.host.clone(),
            before: self.after.clone(),
            after: self.before.clone(),
        }
    }
}

/// A host that misses this change, as it is written on the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owes {
    /// The host.
    pub host: HostName,
    /// Generation of the traffic value that it misses.
    pub missed: String,
    /// Slots that it may still send to, where it is a load balancer.
    pub slots: BTreeSet<SlotName>,
}

/// A start of a job: at most one for each attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStart {
    /// The host that runs it.
    pub host: HostName,
    /// The slot whose files it runs with.
    pub slot: SlotName,
    /// The release.
    pub release: ReleaseLabel,
    /// What runs.
    pub job: Job,
    /// Its number.
    pub attempt: u32,
}

/// One thing that is done, on one host or, for traffic, on all load balancers at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Fetch the release's images.
    Pull {
        /// Host.
        host: HostName,
        /// Slot whose files name the images.
        slot: SlotName,
        /// The release.
        release: ReleaseId,
    },
    /// Run a command of the release, once.
    Job(JobStart),
    /// Write on these hosts what becomes of a job that another one runs, or what a person said of it.
    Mark {
        /// Where it is written.
        on: Vec<HostName>,
        /// The job.
        start: JobStart,
        /// What became of it.
        state: JobState,
    },
    /// End what runs in the slot.
    Stop {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
    },
    /// End what runs in the slot and bring the release up.
    Replace {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
        /// The release.
        release: ReleaseId,
    },
    /// Bring up the same release again with new containers.
    Restart {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
        /// The release that runs there.
        release: ReleaseId,
    },
    /// Switch on what the member does beside requests.
    Activate {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
    },
    /// Switch it off.
    Deactivate {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
        /// A person answers for it where it cannot be: the run goes on.
        #[serde(skip_serializing_if = "is_false")]
        may_fail: bool,
    },
    /// Wait until these members pass every gate, from every view.
    Gate {
        /// Slot.
        slot: SlotName,
        /// Its members that are asked.
        hosts: Vec<HostName>,
        /// What must run there.
        release: Option<ReleaseId>,
        /// One good probe is enough (switch, rollback).
        once: bool,
    },
    /// Have a load balancer check the new configuration.
    Prepare(Move),
    /// Set the traffic on all load balancers, read it back, restore all where one fails.
    Shift {
        /// One per load-balancer host.
        moves: Vec<Move>,
    },
    /// End what the bake kept in reserve: the slot that served takes nothing any more.
    Unspare {
        /// What the load balancers do, with the spare and without.
        moves: Vec<Move>,
    },
    /// Write on these hosts who misses the change, and who has caught up.
    Owe {
        /// Where it is written: every host of the app that answers.
        on: Vec<HostName>,
        /// Who owes from now on.
        owing: Vec<Owes>,
        /// Who owes nothing any more.
        paid: Vec<HostName>,
    },
    /// Wait until open requests to members that left have ended.
    Drain {
        /// Load-balancer host.
        host: HostName,
        /// What it does now.
        now: Traffic,
        /// Longest wait.
        within: Duration,
    },
    /// Watch the members with traffic for a time; any lost gate fails the step.
    Bake {
        /// Slot.
        slot: SlotName,
        /// How long.
        time: Duration,
    },
    /// Keep logs and state of what failed in the slot.
    Evidence {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
    },
    /// Remove what the run put into the slot; bring up what was there before.
    Revert {
        /// Host.
        host: HostName,
        /// Slot.
        slot: SlotName,
        /// The release that was there; nothing where absent.
        to: Option<ReleaseId>,
    },
    /// End and remove what runs in these slots, and what the host keeps for them.
    Remove {
        /// Host.
        host: HostName,
        /// Slots.
        slots: Vec<SlotName>,
    },
}

impl Action {
    /// What it starts: the host, the slot, the release.
    #[must_use]
    pub fn starts(&self) -> Option<(&HostName, &SlotName, &ReleaseId)> {
        match self {
            Self::Replace {
                host,
                slot,
                release,
            }
            | Self::Restart {
                host,
                slot,
                release,
            } => Some((host, slot, release)),
            _ => None,
        }
    }

    /// The hosts that it touches.
    #[must_use]
    pub fn hosts(&self) -> Vec<&HostName> {
        match self {
            Self::Pull { host, .. }
            | Self::Stop { host, .. }
            | Self::Replace { host, .. }
            | Self::Restart { host, .. }
            | Self::Activate { host, .. }
            | Self::Deactivate { host, .. }
            | Self::Drain { host, .. }
            | Self::Evidence { host, .. }
            | Self::Revert { host, .. }
            | Self::Remove { host, .. } => vec![host],
            Self::Prepare(change) => vec![&change.host],
            Self::Job(start) => vec![&start.host],
            Self::Gate { hosts, .. } => hosts.iter().collect(),
            Self::Shift { moves } | Self::Unspare { moves } => {
                moves.iter().map(|m| &m.host).collect()
            }
            Self::Owe { on, .. } | Self::Mark { on, .. } => on.iter().collect(),
            Self::Bake { .. } => Vec::new(),
        }
    }
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// It left nothing behind that matters.
    Nothing,
    /// These actions, in order. They are right for a step that was done and for one half done.
    Do(Vec<Action>),
    /// These actions, but only where the step failed half-way: once done it stays done.
    Half(Vec<Action>),
    /// It cannot be taken back.
    NeverBack,
}

/// Why a step is in the plan, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause(pub String);

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
    /// How it is taken back.
    pub undo: Undo,
    /// Steps that must be done before.
    pub needs: Vec<StepId>,
    /// Why.
    pub cause: Cause,
}

/// Members of a slot with traffic that are brought together: out of traffic, up, gated, back. What
/// fails in a batch takes back this batch and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// Its first step.
    pub first: StepId,
    /// Its last step: when that is done, nothing of the batch is taken back any more.
    pub last: StepId,
    /// Its members.
    pub hosts: Vec<HostName>,
    /// All of them had traffic: once it was taken back, all is as the next batch expects it.
    pub served: bool,
}

impl Batch {
    /// Whether a step belongs to it.
    #[must_use]
    pub fn has(&self, step: StepId) -> bool {
        (self.first..=self.last).contains(&step)
    }
}

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// What it is for.
    pub kind: PlanKind,
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// The release that is to serve (or to be staged) in the end.
    pub to: Option<ReleaseLabel>,
    /// The release that serves now.
    pub from: Option<ReleaseLabel>,
    /// The slot that gets, or keeps, the traffic.
    pub target: SlotName,
    /// The slot that has it now.
    pub old: Option<SlotName>,
    /// Traffic now.
    pub before: Option<Traffic>,
    /// Traffic in the end.
    pub after: Option<Traffic>,
    /// Steps, each after those that it needs.
    pub steps: Vec<Step>,
    /// The step after which failure means going back with traffic.
    pub commit: Option<StepId>,
    /// Groups of steps that are taken back one by one, where the plan goes through a slot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<Batch>,
    /// Batches that may be taken back before the run stops.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: usize,
    /// How a run of this plan ends when all goes well.
    pub end: OutcomeKind,
    /// Why nothing is to be done, where nothing is; and what a person should know.
    pub notes: Vec<String>,
    /// Releases that an undo goes back to, for the text.
    #[serde(skip)]
    pub known: Vec<ReleaseLabel>,
    /// Hosts that a removal is for, also those where nothing of the app is.
    #[serde(skip)]
    pub removes: Vec<HostName>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_false(b: &bool) -> bool {
    !*b
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes the field by reference"
)]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Plan {
    /// A plan without steps: the target slot keeps, or is to get, the traffic.
    #[must_use]
    pub fn new(setup: &Setup, kind: PlanKind, target: &SlotName) -> Self {
        Self {
            kind,
            env: setup.env.clone(),
            app: setup.app.clone(),
            to: None,
            from: None,
            target: target.clone(),
            old: None,
            before: None,
            after: None,
            steps: Vec::new(),
            commit: None,
            batches: Vec::new(),
            failures: 0,
            end: OutcomeKind::Succeeded,
            notes: Vec::new(),
            known: Vec::new(),
            removes: Vec::new(),
        }
    }

    /// Whether a plan made from a later look would do the same. Causes and notes may differ: a
    /// container that restarts over and over reads differently each time.
    #[must_use]
    pub fn does_the_same_as(&self, later: &Self) -> bool {
        let what = |p: &Self| {
            let steps = p.steps.iter();
            let steps = steps.map(|s| (s.id, s.action.clone(), s.undo.clone(), s.needs.clone()));
            let batches = (p.batches.clone(), p.failures);
            let ends = (p.kind, p.target.clone(), p.old.clone(), p.commit, p.end);
            let ends = (ends, batches);
            (
                steps.collect::<Vec<_>>(),
                ends,
                p.before.clone(),
                p.after.clone(),
            )
        };
        let release = |p: &Self| {
            let id = |r: &Option<ReleaseLabel>| r.as_ref().map(|r| r.id.clone());
            (id(&p.from), id(&p.to))
        };
        what(self) == what(later) && release(self) == release(later)
    }

    /// Nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds a step and returns its number.
    pub fn push(&mut self, action: Action, undo: Undo, needs: &[StepId], cause: &str) -> StepId {
        let id = StepId(
            u32::try_from(self.steps.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        );
        self.steps.push(Step {
            id,
            action,
            undo,
            needs: needs.to_vec(),
            cause: Cause(cause.to_owned()),
        });
        id
    }
}

/// Why no plan can be made. All reasons at once; nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{} reason(s) against it", .reasons.len())]
pub struct Refusal {
    /// Each: what, where, why; and what to do.
    pub reasons: Vec<(String, String)>,
    /// Whether the reason is that something could not be told (exit code 7 instead of 4).
    pub unknown: bool,
}

impl Refusal {
    /// A refusal with one reason.
    #[must_use]
    pub fn one(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reasons: vec![(what.into(), hint.into())],
            unknown: false,
        }
    }

    /// Everything against it at once; `None` where there is nothing.
    #[must_use]
    pub fn of(reasons: Vec<(String, String)>) -> Option<Self> {
        (!reasons.is_empty()).then_some(Self {
            reasons,
            unknown: false,
        })
    }

    /// As a person reads it: each reason on a line, what to do below it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (what, hint) in &self.reasons {
            out.push_str(what);
            out.push('\n');
            if !hint.is_empty() {
                out.push_str("  hint: ");
                out.push_str(hint);
                out.push('\n');
            }
        }
        out
    }
}
