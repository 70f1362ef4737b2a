//! The face without a terminal: one line per event, with local time and host, for CI and files.
//!
//! No cursor codes, no colours. How hosts were reached is one line where a run begins; a command
//! that only looks stays silent where all answer, and so does the last look of a run. Short stages are shown when they are done, long ones also when
//! they begin; progress at most every [`QUIET`] per host.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::face::Face;
use super::out::Out;
use super::words;
use crate::event::{Event, Kind, Stage};
use crate::name::{HostName, OutcomeKind};
use crate::text;

/// Shortest time between two lines of progress of one host.
const QUIET: Duration = Duration::from_secs(5);
/// Widest host column; longer names push their line to the right.
const WIDEST: usize = 24;

/// Writes lines to stderr and the closing block to stdout.
#[derive(Debug)]
pub struct Plain {
    out: Out,
    zone: TimeZone,
    width: usize,
    shown: BTreeMap<HostName, Timestamp>,
    /// How long each host took to answer, until the run begins.
    before: Option<BTreeMap<HostName, Duration>>,
}

impl Plain {
    /// A face that shows times in `zone`.
    #[must_use]
    pub fn new(out: Out, zone: TimeZone) -> Self {
        Self {
            out,
            zone,
            width: 0,
            shown: BTreeMap::new(),
            before: Some(BTreeMap::new()),
        }
    }

    fn line(&self, at: Timestamp, host: &str, text: &str) {
        let clock = words::clock_millis(at, &self.zone);
        let width = self.width;
        for (i, text) in words::tame_lines(text).enumerate() {
            let more = if i == 0 { "" } else { "  " };
            self.out
                .say(format!("{clock} {host:width$} {more}{text}").trim_end());
        }
    }

    /// `looked at 6 hosts (web4 took longest: 1.5 s)`
    fn looked(&mut self, at: Timestamp) {
        let before = self.before.take().unwrap_or_default();
        if let Some((slowest, took)) = before.iter().max_by_key(|(_, took)| **took) {
            let hosts = text::count(before.len(), "host");
            let took = text::duration(*took);
            let line = format!("looked at {hosts} ({slowest} took longest: {took})");
            self.line(at, "", &line);
        }
    }

    fn progress(&mut self, at: Timestamp, host: &HostName, text: &str) {
        let due = self
            .shown
            .get(host)
            .is_none_or(|last| at.duration_since(*last).unsigned_abs() >= QUIET);
        if due {
            self.shown.insert(host.clone(), at);
            self.line(at, host.as_str(), text);
        }
    }

    fn finished(&self, at: Timestamp, kind: OutcomeKind, block: &str) {
        self.line(at, "", kind.word());
        if !block.is_empty() {
            self.out.result(block);
        }
    }
}

/// `pulling: 3 of 8, web healthy`
fn progress_text(stage: Stage, done: u64, total: u64, text: &str) -> String {
    let mut parts = Vec::new();
    if total > 0 {
        parts.push(format!("{done} of {total}"));
    }
    if !text.is_empty() {
        parts.push(text.to_owned());
    }
    if parts.is_empty() {
        words::doing(stage).to_owned()
    } else {
        format!("{}: {}", words::doing(stage), parts.join(", "))
    }
}

/// `pulled: already here (0.3 s)`
fn done_text(stage: Stage, took: Duration, text: &str) -> String {
    let colon = if text.is_empty() { "" } else { ": " };
    format!(
        "{}{colon}{text} ({})",
        words::done(stage),
        text::duration(took)
    )
}

impl Face for Plain {
    fn event(&mut self, event: &Event) {
        if let Kind::Done {
            host,
            stage: Stage::Connect | Stage::Look,
            took,
            ..
        } = &event.kind
        {
            if let Some(before) = &mut self.before {
                *before.entry(host.clone()).or_default() += *took;
            }
            return;
        }
        self.show(event);
        if matches!(event.kind, Kind::Started { .. }) {
            self.looked(event.at.0);
        }
    }

    fn notice(&mut self, text: &str) {
        self.out.say(&format!("-- {}", words::tame(text)));
    }
}

