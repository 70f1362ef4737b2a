//! What is not as it was deployed, entry by entry: containers, rendered files, load balancers; and
//! what else runs on the hosts. [`app`] finds it in what a look saw, [`text`] shows it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::status::{self, AppStatus, Said};
use super::words;
use crate::fleet::{Fleet, Known};
use crate::name::{AppName, EnvName, ExitCode, HostName, SlotName};
use crate::plan::{Setup, judge};

/// What is different in one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppDrift {
    /// The app.
    pub app: AppName,
    /// What is not as it was deployed, by host; the slot stands before it.
    pub drift: Vec<Said>,
    /// What runs beside it and is none of ours: no drift, but worth knowing.
    pub beside: Vec<Said>,
    /// Hosts that did not answer.
    pub silent: Vec<Said>,
}

/// How files on a host differ, by slot.
pub type Files = BTreeMap<SlotName, Vec<String>>;

fn said(host: &HostName, what: String) -> Said {
    Said {
        host: host.clone(),
        what,
    }
}

/// Finds what is different. `files`: what hosts said of their files.
#[must_use]
pub fn app(
    setup: &Setup,
    fleet: &Fleet,
    files: &BTreeMap<HostName, Files>,
    mut silent: Vec<Said>,
    zone: &TimeZone,
) -> AppDrift {
    let status = status::look::app(setup, fleet);
    let mut drift = Vec::new();
    for slot in &status.slots {
        for row in &slot.hosts {
            let of = |what: &String| said(&row.host, format!("{}: {what}", slot.slot));
            drift.extend(row.differs.iter().map(of));
            let files = files.get(&row.host).and_then(|f| f.get(&slot.slot));
            drift.extend(files.into_iter().flatten().map(of));
        }
    }
    drift.extend(balancers(&status));
    drift.extend(record(setup, fleet, &status));
    for missing in &status.silent {
        if !silent.iter().any(|s| s.host == missing.host) {
            silent.push(missing.clone());
        }
    }
    AppDrift {
        app: setup.app.clone(),
        drift,
        beside: beside(fleet, zone),
        silent,
    }
}

fn balancers(status: &AppStatus) -> Vec<Said> {
    let odd = status
        .balancers
        .iter()
        .filter(|b| !b.good && !b.says.starts_with('?'));
    let mut out: Vec<Said> = odd
        .map(|b| said(&b.host, format!("sends to {}", b.says)))
        .collect();
    let mut says: Vec<&str> = status.balancers.iter().map(|b| b.says.as_str()).collect();
    says.sort_unstable();
    says.dedup();
    if says.len() > 1 && !says.iter().any(|s| s.starts_with('?')) {
        let all = status.balancers.iter();
        out.extend(all.map(|b| said(&b.host, format!("sends to {}; others do not", b.says))));
    }
    out
}

/// Traffic that goes to another release than the one that served last by the record.
fn record(setup: &Setup, fleet: &Fleet, status: &AppStatus) -> Vec<Said> {
    let Some(active) = status
        .slots
        .first()
        .filter(|s| s.role == status::SlotRole::Active)
    else {
        return Vec::new();
    };
    let Some(serves) = judge::slot_release(setup, fleet, &active.slot) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (host, view) in &fleet.balancers {
        let last = view.record.promoted.last();
        if matches!(view.running, Known::Is(_)) && last.is_some_and(|id| *id != serves.id) {
            let what = format!(
                "sends to {} with {serves}, which is not what a run brought there last",
                active.slot
            );
            out.push(said(host, what));
        }
    }
    out
}

/// Containers that `deploy` did not start, with image and time.
fn beside(fleet: &Fleet, zone: &TimeZone) -> Vec<Said> {
    let mut out = Vec::new();
    for (host, view) in &fleet.hosts {
        for c in &view.containers {
            if c.labels.keys().any(|k| k.starts_with("deploy.")) {
                continue;
            }
            let since = c.created.parse::<jiff::Timestamp>().map_or_else(
                |_| String::new(),
                |at| {
                    format!(
                        ", since {}",
                        at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M")
                    )
                },
            );
            let what = format!("container {} ({}{since}) is not deploy's", c.name, c.image);
            out.push(said(host, what));
        }
    }
    out
}

