//! How a value is written into a file: quoted as one scalar, and marked until its place is checked.
//!
//! While a template runs, each printed value stands between [`OPEN`] and [`CLOSE`], two
//! noncharacters that no input may hold. [`unmark`] takes them out again and says where the values
//! are, so that [`super::place`] can check that each became exactly one YAML node.

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::value::{Object, Value};
use minijinja::{Environment, Error, ErrorKind};

use super::Mode;
use crate::text::yaml::quote;

/// Stands before a printed value.
pub(super) const OPEN: char = '\u{fdd0}';
/// Stands after a printed value.
pub(super) const CLOSE: char = '\u{fdd1}';

/// A value as JSON text: what `|tojson` gives. Printed, it is the value; joined with `~`, the text.
#[derive(Debug)]
struct JsonText(serde_json::Value);

impl Object for JsonText {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }
    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Sets how an environment prints.
pub(super) fn install(env: &mut Environment<'_>, mode: Mode) {
    if mode == Mode::Plain {
        env.set_formatter(|out, _, value| {
            out.write_str(&plain(value)?)?;
            Ok(())
        });
        return;
    }
    env.set_formatter(move |out, _, value| {
        out.write_str(&quoted(value, mode == Mode::Compose)?)?;
        Ok(())
    });
    for name in ["tojson", "escape", "e"] {
        env.add_filter(name, json_text);
    }
}

fn json_text(value: &Value) -> Result<Value, Error> {
    Ok(Value::from_object(JsonText(json(value)?)))
}

fn json(value: &Value) -> Result<serde_json::Value, Error> {
    if let Some(text) = value.downcast_object_ref::<JsonText>() {
        return Ok(text.0.clone());
    }
    serde_json::to_value(value).map_err(|e| {
        let what = format!("a value of type {} cannot be printed", value.kind());
        Error::new(ErrorKind::BadSerialization, what).with_source(e)
    })
}

fn plain(value: &Value) -> Result<String, Error> {
    if value.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the value is null; give it one, or write `|default('', true)`",
        ));
    }
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    Ok(json(value)?.to_string())
}

fn quoted(value: &Value, dollars: bool) -> Result<String, Error> {
    if let Some(text) = value.as_str().filter(|_| value.is_safe()) {
        return Ok(text.to_owned());
    }
    let json = json(value)?;
    let mut out = String::new();
    let marked = !matches!(
        json,
        serde_json::Value::Bool(_) | serde_json::Value::Number(_)
    );
    if marked {
        out.push(OPEN);
    }
    write(&json, dollars, &mut out)?;
    if marked {
        out.push(CLOSE);
    }
    Ok(out)
}

fn write(value: &serde_json::Value, dollars: bool, out: &mut String) -> Result<(), Error> {
    match value {
        serde_json::Value::String(text) => string(text, dollars, out),
        serde_json::Value::Array(items) => list('[', items.iter(), ']', out, |item, out| {
            write(item, dollars, out)
        }),
        serde_json::Value::Object(map) => list('{', map.iter(), '}', out, |(key, item), out| {
            string(key, dollars, out)?;
            out.push_str(": ");
            write(item, dollars, out)
        }),
        other => {
            let _ = write!(out, "{other}"); // into a String: cannot fail
            Ok(())
        }
    }
}

fn list<T>(
    open: char,
    items: impl Iterator<Item = T>,
    close: char,
    out: &mut String,
    mut each: impl FnMut(T, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    out.push(open);
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        each(item, out)?;
    }
    out.push(close);
    Ok(())
}

fn string(text: &str, dollars: bool, out: &mut String) -> Result<(), Error> {
    if text.contains([OPEN, CLOSE]) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "text that is quoted already is quoted again",
        ));
    }
    out.push_str(&quote(text, dollars));
    Ok(())
}

/// A printed value in the finished text: characters `start..end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Finished text with the places of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    pub(super) text: String,
    pub(super) values: Vec<Printed>,
}

/// Takes the marks out.
pub(super) fn unmark(marked: &str) -> Output {
    let mut text = String::with_capacity(marked.len());
    let (mut values, mut open, mut at) = (Vec::new(), Vec::new(), 0);
    for c in marked.chars() {
        match c {
            OPEN => open.push(at),
            CLOSE => values.extend(open.pop().map(|start| Printed { start, end: at })),
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
    Output { text, values }
}
