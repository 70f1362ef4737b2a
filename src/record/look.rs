//! What a look found: the record of the app on one host, and the facts asked for with it.
//!
//! A file of the record that does not have its form is kept as it is in [`Look::damaged`] and
//! never guessed at. To add an item: a line in `sh/facts.sh`, an arm in [`Look::item`].

use std::collections::BTreeMap;

use crate::fleet::{ClaimView, Debt, HoldView, JobMark, RecordView, SlotRecord};
use crate::name::{Actor, Fence, HostName, MachineId, OutcomeKind, ReleaseId, RunId, SlotName};
use crate::release::HostRelease;

use super::debt;
use super::history::HistoryEntry;
use super::job;
use super::parse::outcome_of;
use super::reply::{Phase, RecordError};
use super::verb::HoldLevel;

/// Whether the record can live where it is meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateDir {
    /// The folder is there and may be written.
    Ready,
    /// It is there and this user may not write into it.
    Denied,
    /// It is not there, and a claim will make it.
    Creatable,
    /// It is not there and this user may not make it.
    Absent,
}

/// The right of a run on a host, as `claim` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// Its token.
    pub fence: Fence,
    /// Seconds that its lease lasts.
    pub ttl: u64,
    /// Its last step on this host.
    pub seq: u64,
    /// How far that step came.
    pub phase: Phase,
    /// Who runs it.
    pub who: Actor,
}

impl Claim {
    /// Reads `1 <run> <fence> <ttl> <seq> <phase> <who> .`; `None` for any other form.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["1", run, fence, ttl, seq, phase, who, "."] = words[..] else {
            return None;
        };
        Some(Self {
            run: RunId::new(run).ok()?,
            fence: Fence::new(fence).ok()?,
            ttl: ttl.parse().ok()?,
            seq: seq.parse().ok()?,
            phase: phase.parse().ok()?,
            who: Actor::new(who).ok()?,
        })
    }
}

/// A person's lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What it is for.
    pub level: HoldLevel,
    /// Until when, seconds since the epoch; `None` = until it is removed.
    pub until: Option<i64>,
    /// Since when.
    pub since: i64,
    /// Who set it.
    pub who: Actor,
    /// Why.
    pub text: String,
}

impl Hold {
    /// As the fleet's view keeps it.
    #[must_use]
    pub fn view(&self) -> HoldView {
        HoldView {
            whole: self.level == HoldLevel::Env,
            who: self.who.clone(),
            text: self.text.clone(),
            since: self.since,
            until: self.until,
        }
    }

    /// Reads `1 <until> <since> <who> <text>`; `None` for any other form.
    #[must_use]
    pub fn read(level: HoldLevel, line: &str) -> Option<Self> {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let ["1", until, since, who, text] = words[..] else {
            return None;
        };
        Some(Self {
            level,
            until: match until {
                "-" => None,
                seconds => Some(seconds.parse().ok()?),
            },
            since: since.parse().ok()?,
            who: Actor::new(who).ok()?,
            text: text.to_owned(),
        })
    }
}

/// The step that runs, or ran last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub seq: u64,
    /// Its name.
    pub name: String,
    /// Ends with its connection.
    pub tied: bool,
    /// Seconds that it may take.
    pub limit: u64,
    /// Uptime of the host when it began.
    pub since: u64,
}

impl Running {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["1", seq, name, tied, limit, since, "."] = words[..] else {
            return None;
        };
        Some(Self {
            seq: seq.parse().ok()?,
            name: name.to_owned(),
            tied: tied == "yes",
            limit: limit.parse().ok()?,
            since: since.parse().ok()?,
        })
    }
}

/// A traffic change under way, or the last one (load-balancer hosts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The run.
    pub run: RunId,
    /// Its token.
    pub fence: Fence,
    /// Generation of the traffic value.
    pub generation: String,
    /// Checksum of the traffic value before.
    pub before: String,
    /// Checksum of the traffic value after.
    pub after: String,
    /// How far it came, e.g. `prepared`, `commit`.
    pub phase: String,
}

impl Switch {
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["1", run, fence, generation, before, after, phase, "."] = words[..] else {
            return None;
        };
        Some(Self {
            run: RunId::new(run).ok()?,
            fence: Fence::new(fence).ok()?,
            generation: generation.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            phase: phase.to_owned(),
        })
    }
}

