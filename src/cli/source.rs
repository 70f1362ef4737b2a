//! What a command of `hosts_from` prints: run once per command line, in the directory of the
//! configuration, with the operator's own environment and no shell.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::context::Context;
use super::session;
use crate::host::local;

/// Longest time: dynamic inventories ask clouds.
const LIMIT: Duration = Duration::from_secs(60);
/// Most that is read; ten thousand hosts with a hundred variables each are less.
const LARGEST: usize = 64 * 1024 * 1024;

/// What was asked already, by command. One inventory is read several times by some commands, and
/// must be the same each time.
#[derive(Debug, Default)]
pub struct Asked(Mutex<BTreeMap<Vec<String>, Result<String, String>>>);

/// What the command printed.
///
/// # Errors
/// Why there is nothing: as the end of a sentence that begins with the command.
pub fn ask(ctx: &Context, words: &[String]) -> Result<String, String> {
    let mut asked = ctx.asked.0.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(known) = asked.get(words) {
        return known.clone();
    }
    // Inventories are read where nothing else is under way: the thread may wait.
    let said =
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(run(ctx, words)));
    asked.insert(words.to_vec(), said.clone());
    said
}

async fn run(ctx: &Context, words: &[String]) -> Result<String, String> {
    let (program, args) = words.split_first().ok_or("is empty")?;
    let dir = session::config_dir(ctx);
    let done = local::output_in(Some(&dir), program, args, b"", LIMIT).await;
    let done = done.map_err(|e| match e.kind() {
        std::io::ErrorKind::TimedOut => format!("did not end within {} s", LIMIT.as_secs()),
        _ => format!("cannot be started: {e}"),
    })?;
    if done.status != Some(0) {
        let status = done.status.map_or("was ended by a signal".to_owned(), |s| {
            format!("ended with {s}")
        });
        let said = String::from_utf8_lossy(&done.stderr);
        let last = said.lines().rev().find(|l| !l.trim().is_empty());
        let last = last.map(|l| {
            let tame = l.chars().filter(|c| !c.is_control()).take(200);
            format!(": {}", tame.collect::<String>())
        });
        return Err(format!("{status}{}", last.unwrap_or_default()));
    }
    if done.stdout.len() > LARGEST {
        return Err(format!("printed more than {} MiB", LARGEST >> 20));
    }
    String::from_utf8(done.stdout).map_err(|_| "printed what is no UTF-8 text".to_owned())
}
