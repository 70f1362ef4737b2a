//! Typed verbs of the record, each rendered to one [`Script`].
//!
//! The text is put together from static pieces only; everything else travels as parameters or
//! data. A verb's parameters stand in the first comment of its file in `sh/`.

use std::time::Duration;

use crate::host::docker::images::SWEEP;
use crate::host::script::{Body, Script};
use crate::name::{
    Actor, AppName, EnvName, Fence, NameError, OutcomeKind, ReleaseId, RunId, SlotName,
};
use crate::release::{HostRelease, ReleaseFile, SecretFile};

use super::history::HistoryEntry;
use super::manifest::Manifest;
use super::past;
use super::run_report::RunReport;

pub(super) const LIB: &str = include_str!("sh/lib.sh");
const FACTS: &str = include_str!("sh/facts.sh");
const BODY: &str = include_str!("sh/body.sh");
const LOOK: &str = include_str!("sh/look.sh");
const DIR: &str = include_str!("sh/root.sh");
const CLAIM: &str = include_str!("sh/claim.sh");
const RENEW: &str = include_str!("sh/renew.sh");
const STEP: &str = include_str!("sh/step.sh");
pub(super) const PRIVATE: &str = include_str!("sh/private.sh");
const TAKE: &str = include_str!("sh/take.sh");
const RELEASE: &str = include_str!("sh/release.sh");
const PEEK: &str = include_str!("sh/peek.sh");
const HOLD: &str = include_str!("sh/hold.sh");
const UNHOLD: &str = include_str!("sh/unhold.sh");
const READ: &str = include_str!("sh/read.sh");

/// Where the record lives on every host.
pub const ROOT: &str = "/var/lib/deploy";
/// Run directories that stay on the host; up to ten more until older ones are removed.
pub const KEEP_RUNS: u32 = 50;
/// Lines of `history` that a release leaves on the host.
pub const KEEP_HISTORY: u32 = 500;
/// What a short verb may take: a lock is waited for at most 10 s, the rest is milliseconds.
const SHORT: Duration = Duration::from_secs(30);
/// What a step may take beside its body: 2 s for the lock, 10 s from TERM to KILL, disk.
const AROUND_STEP: Duration = Duration::from_secs(20);

/// The record of one app in one environment on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Absolute path, [`ROOT`] outside of tests.
    pub root: String,
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// Run every script as root by `sudo -n`. One host is always spoken to in one way: a user does
    /// not see the processes of root.
    pub sudo: bool,
}

impl Scope {
    /// The record at its usual place.
    #[must_use]
    pub fn new(env: EnvName, app: AppName, sudo: bool) -> Self {
        Self {
            root: ROOT.to_owned(),
            env,
            app,
            sudo,
        }
    }

    /// The app's record: an absolute path.
    #[must_use]
    pub fn folder(&self) -> String {
        let Self { root, env, app, .. } = self;
        format!("{root}/{env}/{app}")
    }

    /// Where a release's files for a slot lie: an absolute path.
    #[must_use]
    pub fn release_dir(&self, release: &ReleaseId, slot: &SlotName) -> String {
        format!("{}/releases/{release}/{slot}", self.folder())
    }

    pub(super) fn script(&self, name: &'static str, parts: &[&str]) -> Script {
        let mut script = Script::new(name, parts.join("\n"))
            .args([self.root.as_str(), self.env.as_str(), self.app.as_str()])
            .limit(SHORT);
        script.root = self.sudo;
        script
    }
}

/// Who claims: the run, the token of this attempt, and for how long the lease holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimId {
    /// The run.
    pub run: RunId,
    /// The token of this attempt.
    pub fence: Fence,
    /// Seconds that a lease lasts; 60, renewed every 15.
    pub ttl_secs: u32,
    /// Who runs it.
    pub who: Actor,
}

