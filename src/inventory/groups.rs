//! Groups: lists of hosts, of groups, of patterns; or a mapping with `hosts` and settings.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{CONNECT, Document, Part, add, collect, pick};
use super::fields::{self, Fields};
use super::host_keys::read_host_keys;
use super::hosts::{GroupPart, World, fill};
use super::layer::{Level, Origin};
use crate::name::GroupName;
use crate::text::yaml::Entry;
use crate::text::{Diagnostic, Findings, Span};

/// Groups that are not resolved yet: their words, what files say about them, their place.
type Waiting<'a> = BTreeMap<GroupName, (Words<'a>, Vec<Part>, Span)>;
/// Words with their places.
type Words<'a> = Vec<(&'a str, &'a Span)>;

impl World {
    /// Reads `groups:` of all files; the hosts are known.
    pub(super) fn read_groups(&mut self, docs: &[Document], findings: &mut Findings) {
        let all = collect(docs, "groups", findings);
        let mut waiting: Waiting<'_> = BTreeMap::new();
        for (name, entries) in &all {
            let mut members = None;
            let mut parts = Vec::new();
            let mut places = Vec::new();
            for (doc, entry) in entries {
                match group_entry(entry, findings) {
                    Some((words, part)) => {
                        if words.is_some() {
                            places.push(said(docs[*doc].level, entry));
                        }
                        members = words.or(members);
                        parts.extend(part);
                    }
                    None => drop(self.broken.insert(name.clone())),
                }
            }
            self.group_origins.note(format!("groups.{name}"), places);
            let span = &entries[entries.len() - 1].1.key.span;
            let Some(name) = fields::name::<GroupName>(name, span, findings) else {
                continue;
            };
            if self.names.contains(name.as_str()) || name.as_str() == "all" {
                self.broken.insert(name.to_string());
                let what = match name.as_str() {
                    "all" => "group `all` is always there".to_owned(),
                    name => format!("`{name}` is the name of a group and of a host"),
                };
                findings.push(
                    Diagnostic::error(what)
                        .at(span)
                        .hint("give the group another name"),
                );
                continue;
            }
            waiting.insert(name, (members.unwrap_or_default(), parts, span.clone()));
        }
        self.resolve_groups(waiting, findings);
    }

    /// Groups of groups: each is resolved when those that it names are.
    fn resolve_groups(&mut self, mut waiting: Waiting<'_>, findings: &mut Findings) {
        let mut order = 0;
        let mut parents: BTreeMap<GroupName, Vec<GroupName>> = BTreeMap::new();
        for (name, (words, ..)) in &waiting {
            for (word, _) in words {
                if let Some((child, _)) = waiting.get_key_value(*word) {
                    parents.entry(child.clone()).or_default().push(name.clone());
                }
            }
        }
        while !waiting.is_empty() {
            let refers = |words: &[(&str, &Span)]| {
                words
                    .iter()
                    .any(|(w, _)| waiting.contains_key(w.trim_start_matches('!')))
            };
            let ready: Vec<GroupName> = waiting
                .iter()
                .filter(|(_, (words, ..))| !refers(words))
                .map(|(name, _)| name.clone())
                .collect();
            if ready.is_empty() {
                let names: Vec<&str> = waiting.keys().map(GroupName::as_str).collect();
                let mut finding =
                    Diagnostic::error(format!("groups {} contain each other", names.join(", ")));
                for (name, (_, _, span)) in &waiting {
                    finding = finding.at(span);
                    self.broken.insert(name.to_string());
                }
                findings.push(finding);
                return;
            }
            for name in ready {
                let Some((words, parts, _)) = waiting.remove(&name) else {
                    continue;
                };
                let mut own = Findings::default();
                let members = self.select(&words, &format!("group `{name}`"), &mut own);
                if own.has_errors() || words.iter().any(|(w, _)| self.broken.contains(*w)) {
                    self.broken.insert(name.to_string());
                }
                findings.extend(own);
                let group = GroupPart {
                    members,
                    parts,
                    number: order,
                    over: Vec::new(),
                };
                order += 1;
                self.groups.insert(name, group);
            }
        }
        self.note_parents(&parents);
    }

    /// A group is more specific than the groups that it is in, and those that they are in.
    fn note_parents(&mut self, parents: &BTreeMap<GroupName, Vec<GroupName>>) {
        for name in self.groups.keys().cloned().collect::<Vec<_>>() {
            let mut seen: BTreeSet<GroupName> = BTreeSet::new();
            let mut next = parents.get(&name).cloned().unwrap_or_default();
            while let Some(parent) = next.pop() {
                if seen.insert(parent.clone()) {
                    next.extend(parents.get(&parent).cloned().unwrap_or_default());
                }
            }
            let over = seen
                .iter()
                .filter_map(|p| self.groups.get(p))
                .map(|g| g.number)
                .collect();
            if let Some(group) = self.groups.get_mut(&name) {
                group.over = over;
            }
        }
    }
}

/// The place that says who a group's members are.
fn said(level: Level, entry: &Entry) -> Origin {
    let members = entry.value.get("hosts").unwrap_or(&entry.value);
    Origin {
        level,
        who: "".into(),
        span: entry.key.span.clone(),
        value: members.in_words(),
        json: members.to_json(),
    }
}

/// A group's members where they are said, and its settings where it has some.
fn group_entry<'a>(
    entry: &'a Entry,
    findings: &mut Findings,
) -> Option<(Option<Words<'a>>, Option<Part>)> {
    let path = format!("groups.{}", entry.key.text);
    if entry.value.map().is_none() {
        return Some((Some(fields::words(&entry.value, &path, findings)?), None));
    }
    let own = ["hosts", "connect", "labels"];
    let mut part = Part::read(&entry.value, &path, &own, findings)?;
    let mut host = pick(&part.host, &["labels", "vars"]);
    for (one, span) in read_host_keys(&host, &path, findings).templates(&host) {
        if let Err(why) = fill(one, "x", None) {
            findings.push(Diagnostic::error(format!("`{path}`: `{one}` {why}")).at(span));
        }
    }
    if let Some(connect) = entry.value.get("connect") {
        let path = format!("{path}.connect");
        Fields::of(connect, &path, &CONNECT, findings);
        read_host_keys(connect, &path, findings);
        add(&mut host, connect);
    }
    part.host = host;
    let words = match entry.value.get("hosts") {
        Some(hosts) => Some(fields::words(hosts, &format!("{path}.hosts"), findings)?),
        None => None,
    };
    Some((words, Some(part)))
}
