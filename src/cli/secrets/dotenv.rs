//! Reads one key of a dotenv file: `KEY=value` lines, as shells and compose know them.
//!
//! Messages name lines, never what stands in them.

/// The value of a key.
///
/// # Errors
/// In words that go behind the file's name: a line that is none, the key absent or there twice.
pub(super) fn get(text: &str, key: &str) -> Result<String, String> {
    let mut found = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("has no `=` in line {number}"));
        };
        if name.trim() != key {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(format!("has {key} twice, in lines {first} and {number}"));
        }
        let value = unquoted(value.trim())
            .ok_or_else(|| format!("has a quote without an end in line {number}"))?;
        found = Some((number, value));
    }
    found
        .map(|(_, value)| value)
        .ok_or_else(|| format!("has no key {key}"))
}

/// Without quotes: up to a comment. In single quotes: as it is. In double quotes: `\n`, `\t`, `\"`
/// and `\\` mean what they do in shells' `$'…'`. Nothing is replaced by variables.
fn unquoted(value: &str) -> Option<String> {
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split_once('\'').map(|(inner, _)| inner.to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = value.find(" #").unwrap_or(value.len());
        return Some(value[..end].trim_end().to_owned());
    };
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(out),
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                c @ ('"' | '\\' | '$') => out.push(c),
                c => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a comment\n\nPLAIN= a b # no more\nexport SINGLE='it is $HOME \\n'\nDOUBLE=\"one\\ntwo \\\"x\\\" \\\\ \\q\" # end\nEMPTY=\nHASH=a#b\nEQ=a=b\n";

    #[test]
    fn values_are_read_as_they_are_quoted() {
        let get = |key| get(FILE, key).unwrap();
        assert_eq!(get("PLAIN"), "a b");
        assert_eq!(get("SINGLE"), "it is $HOME \\n");
        assert_eq!(get("DOUBLE"), "one\ntwo \"x\" \\ \\q");
        assert_eq!(get("EMPTY"), "");
        assert_eq!(get("HASH"), "a#b");
        assert_eq!(get("EQ"), "a=b");
    }

    #[test]
    fn mistakes_are_named_by_line_and_show_no_value() {
        let why = |text: &str| get(text, "A").unwrap_err();
        assert_eq!(why("B=canary\n"), "has no key A");
        assert_eq!(why("A=canary\nA=canary\n"), "has A twice, in lines 1 and 2");
        assert_eq!(why("\ncanary\n"), "has no `=` in line 2");
        assert_eq!(why("A='canary\n"), "has a quote without an end in line 1");
    }
}
