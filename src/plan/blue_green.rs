//! Deploy and stage: bring the release up in the standby slot, gate it, switch to it.

use std::cmp::Ordering;

use crate::fleet::{Fleet, Traffic};
use crate::name::{HostName, OutcomeKind, ReleaseId, SlotName, StepId};
use crate::release::Release;

use super::entry::{self, Entry, Need};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo};
use super::{debts, jobs, judge, keep, rolling, skipped, spare, switch, traffic};

/// Plans a deploy (or, with [`PlanKind::Stage`], everything up to the gates).
///
/// # Errors
/// A [`Refusal`] with every reason against it; nothing may be changed then.
pub fn deploy(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    kind: PlanKind,
    generation: &str,
) -> Result<Plan, Refusal> {
    let Entry { before, mut notes } = entry::checks(setup, fleet, Need::All)?;
    let active = traffic::active(setup, before.as_ref())?;
    let wish = Wish {
        setup,
        release,
        fleet,
        kind,
        generation,
    };
    let (Some(active), Some(serving)) = (active, &before) else {
        let first = first_slot(setup, release, fleet)?;
        return wish.bring_up(None, None, &first, notes);
    };
    if serves(setup, release, fleet, &active) {
        if kind == PlanKind::Stage {
            return Ok(wish.nothing_to_stage(serving, &active, notes));
        }
        let broken = differing(setup, release, fleet, &active);
        let whole =
            broken.is_empty() && rolling::out_of_traffic(setup, serving, &active).is_empty();
        let obstacles = rolling::obstacles(setup, &active);
        if whole {
            return keep::keep(setup, release, fleet, serving, &active, notes, generation);
        }
        if obstacles.is_empty() {
            debts::refuse_behind(setup, fleet, &active)?;
            return keep::keep(setup, release, fleet, serving, &active, notes, generation);
        }
        notes.extend(
            broken
                .into_iter()
                .map(|(h, why)| format!("{h}: {}", why.join(", "))),
        );
        notes.push(format!(
            "{}: repaired by way of the other slot",
            obstacles.join(", ")
        ));
    }
    let standby = setup.other(&active).ok_or_else(|| no_slots(setup))?.clone();
    wish.bring_up(before.as_ref(), Some(&active), &standby, notes)
}

fn no_slots(setup: &Setup) -> Refusal {
    Refusal::one(
        format!("{} needs two slots for blue-green", setup.app),
        "name them under `slots:` of the app",
    )
}

/// Where the first release goes: where it was staged, else the first slot.
fn first_slot(setup: &Setup, release: &Release, fleet: &Fleet) -> Result<SlotName, Refusal> {
    let staged = |s: &&SlotName| differing(setup, release, fleet, s).is_empty();
    let slot = setup.slots.iter().find(staged).or(setup.slots.first());
    slot.cloned().ok_or_else(|| no_slots(setup))
}

/// Whether the active slot runs the release, or is meant to, though a part of it may be missing.
pub(super) fn serves(setup: &Setup, release: &Release, fleet: &Fleet, slot: &SlotName) -> bool {
    let id = &release.label.id;
    let running = judge::slot_release(setup, fleet, slot);
    let holds = |h: &HostName| {
        let view = fleet.hosts.get(h);
        let record = view.and_then(|v| v.record.slots.get(slot));
        record.is_some_and(|s| s.release == *id)
    };
    let (owing, well) = debts::by_debt(setup, fleet, slot);
    let asked = if well.is_empty() { owing } else { well };
    running.is_some_and(|r| r.id == *id) || asked.into_iter().all(holds)
}

/// Hosts of a slot that differ from the release, and how.
pub(super) fn differing(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
) -> Vec<(HostName, Vec<String>)> {
    let mut out = Vec::new();
    for host in setup.hosts(slot) {
        let (Some(view), Some(want)) = (fleet.hosts.get(host), release.on(slot, host)) else {
            out.push((host.clone(), vec!["not part of the release".to_owned()]));
            continue;
        };
        let (env, app) = (&setup.env, &setup.app);
        let found = judge::differences(
            view,
            env,
            app,
            slot,
            &want.spec.label.id,
            &want.spec.services,
        );
        if !found.is_empty() {
            out.push((host.clone(), found));
        }
    }
    out
}

