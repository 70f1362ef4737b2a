//! One run, as its hosts remember it: what was planned, what each host did and when, what went
//! wrong and what is left of it. [`RunView`] is the data, [`text`] and [`json`] show it; [`page`]
//! makes one self-contained HTML page with a timeline.

pub mod page;
pub mod path;

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::layout;
use super::status::Said;
use super::words;
use crate::host::docker::evidence::Evidence;
use crate::name::{Actor, AppName, EnvName, ExitCode, HostName, RunId};
use crate::record::{HistoryEntry, RunReport, Span};

/// Log lines of a failed candidate that are shown of each container.
const LOG_LINES: usize = 20;

/// Everything that is known of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunView {
    /// The environment and the app.
    pub place: Option<(EnvName, AppName)>,
    /// The run.
    pub run: Option<RunId>,
    /// How it ended; none where it has not, or nobody knows.
    pub entry: Option<HistoryEntry>,
    /// Who began it, as its manifest says, and when, in seconds since the epoch.
    pub begun: Option<(Actor, i64)>,
    /// The plan's text.
    pub plan: Option<String>,
    /// How it went.
    pub report: Option<RunReport>,
    /// What is left of failed candidates.
    pub evidence: Vec<(HostName, Evidence)>,
    /// Hosts that it holds now.
    pub holds: Vec<HostName>,
    /// Hosts that remember it.
    pub hosts: Vec<HostName>,
    /// Hosts that did not answer.
    pub silent: Vec<Said>,
}

impl RunView {
    /// 7 where a host did not answer and nobody else knew how the run ended, else 0.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.silent.is_empty() || (self.entry.is_some() && self.report.is_some()) {
            ExitCode::Success
        } else {
            ExitCode::Unknown
        }
    }

    /// `staging app deploy r-7f3a`.
    #[must_use]
    pub fn title(&self) -> String {
        let place = self
            .place
            .as_ref()
            .map_or_else(String::new, |(e, a)| format!("{e} {a} "));
        let kind = self
            .entry
            .as_ref()
            .map_or_else(String::new, |e| format!("{} ", kind(e)));
        let run = self.run.as_ref().map_or("", RunId::as_str);
        format!("{place}{kind}{run}")
    }

    /// Facts of the run's head: a word and what it is.
    #[must_use]
    pub fn facts(&self, zone: &TimeZone) -> Vec<(&'static str, String)> {
        let mut facts = Vec::new();
        let Some(e) = &self.entry else {
            if let Some((who, at)) = &self.begun {
                facts.push(("begun", second(*at, zone)));
                facts.push(("by", words::tame(words::person(who))));
            }
            let end = match self.holds.as_slice() {
                [] => "not known".to_owned(),
                hosts => format!("not yet; it holds {}", words::names(hosts, 6)),
            };
            facts.push(("ended", end));
            return facts;
        };
        facts.push(("outcome", e.outcome.to_string()));
        if !e.version.is_empty() {
            let digest = e
                .digest
                .as_ref()
                .map_or_else(String::new, |d| format!(" ({d})"));
            let revision = match e.revision {
                0 => String::new(),
                n => format!("#{n} "),
            };
            facts.push((
                "release",
                format!("{revision}{}{digest}", words::tame(&e.version)),
            ));
        }
        let took = u64::try_from(e.ended - e.started).unwrap_or(0);
        let took = crate::text::duration(Duration::from_secs(took));
        facts.push(("begun", second(e.started, zone)));
        facts.push(("ended", format!("{}, after {took}", second(e.ended, zone))));
        facts.push(("by", words::tame(words::person(&e.who))));
        for (word, text) in [
            ("ticket", &e.ticket),
            ("message", &e.why),
            ("configuration", &e.config),
            ("why", &e.reason),
        ] {
            if !text.is_empty() {
                let lines: Vec<String> = words::tame_lines(text).collect();
                facts.push((word, lines.join("; ")));
            }
        }
        facts
    }
}

fn kind(e: &HistoryEntry) -> String {
    let kind = serde_json::to_value(e.kind).ok();
    kind.as_ref()
        .and_then(|k| k.as_str())
        .unwrap_or("run")
        .to_owned()
}

