//! The invariants. They are written from the design, not from the dispatcher: what the judge knows
//! of gates it counts itself.

mod ends;

use std::time::Duration;

pub use self::ends::told;
use self::ends::{half_removed, mixed, removes, rolled};
use super::model::reached;
use super::play::{Act, Play};
use super::{activity, batches, debts};
use crate::engine::dispatch::Log;
use crate::engine::remote::Work;
use crate::event::Stage;
use crate::fleet::Traffic;
use crate::name::{HostName, Outcome, OutcomeKind, SlotName};
use crate::plan::{Action, PlanKind, Undo};

const FRESH: Duration = Duration::from_secs(2);

/// Whether the work takes something back: the plan does not name it as a step.
pub fn back(play: &Play<'_>, host: &HostName, work: &Work) -> bool {
    !play
        .stage
        .plan
        .steps
        .iter()
        .any(|s| match (&s.action, work) {
            (Action::Shift { moves } | Action::Unspare { moves }, Work::Shift(change)) => {
                moves.contains(change)
            }
            (Action::Prepare(planned), Work::Prepare(change)) => planned == change,
            (
                Action::Owe { owing, paid, .. },
                Work::Owe {
                    owing: o, paid: p, ..
                },
            ) => owing == o && paid == p,
            (Action::Pull { host: h, .. }, Work::Pull { .. }) => h == host,
            (Action::Job(_) | Action::Mark { .. }, Work::Job(_) | Work::Mark { .. }) => true,
            (Action::Stop { host: h, slot: s }, Work::Stop { slot }) => h == host && s == slot,
            (
                Action::Replace {
                    host: h, slot: s, ..
                }
                | Action::Restart {
                    host: h, slot: s, ..
                },
                Work::Replace { slot, .. },
            ) => h == host && s == slot,
            (
                Action::Drain {
                    host: h, now: n, ..
                },
                Work::Drain { now, .. },
            ) => h == host && n == now,
            (action, work) => activity::planned(action, host, work),
        })
}

/// Asked when the dispatcher wants a piece of work.
pub fn on_act(play: &Play<'_>, host: &HostName, work: &Work, back: bool) -> Result<(), String> {
    if play.lost {
        return Err(format!("{work:?} on {host} after the claim was lost"));
    }
    let waits = |w: &Work| matches!(w, Work::Drain { .. });
    if !waits(work)
        && play
            .acts
            .values()
            .any(|a| a.host == *host && !waits(&a.work))
    {
        return Err(format!("two changes at once on {host}: {work:?}"));
    }
    match work {
        Work::Stop { slot } | Work::Replace { slot, .. } | Work::Revert { slot, .. } => {
            untouchable(play, slot)?;
            if !play.unrestored.is_empty() && matches!(work, Work::Revert { .. }) {
                return Err(format!(
                    "{slot} of {host} is touched though traffic is mixed"
                ));
            }
            free_of_traffic(play, host, slot)?;
            let mut open = play
                .model
                .open
                .iter()
                .filter(|(_, s, h)| s == slot && h == host);
            // Where nothing served before, nothing serves while the first release is taken back.
            let open = open.find(|(lb, _, _)| play.start.balancers[lb].is_some());
            open.map_or(Ok(()), |(lb, _, _)| {
                Err(format!(
                    "{slot} of {host} is changed and {lb} was not drained"
                ))
            })
        }
        Work::Remove { slots } => slots.iter().try_for_each(|slot| {
            free_of_traffic(play, host, slot)?;
            let mut open = play.model.open.iter();
            let open = open.find(|(_, s, h)| s == slot && h == host);
            open.map_or(Ok(()), |(lb, _, _)| {
                Err(format!("{host} is removed and {lb} was not drained"))
            })
        }),
        Work::Pull { slot, .. } | Work::Evidence { slot } => untouchable(play, slot),
        Work::Shift(change) if !back => {
            gated(play, change.before.as_ref(), change.after.as_ref(), false)
        }
        Work::Shift(change) if !play.stage.plan.batches.is_empty() => {
            gated(play, change.before.as_ref(), change.after.as_ref(), true)
        }
        Work::Shift(change) => restored(play, change.before.as_ref(), change.after.as_ref()),
        _ => Ok(()),
    }
}

