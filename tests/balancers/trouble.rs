//! What operators meet, and what every driver makes of it: a broken configuration, a switch by
//! hand, a stranger's change, a server that stopped, two changes at once.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use deploy::balancer::Verdict;
use deploy::fleet::{Known, Severity};

use crate::contract::problems;
use crate::server::{Scene, Server};
use crate::world::{Backend, HOST, ask, slot, traffic};

pub fn a_broken_configuration_is_named_before_and_refused<S: Server>(server: S) {
    let (b, b2, g) = (
        Backend::start("b1"),
        Backend::start("b2"),
        Backend::start("g1"),
    );
    let target = server.target("app", HOST);
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("blue", &[&b, &b2], &[&g], "g-2");
    server.switch(&target, None, &one);
    server.spoil();
    let seen = server.look(&target);
    let errors = problems(&seen, Severity::Error);
    assert!(
        errors.iter().any(|p| p.contains("nonsense")),
        "the word that is wrong: {errors:?}"
    );
    // What needs the whole configuration is refused, before and at the commit.
    for verdict in [
        server.prepare(&target, Some(&one), &two),
        server.commit(&target, Some(&one), &two),
    ] {
        let Verdict::Refused { why } = verdict else {
            panic!("{verdict:?}")
        };
        assert!(why.contains("nonsense"), "{why}");
    }
    assert_eq!(ask(server.port(), HOST).unwrap(), "b1");
    server.mend();
    let seen = server.look(&target);
    assert_eq!(seen.persisted, Known::Is(Some(one.clone())));
    assert_eq!(seen.running, Known::Is(Some(one)));
    // It starts again as it was.
    server.quit();
    server.serve();
    assert_eq!(ask(server.port(), HOST).unwrap(), "b1");
}

pub fn a_switch_by_hand_is_seen_named_and_stops_a_switch<S: Server>(server: S) {
    let Scene {
        target, one, two, ..
    } = Scene::serving(&server);
    server.by_hand("app", "blue", "green");
    assert_eq!(ask(server.port(), HOST).unwrap(), "g1");
    let seen = server.look(&target);
    let Known::Is(Some(running)) = &seen.running else {
        panic!("{seen:?}")
    };
    assert_eq!(running.sole(), Some(&slot("green")));
    let errors = problems(&seen, Severity::Error);
    assert!(
        errors.len() == 1 && errors[0].contains("by hand") && errors[0].contains("green"),
        "{errors:?}"
    );
    let verdict = server.commit(&target, Some(&one), &two);
    let Verdict::Moved { seen: there } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(there.contains("green"), "{there}");
    let verdict = server.verify(&target, &one);
    assert!(matches!(verdict, Verdict::Differs { .. }), "{verdict:?}");
    // Who has seen it can go on from what runs.
    server.switch(&target, Some(running), &two);
    assert_eq!(server.look(&target).problems, []);
}

pub fn a_commit_can_be_repeated_and_knows_a_stranger<S: Server>(server: S) {
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let target = server.target("app", HOST);
    let [one, two, three] = [("blue", "g-1"), ("green", "g-2"), ("blue", "g-3")]
        .map(|(s, n)| traffic(s, &[&b], &[&g], n));
    server.switch(&target, None, &one);
    server.switch(&target, Some(&one), &two);
    server.switch(&target, Some(&one), &two);
    for before in [Some(&one), None] {
        let verdict = server.commit(&target, before, &three);
        assert!(matches!(verdict, Verdict::Moved { .. }), "{verdict:?}");
    }
    assert_eq!(server.look(&target).running, Known::Is(Some(two)));
}

pub fn a_server_that_stopped_meanwhile_is_no_success<S: Server>(server: S) {
    let Scene {
        target, one, two, ..
    } = Scene::serving(&server);
    server.quit();
    for (before, after) in [(&one, &two), (&two, &one)] {
        let verdict = server.commit(&target, Some(before), after);
        assert!(matches!(verdict, Verdict::Differs { .. }), "{verdict:?}");
    }
    // What it starts with is one of the two, and the files say which.
    server.serve();
    assert_eq!(ask(server.port(), HOST).unwrap(), "b1");
    let verdict = server.verify(&target, &one);
    assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
}

pub fn a_change_waits_for_the_lock_of_the_load_balancer_and_not_for_ever<S: Server>(server: S) {
    let Scene {
        target, one, two, ..
    } = Scene::serving(&server);
    let lock = server.path(&format!("record/lb.{}.lock", server.driver().name()));
    let hold = |seconds: &str| {
        let mut held = Command::new("flock")
            .args(["-F", &lock, "sleep", seconds])
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(200));
        assert!(held.try_wait().unwrap().is_none());
        held
    };
    let mut held = hold("1.2");
    let began = Instant::now();
    let verdict = server.commit(&target, Some(&one), &two);
    assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
    assert!(began.elapsed() > Duration::from_millis(700));
    held.wait().unwrap();
    let mut held = hold("60");
    let verdict = server.commit(&target, Some(&two), &one);
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("nothing was done") && seen.contains("lock")),
        "{verdict:?}"
    );
    held.kill().unwrap();
    held.wait().unwrap();
    assert_eq!(server.look(&target).running, Known::Is(Some(two)));
}

pub fn the_record_of_the_switch_is_written_before_it<S: Server>(server: S) {
    let Scene {
        blue: b,
        green: g,
        target,
        one,
        ..
    } = Scene::new(&server);
    let prepared = server.prepare(&target, None, &one);
    assert_eq!(prepared, Verdict::Converged { at: 0.0 });
    let record = || fs::read_to_string(server.path("record/state/switch")).unwrap();
    assert!(record().starts_with("1 r-1 1-abc g-1 - ") && record().ends_with(" prepared .\n"));
    server.switch(&target, None, &one);
    assert!(record().ends_with(" commit .\n"), "{}", record());
    // Where it cannot be written, nothing is done.
    fs::rename(server.path("record/state"), server.path("record/away")).unwrap();
    let two = traffic("green", &[&b], &[&g], "g-2");
    let body = server.driver().commit(&target, Some(&one), &two);
    let lines = server.run_loudly(&body);
    let verdict = server.driver().verdict(&target, &lines).unwrap();
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("record of the switch")),
        "{verdict:?}"
    );
    assert_eq!(server.look(&target).persisted, Known::Is(Some(one)));
}

pub fn two_changes_of_members_within_a_second_both_take<S: Server>(server: S) {
    let b = ["b1", "b2", "b3"].map(Backend::start);
    let g = Backend::start("g1");
    let target = server.target("app", HOST);
    let one = traffic("blue", &[&b[0]], &[&g], "g-1");
    let two = traffic("blue", &[&b[0], &b[1]], &[&g], "g-2");
    let three = traffic("green", &[&b[0], &b[1], &b[2]], &[&g], "g-3");
    server.switch(&target, None, &one);
    for (before, after) in [(&one, &two), (&two, &three)] {
        let verdict = server.commit(&target, Some(before), after);
        assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
    }
    let seen = server.look(&target);
    assert_eq!(seen.running, Known::Is(Some(three)));
    assert_eq!(ask(server.port(), HOST).unwrap(), "g1");
}
