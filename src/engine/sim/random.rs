//! Random schedules, each told whole by its seed; every kind of work meets every fault that fits it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::fault::{self, Dice, Fault, Faults};
use super::play::{Ended, play};
use super::stage::{self, Stage};
use super::tests::{Broken, blows, one, singles};

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

/// To play one schedule again: `DEPLOY_SEED=N`.
#[test]
fn one_seed_again() {
    let ended = random(&stage::all(), seed().unwrap_or(1));
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
    let all = if long() { LONG } else { SCHEDULES };
    let halves = [(0, all / 2), (all / 2, all)];
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
    let forward = ["pull", "replace", "prepare", "owe", "shift", "drain"];
    let back = ["shift", "owe", "drain", "evidence", "revert"];
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
    let stages = stage::all();
    let fails = |s: &Stage| {
        let all = singles(s)
            .into_iter()
            .find(|f| f.work[0].0 == "shift" && f.work[0].3 == Fault::Differs);
        all.and_then(|f| one(s, &f).ok())
            .map(|e| e.work)
            .unwrap_or_default()
    };
    let deploy = stages.iter().find(|s| s.name == "exclude").unwrap();
    let all = fails(deploy);
    all.into_iter()
        .map(|(_, _, _, w)| w)
        .find(|w| fault::kind(w) == kind)
        .unwrap()
}
