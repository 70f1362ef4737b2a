//! The verbs in memory: what the scripts must do, in plain Rust, clocks included.
//!
//! [`Host`] is one app's record on one host. `tests/record_conformance.rs` runs the same random
//! verbs here and on the real scripts; a simulated fleet is a map of these. A crash inside a step
//! is [`Host::begin`] without [`Host::finish`], followed by [`Host::crash`].

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Debt, SlotRecord};
use crate::name::{Fence, HostName, MachineId, OutcomeKind, ReleaseId, RunId, SlotName};
use crate::release::HostRelease;

use super::history::HistoryEntry;
use super::look::{Claim, Hold, Look, Running, StateDir, Switch};
use super::reply::{
    ClaimReply, HoldReply, Holder, PeekReply, Phase, ReleaseReply, RenewReply, StepReply, TakeReply,
};
use super::verb::{ClaimId, HoldLevel, KEEP_HISTORY, Take, Upload, attempt};

/// When a lease ends, and in which boot that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    boot: String,
    end: u64,
}

/// The record of one app on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    machine: MachineId,
    /// Which boot; change it with [`Host::reboot`].
    boot: String,
    /// Uptime at which pid 1 began; not 0 in a container.
    born: u64,
    /// Seconds of uptime.
    pub uptime: u64,
    /// The host's wall clock, seconds since the epoch.
    pub wall: i64,
    made: bool,
    claim: Option<Claim>,
    leases: BTreeMap<Fence, Lease>,
    last: Option<Claim>,
    holds: BTreeMap<&'static str, Hold>,
    manifests: BTreeSet<RunId>,
    releases: BTreeMap<ReleaseId, BTreeMap<SlotName, HostRelease>>,
    promoted: Vec<ReleaseId>,
    outcomes: BTreeMap<RunId, OutcomeKind>,
    taken_from: BTreeMap<Fence, (u64, Phase)>,
    outputs: BTreeMap<(RunId, u64), Vec<String>>,
    running: BTreeMap<RunId, Running>,
    history: Vec<HistoryEntry>,
    /// The lock is held by a script that runs a step.
    locked: bool,
    /// What was last brought up in each slot; written by bodies.
    pub slots: BTreeMap<SlotName, SlotRecord>,
    /// Hosts that missed a change; written by bodies.
    pub owing: BTreeMap<HostName, Debt>,
    /// The traffic change under way; written by bodies.
    pub switch: Option<Switch>,
}

/// The step a script asks for, without its body.
#[derive(Debug, Clone)]
pub struct StepAsk<'a> {
    /// Who asks.
    pub id: &'a ClaimId,
    /// Number of the step.
    pub seq: u64,
    /// Name of the step.
    pub name: &'a str,
    /// Ends with its connection.
    pub tied: bool,
    /// Seconds that it may take.
    pub limit: u64,
}

impl Host {
    /// A host that nobody has claimed yet.
    #[must_use]
    pub fn new(machine: MachineId, boot: impl Into<String>, born: u64, wall: i64) -> Self {
        Self {
            machine,
            boot: boot.into(),
            born,
            uptime: born,
            wall,
            made: false,
            claim: None,
            leases: BTreeMap::new(),
            last: None,
            holds: BTreeMap::new(),
            manifests: BTreeSet::new(),
            releases: BTreeMap::new(),
            promoted: Vec::new(),
            outcomes: BTreeMap::new(),
            taken_from: BTreeMap::new(),
            outputs: BTreeMap::new(),
            running: BTreeMap::new(),
            history: Vec::new(),
            locked: false,
            slots: BTreeMap::new(),
            owing: BTreeMap::new(),
            switch: None,
        }
    }

    /// Another boot: what ran is gone, leases end `ttl` after it.
    pub fn reboot(&mut self, boot: impl Into<String>, born: u64) {
        self.boot = boot.into();
        (self.born, self.uptime, self.locked) = (born, born, false);
    }

    /// The script that runs is killed, and its children with it: the kernel frees the lock.
    pub fn crash(&mut self) {
        self.locked = false;
    }

