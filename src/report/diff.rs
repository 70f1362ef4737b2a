//! What is different between two releases as hosts keep them: images by service, rendered files
//! line by line. Pure.
//!
//! Two releases seldom lie in one slot of one host: then the first host of a slot is held against
//! the first host of the other slot, and so on. Hosts that differ in the same way are told once.

use std::collections::{BTreeMap, BTreeSet};

use super::words;
use crate::name::{AppName, EnvName, HostName, ReleaseId, ServiceName, SlotName};
use crate::record::past::Shelf;
use crate::release::{HostRelease, ReleaseLabel};

/// Lines around a change that are shown.
const AROUND: usize = 2;

/// What is known of two releases.
#[derive(Debug, Clone)]
pub struct DiffView {
    /// The environment.
    pub env: EnvName,
    /// The app.
    pub app: AppName,
    /// The release that is compared with, and the other.
    pub labels: [ReleaseLabel; 2],
    /// What hosts keep of both.
    pub shelves: BTreeMap<HostName, Shelf>,
}

/// The release that a word means: a revision (`#42`, `42`), a version, or the beginning of an id.
/// Of several the one with the highest revision.
#[must_use]
pub fn meant(word: &str, shelves: &BTreeMap<HostName, Shelf>) -> Option<ReleaseLabel> {
    let bare = word.strip_prefix('#').unwrap_or(word);
    let number: Option<u64> = bare.parse().ok().filter(|n| *n > 0);
    let labels = || shelves.values().flat_map(|s| &s.kept).map(|k| &k.label);
    let by = |is: &dyn Fn(&ReleaseLabel) -> bool| {
        labels()
            .filter(|l| is(l))
            .max_by_key(|l| l.revision)
            .cloned()
    };
    by(&|l| number.is_some_and(|n| l.revision == n))
        .or_else(|| by(&|l| l.version.as_str() == word))
        .or_else(|| by(&|l| word.len() >= 6 && l.id.as_str().starts_with(word)))
}

/// A release's part on one host in one slot.
struct Part<'a> {
    host: &'a HostName,
    kept: &'a HostRelease,
    files: BTreeMap<&'a str, &'a Option<Vec<String>>>,
}

fn parts<'a>(view: &'a DiffView, id: &ReleaseId) -> Vec<Part<'a>> {
    let mut all = Vec::new();
    for (host, shelf) in &view.shelves {
        for kept in shelf.kept.iter().filter(|k| k.label.id == *id) {
            let of = |slot: &SlotName, release: &ReleaseId| *slot == kept.slot && release == id;
            let files = shelf
                .files
                .iter()
                .filter(|((release, slot, _), _)| of(slot, release));
            let files = files
                .map(|((_, _, path), lines)| (path.as_str(), lines))
                .collect();
            all.push(Part { host, kept, files });
        }
    }
    all.sort_by(|a, b| (&a.kept.slot, a.host).cmp(&(&b.kept.slot, b.host)));
    all
}

/// Parts that are held against each other: the same host and slot where both are there, else the
/// n-th against the n-th.
fn pairs<'a>(old: Vec<Part<'a>>, new: Vec<Part<'a>>) -> Vec<(Part<'a>, Part<'a>)> {
    let place = |p: &Part<'_>| (p.host.clone(), p.kept.slot.clone());
    let both: BTreeSet<_> = old.iter().map(place).collect();
    let both: BTreeSet<_> = new.iter().map(place).filter(|p| both.contains(p)).collect();
    let keep = |parts: Vec<Part<'a>>| -> Vec<Part<'a>> {
        let here = |p: &Part<'a>| both.is_empty() || both.contains(&place(p));
        parts.into_iter().filter(here).collect()
    };
    keep(old).into_iter().zip(keep(new)).collect()
}

/// The lines that say what is different; none where nothing is.
#[must_use]
pub fn lines(view: &DiffView) -> Vec<String> {
    let [old, new] = &view.labels;
    let mut told: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (a, b) in pairs(parts(view, &old.id), parts(view, &new.id)) {
        let mut diff = services(a.kept, b.kept);
        diff.extend(files(&a, &b));
        let place = if (a.host, &a.kept.slot) == (b.host, &b.kept.slot) {
            format!("{} {}", a.host, a.kept.slot)
        } else {
            format!("{} {} → {} {}", a.host, a.kept.slot, b.host, b.kept.slot)
        };
        match told.iter_mut().find(|(_, known)| *known == diff) {
            Some((places, _)) => places.push(place),
            None => told.push((vec![place], diff)),
        }
    }
    let mut out = Vec::new();
    for (places, diff) in told.into_iter().filter(|(_, diff)| !diff.is_empty()) {
        out.push(format!("  {}", places.join(", ")));
        out.extend(
            diff.into_iter()
                .map(|line| format!("    {line}").trim_end().to_owned()),
        );
    }
    out
}

/// The whole as text; no newline at the end.
#[must_use]
pub fn text(view: &DiffView) -> String {
    let [old, new] = &view.labels;
    let mut out = vec![format!("{} {}  {old} → {new}", view.env, view.app)];
    let lines = lines(view);
    if lines.is_empty() {
        out.push("  no difference in images and rendered files".to_owned());
    }
    out.extend(lines);
    out.join("\n")
}

fn services(old: &HostRelease, new: &HostRelease) -> Vec<String> {
    let names: BTreeSet<_> = old.services.keys().chain(new.services.keys()).collect();
    let image =
        |of: &HostRelease, name: &ServiceName| of.services.get(name).map(|s| words::tame(&s.image));
    let changed = |name: &ServiceName| match (image(old, name), image(new, name)) {
        (a, b) if a == b => None,
        (Some(a), Some(b)) => Some(format!("image of {name}: {a} → {b}")),
        (None, Some(b)) => Some(format!("service {name} is new: {b}")),
        (Some(a), None) => Some(format!("service {name} is gone: {a}")),
        (None, None) => None,
    };
    names.into_iter().filter_map(changed).collect()
}

fn files(old: &Part<'_>, new: &Part<'_>) -> Vec<String> {
    let names: BTreeSet<&str> = old.files.keys().chain(new.files.keys()).copied().collect();
    let mut out = Vec::new();
    for name in names {
        let shown = words::tame(name);
        match (old.files.get(name), new.files.get(name)) {
            (a, b) if a == b => {}
            (None, _) => out.push(format!("{shown} is new")),
            (_, None) => out.push(format!("{shown} is gone")),
            (Some(Some(a)), Some(Some(b))) => {
                out.push(shown);
                out.extend(hunks(a, b));
            }
            _ => out.push(format!("{shown} differs; it is no text")),
        }
    }
    out
}

fn hunks(old: &[String], new: &[String]) -> Vec<String> {
    let (old, new) = (join(old), join(new));
    let diff = similar::TextDiff::from_lines(&old, &new);
    let mut out = Vec::new();
    for (n, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if n > 0 {
            out.push("  …".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
                similar::ChangeTag::Equal => ' ',
            };
            out.push(format!("{sign} {}", words::tame(change.value().trim_end())));
        }
    }
    out
}

fn join(lines: &[String]) -> String {
    lines.iter().map(|l| format!("{l}\n")).collect()
}

#[cfg(test)]
mod tests;
