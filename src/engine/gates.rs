//! The book of probes. Watchers write into it; the dispatcher asks it three things: have these
//! members passed, has one been lost since, is the last good word fresh. No word is never good.

use std::collections::BTreeMap;
use std::time::Duration;

use super::remote::{ContainerSeen, Seen};
use crate::name::{HostName, ReleaseId};
use crate::plan::{GateSpec, GateView};

/// The last good probe of every member is at most this old when traffic moves (design, idea 7).
pub const FRESH: Duration = Duration::from_secs(2);
/// A gate that was open closes after this many failures in a row: one lost packet is not an outage.
const LOST_AFTER: u32 = 3;
/// Restarts of a container after which waiting for its gate is pointless.
const HOPELESS: u64 = 3;
/// A watcher that says nothing for this long, beyond its own times, counts as a lost gate.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Default)]
struct Probe {
    row: u32,
    /// When the last good answer of the row was counted.
    counted: Option<Duration>,
    failures: u32,
    good: Option<Duration>,
    heard: Option<Duration>,
    detail: String,
}

#[derive(Debug, Clone, Default)]
struct Member {
    /// Probes count from here on; `None` until what shall be probed is up.
    armed: Option<Duration>,
    release: Option<ReleaseId>,
    containers: Option<(Duration, Vec<ContainerSeen>)>,
    /// Restarts per service when it had passed for the first time.
    passed: Option<BTreeMap<String, u64>>,
    /// Restarts per service when the gates opened.
    baseline: Option<BTreeMap<String, u64>>,
}

/// Probes of all members from all views.
#[derive(Debug, Clone)]
pub struct GateBook {
    gates: BTreeMap<HostName, Vec<GateSpec>>,
    balancers: Vec<HostName>,
    members: BTreeMap<HostName, Member>,
    probes: BTreeMap<(HostName, HostName, usize), Probe>,
}

