//! Did every printed value become exactly one node of the YAML?
//!
//! A value that is glued to text (`nginx:{{ v }}`), put in quotes (`"{{ v }}"`) or printed into a
//! block of text is quoted YAML inside something else: silently wrong. The check reads the finished
//! text, so it holds for macros, includes and loops alike; the template is only searched for the
//! place to show.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::print::Output;
use crate::text::yaml::{PlaceKind, places};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

/// Findings for values that did not become a node of their own. `who` names the finished file;
/// `sources` are the templates it may come from, the main one first.
pub(super) fn check(output: &Output, who: &str, sources: &[Arc<SourceFile>]) -> Findings {
    let mut found = Findings::default();
    if output.values.is_empty() {
        return found;
    }
    let text: Vec<char> = output.text.chars().collect();
    let nodes = Nodes::read(&output.text);
    for value in &output.values {
        let lost = match &nodes {
            Some(nodes) => nodes.lost(value.start, value.end),
            None => glued(&text, value.start, value.end),
        };
        if lost {
            let around = Around::of(&text, value.start, value.end);
            found.push(finding(&around, who, &output.text, value.start, sources));
        }
    }
    found
}

/// Where scalars and collections lie, in characters.
struct Nodes {
    /// Quoted, or plain on one line: start → end.
    scalars: HashMap<usize, usize>,
    /// Starts of flow sequences and mappings.
    flows: HashSet<usize>,
    /// All scalars, sorted.
    ranges: Vec<(usize, usize)>,
}

impl Nodes {
    /// `None` where the text is no YAML; whoever reads it will say so.
    fn read(text: &str) -> Option<Self> {
        let mut nodes = Self {
            scalars: HashMap::new(),
            flows: HashSet::new(),
            ranges: Vec::new(),
        };
        for place in places(text)? {
            match place.kind {
                PlaceKind::Collection => {
                    nodes.flows.insert(place.start);
                    continue;
                }
                PlaceKind::Plain | PlaceKind::Quoted => {
                    nodes.scalars.insert(place.start, place.end);
                }
                PlaceKind::Other => {}
            }
            nodes.ranges.push((place.start, place.end));
        }
        nodes.ranges.sort_unstable();
        Some(nodes)
    }

    /// True where the value is neither a node nor in a comment.
    fn lost(&self, start: usize, end: usize) -> bool {
        if self.scalars.get(&start) == Some(&end) || self.flows.contains(&start) {
            return false;
        }
        let next = self.ranges.partition_point(|(from, _)| *from <= start);
        let inside = next.checked_sub(1).map(|i| self.ranges[i]);
        inside.is_some_and(|(_, to)| to > start)
    }
}

/// Without YAML to ask: do the neighbours allow a value to stand alone?
fn glued(text: &[char], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).map(|i| text[i]);
    let after = text.get(end).copied();
    let free_before = before.is_none_or(|c| c.is_whitespace() || "[{,".contains(c));
    let free_after = after.is_none_or(|c| c.is_whitespace() || "]},:".contains(c));
    !(free_before && free_after)
}

/// The text on the value's line before and after it.
struct Around {
    before: String,
    after: String,
}

impl Around {
    fn of(text: &[char], start: usize, end: usize) -> Self {
        let from = text[..start].iter().rposition(|c| *c == '\n');
        let to = text[end..].iter().position(|c| *c == '\n');
        let to = to.map_or(text.len(), |n| end + n);
        Self {
            before: text[from.map_or(0, |n| n + 1)..start].iter().collect(),
            after: text[end..to].iter().collect(),
        }
    }
}

fn finding(
    around: &Around,
    who: &str,
    output: &str,
    at: usize,
    sources: &[Arc<SourceFile>],
) -> Diagnostic {
    let wrong = "the value is put into quotes by itself, and then stands inside other text";
    if let Some(place) = best(around, sources) {
        let Print { file, start, end } = &place;
        let span = Span::bytes(file, *start..*end);
        let word = word(&file.text, *start, *end);
        return Diagnostic::error(format!("`{}` gives wrong YAML: {wrong}", word.shown))
            .at(&span)
            .hint(word.advice);
    }
    let file = SourceFile::new(who, output);
    let byte = output
        .char_indices()
        .nth(at)
        .map_or(output.len(), |(b, _)| b);
    Diagnostic::error(format!("a printed value gives wrong YAML: {wrong}"))
        .at(&Span::bytes(&file, byte..byte + 1))
        .hint("print a whole value with one `{{ … }}`; join texts with `~` inside it")
}

