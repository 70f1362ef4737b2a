//! Text as a double-quoted scalar.

use std::fmt::Write as _;

/// Writes `text` as a double-quoted scalar that every YAML and JSON reader takes back to the same
/// characters: what is not printable, or ends a line for some readers (U+0085, U+2028), becomes an
/// escape. `dollars` doubles each `$`, for files in which `docker compose` replaces `$name`.
#[must_use]
pub fn quote(text: &str, dollars: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '$' if dollars => out.push_str("$$"),
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fdd0}'..='\u{fdef}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c)); // into a String: cannot fail
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
