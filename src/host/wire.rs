//! How a script travels: one fixed command line, everything else on its input, in one write.
//!
//! The bytes on the input are a header line, one line per parameter, the script (prologue first)
//! by length, the data by length. The far end (`boot.sh`) runs nothing before the whole script has
//! arrived: a cut connection never runs the first half of something. What the script may use is in
//! `prologue.sh`. To change the form: raise the number in [`FORM`].

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use super::script::Script;

/// First word of the header; its number is the version of the form.
const FORM: &str = "deploy2";
const BOOT: &str = include_str!("boot.sh");
const LANE: &str = include_str!("lane.sh");
const PROLOGUE: &str = include_str!("prologue.sh");

/// The bootstrap as one line without quotes, comments or line breaks.
pub(crate) fn boot() -> &'static str {
    static LINE: OnceLock<String> = OnceLock::new();
    LINE.get_or_init(|| one_line(BOOT))
}

/// The text of a lane, in the same form; its parameters are the words of a shell that reads a
/// bootstrap.
pub(crate) fn lane() -> &'static str {
    static LINE: OnceLock<String> = OnceLock::new();
    LINE.get_or_init(|| one_line(LANE))
}

fn one_line(text: &str) -> String {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.collect::<Vec<_>>().join(" ")
}

/// The command line for a remote login shell; `root` puts `sudo -n` around all that it runs, `kept`
/// makes it a lane.
pub(crate) fn command_line(root: bool, kept: bool) -> String {
    let sudo = if root { "sudo -n " } else { "" };
    if kept {
        return format!("exec {sudo}sh -c '{}' sh sh -c '{}'", lane(), boot());
    }
    format!("exec {sudo}sh -c '{}'", boot())
}

/// The bytes of a call as a lane reads them.
pub(crate) fn in_lane(nonce: &str, message: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{nonce}\n").into_bytes();
    bytes.extend_from_slice(message);
    bytes.extend_from_slice(format!("\ngap {nonce}\n").as_bytes());
    bytes
}

/// A word that no output can guess: 64 random bits in hex.
pub(crate) fn nonce() -> String {
    // The keys of a `RandomState` come from the operating system's random numbers.
    let state = std::collections::hash_map::RandomState::new();
    format!("{:016x}", state.build_hasher().finish())
}

/// All bytes for the script's input.
///
/// # Errors
/// A sentence that says what cannot be sent: a parameter with a line break or NUL in it, a script
/// with NUL or anything but ASCII in it.
pub(crate) fn message(script: &Script, nonce: &str) -> Result<Vec<u8>, String> {
    for (i, arg) in script.args.iter().enumerate() {
        if let Some(bad) = arg.chars().find(|c| matches!(c, '\n' | '\0')) {
            return Err(format!("parameter {} contains {bad:?}", i + 1));
        }
    }
    let text = bare(&[PROLOGUE, &script.text]);
    // The far end counts characters, in whatever its shell takes for one.
    if let Some(bad) = text.chars().find(|c| *c == '\0' || !c.is_ascii()) {
        return Err(format!("its text contains {bad:?}"));
    }
    let mut head = String::new();
    let _ = writeln!(
        head,
        "{FORM} {nonce} {} {} {}",
        script.args.len(),
        text.len(),
        if script.tied { "tied" } else { "free" },
    );
    for arg in &script.args {
        head.push_str(arg);
        head.push('\n');
    }
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&script.data);
    Ok(bytes)
}

/// The pieces without lines that are only a comment, which are a third of them: no need for those on
/// the way or for a shell to read. (So no line of a text within may begin with `#`.)
fn bare(pieces: &[&str]) -> String {
    let mut text = String::with_capacity(pieces.iter().map(|p| p.len() + 1).sum());
    let lines = pieces.iter().flat_map(|piece| piece.lines());
    for line in lines.filter(|l| !l.trim_start().starts_with('#')) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bootstrap_and_lane_pass_through_any_login_shell() {
        for bad in ['\'', '!', '\\', '\n', '\t', '#', '\r'] {
            // `$#` and `${#…}` are the harmless uses of `#`: they do not begin a word.
            for line in [boot(), lane()] {
                let line = line.replace("$#", "").replace("${#wire_text}", "");
                assert!(!line.contains(bad), "{bad:?} in {line}");
            }
        }
        assert!(boot().is_ascii() && lane().is_ascii());
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_place() {
        let script = Script::new("t", ":").args(["a", "b\nc"]);
        assert_eq!(
            message(&script, "n").unwrap_err(),
            "parameter 2 contains '\\n'"
        );
        let script = Script::new("t", "echo \u{2026}");
        assert_eq!(
            message(&script, "n").unwrap_err(),
            "its text contains '\u{2026}'"
        );
        let script = Script::new("t", ":").args(["a\0"]);
        assert_eq!(
            message(&script, "n").unwrap_err(),
            "parameter 1 contains '\\0'"
        );
    }

    #[test]
    fn comments_stay_here() {
        let text = bare(&["# a\necho 1 # b\n\t# c\n", "echo ${#x}\n#d"]);
        assert_eq!(text, "echo 1 # b\necho ${#x}\n");
    }

    #[test]
    fn nonces_differ() {
        let all: std::collections::HashSet<String> = (0..1000).map(|_| nonce()).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|n| n.len() == 16));
    }
}
