//! Reading gates: `[ { http: /healthz, every: 500ms } ]`, or `/healthz` alone.

use std::time::Duration;

use super::fields::{self, Fields};
use super::model::{Gate, GateFrom, GateKind};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// Keys of every gate.
const COMMON: [&str; 8] = [
    "http", "tcp", "command", "every", "in_a_row", "within", "timeout", "from",
];

/// Times where nothing else is said.
const EVERY: Duration = Duration::from_millis(500);
const IN_A_ROW: u32 = 3;
const WITHIN: Duration = Duration::from_secs(90);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Reads a list of gates; a single one may stand alone.
pub(super) fn read(node: &Node, path: &str, findings: &mut Findings) -> Option<Vec<Gate>> {
    let items = match node.map() {
        Some(_) => std::slice::from_ref(node),
        None => fields::list(node, path, findings)?,
    };
    let numbered = items.iter().enumerate();
    let read = numbered.filter_map(|(i, item)| gate(item, &format!("{path}[{i}]"), findings));
    Some(read.collect())
}

fn gate(node: &Node, path: &str, findings: &mut Findings) -> Option<Gate> {
    if node.scalar().is_some() {
        return short(node, path, findings);
    }
    let f = Fields::of(node, path, &COMMON, findings)?;
    let kinds: Vec<&str> = COMMON[..3]
        .iter()
        .copied()
        .filter(|k| f.get(k).is_some())
        .collect();
    let kind = match kinds.as_slice() {
        ["http"] => f.read("http", findings, http),
        ["tcp"] => f.read("tcp", findings, tcp),
        ["command"] => f.read("command", findings, command),
        kinds => {
            let what = match kinds.is_empty() {
                true => format!("`{path}` does not say what to ask"),
                false => format!("`{path}` asks for {} at once", kinds.join(" and ")),
            };
            findings.push(
                Diagnostic::error(what)
                    .at(&start(node))
                    .expected("one of http, tcp, command"),
            );
            None
        }
    };
    let every = f.read("every", findings, fields::duration).unwrap_or(EVERY);
    let gate = Gate {
        from: f.read("from", findings, from).unwrap_or(match kind {
            Some(GateKind::Command { .. }) => GateFrom::Host,
            _ => GateFrom::Both,
        }),
        kind: kind?,
        every,
        in_a_row: f
            .read("in_a_row", findings, |n, p, e| {
                fields::number(n, p, 1..=1000, e)
            })
            .unwrap_or(IN_A_ROW),
        within: f
            .read("within", findings, fields::duration)
            .unwrap_or(WITHIN),
        timeout: f
            .read("timeout", findings, fields::duration)
            .unwrap_or(TIMEOUT),
        span: start(node),
    };
    can_pass(&gate, &f, path, findings);
    Some(gate)
}

/// The first key of a gate, which says more than its brace.
fn start(node: &Node) -> Span {
    let first = node.map().and_then(|m| m.first());
    first.map_or_else(|| node.span.clone(), |e| e.key.span.clone())
}

fn short(node: &Node, path: &str, findings: &mut Findings) -> Option<Gate> {
    let text = fields::text(node, path, findings)?;
    if !text.starts_with('/') {
        let expected = "a path such as /healthz, or { http: /healthz, within: 90s }";
        findings.push(fields::wrong(node, path, expected));
        return None;
    }
    Some(Gate {
        kind: GateKind::Http {
            path: http_path(node, path, findings)?,
            port: None,
            status: 200..=299,
            host: None,
        },
        every: EVERY,
        in_a_row: IN_A_ROW,
        within: WITHIN,
        timeout: TIMEOUT,
        from: GateFrom::Both,
        span: node.span.clone(),
    })
}

/// Times that contradict each other are found before anything waits for them.
fn can_pass(gate: &Gate, f: &Fields<'_>, path: &str, findings: &mut Findings) {
    let place = |key: &str| f.entry(key).map_or(&gate.span, |e| &e.value.span);
    let zero = |d: Duration| d < Duration::from_millis(10);
    for (key, value) in [("every", gate.every), ("timeout", gate.timeout)] {
        if zero(value) {
            findings.push(
                Diagnostic::error(format!("`{path}.{key}` is too short"))
                    .at(place(key))
                    .expected("at least 10ms"),
            );
        }
    }
    let needed = gate.every * (gate.in_a_row - 1);
    if needed >= gate.within {
        findings.push(
            Diagnostic::error(format!("`{path}` can never pass"))
                .at_saying(place("within"), "the time that it has")
                .hint(format!(
                    "{} good answers, one every {}, take {}",
                    gate.in_a_row,
                    crate::text::duration(gate.every),
                    crate::text::duration(needed)
                )),
        );
    }
    if matches!(gate.kind, GateKind::Command { .. }) && gate.from != GateFrom::Host {
        findings.push(
            Diagnostic::error(format!(
                "`{path}` runs a command, which load balancers cannot ask"
            ))
            .at(place("from"))
            .hint("leave `from` away, or write `from: host`"),
        );
    }
}

