//! Logs of many containers as one stream: ordered by the engine's time stamps, each line with its
//! host in front.
//!
//! [`Merger`] is pure: it takes lines as they come and gives out what is certain to be next, or
//! has waited long enough. [`show`] runs one over a channel that each host's reader speaks to.
//! What a container says cannot move the cursor.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use super::layout::pad;
use super::out::Out;
use super::paint::Paint;
use super::words;
use crate::event::jiff_text::Stamp;
use crate::name::HostName;
use crate::time::Clock;

/// How often lines that have waited are given out.
const TICK: Duration = Duration::from_millis(100);
/// Widest column of labels.
const WIDEST: usize = 32;

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The host.
    pub host: HostName,
    /// The container as people call it, e.g. its service; empty where that says nothing.
    pub container: String,
}

impl Source {
    fn label(&self) -> String {
        if self.container.is_empty() {
            self.host.to_string()
        } else {
            format!("{}/{}", self.host, words::tame(&self.container))
        }
    }
}

/// What a host's reader says. Streams are numbered by the reader, each host for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A stream begins.
    Open {
        /// Its number.
        stream: usize,
        /// What it is called; see [`Source::container`].
        container: String,
    },
    /// A line of a stream.
    Line {
        /// Number of the stream.
        stream: usize,
        /// The engine's time stamp, where the line has one.
        at: Option<Timestamp>,
        /// The line without time stamp and end.
        text: String,
    },
    /// Lines of a stream are missing: the engine no longer has what was said between these times.
    Gap {
        /// Number of the stream.
        stream: usize,
        /// The last line before.
        from: Option<Timestamp>,
        /// The first line after.
        to: Option<Timestamp>,
    },
    /// The host has nothing more to say; not empty: why, e.g. that the connection was cut.
    Over(String),
}

/// One line that is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Number of its stream within the merger.
    pub stream: usize,
    /// The engine's time stamp; the one before it where the line has none.
    pub at: Option<Timestamp>,
    /// The line without time stamp and end.
    pub text: String,
    /// It is no line of the container, but says that some are missing.
    pub gap: bool,
}

struct Waiting {
    line: LogLine,
    /// Order within all streams: the time stamp, but never before the line above it.
    key: Option<Timestamp>,
    since: Duration,
}

#[derive(Default)]
struct Stream {
    lines: VecDeque<Waiting>,
    last: Option<Timestamp>,
}

/// Merges streams by time.
pub struct Merger {
    streams: Vec<Stream>,
    hosts: usize,
    window: Duration,
}

impl Merger {
    /// A merger for `hosts` readers. A line waits at most `window` for earlier ones of others.
    #[must_use]
    pub fn new(hosts: usize, window: Duration) -> Self {
        Self {
            streams: Vec::new(),
            hosts,
            window,
        }
    }

    /// Takes in a new stream; its number.
    pub fn open(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    /// Takes a line of a stream in; `now` is monotonic. A stream that is not known is ignored.
    pub fn line(&mut self, stream: usize, at: Option<Timestamp>, text: String, now: Duration) {
        let line = LogLine {
            stream,
            at,
            text,
            gap: false,
        };
        self.take(line, now);
    }

    /// Takes in that lines of a stream are missing before `to`.
    pub fn gap(
        &mut self,
        stream: usize,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        now: Duration,
    ) {
        let time = |at: Option<Timestamp>| at.map_or_else(|| "?".to_owned(), |at| at.to_string());
        let text = format!(
            "lines are missing here: the engine no longer has what was said between {} and {}",
            time(from),
            time(to)
        );
        let line = LogLine {
            stream,
            at: to,
            text,
            gap: true,
        };
        self.take(line, now);
    }

    fn take(&mut self, mut line: LogLine, now: Duration) {
        let (stream, at) = (line.stream, line.at);
        let Some(own) = self.streams.get_mut(stream) else {
            return;
        };
        let at = at.or(own.last);
        // Lines of one container stay in the order in which it said them, whatever the clock does.
        own.last = own.last.max(at);
        line.at = at;
        own.lines.push_back(Waiting {
            line,
            key: own.last,
            since: now,
        });
    }

    /// One host more has nothing to say.
    pub fn over(&mut self) {
        self.hosts = self.hosts.saturating_sub(1);
    }

    /// The lines that can be shown now, in order.
    pub fn ready(&mut self, now: Duration) -> Vec<LogLine> {
        std::iter::from_fn(|| self.next(now)).collect()
    }

    /// True when all hosts are over and all was given out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.hosts == 0 && self.streams.iter().all(|s| s.lines.is_empty())
    }

