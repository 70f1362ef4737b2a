//! The smaller sections: load balancers, registries, secrets, protection.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::document::{Document, collect};
use super::fields::{self, Fields};
use super::gates::argv;
use super::hosts::World;
use super::layer::{Layer, Origins, merge};
use super::model::{Balancer, Located, Protection, SecretSource, TicketRule};
use super::pattern;
use super::unreachable;
use crate::name::BalancerName;
use crate::text::yaml::{Entry, Node};
use crate::text::{Diagnostic, Findings, Span};

/// An entry of a section after the files have been laid over each other.
pub(super) fn merged(
    docs: &[Document],
    section: &str,
    origins: &mut Origins,
    findings: &mut Findings,
) -> Vec<(String, Span, Node)> {
    let mut out = Vec::new();
    for (name, entries) in collect(docs, section, findings) {
        let path = format!("{section}.{name}");
        let maps = |(_, e): &&(usize, &Entry)| e.value.map().is_some();
        for (_, e) in entries.iter().filter(|e| !maps(e)) {
            findings.push(fields::wrong(&e.value, &path, "a mapping"));
        }
        let layers = entries.iter().filter(maps);
        let layers = layers.map(|(doc, e)| Layer::new(docs[*doc].level, "", &e.value));
        let layers: Vec<Layer<'_>> = layers.collect();
        let span = entries[entries.len() - 1].1.key.span.clone();
        if !layers.is_empty() {
            let merged = merge(&layers, &span, &path, findings);
            *origins = std::mem::take(origins).with(&path, merged.origins);
            out.push((name, span, merged.node));
        }
    }
    out
}

/// Reads `load_balancers:`.
pub(super) fn balancers(
    docs: &[Document],
    world: &World,
    origins: &mut Origins,
    findings: &mut Findings,
) -> BTreeMap<BalancerName, Balancer> {
    let mut out = BTreeMap::new();
    for (name, span, node) in merged(docs, "load_balancers", origins, findings) {
        let path = format!("load_balancers.{name}");
        let Some(name) = fields::name::<BalancerName>(&name, &span, findings) else {
            continue;
        };
        let driver = located(&node, "driver", &path, findings);
        if node.get("driver").is_none() {
            findings.push(missing(
                &format!("load balancer `{name}`"),
                "driver",
                &span,
                "driver: nginx",
            ));
        }
        let whom = format!("load balancer `{name}`");
        let mut hosts = Vec::new();
        match node.get("hosts") {
            Some(n) => {
                let words = fields::words(n, &fields::join(&path, "hosts"), findings);
                let words = words.unwrap_or_default();
                let mut own = Findings::default();
                hosts = world.select(&words, &whom, &mut own);
                if hosts.is_empty() && !own.has_errors() {
                    own.push(Diagnostic::error(format!("{whom} has no hosts")).at(&n.span));
                }
                findings.extend(own);
            }
            None => findings.push(missing(&whom, "hosts", &span, "hosts: [lb1, lb2]")),
        }
        let probe =
            located(&node, "probe", &path, findings).filter(|p| is_probe(p, &path, findings));
        // Without its driver it still has a name, so that only what is wrong is reported.
        let driver = driver.unwrap_or_else(|| Located {
            value: String::new(),
            span: span.clone(),
        });
        let own = |e: &Entry| !["driver", "hosts", "probe"].contains(&e.key.text.as_str());
        let mut settings = node.clone();
        if let crate::text::yaml::Value::Map(entries) = &mut settings.value {
            entries.retain(own);
        }
        let one = Balancer {
            name: name.clone(),
            driver,
            hosts,
            probe,
            settings,
            span,
        };
        out.insert(name, one);
    }
    out
}

fn missing(whom: &str, key: &str, span: &Span, expected: &str) -> Diagnostic {
    Diagnostic::error(format!("{whom} has no `{key}`"))
        .at(span)
        .expected(expected)
}

