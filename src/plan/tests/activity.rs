//! Plans of apps that are switched on and off.

use super::super::fixture::{World, host, release, slot, text};
use super::super::resume::{Unfinished, resume};
use super::super::{PlanKind, deploy, restart, switch, weight};
use crate::inventory::Amount;

fn plan(world: &World, number: u64) -> String {
    let release = release(&world.setup, number);
    text(&deploy(
        &world.setup,
        &release,
        &world.fleet,
        PlanKind::Deploy,
        "g1",
    ))
}

#[test]
fn the_old_slot_is_off_before_the_new_one_is_on_and_both_before_the_switch() {
    let world = World::serving().switched();
    insta::assert_snapshot!(plan(&world, 43), @r"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web3: pull (the images of the release)
      s2  web4: pull (the images of the release)
      s3  web3: stop and up green (web runs 0.41.0) after s1 s2
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s4  web4: stop and up green (web runs 0.41.0) after s1 s2
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s5  gate green web3 web4 (no traffic before the gates have passed) after s3 s4
      s6  lb1: prepare green (checked by the server before the switch)
      s7  lb2: prepare green (checked by the server before the switch)
      s8  web1: deactivate blue (one slot is active at a time) after s5 s6 s7
          undo: web1: activate blue
      s9  web2: deactivate blue (one slot is active at a time) after s5 s6 s7
          undo: web2: activate blue
      s10 web3: activate green (it is active from here on) after s8 s9
          undo: web3: deactivate green
      s11 web4: activate green (it is active from here on) after s8 s9
          undo: web4: deactivate green
      s12 switch lb1 lb2 to green [commit point] (the switch) after s5 s6 s7 s10 s11
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s13 lb1: drain, at most 1m00s (open requests of the old slot end) after s12
      s14 lb2: drain, at most 1m00s (open requests of the old slot end) after s12
      s15 bake green for 30.0 s (gates stay on with traffic) after s12
      ends succeeded
    ");
}

#[test]
fn a_first_release_has_nobody_to_switch_off() {
    let world = World::empty().switched();
    let text = plan(&world, 42);
    assert!(!text.contains(": deactivate green ("), "{text}");
    assert!(text.contains(": activate blue ("), "{text}");
}

#[test]
fn a_batch_is_off_before_it_stops_and_on_before_it_gets_requests() {
    let mut world = World::rolling(&["web1", "web2"], 42).switched();
    world.setup.rolling.batch = vec![Amount::Hosts(1)];
    insta::assert_snapshot!(plan(&world, 43), @r"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  probe main web2 (they serve alone while a batch is out) after s1 s2
      s4  switch lb1 lb2 to main without web1 (the batch leaves the traffic) after s3
          undo: gate main web1; web1: activate main; switch lb1 lb2 to main
      s5  lb1: drain, at most 1m00s (open requests of the member end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the member end) after s4
      s7  web1: deactivate main (not active when it stops) after s5 s6
      s8  web1: stop and up main (web runs 1.0.1-22-7e56158) after s7
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s9  gate main web1 (no traffic before the gates have passed) after s8
      s10 web1: activate main (it is active from here on) after s9
          undo: web1: deactivate main
      s11 switch lb1 lb2 to main (back into traffic) after s10
          undo: switch lb1 lb2 to main without web1; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s12 bake main for 30.0 s (gates stay on with traffic) after s11
      s13 switch lb1 lb2 to main without web2 (the batch leaves the traffic) after s12
          undo: gate main web2; web2: activate main; switch lb1 lb2 to main
      s14 lb1: drain, at most 1m00s (open requests of the member end) after s13
      s15 lb2: drain, at most 1m00s (open requests of the member end) after s13
      s16 web2: deactivate main (not active when it stops) after s14 s15
      s17 web2: stop and up main (web runs 1.0.1-22-7e56158) after s16
          undo: web2: keep evidence of main; web2: main back to #42 1.0.1-22-7e56158
      s18 gate main web2 (no traffic before the gates have passed) after s17
      s19 web2: activate main (it is active from here on) after s18
          undo: web2: deactivate main
      s20 switch lb1 lb2 to main (back into traffic) after s19
          undo: switch lb1 lb2 to main without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s21 bake main for 30.0 s (gates stay on with traffic) after s20
      note: batches: web1; web2
      note: both releases are active until the last batch is over
      ends succeeded
    ");
}

#[test]
fn what_must_not_run_twice_is_off_before_it_stops() {
    let world = World::recreated(&["web1"], 42).switched();
    insta::assert_snapshot!(plan(&world, 43), @r"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, main
      s1  web1: pull (the images of the release)
      s2  switch lb1 lb2 to nobody (requests fail from here on) after s1
          undo: gate main web1; web1: activate main; switch lb1 lb2 to main
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: deactivate main (not active when it stops) after s3 s4
      s6  web1: stop and up main (web runs 1.0.1-22-7e56158) after s5
          undo: web1: keep evidence of main; web1: main back to #42 1.0.1-22-7e56158
      s7  gate main web1 (no traffic before the gates have passed) after s6
      s8  web1: activate main (it is active from here on) after s7
          undo: web1: deactivate main
      s9  switch lb1 lb2 to main (requests are answered again) after s8
          undo: switch lb1 lb2 to nobody; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s10 bake main for 30.0 s (gates stay on with traffic) after s9
      note: interrupts: nobody serves from s2 until s9 is done; requests fail meanwhile: open requests end (at most 1m00s), web1 stops and starts, the gates pass (at most 30.0 s)
      ends succeeded
    ");
}

#[test]
fn a_restart_switches_each_member_off_and_on() {
    let world = World::serving().switched();
    let plan = restart::restart(&world.setup, &world.fleet, "g1");
    insta::assert_snapshot!(text(&plan), @r"
    staging app restart: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone while one is out)
      s2  switch lb1 lb2 to blue without web1 (restart) after s1
          undo: switch lb1 lb2 to blue
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: deactivate blue (not active when it stops) after s3 s4
          undo: web1: activate blue
      s6  web1: stop and start blue (restart) after s5
      s7  gate blue web1 (no traffic before the gates have passed) after s6
      s8  web1: activate blue (it is active from here on) after s7
          undo if half done: web1: deactivate blue
      s9  switch lb1 lb2 to blue (back into traffic) after s8
          undo if half done: switch lb1 lb2 to blue without web1
      s10 switch lb1 lb2 to blue without web2 (restart) after s9
          undo: switch lb1 lb2 to blue
      s11 lb1: drain, at most 1m00s (open requests of the member end) after s10
      s12 lb2: drain, at most 1m00s (open requests of the member end) after s10
      s13 web2: deactivate blue (not active when it stops) after s11 s12
          undo: web2: activate blue
      s14 web2: stop and start blue (restart) after s13
      s15 gate blue web2 (no traffic before the gates have passed) after s14
      s16 web2: activate blue (it is active from here on) after s15
          undo if half done: web2: deactivate blue
      s17 switch lb1 lb2 to blue (back into traffic) after s16
          undo if half done: switch lb1 lb2 to blue without web2
      ends succeeded
    ");
}

#[test]
fn a_host_that_cannot_be_switched_off_stops_a_way_back_unless_a_person_answers_for_it() {
    let mut world = World::serving().switched();
    world.fleet.hosts.remove(&host("web1"));
    world
        .fleet
        .silent
        .insert(host("web1"), "no route to host".into());
    let refused = switch::rollback(&world.setup, &world.fleet, "g1").unwrap_err();
    assert!(refused.unknown);
    insta::assert_snapshot!(refused.text(), @r"
    web1 does not answer, and blue may be active there: no route to host
      hint: two releases would be active at once; `deploy switch staging app --to green --force -m REASON` when you know that it is not
    ");
    let wish = switch::Wish {
        to: Some(slot("green")),
        force: true,
    };
    let forced = switch::switch(&world.setup, &world.fleet, &wish, "g1");
    insta::assert_snapshot!(text(&forced), @r"
    staging app switch: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  lb1: prepare green (checked by the server before the switch)
      s2  lb2: prepare green (checked by the server before the switch)
      s3  write on web2 web3 web4 lb1 lb2: web1 misses this (whoever comes next must know before the change)
          undo: write on web2 web3 web4 lb1 lb2: web1 owes nothing any more
      s4  web2: deactivate blue (one slot is active at a time) after s1 s2 s3
          undo: web2: activate blue
      s5  web3: activate green (it is active from here on) after s4
          undo: web3: deactivate green
      s6  web4: activate green (it is active from here on) after s4
          undo: web4: deactivate green
      s7  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3 s5 s6
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s8  lb1: drain, at most 1m00s (open requests of the old slot end) after s7
      s9  lb2: drain, at most 1m00s (open requests of the old slot end) after s7
      note: web1 does not answer and is left as it is: no route to host
      note: forced: whether green answers is not asked
      note: web1 does not answer and is not deactivated: blue may still be active there
      ends succeeded
    ");
}

#[test]
fn a_share_leaves_it_where_it_is_and_a_whole_one_moves_it() {
    let share = |world: &World, share: u32| {
        let wish = weight::Wish {
            slot: slot("green"),
            share,
        };
        text(&weight::weight(&world.setup, &world.fleet, &wish, "g1"))
    };
    let world = World::serving().switched();
    let some = share(&world, 2_000);
    assert!(!some.contains(": activate "), "{some}");
    let note = "what app does beside requests stays where it is";
    assert!(some.contains(note), "{some}");
    let world = world.shared(2_000);
    let all = share(&world, 10_000);
    let off = all.find("web1: deactivate blue (").expect("off");
    let on = all.find("web3: activate green (").expect("on");
    assert!(off < on, "{all}");
    // What was active before is active again where it goes back, and nobody else.
    assert!(all.contains("undo: web1: activate blue"), "{all}");
}

#[test]
fn whoever_takes_a_run_back_switches_on_what_was_on_and_nothing_else() {
    let world = World::serving().switched().up("green", 43);
    let run = Unfinished {
        target: slot("green"),
        was: [(host("web3"), super::super::fixture::id(41))].into(),
        wanted: Some(super::super::fixture::id(43)),
        before: Some(world.setup.all_to(&slot("blue"), "g0")),
        after: Some(world.setup.all_to(&slot("green"), "g1")),
        brings: true,
        again: None,
        removes: None,
        ended: None,
        excluded: std::collections::BTreeSet::new(),
        failed: false,
    };
    let plan = resume(&world.setup, &world.fleet, &run);
    insta::assert_snapshot!(text(&plan), @r"
    staging app resume: #43 1.0.2-30-abc1234 → #42 1.0.1-22-7e56158, blue → green
      s1  web3: keep evidence of green (what the run left behind)
      s2  web3: green back to release r41 (as it was before the run) after s1
      s3  web4: keep evidence of green (what the run left behind)
      s4  web4: remove green (as it was before the run) after s3
      s5  web1: activate blue (as it was before the run) after s2 s4
      s6  web2: activate blue (as it was before the run) after s2 s4
      note: no load balancer sends to the new slot: what the run began is taken back
      ends cancelled
    ");
}
