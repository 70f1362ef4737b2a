//! One run from its plan to its record: claim, look again, perform, give back.
//!
//! - `back`     giving the hosts back, with a last look
//! - `settle`   waiting until what a dead client began has ended
//! - `timeline` how it went, step by step: the report that is kept with it
//! - `written`  what it writes on the hosts: the manifest before, the history after
//!
//! To add something that is decided before the first change: [`run`], before `perform`.

mod back;
mod settle;
pub mod timeline;
mod written;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use self::back::{Back, give_back, unclaim};
pub(super) use self::written::run_kind;
use self::written::{entry, manifest_of};
use super::claim::{self, Denied};
use super::dispatch::{Dispatcher, Log};
use super::gates::GateBook;
use super::perform::{TTL, perform};
use super::real::Real;
use super::remote::Trouble;
use super::site::Site;
use super::voice::Voice;
use crate::event::Kind;
use crate::fleet::Fleet;
use crate::name::{Actor, Fence, HostName, Outcome, OutcomeKind, RunId};
use crate::plan::{Action, Plan, PlanKind, Refusal, calendar};
use crate::record::{ClaimId, Manifest, Upload};
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
    /// Commit of the configuration; empty where it is in no repository.
    pub config: String,
    /// The unfinished run that this attempt finishes, where one is.
    pub resumed: Option<Resumed>,
    /// Claims of others that this attempt takes.
    pub over: Over,
    /// A person's word sets locks, windows and freezes aside.
    pub word: bool,
    /// What was set aside by a person's word, for the history: locks, other runs.
    pub overridden: Vec<String>,
}

/// An unfinished run that this attempt finishes.
#[derive(Debug, Clone)]
pub struct Resumed {
    /// What it wanted, as it lies on its hosts.
    pub manifest: Manifest,
    /// How it ended, where some host knows that already: only the others are left to be told.
    pub ended: Option<OutcomeKind>,
}

/// Claims that are taken over.
#[derive(Debug, Clone, Default)]
pub struct Over {
    /// The fence that each host's claim shows; hosts without one are claimed afresh.
    pub fences: BTreeMap<HostName, Fence>,
    /// Take over though the lease is not over.
    pub force: bool,
    /// Other runs that have begun something and end by it.
    pub displaced: Vec<RunId>,
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
    /// What was seen as the hosts were given back; `None` where they were not.
    pub after: Option<Fleet>,
    /// The plan that was performed, where the one that was shown was made again.
    pub plan: Option<Plan>,
    /// Nothing was begun, since a host that had answered does not answer any more.
    pub silent: bool,
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
    let mut real = Arc::new(make(site, plan, release, seen, meta, redactor.clone()));
    if let Err(denied) = claim::all(&real, &order, voice, pauses(meta)).await {
        let silent = matches!(
            &denied,
            Denied::Trouble {
                trouble: Trouble::Silent(_),
                ..
            }
        );
        return Ended {
            silent,
            ..refused(denied_why(&denied), seen)
        };
    }
    let mut fresh = real.fresh();
    let mut again = None;
    if meta.over.fences.is_empty() {
        if let Some(moved) = moved(plan, planner(&fresh)) {
            unclaim(&real, &order).await;
            return refused(moved, &fresh);
        }
    } else {
        // What was begun goes on although its client is gone: the plan is made of what it left.
        if real.left_open() {
            fresh = settle::settled(site, fresh, voice).await;
        }
        match made_again(plan, planner(&fresh)) {
            Ok(None) => {}
            Ok(Some(now)) => {
                voice.note(
                    "the fleet changed since the plan was shown: it is made again",
                    "",
                );
                voice.say(Kind::Plan {
                    text: now.to_string(),
                });
                real = Arc::new(make(site, &now, release, &fresh, meta, redactor));
                // Whoever has to finish this run reads what it wants now.
                if meta.resumed.is_none()
                    && let Err(denied) = claim::all(&real, &order, voice, pauses(meta)).await
                {
                    return refused(denied_why(&denied), &fresh);
                }
                again = Some(now);
            }
            Err(why) => return refused(why, &fresh),
        }
    }
    let plan = again.as_ref().unwrap_or(plan);
    let mut dispatcher = Dispatcher::new(plan.clone(), book(site, plan));
    match calendar::closes(&site.setup, &fresh, plan, meta.word) {
        Ok(None) => {}
        Ok(Some((left, why))) => dispatcher.closes(voice.clock().elapsed() + left, why),
        Err(refusal) => {
            // What was taken from another run is as unfinished as before.
            if meta.over.fences.is_empty() {
                unclaim(&real, &order).await;
            }
            return refused(against(refusal), &fresh);
        }
    }
    let (mut outcome, log) = perform(
        dispatcher,
        Arc::clone(&real),
        order.clone(),
        voice.clone(),
        signals,
    )
    .await;
    // A run that could not be led to one of its ends is as unfinished as before.
    let over = meta.resumed.as_ref().is_some_and(|r| r.ended.is_some());
    if plan.kind == PlanKind::Resume && outcome.kind == OutcomeKind::Failed && !over {
        outcome.kind = OutcomeKind::Unfinished;
    }
    let entry = entry(plan, release, seen, meta, &outcome, &log, voice);
    // What is left for `deploy resume` keeps its claims.
    let resumable = outcome.kind == OutcomeKind::Unfinished
        || (plan.kind == PlanKind::Resume && outcome.kind == OutcomeKind::Mixed && !over);
    let keep = outcome.kind == OutcomeKind::Superseded || resumable;
    let back = if keep {
        Back::default()
    } else {
        let mut report = timeline::report(plan, &log, &voice.heard(), voice.clock().wall());
        report.budget = timeline::budget(&site.setup.budget);
        give_back(&real, &order, outcome.kind, (entry, report), voice).await
    };
    Ended {
        outcome,
        log,
        fleet: fresh,
        untold: back.untold,
        after: back.after,
        plan: again,
        silent: false,
    }
}

