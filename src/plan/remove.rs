//! Remove: the app, or some of its hosts, out of all load balancers, drained, ended and cleaned up.
//!
//! Nothing of it goes before no load balancer sends there, as read back from all of them, and open
//! requests have ended: until then all can be taken back. From the first container on there is no
//! way back; who fails there is named, and the same command does the rest.

pub(super) mod unfinished;

use std::collections::BTreeSet;

use crate::fleet::{Fleet, HostView, Traffic};
use crate::name::{HostName, SlotName, StepId};

use super::entry::{self, Need};
use super::rolling::{self, Rolling};
use super::{Action, Move, Plan, PlanKind, Refusal, Setup, Undo, debts, judge, skipped, traffic};

/// Plans to remove the app from these hosts; without any, from all of them and from the load
/// balancers. With `force`, also where fewer members than `min_healthy` are left.
///
/// # Errors
/// A [`Refusal`] where a host or load balancer does not answer, one owes a change, or too few
/// members would go on serving.
pub fn remove(
    setup: &Setup,
    fleet: &Fleet,
    hosts: &[HostName],
    force: bool,
    generation: &str,
) -> Result<Plan, Refusal> {
    let members = members(setup);
    if hosts.is_empty() {
        return whole(setup, fleet, &members);
    }
    let named: Vec<HostName> = members
        .into_iter()
        .filter(|h| hosts.contains(h))
        .cloned()
        .collect();
    refuse(setup, fleet, &named)?;
    let entry = entry::checks(setup, fleet, Need::None)?;
    let active = traffic::active(setup, entry.before.as_ref())?;
    let mut plan = begin(setup, fleet, active.as_ref(), entry.before.as_ref())?;
    plan.to.clone_from(&plan.from);
    plan.notes = entry.notes;
    let mut needs = Vec::new();
    if let Some((slot, now)) = active.zip(entry.before) {
        let serving: Vec<HostName> = rolling::ready(&now, &slot)
            .filter(|h| named.contains(h))
            .cloned()
            .collect();
        if !serving.is_empty() {
            refuse_too_few(setup, fleet, &slot, &now, &serving, force)?;
        }
        needs = leave(&mut plan, setup, &slot, now, &named, &serving, generation);
    }
    clean(&mut plan, setup, fleet, &named, &needs);
    for slot in &setup.slots {
        let left = setup.groups.get(slot).into_iter().flatten();
        if Some(slot) != plan.old.as_ref() && left.clone().all(|m| named.contains(&m.host)) {
            let note = format!("{slot} has no member left: there is no way back to it");
            plan.notes.push(note);
        }
    }
    let note = take_out(setup, plan.old.as_ref(), &named);
    plan.notes.push(note);
    end(&mut plan, setup, fleet, named);
    Ok(plan)
}

/// What a person has to do now: the inventory goes on wanting a release on hosts that have none.
fn take_out(setup: &Setup, active: Option<&SlotName>, named: &[HostName]) -> String {
    let of = |slot: &&SlotName| {
        let all = setup.groups.get(*slot).into_iter().flatten();
        all.clone().any(|m| named.contains(&m.host))
    };
    // The way back is to the other slot, or where there is one only through that.
    let alone = setup.slots.len() == 1;
    let back = setup.slots.iter().filter(of);
    let back: Vec<String> = back
        .filter(|slot| alone || Some(*slot) != active)
        .map(|slot| match alone {
            true => "there is no rollback, and ".to_owned(),
            false => format!("nothing goes back to {slot}, and "),
        })
        .collect();
    let names: Vec<&str> = named.iter().map(HostName::as_str).collect();
    format!(
        "take {} out of inventories/{}.yml now: until then {}the next deploy or sync brings {} again",
        names.join(" "),
        setup.env,
        back.concat(),
        if named.len() == 1 { "it" } else { "them" },
    )
}

/// Every host of the app, in inventory order, those that rest too.
fn members(setup: &Setup) -> Vec<&HostName> {
    let mut out: Vec<&HostName> = Vec::new();
    for slot in &setup.slots {
        for member in setup.groups.get(slot).into_iter().flatten() {
            if !out.contains(&&member.host) {
                out.push(&member.host);
            }
        }
    }
    out
}

