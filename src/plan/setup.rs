//! What planning needs to know from the configuration, for one app of one environment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Stage;
use crate::fleet::{Member, MemberState, Traffic};
use crate::inventory::calendar::Calendar;
use crate::inventory::{self, Activity, App, Balancer, HostApp, Inventory, Job, Rolling, Strategy};
use crate::name::{AppName, BalancerName, EnvName, HostName, ServiceName, SlotName};

/// The app as planning sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// Slots in the order of the inventory.
    pub slots: Vec<SlotName>,
    /// Members of each slot as load balancers reach them.
    pub groups: BTreeMap<SlotName, Vec<Member>>,
    /// Load-balancer hosts, in inventory order.
    pub balancers: Vec<LbHost>,
    /// Load-balancer hosts that a person left out of this run, for they cannot be reached.
    #[serde(default)]
    pub left_out: Vec<LbHost>,
    /// Members that take no part: they get no traffic, and nothing is done to them.
    #[serde(default)]
    pub resting: BTreeSet<HostName>,
    /// Fewest members of a slot that may carry its traffic.
    #[serde(default = "one")]
    pub min_healthy: usize,
    /// How a release takes the place of another.
    #[serde(default)]
    pub strategy: Strategy,
    /// How many members at a time, where the strategy is rolling.
    #[serde(default)]
    pub rolling: Rolling,
    /// How what a member does beside requests is switched on and off; `None` where it is not.
    #[serde(default)]
    pub activity: Option<Activity>,
    /// What runs once per release, in this order.
    #[serde(default)]
    pub jobs: Vec<Job>,
    /// Gates of every member, by slot and host.
    pub gates: BTreeMap<SlotName, BTreeMap<HostName, Vec<GateSpec>>>,
    /// Time after the switch with gates on.
    pub bake: Duration,
    /// Longest wait for open requests of the old slot.
    pub drain: Duration,
    /// When the environment may be changed. A run that is finished by another one is not bound by it.
    #[serde(skip)]
    pub calendar: Calendar,
    /// Longest time that one host should take for a stage: for people, nothing is decided on it.
    #[serde(skip)]
    pub budget: BTreeMap<Stage, Duration>,
}

/// One host of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LbHost {
    /// The host.
    pub host: HostName,
    /// The balancer that it belongs to.
    pub balancer: BalancerName,
    /// Whether single members can be drained there.
    pub drain: bool,
    /// Whether the slot that served can take what the new one does not, during a bake.
    #[serde(default)]
    pub spare: bool,
}

/// From where a gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateView {
    /// From the member's own host.
    Host,
    /// From each load balancer.
    Balancer,
}

/// One gate with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateSpec {
    /// What is asked.
    pub kind: GateKind,
    /// Time from one probe to the next.
    pub every: Duration,
    /// Successes in a row that open the gate.
    pub in_a_row: u32,
    /// Deadline from `up`.
    pub within: Duration,
    /// Longest time for one probe.
    pub timeout: Duration,
    /// From where.
    pub from: Vec<GateView>,
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// A GET request.
    Http {
        /// Path with leading slash.
        path: String,
        /// Port on the member's host.
        port: u16,
        /// Good status codes, first and last.
        status: (u16, u16),
        /// Host header; the address that is asked where absent.
        host: Option<String>,
    },
    /// A TCP connection that must be accepted.
    Tcp {
        /// Port on the member's host.
        port: u16,
    },
    /// A command in a container; exit status 0 is good. Asked on the member's host only.
    Command {
        /// The command, word by word.
        argv: Vec<String>,
        /// In whose container; the only service's where absent.
        service: Option<ServiceName>,
    },
}

impl GateSpec {
    fn of(gate: &inventory::Gate, app_port: u16) -> Self {
        use inventory::{GateFrom, GateKind as Written};
        let kind = match &gate.kind {
            Written::Http {
                path,
                port,
                status,
                host,
            } => GateKind::Http {
                path: path.clone(),
                port: port.unwrap_or(app_port),
                status: (*status.start(), *status.end()),
                host: host.clone(),
            },
            Written::Tcp { port } => GateKind::Tcp {
                port: port.unwrap_or(app_port),
            },
            Written::Command { argv, service } => GateKind::Command {
                argv: argv.clone(),
                service: service.clone(),
            },
        };
        let from = match (&kind, gate.from) {
            (GateKind::Command { .. }, _) | (_, GateFrom::Host) => vec![GateView::Host],
            (_, GateFrom::Balancer) => vec![GateView::Balancer],
            (_, GateFrom::Both) => vec![GateView::Host, GateView::Balancer],
        };
        Self {
            kind,
            every: gate.every,
            in_a_row: gate.in_a_row,
            within: gate.within,
            timeout: gate.timeout,
            from,
        }
    }

    /// As people call it, e.g. `GET /healthz`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.kind {
            GateKind::Http { path, .. } => format!("GET {path}"),
            GateKind::Tcp { port } => format!("TCP {port}"),
            GateKind::Command { argv, .. } => argv.join(" "),
        }
    }
}

fn one() -> usize {
    1
}

