//! nginx: its rig, and what is true of nginx only.

mod faults;
pub mod rig;
mod spare;

use std::fs;
use std::time::{Duration, Instant};

use crate::contract;
use crate::server::{Scene, Server};
use crate::world::{HOST, Load, ask, is_root, wait_for};
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

/// A person may have put nginx there under any name; its workers' title says what they are.
#[test]
fn a_drain_counts_for_a_program_of_another_name_beside_one_of_another_user() {
    if !is_root() {
        return;
    }
    let (Some(_beside), Some(rig)) = (Rig::open(), Rig::open()) else {
        return;
    };
    rig.quit();
    let conf = rig.path("nginx.conf");
    let text = fs::read_to_string(&conf).unwrap();
    let text = text.replace("user nobody nogroup;", "user daemon;");
    fs::write(&conf, text).unwrap();
    let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"]
        .into_iter()
        .find(|p| fs::exists(p).unwrap_or(false));
    let own = rig.path("ngx-own");
    fs::copy(program.unwrap(), &own).unwrap();
    let started = std::process::Command::new(&own)
        .args(["-c", conf.as_str()])
        .stderr(std::process::Stdio::null())
        .status();
    assert!(started.unwrap().success());
    wait_for("nginx to answer", || {
        ask(rig.port(), "nobody").is_err_and(|status| status.contains(" 404 "))
    });
    contract::a_drain_waits_for_what_is_open_and_counts_what_is_left(rig);
}
