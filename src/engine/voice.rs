//! The engine's voice: numbers events, stamps them, and gives them to whoever listens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::mpsc::UnboundedSender;

use crate::event::jiff_text::Stamp;
use crate::event::{Event, Kind};
use crate::name::RunId;
use crate::text::Redactor;
use crate::time::Clock;

/// Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Voice {
    to: UnboundedSender<Event>,
    seq: Arc<AtomicU64>,
    clock: Clock,
    run: Option<RunId>,
    hidden: Arc<RwLock<Redactor>>,
}

impl Voice {
    /// A voice that speaks to `to`.
    #[must_use]
    pub fn new(to: UnboundedSender<Event>, clock: Clock) -> Self {
        Self {
            to,
            seq: Arc::default(),
            clock,
            run: None,
            hidden: Arc::default(),
        }
    }

    /// The same voice, speaking for a run.
    #[must_use]
    pub fn of_run(&self, run: &RunId) -> Self {
        Self {
            run: Some(run.clone()),
            ..self.clone()
        }
    }

    /// The clock that stamps the events.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// From now on these secrets are in no event.
    pub fn hide(&self, secrets: &Redactor) {
        let mut hidden = self.hidden.write().unwrap_or_else(PoisonError::into_inner);
        hidden.extend(secrets);
    }

    /// What is hidden.
    #[must_use]
    pub fn hidden(&self) -> Redactor {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        hidden.clone()
    }

    /// Says it. Nobody listening is no error: a run does not depend on its audience.
    pub fn say(&self, mut kind: Kind) {
        kind.clean(&self.hidden());
        let event = Event {
            v: 1,
            seq: self.seq.fetch_add(1, Ordering::Relaxed) + 1,
            at: Stamp(self.clock.wall()),
            run: self.run.clone(),
            kind,
        };
        let _ = self.to.send(event);
    }

    /// Says a note.
    pub fn note(&self, text: impl Into<String>, hint: impl Into<String>) {
        self.say(Kind::Note {
            text: text.into(),
            hint: hint.into(),
        });
    }
}
