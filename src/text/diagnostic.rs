//! The one form of every finding that has a place in a file: inventories, templates, compose files.
//!
//! A [`Diagnostic`] names what is wrong, shows the source line with the place underlined, and says
//! what was expected and what to do. [`Findings`] collects them, so that all are shown and not the
//! first one. To report something: make a [`SourceFile`], a [`Span`] in it, and push
//! `Diagnostic::error("…").at(&span).hint("…")`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A text with the name under which people know it.
pub struct SourceFile {
    /// Path as shown, relative to where `deploy` was started; or words like `--set`.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Byte offset of each line's start.
    starts: Vec<usize>,
}

impl SourceFile {
    /// Takes a text; lines are found once.
    #[must_use]
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let text = text.into();
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Arc::new(Self {
            path: path.into(),
            text,
            starts,
        })
    }

    /// The line with this number (from 1), without its end; empty where there is none.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let Some(&start) = number.checked_sub(1).and_then(|n| self.starts.get(n)) else {
            return "";
        };
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the text: it may hold what must not reach a log.
        write!(f, "SourceFile({})", self.path)
    }
}

/// A place in a file.
#[derive(Clone)]
pub struct Span {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters to underline; what goes beyond the line's end is cut, 0 counts as 1.
    pub len: usize,
}

impl Span {
    /// A place by line and column, both from 1, in characters.
    #[must_use]
    pub fn new(file: &Arc<SourceFile>, line: usize, column: usize, len: usize) -> Self {
        Self {
            file: Arc::clone(file),
            line,
            column,
            len,
        }
    }

    /// A place by byte offsets, as template engines give them. Offsets inside a character or past
    /// the end are moved to the nearest place before.
    #[must_use]
    pub fn bytes(file: &Arc<SourceFile>, range: std::ops::Range<usize>) -> Self {
        let floor = |at: usize| file.text.floor_char_boundary(at);
        let (start, end) = (floor(range.start), floor(range.end.max(range.start)));
        let line = file.starts.partition_point(|&s| s <= start);
        let column = file.text[file.starts[line - 1]..start].chars().count() + 1;
        let len = file.text[start..end].chars().count();
        Self::new(file, line, column, len)
    }

    /// The whole of a line, without the blanks before it.
    #[must_use]
    pub fn whole_line(file: &Arc<SourceFile>, line: usize) -> Self {
        let text = file.line(line);
        let blanks = text.chars().take_while(|c| c.is_whitespace()).count();
        Self::new(file, line, blanks + 1, text.chars().count() - blanks)
    }

    fn key(&self) -> (&str, usize, usize, usize) {
        (&self.file.path, self.line, self.column, self.len)
    }
}

impl fmt::Display for Span {
    /// `inventories/staging.yml:23:5`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.path, self.line, self.column)
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Span {}
impl PartialOrd for Span {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Span {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Does a finding forbid to go on?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is started.
    Error,
    /// Shown; the run goes on.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// A place with what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    span: Span,
    says: String,
}

/// One finding: what is wrong, where, what was expected, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    message: String,
    places: Vec<Place>,
    expected: Option<String>,
    hints: Vec<String>,
}

impl Diagnostic {
    /// An error. The message starts with what happened to whom; no full stop at its end.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            places: Vec::new(),
            expected: None,
            hints: Vec::new(),
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(message)
        }
    }

    /// Adds a place; the first one is where the finding is, others are "and here".
    #[must_use]
    pub fn at(self, span: &Span) -> Self {
        self.at_saying(span, "")
    }

    /// Adds a place with a few words beside the underline.
    #[must_use]
    pub fn at_saying(mut self, span: &Span, says: impl Into<String>) -> Self {
        self.places.push(Place {
            span: span.clone(),
            says: says.into(),
        });
        self
    }

    /// What would have been right, e.g. `a duration such as 500ms, 90s, 5m`.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(what.into());
        self
    }

    /// What to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// "did you mean", where a candidate is near; unchanged where none is.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match super::nearest(word, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// Error or warning.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }
    /// What is wrong, without place and hints.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
    /// Where it is.
    #[must_use]
    pub fn span(&self) -> Option<&Span> {
        self.places.first().map(|p| &p.span)
    }
    /// What to do, one sentence each.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Order in a report: by place, findings without one first.
    fn cmp_for_report(&self, other: &Self) -> Ordering {
        (self.span(), self.severity, &self.message).cmp(&(
            other.span(),
            other.severity,
            &other.message,
        ))
    }
}

