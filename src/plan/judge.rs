//! Does a host run a release as wanted, and if not, why? Pure comparisons of observed and wanted.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::view::project;
use crate::fleet::{Container, Fleet, HostView, Traffic};
use crate::name::{AppName, EnvName, HostName, OutcomeKind, ReleaseId, ServiceName, SlotName};
use crate::release::{HostRelease, ReleaseLabel, ServiceSpec};
use crate::text;

use super::{Refusal, Setup};

/// Containers of a slot on a host.
pub fn containers<'a>(
    host: &'a HostView,
    env: &EnvName,
    app: &AppName,
    slot: &SlotName,
) -> impl Iterator<Item = &'a Container> + use<'a> {
    let project = project(env, app, slot);
    host.containers
        .iter()
        .filter(move |c| c.project() == Some(project.as_str()))
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
            None => out.push(format!("{host} does not answer")),
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

/// What all load balancers do now.
///
/// # Errors
/// A [`Refusal`] with a line per load balancer where they disagree, cannot be read, or where what
/// is written differs from what runs.
pub fn traffic_now(setup: &Setup, fleet: &Fleet) -> Result<Option<Traffic>, Refusal> {
    let mut refusal = Refusal {
        reasons: Vec::new(),
        unknown: false,
    };
    let mut seen: Vec<(&HostName, Option<&Traffic>)> = Vec::new();
    for lb in &setup.balancers {
        let Some(view) = fleet.balancers.get(&lb.host) else {
            let why = fleet
                .silent
                .get(&lb.host)
                .map_or("no answer", String::as_str);
            refusal.unknown = true;
            refusal.reasons.push((
                format!("load balancer {} could not be read: {why}", lb.host),
                "a slot that it may still point at counts as active; nothing is changed".into(),
            ));
            continue;
        };
        match (view.persisted.get(), view.running.get()) {
            (Some(p), Some(r)) if same(p.as_ref(), r.as_ref()) => seen.push((&lb.host, r.as_ref())),
            (Some(p), Some(r)) => refusal.reasons.push((
                format!(
                    "load balancer {} is written to send to {} but sends to {}",
                    lb.host,
                    says(p.as_ref()),
                    says(r.as_ref())
                ),
                format!(
                    "look what was changed by hand; `deploy switch {} {} --to SLOT` sets all load balancers",
                    setup.env, setup.app
                ),
            )),
            _ => {
                let why = unknown_why(view);
                refusal.reasons.push((
                    format!("load balancer {} does not say where it sends to: {why}", lb.host),
                    "make it answer on its probe address, then try again".into(),
                ));
            }
        }
    }
    if let Some((first, rest)) = seen.split_first()
        && rest.iter().any(|(_, t)| !same(first.1, *t))
    {
        let each: Vec<String> = seen
            .iter()
            .map(|(h, t)| format!("{h} sends to {}", says(*t)))
            .collect();
        refusal.reasons.push((
            format!("load balancers disagree: {}", each.join(", ")),
            format!(
                "find out who edited one; `deploy switch {} {} --to SLOT` sets all of them",
                setup.env, setup.app
            ),
        ));
    }
    if refusal.reasons.is_empty() {
        Ok(seen.first().and_then(|(_, t)| t.cloned()))
    } else {
        Err(refusal)
    }
}

fn unknown_why(view: &crate::fleet::BalancerView) -> String {
    use crate::fleet::Known;
    match (&view.running, &view.persisted) {
        (Known::Unknown(why), _) | (_, Known::Unknown(why)) => why.clone(),
        _ => String::new(),
    }
}

fn same(a: Option<&Traffic>, b: Option<&Traffic>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_as(b),
        (None, None) => true,
        _ => false,
    }
}

