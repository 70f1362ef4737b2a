//! Who missed a change, as the other hosts remember it: hosts are *owing* until they have caught up.
//!
//! A load balancer that was left out may still send to what it sent to then; an app host that was
//! left out has missed a release. Nobody's word but a verified change, or a person's, ends a debt.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Fleet, RecordView};
use crate::name::{HostName, RunId, SlotName};

/// What one host missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// Generation of the traffic value that it missed.
    pub generation: String,
    /// Slots that it may still send to, where it is a load balancer.
    pub slots: BTreeSet<SlotName>,
    /// The run that left it out.
    pub run: RunId,
    /// Since when, seconds since the epoch by the clock of the host that remembers it.
    pub since: i64,
}

/// In place of a generation: a person took the host out of traffic.
pub const DRAINED: &str = "drained";

impl Debt {
    /// A person took it out of traffic, for all apps, until a person brings it back.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.generation == DRAINED
    }

    /// In a few words.
    #[must_use]
    pub fn says(&self) -> String {
        if self.drained() {
            return format!("was drained by run {}", self.run);
        }
        if self.slots.is_empty() {
            return format!("missed run {}", self.run);
        }
        let slots: Vec<&str> = self.slots.iter().map(SlotName::as_str).collect();
        format!(
            "may still send to {} since run {}",
            slots.join(" or "),
            self.run
        )
    }
}

impl Fleet {
    /// The record of every host that answered.
    pub fn records(&self) -> impl Iterator<Item = (&HostName, &RecordView)> {
        let apps = self.hosts.iter().map(|(h, v)| (h, &v.record));
        apps.chain(self.balancers.iter().map(|(h, v)| (h, &v.record)))
    }

    fn say_drained(&self, host: &HostName) -> usize {
        let say = self.records().filter_map(|(_, r)| r.owing.get(host));
        say.filter(|d| d.drained()).count()
    }

    /// Hosts that a person took out of traffic.
    #[must_use]
    pub fn drained(&self) -> BTreeSet<HostName> {
        let debts = self.debts().into_iter();
        debts.filter(|(_, d)| d.drained()).map(|(h, _)| h).collect()
    }

    /// Who owes what. Where hosts remember different things, all that any of them says holds: one
    /// that was not there when a debt was paid may still remember it, which costs a `catch-up`; one
    /// that forgot would cost requests.
    #[must_use]
    pub fn debts(&self) -> BTreeMap<HostName, Debt> {
        let mut all: BTreeMap<HostName, Debt> = BTreeMap::new();
        let answered = self.records().count();
        for (host, debt) in self.records().flat_map(|(_, r)| &r.owing) {
            // To be out of traffic is what most remember: one that was away when the host was brought
            // back must not take it out again.
            if debt.drained() && self.say_drained(host) * 2 <= answered {
                continue;
            }
            match all.get_mut(host) {
                Some(known) => {
                    known.slots.extend(debt.slots.iter().cloned());
                    if debt.since > known.since {
                        (known.run, known.since) = (debt.run.clone(), debt.since);
                        known.generation.clone_from(&debt.generation);
                    }
                }
                None => {
                    all.insert(host.clone(), debt.clone());
                }
            }
        }
        all
    }
}
