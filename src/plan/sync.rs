//! Sync: members that are new, rebuilt, owing or differ are brought to the release that the records
//! name, by digest; each is gated, then into traffic. What runs elsewhere is not touched, and no
//! slot is left: for that there is a deploy.

use std::collections::BTreeSet;

use crate::fleet::{Fleet, Severity, Traffic};
use crate::name::{HostName, ReleaseId, SlotName, StepId};
use crate::release::Release;

use super::entry::{self, Need};
use super::in_place::{self, Todo};
use super::rolling::{self, Rolling};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo};
use super::{blue_green, debts, judge, recreate, spare, traffic};

/// Plans to bring `named` hosts, or all where none is named, to `release`: the recorded one of each
/// slot, with a part for every host that shall run it.
///
/// # Errors
/// A [`Refusal`] where nothing serves, a host that was named cannot be worked on, or a member that
/// gets requests cannot be taken out.
pub fn sync(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    named: &[HostName],
    generation: &str,
) -> Result<Plan, Refusal> {
    let entry = entry::checks(setup, fleet, Need::None)?;
    let active = traffic::active(setup, entry.before.as_ref())?;
    let (Some(active), Some(serving)) = (active, entry.before) else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            format!(
                "`deploy {} {}@VERSION` brings the first release up",
                setup.env, setup.app
            ),
        ));
    };
    let mut plan = Plan::new(setup, PlanKind::Sync, &active);
    plan.to = Some(release.label.clone());
    plan.from.clone_from(&plan.to);
    plan.old = Some(active.clone());
    plan.before = Some(serving.clone());
    plan.after = Some(serving.clone());
    plan.notes = entry.notes;
    let chosen = chosen(setup, fleet, named, &mut plan.notes)?;
    let sync = Sync {
        setup,
        local: narrowed(setup, &chosen, &active, &serving),
        release,
        fleet,
        generation,
    };
    let last = sync.members(&mut plan, &active, serving)?;
    if let Some(standby) = setup.other(&active) {
        sync.standby(&mut plan, standby, &last)?;
    }
    let mut gated = debts::gated(&plan, &active);
    if let Some(slot) = setup.other(&active) {
        gated.extend(debts::gated(&plan, slot));
    }
    gated.retain(|h| chosen.contains(h));
    debts::pay(&mut plan, setup, fleet, gated, "they have caught up");
    if plan.is_empty() {
        plan.end = judge::NOTHING;
        plan.notes
            .push("every host runs what is recorded".to_owned());
    }
    Ok(plan)
}

/// The hosts that are worked on: those that were named; else all that answer and are not broken.
fn chosen(
    setup: &Setup,
    fleet: &Fleet,
    named: &[HostName],
    notes: &mut Vec<String>,
) -> Result<BTreeSet<HostName>, Refusal> {
    let mut out = BTreeSet::new();
    let (mut reasons, mut unknown) = (Vec::new(), false);
    let all: BTreeSet<&HostName> = setup.all_hosts().collect();
    for host in named.iter().filter(|h| !all.contains(h)) {
        let what = format!(
            "{host} takes no part: it is drained, or {} does not run on it",
            setup.app
        );
        reasons.push((what, format!("`deploy undrain {} {host}`", setup.env)));
    }
    for host in all {
        let asked = named.contains(host);
        if !named.is_empty() && !asked {
            continue;
        }
        let Some(view) = fleet.hosts.get(host) else {
            if asked {
                unknown = true;
                let why = fleet.silent.get(host);
                let why = why.map_or("it was not asked", String::as_str);
                reasons.push((format!("{host} does not answer: {why}"), String::new()));
            }
            continue;
        };
        let broken = view.problems.iter();
        let broken: Vec<_> = broken.filter(|p| p.severity == Severity::Error).collect();
        if broken.is_empty() {
            out.insert(host.clone());
        } else if asked {
            reasons.extend(
                broken
                    .iter()
                    .map(|p| (format!("{host}: {}", p.what), p.hint.clone())),
            );
        } else {
            notes.push(format!("{host} is left as it is"));
        }
    }
    Refusal::of(reasons).map_or(Ok(out), |r| Err(Refusal { unknown, ..r }))
}

/// The app as it is once only these hosts are worked on: every other member stays as the load
/// balancers have it.
fn narrowed(
    setup: &Setup,
    chosen: &BTreeSet<HostName>,
    active: &SlotName,
    serving: &Traffic,
) -> Setup {
    let mut local = setup.clone();
    let others: Vec<HostName> = setup
        .all_hosts()
        .filter(|h| !chosen.contains(*h))
        .cloned()
        .collect();
    let now = serving.groups.get(active);
    for host in others {
        let there = now.and_then(|g| g.iter().find(|m| m.host == host));
        if let Some(group) = local.groups.get_mut(active) {
            match there {
                Some(there) => group
                    .iter_mut()
                    .filter(|m| m.host == host)
                    .for_each(|m| *m = there.clone()),
                None => group.retain(|m| m.host != host),
            }
        }
        local.resting.insert(host);
    }
    local
}

