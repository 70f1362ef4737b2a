//! Jobs: what runs once per release, on one host, when the images are there and before the release comes
//! up. Nothing that serves is touched until all of them have ended well.
//!
//! A start is told to all hosts first, and written by its own host before its first process: so whoever
//! comes later knows of it though hosts or clients are gone. What was begun and not seen to its end is
//! never begun again without a person's word: [`say`]. No run takes a job back, and a way back says so:
//! [`back_over`].

use std::collections::BTreeSet;

use super::{Action, JobStart, Plan, PlanKind, Refusal, Setup, Undo, judge, traffic};
use crate::fleet::{Fleet, JobMark, JobState, Known, Traffic};
use crate::inventory::Job;
use crate::name::{HostName, JobName, ReleaseId, SlotName, StepId, Version};
use crate::release::ReleaseLabel;

/// Adds the jobs of the release that have not run for it, one after the other, behind `needs`. The steps
/// that what comes next waits for.
///
/// # Errors
/// A [`Refusal`] where one failed or where nobody knows how it ended, each with what a person can say.
pub(super) fn before(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
    needs: &[StepId],
) -> Result<Vec<StepId>, Refusal> {
    let mut last = needs.to_vec();
    let Some(release) = plan.to.clone().filter(|_| !setup.jobs.is_empty()) else {
        return Ok(last);
    };
    let known = fleet.jobs();
    let mut against = Refusal {
        reasons: Vec::new(),
        unknown: false,
    };
    for job in &setup.jobs {
        let mark = known.get(&(release.id.clone(), job.name.clone()));
        let attempt = match mark.map(|m| (m.state, m.attempt)) {
            Some((JobState::Done | JobState::Skipped, _)) => {
                let said = mark.map(JobMark::says).unwrap_or_default();
                let note = format!(
                    "job {} of {release} {said}: it does not run again",
                    job.name
                );
                plan.notes.push(note);
                continue;
            }
            Some((JobState::Begun | JobState::Failed(_), _)) => {
                against.unknown |= mark.is_some_and(|m| m.state == JobState::Begun);
                let said = mark.map(JobMark::says).unwrap_or_default();
                let what = format!("job {} of {release} {said}", job.name);
                against.reasons.push((what, words(setup, &job.name)));
                continue;
            }
            // That it may be started can be old news, as long as too few answer.
            open => match unseen(setup, fleet) {
                Some(silent) => {
                    against.unknown = true;
                    let what = format!(
                        "whether job {} of {release} was begun is not known: {silent}",
                        job.name
                    );
                    let hint =
                        "make them answer; those that are gone for good: out of the inventory";
                    against.reasons.push((what, hint.to_owned()));
                    continue;
                }
                None => open.map_or(1, |(_, attempt)| attempt + 1),
            },
        };
        match host(setup, fleet, slot, job) {
            Some(host) => {
                let start = JobStart {
                    host: host.clone(),
                    slot: slot.clone(),
                    release: release.clone(),
                    job: job.clone(),
                    attempt,
                };
                last = run(plan, setup, fleet, &start, last);
            }
            None => {
                let what = format!("job {} has no host in {slot} that takes part", job.name);
                let hint = "see `where:` of the job".to_owned();
                against.reasons.push((what, hint));
            }
        }
    }
    match against.reasons.is_empty() {
        true => Ok(last),
        false => Err(against),
    }
}

/// What a person can say of a job.
fn words(setup: &Setup, job: &JobName) -> String {
    let (env, app) = (&setup.env, &setup.app);
    format!(
        "see what it has done, then `deploy job {env} {app} retry {job} -m REASON` or `deploy job {env} {app} skip {job} -m REASON`"
    )
}

/// Of a start all hosts are told that answer, and it comes only where these are more than half of them:
/// so of any two such sets one host is in both. Who does not answer where too few do; `None` where
/// enough do.
fn unseen(setup: &Setup, fleet: &Fleet) -> Option<String> {
    let all: BTreeSet<&HostName> = setup.every_member().collect();
    // Only who takes part is told.
    let part: BTreeSet<&HostName> = setup.all_hosts().collect();
    let told = |h: &HostName| part.contains(h) && fleet.hosts.contains_key(h);
    if all.iter().filter(|h| told(h)).count() * 2 > all.len() {
        return None;
    }
    let resting = all.iter().any(|h| !part.contains(h));
    let silent = all.into_iter().filter(|h| !told(h));
    let silent: Vec<&str> = silent.map(HostName::as_str).collect();
    let verb = if silent.len() == 1 { "does" } else { "do" };
    let part = if resting { ", or take no part" } else { "" };
    Some(format!("{} {verb} not answer{part}", silent.join(" ")))
}

