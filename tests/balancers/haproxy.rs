//! HAProxy: its rig, and what is true of HAProxy only.

pub mod rig;

use std::fs;
use std::thread;
use std::time::Duration;

use deploy::balancer::Verdict;
use deploy::fleet::{Known, MemberState, Severity};

use crate::contract::problems;
use crate::server::{Scene, Server};
use crate::world::{Backend, HOST, Load, Manner, ask, request, slot, traffic, wait_for};
use rig::Rig;

#[test]
fn a_reload_under_load_with_the_documented_setting_loses_nothing() {
    let Some(rig) = Rig::open() else { return };
    let b = ["b1", "b2"].map(Backend::start);
    let g = Backend::start("g1");
    let target = rig.target("app", HOST);
    let some = |n: usize| traffic("blue", &[&b[0]], &[&g], &format!("g-{n}"));
    let more = |n: usize| traffic("blue", &[&b[0], &b[1]], &[&g], &format!("g-{n}"));
    let mut before = some(0);
    rig.switch(&target, None, &before);
    let load = Load::start(rig.port(), HOST, 16);
    for n in 1..=4 {
        let after = if n % 2 == 1 { more(n) } else { some(n) };
        rig.switch(&target, Some(&before), &after);
        before = after;
    }
    let tally = load.end();
    assert_eq!(tally.failures, Vec::<String>::new());
    assert!(tally.by_name["b2"] > 20, "{:?}", tally.by_name);
    assert_eq!(rig.reloads(), 5);
}

#[test]
fn a_drain_counts_what_a_worker_of_before_a_reload_still_does() {
    let Some(rig) = Rig::open() else { return };
    let (blue, b2, green) = (
        Backend::start("b1"),
        Backend::start("b2"),
        Backend::start("g1"),
    );
    let target = rig.target("app", HOST);
    let one = traffic("blue", &[&blue], &[&green], "g-1");
    let two = traffic("green", &[&blue, &b2], &[&green], "g-2");
    rig.switch(&target, None, &one);
    let port = rig.port();
    let manner = Manner {
        path: "/slow/4000",
        ..Manner::default()
    };
    let client = thread::spawn(move || request(&mut None, port, HOST, manner));
    wait_for("the slow request", || blue.busy() == 1);
    // The members change, so the request stays with the old worker.
    rig.switch(&target, Some(&one), &two);
    assert_eq!(blue.busy(), 1);
    let drain = |seconds| {
        let body = rig
            .driver()
            .drain(&target, &two, Duration::from_secs(seconds));
        rig.run(&body)
    };
    assert_eq!(drain(0).last().unwrap(), "left 1");
    assert_eq!(drain(8).last().unwrap(), "idle");
    assert_eq!(blue.busy(), 0);
    assert_eq!(client.join().unwrap().unwrap(), "b1");
}

#[test]
fn a_member_taken_out_by_hand_is_named_and_found_before_a_switch() {
    let Some(rig) = Rig::open() else { return };
    let b = ["b1", "b2"].map(Backend::start);
    let g = Backend::start("g1");
    let target = rig.target("app", HOST);
    let one = traffic("blue", &[&b[0], &b[1]], &[&g], "g-1");
    rig.switch(&target, None, &one);
    rig.tell("set server staging.app_blue/b2 state maint");
    let seen = rig.look(&target);
    let errors = problems(&seen, Severity::Error);
    assert_eq!(
        errors,
        ["staging.app_blue/b2 was taken out by hand: written was in"]
    );
    let Known::Is(Some(running)) = &seen.running else {
        panic!("{seen:?}")
    };
    assert_eq!(
        running.groups[&slot("blue")][1].state,
        MemberState::Drain,
        "what runs is not what is written"
    );
    let verdict = rig.verify(&target, &one);
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("b2=in")),
        "{verdict:?}"
    );
}

