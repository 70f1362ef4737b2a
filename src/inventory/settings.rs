//! Settings that may stand at every level, and how they are read.
//!
//! To add one: its key in the right list below, its reading in [`Settings::read`], its field in
//! `model`. Each level is checked on its own, used or not; the merged result is read once more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fields::{self, Fields};
use super::gates;
use super::logs::{self, Logs};
use super::model::{Gate, Limits, RestartPolicy, ServiceSettings, Vars};
use super::units::{self, Bytes};
use crate::event::Stage;
use crate::name::ServiceName;
use crate::text::yaml::{Node, Resolved, Value};
use crate::text::{Diagnostic, Findings};

/// Settings at every level.
pub(super) const EVERYWHERE: [&str; 6] =
    ["gates", "limits", "restart", "stop_grace", "logs", "vars"];
/// Settings that name one app's things: at apps, and under `apps:` of groups and hosts.
pub(super) const OF_APP: [&str; 2] = ["port", "services"];
/// Settings that hold for all hosts of an app: at the top and at apps.
pub(super) const APP_WIDE: [&str; 4] = ["bake", "drain", "keep", "budget"];

/// Times where nothing else is said.
const BAKE: Duration = Duration::from_secs(30);
const DRAIN: Duration = Duration::from_secs(60);
/// Releases that served; a host remembers the last 20.
const KEEP: u32 = 5;

/// Settings as typed values; what was not written is empty or built in.
pub(super) struct Settings {
    pub port: Option<u16>,
    pub gates: Vec<Gate>,
    pub limits: Limits,
    pub restart: RestartPolicy,
    pub stop_grace: Option<Duration>,
    pub logs: Option<Logs>,
    pub services: BTreeMap<ServiceName, ServiceSettings>,
    pub vars: Vars,
    pub bake: Duration,
    pub drain: Duration,
    pub keep: u32,
    pub budget: BTreeMap<Stage, Duration>,
}

impl Settings {
    /// Reads what is there. Keys that are no settings are left to who owns them.
    pub fn read(node: &Node, path: &str, findings: &mut Findings) -> Self {
        let at = |key: &str| node.get(key).map(|n| (n, fields::join(path, key)));
        let mut read = Reading { at, findings };
        Self {
            port: read.key("port", fields::port),
            gates: read.key("gates", gates::read).unwrap_or_default(),
            limits: read.key("limits", limits).unwrap_or_default(),
            restart: read
                .key("restart", restart)
                .unwrap_or(RestartPolicy::Always),
            stop_grace: read.key("stop_grace", fields::duration),
            logs: read.key("logs", logs::read),
            services: read.key("services", services).unwrap_or_default(),
            vars: read.key("vars", vars).unwrap_or_default(),
            bake: read.key("bake", fields::duration).unwrap_or(BAKE),
            drain: read.key("drain", fields::duration).unwrap_or(DRAIN),
            keep: read.key("keep", keep).unwrap_or(KEEP),
            budget: read.key("budget", budget).unwrap_or_default(),
        }
    }
}

struct Reading<'f, A> {
    at: A,
    findings: &'f mut Findings,
}

impl<'n, A: Fn(&str) -> Option<(&'n Node, String)>> Reading<'_, A> {
    fn key<T>(
        &mut self,
        key: &str,
        with: impl FnOnce(&Node, &str, &mut Findings) -> Option<T>,
    ) -> Option<T> {
        let (node, path) = (self.at)(key)?;
        // `null` takes away what a less specific level says.
        if node.is_null() {
            return None;
        }
        with(node, &path, self.findings)
    }
}

/// `{ pull: 3m }`: the longest that one host should take for a stage.
fn budget(node: &Node, path: &str, findings: &mut Findings) -> Option<BTreeMap<Stage, Duration>> {
    let known = Stage::OF_STEPS.map(Stage::word);
    let f = Fields::of(node, path, &known, findings)?;
    let mut out = BTreeMap::new();
    for stage in Stage::OF_STEPS {
        let at = f.get(stage.word()).filter(|n| !n.is_null());
        let read = at.and_then(|n| fields::duration(n, &f.path(stage.word()), findings));
        out.extend(read.map(|time| (stage, time)));
    }
    Some(out)
}

pub(super) fn limits(node: &Node, path: &str, findings: &mut Findings) -> Option<Limits> {
    let f = Fields::of(node, path, &["memory", "cpus", "pids"], findings)?;
    let there = |key| f.get(key).filter(|n| !n.is_null());
    let mut out = Limits::default();
    if let Some(n) = there("memory") {
        out.memory = memory(n, &f.path("memory"), findings);
    }
    if let Some(n) = there("cpus") {
        out.cpus = match fields::quantity(n, &f.path("cpus"), units::cpus, units::CPUS) {
            Ok(cpus) => Some(cpus),
            Err(d) => {
                findings.push(d);
                None
            }
        };
    }
    if let Some(n) = there("pids") {
        out.pids = fields::number(n, &f.path("pids"), 1..=4_194_304, findings);
    }
    Some(out)
}

