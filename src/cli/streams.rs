//! Logs of all hosts as one stream: a reader per host, a face that orders what they say.

use std::collections::BTreeMap;
use std::time::Duration;

use regex_lite::Regex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::context::Context;
use super::signals::Stop;
use super::work::LogsOf;
use crate::engine::site::{Machine, Site, chain};
use crate::fleet::view::project;
use crate::host::docker::logs::{self, LogReader, Wanted};
use crate::name::{ExitCode, HostName, SlotName};
use crate::report::logs::{Said, Style, show};
use crate::report::words;
use crate::time::Clock;

/// How long a line waits for earlier ones of other hosts that go on speaking.
const WINDOW: Duration = Duration::from_millis(500);
/// The same where nobody goes on: long enough for a slow host to come to its end.
const WHOLE: Duration = Duration::from_secs(10);
/// What may wait to be shown.
const QUEUE: usize = 4096;
/// A follower whose connection was cut is taken up again after this.
const AGAIN: Duration = Duration::from_secs(2);
/// What is asked for again after a cut, beyond the time of silence.
const OVERLAP: Duration = Duration::from_secs(10);

/// Shows the logs of every app host until they end, a person stops it, or the reader of stdout
/// goes away. Hosts that could not be read are named; then the exit code is 7.
pub async fn show_all(
    ctx: &Context,
    site: &Site,
    of: &LogsOf,
    stops: &mut mpsc::UnboundedReceiver<Stop>,
) -> ExitCode {
    let (tell, said) = mpsc::channel(QUEUE);
    let mut set = JoinSet::new();
    let mut hosts: Vec<HostName> = Vec::new();
    for (name, machine) in site.machines.iter().filter(|(_, m)| m.app) {
        let reader = Reader {
            host: hosts.len(),
            machine: machine.clone(),
            projects: projects(site, name, &of.slots),
            grep: of.grep.clone(),
            clock: ctx.clock.clone(),
            tell: tell.clone(),
            follow: of.follow,
            known: BTreeMap::new(),
        };
        let wanted = Wanted {
            tail: of.tail,
            since: of.since,
            follow: of.follow,
            services: of.services.clone(),
            folder: machine.scope.folder(),
        };
        set.spawn(reader.run(wanted));
        hosts.push(name.clone());
    }
    drop(tell);
    let style = Style {
        colour: ctx.stdout_colour(),
        json: ctx.options.json,
    };
    let window = if of.follow { WINDOW } else { WHOLE };
    tokio::select! {
        () = show(said, &hosts, window, style, &ctx.clock, &ctx.out) => {}
        _ = stops.recv() => set.abort_all(),
    }
    let mut code = ExitCode::Success;
    let app_hosts: Vec<&HostName> = site.setup.all_hosts().collect();
    for (host, why) in site.silent.iter().filter(|(h, _)| app_hosts.contains(h)) {
        ctx.out.say(&format!("error: no logs of {host}: {why}"));
        code = ExitCode::Unknown;
    }
    // Readers end by themselves: nobody listens to them any more. One that was stopped is no failure.
    let mut containers = 0;
    while let Some(ended) = set.join_next().await {
        if let Ok(read) = ended {
            containers += read.containers;
            if !read.whole {
                code = ExitCode::Unknown;
            }
        } else {
            // Stopped by a person: nothing is said of what was not read.
            containers += 1;
        }
    }
    if containers == 0 && code == ExitCode::Success {
        let (app, hosts) = (&site.setup.app, words::names(&hosts, 8));
        ctx.out.say(&format!("no container of {app} is on {hosts}"));
    }
    code
}

/// Compose projects of a host, and what stands before their services where it has several.
fn projects(site: &Site, host: &HostName, only: &[SlotName]) -> BTreeMap<String, String> {
    let setup = &site.setup;
    let slots: Vec<&SlotName> = setup.slots_of(host).collect();
    let several = slots.len() > 1;
    let mark = |slot: &SlotName| {
        if several {
            format!("{slot}-")
        } else {
            String::new()
        }
    };
    slots
        .into_iter()
        .filter(|s| only.is_empty() || only.contains(s))
        .map(|slot| (project(&setup.env, &setup.app, slot), mark(slot)))
        .collect()
}

/// Reads one host.
struct Reader {
    host: usize,
    machine: Machine,
    projects: BTreeMap<String, String>,
    clock: Clock,
    tell: mpsc::Sender<(usize, Said)>,
    follow: bool,
    grep: Option<Regex>,
    /// Containers that were seen, over all connections.
    known: BTreeMap<String, Stream>,
}

