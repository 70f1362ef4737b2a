//! A client that dies at any moment, and whoever resumes its run: also they may die, and the next
//! one goes on. In the end all load balancers send to one slot that serves, and nobody was cut off.

mod ends;
mod leaving;
mod seen;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use self::ends::{cleaned, whole};
pub use self::leaving::Leaving;
pub use self::seen::seen;
use super::activity;
use super::fault::{Blow, Dice, Faults};
use super::model::Model;
use super::play::{Act, Claims, Ended, play, play_after};
use super::stage::{self, Stage};
use crate::fleet::Traffic;
use crate::name::OutcomeKind;
use crate::plan::resume::{Unfinished, resume};
use crate::plan::{PlanKind, judge};

/// Whoever comes after so many meets no fault: then it must end.
const UNLUCKY: u32 = 3;
/// Nobody comes more often than that.
const COMES: u32 = 8;

/// A catch-up that was left is done again, not finished: there is nothing to be led to an end.
fn leaves(stage: &Stage) -> bool {
    !["stage", "catch up", "caught up"].contains(&stage.name)
}

/// The plans whose runs are left.
fn stages() -> Vec<Stage> {
    stage::all().into_iter().filter(leaves).collect()
}

/// What the run wanted, as its manifest says.
fn wanted(stage: &Stage) -> Unfinished {
    let (plan, world) = (&stage.plan, &stage.world);
    let was = world.setup.hosts(&plan.target).filter_map(|h| {
        let slot = world.fleet.hosts[h].record.slots.get(&plan.target)?;
        Some((h.clone(), slot.release.clone()))
    });
    Unfinished {
        target: plan.target.clone(),
        was: was.collect(),
        wanted: plan.to.as_ref().map(|r| r.id.clone()),
        before: plan.before.clone(),
        after: plan.after.clone(),
        ended: None,
        brings: matches!(plan.kind, crate::plan::PlanKind::Deploy),
        again: None,
        removes: (plan.kind == PlanKind::Remove).then(|| plan.removes.iter().cloned().collect()),
        excluded: BTreeSet::new(),
        failed: false,
    }
}

/// One who comes and resumes: how that ended, and what is there then.
enum Came {
    /// It is over.
    Over(OutcomeKind, Model),
    /// It is as unfinished as before; whether the new slot was found unfit.
    Left(Box<Ended>, bool),
    /// Nothing was touched, and a person is needed.
    Refused,
}

fn come(
    stage: &Stage,
    model: &Model,
    run: &Unfinished,
    how: (Faults, Option<Dice>, u64),
    (claims, flying): (Claims, Vec<Act>),
) -> Result<Came, String> {
    let world = seen(&stage.world, model);
    let plan = match resume(&world.setup, &world.fleet, run) {
        Ok(plan) => plan,
        Err(refusal) => {
            let slots = [Some(&run.target), world.setup.other(&run.target)];
            let fit =
                |s: &&crate::name::SlotName| judge::unfit(&world.setup, &world.fleet, s).is_empty();
            let target = run.failed.then_some(&run.target);
            let some = slots
                .into_iter()
                .flatten()
                .filter(|s| Some(*s) != target)
                .any(|s| fit(&s));
            // What a person wrote there names no members.
            let hand = |t: &&Traffic| t.groups.is_empty();
            let foreign = model.balancers.values().flatten().any(|t| hand(&t));
            if some && !foreign {
                return Err(format!("refused though a slot is fit: {}", refusal.text()));
            }
            return Ok(Came::Refused);
        }
    };
    let forward = plan.end == OutcomeKind::Succeeded;
    if plan.is_empty() {
        return Ok(Came::Over(plan.end, model.clone()));
    }
    let stage = Stage {
        name: "resume",
        world,
        plan,
    };
    let ended = play_after(&stage, how, claims, flying)?;
    Ok(match ended.outcome.kind {
        OutcomeKind::Unfinished | OutcomeKind::Mixed | OutcomeKind::Superseded => {
            Came::Left(Box::new(ended), false)
        }
        OutcomeKind::Failed => Came::Left(Box::new(ended), forward),
        kind => Came::Over(kind, ended.model),
    })
}

