//! Strategies of an app with one slot: a release takes the place of another on the hosts that serve,
//! batch by batch, or on all at once while nobody serves (`recreate`). What fails in a batch returns
//! that batch to what it ran before.
//!
//! Planning and returning are of one form: the batch leaves the traffic, comes up, passes its gates,
//! gets its traffic back. To add to what is done to a batch: [`Rolling::batch`].

use std::collections::BTreeSet;

use super::entry::{self, Entry, Need};
use super::rolling::{self, Rolling};
use super::{Action, Plan, PlanKind, Refusal, Setup, Undo};
use super::{blue_green, debts, judge, keep, recreate, traffic};
use crate::fleet::{Fleet, Traffic};
use crate::inventory::Strategy;
use crate::name::{HostName, ReleaseId, SlotName, StepId};
use crate::release::{Release, ReleaseLabel};

/// A member that is to run another release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Todo {
    pub host: HostName,
    /// What it runs in the end.
    pub release: ReleaseId,
    /// What it goes back to; nothing where absent.
    pub was: Option<ReleaseId>,
    /// How it differs now.
    pub why: String,
}

/// Plans a deploy of an app with one slot.
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
    let (env, app) = (&setup.env, &setup.app);
    if kind == PlanKind::Stage {
        return Err(Refusal::one(
            format!("{app} has one slot only: there is none to stage a release in"),
            format!("`deploy {env} {app}@VERSION` goes through its hosts"),
        ));
    }
    let Entry { before, notes } = entry::checks(setup, fleet, Need::All)?;
    let active = traffic::active(setup, before.as_ref())?;
    let (Some(slot), Some(serving)) = (active, before) else {
        // Nothing serves yet: there is nobody to be careful of, but what was left behind.
        if let Some(slot) = setup.slots.first() {
            let all = setup.hosts(slot).map(|host| Todo {
                host: host.clone(),
                release: release.label.id.clone(),
                was: None,
                why: String::new(),
            });
            recreate::refuse_two(setup, fleet, slot, &all.collect::<Vec<_>>())?;
        }
        return blue_green::deploy(setup, release, fleet, kind, generation);
    };
    let id = &release.label.id;
    let broken = blue_green::differing(setup, release, fleet, &slot);
    let whole = broken.is_empty() && rolling::out_of_traffic(setup, &serving, &slot).is_empty();
    let at_once = !whole && recreate::needed(setup, &serving, &slot);
    let serves = broken.is_empty() || blue_green::serves(setup, release, fleet, &slot);
    if serves && !at_once {
        if !whole {
            ready(setup, fleet, &slot)?;
        }
        return keep::keep(setup, release, fleet, &serving, &slot, notes, generation);
    }
    let todo = broken.into_iter().map(|(host, why)| Todo {
        was: recorded(fleet, &host, &slot),
        release: id.clone(),
        why: why.join(", "),
        host,
    });
    let todo: Vec<Todo> = todo.collect();
    let asked = |h: &HostName| todo.iter().any(|t| t.host == *h);
    let clashes = blue_green::clashes(setup, release, fleet, &slot, asked);
    if let Some(refusal) = Refusal::of(clashes) {
        return Err(refusal);
    }
    let mut plan = Plan::new(setup, kind, &slot);
    plan.to = Some(release.label.clone());
    plan.notes = notes;
    super::jobs::back_over(&mut plan, setup, fleet, false)?;
    through(plan, setup, fleet, &slot, serving, todo, generation)
}

