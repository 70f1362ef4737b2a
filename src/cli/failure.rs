//! Why a command could not do what it was asked: kind, cause chain, hints. The kind alone decides
//! the exit code. A run that began and ended badly is no [`Failure`] but an outcome.
//!
//! To add a kind: add it to [`FailureKind`] with its exit code.

use std::error::Error;
use std::fmt;

use crate::name::{ExitCode, NameError};
use crate::text::Findings;

/// What sort of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line makes no sense.
    Usage,
    /// Inventory, template, policy, version or registry tag is wrong.
    Configuration,
    /// Not allowed to begin: another run, a hold, an answer that was not given.
    Refused,
    /// A host, load balancer or registry did not answer before any change.
    Unreachable,
    /// It was tried and did not work; no traffic was moved.
    Failed,
    /// Stopped by a person (SIGINT) before anything had to be put back.
    Interrupted,
    /// Stopped by SIGTERM or SIGHUP before anything had to be put back.
    Terminated,
}

impl FailureKind {
    /// The exit code of the kind.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Usage | Self::Configuration => ExitCode::Usage,
            Self::Refused => ExitCode::Refused,
            Self::Unreachable => ExitCode::Unknown,
            Self::Failed => ExitCode::Failed,
            Self::Interrupted => ExitCode::Interrupted,
            Self::Terminated => ExitCode::Terminated,
        }
    }
}

/// A command that ended before or outside a run.
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
    findings: Option<Findings>,
}

impl Failure {
    /// A failure; `what` starts with what happened to whom and has no full stop.
    #[must_use]
    pub fn new(kind: FailureKind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            source: None,
            hints: Vec::new(),
            findings: None,
        }
    }
    /// The command line makes no sense.
    #[must_use]
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, what)
    }
    /// Something that people wrote is wrong.
    #[must_use]
    pub fn configuration(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Configuration, what)
    }
    /// Not allowed to begin.
    #[must_use]
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, what)
    }
    /// Somebody did not answer before any change.
    #[must_use]
    pub fn unreachable(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Unreachable, what)
    }
    /// It did not work.
    #[must_use]
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, what)
    }
    /// Adds the error that caused it; its whole chain is shown.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
    /// Adds "did you mean", where a candidate is near.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        word: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match crate::text::nearest(word, candidates) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }

    /// What sort of trouble it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
    /// What to do.
    #[must_use]
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
    /// What happened, with its causes, on one line; for machines.
    #[must_use]
    pub fn one_line(&self) -> String {
        let mut text = match &self.findings {
            Some(findings) => findings
                .sorted()
                .iter()
                .map(|f| match f.span() {
                    Some(span) => format!("{span}: {}", f.message()),
                    None => f.message().to_owned(),
                })
                .collect::<Vec<_>>()
                .join("; "),
            None => self.what.clone(),
        };
        for cause in self.causes() {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    }

    /// The chain of causes, outermost first. A cause that repeats the text before it is left out.
    fn causes(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let mut next: Option<&dyn Error> = self.source.as_deref().map(|e| e as &dyn Error);
        while let Some(error) = next {
            let text = error.to_string();
            let before = texts.last().unwrap_or(&self.what);
            if !text.is_empty() && !before.contains(&text) {
                texts.push(text);
            }
            next = error.source();
        }
        texts
    }
}

/// An error with its causes on one line; a cause that repeats the text before it is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !more.is_empty() && !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

impl fmt::Display for Failure {
    /// What stderr shows: findings whole, else `error: …`, causes, hints; no newline at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.findings {
            Some(findings) => write!(f, "{findings}")?,
            None => write!(f, "error: {}", self.what)?,
        }
        for cause in self.causes() {
            write!(f, "\n  because: {}", cause.replace('\n', "\n  "))?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        let mut failure = Self::configuration("the configuration is wrong");
        failure.findings = Some(findings);
        failure
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::usage(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Diagnostic, SourceFile, Span};

    #[derive(Debug, thiserror::Error)]
    #[error("reading the key failed")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_shown_once_each_and_hints_last() {
        let cause = Outer(std::io::Error::other("permission denied"));
        let failure = Failure::unreachable("web3 did not answer")
            .because(cause)
            .hint("check the key");
        assert_eq!(
            failure.to_string(),
            "error: web3 did not answer\n  because: reading the key failed\n  because: permission denied\nhint: check the key"
        );
        assert_eq!(
            failure.one_line(),
            "web3 did not answer: reading the key failed: permission denied"
        );
        assert_eq!(failure.kind().exit_code(), ExitCode::Unknown);
    }

    #[test]
    fn findings_are_shown_whole_and_end_with_2() {
        let file = SourceFile::new("inventories/staging.yml", "imgae: x\n");
        let finding = Diagnostic::error("unknown key `imgae`")
            .at(&Span::new(&file, 1, 1, 5))
            .hint("did you mean `image`?");
        let failure = Failure::from(Findings::from(finding));
        let text = failure.to_string();
        assert!(text.contains("inventories/staging.yml:1:1"), "{text}");
        assert!(text.ends_with("1 error"), "{text}");
        assert_eq!(
            failure.one_line(),
            "inventories/staging.yml:1:1: unknown key `imgae`"
        );
        assert_eq!(failure.kind().exit_code(), ExitCode::Usage);
    }
}