/// What a look found on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Random id of the machine; `None` before its first claim.
    pub machine: Option<MachineId>,
    /// Which boot: `boot_id` and the start of pid 1.
    pub boot: String,
    /// Seconds since the boot.
    pub uptime: u64,
    /// The host's clock, seconds since the epoch.
    pub wall: i64,
    /// What `stat -f` calls the file system; empty where the folder is not there.
    pub fs: String,
    /// Whether the record can live there.
    pub state: StateDir,
    /// Persons' locks; ended ones included.
    pub holds: Vec<Hold>,
    /// Who holds the host.
    pub claim: Option<Claim>,
    /// Seconds until its lease ends; 0 = over.
    pub left: u64,
    /// The manifest of the claim's run is there.
    pub manifest: bool,
    /// The claim's run has ended and did not come to give the host back.
    pub outcome: Option<OutcomeKind>,
    /// The claim's last step.
    pub running: Option<Running>,
    /// The claim of the last finished run.
    pub last: Option<Claim>,
    /// What was last brought up in each slot.
    pub slots: BTreeMap<SlotName, SlotRecord>,
    /// Hosts that missed a change.
    pub owing: BTreeMap<HostName, Debt>,
    /// Jobs that ran for releases, here or elsewhere, as far as this host was told.
    pub jobs: Vec<JobMark>,
    /// The traffic change under way.
    pub switch: Option<Switch>,
    /// The last finished runs, oldest first.
    pub history: Vec<HistoryEntry>,
    /// Releases kept on the host.
    pub releases: Vec<ReleaseId>,
    /// What the releases named in `slots` want of the host.
    pub kept: Vec<HostRelease>,
    /// Releases that served and passed their bake, oldest first.
    pub promoted: Vec<ReleaseId>,
    /// Items whose files do not have their form, as they were read. While there is one, nothing
    /// may be decided on the record of this host.
    pub damaged: Vec<String>,
    /// The lines of the facts, verbatim.
    pub facts: Vec<String>,
}

impl Look {
    /// Reads the lines of a look: the record's, then `facts`, then the rest verbatim.
    ///
    /// # Errors
    /// [`RecordError::Malformed`] where a line is missing that is always there.
    pub fn read(lines: &[String]) -> Result<Self, RecordError> {
        let split = lines.iter().position(|l| l == "facts");
        let Some(split) = split else {
            return Err(RecordError::malformed("a look without `facts`", lines));
        };
        let mut look = Self::empty();
        look.facts = lines[split + 1..].to_vec();
        let mut history = Vec::new();
        for line in &lines[..split] {
            if line.starts_with('{') {
                history.push(line.clone());
            } else if look.item(line).is_none() {
                look.damaged.push(line.clone());
            }
        }
        let bad;
        (look.history, bad) = HistoryEntry::read(&history);
        if bad > 0 {
            look.damaged.push(format!("history: {bad} bad lines"));
        }
        if look.boot.is_empty() {
            return Err(RecordError::malformed("a look without `boot`", lines));
        }
        Ok(look)
    }

    fn empty() -> Self {
        Self {
            machine: None,
            boot: String::new(),
            uptime: 0,
            wall: 0,
            fs: String::new(),
            state: StateDir::Absent,
            holds: Vec::new(),
            claim: None,
            left: 0,
            manifest: false,
            outcome: None,
            running: None,
            last: None,
            slots: BTreeMap::new(),
            owing: BTreeMap::new(),
            jobs: Vec::new(),
            switch: None,
            history: Vec::new(),
            releases: Vec::new(),
            kept: Vec::new(),
            promoted: Vec::new(),
            damaged: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// Takes one line; `None` = not understood.
    fn item(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "machine" if rest == "-" => self.machine = None,
            "machine" => self.machine = Some(MachineId::new(rest).ok()?),
            "boot" => self.boot = rest.to_owned(),
            "uptime" => self.uptime = rest.parse().ok()?,
            "wall" => self.wall = rest.parse().ok()?,
            "fs" => self.fs = rest.to_owned(),
            "state" => self.state = state_dir(rest)?,
            "hold-env" => self.holds.push(Hold::read(HoldLevel::Env, rest)?),
            "hold-app" => self.holds.push(Hold::read(HoldLevel::App, rest)?),
            "claim" => self.claim = Some(Claim::read(rest)?),
            "left" => self.left = rest.parse().ok()?,
            "manifest" => self.manifest = true,
            "outcome" => self.outcome = Some(outcome_of(rest)?),
            // Evidence for people, not made durable: a power cut may have torn it.
            "now" => self.running = Running::read(rest),
            "last" => self.last = Some(Claim::read(rest)?),
            "switch" => self.switch = Some(Switch::read(rest)?),
            "slot" => {
                let (slot, record) = rest.split_once(' ')?;
                let slot = SlotName::new(slot).ok()?;
                self.slots.insert(slot, slot_record(record)?);
            }
            "owing" => {
                let (host, record) = rest.split_once(' ')?;
                let host = HostName::new(host).ok()?;
                self.owing.insert(host, debt::read(record)?);
            }
            "job" => self.jobs.push(job::read(rest)?),
            "kept" => {
                let kept: HostRelease = serde_json::from_str(rest).ok()?;
                if !self.kept.contains(&kept) {
                    self.kept.push(kept);
                }
            }
            "promoted" => {
                let ids = rest.strip_prefix("1 ")?.strip_suffix(" .")?;
                let ids = ids.split(' ').map(|id| ReleaseId::new(id).ok());
                self.promoted = ids.collect::<Option<_>>()?;
            }
            "release" => self.releases.push(ReleaseId::new(rest).ok()?),
            _ => return None,
        }
        Some(())
    }

    /// Persons' locks that hold now, by the host's clock.
    pub fn holds_now(&self) -> impl Iterator<Item = &Hold> {
        let wall = self.wall;
        let holds = self.holds.iter();
        holds.filter(move |h| h.until.is_none_or(|until| until > wall))
    }

    /// What the fleet's view keeps of the record.
    #[must_use]
    pub fn view(&self) -> RecordView {
        RecordView {
            claim: self.claim.as_ref().map(|c| ClaimView {
                run: c.run.clone(),
                fence: c.fence.clone(),
                who: c.who.clone(),
                phase: c.phase.to_string(),
                seq: c.seq,
                left: self.left,
            }),
            holds: self.holds_now().map(Hold::view).collect(),
            slots: self.slots.clone(),
            releases: self.releases.clone(),
            kept: self.kept.clone(),
            promoted: self.promoted.clone(),
            numbers: self
                .history
                .iter()
                .filter(|e| e.revision > 0)
                .filter_map(|e| Some((e.release.clone()?, e.revision)))
                .collect(),
            revision: self
                .history
                .iter()
                .map(|e| e.revision.max(e.highest))
                .max()
                .unwrap_or(0),
            owing: self.owing.clone(),
            jobs: self.jobs.clone(),
            last: self.last.as_ref().map(|c| c.run.clone()),
            finished: self.finished(),
        }
    }
}

impl Look {
    /// How runs ended: the finished ones, and one that did not come to give the host back.
    fn finished(&self) -> BTreeMap<RunId, OutcomeKind> {
        let ended = self.history.iter().map(|e| (e.run.clone(), e.outcome));
        let claim = self.claim.as_ref().map(|c| c.run.clone());
        ended.chain(claim.zip(self.outcome)).collect()
    }