fn whole(setup: &Setup, fleet: &Fleet, members: &[&HostName]) -> Result<Plan, Refusal> {
    let all: Vec<HostName> = members.iter().map(|h| (*h).clone()).collect();
    refuse(setup, fleet, &all)?;
    let found = found(setup, fleet)?;
    let before = found.iter().find_map(|(_, _, running)| running.clone());
    let active = before.as_ref().and_then(Traffic::sole).cloned();
    let mut plan = begin(setup, fleet, active.as_ref(), before.as_ref())?;
    plan.after = None;
    plan.notes = debts::notes(setup, fleet);
    plan.notes.extend(skipped::notes(setup, fleet));
    let mut needs = Vec::new();
    let moves = away(&found);
    if !moves.is_empty() {
        let back: Vec<Move> = moves
            .iter()
            .filter(|m| m.before.is_some())
            .cloned()
            .collect();
        let back = Action::Shift {
            moves: back.iter().map(Move::reversed).collect(),
        };
        let nobody = "nobody serves it any more";
        let shift = plan.push(Action::Shift { moves }, Undo::Do(vec![back]), &[], nobody);
        plan.commit = Some(shift);
        needs = idle(&mut plan, setup, &[shift]);
    }
    clean(&mut plan, setup, fleet, &all, &needs);
    end(&mut plan, setup, fleet, all);
    if !plan.is_empty() && plan.before.is_some() {
        let note = format!("no slot of {} serves after this", setup.app);
        plan.notes.push(note);
    }
    Ok(plan)
}

/// What each load balancer has of the app: written, running.
type Found = Vec<(HostName, Option<Traffic>, Option<Traffic>)>;

fn found(setup: &Setup, fleet: &Fleet) -> Result<Found, Refusal> {
    let mut out = Vec::new();
    let mut reasons = Vec::new();
    for lb in &setup.balancers {
        let view = fleet.balancers.get(&lb.host);
        match view.and_then(|v| Some((v.persisted.get()?, v.running.get()?))) {
            Some((written, running)) => {
                out.push((lb.host.clone(), written.clone(), running.clone()));
            }
            None => reasons.push((
                format!("load balancer {} does not say what it does", lb.host),
                "make it answer: it would go on sending to what is removed".to_owned(),
            )),
        }
    }
    match Refusal::of(reasons) {
        None => Ok(out),
        Some(refusal) => Err(Refusal {
            unknown: true,
            ..refusal
        }),
    }
}

/// All that know anything of the app know nothing of it then.
fn away(found: &Found) -> Vec<Move> {
    let some = found.iter().filter(|(_, w, r)| w.is_some() || r.is_some());
    some.map(|(host, _, running)| Move {
        host: host.clone(),
        before: running.clone(),
        after: None,
    })
    .collect()
}

/// Open requests to all members end; nobody gets any.
fn idle(plan: &mut Plan, setup: &Setup, needs: &[StepId]) -> Vec<StepId> {
    let Some(before) = &plan.before else {
        return needs.to_vec();
    };
    let mut now = before.clone();
    now.split.clear();
    now.rules.clear();
    drains(plan, setup, &now, needs)
}

fn drains(plan: &mut Plan, setup: &Setup, now: &Traffic, needs: &[StepId]) -> Vec<StepId> {
    let mut out = Vec::new();
    for lb in &setup.balancers {
        let action = Action::Drain {
            host: lb.host.clone(),
            now: now.clone(),
            within: setup.drain,
        };
        let why = "open requests of what is removed end";
        out.push(plan.push(action, Undo::Nothing, needs, why));
    }
    out
}

/// What is against it whatever serves: hosts that do not answer, debts that stand.
fn refuse(setup: &Setup, fleet: &Fleet, hosts: &[HostName]) -> Result<(), Refusal> {
    let silent = hosts.iter().filter(|h| !fleet.hosts.contains_key(*h));
    let mut reasons: Vec<(String, String)> = silent
        .map(|h| {
            let why = fleet
                .silent
                .get(h)
                .map_or("it was not asked", String::as_str);
            let hint = format!(
                "make it answer; where it is gone for good, take it out of inventories/{}.yml",
                setup.env
            );
            (format!("{h} does not answer: {why}"), hint)
        })
        .collect();
    let unknown = !reasons.is_empty();
    let balancers = debts::owing_balancers(setup, fleet);
    let gone = debts::strangers(setup, fleet);
    for (host, debt) in fleet.debts() {
        if hosts.contains(&host) || debt.drained() || gone.contains(&host) {
            continue;
        }
        let hint = if balancers.contains_key(&host) {
            debts::catch_up_or_forget(setup, &host)
        } else {
            format!("`deploy sync {} {}` brings it", setup.env, setup.app)
        };
        reasons.push((format!("{host} is owing: it {}", debt.says()), hint));
    }
    match Refusal::of(reasons) {
        None => Ok(()),
        Some(refusal) => Err(Refusal { unknown, ..refusal }),
    }
}

