//! What is sent to a host and what comes back.
//!
//! A [`Script`] is POSIX shell text that never contains data: data reaches it as positional
//! parameters or through the `data` section of its input. A [`Reply`] is the lines that the script
//! printed between its framing lines, which carry a nonce of the call.

use std::borrow::Cow;
use std::time::Duration;

/// A script with its parameters, ready to be sent whole.
#[derive(Debug, Clone)]
pub struct Script {
    /// Short name for `-v` output, events and errors, e.g. `look`, `claim`, `up`.
    pub name: &'static str,
    /// Shell text; built only from static pieces.
    pub text: Cow<'static, str>,
    /// Positional parameters `$1`, `$2`, …; no newline and no NUL in them.
    pub args: Vec<String>,
    /// Bytes that the script reads with `take_data N >file` (wire prologue), e.g. rendered files.
    pub data: Vec<u8>,
    /// Longest time from start to end; afterwards the reply counts as missing.
    pub limit: Duration,
    /// Longest silence, where the script promises to print at least that often.
    pub quiet: Option<Duration>,
    /// Whether the end of the connection shall end the script: its input stays open after the
    /// data and the script's `until_hangup` notices the end. Used by pulls and watchers.
    pub tied: bool,
    /// Run as root by `sudo -n` around the whole script.
    pub root: bool,
}

impl Script {
    /// A script without parameters or data, with a limit of 30 s.
    #[must_use]
    pub fn new(name: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name,
            text: text.into(),
            args: Vec::new(),
            data: Vec::new(),
            limit: Duration::from_secs(30),
            quiet: None,
            tied: false,
            root: false,
        }
    }
    /// Adds positional parameters.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
    /// Sets the longest time from start to end.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// What a script answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Lines between the framing lines, without their line ends.
    pub lines: Vec<String>,
    /// Words of the end line after the nonce, e.g. `["ok", "rc=0"]`.
    pub end: Vec<String>,
    /// What the script wrote to standard error, bounded (last 16 KiB).
    pub stderr: String,
    /// From sending to the end line.
    pub took: Duration,
}

impl Reply {
    /// The value of a `key=value` word of the end line.
    #[must_use]
    pub fn word(&self, key: &str) -> Option<&str> {
        self.end
            .iter()
            .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
    }
}

/// Why there is no reply. A missing reply is never success.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The connection could not be made or was lost.
    #[error("connection to {host} failed during {script}")]
    Connection {
        /// Host as the inventory calls it.
        host: String,
        /// Name of the script, or `connect`.
        script: &'static str,
        /// What the transport said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The script ended, or its output did, without the end line.
    #[error("{host} ended {script} without an answer")]
    NoEnd {
        /// Host as the inventory calls it.
        host: String,
        /// Name of the script.
        script: &'static str,
        /// Exit status where one came.
        status: Option<i32>,
        /// The last lines it printed, standard error included.
        tail: String,
    },
    /// The script took longer than its limit, or was silent for longer than it promised.
    #[error("{host} does not answer: {script} had not ended after {}", crate::text::duration(*after))]
    Timeout {
        /// Host as the inventory calls it.
        host: String,
        /// Name of the script.
        script: &'static str,
        /// The limit that passed.
        after: Duration,
    },
    /// The script arrived cut, or its parameters cannot be sent.
    #[error("{script} for {host} could not be sent: {why}")]
    Wire {
        /// Host as the inventory calls it.
        host: String,
        /// Name of the script.
        script: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// What a step does on a host: shell text with its parameters, without prologue and epilogue.
///
/// Drivers and docker verbs make bodies; the record wraps them (lock, fence, journal) into a
/// [`Script`], or they run alone where they only read.
#[derive(Debug, Clone)]
pub struct Body {
    /// Short name, e.g. `pull`.
    pub name: &'static str,
    /// Shell text; built only from static pieces.
    pub text: Cow<'static, str>,
    /// Positional parameters.
    pub args: Vec<String>,
    /// Bytes for `take_data`.
    pub data: Vec<u8>,
    /// Longest time; an orphaned body is ended after it.
    pub limit: Duration,
    /// Longest silence of a body whose output is shown while it runs: then it makes no progress.
    pub quiet: Option<Duration>,
    /// Show output while it runs (pull, up, jobs); else at the end.
    pub follow: bool,
    /// The end of the connection ends it (pull, watch).
    pub tied: bool,
    /// Run as root by `sudo -n`.
    pub root: bool,
}

impl Body {
    /// A body without parameters or data, with a limit of 30 s.
    #[must_use]
    pub fn new(name: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name,
            text: text.into(),
            args: Vec::new(),
            data: Vec::new(),
            limit: Duration::from_secs(30),
            quiet: None,
            follow: false,
            tied: false,
            root: false,
        }
    }
    /// Adds positional parameters.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}
