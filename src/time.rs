//! The clock: the only place that asks what time it is.
//!
//! Everything else receives a [`Clock`], so that tests can set it.

use std::sync::Arc;
use std::time::Duration;

/// Wall time and monotonic time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Source>);

trait Source: Send + Sync {
    fn wall(&self) -> jiff::Timestamp;
    fn elapsed(&self) -> Duration;
}

struct System {
    start: Duration,
}

impl System {
    fn new() -> Self {
        Self { start: uptime() }
    }
}

/// Time since the machine started, sleep included: a laptop whose lid was closed has heard nothing
/// for so long. (The monotonic clock of Linux stands still meanwhile; elsewhere it does not.)
fn uptime() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let id = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let id = ClockId::Monotonic;
    let time = clock_gettime(id);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(secs, nanos)
}

impl Source for System {
    #[expect(clippy::disallowed_methods, reason = "the door of the wall clock")]
    fn wall(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
    fn elapsed(&self) -> Duration {
        uptime().saturating_sub(self.start)
    }
}

struct Fixed(jiff::Timestamp);

impl Source for Fixed {
    fn wall(&self) -> jiff::Timestamp {
        self.0
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(System::new()))
    }
    /// A clock that stands still, for tests.
    #[must_use]
    pub fn fixed(at: jiff::Timestamp) -> Self {
        Self(Arc::new(Fixed(at)))
    }
    /// Wall time now. For display and records only; no decision rests on it.
    #[must_use]
    pub fn wall(&self) -> jiff::Timestamp {
        self.0.wall()
    }
    /// Monotonic time since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}