/// Where a traffic value sends to, in a few words.
#[must_use]
pub fn says(traffic: Option<&Traffic>) -> String {
    let Some(t) = traffic else {
        return "nothing of this app".to_owned();
    };
    if let Some(slot) = t.sole() {
        let out: Vec<String> = t
            .groups
            .get(slot)
            .into_iter()
            .flatten()
            .filter(|m| m.state != crate::fleet::MemberState::Ready)
            .map(|m| m.host.to_string())
            .collect();
        return if out.is_empty() {
            slot.to_string()
        } else {
            format!("{slot} without {}", out.join(", "))
        };
    }
    let shares: Vec<String> = t
        .split
        .iter()
        .filter(|(_, s)| **s > 0)
        .map(|(n, s)| format!("{n} {}.{:02} %", s / 100, s % 100))
        .collect();
    shares.join(", ")
}

/// The slot with all the traffic, where there is traffic.
///
/// # Errors
/// A [`Refusal`] where it is shared between slots.
pub fn active(setup: &Setup, before: Option<&Traffic>) -> Result<Option<SlotName>, Refusal> {
    let Some(t) = before else { return Ok(None) };
    match t.sole() {
        Some(slot) if setup.slots.contains(slot) => Ok(Some(slot.clone())),
        Some(slot) => Err(Refusal::one(
            format!("the load balancers send to slot {slot}, which the inventory does not have"),
            "add the slot to the inventory again, or switch to one that it has",
        )),
        None => Err(Refusal::one(
            format!("traffic is shared: {}", says(before)),
            "both slots count as active; give all traffic to one of them first",
        )),
    }
}

/// Every host that the plan needs but that did not answer.
///
/// # Errors
/// A [`Refusal`] that counts as "could not tell".
pub fn all_answer<'a>(
    fleet: &Fleet,
    hosts: impl Iterator<Item = &'a HostName>,
) -> Result<(), Refusal> {
    let hosts: BTreeSet<&HostName> = hosts.collect();
    let reasons: Vec<(String, String)> = hosts
        .into_iter()
        .filter(|h| !fleet.hosts.contains_key(*h) && !fleet.balancers.contains_key(*h))
        .map(|h| {
            let why = fleet
                .silent
                .get(h)
                .map_or("it was not asked", String::as_str);
            (format!("{h} does not answer: {why}"), String::new())
        })
        .collect();
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(Refusal {
            reasons,
            unknown: true,
        })
    }
}

/// Problems of severity error that the looks found, as reasons.
#[must_use]
pub fn problems(fleet: &Fleet) -> Vec<(String, String)> {
    let hosts = fleet.hosts.iter().map(|(h, v)| (h, &v.problems));
    let balancers = fleet.balancers.iter().map(|(h, v)| (h, &v.problems));
    hosts
        .chain(balancers)
        .flat_map(|(h, list)| list.iter().map(move |p| (h, p)))
        .filter(|(_, p)| p.severity == crate::fleet::Severity::Error)
        .map(|(h, p)| (format!("{h}: {}", p.what), p.hint.clone()))
        .collect()
}

/// Ports that a release needs on a host but that containers of others hold.
#[must_use]
pub fn port_clashes(
    name: &HostName,
    host: &HostView,
    env: &EnvName,
    app: &AppName,
    wanted: &HostRelease,
) -> Vec<(String, String)> {
    let own = project(env, app, &wanted.slot);
    let mut out = Vec::new();
    for (service, spec) in &wanted.services {
        for (port, protocol) in &spec.ports {
            let holders = host.containers.iter().filter(|c| {
                c.state == "running"
                    && c.project() != Some(own.as_str())
                    && c.ports
                        .iter()
                        .any(|p| p.port == *port && p.protocol == *protocol)
            });
            out.extend(holders.map(|c| {
                (
                    format!(
                        "{name}: port {port}/{protocol} of {service} is held by container {} ({}), started {}",
                        c.name, c.image, c.started
                    ),
                    "it is not ours and is left alone; stop it or choose another port".to_owned(),
                )
            }));
        }
    }
    out
}

/// How a plan with nothing to do ends.
pub const NOTHING: OutcomeKind = OutcomeKind::NoChange;