/// Plans the way back: the release that served before, host by host, from what lies on the hosts.
///
/// # Errors
/// A [`Refusal`] where no earlier release is there on every host.
pub fn rollback(setup: &Setup, fleet: &Fleet, generation: &str) -> Result<Plan, Refusal> {
    let Entry { before, notes } = entry::checks(setup, fleet, Need::All)?;
    let active = traffic::active(setup, before.as_ref())?;
    let (Some(slot), Some(serving)) = (active, before) else {
        return Err(Refusal::one(
            "no slot has traffic yet",
            "there is nothing to go back from",
        ));
    };
    let back = earlier(setup, fleet, &slot)?;
    let mut todo = Vec::new();
    for host in setup.hosts(&slot) {
        let view = &fleet.hosts[host];
        let kept = view.record.kept.iter();
        let mut kept = kept.filter(|k| k.label.id == back.id && k.slot == slot);
        let Some(kept) = kept.next() else { continue };
        let (env, app) = (&setup.env, &setup.app);
        let why = judge::differences(view, env, app, &slot, &back.id, &kept.services);
        if !why.is_empty() {
            todo.push(Todo {
                host: host.clone(),
                release: back.id.clone(),
                was: recorded(fleet, host, &slot),
                why: why.join(", "),
            });
        }
    }
    let mut plan = Plan::new(setup, PlanKind::Rollback, &slot);
    plan.to = Some(back);
    plan.notes = notes;
    super::jobs::back_over(&mut plan, setup, fleet, false)?;
    through(plan, setup, fleet, &slot, serving, todo, generation)
}

