//! Values that compose on a host would refuse, found here with their place.
//!
//! Only what no version of compose takes is an error; what holds a `${variable}` only the host knows.
//! To add one: a function, a line in [`check`], a fragment `refused-…` in `tests/compose/`.

use super::units::parse_duration;
use super::{Document, Service};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// Conditions of `depends_on`.
const CONDITIONS: [&str; 3] = [
    "service_started",
    "service_healthy",
    "service_completed_successfully",
];

/// What each service says by itself, then what they say of each other.
pub(super) fn check(document: &Document, shipped: &[&str], found: &mut Findings) {
    for service in document.services() {
        for path in [
            &["stop_grace_period"][..],
            &["healthcheck", "interval"],
            &["healthcheck", "timeout"],
            &["healthcheck", "start_period"],
            &["healthcheck", "start_interval"],
        ] {
            duration(&service, path, found);
        }
        ports(&service, found);
        ulimits(&service, found);
        conditions(&service, found);
        env_files(&service, shipped, found);
        volumes(&service, found);
    }
    cycles(document, found);
}

fn wrong(service: &Service<'_>, key: &str, span: &Span, expected: &str) -> Diagnostic {
    let text = format!("service {}: `{key}` cannot be so", service.name());
    Diagnostic::error(text).at(span).expected(expected)
}

fn known(node: &Node) -> Option<&str> {
    node.text().filter(|t| !t.contains('$'))
}

fn duration(service: &Service<'_>, path: &[&str], found: &mut Findings) {
    let Some(node) = service.at(path) else { return };
    let Some(text) = known(node) else { return };
    // Fractions, and units of days and weeks, are newer than the rest; a bare number is left to compose.
    let odd = |c: char| !(c.is_ascii_digit() || ".dwhmnuµs".contains(c));
    if parse_duration(text).is_none() && text.contains(odd) {
        let key = path.join(".");
        found.push(wrong(service, &key, &node.span, "a time, such as 1m30s"));
    }
}

fn ports(service: &Service<'_>, found: &mut Findings) {
    let Some(node) = service.at(&["ports"]) else {
        return;
    };
    for entry in node.seq().unwrap_or(&[]) {
        let Some(text) = known(entry) else { continue };
        let (ports, _) = text.split_once('/').unwrap_or((text, ""));
        let mut parts = ports.rsplit(':');
        let container = range(parts.next().unwrap_or_default());
        let host = parts.next().filter(|h| !h.is_empty()).map(range);
        let expected = match (container, host) {
            (Range::Wrong, _) | (_, Some(Range::Wrong)) => "ports from 1 to 65535, such as 8080:80",
            // One container port may be published anywhere in a range.
            (Range::Of(c), Some(Range::Of(h))) if c > 1 && c != h => {
                "as many ports of the host as of the container"
            }
            _ => continue,
        };
        found.push(wrong(service, "ports", &entry.span, expected));
    }
}

#[derive(Clone, Copy)]
enum Range {
    /// So many ports.
    Of(u32),
    /// Numbers that are no ports.
    Wrong,
    /// Something else, which compose may know.
    Other,
}

fn range(text: &str) -> Range {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |t: &str| t.parse::<u32>().ok();
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last > 65535 || first > last => Range::Wrong,
        (Some(first), Some(last)) => Range::Of(last - first + 1),
        _ => Range::Other,
    }
}

fn ulimits(service: &Service<'_>, found: &mut Findings) {
    let entries = service.at(&["ulimits"]).and_then(Node::map).unwrap_or(&[]);
    for entry in entries {
        let parts = ["soft", "hard"].map(|part| entry.value.get(part));
        for node in parts.into_iter().flatten().chain([&entry.value]) {
            // YAML has more ways to write a number: 0x10000, 1_000.
            let number = |text: &str| {
                let digits = text.trim().trim_start_matches(['-', '+']);
                digits.starts_with(|c: char| c.is_ascii_digit())
            };
            if known(node).is_some_and(|t| !number(t)) {
                let key = format!("ulimits.{}", entry.key.text);
                let expected = "a number, or { soft: 20000, hard: 40000 }";
                found.push(wrong(service, &key, &node.span, expected));
            }
        }
    }
}

