//! Recreate: a release takes the place of another where the two must never run at once. Nobody gets
//! requests, all that differ end, come up, pass their gates, and get the traffic. What fails brings
//! back what ran before, the same way.
//!
//! Who plans it, and for what, is `in_place`'s, `restart`'s and `sync`'s to say; to add to what is
//! done meanwhile: [`Rolling::recreate`].

use std::collections::BTreeSet;
use std::time::Duration;

use super::in_place::Todo;
use super::rolling::{self, Rolling};
use super::{Action, Batch, Refusal, Setup, Undo, debts, judge};
use crate::fleet::{Container, Fleet, Traffic};
use crate::inventory::Strategy;
use crate::name::{HostName, ReleaseId, SlotName, StepId};
use crate::text;

/// Whether the slot must be left by all requests for this: the strategy says so, and members cannot
/// be brought one after the other, be it that nobody serves now.
pub(super) fn needed(setup: &Setup, now: &Traffic, slot: &SlotName) -> bool {
    let one_by_one = rolling::obstacles(setup, slot).is_empty();
    setup.strategy == Strategy::Recreate && (now.nobody() || !one_by_one)
}

/// Refuses what would let two releases run at once: a host that is passed by keeps what it has, and
/// one that left the inventory is not seen at all. Where what runs before and after is one release,
/// who is not seen cannot make it two: every change of it was refused here.
///
/// # Errors
/// A [`Refusal`] with a line for each such host.
pub(super) fn refuse_two(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    todo: &[Todo],
) -> Result<(), Refusal> {
    if setup.strategy != Strategy::Recreate || todo.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<Option<&ReleaseId>> = todo
        .iter()
        .flat_map(|t| [Some(&t.release), t.was.as_ref()])
        .collect();
    let same = ids.first().copied().flatten().filter(|_| ids.len() == 1);
    let (env, app) = (&setup.env, &setup.app);
    let mut reasons = Vec::new();
    let mut unknown = false;
    let members = setup.members(slot);
    for host in members.filter(|h| setup.resting.contains(*h)) {
        let Some(view) = fleet.hosts.get(host) else {
            if same.is_none() {
                unknown = true;
                let why = fleet.silent.get(host);
                let why = why.map_or("it was not asked", String::as_str);
                reasons.push((
                    format!("{host} is passed by, and what runs there is not known: {why}"),
                    format!("make it answer; {}", gone_for_good(setup, host)),
                ));
            }
            continue;
        };
        let runs = |c: &&Container| !matches!(c.state.as_str(), "created" | "exited" | "dead");
        let other =
            |c: &&Container| same.is_none_or(|id| c.label("deploy.release") != Some(id.as_str()));
        let mut found = judge::containers(view, env, app, slot).filter(|c| runs(c) && other(c));
        if let Some(c) = found.next() {
            let what = c.label("deploy.version").unwrap_or(&c.name);
            let back = match fleet.drained().contains(host) {
                true => format!("`deploy undrain {env} {host}` takes it in"),
                false => format!("`deploy sync {env} {app} --host {host}` takes it in"),
            };
            reasons.push((
                format!("{host} is passed by and runs {what}: two releases would run at once"),
                format!("{back}; `deploy remove {env} {app} --hosts {host}` ends it there"),
            ));
        }
    }
    if same.is_none() {
        reasons.extend(debts::strangers(setup, fleet).iter().map(|host| {
            (
                format!("{host} is not in the inventory any more: {app} may still run there, and two releases would run at once"),
                format!(
                    "name it in inventories/{env}.yml once more, and `deploy remove {env} {app} --hosts {host}` ends it there; {}",
                    gone_for_good(setup, host)
                ),
            )
        }));
    }
    match Refusal::of(reasons) {
        None => Ok(()),
        Some(refusal) => Err(Refusal { unknown, ..refusal }),
    }
}

fn gone_for_good(setup: &Setup, host: &HostName) -> String {
    format!(
        "where it is gone for good: out of inventories/{0}.yml with it, `deploy sync {0} {1}`, then `deploy catch-up {0} {1} --forget-lb {host} -m REASON`",
        setup.env, setup.app
    )
}

