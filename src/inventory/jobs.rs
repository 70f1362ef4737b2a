//! What runs once per release, on one host, before the release comes up: `jobs:` of an app.
//!
//! To add a key: its reading in [`job`], its line in `schema.json` and in docs/jobs.md.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::{self, Fields};
use super::gates;
use super::hosts::World;
use crate::name::{HostName, JobName, ServiceName, SlotName};
use crate::text::yaml::{Entry, Node};
use crate::text::{Diagnostic, Findings, Span};

/// How long a job may take where nothing else is said.
const WITHIN: Duration = Duration::from_secs(600);
/// The longest that may be said: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

const KEYS: [&str; 5] = ["command", "service", "where", "within", "rollback"];

/// A command that runs once per release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name: by it and by the release it is known whether it has run.
    pub name: JobName,
    /// The command, word by word.
    pub argv: Vec<String>,
    /// Whose image and settings it gets; the only service's where absent.
    pub service: Option<ServiceName>,
    /// Hosts that it may run on, in this order; empty: any of the slot.
    pub hosts: Vec<HostName>,
    /// Longest time that it may take.
    pub within: Duration,
    /// A rollback to a release before it is refused.
    pub blocks: bool,
    /// Where it was written; not known to whoever finishes a run.
    #[serde(skip)]
    pub span: Option<Span>,
}

impl Job {
    /// What `rollback:` says: `blocked` or `allowed`.
    #[must_use]
    pub fn way(&self) -> &'static str {
        if self.blocks { "blocked" } else { "allowed" }
    }

    /// The same wherever it was written: what is kept of it with a run.
    #[must_use]
    pub fn without_place(mut self) -> Self {
        self.span = None;
        self
    }
}

/// Reads the jobs of an app in the order in which they are written; in every slot there is a host for
/// each of them.
pub(super) fn read(
    f: &Fields<'_>,
    app: &str,
    world: &World,
    slots: &[(&SlotName, &[HostName])],
    findings: &mut Findings,
) -> Vec<Job> {
    let Some(section) = f.get("jobs") else {
        return Vec::new();
    };
    let path = f.path("jobs");
    let entries = fields::entries(section, &path, findings).unwrap_or_default();
    let there = entries.iter().filter(|e| !e.value.is_null());
    let mut out = Vec::new();
    for e in there {
        let Some(job) = job(e, &fields::join(&path, &e.key.text), app, world, findings) else {
            continue;
        };
        let missing = slots
            .iter()
            .filter(|(_, hosts)| !hosts.is_empty() && !job.hosts.is_empty())
            .find(|(_, hosts)| !job.hosts.iter().any(|h| hosts.contains(h)));
        if let Some((slot, hosts)) = missing {
            let place = e.value.get("where").map_or(&e.key.span, |n| &n.span);
            let named: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            findings.push(
                Diagnostic::error(format!(
                    "job `{}` of app `{app}` has no host in slot `{slot}`",
                    job.name
                ))
                .at(place)
                .expected(format!("one of {} as well", named.join(", "))),
            );
            continue;
        }
        out.push(job);
    }
    out
}

fn job(e: &Entry, path: &str, app: &str, world: &World, findings: &mut Findings) -> Option<Job> {
    let name = fields::name::<JobName>(&e.key.text, &e.key.span, findings)?;
    let f = Fields::of(&e.value, path, &KEYS, findings)?;
    let there = |key| f.get(key).filter(|n| !n.is_null());
    let argv = match there("command") {
        Some(node) => gates::argv(node, &f.path("command"), findings),
        None => {
            findings.push(
                Diagnostic::error(format!("job `{name}` of app `{app}` has no command"))
                    .at(&e.key.span)
                    .expected("command: [./manage, migrate]"),
            );
            None
        }
    };
    let service = there("service").map(|n| service(n, &f.path("service"), findings));
    let whom = format!("job `{name}` of app `{app}`");
    let hosts = there("where").map(|n| {
        let words = fields::words(n, &f.path("where"), findings)?;
        Some(world.select(&words, &whom, findings))
    });
    let within = there("within").map(|n| within(n, &f.path("within"), findings));
    let blocks = there("rollback").map(|n| blocks(n, &f.path("rollback"), findings));
    Some(Job {
        name,
        argv: argv?,
        service: service.map_or(Some(None), |s| s.map(Some))?,
        hosts: hosts.map_or(Some(Vec::new()), |h| h)?,
        within: within.unwrap_or(Some(WITHIN))?,
        blocks: blocks.unwrap_or(Some(false))?,
        span: Some(e.key.span.clone()),
    })
}

fn service(node: &Node, path: &str, findings: &mut Findings) -> Option<ServiceName> {
    let text = fields::text(node, path, findings)?;
    fields::name(&text, &node.span, findings)
}

fn within(node: &Node, path: &str, findings: &mut Findings) -> Option<Duration> {
    let within = fields::duration(node, path, findings)?;
    if !(Duration::from_secs(1)..=LONGEST).contains(&within) {
        let what = format!("`{path}` is {}", crate::text::duration(within));
        let finding = Diagnostic::error(what).at(&node.span);
        findings.push(finding.expected("from 1s to 24h"));
        return None;
    }
    Some(within)
}

fn blocks(node: &Node, path: &str, findings: &mut Findings) -> Option<bool> {
    match node.text() {
        Some("blocked") => Some(true),
        Some("allowed") => Some(false),
        _ => {
            findings.push(fields::wrong(node, path, "blocked or allowed"));
            None
        }
    }
}
