//! What was done to an environment's apps: finished runs, attempts, and what is under way, newest
//! first. [`AppHistory::of`] makes the view from what hosts remember; [`text`] and [`json`] show it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::layout;
use super::status::Said;
use super::words;
use crate::name::{Actor, AppName, EnvName, ExitCode, HostName, OutcomeKind, RunId};
use crate::record::past::{Past, Remembered, merge};
use crate::record::{HistoryEntry, RunKind};

/// The history of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryView {
    /// The environment.
    pub env: EnvName,
    /// Its apps.
    pub apps: Vec<AppHistory>,
}

/// The history of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppHistory {
    /// The app.
    pub app: AppName,
    /// Runs and attempts, oldest first.
    pub runs: Vec<Remembered>,
    /// Runs that hold hosts now.
    pub open: Vec<Open>,
    /// Lines of the record that could not be read, by host.
    pub damaged: Vec<Said>,
    /// Hosts that did not answer.
    pub silent: Vec<Said>,
}

/// A run that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Open {
    /// The run.
    pub run: RunId,
    /// Who runs it.
    pub who: Actor,
    /// Hosts that it holds.
    pub hosts: Vec<HostName>,
}

impl AppHistory {
    /// Puts together what hosts remember of an app. `attempts`: also of what changed nothing.
    #[must_use]
    pub fn of(
        app: AppName,
        pasts: &BTreeMap<HostName, Past>,
        silent: Vec<Said>,
        attempts: bool,
    ) -> Self {
        let mut open: Vec<Open> = Vec::new();
        let mut damaged = Vec::new();
        for (host, past) in pasts {
            if let Some(claim) = &past.claim {
                match open.iter_mut().find(|o| o.run == claim.run) {
                    Some(known) => known.hosts.push(host.clone()),
                    None => open.push(Open {
                        run: claim.run.clone(),
                        who: claim.who.clone(),
                        hosts: vec![host.clone()],
                    }),
                }
            }
            if past.damaged > 0 {
                damaged.push(Said {
                    host: host.clone(),
                    what: format!("{} of its history cannot be read", lines(past.damaged)),
                });
            }
        }
        let mut runs = merge(pasts);
        runs.retain(|r| attempts || !r.attempt);
        Self {
            app,
            runs,
            open,
            damaged,
            silent,
        }
    }
}

fn lines(n: usize) -> String {
    crate::text::count(n, "line")
}

impl HistoryView {
    /// 7 where a host did not answer: it may remember what the others do not.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.apps.iter().any(|app| !app.silent.is_empty()) {
            ExitCode::Unknown
        } else {
            ExitCode::Success
        }
    }
}

/// The view as text, `most` lines of each app, newest first; no newline at the end.
#[must_use]
pub fn text(view: &HistoryView, most: usize, zone: &TimeZone) -> String {
    if view.apps.is_empty() {
        return format!("{}  no apps", view.env);
    }
    let apps = view.apps.iter().map(|app| {
        let mut out = vec![format!("{} {}", view.env, app.app)];
        out.extend(app.open.iter().map(open_line));
        out.extend(run_lines(app, most, zone));
        let damaged = super::status::said_lines("problem", &app.damaged);
        out.extend(damaged);
        out.join("\n")
    });
    apps.collect::<Vec<_>>().join("\n\n")
}

fn open_line(open: &Open) -> String {
    let hosts = words::names(&open.hosts, 6);
    let who = words::tame(words::person(&open.who));
    format!("  not ended: {} by {who}, on {hosts}", open.run)
}

/// Attempts that say the same one after the other, as a watcher or a crontab makes them.
struct Fold<'a> {
    run: &'a Remembered,
    times: usize,
}

fn fold(runs: &[Remembered]) -> Vec<Fold<'_>> {
    let mut folds: Vec<Fold<'_>> = Vec::new();
    let same = |a: &HistoryEntry, b: &HistoryEntry| {
        (a.kind, &a.release, a.outcome, &a.reason) == (b.kind, &b.release, b.outcome, &b.reason)
            && (&a.why, &a.ticket) == (&b.why, &b.ticket)
            && words::person(&a.who) == words::person(&b.who)
    };
    for run in runs.iter().rev() {
        match folds.last_mut() {
            Some(last) if run.attempt && last.run.attempt && same(&last.run.entry, &run.entry) => {
                last.times += 1;
            }
            _ => folds.push(Fold { run, times: 1 }),
        }
    }
    folds
}

