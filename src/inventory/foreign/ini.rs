//! Ansible's INI: sections of hosts, `[x:children]`, `[x:vars]`; a line that makes no sense is a
//! finding with its place.
//!
//! Values are read as YAML reads plain words (`8080` a number, `true` a boolean), quoted ones are
//! text. Lists and mappings in Python's form stay text.

use std::sync::Arc;

use super::{Foreign, entry, put};
use crate::text::yaml::{Entry, Key, Scalar, Value};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

/// What the lines below a header are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hosts,
    Children,
    Vars,
    /// Below a header that was not understood.
    Lost,
}

/// Reads the whole file.
pub(super) fn read(file: &Arc<SourceFile>, findings: &mut Findings) -> Foreign {
    let mut all = Foreign::default();
    let (mut group, mut kind) = ("ungrouped".to_owned(), Kind::Hosts);
    for (number, line) in file.text.lines().enumerate() {
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let at = Line {
            file,
            number: number + 1,
            text: line,
        };
        if let Some(header) = text.strip_prefix('[').filter(|_| kind_of(text).is_some()) {
            let name = header.split([']', ':']).next().unwrap_or_default();
            (group, kind) = (name.to_owned(), kind_of(text).unwrap_or(Kind::Lost));
            let known = all.groups.entry(group.clone()).or_default();
            known.span.get_or_insert_with(|| at.span(name));
            continue;
        }
        if text.starts_with('[') {
            findings.push(
                Diagnostic::error("this header is not understood")
                    .at(&at.whole())
                    .expected("[group], [group:children] or [group:vars]"),
            );
            kind = Kind::Lost;
            continue;
        }
        match kind {
            Kind::Hosts => host(&mut all, &group, &at, findings),
            Kind::Children => child(&mut all, &group, &at),
            Kind::Vars => variable(&mut all, &group, &at, findings),
            Kind::Lost => {}
        }
    }
    // A group that is only named as a child is a group.
    let named: Vec<Key> = all
        .groups
        .values()
        .flat_map(|g| g.children.clone())
        .collect();
    for key in named {
        let known = all.groups.entry(key.text).or_default();
        known.span.get_or_insert(key.span);
    }
    all
}

/// The kind of a header's section; `None` where it is none.
fn kind_of(text: &str) -> Option<Kind> {
    let (inside, after) = text.strip_prefix('[')?.split_once(']')?;
    let after = after.trim_start();
    if !(after.is_empty() || after.starts_with(['#', ';'])) {
        return None;
    }
    match inside.split_once(':') {
        None if !inside.trim().is_empty() => Some(Kind::Hosts),
        Some((name, "children")) if !name.is_empty() => Some(Kind::Children),
        Some((name, "vars")) if !name.is_empty() => Some(Kind::Vars),
        _ => None,
    }
}

/// A line and where it stands.
struct Line<'a> {
    file: &'a Arc<SourceFile>,
    number: usize,
    text: &'a str,
}

impl Line<'_> {
    fn whole(&self) -> Span {
        Span::whole_line(self.file, self.number)
    }

    /// The first place of a word in the line.
    fn span(&self, word: &str) -> Span {
        self.at(self.text.find(word).unwrap_or(0), word)
    }

    fn at(&self, byte: usize, word: &str) -> Span {
        let column = self.text[..byte].chars().count() + 1;
        Span::new(self.file, self.number, column, word.chars().count().max(1))
    }

    /// Words as a shell would split them, each with its place and whether it had quotes; `#` begins
    /// a comment.
    fn words(&self) -> Result<Vec<(String, bool, usize)>, usize> {
        let mut out: Vec<(String, bool, usize)> = Vec::new();
        let (mut word, mut quote) = (None::<(String, bool, usize)>, None::<(char, usize)>);
        let mut chars = self.text.char_indices();
        while let Some((i, c)) = chars.next() {
            match quote {
                Some((q, _)) if c == q => quote = None,
                Some(_) => push(&mut word, i, c),
                None if c.is_whitespace() => out.extend(word.take()),
                None if c == '#' && word.is_none() => break,
                None if matches!(c, '"' | '\'') => {
                    word.get_or_insert_with(|| (String::new(), false, i)).1 = true;
                    quote = Some((c, i));
                }
                None if c == '\\' => {
                    if let Some((_, next)) = chars.next() {
                        push(&mut word, i, next);
                    }
                }
                None => push(&mut word, i, c),
            }
        }
        match quote {
            Some((_, at)) => Err(at),
            None => {
                out.extend(word);
                Ok(out)
            }
        }
    }
}

fn push(word: &mut Option<(String, bool, usize)>, at: usize, c: char) {
    word.get_or_insert_with(|| (String::new(), false, at))
        .0
        .push(c);
}

fn value(key: &str, text: &str, quoted: bool, span: &Span) -> Entry {
    entry(
        key,
        span,
        Value::Scalar(Scalar {
            text: text.to_owned(),
            plain: !quoted,
        }),
    )
}

/// `web[01:04]:2222 ansible_host=10.0.0.1 motd="a b"`.
fn host(all: &mut Foreign, group: &str, line: &Line<'_>, findings: &mut Findings) {
    let words = match line.words() {
        Ok(words) => words,
        Err(at) => {
            findings.push(
                Diagnostic::error("a quote is not closed").at(&line.at(at, &line.text[at..])),
            );
            return;
        }
    };
    let mut words = words.into_iter();
    let Some((name, _, at)) = words.next() else {
        return;
    };
    let mut vars = Vec::new();
    let after_range = name.rfind(']').map_or(0, |i| i + 1);
    let (name, port) = match name[after_range..].split_once(':') {
        Some((_, port)) => (&name[..name.len() - port.len() - 1], Some(port)),
        None => (name.as_str(), None),
    };
    let span = line.at(at, name);
    vars.extend(port.map(|p| value("ansible_port", p, false, &span)));
    for (word, quoted, at) in words {
        let span = line.at(at, &word);
        match word.split_once('=') {
            Some((key, text)) if !key.is_empty() => vars.push(value(key, text, quoted, &span)),
            _ => findings.push(
                Diagnostic::error(format!("`{word}` after a host is no variable"))
                    .at(&span)
                    .expected("NAME=VALUE, with quotes where it has blanks in it"),
            ),
        }
    }
    let key = Key {
        text: name.to_owned(),
        span,
    };
    all.host(&key, &vars);
    all.groups
        .entry(group.to_owned())
        .or_default()
        .hosts
        .push(key);
}

fn child(all: &mut Foreign, group: &str, line: &Line<'_>) {
    let text = line.text.split('#').next().unwrap_or_default().trim();
    let key = Key {
        text: text.to_owned(),
        span: line.span(text),
    };
    all.groups
        .entry(group.to_owned())
        .or_default()
        .children
        .push(key);
}

/// `name=value`: all that stands after the sign, quotes around the whole taken away.
fn variable(all: &mut Foreign, group: &str, line: &Line<'_>, findings: &mut Findings) {
    let Some((key, text)) = line.text.split_once('=') else {
        findings.push(
            Diagnostic::error("this line is no variable")
                .at(&line.whole())
                .expected("NAME=VALUE"),
        );
        return;
    };
    let (key, text) = (key.trim(), text.trim());
    let inner = ['"', '\''].iter().find_map(|q| {
        let inner = text.strip_prefix(*q)?.strip_suffix(*q)?;
        (!inner.contains(*q)).then_some(inner)
    });
    let one = value(key, inner.unwrap_or(text), inner.is_some(), &line.span(key));
    put(
        &mut all.groups.entry(group.to_owned()).or_default().vars,
        &[one],
    );
}
