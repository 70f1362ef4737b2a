//! When the next request is due and what kind it is. One counter for all connections: whichever is free takes the next
//! place in the schedule, so the rate holds although some connections are busy for seconds, and idle ones stay open.

use super::options::Options;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// The app answers after seconds.
    Slow,
    /// A body that the app reads slowly.
    Post,
}

impl Kind {
    /// Of ten requests one is slow and one has a body.
    fn of(place: u64) -> Self {
        match place % 10 {
            3 => Self::Slow,
            7 => Self::Post,
            _ => Self::Plain,
        }
    }

    /// The word used in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "GET /",
            Self::Slow => "GET /slow",
            Self::Post => "POST /post",
        }
    }
}

/// Shared by all connections.
pub struct Schedule {
    started: Instant,
    rate: f64,
    next: AtomicU64,
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Schedule {
    pub fn new(options: &Options) -> Self {
        Self {
            started: Instant::now(),
            rate: options.rate,
            next: AtomicU64::new(0),
            stopped: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// Waits for the next free place; `None` when the load is over.
    pub fn wait_for_turn(&self) -> Option<Kind> {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        let due = self.started + Duration::from_secs_f64(place as f64 / self.rate);
        self.sleep_until(due).then(|| Kind::of(place))
    }

    /// Sleeps; false as soon as the load is over.
    pub fn sleep_until(&self, due: Instant) -> bool {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let rest = due.saturating_duration_since(Instant::now());
            if *stopped || rest.is_zero() {
                return !*stopped;
            }
            stopped = self
                .changed
                .wait_timeout(stopped, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// No new requests from now on.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}
