//! Runs the operator's programs around a release, each with the run as JSON on its standard input.
//!
//! One that fails before the first change stops the run; what fails later is a note. To add a place:
//! a variant of `inventory::hooks::Place`, and an arm in [`Runner::once`].

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, JoinSet};

use super::context::Context;
use super::failure::Failure;
use super::session;
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::host::{hook, local};
use crate::inventory::hooks::{Hook, Place};
use crate::notify::Message;

/// A hook with everything that it needs.
#[derive(Clone)]
pub struct Runner {
    name: String,
    hook: Hook,
    dir: PathBuf,
    site: Arc<Site>,
    voice: Voice,
}

/// Why a hook did not do what it should.
pub enum Bad {
    /// It said no: another exit status than 0, or it could not be started.
    No(String),
    /// It is not known how it ended.
    Unknown(String),
}

impl Runner {
    /// A hook of this run.
    #[must_use]
    pub fn new(
        ctx: &Context,
        (name, hook): (&str, &Hook),
        site: &Arc<Site>,
        voice: &Voice,
    ) -> Self {
        Self {
            name: name.to_owned(),
            hook: hook.clone(),
            dir: session::config_dir(ctx),
            site: Arc::clone(site),
            voice: voice.clone(),
        }
    }

    /// Runs it for each message in turn; what goes wrong is a note.
    pub async fn run(self, mut hear: UnboundedReceiver<(Message, Duration)>) {
        while let Some((message, _)) = hear.recv().await {
            for bad in self.once(&message).await {
                let why = match bad {
                    Bad::No(why) | Bad::Unknown(why) => why,
                };
                let text = format!("hook `{}` at `{}`: {why}", self.name, message.point);
                self.voice
                    .note(text, "the run does not depend on it; see `hooks:`");
            }
        }
    }

    /// Runs it once, everywhere at the same time; what went wrong, machine by machine.
    async fn once(&self, message: &Message) -> Vec<Bad> {
        let Ok(data) = serde_json::to_vec(message) else {
            return vec![Bad::Unknown("the run cannot be told as JSON".to_owned())];
        };
        match self.hook.place {
            Place::Local => self.here(&data).await.err().into_iter().collect(),
            Place::App | Place::Balancers => self.there(&data).await,
        }
    }

    async fn here(&self, data: &[u8]) -> Result<(), Bad> {
        let Some((program, words)) = self.hook.run.split_first() else {
            return Err(Bad::No("it names no program".to_owned()));
        };
        let own = self.dir.join(program);
        // `hooks/x` is the configuration's own; `x` is looked for on PATH.
        let program = match program.contains('/') {
            true => std::path::absolute(&own).unwrap_or(own),
            false => PathBuf::from(program),
        };
        let program = program.to_string_lossy();
        let done = local::output_in(Some(&self.dir), &program, words, data, self.hook.within);
        match done.await {
            Ok(done) => {
                let text = String::from_utf8_lossy(&done.stderr).into_owned()
                    + &String::from_utf8_lossy(&done.stdout);
                let text = self.voice.hidden().clean(&text);
                let last = text.lines().rev().find(|l| !l.trim().is_empty());
                judged("", done.status, last)
            }
            Err(e) if e.kind() == std::io::ErrorKind::TimedOut => {
                let within = crate::text::duration(self.hook.within);
                Err(Bad::Unknown(format!("not done within {within}")))
            }
            Err(e) => Err(Bad::No(format!("it cannot be started: {e}"))),
        }
    }

    async fn there(&self, data: &[u8]) -> Vec<Bad> {
        let app = self.hook.place == Place::App;
        let limit = self.hook.within + Duration::from_secs(15);
        let answers = self
            .site
            .ask(limit, |_, machine| {
                let wanted = if app {
                    machine.app
                } else {
                    machine.balancer.is_some()
                };
                wanted.then(|| hook::script(&self.hook.run, data.to_vec(), self.hook.within))
            })
            .await;
        let judge = |(host, answer): (crate::name::HostName, Result<_, String>)| match answer {
            Ok(reply) => {
                let (status, said) = hook::end(&reply);
                let said = said.map(|text| self.voice.hidden().clean(text));
                judged(&format!("{host}: "), status, said.as_deref()).err()
            }
            Err(why) => Some(Bad::Unknown(format!("{host}: {why}"))),
        };
        // Whoever was not reached takes no part, or the run would not have come so far.
        let reached = |host: &crate::name::HostName| self.site.machines.contains_key(host);
        let answers = answers.into_iter().filter(|(host, _)| reached(host));
        answers.filter_map(judge).collect()
    }
}

/// An exit status of 0 is good; none is not.
fn judged(place: &str, status: Option<i32>, said: Option<&str>) -> Result<(), Bad> {
    let said = said.map_or_else(String::new, |line| {
        let line = line.chars().filter(|c| !c.is_control()).take(200);
        format!(": {}", line.collect::<String>().trim())
    });
    match status {
        Some(0) => Ok(()),
        // What `timeout` answers.
        Some(124 | 137 | 143) if !place.is_empty() => {
            Err(Bad::Unknown(format!("{place}not done in its time{said}")))
        }
        Some(n) => Err(Bad::No(format!("{place}ended with {n}{said}"))),
        None => Err(Bad::Unknown(format!("{place}was ended by a signal{said}"))),
    }
}

/// What runs beside a way back, which does not wait for it.
#[derive(Default)]
pub struct Beside(Mutex<Vec<JoinHandle<()>>>);

impl Beside {
    /// Begins all of them.
    pub fn start(&self, runners: &[Runner], message: &Message) {
        let all = runners.iter().cloned();
        let all = all.map(|runner| tokio::spawn(beside(runner, message.clone())));
        self.lock().extend(all);
    }

    /// Waits until they have ended.
    pub async fn close(&self) {
        let all = std::mem::take(&mut *self.lock());
        for task in all {
            // One that panicked has told nobody; the run is as it is.
            let _ = task.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        // Nothing can be left half-done in there.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one beside a way back, which goes ahead whatever comes of it.
async fn beside(runner: Runner, message: Message) {
    for bad in runner.once(&message).await {
        let why = match bad {
            Bad::No(why) | Bad::Unknown(why) => why,
        };
        let text = format!("hook `{}` before the run: {why}", runner.name);
        let voice = &runner.voice;
        voice.note(text, "a way back goes ahead all the same");
    }
}

/// Runs all of them at the same time, before the first change.
///
/// # Errors
/// Refused where one says no, unreachable where it is not known how one ended.
pub async fn before(runners: Vec<Runner>, message: &Message) -> Result<(), Failure> {
    let mut set = JoinSet::new();
    for runner in runners {
        let message = message.clone();
        set.spawn(async move {
            let bad = runner.once(&message).await;
            (runner, bad)
        });
    }
    let (mut reasons, mut unknown) = (Vec::new(), false);
    while let Some(joined) = set.join_next().await {
        let Ok((runner, all)) = joined else {
            reasons.push("a hook was not run to its end".to_owned());
            unknown = true;
            continue;
        };
        for bad in all {
            let why = match bad {
                Bad::No(why) => why,
                Bad::Unknown(why) => {
                    unknown = true;
                    why
                }
            };
            reasons.push(format!("hook `{}` before the run: {why}", runner.name));
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    reasons.sort();
    let text = format!("nothing was changed: {}", reasons.join("; "));
    let failure = match unknown {
        true => Failure::unreachable(text),
        false => Failure::refused(text),
    };
    Err(failure.hint("the program says why; `hooks:` in the inventory names it"))
}

#[cfg(test)]
mod tests;
