//! Answers of the verbs, parsed. What a host cannot do is an error with the host's own hint;
//! what it refuses is an answer.

use std::fmt;
use std::str::FromStr;

use crate::name::{Actor, Fence, MachineId, RunId};

use super::look::{Hold, Look, Running};

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No step of this fence was begun.
    Claimed,
    /// It was begun and nobody knows how it ended.
    Begun,
    /// It ended with this status.
    Done(i32),
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed => f.write_str("claimed"),
            Self::Begun => f.write_str("begun"),
            Self::Done(rc) => write!(f, "done:{rc}"),
        }
    }
}

/// The word is no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no phase of a step")]
pub struct PhaseError(String);

impl FromStr for Phase {
    type Err = PhaseError;
    fn from_str(word: &str) -> Result<Self, PhaseError> {
        match word {
            "claimed" => Ok(Self::Claimed),
            "begun" => Ok(Self::Begun),
            _ => word
                .strip_prefix("done:")
                .and_then(|rc| rc.parse().ok())
                .map(Self::Done)
                .ok_or_else(|| PhaseError(word.to_owned())),
        }
    }
}

/// What keeps a host from keeping a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The folder is missing and this user may not make it.
    NoStateDir,
    /// This user may not write into it.
    StateDirDenied,
    /// Its mode is not 2770.
    StateDirMode,
    /// It is on a file system whose locks cannot be trusted.
    StateDirFs,
    /// The lock file cannot be opened.
    LockOpen,
    /// The lock file was removed or replaced by somebody.
    LockReplaced,
    /// `claim` does not have its form.
    ClaimDamaged,
    /// `claim` is of a format that this version does not know.
    ClaimFormat,
    /// A file cannot be written: no space, no inodes, read-only.
    Write,
    /// The data did not arrive whole, or cannot be written.
    Upload,
    /// A file cannot be read.
    Read,
}

impl Fault {
    pub(super) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "no-state-dir" => Self::NoStateDir,
            "state-dir-denied" => Self::StateDirDenied,
            "state-dir-mode" => Self::StateDirMode,
            "state-dir-fs" => Self::StateDirFs,
            "lock-open" => Self::LockOpen,
            "lock-replaced" => Self::LockReplaced,
            "claim-damaged" => Self::ClaimDamaged,
            "claim-format" => Self::ClaimFormat,
            "write" => Self::Write,
            "upload" => Self::Upload,
            "read" => Self::Read,
            _ => return None,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoStateDir => "its folder is missing and this user may not make it",
            Self::StateDirDenied => "this user may not write into its folder",
            Self::StateDirMode => "its folder does not have mode 2770",
            Self::StateDirFs => "its folder is not on a local file system",
            Self::LockOpen => "its lock cannot be opened",
            Self::LockReplaced => "its lock was removed or replaced",
            Self::ClaimDamaged => "the claim is damaged",
            Self::ClaimFormat => "the claim is of a format that this version does not know",
            Self::Write => "a file of it cannot be written (space, inodes, read-only?)",
            Self::Upload => "the upload did not arrive whole, or cannot be written",
            Self::Read => "a file of it cannot be read",
        })
    }
}

/// Why a verb has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The host cannot keep its record.
    #[error("the host record cannot be used: {fault}")]
    Host {
        /// What is wrong.
        fault: Fault,
        /// What to do there, e.g. a command; may be empty.
        hint: String,
    },
    /// The answer does not have its form.
    #[error("the host record answered in a form that is not understood: {what}")]
    Malformed {
        /// What was found.
        what: String,
    },
}

impl RecordError {
    pub(crate) fn malformed(what: &str, lines: &[String]) -> Self {
        let last: Vec<&str> = lines.iter().rev().take(3).map(String::as_str).collect();
        Self::Malformed {
            what: format!("{what} {last:?}"),
        }
    }
}

/// Who holds a claim, as a refusal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The run.
    pub run: RunId,
    /// Its token.
    pub fence: Fence,
    /// Who runs it.
    pub who: Actor,
    /// Its last step there.
    pub seq: u64,
    /// How far that came.
    pub phase: Phase,
    /// Seconds until its lease ends, where that was asked; 0 = over.
    pub left: Option<u64>,
    /// When it took the host, where the answer says: seconds since the epoch by the host's clock.
    pub at: Option<i64>,
    /// It has given the host back since.
    pub past: bool,
}

/// Answer to `claim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimReply {
    /// The run has the host.
    Taken {
        /// It had it already: a lost answer was asked for again, or two names are one machine.
        again: bool,
        /// The machine.
        machine: MachineId,
        /// Record and facts as they are under the claim.
        look: Box<Look>,
    },
    /// Another run has it.
    Held(Holder),
    /// A person's lock is on it.
    Hold(Hold),
    /// A script of another run holds the lock.
    Busy,
}

/// Answer to `renew`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RenewReply {
    /// The lease lasts for another ttl.
    Renewed,
    /// The claim is another's, or nobody's. Touch nothing more there.
    Lost(Option<Holder>),
}

/// Answer to `step`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepReply {
    /// The body ended.
    Done {
        /// Its status; 124 or 137 where its limit ended it.
        rc: i32,
        /// It ran before: a lost answer was asked for again.
        again: bool,
        /// The end was recorded; false where the disk is full.
        saved: bool,
        /// What it printed, both streams.
        output: Vec<String>,
    },
    /// The claim is another's, or nobody's. Touch nothing more there.
    Lost(Option<Holder>),
    /// It was begun before and nobody knows how it ended.
    Unknown {
        /// What it printed.
        output: Vec<String>,
    },
    /// A later step was begun already.
    Stale {
        /// That step.
        seq: u64,
    },
    /// Another script holds the lock.
    Busy,
}

/// Answer to `take`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeReply {
    /// The claim has the new fence.
    Taken {
        /// The last step under the old fence.
        seq: u64,
        /// How far it came.
        phase: Phase,
        /// It had it already.
        again: bool,
    },
    /// The claim shows another fence than expected, or its lease is not over.
    Held(Holder),
    /// Nobody holds the host.
    Free,
    /// A step still runs.
    Busy {
        /// Processes that hold the lock, where they can be seen.
        pids: Vec<u32>,
        /// The step's name, or `-`.
        step: String,
        /// Seconds until its limit ends it.
        ends: i64,
    },
}

/// Answer to `release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseReply {
    /// The host is free.
    Released {
        /// It was before.
        again: bool,
        /// How the run ended was recorded; false where the disk is full.
        told: bool,
    },
    /// The claim is another's.
    Lost(Option<Holder>),
    /// Another script holds the lock.
    Busy,
}

/// Answer to `peek`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeekReply {
    /// Nobody holds the host.
    Free,
    /// Somebody does.
    Held {
        /// Who.
        holder: Holder,
        /// Processes that hold the lock, where they can be seen.
        pids: Vec<u32>,
        /// The last step.
        running: Option<Running>,
    },
}

/// Answer to `hold`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldReply {
    /// It is set.
    Set,
    /// Another one is there and stays.
    Held(Hold),
}