fn located(node: &Node, key: &str, path: &str, findings: &mut Findings) -> Option<Located<String>> {
    let at = node.get(key)?;
    let value = fields::text(at, &fields::join(path, key), findings)?;
    Some(Located {
        value,
        span: at.span.clone(),
    })
}

/// `http://{host}:80/path`: a URL without user, with nothing but `{host}` in braces.
fn is_probe(probe: &Located<String>, path: &str, findings: &mut Findings) -> bool {
    let expected = "a URL such as http://{host}:80";
    let mut refuse = |why: String| {
        let finding = Diagnostic::error(format!("`{path}.probe` {why}")).at(&probe.span);
        findings.push(finding.expected(expected));
        false
    };
    let text = &probe.value;
    let filled = match pattern::fill(text, &[("host", "h")]) {
        Ok(filled) => filled,
        Err(why) => return refuse(why),
    };
    let rest = filled
        .strip_prefix("http://")
        .or_else(|| filled.strip_prefix("https://"));
    let Some(rest) = rest else {
        return refuse(format!("is `{text}`"));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, port),
        _ => (authority, "1"),
    };
    let good_port = port.parse::<u16>().is_ok_and(|p| p > 0);
    let printable = filled.bytes().all(|b| b.is_ascii_graphic());
    if host.is_empty() || !good_port || !printable || authority.contains('@') {
        return refuse(format!("is `{text}`"));
    }
    if !text.contains("{host}") {
        return refuse(format!(
            "is `{text}`: every machine would be asked at one address"
        ));
    }
    true
}

/// A registry with settings of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The name that stands in images, with the port where there is one.
    pub name: String,
    /// HTTP without TLS is allowed.
    pub insecure: bool,
    /// `host:port` under which the operator's machine reaches it, where that differs.
    pub address: Option<Located<String>>,
    /// A file with the certificate authority's certificate, relative to the configuration's directory.
    pub ca: Option<Located<PathBuf>>,
    /// What this machine's `docker login` knows of it goes with pulls on hosts.
    pub send_login: bool,
    /// Where it is named.
    pub span: Span,
}

/// Reads `registries:`.
pub(super) fn registries(
    docs: &[Document],
    origins: &mut Origins,
    findings: &mut Findings,
) -> BTreeMap<String, Registry> {
    let mut out = BTreeMap::new();
    for (name, span, node) in merged(docs, "registries", origins, findings) {
        let path = format!("registries.{name}");
        let known = ["insecure", "address", "ca", "send_login"];
        let Some(f) = Fields::of(&node, &path, &known, findings) else {
            continue;
        };
        if !host_and_port(&name, false) {
            let finding = Diagnostic::error(format!("`{name}` is no registry")).at(&span);
            findings.push(
                finding.expected(
                    "what stands before the first `/` of an image, such as registry:5000",
                ),
            );
        }
        let address = located(&node, "address", &path, findings);
        if let Some(a) = address.as_ref().filter(|a| !host_and_port(&a.value, true)) {
            let finding =
                Diagnostic::error(format!("`{path}.address` is `{}`", a.value)).at(&a.span);
            findings.push(finding.expected("host:port, such as 10.0.0.5:5000"));
        }
        let ca = f.read("ca", findings, |n, p, e| {
            let value = fields::relative_path(n, p, e)?;
            Some(Located {
                value,
                span: n.span.clone(),
            })
        });
        let insecure = f.read("insecure", findings, fields::flag).unwrap_or(false);
        let send_login = f.read("send_login", findings, fields::flag).unwrap_or(true);
        out.insert(
            name.clone(),
            Registry {
                name,
                insecure,
                address,
                ca,
                send_login,
                span,
            },
        );
    }
    out
}

fn host_and_port(text: &str, port_needed: bool) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().is_ok_and(|p| p > 0)),
        None => (text, !port_needed),
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    port && !host.is_empty() && host.bytes().all(word)
}