impl fmt::Display for Diagnostic {
    /// The whole finding on several lines, without a newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, tame(&self.message))?;
        let digits = self.places.iter().map(|p| p.span.line).max();
        let gutter = " ".repeat(digits.map_or(1, |n| n.to_string().len()));
        for (i, place) in self.places.iter().enumerate() {
            let arrow = if i == 0 { "-->" } else { ":::" };
            let span = &place.span;
            let (source, marks) = excerpt(span);
            let number = format!("{:>width$}", span.line, width = gutter.len());
            write!(f, "\n{gutter}{arrow} {span}\n{gutter} |")?;
            write!(f, "\n{number} | {source}\n{gutter} | {marks}")?;
            if !place.says.is_empty() {
                write!(f, " {}", tame(&place.says))?;
            }
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n{gutter} = expected: {}", tame(expected))?;
        }
        for hint in &self.hints {
            write!(f, "\n{gutter} = hint: {}", tame(hint))?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// Longest part of a source line that is shown.
const WINDOW: usize = 120;

/// The source line and its underline. A long line is cut around the place; what a terminal would
/// obey instead of show is replaced by one visible character, so that columns stay true.
fn excerpt(span: &Span) -> (String, String) {
    let line: Vec<char> = span.file.line(span.line).chars().map(visible).collect();
    let start = span.column.saturating_sub(1).min(line.len());
    let end = (start + span.len.max(1)).min(line.len()).max(start + 1);
    let from = if line.len() > WINDOW {
        start.saturating_sub(WINDOW / 3)
    } else {
        0
    };
    let to = line.len().min(from + WINDOW);
    let (before, after) = (
        if from > 0 { "…" } else { "" },
        if to < line.len() { "…" } else { "" },
    );
    let shown: String = line[from..to].iter().collect();
    let blanks = " ".repeat(before.chars().count() + start - from);
    let marks = "^".repeat(end.min(to.max(start + 1)) - start);
    (
        format!("{before}{shown}{after}").trim_end().to_owned(),
        format!("{blanks}{marks}"),
    )
}

/// True for characters that a terminal obeys, or that some readers take for a line end.
#[must_use]
pub fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if unprintable(c) => '\u{fffd}',
        c => c,
    }
}

/// Text for one line of a report: what a terminal would obey is written as an escape.
fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// All that was found: shown together, sorted by place. Errors end a command with exit code 2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<Diagnostic>);

impl Findings {
    /// Adds one; an exact repetition is dropped.
    pub fn push(&mut self, finding: Diagnostic) {
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }
    /// Adds all of another collection.
    pub fn extend(&mut self, other: impl IntoIterator<Item = Diagnostic>) {
        other.into_iter().for_each(|d| self.push(d));
    }
    /// True where there is neither error nor warning.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// True where the command must not go on.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }
    /// In order of report.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by(|a, b| a.cmp_for_report(b));
        all
    }
    /// The same findings, with those places moved for which `to` knows a better one; what is then
    /// said twice is said once.
    #[must_use]
    pub fn moved(self, to: impl Fn(&Span) -> Option<Span>) -> Self {
        let mut moved = Self::default();
        for mut finding in self {
            for place in &mut finding.places {
                if let Some(span) = to(&place.span) {
                    place.span = span;
                }
            }
            moved.push(finding);
        }
        moved
    }
    /// The value where nothing forbids it (with the warnings), else all findings.
    ///
    /// # Errors
    /// The findings, where at least one is an error.
    pub fn or<T>(self, value: T) -> Result<(T, Self), Self> {
        if self.has_errors() {
            Err(self)
        } else {
            Ok((value, self))
        }
    }
}

impl From<Diagnostic> for Findings {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}
impl IntoIterator for Findings {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Findings {
    /// Every finding, a blank line after each, then a line that counts them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted = self.sorted();
        for finding in &sorted {
            write!(f, "{finding}\n\n")?;
        }
        let errors = sorted
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count();
        let parts: Vec<String> = [(errors, "error"), (sorted.len() - errors, "warning")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| super::count(n, word))
            .collect();
        f.write_str(&parts.join(", "))
    }
}

impl std::error::Error for Findings {}

#[cfg(test)]
mod tests;
