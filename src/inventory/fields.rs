//! Reading checked values out of nodes: each function reports what is wrong and returns `None`.
//!
//! Paths in messages are dotted, as operators think of them: `apps.app.limits.memory`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Component, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::units;
use crate::name::NameError;
use crate::text::yaml::{Entry, Node, Resolved};
use crate::text::{Diagnostic, Findings, Span};

/// A mapping whose keys are all known.
pub(super) struct Fields<'a> {
    entries: &'a [Entry],
    path: String,
}

impl<'a> Fields<'a> {
    /// Takes a mapping and reports every key that is not known. Nothing written counts as empty.
    pub fn of(node: &'a Node, path: &str, known: &[&str], findings: &mut Findings) -> Option<Self> {
        let entries = entries(node, path, findings)?;
        #[cfg(test)]
        seen::note(path, known);
        for entry in entries {
            let key = entry.key.text.as_str();
            if !known.contains(&key) {
                findings.push(unknown(entry, path, known));
            }
        }
        Some(Self {
            entries,
            path: path.to_owned(),
        })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|e| &e.value)
    }
    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|e| e.key.text == key)
    }
    /// The path of a key.
    pub fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }
    /// Reads a key with one of the functions below.
    pub fn read<T>(
        &self,
        key: &str,
        findings: &mut Findings,
        with: impl FnOnce(&'a Node, &str, &mut Findings) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(key)?;
        with(node, &self.path(key), findings)
    }
}

/// `a.b`, without a dot at the start.
pub(super) fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// The entries of a mapping; nothing written and `null` count as empty.
pub(super) fn entries<'a>(
    node: &'a Node,
    path: &str,
    findings: &mut Findings,
) -> Option<&'a [Entry]> {
    if node.is_null() {
        return Some(&[]);
    }
    if node.map().is_none() {
        findings.push(wrong(node, path, "a mapping"));
    }
    node.map()
}

/// Where a key that is unknown here has its place.
fn belongs(key: &str) -> Option<&'static str> {
    Some(match key {
        "image" | "images" | "strategy" | "rolling" | "slots" | "balance" | "template"
        | "activate" | "deactivate" | "jobs" => "apps.<app>",
        "where" | "rollback" => "apps.<app>.jobs.<job>",
        "services" => "apps.<app>, or under `apps:` of a group or a host",
        "bake" | "drain" | "keep" | "budget" => {
            "apps.<app> or at the top of a file: it holds for all hosts of an app"
        }
        "address" | "serve" => "hosts.<host>",
        "connection" | "user" | "become" | "options" => "hosts.<host>, or in `connect`",
        "driver" | "probe" => "load_balancers.<name>",
        "http" | "tcp" | "every" | "within" | "in_a_row" => "gates",
        "max_size" | "max_file" => "logs",
        "memory" | "cpus" | "pids" => "limits",
        "confirm" | "ticket" | "min_healthy" | "unreachable" => "protection",
        "skip" | "share" => "protection.unreachable",
        "from" | "until" | "reason" => "freezes",
        "insecure" | "send_login" => "registries.<registry>",
        "url" | "sign" | "headers" => "notify.<receiver>",
        "require" | "deny" | "ceilings" => "policy",
        _ => return None,
    })
}

fn unknown(entry: &Entry, path: &str, known: &[&str]) -> Diagnostic {
    let key = &entry.key.text;
    let place = match path {
        "" if entry.key.span.file.path == "--set" => "in --set".to_owned(),
        "" => "at the top of the file".to_owned(),
        path => format!("under {path}"),
    };
    let finding = Diagnostic::error(format!("unknown key `{key}` {place}")).at(&entry.key.span);
    if crate::text::nearest(key, known.iter().copied()).is_some() {
        return finding.did_you_mean(key, known.iter().copied());
    }
    match belongs(key) {
        Some(place) => finding.hint(format!("`{key}` belongs in {place}")),
        None => finding.expected(format!("one of {}", known.join(", "))),
    }
}

/// "X is a list, …".
pub(super) fn wrong(node: &Node, path: &str, expected: &str) -> Diagnostic {
    let path = if path.is_empty() {
        "the file"
    } else {
        &format!("`{path}`")
    };
    let what = match node.scalar() {
        Some(s) if !s.text.is_empty() => format!("{path} is `{}`", s.text),
        _ => format!("{path} is {}", node.kind_word()),
    };
    Diagnostic::error(what).at(&node.span).expected(expected)
}

/// A text that is not empty.
pub(super) fn text(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    match node.text() {
        Some(text) if !text.is_empty() => Some(text.to_owned()),
        _ => {
            findings.push(wrong(node, path, "a text"));
            None
        }
    }
}