/// Asked when it takes effect: the world may have moved meanwhile.
pub fn on_effect(play: &Play<'_>, act: &Act) -> Result<(), String> {
    if let Work::Replace { release, .. }
    | Work::Revert {
        to: Some(release), ..
    } = &act.work
    {
        batches::one_release(play, &act.host, release)?;
    }
    match &act.work {
        Work::Stop { slot } | Work::Replace { slot, .. } | Work::Revert { slot, .. } => {
            free_of_traffic(play, &act.host, slot)
        }
        Work::Remove { slots } => slots
            .iter()
            .try_for_each(|slot| free_of_traffic(play, &act.host, slot)),
        Work::Shift(change) => {
            batches::enough(play, change.after.as_ref())?;
            if act.back {
                return Ok(());
            }
            debts::told_before(play)
        }
        Work::Owe { paid, .. } => debts::paid_after(play, paid, act.back),
        _ => Ok(()),
    }
}

/// The slot that the switch leaves is not changed as long as the run runs.
fn untouchable(play: &Play<'_>, slot: &SlotName) -> Result<(), String> {
    let plan = &play.stage.plan;
    // Whoever leads an unfinished run back leaves the slot that it wanted.
    let led_back = plan.kind == PlanKind::Resume;
    let old = plan.old.as_ref() == Some(slot) && plan.target != *slot;
    let leaves = plan.commit.is_some() && old && !led_back;
    if leaves {
        return Err(format!("the old slot {slot} is changed"));
    }
    Ok(())
}

/// No load balancer sends requests to what is stopped or changed, or is about to.
fn free_of_traffic(play: &Play<'_>, host: &HostName, slot: &SlotName) -> Result<(), String> {
    let member = (slot.clone(), host.clone());
    let told = play.model.balancers.iter();
    // Of what came back with an old file nobody can know before the next look.
    for (lb, traffic) in told.filter(|(lb, _)| !play.reverted.contains(*lb)) {
        if reached(traffic.as_ref()).contains(&member) {
            return Err(format!(
                "{slot} of {host} is changed while {lb} sends requests to it"
            ));
        }
        if traffic
            .as_ref()
            .is_some_and(|t| t.spare.as_ref() == Some(slot))
        {
            return Err(format!(
                "{slot} of {host} is changed and is the spare of {lb}"
            ));
        }
    }
    for (lb, traffic) in &play.model.hidden {
        if reached(Some(traffic)).contains(&member) {
            return Err(format!(
                "{slot} of {host} is changed and {lb}, which is left out, sends requests to it"
            ));
        }
    }
    for act in play.acts.values() {
        if let Work::Shift(change) = &act.work
            && reached(change.after.as_ref()).contains(&member)
        {
            return Err(format!(
                "{slot} of {host} is changed while {} is about to send",
                act.host
            ));
        }
    }
    Ok(())
}

/// Who gets requests has passed its gates, from every view, and lately.
fn gated(
    play: &Play<'_>,
    before: Option<&Traffic>,
    after: Option<&Traffic>,
    back: bool,
) -> Result<(), String> {
    let plan = &play.stage.plan;
    let gates = |s: &crate::plan::Step| matches!(s.action, Action::Gate { .. });
    // A person answers for a switch that was forced: it asks no gate.
    if plan.kind == PlanKind::Switch && !plan.steps.iter().any(gates) {
        return Ok(());
    }
    let once = plan
        .steps
        .iter()
        .any(|s| matches!(s.action, Action::Gate { once: true, .. }));
    let (had, gets) = (reached(before), reached(after));
    let resting = &play.stage.world.setup.resting;
    // Of one that does not answer nobody knows whether it was of any help.
    let leaves = |m: &&(SlotName, HostName)| !gets.contains(m) && !resting.contains(&m.1);
    let somebody_leaves = !back && had.iter().any(|m| leaves(&m));
    for (slot, host) in gets {
        let new = !had.contains(&(slot.clone(), host.clone()));
        if !new && !somebody_leaves {
            continue;
        }
        let wanted = if once && plan.batches.is_empty() {
            1
        } else {
            2
        };
        for asker in views(play, &host) {
            let heard = play.heard.get(&(host.clone(), asker.clone()));
            let heard = heard.cloned().unwrap_or_default();
            let old = heard
                .good
                .is_none_or(|at| play.now.saturating_sub(at) > FRESH);
            // A load balancer that is asked to go back once more is not waited for again.
            // A gate that was open is not closed by one bad answer.
            let opened = back || play.hiccups.contains(&host);
            let passed = if opened { heard.most } else { heard.row };
            if (old && !back) || (new && passed < wanted) {
                return Err(format!(
                    "{host} gets requests though {asker} heard {heard:?} of it at {:?}",
                    play.now
                ));
            }
        }
        let there = play.model.slots.get(&(host.clone(), slot.clone()));
        let right = there.is_some_and(|s| s.release.as_ref() == plan.to.as_ref().map(|r| &r.id));
        // What a batch was returned to is as good, behind its gates.
        let other = back || (plan.kind == PlanKind::Resume && plan.old.as_ref() == Some(&slot));
        if new && !right && !other {
            return Err(format!("{host} gets requests and runs {there:?}"));
        }
    }
    Ok(())
}

