//! Runs that are over, and attempts that never became one: what each host remembers, and what all
//! hosts together do. Read without the lock; nothing is decided on it.
//!
//! Every host of a run holds the same line of history, so the loss of a host loses nothing. Where
//! hosts differ (one was not told how a resumed run ended), the line that ended last counts.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::host::script::{Reply, Script};
use crate::name::{HostName, ReleaseId, RunId, SlotName};
use crate::release::{HostRelease, ReleaseFile};

use super::history::HistoryEntry;
use super::look::{Claim, Running};
use super::manifest::Manifest;
use super::reply::RecordError;
use super::run_report::RunReport;
use super::verb::{LIB, Scope};

const ATTEMPT: &str = include_str!("sh/attempt.sh");
const RUNS: &str = include_str!("sh/runs.sh");
const RUN: &str = include_str!("sh/run.sh");
const RELEASES: &str = include_str!("sh/releases.sh");
const SUMS: &str = include_str!("sh/sums.sh");
/// Longest reason that an attempt keeps, in characters.
const REASON: usize = 1000;

/// Writes down an attempt that changed nothing, without claim and lock. Nothing is written where
/// the app has no record yet.
#[must_use]
pub fn attempt(scope: &Scope, entry: &HistoryEntry) -> Script {
    let mut entry = entry.clone();
    entry.reason = entry.reason.chars().take(REASON).collect();
    entry.why = entry.why.chars().take(REASON).collect();
    scope
        .script("attempt", &[LIB, ATTEMPT])
        .args([entry.to_line()])
}

/// Asks for the last `lines` finished runs and attempts.
#[must_use]
pub fn runs(scope: &Scope, lines: usize) -> Script {
    scope.script("runs", &[LIB, RUNS]).args([lines.to_string()])
}

/// Asks for all that is remembered of a run.
#[must_use]
pub fn run(scope: &Scope, run: &RunId) -> Script {
    scope.script("run", &[LIB, RUN]).args([run.as_str()])
}

/// Asks what every kept release wants of the host, and for the files of those that are named.
#[must_use]
pub fn releases(scope: &Scope, ids: &[ReleaseId]) -> Script {
    let script = scope.script("releases", &[LIB, RELEASES]);
    script.args(ids.iter().map(ReleaseId::to_string))
}

/// `release.json`: what a release wants of a host, and the SHA-256 of each of its files.
///
/// # Panics
/// Never: names, numbers and text have a JSON form.
#[must_use]
pub fn label(release: &HostRelease, files: &[ReleaseFile]) -> Vec<u8> {
    let sum = |file: &ReleaseFile| -> String {
        let sum = Sha256::digest(&file.bytes);
        sum.iter().map(|b| format!("{b:02x}")).collect()
    };
    let sums: BTreeMap<&str, String> = files.iter().map(|f| (f.path.as_str(), sum(f))).collect();
    let mut label = serde_json::to_value(release).expect("plain data has a JSON form");
    label["sums"] = serde_json::json!(sums);
    label.to_string().into_bytes()
}

/// Asks whether the files of the releases that slots hold are as they were uploaded.
#[must_use]
pub fn sums(scope: &Scope) -> Script {
    scope.script("sums", &[LIB, SUMS])
}

/// How the files of a slot's release differ from what was uploaded: `FILE was changed`, `FILE is
/// missing`, `FILE was added`. Releases of an older version, which kept no sums, are not judged.
///
/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn read_sums(reply: &Reply) -> Result<BTreeMap<SlotName, Vec<String>>, RecordError> {
    let mut slots: BTreeMap<SlotName, [BTreeMap<&str, &str>; 2]> = BTreeMap::new();
    let mut out: BTreeMap<SlotName, Vec<String>> = BTreeMap::new();
    for line in lines(reply)? {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let slot = words.get(1).and_then(|s| SlotName::new(*s).ok());
        match (words.as_slice(), slot) {
            (["w", _, sum, path], Some(slot)) => {
                slots.entry(slot).or_default()[0].insert(path, sum);
            }
            (["s", _, sum, path], Some(slot)) => {
                slots.entry(slot).or_default()[1].insert(path, sum);
            }
            (["p", _, id], Some(slot)) => {
                let what = format!("the files of release {id} are gone");
                out.entry(slot).or_default().push(what);
            }
            _ => {}
        }
    }
    for (slot, [wanted, found]) in slots
        .into_iter()
        .filter(|(_, [wanted, _])| !wanted.is_empty())
    {
        let differs = out.entry(slot).or_default();
        for (path, sum) in &wanted {
            match found.get(path) {
                None => differs.push(format!("{path} is missing")),
                Some(now) if now != sum => differs.push(format!("{path} was changed")),
                Some(_) => {}
            }
        }
        let added = found.keys().filter(|path| !wanted.contains_key(*path));
        differs.extend(added.map(|path| format!("{path} was added")));
    }
    Ok(out)
}