#[test]
fn a_slot_whose_members_are_all_down_for_haproxy_gets_nothing() {
    let Some(rig) = Rig::open() else { return };
    let (b, mut g) = (Backend::start("b1"), Backend::start("g1"));
    // Nobody listens there.
    g.port = crate::world::free_port();
    let target = rig.target("app", HOST);
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("green", &[&b], &[&g], "g-2");
    rig.switch(&target, None, &one);
    wait_for("HAProxy to see it", || {
        let shown = rig.tell("show servers state staging.app_green");
        shown.lines().any(|l| l.split(' ').nth(5) == Some("0"))
    });
    let verdict = rig.commit(&target, Some(&one), &two);
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("staging.app_green/g1")),
        "{verdict:?}"
    );
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    let seen = rig.look(&target);
    assert_eq!(seen.persisted, Known::Is(Some(one.clone())));
    assert_eq!(seen.running, Known::Is(Some(one)));
}

#[test]
fn an_old_state_file_takes_nobody_out_at_a_restart() {
    let Some(rig) = Rig::open() else { return };
    let Scene { target, one, .. } = Scene::serving(&rig);
    // Saved while the member was out for a moment, as an operator's reload script would.
    rig.tell("set server staging.app_blue/b1 state maint");
    fs::write(rig.path("states"), rig.tell("show servers state")).unwrap();
    rig.tell("set server staging.app_blue/b1 state ready");
    let state = format!("    server-state-file {}", rig.path("states"));
    rig.configure(&state, "");
    rig.quit();
    rig.serve();
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    assert_eq!(rig.look(&target).running, Known::Is(Some(one)));
}

#[test]
fn what_an_operator_forgot_is_named_with_what_to_write() {
    let Some(rig) = Rig::open() else { return };
    let Scene { target, one, .. } = Scene::new(&rig);
    // A frontend without our lines.
    let conf = fs::read_to_string(rig.path("haproxy.cfg")).unwrap();
    let bare: String = conf
        .lines()
        .filter(|l| !l.contains("deploy/") && !l.contains("txn.deploy"))
        .map(|l| format!("{l}\n"))
        .collect();
    fs::write(rig.path("haproxy.cfg"), bare).unwrap();
    rig.quit();
    rig.serve();
    let seen = rig.look(&target);
    let found = seen
        .problems
        .iter()
        .find(|p| p.severity == Severity::Error)
        .unwrap();
    assert!(found.what.contains("does not use"), "{found:?}");
    assert!(
        found.hint.contains("use_backend %[var(txn.deploy)]"),
        "{found:?}"
    );
    assert!(matches!(seen.running, Known::Unknown(_)), "{seen:?}");
    let verdict = rig.prepare(&target, None, &one);
    assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
}

#[test]
fn a_host_of_another_app_is_refused() {
    let Some(rig) = Rig::open() else { return };
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    rig.switch(&rig.target("app", HOST), None, &one);
    let other = rig.target("other", HOST);
    let verdict = rig.prepare(&other, None, &one);
    assert!(
        matches!(&verdict, Verdict::Refused { why } if why.contains("belongs to staging.app")),
        "{verdict:?}"
    );
}

#[test]
fn without_socat_the_socket_is_spoken_to_all_the_same() {
    let Some(mut rig) = Rig::open() else { return };
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    // A path with what a small machine has, and one program that can speak to a socket.
    for client in ["perl", "python3"] {
        let bin = rig.home().join(client);
        fs::create_dir(&bin).unwrap();
        let words = "sh awk cat cksum cmp cp curl date dd flock grep head ls mkdir mktemp mv rm sed sleep sync tail tr haproxy";
        for word in words.split(' ').chain([client]) {
            let at = ["/usr/bin", "/usr/sbin"]
                .map(|dir| std::path::Path::new(dir).join(word))
                .into_iter()
                .find(|p| p.exists())
                .unwrap();
            std::os::unix::fs::symlink(at, bin.join(word)).unwrap();
        }
        // The bodies append the usual folders of daemons, where socat is not.
        let path = format!("PATH={}", bin.display());
        rig.set_shell(["/usr/bin/env", &path, "sh"].map(str::to_owned).to_vec());
        let host = format!("{client}.example.com");
        let target = rig.target(client, &host);
        let one = traffic("blue", &[&b], &[&g], "g-1");
        rig.switch(&target, None, &one);
        assert_eq!(rig.look(&target).running, Known::Is(Some(one)));
    }
}