fn views(play: &Play<'_>, host: &HostName) -> Vec<HostName> {
    let balancers = play.stage.world.setup.balancers.iter();
    let balancers = balancers.map(|b| b.host.clone());
    balancers.chain([host.clone()]).collect()
}

/// Traffic goes back only to what was not changed, or was gated since.
fn restored(
    play: &Play<'_>,
    before: Option<&Traffic>,
    after: Option<&Traffic>,
) -> Result<(), String> {
    let had = reached(before);
    for member in reached(after).into_iter().filter(|m| !had.contains(m)) {
        let (slot, host) = member;
        if play.touched.contains_key(&(host.clone(), slot.clone())) {
            return Err(format!(
                "{host} gets requests again and was changed in {slot}"
            ));
        }
    }
    Ok(())
}

/// Asked at the end.
pub fn at_end(play: &Play<'_>, outcome: &Outcome, log: &Log) -> Result<(), String> {
    let kind = outcome.kind;
    let result = match kind {
        OutcomeKind::Superseded if play.lost => return Ok(()),
        OutcomeKind::Unfinished if log.unfinished || play.dead => return Ok(()),
        // What a resumed run comes to is judged by what the first one wanted: see `after`.
        _ if play.stage.plan.kind == PlanKind::Resume && !play.lost => return Ok(()),
        _ if play.lost => Err("the claim was lost and the run says something else".to_owned()),
        OutcomeKind::Staged if play.stage.plan.end != OutcomeKind::Staged => {
            stands_by(play, log).and_then(|()| debts::as_before(play, log))
        }
        OutcomeKind::Succeeded | OutcomeKind::Staged => {
            good(play, log).and_then(|()| debts::at_success(play, log))
        }
        OutcomeKind::Failed | OutcomeKind::Cancelled | OutcomeKind::Mixed
            if !play.stage.plan.batches.is_empty() && play.unrestored.is_empty() =>
        {
            batches::at_end(play, outcome, log)
        }
        OutcomeKind::Mixed if play.unrestored.is_empty() && removes(play).next().is_some() => {
            half_removed(play, outcome)
        }
        OutcomeKind::Failed | OutcomeKind::RolledBack | OutcomeKind::Cancelled
            if removes(play).next().is_some() =>
        {
            as_before(play, log)
        }
        OutcomeKind::Failed | OutcomeKind::RolledBack | OutcomeKind::Cancelled => {
            if play
                .stage
                .plan
                .steps
                .iter()
                .any(|s| s.undo == Undo::NeverBack)
            {
                rolled(play, outcome)
            } else {
                as_before(play, log).and_then(|()| debts::as_before(play, log))
            }
        }
        OutcomeKind::Mixed if activity::left_on(play, outcome, log) => Ok(()),
        OutcomeKind::Mixed => mixed(play, outcome).and_then(|()| debts::when_mixed(play)),
        _ => Err("that is no end of a run".to_owned()),
    };
    result.map_err(|why| format!("{kind}: {why} ({})", outcome.why))
}