impl Setup {
    /// What planning needs of an app's configuration; `can` says whether a load balancer can take
    /// out single members, and whether it can have a spare.
    #[must_use]
    pub fn of(inventory: &Inventory, app: &App, can: impl Fn(&Balancer) -> (bool, bool)) -> Self {
        let mut groups = BTreeMap::new();
        let mut gates = BTreeMap::new();
        for slot in &app.slots {
            let members = slot.members.iter().map(|m| Member {
                host: m.host.clone(),
                address: inventory.hosts[&m.host].serve.clone(),
                port: m.port.unwrap_or(80),
                state: MemberState::Ready,
            });
            groups.insert(slot.name.clone(), members.collect());
            let of_host = |m: &HostApp| {
                let specs = m
                    .gates
                    .iter()
                    .map(|g| GateSpec::of(g, m.port.unwrap_or(80)));
                (m.host.clone(), specs.collect())
            };
            gates.insert(
                slot.name.clone(),
                slot.members.iter().map(of_host).collect(),
            );
        }
        let balancers = inventory.balancer_hosts(app).into_iter().map(|(b, host)| {
            let (drain, spare) = can(b);
            LbHost {
                host: host.name.clone(),
                balancer: b.name.clone(),
                drain,
                spare,
            }
        });
        Self {
            env: inventory.env.clone(),
            app: app.name.clone(),
            slots: app.slots.iter().map(|s| s.name.clone()).collect(),
            groups,
            balancers: balancers.collect(),
            left_out: Vec::new(),
            resting: BTreeSet::new(),
            min_healthy: inventory.protection.min_healthy.unwrap_or_else(one),
            strategy: app.strategy.value,
            rolling: app.rolling.clone(),
            activity: app.activity.clone().map(Activity::without_places),
            jobs: app.jobs.iter().cloned().map(Job::without_place).collect(),
            gates,
            bake: app.bake,
            drain: app.drain,
            calendar: inventory.calendar.clone(),
            budget: app.budget.clone(),
        }
    }

    /// Whether members are switched on and off by calls, and so only one slot is active at a time.
    #[must_use]
    pub fn switches(&self) -> bool {
        self.activity.as_ref().is_some_and(|a| a.activate.is_some())
    }

    /// Hosts of a slot, whether they take part or not.
    pub fn members(&self, slot: &SlotName) -> impl Iterator<Item = &HostName> {
        let all = self.groups.get(slot).into_iter().flatten();
        all.map(|m| &m.host)
    }

    /// Hosts of all slots, whether they take part or not; one of several slots comes for each.
    pub fn every_member(&self) -> impl Iterator<Item = &HostName> {
        self.groups.values().flatten().map(|m| &m.host)
    }

    /// Hosts of a slot that take part.
    pub fn hosts(&self, slot: &SlotName) -> impl Iterator<Item = &HostName> {
        self.members(slot).filter(|h| !self.resting.contains(*h))
    }

    /// This member takes no part any more: whatever sends to its slot sends it nothing.
    pub fn rest(&mut self, host: &HostName) {
        let members = self.groups.values_mut().flatten();
        for member in members.filter(|m| m.host == *host) {
            member.state = MemberState::Drain;
            self.resting.insert(host.clone());
        }
    }

    /// Fewest members of the slot that serve at any time while a release goes through it; never none.
    #[must_use]
    pub fn least(&self, slot: &SlotName) -> usize {
        let all = self.hosts(slot).count();
        let own = self.rolling.min_healthy.at_least(all);
        own.max(self.min_healthy).max(1)
    }

    /// All app hosts, slot by slot.
    pub fn all_hosts(&self) -> impl Iterator<Item = &HostName> {
        self.slots.iter().flat_map(|s| self.hosts(s))
    }

    /// The app without these load balancers, which miss what is done; those that it has.
    pub fn leave_out(&mut self, names: &[HostName]) {
        let (out, rest) = std::mem::take(&mut self.balancers)
            .into_iter()
            .partition(|lb| names.contains(&lb.host));
        self.balancers = rest;
        let out: Vec<LbHost> = out;
        self.left_out.extend(out);
    }

    /// The slot that is not `slot`; the first one where there are more.
    #[must_use]
    pub fn other(&self, slot: &SlotName) -> Option<&SlotName> {
        self.slots.iter().find(|s| *s != slot)
    }

    /// The slots of which `host` is a member.
    pub fn slots_of<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a SlotName> + 'a {
        self.slots
            .iter()
            .filter(move |s| self.hosts(s).any(|h| h == host))
    }

    /// All traffic to `slot`.
    #[must_use]
    pub fn all_to(&self, slot: &SlotName, generation: &str) -> Traffic {
        Traffic::all_to(slot, self.groups.clone(), generation)
    }

    /// All traffic to `slot`, whose members are given requests where they are now.
    #[must_use]
    pub fn as_now(&self, now: &Traffic, slot: &SlotName) -> Traffic {
        let mut to = self.all_to(slot, &now.generation);
        let had = now.groups.get(slot).into_iter().flatten();
        let had: BTreeSet<&HostName> = had
            .filter(|m| m.state == MemberState::Ready)
            .map(|m| &m.host)
            .collect();
        let members = to.groups.get_mut(slot).into_iter().flatten();
        for member in members.filter(|m| !had.contains(&m.host)) {
            member.state = MemberState::Drain;
        }
        to
    }

    /// `traffic` with one member of one slot set to `state`.
    #[must_use]
    pub fn with_member(
        traffic: &Traffic,
        slot: &SlotName,
        host: &HostName,
        state: MemberState,
        generation: &str,
    ) -> Traffic {
        let mut next = traffic.clone();
        generation.clone_into(&mut next.generation);
        let members = next.groups.get_mut(slot).into_iter().flatten();
        members
            .filter(|m| m.host == *host)
            .for_each(|m| m.state = state);
        next
    }
}
