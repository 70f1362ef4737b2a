//! What runs where: the view that `deploy status` shows, as data, as text and as JSON.
//!
//! [`look::app`] makes the view of an app from what a look found; [`text`] shows it. Hosts of a
//! slot that are equal in all but their name are folded into one row. What is not known is said,
//! never left out.

pub mod look;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::closing::WayBack;
use super::layout;
use super::words;
use crate::event::jiff_text::Stamp;
use crate::name::{AppName, BalancerName, EnvName, ExitCode, HostName, RunId, SlotName};
use crate::release::ReleaseLabel;

/// One environment as a look found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusView {
    /// When the look ended.
    pub at: Stamp,
    /// The environment.
    pub env: EnvName,
    /// Its apps.
    pub apps: Vec<AppStatus>,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppStatus {
    /// The app.
    pub app: AppName,
    /// Its slots, the active one first.
    pub slots: Vec<SlotStatus>,
    /// Each load-balancer host.
    pub balancers: Vec<BalancerStatus>,
    /// Whether `deploy rollback` would switch at once.
    pub way_back: WayBack,
    /// Runs that hold hosts now.
    pub claims: Vec<Claim>,
    /// Locks that persons set.
    pub holds: Vec<Lock>,
    /// Hosts that missed a change, and what is written about each.
    pub owing: Vec<Said>,
    /// What is wrong or odd, by host.
    pub problems: Vec<Said>,
    /// Hosts that did not answer, and why.
    pub silent: Vec<Said>,
}

/// A slot's part in the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotRole {
    /// Every load balancer sends here, and nowhere else.
    Active,
    /// Some of the traffic arrives here.
    Partly,
    /// A load balancer could not be read: it may send here.
    Unsure,
    /// No load balancer sends here.
    Standby,
}

impl SlotRole {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Partly => "partly",
            Self::Unsure => "active?",
            Self::Standby => "standby",
        }
    }
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotStatus {
    /// The slot.
    pub slot: SlotName,
    /// Its part in the traffic.
    pub role: SlotRole,
    /// A row for each host.
    pub hosts: Vec<HostRow>,
}

/// One host of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostRow {
    /// The host.
    pub host: HostName,
    /// The one release that its containers were started with; none where there is not one.
    pub release: Option<ReleaseLabel>,
    /// The state of its worst container: `healthy`, `running`, `exited 3`, `empty`, `no answer`, …
    pub health: String,
    /// Whether that state is as it should be.
    pub good: bool,
    /// When its youngest container was started.
    pub since: Option<Stamp>,
    /// Restarts by the engine, over all its containers.
    pub restarts: u64,
    /// How it differs from what was deployed; one entry each.
    pub differs: Vec<String>,
}

/// One load-balancer host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BalancerStatus {
    /// The balancer that it belongs to.
    pub balancer: BalancerName,
    /// The host.
    pub host: HostName,
    /// Where it sends, in a few words; `?` where it could not be read.
    pub says: String,
    /// Whether it could be read and agrees with its own files.
    pub good: bool,
}

/// A run that holds hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Who runs it, `user@machine`.
    pub who: String,
    /// The hosts that it holds.
    pub hosts: Vec<HostName>,
    /// Seconds until its lease ends; 0: it has ended, nobody watches the run any more.
    pub left: u64,
}

/// A lock that a person set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// On the whole environment, not on this app alone.
    pub whole: bool,
    /// Who set it, `user@machine`.
    pub who: String,
    /// Since when.
    pub since: Option<Stamp>,
    /// Until when; until it is lifted where absent.
    pub until: Option<Stamp>,
    /// Why.
    pub why: String,
    /// The hosts that say so.
    pub hosts: Vec<HostName>,
}

/// Something said about a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The host.
    pub host: HostName,
    /// What.
    pub what: String,
}

impl StatusView {
    /// Whether something is not as it was deployed, or there is no way back where there should be.
    #[must_use]
    pub fn differs(&self) -> bool {
        let rows = |app: &AppStatus| {
            let mut rows = app.slots.iter().flat_map(|s| &s.hosts);
            rows.any(|row| !row.differs.is_empty() || (!row.good && row.health != "empty"))
        };
        self.apps.iter().any(|app| {
            let back = matches!(app.way_back, WayBack::NotReady(_));
            back || rows(app)
                || app.balancers.iter().any(|b| !b.good)
                || disagreement(app).is_some()
        })
    }

