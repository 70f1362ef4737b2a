//! What planning needs to know from the configuration, for one app of one environment.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::fleet::{Member, MemberState, Traffic};
use crate::name::{AppName, BalancerName, EnvName, HostName, SlotName};

/// The app as planning sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Gates that every member must pass.
    pub gates: Vec<GateSpec>,
    /// Time after the switch with gates on.
    pub bake: Duration,
    /// Longest wait for open requests of the old slot.
    pub drain: Duration,
}

/// One host of a load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LbHost {
    /// The host.
    pub host: HostName,
    /// The balancer that it belongs to.
    pub balancer: BalancerName,
    /// Whether single members can be drained there.
    pub drain: bool,
}

/// From where a gate is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateView {
    /// From the member's own host.
    Host,
    /// From each load balancer.
    Balancer,
}

/// One gate with its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GateKind {
    /// A GET that must answer with a status of 200–399, or exactly the one named.
    Http {
        /// Path with leading slash.
        path: String,
        /// Port; the app's where absent.
        port: Option<u16>,
        /// Exact status wanted.
        status: Option<u16>,
    },
    /// A TCP connection that must be accepted.
    Tcp {
        /// Port; the app's where absent.
        port: Option<u16>,
    },
}

impl GateSpec {
    /// As people call it, e.g. `GET /healthz`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.kind {
            GateKind::Http { path, .. } => format!("GET {path}"),
            GateKind::Tcp { port: Some(port) } => format!("TCP {port}"),
            GateKind::Tcp { port: None } => "TCP".to_owned(),
        }
    }
}

impl Setup {
    /// Hosts of a slot.
    pub fn hosts(&self, slot: &SlotName) -> impl Iterator<Item = &HostName> {
        self.groups.get(slot).into_iter().flatten().map(|m| &m.host)
    }

    /// All app hosts, slot by slot.
    pub fn all_hosts(&self) -> impl Iterator<Item = &HostName> {
        self.slots.iter().flat_map(|s| self.hosts(s))
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
