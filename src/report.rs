//! Faces: how a run, a status and logs look. Everything that people or programs read is made here.
//!
//! - `out`       the door of output: stdout for results, stderr for the rest
//! - `face`      what a face is, and the task that feeds one with events
//! - `terminal`  a calm screen, drawn from `board`, the screen as data
//! - `plain`     lines with times and hosts, for logs of CI and files
//! - `json`      one event per line on stdout
//! - `quiet`     nothing unless the run ends badly
//! - `check`     what `deploy check` found
//! - `closing`   the block at the end of a run
//! - `status`    what runs where: view, text, JSON
//! - `inventory` every value of an environment with its place
//! - `diff`      what is different between two releases
//! - `drift`     what is not as it was deployed
//! - `history`   finished runs and attempts, newest first
//! - `logs`      many containers as one stream
//! - `run`       one run: times of each step and host, evidence; the same as an HTML page
//! - `prune`     releases and images that were removed
//! - `setup`     what was made on hosts, once
//! - `paint`     colours by meaning
//! - `layout`    wrapped lists and tables
//! - `words`     verbs of stages, times of day, text from elsewhere made harmless
//!
//! Texts are pure functions of data, so that tests compare whole texts. Wall time becomes local
//! time here and nowhere else.

pub mod board;
pub mod check;
pub mod checklist;
pub mod closing;
pub mod diff;
pub mod drift;
pub mod face;
pub mod history;
pub mod inventory;
pub mod json;
pub mod layout;
pub mod logs;
pub mod out;
pub mod paint;
pub mod plain;
pub mod prune;
pub mod quiet;
pub mod run;
pub mod setup;
pub mod status;
pub mod terminal;
pub mod words;

#[cfg(test)]
mod script;

pub use closing::{Summary, WayBack};
pub use face::{Face, Feed, Notices};
pub use json::Json;
pub use out::Out;
pub use plain::Plain;
pub use quiet::Quiet;
pub use terminal::Terminal;

/// Columns of the terminal, where stderr is one.
#[must_use]
pub fn columns() -> Option<usize> {
    let (_, columns) = console::Term::stderr().size_checked()?;
    Some(usize::from(columns))
}
