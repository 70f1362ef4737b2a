//! The overriding file as text.

use docker_compose_types as dct;
use serde_yaml::Value;

use crate::text::Diagnostic;
use crate::text::yaml::quote;

const HEADER: &str = "# Added by deploy to docker-compose.yml: restart policy, limits, labels, log rotation, digests.\n";

/// A key that the types do not know: service, path in it, value.
pub(super) type Patch = (String, Vec<&'static str>, String);

/// Writes the file.
///
/// # Errors
/// The types cannot be turned into YAML, which does not happen with what is built here.
pub(super) fn write(compose: &dct::Compose, patches: &[Patch]) -> Result<String, Diagnostic> {
    let value = serde_yaml::to_value(compose);
    let mut value = value.map_err(|e| {
        Diagnostic::error(format!(
            "the overriding compose file cannot be written: {e}"
        ))
    })?;
    for (service, path, text) in patches {
        put(&mut value["services"][service.as_str()], path, text);
    }
    let mut out = HEADER.to_owned();
    emit(&value, 0, &mut out);
    Ok(out)
}

/// Sets the text at a path, and makes the mappings on the way.
fn put(at: &mut Value, path: &[&str], text: &str) {
    let Some((first, rest)) = path.split_first() else {
        *at = text.into();
        return;
    };
    if at.is_null() {
        *at = Value::Mapping(serde_yaml::Mapping::new());
    }
    if let Some(map) = at.as_mapping_mut() {
        put(
            map.entry((*first).into()).or_insert(Value::Null),
            rest,
            text,
        );
    }
}

/// Words that some reader takes for a boolean or a null.
const WORDS: [&str; 10] = [
    "", "y", "n", "yes", "no", "on", "off", "true", "false", "null",
];

/// Block style with every text in quotes: readers of YAML 1.1 and 1.2 then agree on each value
/// (`no`, `1_000`, `2026-01-01`), and `$` is doubled, since compose replaces `$name` here too.
fn emit(value: &Value, depth: usize, out: &mut String) {
    let Value::Mapping(map) = value else {
        let text = match value {
            Value::String(text) => quote(text, true),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => n.to_string(),
            _ => "null".to_owned(),
        };
        out.push_str(&format!(" {text}\n"));
        return;
    };
    if map.is_empty() {
        out.push_str(" {}\n");
        return;
    }
    if depth > 0 {
        out.push('\n');
    }
    for (key, value) in map {
        let key = key.as_str().unwrap_or_default();
        let plain =
            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !WORDS.contains(&key);
        let key = if plain {
            key.to_owned()
        } else {
            quote(key, false)
        };
        out.push_str(&format!("{}{key}:", "  ".repeat(depth)));
        emit(value, depth + 1, out);
    }
}
