//! What happens to the fleet and to the client at a time of its own.

use std::time::Duration;

use super::super::fault::Fault;
use super::super::fault::{Blow, kind};
use super::super::model::Slot;
use super::super::{activity, judge};
use super::{Act, Event, Play};
use crate::engine::dispatch::In;
use crate::engine::remote::{Trouble, Work};
use crate::name::{HostName, Outcome, OutcomeKind, SlotName};

/// So long a host takes to start again.
const BOOT: Duration = Duration::from_secs(6);

impl Play<'_> {
    pub(super) fn blow(&mut self, blow: Blow) -> Result<(), String> {
        let target = self.stage.plan.target.clone();
        let hit = |play: &mut Self, host: &HostName, change: fn(&mut Slot)| {
            change(play.model.slot(host, &target));
            play.hurt.insert(host.clone(), play.now);
        };
        let open = self.acts.values().next().map_or("-", |a| kind(&a.work));
        self.blown.push((open, blow.name()));
        match &blow {
            Blow::Signal => {
                self.signals += 1;
                return self.tell(In::Signal(self.signals));
            }
            Blow::Killed { sent } => return self.die(|_| *sent),
            Blow::Torn { odd } => return self.die(|nth| (nth % 2 == 1) == *odd),
            Blow::Dies(host) => self.falls(host),
            Blow::Reboots(host) => {
                self.falls(host);
                self.soon(BOOT, Event::Back(host.clone()));
            }
            Blow::OldFile(lb) => {
                let old = self.start.balancers[lb].clone();
                self.model.balancers.insert(lb.clone(), old);
                self.reverted.insert(lb.clone());
                self.faulty.insert(lb.clone());
            }
            Blow::Clock(host) => self.claims.step_clock(host, 7_200),
            Blow::Closes => {
                let closed = "the window closed".to_owned();
                self.dispatcher.closes(self.now, closed);
            }
            Blow::Doubt => return self.tell(In::LeaseDoubtful),
            Blow::Taken(host) => {
                self.lost = true;
                let by = "run r-2".to_owned();
                return self.tell(In::Lost {
                    host: host.clone(),
                    by,
                });
            }
            Blow::Ends(host) => hit(self, host, |s| {
                (s.up, s.well) = (false, false);
                s.restarts += 1;
            }),
            Blow::Restarts(host) => hit(self, host, |s| s.restarts += 1),
            Blow::Unwell(host) => hit(self, host, |s| s.well = false),
            Blow::Hiccup(host) => {
                self.hiccup.insert(host.clone());
                self.hiccups.insert(host.clone());
            }
            Blow::Mute(host) => {
                self.mute.insert(host.clone());
            }
        }
        Ok(())
    }

    /// Nobody hears any more. What was sent and comes to its host goes on to its end; a pull ends with
    /// its connection.
    fn die(&mut self, comes: impl Fn(usize) -> bool) -> Result<(), String> {
        let waits = |e: &Event| match e {
            Event::Effect(token) => Some(*token),
            _ => None,
        };
        let waiting: Vec<u64> = self.queue.values().filter_map(waits).collect();
        self.open = self.acts.values().map(|a| kind(&a.work)).collect();
        let pull = |a: &Act| matches!(a.work, Work::Pull { .. } | Work::Drain { .. });
        for (nth, token) in waiting.into_iter().enumerate() {
            let act = self.acts.get(&token).filter(|a| !pull(a)).cloned();
            match act {
                Some(_) if comes(nth) => self.effect(token)?,
                Some(act) => self.flying.push(act),
                None => {}
            }
        }
        let late = self.queue.values().filter_map(|e| match e {
            Event::Late(act) | Event::Displaced(act) if !pull(act) => Some((**act).clone()),
            _ => None,
        });
        self.flying.extend(late);
        self.dead = true;
        self.ended = Some(Outcome {
            kind: OutcomeKind::Unfinished,
            why: "its client died".into(),
            hosts: Vec::new(),
        });
        Ok(())
    }

    /// The power of a host fails: a slot that is being replaced is left half done.
    fn falls(&mut self, host: &HostName) {
        if !self.down.insert(host.clone()) {
            return;
        }
        self.fell.insert(host.clone(), self.now);
        self.hurt.insert(host.clone(), self.now);
        self.faulty.insert(host.clone());
        let own = self.model.slots.iter_mut().filter(|((h, _), _)| h == host);
        for (key, slot) in own {
            if slot.up {
                self.revives.insert(key.clone(), slot.well);
            }
            (slot.up, slot.well) = (false, false);
        }
        let waiting = self.queue.values().filter_map(|e| match e {
            Event::Effect(token) => self.acts.get(token),
            _ => None,
        });
        let cut: Vec<Act> = waiting.filter(|a| a.host == *host).cloned().collect();
        for act in cut {
            let Some(seq) = act.seq else { continue };
            if self.claims.begin(host, seq, &act.work).is_err() {
                continue;
            }
            if let Work::Replace { slot, release } = &act.work {
                let half = self.model.slot(host, slot);
                half.release = Some(release.clone());
                self.revives.insert((host.clone(), slot.clone()), true);
                let key = (host.clone(), slot.clone());
                self.touched.insert(key.clone(), None);
                self.model.active.remove(&key);
            }
        }
    }

    /// It is there again, with whatever its engine starts at boot; nothing of a run goes on there.
    pub(super) fn back(&mut self, host: &HostName) -> Result<(), String> {
        self.down.remove(host);
        self.hurt.insert(host.clone(), self.now);
        self.claims.reboot(host);
        let all = std::mem::take(&mut self.revives);
        for ((h, slot), well) in all {
            if h == *host {
                let found = self.model.slot(&h, &slot);
                (found.up, found.well) = (found.release.is_some(), well);
            } else {
                self.revives.insert((h, slot), well);
            }
        }
        Ok(())
    }

    /// Whether no answer of that work can come: its host has fallen since it began.
    pub(super) fn cut(&self, act: &Act) -> bool {
        self.down.contains(&act.host) || self.fell.get(&act.host).is_some_and(|at| *at >= act.begun)
    }

    /// What keeps work from being done where it comes: its host is down, or the record refuses it.
    pub(super) fn kept_from(&mut self, act: &Act) -> Option<Trouble> {
        if self.cut(act) {
            return Some(Trouble::Silent("it does not answer".into()));
        }
        let seq = act.seq?;
        let begun = self.claims.begin(&act.host, seq, &act.work);
        if begun.is_ok() {
            let bad = matches!(act.fault, Some(Fault::Fails | Fault::FailsAfter));
            self.claims.end(&act.host, seq, i32::from(bad));
        }
        begun.err()
    }

    /// Nobody waits for it any more: whether it is done the record alone decides.
    pub(super) fn comes_late(&mut self, act: Act) -> Result<(), String> {
        let (Some(seq), false) = (act.seq, self.down.contains(&act.host)) else {
            return Ok(());
        };
        match self.claims.begin(&act.host, seq, &act.work) {
            Ok(()) => self.done_late(act),
            Err(_) => {
                self.late.1 += 1;
                Ok(())
            }
        }
    }

    /// The same under a claim that was taken from whoever sent it.
    pub(super) fn comes_displaced(&mut self, act: Act) -> Result<(), String> {
        let Some(seq) = act.seq.filter(|_| !self.down.contains(&act.host)) else {
            return Ok(());
        };
        match self.claims.displaced(&act.host, seq, &act.work) {
            Ok(()) => self.done_late(act),
            Err(Trouble::Lost { .. }) => {
                self.late.1 += 1;
                Ok(())
            }
            Err(other) => Err(format!("a displaced run was told {other:?}")),
        }
    }

    fn done_late(&mut self, act: Act) -> Result<(), String> {
        judge::on_effect(self, &act).map_err(|why| format!("late: {why}"))?;
        self.late.0 += 1;
        for slot in changed(&act.work) {
            let key = (act.host.clone(), slot.clone());
            self.touched.insert(key, Some(self.now));
            self.hurt.insert(act.host.clone(), self.now);
        }
        self.model.apply(&act.host, &act.work, true);
        let takes = Duration::from_millis(150);
        self.soon(takes, Event::Ends(Box::new(act)));
        activity::alone(self).map_err(|why| format!("late: {why}"))
    }

    /// Its lock is free again.
    pub(super) fn ends_late(&mut self, act: &Act) -> Result<(), String> {
        if let Some(seq) = act.seq.filter(|_| !self.down.contains(&act.host)) {
            self.claims.end(&act.host, seq, 0);
        }
        Ok(())
    }

    /// The run is over and its hosts are given back: whatever still comes to one of them is refused.
    pub(super) fn after_all(&mut self, outcome: &Outcome) -> Result<(), String> {
        if self.lost || outcome.kind == OutcomeKind::Unfinished {
            return Ok(());
        }
        let queue = std::mem::take(&mut self.queue);
        let late = queue.into_values().filter_map(|e| match e {
            Event::Late(act) => Some(*act),
            _ => None,
        });
        for act in late.filter(|a| !self.down.contains(&a.host)) {
            let told = act
                .seq
                .map(|seq| self.claims.after_all(&act.host, seq, &act.work));
            if !matches!(told, None | Some(Err(_))) {
                return Err(format!("{:?} came to {} after the end", act.work, act.host));
            }
        }
        Ok(())
    }
}

/// The slots that a piece of work changes.
pub fn changed(work: &Work) -> impl Iterator<Item = &SlotName> {
    match work {
        Work::Stop { slot } | Work::Replace { slot, .. } | Work::Revert { slot, .. } => {
            std::slice::from_ref(slot)
        }
        Work::Remove { slots } => slots,
        _ => &[],
    }
    .iter()
}
