//! Tells receivers of a run, beside it: a receiver that is dead or slow delays nothing and fails
//! nothing. What did not arrive is a note.
//!
//! Each receiver has a task that sends its messages in order, each within its own time from the
//! moment it was said. Only the last one is waited for, when all is over. To add a point: a variant
//! of `inventory::notify::Point`, and the call of [`Notices::tell`] where the run comes by.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

pub use samples::check;

use super::context::Context;
use super::drive::Drive;
use super::failure::{Failure, chain};
use super::hooks::{self, Beside, Runner};
use super::{secrets, session};
use crate::engine::run::Meta;
use crate::engine::voice::Voice;
use crate::event::jiff_text::Stamp;
use crate::event::{Kind, Stage};
use crate::inventory::Inventory;
use crate::inventory::hooks::Hook;
use crate::inventory::notify::{Point, Receiver, Text};
use crate::name::{AppName, EnvName, HostName, Outcome};
use crate::notify::{Body, Message, NotSent, Post, Version};
use crate::plan::{Action, Plan, PlanKind, calendar};
use crate::release::{ReleaseLabel, Secrets};
use crate::report::words;
use crate::text::{Redactor, Secret};
use crate::time::Clock;

/// Largest template.
const LARGEST: u64 = 256 * 1024;

/// Who is told of a run, with what is said of it at every point.
pub struct Notices {
    lines: Arc<Vec<Line>>,
    about: Message,
    clock: Clock,
    /// What runs before the first change.
    first: Vec<Runner>,
    beside: Beside,
    /// Load balancers that have not switched yet; none where the plan has no one switch.
    missing: Arc<Mutex<BTreeSet<HostName>>>,
}

/// A receiver and the way to its task.
struct Line {
    on: Vec<Point>,
    within: Duration,
    to: Mutex<Option<UnboundedSender<(Message, Duration)>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What a run is, for those who are told of it.
pub struct About<'a> {
    /// What is done.
    pub kind: PlanKind,
    /// The environment.
    pub env: &'a EnvName,
    /// The app.
    pub app: &'a AppName,
    /// What serves.
    pub from: Option<&'a ReleaseLabel>,
    /// What is brought.
    pub to: Option<&'a ReleaseLabel>,
    /// The slot that gets the traffic.
    pub slot: &'a str,
}

impl<'a> About<'a> {
    /// What a plan says.
    #[must_use]
    pub fn plan(plan: &'a Plan) -> Self {
        Self {
            kind: plan.kind,
            env: &plan.env,
            app: &plan.app,
            from: plan.from.as_ref(),
            to: plan.to.as_ref(),
            slot: plan.target.as_str(),
        }
    }
}

impl Notices {
    /// The receivers of an environment; nobody where its inventory is not known.
    #[must_use]
    pub fn of(drive: &Drive<'_>, about: &About<'_>, voice: &Voice) -> Self {
        let mut about = about_run(drive.meta, about);
        if let Some(release) = drive.release {
            about.to = Some(version(&release.label));
        }
        let known = drive.inventory.map(|i| (i, &i.notify));
        let lines = known.into_iter().flat_map(|(inventory, receivers)| {
            receivers.iter().map(move |(name, receiver)| {
                let teller = Teller::new(drive.ctx, inventory, (name, receiver), voice);
                Line::start(receiver, teller)
            })
        });
        let hooks = drive.inventory.into_iter().flat_map(|i| &i.hooks);
        let hooks = hooks.map(|(name, hook)| {
            let runner = Runner::new(drive.ctx, (name, hook), drive.site, voice);
            (hook, runner)
        });
        let hooks: Vec<(&Hook, Runner)> = hooks.collect();
        let later = hooks.iter().filter(|(hook, _)| !hook.on.is_empty());
        let later = later.map(|(hook, runner)| Line::of_hook(hook, runner.clone()));
        Self {
            lines: Arc::new(lines.chain(later).collect()),
            first: hooks
                .iter()
                .filter(|(hook, _)| hook.before)
                .map(|(_, runner)| runner.clone())
                .collect(),
            beside: Beside::default(),
            about,
            clock: drive.ctx.clock.clone(),
            missing: Arc::default(),
        }
    }

