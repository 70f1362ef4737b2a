//! What `exec` and `run` share: which hosts, in which slot, and a command's lines and end.
//!
//! Each of the two says what it runs the command in: a [`What`].

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::context::Context;
use super::drive;
use super::failure::Failure;
use super::place::{OneApp, Place};
use super::session::{self, Session};
use super::work::with;
use crate::engine::site::{Machine, Site, chain};
use crate::engine::voice::Voice;
use crate::fleet::{Fleet, HostView};
use crate::host::docker::{exec, run};
use crate::host::script::Script;
use crate::name::{ExitCode, HostName, ServiceName, SlotName};
use crate::plan::judge;
use crate::report::words;

/// Longest look for the containers.
const LOOK: Duration = Duration::from_secs(10);
/// Lines that may wait to be shown.
const QUEUE: usize = 1024;

/// Where a command is to run, and the command.
#[derive(Debug, clap::Args)]
pub struct Inside {
    #[command(flatten)]
    of: OneApp,
    /// On these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
    /// On all hosts of the slot
    #[arg(long, conflicts_with = "hosts")]
    all: bool,
    /// In this slot instead of the one that serves
    #[arg(long, value_name = "SLOT")]
    slot: Option<SlotName>,
    /// Service, where the app has several
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<ServiceName>,
    /// With this terminal: on one host
    #[arg(short, long, conflicts_with = "all")]
    interactive: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<String>,
}

/// What a command runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A container that runs already, by its id.
    Container(String),
    /// A container made for it.
    New(run::OneOff),
}

impl What {
    fn script(&self, words: &[String]) -> Script {
        match self {
            Self::Container(id) => exec::script(id, words),
            Self::New(one) => run::script(one, words),
        }
    }

    fn on_terminal(&self, words: &[String]) -> Vec<String> {
        match self {
            Self::Container(id) => exec::on_terminal(id, words),
            Self::New(one) => run::on_terminal(one, words),
        }
    }
}

/// A host of the slot, as it was seen, for the command that chooses on it.
pub struct Spot<'a> {
    /// The whole app.
    pub site: &'a Site,
    /// The slot that is meant.
    pub slot: &'a SlotName,
    /// The host.
    pub host: &'a HostName,
    /// What was seen of it.
    pub view: &'a HostView,
    /// How it is spoken to.
    pub machine: &'a Machine,
}

/// What is chosen on a host.
#[derive(Clone)]
struct Target {
    host: HostName,
    machine: Machine,
    what: What,
}

impl Inside {
    /// Finds what the command is to run in, on each host, by `choose`, and runs it there. `word` is
    /// the command of ours, for messages.
    ///
    /// # Errors
    /// Words that mean nothing here, or hosts on which nothing can be chosen.
    pub async fn go(
        &self,
        ctx: &Context,
        word: &'static str,
        choose: impl Fn(&Spot) -> Result<What, Failure>,
    ) -> Result<ExitCode, Failure> {
        self.sensible(ctx)?;
        let place = self.of.open(ctx)?;
        let named = session::hosts(&place.inventory, &self.hosts)?;
        let session = Session::start(ctx)?;
        with(session, async |session: &mut Session| {
            let find = async |s: &Session| self.find(s, ctx, &place, &named, word, &choose).await;
            let targets = session.unless_stopped(find).await??;
            session.feed.pause().await;
            match targets.as_slice() {
                [one] if self.interactive => one.with_terminal(ctx, &self.words).await,
                _ if self.interactive => Err(Failure::usage("-i goes with one host")),
                targets => {
                    let all = async |_: &Session| on_all(ctx, targets, &self.words).await;
                    session.unless_stopped(all).await
                }
            }
        })
        .await
    }

