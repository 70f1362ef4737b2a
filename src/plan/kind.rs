//! What a plan is for, and its word. To add a kind: a variant, its word.

use serde::Serialize;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanKind {
    /// Stage and switch.
    Deploy,
    /// Everything up to the gates.
    Stage,
    /// Move traffic to what stands by.
    Switch,
    /// Move traffic back to the earlier release.
    Rollback,
    /// The same release again, host by host.
    Restart,
    /// What a run left unfinished, led to one of its two ends.
    Resume,
    /// Load balancers that missed a change are led to what the others do.
    CatchUp,
    /// A host is taken out of traffic until a person brings it back.
    Drain,
    /// It is brought back.
    Undrain,
    /// Hosts are brought to the recorded release.
    Sync,
    /// The app, or some of its hosts, are taken out and cleaned up.
    Remove,
    /// Two slots share the traffic.
    Weight,
    /// What runs and was started by hand is recorded as a release, and load balancers are led to it.
    Adopt,
    /// A person says what becomes of a job.
    Job,
}

impl PlanKind {
    /// The word in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Stage => "stage",
            Self::Switch => "switch",
            Self::Rollback => "rollback",
            Self::Restart => "restart",
            Self::Resume => "resume",
            Self::CatchUp => "catch-up",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
            Self::Sync => "sync",
            Self::Remove => "remove",
            Self::Weight => "weight",
            Self::Adopt => "adopt",
            Self::Job => "job",
        }
    }
}
