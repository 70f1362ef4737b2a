use crate::fleet::{HoldView, Known, Problem, Severity};
use crate::plan::blue_green::deploy;
use crate::plan::entry::may_begin;
use crate::plan::fixture::{World, claim, port, release, slot, text};
use crate::plan::{PlanKind, switch};

fn shown(w: &World) -> String {
    let plan = deploy(
        &w.setup,
        &release(&w.setup, 43),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    );
    assert!(plan.is_err(), "{}", plan.unwrap());
    text(&plan)
}

fn unknown(w: &World) -> bool {
    let plan = deploy(
        &w.setup,
        &release(&w.setup, 43),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    );
    plan.unwrap_err().unknown
}

#[test]
fn load_balancers_that_disagree() {
    let mut w = World::serving();
    let green = w.setup.all_to(&slot("green"), "hand");
    w.says("lb2", Some(green));
    insta::assert_snapshot!(shown(&w), @"
    load balancers disagree: lb1 sends to blue, lb2 sends to green
      hint: find out who changed one by hand; `deploy switch staging app --to SLOT` sets all load balancers
    ");
    assert!(!unknown(&w));
}

#[test]
fn a_load_balancer_without_the_app_beside_one_that_has_it() {
    let mut w = World::serving();
    w.says("lb2", None);
    insta::assert_snapshot!(shown(&w), @"
    load balancers disagree: lb1 sends to blue, lb2 sends to nothing of this app
      hint: find out who changed one by hand; `deploy switch staging app --to SLOT` sets all load balancers
    ");
}

#[test]
fn files_that_say_something_else_than_what_runs() {
    let mut w = World::serving();
    w.lb("lb1").persisted = Known::Is(Some(w.setup.all_to(&slot("green"), "hand")));
    insta::assert_snapshot!(shown(&w), @"
    lb1: its files say green, but it sends to blue
      hint: find out who changed it by hand; `deploy switch staging app --to SLOT` sets all load balancers
    ");
}

#[test]
fn a_load_balancer_that_is_silent_is_said_once_and_could_not_be_told() {
    let w = World::serving().silent("lb1");
    insta::assert_snapshot!(shown(&w), @"
    lb1 could not be read: no route to host
      hint: make it answer, then try again; or go on without it: --exclude-lb lb1 of deploy, stage, switch and rollback (what it may still send to stays as it is)
    ");
    assert!(unknown(&w));
}

#[test]
fn a_load_balancer_that_does_not_say_where_it_sends_to_could_not_be_told() {
    let mut w = World::serving();
    w.lb("lb2").running = Known::Unknown("connection refused on port 80".into());
    insta::assert_snapshot!(shown(&w), @"
    lb2 does not say where it sends to: connection refused on port 80
      hint: make it answer on its probe address, then try again
    ");
    assert!(unknown(&w));
    let named = switch::Wish {
        to: Some(slot("green")),
        force: true,
    };
    assert!(
        switch::switch(&w.setup, &w.fleet, &named, "g1")
            .unwrap_err()
            .unknown
    );
}

#[test]
fn silent_hosts_are_all_named() {
    let w = World::serving().silent("web1").silent("web4");
    insta::assert_snapshot!(shown(&w), @"
    web1 does not answer: no route to host
    web4 does not answer: no route to host
    ");
    assert!(unknown(&w));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let mut w = World::serving().silent("web2").silent("lb2");
    w.host("web3").problems.push(Problem {
        severity: Severity::Error,
        what: "there is no `docker compose` v2".into(),
        hint: "install the compose plugin".into(),
    });
    w.lb("lb1").problems.push(Problem {
        severity: Severity::Error,
        what: "its configuration is broken: unknown directive \"foo\"".into(),
        hint: String::new(),
    });
    insta::assert_snapshot!(shown(&w), @r#"
    web2 does not answer: no route to host
    lb1: its configuration is broken: unknown directive "foo"
    web3: there is no `docker compose` v2
      hint: install the compose plugin
    lb2 could not be read: no route to host
      hint: make it answer, then try again; or go on without it: --exclude-lb lb2 of deploy, stage, switch and rollback (what it may still send to stays as it is)
    "#);
}

#[test]
fn a_port_that_a_foreign_container_holds() {
    let mut w = World::serving();
    let mut foreign = w.host("web1").containers[0].clone();
    foreign.labels.clear();
    foreign.name = "old-nginx".into();
    foreign.image = "nginx:1.20".into();
    foreign.state = "paused".into();
    foreign.ports = vec![port(8080)];
    w.host("web4").containers.push(foreign);
    // Three days and four hours later, by the clock of that host.
    w.host("web4").clock = 1_770_703_140;
    insta::assert_snapshot!(shown(&w), @"
    web4: port 8080/tcp of web is held by container old-nginx (nginx:1.20), started 2026-02-07T01:59:00Z (3d4h ago)
      hint: it is not ours and is left alone; stop it or choose another port
    ");
}

#[test]
fn two_slots_of_one_app_on_one_port_of_one_machine() {
    let w = World::of(&[("blue", &["web1"]), ("green", &["web1"])], &["lb1"])
        .up("blue", 42)
        .traffic("blue");
    insta::assert_snapshot!(shown(&w), @"
    web1: port 8080/tcp of web is held by container staging-app-blue-web-1 (app:1), started 2026-02-07T01:59:00Z
      hint: it is the other slot of this app: on one host each slot needs its own port
    ");
}

#[test]
fn shared_traffic_and_rules_are_shown_as_they_are() {
    let mut w = World::serving();
    let mut t = w.setup.all_to(&slot("blue"), "canary");
    t.split = [(slot("blue"), 9_500), (slot("green"), 500)].into();
    w.says("lb1", Some(t.clone()));
    w.says("lb2", Some(t.clone()));
    insta::assert_snapshot!(shown(&w), @"
    traffic is shared: blue 95.00 %, green 5.00 %
      hint: every slot that gets some counts as active, and is neither stopped nor changed; `deploy weight staging app SLOT=100%` gives all to one, `deploy rollback staging app` to the one that served before
    ");
    t.split = [(slot("blue"), 10_000)].into();
    t.rules.push(crate::fleet::Rule {
        key: crate::fleet::RuleKey::Header("x-variant".into()),
        value: "b".into(),
        to: slot("green"),
    });
    w.says("lb1", Some(t.clone()));
    w.says("lb2", Some(t));
    insta::assert_snapshot!(shown(&w), @"
    traffic is shared: blue 100.00 %, green for header x-variant
      hint: every slot that gets some counts as active, and is neither stopped nor changed; `deploy weight staging app SLOT=100%` gives all to one, `deploy rollback staging app` to the one that served before
    ");
}

#[test]
fn a_slot_that_left_the_inventory() {
    let mut w = World::serving();
    let t = w.setup.all_to(&slot("purple"), "old");
    w.says("lb1", Some(t.clone()));
    w.says("lb2", Some(t));
    insta::assert_snapshot!(shown(&w), @"
    the load balancers send to slot purple, which the inventory does not have
      hint: add the slot to the inventory again, or `deploy switch staging app --to SLOT`
    ");
}

#[test]
fn two_names_of_one_machine() {
    let mut w = World::serving();
    w.host("web4").machine = w.host("web3").machine.clone();
    insta::assert_snapshot!(shown(&w), @"
    web3 and web4 are one machine
      hint: give it one name in inventories/staging.yml
    ");
}

#[test]
fn an_app_behind_no_load_balancer() {
    let w = World::of(&[("blue", &["web1"]), ("green", &["web2"])], &[]);
    insta::assert_snapshot!(shown(&w), @"
    app stands behind no load balancer: nothing says which slot serves
      hint: name one under `balance:` of the app
    ");
}

fn begin(w: &World, kind: PlanKind) -> String {
    match may_begin(&w.setup, &w.fleet, kind, &[], false) {
        Ok(notes) => format!("may begin: {}", notes.join("; ")),
        Err(refusal) => refusal.text(),
    }
}

#[test]
fn another_run_is_named_with_its_person_and_lease() {
    let mut w = World::serving();
    for name in ["web1", "web2"] {
        w.host(name).record.claim = Some(claim(3, 41));
    }
    w.lb("lb1").record.claim = Some(claim(0, 12));
    insta::assert_snapshot!(begin(&w, PlanKind::Deploy), @"
    run r-7f3a of ann@bastion1 holds web1 web2 lb1; its lease ends in 41 s unless it is renewed
      hint: wait for its end: `deploy status staging`; if its client is dead: `deploy resume staging app`
    ");
    // A plan can be made all the same: the look stays honest, and under its own claim a run plans again.
    assert!(
        deploy(
            &w.setup,
            &release(&w.setup, 43),
            &w.fleet,
            PlanKind::Deploy,
            "g1"
        )
        .is_ok()
    );
}

#[test]
fn an_unfinished_run_is_for_resume_one_that_began_nothing_is_not_in_the_way() {
    let mut w = World::serving();
    w.host("web1").record.claim = Some(claim(0, 0));
    assert_eq!(begin(&w, PlanKind::Deploy), "may begin: ");
    w.lb("lb1").record.claim = Some(claim(2, 0));
    insta::assert_snapshot!(begin(&w, PlanKind::Rollback), @"
    run r-7f3a of ann@bastion1 was left unfinished on web1 lb1; its lease is over
      hint: `deploy resume staging app` finishes it or takes it back
    ");
}

#[test]
fn a_hold_stops_everything_but_a_rollback() {
    let mut w = World::serving();
    let hold = HoldView {
        whole: false,
        who: "ann@bastion1:4711:99".parse().unwrap(),
        text: "database work".into(),
        since: 1_795_276_800,
        until: Some(1_795_291_200),
    };
    w.host("web1").record.holds.push(hold.clone());
    w.lb("lb1").record.holds.push(hold);
    insta::assert_snapshot!(begin(&w, PlanKind::Deploy), @"
    staging app is locked by ann@bastion1 since 2026-11-21 16:00 UTC until 2026-11-21 20:00 UTC: database work (web1 lb1)
      hint: ask them, or lift it: `deploy unlock staging app`; `deploy rollback staging app` is never stopped by it
    ");
    insta::assert_snapshot!(begin(&w, PlanKind::Rollback), @"may begin: staging app is locked by ann@bastion1 since 2026-11-21 16:00 UTC until 2026-11-21 20:00 UTC: database work (web1 lb1)");
}
