//! Releases that are not needed any more: which ones, and what became of their images.
//!
//! The host decides by itself, under the app's lock, from what it holds: slots, what served last, its
//! containers, and every release of every environment on it. What serves elsewhere needs no word here.

use std::collections::BTreeMap;

use crate::host::script::{Body, Reply, Script};
use crate::name::ReleaseId;
use crate::release::HostRelease;

use super::parse;
use super::reply::{Holder, RecordError};
use super::verb::{LIB, Scope};

const PRUNE: &str = include_str!("sh/prune.sh");

/// Removes what the app does not need: all but what slots hold, what containers were made from, and
/// the last `keep` releases that served. With `dry` it only tells. `engine` answers for the engine.
#[must_use]
pub fn prune(scope: &Scope, keep: u32, dry: bool, engine: &Body) -> Script {
    let engine_text = ["engine() (\n:\n", &engine.text, "\n)"].concat();
    let mut script = scope.script("prune", &[LIB, &engine_text, PRUNE]);
    script.limit = engine.limit;
    script.args([keep.to_string(), if dry { "yes" } else { "no" }.to_owned()])
}

/// What became of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageEnd {
    /// It would be removed.
    Would,
    /// It was removed.
    Removed,
    /// It was not here.
    Absent,
    /// Another release that is kept names it.
    Kept,
    /// The engine refused, and why.
    Left(String),
}

/// What a host did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Releases that stay.
    pub kept: Vec<ReleaseId>,
    /// Releases that went, with what is known of each.
    pub dropped: BTreeMap<ReleaseId, Option<HostRelease>>,
    /// Their images, as `repository:tag@digest`.
    pub images: Vec<(String, ImageEnd)>,
    /// A release of which it is not known what it names: no image was removed.
    pub unknown: Option<String>,
    /// Images are fetched there now: those that follow were not removed.
    pub pulling: bool,
    /// Folders beside the releases that are none, by their names.
    pub odd: Vec<String>,
    /// Folders that could not be removed.
    pub left: Vec<String>,
}

/// The answer of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PruneReply {
    /// It was done.
    Done(Pruned),
    /// The app has no record here.
    Nothing,
    /// The app is left alone, and why.
    Alone(String),
}

/// Reads the answer.
///
/// # Errors
/// A [`RecordError`] where there is none.
pub fn read(reply: &Reply) -> Result<PruneReply, RecordError> {
    let alone = |why: &str| Ok(PruneReply::Alone(why.to_owned()));
    match reply.end.first().map_or("", String::as_str) {
        "ok" => Ok(PruneReply::Done(done(&reply.lines))),
        "none" => Ok(PruneReply::Nothing),
        "held" => alone(&match Holder::read(reply) {
            Some(holder) => format!("run {} of {} holds it", holder.run, holder.who),
            None => "a run holds it".to_owned(),
        }),
        "hold" => alone("it is locked by a person"),
        "owing" => {
            let whom = reply.end.get(1).map_or("a host", String::as_str);
            alone(&format!("{whom} owes a change"))
        }
        "busy" => alone("its lock is held"),
        "pulling" => alone("images are fetched or removed there now"),
        _ => Err(parse::fault(reply)),
    }
}

fn done(lines: &[String]) -> Pruned {
    let mut out = Pruned::default();
    let mut last = None;
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "keep" => out.kept.extend(ReleaseId::new(rest).ok()),
            "drop" => {
                last = ReleaseId::new(rest).ok();
                out.dropped.extend(last.clone().map(|id| (id, None)));
            }
            "json" => {
                if let Some(entry) = last.as_ref().and_then(|id| out.dropped.get_mut(id)) {
                    *entry = serde_json::from_str(rest).ok();
                }
            }
            "image" => {
                let (name, end) = rest.split_once(' ').unwrap_or((rest, ""));
                let end = match end {
                    "would" => ImageEnd::Would,
                    "removed" => ImageEnd::Removed,
                    "absent" => ImageEnd::Absent,
                    "kept" => ImageEnd::Kept,
                    why => ImageEnd::Left(why.trim_start_matches("left ").to_owned()),
                };
                out.images.push((name.to_owned(), end));
            }
            "unknown" => out.unknown = Some(rest.to_owned()),
            "pulling" => out.pulling = true,
            "odd" => out.odd.push(rest.to_owned()),
            "left" => out.left.push(rest.to_owned()),
            _ => {}
        }
    }
    out
}
