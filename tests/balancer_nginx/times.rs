//! How long the bodies take, without load: printed, and bounded loosely (machines differ).

use std::time::{Duration, Instant};

use deploy::balancer::Verdict;
use deploy::host::script::Body;
use serde_json::json;

use crate::HOST;
use crate::rig::{Backend, Rig, available, nginx, traffic};

#[test]
fn a_switch_takes_tens_of_milliseconds() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let to = |slot, n: usize| traffic(slot, &[&b], &[&g], &format!("g-{n}"));
    rig.switch(&target, None, &to("blue", 0));
    let mut times: [Vec<Duration>; 5] = Default::default();
    let mut run = |n: usize, body: &Body| {
        let began = Instant::now();
        let lines = rig.run(body);
        times[n].push(began.elapsed());
        lines
    };
    for n in 1..=20 {
        let (from, onto) = if n % 2 == 1 {
            ("blue", "green")
        } else {
            ("green", "blue")
        };
        let (before, after) = (to(from, n - 1), to(onto, n));
        run(0, &nginx().look(&target));
        run(1, &nginx().prepare(&target, Some(&before), &after));
        let lines = run(2, &nginx().commit(&target, Some(&before), &after));
        let verdict = nginx().verdict(&target, &lines).unwrap();
        assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
        run(3, &nginx().verify(&target, &after));
        run(4, &nginx().drain(&target, &after, Duration::from_secs(5)));
    }
    for (name, times) in ["look", "prepare", "commit", "verify", "drain"]
        .iter()
        .zip(&mut times)
    {
        times.sort();
        eprintln!("{name}: median {:?}, longest {:?}", times[10], times[19]);
        assert!(times[10] < Duration::from_secs(1), "{name}: {times:?}");
    }
}
