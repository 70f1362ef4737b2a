//! `deploy exec ENV [APP] -- COMMAND…`: a command in the app's running containers.

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
use crate::fleet::{Container, Fleet};
use crate::host::docker::exec;
use crate::name::{ExitCode, HostName, SlotName};
use crate::plan::judge;
use crate::report::words;

/// Longest look for the containers.
const LOOK: Duration = Duration::from_secs(10);
/// Lines that may wait to be shown.
const QUEUE: usize = 1024;

/// Run a command in a running container of the app
///
/// In the slot that serves, on its first host; with --all on all of its hosts at once, each line
/// with its host in front. The words of the command go to it as they are: for a shell, name one
/// (`-- sh -c "…"`). Ends with 0 where the command did on each of them, with 1 where it did not, with 7
/// where that cannot be told.
#[derive(Debug, clap::Args)]
#[command(override_usage = "deploy exec [OPTIONS] ENV [APP] -- COMMAND…")]
pub struct Args {
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
    service: Option<String>,
    /// With this terminal: on one host
    #[arg(short, long, conflicts_with = "all")]
    interactive: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<String>,
}

/// A container that is meant.
#[derive(Clone)]
struct Target {
    host: HostName,
    machine: Machine,
    container: String,
}

impl Args {
    /// Finds the containers, then runs the command in them.
    ///
    /// # Errors
    /// Words that mean nothing here, or containers that cannot be found.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
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
        let place = self.of.open(ctx)?;
        let named = session::hosts(&place.inventory, &self.hosts)?;
        let session = Session::start(ctx)?;
        with(session, async |session: &mut Session| {
            let find = async |s: &Session| self.find(ctx, s, &place, &named).await;
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

    async fn find(
        &self,
        ctx: &Context,
        session: &Session,
        place: &Place,
        named: &[HostName],
    ) -> Result<Vec<Target>, Failure> {
        let site = session.open(&place.inventory, place.app()?).await;
        let fleet = site
            .look_within(&Voice::mute(ctx.clock.clone()), LOOK)
            .await;
        let slot = self.slot(place, &site, &fleet)?;
        let mut hosts: Vec<&HostName> = site.setup.hosts(&slot).collect();
        hosts.retain(|h| named.is_empty() || named.contains(h));
        if !self.all && named.is_empty() {
            hosts.truncate(1);
        }
        if hosts.is_empty() {
            let what = format!("{slot} of {} has none of these hosts", place.app);
            return Err(Failure::usage(what));
        }
        let target = |host: &HostName| self.target(&site, &fleet, &slot, host);
        hosts.into_iter().map(target).collect()
    }

    /// The slot that was named, else the one that serves.
    fn slot(&self, place: &Place, site: &Site, fleet: &Fleet) -> Result<SlotName, Failure> {
        let setup = &site.setup;
        if let Some(slot) = &self.slot {
            place.has_slot(slot)?;
            return Ok(slot.clone());
        }
        let hint = "--slot SLOT names the one that is meant";
        let unknown = |refusal| drive::refused("exec", refusal).hint(hint);
        let traffic = judge::traffic_now(setup, fleet).map_err(unknown)?;
        let active = judge::active(setup, traffic.as_ref()).map_err(unknown)?;
        active.ok_or_else(|| {
            Failure::refused(format!("nothing of {} serves yet", setup.app)).hint(hint)
        })
    }

    /// The container on a host.
    fn target(
        &self,
        site: &Site,
        fleet: &Fleet,
        slot: &SlotName,
        host: &HostName,
    ) -> Result<Target, Failure> {
        let silent = fleet.silent.get(host).or_else(|| site.silent.get(host));
        let (Some(view), Some(machine)) = (fleet.hosts.get(host), site.machines.get(host)) else {
            let why = silent.map_or("it was not seen", String::as_str);
            return Err(Failure::unreachable(format!(
                "no answer from {host}: {why}"
            )));
        };
        let setup = &site.setup;
        let running: Vec<&Container> = judge::containers(view, &setup.env, &setup.app, slot)
            .filter(|c| c.state == "running")
            .collect();
        let container = choose(&running, self.service.as_deref()).map_err(|why| {
            let known: Vec<&str> = running.iter().filter_map(|c| c.service()).collect();
            let failure = Failure::usage(format!("{host}: {why}"));
            match known.as_slice() {
                [] => failure.hint(format!("deploy status {} shows what runs", setup.env)),
                all => failure.hint(format!(
                    "--service SERVICE; running: {}",
                    words::names(all, 12)
                )),
            }
        })?;
        Ok(Target {
            host: host.clone(),
            machine: machine.clone(),
            container: container.id.clone(),
        })
    }
}

/// The only container, or the first of the named service.
fn choose<'a>(running: &[&'a Container], service: Option<&str>) -> Result<&'a Container, String> {
    match (running, service) {
        ([], _) => Err("no container of the slot is running".to_owned()),
        ([one], None) => Ok(one),
        (_, None) => {
            let first = running[0].service();
            if running.iter().all(|c| c.service() == first) {
                Ok(running[0])
            } else {
                Err("several services run in the slot".to_owned())
            }
        }
        (all, Some(name)) => {
            let named = all.iter().find(|c| c.service() == Some(name));
            named
                .copied()
                .ok_or_else(|| format!("no container of the service {name} is running"))
        }
    }
}

impl Target {
    async fn with_terminal(&self, ctx: &Context, words: &[String]) -> Result<ExitCode, Failure> {
        let words = exec::on_terminal(&self.container, words);
        let host = &self.machine.host;
        let ended = host.on_terminal(&words, self.machine.scope.sudo).await;
        let status = ended.map_err(|e| {
            Failure::unreachable(format!("{}: the command was not started", self.host)).because(e)
        })?;
        Ok(told(ctx, &[(self.host.clone(), Ok(status))]))
    }

    /// Runs the command and sends each line of it.
    async fn run(
        &self,
        words: &[String],
        tell: &mpsc::UnboundedSender<String>,
    ) -> Result<Option<i32>, String> {
        let mut script = exec::script(&self.container, words);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::World;

    #[test]
    fn a_container_is_chosen_or_what_to_name_is_said() {
        let mut world = World::serving();
        let one = world.container_of("web1").clone();
        let of = |service: &str| {
            let mut c = one.clone();
            c.labels
                .insert("com.docker.compose.service".to_owned(), service.to_owned());
            c.id = format!("id-{service}");
            c
        };
        let (web, worker) = (of("web"), of("worker"));
        let chosen =
            |running: &[&Container], service| choose(running, service).map(|c| c.id.clone());
        assert_eq!(chosen(&[&web], None).unwrap(), "id-web");
        assert_eq!(chosen(&[&web, &web], None).unwrap(), "id-web");
        assert_eq!(
            chosen(&[&web, &worker], Some("worker")).unwrap(),
            "id-worker"
        );
        for (running, service) in [
            (vec![], None),
            (vec![&web, &worker], None),
            (vec![&web], Some("cron")),
        ] {
            assert!(choose(&running, service).is_err(), "{service:?}");
        }
    }
}
