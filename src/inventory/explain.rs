//! Every effective value of an environment with the place that it came from and what it overrode.
//!
//! Pure data for a face to show. To add a value that nobody has to write: a line in `host`, `of_app`
//! or `member`, so that what is built in is seen too.

use std::collections::BTreeMap;

use super::layer::{Origin, Origins, Provenance};
use super::model::{App, Connection, Gate, GateFrom, GateKind, HostApp, HostEntry, Inventory};
use super::strategy::Strategy;
use crate::name::{AppName, HostName, SlotName};
use crate::text::duration;

/// What values belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A machine.
    Host(HostName),
    /// An app as a whole.
    App(AppName),
    /// An app in one slot on one host.
    Member(AppName, SlotName, HostName),
    /// A group, a load balancer, a registry, a secret, `protection`: section and name.
    Section(String),
}

/// An effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its path, such as `limits.memory`.
    pub key: String,
    /// The value that holds, in one line.
    pub value: String,
    /// Where it came from and what that overrode; `None`: nobody wrote it, it is built in.
    pub from: Option<Provenance>,
}

/// A subject with its values, by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whose values.
    pub subject: Subject,
    /// The values.
    pub rows: Vec<Row>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Only {
    /// Everything.
    All,
    /// These hosts, and apps on them.
    Hosts(Vec<HostName>),
    /// This app.
    App(AppName),
}

impl Inventory {
    /// Every effective value of what is asked for: hosts, other sections, apps, apps on hosts.
    #[must_use]
    pub fn explain(&self, only: &Only) -> Vec<Explained> {
        let mut out = Vec::new();
        let wanted = |h: &HostName| match only {
            Only::All => true,
            Only::Hosts(hosts) => hosts.contains(h),
            Only::App(_) => false,
        };
        out.extend(self.hosts.values().filter(|h| wanted(&h.name)).map(host));
        if *only == Only::All {
            out.extend(sections(&self.origins));
        }
        for app in self.apps.values() {
            if let Only::App(name) = only
                && app.name != *name
            {
                continue;
            }
            if !matches!(only, Only::Hosts(_)) {
                out.push(Explained {
                    subject: Subject::App(app.name.clone()),
                    rows: of_app(app),
                });
            }
            let members = app.members();
            let members = members.filter(|m| matches!(only, Only::App(_)) || wanted(&m.host));
            out.extend(members.map(|m| member(app, m)));
        }
        out
    }
}

/// Rows of what was written; values that were taken away stay, with `null`.
fn written(origins: &Origins) -> BTreeMap<String, Row> {
    let row = |(path, p): (&str, &Provenance)| {
        let row = Row {
            key: path.to_owned(),
            value: p.from.value.clone(),
            from: Some(p.clone()),
        };
        (path.to_owned(), row)
    };
    origins.iter().map(row).collect()
}

/// Says what holds for a key: instead of what was written (placeholders filled), or where nothing
/// was.
fn holds(rows: &mut BTreeMap<String, Row>, key: &str, value: &str) {
    let row = rows.entry(key.to_owned()).or_insert_with(|| Row {
        key: key.to_owned(),
        value: String::new(),
        from: None,
    });
    value.clone_into(&mut row.value);
}

/// Says what holds for a key where nothing was written, or what was written was taken away.
fn built_in(rows: &mut BTreeMap<String, Row>, key: &str, value: &str) {
    if rows.get(key).is_none_or(|row| row.value == "null") {
        holds(rows, key, value);
    }
}

fn host(host: &HostEntry) -> Explained {
    let mut rows = written(&host.origins);
    holds(&mut rows, "address", &host.address);
    holds(&mut rows, "serve", &host.serve);
    built_in(&mut rows, "become", &host.become_root.to_string());
    let connection = match host.connection {
        Connection::Ssh => "ssh",
        Connection::Local => "local",
    };
    built_in(&mut rows, "connection", connection);
    for (label, value) in &host.labels {
        holds(&mut rows, &format!("labels.{label}"), value);
    }
    Explained {
        subject: Subject::Host(host.name.clone()),
        rows: rows.into_values().collect(),
    }
}