/// The host that runs it: the first that `where:` names, else the first of the slot, that takes part.
fn host<'a>(
    setup: &'a Setup,
    fleet: &Fleet,
    slot: &SlotName,
    job: &'a Job,
) -> Option<&'a HostName> {
    let of_slot: Vec<&HostName> = setup.hosts(slot).collect();
    let named = job.hosts.iter().filter(|h| of_slot.contains(h));
    let mut may = match job.hosts.is_empty() {
        true => of_slot.clone(),
        false => named.collect(),
    };
    may.retain(|h| fleet.hosts.contains_key(*h));
    may.first().copied()
}

/// The others are told, it runs, the others are told how it ended.
fn run(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    start: &JobStart,
    needs: Vec<StepId>,
) -> Vec<StepId> {
    let others = others(setup, fleet, &start.host);
    let mut ready = needs;
    let mark = |state| Action::Mark {
        on: others.clone(),
        start: start.clone(),
        state,
    };
    if !others.is_empty() {
        let why = "whoever comes next knows that it was begun";
        ready = vec![plan.push(mark(JobState::Begun), Undo::Nothing, &ready, why)];
    }
    let why = "once per release, before it comes up; it is not undone";
    let job = plan.push(Action::Job(start.clone()), Undo::Nothing, &ready, why);
    if !others.is_empty() {
        let why = "and that it ended well";
        plan.push(mark(JobState::Done), Undo::Nothing, &[job], why);
    }
    vec![job]
}

/// Hosts of the app that answer, but for one.
fn others(setup: &Setup, fleet: &Fleet, host: &HostName) -> Vec<HostName> {
    let all: BTreeSet<&HostName> = setup.all_hosts().collect();
    let others = all.into_iter().filter(|h| *h != host);
    others
        .filter(|h| fleet.hosts.contains_key(*h))
        .cloned()
        .collect()
}

/// Says of a plan that leads to an earlier release which jobs of later ones are not undone by it.
///
/// # Errors
/// A [`Refusal`] where one of them says `rollback: blocked`, unless a person forces it.
pub(super) fn back_over(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    force: bool,
) -> Result<(), Refusal> {
    let Some(to) = plan.to.clone() else {
        return Ok(());
    };
    // What serves beside it already works with what it did; to repair it must not be kept up.
    if serves(setup, fleet, &to.id) {
        return Ok(());
    }
    let mut reasons = Vec::new();
    let known = fleet.jobs();
    let over = known
        .values()
        .filter(|m| m.state.ran() && m.revision > to.revision && m.release != to.id);
    for mark in over {
        let JobMark { job, revision, .. } = mark;
        let own = setup.jobs.iter().find(|j| j.name == *job);
        let blocks = own.map_or(mark.blocks, |j| j.blocks);
        if blocks && !force {
            let what = format!(
                "job {job} of #{revision} {}, and says `rollback: blocked`: {to} may not work with what it did",
                mark.says()
            );
            reasons.push((what, way_round(plan, setup)));
            continue;
        }
        let forced = if blocks {
            ", forced although it says `rollback: blocked`"
        } else {
            ""
        };
        plan.notes.push(format!(
            "job {job} of #{revision} {}: it is not undone{forced}",
            mark.says()
        ));
    }
    Refusal::of(reasons).map_or(Ok(()), Err)
}

/// Whether a load balancer sends to a slot that holds the release.
fn serves(setup: &Setup, fleet: &Fleet, release: &ReleaseId) -> bool {
    let holds = |slot: &SlotName| {
        judge::shown_release(setup, fleet, slot).is_some_and(|label| label.id == *release)
    };
    fleet.balancers.values().any(|view| match &view.running {
        Known::Is(Some(traffic)) => setup.slots.iter().any(|s| traffic.reaches(s) && holds(s)),
        _ => false,
    })
}

