//! What a host remembers of finished runs, and of steps begun and done.
//!
//! `history` has one JSON object a line; `journal` has `<sum> <words>` a line (see [`sum`]), where a torn line
//! fails its sum and harms nothing.

use serde::{Deserialize, Serialize};

use crate::name::{Actor, Digest, OutcomeKind, ReleaseId, RunId, SlotName};

use super::manifest::RunKind;

/// One finished run. A later line of the same run (a resumed one) replaces the earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The run.
    pub run: RunId,
    /// What kind of run it was.
    pub kind: RunKind,
    /// Number shown for the release within environment and app.
    pub revision: u64,
    /// Highest revision given so far.
    pub highest: u64,
    /// Who ran it, and from where.
    pub who: Actor,
    /// Reason given by the person (`-m`); may be empty.
    #[serde(default)]
    pub why: String,
    /// Ticket; may be empty.
    #[serde(default)]
    pub ticket: String,
    /// The release it was about, where there was one.
    pub release: Option<ReleaseId>,
    /// Version as typed, e.g. `1.0.1-22-7e56158`; may be empty.
    #[serde(default)]
    pub version: String,
    /// What the version meant.
    pub digest: Option<Digest>,
    /// Commit of the configuration; may be empty.
    #[serde(default)]
    pub config: String,
    /// Slot that serves after the run, where it is one.
    pub active: Option<SlotName>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Why it ended so; may be empty.
    #[serde(default)]
    pub reason: String,
    /// When it began, seconds since the epoch by the clock of the client.
    pub started: i64,
    /// When it ended, likewise.
    pub ended: i64,
    /// Milliseconds of each stage, in order.
    #[serde(default)]
    pub took: Vec<Took>,
    /// What else is known by a newer version of the program; kept as it is.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub more: serde_json::Value,
}

/// How long a stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// The stage, e.g. `pull`.
    pub stage: String,
    /// Milliseconds.
    pub ms: u64,
}

impl HistoryEntry {
    /// The entry as one line without its line end.
    ///
    /// # Panics
    /// Never: names, numbers and text have a JSON form.
    #[must_use]
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("plain data has a JSON form")
    }

    /// The release that served and passed its bake by this run, where one did.
    #[must_use]
    pub fn promotes(&self) -> Option<&ReleaseId> {
        let moved = matches!(
            self.kind,
            RunKind::Deploy
                | RunKind::Switch
                | RunKind::Rollback
                | RunKind::Restart
                | RunKind::Sync
                | RunKind::Adopt
        );
        // Of two that share the traffic neither serves as a whole.
        let moved = moved || (self.kind == RunKind::Weight && self.active.is_some());
        let served = matches!(self.outcome, OutcomeKind::Succeeded | OutcomeKind::NoChange);
        self.release.as_ref().filter(|_| moved && served)
    }

    /// Reads lines of `history`, oldest first; the second value counts lines that could not be read.
    #[must_use]
    pub fn read(lines: &[String]) -> (Vec<Self>, usize) {
        let mut entries: Vec<Self> = Vec::new();
        let mut bad = 0;
        for line in lines.iter().filter(|l| !l.is_empty()) {
            match serde_json::from_str::<Self>(line) {
                Ok(entry) => {
                    entries.retain(|e| e.run != entry.run);
                    entries.push(entry);
                }
                Err(_) => bad += 1,
            }
        }
        (entries, bad)
    }
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLine {
    /// Its words, e.g. `begin 1-0f3a 5 up up=1234`.
    Whole(Vec<String>),
    /// It fails its sum: cut by a power loss, or edited.
    Torn(String),
}

/// Reads the journal. Empty lines are skipped: writers begin with a newline, so that whatever was
/// left at the end stands alone.
#[must_use]
pub fn journal(lines: &[String]) -> Vec<JournalLine> {
    let whole = |line: &str| -> Option<Vec<String>> {
        let (sum, words) = line.split_once(' ')?;
        let right = self::sum(words) == sum.parse::<u32>().ok()?;
        right.then(|| words.split(' ').map(str::to_owned).collect())
    };
    let filled = lines.iter().filter(|l| !l.is_empty());
    filled
        .map(|l| whole(l).map_or_else(|| JournalLine::Torn(l.clone()), JournalLine::Whole))
        .collect()
}

/// The sum of a line of the journal, as `sum_of` of `sh/lib.sh` makes it without a process: each
/// character's place in an alphabet (its length for what stands not in it), by Horner's rule with 31,
/// modulo the prime 2^31 - 1. It begins with 1, so that leading blanks count.
#[must_use]
pub fn sum(words: &str) -> u32 {
    const ALPHABET: &str =
        " 0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.:=@_+,/%~";
    let place = |byte: u8| ALPHABET.bytes().position(|a| a == byte);
    let sum = words.bytes().fold(1, |sum: u64, byte| {
        (sum * 31 + place(byte).unwrap_or(ALPHABET.len()) as u64) % 0x7fff_ffff
    });
    u32::try_from(sum).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the shells of this machine make the sum"
    )]
    fn the_sum_is_that_of_the_scripts() {
        let script = include_str!("sh/lib.sh");
        let function =
            &script[script.find("alphabet=").unwrap()..script.find("# first FILE").unwrap()];
        let texts = [
            "",
            " ",
            "a",
            "claim 1-abc r-1 ops@m:1:2 up=1765",
            "  two  blanks ",
            "* ? [a] \\ \" ' $(x) `y` ~ | & ; \t",
            "gr\u{fc}\u{df} \u{1f600}",
        ];
        let wanted: Vec<String> = texts.iter().map(|t| sum(t).to_string()).collect();
        for shell in ["dash", "bash", "sh"] {
            let all =
                format!("LC_ALL=C\n{function}\nfor text; do sum_of \"$text\"; echo \"$sum\"; done");
            let out = std::process::Command::new(shell)
                .args(["-c", &all, shell])
                .args(texts)
                .output()
                .unwrap();
            let said = String::from_utf8(out.stdout).unwrap();
            assert_eq!(said.lines().collect::<Vec<_>>(), wanted, "{shell}");
        }
    }

    #[test]
    fn a_torn_line_of_the_journal_is_seen() {
        let words = "claim 1-abc r-1 ops@m:1:2 up=1765";
        let good = format!("{} {words}", sum(words));
        let torn = good[..30].to_owned();
        let lines = journal(&[String::new(), good, torn.clone()]);
        let words = ["claim", "1-abc", "r-1", "ops@m:1:2", "up=1765"].map(str::to_owned);
        assert_eq!(
            lines,
            [JournalLine::Whole(words.to_vec()), JournalLine::Torn(torn)]
        );
    }

    #[test]
    fn a_resumed_run_counts_once_and_bad_lines_are_counted() {
        let mut e = HistoryEntry {
            run: RunId::new("r-1").unwrap(),
            kind: RunKind::Deploy,
            revision: 42,
            highest: 43,
            who: Actor::new("ops@m:1:2").unwrap(),
            why: "two\nlines \"quoted\"".into(),
            ticket: String::new(),
            release: None,
            version: "1.0.1-22-7e56158".into(),
            digest: None,
            config: String::new(),
            active: None,
            outcome: OutcomeKind::Cancelled,
            reason: String::new(),
            started: 1,
            ended: 2,
            took: vec![],
            more: serde_json::Value::Null,
        };
        let first = e.to_line();
        assert!(!first.contains('\n'));
        e.outcome = OutcomeKind::Succeeded;
        let (read, bad) = HistoryEntry::read(&[first, "{\"run\":".into(), e.to_line()]);
        assert_eq!((read, bad), (vec![e], 1));
    }
}
