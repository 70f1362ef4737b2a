//! `policy:`: what an environment asks of every service, and what it allows none.
//!
//! To add a rule: a variant with its word in [`Requirement`] or [`Denial`], its check in
//! `release::policy`, its word in `schema.json`.

use super::document::Document;
use super::fields::{self, Fields};
use super::layer::{Layer, Origins, merge};
use super::model::Limits;
use super::settings;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Severity, Span};

/// Rules of an environment.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// What every service must have.
    pub require: Vec<Rule<Requirement>>,
    /// What no service may have.
    pub deny: Vec<Rule<Denial>>,
    /// The most that a limit may be.
    pub ceilings: Limits,
    /// Where the ceilings are written.
    pub ceilings_at: Option<Span>,
}

/// A rule, how bad it is to break it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule<T> {
    /// The rule.
    pub rule: T,
    /// An error keeps a release from being deployed; a warning is shown.
    pub severity: Severity,
    /// Where it stands.
    pub span: Span,
}

/// What a service must have, by template or inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// A limit of memory.
    Memory,
    /// A limit of CPUs.
    Cpus,
    /// A limit of processes.
    Pids,
    /// A restart policy that somebody wrote.
    Restart,
    /// A health check in the compose file.
    Healthcheck,
}

/// What a service may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// `privileged: true`.
    Privileged,
    /// Directories and files of the host, other than those shipped.
    HostPaths,
    /// An image without a version, or with the tag `latest`.
    Latest,
    /// `network_mode: host`, `pid: host`, `ipc: host`.
    HostNamespaces,
}

trait Word: Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl Word for Requirement {
    const ALL: &'static [(&'static str, Self)] = &[
        ("limits.memory", Self::Memory),
        ("limits.cpus", Self::Cpus),
        ("limits.pids", Self::Pids),
        ("restart", Self::Restart),
        ("healthcheck", Self::Healthcheck),
    ];
}

impl Word for Denial {
    const ALL: &'static [(&'static str, Self)] = &[
        ("privileged", Self::Privileged),
        ("host_paths", Self::HostPaths),
        ("latest", Self::Latest),
        ("host_namespaces", Self::HostNamespaces),
    ];
}

/// Reads `policy:` of all files.
pub(super) fn read(docs: &[Document], origins: &mut Origins, findings: &mut Findings) -> Policy {
    let nodes = docs.iter();
    let nodes: Vec<_> = nodes
        .filter_map(|d| Some((d.level, d.root.get("policy")?)))
        .collect();
    let Some((_, last)) = nodes.last() else {
        return Policy::default();
    };
    let layers = nodes.iter().map(|(level, n)| Layer::new(*level, "", n));
    let merged = merge(&layers.collect::<Vec<_>>(), &last.span, "policy", findings);
    *origins = std::mem::take(origins).with("policy", merged.origins);
    let known = ["require", "deny", "ceilings"];
    for (_, node) in &nodes[..nodes.len() - 1] {
        Fields::of(node, "policy", &known, findings);
    }
    let Some(f) = Fields::of(last, "policy", &known, findings) else {
        return Policy::default();
    };
    let at = |key: &str| merged.node.get(key).map(|n| (n, f.path(key)));
    let ceilings = at("ceilings");
    Policy {
        require: at("require").map_or_else(Vec::new, |(n, p)| rules(n, &p, findings)),
        deny: at("deny").map_or_else(Vec::new, |(n, p)| rules(n, &p, findings)),
        ceilings_at: ceilings.as_ref().map(|(n, _)| n.span.clone()),
        ceilings: ceilings
            .and_then(|(n, p)| settings::limits(n, &p, findings))
            .unwrap_or_default(),
    }
}

/// `[word, word]`, all errors; or `{ word: error, word: warning }`.
fn rules<T: Word>(node: &Node, path: &str, findings: &mut Findings) -> Vec<Rule<T>> {
    let mut out = Vec::new();
    let words: Vec<&str> = T::ALL.iter().map(|(w, _)| *w).collect();
    if let Some(entries) = node.map() {
        Fields::of(node, path, &words, findings);
        let known = entries
            .iter()
            .filter(|e| words.contains(&e.key.text.as_str()));
        for entry in known.filter(|e| !e.value.is_null()) {
            let path = fields::join(path, &entry.key.text);
            let severity = match entry.value.text() {
                Some("error") => Severity::Error,
                Some("warning") => Severity::Warning,
                _ => {
                    findings.push(fields::wrong(&entry.value, &path, "error or warning"));
                    continue;
                }
            };
            out.extend(rule(&entry.key.text, &entry.key.span, severity, findings));
        }
        return out;
    }
    for (word, span) in fields::words(node, path, findings).unwrap_or_default() {
        out.extend(rule(word, span, Severity::Error, findings));
    }
    out
}

fn rule<T: Word>(
    word: &str,
    span: &Span,
    severity: Severity,
    findings: &mut Findings,
) -> Option<Rule<T>> {
    let found = T::ALL.iter().find(|(w, _)| *w == word);
    if found.is_none() {
        let known = T::ALL.iter().map(|(w, _)| *w).collect::<Vec<_>>();
        let finding = Diagnostic::error(format!("`{word}` is no rule of a policy")).at(span);
        let finding = finding.expected(format!("one of {}", known.join(", ")));
        findings.push(finding.did_you_mean(word, known));
    }
    found.map(|(_, rule)| Rule {
        rule: *rule,
        severity,
        span: span.clone(),
    })
}
