//! What must hold where a run has come to its end.

use std::collections::BTreeSet;

use crate::engine::sim::model::{Model, reached};
use crate::engine::sim::stage::Stage;
use crate::fleet::Traffic;
use crate::name::{HostName, OutcomeKind, SlotName};
use crate::plan::resume::Unfinished;
use crate::plan::{Action, Plan};

/// What the plan removes: hosts and slots.
pub fn removed(plan: &Plan) -> Vec<(HostName, SlotName)> {
    let steps = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Remove { host, slots } => Some(slots.iter().map(|s| (host.clone(), s.clone()))),
        _ => None,
    });
    steps.flatten().collect()
}

/// All load balancers send to the same members, which are those of one end.
pub fn whole(run: &Unfinished, kind: OutcomeKind, model: &Model) -> Result<(), String> {
    let mut all = model.balancers.values();
    let first = all.next().cloned().flatten();
    if all.any(|t| reached(t.as_ref()) != reached(first.as_ref())) {
        return Err(format!("{kind}: the load balancers do not agree"));
    }
    let split = |t: &Option<Traffic>| t.as_ref().map(|t| t.split.clone());
    if model.balancers.values().any(|t| split(t) != split(&first)) {
        return Err(format!("{kind}: the load balancers share otherwise"));
    }
    let slots =
        |t: Option<&Traffic>| -> BTreeSet<_> { reached(t).into_iter().map(|(s, _)| s).collect() };
    let now = slots(first.as_ref());
    if now != slots(run.before.as_ref()) && now != slots(run.after.as_ref()) {
        return Err(format!("{kind}: traffic is at neither end"));
    }
    // Where nobody got requests before, the slot does then, with what it held.
    let nobody = run.before.as_ref().is_some_and(Traffic::nobody);
    let moved = !nobody && now == slots(run.after.as_ref()) && now != slots(run.before.as_ref());
    match kind {
        OutcomeKind::Cancelled | OutcomeKind::RolledBack if moved => {
            Err(format!("{kind}, and traffic is at the new slot"))
        }
        OutcomeKind::Succeeded if now != slots(run.after.as_ref()) => {
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
