//! Lines of history for tests.

use super::{HistoryEntry, RunKind};
use crate::name::{Actor, OutcomeKind, RunId};

/// A deploy of version 1.0 that began then and took ten seconds.
pub fn entry(run: &str, started: i64, outcome: OutcomeKind) -> HistoryEntry {
    HistoryEntry {
        run: RunId::new(run).expect("a run"),
        kind: RunKind::Deploy,
        revision: 1,
        highest: 1,
        who: Actor::new("ops@m:1:2").expect("an actor"),
        why: String::new(),
        ticket: String::new(),
        release: None,
        version: "1.0".into(),
        digest: None,
        config: String::new(),
        active: None,
        outcome,
        reason: String::new(),
        started,
        ended: started + 10,
        took: vec![],
        more: serde_json::Value::Null,
    }
}
