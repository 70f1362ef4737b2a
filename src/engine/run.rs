//! One run from its plan to its record: claim, look again, perform, give back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::claim::{self, Denied};
use super::dispatch::{Dispatcher, Log};
use super::gates::GateBook;
use super::perform::{TTL, perform};
use super::real::Real;
use super::site::Site;
use super::voice::Voice;
use crate::event::{Kind, Stage};
use crate::fleet::Fleet;
use crate::name::{Actor, Fence, HostName, Outcome, OutcomeKind, RunId};
use crate::plan::{Action, Plan, PlanKind, Refusal};
use crate::record::{
    ClaimId, HistoryEntry, Manifest, ManifestBalancer, ManifestHost, Role, RunKind, Took, Upload,
    manifest,
};
use crate::release::Release;
use crate::text::Redactor;

/// What a run is called and who runs it.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The run.
    pub run: RunId,
    /// The token of this attempt.
    pub fence: Fence,
    /// Who.
    pub who: Actor,
    /// Why, as the person said; may be empty.
    pub why: String,
    /// Ticket; may be empty.
    pub ticket: String,
    /// Wall time of its begin, seconds since the epoch.
    pub started: i64,
    /// Version of the program.
    pub tool: String,
    /// The unfinished run that is taken over, where one is.
    pub resumed: Option<Resumed>,
}

/// An unfinished run that this attempt takes over.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// What it wanted, as it lies on its hosts.
    pub manifest: Manifest,
    /// The fence that each host's claim shows; hosts without one are claimed afresh.
    pub fences: BTreeMap<HostName, Fence>,
    /// Take over though the lease is not over.
    pub force: bool,
}

/// How a run went.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub outcome: Outcome,
    /// What a person wants to know.
    pub log: Log,
    /// What was seen under the claim.
    pub fleet: Fleet,
    /// Hosts that could not be given back or told how it ended.
    pub untold: Vec<String>,
}

/// Makes the plan from what is seen: once before the question, once more under the claim.
pub type Planner<'a> = dyn Fn(&Fleet) -> Result<Plan, Refusal> + Send + Sync + 'a;

/// Claims, checks that the world has not moved, performs, writes the record, gives back.
#[expect(
    clippy::too_many_arguments,
    reason = "what a run is made of; one call site"
)]
pub async fn run(
    site: &Arc<Site>,
    plan: &Plan,
    planner: &Planner<'_>,
    release: Option<&Release>,
    seen: &Fleet,
    meta: &Meta,
    redactor: Redactor,
    voice: &Voice,
    signals: UnboundedReceiver<()>,
) -> Ended {
    let order = order(site, seen);
    let real = Arc::new(real(site, plan, release, seen, meta, redactor));
    let pause = {
        let mut state = seed(meta.fence.as_str());
        move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            Duration::from_millis(50 + (state >> 33) % 450)
        }
    };
    if let Err(denied) = claim::all(&real, &order, voice, pause).await {
        return refused(denied_why(&denied), seen);
    }
    let fresh = real.fresh();
    if let Some(moved) = moved(plan, planner(&fresh)) {
        unclaim(&real, &order).await;
        return refused(moved, &fresh);
    }
    let dispatcher = Dispatcher::new(plan.clone(), book(site, plan));
    let (outcome, log) = perform(
        dispatcher,
        Arc::clone(&real),
        order.clone(),
        voice.clone(),
        signals,
    )
    .await;
    let entry = entry(plan, release, seen, meta, &outcome, &log, voice);
    // What is left for `deploy resume` keeps its claims.
    let resumable = log.unfinished
        || (plan.kind == PlanKind::Resume
            && matches!(outcome.kind, OutcomeKind::Failed | OutcomeKind::Mixed));
    let keep = outcome.kind == OutcomeKind::Superseded || resumable;
    let untold = if keep {
        Vec::new()
    } else {
        give_back(&real, &order, outcome.kind, &entry, voice).await
    };
    Ended {
        outcome,
        log,
        fleet: fresh,
        untold,
    }
}