    /// Whether the words go together.
    fn sensible(&self, ctx: &Context) -> Result<(), Failure> {
        if self.interactive && !(ctx.outside.stdin_terminal && ctx.outside.stdout_terminal) {
            return Err(
                Failure::usage("-i needs a terminal, and there is none here").hint(
                    "without -i the command gets no input, and its output comes line by line",
                ),
            );
        }
        if self.interactive && ctx.options.json {
            return Err(Failure::usage("-i and --json do not go together"));
        }
        if !self.interactive && self.words.iter().any(|w| w.contains('\n')) {
            return Err(Failure::usage("a word of the command holds a line break")
                .hint("put the lines into a file of the image, or join them with `;`"));
        }
        Ok(())
    }

    async fn find(
        &self,
        session: &Session,
        ctx: &Context,
        place: &Place,
        named: &[HostName],
        word: &'static str,
        choose: &impl Fn(&Spot) -> Result<What, Failure>,
    ) -> Result<Vec<Target>, Failure> {
        let site = session.open(&place.inventory, place.app()?).await;
        let fleet = site
            .look_within(&Voice::mute(ctx.clock.clone()), LOOK)
            .await;
        let slot = self.slot(place, &site, &fleet, word)?;
        let mut hosts: Vec<&HostName> = site.setup.hosts(&slot).collect();
        hosts.retain(|h| named.is_empty() || named.contains(h));
        if !self.all && named.is_empty() {
            hosts.truncate(1);
        }
        if hosts.is_empty() {
            let what = format!("{slot} of {} has none of these hosts", place.app);
            return Err(Failure::usage(what));
        }
        let on = |host: &HostName| on(&site, &fleet, &slot, host, choose);
        hosts.into_iter().map(on).collect()
    }

    /// The slot that was named, else the one that serves.
    fn slot(
        &self,
        place: &Place,
        site: &Site,
        fleet: &Fleet,
        word: &'static str,
    ) -> Result<SlotName, Failure> {
        let setup = &site.setup;
        if let Some(slot) = &self.slot {
            place.has_slot(slot)?;
            return Ok(slot.clone());
        }
        let hint = "--slot SLOT names the one that is meant";
        let unknown = |refusal| drive::refused(word, refusal).hint(hint);
        let traffic = judge::traffic_now(setup, fleet).map_err(unknown)?;
        let active = judge::active(setup, traffic.as_ref()).map_err(unknown)?;
        active.ok_or_else(|| {
            Failure::refused(format!("nothing of {} serves yet", setup.app)).hint(hint)
        })
    }
}

/// What is chosen on a host that answers.
fn on(
    site: &Site,
    fleet: &Fleet,
    slot: &SlotName,
    host: &HostName,
    choose: &impl Fn(&Spot) -> Result<What, Failure>,
) -> Result<Target, Failure> {
    let silent = fleet.silent.get(host).or_else(|| site.silent.get(host));
    let (Some(view), Some(machine)) = (fleet.hosts.get(host), site.machines.get(host)) else {
        let why = silent.map_or("it was not seen", String::as_str);
        return Err(Failure::unreachable(format!(
            "no answer from {host}: {why}"
        )));
    };
    let spot = Spot {
        site,
        slot,
        host,
        view,
        machine,
    };
    Ok(Target {
        host: host.clone(),
        machine: machine.clone(),
        what: choose(&spot)?,
    })
}

impl Target {
    async fn with_terminal(&self, ctx: &Context, words: &[String]) -> Result<ExitCode, Failure> {
        let words = self.what.on_terminal(words);
        let host = &self.machine.host;
        let ended = host.on_terminal(&words, self.machine.scope.sudo).await;
        let status = ended.map_err(|e| {
            Failure::unreachable(format!("{}: the command was not started", self.host)).because(e)
        })?;
        if status.is_none() {
            self.tidy(ctx).await;
        }
        Ok(told(ctx, &[(self.host.clone(), Ok(status))]))
    }

