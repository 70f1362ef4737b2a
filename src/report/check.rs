//! What `deploy check` found, for people and for machines.

use std::collections::BTreeMap;

use serde_json::json;

use super::words::{names, tame};
use crate::check::{Check, Finding};
use crate::fleet::{Fleet, Severity};
use crate::name::{EnvName, ExitCode, HostName};
use crate::text::{Findings, bytes_roughly, count};

/// Everything about one environment.
#[derive(Debug)]
pub struct CheckView {
    /// The environment.
    pub env: EnvName,
    /// What is wrong or odd in files, with places.
    pub files: Findings,
    /// Everything else, folded.
    pub findings: Vec<Finding>,
    /// The checks that ran, each once or more.
    pub ran: Vec<Check>,
    /// What was checked, in words: `inventory`, `templates of app`, `6 hosts`.
    pub checked: Vec<String>,
    /// What was not, and why.
    pub skipped: Vec<String>,
    /// The machines that answered.
    pub seen: BTreeMap<HostName, Seen>,
}

/// What is worth showing of a healthy host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Version of the engine.
    pub engine: String,
    /// Version of compose.
    pub compose: String,
    /// Free bytes for images.
    pub disk_free: u64,
    /// Memory in bytes.
    pub memory: u64,
}

impl CheckView {
    /// Nothing checked yet.
    #[must_use]
    pub fn new(env: EnvName) -> Self {
        Self {
            env,
            files: Findings::default(),
            findings: Vec::new(),
            ran: Vec::new(),
            checked: Vec::new(),
            skipped: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Notes the app hosts that answered.
    pub fn saw(&mut self, fleet: &Fleet) {
        for (host, view) in &fleet.hosts {
            if let (Some(engine), Some(compose)) = (view.engine.get(), view.compose.get()) {
                let seen = Seen {
                    engine: engine.clone(),
                    compose: compose.clone(),
                    disk_free: view.disk_free,
                    memory: view.memory,
                };
                self.seen.insert(host.clone(), seen);
            }
        }
    }

    /// Memory of the hosts that answered, in bytes.
    #[must_use]
    pub fn memory(&self) -> BTreeMap<HostName, u64> {
        let known = self.seen.iter().filter(|(_, seen)| seen.memory > 0);
        known
            .map(|(host, seen)| (host.clone(), seen.memory))
            .collect()
    }

    /// 0 without errors (warnings forbid nothing); 2 for what was written, 7 where it could not be
    /// told, 4 where a run would be refused.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let errors = self.findings.iter();
        let errors = errors.filter(|f| f.severity == Severity::Error);
        let code = |f: &Finding| match (f.unknown, f.check) {
            (true, _) => ExitCode::Unknown,
            (
                _,
                Check::Inventory
                | Check::Template
                | Check::Registry
                | Check::Secrets
                | Check::Compose,
            ) => ExitCode::Usage,
            _ => ExitCode::Refused,
        };
        let codes: Vec<ExitCode> = errors.map(code).collect();
        // What is written is for the reader to mend; only then the rest can be told at all.
        let order = [ExitCode::Usage, ExitCode::Unknown, ExitCode::Refused];
        match self.files.has_errors() {
            true => ExitCode::Usage,
            false => order
                .into_iter()
                .find(|c| codes.contains(c))
                .unwrap_or(ExitCode::Success),
        }
    }

    fn counted(&self, severity: Severity) -> usize {
        let files = self.files.sorted();
        let errors = files
            .iter()
            .filter(|d| d.severity() == crate::text::Severity::Error);
        let errors = errors.count();
        let of_files = match severity {
            Severity::Error => errors,
            Severity::Warning => files.len() - errors,
            Severity::Note => 0,
        };
        let others = self.findings.iter().filter(|f| f.severity == severity);
        of_files + others.count()
    }
}

/// All findings, the worst first, then what was seen and checked.
#[must_use]
pub fn text(view: &CheckView) -> String {
    let mut blocks = Vec::new();
    if !view.files.is_empty() {
        blocks.push(view.files.to_string());
    }
    let mut lines = Vec::new();
    for finding in &view.findings {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let whom = match finding.whom.as_slice() {
            [] => String::new(),
            hosts => format!("{}: ", names(hosts, 12)),
        };
        // Several lines where compose or ssh said several.
        let mut said = finding.what.lines().map(tame);
        lines.push(format!("{word}: {whom}{}", said.next().unwrap_or_default()));
        lines.extend(said.map(|line| format!("  {line}")));
        if !finding.hint.is_empty() {
            lines.push(format!("  hint: {}", tame(&finding.hint)));
        }
    }
    if !lines.is_empty() {
        blocks.push(lines.join("\n"));
    }
    let mut end = seen(view);
    end.push(format!("checked {}: {}", view.env, view.checked.join(", ")));
    end.extend(view.skipped.iter().map(|s| format!("not checked: {s}")));
    let counts: Vec<String> = [
        (Severity::Error, "error"),
        (Severity::Warning, "warning"),
        (Severity::Note, "note"),
    ]
    .into_iter()
    .map(|(s, word)| (view.counted(s), word))
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| count(n, word))
    .collect();
    end.push(match counts.as_slice() {
        [] => "nothing found".to_owned(),
        all => all.join(", "),
    });
    blocks.push(end.join("\n"));
    blocks.join("\n\n")
}

