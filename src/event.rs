//! Events: the engine's only voice. Faces (`report`) listen; nothing else prints.
//!
//! To add a kind: add it to [`Kind`]; the JSON face shows it as it is, the plain and terminal faces
//! have one `match` each.

use std::time::Duration;

use serde::Serialize;

use crate::name::{AppName, EnvName, HostName, Outcome, RunId, SlotName};
use crate::text::Redactor;

/// One event. `v` is the version of this form; fields are only ever added.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Version of the form, 1.
    pub v: u8,
    /// Number within the command, from 1.
    pub seq: u64,
    /// Wall time, RFC 3339.
    pub at: jiff_text::Stamp,
    /// The run, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a host is busy with, in the order of a deploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Opening the connection.
    Connect,
    /// Reading facts.
    Look,
    /// Taking the right to act, and uploading.
    Claim,
    /// Fetching images.
    Pull,
    /// Running a command that runs once per release.
    Job,
    /// Ending what runs in the slot.
    Stop,
    /// Starting the release.
    Up,
    /// Waiting for the gates.
    Gate,
    /// Checking a load balancer's new configuration.
    Prepare,
    /// Writing on the others who misses the change, or has caught up.
    Note,
    /// Switching on what a release does beside requests.
    Activate,
    /// Switching it off.
    Deactivate,
    /// Changing the upstream.
    Switch,
    /// Reading back the running state.
    Verify,
    /// Waiting for open requests of the old slot.
    Drain,
    /// Watching the new release with traffic.
    Bake,
    /// Going back after a failure.
    Unwind,
    /// Keeping logs and state of a failed candidate.
    Evidence,
    /// Writing the record and giving the right back.
    Finish,
}

impl Stage {
    /// What hosts do for the steps of a plan, in the order of a deploy.
    pub const OF_STEPS: [Self; 7] = [
        Self::Pull,
        Self::Stop,
        Self::Up,
        Self::Gate,
        Self::Prepare,
        Self::Switch,
        Self::Drain,
    ];

    /// The word in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Look => "look",
            Self::Claim => "claim",
            Self::Pull => "pull",
            Self::Job => "job",
            Self::Stop => "stop",
            Self::Up => "up",
            Self::Gate => "gate",
            Self::Prepare => "prepare",
            Self::Note => "note",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Switch => "switch",
            Self::Verify => "verify",
            Self::Drain => "drain",
            Self::Bake => "bake",
            Self::Unwind => "unwind",
            Self::Evidence => "evidence",
            Self::Finish => "finish",
        }
    }
}

/// Hosts that belong together in the eyes of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Name of the slot or of the load balancer.
    pub name: String,
    /// What the group is in this run.
    pub role: Role,
    /// Its hosts, in inventory order.
    pub hosts: Vec<HostName>,
}

/// What a group of hosts is in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The slot that the run changes.
    Candidate,
    /// The slot that serves when the run begins.
    Active,
    /// A slot that neither serves nor is changed.
    Standby,
    /// The hosts of a load balancer.
    Balancer,
}

impl Role {
    /// The word in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Balancer => "load balancer",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Kind {
    /// A command on an environment's app begins.
    Started {
        /// Environment.
        env: EnvName,
        /// App.
        app: AppName,
        /// `deploy`, `stage`, `switch`, `rollback`, `restart`.
        what: &'static str,
        /// Hosts that take part, app hosts by slot first, then load balancers.
        hosts: Vec<HostName>,
        /// The same hosts as people think of them: the candidate's slot, the active slot, each
        /// load balancer. Faces group by it; empty where the command does not know yet.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        groups: Vec<Group>,
    },
    /// The plan, as text.
    Plan {
        /// The lines that `deploy plan` prints.
        text: String,
    },
    /// A host begins a stage.
    Begin {
        /// Host.
        host: HostName,
        /// Stage.
        stage: Stage,
    },
    /// A host goes on within a stage, e.g. layers of a pull.
    Progress {
        /// Host.
        host: HostName,
        /// Stage.
        stage: Stage,
        /// Done so far.
        done: u64,
        /// Of how many; 0 where not known.
        total: u64,
        /// A few words, e.g. the gate that is not passed yet.
        text: String,
    },
    /// A host finished a stage.
    Done {
        /// Host.
        host: HostName,
        /// Stage.
        stage: Stage,
        /// How long it took, in milliseconds.
        #[serde(serialize_with = "millis", rename = "ms")]
        took: Duration,
        /// A few words, e.g. `already here`.
        text: String,
    },
    /// A host failed in a stage.
    Failed {
        /// Host.
        host: HostName,
        /// Stage.
        stage: Stage,
        /// What and why.
        why: String,
    },
    /// A line of output that belongs to a host (logs of a failed candidate, compose messages).
    Line {
        /// Host.
        host: HostName,
        /// Text, secrets removed.
        text: String,
    },
    /// A load balancer sends to another slot now.
    Switched {
        /// Load-balancer host.
        host: HostName,
        /// The slot that gets the traffic.
        to: SlotName,
    },
    /// Something a person should know.
    Note {
        /// What.
        text: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// The run waits for a time, e.g. the bake.
    Waiting {
        /// For what.
        text: String,
        /// How long, in milliseconds.
        #[serde(serialize_with = "millis", rename = "ms")]
        took: Duration,
    },
    /// The command could not begin, or stopped outside a run: what stderr says, for machines.
    Error {
        /// What happened, with its causes.
        what: String,
        /// What to do.
        hints: Vec<String>,
        /// The exit code.
        code: u8,
    },
    /// The command ended.
    Finished {
        /// How.
        outcome: Outcome,
        /// The closing block, ready to be pasted into a ticket.
        block: String,
    },
}

impl Kind {
    /// Takes secrets out of every text that came from outside.
    pub fn clean(&mut self, secrets: &Redactor) {
        if secrets.is_empty() {
            return;
        }
        let one = |text: &mut String| *text = secrets.clean(text);
        match self {
            Self::Started { .. } | Self::Begin { .. } | Self::Switched { .. } => {}
            Self::Plan { text }
            | Self::Progress { text, .. }
            | Self::Done { text, .. }
            | Self::Line { text, .. }
            | Self::Waiting { text, .. } => one(text),
            Self::Failed { why, .. } => one(why),
            Self::Note { text, hint } => {
                one(text);
                one(hint);
            }
            Self::Error { what, hints, .. } => {
                one(what);
                hints.iter_mut().for_each(one);
            }
            Self::Finished { outcome, block } => {
                one(&mut outcome.why);
                one(block);
            }
        }
    }
}

fn millis<S: serde::Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Time stamps as text.
pub mod jiff_text {
    use serde::Serialize;

    /// A wall time that serialises as RFC 3339 with milliseconds.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Stamp(pub jiff::Timestamp);

    impl Serialize for Stamp {
        fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_str(&format_args!("{:.3}", self.0))
        }
    }
}