/// Ports of the release that others hold, on the hosts that are asked for.
pub(super) fn clashes(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    slot: &SlotName,
    asked: impl Fn(&HostName) -> bool,
) -> Vec<(String, String)> {
    let mut reasons = Vec::new();
    for host in setup.hosts(slot).filter(|h| asked(h)) {
        if let (Some(view), Some(want)) = (fleet.hosts.get(host), release.on(slot, host)) {
            let (env, app) = (&setup.env, &setup.app);
            reasons.extend(judge::port_clashes(host, view, env, app, &want.spec));
        }
    }
    reasons
}

/// What is asked for, and what is known.
struct Wish<'a> {
    setup: &'a Setup,
    release: &'a Release,
    fleet: &'a Fleet,
    kind: PlanKind,
    generation: &'a str,
}

impl Wish<'_> {
    /// Staging moves no traffic, so it repairs nothing that has some.
    fn nothing_to_stage(&self, serving: &Traffic, active: &SlotName, notes: Vec<String>) -> Plan {
        let mut plan = Plan::new(self.setup, self.kind, active);
        plan.to = Some(self.release.label.clone());
        plan.from.clone_from(&plan.to);
        plan.old = Some(active.clone());
        plan.before = Some(serving.clone());
        plan.after = Some(serving.clone());
        plan.end = judge::NOTHING;
        plan.notes = notes;
        let label = &self.release.label;
        plan.notes.push(format!(
            "{active} serves {label} already: there is nothing to stage"
        ));
        for (host, why) in differing(self.setup, self.release, self.fleet, active) {
            plan.notes.push(format!(
                "{host}: {}; `deploy {} {}@{}` repairs it",
                why.join(", "),
                self.setup.env,
                self.setup.app,
                label.version
            ));
        }
        plan
    }

    fn bring_up(
        &self,
        before: Option<&Traffic>,
        active: Option<&SlotName>,
        standby: &SlotName,
        notes: Vec<String>,
    ) -> Result<Plan, Refusal> {
        let (setup, release, fleet) = (self.setup, self.release, self.fleet);
        let mut all = clashes(setup, release, fleet, standby, |_| true);
        if let Err(touched) = debts::refuse_touched(setup, fleet, standby, before) {
            all.extend(touched.reasons);
        }
        if let Err(few) = debts::refuse_too_few(setup, standby) {
            all.extend(few.reasons);
        }
        if let Some(refusal) = Refusal::of(all) {
            return Err(refusal);
        }
        let mut plan = Plan::new(setup, self.kind, standby);
        plan.to = Some(release.label.clone());
        plan.from = active.and_then(|a| judge::shown_release(setup, fleet, a));
        plan.before = before.cloned();
        plan.old = active.cloned();
        plan.notes = notes;
        self.warn_of_downgrade(&mut plan);
        jobs::back_over(&mut plan, setup, fleet, false)?;
        plan.notes.extend(self.changed_secrets(active));
        let kept = setup
            .hosts(standby)
            .filter_map(|h| judge::recorded(fleet.hosts.get(h)?, standby));
        plan.known = kept.map(|k| k.label.clone()).collect();
        plan.known.dedup();
        let down = match (active, before) {
            (Some(active), Some(now)) if self.kind == PlanKind::Deploy => {
                skipped::set_down(&mut plan, setup, fleet, (active, now), self.generation)?
            }
            _ => None,
        };
        let mut first: Vec<StepId> = down.into_iter().map(|(_, step)| step).collect();
        if !differing(setup, release, fleet, standby).is_empty() {
            first.extend(spare::end(&mut plan, setup, fleet, standby));
        }
        let ups = self.stage(&mut plan, standby, &first)?;
        let gate = Action::Gate {
            slot: standby.clone(),
            hosts: setup.hosts(standby).cloned().collect(),
            release: Some(release.label.id.clone()),
            once: false,
        };
        let why = "no traffic before the gates have passed";
        let gate = plan.push(gate, Undo::Nothing, &ups, why);
        if self.kind == PlanKind::Stage {
            plan.after.clone_from(&plan.before);
            plan.end = OutcomeKind::Staged;
            return Ok(plan);
        }
        let after = setup.all_to(standby, self.generation);
        switch::shift(&mut plan, setup, fleet, after, &[gate]);
        Ok(plan)
    }

    fn warn_of_downgrade(&self, plan: &mut Plan) {
        let to = &self.release.label;
        if let Some(from) = &plan.from
            && to.version.compare(&from.version) == Some(Ordering::Less)
        {
            plan.notes.push(format!(
                "{} is older than {}, which serves",
                to.version, from.version
            ));
            if self
                .release
                .parts
                .iter()
                .any(|p| !p.spec.secrets.is_empty())
            {
                plan.notes.push(format!(
                    "{} gets today's secrets, not those that it had",
                    to.version
                ));
            }
        }
    }

    /// Secrets that are not those of what serves; hosts with the same changes are named once.
    fn changed_secrets(&self, active: Option<&SlotName>) -> Vec<String> {
        let Some(slot) = active else {
            return Vec::new();
        };
        let mut told: Vec<(Vec<String>, Vec<&HostName>)> = Vec::new();
        for host in self.setup.hosts(slot) {
            let was = self
                .fleet
                .hosts
                .get(host)
                .and_then(|v| judge::recorded(v, slot));
            let (Some(was), Some(new)) = (was, self.release.on(slot, host)) else {
                continue;
            };
            let changes = was.secrets.changes(&new.spec.secrets);
            match told.iter_mut().find(|(known, _)| *known == changes) {
                Some((_, hosts)) => hosts.push(host),
                None => told.push((changes, vec![host])),
            }
        }
        if let [(changes, _)] = told.as_mut_slice() {
            return std::mem::take(changes);
        }
        let named = |(changes, hosts): (Vec<String>, Vec<&HostName>)| {
            let hosts: Vec<&str> = hosts.iter().map(|h| h.as_str()).collect();
            let hosts = hosts.join(" ");
            changes.into_iter().map(move |c| format!("{hosts}: {c}"))
        };
        told.into_iter().flat_map(named).collect()
    }

    /// Pull and replace on every host of the slot that does not run the release yet. What stands by
    /// is ended only when every host has the images: until then there is a way back. `first` comes
    /// before it too: where that cannot be taken back, no slot was changed.
    fn stage(
        &self,
        plan: &mut Plan,
        slot: &SlotName,
        first: &[StepId],
    ) -> Result<Vec<StepId>, Refusal> {
        let differing = differing(self.setup, self.release, self.fleet, slot);
        let id = &self.release.label.id;
        if differing.is_empty() {
            let label = &self.release.label;
            plan.notes
                .push(format!("{slot} runs {label} already: it is only gated"));
        }
        let mut pulls = Vec::new();
        for (host, _) in &differing {
            let pull = Action::Pull {
                host: host.clone(),
                slot: slot.clone(),
                release: id.clone(),
            };
            pulls.push(plan.push(pull, Undo::Nothing, &[], "the images of the release"));
        }
        pulls.extend(first);
        let pulls = jobs::before(plan, self.setup, self.fleet, slot, &pulls)?;
        let mut ups = Vec::new();
        for (host, why) in differing {
            let evidence = Action::Evidence {
                host: host.clone(),
                slot: slot.clone(),
            };
            let revert = Action::Revert {
                host: host.clone(),
                slot: slot.clone(),
                to: self.was(&host, slot),
            };
            let replace = Action::Replace {
                host,
                slot: slot.clone(),
                release: id.clone(),
            };
            let undo = Undo::Do(vec![evidence, revert]);
            ups.push(plan.push(replace, undo, &pulls, &why.join(", ")));
        }
        // Where nothing comes up, what is asked for is gated behind its jobs all the same.
        Ok(if ups.is_empty() { pulls } else { ups })
    }

    /// What a host goes back to: what was there. A candidate that never served and is not well is
    /// nothing to go back to.
    fn was(&self, host: &HostName, slot: &SlotName) -> Option<ReleaseId> {
        let record = &self.fleet.hosts.get(host)?.record;
        let was = &record.slots.get(slot)?.release;
        let back = *was != self.release.label.id || record.promoted.contains(was);
        back.then(|| was.clone())
    }
}
