//! The same random verbs on the model and on the scripts.

use deploy::name::OutcomeKind;
use deploy::record::{ClaimId, HoldLevel, Take};

use super::bench::{Bench, Disk, Shell, long};
use super::verbs::{Verb, id, model, upload};

/// A small generator of numbers; the seed says all.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Two runs with two attempts each: few enough to meet.
fn ids() -> Vec<ClaimId> {
    [
        ("r-1", "1-a"),
        ("r-1", "2-b"),
        ("r-2", "1-c"),
        ("r-2", "2-d"),
    ]
    .map(|(run, fence)| id(run, fence))
    .to_vec()
}

/// A random verb. It mostly concerns who holds the host now, so that sequences come somewhere.
fn verb(dice: &mut Dice, now: &mut ClaimId, seq: &mut u64) -> Verb {
    let ids = ids();
    let other = ids[dice.below(4) as usize].clone();
    let who = if dice.one_in(5) {
        other.clone()
    } else {
        now.clone()
    };
    match dice.below(20) {
        0..=3 => {
            *now = other.clone();
            let heed = !dice.one_in(4);
            Verb::Claim { id: other, heed }
        }
        4..=9 => {
            *seq = if dice.one_in(4) {
                dice.below(5)
            } else {
                *seq + 1
            };
            Verb::Step {
                id: who,
                seq: *seq,
                rc: if dice.one_in(4) { 3 } else { 0 },
                slot: dice.one_in(3),
            }
        }
        10 | 11 => Verb::Renew(who.fence),
        12 | 13 => {
            let what = Take {
                expected: who.fence,
                force: dice.one_in(2),
                kill: false,
                displace: dice.one_in(3),
                manifest: dice.one_in(2).then(|| upload(&other).manifest).flatten(),
            };
            *now = other.clone();
            Verb::Take { id: other, what }
        }
        14 | 15 => Verb::Release {
            fence: who.fence,
            run: who.run,
            outcome: [OutcomeKind::Succeeded, OutcomeKind::Failed][dice.below(2) as usize],
        },
        16 if dice.one_in(2) => Verb::Unclaim(who.fence),
        16 => Verb::Peek,
        17 => {
            let level = [HoldLevel::Env, HoldLevel::App][dice.below(2) as usize];
            if dice.one_in(3) {
                let until = [None, Some(10), Some(9_000_000_000)][dice.below(3) as usize];
                let text = "it's $(mine); \"all\" \\n %s";
                Verb::Hold { level, until, text }
            } else {
                Verb::Unhold(level)
            }
        }
        18 => Verb::Wait(dice.below(50)),
        _ if dice.one_in(3) => Verb::Reboot,
        _ => Verb::Wait(61),
    }
}

/// One sequence; the record is looked at after each verb.
fn sequence(shell: Shell, seed: u64, length: usize) {
    let bench = Bench::new(shell, Disk::Fast);
    let mut model = model();
    let mut dice = Dice::new(seed);
    let (mut boot, mut now, mut seq) = ((1, 1000), id("r-1", "1-a"), 0);
    let mut told = Vec::new();
    for _ in 0..length {
        let verb = verb(&mut dice, &mut now, &mut seq);
        told.push(format!("{verb:?}"));
        let before = boot.0;
        let seen = verb.perform(&bench, &mut boot);
        let wanted = verb.expect(&mut model, before);
        let what = || format!("seed {seed} under {shell:?}:\n{}", told.join("\n"));
        assert_eq!(seen, wanted, "answer, {}", what());
        let seen = Verb::Look.perform(&bench, &mut boot);
        let wanted = Verb::Look.expect(&mut model, before);
        assert_eq!(seen, wanted, "record, {}", what());
    }
}

fn sequences(shell: Shell) {
    if !Shell::all().contains(&shell) {
        return;
    }
    let (count, length) = if long() { (2000, 25) } else { (12, 15) };
    // `DEPLOY_SEED` replays one that failed.
    let one = std::env::var("DEPLOY_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    let seeds: Vec<u64> = one.map_or_else(|| (1..=count).collect(), |seed| vec![seed]);
    for seed in seeds {
        sequence(shell, seed, length);
    }
    eprintln!("{count} sequences of {length} verbs agree under {shell:?}");
}

#[test]
fn random_verbs_agree_under_dash() {
    sequences(Shell::Dash);
}
#[test]
fn random_verbs_agree_under_busybox() {
    sequences(Shell::Busybox);
}
#[test]
fn random_verbs_agree_under_bash() {
    sequences(Shell::Bash);
}