struct Sync<'a> {
    setup: &'a Setup,
    /// The app without those that are not worked on.
    local: Setup,
    release: &'a Release,
    fleet: &'a Fleet,
    generation: &'a str,
}

impl Sync<'_> {
    fn id(&self, slot: &SlotName) -> Option<&ReleaseId> {
        let mut parts = self.release.parts.iter();
        let part = parts.find(|p| p.spec.slot == *slot)?;
        Some(&part.spec.label.id)
    }

    fn pulls(&self, plan: &mut Plan, slot: &SlotName, hosts: &[HostName]) -> Vec<StepId> {
        let Some(id) = self.id(slot) else {
            return Vec::new();
        };
        let pull = |host: &HostName| {
            let pull = Action::Pull {
                host: host.clone(),
                slot: slot.clone(),
                release: id.clone(),
            };
            plan.push(pull, Undo::Nothing, &[], "the images of the release")
        };
        hosts.iter().map(pull).collect()
    }

    /// Members of the slot that serves, one after the other.
    fn members(
        &self,
        plan: &mut Plan,
        active: &SlotName,
        serving: Traffic,
    ) -> Result<Vec<StepId>, Refusal> {
        let (local, fleet, id) = (&self.local, self.fleet, &self.release.label.id);
        let broken = blue_green::differing(local, self.release, fleet, active);
        let is_broken = |h: &HostName| broken.iter().any(|(b, _)| b == h);
        let out = rolling::out_of_traffic(local, &serving, active);
        let debts = fleet.debts();
        let owing = local.hosts(active).filter(|h| debts.contains_key(*h));
        let well: BTreeSet<HostName> = out.iter().chain(owing).cloned().collect();
        let well: Vec<HostName> = well.into_iter().filter(|h| !is_broken(h)).collect();
        let groups = |s: &Setup| s.groups.get(active).cloned();
        let moves = !broken.is_empty()
            || !out.is_empty()
            || serving.groups.get(active).cloned() != groups(local);
        if moves {
            debts::refuse_behind(self.setup, fleet, active)?;
        }
        let served: Vec<&HostName> = broken
            .iter()
            .map(|(h, _)| h)
            .filter(|h| !out.contains(h))
            .collect();
        let at_once = (serving.nobody() || !served.is_empty())
            && recreate::needed(self.setup, &serving, active);
        self.refuse(active, if at_once { &[] } else { &served }, &broken)?;
        let order = broken.iter().map(|(h, _)| h.clone()).collect();
        let order = rolling::order(local, fleet, active, &serving, order);
        if !at_once {
            self.refuse_alone(active, &serving, &order)?;
        }
        let pulls = self.pulls(plan, active, &order);
        let mut rolling = Rolling::new(plan, local, active, serving, self.generation);
        if at_once {
            rolling.last = pulls;
            let todo = self.todo(active, &broken);
            recreate::refuse_two(local, fleet, active, &todo)?;
            rolling.recreate(fleet, &todo, Some(id.clone()));
            return Ok(rolling.last);
        }
        rolling.gate(well.clone(), Some(id.clone()), false, "is it well?");
        rolling.back(&well, "it is well: back into traffic");
        if let Some(first) = order.first() {
            let others = rolling::others(self.setup, fleet, active, &rolling.now, first);
            let same = others.iter().all(|h| !is_broken(h));
            let wanted = same.then(|| id.clone());
            rolling.gate(others, wanted, true, "they serve alone while one is out");
            rolling.last.extend(pulls);
        }
        for host in &order {
            let why = broken.iter().find(|(h, _)| h == host);
            let why = why.map(|(_, why)| why.join(", ")).unwrap_or_default();
            rolling.member(host, id, &why);
        }
        if rolling.now.groups.get(active).cloned() != groups(local) {
            let all: Vec<HostName> = local.hosts(active).cloned().collect();
            let why = "the load balancers' members differ from the inventory";
            rolling.gate(all, Some(id.clone()), false, why);
            rolling.settle(why);
        }
        Ok(rolling.last)
    }

    /// Members that are to run what is recorded, for a strategy that brings all at once.
    fn todo(&self, slot: &SlotName, broken: &[(HostName, Vec<String>)]) -> Vec<Todo> {
        let todo = |(host, why): &(HostName, Vec<String>)| Todo {
            host: host.clone(),
            release: self.release.label.id.clone(),
            was: in_place::recorded(self.fleet, host, slot),
            why: why.join(", "),
        };
        broken.iter().map(todo).collect()
    }

    /// A member that serves is taken out only where enough others serve meanwhile.
    fn refuse_alone(
        &self,
        active: &SlotName,
        serving: &Traffic,
        order: &[HostName],
    ) -> Result<(), Refusal> {
        let (setup, fleet) = (self.setup, self.fleet);
        let serves = |h: &HostName| {
            rolling::ready(serving, active).any(|r| r == h)
                && rolling::answers(setup, fleet, active, h)
        };
        let least = setup.min_healthy.max(1);
        let mut reasons = Vec::new();
        for (n, host) in order.iter().enumerate().filter(|(_, h)| serves(h)) {
            let stays = |h: &&HostName| *h != host && (order[..n].contains(h) || serves(h));
            let left = self.local.hosts(active).filter(stays).count();
            if left < least {
                let what = format!(
                    "{active} would have {left} of {least} members that it needs while {host} is out"
                );
                reasons.push((what, "make the other members serve first".to_owned()));
            }
        }
        Refusal::of(reasons).map_or(Ok(()), Err)
    }

    /// What is against work on members that get requests, and on hosts whose ports others hold.
    fn refuse(
        &self,
        active: &SlotName,
        served: &[&HostName],
        broken: &[(HostName, Vec<String>)],
    ) -> Result<(), Refusal> {
        let asked = |h: &HostName| broken.iter().any(|(b, _)| b == h);
        let mut reasons = blue_green::clashes(&self.local, self.release, self.fleet, active, asked);
        if !served.is_empty() {
            let obstacles = rolling::obstacles(self.setup, active);
            reasons.extend(obstacles.into_iter().map(|o| {
                let hint = format!(
                    "`deploy {} {}@{}` goes through the other slot",
                    self.setup.env, self.setup.app, self.release.label.version
                );
                (o, hint)
            }));
        }
        Refusal::of(reasons).map_or(Ok(()), Err)
    }

    /// Members of the slot that stands by: no request sees them.
    fn standby(&self, plan: &mut Plan, slot: &SlotName, last: &[StepId]) -> Result<(), Refusal> {
        let Some(id) = self.id(slot).cloned() else {
            return Ok(());
        };
        let mut broken = blue_green::differing(&self.local, self.release, self.fleet, slot);
        let debts = self.fleet.debts();
        let owing: Vec<HostName> = self
            .local
            .hosts(slot)
            .filter(|h| debts.contains_key(*h) && broken.iter().all(|(b, _)| b != *h))
            .cloned()
            .collect();
        if broken.is_empty() && owing.is_empty() {
            return Ok(());
        }
        let gated = |h: &HostName| plan.steps.iter().any(|s| s.action.hosts().contains(&h));
        if broken.iter().map(|(h, _)| h).chain(&owing).any(gated) {
            // The gates of a host are of one slot at a time.
            plan.notes
                .push(format!("{slot} is brought by the next sync"));
            return Ok(());
        }
        let free = debts::refuse_touched(self.setup, self.fleet, slot, plan.before.as_ref());
        if let Err(touched) = free.as_ref().map_err(|r| &r.reasons) {
            plan.notes
                .extend(touched.iter().map(|(what, _)| what.clone()));
            broken.clear();
        }
        let asked = |h: &HostName| broken.iter().any(|(b, _)| b == h);
        let clashes = blue_green::clashes(&self.local, self.release, self.fleet, slot, asked);
        if let Some(refusal) = Refusal::of(clashes) {
            return Err(refusal);
        }
        let hosts: Vec<HostName> = broken.iter().map(|(h, _)| h.clone()).collect();
        let mut needs = self.pulls(plan, slot, &hosts);
        needs.extend(last);
        if !broken.is_empty() {
            needs.extend(spare::end(plan, self.setup, self.fleet, slot));
        }
        let mut ups = Vec::new();
        for (host, why) in &broken {
            let action = Action::Replace {
                host: host.clone(),
                slot: slot.clone(),
                release: id.clone(),
            };
            let cause = format!("stands by: {}", why.join(", "));
            ups.push(plan.push(action, Undo::Nothing, &needs, &cause));
        }
        let hosts: Vec<HostName> = hosts.into_iter().chain(owing).collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let gate = Action::Gate {
            slot: slot.clone(),
            hosts,
            release: Some(id),
            once: false,
        };
        let needs = if ups.is_empty() { last.to_vec() } else { ups };
        plan.push(gate, Undo::Nothing, &needs, "it is fit to take over");
        Ok(())
    }
}
