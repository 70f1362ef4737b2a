//! Watchers: read-only scripts that stream gates and containers over the open connection.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::Real;
use crate::engine::remote::{ContainerSeen, Seen, Watch};
use crate::engine::site::chain;
use crate::fleet::view::project;
use crate::host::docker::watch::{self, Probe, Target, Tick, WatchReader, Watched};
use crate::host::script::Script;
use crate::name::{HostName, SlotName};
use crate::plan::{GateKind, GateSpec, GateView};
use crate::release::HostRelease;

/// Longest time between two probes: at the switch the last good answer is at most 2 s old. The book
/// counts a row at the pace that the gate asks for.
const PACE: Duration = Duration::from_secs(1);
/// A watcher that ended is started again after this; its silence counts meanwhile.
const AGAIN: Duration = Duration::from_millis(500);

/// Watches until it is dropped.
pub async fn watch(
    real: &Real,
    host: &HostName,
    what: &Watch,
    seen: &UnboundedSender<(HostName, Seen)>,
) {
    loop {
        let why = once(real, host, what, seen).await;
        if seen.send((host.clone(), Seen::Gone(why))).is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn once(
    real: &Real,
    host: &HostName,
    what: &Watch,
    seen: &UnboundedSender<(HostName, Seen)>,
) -> String {
    let Ok(machine) = real.machine(host) else {
        return "not connected".to_owned();
    };
    let (targets, mut script) = match what {
        Watch::Member { slot } => member(real, host, slot),
        Watch::Balancer { slot } => balancer(real, slot),
    };
    // Who only asks gates need not be root, and sudo costs as much as two of them.
    script.root = machine.scope.sudo && matches!(what, Watch::Member { .. });
    let adopted = match what {
        Watch::Member { slot } => real.adopted(host, slot),
        Watch::Balancer { .. } => None,
    };
    let mut reader = WatchReader::new(&targets);
    let ended = machine.host.stream(script, |line: &str| {
        let ticks = reader.line(line).into_iter();
        for one in ticks.filter_map(|tick| said(tick, adopted)) {
            let _ = seen.send((host.clone(), one));
        }
    });
    match ended.await {
        Ok(reply) => reply.end.join(" "),
        Err(error) => chain(&error),
    }
}

/// What a tick says; what is not known says nothing, and silence counts as not passed.
fn said(tick: Tick, adopted: Option<&HostRelease>) -> Option<Seen> {
    match tick {
        Tick::Gate {
            member,
            index,
            ok,
            detail,
        } => Some(Seen::Gate {
            member,
            gate: index,
            ok,
            detail,
        }),
        Tick::Containers(list) => {
            let all = list.into_iter().map(|c| container(c, adopted));
            Some(Seen::Containers(all.collect()))
        }
        Tick::Cannot(kind) => Some(Seen::Gone(format!("it has no program that can ask {kind}"))),
        Tick::Blind | Tick::Alive => None,
    }
}

/// One that was adopted has no labels: what it is stands in the record.
fn container(mut c: Watched, adopted: Option<&HostRelease>) -> ContainerSeen {
    let known = adopted.filter(|_| c.release.is_empty());
    let known = known.and_then(|spec| {
        let mut all = spec.adopted.iter();
        let (service, _) = all.find(|(_, one)| one.name == c.name)?;
        Some((service, &spec.label.id))
    });
    if let Some((service, id)) = known {
        c.service = service.to_string();
        c.release = id.to_string();
        c.one_shot = false;
    }
    ContainerSeen {
        service: c.service,
        state: c.state,
        health: format!("{:?}", c.health).to_lowercase(),
        restarts: c.restarts,
        exit_code: c.exit_code,
        oom: c.oom,
        release: c.release,
        one_shot: c.one_shot,
    }
}

/// The gates of a member as far as `view` asks them, numbered as the book numbers them.
fn targets(
    gates: &[GateSpec],
    view: GateView,
    member: Option<&HostName>,
    address: &str,
) -> Vec<Target> {
    let of_view = gates
        .iter()
        .enumerate()
        .filter(|(_, g)| g.from.contains(&view));
    of_view
        .map(|(gate, spec)| {
            let probe = match &spec.kind {
                GateKind::Http {
                    path,
                    port,
                    status,
                    host,
                } => Probe::Http {
                    port: *port,
                    path: path.clone(),
                    status: *status,
                    host: host.clone(),
                },
                GateKind::Tcp { port } => Probe::Tcp { port: *port },
                GateKind::Command { argv, service } => Probe::Command {
                    argv: argv.clone(),
                    service: service.clone(),
                },
            };
            Target {
                member: member.cloned(),
                address: address.to_owned(),
                gate,
                probe,
            }
        })
        .collect()
}

fn times<'a>(gates: impl Iterator<Item = &'a GateSpec> + Clone) -> (Duration, Duration) {
    let every = gates.clone().map(|g| g.every).min();
    let timeout = gates.map(|g| g.timeout).max();
    (
        every.map_or(Duration::from_millis(500), |e| e.min(PACE)),
        timeout.unwrap_or(Duration::from_secs(1)),
    )
}

fn gates<'a>(real: &'a Real, slot: &SlotName, host: &HostName) -> &'a [GateSpec] {
    let of_slot = real.site.setup.gates.get(slot);
    of_slot.and_then(|g| g.get(host)).map_or(&[], Vec::as_slice)
}

fn member(real: &Real, host: &HostName, slot: &SlotName) -> (Vec<Target>, Script) {
    let setup = &real.site.setup;
    let specs = gates(real, slot, host);
    let (every, timeout) = times(specs.iter());
    let targets = targets(specs, GateView::Host, None, "127.0.0.1");
    let project = project(&setup.env, &setup.app, slot);
    let none = BTreeMap::new();
    let adopted = real.adopted(host, slot).map_or(&none, |spec| &spec.adopted);
    let script = watch::script(Some(&project), adopted, &targets, every, timeout);
    (targets, script)
}

fn balancer(real: &Real, slot: &SlotName) -> (Vec<Target>, Script) {
    let setup = &real.site.setup;
    let members = setup.groups.get(slot).into_iter().flatten();
    let targets: Vec<Target> = members
        .flat_map(|m| {
            let specs = gates(real, slot, &m.host);
            targets(specs, GateView::Balancer, Some(&m.host), &m.address)
        })
        .collect();
    let all = setup
        .gates
        .get(slot)
        .into_iter()
        .flat_map(|g| g.values())
        .flatten();
    let (every, timeout) = times(all);
    let script = watch::script(None, &BTreeMap::new(), &targets, every, timeout);
    (targets, script)
}
