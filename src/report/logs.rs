//! Logs of many containers as one stream: ordered by the engine's time stamps, each line with its
//! host in front.
//!
//! [`Merger`] is pure: it takes bytes as they come (`docker logs --timestamps`), cuts them into
//! lines and gives out what is certain to be next, or has waited long enough. [`show`] runs one
//! over a channel. What a container says cannot move the cursor, and a line that never ends is
//! cut.

use std::collections::VecDeque;
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

/// Longest line; a longer one is shown in pieces.
const LONGEST: usize = 64 * 1024;
/// How often lines that have waited are given out.
const TICK: Duration = Duration::from_millis(100);

/// Where a stream comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The host.
    pub host: HostName,
    /// The container as people call it, e.g. its service; empty where the host has only one.
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

/// One line that is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Index of its source.
    pub source: usize,
    /// The engine's time stamp; the one before it where the line has none.
    pub at: Option<Timestamp>,
    /// The line without time stamp and end.
    pub text: String,
}

/// Part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Some bytes, cut anywhere.
    Bytes(Vec<u8>),
    /// Nothing more comes.
    End,
    /// Something that `deploy` says about the stream, e.g. that the connection was cut.
    Remark(String),
}

struct Waiting {
    line: LogLine,
    /// Order within all streams: the time stamp, but never before the line above it.
    key: Option<Timestamp>,
    since: Duration,
}

#[derive(Default)]
struct Stream {
    rest: Vec<u8>,
    lines: VecDeque<Waiting>,
    last: Option<Timestamp>,
    ended: bool,
}

/// Merges streams by time.
pub struct Merger {
    streams: Vec<Stream>,
    window: Duration,
}

impl Merger {
    /// A merger of `sources` streams. A line waits at most `window` for earlier ones of others.
    #[must_use]
    pub fn new(sources: usize, window: Duration) -> Self {
        Self {
            streams: (0..sources).map(|_| Stream::default()).collect(),
            window,
        }
    }

    /// Takes a piece of a stream; `now` is monotonic. A source that is not known is ignored.
    pub fn take(&mut self, source: usize, piece: &Piece, now: Duration) {
        let Some(stream) = self.streams.get_mut(source) else {
            return;
        };
        match piece {
            Piece::Bytes(bytes) => stream.bytes(source, bytes, now),
            Piece::End => {
                stream.flush(source, now);
                stream.ended = true;
            }
            Piece::Remark(text) => {
                stream.flush(source, now);
                let at = stream.last;
                stream.push(source, at, format!("-- {text}"), now);
            }
        }
    }

    /// The lines that can be shown now, in order.
    pub fn ready(&mut self, now: Duration) -> Vec<LogLine> {
        let mut out = Vec::new();
        while let Some(next) = self.next(now) {
            out.push(next);
        }
        out
    }

    /// True when all streams have ended and all was given out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let done = |s: &Stream| s.ended && s.lines.is_empty();
        self.streams.iter().all(done)
    }

    fn next(&mut self, now: Duration) -> Option<LogLine> {
        let first = |s: &Stream| s.lines.front().map(|w| (w.key, w.since));
        let (index, (_, since)) = self
            .streams
            .iter()
            .enumerate()
            .filter_map(|(i, s)| Some((i, first(s)?)))
            .min_by_key(|(i, (key, _))| (*key, *i))?;
        // A stream without a line may still bring an earlier one.
        let certain = self.streams.iter().all(|s| s.ended || !s.lines.is_empty());
        let waited = now.saturating_sub(since) >= self.window;
        if !certain && !waited {
            return None;
        }
        self.streams[index].lines.pop_front().map(|w| w.line)
    }
}