/// `web1 web2: docker 28.5.2, compose 2.40.3; at least 12 GB free`.
pub(super) fn seen(view: &CheckView) -> Vec<String> {
    let mut by: BTreeMap<(&str, &str), (Vec<&HostName>, u64)> = BTreeMap::new();
    for (host, seen) in &view.seen {
        let entry = by.entry((&seen.engine, &seen.compose));
        let (hosts, free) = entry.or_insert((Vec::new(), u64::MAX));
        hosts.push(host);
        *free = (*free).min(seen.disk_free);
    }
    let line = |((engine, compose), (hosts, free)): ((&str, &str), (Vec<&HostName>, u64))| {
        format!(
            "{}: docker {}, compose {}; {} free",
            names(&hosts, 12),
            tame(engine),
            tame(compose),
            bytes_roughly(free)
        )
    };
    by.into_iter().map(line).collect()
}

/// One line per finding, then one that ends the environment.
#[must_use]
pub fn json(view: &CheckView) -> Vec<String> {
    let mut out = Vec::new();
    for d in view.files.sorted() {
        let severity = match d.severity() {
            crate::text::Severity::Error => "error",
            crate::text::Severity::Warning => "warning",
        };
        let at = d.span();
        out.push(json!({
            "v": 1, "event": "finding", "env": view.env, "check": "files", "severity": severity,
            "what": d.message(), "hints": d.hints(), "file": at.map(|s| s.file.path.clone()),
            "line": at.map(|s| s.line), "column": at.map(|s| s.column),
        }));
    }
    for f in &view.findings {
        let hints: Vec<&str> = Some(f.hint.as_str())
            .filter(|h| !h.is_empty())
            .into_iter()
            .collect();
        out.push(json!({
            "v": 1, "event": "finding", "env": view.env, "check": f.check.id(),
            "severity": f.severity, "hosts": f.whom, "what": f.what, "hints": hints,
            "unknown": f.unknown,
        }));
    }
    let hosts = view.seen.iter().map(|(host, s)| {
        let seen = json!({
            "engine": s.engine, "compose": s.compose, "disk_free": s.disk_free, "memory": s.memory,
        });
        (host.to_string(), seen)
    });
    out.push(json!({
        "v": 1, "event": "checked", "env": view.env, "checked": view.checked,
        "skipped": view.skipped, "errors": view.counted(Severity::Error),
        "warnings": view.counted(Severity::Warning), "code": view.exit_code().number(),
        "hosts": hosts.collect::<serde_json::Map<_, _>>(),
    }));
    out.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
