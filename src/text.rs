//! Text for people: durations, counts, sizes, suggestions; and secrets that never print.

pub mod diagnostic;
pub mod yaml;

pub use diagnostic::{Diagnostic, Findings, Severity, SourceFile, Span};

use std::fmt;
use std::time::Duration;

/// A value that must not appear in any output. `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value into hiding.
    pub fn new(value: T) -> Self {
        Self(value)
    }
    /// The value itself. Every call is a place to review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}
impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces secret values in text that is about to be shown or kept.
#[derive(Clone, Default, Debug)]
pub struct Redactor {
    values: Vec<Secret<String>>,
}

impl Redactor {
    /// Adds a value and its lines, as they are and as they stand in JSON; what is shorter than 4
    /// characters is left (it would hide ordinary text).
    pub fn add(&mut self, value: &str) {
        for text in value.lines().chain([value]) {
            let json = serde_json::Value::from(text).to_string();
            for form in [text, &json[1..json.len() - 1]] {
                if form.len() >= 4 && !self.values.iter().any(|v| v.expose() == form) {
                    self.values.push(Secret::new(form.to_owned()));
                }
            }
        }
        self.sort();
    }
    /// Nothing is hidden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
    /// Adds all values of another one.
    pub fn extend(&mut self, other: &Self) {
        for value in &other.values {
            if !self.values.contains(value) {
                self.values.push(value.clone());
            }
        }
        self.sort();
    }
    fn sort(&mut self) {
        // Longest first, so that a value that contains another is hidden whole.
        self.values
            .sort_by_key(|v| std::cmp::Reverse(v.expose().len()));
    }
    /// The text with every known value replaced by `***`. Redact before truncating.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in &self.values {
            if out.contains(value.expose().as_str()) {
                out = out.replace(value.expose().as_str(), "***");
            }
        }
        out
    }
}

/// `1 host`, `2 hosts`.
#[must_use]
pub fn count(n: usize, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// A duration for people: `7 ms`, `1.2 s`, `2m05s`, `3h12m`, `4d2h`.
#[must_use]
pub fn duration(d: Duration) -> String {
    let secs = d.as_secs();
    match secs {
        0 if d.as_millis() < 1000 => format!("{} ms", d.as_millis()),
        0..60 => format!("{:.1} s", d.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// A moment in UTC, for texts that know no zone: `2026-11-21 16:00 UTC`.
#[must_use]
pub fn utc(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| format!("second {seconds}"),
        |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// A size in bytes for people: `512 B`, `1.5 MiB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a size for display")]
    let mut value = n as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A size for a sentence about many hosts, where the last megabyte does not matter: two digits.
#[must_use]
pub fn bytes_roughly(n: u64) -> String {
    const GIB: u64 = 1 << 30;
    match n {
        0..GIB if n >= 100 << 20 => format!("{} MiB", (n >> 20) / 100 * 100),
        _ => bytes(n),
    }
}

/// The candidate nearest to `word`, where one is near enough to be meant ("did you mean").
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(word, c), c))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, c)| c)
}

/// Candidates that may have been meant by `word`, the likeliest first: those that begin alike, then
/// those that are written alike. Candidates that share neither beginning nor form are left out.
#[must_use]
pub fn by_nearness<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let whole = word.chars().count();
    let limit = (whole / 3).max(1);
    let rate = |c: &'a str| {
        let alike = word.chars().zip(c.chars()).take_while(|(a, b)| a == b);
        let (begins, far) = (alike.count(), distance(word, c));
        // Half of what was typed stands at the beginning, e.g. a version without its commit.
        (begins * 2 > whole || far <= limit).then_some((whole - begins.min(whole), far, c))
    };
    let mut rated: Vec<_> = candidates.into_iter().filter_map(rate).collect();
    rated.sort_unstable();
    rated.into_iter().map(|(_, _, c)| c).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let cost = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + cost);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_is_nearer_than_what_is_written_alike() {
        let tags = [
            "1.0.4-40-c0ffee0",
            "1.0.2-30-abc1234",
            "latest",
            "1.0.1-22-7e56158",
        ];
        let near = |word: &str| by_nearness(word, tags);
        assert_eq!(near("1.0.2")[0], "1.0.2-30-abc1234");
        assert_eq!(near("1.0.1-22-7e56185")[0], "1.0.1-22-7e56158");
        assert_eq!(near("lastet"), ["latest"]);
        assert!(near("nightly").is_empty());
    }

    #[test]
    fn durations_and_sizes_read_well() {
        let texts: Vec<String> = [0.007, 1.24, 65.0, 11_520.0, 352_800.0]
            .map(|s| duration(Duration::from_secs_f64(s)))
            .to_vec();
        assert_eq!(texts, ["7 ms", "1.2 s", "1m05s", "3h12m", "4d2h"]);
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1_572_864), "1.5 MiB");
    }

    #[test]
    fn a_swap_or_a_slip_is_forgiven_and_a_different_word_is_not() {
        assert_eq!(nearest("imgae", ["image", "restart"]), Some("image"));
        assert_eq!(
            nearest("stagin", ["staging", "production"]),
            Some("staging")
        );
        assert_eq!(nearest("zebra", ["image", "restart"]), None);
    }

    #[test]
    fn a_secret_does_not_print_and_is_cleaned_from_text() {
        let s = Secret::new("hunter22".to_owned());
        assert_eq!(format!("{s} {s:?}"), "*** ***");
        let mut r = Redactor::default();
        r.add("hunter22");
        r.add("hunter22-and-more\nsecond line");
        r.add("with \"quotes\"");
        assert_eq!(
            r.clean(r#"{"text":"with \"quotes\""}"#),
            r#"{"text":"***"}"#
        );
        assert_eq!(
            r.clean("x hunter22-and-more y hunter22 z second line"),
            "x *** y *** z ***"
        );
    }
}
