//! Fetches secrets: each once per run, all at the same time, from where the inventory says.
//!
//! A value is held as [`Secret`] from its first byte and never part of a message. To add a source:
//! a variant of `inventory::SecretSource`, read in its `sections`, and an arm in [`value`].

mod dotenv;

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinSet;

use super::context::Context;
use super::failure::Failure;
use super::session;
use crate::engine::voice::Voice;
use crate::fleet::Fleet;
use crate::host::local;
use crate::inventory::{Inventory, SecretSource};
use crate::release::{Prints, Secrets};
use crate::text::{Diagnostic, Findings, Redactor, Secret};

/// Longest time for one command: whoever must type a password into it does so within this.
const LIMIT: Duration = Duration::from_secs(30);

/// Largest secret, as in Docker.
const LARGEST: usize = 500 * 1024;

/// The values of these secrets. What they are is hidden from all output from now on.
///
/// # Errors
/// Everything that keeps one of them from being fetched, without a word of any value.
pub async fn fetch(
    ctx: &Context,
    voice: &Voice,
    inventory: &Inventory,
    names: BTreeSet<String>,
) -> Result<Secrets, Failure> {
    let dir = session::config_dir(ctx);
    let mut set = JoinSet::new();
    for name in names {
        let Some(written) = inventory.secrets.get(&name) else {
            continue;
        };
        let source = Source::of(ctx, &dir, &written.value);
        let span = written.span.clone();
        set.spawn(async move { (name, span, value(source).await) });
    }
    let mut found = Findings::default();
    let mut out = Secrets::new();
    let mut redactor = Redactor::default();
    while let Some(joined) = set.join_next().await {
        let (name, span, got) =
            joined.map_err(|e| Failure::failed("fetching secrets failed").because(e))?;
        match got.and_then(usable) {
            Ok(value) => {
                redactor.add(&String::from_utf8_lossy(&value));
                out.insert(name, Secret::new(value));
            }
            Err(why) => {
                let what = format!("secret `{name}` cannot be fetched: {}", why.what);
                let finding = Diagnostic::error(what).at(&span);
                found.push(why.hint.into_iter().fold(finding, Diagnostic::hint));
            }
        }
    }
    ctx.out.hide(&redactor);
    voice.hide(&redactor);
    if found.has_errors() {
        return Err(found.into());
    }
    Ok(out)
}

/// What fetches these secrets for whoever may do without them: nobody waits for it, and what goes
/// wrong is a text without any value.
pub fn later(
    ctx: &Context,
    inventory: &Inventory,
    names: &[&String],
) -> impl Future<Output = Result<Secrets, String>> + Send + use<> {
    let dir = session::config_dir(ctx);
    let sources: Vec<(String, Source)> = names
        .iter()
        .filter_map(|name| {
            let written = inventory.secrets.get(*name)?;
            Some(((*name).clone(), Source::of(ctx, &dir, &written.value)))
        })
        .collect();
    async move {
        let mut out = Secrets::new();
        for (name, source) in sources {
            let got = value(source).await.and_then(usable);
            let got = got.map_err(|why| format!("secret `{name}` cannot be fetched: {}", why.what));
            out.insert(name, Secret::new(got?));
        }
        Ok(out)
    }
}

/// The salt of the newest release that hosts keep, so that the same value has the same fingerprint; that
/// of the jobs that ran where they keep none, so that a release is known again by its jobs; a new one
/// where there is none yet.
#[must_use]
pub fn salt(fleet: &Fleet, random: impl Fn() -> u64) -> String {
    let kept = fleet.hosts.values().flat_map(|v| &v.record.kept);
    let salted = kept.filter(|k| !Prints::is_empty(&k.secrets));
    let newest = salted.max_by_key(|k| (k.label.revision, k.secrets.salt.clone()));
    let jobs = fleet.records().flat_map(|(_, r)| &r.jobs);
    let of_job = jobs
        .filter(|m| !m.salt.is_empty())
        .max_by_key(|m| (m.revision, m.salt.clone()));
    newest
        .map(|k| k.secrets.salt.clone())
        .or_else(|| of_job.map(|m| m.salt.clone()))
        .unwrap_or_else(|| format!("{:016x}{:016x}", random(), random()))
}

/// Why a value is not there. Never holds any part of it.
struct Why {
    what: String,
    hint: Option<String>,
}

