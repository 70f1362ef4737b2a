//! Random schedules, each told whole by its seed; every kind of work meets every fault that fits it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fault::{Blow, Dice, Fault, Faults};
use super::play::{Ended, play};
use super::stage::{self, Stage};
use super::tests::{Broken, blows};
use crate::engine::remote::Work;
use crate::name::OutcomeKind;
use crate::plan::Move;
use crate::plan::fixture::{host, id, slot};

/// How many random schedules a test run plays, and a long one.
const SCHEDULES: u64 = 10_000;
const LONG: u64 = 1_000_000;

/// Whether this is a long test run.
#[expect(
    clippy::disallowed_methods,
    reason = "how much is tested is told from outside"
)]
pub fn long() -> bool {
    std::env::var("DEPLOY_LONG").is_ok_and(|v| v == "1")
}

/// The one schedule that is wanted again.
#[expect(
    clippy::disallowed_methods,
    reason = "which one is tested is told from outside"
)]
pub fn seed() -> Option<u64> {
    std::env::var("DEPLOY_SEED").ok()?.parse().ok()
}

/// Only these of them, `FROM..TO`: many are played in pieces.
#[expect(
    clippy::disallowed_methods,
    reason = "which ones are tested is told from outside"
)]
fn seeds() -> Option<(u64, u64)> {
    let said = std::env::var("DEPLOY_SEEDS").ok()?;
    let (from, to) = said.split_once("..")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Plays one random schedule; the seed says everything.
fn random(stages: &[Stage], hits: &[Vec<Blow>], seed: u64) -> Result<Ended, String> {
    let mut dice = Dice(seed);
    let nth = usize::try_from(dice.below(stages.len() as u64)).unwrap();
    let (stage, all) = (&stages[nth], &hits[nth]);
    let mut faults = Faults::default();
    for _ in 0..dice.below(3) {
        let blow = all[usize::try_from(dice.below(all.len() as u64)).unwrap()].clone();
        faults.blows.push((dice.millis(0, 15_000), blow));
    }
    let odds = [6, 12, 40, 1_000][usize::try_from(dice.below(4)).unwrap()];
    let said = |why| format!("seed {seed}: {}: {why} {:?}", stage.name, faults.blows);
    let ended = play(stage, faults.clone(), Some(dice), odds).map_err(said)?;
    // Only a second Ctrl-C leaves a run to whoever resumes it.
    let signals = faults.blows.iter().filter(|(_, b)| *b == Blow::Signal);
    if ended.outcome.kind == OutcomeKind::Unfinished && signals.count() < 2 {
        return Err(said("it was left".to_owned()));
    }
    Ok(ended)
}

/// What can befall each of the plans.
fn hits(stages: &[Stage]) -> Vec<Vec<Blow>> {
    let of = |stage: &Stage| {
        let mut all = blows(stage);
        all.push(Blow::Closes);
        all
    };
    stages.iter().map(of).collect()
}

/// To play one schedule again: `DEPLOY_SEED=N`.
#[test]
fn one_seed_again() {
    let stages = stage::every();
    let ended = random(&stages, &hits(&stages), seed().unwrap_or(1));
    assert!(ended.is_ok(), "{}", ended.unwrap_err());
}

/// A kind of work, what went wrong with it or befell the run meanwhile, and the way the run went.
type Cell = (&'static str, String, &'static str);
type Table = BTreeMap<Cell, BTreeMap<&'static str, u32>>;

fn schedules(from: u64, to: u64) -> (Table, (u64, u64)) {
    let stages = stage::every();
    let hits = hits(&stages);
    let (mut seen, mut late) = (Table::new(), (0, 0));
    let mut broken = Broken::default();
    for seed in from..to {
        let Some(ended) = broken.note(random(&stages, &hits, seed)) else {
            continue;
        };
        late = (
            late.0 + u64::from(ended.late.0),
            late.1 + u64::from(ended.late.1),
        );
        if ended.outcome.kind == OutcomeKind::Unfinished {
            continue;
        }
        let way = |back: bool| if back { "back" } else { "forward" };
        let faults = ended.hit.iter();
        let faults = faults.map(|(kind, fault, back)| (*kind, format!("{fault:?}"), way(*back)));
        let blows = ended.blown.iter();
        let blows = blows.map(|(kind, blow)| (*kind, (*blow).to_owned(), "any"));
        for cell in faults.chain(blows) {
            let ends = seen.entry(cell).or_default();
            *ends.entry(ended.outcome.kind.word()).or_default() += 1;
        }
    }
    (seen, late)
}

#[test]
fn random_schedules_keep_every_invariant() {
    let (from, to) = seeds().unwrap_or((0, if long() { LONG } else { SCHEDULES }));
    let half = from + (to - from) / 2;
    let halves = [(from, half), (half, to)];
    let threads = halves.map(|(from, to)| std::thread::spawn(move || schedules(from, to)));
    let (mut seen, mut late) = (Table::new(), (0, 0));
    for thread in threads {
        let (part, words) = thread.join().expect("every invariant holds");
        late = (late.0 + words.0, late.1 + words.1);
        for (cell, ends) in part {
            for (end, n) in ends {
                *seen
                    .entry(cell.clone())
                    .or_default()
                    .entry(end)
                    .or_default() += n;
            }
        }
    }
    println!(
        "{}late words: {} done, {} refused",
        shown(&seen),
        late.0,
        late.1
    );
    assert!(late.0 > 9 && late.1 > 50, "{late:?}");
    let missing: Vec<Cell> = cells()
        .into_iter()
        .filter(|c| !seen.contains_key(c))
        .collect();
    assert!(missing.is_empty(), "never hit: {missing:?}");
    for (cell, ends) in &seen {
        let may = may(cell);
        let other = ends.keys().find(|end| !may.contains(end));
        assert_eq!(other, None, "{cell:?} ended otherwise than in {may:?}");
    }
}

fn shown(seen: &Table) -> String {
    let mut out = String::new();
    for ((kind, fault, way), ends) in seen {
        let ends: Vec<String> = ends.iter().map(|(o, n)| format!("{o} {n}")).collect();
        let _ = writeln!(out, "{kind:<11}{way:<8}{fault:<14}{}", ends.join(", "));
    }
    out
}

/// The cells that every run must hit: every fault that fits a kind of work, forward and back, and
/// whatever befalls a run while it is at work.
fn cells() -> Vec<Cell> {
    let forward = [
        "pull",
        "stop",
        "replace",
        "activate",
        "deactivate",
        "prepare",
        "owe",
        "shift",
        "drain",
        "remove",
    ];
    let back = [
        "activate",
        "deactivate",
        "owe",
        "shift",
        "drain",
        "evidence",
        "revert",
    ];
    let ways = [(&forward[..], "forward"), (&back[..], "back")];
    let mut out = Vec::new();
    for (kind, way) in ways
        .iter()
        .flat_map(|(kinds, way)| kinds.iter().map(move |k| (*k, *way)))
    {
        let work = sample(kind);
        let all = Fault::ALL.into_iter().filter(|f| f.fits(&work));
        out.extend(all.map(|f| (kind, format!("{f:?}"), way)));
    }
    let blows = [
        "signal", "closes", "doubt", "taken", "ends", "restarts", "unwell", "hiccup", "mute",
        "dies", "reboots", "old file", "clock",
    ];
    for kind in ["-", "pull", "replace", "shift", "drain"] {
        out.extend(blows.map(|b| (kind, b.to_owned(), "any")));
    }
    out
}

/// Some work of a kind, to ask what can happen to it.
fn sample(kind: &str) -> Work {
    let traffic = || crate::fleet::Traffic {
        generation: String::new(),
        groups: BTreeMap::new(),
        split: BTreeMap::new(),
        rules: Vec::new(),
        spare: None,
    };
    let (slot, release) = (slot("blue"), id(42));
    let to = Move {
        host: host("lb1"),
        before: None,
        after: Some(traffic()),
    };
    match kind {
        "pull" => Work::Pull { slot, release },
        "stop" => Work::Stop { slot },
        "replace" => Work::Replace { slot, release },
        "activate" => Work::Activate { slot },
        "deactivate" => Work::Deactivate { slot },
        "prepare" => Work::Prepare(to),
        "shift" => Work::Shift(to),
        "drain" => Work::Drain {
            now: traffic(),
            within: std::time::Duration::ZERO,
        },
        "evidence" => Work::Evidence { slot },
        "revert" => Work::Revert { slot, to: None },
        "remove" => Work::Remove { slots: vec![slot] },
        _ => Work::Owe {
            owing: Vec::new(),
            paid: Vec::new(),
        },
    }
}

/// How a run may end in which that happened, whatever else happened to it.
fn may((kind, fault, way): &Cell) -> Vec<&'static str> {
    let unwound = ["failed", "rolled_back", "cancelled", "mixed", "superseded"];
    // Who was told that the claim is lost says so and nothing else.
    if ["Lost", "taken"].contains(&fault.as_str()) {
        return vec!["superseded"];
    }
    let harmless = ["Slow", "Twice", "Stepped"].contains(&fault.as_str());
    // What is needed for a switch, and was not heard to be done: there is none.
    let needed = ["pull", "stop", "replace", "activate", "prepare"].contains(kind);
    let mut all = unwound.to_vec();
    match *way {
        "forward" if needed && !harmless => {}
        // The end of a spare is tried: a release that serves stays.
        "forward" if *kind == "shift" && !harmless => all.push("succeeded"),
        // A run that was late for its switch takes back what it owed.
        "back" => all.push("staged"),
        _ => all.extend(["succeeded", "staged"]),
    }
    all
}
