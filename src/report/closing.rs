//! The block at the end of every run, ready to be pasted into a ticket: a pure function of a
//! [`Summary`].
//!
//! The first line says what, how it ended, when, for which ticket, by whom. Then what serves, what
//! stands by, when each load balancer switched, what went wrong, and what to type to go back. To
//! add a fact: add a field to [`Summary`] and a line in [`text`].

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::layout;
use super::words;
use crate::event::jiff_text::Stamp;
use crate::event::{Kind, Stage};
use crate::name::{Actor, AppName, EnvName, HostName, Outcome, OutcomeKind, RunId, SlotName};
use crate::release::ReleaseLabel;
use crate::text;

/// Everything that is said at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// `deploy`, `stage`, `switch`, `rollback`, `restart`.
    pub what: String,
    /// The release that the run was to bring.
    pub release: Option<ReleaseLabel>,
    /// How it ended, and why.
    pub outcome: Outcome,
    /// When it began.
    pub started: Stamp,
    /// When it ended.
    pub ended: Stamp,
    /// Who ran it.
    pub by: Actor,
    /// Ticket, where one was given.
    pub ticket: Option<String>,
    /// Why a person wanted it, where that was given.
    pub message: Option<String>,
    /// The run; none where it did not begin.
    pub run: Option<RunId>,
    /// What serves now, as read back.
    pub active: Option<Side>,
    /// What stands by now.
    pub standby: Option<Side>,
    /// The slots that share the traffic, where it is shared: then none is active alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<Side>,
    /// Load balancers that were switched, with the time of each.
    pub switched: Vec<Switched>,
    /// How the old slot ran empty.
    pub drained: Option<Drained>,
    /// Time per stage, in order.
    pub stages: Vec<StageTime>,
    /// Stages that took longer on a host than their budget.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<OverBudget>,
    /// What went wrong, the first cause first.
    pub troubles: Vec<Trouble>,
    /// What each host is left with; for `mixed`.
    pub ends: Vec<HostEnd>,
    /// Where a staged release can be looked at.
    pub previews: Vec<Preview>,
    /// Whether one can go back.
    pub back: WayBack,
    /// Load balancers that were left out, and are owing.
    pub without: Vec<HostName>,
    /// Rules that a person set aside, e.g. `freeze "year end"`.
    pub overridden: Vec<String>,
    /// What to do now.
    pub hints: Vec<String>,
}

impl Summary {
    /// A summary with nothing but what every run has.
    #[must_use]
    pub fn new(
        env: EnvName,
        app: AppName,
        what: &str,
        outcome: Outcome,
        times: (Stamp, Stamp),
        by: Actor,
    ) -> Self {
        Self {
            env,
            app,
            what: what.to_owned(),
            release: None,
            outcome,
            started: times.0,
            ended: times.1,
            by,
            ticket: None,
            message: None,
            run: None,
            active: None,
            standby: None,
            shared: Vec::new(),
            switched: Vec::new(),
            drained: None,
            stages: Vec::new(),
            troubles: Vec::new(),
            ends: Vec::new(),
            previews: Vec::new(),
            back: WayBack::Unsaid,
            without: Vec::new(),
            overridden: Vec::new(),
            over: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The event that ends the run.
    #[must_use]
    pub fn finished(&self, zone: &TimeZone) -> Kind {
        Kind::Finished {
            outcome: self.outcome.clone(),
            block: text(self, zone),
        }
    }
}

/// One slot at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The slot.
    pub slot: SlotName,
    /// Its hosts.
    pub hosts: Vec<HostName>,
    /// What runs there; none where nothing does, or not one release.
    pub release: Option<ReleaseLabel>,
    /// A word on its state: `hot`, `idle`, `stopped`, `empty`, `not fit`; may be empty.
    pub state: String,
}

/// A load-balancer host that sends elsewhere since then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// The host.
    pub host: HostName,
    /// When its new state was in force.
    pub at: Stamp,
}

/// How a slot ran empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drained {
    /// From the switch to the last open request.
    pub took: Duration,
    /// Requests that were still open at the deadline; none where that could not be counted. They go
    /// on where the old slot stays up, and are cut where its containers are stopped.
    pub cut: Option<u64>,
}

/// Time that a stage took over all hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// From its first begin to its last end.
    pub took: Duration,
    /// The host that took longest, where there were several.
    pub slowest: Option<HostName>,
}

/// A stage that took longer on its slowest host than was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverBudget {
    /// The stage.
    pub stage: Stage,
    /// The host.
    pub host: HostName,
    /// What it took.
    pub took: Duration,
    /// What was allowed.
    pub budget: Duration,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Where, if in one place.
    pub host: Option<HostName>,
    /// In which stage, if in one.
    pub stage: Option<Stage>,
    /// What and why.
    pub what: String,
    /// The last lines that the failed candidate said, secrets removed.
    pub log: Vec<String>,
}