fn of_app(app: &App) -> Vec<Row> {
    let mut rows = written(&app.origins);
    built_in(&mut rows, "strategy", app.strategy.value.word());
    if app.strategy.value == Strategy::Rolling {
        let batch: Vec<String> = app.rolling.batch.iter().map(ToString::to_string).collect();
        built_in(&mut rows, "rolling.batch", &batch.join(", "));
        let least = app.rolling.min_healthy.to_string();
        built_in(&mut rows, "rolling.min_healthy", &least);
        let failures = app.rolling.failures.to_string();
        built_in(&mut rows, "rolling.failures", &failures);
    }
    if let Some(activity) = &app.activity {
        for (key, call) in [
            ("activate", activity.activate.as_ref()),
            ("deactivate", Some(&activity.deactivate)),
        ] {
            if let Some(call) = call {
                let within = duration(call.within);
                built_in(&mut rows, &format!("{key}.within"), &within);
            }
        }
    }
    for job in &app.jobs {
        let key = |key: &str| format!("jobs.{}.{key}", job.name);
        built_in(&mut rows, &key("within"), &duration(job.within));
        built_in(&mut rows, &key("rollback"), job.way());
    }
    built_in(&mut rows, "template", &app.template.display().to_string());
    built_in(&mut rows, "bake", &duration(app.bake));
    built_in(&mut rows, "drain", &duration(app.drain));
    built_in(&mut rows, "keep", &app.keep.to_string());
    for (name, balance) in &app.balance {
        let key = format!("balance.{name}.backend");
        built_in(&mut rows, &key, &balance.backend.value);
    }
    rows.into_values().collect()
}

fn member(app: &App, member: &HostApp) -> Explained {
    let mut rows = written(&member.origins);
    built_in(&mut rows, "restart", &member.restart.to_string());
    if let Some(list) = rows.remove("gates") {
        for (number, gate) in member.gates.iter().enumerate() {
            let key = format!("gates[{number}]");
            let row = Row {
                key: key.clone(),
                value: gate_words(gate),
                from: list.from.clone(),
            };
            rows.insert(key, row);
        }
        if member.gates.is_empty() {
            rows.insert(list.key.clone(), list);
        }
    }
    Explained {
        subject: Subject::Member(app.name.clone(), member.slot.clone(), member.host.clone()),
        rows: rows.into_values().collect(),
    }
}

/// A gate with all its times, also those that nobody wrote.
fn gate_words(gate: &Gate) -> String {
    let port = |p: &Option<u16>| p.map_or_else(String::new, |p| format!(" at port {p}"));
    let what = match &gate.kind {
        GateKind::Http {
            path,
            port: p,
            status,
            host,
        } => {
            let host = host.as_ref().map(|h| format!(" host {h}"));
            format!(
                "http {path}{}{} status {}-{}",
                port(p),
                host.unwrap_or_default(),
                status.start(),
                status.end()
            )
        }
        GateKind::Tcp { port: p } => format!("tcp{}", port(p)),
        GateKind::Command { argv, service } => {
            let of = service.as_ref().map(|s| format!(" in {s}"));
            format!("command {}{}", argv.join(" "), of.unwrap_or_default())
        }
    };
    let from = match gate.from {
        GateFrom::Host => "host",
        GateFrom::Balancer => "balancer",
        GateFrom::Both => "both",
    };
    format!(
        "{what} every {} in_a_row {} within {} timeout {} from {from}",
        duration(gate.every),
        gate.in_a_row,
        duration(gate.within),
        duration(gate.timeout)
    )
}

/// Values of groups, load balancers, registries, secrets and `protection`, in the order of their
/// paths.
fn sections(origins: &Origins) -> Vec<Explained> {
    let mut out: Vec<Explained> = Vec::new();
    for (path, provenance) in origins.iter() {
        // Names of registries hold dots; keys of entries do not.
        let (subject, key) = match (path.split_once('.'), path.rsplit_once('.')) {
            // Sections without names in them.
            (Some((section @ ("protection" | "policy"), key)), _) => (section, key),
            _ if matches!(path, "windows" | "freezes") => (path, path),
            (_, Some((before, key))) if before.contains('.') => (before, key),
            _ => (path, "hosts"),
        };
        let row = Row {
            key: key.to_owned(),
            value: provenance.from.value.clone(),
            from: Some(provenance.clone()),
        };
        let subject = Subject::Section(subject.replacen('.', " ", 1));
        match out.last_mut().filter(|e| e.subject == subject) {
            Some(last) => last.rows.push(row),
            None => out.push(Explained {
                subject,
                rows: vec![row],
            }),
        }
    }
    out
}

impl Origin {
    /// Its level and whose place it is: `host pattern web[1:4]`.
    #[must_use]
    pub fn whose(&self) -> String {
        match &*self.who {
            "" => self.level.to_string(),
            who => format!("{} {who}", self.level),
        }
    }
}
