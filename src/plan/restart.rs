//! Restart: the same release again, host by host within the active slot: drain, stop, start, gate,
//! back. No registry. Where members cannot be taken out one by one and the app may be interrupted
//! (`recreate`), all at once.

use std::collections::BTreeMap;

use crate::fleet::{Fleet, Traffic};
use crate::name::{HostName, ReleaseId, SlotName};

use super::entry::{self, Need};
use super::in_place::Todo;
use super::rolling::{self, Rolling};
use super::{Plan, PlanKind, Refusal, Setup, debts, judge, recreate, traffic};

/// Plans a restart of every member of the active slot, one after the other.
///
/// # Errors
/// A [`Refusal`] where nothing serves, what serves is not recorded, or a load balancer cannot take
/// out single members.
pub fn restart(setup: &Setup, fleet: &Fleet, generation: &str) -> Result<Plan, Refusal> {
    let anywhere = entry::checks(setup, fleet, Need::None)?;
    let (Some(active), Some(serving)) = (
        traffic::active(setup, anywhere.before.as_ref())?,
        anywhere.before,
    ) else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            format!(
                "`deploy {} {}@VERSION` brings the first release up",
                setup.env, setup.app
            ),
        ));
    };
    let entry = entry::checks(setup, fleet, Need::Slot(&active))?;
    debts::refuse_behind(setup, fleet, &active)?;
    let at_once = recreate::needed(setup, &serving, &active);
    if !at_once {
        rolling::refuse_obstacles(setup, &active)?;
        refuse_member_out(setup, &serving, &active)?;
    }
    let releases = recorded(setup, fleet, &active)?;
    let mut plan = Plan::new(setup, PlanKind::Restart, &active);
    plan.to = judge::shown_release(setup, fleet, &active);
    plan.from.clone_from(&plan.to);
    plan.old = Some(active.clone());
    plan.before = Some(serving.clone());
    plan.notes = entry.notes;
    let hosts = releases.keys().cloned().collect::<Vec<_>>();
    let hosts = setup
        .hosts(&active)
        .filter(|h| hosts.contains(h))
        .cloned()
        .collect();
    let hosts = rolling::order(setup, fleet, &active, &serving, hosts);
    let mut rolling = Rolling::new(&mut plan, setup, &active, serving, generation);
    if at_once {
        let mut ids: Vec<&ReleaseId> = releases.values().collect();
        ids.dedup();
        let release = ids
            .first()
            .filter(|_| ids.len() == 1)
            .map(|id| (*id).clone());
        let todo = todo(hosts, &releases);
        recreate::refuse_two(setup, fleet, &active, &todo)?;
        rolling.recreate(fleet, &todo, release);
        return Ok(plan);
    }
    if let Some(first) = hosts.first() {
        let others = rolling::others(setup, fleet, &active, &rolling.now, first);
        rolling.gate(others, None, true, "they serve alone while one is out");
    }
    for host in &hosts {
        rolling.member(host, &releases[host], "restart");
    }
    Ok(plan)
}

/// What runs there, again.
fn todo(hosts: Vec<HostName>, releases: &BTreeMap<HostName, ReleaseId>) -> Vec<Todo> {
    let again = |host: HostName| Todo {
        release: releases[&host].clone(),
        was: releases.get(&host).cloned(),
        why: "restart".to_owned(),
        host,
    };
    hosts.into_iter().map(again).collect()
}

fn refuse_member_out(setup: &Setup, serving: &Traffic, active: &SlotName) -> Result<(), Refusal> {
    let out = rolling::out_of_traffic(setup, serving, active);
    if out.is_empty() {
        return Ok(());
    }
    let out: Vec<&str> = out.iter().map(HostName::as_str).collect();
    Err(Refusal::one(
        format!(
            "{} gets no traffic: one more member out would be one too many",
            out.join(" ")
        ),
        format!(
            "`deploy {} {}@VERSION` with the version that runs puts it back",
            setup.env, setup.app
        ),
    ))
}

/// What the hosts' records say runs there: only that can be started again.
fn recorded(
    setup: &Setup,
    fleet: &Fleet,
    active: &SlotName,
) -> Result<BTreeMap<HostName, ReleaseId>, Refusal> {
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    for host in setup.hosts(active) {
        let view = fleet.hosts.get(host);
        match view.and_then(|v| judge::recorded(v, active)) {
            Some(kept) => {
                known.insert(host.clone(), kept.label.id.clone());
            }
            None => unknown.push((
                format!(
                    "{host} has no recorded release of {} in {active}",
                    setup.app
                ),
                "only what was brought up by `deploy` can be started again; deploy a version first"
                    .to_owned(),
            )),
        }
    }
    Refusal::of(unknown).map_or(Ok(known), Err)
}
