//! `logs:`: how Docker keeps the logs of services whose template has no `logging:`.
//!
//! To add a way: a variant of [`Logs`], its form in [`read`] and in `schema.json`, what the overriding
//! file says of it in `release::draft`.

use super::fields::{self, Fields};
use super::units::{self, Bytes};
use crate::text::Findings;
use crate::text::yaml::Node;

/// How logs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logs {
    /// As the host's engine does by itself: `journald`, `syslog`, or what its `daemon.json` says.
    Engine,
    /// In files of Docker's (`json-file`), of which the oldest goes; what is not said is built in.
    Files {
        /// Size of one file.
        max_size: Option<Bytes>,
        /// Number of files.
        max_file: Option<u32>,
    },
}

const FORMS: &str = "engine, or a mapping such as { max_size: 10m, max_file: 3 }";

pub(super) fn read(node: &Node, path: &str, findings: &mut Findings) -> Option<Logs> {
    match node.text() {
        Some("engine") => return Some(Logs::Engine),
        Some(text) => {
            findings.push(fields::wrong(node, path, FORMS).did_you_mean(text, ["engine"]));
            return None;
        }
        None => {}
    }
    let f = Fields::of(node, path, &["max_size", "max_file"], findings)?;
    let there = |key: &str| f.get(key).filter(|n| !n.is_null());
    let mut max_size = None;
    if let Some(n) = there("max_size") {
        match fields::quantity(n, &f.path("max_size"), units::bytes, units::SIZE) {
            // Smaller files are turned over more often than anybody can read them.
            Ok(size) if size >= Bytes(1 << 10) => max_size = Some(size),
            Ok(_) => findings.push(fields::wrong(n, &f.path("max_size"), "at least 1k")),
            Err(finding) => findings.push(finding),
        }
    }
    let max_file = there("max_file");
    let max_file =
        max_file.and_then(|n| fields::number(n, &f.path("max_file"), 1..=1000, findings));
    Some(Logs::Files { max_size, max_file })
}
