//! An environment explained: every effective value, where it stands, what it overrode.
//!
//! [`text`] for people, folding hosts that are alike; [`json`] for machines, folding nothing.

use serde_json::json;

use super::layout;
use super::words::{names, tame};
use crate::inventory::{Explained, Inventory, Origin, Row, Subject};

/// Values longer than this have their place in a line of its own.
const LONG: usize = 44;

/// The blocks, one below the other, with an empty line between them.
#[must_use]
pub fn text(inventory: &Inventory, explained: &[Explained]) -> String {
    let files: Vec<&str> = inventory.files.iter().map(|f| f.path.as_str()).collect();
    let head = format!("environment {}  {}", inventory.env, files.join(" "));
    let mut blocks = vec![head];
    for (title, rows) in folded(explained) {
        let mut lines = vec![title];
        lines.extend(table(&rows));
        blocks.push(lines.join("\n"));
    }
    blocks.join("\n\n")
}

/// Subjects that have the same values from the same places, under one title.
fn folded(explained: &[Explained]) -> Vec<(String, Vec<Row>)> {
    let mut out: Vec<(Vec<&Explained>, Vec<Row>)> = Vec::new();
    for one in explained {
        let raw = raw(one);
        let alike = |(others, rows): &&mut (Vec<&Explained>, Vec<Row>)| {
            kind(&others[0].subject) == kind(&one.subject) && *rows == raw
        };
        match out.iter_mut().rev().find(alike) {
            Some((others, _)) => others.push(one),
            None => out.push((vec![one], raw)),
        }
    }
    let done = out.into_iter().map(|(all, rows)| match all.as_slice() {
        [one] => (title(&all), one.rows.clone()),
        _ => (title(&all), rows),
    });
    done.collect()
}

/// Which subjects may be folded: hosts with hosts, members of one app.
fn kind(subject: &Subject) -> (u8, &str) {
    match subject {
        Subject::Host(_) => (0, ""),
        Subject::Section(name) => (1, name),
        Subject::App(app) => (2, app.as_str()),
        Subject::Member(app, ..) => (3, app.as_str()),
    }
}

/// The rows of a host as they stand for all hosts of its pattern: `{name}` is not filled.
fn raw(one: &Explained) -> Vec<Row> {
    let host = matches!(one.subject, Subject::Host(_));
    let rows = one.rows.iter().map(|row| {
        let mut row = row.clone();
        let places = ["address", "serve"].contains(&row.key.as_str());
        match &row.from {
            Some(p) if host && p.from.value.contains('{') => {
                row.value.clone_from(&p.from.value);
            }
            // Without a word about it the address is the name, and so is what load balancers ask.
            None if host && places => "(its name or address)".clone_into(&mut row.value),
            _ => {}
        }
        row
    });
    rows.collect()
}

fn title(all: &[&Explained]) -> String {
    match &all[0].subject {
        Subject::App(app) => format!("app {app}"),
        Subject::Section(name) => name.clone(),
        Subject::Host(_) => {
            let hosts = all.iter().filter_map(|e| match &e.subject {
                Subject::Host(host) => Some(host),
                _ => None,
            });
            format!("host {}", names(&hosts.collect::<Vec<_>>(), 12))
        }
        Subject::Member(app, ..) => {
            let mut slots: Vec<(&str, Vec<&str>)> = Vec::new();
            for one in all {
                let Subject::Member(_, slot, host) = &one.subject else {
                    continue;
                };
                match slots.last_mut().filter(|(s, _)| *s == slot.as_str()) {
                    Some((_, hosts)) => hosts.push(host.as_str()),
                    None => slots.push((slot.as_str(), vec![host.as_str()])),
                }
            }
            let slots = slots.iter();
            let slots = slots.map(|(slot, hosts)| format!("{slot} on {}", names(hosts, 12)));
            format!("app {app}: {}", slots.collect::<Vec<_>>().join(", "))
        }
    }
}

fn table(rows: &[Row]) -> Vec<String> {
    let mut cells = Vec::new();
    for row in rows {
        let from = row.from.as_ref().map(|p| &p.from);
        let place = from.map_or_else(|| "built in".to_owned(), place_of);
        push(&mut cells, &row.key, tame(&row.value), place);
        let overrode = row.from.iter().flat_map(|p| &p.overrode);
        for other in overrode {
            let value = format!("instead of {}", tame(&other.value));
            push(&mut cells, "", value, place_of(other));
        }
    }
    let lines = layout::table(&cells).into_iter();
    lines.map(|line| format!("  {line}")).collect()
}

fn push(cells: &mut Vec<Vec<String>>, key: &str, value: String, place: String) {
    if value.chars().count() > LONG {
        cells.push(vec![key.to_owned(), value]);
        cells.push(vec![String::new(), String::new(), place]);
    } else {
        cells.push(vec![key.to_owned(), value, place]);
    }
}

/// `inventories/staging.yml:5 (host pattern web[1:4])`.
fn place_of(origin: &Origin) -> String {
    let at = &origin.span;
    if at.file.path == "--set" {
        return "--set".to_owned();
    }
    format!("{}:{} ({})", at.file.path, at.line, origin.whose())
}

/// One object: `subjects` with `values`, each with `from` (absent: built in) and `overrode`.
#[must_use]
pub fn json(inventory: &Inventory, explained: &[Explained]) -> String {
    let subjects: Vec<_> = explained
        .iter()
        .map(|one| {
            let (kind, name, slot, host) = match &one.subject {
                Subject::Host(host) => ("host", host.as_str(), None, None),
                Subject::App(app) => ("app", app.as_str(), None, None),
                Subject::Section(name) => ("section", name.as_str(), None, None),
                Subject::Member(app, slot, host) => {
                    ("app on host", app.as_str(), Some(slot), Some(host))
                }
            };
            let mut object = json!({
                "kind": kind, "name": name,
                "values": one.rows.iter().map(value).collect::<Vec<_>>(),
            });
            if let (Some(slot), Some(host)) = (slot, host) {
                object["slot"] = json!(slot);
                object["host"] = json!(host);
            }
            object
        })
        .collect();
    let files: Vec<&str> = inventory.files.iter().map(|f| f.path.as_str()).collect();
    json!({
        "v": 1, "event": "inventory", "env": inventory.env, "files": files, "subjects": subjects,
    })
    .to_string()
}

fn value(row: &Row) -> serde_json::Value {
    let mut out = json!({ "key": row.key, "value": row.value });
    if let Some(p) = &row.from {
        // What was written keeps its type, unless a placeholder in it was filled.
        if row.value == p.from.value {
            out["value"] = p.from.json.clone();
        }
        out["from"] = origin(&p.from);
        out["overrode"] = p.overrode.iter().map(origin).collect();
    }
    out
}

fn origin(origin: &Origin) -> serde_json::Value {
    let at = &origin.span;
    json!({
        "file": at.file.path, "line": at.line, "column": at.column,
        "level": origin.level.to_string(), "of": &*origin.who, "value": origin.json,
    })
}