    /// Removes what a command that was cut off was run in, if it was made for it.
    async fn tidy(&self, ctx: &Context) {
        let What::New(one) = &self.what else { return };
        let mut script = run::remove(one);
        script.root = self.machine.scope.sudo;
        let gone = match self.machine.host.run(script).await {
            Ok(reply) => reply.end.get(1).is_some_and(|w| w == "gone"),
            Err(_) => false,
        };
        if !gone {
            let (host, name) = (&self.host, &one.name);
            ctx.out.say(&format!(
                "warning: {host}: the container {name} may still be there\n  \
                 hint: `docker rm -f {name}` on {host} removes it"
            ));
        }
    }

    /// Runs the command and sends each line of it.
    async fn run(
        &self,
        words: &[String],
        tell: &mpsc::UnboundedSender<String>,
    ) -> Result<Option<i32>, String> {
        let mut script = self.what.script(words);
        script.root = self.machine.scope.sudo;
        let on_line = |line: &str| {
            if let Some(text) = exec::line(line) {
                let _ = tell.send(text.to_owned());
            }
        };
        let reply = self.machine.host.stream(script, on_line).await;
        reply.map(|r| exec::status(&r)).map_err(|e| chain(&e))
    }
}

/// Runs the command on all of them at once and shows what it writes, as it comes.
async fn on_all(ctx: &Context, targets: &[Target], command: &[String]) -> ExitCode {
    let (show, mut shown) = mpsc::channel::<(HostName, String)>(QUEUE);
    let mut set = JoinSet::new();
    for target in targets {
        let target = target.clone();
        let (command, show) = (command.to_vec(), show.clone());
        set.spawn(async move {
            let (tell, mut told) = mpsc::unbounded_channel();
            let host = target.host.clone();
            let pass = async {
                while let Some(text) = told.recv().await {
                    if show.send((host.clone(), text)).await.is_err() {
                        return;
                    }
                }
            };
            let run = async {
                let ended = target.run(&command, &tell).await;
                drop(tell);
                ended
            };
            let (ended, ()) = tokio::join!(run, pass);
            (target.host, ended)
        });
    }
    drop(show);
    let width = targets
        .iter()
        .map(|t| t.host.as_str().len())
        .max()
        .unwrap_or(0);
    while let Some((host, text)) = shown.recv().await {
        line(ctx, &host, &text, (targets.len() > 1).then_some(width));
    }
    let ends: BTreeMap<HostName, _> = set.join_all().await.into_iter().collect();
    told(ctx, &ends.into_iter().collect::<Vec<_>>())
}

fn line(ctx: &Context, host: &HostName, text: &str, width: Option<usize>) {
    if ctx.options.json {
        let line = serde_json::json!({"v": 1, "event": "line", "host": host, "text": text});
        ctx.out.result(&line.to_string());
        return;
    }
    // Into a file or a pipe it goes as it is; a terminal must not obey it.
    let text = if ctx.outside.stdout_terminal {
        words::tame(text)
    } else {
        text.to_owned()
    };
    match width {
        Some(width) => ctx
            .out
            .result(&format!("{:<width$} | {text}", host.as_str())),
        None => ctx.out.result(&text),
    }
}

/// Says how it ended where it did not end well.
fn told(ctx: &Context, ends: &[(HostName, Result<Option<i32>, String>)]) -> ExitCode {
    let mut code = ExitCode::Success;
    for (host, end) in ends {
        if ctx.options.json {
            let status = end.as_ref().ok().copied().flatten();
            let why = end.as_ref().err();
            let line = serde_json::json!({
                "v": 1, "event": "ended", "host": host, "status": status, "error": why,
            });
            ctx.out.result(&line.to_string());
        }
        let (what, worse) = match end {
            Ok(Some(0)) => continue,
            Ok(Some(status)) => (format!("the command ended with {status}"), ExitCode::Failed),
            Ok(None) => (
                "how the command ended is not known".to_owned(),
                ExitCode::Unknown,
            ),
            Err(why) => (why.clone(), ExitCode::Unknown),
        };
        ctx.out.say(&format!("error: {host}: {what}"));
        code = code.worse(worse);
    }
    code
}
