//! Adopt: what runs and was started by hand is recorded as release #0, and every load balancer is led
//! to it. No container is touched: what was asked of the members before is asked of them after.

use crate::fleet::Fleet;
use crate::name::SlotName;
use crate::release::Release;

use super::entry::{self, Entry, Need};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo, judge, switch};

/// Plans to record `release`, whose parts name the containers of `slot`, and to send all traffic there.
///
/// # Errors
/// A [`Refusal`] where a load balancer sends to a slot of the app already, or a host has a record of
/// it: then there is nothing to adopt.
pub fn adopt(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
    generation: &str,
) -> Result<Plan, Refusal> {
    let Entry { before, notes } = entry::checks(setup, fleet, Need::Slot(slot))?;
    let mut reasons = recorded(setup, fleet);
    if before.is_some() {
        reasons.push((
            format!(
                "load balancers send to {} already",
                judge::says(before.as_ref())
            ),
            format!("`deploy status {}` shows what serves", setup.env),
        ));
    }
    let missing = setup.hosts(slot).filter(|h| release.on(slot, h).is_none());
    reasons.extend(missing.map(|h| {
        let what = format!("{h} has no container of {}: {slot} is not whole", setup.app);
        (
            what,
            "take it out of the group, or start one there".to_owned(),
        )
    }));
    if let Some(refusal) = Refusal::of(reasons) {
        return Err(refusal);
    }
    let mut plan = Plan::new(setup, PlanKind::Adopt, slot);
    plan.to = Some(release.label.clone());
    plan.notes = notes;
    let id = &release.label.id;
    let mut needs = Vec::new();
    for host in setup.hosts(slot) {
        let (host, slot) = (host.clone(), slot.clone());
        let back = Action::Revert {
            host: host.clone(),
            slot: slot.clone(),
            to: None,
        };
        let record = Action::Replace {
            host,
            slot,
            release: id.clone(),
        };
        let why = "started by hand; it is not touched";
        needs.push(plan.push(record, Undo::Do(vec![back]), &[], why));
    }
    let gate = Action::Gate {
        slot: slot.clone(),
        hosts: setup.hosts(slot).cloned().collect(),
        release: Some(id.clone()),
        once: true,
    };
    let why = "one fresh probe of every member from every view";
    let gate = plan.push(gate, Undo::Nothing, &needs, why);
    switch::shift(
        &mut plan,
        setup,
        fleet,
        setup.all_to(slot, generation),
        &[gate],
    );
    Ok(plan)
}

/// Hosts of which the record knows something of the app already.
fn recorded(setup: &Setup, fleet: &Fleet) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for host in setup.all_hosts() {
        let Some(view) = fleet.hosts.get(host) else {
            continue;
        };
        for (slot, held) in &view.record.slots {
            let mut kept = view.record.kept.iter();
            let kept = kept.find(|k| k.label.id == held.release);
            let what = kept.map_or_else(|| held.release.to_string(), |k| k.label.to_string());
            let what =
                format!("{host} has {what} on record in {slot}: it was deployed or adopted before");
            if !out.iter().any(|(said, _)| *said == what) {
                out.push((what, format!("`deploy status {}` shows it", setup.env)));
            }
        }
    }
    out
}
