//! Every step with every fault, blows at every time, random schedules; and what was covered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::{Blow, Dice, Fault, Faults};
use super::play::{Ended, play};
use super::stage::{self, Stage};
use crate::name::{HostName, OutcomeKind};

fn calm(stage: &Stage) -> Ended {
    play(stage, Faults::default(), None, 1).unwrap_or_else(|why| panic!("{}: {why}", stage.name))
}

/// Broken invariants: all are shown, not the first one.
#[derive(Default)]
struct Broken(Vec<String>);

impl Broken {
    fn note(&mut self, ended: Result<Ended, String>) -> Option<Ended> {
        ended.map_err(|why| self.0.push(why)).ok()
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        if !self.0.is_empty() && !std::thread::panicking() {
            let shown: Vec<&str> = self.0.iter().take(12).map(String::as_str).collect();
            panic!("{} broken, e.g.\n{}", self.0.len(), shown.join("\n"));
        }
    }
}

fn one(stage: &Stage, faults: &Faults) -> Result<Ended, String> {
    play(stage, faults.clone(), None, 1)
        .map_err(|why| format!("{}: {why} {:?} {:?}", stage.name, faults.work, faults.blows))
}

#[test]
fn without_faults_every_plan_ends_as_it_says() {
    for stage in stage::all() {
        let ended = calm(&stage);
        assert_eq!(
            ended.outcome.kind, stage.plan.end,
            "{}: {:?}",
            stage.name, ended.outcome
        );
        assert!(
            ended.took < Duration::from_secs(20),
            "{}: {:?}",
            stage.name,
            ended.took
        );
    }
}

/// All single faults of all work of a plan.
fn singles(stage: &Stage) -> Vec<Faults> {
    let mut out = Vec::new();
    for (kind, host, nth, work) in calm(stage).work {
        for fault in Fault::ALL.into_iter().filter(|f| f.fits(&work)) {
            out.push(Faults {
                work: vec![(kind, host.clone(), nth, fault)],
                blows: Vec::new(),
            });
        }
    }
    out
}

