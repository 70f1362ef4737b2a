//! The one list of checks: what can be wrong before anything is changed, how bad it is, what to do.
//!
//! - `hosts` what a look says (ssh, engine, compose, disk, record, load balancers)
//! - `probe` what is asked beside it (clock, commands)
//!
//! To add a check: a [`Check`] with its word, and a function that returns [`Finding`]s. Who calls it
//! shows all findings at once.

pub mod hosts;
pub mod probe;

use std::fmt;

use crate::fleet::Severity;
use crate::name::HostName;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Inventory files, the keys of load balancers' drivers.
    Inventory,
    /// Templates and the documents that they give, on every host.
    Template,
    /// Whether registries answer and have what is asked for.
    Registry,
    /// Whether the secrets that a release asks for are there.
    Secrets,
    /// Whether machines are reached by ssh and answer.
    Reach,
    /// Engine, compose, disk, inodes, the record's directory.
    Host,
    /// The server, its include, its configuration.
    LoadBalancer,
    /// One machine under two names.
    Machine,
    /// Versions that differ between hosts.
    Versions,
    /// The sum of limits against the memory of a host.
    Memory,
    /// Clocks.
    Clock,
    /// Commands that steps need.
    Tools,
    /// Compose's own judgement of the files.
    Compose,
    /// Windows and freezes.
    Calendar,
    /// What would keep a run from beginning.
    Plan,
}

impl Check {
    /// Its name in JSON; stable.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Template => "template",
            Self::Registry => "registry",
            Self::Secrets => "secrets",
            Self::Reach => "reach",
            Self::Host => "host",
            Self::LoadBalancer => "load_balancer",
            Self::Machine => "machine",
            Self::Versions => "versions",
            Self::Memory => "memory",
            Self::Clock => "clock",
            Self::Tools => "tools",
            Self::Compose => "compose",
            Self::Calendar => "calendar",
            Self::Plan => "plan",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How bad it is.
    pub severity: Severity,
    /// Where; empty where it is about no machine.
    pub whom: Vec<HostName>,
    /// What and why.
    pub what: String,
    /// What to do; may be empty.
    pub hint: String,
    /// It is an error because something could not be told, not because it is known to be wrong.
    pub unknown: bool,
}

impl Finding {
    /// A finding about one machine.
    #[must_use]
    pub fn of(
        check: Check,
        severity: Severity,
        host: &HostName,
        what: impl Into<String>,
        hint: &str,
    ) -> Self {
        Self {
            check,
            severity,
            whom: vec![host.clone()],
            what: what.into(),
            hint: hint.to_owned(),
            unknown: false,
        }
    }
}

/// Equal findings of several machines as one, those of several looks once; the worst first, then in
/// the order of the checks.
#[must_use]
pub fn folded(all: Vec<Finding>) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    for finding in all {
        // A plan's reasons name their machine in the text.
        let said = |o: &Finding| {
            let named = o.whom.iter().map(|h| format!("{h}: {}", o.what));
            finding.whom.is_empty() && named.into_iter().any(|n| n == finding.what)
        };
        if out.contains(&finding) || out.iter().any(said) {
            continue;
        }
        let same = |o: &&mut Finding| {
            (o.check, o.severity, &o.what, &o.hint)
                == (
                    finding.check,
                    finding.severity,
                    &finding.what,
                    &finding.hint,
                )
                && o.check != Check::Machine
        };
        match out.iter_mut().find(same) {
            Some(other) => {
                let new = finding.whom.into_iter().filter(|h| !other.whom.contains(h));
                let new: Vec<HostName> = new.collect();
                other.whom.extend(new);
                other.unknown |= finding.unknown;
            }
            None => out.push(finding),
        }
    }
    for finding in &mut out {
        finding.whom.sort();
    }
    out.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.check));
    out
}

#[cfg(test)]
mod tests;
