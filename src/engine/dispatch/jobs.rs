//! What an action is as work on hosts.

use crate::engine::remote::Work;
use crate::event::Stage;
use crate::name::HostName;
use crate::plan::Action;

/// The work of an action on each of its hosts; none where it only waits. To add an action that
/// works on hosts: an arm here.
pub(super) fn jobs(action: &Action) -> Vec<(HostName, Stage, Work)> {
    let one = |host: &HostName, stage, work| vec![(host.clone(), stage, work)];
    match action {
        Action::Pull {
            host,
            slot,
            release,
        } => {
            let (slot, release) = (slot.clone(), release.clone());
            one(host, Stage::Pull, Work::Pull { slot, release })
        }
        Action::Job(start) => one(&start.host, Stage::Job, Work::Job(start.clone())),
        Action::Mark { on, start, state } => {
            let (start, state) = (start.clone(), *state);
            let work = Work::Mark { start, state };
            let on = on.iter();
            on.map(|h| (h.clone(), Stage::Note, work.clone())).collect()
        }
        Action::Stop { host, slot } => one(host, Stage::Stop, Work::Stop { slot: slot.clone() }),
        Action::Replace {
            host,
            slot,
            release,
        }
        | Action::Restart {
            host,
            slot,
            release,
        } => {
            let (slot, release) = (slot.clone(), release.clone());
            one(host, Stage::Up, Work::Replace { slot, release })
        }
        Action::Activate { host, slot } => {
            let slot = slot.clone();
            one(host, Stage::Activate, Work::Activate { slot })
        }
        Action::Deactivate { host, slot, .. } => {
            let slot = slot.clone();
            one(host, Stage::Deactivate, Work::Deactivate { slot })
        }
        Action::Prepare(change) => one(&change.host, Stage::Prepare, Work::Prepare(change.clone())),
        Action::Shift { moves } => {
            let shift =
                |m: &crate::plan::Move| (m.host.clone(), Stage::Switch, Work::Shift(m.clone()));
            moves.iter().map(shift).collect()
        }
        Action::Unspare { moves } => {
            let end = |m: &crate::plan::Move| (m.host.clone(), Stage::Note, Work::Shift(m.clone()));
            moves.iter().map(end).collect()
        }
        Action::Owe { on, owing, paid } => {
            let work = Work::Owe {
                owing: owing.clone(),
                paid: paid.clone(),
            };
            let on = on.iter();
            on.map(|h| (h.clone(), Stage::Note, work.clone())).collect()
        }
        Action::Drain { host, now, within } => {
            let (now, within) = (now.clone(), *within);
            one(host, Stage::Drain, Work::Drain { now, within })
        }
        Action::Evidence { host, slot } => {
            one(host, Stage::Evidence, Work::Evidence { slot: slot.clone() })
        }
        Action::Revert { host, slot, to } => {
            let (slot, to) = (slot.clone(), to.clone());
            one(host, Stage::Unwind, Work::Revert { slot, to })
        }
        Action::Remove { host, slots } => {
            let slots = slots.clone();
            one(host, Stage::Stop, Work::Remove { slots })
        }
        Action::Gate { .. } | Action::Bake { .. } => Vec::new(),
    }
}
