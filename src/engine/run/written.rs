//! What a run writes on the hosts: the manifest, so that anyone can finish it, and how it ended.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Meta;
use crate::engine::dispatch::Log;
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::event::Stage;
use crate::fleet::Fleet;
use crate::name::{HostName, Outcome, OutcomeKind, ReleaseId, SlotName};
use crate::plan::{Action, Plan, PlanKind, Setup, judge};
use crate::record::{
    HistoryEntry, Manifest, ManifestBalancer, ManifestHost, Role, RunKind, Took, manifest,
};
use crate::release::Release;

/// The kind of the run that a plan is for.
pub(in crate::engine) fn run_kind(kind: PlanKind) -> RunKind {
    match kind {
        PlanKind::Deploy => RunKind::Deploy,
        PlanKind::Stage => RunKind::Stage,
        PlanKind::Switch => RunKind::Switch,
        PlanKind::Rollback => RunKind::Rollback,
        PlanKind::Restart => RunKind::Restart,
        PlanKind::CatchUp => RunKind::CatchUp,
        PlanKind::Drain | PlanKind::Undrain => RunKind::Drain,
        PlanKind::Sync => RunKind::Sync,
        PlanKind::Remove => RunKind::Remove,
        PlanKind::Weight => RunKind::Weight,
        PlanKind::Adopt => RunKind::Adopt,
        PlanKind::Job => RunKind::Job,
        // A resumed run keeps the kind that it had; see `entry`.
        PlanKind::Resume => RunKind::Deploy,
    }
}

/// What lies on every host, so that anyone can finish the run.
pub(super) fn manifest_of(site: &Site, plan: &Plan, seen: &Fleet, meta: &Meta) -> Manifest {
    let setup = &site.setup;
    let hosts = site.machines.iter().map(|(name, m)| {
        let view = seen.hosts.get(name);
        let machine = view.map(|v| v.machine.clone());
        let machine = machine.or_else(|| seen.balancers.get(name).map(|v| v.machine.clone()));
        ManifestHost {
            name: name.clone(),
            address: m.address.clone(),
            reach: serde_json::to_value(&m.reach).unwrap_or_default(),
            machine: machine.flatten(),
            role: match (m.app, m.balancer.is_some()) {
                (true, true) => Role::Both,
                (false, true) => Role::Balancer,
                _ => Role::App,
            },
            slots: setup.slots_of(name).cloned().collect(),
            sudo: m.scope.sudo,
            release: plan.to.as_ref().filter(|_| m.app).map(|r| r.id.clone()),
        }
    });
    let mut balancers: BTreeMap<_, ManifestBalancer> = BTreeMap::new();
    for lb in &setup.balancers {
        let Some((driver, target)) = site
            .machines
            .get(&lb.host)
            .and_then(|m| m.balancer.as_ref())
        else {
            continue;
        };
        let entry = balancers
            .entry(lb.balancer.clone())
            .or_insert_with(|| ManifestBalancer {
                name: lb.balancer.clone(),
                driver: driver.name().to_owned(),
                hosts: Vec::new(),
                settings: serde_json::json!({
                    "backend": target.backend,
                    "host": target.host_header,
                    "probe": target.probe,
                    "settings": target.settings,
                }),
            });
        entry.hosts.push(lb.host.clone());
    }
    let targets: BTreeMap<_, _> = site
        .machines
        .iter()
        .filter_map(|(name, m)| Some((name, &m.balancer.as_ref()?.1)))
        .collect();
    let value = |t: &Option<crate::fleet::Traffic>| serde_json::to_value(t).unwrap_or_default();
    let by_balancer = |t: &Option<crate::fleet::Traffic>| {
        balancers
            .keys()
            .map(|name| (name.clone(), value(t)))
            .collect::<BTreeMap<_, _>>()
    };
    let was = was(setup, seen);
    // Older versions read one release of a whole slot: that of its first host.
    let slots_before = was.iter().filter_map(|(slot, held)| {
        let first = setup.hosts(slot).find_map(|h| held.get(h))?;
        Some((slot.clone(), first.clone()))
    });
    let sum = |t: &Option<crate::fleet::Traffic>| Manifest::sum(&value(t));
    Manifest {
        format: manifest::FORMAT,
        tool: meta.tool.clone(),
        run: meta.run.clone(),
        kind: run_kind(plan.kind),
        env: plan.env.clone(),
        app: plan.app.clone(),
        who: meta.who.clone(),
        started: meta.started,
        hosts: hosts.collect(),
        active: plan.old.clone().filter(|_| plan.before.is_some()),
        standby: Some(plan.target.clone()),
        slots_before: slots_before.collect(),
        before: by_balancer(&plan.before),
        after: vec![by_balancer(&plan.after)],
        sums: BTreeMap::from([
            ("before".to_owned(), sum(&plan.before)),
            ("after".to_owned(), sum(&plan.after)),
        ]),
        balancers: balancers.into_values().collect(),
        jobs: jobs(plan),
        bake_secs: setup.bake.as_secs(),
        stop_secs: 0,
        more: serde_json::json!({
            "setup": setup,
            "plan": plan.to_string(),
            "targets": targets,
            "displaced": meta.over.displaced,
            "was": was,
            "removes": plan.removes,
        }),
    }
}

