//! Colours by meaning: green for what serves or went well, yellow for what should be looked at,
//! red for what failed, faint for what matters less. Texts are made without colours; this adds
//! them to finished lines, so that layout never counts escape codes.

use crate::name::OutcomeKind;

/// A meaning that has a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Went well, or serves.
    Good,
    /// Should be looked at.
    Warn,
    /// Failed.
    Bad,
    /// Matters less.
    Faint,
    /// Names the thing.
    Strong,
    /// Says nothing in particular.
    Plain,
    /// One of six colours that only tell things apart, e.g. hosts in logs.
    Apart(usize),
}

impl Paint {
    /// The text in this colour, where colours are wanted.
    #[must_use]
    pub fn on(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
            Self::Plain => "",
            Self::Apart(n) => ["36", "35", "34", "33", "32", "96"][n % 6],
        };
        if !colour || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The colour of an outcome.
    #[must_use]
    pub fn of(kind: OutcomeKind) -> Self {
        match kind {
            OutcomeKind::Succeeded | OutcomeKind::NoChange | OutcomeKind::Staged => Self::Good,
            OutcomeKind::Parked
            | OutcomeKind::Refused
            | OutcomeKind::Superseded
            | OutcomeKind::Cancelled
            | OutcomeKind::RolledBack
            | OutcomeKind::Aborted => Self::Warn,
            OutcomeKind::Failed | OutcomeKind::Mixed | OutcomeKind::Unfinished => Self::Bad,
        }
    }
}

/// Words at the start of a line, after its indent, and what they mean.
const LEADS: &[(&str, Paint)] = &[
    ("failed ", Paint::Bad),
    ("LOAD BALANCERS DISAGREE", Paint::Bad),
    ("way back: NOT READY", Paint::Bad),
    ("way back NOT READY", Paint::Warn),
    ("way back: ready", Paint::Good),
    ("no answer: ", Paint::Bad),
    ("differs: ", Paint::Warn),
    ("problem: ", Paint::Warn),
    ("owing: ", Paint::Warn),
    ("locked", Paint::Warn),
    ("held by ", Paint::Warn),
    ("hint: ", Paint::Strong),
    ("! ", Paint::Bad),
    ("| ", Paint::Faint),
    ("active ", Paint::Good),
    ("active?", Paint::Bad),
    ("partly ", Paint::Bad),
];

/// A finished block or status in colours: its first line strong, others by their first words.
#[must_use]
pub fn lines(text: &str, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let mut head = true;
    let painted = text.lines().map(|line| {
        let body = line.trim_start();
        let indent = &line[..line.len() - body.len()];
        let paint = if head || (indent.is_empty() && !body.is_empty()) {
            Paint::Strong
        } else {
            let lead = LEADS.iter().find(|(word, _)| body.starts_with(word));
            lead.map_or(Paint::Plain, |(_, paint)| *paint)
        };
        head = false;
        format!("{indent}{}", paint.on(body, true))
    });
    painted.collect::<Vec<_>>().join("\n")
}

/// A closing block in colours, its outcome in the colour of how it ended.
#[must_use]
pub fn block(text: &str, kind: OutcomeKind, colour: bool) -> String {
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    let word = format!("  {}  ", kind.word());
    let (before, after) = match (colour, head.split_once(&word)) {
        (true, Some(parts)) => parts,
        _ => return lines(text, colour),
    };
    let head = format!(
        "{}  {}  {after}",
        Paint::Strong.on(before, true),
        Paint::of(kind).on(kind.word(), true)
    );
    if rest.is_empty() {
        return head;
    }
    // The lead line is painted already: the rest must not be taken for one.
    let body = lines(&format!("x\n{rest}"), true);
    let body = body.split_once('\n').map_or("", |(_, body)| body);
    format!("{head}\n{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_wanted_and_the_text_stays_the_same() {
        let text = "staging app  #1 v  failed  now\n  why: x\n  failed web1\n    | log";
        assert_eq!(lines(text, false), text);
        let painted = block(text, OutcomeKind::Failed, true);
        assert_eq!(console::strip_ansi_codes(&painted), text);
        assert!(painted.contains("\x1b[31mfailed\x1b[0m"), "{painted:?}");
        assert!(
            painted.contains("  \x1b[31mfailed web1\x1b[0m"),
            "{painted:?}"
        );
        assert_eq!(block("one line", OutcomeKind::Failed, false), "one line");
    }

    #[test]
    fn every_app_of_a_status_has_a_strong_first_line() {
        let painted = lines("a b\n  active x\n\na c\n  standby", true);
        assert_eq!(
            painted,
            "\x1b[1ma b\x1b[0m\n  \x1b[32mactive x\x1b[0m\n\n\x1b[1ma c\x1b[0m\n  standby"
        );
    }
}