    /// 7 where somebody did not answer or could not be read, else 0.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let unknown = |app: &AppStatus| {
            !app.silent.is_empty() || app.balancers.iter().any(|b| b.says.starts_with('?'))
        };
        if self.apps.iter().any(unknown) {
            ExitCode::Unknown
        } else {
            ExitCode::Success
        }
    }
}

/// The view as text, at most 80 columns where names allow it; no newline at the end.
#[must_use]
pub fn text(view: &StatusView, zone: &TimeZone) -> String {
    if view.apps.is_empty() {
        return format!("{}  no apps", view.env);
    }
    let apps = view
        .apps
        .iter()
        .map(|app| app_lines(view, app, zone).join("\n"));
    apps.collect::<Vec<_>>().join("\n\n")
}

fn app_lines(view: &StatusView, app: &AppStatus, zone: &TimeZone) -> Vec<String> {
    let at = words::clock(view.at.0, zone);
    let mut lines = vec![format!("{} {}  at {at}", view.env, app.app)];
    let mut rows: Vec<Vec<String>> = app
        .slots
        .iter()
        .flat_map(|slot| slot_rows(slot, view.at.0, zone))
        .collect();
    rows.extend(balancer_rows(app));
    lines.extend(layout::table(&rows));
    for row in app.slots.iter().flat_map(|slot| &slot.hosts) {
        let differs = row.differs.iter();
        lines.extend(differs.map(|d| format!("  differs: {} {}", row.host, words::tame(d))));
    }
    lines.extend(claim_lines(app));
    lines.extend(app.holds.iter().map(|lock| lock_line(view, lock, zone)));
    for (word, list) in [
        ("owing", &app.owing),
        ("problem", &app.problems),
        ("no answer", &app.silent),
    ] {
        lines.extend(said_lines(word, list));
    }
    lines.extend(disagreement(app));
    lines.extend(way_back_lines(view, app));
    lines
}

fn way_back_lines(view: &StatusView, app: &AppStatus) -> Vec<String> {
    match &app.way_back {
        WayBack::Unsaid => Vec::new(),
        WayBack::Ready => vec![format!(
            "  way back: ready, deploy rollback {} {}",
            view.env, app.app
        )],
        WayBack::NoneYet(why) => vec![format!("  way back: none yet, {why}")],
        WayBack::NotReady(why) => {
            let why: Vec<String> = words::tame_lines(why).collect();
            match why.as_slice() {
                [one] => vec![format!("  way back: NOT READY: {one}")],
                all => std::iter::once("  way back: NOT READY:".to_owned())
                    .chain(all.iter().map(|line| format!("    {line}")))
                    .collect(),
            }
        }
    }
}

/// One row for hosts that are equal, one for each that is not.
fn slot_rows(slot: &SlotStatus, now: Timestamp, zone: &TimeZone) -> Vec<Vec<String>> {
    let mut folded: Vec<(Vec<&HostName>, Vec<String>)> = Vec::new();
    for row in &slot.hosts {
        let cells = host_cells(row, now, zone);
        match folded.iter_mut().find(|(_, known)| *known == cells) {
            Some((hosts, _)) => hosts.push(&row.host),
            None => folded.push((vec![&row.host], cells)),
        }
    }
    folded
        .into_iter()
        .enumerate()
        .map(|(i, (hosts, cells))| {
            let (role, name) = match i {
                0 => (slot.role.word(), slot.slot.as_str()),
                _ => ("", ""),
            };
            let mut row = vec![
                format!("  {role}"),
                name.to_owned(),
                words::names(&hosts, 4),
            ];
            row.extend(cells);
            row
        })
        .collect()
}