/// One `{{ … }}` of a template, in bytes.
struct Print {
    file: Arc<SourceFile>,
    start: usize,
    end: usize,
}

fn prints(file: &Arc<SourceFile>) -> impl Iterator<Item = Print> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + file.text[from..].find("{{")?;
        let end = start + file.text[start..].find("}}")? + 2;
        from = end;
        Some(Print {
            file: Arc::clone(file),
            start,
            end,
        })
    })
}

/// The `{{ … }}` whose neighbours are most like the value's; none where no neighbour fits.
fn best(around: &Around, sources: &[Arc<SourceFile>]) -> Option<Print> {
    let mut best: Option<(usize, Print)> = None;
    for place in sources.iter().flat_map(prints) {
        let text = &place.file.text;
        let line = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
        let rest = text[place.end..].find('\n');
        let rest = rest.map_or(text.len(), |n| place.end + n);
        let before = text[line..place.start].chars().rev();
        let after = text[place.end..rest].chars();
        let score = same(before, around.before.chars().rev()) + same(after, around.after.chars());
        let touching = glued(
            &text.chars().collect::<Vec<_>>(),
            chars(text, place.start),
            chars(text, place.end),
        );
        let score = score * 2 + usize::from(touching);
        if score > 0 && best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, place));
        }
    }
    best.map(|(_, place)| place)
}

fn chars(text: &str, byte: usize) -> usize {
    text[..byte].chars().count()
}

fn same(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).count()
}

struct Word {
    shown: String,
    advice: String,
}

/// The word of the template that holds the print, and how to write it right.
fn word(text: &str, start: usize, end: usize) -> Word {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest = text[end..].find('\n').map_or(text.len(), |n| end + n);
    let parts = split(&text[line..rest]);
    let (at, offset) = (start - line, |p: &Part| p.start);
    let here = parts.iter().position(|p| p.code && offset(p) == at);
    let Some(here) = here else {
        let shown = text[start..end].to_owned();
        let advice = "print a whole value with one `{{ … }}`".to_owned();
        return Word { shown, advice };
    };
    let first = parts[..here]
        .iter()
        .rposition(|p| p.blank)
        .map_or(0, |i| i + 1);
    let last = parts[here..].iter().position(|p| p.blank);
    let last = last.map_or(parts.len(), |n| here + n);
    let word = &parts[first..last];
    let shown: String = word.iter().map(|p| p.text).collect();
    let shown = shown.trim_end_matches(',').to_owned();
    let advice = match joined(&shown) {
        Some(joined) if joined != shown => format!("write {joined}"),
        _ => "inside a block of text a value cannot stand alone: build the whole text in one `{{ … }}`, or pass the value in `environment:`".to_owned(),
    };
    Word { shown, advice }
}

struct Part<'a> {
    start: usize,
    text: &'a str,
    code: bool,
    blank: bool,
}

/// `{{ … }}`, runs of blanks (statements and comments count as such), and other text.
fn split(line: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let code = rest.starts_with("{{");
        let statement = rest.starts_with("{%") || rest.starts_with("{#");
        let blank = statement || rest.starts_with(char::is_whitespace);
        let len = if code {
            rest.find("}}").map_or(rest.len(), |n| n + 2)
        } else if statement {
            let end = rest.find("%}").or_else(|| rest.find("#}"));
            end.map_or(rest.len(), |n| n + 2)
        } else if blank {
            rest.find(|c: char| !c.is_whitespace())
                .unwrap_or(rest.len())
        } else {
            let stop = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let code = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open));
            code.min().unwrap_or(rest.len()).min(stop)
        };
        let text = &rest[..len];
        parts.push(Part {
            start: at,
            text,
            code,
            blank,
        });
        at += len;
    }
    parts
}

/// `"nginx:{{ a }}-{{ b }}"` → `{{ 'nginx:' ~ a ~ '-' ~ b }}`
fn joined(word: &str) -> Option<String> {
    let bare = ['"', '\'']
        .iter()
        .find_map(|q| word.strip_prefix(*q)?.strip_suffix(*q));
    let pieces: Vec<String> = split(bare.unwrap_or(word))
        .iter()
        .map(|part| {
            let code = part
                .text
                .strip_prefix("{{")
                .and_then(|t| t.strip_suffix("}}"));
            match code.filter(|_| part.code) {
                Some(code) => code.trim_matches(['-', '+', ' ']).to_owned(),
                None => format!("'{}'", part.text.replace('\'', "\\'")),
            }
        })
        .collect();
    (!pieces.is_empty()).then(|| format!("{{{{ {} }}}}", pieces.join(" ~ ")))
}
