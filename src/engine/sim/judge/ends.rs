//! Ends in which not all is as before and not all as planned.

use super::value;
use crate::engine::sim::model::reached;
use crate::engine::sim::play::Play;
use crate::fleet::Traffic;
use crate::name::{HostName, Outcome, SlotName};
use crate::plan::{Action, Undo};

/// What the load balancers do, but for those that came back with an old file meanwhile.
pub fn told<'p>(play: &'p Play<'_>) -> impl Iterator<Item = &'p Option<Traffic>> {
    let all = play.model.balancers.iter();
    all.filter(|(lb, _)| !play.reverted.contains(*lb))
        .map(|(_, traffic)| traffic)
}

/// Hosts and slots that the plan removes.
pub fn removes<'p>(play: &'p Play<'_>) -> impl Iterator<Item = (&'p HostName, &'p SlotName)> {
    let steps = play.stage.plan.steps.iter();
    let removed = steps.filter_map(|s| match &s.action {
        Action::Remove { host, slots } => Some(slots.iter().map(move |slot| (host, slot))),
        _ => None,
    });
    removed.flatten()
}

/// Something was removed, all load balancers do what was planned, and who still has anything is
/// named.
pub fn half_removed(play: &Play<'_>, outcome: &Outcome) -> Result<(), String> {
    for (lb, traffic) in &play.model.balancers {
        if *traffic != play.stage.plan.after && !play.reverted.contains(lb) {
            return Err(format!("{lb} does not do what was planned"));
        }
    }
    for (host, slot) in removes(play) {
        let there = play.model.slots.get(&(host.clone(), slot.clone()));
        let holds = there.is_some_and(|s| s.release.is_some());
        if holds && !outcome.hosts.contains(host) {
            return Err(format!("{host} still has {slot} and is not named"));
        }
    }
    Ok(())
}

/// Member by member: the load balancers agree, and nobody gets requests who was changed and is not
/// well; who is left out is named.
pub fn rolled(play: &Play<'_>, outcome: &Outcome) -> Result<(), String> {
    let mut all = told(play);
    let first = all.next().and_then(Option::as_ref);
    if all.any(|t| reached(t.as_ref()) != reached(first)) {
        return Err("the load balancers do not agree".to_owned());
    }
    let reached = reached(first);
    let target = &play.stage.plan.target;
    for host in play.stage.world.setup.hosts(target) {
        let key = (host.clone(), target.clone());
        let found = &play.model.slots[&key];
        let gets = reached.contains(&(target.clone(), host.clone()));
        if gets
            && play.touched.contains_key(&key)
            && !found.serves()
            && !play.hurt.contains_key(host)
        {
            return Err(format!("{host} gets requests and is {found:?}"));
        }
        if !gets && play.touched.contains_key(&key) && !outcome.why.contains(host.as_str()) {
            return Err(format!("{host} gets no requests and nobody says so"));
        }
    }
    if reached.is_empty() {
        return Err("nobody gets requests any more".to_owned());
    }
    Ok(())
}

/// Mixed is said only where a load balancer could not be given back, and it names those.
pub fn mixed(play: &Play<'_>, outcome: &Outcome) -> Result<(), String> {
    if play.unrestored.is_empty() {
        return Err("every load balancer was given back".to_owned());
    }
    if outcome.hosts.is_empty() || outcome.hosts.iter().any(|h| !play.faulty.contains(h)) {
        return Err(format!("it names {:?}", outcome.hosts));
    }
    let told = play.model.balancers.iter();
    for (lb, traffic) in told.filter(|(lb, _)| !play.reverted.contains(*lb)) {
        if value(traffic) != value(&play.start.balancers[lb]) && !outcome.hosts.contains(lb) {
            // A change that stays once it is done, whatever comes after it.
            let stays = |s: &crate::plan::Step| match (&s.action, &s.undo) {
                (Action::Shift { moves }, Undo::Half(_)) => {
                    moves.iter().any(|m| m.host == *lb && m.after == *traffic)
                }
                (_, undo) => *undo == Undo::NeverBack,
            };
            // Batches that are over stay as they are.
            let batches = !play.stage.plan.batches.is_empty();
            if !batches && !play.stage.plan.steps.iter().any(stays) {
                return Err(format!("{lb} is not as before and is not named"));
            }
        }
    }
    Ok(())
}