/// The fence of an attempt: attempt 1 is the run, each resume adds one. Random, since a counter
/// would begin anew on a re-imaged host.
///
/// # Panics
/// Never: digits, a dash and hex digits are a fence.
#[must_use]
pub fn fence(attempt: u32, random: u64) -> Fence {
    Fence::new(format!("{attempt}-{random:016x}")).expect("digits, a dash and hex are a fence")
}

/// The attempt of a fence; `None` where it is not of our form.
#[must_use]
pub fn attempt(fence: &Fence) -> Option<u32> {
    fence.as_str().split_once('-')?.0.parse().ok()
}

/// What a claim leaves on the host.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// What the run wants; written to `runs/<run>/manifest` before the claim is.
    pub manifest: Option<Manifest>,
    /// What the host is to keep and run, with its files; they go to `releases/<id>/<slot>`, with
    /// `release.json` beside them. Skipped where the host has them (releases never change).
    pub release: Option<(HostRelease, Vec<ReleaseFile>)>,
    /// Its secrets, brought where they are not, also to a release that the host has.
    pub secrets: Vec<SecretFile>,
}

/// The text of a look-like verb: the record's own answer, then `facts` in a subshell of its own.
fn with_facts(scope: &Scope, name: &'static str, verb: &str, facts: &Body) -> Script {
    let text = ["facts() (\n:\n", &facts.text, "\n)"].concat();
    let mut script = scope.script(name, &[LIB, FACTS, &text, verb]);
    script.limit = facts.limit + SHORT;
    script.root |= facts.root;
    script
}

/// Looks, read-only and without the lock: the record, then what `facts` prints. `facts` has
/// `$STATE` and `$ROOT`, its own parameters, and an empty standard input (no data).
#[must_use]
pub fn look(scope: &Scope, facts: &Body) -> Script {
    with_facts(scope, "look", LOOK, facts).args(facts.args.clone())
}

/// Claims the host for a run, uploads, and looks again. The same fence again is answered as taken.
/// With `heed_hold` a person's lock refuses the claim.
///
/// # Errors
/// A [`NameError`] where the path of a file is absolute, leaves the release or holds characters
/// that a path of ours never does.
pub fn claim(
    scope: &Scope,
    id: &ClaimId,
    heed_hold: bool,
    upload: &Upload,
    facts: &Body,
) -> Result<Script, NameError> {
    let manifest = upload.manifest.as_ref().map(Manifest::to_bytes);
    let manifest = manifest.unwrap_or_default();
    let (release, slot, files) = release_files(upload)?;
    let mut script = with_facts(scope, "claim", &[SWEEP, DIR, CLAIM].join("\n"), facts)
        .args([
            id.run.as_str(),
            id.fence.as_str(),
            &id.ttl_secs.to_string(),
            id.who.as_str(),
            yes(heed_hold),
            release,
            slot,
            &manifest.len().to_string(),
            &files.len().to_string(),
        ])
        .args(files.iter().flat_map(|f| {
            [
                format!("{:o}", f.mode & 0o777),
                f.bytes.len().to_string(),
                f.path.clone(),
            ]
        }))
        .args(facts.args.clone());
    script.data = manifest;
    for file in &files {
        script.data.extend_from_slice(&file.bytes);
    }
    script.limit += SHORT;
    Ok(script)
}

/// Release, slot and files of an upload, `release.json` first; `-` where there is no release.
fn release_files(upload: &Upload) -> Result<(&str, &str, Vec<ReleaseFile>), NameError> {
    let Some((release, files)) = &upload.release else {
        return Ok(("-", "-", Vec::new()));
    };
    let mut all = vec![ReleaseFile {
        path: "release.json".to_owned(),
        mode: 0o660,
        bytes: past::label(release, files),
    }];
    for file in files {
        check_path(&file.path)?;
        all.push(file.clone());
    }
    for file in &upload.secrets {
        check_path(&file.path)?;
        all.push(ReleaseFile {
            path: file.path.clone(),
            mode: file.mode,
            bytes: file.bytes.expose().clone(),
        });
    }
    Ok((release.label.id.as_str(), release.slot.as_str(), all))
}