/// Reads `secrets:`: where values come from, never the values.
pub(super) fn secrets(
    docs: &[Document],
    origins: &mut Origins,
    findings: &mut Findings,
) -> BTreeMap<String, Located<SecretSource>> {
    let mut out = BTreeMap::new();
    for (name, span, node) in merged(docs, "secrets", origins, findings) {
        let path = format!("secrets.{name}");
        let known = ["env", "file", "command"];
        let Some(f) = Fields::of(&node, &path, &["env", "file", "key", "command"], findings) else {
            continue;
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if name.is_empty() || !name.bytes().all(word) {
            let finding = Diagnostic::error(format!("`{name}` is no name of a secret")).at(&span);
            findings.push(finding.expected("letters, digits and `_`"));
        }
        let given: Vec<&str> = known.into_iter().filter(|k| f.get(k).is_some()).collect();
        let source = match given.as_slice() {
            ["env"] => f.read("env", findings, fields::text).map(SecretSource::Env),
            ["file"] => {
                let path = f.read("file", findings, fields::relative_path);
                let key = f.read("key", findings, fields::text);
                path.map(|path| match key {
                    Some(key) => SecretSource::Dotenv { path, key },
                    None => SecretSource::File(path),
                })
            }
            ["command"] => f.read("command", findings, argv).map(SecretSource::Command),
            _ => {
                let finding =
                    Diagnostic::error(format!("secret `{name}` needs one source")).at(&span);
                findings
                    .push(finding.expected("one of env: NAME, file: path, command: [word, word]"));
                None
            }
        };
        if let Some(key) = f.get("key").filter(|_| given != ["file"]) {
            let finding = Diagnostic::error(format!("secret `{name}` has a key but no file"));
            findings.push(
                finding
                    .at(&key.span)
                    .expected("`key:` names a line of `file:`"),
            );
        }
        if let Some(value) = source {
            out.insert(name, Located { value, span });
        }
    }
    out
}

/// Reads `protection:`.
pub(super) fn protection(
    docs: &[Document],
    origins: &mut Origins,
    findings: &mut Findings,
) -> Protection {
    let nodes: Vec<(&Document, &Node)> = docs
        .iter()
        .filter_map(|d| d.root.get("protection").map(|n| (d, n)))
        .collect();
    let Some((_, last)) = nodes.last() else {
        return Protection::default();
    };
    for (_, node) in &nodes {
        Fields::of(
            node,
            "protection",
            &["confirm", "ticket", "min_healthy", "unreachable"],
            findings,
        );
    }
    let layers: Vec<Layer<'_>> = nodes
        .iter()
        .map(|(d, n)| Layer::new(d.level, "", n))
        .collect();
    let merged = merge(&layers, &last.span, "protection", findings);
    *origins = std::mem::take(origins).with("protection", merged.origins);
    let node = merged.node;
    let confirm = node.get("confirm");
    let confirm = confirm.and_then(|n| fields::flag(n, "protection.confirm", findings));
    let ticket = located(&node, "ticket", "protection", findings);
    let least = node.get("min_healthy");
    let least = least
        .and_then(|n| fields::number::<usize>(n, "protection.min_healthy", 1..=10_000, findings));
    let silent = node.get("unreachable");
    let silent = silent.and_then(|n| unreachable::read(n, "protection.unreachable", findings));
    Protection {
        confirm: confirm.unwrap_or(false),
        ticket: ticket.and_then(|t| ticket_rule(&t, findings)),
        min_healthy: least,
        unreachable: silent.unwrap_or_default(),
    }
}

fn ticket_rule(ticket: &Located<String>, findings: &mut Findings) -> Option<TicketRule> {
    match regex_lite::Regex::new(&ticket.value) {
        Ok(rule) => Some(TicketRule {
            rule,
            span: ticket.span.clone(),
        }),
        Err(e) => {
            findings.push(
                Diagnostic::error(format!("`protection.ticket` is no regular expression: {e}"))
                    .at(&ticket.span)
                    .expected("a regular expression such as '^CHG\\d{7}$'"),
            );
            None
        }
    }
}