fn conditions(service: &Service<'_>, found: &mut Findings) {
    let needed = service.at(&["depends_on"]).and_then(Node::map);
    for entry in needed.unwrap_or(&[]) {
        let Some(node) = entry.value.get("condition") else {
            continue;
        };
        if let Some(text) = known(node).filter(|t| !CONDITIONS.contains(t)) {
            let key = format!("depends_on.{}.condition", entry.key.text);
            let finding = wrong(service, &key, &node.span, &CONDITIONS.join(", "));
            found.push(finding.did_you_mean(text, CONDITIONS));
        }
    }
}

/// A relative path means the release's own directory, in which nothing is but what is shipped.
fn env_files(service: &Service<'_>, shipped: &[&str], found: &mut Findings) {
    let Some(node) = service.at(&["env_file"]) else {
        return;
    };
    // What a profile switches off is not started by a deploy, and compose does not read its files.
    let profiles = service.at(&["profiles"]).and_then(Node::seq);
    if profiles.is_some_and(|p| !p.is_empty()) {
        return;
    }
    let one = std::slice::from_ref(node);
    for entry in node.seq().unwrap_or(one) {
        let needed = entry.get("required").and_then(Node::text) != Some("false");
        let node = entry.get("path").unwrap_or(entry);
        let Some(text) = known(node).filter(|_| needed) else {
            continue;
        };
        let path = text.strip_prefix("./").unwrap_or(text);
        if path.starts_with(['/', '~', '.']) || shipped.contains(&path) {
            continue;
        }
        let what = format!(
            "service {} reads `{path}`, which is not shipped",
            service.name()
        );
        let finding = Diagnostic::error(what).at(&node.span);
        let finding = finding.did_you_mean(path, shipped.iter().copied());
        found.push(
            finding.hint("put it under `files/` beside the template and name it `./files/…`"),
        );
    }
}

fn volumes(service: &Service<'_>, found: &mut Findings) {
    if let Some(node) = service.at(&["volumes"]).filter(|n| n.map().is_some()) {
        let expected = "a list, such as `- data:/data`";
        found.push(wrong(service, "volumes", &node.span, expected));
    }
}

/// Names that a service waits for, each with its place.
fn needed<'a>(service: &Service<'a>) -> Vec<(&'a str, &'a Span)> {
    let Some(node) = service.at(&["depends_on"]) else {
        return Vec::new();
    };
    if let Some(entries) = node.map() {
        let name = |e: &'a crate::text::yaml::Entry| (e.key.text.as_str(), &e.key.span);
        return entries.iter().map(name).collect();
    }
    let items = node.seq().unwrap_or(&[]).iter();
    items.filter_map(|n| Some((n.text()?, &n.span))).collect()
}

/// Services that wait for each other: told once for each cycle, at its first service.
fn cycles(document: &Document, found: &mut Findings) {
    let mut told: Vec<String> = Vec::new();
    for service in document.services() {
        let name = service.name().as_str();
        let Some(way) = way_back(document, name).filter(|_| !told.iter().any(|t| t == name)) else {
            continue;
        };
        let first = way.first().map(String::as_str).unwrap_or(name);
        let at = needed(&service).into_iter().find(|(n, _)| *n == first);
        let text = format!("services wait for each other: {name} → {}", way.join(" → "));
        let finding = Diagnostic::error(text).at(at.map_or(&service.span(), |(_, span)| span));
        found.push(finding.hint("take one out of `depends_on`"));
        told.extend(way);
    }
}

/// The services from what this one needs back to itself, by a shortest way.
fn way_back(document: &Document, start: &str) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(way) = ways.get(at).cloned() {
        at += 1;
        let last = way.last().copied().unwrap_or(start);
        let Some(service) = document.service(last) else {
            continue;
        };
        for (next, _) in needed(&service) {
            if next == start {
                let rest = way[1..].iter().copied().chain([next]);
                return Some(rest.map(str::to_owned).collect());
            }
            if !seen.contains(&next) {
                seen.push(next);
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}
