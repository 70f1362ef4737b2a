//! What must hold where a run has come to its end.

use std::collections::BTreeMap;

use crate::engine::sim::model::{Model, reached};
use crate::engine::sim::stage::Stage;
use crate::fleet::Traffic;
use crate::name::{HostName, OutcomeKind, SlotName};
use crate::plan::resume::Unfinished;
use crate::plan::{Action, Plan};

/// What the plan removes: hosts and slots.
fn removed(plan: &Plan) -> Vec<(HostName, SlotName)> {
    let steps = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Remove { host, slots } => Some(slots.iter().map(|s| (host.clone(), s.clone()))),
        _ => None,
    });
    steps.flatten().collect()
}

/// What each slot gets; one that gets nothing is not named.
fn shares(traffic: Option<&Traffic>) -> BTreeMap<SlotName, u32> {
    let all = traffic.into_iter().flat_map(|t| &t.split);
    let given = all.filter(|(_, share)| **share > 0);
    given.map(|(s, share)| (s.clone(), *share)).collect()
}

/// All load balancers send to the same members, which are those of one end.
pub fn whole(run: &Unfinished, kind: OutcomeKind, model: &Model) -> Result<(), String> {
    let mut all = model.balancers.values();
    let first = all.next().cloned().flatten();
    if all.any(|t| reached(t.as_ref()) != reached(first.as_ref())) {
        return Err(format!("{kind}: the load balancers do not agree"));
    }
    let now = shares(first.as_ref());
    let mut all = model.balancers.values();
    if all.any(|t| shares(t.as_ref()) != now) {
        return Err(format!("{kind}: the load balancers share otherwise"));
    }
    let (before, after) = (shares(run.before.as_ref()), shares(run.after.as_ref()));
    if now != before && now != after {
        return Err(format!("{kind}: traffic is at neither end"));
    }
    // Where nobody got requests before, the slot does then, with what it held.
    let nobody = run.before.as_ref().is_some_and(Traffic::nobody);
    let moved = !nobody && now == after && now != before;
    match kind {
        OutcomeKind::Cancelled | OutcomeKind::RolledBack if moved => {
            Err(format!("{kind}, and traffic is at the new slot"))
        }
        OutcomeKind::Succeeded if now != after => {
            Err("succeeded, and traffic is not at the new slot".to_owned())
        }
        _ => Ok(()),
    }
}

/// A removal that was finished left nothing; one that was not took nothing.
pub fn cleaned(stage: &Stage, kind: OutcomeKind, model: &Model) -> Result<(), String> {
    let first = Model::of(&stage.world);
    for key in removed(&stage.plan) {
        let of = |m: &Model| m.slots.get(&key).and_then(|s| s.release.clone());
        let was = of(&first).filter(|_| kind != OutcomeKind::Succeeded);
        if of(model) != was {
            let (now, slot) = (of(model), &key.1);
            return Err(format!("{kind}: {} holds {now:?} in {slot}", key.0));
        }
    }
    Ok(())
}
