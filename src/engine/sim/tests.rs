//! Every step with every fault, blows at every time; and what was covered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::fault::{Blow, Fault, Faults};
use super::play::{Ended, play};
use super::stage::{self, Stage};
use crate::name::{HostName, OutcomeKind};

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
    drain    SilentDone    failed 10, rolled_back 2, succeeded 21
    drain    SilentNot     failed 10, rolled_back 2, succeeded 21
    drain    Slow          succeeded 33
    owe      Fails         failed 26, succeeded 24
    owe      FailsAfter    failed 26, succeeded 24
    owe      Lost          superseded 50
    owe      Refused       failed 26, succeeded 24
    owe      SilentDone    failed 26, succeeded 24
    owe      SilentNot     failed 26, succeeded 24
    owe      Slow          succeeded 50
    prepare  CheckRefuses  failed 21
    prepare  Fails         failed 21
    prepare  FailsAfter    failed 21
    prepare  Lost          superseded 21
    prepare  Refused       failed 21
    prepare  SilentDone    failed 21
    prepare  SilentNot     failed 21
    prepare  Slow          succeeded 21
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
    shift    CheckRefuses  failed 37, rolled_back 20
    shift    Differs       failed 37, rolled_back 20
    shift    DiffersDone   failed 37, rolled_back 20
    shift    Fails         failed 37, rolled_back 20
    shift    FailsAfter    failed 37, rolled_back 20
    shift    Lost          superseded 57
    shift    Moved         mixed 57
    shift    NotReadBack   failed 37, rolled_back 20
    shift    Refused       failed 37, rolled_back 20
    shift    SilentDone    failed 37, rolled_back 20
    shift    SilentNot     failed 37, rolled_back 20
    shift    Slow          succeeded 57
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
    insta::assert_snapshot!(shown(&matrix), @r"
    drain    SilentDone    failed 18, rolled_back 288
    drain    SilentNot     failed 18, rolled_back 288
    drain    Slow          failed 18, rolled_back 288
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
    shift    CheckRefuses  failed 715, mixed 111, rolled_back 368
    shift    Differs       failed 715, mixed 111, rolled_back 368
    shift    DiffersDone   failed 715, mixed 111, rolled_back 368
    shift    Fails         failed 715, mixed 111, rolled_back 368
    shift    FailsAfter    failed 715, mixed 111, rolled_back 368
    shift    Lost          superseded 1194
    shift    Moved         mixed 1194
    shift    NotReadBack   failed 715, mixed 111, rolled_back 368
    shift    Refused       failed 715, mixed 111, rolled_back 368
    shift    SilentDone    failed 715, mixed 111, rolled_back 368
    shift    SilentNot     failed 715, mixed 111, rolled_back 368
    shift    Slow          failed 715, mixed 111, rolled_back 368
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

pub fn blows(stage: &Stage) -> Vec<Blow> {
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
            format!("{stage:<13}{blow:<9}{}\n", ends.join(", "))
        })
        .collect();
    insta::assert_snapshot!(cells.concat(), @r"
    catch up     doubt    failed, rolled_back, succeeded
    catch up     ends     failed, rolled_back, succeeded
    catch up     hiccup   succeeded
    catch up     mute     failed, succeeded
    catch up     restarts rolled_back, succeeded
    catch up     signal   cancelled
    catch up     taken    superseded
    catch up     unwell   failed, rolled_back, succeeded
    caught up    doubt    failed, succeeded
    caught up    ends     failed, succeeded
    caught up    hiccup   succeeded
    caught up    mute     failed, succeeded
    caught up    restarts succeeded
    caught up    signal   cancelled
    caught up    taken    superseded
    caught up    unwell   failed, succeeded
    deploy       doubt    failed, rolled_back, succeeded
    deploy       ends     failed, rolled_back, succeeded
    deploy       hiccup   succeeded
    deploy       mute     failed, rolled_back, succeeded
    deploy       restarts rolled_back, succeeded
    deploy       signal   cancelled
    deploy       taken    superseded
    deploy       unwell   failed, rolled_back, succeeded
    drain        doubt    failed, succeeded
    drain        ends     failed, succeeded
    drain        hiccup   succeeded
    drain        mute     failed, succeeded
    drain        restarts failed, succeeded
    drain        signal   cancelled
    drain        taken    superseded
    drain        unwell   failed, succeeded
    exclude      doubt    failed, rolled_back, succeeded
    exclude      ends     failed, rolled_back, succeeded
    exclude      hiccup   succeeded
    exclude      mute     failed, rolled_back, succeeded
    exclude      restarts rolled_back, succeeded
    exclude      signal   cancelled
    exclude      taken    superseded
    exclude      unwell   failed, rolled_back, succeeded
    exclude back doubt    failed, rolled_back, succeeded
    exclude back ends     failed, rolled_back, succeeded
    exclude back hiccup   succeeded
    exclude back mute     failed, succeeded
    exclude back restarts rolled_back, succeeded
    exclude back signal   cancelled
    exclude back taken    superseded
    exclude back unwell   failed, rolled_back, succeeded
    first        doubt    failed, rolled_back, succeeded
    first        ends     failed, rolled_back, succeeded
    first        hiccup   succeeded
    first        mute     failed, rolled_back, succeeded
    first        restarts rolled_back, succeeded
    first        signal   cancelled
    first        taken    superseded
    first        unwell   failed, rolled_back, succeeded
    kept         doubt    failed, succeeded
    kept         ends     succeeded
    kept         hiccup   succeeded
    kept         mute     succeeded
    kept         restarts succeeded
    kept         signal   cancelled
    kept         taken    superseded
    kept         unwell   succeeded
    new member   doubt    failed, succeeded
    new member   ends     failed, succeeded
    new member   hiccup   succeeded
    new member   mute     failed, succeeded
    new member   restarts failed, succeeded
    new member   signal   cancelled, succeeded
    new member   taken    superseded
    new member   unwell   failed, succeeded
    passed by    doubt    failed, rolled_back, succeeded
    passed by    ends     failed, rolled_back, succeeded
    passed by    hiccup   succeeded
    passed by    mute     failed, rolled_back, succeeded
    passed by    restarts rolled_back, succeeded
    passed by    signal   cancelled
    passed by    taken    superseded
    passed by    unwell   failed, rolled_back, succeeded
    put back     doubt    failed, succeeded
    put back     ends     failed, succeeded
    put back     hiccup   succeeded
    put back     mute     failed, succeeded
    put back     restarts failed, succeeded
    put back     signal   cancelled, succeeded
    put back     taken    superseded
    put back     unwell   failed, succeeded
    ready        doubt    failed, rolled_back, succeeded
    ready        ends     failed, rolled_back, succeeded
    ready        hiccup   succeeded
    ready        mute     failed, rolled_back, succeeded
    ready        restarts rolled_back, succeeded
    ready        signal   cancelled
    ready        taken    superseded
    ready        unwell   failed, rolled_back, succeeded
    remove app   doubt    rolled_back, succeeded
    remove app   ends     succeeded
    remove app   hiccup   succeeded
    remove app   mute     succeeded
    remove app   restarts succeeded
    remove app   signal   cancelled, succeeded
    remove app   taken    superseded
    remove app   unwell   succeeded
    remove hosts doubt    failed, succeeded
    remove hosts ends     failed, succeeded
    remove hosts hiccup   succeeded
    remove hosts mute     failed, succeeded
    remove hosts restarts failed, succeeded
    remove hosts signal   cancelled, succeeded
    remove hosts taken    superseded
    remove hosts unwell   failed, succeeded
    repair       doubt    failed, succeeded
    repair       ends     failed, succeeded
    repair       hiccup   succeeded
    repair       mute     failed, succeeded
    repair       restarts failed, succeeded
    repair       signal   cancelled
    repair       taken    superseded
    repair       unwell   failed, succeeded
    restart      doubt    failed, succeeded
    restart      ends     failed, succeeded
    restart      hiccup   succeeded
    restart      mute     failed, succeeded
    restart      restarts failed, succeeded
    restart      signal   cancelled, succeeded
    restart      taken    superseded
    restart      unwell   failed, succeeded
    rests        doubt    failed, rolled_back, succeeded
    rests        ends     failed, rolled_back, succeeded
    rests        hiccup   succeeded
    rests        mute     failed, rolled_back, succeeded
    rests        restarts rolled_back, succeeded
    rests        signal   cancelled
    rests        taken    superseded
    rests        unwell   failed, rolled_back, succeeded
    rollback     doubt    failed, rolled_back, succeeded
    rollback     ends     failed, rolled_back, succeeded
    rollback     hiccup   succeeded
    rollback     mute     failed, succeeded
    rollback     restarts rolled_back, succeeded
    rollback     signal   cancelled
    rollback     taken    superseded
    rollback     unwell   failed, rolled_back, succeeded
    set down     doubt    failed, rolled_back, succeeded
    set down     ends     failed, rolled_back, succeeded
    set down     hiccup   succeeded
    set down     mute     failed, rolled_back, succeeded
    set down     restarts rolled_back, succeeded
    set down     signal   cancelled
    set down     taken    superseded
    set down     unwell   failed, rolled_back, succeeded
    shared       doubt    failed, rolled_back, succeeded
    shared       ends     failed, rolled_back, succeeded
    shared       hiccup   succeeded
    shared       mute     failed, rolled_back, succeeded
    shared       restarts rolled_back, succeeded
    shared       signal   cancelled
    shared       taken    superseded
    shared       unwell   failed, rolled_back, succeeded
    stage        doubt    failed, staged
    stage        ends     failed, staged
    stage        hiccup   staged
    stage        mute     failed
    stage        restarts staged
    stage        signal   cancelled
    stage        taken    superseded
    stage        unwell   failed, staged
    switch       doubt    failed, rolled_back, succeeded
    switch       ends     failed, rolled_back, succeeded
    switch       hiccup   succeeded
    switch       mute     failed, succeeded
    switch       restarts rolled_back, succeeded
    switch       signal   cancelled
    switch       taken    superseded
    switch       unwell   failed, rolled_back, succeeded
    sync         doubt    failed, succeeded
    sync         ends     failed, succeeded
    sync         hiccup   succeeded
    sync         mute     failed, succeeded
    sync         restarts failed, succeeded
    sync         signal   cancelled
    sync         taken    superseded
    sync         unwell   failed, succeeded
    undrain      doubt    failed, succeeded
    undrain      ends     failed, succeeded
    undrain      hiccup   succeeded
    undrain      mute     failed, succeeded
    undrain      restarts succeeded
    undrain      signal   cancelled
    undrain      taken    superseded
    undrain      unwell   failed, succeeded
    ");
}