fn way_round(plan: &Plan, setup: &Setup) -> String {
    let (env, app, slot) = (&setup.env, &setup.app, &plan.target);
    let allowed = "`rollback: allowed` of the job in the inventory lets it go on";
    match plan.kind {
        PlanKind::Switch | PlanKind::Rollback if setup.slots.len() > 1 => format!(
            "`deploy switch {env} {app} --to {slot} --force -m REASON` when you know that it does; {allowed}"
        ),
        _ => allowed.to_owned(),
    }
}

/// What a person says of a job whose end is not known or that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It may be started once more.
    Retry,
    /// It is not to be started: what it was to do was done otherwise, or is not needed.
    Skip,
}

/// Plans that the word is written on every host that answers. `job` may be left out where one is
/// meant.
///
/// # Errors
/// A [`Refusal`] where no job waits for a word, where several do and none was named.
pub fn say(
    setup: &Setup,
    fleet: &Fleet,
    word: Word,
    job: Option<&JobName>,
) -> Result<Plan, Refusal> {
    let known = fleet.jobs();
    let waits = |m: &&JobMark| matches!(m.state, JobState::Begun | JobState::Failed(_));
    let mut waiting: Vec<&JobMark> = known.values().filter(waits).collect();
    waiting.retain(|m| job.is_none_or(|j| m.job == *j));
    // Of one job the last release is meant: of those before nobody asks any more.
    waiting.sort_by_key(|m| (m.job.clone(), std::cmp::Reverse(m.revision)));
    waiting.dedup_by_key(|m| m.job.clone());
    let (env, app) = (&setup.env, &setup.app);
    let list = format!("`deploy job {env} {app}` lists what is on record");
    let mark = match waiting.as_slice() {
        [one] => *one,
        [] => {
            let what = match job {
                Some(job) => format!("no end of job {job} is open"),
                None => "no end of a job is open".to_owned(),
            };
            return Err(Refusal::one(what, list));
        }
        several => {
            let names: Vec<&str> = several.iter().map(|m| m.job.as_str()).collect();
            let what = format!("the ends of several jobs are open: {}", names.join(", "));
            let hint = format!(
                "name one: `deploy job {env} {app} retry {} -m REASON`",
                names[0]
            );
            return Err(Refusal::one(what, hint));
        }
    };
    plan_of(setup, fleet, word, mark)
}

fn plan_of(setup: &Setup, fleet: &Fleet, word: Word, mark: &JobMark) -> Result<Plan, Refusal> {
    let on: BTreeSet<&HostName> = setup.every_member().collect();
    let on = on.into_iter().filter(|h| fleet.hosts.contains_key(*h));
    let on: Vec<HostName> = on.cloned().collect();
    let kept = fleet.hosts.values().flat_map(|v| &v.record.kept);
    let mut label = kept.map(|k| &k.label).filter(|l| l.id == mark.release);
    let label = label.next().cloned();
    // Its files may be gone.
    let version = Version::new(mark.release.as_str()).or_else(|_| Version::new("unknown"));
    let version = version.expect("a plain word is a version");
    let release = label.unwrap_or_else(|| ReleaseLabel {
        adopted: false,
        id: mark.release.clone(),
        version,
        revision: mark.revision,
        digest: None,
    });
    let Some(slot) = setup.slots.first().filter(|_| !on.is_empty()) else {
        return Err(Refusal {
            unknown: true,
            ..Refusal::one("no host of the app answers", "")
        });
    };
    let now = traffic::now(setup, fleet).ok().flatten();
    let slot = now.as_ref().and_then(Traffic::sole).unwrap_or(slot);
    let mut plan = Plan::new(setup, PlanKind::Job, slot);
    plan.to = Some(release.clone());
    plan.before.clone_from(&now);
    plan.after.clone_from(&now);
    plan.notes.push(format!("job {} {}", mark.job, mark.says()));
    let start = JobStart {
        host: mark.host.clone(),
        slot: slot.clone(),
        release,
        job: Job {
            name: mark.job.clone(),
            argv: Vec::new(),
            service: None,
            hosts: Vec::new(),
            within: std::time::Duration::ZERO,
            blocks: mark.blocks,
            span: None,
        },
        attempt: mark.attempt + 1,
    };
    let state = match word {
        Word::Retry => JobState::Open,
        Word::Skip => JobState::Skipped,
    };
    let action = Action::Mark { on, start, state };
    plan.push(action, Undo::Nothing, &[], "a person answers for it");
    Ok(plan)
}