/// What a host is left with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostEnd {
    /// The host.
    pub host: HostName,
    /// Its slot or load balancer.
    pub group: String,
    /// What it does now, e.g. `sends to blue`, `runs #43 1.0.2`, `did not answer`.
    pub state: String,
}

/// Where a staged release can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The host.
    pub host: HostName,
    /// Its address.
    pub url: String,
}

/// Whether one can go back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBack {
    /// Nothing to say about it.
    Unsaid,
    /// `deploy rollback` switches at once.
    Ready,
    /// There is none yet and nothing is wrong with that; why in a few words.
    NoneYet(&'static str),
    /// It does not, and why: a reason on each line.
    NotReady(String),
}

/// Log lines of a failed candidate that are shown.
const LOG_LINES: usize = 20;

/// The block, without a newline at its end.
#[must_use]
pub fn text(s: &Summary, zone: &TimeZone) -> String {
    let mut lines = vec![head(s, zone)];
    if !s.outcome.why.is_empty() {
        lines.push(format!("  why: {}", words::tame(&s.outcome.why)));
    }
    lines.extend(
        s.message
            .as_ref()
            .map(|m| format!("  message: {}", words::tame(m))),
    );
    for trouble in &s.troubles {
        lines.extend(trouble_lines(trouble));
    }
    lines.extend(ends(s));
    lines.extend(sides(s));
    lines.extend(switched(s, zone));
    lines.extend(times(s));
    for o in &s.over {
        let (took, budget) = (text::duration(o.took), text::duration(o.budget));
        let stage = o.stage.word();
        lines.push(format!(
            "  note: {stage} took {took} on {}, its budget is {budget}",
            o.host
        ));
    }
    for preview in &s.previews {
        lines.push(format!("  preview {} {}", preview.host, preview.url));
    }
    if !s.overridden.is_empty() {
        lines.extend(layout::list("  overridden", &s.overridden));
    }
    lines.extend(
        s.hints
            .iter()
            .map(|h| format!("  hint: {}", words::tame(h))),
    );
    lines.extend(foot(s));
    lines.join("\n")
}

/// `production app  #43 1.0.2-30-abc1234 (sha256:9f2c…)  succeeded  02:11:04–02:13:37  …`
fn head(s: &Summary, zone: &TimeZone) -> String {
    let mut parts = vec![format!("{} {}", s.env, s.app)];
    if s.what != "deploy" {
        parts[0] = format!("{} {}", parts[0], s.what);
    }
    if let Some(release) = &s.release {
        let digest = release.digest.as_ref();
        let digest = digest.map_or_else(String::new, |d| format!(" ({})", d.short()));
        parts.push(format!("{release}{digest}"));
    }
    parts.push(s.outcome.kind.word().to_owned());
    let day = s
        .started
        .0
        .to_zoned(zone.clone())
        .strftime("%Y-%m-%d")
        .to_string();
    let (from, to) = (
        words::clock(s.started.0, zone),
        words::clock(s.ended.0, zone),
    );
    parts.push(format!("{day} {from}–{to}"));
    parts.extend(s.ticket.as_ref().map(|t| words::tame(t)));
    parts.push(format!("by {}", words::person(&s.by)));
    parts.join("  ")
}

fn trouble_lines(trouble: &Trouble) -> Vec<String> {
    let place = match (&trouble.host, trouble.stage) {
        (Some(host), Some(stage)) => format!("{host} {stage}: ", stage = stage.word()),
        (Some(host), None) => format!("{host}: "),
        (None, Some(stage)) => format!("{}: ", stage.word()),
        (None, None) => String::new(),
    };
    let mut lines: Vec<String> = words::tame_lines(&trouble.what)
        .enumerate()
        .map(|(i, line)| match i {
            0 => format!("  failed {place}{line}"),
            _ => format!("    {line}"),
        })
        .collect();
    let log = words::folded(&trouble.log);
    let skip = log.len().saturating_sub(LOG_LINES);
    if skip > 0 {
        lines.push(format!("    | … {} more", text::count(skip, "line")));
    }
    let said = log[skip..].iter();
    lines.extend(said.map(|line| format!("    | {line}").trim_end().to_owned()));
    lines
}

/// A line per host, where they differ.
fn ends(s: &Summary) -> Vec<String> {
    let rows: Vec<Vec<String>> = s
        .ends
        .iter()
        .map(|end| {
            let mark = if s.outcome.hosts.contains(&end.host) {
                "!"
            } else {
                " "
            };
            vec![
                format!("  {mark} {}", end.host),
                end.group.clone(),
                words::tame(&end.state),
            ]
        })
        .collect();
    layout::table(&rows)
}