fn second(seconds: i64, zone: &TimeZone) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| "?".to_owned(),
        |at| {
            at.to_zoned(zone.clone())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

fn millis(ms: u64) -> String {
    crate::text::duration(Duration::from_millis(ms))
}

/// Everything as text; no newline at the end.
#[must_use]
pub fn text(view: &RunView, zone: &TimeZone) -> String {
    let mut out = vec![view.title()];
    for (word, what) in view.facts(zone) {
        out.push(format!("  {word:<13} {what}"));
    }
    if let Some(plan) = &view.plan {
        out.push("  plan".to_owned());
        out.extend(words::tame_lines(plan.trim_end()).map(|line| format!("    {line}")));
    }
    if let Some(report) = &view.report {
        out.extend(report_lines(report, zone));
    }
    for (host, evidence) in &view.evidence {
        out.extend(evidence_lines(host, evidence));
    }
    if view.evidence.is_empty() {
        out.extend(view.report.iter().flat_map(remains_lines));
    }
    let hosts = words::names(&view.hosts, 8);
    out.push(format!("  remembered by {hosts}"));
    out.join("\n")
}

fn report_lines(report: &RunReport, zone: &TimeZone) -> Vec<String> {
    let slowest = path::slowest(&report.spans);
    let rows: Vec<Vec<String>> = report
        .spans
        .iter()
        .zip(&slowest)
        .map(|(span, slow)| span_cells(span, *slow))
        .collect();
    let mut out = vec!["  steps (* = the slowest way through the run)".to_owned()];
    out.extend(layout::table(&rows));
    if report.left_out > 0 {
        out.push(format!("    and {} more", report.left_out));
    }
    out.extend(switched(report, zone).map(|(host, at)| format!("  switched {host} {at}")));
    out.extend(failed(report).map(|what| format!("  {what}")));
    out.extend(
        report
            .notes
            .iter()
            .map(|n| format!("  note: {}", words::tame(n))),
    );
    out
}

/// Load balancers that switched, and when.
fn switched<'a>(
    report: &'a RunReport,
    zone: &'a TimeZone,
) -> impl Iterator<Item = (&'a HostName, String)> {
    report.switched.iter().filter_map(|(host, at)| {
        let at = Timestamp::from_millisecond(*at).ok()?;
        Some((host, words::clock_millis(at, zone)))
    })
}

/// Where the run failed, and why.
fn failed(report: &RunReport) -> Option<String> {
    let wrong = report.failure.as_ref()?;
    let host = wrong.host.as_ref();
    let host = host.map_or_else(String::new, |h| format!(" on {h}"));
    let why = words::tame(&wrong.why);
    Some(format!("failed in {}{host}: {why}", wrong.stage))
}

fn span_cells(span: &Span, slow: bool) -> Vec<String> {
    let step = span.step.map_or_else(String::new, |n| format!("s{n}"));
    let end = match span.ok {
        Some(true) => "",
        Some(false) => "FAILED ",
        None => "? ",
    };
    let host = span.host.as_ref().map_or("all", HostName::as_str);
    vec![
        format!("  {} +{}", if slow { "*" } else { " " }, millis(span.at)),
        step,
        host.to_owned(),
        span.stage.clone(),
        millis(span.ms),
        format!("{end}{}", words::tame(&span.text)),
    ]
}

fn evidence_lines(host: &HostName, evidence: &Evidence) -> Vec<String> {
    let mut out = Vec::new();
    for kept in &evidence.containers {
        let end = kept
            .end()
            .unwrap_or_else(|| format!("{} is {}", kept.service, kept.state));
        out.push(format!("  evidence of {host}: {}", words::tame(&end)));
        if !kept.health_output.is_empty() {
            let said = words::tame_lines(&kept.health_output)
                .last()
                .unwrap_or_default();
            out.push(format!("    its health check said: {said}"));
        }
        out.extend(log(&kept.log_tail));
    }
    out
}

/// What the report keeps, where the hosts have nothing more of it.
fn remains_lines(report: &RunReport) -> Vec<String> {
    let mut out = Vec::new();
    for remains in &report.evidence {
        let end = words::tame(&remains.end);
        out.push(format!("  evidence of {}: {end}", remains.host));
        out.extend(log(&remains.log));
    }
    out
}

/// The end of a log; lines that say the same one after the other are folded.
fn log(lines: &[String]) -> Vec<String> {
    let folded = words::folded(lines);
    let skip = folded.len().saturating_sub(LOG_LINES);
    folded
        .into_iter()
        .skip(skip)
        .map(|line| format!("    | {line}"))
        .collect()
}

/// Everything as one JSON object on one line, `event: "run"`.
#[must_use]
pub fn json(view: &RunView) -> String {
    let evidence = view.evidence.iter().map(|(host, evidence)| {
        let containers = evidence.containers.iter().map(|c| {
            serde_json::json!({
                "container": c.name, "service": c.service, "state": c.state, "end": c.end(),
                "exit_code": c.exit_code, "oom": c.oom, "restarts": c.restarts,
                "health": c.health_output, "log": c.log_tail,
            })
        });
        let containers: Vec<_> = containers.collect();
        serde_json::json!({"host": host, "containers": containers})
    });
    let evidence: Vec<_> = evidence.collect();
    let (env, app) = view.place.clone().unzip();
    serde_json::json!({
        "v": 1, "event": "run", "env": env, "app": app, "run": view.run, "entry": view.entry,
        "plan": view.plan, "report": view.report, "evidence": evidence, "holds": view.holds,
        "hosts": view.hosts, "silent": view.silent,
    })
    .to_string()
}

#[cfg(test)]
mod tests;
