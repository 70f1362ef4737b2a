//! One machine: how to reach it, and how to run a script on it.
//!
//! - `script` what is sent and what comes back: plain data.
//!
//! Step bodies and record verbs produce [`script::Script`]s; a transport (`ssh`, `local`) runs them.

pub mod script;
