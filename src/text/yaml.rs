//! YAML with a place for every value: the only file that knows the YAML parser.
//!
//! [`parse`] turns a [`SourceFile`] into a [`Node`]. Rules beyond YAML 1.2: one document; keys are
//! scalars; a key that stands twice is an error with both lines; anchors and aliases work, and `<<`
//! merges (explicit keys win, earlier sources win). A scalar keeps its text as it was written, so
//! that `restart: no` and `1.10` stay what the operator sees; who reads it decides its type.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::{Diagnostic, Findings, SourceFile, Span};

mod places;
mod quote;
mod value;

pub use places::{Kind as PlaceKind, Place, places};
pub use quote::quote;
pub use value::Resolved;

/// A value and where it stands. An alias stands where its anchor does.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins. Collections: their first character.
    pub span: Span,
    /// A tag such as `!reset`, as written; `!!str` and its like are applied and not kept.
    pub tag: Option<String>,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// Text, number, boolean, null.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, quotes and escapes resolved.
    pub text: String,
    /// Without quotes: may mean a number, a boolean, null.
    pub plain: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value. Its span is the key's where nothing is written.
    pub value: Node,
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Deepest nesting that is read; a file of an operator has less than ten levels.
const DEPTH: usize = 60;
/// Most values that aliases may copy.
const COPIES: usize = 100_000;

/// Reads a file. `None` where it is no YAML at all; other mistakes leave a value to go on with, so
/// that everything can be reported at once. An empty file is an empty scalar.
pub fn parse(file: &Arc<SourceFile>, findings: &mut Findings) -> Option<Node> {
    let text = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
    let mut builder = Builder {
        file,
        findings,
        stack: Vec::new(),
        anchors: HashMap::new(),
        copied: 0,
        root: None,
    };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, at) = match next {
            Ok(event) => event,
            Err(e) => {
                builder.no_yaml(e.info(), *e.marker());
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let span = Span::new(file, at.start.line(), 1, 3);
                findings.push(
                    Diagnostic::error("a second document begins here")
                        .at(&span)
                        .hint("keep one document per file"),
                );
                return None;
            }
        }
        if !builder.take(event, at) {
            return None;
        }
    }
    Some(builder.root.unwrap_or_else(|| Node {
        span: Span::new(file, 1, 1, 1),
        tag: None,
        value: Value::Scalar(Scalar::empty()),
    }))
}

/// A collection that is not closed yet.
struct Open {
    span: Span,
    tag: Option<String>,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    Seq(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        seen: HashMap<String, usize>,
        merges: Vec<Node>,
        key: Option<Key>,
    },
}

struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    findings: &'a mut Findings,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    root: Option<Node>,
}