    fn left(&self, claim: &Claim) -> u64 {
        let end = match self.leases.get(&claim.fence) {
            Some(lease) if lease.boot == self.boot => lease.end,
            _ => self.born + claim.ttl,
        };
        end.saturating_sub(self.uptime).min(claim.ttl)
    }

    fn lease(&mut self, fence: &Fence, ttl: u64) {
        let lease = Lease {
            boot: self.boot.clone(),
            end: self.uptime + ttl,
        };
        self.leases.insert(fence.clone(), lease);
    }

    fn holder(&self, claim: &Claim, with_left: bool) -> Holder {
        Holder {
            run: claim.run.clone(),
            fence: claim.fence.clone(),
            who: claim.who.clone(),
            seq: claim.seq,
            phase: claim.phase,
            left: with_left.then(|| self.left(claim)),
            at: None,
            past: false,
        }
    }

    /// Who held the host last, where nobody does now.
    fn gone(&self) -> Option<Holder> {
        let past = true;
        (self.last.as_ref()).map(|c| Holder {
            past,
            ..self.holder(c, false)
        })
    }

    /// Persons' locks, the environment's first.
    fn holds(&self) -> impl Iterator<Item = &Hold> {
        ["env", "app"].into_iter().filter_map(|l| self.holds.get(l))
    }

    fn person(&self) -> Option<&Hold> {
        self.holds()
            .find(|h| h.until.is_none_or(|until| until > self.wall))
    }

    /// `look`, with these lines as facts.
    #[must_use]
    pub fn look(&self, facts: &[String]) -> Look {
        let claim = self.claim.clone();
        let of_run = |claim: &Claim| self.running.get(&claim.run).cloned();
        Look {
            machine: self.made.then(|| self.machine.clone()),
            boot: self.boot.clone(),
            uptime: self.uptime,
            wall: self.wall,
            fs: String::new(),
            state: if self.made {
                StateDir::Ready
            } else {
                StateDir::Creatable
            },
            holds: self.holds().cloned().collect(),
            left: claim.as_ref().map_or(0, |c| self.left(c)),
            manifest: claim
                .as_ref()
                .is_some_and(|c| self.manifests.contains(&c.run)),
            outcome: claim
                .as_ref()
                .and_then(|c| self.outcomes.get(&c.run).copied()),
            running: claim.as_ref().and_then(of_run),
            claim,
            last: self.last.clone(),
            slots: self.slots.clone(),
            owing: self.owing.clone(),
            jobs: Vec::new(),
            switch: self.switch.clone(),
            history: self.history[self.history.len().saturating_sub(5)..].to_vec(),
            releases: self.releases.keys().cloned().collect(),
            kept: self.kept(),
            promoted: self.promoted.clone(),
            damaged: Vec::new(),
            facts: facts.to_vec(),
        }
    }

    /// What the releases in `slots` want of the host; with one slot the last three that served too.
    fn kept(&self) -> Vec<HostRelease> {
        let mut kept: Vec<HostRelease> = Vec::new();
        let held = self.slots.values().map(|record| &record.release);
        let served = self.promoted.iter().rev().take(3).rev();
        let all = held.chain(served.filter(|_| self.slots.len() == 1));
        for release in all.filter_map(|id| self.releases.get(id)).flatten() {
            if !kept.contains(release.1) {
                kept.push(release.1.clone());
            }
        }
        kept
    }

    /// `claim`.
    pub fn claim(
        &mut self,
        id: &ClaimId,
        heed_hold: bool,
        upload: &Upload,
        facts: &[String],
    ) -> ClaimReply {
        let again = match &self.claim {
            Some(claim) if claim.fence != id.fence => {
                return ClaimReply::Held(self.holder(claim, true));
            }
            claim => claim.is_some(),
        };
        if heed_hold && let Some(hold) = self.person() {
            return ClaimReply::Hold(hold.clone());
        }
        self.made = true;
        if self.locked {
            return ClaimReply::Busy;
        }
        if upload.manifest.is_some() {
            self.manifests.insert(id.run.clone());
        }
        if let Some((release, _)) = &upload.release {
            let slots = self.releases.entry(release.label.id.clone()).or_default();
            slots
                .entry(release.slot.clone())
                .or_insert_with(|| release.clone());
        }
        if !again {
            self.lease(&id.fence, u64::from(id.ttl_secs));
            self.claim = Some(Self::fresh(id));
        }
        ClaimReply::Taken {
            again,
            machine: self.machine.clone(),
            look: Box::new(self.look(facts)),
        }
    }

