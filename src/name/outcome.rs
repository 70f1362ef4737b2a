//! How a run can end, and what the program's exit code says about it.

use std::fmt;

use super::HostName;

/// How a run ended, as it is recorded and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The wanted release serves.
    Succeeded,
    /// All was as wanted already; nothing was changed.
    NoChange,
    /// Everything up to the gates is done; no traffic was moved.
    Staged,
    /// The run waits for a person; nothing watches it.
    Parked,
    /// Nothing was switched, the old release serves.
    Failed,
    /// Traffic was moved and moved back.
    RolledBack,
    /// A canary was given up.
    Aborted,
    /// Stopped by a person, unwound cleanly.
    Cancelled,
    /// Load balancers or hosts differ and a person is needed.
    Mixed,
    /// Left half-way: claims and record stay on the hosts, `deploy resume` finishes it.
    Unfinished,
    /// Another run took the claim.
    Superseded,
    /// Not allowed to begin.
    Refused,
}

impl OutcomeKind {
    /// The word in records and output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::NoChange => "no_change",
            Self::Staged => "staged",
            Self::Parked => "parked",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
            Self::Mixed => "mixed",
            Self::Unfinished => "unfinished",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// An outcome with what a person needs to know about it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub kind: OutcomeKind,
    /// Why, in one sentence without a full stop; empty where the kind says all.
    pub why: String,
    /// Hosts that need a person, for `mixed`.
    pub hosts: Vec<HostName>,
}

/// Exit codes of the program; stable, listed in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// 0: succeeded, no change, staged, parked.
    Success,
    /// 1: failed or aborted before traffic moved.
    Failed,
    /// 2: usage or configuration error.
    Usage,
    /// 3: changes or drift found where asked to tell.
    Differs,
    /// 4: refused or superseded.
    Refused,
    /// 5: rolled back or aborted after traffic moved.
    RolledBack,
    /// 6: mixed, or left unfinished: a person is needed.
    Mixed,
    /// 7: could not tell (a host or load balancer did not answer).
    Unknown,
    /// 130: cancelled by SIGINT after a clean unwind.
    Interrupted,
    /// 143: cancelled by SIGTERM after a clean unwind.
    Terminated,
}

impl ExitCode {
    /// The number given to the operating system.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Differs => 3,
            Self::Refused => 4,
            Self::RolledBack => 5,
            Self::Mixed => 6,
            Self::Unknown => 7,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The more serious of two where several apply: 6 > 7 > 5 > 1 > 3, others in between by number.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        fn rank(c: ExitCode) -> u8 {
            match c {
                ExitCode::Success => 0,
                ExitCode::Differs => 1,
                ExitCode::Usage => 2,
                ExitCode::Refused => 3,
                ExitCode::Failed => 4,
                ExitCode::RolledBack => 5,
                ExitCode::Unknown => 6,
                ExitCode::Mixed => 7,
                ExitCode::Interrupted => 8,
                ExitCode::Terminated => 9,
            }
        }
        if rank(self) >= rank(other) {
            self
        } else {
            other
        }
    }
}

impl From<OutcomeKind> for ExitCode {
    fn from(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Succeeded
            | OutcomeKind::NoChange
            | OutcomeKind::Staged
            | OutcomeKind::Parked => Self::Success,
            OutcomeKind::Failed | OutcomeKind::Aborted => Self::Failed,
            OutcomeKind::RolledBack => Self::RolledBack,
            OutcomeKind::Cancelled => Self::Interrupted,
            OutcomeKind::Mixed | OutcomeKind::Unfinished => Self::Mixed,
            OutcomeKind::Superseded | OutcomeKind::Refused => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_code_wins_in_the_documented_order() {
        let order = [
            ExitCode::Differs,
            ExitCode::Failed,
            ExitCode::RolledBack,
            ExitCode::Unknown,
            ExitCode::Mixed,
        ];
        for pair in order.windows(2) {
            assert_eq!(pair[0].worse(pair[1]), pair[1]);
            assert_eq!(pair[1].worse(pair[0]), pair[1]);
        }
    }
}
