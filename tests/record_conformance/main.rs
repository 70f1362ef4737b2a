//! The record's scripts against its model, under dash, busybox and bash.
//!
//! - `bench`     a folder, a shell, a clock and stubs: where scripts run, and how they are broken
//! - `verbs`     one verb as data: on the scripts, and on the model
//! - `random`    the same random verbs on both
//! - `crash`     the script killed before and after every external command; power cuts
//! - `guards`    each guard of the record removed: a violation must be found
//! - `jobs`      a job is begun once, whatever is killed
//! - `races`     many claims at once, steps that overlap, clients that go away
//! - `past`      what hosts remember of runs that are over, and of attempts
//! - `prune`     releases and images that go, and those that never do
//! - `limits`    folders that cannot be used, retention, damaged files
//!
//! More of the same with `DEPLOY_LONG=1`. A shell that is not installed is skipped and says so.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "these tests make files, start programs, measure time and tell what they counted"
)]

mod bench;
mod crash;
mod guards;
mod jobs;
mod limits;
mod past;
mod prune;
mod races;
mod random;
mod verbs;
