//! Docker and compose on a host: bodies of steps, and how to read what they print.
//!
//! - `activity`    what a release does beside requests, switched on and off
//! - `adopt`       what was started by hand, as it could be written down
//! - `facts`       what a look asks: engine, compose, space, every container
//! - `held`        what a plan is compared with: files of releases, layers of images
//! - `images`      pull a release's images, keep a local tag
//! - `config`      compose's judgement of rendered files
//! - `containers`  replace what runs in a slot, take it back
//! - `watch`       gates and container states, streamed until the client goes
//! - `evidence`    what is kept of a failed candidate
//! - `logs`        logs of a slot's containers
//! - `prune`       which releases containers use; the removal of images
//! - `exec`        a command in a running container
//! - `run`         a command in a new container
//! - `job`         the same, started at most once, and on record
//!
//! A body is static text (`sh/*.sh` behind `sh/lib.sh`) with parameters; a parser is pure. To add
//! one: a `.sh` file whose first comment names its parameters and output lines, a file with the
//! function that makes the [`Body`](super::script::Body) and the function that reads its lines, a
//! captured answer under `tests/fixtures/docker/` for the parser's test, and a case in
//! `tests/docker_bodies.rs` against the real engine.

pub mod activity;
pub mod adopt;
pub mod config;
pub mod containers;
pub mod evidence;
pub mod exec;
pub mod facts;
pub mod held;
pub mod images;
pub mod job;
pub mod logs;
pub mod prune;
pub mod run;
pub mod watch;

use super::script::Body;

const LIB: &str = include_str!("docker/sh/lib.sh");

const ROWS: &str = include_str!("docker/sh/rows.awk");

/// A body that reads the engine's JSON as well: `dk_all` needs the text of `rows.awk`.
fn body_with_rows(name: &'static str, text: &'static str) -> Body {
    Body::new(name, [LIB, "dk_rows='", ROWS, "'\n", text].concat())
}

/// A body whose text is the common part and `text`.
fn body(name: &'static str, text: &'static str) -> Body {
    Body::new(name, [LIB, text].concat())
}
