//! Every step with every fault, blows at every time; and what was covered.

mod blows;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::{Fault, Faults};
use super::model::Model;
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
    owe      Late          failed 26, succeeded 24
    owe      Lost          superseded 50
    owe      Refused       failed 26, succeeded 24
    owe      SilentDone    failed 26, succeeded 24
    owe      SilentNot     failed 26, succeeded 24
    owe      Slow          succeeded 50
    owe      Twice         succeeded 50
    prepare  CheckRefuses  failed 29
    prepare  Fails         failed 29
    prepare  FailsAfter    failed 29
    prepare  Late          failed 29
    prepare  Lost          superseded 29
    prepare  Refused       failed 29
    prepare  SilentDone    failed 29
    prepare  SilentNot     failed 29
    prepare  Slow          succeeded 29
    prepare  Twice         succeeded 29
    pull     Fails         failed 17
    pull     FailsAfter    failed 17
    pull     Late          failed 17
    pull     Lost          superseded 17
    pull     Refused       failed 17
    pull     SilentDone    failed 17
    pull     SilentNot     failed 17
    pull     Slow          staged 2, succeeded 15
    pull     Twice         staged 2, succeeded 15
    remove   Fails         mixed 6
    remove   FailsAfter    mixed 6
    remove   Late          mixed 6
    remove   Lost          superseded 6
    remove   Refused       mixed 6
    remove   SilentDone    mixed 6
    remove   SilentNot     mixed 6
    remove   Slow          succeeded 6
    remove   Twice         succeeded 6
    replace  EndsAtOnce    failed 22
    replace  Fails         failed 22
    replace  FailsAfter    failed 22
    replace  Late          failed 22
    replace  Lost          superseded 22
    replace  NeverWell     failed 22
    replace  Refused       failed 22
    replace  RestartLoop   failed 22
    replace  SilentDone    failed 22
    replace  SilentNot     failed 22
    replace  Slow          staged 2, succeeded 20
    replace  Twice         staged 2, succeeded 20
    shift    CheckRefuses  failed 37, rolled_back 28
    shift    Differs       failed 37, rolled_back 28
    shift    DiffersDone   failed 37, rolled_back 28
    shift    Fails         failed 37, rolled_back 28
    shift    FailsAfter    failed 37, rolled_back 28
    shift    Late          failed 37, rolled_back 28
    shift    Lost          superseded 65
    shift    Moved         mixed 65
    shift    NotReadBack   failed 37, rolled_back 28
    shift    Refused       failed 37, rolled_back 28
    shift    SilentDone    failed 37, rolled_back 28
    shift    SilentNot     failed 37, rolled_back 28
    shift    Slow          succeeded 65
    shift    Stepped       succeeded 65
    shift    Twice         succeeded 65
    ");
}

#[test]
fn every_way_back_with_every_fault() {
    let mut matrix = Matrix::new();
    let mut broken = Broken::default();
    for stage in stage::all() {
        let forward = calm(&stage).work;
        // Many faults lead to the same way back from the same fleet: one of them is enough.
        let mut known: Vec<(Vec<_>, Model)> = Vec::new();
        for first in singles(&stage) {
            let Ok(unwound) = one(&stage, &first) else {
                continue;
            };
            let mut along = Along::new(&stage, first).unwrap();
            let all = unwound.work.iter().cloned().zip(unwound.begun);
            let back: Vec<_> = all.filter(|(w, _)| !forward.contains(w)).collect();
            if let (Some((_, at)), false) = (back.first(), super::random::long()) {
                along.until(*at).unwrap();
                let way = (unwound.work, along.model().clone());
                if known.contains(&way) {
                    continue;
                }
                known.push(way);
            }
            for ((kind, host, nth, work), at) in back {
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
    drain    SilentDone    failed 4, rolled_back 72
    drain    SilentNot     failed 4, rolled_back 72
    drain    Slow          failed 4, rolled_back 72
    evidence Fails         failed 166, rolled_back 30
    evidence FailsAfter    failed 166, rolled_back 30
    evidence Late          failed 166, rolled_back 30
    evidence Lost          superseded 196
    evidence Refused       failed 166, rolled_back 30
    evidence SilentDone    failed 166, rolled_back 30
    evidence SilentNot     failed 166, rolled_back 30
    evidence Slow          failed 166, rolled_back 30
    evidence Twice         failed 166, rolled_back 30
    owe      Fails         failed 175, rolled_back 15
    owe      FailsAfter    failed 175, rolled_back 15
    owe      Late          failed 175, rolled_back 15
    owe      Lost          superseded 190
    owe      Refused       failed 175, rolled_back 15
    owe      SilentDone    failed 175, rolled_back 15
    owe      SilentNot     failed 175, rolled_back 15
    owe      Slow          failed 175, rolled_back 15
    owe      Twice         failed 175, rolled_back 15
    revert   Fails         failed 166, rolled_back 30
    revert   FailsAfter    failed 166, rolled_back 30
    revert   Late          failed 166, rolled_back 30
    revert   Lost          superseded 196
    revert   Refused       failed 166, rolled_back 30
    revert   SilentDone    failed 166, rolled_back 30
    revert   SilentNot     failed 166, rolled_back 30
    revert   Slow          failed 166, rolled_back 30
    revert   Twice         failed 166, rolled_back 30
    shift    CheckRefuses  failed 144, mixed 127, rolled_back 90
    shift    Differs       failed 144, mixed 127, rolled_back 90
    shift    DiffersDone   failed 144, mixed 127, rolled_back 90
    shift    Fails         failed 144, mixed 127, rolled_back 90
    shift    FailsAfter    failed 144, mixed 127, rolled_back 90
    shift    Late          failed 144, mixed 127, rolled_back 90
    shift    Lost          superseded 361
    shift    Moved         mixed 361
    shift    NotReadBack   failed 144, mixed 127, rolled_back 90
    shift    Refused       failed 144, mixed 127, rolled_back 90
    shift    SilentDone    failed 144, mixed 127, rolled_back 90
    shift    SilentNot     failed 144, mixed 127, rolled_back 90
    shift    Slow          failed 144, mixed 127, rolled_back 90
    shift    Stepped       failed 144, mixed 127, rolled_back 90
    shift    Twice         failed 144, mixed 127, rolled_back 90
    ");
}