    /// Tells of a run that was refused before there was a plan, or with it.
    pub async fn refused(
        drive: &Drive<'_>,
        (kind, to): (PlanKind, Option<&ReleaseLabel>),
        outcome: &Outcome,
        voice: &Voice,
    ) {
        let setup = &drive.site.setup;
        let about = About {
            kind,
            env: &setup.env,
            app: &setup.app,
            from: None,
            to,
            slot: "",
        };
        let notices = Self::of(drive, &about, &voice.of_run(&drive.meta.run));
        notices.end(outcome, &outcome.why);
        notices.close().await;
    }

    /// Runs what the operator wants to be run before the first change.
    ///
    /// # Errors
    /// What stops the run.
    pub async fn before(&self, plan: &Plan, resumes: bool) -> Result<(), Failure> {
        if self.first.is_empty() {
            return Ok(());
        }
        let mut message = self.about.clone();
        message.point = "before";
        message.at = Stamp(self.clock.wall());
        message.text = format!("{}: {} is about to begin", place(&message), what(&message));
        // Nobody is kept from going back, or from finishing what was begun.
        if resumes || !calendar::bound(plan) {
            self.beside.start(&self.first, &message);
            return Ok(());
        }
        hooks::before(self.first.clone(), &message).await
    }

    /// The run is about to begin: says so, and listens for its switch.
    #[must_use]
    pub fn start(&self, plan: &Plan, voice: &Voice) -> Voice {
        if self.lines.is_empty() {
            return voice.clone();
        }
        self.tell(Point::Start, |m| {
            m.text = format!("{}: {} began, by {}", place(m), what(m), m.by);
        });
        let commit = plan.steps.iter().find(|s| Some(s.id) == plan.commit);
        let moves = commit.map(|step| match &step.action {
            Action::Shift { moves } => moves.iter().map(|m| m.host.clone()).collect(),
            _ => BTreeSet::new(),
        });
        *lock(&self.missing) = moves.unwrap_or_default();
        let own = self.clone_for_tap();
        voice.tapped(move |kind| own.heard(kind))
    }

    fn clone_for_tap(&self) -> Self {
        Self {
            lines: Arc::clone(&self.lines),
            first: Vec::new(),
            beside: Beside::default(),
            about: self.about.clone(),
            clock: self.clock.clone(),
            missing: Arc::clone(&self.missing),
        }
    }

    fn heard(&self, kind: &Kind) {
        let Kind::Done { host, stage, .. } = kind else {
            return;
        };
        let last = *stage == Stage::Switch && {
            let mut missing = lock(&self.missing);
            missing.remove(host) && missing.is_empty()
        };
        if last {
            self.tell(Point::Switched, |m| {
                let to = m.to.as_ref().map_or_else(String::new, label);
                m.text = format!("{}: {to} serves now, in {}", place(m), m.slot);
            });
        }
    }

    /// The run is over.
    pub fn end(&self, outcome: &Outcome, block: &str) {
        self.tell(Point::Ended(outcome.kind), |m| {
            m.outcome = outcome.kind.word().to_owned();
            m.why.clone_from(&outcome.why);
            m.hosts = outcome.hosts.iter().map(ToString::to_string).collect();
            block.clone_into(&mut m.block);
            let took = Duration::from_secs(u64::try_from(m.seconds).unwrap_or(0));
            let took = crate::text::duration(took);
            let why = match m.why.as_str() {
                "" => String::new(),
                why => format!(": {why}"),
            };
            let (place, what) = (place(m), what(m));
            m.text = format!(
                "{place}: {what} {} after {took}, by {}{why}",
                m.outcome, m.by
            );
        });
    }

