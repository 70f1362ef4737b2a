//! nginx: its rig, and what is true of nginx only.

mod faults;
pub mod rig;
mod spare;

use std::fs;
use std::time::{Duration, Instant};

use crate::server::{Scene, Server};
use crate::world::{HOST, Load};
use rig::Rig;

#[test]
fn no_request_falls_between_two_looks_however_often_the_slot_changes() {
    let Some(rig) = Rig::open() else { return };
    Scene::serving(&rig);
    let entry = rig.entry("app");
    let states = ["one", "two"].map(|n| entry.join(format!("state.{n}")));
    for (state, flag) in states.iter().zip(["active.blue", "active.green"]) {
        fs::create_dir(state).unwrap();
        fs::write(state.join(flag), "").unwrap();
    }
    let load = Load::start(rig.port(), HOST, 8);
    let end = Instant::now() + Duration::from_secs(3);
    let mut flips = 0_u64;
    while Instant::now() < end {
        for state in &states {
            std::os::unix::fs::symlink(state, entry.join("current.new")).unwrap();
            fs::rename(entry.join("current.new"), entry.join("current")).unwrap();
            flips += 1;
        }
    }
    let tally = load.end();
    // Only who is kept from the processor while the slot changes twice can still miss it; real
    // switches are seconds apart. Without the second look it is one in two thousand changes.
    let missed = tally.failures.len() as u64;
    assert!(
        missed <= 1 + flips / 8_000,
        "{missed} of {flips}: {:?}",
        tally.failures.first()
    );
    assert!(
        tally.by_name.len() == 2 && flips > 1000,
        "{flips} {:?}",
        tally.by_name
    );
}