    fn fresh(id: &ClaimId) -> Claim {
        Claim {
            run: id.run.clone(),
            fence: id.fence.clone(),
            ttl: u64::from(id.ttl_secs),
            seq: 0,
            phase: Phase::Claimed,
            who: id.who.clone(),
        }
    }

    /// `renew`.
    pub fn renew(&mut self, fence: &Fence) -> RenewReply {
        match self.claim.clone() {
            Some(claim) if claim.fence == *fence => {
                self.lease(fence, claim.ttl);
                RenewReply::Renewed
            }
            Some(claim) => RenewReply::Lost(Some(self.holder(&claim, false))),
            None => RenewReply::Lost(self.gone()),
        }
    }

    /// The first half of `step`, until the body starts. Holds the lock where it is `Ok`.
    ///
    /// # Errors
    /// The answer, where no body is to run.
    pub fn begin(&mut self, ask: &StepAsk<'_>) -> Result<(), StepReply> {
        if self.locked {
            return Err(StepReply::Busy);
        }
        let Some(mut claim) = self.claim.clone() else {
            return Err(StepReply::Lost(self.gone()));
        };
        if claim.fence != ask.id.fence {
            return Err(StepReply::Lost(Some(self.holder(&claim, false))));
        }
        if ask.seq == claim.seq {
            let key = (ask.id.run.clone(), ask.seq);
            let output = self.outputs.get(&key).cloned().unwrap_or_default();
            return Err(match claim.phase {
                Phase::Done(rc) => StepReply::Done {
                    rc,
                    again: true,
                    saved: true,
                    output,
                },
                _ => StepReply::Unknown { output },
            });
        }
        if ask.seq < claim.seq {
            return Err(StepReply::Stale { seq: claim.seq });
        }
        self.running
            .insert(ask.id.run.clone(), running(ask, self.uptime));
        self.outputs
            .insert((ask.id.run.clone(), ask.seq), Vec::new());
        (claim.seq, claim.phase) = (ask.seq, Phase::Begun);
        self.claim = Some(claim);
        self.locked = true;
        Ok(())
    }

    /// The second half of `step`: the body ended.
    pub fn finish(&mut self, ask: &StepAsk<'_>, rc: i32, output: Vec<String>) -> StepReply {
        let key = (ask.id.run.clone(), ask.seq);
        self.outputs.insert(key, output.clone());
        if let Some(claim) = &mut self.claim {
            claim.phase = Phase::Done(rc);
            let (fence, ttl) = (claim.fence.clone(), claim.ttl);
            self.lease(&fence, ttl);
        }
        self.locked = false;
        StepReply::Done {
            rc,
            again: false,
            saved: true,
            output,
        }
    }

    /// `step`, with a body that is over at once.
    pub fn step(
        &mut self,
        ask: &StepAsk<'_>,
        body: impl FnOnce(&mut Self) -> (i32, Vec<String>),
    ) -> StepReply {
        if let Err(reply) = self.begin(ask) {
            return reply;
        }
        let (rc, output) = body(self);
        self.finish(ask, rc, output)
    }

