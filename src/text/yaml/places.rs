//! Where scalars and collections lie in a YAML text, without building values.

use saphyr_parser::{Event, Parser, ScalarStyle};

/// What lies at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A scalar without quotes.
    Plain,
    /// A scalar in double quotes.
    Quoted,
    /// A scalar in single quotes, or a block of text.
    Other,
    /// The beginning of a list or a mapping; its end is not told.
    Collection,
}

/// A node: characters `start..end` of the text, without tag and anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What it is.
    pub kind: Kind,
    /// First character.
    pub start: usize,
    /// One past the last character.
    pub end: usize,
}

/// All nodes of a text, aliases left out; `None` where it is no YAML.
#[must_use]
pub fn places(text: &str) -> Option<Vec<Place>> {
    let chars: Vec<char> = text.chars().collect();
    let mut places = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let kind = match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) => Kind::Plain,
            Event::Scalar(_, ScalarStyle::DoubleQuoted, ..) => Kind::Quoted,
            Event::Scalar(..) => Kind::Other,
            Event::SequenceStart(..) | Event::MappingStart(..) => Kind::Collection,
            _ => continue,
        };
        let mut end = span.end.index();
        // Before the end of a flow collection the parser counts the blanks after a scalar to it.
        while matches!(kind, Kind::Plain | Kind::Quoted)
            && end > span.start.index()
            && chars.get(end - 1).is_some_and(|c| c.is_whitespace())
        {
            end -= 1;
        }
        let start = bare(&chars, span.start.index()).min(end.max(span.start.index()));
        places.push(Place { kind, start, end });
    }
    Some(places)
}

/// Skips tags and anchors, which may stand before a node.
fn bare(text: &[char], mut at: usize) -> usize {
    while matches!(text.get(at), Some('!' | '&')) {
        let rest = &text[at..];
        at += rest
            .iter()
            .position(|c| c.is_whitespace())
            .unwrap_or(rest.len());
        let rest = &text[at..];
        at += rest
            .iter()
            .position(|c| !c.is_whitespace())
            .unwrap_or(rest.len());
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_lies_where_its_characters_are() {
        let text = "é: !t &a \"x\\\"y\"\nb: [null, z]\nc: |\n  q\n";
        let chars: Vec<char> = text.chars().collect();
        let shown: Vec<(Kind, String)> = places(text)
            .unwrap()
            .iter()
            .filter(|p| p.kind != Kind::Collection)
            .map(|p| (p.kind, chars[p.start..p.end].iter().collect()))
            .collect();
        let expected = [
            (Kind::Plain, "é"),
            (Kind::Quoted, "\"x\\\"y\""),
            (Kind::Plain, "b"),
            (Kind::Plain, "null"),
            (Kind::Plain, "z"),
            (Kind::Plain, "c"),
        ];
        assert_eq!(&shown[..6], expected.map(|(k, t)| (k, t.to_owned())));
        assert_eq!(shown[6].0, Kind::Other);
        assert!(shown[6].1.contains('q'));
        assert_eq!(places("a: b: c"), None);
        let flow = "a: { b: \"c\" , d: \"e\" }\n";
        let quoted: Vec<&str> = places(flow)
            .unwrap()
            .iter()
            .filter(|p| p.kind == Kind::Quoted)
            .map(|p| &flow[p.start..p.end])
            .collect();
        assert_eq!(quoted, ["\"c\"", "\"e\""]);
    }
}