/// `true` or `false`.
pub(super) fn flag(node: &Node, path: &str, findings: &mut Findings) -> Option<bool> {
    let resolved = node.scalar().map(|s| s.resolve());
    if let Some(Resolved::Bool(b)) = resolved {
        return Some(b);
    }
    let mut finding = wrong(node, path, "true or false");
    let lower = node.text().map(str::to_ascii_lowercase);
    if let Some("yes" | "on" | "y" | "true") = lower.as_deref() {
        finding = finding.hint("write true, without quotes");
    } else if let Some("no" | "off" | "n" | "false") = lower.as_deref() {
        finding = finding.hint("write false, without quotes");
    }
    findings.push(finding);
    None
}

/// A whole number in a range.
pub(super) fn number<T>(
    node: &Node,
    path: &str,
    range: RangeInclusive<T>,
    findings: &mut Findings,
) -> Option<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    if let Some(Resolved::Int(n)) = node.scalar().map(|s| s.resolve())
        && let Ok(n) = T::try_from(n)
        && range.contains(&n)
    {
        return Some(n);
    }
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    findings.push(wrong(node, path, &expected));
    None
}

/// A port.
pub(super) fn port(node: &Node, path: &str, findings: &mut Findings) -> Option<u16> {
    number(node, path, 1..=65_535, findings)
}

/// A duration.
pub(super) fn duration(node: &Node, path: &str, findings: &mut Findings) -> Option<Duration> {
    let parsed = quantity(node, path, units::duration, units::DURATION);
    parsed
        .map_err(|d| {
            let finding = match node.scalar().map(|s| s.resolve()) {
                Some(Resolved::Int(n)) if n > 0 => {
                    d.hint(format!("a unit is missing: `{n}s` or `{n}ms`"))
                }
                _ => d,
            };
            findings.push(finding);
        })
        .ok()
}

/// A value that a parser of [`units`] reads.
pub(super) fn quantity<T>(
    node: &Node,
    path: &str,
    parse: fn(&str) -> Result<T, &'static str>,
    expected: &'static str,
) -> Result<T, Diagnostic> {
    let text = node.text().ok_or_else(|| wrong(node, path, expected))?;
    parse(text).map_err(|expected| wrong(node, path, expected))
}

/// A name of [`crate::name`].
pub(super) fn name<T: FromStr<Err = NameError>>(
    text: &str,
    span: &Span,
    findings: &mut Findings,
) -> Option<T> {
    text.parse()
        .map_err(|e: NameError| {
            findings.push(Diagnostic::error(format!("{} `{}` {}", e.kind, e.word, e.why)).at(span));
        })
        .ok()
}

/// A list; a single value counts as a list of one.
pub(super) fn list<'a>(node: &'a Node, path: &str, findings: &mut Findings) -> Option<&'a [Node]> {
    if node.is_null() || node.map().is_some() {
        findings.push(wrong(node, path, "a list"));
        return None;
    }
    Some(node.seq().unwrap_or(std::slice::from_ref(node)))
}

/// A list of texts; `None` where not all of them are.
pub(super) fn words<'a>(
    node: &'a Node,
    path: &str,
    findings: &mut Findings,
) -> Option<Vec<(&'a str, &'a Span)>> {
    let items = list(node, path, findings)?;
    let mut out = Vec::with_capacity(items.len());
    let mut good = true;
    for item in items {
        match item.text() {
            Some(text) if !text.is_empty() => out.push((text, &item.span)),
            // A tag has been reported already: a word that begins with `!`.
            _ if item.tag.is_some() => good = false,
            _ => {
                good = false;
                findings.push(wrong(item, &format!("{path}[]"), "a text"));
            }
        }
    }
    good.then_some(out)
}

/// A path inside the configuration's directory.
pub(super) fn relative_path(node: &Node, path: &str, findings: &mut Findings) -> Option<PathBuf> {
    let given = PathBuf::from(text(node, path, findings)?);
    if given
        .components()
        .all(|c| matches!(c, Component::Normal(_)))
    {
        return Some(given);
    }
    findings.push(wrong(
        node,
        path,
        "a path below the configuration's directory, without `..`",
    ));
    None
}

/// Which keys were allowed where: tests hold the schema against it.
#[cfg(test)]
pub(super) mod seen {
    use std::cell::RefCell;

    type Seen = Vec<(String, Vec<String>)>;
    thread_local!(static SEEN: RefCell<Seen> = const { RefCell::new(Vec::new()) });

    pub fn note(path: &str, known: &[&str]) {
        let known = known.iter().map(|k| (*k).to_owned()).collect();
        SEEN.with_borrow_mut(|seen| seen.push((path.to_owned(), known)));
    }
    pub fn clear() {
        SEEN.take();
    }
    pub fn take() -> Seen {
        SEEN.take()
    }
}