impl Why {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A source with all that is needed to ask it.
enum Source {
    /// A variable and its value, where it is set.
    Env(String, Option<Vec<u8>>),
    File(PathBuf),
    Dotenv(PathBuf, String),
    Command(PathBuf, Vec<String>),
}

impl Source {
    fn of(ctx: &Context, dir: &Path, source: &SecretSource) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        match source {
            SecretSource::Env(name) => {
                let value = ctx.outside.vars.get(name);
                Self::Env(name.clone(), value.map(|v| v.as_bytes().to_vec()))
            }
            SecretSource::File(path) => Self::File(dir.join(path)),
            SecretSource::Dotenv { path, key } => Self::Dotenv(dir.join(path), key.clone()),
            SecretSource::Command(words) => Self::Command(dir.to_owned(), words.clone()),
        }
    }
}

async fn value(source: Source) -> Result<Vec<u8>, Why> {
    match source {
        Source::Env(name, None) => Err(Why::new(format!("the variable {name} is not set"))),
        Source::Env(_, Some(value)) => Ok(value),
        Source::File(path) => Ok(one_line(private(&path).await?)),
        Source::Dotenv(path, key) => {
            let bytes = private(&path).await?;
            let text = std::str::from_utf8(&bytes)
                .map_err(|_| Why::new(format!("{} is not UTF-8 text", path.display())))?;
            let found = dotenv::get(text, &key);
            found
                .map(String::into_bytes)
                .map_err(|why| Why::new(format!("{} {why}", path.display())))
        }
        Source::Command(dir, words) => command(&dir, &words).await,
    }
}

/// The content of a file that nobody but its owner can read.
#[expect(clippy::disallowed_methods, reason = "the door to files of secrets")]
async fn private(path: &Path) -> Result<Vec<u8>, Why> {
    let shown = path.display();
    let unread = |e: io::Error| Why::new(format!("{shown} cannot be read: {e}"));
    let meta = tokio::fs::metadata(path).await.map_err(unread)?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let why = Why::new(format!("{shown} can be read by others (mode {mode:o})"));
        return Err(why.hint(format!("chmod 600 {shown}")));
    }
    if meta.len() > LARGEST as u64 {
        return Err(too_large());
    }
    tokio::fs::read(path).await.map_err(unread)
}

/// What a command prints. Its words go to it as they are: no shell reads them.
async fn command(dir: &Path, words: &[String]) -> Result<Vec<u8>, Why> {
    let Some((program, args)) = words.split_first() else {
        return Err(Why::new("its command is empty"));
    };
    let done = local::output_in(Some(dir), program, args, b"", LIMIT).await;
    let done = done.map_err(|e| match e.kind() {
        io::ErrorKind::TimedOut => Why::new(format!(
            "`{program}` did not end within {} s",
            LIMIT.as_secs()
        ))
        .hint("does it wait for a password? sign in before the deploy"),
        _ => Why::new(format!("`{program}` cannot be started: {e}")),
    })?;
    if done.status == Some(0) {
        return Ok(one_line(done.stdout));
    }
    let status = done.status.map_or("was ended by a signal".to_owned(), |s| {
        format!("ended with {s}")
    });
    let why = Why::new(format!("`{program}` {status}"));
    Err(match complaint(&done) {
        Some(last) => why.hint(format!("it said: {last}")),
        None => why,
    })
}

/// The last line that a failed command complained with, without anything that it printed as a value.
fn complaint(done: &local::Output) -> Option<String> {
    let mut redactor = Redactor::default();
    redactor.add(&String::from_utf8_lossy(&done.stdout));
    let said = redactor.clean(&String::from_utf8_lossy(&done.stderr));
    let last = said.lines().rev().find(|l| !l.trim().is_empty())?;
    Some(last.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// A single line loses its line end, which most programs print; more lines (keys, certificates)
/// stay as they are.
fn one_line(mut value: Vec<u8>) -> Vec<u8> {
    let ends = value.iter().filter(|b| **b == b'\n').count();
    if ends == 1 && value.ends_with(b"\n") {
        value.pop();
        if value.ends_with(b"\r") {
            value.pop();
        }
    }
    value
}

fn usable(value: Vec<u8>) -> Result<Vec<u8>, Why> {
    match value.len() {
        0 => Err(Why::new("it is empty")),
        n if n > LARGEST => Err(too_large()),
        _ => Ok(value),
    }
}

fn too_large() -> Why {
    Why::new(format!("it is larger than {} KiB", LARGEST / 1024))
}

#[cfg(test)]
mod tests;