impl GateBook {
    /// A book for the gates of these members, asked there and from these load balancers.
    #[must_use]
    pub fn new(gates: BTreeMap<HostName, Vec<GateSpec>>, balancers: Vec<HostName>) -> Self {
        Self {
            gates,
            balancers,
            members: BTreeMap::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Load balancers that ask the gates.
    #[must_use]
    pub fn balancers(&self) -> &[HostName] {
        &self.balancers
    }

    /// Probes of `host` count from `now` on, and its containers must be of `release`.
    pub fn arm(&mut self, host: &HostName, release: Option<ReleaseId>, now: Duration) {
        let fresh = Member {
            armed: Some(now),
            release,
            containers: None,
            passed: None,
            baseline: None,
        };
        self.members.insert(host.clone(), fresh);
        self.probes.retain(|(member, _, _), _| member != host);
    }

    /// Probes of `host` count for nothing any more: it is stopped on purpose.
    pub fn disarm(&mut self, host: &HostName) {
        self.members.remove(host);
        self.probes.retain(|(member, _, _), _| member != host);
    }

    /// Writes down what the watcher on `asker` saw.
    pub fn heard(&mut self, asker: &HostName, seen: &Seen, now: Duration) {
        match seen {
            Seen::Gate {
                member,
                gate,
                ok,
                detail,
            } => {
                let member = member.as_ref().unwrap_or(asker);
                if self.members.get(member).is_none_or(|m| m.armed.is_none()) {
                    return;
                }
                let spec = self.gates.get(member).and_then(|g| g.get(*gate));
                // Watchers may ask more often than the gate says; a row takes its time all the same.
                let pace = spec.map_or(Duration::ZERO, |s| s.every * 3 / 4);
                let key = (member.clone(), asker.clone(), *gate);
                let probe = self.probes.entry(key).or_default();
                probe.heard = Some(now);
                detail.clone_into(&mut probe.detail);
                if *ok {
                    if probe
                        .counted
                        .is_none_or(|at| now.saturating_sub(at) >= pace)
                    {
                        probe.row += 1;
                        probe.counted = Some(now);
                    }
                    probe.failures = 0;
                    probe.good = Some(now);
                } else {
                    probe.row = 0;
                    probe.counted = None;
                    probe.failures += 1;
                }
            }
            Seen::Containers(list) => {
                if let Some(member) = self.members.get_mut(asker).filter(|m| m.armed.is_some()) {
                    member.containers = Some((now, list.clone()));
                }
                self.note_pass(asker, list);
            }
            Seen::Gone(_) => {}
        }
    }

    /// A member that has passed must not end while others are still waited for. The counts are those of the list that
    /// came after its probes, so that a restart before them is not held against it.
    fn note_pass(&mut self, host: &HostName, list: &[ContainerSeen]) {
        if self.missing(host, false).is_some() {
            return;
        }
        if let Some(member) = self.members.get_mut(host)
            && member.passed.is_none()
        {
            member.passed = Some(restarts(list));
        }
    }

    fn gates(&self, host: &HostName) -> &[GateSpec] {
        self.gates.get(host).map_or(&[], Vec::as_slice)
    }

    /// Everybody who must be asked about `host`, with the gate's number.
    fn views(&self, host: &HostName) -> Vec<(HostName, usize)> {
        let mut out = Vec::new();
        for (i, gate) in self.gates(host).iter().enumerate() {
            if gate.from.contains(&GateView::Host) {
                out.push((host.clone(), i));
            }
            if gate.from.contains(&GateView::Balancer) {
                out.extend(self.balancers.iter().map(|b| (b.clone(), i)));
            }
        }
        out
    }

    fn probe(&self, host: &HostName, asker: &HostName, gate: usize) -> Option<&Probe> {
        self.probes.get(&(host.clone(), asker.clone(), gate))
    }

    /// What is still missing before `host` may get traffic; `None` when it has passed.
    #[must_use]
    pub fn missing(&self, host: &HostName, once: bool) -> Option<String> {
        let member = self.members.get(host).filter(|m| m.armed.is_some());
        let Some(member) = member else {
            return Some("not up yet".to_owned());
        };
        let Some((_, containers)) = &member.containers else {
            return Some("no word about its containers yet".to_owned());
        };
        if let Some(why) = unfit(
            containers,
            member.release.as_ref(),
            self.gates(host).is_empty(),
        ) {
            return Some(why);
        }
        for (asker, gate) in self.views(host) {
            let spec = &self.gates(host)[gate];
            let wanted = if once { 1 } else { spec.in_a_row };
            let probe = self.probe(host, &asker, gate);
            if probe.is_none_or(|p| p.row < wanted) {
                let from = if asker == *host {
                    String::new()
                } else {
                    format!(" from {asker}")
                };
                let said = probe.map_or("no answer yet", |p| p.detail.as_str());
                return Some(format!("{}{from}: {said}", spec.title()));
            }
        }
        None
    }

    /// A reason to stop waiting for `host` before the deadline: it ends again and again, or it had passed and ended since.
    #[must_use]
    pub fn hopeless(&self, host: &HostName) -> Option<String> {
        let member = self.members.get(host)?;
        let (_, list) = member.containers.as_ref()?;
        if let Some(c) = member
            .passed
            .as_ref()
            .and_then(|passed| ended_since(list, passed))
        {
            return Some(format!("it had passed and ended since: {}", ended(c)));
        }
        list.iter().find_map(|c| {
            let down = c.state == "exited" || c.state == "dead";
            if c.restarts >= HOPELESS || (down && c.restarts == 0 && !done(c)) {
                Some(ended(c))
            } else {
                None
            }
        })
    }

    /// The gates of these hosts are open now: from here on a restart is a loss.
    pub fn opened(&mut self, hosts: &[HostName]) {
        for host in hosts {
            if let Some(member) = self.members.get_mut(host) {
                let list = member.containers.as_ref().map(|(_, list)| list);
                member.baseline = Some(list.map(|list| restarts(list)).unwrap_or_default());
            }
        }
    }

    /// Why `host` is lost after its gates had opened; `None` while it is well.
    #[must_use]
    pub fn lost(&self, host: &HostName, now: Duration) -> Option<String> {
        let Some(member) = self.members.get(host) else {
            return Some("nobody watches it".to_owned());
        };
        let Some((at, containers)) = &member.containers else {
            return Some("no word about its containers".to_owned());
        };
        if now.saturating_sub(*at) > SILENCE {
            return Some("its watcher is silent".to_owned());
        }
        if let Some(why) = unfit(containers, member.release.as_ref(), false) {
            return Some(why);
        }
        if let Some(baseline) = &member.baseline
            && let Some(c) = ended_since(containers, baseline)
        {
            return Some(ended(c));
        }
        for (asker, gate) in self.views(host) {
            let spec = &self.gates(host)[gate];
            let from = if asker == *host {
                String::new()
            } else {
                format!(" from {asker}")
            };
            match self.probe(host, &asker, gate) {
                Some(p) if p.failures >= LOST_AFTER => {
                    return Some(format!("{}{from}: {}", spec.title(), p.detail));
                }
                Some(p)
                    if now.saturating_sub(p.heard.unwrap_or_default())
                        > SILENCE + spec.every + spec.timeout =>
                {
                    return Some(format!("{}{from}: no word for too long", spec.title()));
                }
                Some(_) => {}
                None => return Some(format!("{}{from}: never asked", spec.title())),
            }
        }
        None
    }

    /// Whether every view of `host` has a good word that is at most [`FRESH`] old.
    #[must_use]
    pub fn fresh(&self, host: &HostName, now: Duration) -> bool {
        let young = |at: Duration| now.saturating_sub(at) <= FRESH;
        let contained = self
            .members
            .get(host)
            .and_then(|m| m.containers.as_ref())
            .is_some_and(|(at, _)| young(*at));
        contained
            && self.views(host).iter().all(|(asker, gate)| {
                self.probe(host, asker, *gate)
                    .is_some_and(|p| p.failures == 0 && p.good.is_some_and(young))
            })
    }

    /// When the gate of a host that was armed runs out of time.
    #[must_use]
    pub fn deadline(&self, host: &HostName) -> Option<Duration> {
        let armed = self.members.get(host)?.armed?;
        let within = self.gates(host).iter().map(|g| g.within).max();
        Some(armed + within.unwrap_or(Duration::from_secs(60)))
    }
}

/// Restarts per service.
fn restarts(list: &[ContainerSeen]) -> BTreeMap<String, u64> {
    let count = |c: &ContainerSeen| (c.service.clone(), c.restarts);
    list.iter().map(count).collect()
}

/// The first container with more restarts than it had.
fn ended_since<'a>(
    list: &'a [ContainerSeen],
    had: &BTreeMap<String, u64>,
) -> Option<&'a ContainerSeen> {
    list.iter()
        .find(|c| c.restarts > had.get(&c.service).copied().unwrap_or(0))
}

