use std::time::Duration;

use crate::name::OutcomeKind;
use crate::plan::catch_up::catch_up;
use crate::plan::fixture::{World, host, id, release, slot, text};
use crate::plan::restart::restart;
use crate::plan::resume::{Unfinished, resume};
use crate::plan::switch::rollback;
use crate::plan::{self, PlanKind};

fn world(names: &[&str]) -> World {
    let mut w = World::recreated(names, 42);
    w.setup.bake = Duration::from_secs(5);
    w
}

fn shown(w: &World, number: u64) -> String {
    let release = release(&w.setup, number);
    let plan = plan::deploy(&w.setup, &release, &w.fleet, PlanKind::Deploy, "g1");
    text(&plan)
}

#[test]
fn nobody_serves_while_the_one_member_stops_and_starts() {
    insta::assert_snapshot!(shown(&world(&["web1"]), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  switch lb1 lb2 to nobody (requests fail from here on) after s1
          undo: gate main web1; switch lb1 lb2 to main
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: stop and up main (web runs 1.0.1-22-7e56158) after s3 s4
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s6  gate main web1 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to main (requests are answered again) after s6
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s8  bake main for 5.0 s (gates stay on with traffic) after s7
      note: interrupts: nobody serves from s2 until s7 is done; requests fail meanwhile: open requests end (at most 1m00s), web1 stops and starts, the gates pass (at most 30.0 s)
      ends succeeded
    ");
}

#[test]
fn all_members_stop_before_one_starts_and_before_one_is_taken_back() {
    insta::assert_snapshot!(shown(&world(&["web1", "web2"]), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  switch lb1 lb2 to nobody (requests fail from here on) after s1 s2
          undo: gate main web1 web2; switch lb1 lb2 to main
      s4  lb1: drain, at most 1m00s (open requests of the member end) after s3
      s5  lb2: drain, at most 1m00s (open requests of the member end) after s3
      s6  web1: stop main (no two releases run at once) after s4 s5
          undo: web1: main back to #42 1.0.1-22-7e56158
      s7  web2: stop main (no two releases run at once) after s4 s5
          undo: web2: main back to #42 1.0.1-22-7e56158
      s8  web1: stop and up main (web runs 1.0.1-22-7e56158) after s6 s7
          undo: web1: keep evidence of main; web1: stop main
      s9  web2: stop and up main (web runs 1.0.1-22-7e56158) after s6 s7
          undo: web2: keep evidence of main; web2: stop main
      s10 gate main web1 web2 (no traffic before the gates have passed) after s8 s9
      s11 switch lb1 lb2 to main (requests are answered again) after s10
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s12 bake main for 5.0 s (gates stay on with traffic) after s11
      note: interrupts: nobody serves from s3 until s11 is done; requests fail meanwhile: open requests end (at most 1m00s), web1 web2 stop and start, the gates pass (at most 30.0 s)
      ends succeeded
    ");
}

#[test]
fn the_first_release_interrupts_nobody() {
    let mut w = World::of(&[("main", &["web1"])], &["lb1"]);
    w.setup.strategy = crate::inventory::Strategy::Recreate;
    let plan = shown(&w, 42);
    assert!(!plan.contains("interrupts"), "{plan}");
    assert!(plan.contains("switch lb1 to main [commit point]"), "{plan}");
}

#[test]
fn what_is_whole_stays_and_says_the_way_back() {
    insta::assert_snapshot!(shown(&world(&["web1"]), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, main
      note: main serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: way back: #41 0.41.0; requests fail while it takes its place
      ends no_change
    ");
}

#[test]
fn one_of_two_members_is_repaired_while_the_other_serves() {
    let mut w = world(&["web1", "web2"]);
    w.container_of("web2").state = "exited".into();
    let plan = shown(&w, 42);
    assert!(!plan.contains("interrupts"), "{plan}");
    assert!(plan.contains("web2: stop and start main"), "{plan}");
}

#[test]
fn where_nobody_serves_the_plan_says_so_and_ends_it() {
    let mut w = world(&["web1"]).nobody();
    insta::assert_snapshot!(shown(&w, 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, main
      s1  gate main web1 (no traffic before the gates have passed)
      s2  switch lb1 lb2 to main (requests are answered again) after s1
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s3  bake main for 5.0 s (gates stay on with traffic) after s2
      note: interrupts: nobody serves now, and until s2 is done; requests fail meanwhile: the gates pass (at most 30.0 s)
      ends succeeded
    ");
    w.host("web1").containers.clear();
    insta::assert_snapshot!(shown(&w, 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, main
      s1  web1: pull (the images of the release)
      s2  web1: stop and up main (no container of web) after s1
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s3  gate main web1 (no traffic before the gates have passed) after s2
      s4  switch lb1 lb2 to main (requests are answered again) after s3
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  bake main for 5.0 s (gates stay on with traffic) after s4
      note: interrupts: nobody serves now, and until s4 is done; requests fail meanwhile: web1 stops and starts, the gates pass (at most 30.0 s)
      ends succeeded
    ");
}

#[test]
fn back_and_again_the_same_way() {
    let w = world(&["web1"]);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, main
      s1  web1: pull (the images of the release)
      s2  switch lb1 lb2 to nobody (requests fail from here on) after s1
          undo: gate main web1; switch lb1 lb2 to main
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: stop and up main (web runs 1.0.1-22-7e56158) after s3 s4
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s6  gate main web1 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to main (requests are answered again) after s6
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s8  bake main for 5.0 s (gates stay on with traffic) after s7
      note: interrupts: nobody serves from s2 until s7 is done; requests fail meanwhile: open requests end (at most 1m00s), web1 stops and starts, the gates pass (at most 30.0 s)
      ends succeeded
    ");
    insta::assert_snapshot!(text(&restart(&w.setup, &w.fleet, "g1")), @"
    staging app restart: #42 1.0.1-22-7e56158, main
      s1  switch lb1 lb2 to nobody (requests fail from here on)
          undo: gate main web1; switch lb1 lb2 to main
      s2  lb1: drain, at most 1m00s (open requests of the member end) after s1
      s3  lb2: drain, at most 1m00s (open requests of the member end) after s1
      s4  web1: stop and up main (restart) after s2 s3
          undo: web1: keep evidence of main; web1: main back to release r42
      s5  gate main web1 (no traffic before the gates have passed) after s4
      s6  switch lb1 lb2 to main (requests are answered again) after s5
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s7  bake main for 5.0 s (gates stay on with traffic) after s6
      note: interrupts: nobody serves from s1 until s6 is done; requests fail meanwhile: open requests end (at most 1m00s), web1 stops and starts, the gates pass (at most 30.0 s)
      ends succeeded
    ");
}

fn left(w: &World) -> Unfinished {
    let before = w.setup.all_to(&slot("main"), "g0");
    let main = slot("main");
    let hosts = w.setup.hosts(&main);
    Unfinished {
        target: slot("main"),
        was: hosts.map(|h| (h.clone(), id(42))).collect(),
        wanted: Some(id(43)),
        after: Some(w.setup.all_to(&slot("main"), "g1.2")),
        before: Some(before),
        again: None,
        removes: None,
        brings: true,
        ended: None,
        excluded: std::collections::BTreeSet::new(),
        failed: false,
    }
}

#[test]
fn a_run_that_was_left_while_nobody_served_brings_back_what_ran() {
    let w = world(&["web1", "web2"]);
    let run = left(&w);
    let mut w = w.nobody().keeps("main", 42);
    w.put(&"web1".parse().unwrap(), &slot("main"), 43);
    w = w.keeps("main", 42);
    w.host("web2").containers.clear();
    insta::assert_snapshot!(text(&resume(&w.setup, &w.fleet, &run)), @"
    staging app resume: #43 1.0.2-30-abc1234 → #42 1.0.1-22-7e56158, main
      s1  lb1: drain, at most 1m00s (open requests end)
      s2  lb2: drain, at most 1m00s (open requests end)
      s3  web1: stop main (no two releases run at once) after s1 s2
      s4  web2: stop main (no two releases run at once) after s1 s2
      s5  web1: stop and start main (the run left it like this) after s3 s4
      s6  web2: stop and start main (the run left it like this) after s3 s4
      s7  gate main web1 web2 (no traffic before the gates have passed) after s5 s6
      s8  switch lb1 lb2 to main (requests are answered again) after s7
          undo if half done: switch lb1 lb2 to nobody
      ends cancelled
    ");
}

#[test]
fn a_run_that_was_left_with_the_new_release_in_traffic_goes_on() {
    let w = world(&["web1"]);
    let run = left(&w);
    let mut w = w.nobody().up("main", 43).keeps("main", 42);
    let after = run.after.clone();
    w.says("lb2", after);
    let plan = resume(&w.setup, &w.fleet, &run).unwrap();
    assert_eq!(plan.end, OutcomeKind::Succeeded);
    insta::assert_snapshot!(plan, @"
    staging app resume: #43 1.0.2-30-abc1234, main
      s1  probe main web1 (no traffic before the gates have passed)
      s2  switch lb1 lb2 to main (requests are answered again) after s1
    ");
}

#[test]
fn a_host_that_is_passed_by_and_runs_another_release_stands_against_it() {
    let mut w = world(&["db1", "db2"]).drained("db2");
    insta::assert_snapshot!(shown(&w, 43), @r"
    db2 is passed by and runs 1.0.1-22-7e56158: two releases would run at once
      hint: `deploy undrain staging db2` takes it in; `deploy remove staging app --hosts db2` ends it there
    ");
    assert!(rollback(&w.setup, &w.fleet, "g1").is_err());
    let again = text(&restart(&w.setup, &w.fleet, "g1"));
    assert!(again.contains("db1: stop and up main (restart)"), "{again}");
    w.container_of("db2").state = "exited".into();
    let plan = shown(&w, 43);
    assert!(plan.contains("db1: stop and up main"), "{plan}");
    // Nobody serves, and load balancers know nothing: what was left behind runs all the same.
    w.container_of("db2").state = "running".into();
    w.says("lb1", None);
    w.says("lb2", None);
    let plan = shown(&w, 43);
    assert!(plan.contains("db2 is passed by and runs"), "{plan}");
    // Whatever is brought up, where it runs something else already.
    let mut w = world(&["db1", "db2"]).drained("db2");
    w.put(&host("db2"), &slot("main"), 41);
    insta::assert_snapshot!(text(&restart(&w.setup, &w.fleet, "g1")), @r"
    db2 is passed by and runs 0.41.0: two releases would run at once
      hint: `deploy undrain staging db2` takes it in; `deploy remove staging app --hosts db2` ends it there
    ");
}

#[test]
fn a_host_that_is_passed_by_and_does_not_answer_stands_against_another_release() {
    let w = world(&["db1", "db2"]).drained("db2").silent("db2");
    let plan = plan::deploy(
        &w.setup,
        &release(&w.setup, 43),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    );
    insta::assert_snapshot!(text(&plan), @r"
    db2 is passed by, and what runs there is not known: no route to host
      hint: make it answer; where it is gone for good: out of inventories/staging.yml with it, `deploy sync staging app`, then `deploy catch-up staging app --forget-lb db2 -m REASON`
    ");
    assert!(plan.unwrap_err().unknown);
    assert!(restart(&w.setup, &w.fleet, "g1").is_ok());
}

#[test]
fn a_host_that_left_the_inventory_stands_against_another_release_until_it_is_forgotten() {
    let w = world(&["db1"]).owes("db9", &[]);
    insta::assert_snapshot!(shown(&w, 43), @r"
    db9 is not in the inventory any more: app may still run there, and two releases would run at once
      hint: name it in inventories/staging.yml once more, and `deploy remove staging app --hosts db9` ends it there; where it is gone for good: out of inventories/staging.yml with it, `deploy sync staging app`, then `deploy catch-up staging app --forget-lb db9 -m REASON`
    ");
    assert!(restart(&w.setup, &w.fleet, "g1").is_ok());
    let forgotten = text(&catch_up(&w.setup, &w.fleet, &[host("db9")]));
    assert!(
        forgotten.contains("db9 owes nothing any more"),
        "{forgotten}"
    );
}
