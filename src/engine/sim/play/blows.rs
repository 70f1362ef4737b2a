//! What happens to the fleet and to the client at a time of its own.

use super::super::fault::{Blow, kind};
use super::super::model::Slot;
use super::{Act, Event, Play};
use crate::engine::dispatch::In;
use crate::engine::remote::Work;
use crate::name::{HostName, Outcome, OutcomeKind, SlotName};

impl Play<'_> {
    pub(super) fn blow(&mut self, blow: Blow) -> Result<(), String> {
        let target = self.stage.plan.target.clone();
        let hit = |play: &mut Self, host: &HostName, change: fn(&mut Slot)| {
            change(play.model.slot(host, &target));
            play.hurt.insert(host.clone(), play.now);
        };
        match &blow {
            Blow::Signal => {
                self.signals += 1;
                return self.tell(In::Signal(self.signals));
            }
            Blow::Killed { sent } => return self.die(*sent),
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
            }
            Blow::Mute(host) => {
                self.mute.insert(host.clone());
            }
        }
        Ok(())
    }

    /// Nobody hears any more. What was sent goes on to its end; a pull ends with its connection.
    fn die(&mut self, sent: bool) -> Result<(), String> {
        let waits = |e: &Event| match e {
            Event::Effect(token) => Some(*token),
            _ => None,
        };
        let waiting: Vec<u64> = self.queue.values().filter_map(waits).collect();
        self.open = self.acts.values().map(|a| kind(&a.work)).collect();
        for token in waiting {
            let pull = |a: &Act| matches!(a.work, Work::Pull { .. } | Work::Drain { .. });
            if sent && !self.acts.get(&token).is_some_and(pull) {
                self.effect(token)?;
            }
        }
        self.dead = true;
        self.ended = Some(Outcome {
            kind: OutcomeKind::Unfinished,
            why: "its client died".into(),
            hosts: Vec::new(),
        });
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
