//! A host's own keys: how it is reached, what it is labelled with. Groups and `connect` share them.

use std::collections::BTreeMap;

use super::fields;
use super::model::{Connection, Vars};
use super::settings;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// What a host's keys say, typed.
pub(super) struct HostKeys {
    pub address: Option<String>,
    pub serve: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub connection: Connection,
    pub become_root: bool,
    pub options: BTreeMap<String, String>,
    pub labels: BTreeMap<String, String>,
    pub vars: Vars,
}

impl HostKeys {
    /// Texts that may hold `{name}` and `{n}`, with their places in the mapping that was read.
    pub fn templates<'a>(&'a self, node: &'a Node) -> Vec<(&'a str, &'a Span)> {
        let place = |key: &str| node.get(key).map_or(&node.span, |n| &n.span);
        let mut out = Vec::new();
        out.extend(self.address.as_deref().map(|a| (a, place("address"))));
        out.extend(self.serve.as_deref().map(|a| (a, place("serve"))));
        let labels = node.get("labels");
        for (key, text) in &self.labels {
            let at = labels
                .and_then(|l| l.get(key))
                .map_or(&node.span, |n| &n.span);
            out.push((text, at));
        }
        out
    }
}

/// Reads the keys; placeholders in them stay.
pub(super) fn read_host_keys(node: &Node, path: &str, findings: &mut Findings) -> HostKeys {
    let at = |key: &str| node.get(key).filter(|n| !n.is_null());
    let p = |key: &str| fields::join(path, key);
    HostKeys {
        address: at("address").and_then(|n| address(n, &p("address"), findings)),
        serve: at("serve").and_then(|n| address(n, &p("serve"), findings)),
        user: at("user").and_then(|n| user(n, &p("user"), findings)),
        port: at("port").and_then(|n| fields::port(n, &p("port"), findings)),
        connection: at("connection")
            .and_then(|n| connection(n, &p("connection"), findings))
            .unwrap_or(Connection::Ssh),
        become_root: at("become")
            .and_then(|n| fields::flag(n, &p("become"), findings))
            .unwrap_or(false),
        options: at("options")
            .map(|n| options(n, &p("options"), findings))
            .unwrap_or_default(),
        labels: at("labels")
            .map(|n| texts(n, &p("labels"), findings))
            .unwrap_or_default(),
        vars: at("vars")
            .and_then(|n| settings::vars(n, &p("vars"), findings))
            .unwrap_or_default(),
    }
}

/// An address that `ssh` cannot take for an option, with `{name}` in it perhaps.
fn address(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    let text = fields::text(node, path, findings)?;
    let good = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '-' | '_' | ':' | '%' | '[' | ']' | '{' | '}')
    };
    if !text.starts_with('-') && text.chars().all(good) {
        return Some(text);
    }
    let finding = fields::wrong(
        node,
        path,
        "a host name or an address, such as {name}.mgt or 10.0.0.7",
    );
    findings.push(match text.contains('@') {
        true => finding.hint("the user has a key of its own: `user`"),
        false => finding,
    });
    None
}

fn user(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    let text = fields::text(node, path, findings)?;
    let good =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '\\' | '+');
    if !text.starts_with('-') && text.chars().all(good) {
        return Some(text);
    }
    findings.push(fields::wrong(node, path, "a user name"));
    None
}

fn connection(node: &Node, path: &str, findings: &mut Findings) -> Option<Connection> {
    match node.text() {
        Some("ssh") => Some(Connection::Ssh),
        Some("local") => Some(Connection::Local),
        _ => {
            findings.push(fields::wrong(node, path, "ssh or local"));
            None
        }
    }
}

/// Options of ssh_config that `deploy` decides itself.
const OURS: [&str; 7] = [
    "batchmode",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "localcommand",
    "remotecommand",
    "requesttty",
];

fn options(node: &Node, path: &str, findings: &mut Findings) -> BTreeMap<String, String> {
    for entry in node.map().unwrap_or_default() {
        let key = &entry.key.text;
        let at = |what: String| Diagnostic::error(what).at(&entry.key.span);
        if !key.bytes().all(|b| b.is_ascii_alphabetic()) || key.is_empty() {
            findings.push(
                at(format!("`{key}` is no option of ssh_config"))
                    .expected("a word such as ServerAliveInterval"),
            );
        } else if OURS.contains(&key.to_ascii_lowercase().as_str()) {
            findings.push(
                at(format!("option `{key}` is set by deploy itself")).hint("remove the line"),
            );
        }
    }
    texts(node, path, findings)
}

/// A mapping of texts, each on one line.
fn texts(node: &Node, path: &str, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in fields::entries(node, path, findings).unwrap_or_default() {
        let path = fields::join(path, &entry.key.text);
        match entry.value.text() {
            Some(text) if !text.contains('\n') => {
                out.insert(entry.key.text.clone(), text.to_owned());
            }
            _ if entry.value.is_null() => {}
            _ => findings.push(fields::wrong(&entry.value, &path, "a text on one line")),
        }
    }
    out
}
