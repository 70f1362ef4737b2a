//! Does a host run a release as wanted, and if not, why? Pure comparisons of observed and wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::fleet::view::project;
use crate::fleet::{Container, Fleet, HostView, Known};
use crate::name::{AppName, EnvName, HostName, OutcomeKind, ReleaseId, ServiceName, SlotName};
use crate::release::{HostRelease, ReleaseLabel, ServiceSpec};
use crate::text;

pub use super::traffic::{active, now as traffic_now, percent, says};
use super::{Setup, debts};

/// Containers of a slot on a host, without those that somebody made for a single command.
pub fn containers<'a>(
    host: &'a HostView,
    env: &EnvName,
    app: &AppName,
    slot: &SlotName,
) -> impl Iterator<Item = &'a Container> + use<'a> {
    let project = project(env, app, slot);
    host.containers
        .iter()
        .filter(move |c| c.project() == Some(project.as_str()) && !c.is_one_off())
}

/// Why the slot on this host does not run the release as wanted; empty where it does.
#[must_use]
pub fn differences(
    host: &HostView,
    env: &EnvName,
    app: &AppName,
    slot: &SlotName,
    id: &ReleaseId,
    services: &BTreeMap<ServiceName, ServiceSpec>,
) -> Vec<String> {
    let mut by_service: BTreeMap<&str, Vec<&Container>> = BTreeMap::new();
    for c in containers(host, env, app, slot) {
        by_service
            .entry(c.service().unwrap_or(""))
            .or_default()
            .push(c);
    }
    let mut out = Vec::new();
    for (service, spec) in services {
        match by_service.remove(service.as_str()).as_deref() {
            None | Some([]) => out.push(format!("no container of {service}")),
            Some(all) => {
                for c in all {
                    out.extend(container_differences(c, service, id, spec));
                }
            }
        }
    }
    let left = by_service.into_values().flatten();
    out.extend(left.map(|c| format!("container {} is not part of the release", c.name)));
    out
}

fn container_differences(
    c: &Container,
    service: &ServiceName,
    id: &ReleaseId,
    spec: &ServiceSpec,
) -> Vec<String> {
    let found = c.label("deploy.release");
    if found != Some(id.as_str()) {
        let what = c
            .label("deploy.version")
            .map_or_else(|| c.image.clone(), str::to_owned);
        return vec![if found.is_some() && c.label("deploy.version").is_some() {
            format!("{service} runs {what}")
        } else {
            format!("{service} runs {what}, not started by deploy")
        }];
    }
    let mut out = Vec::new();
    let done = spec.one_shot && c.state == "exited" && c.exit_code == 0;
    if c.state != "running" && !done {
        out.push(format!(
            "{service} is {} (exit code {})",
            c.state, c.exit_code
        ));
    } else if !done && !c.fit() {
        out.push(format!("{service} is {:?}", c.health).to_lowercase());
    }
    if let Some(wanted) = spec.restart.as_ref().filter(|w| **w != c.restart) {
        out.push(format!(
            "{service} restart policy is {}, wanted {wanted}",
            c.restart
        ));
    }
    // A limit that nobody asked for is a difference as well: it was set by hand.
    if c.memory != spec.memory.unwrap_or(0) {
        let limit = |n: u64| {
            if n == 0 {
                "none".to_owned()
            } else {
                text::bytes(n)
            }
        };
        out.push(format!(
            "{service} memory limit is {}, wanted {}",
            limit(c.memory),
            limit(spec.memory.unwrap_or(0))
        ));
    }
    if c.nano_cpus != spec.nano_cpus.unwrap_or(0) {
        out.push(format!(
            "{service} cpu limit is {}, wanted {}",
            cpus(c.nano_cpus),
            cpus(spec.nano_cpus.unwrap_or(0))
        ));
    }
    out
}

fn cpus(nano: u64) -> String {
    if nano == 0 {
        return "none".to_owned();
    }
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000 / 1_000_000);
    format!("{whole}.{part:03}")
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

/// The release whose containers run in a slot on a host, by their labels; `None` where there are
/// none of ours or they do not agree.
#[must_use]
pub fn running(
    host: &HostView,
    env: &EnvName,
    app: &AppName,
    slot: &SlotName,
) -> Option<ReleaseLabel> {
    let mut labels = containers(host, env, app, slot).map(label);
    let first = labels.next()??;
    labels.all(|l| l.as_ref() == Some(&first)).then_some(first)
}

fn label(c: &Container) -> Option<ReleaseLabel> {
    Some(ReleaseLabel {
        id: c.label("deploy.release")?.parse().ok()?,
        version: crate::name::Version::new(c.label("deploy.version")?).ok()?,
        revision: c
            .label("deploy.revision")
            .and_then(|r| r.parse().ok())
            .unwrap_or(0),
        digest: c
            .label("deploy.digest")
            .and_then(|d| crate::name::Digest::new(d).ok()),
        adopted: c.label("deploy.adopted").is_some(),
    })
}

