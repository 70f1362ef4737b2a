//! Answers of the drivers' scripts: facts one a line, verdicts, open requests. Scripts print words;
//! every sentence for people is made by the driver.

use std::collections::BTreeMap;

use super::{AnswerError, DrainView, Seen, Target, Verdict};
use crate::fleet::{Known, Problem, Traffic};

/// The facts of a look, by first word; a word that comes again is kept in order.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    one: BTreeMap<&'a str, &'a str>,
    all: Vec<(&'a str, &'a str)>,
    /// What follows `problem`.
    pub problems: Vec<&'a str>,
    /// What follows `why`: the server's own words.
    pub why: Vec<&'a str>,
    /// Whether the look came to its end.
    pub whole: bool,
}

impl<'a> Facts<'a> {
    /// The facts of these lines.
    #[must_use]
    pub fn of(lines: &'a [String]) -> Self {
        let mut facts = Self::default();
        for line in lines {
            // What came by HTTP still ends in a carriage return.
            let line = line.trim_end_matches('\r');
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "problem" => facts.problems.push(rest),
                "why" => facts.why.push(rest),
                "looked" => facts.whole = true,
                _ => {
                    facts.one.insert(word, rest);
                    facts.all.push((word, rest));
                }
            }
        }
        facts
    }
    /// The facts of a look at a server of that name that came to its end, or found no program.
    ///
    /// # Errors
    /// [`AnswerError`] where the script broke off.
    pub fn look(target: &Target, called: &str, lines: &'a [String]) -> Result<Self, AnswerError> {
        let facts = Self::of(lines);
        if facts.whole || facts.has("absent") {
            return Ok(facts);
        }
        Err(AnswerError {
            host: target.host.clone(),
            what: format!("the look at {called} broke off"),
        })
    }
    /// What the look found, with these states. Where there is no program nothing is known.
    #[must_use]
    pub fn seen(
        &self,
        called: &str,
        persisted: Known<Option<Traffic>>,
        running: Known<Option<Traffic>>,
        problems: Vec<Problem>,
    ) -> Seen {
        let absent = self.has("absent");
        let state = |known| {
            if absent {
                Known::Unknown(format!("{called} is not installed there"))
            } else {
                known
            }
        };
        let word = |word| self.get(word).unwrap_or_default().to_owned();
        Seen {
            persisted: state(persisted),
            running: state(running),
            spare: None,
            version: word("version"),
            instance: word("instance"),
            problems,
        }
    }
    /// What the files say by `key` and `traffic`; `lost` says what it means where the value of a key
    /// is not there.
    #[must_use]
    pub fn persisted(&self, lost: &str) -> Known<Option<Traffic>> {
        match (self.get("key"), self.get("traffic")) {
            (Some("-"), _) => Known::Is(None),
            (Some(_), Some(text)) => match serde_json::from_str(text) {
                Ok(traffic) => Known::Is(Some(traffic)),
                Err(e) => Known::Unknown(format!("its traffic file cannot be read: {e}")),
            },
            _ => Known::Unknown(lost.to_owned()),
        }
    }
    /// The last fact of that word.
    #[must_use]
    pub fn get(&self, word: &str) -> Option<&'a str> {
        self.one.get(word).copied()
    }
    /// All facts of that word, in order.
    pub fn each<'s>(&'s self, word: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.all
            .iter()
            .filter(move |(w, _)| *w == word)
            .map(|(_, rest)| *rest)
    }
    /// Whether there is a problem of that code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.problems
            .iter()
            .any(|p| p.split(' ').next() == Some(code))
    }
}

/// Reads the answer of prepare, commit, verify or remove; `moved` says what a key means.
///
/// # Errors
/// [`AnswerError`] where there is no answer.
pub fn verdict(
    target: &Target,
    lines: &[String],
    moved: impl Fn(&str) -> String,
) -> Result<Verdict, AnswerError> {
    let found = lines.iter().enumerate().find_map(|(n, line)| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        Some(match word {
            "ready" => Verdict::Converged { at: 0.0 },
            "converged" => Verdict::Converged { at: stamp(&rest)? },
            "differs" => Verdict::Differs { seen: rest },
            "moved" => Verdict::Moved { seen: moved(&rest) },
            "refused" => Verdict::Refused {
                why: words(rest, &lines[n + 1..]),
            },
            _ => return None,
        })
    });
    found.ok_or_else(|| AnswerError {
        host: target.host.clone(),
        what: match lines.last() {
            Some(last) => format!("the answer ends without a verdict: {last}"),
            None => "the answer is empty".to_owned(),
        },
    })
}

/// Seconds since the epoch; where the host's `date` knows no fractions, whole ones.
fn stamp(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .or_else(|| text.split('.').next()?.parse().ok())
}

fn words(first: String, after: &[String]) -> String {
    let why: Vec<&str> = after
        .iter()
        .map_while(|line| line.strip_prefix("why "))
        .collect();
    match (first.is_empty(), why.is_empty()) {
        (true, false) => why.join("; "),
        (true, true) => "no reason was given".to_owned(),
        (false, _) => first,
    }
}

/// Reads one line of a drain.
#[must_use]
pub fn drained(line: &str) -> Option<DrainView> {
    let view = |open, idle| Some(DrainView { open, idle });
    match line.split_once(' ') {
        None if line == "idle" => view(Some(0), true),
        Some(("open" | "left", "-")) => view(None, false),
        Some(("open" | "left", n)) => view(Some(n.parse().ok()?), false),
        _ => None,
    }
}