/// From a dead client to the end of its run. `faults` are of those who come first.
fn led(
    stage: &Stage,
    left: Ended,
    mut faults: impl FnMut(u32) -> (Faults, Option<Dice>, u64),
) -> Result<&'static str, String> {
    let mut run = wanted(stage);
    let (mut model, mut claims, mut flying) = waits(stage, left, &run)?;
    for nth in 0..COMES {
        claims = claims.taken()?;
        let sent = (claims.clone(), flying.clone());
        match come(stage, &model, &run, faults(nth), sent)
            .map_err(|why| format!("who came as {nth}: {why}"))?
        {
            Came::Over(kind, end) => {
                whole(&run, kind, &end).map_err(|why| format!("who came as {nth}: {why}"))?;
                cleaned(stage, kind, &end).map_err(|why| format!("who came as {nth}: {why}"))?;
                activity::settled(stage, &end)
                    .map_err(|why| format!("who came as {nth}: {why}"))?;
                return Ok(kind.word());
            }
            Came::Left(end, unfit) => {
                run.failed |= unfit;
                (model, claims, flying) = waits(stage, *end, &run)?;
            }
            Came::Refused => return Ok("refused"),
        }
    }
    Err(format!("it never ends: {:?}", model.balancers))
}

/// While a host of the run is down nobody leads it to an end; it waits until that is there again.
fn waits(
    stage: &Stage,
    left: Ended,
    run: &Unfinished,
) -> Result<(Model, Claims, Vec<Act>), String> {
    let mut claims = left.claims;
    for host in &left.down {
        let mut world = seen(&stage.world, &left.model).silent(host.as_str());
        world.setup.left_out.clone_from(&stage.world.setup.left_out);
        if let Ok(plan) = resume(&world.setup, &world.fleet, run) {
            return Err(format!("{host} is down and this is done: {:?}", plan.steps));
        }
        claims.reboot(host);
    }
    Ok((left.woken, claims, left.flying))
}

fn calm(_: u32) -> (Faults, Option<Dice>, u64) {
    (Faults::default(), None, 1)
}

fn killed(at: Duration, sent: bool) -> Faults {
    Faults {
        work: Vec::new(),
        blows: vec![(at, Blow::Killed { sent })],
    }
}

