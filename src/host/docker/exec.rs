//! A command in a running container: its output line by line, or with a person's terminal.

use std::time::Duration;

use crate::host::script::{Reply, Script};

const TEXT: &str = include_str!("sh/exec.sh");

/// A command ends with its connection; this is only an end for one that everybody forgot.
pub(super) const LIMIT: Duration = Duration::from_secs(24 * 3600);

/// Runs a command in a container, without input. `words` are the command and its arguments: they
/// go to it as they are, no shell reads them; no newline may be in them.
#[must_use]
pub fn script(container: &str, words: &[String]) -> Script {
    let body = super::body("exec", TEXT);
    let mut script = Script::new(body.name, body.text)
        .args([container.to_owned()])
        .args(words.iter().cloned())
        .limit(LIMIT);
    script.tied = true;
    script
}

/// What the command wrote, where the line is one of its own.
#[must_use]
pub fn line(line: &str) -> Option<&str> {
    if line == "o" {
        return Some("");
    }
    line.strip_prefix("o ")
}

/// The command's exit status; nothing where it did not come.
#[must_use]
pub fn status(reply: &Reply) -> Option<i32> {
    reply.word("rc")?.parse().ok()
}

/// The same with a terminal: the words of the docker command.
#[must_use]
pub fn on_terminal(container: &str, words: &[String]) -> Vec<String> {
    let docker = ["docker", "exec", "--interactive", "--tty", container];
    let docker = docker.into_iter().map(str::to_owned);
    docker.chain(words.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_and_only_what_is_the_commands_own_is_shown() {
        let words = ["sh", "-c", "echo $(id) ; 'x'"].map(str::to_owned);
        let script = script("0a1b", &words);
        assert_eq!(script.args, ["0a1b", "sh", "-c", "echo $(id) ; 'x'"]);
        assert!(script.tied && !script.text.contains("$(id)"));
        assert_eq!(line("o  two blanks"), Some(" two blanks"));
        assert_eq!((line("o "), line("o")), (Some(""), Some("")));
        assert_eq!(line("note of a shell"), None);
        let reply = |end: &[&str]| Reply {
            lines: vec![],
            end: end.iter().map(|w| (*w).to_owned()).collect(),
            stderr: String::new(),
            took: Duration::ZERO,
        };
        assert_eq!(status(&reply(&["ok", "rc=3"])), Some(3));
        // No status is no success.
        assert_eq!(status(&reply(&["ok"])), None);
    }
}