impl Stream {
    fn bytes(&mut self, source: usize, bytes: &[u8], now: Duration) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.rest.extend_from_slice(piece);
            if self.rest.ends_with(b"\n") || self.rest.len() >= LONGEST {
                self.flush(source, now);
            }
        }
    }

    /// What is there becomes a line.
    fn flush(&mut self, source: usize, now: Duration) {
        if self.rest.is_empty() {
            return;
        }
        let raw = String::from_utf8_lossy(&self.rest).into_owned();
        self.rest.clear();
        let raw = raw.trim_end_matches(['\n', '\r']);
        let (at, text) = match raw.split_once(' ').unwrap_or((raw, "")) {
            (stamp, text) if stamp.len() >= 20 && stamp.ends_with('Z') => {
                match stamp.parse::<Timestamp>() {
                    Ok(at) => (Some(at), text),
                    Err(_) => (self.last, raw),
                }
            }
            _ => (self.last, raw),
        };
        self.push(source, at, text.to_owned(), now);
    }

    fn push(&mut self, source: usize, at: Option<Timestamp>, text: String, now: Duration) {
        // Lines of one container stay in the order in which it said them, whatever the clock does.
        self.last = self.last.max(at);
        self.lines.push_back(Waiting {
            line: LogLine { source, at, text },
            key: self.last,
            since: now,
        });
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
pub struct Lines<'a> {
    sources: &'a [Source],
    style: Style,
    width: usize,
}

impl<'a> Lines<'a> {
    /// For lines of these sources.
    #[must_use]
    pub fn new(sources: &'a [Source], style: Style) -> Self {
        let widths = sources.iter().map(|s| s.label().chars().count());
        Self {
            sources,
            style,
            width: widths.max().unwrap_or(0).min(32),
        }
    }

    /// `web1/worker | text`, or a JSON object.
    #[must_use]
    pub fn text(&self, line: &LogLine) -> String {
        let Some(source) = self.sources.get(line.source) else {
            return String::new();
        };
        let text = words::tame(&console::strip_ansi_codes(&line.text));
        if self.style.json {
            let object = Json {
                v: 1,
                event: "log",
                at: line.at.map(Stamp),
                host: &source.host,
                container: &source.container,
                text: &line.text,
            };
            return serde_json::to_string(&object).unwrap_or_default();
        }
        let label = pad(&source.label(), self.width);
        let paint = Paint::Apart(self.hue(source));
        let label = paint.on(&format!("{label} |"), self.style.colour);
        format!("{label} {text}").trim_end().to_owned()
    }

    /// Containers of one host share its colour.
    fn hue(&self, source: &Source) -> usize {
        let mut hosts: Vec<&HostName> = self.sources.iter().map(|s| &s.host).collect();
        hosts.dedup();
        hosts.iter().position(|h| **h == source.host).unwrap_or(0)
    }
}

/// Shows what arrives until all streams have ended, all senders are gone, or the reader of stdout
/// is; the channel is closed then.
pub async fn show(
    mut pieces: mpsc::Receiver<(usize, Piece)>,
    sources: &[Source],
    window: Duration,
    style: Style,
    clock: &Clock,
    out: &Out,
) {
    let mut merger = Merger::new(sources.len(), window);
    let lines = Lines::new(sources, style);
    let mut tick = tokio::time::interval(TICK);
    let mut open = true;
    while open && !merger.is_done() && !out.gone() {
        tokio::select! {
            piece = pieces.recv() => match piece {
                Some((source, piece)) => merger.take(source, &piece, clock.elapsed()),
                None => open = false,
            },
            _ = tick.tick() => {}
        }
        print(&lines, &merger.ready(clock.elapsed()), out);
    }
    // Streams whose sender is gone have ended, said or not.
    for source in 0..sources.len() {
        merger.take(source, &Piece::End, clock.elapsed());
    }
    print(&lines, &merger.ready(clock.elapsed()), out);
}

fn print(lines: &Lines<'_>, ready: &[LogLine], out: &Out) {
    if !ready.is_empty() {
        let texts: Vec<String> = ready.iter().map(|line| lines.text(line)).collect();
        out.result(&texts.join("\n"));
    }
}

#[cfg(test)]
mod tests;