/// What a rollback would go back to, in words.
pub(super) fn way_back(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> String {
    match earlier(setup, fleet, slot) {
        Ok(label) if setup.strategy == Strategy::Recreate => {
            format!("way back: {label}; requests fail while it takes its place")
        }
        Ok(label) => format!("way back: {label}, host by host"),
        Err(refusal) => {
            let why: Vec<String> = refusal.reasons.into_iter().map(|(what, _)| what).collect();
            format!("no way back: {}", why.join("; "))
        }
    }
}

/// The release that served last before what the hosts hold now, where every host has its files.
fn earlier(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Result<ReleaseLabel, Refusal> {
    let held: BTreeSet<ReleaseId> = setup
        .hosts(slot)
        .filter_map(|h| recorded(fleet, h, slot))
        .collect();
    let views: Vec<_> = setup
        .hosts(slot)
        .filter_map(|h| fleet.hosts.get(h))
        .collect();
    let longest = views.iter().max_by_key(|v| v.record.promoted.len());
    let mut served = longest
        .into_iter()
        .flat_map(|v| v.record.promoted.iter().rev());
    let both = longest.into_iter().flat_map(|v| &v.record.promoted);
    let both: BTreeSet<&ReleaseId> = both.filter(|id| held.contains(*id)).collect();
    if both.len() > 1 {
        // E.g. a rollback that was left: whether to go on or back is not in the record.
        return Err(Refusal::one(
            format!("the hosts of {slot} hold two releases that both served"),
            format!(
                "`deploy {} {}@VERSION` says which it is to be",
                setup.env, setup.app
            ),
        ));
    }
    // Where a run was left between two releases, the way back is to the one that served.
    let other = |id: &&ReleaseId| held.len() > 1 || !held.contains(*id);
    let Some(id) = served.find(other) else {
        return Err(Refusal::one(
            format!("nothing served in {slot} before"),
            format!(
                "deploy a version that is known to be good: `deploy {} {}@VERSION`",
                setup.env, setup.app
            ),
        ));
    };
    let kept = |h: &HostName| {
        let all = fleet.hosts.get(h)?.record.kept.iter();
        let mut all = all.filter(|k| k.label.id == *id && k.slot == *slot);
        all.next().map(|k| k.label.clone())
    };
    let lacks: Vec<(String, String)> = setup
        .hosts(slot)
        .filter(|h| kept(h).is_none())
        .map(|h| {
            (
                format!("{h} does not hold release {id}, which served before"),
                String::new(),
            )
        })
        .collect();
    if let Some(mut refusal) = Refusal::of(lacks) {
        let hint = format!(
            "`deploy {} {}@VERSION` brings it there",
            setup.env, setup.app
        );
        if let Some(last) = refusal.reasons.last_mut() {
            last.1 = hint;
        }
        return Err(refusal);
    }
    refuse_without_secrets(setup, fleet, slot, id)?;
    let label = setup.hosts(slot).find_map(kept);
    label.ok_or_else(|| Refusal::one(format!("{slot} has no hosts"), ""))
}

/// Secrets leave a host with the last slot that holds their release.
fn refuse_without_secrets(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    id: &ReleaseId,
) -> Result<(), Refusal> {
    let mut reasons = Vec::new();
    for host in setup.hosts(slot) {
        let kept = fleet.hosts.get(host).map(|v| v.record.kept.iter());
        let mut kept = kept.into_iter().flatten().filter(|k| k.label.id == *id);
        let gone = recorded(fleet, host, slot).as_ref() != Some(id);
        if let Some(kept) = kept.find(|k| gone && !k.secrets.is_empty()) {
            reasons.push((
                format!(
                    "{host} does not hold the secrets of {} any more",
                    kept.label
                ),
                format!(
                    "`deploy {} {}@{}` brings it with today's secrets",
                    setup.env, setup.app, kept.label.version
                ),
            ));
        }
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}

/// What the record of a host says was brought up there.
pub(super) fn recorded(fleet: &Fleet, host: &HostName, slot: &SlotName) -> Option<ReleaseId> {
    let record = &fleet.hosts.get(host)?.record;
    record.slots.get(slot).map(|s| s.release.clone())
}

/// Whether single members can be taken out of this slot now.
fn ready(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Result<(), Refusal> {
    debts::refuse_behind(setup, fleet, slot)?;
    if setup.strategy == Strategy::Recreate {
        return debts::refuse_too_few(setup, slot);
    }
    rolling::refuse_obstacles(setup, slot)
}

/// Batch after batch through the slot, or all at once.
fn through(
    mut plan: Plan,
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    serving: Traffic,
    todo: Vec<Todo>,
    generation: &str,
) -> Result<Plan, Refusal> {
    ready(setup, fleet, slot)?;
    recreate::refuse_two(setup, fleet, slot, &todo)?;
    plan.from = from(setup, fleet, slot, plan.to.as_ref());
    plan.old = Some(slot.clone());
    plan.before = Some(serving.clone());
    plan.after = Some(serving.clone());
    plan.failures = setup.rolling.failures;
    plan.known = known(setup, fleet, slot);
    let at_once = setup.strategy == Strategy::Recreate;
    let missing = !rolling::out_of_traffic(setup, &serving, slot).is_empty();
    if todo.is_empty() && !(at_once && missing) {
        plan.end = judge::NOTHING;
        let what = plan
            .to
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        plan.notes
            .push(format!("{slot} serves {what} on every host already"));
        return Ok(plan);
    }
    if at_once {
        let release = plan.to.as_ref().map(|r| r.id.clone());
        let pulls = pulls(&mut plan, slot, &todo);
        let pulls = jobs(&mut plan, setup, fleet, slot, pulls)?;
        let mut rolling = Rolling::new(&mut plan, setup, slot, serving, generation);
        rolling.last = pulls;
        rolling.recreate(fleet, &todo, release);
        return Ok(plan);
    }
    let batches = batches(setup, fleet, slot, &serving, todo)?;
    let said: Vec<String> = batches.iter().map(|b| names(b)).collect();
    plan.notes.push(format!("batches: {}", said.join("; ")));
    if setup.switches() {
        let note = "both releases are active until the last batch is over";
        plan.notes.push(note.to_owned());
    }
    let pulls = pulls(&mut plan, slot, batches.iter().flatten());
    let pulls = jobs(&mut plan, setup, fleet, slot, pulls)?;
    let first: Vec<HostName> = batches[0].iter().map(|t| t.host.clone()).collect();
    let others = serving_hosts(setup, fleet, slot, &serving);
    let others = others.into_iter().filter(|h| !first.contains(h)).collect();
    let mut rolling = Rolling::new(&mut plan, setup, slot, serving, generation);
    rolling.last = pulls;
    rolling.gate(others, None, true, "they serve alone while a batch is out");
    for batch in &batches {
        rolling.batch(fleet, batch);
    }
    Ok(plan)
}

/// Who goes back runs no job.
fn jobs(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    needs: Vec<StepId>,
) -> Result<Vec<StepId>, Refusal> {
    match plan.kind {
        PlanKind::Rollback => Ok(needs),
        _ => super::jobs::before(plan, setup, fleet, slot, &needs),
    }
}

/// All that is brought is fetched before anybody leaves the traffic.
fn pulls<'a>(
    plan: &mut Plan,
    slot: &SlotName,
    todo: impl IntoIterator<Item = &'a Todo>,
) -> Vec<StepId> {
    let pull = |t: &Todo| {
        let pull = Action::Pull {
            host: t.host.clone(),
            slot: slot.clone(),
            release: t.release.clone(),
        };
        plan.push(pull, Undo::Nothing, &[], "the images of the release")
    };
    todo.into_iter().map(pull).collect()
}

/// What serves, for people: another release than the wanted one where some hosts run that already.
fn from(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    to: Option<&ReleaseLabel>,
) -> Option<ReleaseLabel> {
    let running = |h: &HostName| judge::running(fleet.hosts.get(h)?, &setup.env, &setup.app, slot);
    let all: Vec<ReleaseLabel> = setup.hosts(slot).filter_map(running).collect();
    let other = all.iter().find(|r| Some(&r.id) != to.map(|t| &t.id));
    other.or(all.first()).cloned()
}

fn known(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> Vec<ReleaseLabel> {
    let kept = setup.hosts(slot).filter_map(|h| fleet.hosts.get(h));
    let mut known: Vec<ReleaseLabel> = kept
        .filter_map(|v| Some(judge::recorded(v, slot)?.label.clone()))
        .collect();
    known.dedup();
    known
}

fn names(batch: &[Todo]) -> String {
    let all: Vec<&str> = batch.iter().map(|t| t.host.as_str()).collect();
    all.join(" ")
}

/// Members that get requests and answer, as far as the look can tell.
fn serving_hosts(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    now: &Traffic,
) -> BTreeSet<HostName> {
    let all = setup.hosts(slot);
    let serve = all.filter(|h| rolling::ready(now, slot).any(|r| r == *h));
    serve
        .filter(|h| rolling::answers(setup, fleet, slot, h))
        .cloned()
        .collect()
}

/// The members of each batch: as many as the inventory says and never so many that fewer than
/// `min_healthy` would serve. Who does not serve anyway comes first.
fn batches(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    now: &Traffic,
    todo: Vec<Todo>,
) -> Result<Vec<Vec<Todo>>, Refusal> {
    let total = setup.hosts(slot).count();
    let least = setup.least(slot);
    let hosts = todo.iter().map(|t| t.host.clone()).collect();
    let order = rolling::order(setup, fleet, slot, now, hosts);
    let mut left: Vec<Todo> = todo;
    left.sort_by_key(|t| order.iter().position(|h| *h == t.host));
    let mut serving = serving_hosts(setup, fleet, slot, now);
    let sizes = &setup.rolling.batch;
    let mut out: Vec<Vec<Todo>> = Vec::new();
    while !left.is_empty() {
        let size = sizes.get(out.len()).or(sizes.last());
        let size = size.map_or(1, |s| s.at_most(total)).max(1);
        let mut batch = Vec::new();
        let mut stay = serving.len();
        while batch.len() < size
            && let Some(next) = left.first()
        {
            if serving.contains(&next.host) {
                if stay <= least {
                    break;
                }
                stay -= 1;
            }
            batch.push(left.remove(0));
        }
        if batch.is_empty() {
            return Err(Refusal::one(
                format!(
                    "{slot} has {} that serve and needs {least}: none can be taken out",
                    crate::text::count(serving.len(), "member")
                ),
                "see `rolling.min_healthy` of the app and `protection.min_healthy`",
            ));
        }
        serving.extend(batch.iter().map(|t| t.host.clone()));
        out.push(batch);
    }
    Ok(out)
}
