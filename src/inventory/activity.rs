//! What a release does beside answering requests, switched on and off: `activate:` and `deactivate:`
//! of an app.
//!
//! To add a way to ask for it: a variant of [`CallKind`], its reading in [`call`], its line in
//! `schema.json` and in docs/strategies.md, and how it is done in `host::docker::activity`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::{self, Fields};
use super::gates;
use super::model::GateKind;
use crate::name::ServiceName;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// How long one call may take where nothing else is said.
const WITHIN: Duration = Duration::from_secs(30);

/// How an app is switched on and off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Switches a member on; where absent, it is on as soon as it runs.
    pub activate: Option<Call>,
    /// Switches it off, before it is stopped at the latest.
    pub deactivate: Call,
}

/// One call to a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How it is asked.
    pub kind: CallKind,
    /// Longest time that it may take.
    pub within: Duration,
    /// Where it was written; not known to whoever finishes a run.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// How a member is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A command in the containers of a service; exit status 0 is good.
    Command {
        /// The command, word by word.
        argv: Vec<String>,
        /// In whose containers; the only service's where absent.
        service: Option<ServiceName>,
    },
    /// A request to the member, from its own host.
    Http {
        /// POST, PUT, GET or DELETE.
        method: String,
        /// Path with leading slash.
        path: String,
        /// Port; the member's where absent.
        port: Option<u16>,
        /// Good status codes, first and last.
        status: (u16, u16),
        /// Host header; the address that is asked where absent.
        host: Option<String>,
    },
    /// A program on the member's host; exit status 0 is good.
    OnHost {
        /// The program and its words.
        argv: Vec<String>,
    },
}

const KINDS: [&str; 3] = ["command", "http", "on_host"];
const METHODS: [&str; 4] = ["POST", "PUT", "GET", "DELETE"];

/// Reads both keys of an app; what switches on and cannot switch off is a mistake.
pub(super) fn read(f: &Fields<'_>, app: &str, findings: &mut Findings) -> Option<Activity> {
    let there = |key| f.get(key).filter(|n| !n.is_null());
    let (on, off) = (there("activate"), there("deactivate"));
    let activate = on.map(|n| call(n, &f.path("activate"), findings));
    let deactivate = off.map(|n| call(n, &f.path("deactivate"), findings));
    if let (Some(entry), None) = (f.entry("activate").filter(|_| on.is_some()), off) {
        findings.push(
            Diagnostic::error(format!("app `{app}` has `activate` and no `deactivate`"))
                .at(&entry.key.span)
                .hint("what is switched on with one slot has to be switched off with the other"),
        );
    }
    Some(Activity {
        activate: match activate {
            Some(call) => Some(call?),
            None => None,
        },
        deactivate: deactivate??,
    })
}

fn call(node: &Node, path: &str, findings: &mut Findings) -> Option<Call> {
    let f = Fields::of(
        node,
        path,
        &["command", "http", "on_host", "within"],
        findings,
    )?;
    let kinds: Vec<&str> = KINDS
        .into_iter()
        .filter(|k| f.get(k).is_some_and(|n| !n.is_null()))
        .collect();
    let kind = match kinds.as_slice() {
        ["command"] => f.read("command", findings, command),
        ["http"] => f.read("http", findings, http),
        ["on_host"] => f.read("on_host", findings, on_host),
        kinds => {
            let what = match kinds.is_empty() {
                true => format!("`{path}` does not say what to call"),
                false => format!("`{path}` calls {} at once", kinds.join(" and ")),
            };
            findings.push(
                Diagnostic::error(what)
                    .at(&node.span)
                    .expected("one of command, http, on_host"),
            );
            None
        }
    };
    let within = f.read("within", findings, fields::duration);
    let within = within.unwrap_or(WITHIN);
    if !(Duration::from_millis(100)..=Duration::from_secs(600)).contains(&within) {
        let place = f.entry("within").map_or(&node.span, |e| &e.value.span);
        let what = format!("`{path}.within` is {}", crate::text::duration(within));
        findings.push(
            Diagnostic::error(what)
                .at(place)
                .expected("from 100ms to 10m"),
        );
        return None;
    }
    Some(Call {
        kind: kind?,
        within,
        span: Some(node.span.clone()),
    })
}

fn command(node: &Node, path: &str, findings: &mut Findings) -> Option<CallKind> {
    match gates::command(node, path, findings)? {
        GateKind::Command { argv, service } => Some(CallKind::Command { argv, service }),
        _ => None,
    }
}

fn on_host(node: &Node, path: &str, findings: &mut Findings) -> Option<CallKind> {
    let argv = gates::argv(node, path, findings)?;
    let absolute = argv.first().is_some_and(|program| program.starts_with('/'));
    if !absolute {
        let expected = "a program by its whole path, such as [/usr/local/bin/register, on]";
        findings.push(fields::wrong(node, path, expected));
        return None;
    }
    Some(CallKind::OnHost { argv })
}

/// `/consumer/on`, or `{ path: /consumer/on, method: PUT, port: 9000, status: 204 }`.
fn http(node: &Node, path: &str, findings: &mut Findings) -> Option<CallKind> {
    if node.map().is_none() {
        return Some(CallKind::Http {
            method: METHODS[0].to_owned(),
            path: gates::http_path(node, path, findings)?,
            port: None,
            status: (200, 299),
            host: None,
        });
    }
    let known = ["path", "method", "port", "status", "host"];
    let f = Fields::of(node, path, &known, findings)?;
    let Some(at) = f.get("path") else {
        findings.push(
            Diagnostic::error(format!("`{path}` has no path"))
                .at(&node.span)
                .expected("path: /consumer/on"),
        );
        return None;
    };
    let status = f.read("status", findings, gates::status);
    let status = status.map_or((200, 299), |s| (*s.start(), *s.end()));
    Some(CallKind::Http {
        path: gates::http_path(at, &f.path("path"), findings)?,
        method: match f.entry("method") {
            Some(_) => f.read("method", findings, method)?,
            None => METHODS[0].to_owned(),
        },
        port: f.read("port", findings, fields::port),
        status,
        host: f.read("host", findings, fields::text),
    })
}

fn method(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    let text = node.text().unwrap_or("");
    let found = METHODS.into_iter().find(|m| *m == text);
    if found.is_none() {
        findings.push(fields::wrong(node, path, "POST, PUT, GET or DELETE"));
    }
    found.map(str::to_owned)
}

impl Activity {
    /// The same wherever it was written: what is kept of it with a run.
    #[must_use]
    pub fn without_places(mut self) -> Self {
        for call in self.activate.iter_mut().chain([&mut self.deactivate]) {
            call.span = None;
        }
        self
    }
}

impl Call {
    /// As people call it, e.g. `POST /consumer/on`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.kind {
            CallKind::Command { argv, service } => {
                let of = service.as_ref().map(|s| format!(" in {s}"));
                format!("{}{}", argv.join(" "), of.unwrap_or_default())
            }
            CallKind::Http { method, path, .. } => format!("{method} {path}"),
            CallKind::OnHost { argv } => format!("{} on the host", argv.join(" ")),
        }
    }
}