/// What a reader has read.
struct Read {
    /// Everything that was asked for.
    whole: bool,
    /// So many containers have spoken or could have.
    containers: usize,
}

/// A container's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    number: usize,
    /// Time stamp of its last line; all have one length, so that text order is order in time.
    last: String,
    /// It was taken up again: lines may repeat earlier ones.
    again: bool,
    /// It said something over this connection.
    heard: bool,
    /// What it said last before the cut must come again, or the engine no longer has it.
    cut: bool,
}

impl Reader {
    /// What was read, when there is nothing more.
    async fn run(mut self, wanted: Wanted) -> Read {
        let whole = self.all(wanted).await;
        Read {
            whole,
            containers: self.known.len(),
        }
    }

    /// Whether everything that was asked for was read.
    async fn all(&mut self, mut wanted: Wanted) -> bool {
        loop {
            let heard = self.clock.elapsed();
            let why = match self.once(&wanted).await {
                Ok(()) => {
                    self.over(String::new()).await;
                    return true;
                }
                Err(why) => format!("the connection was cut: {why}"),
            };
            if !self.follow {
                self.over(why).await;
                return false;
            }
            tokio::time::sleep(AGAIN).await;
            if self.tell.is_closed() {
                return false;
            }
            // What was said meanwhile and a little more; lines that were shown are left out.
            wanted.tail = None;
            self.known.values_mut().for_each(|s| s.cut = s.heard);
            wanted.since = Some(self.clock.elapsed().saturating_sub(heard) + OVERLAP);
        }
    }

    async fn over(&self, why: String) {
        let _ = self.tell.send((self.host, Said::Over(why))).await;
    }

    /// One connection, until it ends or nobody listens.
    async fn once(&mut self, wanted: &Wanted) -> Result<(), String> {
        let projects: Vec<String> = self.projects.keys().cloned().collect();
        let mut script = logs::script(&projects, wanted);
        script.root = self.machine.scope.sudo;
        let host = self.machine.host.clone();
        let mut reader = LogReader::default();
        // The callback cannot wait; what it hears goes through a queue of its own.
        let (hear, mut heard) = mpsc::unbounded_channel();
        let reading = host.stream(script, move |line: &str| {
            if let Some(said) = reader.line(line) {
                let _ = hear.send(said);
            }
        });
        tokio::pin!(reading);
        let mut numbers: BTreeMap<usize, String> = BTreeMap::new();
        loop {
            let (said, ended) = tokio::select! {
                biased;
                said = heard.recv() => (said, None),
                ended = &mut reading => (None, Some(ended)),
            };
            if let Some(said) = said {
                if !self.pass(said, &mut numbers).await {
                    return Ok(());
                }
            } else {
                let ended = match ended {
                    Some(ended) => ended,
                    None => reading.as_mut().await,
                };
                while let Ok(said) = heard.try_recv() {
                    self.pass(said, &mut numbers).await;
                }
                return ended.map(|_| ()).map_err(|e| chain(&e));
            }
        }
    }