/// The plan as it must be now, where that is another one than was shown.
fn made_again(plan: &Plan, now: Result<Plan, Refusal>) -> Result<Option<Plan>, Outcome> {
    match now {
        Ok(now) if plan.does_the_same_as(&now) => Ok(None),
        Ok(now) => Ok(Some(now)),
        Err(refusal) => Err(against(refusal)),
    }
}

/// All reasons against a run as its end.
fn against(refusal: Refusal) -> Outcome {
    let reasons: Vec<String> = refusal.reasons.into_iter().map(|(what, _)| what).collect();
    Outcome {
        kind: OutcomeKind::Refused,
        why: reasons.join("; "),
        hosts: Vec::new(),
    }
}

/// Pauses between tries that differ between runs.
fn pauses(meta: &Meta) -> impl FnMut() -> Duration + use<> {
    let mut state = seed(meta.fence.as_str());
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_millis(50 + (state >> 33) % 450)
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

fn make(
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
        // What is pulled or brought up there, in the slot where that is.
        let brings = plan.steps.iter().find_map(|s| match &s.action {
            Action::Pull {
                host: h,
                slot,
                release,
            }
            | Action::Restart {
                host: h,
                slot,
                release,
            } if h == host => Some((slot, release)),
            Action::Job(start) if start.host == *host => Some((&start.slot, &start.release.id)),
            // Nothing is pulled of what is adopted.
            Action::Replace {
                host: h,
                slot,
                release,
            } if h == host && plan.kind == PlanKind::Adopt => Some((slot, release)),
            _ => None,
        });
        let part = brings.and_then(|(slot, id)| {
            let part = release?.on(slot, host)?;
            (part.spec.label.id == *id).then_some(part)
        });
        let release = part.map(|p| (p.spec.clone(), p.files.clone()));
        uploads.insert(
            host.clone(),
            Upload {
                manifest: Some(manifest.clone()),
                release,
                secrets: part.map(|p| p.secrets.clone()).unwrap_or_default(),
            },
        );
    }
    let free = matches!(plan.kind, PlanKind::Rollback | PlanKind::Resume);
    let heed_hold = !free && !meta.word;
    Real::new(
        Arc::clone(site),
        id,
        uploads,
        specs,
        heed_hold,
        redactor,
        (meta.over.clone(), manifest),
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
        Denied::Hold { host, text } => format!("{host} is locked {text}"),
        Denied::Trouble {
            host,
            trouble: Trouble::Silent(why),
        } => format!("{host} does not answer any more: {why}"),
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
        after: None,
        plan: None,
        silent: false,
    }
}
