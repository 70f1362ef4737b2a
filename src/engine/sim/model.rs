//! What the hosts run and where the load balancers send to.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::remote::{ContainerSeen, Work};
use crate::fleet::{MemberState, Traffic};
use crate::name::{HostName, ReleaseId, SlotName};
use crate::plan::fixture::World;
use crate::plan::{Move, judge};

/// What is in a slot of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slot {
    /// The release whose containers are there.
    pub release: Option<ReleaseId>,
    /// They run.
    pub up: bool,
    /// Their gates pass.
    pub well: bool,
    /// Restarts by the engine.
    pub restarts: u64,
}

impl Slot {
    pub fn serves(&self) -> bool {
        self.up && self.well
    }
}

/// The whole fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub slots: BTreeMap<(HostName, SlotName), Slot>,
    pub balancers: BTreeMap<HostName, Option<Traffic>>,
    /// Members that were taken out of a load balancer and whose requests may be open there.
    pub open: BTreeSet<(HostName, SlotName, HostName)>,
}

/// Members that a traffic value gives requests to.
pub fn reached(traffic: Option<&Traffic>) -> Vec<(SlotName, HostName)> {
    let mut out = Vec::new();
    if let Some(t) = traffic {
        for (slot, members) in t.groups.iter().filter(|(s, _)| t.reaches(s)) {
            let ready = members.iter().filter(|m| m.state == MemberState::Ready);
            out.extend(ready.map(|m| (slot.clone(), m.host.clone())));
        }
    }
    out
}

impl Model {
    pub fn of(world: &World) -> Self {
        let setup = &world.setup;
        let mut slots = BTreeMap::new();
        for slot in &setup.slots {
            for host in setup.hosts(slot) {
                let view = &world.fleet.hosts[host];
                let running = judge::running(view, &setup.env, &setup.app, slot);
                let mut all = judge::containers(view, &setup.env, &setup.app, slot).peekable();
                let up = all.peek().is_some() && all.all(crate::fleet::Container::fit);
                let found = Slot {
                    release: running.map(|r| r.id),
                    up,
                    well: up,
                    restarts: 0,
                };
                slots.insert((host.clone(), slot.clone()), found);
            }
        }
        let balancers = world.fleet.balancers.iter();
        Self {
            slots,
            balancers: balancers
                .map(|(h, v)| (h.clone(), v.running.get().cloned().flatten()))
                .collect(),
            open: BTreeSet::new(),
        }
    }

    pub fn slot(&mut self, host: &HostName, slot: &SlotName) -> &mut Slot {
        self.slots.entry((host.clone(), slot.clone())).or_default()
    }

    /// What a piece of work does where nothing goes wrong; `false` where a load balancer finds
    /// something else than it was told.
    pub fn apply(&mut self, host: &HostName, work: &Work, well: bool) -> bool {
        match work {
            Work::Pull { .. } | Work::Prepare(_) | Work::Evidence { .. } => {}
            Work::Drain { now, .. } => self.drained(host, now),
            Work::Replace { slot, release } => {
                *self.slot(host, slot) = Slot {
                    release: Some(release.clone()),
                    up: true,
                    well,
                    restarts: 0,
                };
            }
            Work::Revert { slot, to } => {
                *self.slot(host, slot) = Slot {
                    release: to.clone(),
                    up: to.is_some(),
                    well: to.is_some(),
                    restarts: 0,
                };
            }
            Work::Shift(change) => return self.shift(host, change),
        }
        true
    }

    fn shift(&mut self, host: &HostName, change: &Move) -> bool {
        let live = self.balancers[host].clone();
        if live != change.before && live != change.after {
            return false;
        }
        let (old, new) = (reached(live.as_ref()), reached(change.after.as_ref()));
        for (slot, member) in old.into_iter().filter(|m| !new.contains(m)) {
            self.open.insert((host.clone(), slot, member));
        }
        for (slot, member) in new {
            self.open.remove(&(host.clone(), slot, member));
        }
        self.balancers.insert(host.clone(), change.after.clone());
        true
    }

    /// Requests to members outside of what the load balancer does now have ended.
    pub fn drained(&mut self, lb: &HostName, now: &Traffic) {
        let kept = reached(Some(now));
        self.open
            .retain(|(b, slot, host)| b != lb || kept.contains(&(slot.clone(), host.clone())));
    }

    /// What a watcher on the host sees.
    pub fn containers(&self, host: &HostName, slot: &SlotName) -> Vec<ContainerSeen> {
        let found = self.slots.get(&(host.clone(), slot.clone()));
        let release = found.and_then(|s| Some((s, s.release.as_ref()?)));
        let Some((slot, release)) = release else {
            return Vec::new();
        };
        vec![ContainerSeen {
            service: "web".into(),
            state: if slot.up { "running" } else { "exited" }.into(),
            health: "none".into(),
            restarts: slot.restarts,
            exit_code: if slot.up { 0 } else { 1 },
            oom: false,
            release: release.to_string(),
            one_shot: false,
        }]
    }
}
