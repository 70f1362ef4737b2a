//! Writing down what never became a run: refusals, and wishes that were fulfilled already.
//!
//! Best effort: a host that does not answer at once is not waited for, and what could not be
//! written is no failure of the attempt.

use std::time::Duration;

use super::run::Meta;
use super::site::Site;
use crate::name::Outcome;
use crate::plan::PlanKind;
use crate::record::{HistoryEntry, past};
use crate::release::ReleaseLabel;

/// Longest wait for hosts to write it down.
const WITHIN: Duration = Duration::from_secs(3);

/// Tells every host of the app of an attempt that changed nothing. `ended`: seconds since the epoch.
pub async fn tell(
    site: &Site,
    meta: &Meta,
    kind: PlanKind,
    release: Option<&ReleaseLabel>,
    outcome: &Outcome,
    ended: i64,
) {
    let entry = entry(meta, kind, release, outcome, ended);
    let write = site.ask(WITHIN, |_, machine| {
        Some(past::attempt(&machine.scope, &entry))
    });
    write.await;
}

fn entry(
    meta: &Meta,
    kind: PlanKind,
    release: Option<&ReleaseLabel>,
    outcome: &Outcome,
    ended: i64,
) -> HistoryEntry {
    HistoryEntry {
        run: meta.run.clone(),
        kind: super::run::run_kind(kind),
        revision: release.map_or(0, |r| r.revision),
        // Numbers of revisions are given by runs only.
        highest: 0,
        who: meta.who.clone(),
        why: meta.why.clone(),
        ticket: meta.ticket.clone(),
        release: release.map(|r| r.id.clone()),
        version: release.map(|r| r.version.to_string()).unwrap_or_default(),
        digest: release.and_then(|r| r.digest.clone()),
        config: meta.config.clone(),
        active: None,
        outcome: outcome.kind,
        reason: outcome.why.clone(),
        started: meta.started,
        ended,
        took: Vec::new(),
        more: serde_json::Value::Null,
    }
}