fn refuse_too_few(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    now: &Traffic,
    serving: &[HostName],
    force: bool,
) -> Result<(), Refusal> {
    let left = rolling::ready(now, slot).count() - serving.len();
    let nobody = (
        format!(
            "nobody would serve {}: {slot} has no other member",
            setup.app
        ),
        format!(
            "`deploy switch {0} {1}` to the other slot first; without --hosts the whole app is removed",
            setup.env, setup.app
        ),
    );
    let force = (!force).then_some("--force -m REASON");
    rolling::refuse_leaving(setup, fleet, slot, left, nobody, force)
}

fn begin(
    setup: &Setup,
    fleet: &Fleet,
    active: Option<&SlotName>,
    before: Option<&Traffic>,
) -> Result<Plan, Refusal> {
    let Some(target) = active.or(setup.slots.first()) else {
        return Err(Refusal::one(format!("{} has no slots", setup.app), ""));
    };
    let mut plan = Plan::new(setup, PlanKind::Remove, target);
    plan.from = judge::shown_release(setup, fleet, target);
    plan.old = active.cloned();
    plan.before = before.cloned();
    plan.after = before.cloned();
    Ok(plan)
}

/// Members leave: first they get nothing and their open requests end, then no load balancer knows
/// them any more. The others are known to be well before.
fn leave(
    plan: &mut Plan,
    setup: &Setup,
    slot: &SlotName,
    now: Traffic,
    hosts: &[HostName],
    serving: &[HostName],
    generation: &str,
) -> Vec<StepId> {
    let others = rolling::ready(&now, slot).filter(|h| !serving.contains(h));
    let others: Vec<HostName> = others.cloned().collect();
    let mut rolling = Rolling::new(plan, setup, slot, now, generation);
    if !serving.is_empty() {
        rolling.gate(others, None, true, "they serve alone from now on");
    }
    rolling.gone(hosts, serving);
    rolling.last
}

/// The slots of the app of which a host has anything: those of the inventory, and others that its
/// record knows.
fn slots(setup: &Setup, view: &HostView) -> Vec<SlotName> {
    let record = &view.record;
    let ran = |slot: &SlotName| {
        let mut all = judge::containers(view, &setup.env, &setup.app, slot);
        all.next().is_some()
    };
    let some = setup.slots.iter().any(ran) || !record.slots.is_empty();
    if !some && record.releases.is_empty() && record.promoted.is_empty() {
        return Vec::new();
    }
    let known: BTreeSet<&SlotName> = setup.slots.iter().collect();
    let more = record.slots.keys().filter(|s| !known.contains(s));
    setup.slots.iter().chain(more).cloned().collect()
}

fn clean(plan: &mut Plan, setup: &Setup, fleet: &Fleet, hosts: &[HostName], needs: &[StepId]) {
    for host in hosts {
        let Some(view) = fleet.hosts.get(host) else {
            continue;
        };
        let slots = slots(setup, view);
        if !slots.is_empty() {
            let host = host.clone();
            let why = "no load balancer sends there";
            plan.push(Action::Remove { host, slots }, Undo::NeverBack, needs, why);
        }
    }
}

fn end(plan: &mut Plan, setup: &Setup, fleet: &Fleet, hosts: Vec<HostName>) {
    plan.removes.clone_from(&hosts);
    debts::pay(
        plan,
        setup,
        fleet,
        hosts,
        "they are not of the app any more",
    );
    if plan.is_empty() {
        plan.end = judge::NOTHING;
        plan.notes.push("nothing of it is there".to_owned());
    } else {
        let stays = "volumes and images stay, and the history of the app";
        plan.notes.push(stays.to_owned());
    }
}