    /// Passes on what the host says; false where nobody listens any more.
    async fn pass(&mut self, said: logs::Said, numbers: &mut BTreeMap<usize, String>) -> bool {
        for said in translate(&mut self.known, &self.projects, numbers, said) {
            let wanted = match (&said, &self.grep) {
                (Said::Line { text, .. }, Some(grep)) => grep.is_match(text),
                _ => true,
            };
            if wanted && self.tell.send((self.host, said)).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// From the numbers of one connection to those of all: a container that comes again after a cut
/// goes on with its stream, and what it said before is left out.
fn translate(
    known: &mut BTreeMap<String, Stream>,
    projects: &BTreeMap<String, String>,
    numbers: &mut BTreeMap<usize, String>,
    said: logs::Said,
) -> Vec<Said> {
    match said {
        logs::Said::Stream {
            stream,
            project,
            service,
            container,
        } => {
            numbers.insert(stream, container.clone());
            if let Some(stream) = known.get_mut(&container) {
                (stream.again, stream.heard) = (true, false);
                return Vec::new();
            }
            let number = known.len();
            let stream = Stream {
                number,
                last: String::new(),
                again: false,
                heard: false,
                cut: false,
            };
            known.insert(container, stream);
            let mark = projects.get(&project).map_or("", String::as_str);
            vec![Said::Open {
                stream: number,
                container: format!("{mark}{service}"),
            }]
        }
        logs::Said::Line { stream, at, text } => {
            let of = numbers.get(&stream).and_then(|c| known.get_mut(c));
            let Some(stream) = of else { return Vec::new() };
            let mut gap = None;
            if stream.again && !at.is_empty() {
                if at <= stream.last {
                    // What came last came again: nothing is missing between it and what follows.
                    stream.cut = false;
                    return Vec::new();
                }
                stream.again = false;
                if std::mem::take(&mut stream.cut) {
                    gap = Some(Said::Gap {
                        stream: stream.number,
                        from: stream.last.parse().ok(),
                        to: at.parse().ok(),
                    });
                }
            }
            if !at.is_empty() {
                stream.last.clone_from(&at);
                stream.heard = true;
            }
            let line = Said::Line {
                stream: stream.number,
                at: at.parse().ok(),
                text,
            };
            gap.into_iter().chain([line]).collect()
        }
        logs::Said::End(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(stream: usize, container: &str) -> logs::Said {
        logs::Said::Stream {
            stream,
            project: "staging-app-blue".to_owned(),
            service: "web".to_owned(),
            container: container.to_owned(),
        }
    }

    fn line(stream: usize, second: u8, text: &str) -> logs::Said {
        logs::Said::Line {
            stream,
            at: format!("2024-03-07T02:11:{second:02}.000000001Z"),
            text: text.to_owned(),
        }
    }

    #[test]
    fn after_a_cut_a_container_goes_on_where_it_was() {
        let projects = BTreeMap::from([("staging-app-blue".to_owned(), "blue-".to_owned())]);
        let mut known = BTreeMap::new();
        let mut shown = Vec::new();
        let first = vec![
            stream(0, "a"),
            line(0, 1, "a1"),
            stream(1, "b"),
            line(1, 2, "b2"),
            line(1, 3, "b3"),
            line(1, 3, "b3 of the same instant"),
            line(1, 1, "b1: the clock was set back"),
            line(1, 3, "b3 again"),
        ];
        // The other way round, and the last seconds once more.
        let second = vec![
            stream(0, "b"),
            line(0, 2, "b2"),
            line(0, 3, "b3 again"),
            line(0, 4, "b4"),
            stream(1, "a"),
            line(1, 5, "a5"),
            line(7, 5, "of no stream"),
        ];
        for connection in [first, second] {
            let mut numbers = BTreeMap::new();
            for said in connection {
                shown.extend(translate(&mut known, &projects, &mut numbers, said));
            }
        }
        let shown: Vec<String> = shown
            .iter()
            .map(|said| match said {
                Said::Open { stream, container } => format!("{stream}={container}"),
                Said::Line { stream, text, .. } => format!("{stream}:{text}"),
                Said::Over(why) => why.clone(),
                Said::Gap { stream, .. } => format!("{stream}: gap"),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "0=blue-web",
                "0:a1",
                "1=blue-web",
                "1:b2",
                "1:b3",
                "1:b3 of the same instant",
                "1:b1: the clock was set back",
                "1:b3 again",
                "1:b4",
                "0:a5"
            ]
        );
    }

    #[test]
    fn what_the_engine_no_longer_has_after_a_cut_is_marked() {
        let projects = BTreeMap::new();
        let mut known = BTreeMap::new();
        let mut shown = |cut: bool, lines: Vec<logs::Said>| {
            if cut {
                known
                    .values_mut()
                    .for_each(|s: &mut Stream| s.cut = s.heard);
            }
            let mut numbers = BTreeMap::new();
            let said = lines
                .into_iter()
                .flat_map(|said| translate(&mut known, &projects, &mut numbers, said));
            said.filter_map(|said| match said {
                Said::Line { text, .. } => Some(text),
                Said::Gap { from, to, .. } => Some(format!("gap {from:?}..{to:?}")),
                _ => None,
            })
            .collect::<Vec<String>>()
        };
        let first = vec![stream(0, "a"), line(0, 1, "a1"), stream(1, "b")];
        assert_eq!(shown(false, first), ["a1"]);
        // The log of a was rotated away meanwhile; b had said nothing that could be missing.
        let second = vec![
            stream(0, "a"),
            line(0, 5, "a5"),
            stream(1, "b"),
            line(1, 4, "b4"),
        ];
        let gap =
            r#"gap Some(2024-03-07T02:11:01.000000001Z)..Some(2024-03-07T02:11:05.000000001Z)"#;
        assert_eq!(shown(true, second), [gap, "a5", "b4"]);
        // What came last comes again: nothing is missing.
        let third = vec![stream(0, "a"), line(0, 5, "a5"), line(0, 6, "a6")];
        assert_eq!(shown(true, third), ["a6"]);
    }
}
