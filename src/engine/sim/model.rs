//! What the hosts run and where the load balancers send to.

use std::collections::{BTreeMap, BTreeSet};

use super::play::changed;
use super::{activity, jobs};
use crate::engine::remote::{ContainerSeen, Work};
use crate::fleet::{JobMark, JobState, MemberState, Traffic};
use crate::name::{HostName, JobName, ReleaseId, SlotName};
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
    /// Who owes, as each host remembers it.
    pub debts: BTreeMap<HostName, BTreeSet<HostName>>,
    /// What load balancers do that were left out.
    pub hidden: BTreeMap<HostName, Traffic>,
    /// Members that are switched on.
    pub active: BTreeSet<(HostName, SlotName)>,
    /// What each app host remembers of jobs.
    pub jobs: BTreeMap<HostName, Vec<JobMark>>,
    /// How often each attempt of a job was started.
    pub starts: BTreeMap<(ReleaseId, JobName, u32), u32>,
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

/// A load balancer that is left out does what it owes; else what the others do.
fn hidden(world: &World) -> BTreeMap<HostName, Traffic> {
    let debts = world.fleet.debts();
    let others = world.fleet.balancers.values().next();
    let others = others.and_then(|v| v.running.get().cloned().flatten());
    let of = |lb: &crate::plan::LbHost| {
        let owed = debts.get(&lb.host).and_then(|d| d.slots.first());
        let owed = owed.map(|s| world.setup.all_to(s, "g9"));
        Some((lb.host.clone(), owed.or_else(|| others.clone())?))
    };
    world.setup.left_out.iter().filter_map(of).collect()
}

impl Model {
    pub fn of(world: &World) -> Self {
        let setup = &world.setup;
        let mut slots = BTreeMap::new();
        for slot in &setup.slots {
            for host in setup.hosts(slot) {
                let Some(view) = world.fleet.hosts.get(host) else {
                    continue;
                };
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
                .map(|(h, v)| {
                    let now = v.running.get().cloned().flatten();
                    let spare = v.spare.clone();
                    (h.clone(), now.map(|t| Traffic { spare, ..t }))
                })
                .collect(),
            debts: world
                .fleet
                .records()
                .map(|(h, r)| (h.clone(), r.owing.keys().cloned().collect()))
                .collect(),
            hidden: hidden(world),
            active: activity::of(world),
            jobs: jobs::of(world),
            starts: BTreeMap::new(),
            open: BTreeSet::new(),
        }
    }

    pub fn slot(&mut self, host: &HostName, slot: &SlotName) -> &mut Slot {
        self.slots.entry((host.clone(), slot.clone())).or_default()
    }

    /// What a piece of work does where nothing goes wrong; `false` where a load balancer finds
    /// something else than it was told.
    pub fn apply(&mut self, host: &HostName, work: &Work, well: bool) -> bool {
        // New containers begin switched off.
        for slot in changed(work) {
            self.active.remove(&(host.clone(), slot.clone()));
        }
        match work {
            Work::Pull { .. } | Work::Prepare(_) | Work::Evidence { .. } => {}
            Work::Drain { now, .. } => self.drained(host, now),
            Work::Owe { owing, paid } => {
                let debts = self.debts.entry(host.clone()).or_default();
                debts.extend(owing.iter().map(|o| o.host.clone()));
                debts.retain(|h| !paid.contains(h));
            }
            Work::Activate { slot } => {
                self.active.insert((host.clone(), slot.clone()));
            }
            Work::Deactivate { slot } => {
                self.active.remove(&(host.clone(), slot.clone()));
            }
            Work::Job(start) => self.starts(start, JobState::Done),
            Work::Mark { start, state } => self.marks(host, start, *state),
            Work::Stop { slot } => *self.slot(host, slot) = Slot::default(),
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
            Work::Remove { slots } => {
                for slot in slots {
                    *self.slot(host, slot) = Slot::default();
                }
            }
            Work::Shift(change) => return self.shift(host, change),
        }
        true
    }

    fn shift(&mut self, host: &HostName, change: &Move) -> bool {
        let live = self.balancers[host].clone();
        // A spare comes and goes beside the value that a load balancer compares.
        let value = |t: &Option<Traffic>| t.as_ref().map(Traffic::without_spare);
        let [is, was, will] = [&live, &change.before, &change.after].map(value);
        if is != was && is != will {
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