fn check_path(path: &str) -> Result<(), NameError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let why = if path.len() > 1000 {
        "is longer than 1000 bytes"
    } else if !path.chars().all(plain) {
        "has characters other than letters, digits, `.`, `_`, `-` and `/`"
    } else if path
        .split('/')
        .any(|part| matches!(part, "" | "." | "..") || part.starts_with('-'))
    {
        "is not a plain relative path"
    } else {
        return Ok(());
    };
    Err(NameError {
        kind: "path of a release file",
        word: path.to_owned(),
        why: why.to_owned(),
    })
}

/// Makes the lease last for another `ttl` seconds; also while a step runs.
#[must_use]
pub fn renew(scope: &Scope, fence: &Fence) -> Script {
    let script = scope.script("renew", &[LIB, RENEW]);
    script.args([fence.as_str()]).limit(Duration::from_secs(10))
}

/// Runs `body` as step `seq` of the run, under lock and fence, at most once per `seq`.
///
/// The body has `$ROOT`, `$STATE`, `$RUN`, `$FENCE`, `$SEQ` and the functions of `sh/body.sh`, its
/// own parameters from `$1`, its data on standard input. Its parameters can be seen by every user
/// of the host while it runs: secrets belong into the data.
#[must_use]
pub fn step(scope: &Scope, id: &ClaimId, seq: u64, body: &Body) -> Script {
    let text = ["body='", &quoted(&[BODY, "\n", &body.text].concat()), "'"].concat();
    let private = if body.tied { PRIVATE } else { "" };
    let limit = body.limit.as_millis().div_ceil(1000).max(1);
    let mut script = scope
        .script(body.name, &[LIB, private, &text, STEP])
        .args([
            id.run.as_str(),
            id.fence.as_str(),
            &seq.to_string(),
            &word(body.name),
            &limit.to_string(),
            yes(body.follow),
            yes(body.tied),
            &body.data.len().to_string(),
        ])
        .args(body.args.clone());
    script.data.clone_from(&body.data);
    script.tied = body.tied;
    script.quiet = body.quiet;
    script.root |= body.root;
    script.limit = body.limit + AROUND_STEP;
    script
}

/// A claim to be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// The fence that the claim must still show.
    pub expected: Fence,
    /// Take although the lease is not over (`--take-over`, or the holder is known to be dead).
    pub force: bool,
    /// End the step that still runs, whatever it is. A pull is ended in any case.
    pub kill: bool,
    /// Take it from another run though that has begun something (`--take-over` of a switch or a
    /// rollback).
    pub displace: bool,
    /// What the run that takes it wants, where the host does not have that yet.
    pub manifest: Option<Manifest>,
}

/// Takes over a claim that somebody left, with a new fence. Another run than the one that holds it
/// gets it only where nothing was begun, or where it displaces it.
#[must_use]
pub fn take(scope: &Scope, id: &ClaimId, what: &Take) -> Script {
    let manifest = what.manifest.as_ref().map(Manifest::to_bytes);
    let mut script = scope.script("take", &[LIB, TAKE]).args([
        what.expected.as_str(),
        id.run.as_str(),
        id.fence.as_str(),
        &id.ttl_secs.to_string(),
        id.who.as_str(),
        yes(!what.force),
        yes(what.kill),
        yes(what.displace),
        &manifest.as_ref().map_or(0, Vec::len).to_string(),
    ]);
    script.data = manifest.unwrap_or_default();
    script
}

/// Gives the host back: how the run ended, its line of history, then the claim goes.
#[must_use]
pub fn release(scope: &Scope, fence: &Fence, outcome: OutcomeKind, entry: &HistoryEntry) -> Script {
    let script = scope.script("release", &[LIB, RELEASE]);
    script.args(released(fence, outcome, entry, false, 0))
}