    /// `take`. A step that still runs is ended where it is tied or `kill` is asked.
    pub fn take(&mut self, id: &ClaimId, what: &Take) -> TakeReply {
        let Some(claim) = self.claim.clone() else {
            return TakeReply::Free;
        };
        if claim.fence == id.fence {
            let (seq, phase) = self
                .taken_from
                .get(&id.fence)
                .copied()
                .unwrap_or((0, Phase::Claimed));
            return TakeReply::Taken {
                seq,
                phase,
                again: true,
            };
        }
        let untouched = claim.seq == 0 && attempt(&claim.fence) == Some(1);
        if claim.fence != what.expected
            || (!what.force && self.left(&claim) > 0)
            || (claim.run != id.run && !untouched && !what.displace)
        {
            return TakeReply::Held(self.holder(&claim, true));
        }
        if self.locked {
            let running = self.running.get(&claim.run);
            if !what.kill && !running.is_some_and(|r| r.tied) {
                return self.busy(running);
            }
            self.locked = false;
        }
        self.taken_from
            .insert(id.fence.clone(), (claim.seq, claim.phase));
        self.manifests
            .extend(what.manifest.as_ref().map(|_| id.run.clone()));
        self.lease(&id.fence, u64::from(id.ttl_secs));
        self.claim = Some(Self::fresh(id));
        TakeReply::Taken {
            seq: claim.seq,
            phase: claim.phase,
            again: false,
        }
    }

    fn busy(&self, running: Option<&Running>) -> TakeReply {
        let ends = running.map_or(0, |r| (r.since + r.limit).cast_signed());
        TakeReply::Busy {
            pids: Vec::new(),
            step: running.map_or_else(|| "-".to_owned(), |r| r.name.clone()),
            ends: ends - self.uptime.cast_signed(),
        }
    }

    /// `release`.
    pub fn release(
        &mut self,
        fence: &Fence,
        outcome: OutcomeKind,
        entry: &HistoryEntry,
    ) -> ReleaseReply {
        if self.locked {
            return ReleaseReply::Busy;
        }
        let Some(claim) = self.claim.clone() else {
            let (again, told) = (true, true);
            return ReleaseReply::Released { again, told };
        };
        if claim.fence != *fence {
            return ReleaseReply::Lost(Some(self.holder(&claim, false)));
        }
        self.outcomes.insert(claim.run.clone(), outcome);
        self.history.retain(|e| e.run != entry.run);
        self.history.push(entry.clone());
        if let Some(served) = entry.promotes() {
            self.promoted.retain(|id| id != served);
            self.promoted.push(served.clone());
            let extra = self.promoted.len().saturating_sub(20);
            self.promoted.drain(..extra);
        }
        let extra = self.history.len().saturating_sub(KEEP_HISTORY as usize + 1);
        self.history.drain(..extra);
        self.running.remove(&claim.run);
        self.leases.clear();
        self.last = self.claim.take();
        let (again, told) = (false, true);
        ReleaseReply::Released { again, told }
    }

    /// `unclaim`.
    pub fn unclaim(&mut self, fence: &Fence) -> ReleaseReply {
        let again = self.claim.is_none();
        match &self.claim {
            _ if self.locked => return ReleaseReply::Busy,
            Some(claim) if claim.fence != *fence => {
                return ReleaseReply::Lost(Some(self.holder(claim, false)));
            }
            Some(claim) => {
                self.running.remove(&claim.run);
                self.leases.clear();
                self.claim = None;
            }
            None => {}
        }
        ReleaseReply::Released { again, told: true }
    }

    /// `peek`.
    #[must_use]
    pub fn peek(&self) -> PeekReply {
        self.claim
            .as_ref()
            .map_or(PeekReply::Free, |c| PeekReply::Held {
                holder: self.holder(c, true),
                pids: Vec::new(),
                running: self.running.get(&c.run).cloned(),
            })
    }

    /// `hold`.
    pub fn hold(&mut self, hold: Hold) -> HoldReply {
        self.made = true;
        let held = self.holds.get(hold.level.word());
        match held.filter(|h| h.until.is_none_or(|until| until > self.wall)) {
            Some(held) => HoldReply::Held(held.clone()),
            None => {
                self.holds.insert(hold.level.word(), hold);
                HoldReply::Set
            }
        }
    }

    /// `unhold`.
    pub fn unhold(&mut self, level: HoldLevel) -> bool {
        self.holds.remove(level.word()).is_some()
    }
}

fn running(ask: &StepAsk<'_>, uptime: u64) -> Running {
    Running {
        seq: ask.seq,
        name: ask.name.to_owned(),
        tied: ask.tied,
        limit: ask.limit,
        since: uptime,
    }
}
