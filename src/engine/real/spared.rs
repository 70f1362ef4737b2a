//! Steps that need no script: what a host said under the claim is already their answer.
//!
//! A script costs a connection's channel, two shells, the journal and its syncs. Where the facts that
//! come with the claim say that a pull or a preparation would find all as it must be, it is not sent.
//! To add one: what is kept of the facts in [`Spared::note`], when it is an answer in [`Spared::of`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::answer;
use crate::balancer::Verdict;
use crate::engine::remote::{Answer, Work};
use crate::engine::site::Machine;
use crate::host::docker;
use crate::name::{HostName, ReleaseId};
use crate::record::Upload;

/// What the facts of the claims spare a run.
#[derive(Debug, Default)]
pub(super) struct Spared(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Hosts that have the images of these releases.
    images: BTreeSet<(HostName, ReleaseId)>,
    /// What each load balancer's look said; forgotten with the first change of it.
    looks: BTreeMap<HostName, Vec<String>>,
}

impl Spared {
    /// Keeps what a claim brought back.
    pub(super) fn note(
        &self,
        host: &HostName,
        machine: &Machine,
        upload: &Upload,
        lines: &[String],
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((spec, _)) = &upload.release
            && docker::images::all_here(lines)
        {
            kept.images.insert((host.clone(), spec.label.id.clone()));
        }
        // An app host's facts are Docker's.
        if machine.balancer.is_some() && !machine.app {
            kept.looks.insert(host.clone(), lines.to_vec());
        }
    }

    /// The answer of work that need not be done; `None` where it must be.
    pub(super) fn of(&self, host: &HostName, machine: &Machine, work: &Work) -> Option<Answer> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match work {
            Work::Pull { release, .. } => kept
                .images
                .contains(&(host.clone(), release.clone()))
                .then(|| Answer::Done(answer::HERE.to_owned())),
            Work::Prepare(change) => {
                let (driver, target) = machine.balancer.as_ref()?;
                let after = change.after.as_ref()?;
                let lines = kept.looks.get(host)?;
                driver
                    .is_prepared(target, lines, change.before.as_ref(), after)
                    .then_some(Answer::Balancer(Verdict::Converged { at: 0.0 }))
            }
            Work::Shift(_) => {
                kept.looks.remove(host);
                None
            }
            _ => None,
        }
    }
}