/// The same, with the run's report, and a look when it is done: neither costs a way there and back
/// of its own.
#[must_use]
pub fn release_and_look(
    scope: &Scope,
    fence: &Fence,
    outcome: OutcomeKind,
    entry: &HistoryEntry,
    report: &RunReport,
    facts: &Body,
) -> Script {
    let report = report.to_bytes();
    let mut script = with_facts(scope, "release", RELEASE, facts)
        .args(released(fence, outcome, entry, true, report.len()))
        .args(facts.args.clone());
    script.data = report;
    script
}

fn released(
    fence: &Fence,
    outcome: OutcomeKind,
    entry: &HistoryEntry,
    look: bool,
    report: usize,
) -> [String; 8] {
    [
        fence.to_string(),
        outcome.word().to_owned(),
        entry.to_line(),
        KEEP_RUNS.to_string(),
        KEEP_HISTORY.to_string(),
        entry
            .promotes()
            .map_or_else(|| "-".to_owned(), ReleaseId::to_string),
        yes(look).to_owned(),
        report.to_string(),
    ]
}

/// Gives the host back without a word in its history: the run never began.
#[must_use]
pub fn unclaim(scope: &Scope, fence: &Fence) -> Script {
    scope.script("unclaim", &[LIB, RELEASE]).args([
        fence.as_str(),
        OutcomeKind::Refused.word(),
        "-",
        &KEEP_RUNS.to_string(),
        &KEEP_HISTORY.to_string(),
        "-",
        yes(false),
        "0",
    ])
}

/// Asks who holds the claim and the lock, without facts.
#[must_use]
pub fn peek(scope: &Scope) -> Script {
    scope.script("peek", &[LIB, PEEK])
}

/// What a person's lock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldLevel {
    /// All apps of the environment.
    Env,
    /// One app.
    App,
}

impl HoldLevel {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::App => "app",
        }
    }
}

/// Sets a person's lock; one that is there already stays and is told. `until` and `since` are
/// seconds since the epoch by the clock of the caller; `text` is one line.
#[must_use]
pub fn hold(
    scope: &Scope,
    level: HoldLevel,
    until: Option<i64>,
    since: i64,
    who: &Actor,
    text: &str,
) -> Script {
    let until = until.map_or_else(|| "-".to_owned(), |t| t.to_string());
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    scope.script("hold", &[LIB, DIR, HOLD]).args([
        level.word(),
        &until,
        &since.to_string(),
        who.as_str(),
        &text,
    ])
}

/// Removes a person's lock.
#[must_use]
pub fn unhold(scope: &Scope, level: HoldLevel) -> Script {
    scope.script("unhold", &[LIB, UNHOLD]).args([level.word()])
}

fn read(scope: &Scope, name: &'static str, what: &str, lines: u32) -> Script {
    let script = scope.script(name, &[LIB, READ]);
    script.args([what, &lines.to_string()])
}

/// Reads what a run wanted.
#[must_use]
pub fn read_manifest(scope: &Scope, run: &RunId) -> Script {
    read(scope, "manifest", &format!("runs/{run}/manifest"), 0)
}

/// Reads how a run ended.
#[must_use]
pub fn read_outcome(scope: &Scope, run: &RunId) -> Script {
    read(scope, "outcome", &format!("runs/{run}/outcome"), 0)
}

/// Reads the last `lines` of the output of a step.
#[must_use]
pub fn read_output(scope: &Scope, run: &RunId, seq: u64, lines: u32) -> Script {
    read(scope, "output", &format!("runs/{run}/out.{seq}"), lines)
}

/// Reads the last `lines` finished runs.
#[must_use]
pub fn read_history(scope: &Scope, lines: u32) -> Script {
    read(scope, "history", "history", lines)
}

/// Reads the last `lines` of the journal.
#[must_use]
pub fn read_journal(scope: &Scope, lines: u32) -> Script {
    read(scope, "journal", "journal", lines)
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

/// A static name as one word of the record.
fn word(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '-',
        })
        .collect()
}

/// Static text for between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

#[cfg(test)]
mod tests;
