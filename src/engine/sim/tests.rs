//! Every step with every fault, blows at every time; and what was covered.

mod blows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::{Fault, Faults};
use super::play::{Along, Ended, play};
use super::stage::{self, Stage};
pub use blows::blows;

fn calm(stage: &Stage) -> Ended {
    play(stage, Faults::default(), None, 1).unwrap_or_else(|why| panic!("{}: {why}", stage.name))
}

/// Broken invariants: all are shown, not the first one.
#[derive(Default)]
pub struct Broken(Vec<String>);

impl Broken {
    pub fn note(&mut self, ended: Result<Ended, String>) -> Option<Ended> {
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

pub fn one(stage: &Stage, faults: &Faults) -> Result<Ended, String> {
    play(stage, faults.clone(), None, 1)
        .map_err(|why| format!("{}: {why} {:?} {:?}", stage.name, faults.work, faults.blows))
}

#[test]
fn without_faults_every_plan_ends_as_it_says() {
    for stage in stage::all() {
        let ended = calm(&stage);
        let (name, took) = (stage.name, ended.took);
        let outcome = &ended.outcome;
        assert_eq!(outcome.kind, stage.plan.end, "{name}: {outcome:?}");
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
    }
}

/// All single faults of all work of a plan.
pub fn singles(stage: &Stage) -> Vec<Faults> {
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
    insta::assert_snapshot!(shown(&matrix), @r"
    drain    SilentDone    failed 10, rolled_back 2, succeeded 25
    drain    SilentNot     failed 10, rolled_back 2, succeeded 25
    drain    Slow          succeeded 37
    owe      Fails         failed 26, succeeded 24
    owe      FailsAfter    failed 26, succeeded 24
    owe      Lost          superseded 50
    owe      Refused       failed 26, succeeded 24
    owe      SilentDone    failed 26, succeeded 24
    owe      SilentNot     failed 26, succeeded 24
    owe      Slow          succeeded 50
    prepare  CheckRefuses  failed 29
    prepare  Fails         failed 29
    prepare  FailsAfter    failed 29
    prepare  Lost          superseded 29
    prepare  Refused       failed 29
    prepare  SilentDone    failed 29
    prepare  SilentNot     failed 29
    prepare  Slow          succeeded 29
    pull     Fails         failed 17
    pull     FailsAfter    failed 17
    pull     Lost          superseded 17
    pull     Refused       failed 17
    pull     SilentDone    failed 17
    pull     SilentNot     failed 17
    pull     Slow          staged 2, succeeded 15
    remove   Fails         mixed 6
    remove   FailsAfter    mixed 6
    remove   Lost          superseded 6
    remove   Refused       mixed 6
    remove   SilentDone    mixed 6
    remove   SilentNot     mixed 6
    remove   Slow          succeeded 6
    replace  EndsAtOnce    failed 22
    replace  Fails         failed 22
    replace  FailsAfter    failed 22
    replace  Lost          superseded 22
    replace  NeverWell     failed 22
    replace  Refused       failed 22
    replace  RestartLoop   failed 22
    replace  SilentDone    failed 22
    replace  SilentNot     failed 22
    replace  Slow          staged 2, succeeded 20
    shift    CheckRefuses  failed 37, rolled_back 28
    shift    Differs       failed 37, rolled_back 28
    shift    DiffersDone   failed 37, rolled_back 28
    shift    Fails         failed 37, rolled_back 28
    shift    FailsAfter    failed 37, rolled_back 28
    shift    Lost          superseded 65
    shift    Moved         mixed 65
    shift    NotReadBack   failed 37, rolled_back 28
    shift    Refused       failed 37, rolled_back 28
    shift    SilentDone    failed 37, rolled_back 28
    shift    SilentNot     failed 37, rolled_back 28
    shift    Slow          succeeded 65
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
            let mut along = Along::new(&stage, first).unwrap();
            let back = unwound.work.into_iter().zip(unwound.begun);
            for ((kind, host, nth, work), at) in back.filter(|(w, _)| !forward.contains(w)) {
                along.until(at).unwrap();
                for fault in Fault::ALL.into_iter().filter(|f| f.fits(&work)) {
                    let ended = along.failing((kind, host.clone(), nth, fault));
                    let Some(ended) = broken.note(ended) else {
                        continue;
                    };
                    let cell = matrix.entry((kind, format!("{fault:?}"))).or_default();
                    *cell.entry(ended.outcome.kind.word()).or_default() += 1;
                }
            }
        }
    }
    insta::assert_snapshot!(shown(&matrix), @r"
    drain    SilentDone    failed 18, rolled_back 432
    drain    SilentNot     failed 18, rolled_back 432
    drain    Slow          failed 18, rolled_back 432
    evidence Fails         failed 353, rolled_back 180
    evidence FailsAfter    failed 353, rolled_back 180
    evidence Lost          superseded 533
    evidence Refused       failed 353, rolled_back 180
    evidence SilentDone    failed 353, rolled_back 180
    evidence SilentNot     failed 353, rolled_back 180
    evidence Slow          failed 353, rolled_back 180
    owe      Fails         failed 628, rolled_back 90
    owe      FailsAfter    failed 628, rolled_back 90
    owe      Lost          superseded 718
    owe      Refused       failed 628, rolled_back 90
    owe      SilentDone    failed 628, rolled_back 90
    owe      SilentNot     failed 628, rolled_back 90
    owe      Slow          failed 628, rolled_back 90
    revert   Fails         failed 353, rolled_back 180
    revert   FailsAfter    failed 353, rolled_back 180
    revert   Lost          superseded 533
    revert   Refused       failed 353, rolled_back 180
    revert   SilentDone    failed 353, rolled_back 180
    revert   SilentNot     failed 353, rolled_back 180
    revert   Slow          failed 353, rolled_back 180
    shift    CheckRefuses  failed 715, mixed 127, rolled_back 512
    shift    Differs       failed 715, mixed 127, rolled_back 512
    shift    DiffersDone   failed 715, mixed 127, rolled_back 512
    shift    Fails         failed 715, mixed 127, rolled_back 512
    shift    FailsAfter    failed 715, mixed 127, rolled_back 512
    shift    Lost          superseded 1354
    shift    Moved         mixed 1354
    shift    NotReadBack   failed 715, mixed 127, rolled_back 512
    shift    Refused       failed 715, mixed 127, rolled_back 512
    shift    SilentDone    failed 715, mixed 127, rolled_back 512
    shift    SilentNot     failed 715, mixed 127, rolled_back 512
    shift    Slow          failed 715, mixed 127, rolled_back 512
    ");
}
