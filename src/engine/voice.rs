//! The engine's voice: numbers events, stamps them, and gives them to whoever listens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::mpsc::UnboundedSender;

use crate::event::jiff_text::Stamp;
use crate::event::{Event, Kind};
use crate::name::RunId;
use crate::text::Redactor;
use crate::time::Clock;

/// Most events that a voice remembers for the run's report.
const KEPT: usize = 5000;

/// What was said, and when by the wall clock.
pub type Heard = (jiff::Timestamp, Kind);

/// Hears every word of a voice at once, before it goes on.
#[derive(Clone)]
struct Tap(Arc<dyn Fn(&Kind) + Send + Sync>);

impl std::fmt::Debug for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tap")
    }
}

/// Cheap to clone; all clones count together and remember together.
#[derive(Clone, Debug)]
pub struct Voice {
    to: UnboundedSender<Event>,
    seq: Arc<AtomicU64>,
    clock: Clock,
    run: Option<RunId>,
    hidden: Arc<RwLock<Redactor>>,
    kept: Arc<Mutex<Vec<Heard>>>,
    tap: Option<Tap>,
}

impl Voice {
    /// A voice that nobody hears, for what only looks.
    #[must_use]
    pub fn mute(clock: Clock) -> Self {
        Self::new(tokio::sync::mpsc::unbounded_channel().0, clock)
    }

    /// A voice that speaks to `to`.
    #[must_use]
    pub fn new(to: UnboundedSender<Event>, clock: Clock) -> Self {
        Self {
            to,
            seq: Arc::default(),
            clock,
            run: None,
            hidden: Arc::default(),
            kept: Arc::default(),
            tap: None,
        }
    }

    /// What was said so far of stages, waits and notes, oldest first.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, at: jiff::Timestamp, kind: &Kind) {
        let wanted = matches!(
            kind,
            Kind::Begin { .. }
                | Kind::Done { .. }
                | Kind::Failed { .. }
                | Kind::Waiting { .. }
                | Kind::Note { .. }
        );
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted && kept.len() < KEPT {
            kept.push((at, kind.clone()));
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

    /// The same voice; `tap` hears each word too, and must not wait.
    #[must_use]
    pub fn tapped(&self, tap: impl Fn(&Kind) + Send + Sync + 'static) -> Self {
        Self {
            tap: Some(Tap(Arc::new(tap))),
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
        let at = self.clock.wall();
        self.keep(at, &kind);
        if let Some(Tap(tap)) = &self.tap {
            tap(&kind);
        }
        let event = Event {
            v: 1,
            seq: self.seq.fetch_add(1, Ordering::Relaxed) + 1,
            at: Stamp(at),
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
