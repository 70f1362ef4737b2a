//! Logs of all hosts as one stream.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::context::Context;
use super::signals::Stop;
use super::work::LogsOf;
use crate::engine::site::{Machine, Site, chain};
use crate::fleet::view::project;
use crate::host::docker::logs::{self, LogReader, Said, Wanted};
use crate::name::{ExitCode, HostName};
use crate::report::logs::{Piece, Source, Style, show};

/// How long a line waits for earlier ones of other hosts.
const WINDOW: Duration = Duration::from_millis(500);
/// Pieces that may wait to be shown: a slow terminal slows the hosts' scripts, not our memory.
const QUEUE: usize = 4096;
/// A follower whose connection ended is taken up again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// Shows the logs of every app host until they end or a person stops it. Hosts that did not answer
/// are named; then the exit code is 7.
pub async fn show_all(
    ctx: &Context,
    site: &Site,
    of: &LogsOf,
    stops: &mut mpsc::UnboundedReceiver<Stop>,
) -> ExitCode {
    let setup = &site.setup;
    let mut sources = Vec::new();
    let mut streams = Vec::new();
    for (name, machine) in site.machines.iter().filter(|(_, m)| m.app) {
        let slots: Vec<String> = setup
            .slots_of(name)
            .map(|slot| project(&setup.env, &setup.app, slot))
            .collect();
        sources.push(Source {
            host: name.clone(),
            container: String::new(),
        });
        streams.push((name.clone(), machine.clone(), slots));
    }
    let (tell, pieces) = mpsc::channel(QUEUE);
    let mut set = JoinSet::new();
    for (index, (name, machine, slots)) in streams.into_iter().enumerate() {
        let reader = Reader {
            source: index,
            tell: tell.clone(),
            wanted: Wanted {
                tail: of.tail,
                since: None,
                follow: of.follow,
                services: Vec::new(),
            },
        };
        set.spawn(async move { reader.run(name, machine, slots).await });
    }
    drop(tell);
    let style = Style {
        colour: ctx.stdout_colour(),
        json: ctx.options.json,
    };
    tokio::select! {
        () = show(pieces, &sources, WINDOW, style, &ctx.clock, &ctx.out) => {}
        _ = stops.recv() => set.abort_all(),
    }
    let mut code = ExitCode::Success;
    for (host, why) in &site.silent {
        ctx.out.say(&format!("error: no logs of {host}: {why}"));
        code = ExitCode::Unknown;
    }
    while let Some(ended) = set.join_next().await {
        if matches!(ended, Ok(false)) {
            code = ExitCode::Unknown;
        }
    }
    code
}

/// Reads one host.
struct Reader {
    source: usize,
    tell: mpsc::Sender<(usize, Piece)>,
    wanted: Wanted,
}

impl Reader {
    /// Whether everything that was asked for was read.
    async fn run(mut self, _name: HostName, machine: Machine, projects: Vec<String>) -> bool {
        loop {
            let ended = self.once(&machine, &projects).await;
            let Err(why) = ended else { break };
            self.remark(format!("the connection was cut: {why}")).await;
            if !self.wanted.follow {
                let _ = self.tell.send((self.source, Piece::End)).await;
                return false;
            }
            tokio::time::sleep(AGAIN).await;
            // What was said meanwhile, and a little more: nothing may be lost.
            self.wanted.tail = None;
            self.wanted.since = Some(AGAIN * 5);
        }
        let _ = self.tell.send((self.source, Piece::End)).await;
        true
    }

    async fn once(&self, machine: &Machine, projects: &[String]) -> Result<(), String> {
        let mut script = logs::script(projects, &self.wanted);
        script.root = machine.scope.sudo;
        let mut reader = LogReader::default();
        let mut services: BTreeMap<usize, String> = BTreeMap::new();
        // The callback cannot wait; what it hears goes through a queue of its own.
        let (hear, mut heard) = mpsc::unbounded_channel();
        let reading = machine
            .host
            .stream(script, move |line: &str| match reader.line(line) {
                Some(Said::Stream {
                    stream, service, ..
                }) => {
                    services.insert(stream, service);
                }
                Some(Said::Line { stream, at, text }) => {
                    let service = services.get(&stream).map_or("", String::as_str);
                    let several = services.len() > 1 && !service.is_empty();
                    let mark = if several {
                        format!("{service}: ")
                    } else {
                        String::new()
                    };
                    let _ = hear.send(format!("{at} {mark}{text}\n"));
                }
                Some(Said::End(_)) | None => {}
            });
        let passing = async {
            while let Some(line) = heard.recv().await {
                let piece = Piece::Bytes(line.into_bytes());
                if self.tell.send((self.source, piece)).await.is_err() {
                    break;
                }
            }
        };
        let (ended, ()) = tokio::join!(reading, passing);
        ended.map(|_| ()).map_err(|e| chain(&e))
    }

    async fn remark(&self, text: String) {
        let _ = self.tell.send((self.source, Piece::Remark(text))).await;
    }
}
