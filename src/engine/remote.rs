//! What the engine asks of a host, as typed verbs.
//!
//! `engine::real` runs them as scripts over connections; the simulated fleet of the tests runs them
//! on a model. So the engine can be tried against every fault without a host.

use std::future::Future;

use tokio::sync::mpsc;

use crate::balancer::Verdict;
use crate::fleet::{JobState, Traffic};
use crate::name::{Actor, HostName, ReleaseId, RunId, SlotName};
use crate::plan::{JobStart, Move, Owes};

/// A piece of work on one host, under lock and fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Fetch the images of a release.
    Pull {
        /// Slot.
        slot: SlotName,
        /// Release.
        release: ReleaseId,
    },
    /// Run a command of the release, at most once for the attempt.
    Job(JobStart),
    /// Write what becomes of a job.
    Mark {
        /// The job.
        start: JobStart,
        /// What became of it.
        state: JobState,
    },
    /// End what runs in the slot.
    Stop {
        /// Slot.
        slot: SlotName,
    },
    /// End what runs in the slot and bring the release up.
    Replace {
        /// Slot.
        slot: SlotName,
        /// Release.
        release: ReleaseId,
    },
    /// Switch on what the member of the slot does beside requests.
    Activate {
        /// Slot.
        slot: SlotName,
    },
    /// Switch it off.
    Deactivate {
        /// Slot.
        slot: SlotName,
    },
    /// Have the load balancer check the new configuration.
    Prepare(Move),
    /// Change traffic and read it back.
    Shift(Move),
    /// Write who misses the change, and who has caught up.
    Owe {
        /// Who owes from now on.
        owing: Vec<Owes>,
        /// Who owes nothing any more.
        paid: Vec<HostName>,
    },
    /// Wait until open requests to members that left have ended.
    Drain {
        /// What the load balancer does now.
        now: Traffic,
        /// Longest wait.
        within: std::time::Duration,
    },
    /// Keep logs and state of what is in the slot.
    Evidence {
        /// Slot.
        slot: SlotName,
    },
    /// Remove what is in the slot; bring up what was there before.
    Revert {
        /// Slot.
        slot: SlotName,
        /// What was there.
        to: Option<ReleaseId>,
    },
    /// End and remove what runs in these slots, and what the host keeps for them.
    Remove {
        /// Slots.
        slots: Vec<SlotName>,
    },
}

/// How work ended, as the host itself said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Done; a few words for people, e.g. `already here`.
    Done(String),
    /// It ran and failed; the last lines of what it printed.
    Failed {
        /// In one line.
        why: String,
        /// What it printed, secrets removed.
        lines: Vec<String>,
    },
    /// What a load balancer does after prepare or shift.
    Balancer(Verdict),
    /// Drained; what is still open, where that is known.
    Drained {
        /// Open requests that will be cut or go on.
        left: Option<u64>,
    },
    /// What was kept of a failed candidate: lines worth showing, e.g. its last log lines.
    Evidence {
        /// One line on how it ended, e.g. `exit code 3, 4 restarts`; empty where it runs.
        end: String,
        /// Its last log lines.
        log: Vec<String>,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The host did not answer, or not as expected. What it did is not known.
    Silent(String),
    /// The claim on it is lost.
    Lost {
        /// The run that has it now, or what is known of it.
        by: String,
    },
    /// It was refused without effect (busy, stale, stopped by a person's hold).
    Refused(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent(why) | Self::Refused(why) => f.write_str(why),
            Self::Lost { by } => write!(f, "the claim was taken over by {by}"),
        }
    }
}

/// What a claim on one host came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimEnd {
    /// The host is ours.
    Taken,
    /// Another run has it.
    Held {
        /// The run.
        run: RunId,
        /// Who runs it.
        who: Actor,
        /// Seconds until its lease ends.
        left: u64,
        /// Whether it has begun a step.
        begun: bool,
    },
    /// A person has locked it.
    Hold(String),
}

/// One thing that a watcher saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A gate was asked.
    Gate {
        /// The member that was asked; the watcher's own host where absent.
        member: Option<HostName>,
        /// Number of the gate.
        gate: usize,
        /// Whether it passed.
        ok: bool,
        /// What it answered, e.g. `HTTP 503`.
        detail: String,
    },
    /// The containers of the slot on the watcher's host.
    Containers(Vec<ContainerSeen>),
    /// The watcher ended.
    Gone(String),
}

/// A container as a watcher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSeen {
    /// Service.
    pub service: String,
    /// State.
    pub state: String,
    /// `healthy`, `unhealthy`, `starting` or `none`.
    pub health: String,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Exit code of its last end.
    pub exit_code: i64,
    /// Killed for memory at its last end.
    pub oom: bool,
    /// Release by its label.
    pub release: String,
    /// Meant to end by itself.
    pub one_shot: bool,
}

/// What a watcher shall look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// The slot's containers and gates, on the member's own host.
    Member {
        /// Slot.
        slot: SlotName,
    },
    /// The gates of all members of a slot, from a load balancer.
    Balancer {
        /// Slot.
        slot: SlotName,
    },
}

/// The typed verbs.
pub trait Remote: Send + Sync + 'static {
    /// Takes the claim on one host and uploads what the run needs there. `had` hears of it as soon
    /// as the claim is durable there, before the host has told its facts.
    fn claim(
        &self,
        host: &HostName,
        had: mpsc::UnboundedSender<()>,
    ) -> impl Future<Output = Result<ClaimEnd, Trouble>> + Send;

    /// Gives one host back, without a word in its history.
    fn unclaim(&self, host: &HostName) -> impl Future<Output = Result<(), Trouble>> + Send;

    /// Does a piece of work on a host. `seq` grows with every call for a host.
    fn act(
        &self,
        host: &HostName,
        seq: u64,
        work: Work,
        progress: mpsc::UnboundedSender<(u64, u64, String)>,
    ) -> impl Future<Output = Result<Answer, Trouble>> + Send;

    /// Watches until it is dropped; every tick goes to `seen`.
    fn watch(
        &self,
        host: &HostName,
        watch: Watch,
        seen: mpsc::UnboundedSender<(HostName, Seen)>,
    ) -> impl Future<Output = ()> + Send;

    /// Renews the lease on one host.
    fn renew(&self, host: &HostName) -> impl Future<Output = Result<(), Trouble>> + Send;
}
