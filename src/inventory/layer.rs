//! Layers: the most specific wins, and every value knows where it came from.
//!
//! [`merge`] lays mappings over each other: maps merge, everything else replaces, `null` deletes.
//! The result is an ordinary [`Node`] whose parts keep their own places, with an [`Origins`] table
//! beside it. Layers that stand side by side (two groups of one host) must not disagree. To add a
//! layer: add a [`Level`] in its place in the order, and push it where `hosts` and `apps` do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::text::yaml::{Entry, Key, Node, Value};
use crate::text::{Diagnostic, Findings, Span};

/// Where a value may be written, the less specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// What `hosts_from` names, for all hosts.
    Source,
    /// `inventories/defaults.yml`, at its top.
    Defaults,
    /// The environment's file, at its top.
    Environment,
    /// `apps.<app>`.
    App,
    /// `groups.<group>`.
    Group,
    /// `groups.<group>.apps.<app>`.
    AppOnGroup,
    /// `hosts.<pattern>`.
    HostPattern,
    /// `hosts.<host>`.
    Host,
    /// `hosts.<pattern>.apps.<app>`.
    AppOnHostPattern,
    /// `hosts.<host>.apps.<app>`.
    AppOnHost,
    /// `--set` on the command line.
    Set,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "hosts_from",
            Self::Defaults => "defaults",
            Self::Environment => "environment",
            Self::App => "app",
            Self::Group => "group",
            Self::AppOnGroup => "app on group",
            Self::HostPattern => "host pattern",
            Self::Host => "host",
            Self::AppOnHostPattern => "app on host pattern",
            Self::AppOnHost => "app on host",
            Self::Set => "--set",
        })
    }
}

/// One place that says something about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// How specific it is.
    pub level: Level,
    /// Whose place it is: `blue`, `web[1:2]`; empty where the level says all.
    pub who: Arc<str>,
    /// File, line, column.
    pub span: Span,
    /// The value in one line; `null` where it takes the value away.
    pub value: String,
    /// The value for machines.
    pub json: serde_json::Value,
}

/// Where an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The place that won.
    pub from: Origin,
    /// What it overrode, the most specific first.
    pub overrode: Vec<Origin>,
}

/// Effective values by their path, such as `limits.memory`. Values that were taken away are there
/// too, with `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Provenance>);

impl Origins {
    /// Where the value at `path` came from; `None` for values that nobody wrote (built-in ones).
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Provenance> {
        self.0.get(path)
    }
    /// The table without what stands under these keys.
    pub(super) fn without(mut self, keys: &[&str]) -> Self {
        self.0.retain(|path, _| !keys.contains(&path.as_str()));
        self
    }
    /// The table with another one below `prefix`; an empty prefix puts it beside.
    pub(super) fn with(mut self, prefix: &str, more: Self) -> Self {
        let below = |path: String| match prefix {
            "" => path,
            prefix => format!("{prefix}.{path}"),
        };
        let more = more.0.into_iter();
        self.0.extend(more.map(|(path, p)| (below(path), p)));
        self
    }
    /// Notes a value that is not merged from mappings: its places, the winner last.
    pub(super) fn note(&mut self, path: String, mut places: Vec<Origin>) {
        if let Some(from) = places.pop() {
            places.reverse();
            self.0.insert(
                path,
                Provenance {
                    from,
                    overrode: places,
                },
            );
        }
    }
    /// All values, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Provenance)> {
        self.0.iter().map(|(path, p)| (path.as_str(), p))
    }
}

/// A mapping with its place in the order.
#[derive(Clone)]
pub(super) struct Layer<'a> {
    pub level: Level,
    pub who: Arc<str>,
    /// Layers of one level with different numbers stand side by side, unless one of them lists
    /// the other's number in `over`.
    pub side: usize,
    /// Numbers of the sides that this layer is more specific than.
    pub over: &'a [usize],
    pub node: &'a Node,
}

impl<'a> Layer<'a> {
    /// A layer that has its level for itself.
    pub fn new(level: Level, who: &str, node: &'a Node) -> Self {
        Self {
            level,
            who: who.into(),
            side: 0,
            over: &[],
            node,
        }
    }
    /// The layer as one of several that stand side by side.
    pub fn beside(mut self, side: usize, over: &'a [usize]) -> Self {
        self.side = side;
        self.over = over;
        self
    }
    fn origin(&self, span: &Span, node: &Node) -> Origin {
        Origin {
            level: self.level,
            who: Arc::clone(&self.who),
            span: span.clone(),
            value: node.in_words(),
            json: node.to_json(),
        }
    }
}

/// What layers make together.
pub(super) struct Merged {
    pub node: Node,
    pub origins: Origins,
}