/// What serves and what stands by; on one line where that is short.
fn sides(s: &Summary) -> Vec<String> {
    let served =
        |side: &Side| side.release.as_ref().map(|r| &r.id) == s.release.as_ref().map(|r| &r.id);
    let mut parts = Vec::new();
    if let Some(side) = &s.active {
        let known = served(side) && side.release.is_some();
        parts.push(format!("active {}", side_text(side, !known)));
    }
    if let Some(side) = &s.standby {
        parts.push(format!("standby {}", side_text(side, true)));
    }
    let shared = s.shared.iter();
    parts.extend(shared.map(|side| format!("active {}", side_text(side, true))));
    let one = format!("  {}", parts.join("    "));
    if parts.is_empty() {
        Vec::new()
    } else if console::measure_text_width(&one) <= layout::WRAP {
        vec![one]
    } else {
        parts.into_iter().map(|part| format!("  {part}")).collect()
    }
}

/// `blue web1 web2 (#42 1.0.1-22-7e56158, hot)`
fn side_text(side: &Side, with_release: bool) -> String {
    let mut about = Vec::new();
    if with_release {
        about.extend(side.release.as_ref().map(ToString::to_string));
    }
    if !side.state.is_empty() {
        about.push(side.state.clone());
    }
    let mut line = format!("{} {}", side.slot, words::names(&side.hosts, 8));
    if !about.is_empty() {
        line.push_str(&format!(" ({})", about.join(", ")));
    }
    line
}

/// `switched lb1 02:12:51.204, lb2 02:12:51.211 (skew 7 ms); old idle after 4.1 s, 0 cut`
fn switched(s: &Summary, zone: &TimeZone) -> Vec<String> {
    let mut parts = Vec::new();
    let times: Vec<_> = s.switched.iter().map(|w| w.at.0).collect();
    if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
        let mut items: Vec<String> = s
            .switched
            .iter()
            .map(|w| format!("{} {}", w.host, words::clock_millis(w.at.0, zone)))
            .collect();
        let end = items.len() - 1;
        if end > 0 {
            let skew = text::duration(last.duration_since(*first).unsigned_abs());
            items[end].push_str(&format!(" (skew {skew})"));
        }
        if let Some(drained) = &s.drained {
            items[end].push_str(&format!("; {}", drained_text(drained)));
        }
        parts.extend(layout::list("  switched", &items));
    } else if let Some(drained) = &s.drained {
        parts.push(format!("  {}", drained_text(drained)));
    }
    parts
}

fn drained_text(drained: &Drained) -> String {
    let took = text::duration(drained.took);
    match drained.cut {
        Some(0) => format!("old idle after {took}, 0 cut"),
        Some(n) => format!("{n} still open on old after {took}"),
        None => format!("old left after {took}, what was open is not known"),
    }
}

/// `times pull 31.2 s (web4), up 2.1 s, …`
fn times(s: &Summary) -> Vec<String> {
    if s.stages.is_empty() {
        return Vec::new();
    }
    let items: Vec<String> = s
        .stages
        .iter()
        .map(|stage| {
            let slowest = stage.slowest.as_ref();
            let slowest = slowest.map_or_else(String::new, |h| format!(" ({h})"));
            let took = text::duration(stage.took);
            format!("{} {took}{slowest}", stage.stage.word())
        })
        .collect();
    layout::list("  times", &items)
}

/// What to type next, and the run.
fn foot(s: &Summary) -> Option<String> {
    let mut parts = Vec::new();
    if s.outcome.kind == OutcomeKind::Staged {
        parts.push(format!("next: deploy switch {} {}", s.env, s.app));
    }
    match &s.back {
        WayBack::Unsaid => {}
        WayBack::Ready => {
            let without = s.without.iter().map(|lb| format!(" --exclude-lb {lb}"));
            let without: String = without.collect();
            parts.push(format!(
                "back: deploy rollback {} {}{without}",
                s.env, s.app
            ));
        }
        WayBack::NoneYet(why) => parts.push(format!("way back: none yet, {why}")),
        WayBack::NotReady(why) => {
            let why: Vec<String> = words::tame_lines(why).collect();
            parts.push(format!("way back NOT READY: {}", why.join("; ")));
        }
    }
    parts.extend(
        s.run
            .as_ref()
            .map(|run| format!("record: deploy show {run}")),
    );
    (!parts.is_empty()).then(|| format!("  {}", parts.join("      ")))
}

#[cfg(test)]
mod tests;
