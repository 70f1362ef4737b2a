use super::*;
use crate::plan::GateKind;

fn h(s: &str) -> HostName {
    HostName::new(s).unwrap()
}

fn secs(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

fn book() -> GateBook {
    let gate = GateSpec {
        kind: GateKind::Http {
            path: "/healthz".into(),
            port: 8080,
            status: (200, 299),
            host: None,
        },
        every: secs(0.5),
        in_a_row: 2,
        within: secs(30.0),
        timeout: secs(1.0),
        from: vec![GateView::Host, GateView::Balancer],
    };
    GateBook::new(BTreeMap::from([(h("web1"), vec![gate])]), vec![h("lb1")])
}

fn container() -> ContainerSeen {
    ContainerSeen {
        service: "app".into(),
        state: "running".into(),
        health: "none".into(),
        restarts: 0,
        exit_code: 0,
        oom: false,
        release: "r1".into(),
        one_shot: false,
    }
}

fn probe(b: &mut GateBook, asker: &str, ok: bool, now: f64) {
    let member = (asker != "web1").then(|| h("web1"));
    let seen = Seen::Gate {
        member,
        gate: 0,
        ok,
        detail: "HTTP 503".into(),
    };
    b.heard(&h(asker), &seen, secs(now));
}

fn opened() -> GateBook {
    let mut b = book();
    b.arm(&h("web1"), Some(ReleaseId::new("r1").unwrap()), secs(1.0));
    b.heard(&h("web1"), &Seen::Containers(vec![container()]), secs(1.0));
    for t in [1.0, 1.5] {
        probe(&mut b, "web1", true, t);
        probe(&mut b, "lb1", true, t);
    }
    assert_eq!(b.missing(&h("web1"), false), None);
    b.opened(&[h("web1")]);
    b
}

#[test]
fn what_was_good_before_the_release_was_up_counts_for_nothing() {
    let mut b = book();
    for _ in 0..5 {
        probe(&mut b, "web1", true, 0.1);
        probe(&mut b, "lb1", true, 0.1);
    }
    assert_eq!(b.missing(&h("web1"), false).unwrap(), "not up yet");
    b.arm(&h("web1"), None, secs(1.0));
    assert!(b.missing(&h("web1"), false).unwrap().contains("no word"));
}

#[test]
fn every_view_must_be_good_in_a_row() {
    let mut b = book();
    b.arm(&h("web1"), None, secs(1.0));
    b.heard(&h("web1"), &Seen::Containers(vec![container()]), secs(1.0));
    for t in [1.0, 1.5] {
        probe(&mut b, "web1", true, t);
    }
    assert_eq!(
        b.missing(&h("web1"), false).unwrap(),
        "GET /healthz from lb1: no answer yet"
    );
    probe(&mut b, "lb1", true, 1.6);
    probe(&mut b, "lb1", false, 1.7);
    probe(&mut b, "lb1", true, 1.8);
    assert_eq!(
        b.missing(&h("web1"), false).unwrap(),
        "GET /healthz from lb1: HTTP 503"
    );
    assert_eq!(
        b.missing(&h("web1"), true),
        None,
        "once is enough for a switch"
    );
    probe(&mut b, "lb1", true, 1.9);
    assert!(
        b.missing(&h("web1"), false).is_some(),
        "two answers at once are not two in a row"
    );
    probe(&mut b, "lb1", true, 2.3);
    assert_eq!(b.missing(&h("web1"), false), None);
}

#[test]
fn another_release_in_the_slot_does_not_pass() {
    let mut b = book();
    b.arm(&h("web1"), Some(ReleaseId::new("r2").unwrap()), secs(1.0));
    b.heard(&h("web1"), &Seen::Containers(vec![container()]), secs(1.0));
    for t in [1.0, 1.5] {
        probe(&mut b, "web1", true, t);
        probe(&mut b, "lb1", true, t);
    }
    assert_eq!(
        b.missing(&h("web1"), false).unwrap(),
        "app is of another release"
    );
}

#[test]
fn a_restart_after_the_gates_opened_is_a_loss() {
    let mut b = opened();
    assert_eq!(b.lost(&h("web1"), secs(2.0)), None);
    let again = ContainerSeen {
        restarts: 1,
        exit_code: 137,
        oom: true,
        ..container()
    };
    b.heard(&h("web1"), &Seen::Containers(vec![again]), secs(2.0));
    assert_eq!(
        b.lost(&h("web1"), secs(2.0)).unwrap(),
        "app is running (1 restart, exit code 137, killed for memory)"
    );
}

#[test]
fn silence_and_three_failures_are_losses_one_failure_is_not() {
    let mut b = opened();
    probe(&mut b, "lb1", false, 2.0);
    assert_eq!(b.lost(&h("web1"), secs(2.0)), None);
    assert!(
        !b.fresh(&h("web1"), secs(2.0)),
        "but it is no good word for a switch"
    );
    probe(&mut b, "lb1", false, 2.5);
    probe(&mut b, "lb1", false, 3.0);
    assert_eq!(
        b.lost(&h("web1"), secs(3.0)).unwrap(),
        "GET /healthz from lb1: HTTP 503"
    );
    let b = opened();
    assert!(b.lost(&h("web1"), secs(30.0)).unwrap().contains("silent"));
}

#[test]
fn a_good_word_goes_stale_after_two_seconds() {
    let b = opened();
    assert!(b.fresh(&h("web1"), secs(3.0)));
    assert!(!b.fresh(&h("web1"), secs(3.6)));
}

#[test]
fn a_container_that_ends_again_and_again_is_not_waited_for() {
    let mut b = book();
    b.arm(&h("web1"), None, secs(1.0));
    let dying = ContainerSeen {
        state: "restarting".into(),
        restarts: 3,
        exit_code: 3,
        ..container()
    };
    b.heard(&h("web1"), &Seen::Containers(vec![dying]), secs(2.0));
    assert_eq!(
        b.hopeless(&h("web1")).unwrap(),
        "app is restarting (3 restarts, exit code 3)"
    );
}

#[test]
fn a_member_that_passed_and_ended_is_not_waited_for() {
    let mut book = book();
    let (web, lb) = (h("web1"), h("lb1"));
    let good = Seen::Gate {
        member: Some(web.clone()),
        gate: 0,
        ok: true,
        detail: "HTTP 200".into(),
    };
    let restarted = |restarts| {
        Seen::Containers(vec![ContainerSeen {
            restarts,
            ..container()
        }])
    };
    book.arm(&web, None, secs(0.0));
    // One restart before it passed is not held against it: it may have waited for something.
    book.heard(&web, &restarted(1), secs(1.0));
    for at in [2.0, 2.5] {
        book.heard(&web, &good, secs(at));
        book.heard(&lb, &good, secs(at));
    }
    book.heard(&web, &restarted(1), secs(3.0));
    assert_eq!(book.missing(&web, false), None);
    assert_eq!(book.hopeless(&web), None);
    // It ended while another member was waited for; it runs again and would pass again.
    book.heard(&web, &restarted(2), secs(4.0));
    let why = book.hopeless(&web).unwrap();
    assert!(
        why.starts_with("it had passed and ended since: app is running"),
        "{why}"
    );
}