/// Releases as one host keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shelf {
    /// What each wants of the host, one for each release and slot.
    pub kept: Vec<HostRelease>,
    /// Files of the releases that were asked for: lines by release, slot and path; none where a
    /// file is no text.
    pub files: BTreeMap<(ReleaseId, SlotName, String), Option<Vec<String>>>,
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn read_releases(reply: &Reply) -> Result<Shelf, RecordError> {
    let mut shelf = Shelf::default();
    let mut file = None;
    for line in lines(reply)? {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "k" => shelf.kept.extend(serde_json::from_str::<HostRelease>(rest)),
            "f" => {
                let words: Vec<&str> = rest.splitn(3, ' ').collect();
                let [id, slot, path] = words[..] else {
                    return Err(RecordError::malformed("file", &reply.lines));
                };
                let key = match (ReleaseId::new(id), SlotName::new(slot)) {
                    (Ok(id), Ok(slot)) => (id, slot, path.to_owned()),
                    _ => return Err(RecordError::malformed("file", &reply.lines)),
                };
                shelf.files.insert(key.clone(), Some(Vec::new()));
                file = Some(key);
            }
            "l" | "b" => {
                let Some(lines) = file.as_ref().and_then(|f| shelf.files.get_mut(f)) else {
                    continue;
                };
                match (word, lines.as_mut()) {
                    ("l", Some(lines)) => lines.push(rest.to_owned()),
                    _ => *lines = None,
                }
            }
            _ => {}
        }
    }
    Ok(shelf)
}

/// What one host remembers of its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Finished runs, oldest first.
    pub runs: Vec<HistoryEntry>,
    /// Attempts that changed nothing, oldest first.
    pub attempts: Vec<HistoryEntry>,
    /// The run that holds the host now, or was left there.
    pub claim: Option<Claim>,
    /// Lines that could not be read.
    pub damaged: usize,
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn read_runs(reply: &Reply) -> Result<Past, RecordError> {
    let lines = lines(reply)?;
    let of = |word: &str| -> Vec<String> {
        let found = lines
            .iter()
            .filter_map(|l| l.strip_prefix(word))
            .filter(|l| !l.is_empty());
        found.map(str::to_owned).collect()
    };
    let (runs, bad) = HistoryEntry::read(&of("h "));
    let (attempts, bad_attempts) = HistoryEntry::read(&of("a "));
    let claims = of("c ");
    let claim = claims.first().and_then(|line| Claim::read(line));
    Ok(Past {
        damaged: bad + bad_attempts + claims.len() - usize::from(claim.is_some()),
        runs,
        attempts,
        claim,
    })
}

/// What one host remembers of one run.
#[derive(Debug, Default)]
pub struct RunMemory {
    /// How it ended.
    pub entry: Option<HistoryEntry>,
    /// What it wanted.
    pub manifest: Option<Manifest>,
    /// How it went.
    pub report: Option<RunReport>,
    /// It holds the host now.
    pub claim: Option<Claim>,
    /// The step that runs, or ran last.
    pub running: Option<Running>,
    /// Lines of evidence, for `host::docker::evidence::read`.
    pub evidence: Vec<String>,
}

impl RunMemory {
    /// Whether the host knows the run at all.
    #[must_use]
    pub fn known(&self) -> bool {
        self.entry.is_some() || self.manifest.is_some() || self.claim.is_some()
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn read_run(reply: &Reply) -> Result<RunMemory, RecordError> {
    let mut memory = RunMemory::default();
    for line in lines(reply)? {
        let Some((word, rest)) = line.split_once(' ') else {
            continue;
        };
        match word {
            // A later line of the same run (a resumed one) replaces the earlier.
            "h" => memory.entry = serde_json::from_str(rest).ok().or(memory.entry),
            "m" => memory.manifest = Manifest::read(rest).ok(),
            "r" => memory.report = RunReport::read(rest),
            "c" => memory.claim = Claim::read(rest),
            "n" => memory.running = Running::read(rest),
            "e" => memory.evidence.push(rest.to_owned()),
            _ => {}
        }
    }
    Ok(memory)
}

/// The lines of an answer; none where the host has no record of the app.
fn lines(reply: &Reply) -> Result<&[String], RecordError> {
    match reply.end.first().map_or("", String::as_str) {
        "ok" => Ok(&reply.lines),
        "none" => Ok(&[]),
        _ => Err(RecordError::malformed(&reply.end.join(" "), &reply.lines)),
    }
}

/// One run as all hosts together remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// Its line.
    pub entry: HistoryEntry,
    /// Hosts that remember it so.
    pub hosts: Vec<HostName>,
    /// Hosts that remember another end of it.
    pub otherwise: Vec<HostName>,
    /// It changed nothing.
    pub attempt: bool,
}

/// What hosts remember, put together: every run once, the oldest first.
#[must_use]
pub fn merge(all: &BTreeMap<HostName, Past>) -> Vec<Remembered> {
    let mut runs: BTreeMap<RunId, Remembered> = BTreeMap::new();
    for (host, past) in all {
        let done = past.runs.iter().map(|e| (e, false));
        for (entry, attempt) in done.chain(past.attempts.iter().map(|e| (e, true))) {
            let fresh = || Remembered {
                entry: entry.clone(),
                hosts: Vec::new(),
                otherwise: Vec::new(),
                attempt,
            };
            let known = runs.entry(entry.run.clone()).or_insert_with(fresh);
            if known.entry == *entry {
                known.hosts.push(host.clone());
            } else if (entry.ended, !attempt) > (known.entry.ended, !known.attempt) {
                let hosts = std::mem::replace(&mut known.hosts, vec![host.clone()]);
                known.otherwise.extend(hosts);
                (known.entry, known.attempt) = (entry.clone(), attempt);
            } else {
                known.otherwise.push(host.clone());
            }
        }
    }
    let mut runs: Vec<Remembered> = runs.into_values().collect();
    // Two that began in the same second: the one that ended first was first.
    let order = |r: &Remembered| (r.entry.started, r.entry.ended, r.entry.run.clone());
    runs.sort_by_key(order);
    runs
}

#[cfg(test)]
mod tests;
