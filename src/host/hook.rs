//! A program of the operator's on a host, with data on its standard input.

use std::time::Duration;

use super::script::{Reply, Script};

const TEXT: &str = include_str!("hook.sh");
/// What travelling may take beside the program itself.
const ROUND: Duration = Duration::from_secs(10);

/// Runs `words`; they go to the host as they are, no shell reads them; no newline may be in them.
/// The program is ended after `within`, in whole seconds, at least one.
#[must_use]
pub fn script(words: &[String], data: Vec<u8>, within: Duration) -> Script {
    let seconds = within.as_secs().max(1);
    let mut script = Script::new("hook", TEXT)
        .args([data.len().to_string(), seconds.to_string()])
        .args(words.iter().cloned())
        .limit(Duration::from_secs(seconds) + ROUND);
    script.data = data;
    script
}

/// Its exit status, where it came, and the last line that it wrote.
#[must_use]
pub fn end(reply: &Reply) -> (Option<i32>, Option<&str>) {
    let status = reply.word("rc").and_then(|rc| rc.parse().ok());
    let said = reply.lines.iter().rev().find_map(|l| l.strip_prefix("o "));
    (status, said)
}