/// A run that was late for its switch: the release stands by whole, and no switch was begun.
fn stands_by(play: &Play<'_>, log: &Log) -> Result<(), String> {
    let plan = &play.stage.plan;
    let commit = plan.steps.iter().find(|s| Some(s.id) == plan.commit);
    let Some(Action::Shift { moves }) = commit.map(|s| &s.action) else {
        return Err("there is no switch that it could be late for".to_owned());
    };
    for change in moves {
        if play.model.balancers[&change.host] != change.before {
            return Err(format!("{} was switched", change.host));
        }
    }
    members_serve(play, log)
}

/// What a load balancer does, but for its spare: that goes with any change.
fn value(traffic: &Option<Traffic>) -> Option<Traffic> {
    traffic.as_ref().map(Traffic::without_spare)
}

/// A person changed it while the run was at work.
fn by_hand(traffic: &Option<Traffic>) -> bool {
    traffic.as_ref().is_some_and(|t| t.groups.is_empty())
}

fn good(play: &Play<'_>, log: &Log) -> Result<(), String> {
    let plan = &play.stage.plan;
    for (lb, traffic) in &play.model.balancers {
        let spare = format!("{lb}: the slot that served may still be its spare");
        let named = log.untidy.iter().any(|u| u.starts_with(&spare));
        // What a person wrote there meanwhile is left to him.
        let old = play.reverted.contains(lb);
        let left = value(traffic) == plan.after || by_hand(traffic);
        if *traffic != plan.after && !(named && left) && !old {
            return Err(format!("{lb} does not do what was planned"));
        }
    }
    members_serve(play, log)
}

/// Whoever was gated is up and well.
fn members_serve(play: &Play<'_>, log: &Log) -> Result<(), String> {
    let plan = &play.stage.plan;
    let gates = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Gate { slot, hosts, .. } => Some(hosts.iter().map(move |h| (h, slot))),
        _ => None,
    });
    for (host, slot) in gates.flatten() {
        let found = &play.model.slots[&(host.clone(), slot.clone())];
        // What is being removed goes on; who fails meanwhile is told as why.
        let said = log.failure.as_ref().and_then(|f| f.host.as_ref()) == Some(host);
        let told = said && removes(play).next().is_some();
        if !found.serves() && !play.hurt_lately(host) && !told {
            return Err(format!("{host} is {found:?}"));
        }
    }
    Ok(())
}

/// All load balancers as before, and what stood by stands by again, or is named.
fn as_before(play: &Play<'_>, log: &Log) -> Result<(), String> {
    for (lb, traffic) in &play.model.balancers {
        // A change that was kept because it was done (a member that is well, back in traffic).
        let kept = play
            .stage
            .plan
            .steps
            .iter()
            .any(|s| match (&s.action, &s.undo) {
                (Action::Shift { moves }, Undo::Half(_)) => moves
                    .iter()
                    .filter(|m| !play.reverted.contains(&m.host))
                    .all(|m| play.model.balancers[&m.host] == m.after),
                _ => false,
            });
        // The end of a spare that somebody else was faster than is not taken back.
        let ends = log.failure.as_ref().is_some_and(|f| f.stage == Stage::Note);
        let old = play.reverted.contains(lb);
        let left = kept || old || ends && by_hand(traffic);
        if value(traffic) != value(&play.start.balancers[lb]) && !left {
            return Err(format!("{lb} is not as before"));
        }
    }
    for ((host, slot), was) in &play.start.slots {
        let now = &play.model.slots[&(host.clone(), slot.clone())];
        let named = log
            .untidy
            .iter()
            .any(|u| u.starts_with(&format!("{host}:")));
        let hurt = play.hurt.contains_key(host);
        let wished = play.stage.plan.steps.iter().any(|s| {
            matches!((&s.action, &s.undo), (Action::Replace { host: h, slot: s, .. }, Undo::Nothing)
                if h == host && s == slot)
        });
        if (now.release != was.release || now.up != was.up) && !named && !hurt && !wished {
            return Err(format!("{slot} of {host} was {was:?} and is {now:?}"));
        }
    }
    Ok(())
}