    /// A claim is there that cannot be read: nobody knows who may act.
    #[must_use]
    pub fn claim_damaged(&self) -> Option<&str> {
        let mut damaged = self.damaged.iter();
        damaged.find_map(|line| line.strip_prefix("claim "))
    }
}

fn state_dir(word: &str) -> Option<StateDir> {
    match word {
        "ready" => Some(StateDir::Ready),
        "denied" => Some(StateDir::Denied),
        "creatable" => Some(StateDir::Creatable),
        "absent" => Some(StateDir::Absent),
        _ => None,
    }
}

fn slot_record(line: &str) -> Option<SlotRecord> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["1", release, run, "."] = words[..] else {
        return None;
    };
    Some(SlotRecord {
        release: ReleaseId::new(release).ok()?,
        run: RunId::new(run).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_record_is_read_and_facts_stay_as_they_are() {
        let look = Look::read(&lines(
            "machine 6a-1\nboot b.22\nuptime 1765\nwall 1795266686\nfs ext2/ext3\nstate ready\n\
             hold-app 1 - 123 me@m:1:2 do not touch\nclaim 1 r-1 1-abc 60 4 done:0 ops@m:1:2 .\n\
             left 60\nmanifest r-1\nnow 1 4 up no 20 1765 .\nlast 1 r-0 1-x 60 9 begun ops@m:1:2 .\n\
             slot blue 1 rel1 r-0 .\nowing lb2 1 g7 blue r-0 99 .\n\
             switch 1 r-1 1-abc g8 aa bb prepared .\nrelease rel1\nfacts\nclaim 9 x\nfacts\n",
        ))
        .unwrap();
        assert_eq!(look.damaged, Vec::<String>::new());
        assert_eq!(look.facts, ["claim 9 x", "facts"]);
        assert_eq!(look.claim.as_ref().unwrap().phase, Phase::Done(0));
        assert_eq!(look.holds_now().next().unwrap().text, "do not touch");
        assert_eq!(look.running.as_ref().unwrap().name, "up");
        assert_eq!(look.switch.as_ref().unwrap().phase, "prepared");
        let view = look.view();
        assert_eq!(view.claim.unwrap().left, 60);
        assert_eq!(view.owing.len() + view.slots.len() + view.releases.len(), 3);
    }

    #[test]
    fn what_is_not_understood_is_kept_and_never_guessed_at() {
        let base = "machine -\nboot b.22\nuptime 1\nwall 1\nstate creatable\n";
        for bad in [
            "claim 2 r-1 1-abc 60 4 done:0 ops@m .",
            "claim 1 r-1 1-abc 60 4 done:0 ops@m",
            "claim 1 r-1 1-abc 60 4 almost ops@m .",
            "slot ../x 1 rel1 r-0 .",
            "{\"run\":",
            "novelty 1",
        ] {
            let look = Look::read(&lines(&format!("{base}{bad}\nfacts\n"))).unwrap();
            assert_eq!(look.damaged.len(), 1, "{bad}");
            assert!(look.claim.is_none() && look.slots.is_empty());
        }
        assert!(Look::read(&lines(base)).is_err());
    }
}
