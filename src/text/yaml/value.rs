//! Reading a [`Node`]: its kind, its entries, the meaning of a scalar, its JSON form.

use super::{Entry, Node, Scalar, Value};

/// What a plain scalar means in the YAML 1.2 core schema.
///
/// Words and numbers that other YAML versions read differently (`yes`, `0755`, `1:30`) are text.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Everything else, and all that is quoted.
    Text(&'a str),
}

impl Scalar {
    /// A scalar where nothing is written.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            text: String::new(),
            plain: true,
        }
    }

    /// Its meaning.
    #[must_use]
    pub fn resolve(&self) -> Resolved<'_> {
        if !self.plain {
            return Resolved::Text(&self.text);
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
            "true" | "True" | "TRUE" => Resolved::Bool(true),
            "false" | "False" | "FALSE" => Resolved::Bool(false),
            text => number(text).unwrap_or(Resolved::Text(text)),
        }
    }
}

/// A decimal number; other forms (hexadecimal, octal, infinity, a leading zero) stay text, because
/// readers disagree about them.
fn number(text: &str) -> Option<Resolved<'_>> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lead = digits.as_bytes().first()?;
    if !(lead.is_ascii_digit() || *lead == b'.') {
        return None;
    }
    if digits.len() > 1 && *lead == b'0' && digits.as_bytes()[1].is_ascii_digit() {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Resolved::Int);
    }
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if digits.bytes().all(plain) && digits.bytes().any(|b| b.is_ascii_digit()) {
        return text
            .parse::<f64>()
            .ok()
            .filter(|f| f.is_finite())
            .map(Resolved::Float);
    }
    None
}

impl Node {
    /// The scalar, where it is one.
    #[must_use]
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(s) => Some(s),
            _ => None,
        }
    }
    /// The text of a scalar as written; a null has none.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.scalar()
            .filter(|s| s.resolve() != Resolved::Null)
            .map(|s| s.text.as_str())
    }
    /// The items, where it is a list.
    #[must_use]
    pub fn seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }
    /// The entries, where it is a mapping.
    #[must_use]
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }
    /// The value of a key, where this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|e| &e.value)
    }
    /// The entry of a key, where this is a mapping that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.map()?.iter().find(|e| e.key.text == key)
    }
    /// True where nothing is written: `key:` and a line end.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.tag.is_none() && self.scalar() == Some(&Scalar::empty())
    }
    /// True for `null`, `~` and where nothing is written.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(|s| s.resolve() == Resolved::Null)
    }

    /// Values in it, itself included.
    #[must_use]
    pub fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::Seq(items) => items.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|e| e.value.size()).sum(),
        }
    }

    /// Equal in meaning, wherever it stands and however it is quoted.
    #[must_use]
    pub fn same_as(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(a), Value::Scalar(b)) => a.resolve() == b.resolve(),
            (Value::Seq(a), Value::Seq(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_as(b))
            }
            (Value::Map(a), Value::Map(b)) => {
                a.len() == b.len()
                    && a.iter().all(|e| {
                        other
                            .get(&e.key.text)
                            .is_some_and(|theirs| e.value.same_as(theirs))
                    })
            }
            _ => false,
        }
    }

    /// The value for templates and records; order of keys is kept.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Scalar(s) => match s.resolve() {
                Resolved::Null => Json::Null,
                Resolved::Bool(b) => b.into(),
                Resolved::Int(n) => n.into(),
                Resolved::Float(f) => f.into(),
                Resolved::Text(t) => t.into(),
            },
            Value::Seq(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                let pairs = entries
                    .iter()
                    .map(|e| (e.key.text.clone(), e.value.to_json()));
                Json::Object(pairs.collect())
            }
        }
    }

    /// The value in one line, for messages: `512m`, `[a, b]`, `{memory: 512m}`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.value {
            Value::Scalar(s) if s.plain && s.text.is_empty() => "null".to_owned(),
            Value::Scalar(s) => s.text.clone(),
            Value::Seq(items) => {
                let words: Vec<String> = items.iter().map(Node::in_words).collect();
                format!("[{}]", words.join(", "))
            }
            Value::Map(entries) => {
                let words: Vec<String> = entries
                    .iter()
                    .map(|e| format!("{}: {}", e.key.text, e.value.in_words()))
                    .collect();
                format!("{{{}}}", words.join(", "))
            }
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind_word(&self) -> &'static str {
        match &self.value {
            Value::Scalar(s) => match s.resolve() {
                Resolved::Null if s.text.is_empty() => "nothing",
                Resolved::Null => "null",
                Resolved::Bool(_) => "a boolean",
                Resolved::Int(_) | Resolved::Float(_) => "a number",
                Resolved::Text(_) => "a text",
            },
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