/// The jobs that the run starts.
fn jobs(plan: &Plan) -> Vec<String> {
    let starts = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Job(start) => Some(start.job.name.to_string()),
        _ => None,
    });
    starts.collect()
}

/// What every host held in each slot: the hosts of one slot may differ.
fn was(setup: &Setup, seen: &Fleet) -> BTreeMap<SlotName, BTreeMap<HostName, ReleaseId>> {
    let held = |slot: &SlotName, host: &HostName| {
        let kept = seen.hosts.get(host)?.record.slots.get(slot)?;
        Some((host.clone(), kept.release.clone()))
    };
    let of = |slot: &SlotName| setup.hosts(slot).filter_map(|h| held(slot, h)).collect();
    let slots = setup.slots.iter();
    slots.map(|slot| (slot.clone(), of(slot))).collect()
}

pub(super) fn entry(
    plan: &Plan,
    release: Option<&Release>,
    seen: &Fleet,
    meta: &Meta,
    outcome: &Outcome,
    log: &Log,
    voice: &Voice,
) -> HistoryEntry {
    let to = release.map(|r| &r.label).or(plan.to.as_ref());
    let revision = to.map_or(0, |r| r.revision);
    let known = seen
        .hosts
        .values()
        .map(|v| v.record.revision)
        .max()
        .unwrap_or(0);
    let mut took: BTreeMap<Stage, Duration> = BTreeMap::new();
    for (_, stage, time) in &log.took {
        let longest = took.entry(*stage).or_default();
        *longest = (*longest).max(*time);
    }
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let forward = matches!(outcome.kind, OutcomeKind::Succeeded | OutcomeKind::NoChange);
    let resumed = meta.resumed.as_ref().map(|r| r.manifest.kind);
    let kind = resumed.unwrap_or_else(|| run_kind(plan.kind));
    let shares = kind == RunKind::Weight && forward;
    let active = if shares || (forward && plan.after.is_none()) {
        // The release of the entry is that of the target: only that may be said to serve alone.
        let sole = plan.after.as_ref().and_then(|t| t.sole().cloned());
        sole.filter(|slot| !shares || *slot == plan.target)
    } else if forward && plan.kind != PlanKind::Stage {
        Some(plan.target.clone())
    } else {
        plan.before.as_ref().and_then(|t| t.sole().cloned())
    };
    HistoryEntry {
        run: meta.run.clone(),
        kind,
        revision,
        highest: known.max(revision),
        who: meta.who.clone(),
        why: meta.why.clone(),
        ticket: meta.ticket.clone(),
        release: to.map(|r| r.id.clone()),
        version: to.map(|r| r.version.to_string()).unwrap_or_default(),
        digest: to.and_then(|r| r.digest.clone()),
        config: meta.config.clone(),
        active,
        outcome: outcome.kind,
        reason: match (shares, outcome.why.is_empty()) {
            (true, true) => judge::says(plan.after.as_ref()),
            _ => outcome.why.clone(),
        },
        started: meta.started,
        ended: voice.clock().wall().as_second(),
        took: took
            .into_iter()
            .map(|(stage, time)| Took {
                stage: stage.word().to_owned(),
                ms: millis(time),
            })
            .collect(),
        more: if meta.overridden.is_empty() {
            serde_json::Value::Null
        } else {
            serde_json::json!({ "overridden": meta.overridden })
        },
    }
}
