//! What runs once per release: never two starts, whatever goes wrong and whoever comes next; the release
//! comes up only behind a job that ended well; what is not known is told, and waits for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::after::{Leaving, seen};
use super::fault::{Blow, Dice, Fault, Faults};
use super::model::Model;
use super::play::{Play, play};
use super::stage::{self, Stage};
use super::tests::{Broken, blows, one, singles};
use crate::engine::remote::Work;
use crate::fleet::{JobMark, JobState};
use crate::name::{HostName, OutcomeKind};
use crate::plan::fixture::{World, release};
use crate::plan::jobs::{Word, say};
use crate::plan::{self, Action, JobStart, PlanKind};

/// What each host remembers when a run begins.
pub fn of(world: &World) -> BTreeMap<HostName, Vec<JobMark>> {
    let hosts = world.fleet.hosts.iter();
    hosts
        .map(|(h, v)| (h.clone(), v.record.jobs.clone()))
        .collect()
}

fn same(mark: &JobMark, start: &JobStart) -> bool {
    mark.release == start.release.id && mark.job == start.job.name
}

impl Model {
    /// A host writes something down about a job.
    pub fn marks(&mut self, host: &HostName, start: &JobStart, state: JobState) {
        let marks = self.jobs.entry(host.clone()).or_default();
        let known = marks.iter().find(|m| same(m, start));
        if known.is_some_and(|m| m.attempt > start.attempt) {
            return;
        }
        marks.retain(|m| !same(m, start));
        marks.push(JobMark {
            release: start.release.id.clone(),
            revision: start.release.revision,
            job: start.job.name.clone(),
            attempt: start.attempt,
            state,
            host: start.host.clone(),
            blocks: start.job.blocks,
            salt: String::new(),
            run: "r-1".parse().expect("a run"),
            at: 0,
        });
    }

    /// A job is started, where its host has not begun that attempt, and ends like this.
    pub fn starts(&mut self, start: &JobStart, state: JobState) {
        let own = self.jobs.get(&start.host);
        let own = own.and_then(|marks| marks.iter().find(|m| same(m, start)));
        if own.is_some_and(|m| m.attempt >= start.attempt) {
            return;
        }
        let key = (
            start.release.id.clone(),
            start.job.name.clone(),
            start.attempt,
        );
        *self.starts.entry(key).or_default() += 1;
        self.marks(&start.host, start, state);
    }
}

/// Asked when the dispatcher wants a piece of work.
pub fn on_act(play: &Play<'_>, work: &Work, back: bool) -> Result<(), String> {
    let setup = &play.stage.world.setup;
    match work {
        Work::Job(start) => {
            let told = |h: &HostName| {
                let marks = play.model.jobs.get(h).into_iter().flatten();
                let mut marks = marks.filter(|m| same(m, start));
                marks.any(|m| m.attempt >= start.attempt)
            };
            let mut others = setup.all_hosts().filter(|h| **h != start.host);
            others.find(|h| !told(h)).map_or(Ok(()), |h| {
                Err(format!(
                    "{} is started and {h} was not told",
                    start.job.name
                ))
            })
        }
        Work::Replace { release, .. } if !back => {
            let well = |j: &crate::inventory::Job| {
                let mut marks = play.model.jobs.values().flatten();
                marks.any(|m| {
                    m.job == j.name
                        && m.release == *release
                        && matches!(m.state, JobState::Done | JobState::Skipped)
                })
            };
            let brings = [PlanKind::Deploy, PlanKind::Stage].contains(&play.stage.plan.kind);
            let mut open = setup.jobs.iter().filter(|j| brings && !well(j));
            open.next().map_or(Ok(()), |j| {
                Err(format!("{release} comes up and {} has not run", j.name))
            })
        }
        _ => Ok(()),
    }
}

/// How often anything was started more than once.
fn twice(model: &Model) -> bool {
    model.starts.values().any(|n| *n > 1)
}