impl Rolling<'_> {
    /// Nobody gets requests; these members end, all of them before one comes up; then all members of
    /// the slot pass their gates and get the traffic. Until that is over, what fails returns it.
    pub fn recreate(&mut self, fleet: &Fleet, todo: &[Todo], release: Option<ReleaseId>) {
        let first = self.next();
        let start = self.now.clone();
        let all: Vec<HostName> = self.setup.hosts(self.slot).cloned().collect();
        let had: Vec<HostName> = rolling::ready(&start, self.slot)
            .filter(|h| all.contains(h))
            .cloned()
            .collect();
        let served = had.len() == all.len();
        if start.reaches(self.slot) {
            let nobody = start.to_nobody(start.generation.as_str());
            self.leave(&had, nobody, "requests fail from here on");
        }
        let away = self.now.clone();
        self.ups(todo);
        let why = "no traffic before the gates have passed";
        self.gate(all.clone(), release, false, why);
        self.on(&all, Undo::Do);
        let back = self.setup.all_to(self.slot, "");
        let shifted = self.shift(back, Undo::Do, "requests are answered again");
        let mut undo = vec![self.moves(&self.now.clone(), &away)];
        undo.extend(self.drains(&away));
        self.set_undo(shifted, undo);
        self.settled(fleet, &all);
        let last = StepId(self.next().0 - 1);
        let note = self.interrupts(first, shifted, start.nobody(), todo);
        self.plan.notes.push(note);
        self.plan.batches.push(Batch {
            first,
            last,
            hosts: all,
            served,
        });
    }

    /// Where there are several, all end before one comes up, and all that came up end before one is
    /// taken back: so no two releases run at once.
    fn ups(&mut self, todo: &[Todo]) {
        let mut needs = std::mem::take(&mut self.last);
        let several = todo.len() > 1;
        if several {
            let stop = |t: &Todo| {
                let undo = Undo::Do(vec![self.revert(t)]);
                let why = "no two releases run at once";
                self.plan.push(self.stop(t), undo, &needs, why)
            };
            needs = todo.iter().map(stop).collect();
        }
        for t in todo {
            let up = self.up(t, &needs);
            if several {
                let evidence = Action::Evidence {
                    host: t.host.clone(),
                    slot: self.slot.clone(),
                };
                self.set_undo(up, vec![evidence, self.stop(t)]);
            }
            self.last.push(up);
        }
        if todo.is_empty() {
            self.last = needs;
        }
    }

    fn stop(&self, t: &Todo) -> Action {
        Action::Stop {
            host: t.host.clone(),
            slot: self.slot.clone(),
        }
    }

    fn revert(&self, t: &Todo) -> Action {
        Action::Revert {
            host: t.host.clone(),
            slot: self.slot.clone(),
            to: t.was.clone(),
        }
    }

    /// For how long nobody serves, as far as it can be told before: what is bounded, and by what.
    fn interrupts(&self, from: StepId, to: StepId, nobody: bool, todo: &[Todo]) -> String {
        let taken = self.plan.steps.iter().find(|s| s.id >= from);
        let taken = taken.map_or(from, |s| s.id);
        let since = match nobody {
            true => format!("nobody serves now, and until {to} is done"),
            false => format!("nobody serves from {taken} until {to} is done"),
        };
        let mut parts = Vec::new();
        if !nobody {
            let most = text::duration(self.setup.drain);
            parts.push(format!("open requests end (at most {most})"));
        }
        if !todo.is_empty() {
            let hosts: Vec<&str> = todo.iter().map(|t| t.host.as_str()).collect();
            let verbs = match hosts.len() {
                1 => "stops and starts",
                _ => "stop and start",
            };
            parts.push(format!("{} {verbs}", hosts.join(" ")));
        }
        let gates = self.setup.gates.get(self.slot).into_iter();
        let gates = gates.flat_map(|g| g.values()).flatten();
        let within = gates.map(|g| g.within).max().unwrap_or(Duration::ZERO);
        parts.push(format!(
            "the gates pass (at most {})",
            text::duration(within)
        ));
        format!(
            "interrupts: {since}; requests fail meanwhile: {}",
            parts.join(", ")
        )
    }
}
