//! Jobs that ran for a release, as the hosts remember them: at most one start for a release, whatever
//! became of the run that began it.
//!
//! Before a job is started, every host that answers is told so, and the host that runs it writes its own
//! word down last of all, durably, before the first process. Afterwards all are told how it ended. A
//! number, the attempt, grows with every start and with every word of a person: the highest one counts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Fleet;
use crate::name::{HostName, JobName, ReleaseId, RunId};

/// How far a job has come, in the order in which words about one attempt outdo each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It was begun; where nothing more is known, nobody knows how it ended.
    Begun,
    /// It may be started: it was never begun after all, or a person wants it once more.
    Open,
    /// It ended with this exit code, which is not 0.
    Failed(i32),
    /// A person answers for it: it is not to be started.
    Skipped,
    /// It ended well.
    Done,
}

/// One host's word about a job of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMark {
    /// The release.
    pub release: ReleaseId,
    /// Its number, for people.
    pub revision: u64,
    /// The job.
    pub job: JobName,
    /// Grows with every start and every word of a person.
    pub attempt: u32,
    /// How far it has come.
    pub state: JobState,
    /// The host that runs it.
    pub host: HostName,
    /// A rollback to an earlier release is refused, said the inventory then.
    pub blocks: bool,
    /// What the release's fingerprints of secrets are made with; empty where that is not known.
    pub salt: String,
    /// The run.
    pub run: RunId,
    /// Since when, seconds since the epoch by the clock of the host that remembers it.
    pub at: i64,
}

impl JobState {
    /// Whether the command may have done something.
    #[must_use]
    pub fn ran(self) -> bool {
        matches!(self, Self::Begun | Self::Failed(_) | Self::Done)
    }
}

impl JobMark {
    /// What became of it, e.g. `ran on web1 (run r-7 at 2026-…)`.
    #[must_use]
    pub fn says(&self) -> String {
        let Self { host, run, .. } = self;
        let at = crate::text::utc(self.at);
        match self.state {
            JobState::Begun => {
                format!("was begun on {host} (run {run} at {at}) and nobody knows how it ended")
            }
            JobState::Open => format!("may be started again (run {run} at {at})"),
            JobState::Failed(code) => {
                format!("failed on {host} with exit code {code} (run {run} at {at})")
            }
            JobState::Skipped => format!("was skipped by a person (run {run} at {at})"),
            JobState::Done => format!("ran on {host} (run {run} at {at})"),
        }
    }
}

/// What all hosts together say of a job of a release.
pub type JobWord = BTreeMap<(ReleaseId, JobName), JobMark>;

impl Fleet {
    /// What is known of every job of every release. A start of which only others were told never came:
    /// the host that was to run it answers, and has written nothing.
    #[must_use]
    pub fn jobs(&self) -> JobWord {
        let mut all = JobWord::new();
        for mark in self.records().flat_map(|(_, r)| &r.jobs) {
            let key = (mark.release.clone(), mark.job.clone());
            let known = all.entry(key).or_insert_with(|| mark.clone());
            if (mark.attempt, mark.state) > (known.attempt, known.state) {
                *known = mark.clone();
            }
        }
        for mark in all.values_mut().filter(|m| m.state == JobState::Begun) {
            let Some(view) = self.hosts.get(&mark.host) else {
                continue;
            };
            let of = |m: &&JobMark| m.release == mark.release && m.job == mark.job;
            let own = view.record.jobs.iter().find(of);
            if own.is_none_or(|own| own.attempt < mark.attempt) {
                mark.state = JobState::Open;
            }
        }
        all
    }
}
