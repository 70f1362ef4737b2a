//! The record on a host: who may change it, what was begun and done, what a run wanted.
//!
//! Three mechanisms with one task each: the lock keeps two scripts from working at once, the fence
//! keeps a displaced run from doing anything, the lease says when it is polite to take over.
//!
//! - `sh/`       static script pieces, one file a verb; `lib.sh` first, `body.sh` inside a step
//! - `verb`      typed verbs and their rendering to a [`Script`](crate::host::script::Script)
//! - `reply`     their answers as types; `parse` reads them, one function a verb
//! - `debt`      hosts that missed a change: written on the others, read back
//! - `look`      what a look found: the record and the facts that were asked for with it
//! - `fetch`     images fetched outside of a run
//! - `manifest`  what a run wanted; what `resume` reads
//! - `history`   one line per finished run, and the journal's lines
//! - `past`      verbs about runs that are over or never began, and what hosts together remember
//! - `prune`     releases that are not needed any more, and their images
//! - `setup`     what a host needs once, before the first claim
//! - `run_report` how a run went, step by step; kept beside its manifest
//! - `model`     the verbs in memory, clocks included; the scripts must agree with it
//!
//! To add a verb: a file in `sh/`, a function in `verb`, an answer in `reply` and `parse`, a method of
//! `model::Host`, an arm in `tests/record_conformance.rs`.

pub mod debt;
pub mod fetch;
#[cfg(test)]
pub mod fixture;
pub mod history;
pub mod job;
pub mod look;
pub mod manifest;
pub mod model;
pub mod parse;
pub mod past;
pub mod prune;
pub mod reply;
pub mod run_report;
pub mod setup;
pub mod verb;

pub use history::{HistoryEntry, JournalLine, Took};
pub use look::{Claim, Hold, Look, Running, StateDir, Switch};
pub use manifest::{Manifest, ManifestBalancer, ManifestError, ManifestHost, Role, RunKind};
pub use reply::{
    ClaimReply, Fault, HoldReply, Holder, PeekReply, Phase, RecordError, ReleaseReply, RenewReply,
    StepReply, TakeReply,
};
pub use run_report::{RunReport, Span};
pub use verb::{ClaimId, HoldLevel, Scope, Take, Upload};