/// 7 where a host did not answer, 3 where something is different.
#[must_use]
pub fn exit_code(apps: &[AppDrift]) -> ExitCode {
    let mut code = ExitCode::Success;
    for app in apps {
        if !app.drift.is_empty() {
            code = code.worse(ExitCode::Differs);
        }
        if !app.silent.is_empty() {
            code = code.worse(ExitCode::Unknown);
        }
    }
    code
}

/// Everything as text; no newline at the end.
#[must_use]
pub fn text(env: &EnvName, apps: &[AppDrift]) -> String {
    let app = |app: &AppDrift| {
        let word = match (app.drift.is_empty(), app.silent.is_empty()) {
            (false, _) => "drift",
            (true, true) => "no drift",
            (true, false) => "no drift on the hosts that answered",
        };
        let mut out = vec![format!("{env} {}  {word}", app.app)];
        out.extend(status::said_lines("differs", &app.drift));
        out.extend(status::said_lines("beside", &app.beside));
        out.join("\n")
    };
    if apps.is_empty() {
        return format!("{env}  no apps");
    }
    apps.iter().map(app).collect::<Vec<_>>().join("\n\n")
}

/// Everything as one JSON object on one line, `event: "drift"`.
#[must_use]
pub fn json(env: &EnvName, apps: &[AppDrift]) -> String {
    serde_json::json!({"v": 1, "event": "drift", "env": env, "apps": apps}).to_string()
}

/// Where containers of an image, or with a name, are: what `deploy where` looks for.
#[must_use]
pub fn containers(fleet: &Fleet, word: &str) -> Vec<(HostName, Vec<String>)> {
    let mut out = Vec::new();
    for (host, view) in &fleet.hosts {
        for c in &view.containers {
            let by_id = word.len() >= 6 && c.id.starts_with(word);
            if c.name == word || by_id || image_is(&c.image, word) || c.image_id == word {
                let release = c.label("deploy.version").unwrap_or("-").to_owned();
                let project = c.project().unwrap_or("-").to_owned();
                let id = c.id.chars().take(12).collect();
                let cells = [
                    c.name.clone(),
                    id,
                    c.state.clone(),
                    project,
                    release,
                    c.image.clone(),
                ];
                out.push((host.clone(), cells.map(|cell| words::tame(&cell)).to_vec()));
            }
        }
    }
    out
}

/// Whether a container's image is meant: the whole reference, its repository or the end of it, its
/// tag with an `@` or `:` before it, or the beginning of its digest.
fn image_is(image: &str, word: &str) -> bool {
    let (name, digest) = image.split_once('@').unwrap_or((image, ""));
    // A colon after the last slash begins the tag; one before it, a port.
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match name[slash..].rfind(':') {
        Some(colon) => (&name[..slash + colon], &name[slash + colon + 1..]),
        None => (name, ""),
    };
    let ends = |whole: &str, part: &str| {
        whole == part
            || whole
                .strip_suffix(part)
                .is_some_and(|rest| rest.ends_with('/'))
    };
    let hex = word.strip_prefix("sha256:").unwrap_or(word);
    let by_digest = hex.len() >= 6
        && digest
            .strip_prefix("sha256:")
            .is_some_and(|d| d.starts_with(hex));
    let with_tag = |at: char| {
        let (part, wanted) = word.rsplit_once(at).unwrap_or((word, ""));
        !wanted.is_empty() && wanted == tag && (part.is_empty() || ends(repository, part))
    };
    image == word || ends(repository, word) || by_digest || with_tag(':') || with_tag('@')
}

#[cfg(test)]
mod tests;