/// Docker refuses less than 6 MiB.
const LEAST: Bytes = Bytes(6 << 20);

fn memory(node: &Node, path: &str, findings: &mut Findings) -> Option<Bytes> {
    match fields::quantity(node, path, units::bytes, units::SIZE) {
        Ok(bytes) if bytes >= LEAST => Some(bytes),
        Ok(_) => {
            let finding = fields::wrong(node, path, "at least 6m, Docker's least");
            findings.push(
                match node.text().map(|t| t.bytes().all(|b| b.is_ascii_digit())) {
                    Some(true) => finding.hint("a number alone counts bytes; add m or g"),
                    _ => finding,
                },
            );
            None
        }
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

/// Where there is one slot a rollback looks for what served among the last three.
fn keep(node: &Node, path: &str, findings: &mut Findings) -> Option<u32> {
    fields::number(node, path, 3..=20, findings)
}

fn restart(node: &Node, path: &str, findings: &mut Findings) -> Option<RestartPolicy> {
    let text = node.text().unwrap_or("");
    match text {
        "no" => return Some(RestartPolicy::No),
        "always" => return Some(RestartPolicy::Always),
        "unless-stopped" => return Some(RestartPolicy::UnlessStopped),
        "on-failure" => return Some(RestartPolicy::OnFailure(None)),
        _ => {}
    }
    let attempts = text
        .strip_prefix("on-failure:")
        .and_then(|n| n.parse().ok());
    if let Some(n) = attempts.filter(|n| *n > 0) {
        return Some(RestartPolicy::OnFailure(Some(n)));
    }
    let expected = "always, unless-stopped, on-failure, on-failure:5 or no";
    let finding = fields::wrong(node, path, expected);
    findings.push(match text {
        "false" => finding.hint("write no"),
        "true" => finding.hint("write always"),
        text => finding.did_you_mean(text, ["always", "unless-stopped", "on-failure", "no"]),
    });
    None
}

fn services(
    node: &Node,
    path: &str,
    findings: &mut Findings,
) -> Option<BTreeMap<ServiceName, ServiceSettings>> {
    let mut out = BTreeMap::new();
    for entry in fields::entries(node, path, findings)? {
        let Some(name) = fields::name::<ServiceName>(&entry.key.text, &entry.key.span, findings)
        else {
            continue;
        };
        if entry.value.is_null() {
            continue;
        }
        let path = fields::join(path, &entry.key.text);
        let known = ["limits", "restart", "stop_grace", "logs"];
        if Fields::of(&entry.value, &path, &known, findings).is_none() {
            continue;
        }
        let one = Settings::read(&entry.value, &path, findings);
        let own = entry.value.get("restart").filter(|n| !n.is_null());
        out.insert(
            name,
            ServiceSettings {
                limits: one.limits,
                restart: own.map(|_| one.restart),
                stop_grace: one.stop_grace,
                logs: one.logs,
            },
        );
    }
    Some(out)
}

/// Variables: any value. Words and numbers that do not say what they seem to are named.
pub(super) fn vars(node: &Node, path: &str, findings: &mut Findings) -> Option<Vars> {
    fields::entries(node, path, findings)?;
    doubtful(node, path, findings);
    match node.to_json() {
        serde_json::Value::Object(map) => Some(map),
        _ => None,
    }
}

fn doubtful(node: &Node, path: &str, findings: &mut Findings) {
    match &node.value {
        Value::Map(entries) => {
            for e in entries {
                doubtful(&e.value, &fields::join(path, &e.key.text), findings);
            }
        }
        Value::Seq(items) => {
            for item in items {
                doubtful(item, &format!("{path}[]"), findings);
            }
        }
        Value::Scalar(s) if s.plain => {
            let text = s.text.as_str();
            let other = match s.resolve() {
                Resolved::Float(f) if f.to_string() != text => Some(format!("the number {f}")),
                Resolved::Text(_) if is_old_boolean(text) => Some(format!("the text \"{text}\"")),
                _ => None,
            };
            if let Some(other) = other {
                findings.push(
                    Diagnostic::warning(format!("`{path}` is read as {other}"))
                        .at(&node.span)
                        .hint(match s.resolve() {
                            Resolved::Float(_) => {
                                format!("where the digits matter, quote it: \"{text}\"")
                            }
                            _ => "write true or false for a boolean, or quote the text".to_owned(),
                        }),
                );
            }
        }
        Value::Scalar(_) => {}
    }
}

fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str())
}
