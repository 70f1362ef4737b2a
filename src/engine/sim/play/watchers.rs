//! What watchers see and say.

use std::time::Duration;

use super::{Event, Play};
use crate::engine::dispatch::In;
use crate::engine::remote::{Seen, Watch};
use crate::name::{HostName, SlotName};

impl Play<'_> {
    pub(super) fn watch(&mut self, i: usize) -> Result<(), String> {
        let late = self.dice.as_mut().is_some_and(|d| d.one_in(25));
        let next = if late {
            Duration::from_secs(4)
        } else {
            self.pace(450, 550)
        };
        self.soon(next, Event::Watch(i));
        let (asker, watch) = self.watches[i].clone();
        let down = self.down.contains(&asker);
        if down || self.mute.contains(&asker) {
            return Ok(());
        }
        match watch {
            Watch::Member { slot } => {
                let list = self.model.containers(&asker, &slot);
                self.seen(&asker, Seen::Containers(list))?;
                self.probe(&asker, &asker, &slot)
            }
            Watch::Balancer { slot } => {
                let members: Vec<HostName> = self.stage.world.setup.hosts(&slot).cloned().collect();
                members
                    .iter()
                    .try_for_each(|m| self.probe(&asker, m, &slot))
            }
        }
    }

    fn probe(
        &mut self,
        asker: &HostName,
        member: &HostName,
        slot: &SlotName,
    ) -> Result<(), String> {
        let good = self.model.slot(member, slot).serves() && !self.hiccup.remove(member);
        let heard = self
            .heard
            .entry((member.clone(), asker.clone()))
            .or_default();
        if good {
            heard.row += 1;
            heard.most = heard.most.max(heard.row);
            heard.good = Some(self.now);
        } else {
            heard.row = 0;
        }
        let seen = Seen::Gate {
            member: (asker != member).then(|| member.clone()),
            gate: 0,
            ok: good,
            detail: if good { "HTTP 200" } else { "HTTP 503" }.into(),
        };
        self.seen(asker, seen)
    }

    fn seen(&mut self, asker: &HostName, seen: Seen) -> Result<(), String> {
        if self.ended.is_some() {
            return Ok(());
        }
        let asker = asker.clone();
        self.tell(In::Seen { asker, seen })
    }
}
