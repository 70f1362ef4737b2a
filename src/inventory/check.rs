//! Checks that need more than one place: hosts, apps and load balancers held against each other.
//!
//! To add one: a function here, called in [`all`]; it reports and changes nothing.

use std::collections::BTreeMap;

use super::activity::CallKind;
use super::hosts::World;
use super::layer::Origins;
use super::model::{App, Connection, GateKind, HostApp, HostEntry, Inventory};
use crate::name::{BalancerName, HostName};
use crate::text::{Diagnostic, Findings, Span};

/// Runs every check.
pub(super) fn all(inventory: &Inventory, world: &World, findings: &mut Findings) {
    same_machine(inventory, findings);
    for app in inventory.apps.values() {
        balancers_exist(app, inventory, findings);
        port_is_there(app, findings);
    }
    if world.is_whole() {
        ports_clash(inventory, findings);
    }
    overlays_have_a_place(inventory, world, findings);
}

/// Two names for one machine would claim it twice.
fn same_machine(inventory: &Inventory, findings: &mut Findings) {
    let mut seen: BTreeMap<(&str, Option<u16>), &HostEntry> = BTreeMap::new();
    for host in inventory.hosts.values() {
        let key = match host.connection {
            Connection::Local => ("", None),
            Connection::Ssh => (host.address.as_str(), host.port),
        };
        if key.0.is_empty() && host.connection == Connection::Ssh {
            continue; // its address has been refused already
        }
        let Some(first) = seen.insert(key, host) else {
            continue;
        };
        let what = match host.connection {
            Connection::Local => "are both the machine that deploy runs on".to_owned(),
            Connection::Ssh => format!("have one address, {}", host.address),
        };
        let message = format!("hosts `{}` and `{}` {what}", first.name, host.name);
        let place = |h: &HostEntry| value_span(&h.origins, "address", &h.span);
        let finding = Diagnostic::error(message).at(&place(host));
        let other = place(first);
        let finding = if other == place(host) {
            finding
        } else {
            finding.at(&other)
        };
        findings.push(
            finding.hint("keep one name per machine; put {name} into the address of a pattern"),
        );
    }
}

fn value_span(origins: &Origins, path: &str, otherwise: &Span) -> Span {
    origins
        .get(path)
        .map_or(otherwise, |p| &p.from.span)
        .clone()
}

fn balancers_exist(app: &App, inventory: &Inventory, findings: &mut Findings) {
    for (name, balance) in &app.balance {
        if !inventory.balancers.contains_key(name) {
            let known = inventory.balancers.keys().map(BalancerName::as_str);
            let message = format!(
                "app `{}` stands behind `{name}`, which is no load balancer",
                app.name
            );
            let finding = Diagnostic::error(message).at(&balance.span);
            findings.push(finding.did_you_mean(name.as_str(), known));
        }
    }
}

/// Load balancers and gates ask a port.
fn port_is_there(app: &App, findings: &mut Findings) {
    let asks = |m: &HostApp| {
        m.gates.iter().any(|g| match &g.kind {
            GateKind::Http { port, .. } | GateKind::Tcp { port } => port.is_none(),
            GateKind::Command { .. } => false,
        })
    };
    let calls = app.activity.as_ref().is_some_and(|activity| {
        let both = activity.activate.iter().chain([&activity.deactivate]);
        let mut both = both.map(|call| &call.kind);
        both.any(|kind| matches!(kind, CallKind::Http { port: None, .. }))
    });
    let without: Vec<&HostApp> = app
        .members()
        .filter(|m| {
            m.port.is_none()
                && m.origins.get("port").is_none()
                && (!app.balance.is_empty() || asks(m) || calls)
        })
        .collect();
    if let Some(first) = without.first() {
        let more = match without.len() {
            1 => String::new(),
            n => format!(" and {}", crate::text::count(n - 1, "other host")),
        };
        findings.push(
            Diagnostic::error(format!(
                "app `{}` has no port on `{}`{more}",
                app.name, first.host
            ))
            .at(&app.span)
            .expected("port: 8080, the port on the host that load balancers and gates ask"),
        );
    }
}

/// Two that listen on one port of one host: slots of an app, or apps.
fn ports_clash(inventory: &Inventory, findings: &mut Findings) {
    let mut taken: BTreeMap<(&HostName, u16), (&App, &HostApp)> = BTreeMap::new();
    let mut told = Vec::new();
    for app in inventory.apps.values() {
        for member in app.members() {
            let Some(port) = member.port else { continue };
            let Some((other, theirs)) = taken.insert((&member.host, port), (app, member)) else {
                continue;
            };
            // One finding per pair; its other hosts have the same cause.
            let slots = (app.name == other.name).then_some((&theirs.slot, &member.slot));
            let pair = (&other.name, &app.name, slots);
            if told.contains(&pair) {
                continue;
            }
            told.push(pair);
            findings.push(clash(app, member, other, theirs, port));
        }
    }
}

fn clash(app: &App, member: &HostApp, other: &App, theirs: &HostApp, port: u16) -> Diagnostic {
    let host = &member.host;
    let place = |a: &App, m: &HostApp| value_span(&m.origins, "port", &a.span);
    let (here, there) = (place(app, member), place(other, theirs));
    let (message, hint) = if app.name == other.name {
        let (a, b) = (&theirs.slot, &member.slot);
        (
            format!(
                "slots `{a}` and `{b}` of app `{}` both use port {port} of `{host}`",
                app.name
            ),
            "give each slot its port: slots: { blue: { hosts: …, port: 8081 }, green: { hosts: …, port: 8082 } }",
        )
    } else {
        let (a, b) = (&other.name, &app.name);
        (
            format!("apps `{a}` and `{b}` both use port {port} of `{host}`"),
            "give one of them another port",
        )
    };
    let finding = Diagnostic::error(message).at(&here);
    let finding = if there == here {
        finding
    } else {
        finding.at(&there)
    };
    finding.hint(hint)
}

/// Settings of an app where it does not run are a mistake that nobody would see.
fn overlays_have_a_place(inventory: &Inventory, world: &World, findings: &mut Findings) {
    for (name, overlay, hosts, whose) in world.overlays() {
        let Some(app) = inventory.apps.get(name) else {
            let known = inventory.apps.keys().map(|a| a.as_str());
            let finding = Diagnostic::error(format!(
                "{whose} has settings of app `{name}`, which is not there"
            ));
            findings.push(finding.at(&overlay.span).did_you_mean(name.as_str(), known));
            continue;
        };
        if !app.members().any(|m| hosts.contains(&m.host)) {
            let message = format!("{whose} has settings of app `{name}`, which does not run there");
            let finding = Diagnostic::warning(message).at(&overlay.span);
            findings.push(finding.hint(format!(
                "remove them, or add the host to a slot of `{name}`"
            )));
        }
    }
}