/// The one release that runs on all members of a slot.
#[must_use]
pub fn slot_release(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Option<ReleaseLabel> {
    let mut all = setup.hosts(slot).map(|h| {
        fleet
            .hosts
            .get(h)
            .and_then(|v| running(v, &setup.env, &setup.app, slot))
    });
    let first = all.next()??;
    all.all(|r| r.as_ref().map(|r| &r.id) == Some(&first.id))
        .then_some(first)
}

/// What runs in a slot, for people: of the first host that says it.
#[must_use]
pub fn shown_release(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Option<ReleaseLabel> {
    let (owing, well) = debts::by_debt(setup, fleet, slot);
    let hosts = well.into_iter().chain(owing);
    hosts
        .filter_map(|h| fleet.hosts.get(h))
        .find_map(|v| running(v, &setup.env, &setup.app, slot))
}

/// What the host record says was last brought up in a slot of this host.
#[must_use]
pub fn recorded<'a>(host: &'a HostView, slot: &SlotName) -> Option<&'a HostRelease> {
    let release = &host.record.slots.get(slot)?.release;
    host.record
        .kept
        .iter()
        .find(|r| r.label.id == *release && r.slot == *slot)
}

/// Why a slot is not fit to take traffic with what is recorded there; empty where it is fit.
#[must_use]
pub fn unfit(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Vec<String> {
    let mut out = Vec::new();
    let mut ids = BTreeSet::new();
    for host in setup.hosts(slot) {
        match fleet.hosts.get(host) {
            None => {
                let why = fleet
                    .silent
                    .get(host)
                    .map_or("it was not asked", String::as_str);
                out.push(format!("{host} does not answer: {why}"));
            }
            Some(HostView {
                engine: Known::Unknown(why),
                ..
            }) => out.push(format!("{host}: Docker does not answer: {why}")),
            Some(view) => match recorded(view, slot) {
                None => out.push(format!("{host} has no release of {} in {slot}", setup.app)),
                Some(r) => {
                    ids.insert(r.label.id.clone());
                    let found =
                        differences(view, &setup.env, &setup.app, slot, &r.label.id, &r.services);
                    out.extend(found.into_iter().map(|d| format!("{host}: {d}")));
                }
            },
        }
    }
    if ids.len() > 1 {
        out.push(format!("the hosts of {slot} hold different releases"));
    }
    out
}

/// Ports that a release needs on a host but that containers of others hold: what, and what to do.
#[must_use]
pub fn port_clashes(
    name: &HostName,
    host: &HostView,
    env: &EnvName,
    app: &AppName,
    wanted: &HostRelease,
) -> Vec<(String, String)> {
    let own = project(env, app, &wanted.slot);
    let family = format!("{env}-{app}-");
    let mut out = Vec::new();
    for (service, spec) in &wanted.services {
        for (port, protocol) in &spec.ports {
            // A paused or restarting container keeps its ports.
            let holders = host.containers.iter().filter(|c| {
                matches!(c.state.as_str(), "running" | "paused" | "restarting")
                    && c.project() != Some(own.as_str())
                    && c.ports
                        .iter()
                        .any(|p| p.port == *port && p.protocol == *protocol)
            });
            for c in holders {
                let ours = c.project().is_some_and(|p| p.starts_with(&family))
                    && c.label("deploy.release").is_some();
                let hint = if ours {
                    "it is the other slot of this app: on one host each slot needs its own port"
                } else {
                    "it is not ours and is left alone; stop it or choose another port"
                };
                out.push((
                    format!(
                        "{name}: port {port}/{protocol} of {service} is held by container {} ({}), started {}{}",
                        c.name, c.image, c.started, age(&c.started, host.clock)
                    ),
                    hint.to_owned(),
                ));
            }
        }
    }
    out
}

/// How long ago that was by the host's own clock, e.g. ` (3d4h ago)`; empty where not known.
fn age(started: &str, clock: i64) -> String {
    let Ok(at) = started.parse::<jiff::Timestamp>() else {
        return String::new();
    };
    let seconds = u64::try_from(clock.saturating_sub(at.as_second())).ok();
    let known = seconds.filter(|_| clock > 0);
    known.map_or_else(String::new, |s| {
        format!(" ({} ago)", text::duration(Duration::from_secs(s)))
    })
}

/// Whether every service of the slot has a container that answers, whatever else differs.
#[must_use]
pub fn serves(
    host: &HostView,
    env: &EnvName,
    app: &AppName,
    slot: &SlotName,
    services: &BTreeMap<ServiceName, ServiceSpec>,
) -> bool {
    services.iter().all(|(service, spec)| {
        let mut own =
            containers(host, env, app, slot).filter(|c| c.service() == Some(service.as_str()));
        spec.one_shot || own.any(Container::fit)
    })
}

/// How a plan with nothing to do ends.
pub const NOTHING: OutcomeKind = OutcomeKind::NoChange;