impl Builder<'_> {
    fn span(&self, start: Marker, len: usize) -> Span {
        Span::new(self.file, start.line(), start.col() + 1, len)
    }

    fn no_yaml(&mut self, why: &str, at: Marker) {
        let span = self.span(at, 1);
        let mut finding = Diagnostic::error(format!("this is not YAML: {why}")).at(&span);
        let line = self.file.line(span.line);
        let here: String = line.chars().skip(at.col()).collect();
        if has_range(&here) {
            finding = finding.hint("inside [ ] and { } a host pattern needs quotes: \"web[1:4]\"");
        } else if here.starts_with('{') {
            finding = finding.hint("a value with { } in it needs quotes: \"{name}.mgt\"");
        } else if line.contains('\t') {
            finding = finding.hint("indent with blanks, not with tabs");
        }
        self.findings.push(finding);
    }

    /// Takes one event; false ends the reading.
    fn take(&mut self, event: Event<'_>, at: saphyr_parser::Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let len = if at.start.line() == at.end.line() {
                    at.end.col() - at.start.col()
                } else {
                    usize::MAX / 2
                };
                let core = tag.as_ref().is_some_and(|t| t.is_yaml_core_schema());
                let text_tag = core && tag.as_ref().is_some_and(|t| t.suffix == "str");
                let node = Node {
                    span: self.span(at.start, len),
                    tag: tag.filter(|_| !core).map(|t| t.to_string()),
                    value: Value::Scalar(Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain && !text_tag,
                    }),
                };
                self.close(anchor, node);
            }
            Event::SequenceStart(anchor, tag) => {
                let tag = tag
                    .filter(|t| !t.is_yaml_core_schema())
                    .map(|t| t.to_string());
                return self.open(at.start, tag, anchor, Kind::Seq(Vec::new()));
            }
            Event::MappingStart(anchor, tag) => {
                let kind = Kind::Map {
                    entries: Vec::new(),
                    seen: HashMap::new(),
                    merges: Vec::new(),
                    key: None,
                };
                let tag = tag
                    .filter(|t| !t.is_yaml_core_schema())
                    .map(|t| t.to_string());
                return self.open(at.start, tag, anchor, kind);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(id) => return self.alias(id, at.start),
            _ => {}
        }
        true
    }

    fn open(&mut self, start: Marker, tag: Option<String>, anchor: usize, kind: Kind) -> bool {
        let span = self.span(start, 1);
        if self.stack.len() >= DEPTH {
            let why = format!("values are nested more than {DEPTH} deep");
            self.findings.push(Diagnostic::error(why).at(&span));
            return false;
        }
        self.stack.push(Open {
            span,
            tag,
            anchor,
            kind,
        });
        true
    }

    fn end(&mut self) {
        let Some(open) = self.stack.pop() else { return };
        let value = match open.kind {
            Kind::Seq(items) => Value::Seq(items),
            Kind::Map {
                mut entries,
                seen,
                merges,
                ..
            } => {
                self.merge(&mut entries, seen, merges);
                Value::Map(entries)
            }
        };
        let node = Node {
            span: open.span,
            tag: open.tag,
            value,
        };
        self.close(open.anchor, node);
    }

    fn merge(
        &mut self,
        entries: &mut Vec<Entry>,
        mut seen: HashMap<String, usize>,
        from: Vec<Node>,
    ) {
        for source in from {
            match source.value {
                Value::Map(more) => {
                    for entry in more {
                        if !seen.contains_key(&entry.key.text) {
                            seen.insert(entry.key.text.clone(), entries.len());
                            entries.push(entry);
                        }
                    }
                }
                _ => self.findings.push(
                    Diagnostic::error("`<<` does not name a mapping")
                        .at(&source.span)
                        .expected("an alias of a mapping, or a list of such aliases"),
                ),
            }
        }
    }

    fn alias(&mut self, id: usize, at: Marker) -> bool {
        let span = self.span(at, 1);
        let Some(node) = self.anchors.get(&id).cloned() else {
            // The parser knows the anchor, so it is one that is still open: it contains itself.
            let why = "this alias stands inside the value that it names";
            self.findings.push(Diagnostic::error(why).at(&span));
            return false;
        };
        self.copied += node.size();
        if self.copied > COPIES {
            let why = format!("aliases copy more than {COPIES} values");
            self.findings.push(Diagnostic::error(why).at(&span));
            return false;
        }
        self.place(node);
        true
    }

    /// A value is complete: remember its anchor, put it where it belongs.
    fn close(&mut self, anchor: usize, node: Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.place(node);
    }

    fn place(&mut self, mut node: Node) {
        match self.stack.last_mut().map(|o| &mut o.kind) {
            None => self.root = Some(node),
            Some(Kind::Seq(items)) => items.push(node),
            Some(Kind::Map {
                entries,
                seen,
                merges,
                key,
            }) => {
                let Some(key) = key.take() else {
                    *key = Some(as_key(node, self.findings));
                    return;
                };
                if node.is_unwritten() {
                    node.span = key.span.clone();
                }
                if key.text == "<<" {
                    match node.value {
                        Value::Seq(list) => merges.extend(list),
                        _ => merges.push(node),
                    }
                } else if let Some(&first) = seen.get(&key.text) {
                    let first = &entries[first].key.span;
                    self.findings.push(
                        Diagnostic::error(format!("key `{}` stands here twice", key.text))
                            .at(&key.span)
                            .at_saying(first, "the first one"),
                    );
                } else {
                    seen.insert(key.text.clone(), entries.len());
                    entries.push(Entry { key, value: node });
                }
            }
        }
    }
}

/// A node that stands as a key.
fn as_key(node: Node, findings: &mut Findings) -> Key {
    let text = match node.value {
        Value::Scalar(s) => s.text,
        _ => {
            let why = "a list or a mapping stands as a key";
            findings.push(
                Diagnostic::error(why)
                    .at(&node.span)
                    .expected("a word before the colon")
                    .hint("values that begin with { or [ need quotes, as in \"{{ x }}\""),
            );
            String::new()
        }
    };
    Key {
        text,
        span: node.span,
    }
}

/// The text begins with `[1:4]`.
fn has_range(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|t| t.split(']').next());
    inner.and_then(|i| i.split_once(':')).is_some_and(|(a, b)| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
        digits(a) && digits(b)
    })
}

#[cfg(test)]
mod tests;
