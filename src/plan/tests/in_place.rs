use std::time::Duration;

use crate::inventory::Amount;
use crate::plan::fixture::{World, release, text};
use crate::plan::switch::rollback;
use crate::plan::{self, PlanKind};

fn rolling(names: &[&str]) -> World {
    let mut w = World::rolling(names, 42);
    w.setup.bake = Duration::from_secs(5);
    w
}

fn shown(w: &World, number: u64) -> String {
    let release = release(&w.setup, number);
    text(&plan::deploy(
        &w.setup,
        &release,
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    ))
}

/// The members of each batch, by the steps that bring them up.
fn batches(w: &World) -> Vec<Vec<String>> {
    let release = release(&w.setup, 43);
    let plan = plan::deploy(&w.setup, &release, &w.fleet, PlanKind::Deploy, "g1").unwrap();
    let names = |b: &plan::Batch| b.hosts.iter().map(ToString::to_string).collect();
    plan.batches.iter().map(names).collect()
}

#[test]
fn batch_by_batch_out_up_gated_back_watched() {
    insta::assert_snapshot!(shown(&rolling(&["web1", "web2"]), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  probe main web2 (they serve alone while a batch is out) after s1 s2
      s4  switch lb1 lb2 to main without web1 (the batch leaves the traffic) after s3
          undo: gate main web1; switch lb1 lb2 to main
      s5  lb1: drain, at most 1m00s (open requests of the member end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the member end) after s4
      s7  web1: stop and up main (web runs 1.0.1-22-7e56158) after s5 s6
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s8  gate main web1 (no traffic before the gates have passed) after s7
      s9  switch lb1 lb2 to main (back into traffic) after s8
          undo: switch lb1 lb2 to main without web1; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s10 bake main for 5.0 s (gates stay on with traffic) after s9
      s11 switch lb1 lb2 to main without web2 (the batch leaves the traffic) after s10
          undo: gate main web2; switch lb1 lb2 to main
      s12 lb1: drain, at most 1m00s (open requests of the member end) after s11
      s13 lb2: drain, at most 1m00s (open requests of the member end) after s11
      s14 web2: stop and up main (web runs 1.0.1-22-7e56158) after s12 s13
          undo: web2: keep evidence of main; web2: main back to #42 1.0.1-22-7e56158
      s15 gate main web2 (no traffic before the gates have passed) after s14
      s16 switch lb1 lb2 to main (back into traffic) after s15
          undo: switch lb1 lb2 to main without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s17 bake main for 5.0 s (gates stay on with traffic) after s16
      note: batches: web1; web2
      ends succeeded
    ");
}

#[test]
fn the_first_release_is_brought_up_everywhere_at_once() {
    let mut w = World::of(&[("main", &["web1", "web2"])], &["lb1"]);
    w.setup.strategy = crate::inventory::Strategy::Rolling;
    insta::assert_snapshot!(shown(&w, 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  web1: stop and up main (no container of web) after s1 s2
          undo: web1: keep evidence of main; web1: remove main
      s4  web2: stop and up main (no container of web) after s1 s2
          undo: web2: keep evidence of main; web2: remove main
      s5  gate main web1 web2 (no traffic before the gates have passed) after s3 s4
      s6  lb1: prepare main (checked by the server before the switch)
      s7  switch lb1 to main [commit point] (the switch) after s5 s6
          undo: switch lb1 to nothing of this app
      s8  bake main for 30.0 s (gates stay on with traffic) after s7
      ends succeeded
    ");
}

#[test]
fn batches_are_as_large_as_said_and_leave_enough_that_serve() {
    let names: Vec<String> = (1..=10).map(|n| format!("web{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = rolling(&names);
    w.setup.rolling.batch = vec![Amount::Hosts(1), Amount::Percent(30), Amount::Percent(100)];
    let sizes = |w: &World| batches(w).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&w), [1, 3, 5, 1]);
    w.setup.rolling.min_healthy = Amount::Hosts(8);
    assert_eq!(sizes(&w), [1, 2, 2, 2, 2, 1]);
    w.setup.rolling.min_healthy = Amount::Hosts(1);
    assert_eq!(sizes(&w), [1, 3, 6]);
    // The environment wants more than the app.
    w.setup.min_healthy = 9;
    assert_eq!(sizes(&w), [1; 10]);
    w.setup.min_healthy = 10;
    insta::assert_snapshot!(shown(&w, 43), @"
    main has 10 members that serve and needs 10: none can be taken out
      hint: see `rolling.min_healthy` of the app and `protection.min_healthy`
    ");
}

#[test]
fn who_does_not_serve_anyway_goes_first_and_only_who_differs_goes_at_all() {
    let mut w = rolling(&["web1", "web2", "web3", "web4"]).out("main", "web3");
    w.container_of("web4").state = "exited".into();
    w.put(&"web2".parse().unwrap(), &"main".parse().unwrap(), 43);
    assert_eq!(batches(&w), [["web3"], ["web4"], ["web1"]]);
}

#[test]
fn back_to_what_served_before_the_same_way() {
    let w = rolling(&["web1", "web2"]);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  probe main web2 (they serve alone while a batch is out) after s1 s2
      s4  switch lb1 lb2 to main without web1 (the batch leaves the traffic) after s3
          undo: gate main web1; switch lb1 lb2 to main
      s5  lb1: drain, at most 1m00s (open requests of the member end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the member end) after s4
      s7  web1: stop and up main (web runs 1.0.1-22-7e56158) after s5 s6
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s8  gate main web1 (no traffic before the gates have passed) after s7
      s9  switch lb1 lb2 to main (back into traffic) after s8
          undo: switch lb1 lb2 to main without web1; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s10 bake main for 5.0 s (gates stay on with traffic) after s9
      s11 switch lb1 lb2 to main without web2 (the batch leaves the traffic) after s10
          undo: gate main web2; switch lb1 lb2 to main
      s12 lb1: drain, at most 1m00s (open requests of the member end) after s11
      s13 lb2: drain, at most 1m00s (open requests of the member end) after s11
      s14 web2: stop and up main (web runs 1.0.1-22-7e56158) after s12 s13
          undo: web2: keep evidence of main; web2: main back to #42 1.0.1-22-7e56158
      s15 gate main web2 (no traffic before the gates have passed) after s14
      s16 switch lb1 lb2 to main (back into traffic) after s15
          undo: switch lb1 lb2 to main without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s17 bake main for 5.0 s (gates stay on with traffic) after s16
      note: batches: web1; web2
      ends succeeded
    ");
}

#[test]
fn a_run_that_was_left_between_two_releases_goes_back_to_the_one_that_served() {
    let mut w = rolling(&["web1", "web2"]);
    w.put(&"web1".parse().unwrap(), &"main".parse().unwrap(), 43);
    w = w.keeps("main", 42);
    let text = text(&rollback(&w.setup, &w.fleet, "g1"));
    assert!(text.contains("batches: web1\n"), "{text}");
    assert!(
        text.starts_with("staging app rollback: #43 1.0.2-30-abc1234 → #42"),
        "{text}"
    );
}

#[test]
fn a_rollback_that_was_left_does_not_go_forward_when_it_is_typed_again() {
    let mut w = rolling(&["web1", "web2"]).promoted("main", 43);
    w.put(&"web1".parse().unwrap(), &"main".parse().unwrap(), 43);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    the hosts of main hold two releases that both served
      hint: `deploy staging app@VERSION` says which it is to be
    ");
}

#[test]
fn nothing_to_change_says_what_the_way_back_is() {
    insta::assert_snapshot!(shown(&rolling(&["web1", "web2"]), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, main
      note: main serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: way back: #41 0.41.0, host by host
      ends no_change
    ");
}

#[test]
fn refused_where_it_cannot_be_done() {
    let w = rolling(&["web1"]);
    insta::assert_snapshot!(shown(&w, 43), @"
    main has one member only
      hint: requests would be dropped; `strategy: blue-green` with a second slot drops none
    ");
    let w = rolling(&["web1", "web2"]);
    let release = release(&w.setup, 43);
    let stage = plan::deploy(&w.setup, &release, &w.fleet, PlanKind::Stage, "g1");
    insta::assert_snapshot!(text(&stage), @"
    app has one slot only: there is none to stage a release in
      hint: `deploy staging app@VERSION` goes through its hosts
    ");
    let mut first = World::rolling(&["web1", "web2"], 42);
    for view in first.fleet.hosts.values_mut() {
        view.record.promoted.remove(0);
    }
    insta::assert_snapshot!(text(&rollback(&first.setup, &first.fleet, "g1")), @"
    nothing served in main before
      hint: deploy a version that is known to be good: `deploy staging app@VERSION`
    ");
    let mut gone = World::rolling(&["web1", "web2"], 42);
    gone.host("web2")
        .record
        .kept
        .retain(|k| k.label.revision == 42);
    insta::assert_snapshot!(text(&rollback(&gone.setup, &gone.fleet, "g1")), @"
    web2 does not hold release r41, which served before
      hint: `deploy staging app@VERSION` brings it there
    ");
}