/// Who comes next brings the same release; what is there then, and how that ended.
fn again(
    stage: &Stage,
    world: &World,
) -> Result<Result<(Model, OutcomeKind), plan::Refusal>, String> {
    let number = stage.plan.to.as_ref().expect("a release").revision;
    let wanted = release(&world.setup, number);
    let (setup, fleet) = (&world.setup, &world.fleet);
    match plan::deploy(setup, &wanted, fleet, PlanKind::Deploy, "g2") {
        Ok(plan) if plan.is_empty() => Ok(Ok((Model::of(world), plan.end))),
        Ok(plan) => {
            let next = Stage {
                name: "again",
                world: world.clone(),
                plan,
            };
            let ended = play(&next, Faults::default(), None, 1)?;
            Ok(Ok((ended.model, ended.outcome.kind)))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// A person says something of every job that waits for it.
fn said(mut world: World, word: Word) -> Result<World, String> {
    let jobs: Vec<_> = world.setup.jobs.iter().map(|j| j.name.clone()).collect();
    for job in jobs {
        let waits =
            |m: &JobMark| m.job == job && matches!(m.state, JobState::Begun | JobState::Failed(_));
        if !world.fleet.jobs().values().any(waits) {
            continue;
        }
        let plan = say(&world.setup, &world.fleet, word, Some(&job)).map_err(|r| r.text())?;
        let stage = Stage {
            name: "word",
            world,
            plan,
        };
        let ended = play(&stage, Faults::default(), None, 1)?;
        world = seen(&stage.world, &ended.model);
    }
    Ok(world)
}

/// From what a run left behind to the end of the story: nothing starts twice, what is open is told.
/// In a word, what whoever came next met.
fn story(stage: &Stage, left: &Model) -> Result<&'static str, String> {
    if twice(left) {
        return Err(format!("{:?}", left.starts));
    }
    let world = seen(&stage.world, left);
    let open: Vec<JobMark> = world.fleet.jobs().into_values().collect();
    let begun = open.iter().any(|m| m.state == JobState::Begun);
    let failed = open.iter().any(|m| matches!(m.state, JobState::Failed(_)));
    // What serves already was brought up behind its jobs.
    match again(stage, &world)? {
        Ok(_) if begun || failed => Err("it goes on though the end of a job is open".to_owned()),
        Ok((model, end)) => {
            let all = |k: &&(_, _, u32)| left.starts.contains_key(*k);
            if twice(&model) || model.starts.keys().any(|k| all(&k)) {
                return Err(format!("{:?} and then {:?}", left.starts, model.starts));
            }
            let fresh = model.starts.keys().map(|(r, j, _)| (r, j));
            let ran = left.starts.keys().map(|(r, j, _)| (r, j));
            let ran: BTreeSet<_> = ran.collect();
            if let Some((_, job)) = fresh.into_iter().find(|k| ran.contains(k)) {
                return Err(format!("{job} was started by two runs"));
            }
            match end {
                OutcomeKind::Succeeded | OutcomeKind::NoChange | OutcomeKind::Failed => {
                    Ok("went on")
                }
                end => Err(format!("then it ended {end}")),
            }
        }
        Err(refusal) if begun || failed => {
            let text = refusal.text();
            if refusal.unknown != begun || !text.contains("deploy job staging app retry") {
                return Err(text);
            }
            for (word, more) in [(Word::Skip, 0), (Word::Retry, 1)] {
                let world = said(world.clone(), word)?;
                let Ok((model, _)) = again(stage, &world)? else {
                    return Err(format!("{word:?} was not heard"));
                };
                let waited = open.iter().filter(|m| m.state != JobState::Done);
                let waited: BTreeSet<_> = waited.map(|m| &m.job).collect();
                let starts = model
                    .starts
                    .iter()
                    .filter(|((_, j, _), _)| waited.contains(j));
                if starts.map(|(_, n)| n).sum::<u32>() != more {
                    return Err(format!("{word:?}: {:?}", model.starts));
                }
            }
            Ok(if begun { "not known" } else { "failed" })
        }
        // Load balancers that were left between two states, or were edited.
        Err(_) => Ok("refused"),
    }
}

#[test]
fn every_step_with_every_fault_starts_nothing_twice() {
    let mut broken = Broken::default();
    let mut met: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for stage in stage::migrating() {
        let calm = one(&stage, &Faults::default()).unwrap();
        assert_eq!(calm.outcome.kind, stage.plan.end, "{}", stage.name);
        assert_eq!(calm.model.starts.len(), stage.world.setup.jobs.len());
        for faults in singles(&stage) {
            let Some(ended) = broken.note(one(&stage, &faults)) else {
                continue;
            };
            let (kind, _, _, fault) = &faults.work[0];
            let next = story(&stage, &ended.model);
            let next = next.map_err(|why| format!("{}: {:?}: {why}", stage.name, faults.work));
            let cell = met.entry((kind, format!("{fault:?}"))).or_default();
            match next {
                Ok(next) => drop(cell.insert(format!("{}, then {next}", ended.outcome.kind))),
                Err(why) => drop(broken.note(Err(why))),
            }
        }
    }
    let cell = |fault: Fault| {
        let all = met[&("job", format!("{fault:?}"))].iter();
        all.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!(cell(Fault::Fails), ["failed, then failed"]);
    assert_eq!(cell(Fault::FailsAfter), ["failed, then not known"]);
    assert_eq!(cell(Fault::SilentNot), ["failed, then went on"]);
    assert_eq!(cell(Fault::SilentDone), ["failed, then went on"]);
    assert_eq!(cell(Fault::Refused), ["failed, then went on"]);
}

#[test]
fn a_run_that_is_left_at_any_moment_starts_nothing_twice() {
    let mut broken = Vec::new();
    let mut met = BTreeSet::new();
    for stage in stage::migrating() {
        let took = one(&stage, &Faults::default()).unwrap().took;
        let all = u64::try_from(took.as_millis()).unwrap();
        let mut leaving = Leaving::new(&stage);
        for at in (0..all).step_by(100) {
            for sent in [true, false] {
                let moment = Duration::from_millis(at);
                let left = Faults {
                    work: Vec::new(),
                    blows: vec![(moment, Blow::Killed { sent })],
                };
                let ended = play(&stage, left, None, 1);
                let next = ended.and_then(|ended| story(&stage, &ended.model));
                // A staged release is no run that is led to an end of its own here.
                let led = match stage.plan.kind {
                    PlanKind::Stage => Ok(()),
                    _ => leaving.at(moment, sent).map(drop),
                };
                match (next, led) {
                    (Ok(next), Ok(())) => drop(met.insert(next)),
                    (Err(why), _) | (_, Err(why)) => {
                        broken.push(format!("{} at {at} ms, {sent}: {why}", stage.name));
                    }
                }
            }
        }
    }
    let some: Vec<&String> = broken.iter().take(10).collect();
    assert!(broken.is_empty(), "{} broken {some:#?}", broken.len());
    assert!(met.contains("went on"), "{met:?}");
}

const SCHEDULES: u64 = 300;
const LONG: u64 = 100_000;

#[test]
fn random_schedules_start_nothing_twice() {
    let stages = stage::migrating();
    let mut broken = Broken::default();
    let all = if super::random::long() {
        LONG
    } else {
        SCHEDULES
    };
    for seed in 0..all {
        let mut dice = Dice(seed);
        let stage = &stages[usize::try_from(dice.below(stages.len() as u64)).unwrap()];
        let mut faults = Faults::default();
        // A member that is down from the beginning is nothing that the judge of the next run knows.
        let unhurt = |b: &Blow| {
            matches!(
                b,
                Blow::Signal | Blow::Doubt | Blow::Taken(_) | Blow::Mute(_)
            )
        };
        let mut hits: Vec<Blow> = blows(stage).into_iter().filter(unhurt).collect();
        hits.extend([Blow::Closes, Blow::Killed { sent: true }]);
        for _ in 0..dice.below(3) {
            let blow = hits[usize::try_from(dice.below(hits.len() as u64)).unwrap()].clone();
            faults.blows.push((dice.millis(0, 8_000), blow));
        }
        let odds = [4, 10, 30][usize::try_from(dice.below(3)).unwrap()];
        let ended = play(stage, faults.clone(), Some(dice), odds);
        let said = |w| format!("seed {seed}: {}: {w} {:?}", stage.name, faults.blows);
        if let Some(ended) = broken.note(ended.map_err(said)) {
            let next = story(stage, &ended.model);
            if let Err(why) = next.map_err(said) {
                broken.note(Err(why));
            }
        }
    }
}

/// The judge is awake: plans that tell nobody, and that wait for nothing.
#[test]
fn a_plan_in_too_great_a_hurry_is_found() {
    let change = |what: fn(&mut plan::Step)| {
        let mut stage = stage::migrating().remove(0);
        stage.plan.steps.iter_mut().for_each(what);
        one(&stage, &Faults::default()).map(|e| e.outcome.kind)
    };
    let untold = change(|s| {
        if matches!(s.action, Action::Job(_)) {
            s.needs.clear();
        }
    });
    assert!(
        untold
            .as_ref()
            .is_err_and(|why| why.contains("was not told")),
        "{untold:?}"
    );
    let early = change(|s| {
        if matches!(s.action, Action::Replace { .. }) {
            s.needs.clear();
        }
    });
    assert!(
        early.as_ref().is_err_and(|why| why.contains("has not run")),
        "{early:?}"
    );
}
