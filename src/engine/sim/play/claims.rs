//! Who may act on each host, as the record's own model says: a piece of work does something only where
//! that model lets its step begin. Words of a run that come late, twice, or after another one took
//! over meet the same model.

use std::collections::BTreeMap;

use crate::engine::remote::{Trouble, Work};
use crate::engine::sim::fault::kind;
use crate::name::HostName;
use crate::plan::fixture::World;
use crate::record::model::{Host, StepAsk};
use crate::record::verb::{ClaimId, Take, Upload};
use crate::record::{ClaimReply, StepReply, TakeReply};

/// Seconds that a lease lasts.
const TTL: u32 = 60;
/// The longest that any step may take.
const LIMIT: u64 = 600;

/// The claims of one run.
#[derive(Debug, Clone)]
pub struct Claims {
    id: ClaimId,
    hosts: BTreeMap<HostName, Host>,
    seqs: BTreeMap<HostName, u64>,
    /// To see that the judge is awake: the record's word does not count.
    pub ignored: bool,
}

fn id(attempt: u32) -> ClaimId {
    ClaimId {
        run: "r-1".parse().expect("a run"),
        fence: format!("{attempt}-f{attempt}").parse().expect("a fence"),
        ttl_secs: TTL,
        who: format!("ops@m{attempt}:1:2").parse().expect("somebody"),
    }
}

impl Claims {
    /// Every host that answers is claimed.
    pub fn first(world: &World) -> Self {
        let (id, upload) = (id(1), Upload::default());
        let all = world.fleet.hosts.keys().chain(world.fleet.balancers.keys());
        let claimed = all.map(|name| {
            let machine = format!("m{name}").parse().expect("an id");
            let mut host = Host::new(machine, "boot-1", 1_000, 1_800_000_000);
            let reply = host.claim(&id, true, &upload, &[]);
            assert!(matches!(reply, ClaimReply::Taken { .. }), "{reply:?}");
            (name.clone(), host)
        });
        Self {
            hosts: claimed.collect(),
            seqs: BTreeMap::new(),
            ignored: false,
            id,
        }
    }

    /// The number of the next piece of work on a host.
    pub fn next(&mut self, host: &HostName) -> u64 {
        let seq = self.seqs.entry(host.clone()).or_default();
        *seq += 1;
        *seq
    }

    /// Work comes to its host: whether it may begin there.
    pub fn begin(&mut self, host: &HostName, seq: u64, work: &Work) -> Result<(), Trouble> {
        let ask = StepAsk {
            id: &self.id,
            seq,
            name: kind(work),
            tied: matches!(work, Work::Pull { .. }),
            limit: LIMIT,
        };
        let record = self.hosts.get_mut(host);
        let begun = record.map_or(Ok(()), |record| record.begin(&ask));
        begun.or_else(|reply| {
            if self.ignored {
                Ok(())
            } else {
                Err(said(reply))
            }
        })
    }

    /// It ends there.
    pub fn end(&mut self, host: &HostName, seq: u64, rc: i32) {
        let ask = StepAsk {
            id: &self.id,
            seq,
            name: "",
            tied: false,
            limit: LIMIT,
        };
        if let Some(record) = self.hosts.get_mut(host) {
            record.finish(&ask, rc, Vec::new());
        }
    }

    /// The host starts again: what ran there is over, and the lease of whoever has it ends soon.
    pub fn reboot(&mut self, host: &HostName) {
        if let Some(record) = self.hosts.get_mut(host) {
            let boot = format!("{}.", record.look(&[]).boot);
            record.reboot(boot, 10);
        }
    }

    /// Its wall clock jumps. No claim may rest on that.
    pub fn step_clock(&mut self, host: &HostName, by: i64) {
        if let Some(record) = self.hosts.get_mut(host) {
            record.wall += by;
        }
    }

    /// What a step of this run would be told when the run has given the host back.
    pub fn after_all(&self, host: &HostName, seq: u64, work: &Work) -> Result<(), Trouble> {
        let mut later = self.clone();
        if let Some(record) = later.hosts.get_mut(host) {
            record.crash();
            record.unclaim(&self.id.fence);
        }
        later.begin(host, seq, work)
    }

    /// Another one takes every host when the lease there is over, and not before.
    pub fn taken(mut self) -> Result<Self, String> {
        let old = self.id.fence.clone();
        let attempt = old
            .as_str()
            .split('-')
            .next()
            .and_then(|n| n.parse::<u32>().ok());
        let new = id(attempt.unwrap_or(1) + 1);
        let what = Take {
            expected: old,
            force: false,
            kill: false,
            displace: false,
            manifest: None,
        };
        for (name, record) in &mut self.hosts {
            // What a dead client has sent ends, or ends with its host.
            record.crash();
            let mut reply = record.take(&new, &what);
            if let TakeReply::Held(holder) = &reply {
                let left = holder.left.unwrap_or(0);
                if left == 0 || left > u64::from(TTL) {
                    return Err(format!("{name}: its lease has {left} s left"));
                }
                record.uptime += left;
                reply = record.take(&new, &what);
            }
            if !matches!(reply, TakeReply::Taken { .. }) {
                return Err(format!("{name} cannot be taken: {reply:?}"));
            }
        }
        Ok(Self {
            id: new,
            seqs: BTreeMap::new(),
            ..self
        })
    }

    /// The word of one whose claims were taken comes to a host.
    pub fn displaced(&mut self, host: &HostName, seq: u64, work: &Work) -> Result<(), Trouble> {
        let now = std::mem::replace(&mut self.id, id(0));
        let said = self.begin(host, seq, work);
        self.id = now;
        said
    }
}

fn said(reply: StepReply) -> Trouble {
    match reply {
        StepReply::Lost(_) => Trouble::Lost {
            by: "run r-2".to_owned(),
        },
        StepReply::Busy => Trouble::Refused("another script holds its lock".to_owned()),
        StepReply::Stale { seq } => Trouble::Refused(format!("step {seq} was begun already")),
        StepReply::Unknown { .. } => Trouble::Silent("nobody knows how it ended".to_owned()),
        StepReply::Done { rc, .. } => Trouble::Silent(format!("done already: {rc}")),
    }
}