/// Every run is left at every moment, the last words sent and not sent.
#[test]
fn a_run_that_is_left_at_any_moment_is_led_to_one_of_its_ends() {
    let mut table: BTreeMap<(&str, &str, bool), BTreeMap<&str, u32>> = BTreeMap::new();
    let mut broken = Vec::new();
    for stage in stages() {
        let took = play(&stage, Faults::default(), None, 1)
            .expect("no fault")
            .took;
        let long = u64::try_from(took.as_millis()).expect("short");
        let mut leaving = Leaving::new(&stage);
        for (at, sent) in (0..long)
            .step_by(50)
            .flat_map(|at| [(at, true), (at, false)])
        {
            match leaving.at(Duration::from_millis(at), sent) {
                Ok((open, end)) => {
                    *table
                        .entry((stage.name, open, sent))
                        .or_default()
                        .entry(end)
                        .or_default() += 1
                }
                Err(why) => broken.push(format!("{} at {at} ms, sent {sent}: {why}", stage.name)),
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} broken, e.g.\n{}",
        broken.len(),
        broken[..broken.len().min(10)].join("\n")
    );
    let mut text = String::new();
    for ((stage, open, sent), ends) in &table {
        let ends: Vec<&str> = ends.keys().copied().collect();
        let how = if *sent { "done" } else { "not done" };
        let _ = writeln!(text, "{stage:<13}{open:<8} {how:<9}{}", ends.join(", "));
    }
    insta::assert_snapshot!(text, @r"
    deploy       -        not done cancelled, succeeded
    deploy       -        done     cancelled, succeeded
    deploy       drain    not done succeeded
    deploy       drain    done     succeeded
    deploy       pull     not done cancelled
    deploy       pull     done     cancelled
    deploy       replace  not done cancelled
    deploy       replace  done     cancelled
    deploy       shift    not done cancelled, succeeded
    deploy       shift    done     succeeded
    drain        -        not done cancelled
    drain        -        done     cancelled
    drain        drain    not done cancelled
    drain        drain    done     cancelled
    drain        owe      not done cancelled
    drain        owe      done     cancelled
    drain        shift    not done cancelled
    drain        shift    done     cancelled
    exclude      -        not done cancelled, succeeded
    exclude      -        done     cancelled, succeeded
    exclude      drain    not done succeeded
    exclude      drain    done     succeeded
    exclude      owe      not done cancelled
    exclude      owe      done     cancelled
    exclude      pull     not done cancelled
    exclude      pull     done     cancelled
    exclude      replace  not done cancelled
    exclude      replace  done     cancelled
    exclude      shift    not done cancelled, succeeded
    exclude      shift    done     succeeded
    exclude back -        not done cancelled
    exclude back -        done     cancelled
    exclude back drain    not done succeeded
    exclude back drain    done     succeeded
    exclude back prepare  not done cancelled
    exclude back prepare  done     cancelled
    exclude back shift    not done cancelled, succeeded
    exclude back shift    done     succeeded
    first        -        not done cancelled, succeeded
    first        -        done     cancelled, succeeded
    first        pull     not done cancelled
    first        pull     done     cancelled
    first        replace  not done cancelled
    first        replace  done     cancelled
    first        shift    not done cancelled, succeeded
    first        shift    done     succeeded
    kept         owe      not done cancelled
    kept         owe      done     cancelled
    kept         shift    not done cancelled
    kept         shift    done     cancelled
    new member   -        not done cancelled
    new member   -        done     cancelled
    new member   pull     not done cancelled
    new member   pull     done     cancelled
    new member   replace  not done cancelled
    new member   replace  done     cancelled
    new member   shift    not done cancelled
    new member   shift    done     cancelled
    passed by    -        not done cancelled, succeeded
    passed by    -        done     cancelled, succeeded
    passed by    drain    not done succeeded
    passed by    drain    done     succeeded
    passed by    owe      not done cancelled
    passed by    owe      done     cancelled
    passed by    pull     not done cancelled
    passed by    pull     done     cancelled
    passed by    replace  not done cancelled
    passed by    replace  done     cancelled
    passed by    shift    not done cancelled, succeeded
    passed by    shift    done     succeeded
    put back     -        not done cancelled
    put back     -        done     cancelled
    put back     drain    not done cancelled
    put back     drain    done     cancelled
    put back     replace  not done cancelled
    put back     replace  done     cancelled
    put back     shift    not done cancelled
    put back     shift    done     cancelled
    ready        -        not done cancelled, succeeded
    ready        -        done     cancelled, succeeded
    ready        drain    not done succeeded
    ready        drain    done     succeeded
    ready        prepare  not done cancelled
    ready        prepare  done     cancelled
    ready        shift    not done cancelled, succeeded
    ready        shift    done     succeeded
    remove app   drain    not done succeeded
    remove app   drain    done     succeeded
    remove app   remove   not done succeeded
    remove app   remove   done     succeeded
    remove app   shift    not done cancelled, succeeded
    remove app   shift    done     succeeded
    remove hosts -        not done cancelled
    remove hosts -        done     cancelled
    remove hosts drain    not done succeeded
    remove hosts drain    done     succeeded
    remove hosts remove   not done succeeded
    remove hosts remove   done     succeeded
    remove hosts shift    not done cancelled, succeeded
    remove hosts shift    done     succeeded
    repair       -        not done cancelled
    repair       -        done     cancelled
    repair       drain    not done cancelled
    repair       drain    done     cancelled
    repair       replace  not done cancelled
    repair       replace  done     cancelled
    repair       shift    not done cancelled
    repair       shift    done     cancelled
    restart      -        not done cancelled
    restart      -        done     cancelled
    restart      drain    not done cancelled
    restart      drain    done     cancelled
    restart      replace  not done cancelled
    restart      replace  done     cancelled
    restart      shift    not done cancelled
    restart      shift    done     cancelled
    rests        -        not done cancelled, succeeded
    rests        -        done     cancelled, succeeded
    rests        drain    not done succeeded
    rests        drain    done     succeeded
    rests        pull     not done cancelled
    rests        pull     done     cancelled
    rests        replace  not done cancelled
    rests        replace  done     cancelled
    rests        shift    not done cancelled, succeeded
    rests        shift    done     succeeded
    rollback     -        not done cancelled
    rollback     -        done     cancelled
    rollback     drain    not done succeeded
    rollback     drain    done     succeeded
    rollback     prepare  not done cancelled
    rollback     prepare  done     cancelled
    rollback     shift    not done cancelled, succeeded
    rollback     shift    done     succeeded
    set down     -        not done cancelled, succeeded
    set down     -        done     cancelled, succeeded
    set down     drain    not done succeeded
    set down     drain    done     succeeded
    set down     owe      not done cancelled
    set down     owe      done     cancelled
    set down     pull     not done cancelled
    set down     pull     done     cancelled
    set down     replace  not done cancelled
    set down     replace  done     cancelled
    set down     shift    not done cancelled, succeeded
    set down     shift    done     succeeded
    shared       -        not done cancelled, succeeded
    shared       -        done     cancelled, succeeded
    shared       drain    not done succeeded
    shared       drain    done     succeeded
    shared       prepare  not done cancelled
    shared       prepare  done     cancelled
    shared       pull     not done cancelled
    shared       pull     done     cancelled
    shared       replace  not done cancelled
    shared       replace  done     cancelled
    shared       shift    not done cancelled, succeeded
    shared       shift    done     succeeded
    switch       -        not done cancelled
    switch       -        done     cancelled
    switch       drain    not done succeeded
    switch       drain    done     succeeded
    switch       prepare  not done cancelled
    switch       prepare  done     cancelled
    switch       shift    not done cancelled, succeeded
    switch       shift    done     succeeded
    sync         -        not done cancelled
    sync         -        done     cancelled
    sync         owe      not done cancelled
    sync         owe      done     cancelled
    sync         pull     not done cancelled
    sync         pull     done     cancelled
    sync         replace  not done cancelled
    sync         replace  done     cancelled
    sync         shift    not done cancelled
    sync         shift    done     cancelled
    undrain      -        not done cancelled
    undrain      -        done     cancelled
    undrain      owe      not done cancelled
    undrain      owe      done     cancelled
    undrain      shift    not done cancelled
    undrain      shift    done     cancelled
    weight       -        not done cancelled
    weight       -        done     cancelled
    weight       prepare  not done cancelled
    weight       prepare  done     cancelled
    weight       shift    not done cancelled, succeeded
    weight       shift    done     succeeded
    weight all   -        not done cancelled
    weight all   -        done     cancelled
    weight all   drain    not done succeeded
    weight all   drain    done     succeeded
    weight all   prepare  not done cancelled
    weight all   prepare  done     cancelled
    weight all   shift    not done cancelled, succeeded
    weight all   shift    done     succeeded
    weight back  -        not done cancelled
    weight back  -        done     cancelled
    weight back  drain    not done succeeded
    weight back  drain    done     succeeded
    weight back  prepare  not done cancelled
    weight back  prepare  done     cancelled
    weight back  shift    not done cancelled, succeeded
    weight back  shift    done     succeeded
    weight less  -        not done cancelled
    weight less  -        done     cancelled
    weight less  prepare  not done cancelled
    weight less  prepare  done     cancelled
    weight less  shift    not done cancelled, succeeded
    weight less  shift    done     succeeded
    ");
}

/// How many runs are left at random in a test run, and in a long one.
const SCHEDULES: u64 = 3_000;
const LONG: u64 = 250_000;

fn random(stages: &[Stage], seed: u64) -> Result<&'static str, String> {
    let mut dice = Dice(seed);
    let stage = &stages[usize::try_from(dice.below(stages.len() as u64)).expect("few")];
    let mut faults = killed(dice.millis(0, 15_000), dice.one_in(2));
    faults.work.clear();
    let odds = [10, 40, 1_000][usize::try_from(dice.below(3)).expect("few")];
    let said = |why| format!("seed {seed}: {}: {why}", stage.name);
    let left = play(stage, faults, Some(Dice(dice.roll())), odds).map_err(said)?;
    // It came to its end before, or a person has touched a load balancer.
    if left.outcome.kind != OutcomeKind::Unfinished {
        return Ok(left.outcome.kind.word());
    }
    led(stage, left, |nth| {
        if nth >= UNLUCKY {
            return calm(nth);
        }
        let at = dice.millis(0, 15_000);
        let faults = if dice.one_in(2) {
            killed(at, dice.one_in(2))
        } else {
            Faults::default()
        };
        (faults, Some(Dice(dice.roll())), odds)
    })
    .map_err(said)
}

/// `DEPLOY_SEED` plays one of them again.
#[test]
fn runs_that_are_left_at_random_again_and_again_end_whole() {
    let stages = stages();
    if let Some(seed) = super::random::seed() {
        let ended = random(&stages, seed);
        assert!(ended.is_ok(), "{}", ended.unwrap_err());
        return;
    }
    let all = if super::random::long() {
        LONG
    } else {
        SCHEDULES
    };
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let mut broken = Vec::new();
    for seed in 0..all {
        match random(&stages, seed) {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(why) => broken.push(why),
        }
    }
    println!("{ends:?}");
    assert!(
        broken.is_empty(),
        "{} broken, e.g.\n{}",
        broken.len(),
        broken[..broken.len().min(10)].join("\n")
    );
    for end in ["cancelled", "succeeded", "rolled_back"] {
        assert!(ends.contains_key(end), "no run ended {end}: {ends:?}");
    }
}