fn done(c: &ContainerSeen) -> bool {
    c.one_shot && c.state == "exited" && c.exit_code == 0
}

fn ended(c: &ContainerSeen) -> String {
    let oom = if c.oom { ", killed for memory" } else { "" };
    let code = if c.exit_code == 0 {
        String::new()
    } else {
        format!(", exit code {}", c.exit_code)
    };
    let restarts = crate::text::count(usize::try_from(c.restarts).unwrap_or(usize::MAX), "restart");
    format!("{} is {} ({restarts}{code}{oom})", c.service, c.state)
}

/// Why these containers cannot serve; a health check that has not passed yet is held against them
/// only where there is no other gate.
fn unfit(
    list: &[ContainerSeen],
    release: Option<&ReleaseId>,
    health_decides: bool,
) -> Option<String> {
    if list.is_empty() {
        return Some("no container".to_owned());
    }
    list.iter().find_map(|c| {
        if release.is_some_and(|r| c.release != r.as_str()) {
            return Some(format!("{} is of another release", c.service));
        }
        if done(c) {
            return None;
        }
        if c.state != "running" {
            return Some(ended(c));
        }
        match c.health.as_str() {
            "unhealthy" => Some(format!("{} is unhealthy", c.service)),
            "starting" if health_decides => Some(format!("{} is starting", c.service)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