    /// Says it to those who asked for this point. Waits for nothing.
    fn tell(&self, point: Point, fill: impl FnOnce(&mut Message)) {
        let mut message = self.about.clone();
        message.point = point.word();
        let now = self.clock.wall();
        message.at = Stamp(now);
        message.seconds = now.as_second() - message.started.0.as_second();
        fill(&mut message);
        for line in self.lines.iter() {
            if !line.on.iter().any(|wanted| wanted.covers(point)) {
                continue;
            }
            if let Some(to) = &*lock(&line.to) {
                // A task that has ended has said why.
                let _ = to.send((message.clone(), self.clock.elapsed() + line.within));
            }
        }
    }

    /// Waits until all is sent or given up: at most the time of one message.
    pub async fn close(&self) {
        for line in self.lines.iter() {
            drop(lock(&line.to).take());
            let task = lock(&line.task).take();
            if let Some(task) = task {
                // A task that panicked told nobody; the run is as it is.
                let _ = task.await;
            }
        }
        self.beside.close().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing can be left half-done in there.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is the same at all points.
fn about_run(meta: &Meta, about: &About<'_>) -> Message {
    let started = jiff::Timestamp::from_second(meta.started).unwrap_or_default();
    Message {
        v: 1,
        point: "",
        run: meta.run.to_string(),
        env: about.env.to_string(),
        app: about.app.to_string(),
        what: about.kind.word().to_owned(),
        from: about.from.map(version),
        to: about.to.map(version),
        slot: about.slot.to_owned(),
        by: words::person(&meta.who).to_owned(),
        message: meta.why.clone(),
        ticket: meta.ticket.clone(),
        config: meta.config.clone(),
        started: Stamp(started),
        at: Stamp(started),
        seconds: 0,
        outcome: String::new(),
        why: String::new(),
        hosts: Vec::new(),
        text: String::new(),
        block: String::new(),
    }
}

fn version(release: &ReleaseLabel) -> Version {
    Version {
        revision: release.revision,
        version: release.version.to_string(),
        digest: release
            .digest
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    }
}

fn place(m: &Message) -> String {
    format!("{} {}", m.env, m.app)
}

fn what(m: &Message) -> String {
    match &m.to {
        Some(to) => format!("{} of {}", m.what, label(to)),
        None => m.what.clone(),
    }
}

fn label(v: &Version) -> String {
    match v.revision {
        0 => v.version.clone(),
        n => format!("#{n} {}", v.version),
    }
}

impl Line {
    fn start(receiver: &Receiver, teller: Teller) -> Self {
        let (to, hear) = unbounded_channel();
        Self {
            on: receiver.on.clone(),
            within: receiver.within,
            to: Mutex::new(Some(to)),
            task: Mutex::new(Some(tokio::spawn(teller.run(hear)))),
        }
    }
}

impl Line {
    fn of_hook(hook: &Hook, runner: Runner) -> Self {
        let (to, hear) = unbounded_channel();
        Self {
            on: hook.on.clone(),
            within: hook.within,
            to: Mutex::new(Some(to)),
            task: Mutex::new(Some(tokio::spawn(runner.run(hear)))),
        }
    }
}

type Fetch = std::pin::Pin<Box<dyn Future<Output = Result<Secrets, String>> + Send>>;

/// What a receiver's task has.
struct Teller {
    name: String,
    receiver: Receiver,
    template: Option<std::path::PathBuf>,
    fetch: Option<Fetch>,
    hide: Box<dyn Fn(&Redactor) + Send>,
    voice: Voice,
}

impl Teller {
    fn new(
        ctx: &Context,
        inventory: &Inventory,
        (name, receiver): (&str, &Receiver),
        voice: &Voice,
    ) -> Self {
        let (out, heard) = (ctx.out.clone(), voice.clone());
        let dir = session::config_dir(ctx);
        Self {
            name: name.to_owned(),
            receiver: receiver.clone(),
            template: receiver.template.as_ref().map(|t| dir.join(&t.value)),
            fetch: Some(Box::pin(secrets::later(
                ctx,
                inventory,
                &receiver.secrets(),
            ))),
            hide: Box::new(move |secrets| {
                out.hide(secrets);
                heard.hide(secrets);
            }),
            voice: voice.clone(),
        }
    }

    async fn run(mut self, mut hear: UnboundedReceiver<(Message, Duration)>) {
        let mut post = None;
        let mut said = String::new();
        while let Some((message, due)) = hear.recv().await {
            let left = due.saturating_sub(self.voice.clock().elapsed());
            let work = async {
                if post.is_none() {
                    post = Some(self.ready().await);
                }
                match &post {
                    Some(Ok(post)) => post.send(&message).await.map_err(|e| chain(&e)),
                    Some(Err(why)) => Err(why.clone()),
                    None => Err("it is not ready".to_owned()),
                }
            };
            let done = match tokio::time::timeout(left, work).await {
                Ok(done) => done,
                Err(_) => {
                    let within = crate::text::duration(self.receiver.within);
                    Err(format!("not done within {within}"))
                }
            };
            let Err(why) = done else { continue };
            let (name, point) = (&self.name, message.point);
            let text = match why == said {
                true => format!("`{name}` was not told of `{point}` either"),
                false => format!("`{name}` was not told of `{point}`: {why}"),
            };
            self.voice
                .note(text, "the run does not depend on it; see `notify:`");
            said = why;
        }
    }

    /// Fetches what a message needs, once.
    async fn ready(&mut self) -> Result<Post, String> {
        let values = match self.fetch.take() {
            Some(fetch) => fetch.await?,
            None => return Err("its secrets were not fetched in time".to_owned()),
        };
        let mut hidden = Redactor::default();
        for value in values.values() {
            hidden.add(&String::from_utf8_lossy(value.expose()));
        }
        (self.hide)(&hidden);
        let body = match &self.template {
            Some(path) => Some(template(path)?),
            None => None,
        };
        post(&self.receiver, &values, body)
    }
}

/// What sends to a receiver.
fn post(receiver: &Receiver, values: &Secrets, body: Option<Body>) -> Result<Post, String> {
    let text = |text: &Text| match text {
        Text::Plain(plain) => Ok(Secret::new(plain.clone())),
        Text::Secret(name) => {
            let value = values.get(name).map(|v| v.expose().clone());
            let text = value.and_then(|v| String::from_utf8(v).ok());
            text.map(Secret::new)
                .ok_or_else(|| format!("secret `{name}` is no text"))
        }
    };
    let mut headers = BTreeMap::new();
    for (name, value) in &receiver.headers {
        headers.insert(name.clone(), text(value)?);
    }
    let sign = receiver.sign.as_ref().and_then(|sign| {
        let key = values.get(&sign.secret)?;
        Some((sign.form, key.clone()))
    });
    Ok(Post {
        url: text(&receiver.url)?,
        headers,
        sign,
        body,
        answer: receiver.answer.clone(),
    })
}

/// A template of a body.
///
/// # Errors
/// Why there is none, in words.
#[expect(
    clippy::disallowed_methods,
    reason = "the door to templates of notifications"
)]
pub fn template(path: &std::path::Path) -> Result<Body, String> {
    let shown = path.display();
    let unread = |e: std::io::Error| format!("{shown} cannot be read: {e}");
    let length = std::fs::metadata(path).map_err(unread)?.len();
    if length > LARGEST {
        return Err(format!("{shown} is larger than {} KiB", LARGEST / 1024));
    }
    let text = std::fs::read_to_string(path).map_err(unread)?;
    Body::new(&path.to_string_lossy(), text)
        .map_err(|e| format!("{shown}: {}", chain(&NotSent::Body(e))))
}

#[cfg(test)]
pub(crate) mod tests;