/// A number from a random token, for pauses that differ between runs.
fn seed(token: &str) -> u64 {
    token.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Load balancers first, each kind by machine id: the same order for every run of the app.
fn order(site: &Site, seen: &Fleet) -> Vec<HostName> {
    let mut all: Vec<_> = site
        .machines
        .iter()
        .map(|(name, m)| {
            let id = seen.balancers.get(name).map(|v| v.machine.clone());
            let id = id
                .or_else(|| seen.hosts.get(name).map(|v| v.machine.clone()))
                .flatten();
            // A machine without an id yet is ordered by name, behind those with one.
            (m.balancer.is_none(), id.is_none(), id, name.clone())
        })
        .collect();
    all.sort();
    all.into_iter().map(|(_, _, _, name)| name).collect()
}

fn real(
    site: &Arc<Site>,
    plan: &Plan,
    release: Option<&Release>,
    seen: &Fleet,
    meta: &Meta,
    redactor: Redactor,
) -> Real {
    let id = ClaimId {
        run: meta.run.clone(),
        fence: meta.fence.clone(),
        ttl_secs: u32::try_from(TTL.as_secs()).unwrap_or(60),
        who: meta.who.clone(),
    };
    let manifest = match &meta.resumed {
        Some(resumed) => resumed.manifest.clone(),
        None => manifest_of(site, plan, seen, meta),
    };
    let mut uploads = BTreeMap::new();
    let mut specs = BTreeMap::new();
    for (host, view) in &seen.hosts {
        for kept in &view.record.kept {
            let key = (host.clone(), kept.slot.clone(), kept.label.id.clone());
            specs.insert(key, kept.clone());
        }
    }
    for part in release.into_iter().flat_map(|r| &r.parts) {
        let key = (
            part.host.clone(),
            part.spec.slot.clone(),
            part.spec.label.id.clone(),
        );
        specs.insert(key, part.spec.clone());
    }
    for host in site.machines.keys() {
        let part = release.and_then(|r| r.on(&plan.target, host));
        let brings = plan.steps.iter().any(|s| {
            matches!(&s.action, Action::Pull { host: h, .. } if h == host)
                || matches!(&s.action, Action::Restart { host: h, .. } if h == host)
        });
        let release = part
            .filter(|_| brings)
            .map(|p| (p.spec.clone(), p.files.clone()));
        uploads.insert(
            host.clone(),
            Upload {
                manifest: Some(manifest.clone()),
                release,
            },
        );
    }
    let heed_hold = !matches!(plan.kind, PlanKind::Rollback | PlanKind::Resume);
    Real::new(
        Arc::clone(site),
        id,
        uploads,
        specs,
        heed_hold,
        redactor,
        meta.resumed.clone(),
    )
}

fn book(site: &Site, plan: &Plan) -> GateBook {
    let mut gates = BTreeMap::new();
    for step in &plan.steps {
        if let Action::Gate { slot, hosts, .. } = &step.action {
            let of_slot = site.setup.gates.get(slot);
            for host in hosts {
                let specs = of_slot
                    .and_then(|g| g.get(host))
                    .cloned()
                    .unwrap_or_default();
                gates.insert(host.clone(), specs);
            }
        }
    }
    GateBook::new(
        gates,
        site.setup
            .balancers
            .iter()
            .map(|b| b.host.clone())
            .collect(),
    )
}

/// Why the plan that was shown does not hold any more; `None` while it does.
fn moved(plan: &Plan, now: Result<Plan, Refusal>) -> Option<Outcome> {
    let why = match now {
        Ok(again) if plan.does_the_same_as(&again) => return None,
        Ok(again) => {
            let (old, new) = (plan.to_string(), again.to_string());
            let diff = similar::TextDiff::from_lines(&old, &new);
            let mut text = "the fleet changed since the plan was shown".to_owned();
            for change in diff.iter_all_changes() {
                let sign = match change.tag() {
                    similar::ChangeTag::Delete => '-',
                    similar::ChangeTag::Insert => '+',
                    similar::ChangeTag::Equal => continue,
                };
                let _ = write!(text, "\n  {sign} {}", change.value().trim());
            }
            text
        }
        Err(refusal) => {
            let reasons: Vec<String> = refusal.reasons.into_iter().map(|(what, _)| what).collect();
            format!(
                "the fleet changed since the plan was shown: {}",
                reasons.join("; ")
            )
        }
    };
    Some(Outcome {
        kind: OutcomeKind::Refused,
        why,
        hosts: Vec::new(),
    })
}

fn denied_why(denied: &Denied) -> Outcome {
    let why = match denied {
        Denied::Held {
            host,
            run,
            who,
            left,
        } => {
            let lease = if *left == 0 {
                "its lease is over: `deploy resume` finishes it".to_owned()
            } else {
                format!("its lease ends in {left} s unless renewed")
            };
            format!("{host} is held by run {run} of {who}; {lease}")
        }
        Denied::Hold { host, text } => format!("{host} is locked: {text}"),
        Denied::Trouble { host, trouble } => format!("{host} could not be claimed: {trouble}"),
    };
    Outcome {
        kind: OutcomeKind::Refused,
        why,
        hosts: Vec::new(),
    }
}

fn refused(outcome: Outcome, fleet: &Fleet) -> Ended {
    Ended {
        outcome,
        log: Log::default(),
        fleet: fleet.clone(),
        untold: Vec::new(),
    }
}

async fn unclaim(real: &Arc<Real>, hosts: &[HostName]) {
    use super::remote::Remote as _;
    let mut set = JoinSet::new();
    for host in hosts {
        let (real, host) = (Arc::clone(real), host.clone());
        set.spawn(async move { real.unclaim(&host).await.is_ok() });
    }
    while set.join_next().await.is_some() {}
}

async fn give_back(
    real: &Arc<Real>,
    hosts: &[HostName],
    kind: OutcomeKind,
    entry: &HistoryEntry,
    voice: &Voice,
) -> Vec<String> {
    let mut set = JoinSet::new();
    for host in hosts {
        let (real, host, entry) = (Arc::clone(real), host.clone(), entry.clone());
        set.spawn(async move {
            let end = real.release(&host, kind, &entry).await;
            (host, end)
        });
    }
    let mut untold = Vec::new();
    while let Some(joined) = set.join_next().await {
        if let Ok((host, Err(trouble))) = joined {
            let why = trouble.to_string();
            voice.say(Kind::Failed {
                host: host.clone(),
                stage: Stage::Finish,
                why: why.clone(),
            });
            untold.push(format!("{host}: {why}"));
        }
    }
    untold
}

fn run_kind(kind: PlanKind) -> RunKind {
    match kind {
        PlanKind::Deploy => RunKind::Deploy,
        PlanKind::Stage => RunKind::Stage,
        PlanKind::Switch => RunKind::Switch,
        PlanKind::Rollback => RunKind::Rollback,
        PlanKind::Restart => RunKind::Restart,
        // A resumed run keeps the kind that it had; see `entry`.
        PlanKind::Resume => RunKind::Deploy,
    }
}

/// What lies on every host, so that anyone can finish the run.
fn manifest_of(site: &Site, plan: &Plan, seen: &Fleet, meta: &Meta) -> Manifest {
    let setup = &site.setup;
    let hosts = site.machines.iter().map(|(name, m)| {
        let view = seen.hosts.get(name);
        let machine = view.map(|v| v.machine.clone());
        let machine = machine.or_else(|| seen.balancers.get(name).map(|v| v.machine.clone()));
        ManifestHost {
            name: name.clone(),
            address: m.address.clone(),
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
    let value = |t: &Option<crate::fleet::Traffic>| serde_json::to_value(t).unwrap_or_default();
    let by_balancer = |t: &Option<crate::fleet::Traffic>| {
        balancers
            .keys()
            .map(|name| (name.clone(), value(t)))
            .collect::<BTreeMap<_, _>>()
    };
    let slots_before = setup.slots.iter().filter_map(|slot| {
        let mut kept = setup
            .hosts(slot)
            .filter_map(|h| seen.hosts.get(h)?.record.slots.get(slot));
        Some((slot.clone(), kept.next()?.release.clone()))
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
        jobs: Vec::new(),
        bake_secs: setup.bake.as_secs(),
        stop_secs: 0,
        more: serde_json::json!({ "setup": setup, "plan": plan.to_string() }),
    }
}

fn entry(
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
    let active = if forward && plan.kind != PlanKind::Stage {
        Some(plan.target.clone())
    } else {
        plan.before.as_ref().and_then(|t| t.sole().cloned())
    };
    HistoryEntry {
        run: meta.run.clone(),
        kind: meta
            .resumed
            .as_ref()
            .map_or(run_kind(plan.kind), |r| r.manifest.kind),
        revision,
        highest: known.max(revision),
        who: meta.who.clone(),
        why: meta.why.clone(),
        ticket: meta.ticket.clone(),
        release: to.map(|r| r.id.clone()),
        version: to.map(|r| r.version.to_string()).unwrap_or_default(),
        digest: to.and_then(|r| r.digest.clone()),
        config: String::new(),
        active,
        outcome: outcome.kind,
        reason: outcome.why.clone(),
        started: meta.started,
        ended: voice.clock().wall().as_second(),
        took: took
            .into_iter()
            .map(|(stage, time)| Took {
                stage: stage.word().to_owned(),
                ms: millis(time),
            })
            .collect(),
        more: serde_json::Value::Null,
    }
}
