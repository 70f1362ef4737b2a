//! Drain and undrain: one host out of the traffic of an app until a person brings it back.
//!
//! It is written on every host of the app (`owing/<host>`, generation `drained`). Whoever plans lets
//! such a host rest: it gets no traffic and nothing is done to it.

use std::collections::BTreeSet;

use crate::fleet::{DRAINED, Fleet, Traffic};
use crate::name::{HostName, ReleaseId, SlotName};

use super::entry::{self, Need};
use super::rolling::{self, Rolling};
use super::{Action, Owes, Plan, PlanKind, Refusal, Setup, Undo, debts, judge, spare, traffic};

/// Plans to take `host` out. Others that rest do so in `setup` already.
///
/// # Errors
/// A [`Refusal`] where fewer members than `min_healthy` would be left (with `force`: none), where a
/// load balancer cannot take out single members or does not do what the others do.
pub fn drain(
    setup: &Setup,
    fleet: &Fleet,
    host: &HostName,
    force: bool,
    generation: &str,
) -> Result<Plan, Refusal> {
    let mut plan = start(setup, fleet, PlanKind::Drain)?;
    if setup.resting.contains(host) {
        return Ok(nothing(plan, format!("{host} is drained already")));
    }
    let write = Owes {
        host: host.clone(),
        missed: DRAINED.to_owned(),
        slots: BTreeSet::new(),
    };
    let on = debts::everyone(setup, fleet);
    let owe = Action::Owe {
        on: on.clone(),
        owing: vec![write],
        paid: Vec::new(),
    };
    let undo = Undo::Do(vec![Action::Owe {
        on,
        owing: Vec::new(),
        paid: vec![host.clone()],
    }]);
    let why = "whoever comes next must know before the change";
    let (slot, now) = (plan.target.clone(), plan.before.clone());
    let serving = now.filter(|t| rolling::ready(t, &slot).any(|h| h == host));
    let Some(now) = serving else {
        let needs = spare::end_left(&mut plan, setup, fleet, &slot);
        plan.push(owe, undo, needs.as_slice(), why);
        return Ok(plan);
    };
    refuse(setup, fleet, host, &slot, &now, force)?;
    let others: Vec<HostName> = rolling::ready(&now, &slot)
        .filter(|h| *h != host)
        .cloned()
        .collect();
    let mut rolling = Rolling::new(&mut plan, setup, &slot, now, generation);
    rolling.gate(others, None, true, "they serve alone from now on");
    let needs = rolling.last.clone();
    let told = rolling.plan.push(owe, undo, &needs, why);
    rolling.last = vec![told];
    rolling.out(host, "a person takes it out");
    Ok(plan)
}

fn refuse(
    setup: &Setup,
    fleet: &Fleet,
    host: &HostName,
    slot: &SlotName,
    now: &Traffic,
    force: bool,
) -> Result<(), Refusal> {
    let left = rolling::ready(now, slot).filter(|h| *h != host).count();
    let nobody = (
        format!("{host} is the last member of {slot} that gets requests"),
        format!(
            "switch to the other slot first: `deploy switch {} {}`",
            setup.env, setup.app
        ),
    );
    let force = (!force).then_some("--force");
    rolling::refuse_leaving(setup, fleet, slot, left, nobody, force)
}