fn http(node: &Node, path: &str, findings: &mut Findings) -> Option<GateKind> {
    if node.map().is_none() {
        return Some(GateKind::Http {
            path: http_path(node, path, findings)?,
            port: None,
            status: 200..=299,
            host: None,
        });
    }
    let f = Fields::of(node, path, &["path", "port", "status", "host"], findings)?;
    let Some(at) = f.get("path") else {
        findings.push(
            Diagnostic::error(format!("`{path}` has no path"))
                .at(&start(node))
                .expected("path: /healthz"),
        );
        return None;
    };
    Some(GateKind::Http {
        path: http_path(at, &f.path("path"), findings)?,
        port: f.read("port", findings, fields::port),
        status: f.read("status", findings, status).unwrap_or(200..=299),
        host: f.read("host", findings, fields::text),
    })
}

pub(super) fn http_path(node: &Node, path: &str, findings: &mut Findings) -> Option<String> {
    let text = fields::text(node, path, findings)?;
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    if text.starts_with('/') && printable && !text.contains('#') {
        return Some(text);
    }
    let expected = "a path that begins with `/`, without blanks, such as /healthz";
    let finding = fields::wrong(node, path, expected);
    findings.push(match text.contains("://") {
        true => finding.hint("give only the path: host and port are the app's"),
        false => finding,
    });
    None
}

/// `200`, or `200-399`.
pub(super) fn status(
    node: &Node,
    path: &str,
    findings: &mut Findings,
) -> Option<std::ops::RangeInclusive<u16>> {
    let text = node.text().unwrap_or("");
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    if let (Ok(from), Ok(to)) = (from.parse::<u16>(), to.parse::<u16>())
        && (100..=599).contains(&from)
        && (from..=599).contains(&to)
    {
        return Some(from..=to);
    }
    findings.push(fields::wrong(
        node,
        path,
        "a status such as 200, or a range such as 200-399",
    ));
    None
}

/// `true` (the app's port) or a port.
fn tcp(node: &Node, path: &str, findings: &mut Findings) -> Option<GateKind> {
    if node.text() == Some("true") {
        return Some(GateKind::Tcp { port: None });
    }
    let port = fields::port(node, path, findings)?;
    Some(GateKind::Tcp { port: Some(port) })
}

/// `[pg_isready, -q]`, or `{ run: [...], service: db }`.
pub(super) fn command(node: &Node, path: &str, findings: &mut Findings) -> Option<GateKind> {
    let (argv, service) = match node.map() {
        None => (argv(node, path, findings)?, None),
        Some(_) => {
            let f = Fields::of(node, path, &["run", "service"], findings)?;
            let Some(run) = f.get("run") else {
                findings.push(
                    Diagnostic::error(format!("`{path}` has no command"))
                        .at(&start(node))
                        .expected("run: [word, word]"),
                );
                return None;
            };
            let service = f.get("service").and_then(|n| {
                let text = fields::text(n, &f.path("service"), findings)?;
                fields::name(&text, &n.span, findings)
            });
            (argv(run, &f.path("run"), findings)?, service)
        }
    };
    if argv.iter().any(|word| word.contains('\n')) {
        findings.push(
            fields::wrong(node, path, "words on one line each")
                .hint("put a longer script into the image, and name it here"),
        );
        return None;
    }
    Some(GateKind::Command { argv, service })
}

/// A command word by word: nothing here is ever read by a shell.
pub(super) fn argv(node: &Node, path: &str, findings: &mut Findings) -> Option<Vec<String>> {
    let Some(items) = node.seq().filter(|s| !s.is_empty()) else {
        findings.push(
            fields::wrong(node, path, "a list of words, such as [pg_isready, -q]")
                .hint("no shell reads it; where one is needed, write [sh, -c, \"…\"]"),
        );
        return None;
    };
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        match item.scalar() {
            Some(s) if !item.is_null() => out.push(s.text.clone()),
            _ => findings.push(fields::wrong(item, &format!("{path}[]"), "a word")),
        }
    }
    Some(out)
}

fn from(node: &Node, path: &str, findings: &mut Findings) -> Option<GateFrom> {
    match node.text() {
        Some("host") => Some(GateFrom::Host),
        Some("balancer") => Some(GateFrom::Balancer),
        Some("both") => Some(GateFrom::Both),
        _ => {
            findings.push(fields::wrong(node, path, "host, balancer or both"));
            None
        }
    }
}