/// Merges layers, the less specific first. `whom` names the result in findings.
pub(super) fn merge(
    layers: &[Layer<'_>],
    empty: &Span,
    whom: &str,
    findings: &mut Findings,
) -> Merged {
    let mut root = Tree::default();
    for (number, layer) in layers.iter().enumerate() {
        if let Some(entries) = layer.node.map() {
            root.lay(entries, number, layers);
        }
    }
    let mut origins = Origins::default();
    let entries = root.finish(
        &mut String::new(),
        layers,
        &mut origins,
        &mut |path, a, b| {
            findings.push(disagree(path, a, b, whom));
        },
    );
    let node = Node {
        span: empty.clone(),
        tag: None,
        value: Value::Map(entries),
    };
    Merged { node, origins }
}

fn disagree(path: &str, a: &Origin, b: &Origin, whom: &str) -> Diagnostic {
    let word = match a.level {
        Level::Group | Level::AppOnGroup => "groups",
        _ => "patterns",
    };
    Diagnostic::error(format!(
        "{word} `{}` and `{}` disagree about `{path}` of {whom}",
        a.who, b.who
    ))
    .at_saying(&b.span, format!("`{}` says {}", b.who, b.value))
    .at_saying(&a.span, format!("`{}` says {}", a.who, a.value))
    .hint("say it once where it is more specific, for instance at the host")
}

/// A mapping under construction, in the order in which keys were first seen.
#[derive(Default)]
struct Tree<'a> {
    order: Vec<&'a str>,
    slots: BTreeMap<&'a str, Slot<'a>>,
}

struct Slot<'a> {
    /// Every layer that wrote here since the last replacement by a deeper mapping, in order.
    said: Vec<(usize, &'a Entry)>,
    /// The parts, where the value is a mapping.
    parts: Option<Tree<'a>>,
}

impl<'a> Tree<'a> {
    fn lay(&mut self, entries: &'a [Entry], number: usize, layers: &[Layer<'_>]) {
        for entry in entries {
            let key = entry.key.text.as_str();
            if !self.slots.contains_key(key) {
                self.order.push(key);
            }
            let slot = self.slots.entry(key).or_insert_with(|| Slot {
                said: Vec::new(),
                parts: None,
            });
            slot.lay(entry, number, layers);
        }
    }

    fn finish(
        &self,
        path: &mut String,
        layers: &[Layer<'_>],
        origins: &mut Origins,
        rival: &mut impl FnMut(&str, &Origin, &Origin),
    ) -> Vec<Entry> {
        let mut out = Vec::with_capacity(self.order.len());
        for key in &self.order {
            let slot = &self.slots[key];
            let length = path.len();
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
            if let Some(entry) = slot.finish(path, layers, origins, rival) {
                out.push(entry);
            }
            path.truncate(length);
        }
        out
    }
}

impl<'a> Slot<'a> {
    fn lay(&mut self, entry: &'a Entry, number: usize, layers: &[Layer<'_>]) {
        match entry.value.map() {
            Some(entries) => self
                .parts
                .get_or_insert_with(Tree::default)
                .lay(entries, number, layers),
            None => self.parts = None,
        }
        self.said.push((number, entry));
    }

    /// A place that stands beside the winner, with nothing more specific over it, and says
    /// something else.
    fn rival(&self, layers: &[Layer<'_>]) -> Option<&(usize, &'a Entry)> {
        let (last, winner) = self.said.last()?;
        let level = layers[*last].level;
        let beside = |(n, _): &&(usize, &Entry)| layers[*n].level == level;
        let mut covered = vec![layers[*last].side];
        covered.extend(layers[*last].over);
        for other in self.said.iter().rev().skip(1).take_while(beside) {
            let layer = &layers[other.0];
            if covered.contains(&layer.side) {
                continue;
            }
            let both_maps = other.1.value.map().is_some() && winner.value.map().is_some();
            if !both_maps && !other.1.value.same_as(&winner.value) {
                return Some(other);
            }
            covered.push(layer.side);
            covered.extend(layer.over);
        }
        None
    }

    fn finish(
        &self,
        path: &mut String,
        layers: &[Layer<'_>],
        origins: &mut Origins,
        rival: &mut impl FnMut(&str, &Origin, &Origin),
    ) -> Option<Entry> {
        let origin = |(number, e): &(usize, &Entry)| layers[*number].origin(&place_of(e), &e.value);
        let last = self.said.last()?;
        if let Some(other) = self.rival(layers) {
            rival(path, &origin(other), &origin(last));
        }
        let value = match &self.parts {
            Some(parts) if !parts.order.is_empty() => {
                Value::Map(parts.finish(path, layers, origins, rival))
            }
            _ => {
                let overrode = self.said.iter().rev().skip(1).map(origin).collect();
                let from = origin(last);
                origins
                    .0
                    .insert(path.clone(), Provenance { from, overrode });
                if last.1.value.is_null() {
                    return None;
                }
                last.1.value.value.clone()
            }
        };
        Some(Entry {
            key: Key {
                text: last.1.key.text.clone(),
                span: last.1.key.span.clone(),
            },
            value: Node {
                span: last.1.value.span.clone(),
                tag: None,
                value,
            },
        })
    }
}

/// A value's own place; a list or mapping is found by its key.
fn place_of(entry: &Entry) -> Span {
    match entry.value.scalar() {
        Some(_) => entry.value.span.clone(),
        None => entry.key.span.clone(),
    }
}

#[cfg(test)]
mod tests;