/// Plans to bring `host` back; it does not rest in `setup` any more. One that is to serve and does
/// not run what the others run goes on without traffic, as one that missed a change.
///
/// # Errors
/// A [`Refusal`] where it does not answer, or a load balancer does not do what the others do.
pub fn undrain(
    setup: &Setup,
    fleet: &Fleet,
    host: &HostName,
    generation: &str,
) -> Result<Plan, Refusal> {
    let mut plan = start(setup, fleet, PlanKind::Undrain)?;
    if !fleet.drained().contains(host) {
        return Ok(nothing(plan, format!("{host} is not drained")));
    }
    if !fleet.hosts.contains_key(host) {
        let why = fleet
            .silent
            .get(host)
            .map_or("it was not asked", String::as_str);
        return Err(Refusal {
            reasons: vec![(format!("{host} does not answer: {why}"), String::new())],
            unknown: true,
        });
    }
    let (slot, before) = (plan.target.clone(), plan.before.clone());
    let member = setup.hosts(&slot).any(|h| h == host);
    if let Some(now) = before.filter(|_| member) {
        debts::refuse_behind(setup, fleet, &slot)?;
        let release = match fit(setup, fleet, host, &slot, &now) {
            Ok(release) => release,
            Err(why) => {
                stay_out(&mut plan, setup, fleet, host, generation, &why);
                return Ok(plan);
            }
        };
        let mut rolling = Rolling::new(&mut plan, setup, &slot, now, generation);
        let gated = vec![host.clone()];
        let why = "no traffic before the gates have passed";
        rolling.gate(gated.clone(), Some(release), false, why);
        rolling.back(&gated, "back into traffic");
    }
    debts::pay(
        &mut plan,
        setup,
        fleet,
        [host.clone()],
        "a person brings it back",
    );
    Ok(plan)
}

/// Not drained any more, but owing: it gets traffic when a run has brought it to what serves.
fn stay_out(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    host: &HostName,
    generation: &str,
    why: &str,
) {
    let write = |missed: &str| Action::Owe {
        on: debts::everyone(setup, fleet),
        owing: vec![Owes {
            host: host.clone(),
            missed: missed.to_owned(),
            slots: BTreeSet::new(),
        }],
        paid: Vec::new(),
    };
    let undo = Undo::Do(vec![write(DRAINED)]);
    plan.push(write(generation), undo, &[], "it does not run what serves");
    // Of another member: what this one holds is the trouble.
    let mut others = setup.clone();
    others.rest(host);
    let serving = judge::shown_release(&others, fleet, &plan.target);
    let version = serving.map_or_else(|| "VERSION".to_owned(), |r| r.version.to_string());
    plan.notes.push(format!(
        "{host} stays out of traffic: {why}; `deploy {} {}@{version}` brings it",
        setup.env, setup.app
    ));
}

/// What it runs, where that is what the others run; else why not.
fn fit(
    setup: &Setup,
    fleet: &Fleet,
    host: &HostName,
    slot: &SlotName,
    now: &Traffic,
) -> Result<ReleaseId, String> {
    let of = |h: &HostName| {
        let view = fleet.hosts.get(h)?;
        judge::recorded(view, slot).map(|r| (view, r))
    };
    let others: BTreeSet<_> = rolling::ready(now, slot)
        .filter_map(|h| Some(of(h)?.1.label.id.clone()))
        .collect();
    let Some((view, held)) = of(host) else {
        return Err(format!("it has no release of {} in {slot}", setup.app));
    };
    if !others.contains(&held.label.id) {
        return Err(format!("it holds {}", held.label));
    }
    let (env, app, id) = (&setup.env, &setup.app, &held.label.id);
    let found = judge::differences(view, env, app, slot, id, &held.services);
    if found.is_empty() {
        Ok(id.clone())
    } else {
        Err(found.join(", "))
    }
}

fn start(setup: &Setup, fleet: &Fleet, kind: PlanKind) -> Result<Plan, Refusal> {
    let entry = entry::checks(setup, fleet, Need::None)?;
    let active = traffic::active(setup, entry.before.as_ref())?;
    let first = setup.slots.first().cloned();
    let Some(target) = active.clone().or(first) else {
        return Err(Refusal::one(format!("{} has no slots", setup.app), ""));
    };
    let mut plan = Plan::new(setup, kind, &target);
    plan.to = judge::shown_release(setup, fleet, &target);
    plan.from.clone_from(&plan.to);
    plan.old = active;
    plan.before.clone_from(&entry.before);
    plan.after = entry.before;
    plan.notes = entry.notes;
    Ok(plan)
}

fn nothing(mut plan: Plan, why: String) -> Plan {
    plan.end = judge::NOTHING;
    plan.notes.push(why);
    plan
}
