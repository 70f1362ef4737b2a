use crate::plan::PlanKind;
use crate::plan::blue_green::deploy;
use crate::plan::catch_up::catch_up;
use crate::plan::fixture::{World, host, release, slot, text};
use crate::plan::restart::restart;
use crate::plan::switch::{Wish, rollback, switch};

fn deployed(w: &World, number: u64) -> String {
    let release = release(&w.setup, number);
    text(&deploy(
        &w.setup,
        &release,
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    ))
}

fn caught_up(w: &World, forget: &[&str]) -> String {
    let forget: Vec<_> = forget.iter().map(|n| host(n)).collect();
    text(&catch_up(&w.setup, &w.fleet, &forget))
}

fn lb2_sends_to(mut w: World, name: &str) -> World {
    let there = w.setup.all_to(&slot(name), "g0");
    w.says("lb2", Some(there));
    w
}

#[test]
fn a_deploy_without_a_load_balancer_writes_first_who_misses_it() {
    insta::assert_snapshot!(deployed(&World::serving().left_out("lb2"), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web3: pull (the images of the release)
      s2  web4: pull (the images of the release)
      s3  web3: stop and up green (web runs 0.41.0) after s1 s2
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s4  web4: stop and up green (web runs 0.41.0) after s1 s2
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s5  gate green web3 web4 (no traffic before the gates have passed) after s3 s4
      s6  lb1: prepare green (checked by the server before the switch)
      s7  write on web1 web2 web3 web4 lb1: lb2 misses this and may still send to blue (whoever comes next must know before the change) after s3 s4
          undo: write on web1 web2 web3 web4 lb1: lb2 owes nothing any more
      s8  switch lb1 to green [commit point] (the switch) after s5 s6 s7
          undo: switch lb1 to blue; lb1: drain, at most 1m00s
      s9  lb1: drain, at most 1m00s (open requests of the old slot end) after s8
      s10 bake green for 30.0 s (gates stay on with traffic) after s8
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      ends succeeded
    ");
}

#[test]
fn what_a_load_balancer_may_still_send_to_is_not_changed() {
    // Blue serves; lb2 was left out when green did.
    insta::assert_snapshot!(deployed(&World::serving().owes("lb2", &["green"]).left_out("lb2"), 43), @"
    green must not be changed: lb2 may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
    // The same where it answers again: only a catch-up ends a debt.
    let w = lb2_sends_to(World::serving().owes("lb2", &["green"]), "green");
    insta::assert_snapshot!(deployed(&w, 43), @"
    green must not be changed: lb2 may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
    // Somebody moved it by hand meanwhile.
    let w = lb2_sends_to(World::serving().owes("lb2", &["blue"]), "green");
    insta::assert_snapshot!(deployed(&w, 43), @"
    green must not be changed: lb2 sends to it
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
    // A load balancer that left the inventory still sends where it sent.
    insta::assert_snapshot!(deployed(&World::serving().owes("lb3", &["green"]), 43), @"
    green must not be changed: lb3 may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb3 -m REASON`
    ");
}

#[test]
fn a_debt_of_the_slot_that_serves_is_no_obstacle_and_is_paid_by_the_switch() {
    insta::assert_snapshot!(deployed(&World::serving().owes("lb2", &["blue"]), 43), @"
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
      s8  switch lb1 lb2 to green [commit point] (the switch) after s5 s6 s7
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s9  lb1: drain, at most 1m00s (open requests of the old slot end) after s8
      s10 lb2: drain, at most 1m00s (open requests of the old slot end) after s8
      s11 bake green for 30.0 s (gates stay on with traffic) after s8
      s12 write on web1 web2 web3 web4 lb1 lb2: lb2 owes nothing any more (they have caught up) after s11
          undo: write on web1 web2 web3 web4 lb1 lb2: lb2 misses this and may still send to blue
      note: lb2 is owing: it may still send to blue since run r-9
      ends succeeded
    ");
}

#[test]
fn to_where_the_others_send_leads_one_that_owes() {
    let w = lb2_sends_to(World::serving().owes("lb2", &["green"]), "green");
    let wish = Wish {
        to: Some(slot("blue")),
        force: false,
    };
    insta::assert_snapshot!(text(&switch(&w.setup, &w.fleet, &wish, "g1")), @"
    staging app switch: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 to blue, lb2 to green; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      s7  write on web1 web2 web3 web4 lb1 lb2: lb2 owes nothing any more (they have caught up) after s4
          undo: write on web1 web2 web3 web4 lb1 lb2: lb2 misses this and may still send to green
      note: lb2 is owing: it may still send to green since run r-9
      ends succeeded
    ");
}

#[test]
fn one_that_was_left_out_before_stays_where_it_was() {
    let w = World::serving().owes("lb2", &["green"]).left_out("lb2");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  switch lb1 to green [commit point] (the switch) after s1 s2
          undo: switch lb1 to blue; lb1: drain, at most 1m00s
      s4  lb1: drain, at most 1m00s (open requests of the old slot end) after s3
      note: lb2 is owing: it may still send to green since run r-9
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      ends succeeded
    ");
}

#[test]
fn a_restart_needs_every_load_balancer() {
    let w = World::serving().left_out("lb2");
    insta::assert_snapshot!(text(&restart(&w.setup, &w.fleet, "g1")), @"
    members of blue must not be changed: lb2 is left out and may send to them
      hint: only what moves all traffic away from a slot can be done without a load balancer
    ");
    let w = lb2_sends_to(World::serving().owes("lb2", &["green"]), "green");
    insta::assert_snapshot!(text(&restart(&w.setup, &w.fleet, "g1")), @"
    members of blue must not be changed: lb2 may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
}

#[test]
fn a_repair_of_what_serves_needs_every_load_balancer() {
    let mut w = World::serving().left_out("lb2");
    w.container_of("web1").memory = 0;
    insta::assert_snapshot!(deployed(&w, 42), @"
    members of blue must not be changed: lb2 is left out and may send to them
      hint: only what moves all traffic away from a slot can be done without a load balancer
    ");
    insta::assert_snapshot!(deployed(&World::serving().left_out("lb2"), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: way back: green holds #41 0.41.0
      ends no_change
    ");
}

#[test]
fn a_rollback_goes_on_without_load_balancers_and_hosts_and_writes_who_owes() {
    let w = World::serving().silent("web1").left_out("lb2");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  write on web2 web3 web4 lb1: lb2 misses this and may still send to blue, web1 misses this (whoever comes next must know before the change)
          undo: write on web2 web3 web4 lb1: lb2 web1 owe nothing any more
      s4  switch lb1 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 to blue; lb1: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      note: web1 does not answer and is left as it is: no route to host
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      ends succeeded
    ");
}

#[test]
fn a_rollback_leads_a_load_balancer_that_owes_and_is_back() {
    let w = lb2_sends_to(World::serving().owes("lb2", &["green"]), "green");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 to blue, lb2 to green; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      s7  write on web1 web2 web3 web4 lb1 lb2: lb2 owes nothing any more (they have caught up) after s4
          undo: write on web1 web2 web3 web4 lb1 lb2: lb2 misses this and may still send to green
      note: lb2 is owing: it may still send to green since run r-9
      ends succeeded
    ");
}

#[test]
fn a_silent_load_balancer_stops_a_rollback_until_it_is_left_out_by_name() {
    let w = World::serving().silent("lb2");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    lb2 could not be read: no route to host
      hint: make it answer, then try again; or go on without it: --exclude-lb lb2 of deploy, stage, switch and rollback (what it may still send to stays as it is)
    ");
}

#[test]
fn where_the_others_disagree_nobody_knows_what_the_one_left_out_does() {
    let w = World::of(
        &[("blue", &["web1", "web2"]), ("green", &["web3", "web4"])],
        &["lb1", "lb2", "lb3"],
    );
    let w = w.up("green", 41).up("blue", 42).traffic("blue");
    let w = lb2_sends_to(w, "green").left_out("lb3");
    let wish = Wish {
        to: Some(slot("blue")),
        force: false,
    };
    insta::assert_snapshot!(text(&switch(&w.setup, &w.fleet, &wish, "g1")), @"
    staging app switch: #42 1.0.1-22-7e56158, green → blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  write on web1 web2 web3 web4 lb1 lb2: lb3 misses this and may still send to blue or green (whoever comes next must know before the change)
          undo: write on web1 web2 web3 web4 lb1 lb2: lb3 owes nothing any more
      s5  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3 s4
          undo: switch lb1 to blue, lb2 to green; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s6  lb1: drain, at most 1m00s (open requests of the old slot end) after s5
      s7  lb2: drain, at most 1m00s (open requests of the old slot end) after s5
      note: load balancers disagree: lb1 sends to blue, lb2 sends to green
      ends succeeded
    ");
}

#[test]
fn catching_up_leads_to_what_the_others_do() {
    let w = lb2_sends_to(World::serving().owes("lb2", &["green"]), "green");
    insta::assert_snapshot!(caught_up(&w, &[]), @"
    staging app catch-up: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb2: prepare blue (checked by the server before the change)
      s3  switch lb2 to blue [commit point] (what the others do) after s1 s2
          undo: switch lb2 to green
      s4  lb2: drain, at most 1m00s (open requests of what it sent to end) after s3
      s5  write on web1 web2 web3 web4 lb1 lb2: lb2 owes nothing any more (what they do was read, or a person answers for them) after s3
          undo: write on web1 web2 web3 web4 lb1 lb2: lb2 misses this and may still send to green
      note: lb2 is owing: it may still send to green since run r-9
      ends succeeded
    ");
}

#[test]
fn one_that_does_it_already_is_probed_and_owes_nothing_any_more() {
    insta::assert_snapshot!(caught_up(&World::serving().owes("lb2", &["green"]), &[]), @"
    staging app catch-up: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  write on web1 web2 web3 web4 lb1 lb2: lb2 owes nothing any more (what they do was read, or a person answers for them) after s1
          undo: write on web1 web2 web3 web4 lb1 lb2: lb2 misses this and may still send to green
      note: lb2 is owing: it may still send to green since run r-9
      ends succeeded
    ");
}

#[test]
fn catching_up_where_nobody_owes_or_nobody_answers() {
    insta::assert_snapshot!(caught_up(&World::serving(), &[]), @"
    staging app catch-up: #42 1.0.1-22-7e56158, blue
      note: no load balancer owes a change
      ends no_change
    ");
    let gone = World::serving().owes("lb2", &["green"]).left_out("lb2");
    insta::assert_snapshot!(caught_up(&gone, &[]), @"
    lb2 owes a change and cannot be reached: no route to host
      hint: make it answer; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
    insta::assert_snapshot!(caught_up(&World::serving().owes("lb3", &["green"]), &[]), @"
    lb3 owes a change and cannot be reached: it is not in the inventory
      hint: make it answer; where it is gone for good: `deploy catch-up staging app --forget-lb lb3 -m REASON`
    ");
    insta::assert_snapshot!(caught_up(&World::empty(), &[]), @"
    no slot has traffic yet: there is nothing to catch up with
      hint: `deploy staging app@VERSION` brings the first release up
    ");
}

#[test]
fn a_person_may_say_that_one_carries_no_traffic() {
    let gone = World::serving().owes("lb2", &["green"]).left_out("lb2");
    insta::assert_snapshot!(caught_up(&gone, &["lb2"]), @"
    staging app catch-up: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web2 web3 web4 lb1: lb2 owes nothing any more (what they do was read, or a person answers for them)
          undo: write on web1 web2 web3 web4 lb1: lb2 misses this and may still send to green
      note: lb2 is owing: it may still send to green since run r-9
      note: lb2 is forgotten: a person says that it carries no traffic
      ends succeeded
    ");
    insta::assert_snapshot!(caught_up(&World::serving().owes("lb3", &["green"]), &["lb3"]), @"
    staging app catch-up: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web2 web3 web4 lb1 lb2: lb3 owes nothing any more (what they do was read, or a person answers for them)
          undo: write on web1 web2 web3 web4 lb1 lb2: lb3 misses this and may still send to green
      note: lb3 is owing: it may still send to green since run r-9
      note: lb3 is forgotten: a person says that it carries no traffic
      ends succeeded
    ");
    insta::assert_snapshot!(caught_up(&World::serving().owes("lb2", &["green"]), &["lb2"]), @"
    lb2 answers and sends to blue: it cannot be forgotten
      hint: `deploy catch-up staging app` leads it to what the others do
    ");
    insta::assert_snapshot!(caught_up(&gone, &["lb7"]), @"
    lb7 owes nothing
      hint: owing: lb2
    ");
}

#[test]
fn a_host_that_owes_and_is_gated_by_a_deploy_owes_nothing_any_more() {
    insta::assert_snapshot!(deployed(&World::serving().owes("web4", &[]), 43), @"
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
      s8  switch lb1 lb2 to green [commit point] (the switch) after s5 s6 s7
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s9  lb1: drain, at most 1m00s (open requests of the old slot end) after s8
      s10 lb2: drain, at most 1m00s (open requests of the old slot end) after s8
      s11 bake green for 30.0 s (gates stay on with traffic) after s8
      s12 write on web1 web2 web3 web4 lb1 lb2: web4 owes nothing any more (they have caught up) after s11
          undo: write on web1 web2 web3 web4 lb1 lb2: web4 misses this
      note: web4 is owing: it missed run r-9
      ends succeeded
    ");
}

#[test]
fn a_plan_made_again_with_a_debt_more_is_another_plan() {
    let before = World::serving().left_out("lb2");
    let after = World::serving().owes("lb2", &["green"]).left_out("lb2");
    let plan = |w: &World| rollback(&w.setup, &w.fleet, "g1").unwrap();
    assert!(!plan(&before).does_the_same_as(&plan(&after)));
}
