//! Settings of a driver as they stand in the inventory: words, paths, numbers, each checked.

use serde_json::{Map, Value};

use crate::text::nearest;

/// Reads a map of settings key by key with `set`; what is wrong, message and key.
pub fn read(
    server: &str,
    value: &Value,
    mut set: impl FnMut(&str, &Value) -> Result<(), String>,
) -> Vec<(String, String)> {
    let empty = Map::new();
    let mut wrong = Vec::new();
    let map = match value {
        Value::Null => &empty,
        Value::Object(map) => map,
        _ => {
            wrong.push((format!("settings of {server} are a map"), String::new()));
            &empty
        }
    };
    for (key, value) in map {
        if let Err(why) = set(key, value) {
            wrong.push((why, key.clone()));
        }
    }
    wrong
}

/// What to say of a key that the server does not have.
#[must_use]
pub fn unknown(server: &str, key: &str, known: &[&str]) -> String {
    let near = nearest(key, known.iter().copied())
        .map(|k| format!("; did you mean `{k}`?"))
        .unwrap_or_default();
    format!("{server} has no setting `{key}`{near}")
}

/// A word.
///
/// # Errors
/// That it is none.
pub fn text(key: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(s) if !s.is_empty() => Ok(s.clone()),
        Value::Number(n) => Ok(n.to_string()),
        _ => Err(format!("`{key}` is a word")),
    }
}

/// Characters that mean nothing to a server, a shell pattern or a person.
#[must_use]
pub fn path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-')
}

/// An absolute path.
///
/// # Errors
/// That it is none.
pub fn path(key: &str, value: &Value) -> Result<String, String> {
    let word = text(key, value)?;
    let word = word.trim_end_matches('/');
    let good = word.starts_with('/')
        && word.chars().all(path_char)
        && !word.split('/').any(|part| part == "..");
    if good {
        Ok(word.to_owned())
    } else {
        Err(format!(
            "`{key}` is an absolute path of letters, digits, `.`, `_`, `-`"
        ))
    }
}

/// A program's name or path.
///
/// # Errors
/// That it is none.
pub fn program(key: &str, value: &Value) -> Result<String, String> {
    let word = text(key, value)?;
    if !word.chars().all(path_char) || word.starts_with('-') {
        return Err(format!("`{key}` is a program's name or path"));
    }
    Ok(word)
}

/// Who writes the server: `true` where it is the operator's own.
///
/// # Errors
/// That it is neither word.
pub fn own(value: &Value) -> Result<bool, String> {
    match text("server", value)?.as_str() {
        "own" => Ok(true),
        "rendered" => Ok(false),
        other => Err(format!("`server` is `rendered` or `own`, not `{other}`")),
    }
}

/// One word or several, each of characters that are `good`.
///
/// # Errors
/// Which is none.
pub fn words(key: &str, value: &Value, good: impl Fn(char) -> bool) -> Result<Vec<String>, String> {
    let all = match value {
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| text(key, item))
            .collect::<Result<Vec<_>, _>>()?,
        one => vec![text(key, one)?],
    };
    match all.iter().find(|word| !word.chars().all(&good)) {
        Some(word) => Err(format!("`{key}` cannot be written as `{word}`")),
        None => Ok(all),
    }
}

/// Path and query of a request.
///
/// # Errors
/// That it is none.
pub fn request(key: &str, value: &Value) -> Result<String, String> {
    let good = |c| path_char(c) || matches!(c, '?' | '=' | '&');
    match value {
        Value::String(word) if word.starts_with('/') && word.chars().all(good) => Ok(word.clone()),
        _ => Err(format!("`{key}` is a path such as `/healthz`")),
    }
}
