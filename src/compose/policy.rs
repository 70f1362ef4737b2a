//! What is wanted of every service beyond what its template says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::units::Cpus;
use crate::name::ServiceName;
use crate::text::Span;

/// When Docker starts a container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// Never: a one-shot service.
    No,
    /// Whenever it ends, and at the start of the engine.
    Always,
    /// As `always`, unless it was stopped by hand.
    UnlessStopped,
    /// Where it fails; at most so often.
    OnFailure(Option<u32>),
}

impl Restart {
    /// `no`, `always`, `unless-stopped`, `on-failure`, `on-failure:3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "no" => Some(Self::No),
            "always" => Some(Self::Always),
            "unless-stopped" => Some(Self::UnlessStopped),
            "on-failure" => Some(Self::OnFailure(None)),
            _ => {
                let attempts = text.strip_prefix("on-failure:")?;
                attempts.parse().ok().map(|n| Self::OnFailure(Some(n)))
            }
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure(None | Some(0)) => f.write_str("on-failure"),
            Self::OnFailure(Some(n)) => write!(f, "on-failure:{n}"),
        }
    }
}

/// A wanted value, and where an inventory asks for it; no place means a default of `deploy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<T> {
    /// The value.
    pub value: T,
    /// Where it is asked for.
    pub span: Option<Span>,
}

impl<T> Wanted<T> {
    /// A default: the template may say otherwise.
    pub fn default_of(value: T) -> Self {
        Self { value, span: None }
    }
    /// A wish of the inventory: a template that says otherwise is an error.
    pub fn asked(value: T, span: &Span) -> Self {
        Self {
            value,
            span: Some(span.clone()),
        }
    }
}

/// The most that a container may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<Wanted<u64>>,
    /// CPUs.
    pub cpus: Option<Wanted<Cpus>>,
    /// Processes and threads.
    pub pids: Option<Wanted<u32>>,
}

/// How Docker keeps the log of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRotation {
    /// Size of one file, e.g. `10m`.
    pub max_size: String,
    /// Number of files.
    pub max_file: u32,
}

impl Default for LogRotation {
    /// Three files of 10 MB: without a limit, Docker's own default fills the disk.
    fn default() -> Self {
        Self {
            max_size: "10m".to_owned(),
            max_file: 3,
        }
    }
}

/// What is wanted of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePolicy {
    /// Restart policy, where the template has none.
    pub restart: Wanted<Restart>,
    /// Limits; one that the template sets too is an error.
    pub limits: Limits,
    /// Time between the signal to stop and the kill, where the template has none.
    pub stop_grace: Option<Wanted<Duration>>,
    /// Log rotation where the template has no `logging:`; none leaves the engine's own default.
    pub log: Option<LogRotation>,
    /// Where an inventory asks for that; a template with a `logging:` of its own is an error then.
    pub log_asked: Option<Span>,
}

impl Default for ServicePolicy {
    /// `restart: always`, no limits, three log files of 10 MB.
    fn default() -> Self {
        Self {
            restart: Wanted::default_of(Restart::Always),
            limits: Limits::default(),
            stop_grace: None,
            log: Some(LogRotation::default()),
            log_asked: None,
        }
    }
}

/// What is wanted of the services of an app on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// For every service that has no entry of its own.
    pub all: ServicePolicy,
    /// For single services, complete: nothing is taken from `all`.
    pub services: BTreeMap<ServiceName, ServicePolicy>,
    /// Labels for every container, e.g. `deploy.env`. What changes with every run (a run's id)
    /// makes compose create containers anew with every run.
    pub labels: BTreeMap<String, String>,
}

impl Policy {
    /// What is wanted of one service.
    #[must_use]
    pub fn of(&self, service: &ServiceName) -> &ServicePolicy {
        self.services.get(service).unwrap_or(&self.all)
    }
}