impl Plain {
    fn show(&mut self, event: &Event) {
        let at = event.at.0;
        match &event.kind {
            Kind::Started {
                env,
                app,
                what,
                hosts,
                groups,
            } => {
                let widest = hosts.iter().map(|h| h.as_str().len()).max().unwrap_or(0);
                self.width = widest.min(WIDEST);
                self.line(at, "", &format!("{what} {env} {app}"));
                for group in groups {
                    let names = words::names(&group.hosts, 20);
                    let role = group.role.word();
                    self.line(at, "", &format!("{role} {}: {names}", group.name));
                }
            }
            Kind::Plan { text } => self.line(at, "", &format!("plan\n{text}")),
            Kind::Begin { host, stage } => {
                self.shown.insert(host.clone(), at);
                if words::long(*stage) {
                    self.line(at, host.as_str(), words::doing(*stage));
                }
            }
            Kind::Progress {
                host,
                stage,
                done,
                total,
                text,
            } => self.progress(at, host, &progress_text(*stage, *done, *total, text)),
            Kind::Done {
                host,
                stage,
                took,
                text,
            } => self.line(at, host.as_str(), &done_text(*stage, *took, text)),
            Kind::Failed { host, stage, why } => {
                let what = format!("FAILED while {}: {why}", words::doing(*stage));
                self.line(at, host.as_str(), &what);
            }
            Kind::Line { host, text } => self.line(at, host.as_str(), &bar(text)),
            Kind::Switched { host, to } => {
                self.line(at, host.as_str(), &format!("sends to {to} now"));
            }
            Kind::Note { text, hint } => {
                self.line(at, "", &format!("note: {text}"));
                if !hint.is_empty() {
                    self.line(at, "", &format!("hint: {hint}"));
                }
            }
            Kind::Waiting { text, took } => {
                let took = text::duration(*took);
                self.line(at, "", &format!("waiting {took}: {text}"));
            }
            Kind::Error { .. } => {}
            Kind::Finished { outcome, block } => self.finished(at, outcome.kind, block),
        }
    }
}

/// Output of a host, marked as such on every line.
fn bar(text: &str) -> String {
    text.lines()
        .map(|line| format!("| {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Role;
    use crate::report::out::Kept;
    use crate::report::script::{self, Script};

    fn show(events: &[Event], zone: TimeZone) -> (String, String) {
        let (out, stdout, stderr) = Kept::pair();
        let mut face = Plain::new(out, zone);
        for event in events {
            face.event(event);
        }
        face.close();
        (stdout.text(), stderr.text())
    }

    #[test]
    fn a_deploy_reads_as_a_log() {
        let (stdout, stderr) = show(&script::deploy(), TimeZone::UTC);
        insta::assert_snapshot!(stderr, @r#"
        02:11:04.123      deploy staging app
        02:11:04.123      candidate green: web3 web4
        02:11:04.123      load balancer edge: lb1
        02:11:04.123 web3 pulling
        02:11:04.123 web4 pulling
        02:11:04.523 web3 pulled: app@1.0.2-30-abc1234 (300 ms)
        02:11:04.533 web4 pulled: already here (310 ms)
        02:11:05.538 lb1  sends to green now
        02:11:05.538 lb1  switched (5 ms)
        02:11:05.538      waiting 30.0 s: bake
        02:11:35.538      note: lb1 has no spare disk
        02:11:35.538      hint: free some
        02:11:35.538 web3 | Container staging-app-green-web-1 Started
        02:11:35.538 web3   | �[31mred
        02:11:35.538      succeeded
        "#);
        assert_eq!(stdout, "staging app  succeeded\n");
    }

    #[test]
    fn how_hosts_were_reached_is_said_when_a_run_begins_and_failures_at_once() {
        let mut s = Script::new();
        s.begin("web3", Stage::Connect);
        s.done("web3", Stage::Connect, 40, "");
        s.failed("web4", Stage::Connect, "connection refused");
        let (_, looked) = show(&s.events, TimeZone::UTC);
        assert_eq!(
            looked,
            "02:11:04.123 web4 FAILED while connecting: connection refused\n"
        );
        s.after(500)
            .started(&[("green", Role::Candidate, &["web3"])]);
        s.done("web3", Stage::Look, 10, "");
        let (_, ran) = show(&s.events, TimeZone::UTC);
        let lines: Vec<&str> = ran.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "02:11:04.623      deploy staging app",
                "02:11:04.623      candidate green: web3",
                "02:11:04.623      looked at 1 host (web3 took longest: 40 ms)"
            ]
        );
    }

    #[test]
    fn times_are_local() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let (_, stderr) = show(&script::deploy(), zone);
        assert!(stderr.starts_with("10:11:04.123 "), "{stderr}");
    }

    #[test]
    fn progress_is_shown_now_and_then_and_failures_on_every_line() {
        let mut s = Script::new();
        s.begin("w", Stage::Pull);
        for done in 1..=12 {
            s.after(1000).progress("w", Stage::Pull, done, 12);
        }
        s.failed("w", Stage::Up, "exit code 3\nbad config");
        let (_, stderr) = show(&s.events, TimeZone::UTC);
        insta::assert_snapshot!(stderr, @r#"
        02:11:04.123 w pulling
        02:11:09.123 w pulling: 5 of 12
        02:11:14.123 w pulling: 10 of 12
        02:11:16.123 w FAILED while starting: exit code 3
        02:11:16.123 w   bad config
        "#);
    }
}