fn run_lines(app: &AppHistory, most: usize, zone: &TimeZone) -> Vec<String> {
    let mut folds = fold(&app.runs);
    if folds.is_empty() {
        let all = app.silent.is_empty();
        let none = if all {
            "nothing yet"
        } else {
            "nothing that the hosts that answered remember"
        };
        return vec![format!("  {none}")];
    }
    folds.truncate(most);
    let rows: Vec<Vec<String>> = folds.iter().map(|f| cells(f, zone)).collect();
    let mut out = Vec::new();
    for (line, fold) in layout::table(&rows).into_iter().zip(&folds) {
        out.push(line);
        out.extend(below(fold.run));
    }
    out
}

fn cells(fold: &Fold<'_>, zone: &TimeZone) -> Vec<String> {
    let e = &fold.run.entry;
    let kind = serde_json::to_value(e.kind).ok();
    let kind = kind
        .as_ref()
        .and_then(|k| k.as_str())
        .unwrap_or("run")
        .to_owned();
    let kind = match (e.kind, e.outcome) {
        (RunKind::Remove, OutcomeKind::Succeeded) => "removed".to_owned(),
        _ => kind,
    };
    let took = u64::try_from(e.ended - e.started).unwrap_or(0);
    let times = match fold.times {
        1 => String::new(),
        n => format!(" ×{n}"),
    };
    vec![
        format!("  {}", minute(e.started, zone)),
        release(e),
        kind,
        format!("{}{times}", e.outcome),
        crate::text::duration(Duration::from_secs(took))
            .replace(".0 s", " s")
            .replace("0 ms", "0 s"),
        words::tame(words::person(&e.who)),
        e.run.to_string(),
    ]
}

/// `2026-11-21 15:16` of seconds since the epoch.
fn minute(seconds: i64, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(at) => at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string(),
        Err(_) => "?".to_owned(),
    }
}

fn release(e: &HistoryEntry) -> String {
    match (e.revision, e.version.as_str()) {
        (_, "") => "-".to_owned(),
        (0, version) => words::tame(version),
        (n, version) => format!("#{n} {}", words::tame(version)),
    }
}

/// What belongs to a run and has no column: ticket, message, reason, hosts that say otherwise.
fn below(run: &Remembered) -> Vec<String> {
    let e = &run.entry;
    let mut out = Vec::new();
    let said = [e.ticket.as_str(), e.why.as_str()];
    let said: Vec<String> = said
        .iter()
        .filter(|s| !s.is_empty())
        .map(|s| words::tame(s))
        .collect();
    if !said.is_empty() {
        out.push(format!("    {}", said.join("  ")));
    }
    let quiet = matches!(e.outcome, OutcomeKind::Succeeded | OutcomeKind::NoChange);
    if !quiet && !e.reason.is_empty() {
        let mut reason = words::tame_lines(&e.reason);
        out.extend(reason.next().map(|first| format!("    why: {first}")));
        out.extend(reason.take(4).map(|more| format!("      {more}")));
    }
    let aside = e.more["overridden"].as_array().into_iter().flatten();
    let aside = aside.filter_map(|what| what.as_str());
    out.extend(aside.map(|what| format!("    overridden: {}", words::tame(what))));
    if !run.otherwise.is_empty() {
        out.push(format!(
            "    another end is remembered by {}",
            words::names(&run.otherwise, 6)
        ));
    }
    out
}

/// The view as one JSON object on one line: `event: "history"`, each run as it is recorded, with
/// the hosts that remember it.
#[must_use]
pub fn json(view: &HistoryView, most: usize) -> String {
    let apps = view.apps.iter().map(|app| {
        let runs = app.runs.iter().rev().take(most).map(|r| {
            let mut run = serde_json::json!(r.entry);
            run["hosts"] = serde_json::json!(r.hosts);
            run["otherwise"] = serde_json::json!(r.otherwise);
            run["attempt"] = serde_json::json!(r.attempt);
            run
        });
        serde_json::json!({
            "app": app.app, "runs": runs.collect::<Vec<_>>(), "open": app.open,
            "damaged": app.damaged, "silent": app.silent,
        })
    });
    let apps: Vec<serde_json::Value> = apps.collect();
    serde_json::json!({"v": 1, "event": "history", "env": view.env, "apps": apps}).to_string()
}

#[cfg(test)]
mod tests;