    fn next(&mut self, now: Duration) -> Option<LogLine> {
        let first = |s: &Stream| s.lines.front().map(|w| (w.key, w.since));
        let (index, (_, since)) = self
            .streams
            .iter()
            .enumerate()
            .filter_map(|(i, s)| Some((i, first(s)?)))
            .min_by_key(|(i, (key, _))| (*key, *i))?;
        // A host that is not over may still bring an earlier line, also of a new stream.
        let certain = self.hosts == 0;
        let waited = now.saturating_sub(since) >= self.window;
        if !certain && !waited {
            return None;
        }
        self.streams[index].lines.pop_front().map(|w| w.line)
    }
}

/// How lines are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Hosts in colours.
    pub colour: bool,
    /// One JSON object per line.
    pub json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    v: u8,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Stamp>,
    host: &'a HostName,
    container: &'a str,
    text: &'a str,
}

/// Turns lines into text.
#[derive(Debug)]
struct Lines<'a> {
    hosts: &'a [HostName],
    sources: Vec<Source>,
    style: Style,
    width: usize,
}

impl<'a> Lines<'a> {
    /// Hosts are told apart by colour in this order.
    fn new(hosts: &'a [HostName], style: Style) -> Self {
        let widest = hosts.iter().map(|h| h.as_str().len()).max();
        Self {
            hosts,
            sources: Vec::new(),
            style,
            width: widest.unwrap_or(0).min(WIDEST),
        }
    }

    /// The source of the next stream.
    fn open(&mut self, source: Source) {
        let width = console::measure_text_width(&source.label());
        self.width = self.width.max(width).min(WIDEST);
        self.sources.push(source);
    }

    /// `web1/worker | text`, or a JSON object.
    fn text(&self, line: &LogLine) -> String {
        let Some(source) = self.sources.get(line.stream) else {
            return String::new();
        };
        if self.style.json {
            let object = Json {
                v: 1,
                event: if line.gap { "gap" } else { "log" },
                at: line.at.map(Stamp),
                host: &source.host,
                container: &source.container,
                text: &line.text,
            };
            return serde_json::to_string(&object).unwrap_or_default();
        }
        let text = words::tame(&console::strip_ansi_codes(&line.text));
        let text = if line.gap {
            format!("--- {text} ---")
        } else {
            text
        };
        let label = pad(&source.label(), self.width);
        let hue = self.hosts.iter().position(|h| *h == source.host);
        let paint = Paint::Apart(hue.unwrap_or(0));
        let label = paint.on(&format!("{label} |"), self.style.colour);
        format!("{label} {text}").trim_end().to_owned()
    }
}

/// Shows what the readers of `hosts` say (each message with the index of its host) until all are
/// over, all senders are gone, or the reader of stdout is; the channel is closed then.
pub async fn show(
    mut said: mpsc::Receiver<(usize, Said)>,
    hosts: &[HostName],
    window: Duration,
    style: Style,
    clock: &Clock,
    out: &Out,
) {
    let mut merger = Merger::new(hosts.len(), window);
    let mut lines = Lines::new(hosts, style);
    let mut known = BTreeMap::new();
    let mut tick = tokio::time::interval(TICK);
    while !merger.is_done() && !out.gone() {
        tokio::select! {
            message = said.recv() => match message {
                Some((host, said)) => {
                    hear(&mut merger, &mut lines, &mut known, host, said, clock, out);
                }
                None => break,
            },
            _ = tick.tick() => {}
        }
        print(&lines, &merger.ready(clock.elapsed()), out);
    }
    // Readers that are gone are over, said or not.
    hosts.iter().for_each(|_| merger.over());
    print(&lines, &merger.ready(clock.elapsed()), out);
}

fn hear(
    merger: &mut Merger,
    lines: &mut Lines<'_>,
    known: &mut BTreeMap<(usize, usize), usize>,
    host: usize,
    said: Said,
    clock: &Clock,
    out: &Out,
) {
    let Some(name) = lines.hosts.get(host).cloned() else {
        return;
    };
    match said {
        Said::Open { stream, container } => {
            known.insert((host, stream), merger.open());
            lines.open(Source {
                host: name,
                container,
            });
        }
        Said::Line { stream, at, text } => {
            if let Some(stream) = known.get(&(host, stream)) {
                merger.line(*stream, at, text, clock.elapsed());
            }
        }
        Said::Gap { stream, from, to } => {
            if let Some(stream) = known.get(&(host, stream)) {
                merger.gap(*stream, from, to, clock.elapsed());
            }
        }
        Said::Over(why) => {
            merger.over();
            if !why.is_empty() {
                out.say(&format!("-- {name}: {}", words::tame(&why)));
            }
        }
    }
}

fn print(lines: &Lines<'_>, ready: &[LogLine], out: &Out) {
    if !ready.is_empty() {
        let texts: Vec<String> = ready.iter().map(|line| lines.text(line)).collect();
        out.result(&texts.join("\n"));
    }
}

#[cfg(test)]
mod tests;