type Matrix = BTreeMap<(&'static str, String), BTreeMap<&'static str, u32>>;

fn shown(matrix: &Matrix) -> String {
    let mut out = String::new();
    for ((kind, fault), outcomes) in matrix {
        let ends: Vec<String> = outcomes.iter().map(|(o, n)| format!("{o} {n}")).collect();
        let _ = writeln!(out, "{kind:<9}{fault:<14}{}", ends.join(", "));
    }
    out
}

#[test]
fn every_step_with_every_fault() {
    let mut matrix = Matrix::new();
    let mut broken = Broken::default();
    for stage in stage::all() {
        for faults in singles(&stage) {
            let Some(ended) = broken.note(one(&stage, &faults)) else {
                continue;
            };
            let (kind, _, _, fault) = &faults.work[0];
            let cell = matrix.entry((kind, format!("{fault:?}"))).or_default();
            *cell.entry(ended.outcome.kind.word()).or_default() += 1;
        }
    }
    insta::assert_snapshot!(shown(&matrix), @"
    drain    SilentDone    failed 8, succeeded 10
    drain    SilentNot     failed 8, succeeded 10
    drain    Slow          succeeded 18
    prepare  CheckRefuses  failed 12
    prepare  Fails         failed 12
    prepare  FailsAfter    failed 12
    prepare  Lost          superseded 12
    prepare  Refused       failed 12
    prepare  SilentDone    failed 12
    prepare  SilentNot     failed 12
    prepare  Slow          succeeded 12
    pull     Fails         failed 8
    pull     FailsAfter    failed 8
    pull     Lost          superseded 8
    pull     Refused       failed 8
    pull     SilentDone    failed 8
    pull     SilentNot     failed 8
    pull     Slow          staged 2, succeeded 6
    replace  EndsAtOnce    failed 13
    replace  Fails         failed 13
    replace  FailsAfter    failed 13
    replace  Lost          superseded 13
    replace  NeverWell     failed 13
    replace  Refused       failed 13
    replace  RestartLoop   failed 13
    replace  SilentDone    failed 13
    replace  SilentNot     failed 13
    replace  Slow          staged 2, succeeded 11
    shift    CheckRefuses  failed 18, rolled_back 12
    shift    Differs       failed 18, rolled_back 12
    shift    DiffersDone   failed 18, rolled_back 12
    shift    Fails         failed 18, rolled_back 12
    shift    FailsAfter    failed 18, rolled_back 12
    shift    Lost          superseded 30
    shift    Moved         mixed 30
    shift    NotReadBack   failed 18, rolled_back 12
    shift    Refused       failed 18, rolled_back 12
    shift    SilentDone    failed 18, rolled_back 12
    shift    SilentNot     failed 18, rolled_back 12
    shift    Slow          succeeded 30
    ");
}

#[test]
fn every_way_back_with_every_fault() {
    let mut matrix = Matrix::new();
    let mut broken = Broken::default();
    for stage in stage::all() {
        let forward = calm(&stage).work;
        for first in singles(&stage) {
            let Ok(unwound) = one(&stage, &first) else {
                continue;
            };
            let back = unwound.work.into_iter().filter(|w| !forward.contains(w));
            for (kind, host, nth, work) in back.collect::<Vec<_>>() {
                for fault in Fault::ALL.into_iter().filter(|f| f.fits(&work)) {
                    let mut faults = first.clone();
                    faults.work.push((kind, host.clone(), nth, fault));
                    let Some(ended) = broken.note(one(&stage, &faults)) else {
                        continue;
                    };
                    let cell = matrix.entry((kind, format!("{fault:?}"))).or_default();
                    *cell.entry(ended.outcome.kind.word()).or_default() += 1;
                }
            }
        }
    }
    insta::assert_snapshot!(shown(&matrix), @"
    drain    SilentDone    rolled_back 180
    drain    SilentNot     rolled_back 180
    drain    Slow          rolled_back 180
    evidence Fails         failed 160, rolled_back 108
    evidence FailsAfter    failed 160, rolled_back 108
    evidence Lost          superseded 268
    evidence Refused       failed 160, rolled_back 108
    evidence SilentDone    failed 160, rolled_back 108
    evidence SilentNot     failed 160, rolled_back 108
    evidence Slow          failed 160, rolled_back 108
    revert   Fails         failed 160, rolled_back 108
    revert   FailsAfter    failed 160, rolled_back 108
    revert   Lost          superseded 268
    revert   Refused       failed 160, rolled_back 108
    revert   SilentDone    failed 160, rolled_back 108
    revert   SilentNot     failed 160, rolled_back 108
    revert   Slow          failed 160, rolled_back 108
    shift    CheckRefuses  failed 356, mixed 60, rolled_back 216
    shift    Differs       failed 356, mixed 60, rolled_back 216
    shift    DiffersDone   failed 356, mixed 60, rolled_back 216
    shift    Fails         failed 356, mixed 60, rolled_back 216
    shift    FailsAfter    failed 356, mixed 60, rolled_back 216
    shift    Lost          superseded 632
    shift    Moved         mixed 632
    shift    NotReadBack   failed 356, mixed 56, rolled_back 180
    shift    Refused       failed 356, mixed 60, rolled_back 216
    shift    SilentDone    failed 356, mixed 60, rolled_back 216
    shift    SilentNot     failed 356, mixed 60, rolled_back 216
    shift    Slow          failed 356, mixed 60, rolled_back 216
    ");
}

/// Whether members are taken out one by one.
fn rolls(stage: &Stage) -> bool {
    stage
        .plan
        .steps
        .iter()
        .any(|s| s.undo == crate::plan::Undo::NeverBack)
}

fn blows(stage: &Stage) -> Vec<Blow> {
    let members: BTreeSet<HostName> = stage
        .world
        .setup
        .hosts(&stage.plan.target)
        .cloned()
        .collect();
    let mut out = vec![Blow::Signal, Blow::Doubt];
    for host in members {
        out.push(Blow::Taken(host.clone()));
        out.push(Blow::Ends(host.clone()));
        out.push(Blow::Restarts(host.clone()));
        out.push(Blow::Unwell(host.clone()));
        out.push(Blow::Hiccup(host.clone()));
        out.push(Blow::Mute(host));
    }
    out.extend(
        stage
            .world
            .setup
            .balancers
            .iter()
            .map(|b| Blow::Mute(b.host.clone())),
    );
    out
}

#[test]
fn every_blow_at_every_time() {
    let mut matrix = Matrix::new();
    let mut broken = Broken::default();
    for stage in stage::all() {
        let long = u64::try_from(calm(&stage).took.as_millis()).unwrap();
        for at in (0..long).step_by(150).map(Duration::from_millis) {
            for blow in blows(&stage) {
                let faults = Faults {
                    work: Vec::new(),
                    blows: vec![(at, blow.clone())],
                };
                let Some(ended) = broken.note(one(&stage, &faults)) else {
                    continue;
                };
                let cell = matrix
                    .entry((stage.name, blow.name().to_owned()))
                    .or_default();
                *cell.entry(ended.outcome.kind.word()).or_default() += 1;
                if blow == Blow::Signal && at < ended.took {
                    // The last member of a restart is brought back first: then all is done.
                    let done = ended.outcome.kind == stage.plan.end && rolls(&stage);
                    let cancelled = ended.outcome.kind == OutcomeKind::Cancelled;
                    assert!(
                        cancelled || done,
                        "{} {at:?} {:?}",
                        stage.name,
                        ended.outcome
                    );
                }
            }
            let twice = vec![
                (at, Blow::Signal),
                (at + Duration::from_millis(50), Blow::Signal),
            ];
            let ended = one(
                &stage,
                &Faults {
                    work: Vec::new(),
                    blows: twice,
                },
            );
            if let Some(ended) = broken.note(ended) {
                assert!(ended.took <= at + Duration::from_millis(50));
            }
        }
    }
    let cells: Vec<String> = matrix
        .iter()
        .map(|((stage, blow), ends)| {
            let ends: Vec<&str> = ends.keys().copied().collect();
            format!("{stage:<9}{blow:<9}{}\n", ends.join(", "))
        })
        .collect();
    insta::assert_snapshot!(cells.concat(), @"
    deploy   doubt    failed, rolled_back, succeeded
    deploy   ends     failed, rolled_back, succeeded
    deploy   hiccup   succeeded
    deploy   mute     failed, rolled_back, succeeded
    deploy   restarts rolled_back, succeeded
    deploy   signal   cancelled
    deploy   taken    superseded
    deploy   unwell   failed, rolled_back, succeeded
    first    doubt    failed, rolled_back, succeeded
    first    ends     failed, rolled_back, succeeded
    first    hiccup   succeeded
    first    mute     failed, rolled_back, succeeded
    first    restarts rolled_back, succeeded
    first    signal   cancelled
    first    taken    superseded
    first    unwell   failed, rolled_back, succeeded
    put back doubt    failed, succeeded
    put back ends     failed, succeeded
    put back hiccup   succeeded
    put back mute     failed, succeeded
    put back restarts failed, succeeded
    put back signal   cancelled, succeeded
    put back taken    superseded
    put back unwell   failed, succeeded
    ready    doubt    failed, rolled_back, succeeded
    ready    ends     failed, rolled_back, succeeded
    ready    hiccup   succeeded
    ready    mute     failed, rolled_back, succeeded
    ready    restarts rolled_back, succeeded
    ready    signal   cancelled
    ready    taken    superseded
    ready    unwell   failed, rolled_back, succeeded
    repair   doubt    failed, succeeded
    repair   ends     failed, succeeded
    repair   hiccup   succeeded
    repair   mute     failed, succeeded
    repair   restarts failed, succeeded
    repair   signal   cancelled
    repair   taken    superseded
    repair   unwell   failed, succeeded
    restart  doubt    failed, succeeded
    restart  ends     failed, succeeded
    restart  hiccup   succeeded
    restart  mute     failed, succeeded
    restart  restarts failed, succeeded
    restart  signal   cancelled, succeeded
    restart  taken    superseded
    restart  unwell   failed, succeeded
    rollback doubt    failed, rolled_back, succeeded
    rollback ends     failed, rolled_back, succeeded
    rollback hiccup   succeeded
    rollback mute     failed, succeeded
    rollback restarts rolled_back, succeeded
    rollback signal   cancelled
    rollback taken    superseded
    rollback unwell   failed, rolled_back, succeeded
    shared   doubt    failed, rolled_back, succeeded
    shared   ends     failed, rolled_back, succeeded
    shared   hiccup   succeeded
    shared   mute     failed, rolled_back, succeeded
    shared   restarts rolled_back, succeeded
    shared   signal   cancelled
    shared   taken    superseded
    shared   unwell   failed, rolled_back, succeeded
    stage    doubt    failed, staged
    stage    ends     failed, staged
    stage    hiccup   staged
    stage    mute     failed, staged
    stage    restarts staged
    stage    signal   cancelled
    stage    taken    superseded
    stage    unwell   failed, staged
    switch   doubt    failed, rolled_back, succeeded
    switch   ends     failed, rolled_back, succeeded
    switch   hiccup   succeeded
    switch   mute     failed, succeeded
    switch   restarts rolled_back, succeeded
    switch   signal   cancelled
    switch   taken    superseded
    switch   unwell   failed, rolled_back, succeeded
    ");
}

/// How many random schedules a test run plays.
const SCHEDULES: u64 = 12_000;

/// Plays one random schedule; the seed says everything.
fn random(stages: &[Stage], seed: u64) -> Result<Ended, String> {
    let mut dice = Dice(seed);
    let stage = &stages[usize::try_from(dice.below(stages.len() as u64)).unwrap()];
    let mut faults = Faults::default();
    let all = blows(stage);
    for _ in 0..dice.below(3) {
        let blow = all[usize::try_from(dice.below(all.len() as u64)).unwrap()].clone();
        faults.blows.push((dice.millis(0, 15_000), blow));
    }
    let odds = [6, 15, 40, 1_000][usize::try_from(dice.below(4)).unwrap()];
    play(stage, faults.clone(), Some(dice), odds)
        .map_err(|why| format!("seed {seed}: {}: {why} {:?}", stage.name, faults.blows))
}

/// To play one schedule again, put its seed here.
#[test]
fn one_seed_again() {
    let ended = random(&stage::all(), 1);
    assert!(ended.is_ok(), "{}", ended.unwrap_err());
}

fn schedules(
    from: u64,
    to: u64,
) -> BTreeMap<(&'static str, Fault, bool), BTreeMap<&'static str, u32>> {
    let stages = stage::all();
    let mut seen: BTreeMap<_, BTreeMap<&'static str, u32>> = BTreeMap::new();
    let mut broken = Broken::default();
    for seed in from..to {
        let Some(ended) = broken.note(random(&stages, seed)) else {
            continue;
        };
        for hit in ended.hit {
            *seen
                .entry(hit)
                .or_default()
                .entry(ended.outcome.kind.word())
                .or_default() += 1;
        }
    }
    seen
}

#[test]
fn random_schedules_keep_every_invariant() {
    let halves = [(0, SCHEDULES / 2), (SCHEDULES / 2, SCHEDULES)];
    let threads = halves.map(|(from, to)| std::thread::spawn(move || schedules(from, to)));
    let mut seen: BTreeMap<_, BTreeMap<&'static str, u32>> = BTreeMap::new();
    for thread in threads {
        for (cell, ends) in thread.join().unwrap() {
            for (end, n) in ends {
                *seen.entry(cell).or_default().entry(end).or_default() += n;
            }
        }
    }
    let mut table = String::new();
    for ((kind, fault, back), ends) in &seen {
        let way = if *back { "back" } else { "forward" };
        let ends: Vec<String> = ends.iter().map(|(o, n)| format!("{o} {n}")).collect();
        let _ = writeln!(
            table,
            "{kind:<9}{way:<8}{:<14}{}",
            format!("{fault:?}"),
            ends.join(", ")
        );
    }
    println!("{table}");
    // Every cell that can be hit was hit.
    let forward = ["pull", "replace", "prepare", "shift", "drain"];
    let back = ["shift", "drain", "evidence", "revert"];
    for (kinds, back) in [(&forward[..], false), (&back[..], true)] {
        for kind in kinds {
            for fault in Fault::ALL.into_iter().filter(|f| f.fits(&sample(kind))) {
                assert!(
                    seen.contains_key(&(*kind, fault, back)),
                    "{kind} {fault:?} {back} was never hit\n{table}"
                );
            }
        }
    }
}

/// Some work of a kind, to ask what can happen to it.
fn sample(kind: &str) -> crate::engine::remote::Work {
    use super::fault;
    let stages = stage::all();
    let fails = |s: &Stage| {
        let all = singles(s)
            .into_iter()
            .find(|f| f.work[0].0 == "shift" && f.work[0].3 == Fault::Differs);
        all.and_then(|f| one(s, &f).ok())
            .map(|e| e.work)
            .unwrap_or_default()
    };
    let deploy = stages.iter().find(|s| s.name == "deploy").unwrap();
    let all = fails(deploy);
    all.into_iter()
        .map(|(_, _, _, w)| w)
        .find(|w| fault::kind(w) == kind)
        .unwrap()
}