fn host_cells(row: &HostRow, now: Timestamp, zone: &TimeZone) -> Vec<String> {
    let release = row
        .release
        .as_ref()
        .map_or("-".to_owned(), ToString::to_string);
    let since = row.since.map_or_else(String::new, |at| {
        format!("since {}", words::since(at.0, now, zone))
    });
    let restarts = match row.restarts {
        0 => String::new(),
        n => crate::text::count(usize::try_from(n).unwrap_or(usize::MAX), "restart"),
    };
    vec![release, row.health.clone(), since, restarts]
}

/// One row for each balancer whose hosts agree, one for each host where they do not.
fn balancer_rows(app: &AppStatus) -> Vec<Vec<String>> {
    let mut folded: Vec<(&BalancerName, Vec<&HostName>, &str)> = Vec::new();
    for b in &app.balancers {
        let same = folded
            .iter_mut()
            .find(|(name, _, says)| **name == b.balancer && *says == b.says);
        match same {
            Some((_, hosts, _)) => hosts.push(&b.host),
            None => folded.push((&b.balancer, vec![&b.host], &b.says)),
        }
    }
    folded
        .into_iter()
        .map(|(name, hosts, says)| {
            vec![
                "  balancer".to_owned(),
                name.to_string(),
                words::names(&hosts, 4),
                format!("→ {}", words::tame(says)),
            ]
        })
        .collect()
}

/// Load balancers that send to different places are the first thing to know.
fn disagreement(app: &AppStatus) -> Option<String> {
    let known = app.balancers.iter().map(|b| b.says.as_str());
    let mut says: Vec<&str> = known.filter(|says| !says.starts_with('?')).collect();
    says.sort_unstable();
    says.dedup();
    (says.len() > 1)
        .then(|| "  LOAD BALANCERS DISAGREE: no deploy begins until they agree".to_owned())
}

fn claim_lines(app: &AppStatus) -> impl Iterator<Item = String> + '_ {
    app.claims.iter().map(|claim| {
        let lease = match claim.left {
            0 => "its lease has ended: nobody is watching".to_owned(),
            left => format!("lease {left} s"),
        };
        let hosts = words::names(&claim.hosts, 6);
        format!(
            "  held by {} ({}) on {hosts}, {lease}",
            words::tame(&claim.who),
            claim.run
        )
    })
}

fn lock_line(view: &StatusView, lock: &Lock, zone: &TimeZone) -> String {
    let at = |word: &str, at: Option<Stamp>| {
        at.map(|at| format!(" {word} {}", words::since(at.0, view.at.0, zone)))
            .unwrap_or_default()
    };
    let whole = if lock.whole { " (all apps)" } else { "" };
    format!(
        "  locked{whole} by {}{}{} on {}: {}",
        words::tame(&lock.who),
        at("since", lock.since),
        at("until", lock.until),
        words::names(&lock.hosts, 6),
        words::tame(&lock.why)
    )
}

/// What is said alike about several hosts is said once.
pub(crate) fn said_lines(word: &str, list: &[Said]) -> Vec<String> {
    let mut folded: Vec<(Vec<&HostName>, &str)> = Vec::new();
    for said in list {
        match folded.iter_mut().find(|(_, what)| *what == said.what) {
            Some((hosts, _)) => hosts.push(&said.host),
            None => folded.push((vec![&said.host], &said.what)),
        }
    }
    folded
        .into_iter()
        .map(|(hosts, what)| {
            format!(
                "  {word}: {}: {}",
                words::names(&hosts, 6),
                words::tame_lines(what).collect::<Vec<_>>().join("; ")
            )
        })
        .collect()
}

/// The text without the times of the looks: what two looks have in common where nothing changed.
#[must_use]
pub fn without_time(text: &str) -> String {
    let head = |line: &str| match line.rsplit_once("  at ") {
        Some((head, _)) if !line.starts_with(' ') => head.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(head).collect::<Vec<_>>().join("\n")
}

/// The view as one JSON object on one line, told apart from events by its `event: "status"`.
///
/// # Errors
/// Never in practice: the view is plain data.
pub fn json(view: &StatusView) -> Result<String, serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u8,
        event: &'static str,
        #[serde(flatten)]
        view: &'a StatusView,
    }
    serde_json::to_string(&Line {
        v: 1,
        event: "status",
        view,
    })
}

#[cfg(test)]
mod tests;
