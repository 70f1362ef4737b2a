use crate::inventory::Unreachable;
use crate::plan::PlanKind;
use crate::plan::blue_green::deploy;
use crate::plan::fixture::{World, release, text};
use crate::plan::skipped::within;
use crate::plan::switch::rollback;

fn deployed(w: &World, number: u64) -> String {
    let release = release(&World::empty().setup, number);
    text(&deploy(
        &w.setup,
        &release,
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    ))
}

#[test]
fn one_that_gets_requests_is_set_down_first() {
    insta::assert_snapshot!(deployed(&World::serving().skipped("web2"), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  write on web1 web3 web4 lb1 lb2: web2 misses this (whoever comes next must know before the change)
      s2  switch lb1 lb2 to blue without web2 (it does not answer) after s1
          undo if half done: switch lb1 lb2 to blue
      s3  web3: pull (the images of the release)
      s4  web4: pull (the images of the release)
      s5  web3: stop and up green (web runs 0.41.0) after s3 s4 s2
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s6  web4: stop and up green (web runs 0.41.0) after s3 s4 s2
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s7  gate green web3 web4 (no traffic before the gates have passed) after s5 s6
      s8  lb1: prepare green (checked by the server before the switch) after s2
      s9  lb2: prepare green (checked by the server before the switch) after s2
      s10 switch lb1 lb2 to green [commit point] (the switch) after s7 s8 s9
          undo: switch lb1 lb2 to blue without web2; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s11 lb1: drain, at most 1m00s (open requests of the old slot end) after s10
      s12 lb2: drain, at most 1m00s (open requests of the old slot end) after s10
      s13 bake green for 30.0 s (gates stay on with traffic) after s10
      note: web2 does not answer and is skipped: no route to host
      ends succeeded
    ");
}

#[test]
fn one_of_the_slot_that_is_brought_up_is_passed_by_and_owes() {
    insta::assert_snapshot!(deployed(&World::serving().skipped("web3"), 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web4: pull (the images of the release)
      s2  web4: stop and up green (web runs 0.41.0) after s1
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s3  gate green web4 (no traffic before the gates have passed) after s2
      s4  lb1: prepare green without web3 (checked by the server before the switch)
      s5  lb2: prepare green without web3 (checked by the server before the switch)
      s6  write on web1 web2 web4 lb1 lb2: web3 misses this (whoever comes next must know before the change) after s2
          undo: write on web1 web2 web4 lb1 lb2: web3 owes nothing any more
      s7  switch lb1 lb2 to green without web3 [commit point] (the switch) after s3 s4 s5 s6
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s8  lb1: drain, at most 1m00s (open requests of the old slot end) after s7
      s9  lb2: drain, at most 1m00s (open requests of the old slot end) after s7
      s10 bake green for 30.0 s (gates stay on with traffic) after s7
      note: web3 does not answer and is skipped: no route to host
      ends succeeded
    ");
}

#[test]
fn where_the_release_serves_already_it_is_only_set_down() {
    insta::assert_snapshot!(deployed(&World::serving().skipped("web2"), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web3 web4 lb1 lb2: web2 misses this (whoever comes next must know before the change)
      s2  switch lb1 lb2 to blue without web2 (it does not answer) after s1
          undo if half done: switch lb1 lb2 to blue
      note: web2 does not answer and is skipped: no route to host
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
    // The next run finds it so, and does nothing.
    let w = World::serving().owes("web2", &[]).out("blue", "web2");
    insta::assert_snapshot!(deployed(&w.skipped("web2"), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: web2 is owing: it missed run r-9
      note: web2 does not answer and is skipped: no route to host
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: way back: green holds #41 0.41.0
      ends no_change
    ");
}

#[test]
fn too_few_would_be_left() {
    let mut w = World::serving().skipped("web2");
    w.setup.min_healthy = 2;
    insta::assert_snapshot!(deployed(&w, 43), @"
    blue would have 1 of 2 members that it needs: web2 does not answer
      hint: make it answer
    ");
    let w = World::serving().skipped("web1").skipped("web2");
    insta::assert_snapshot!(deployed(&w, 43), @"
    blue would have 0 of 1 members that it needs: web1 web2 does not answer
      hint: make it answer
    ");
    // The host is there, what should serve on it is not.
    let mut w = World::serving().skipped("web2");
    w.host("web1").containers.clear();
    insta::assert_snapshot!(deployed(&w, 43), @"
    blue would have 0 of 1 members that it needs: web2 does not answer
      hint: make it answer
    ");
}

#[test]
fn a_load_balancer_that_cannot_take_it_out_stops_the_run() {
    let mut w = World::serving().skipped("web2");
    w.setup.balancers[1].drain = false;
    insta::assert_snapshot!(deployed(&w, 43), @"load balancer lb2 cannot take out single members and sends to web2");
    insta::assert_snapshot!(deployed(&World::serving().skipped("web2").left_out("lb2"), 43), @"
    members of blue must not be changed: lb2 is left out and may send to them
      hint: only what moves all traffic away from a slot can be done without a load balancer
    ");
}

#[test]
fn a_rollback_goes_to_those_that_answer() {
    let w = World::serving().skipped("web3");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green without web3 (checked by the server before the switch)
      s3  lb2: prepare green without web3 (checked by the server before the switch)
      s4  write on web1 web2 web4 lb1 lb2: web3 misses this (whoever comes next must know before the change)
          undo: write on web1 web2 web4 lb1 lb2: web3 owes nothing any more
      s5  switch lb1 lb2 to green without web3 [commit point] (the switch) after s1 s2 s3 s4
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s6  lb1: drain, at most 1m00s (open requests of the old slot end) after s5
      s7  lb2: drain, at most 1m00s (open requests of the old slot end) after s5
      note: web3 does not answer and is skipped: no route to host
      ends succeeded
    ");
}

#[test]
fn the_budget_is_of_all_hosts_of_the_app() {
    let budget = |skip, share| Unreachable { skip, share };
    let silent = World::serving().silent("web1").silent("web3");
    let of = |w: &World, b: &Unreachable| match within(&w.setup, &w.fleet, b) {
        Ok(hosts) => format!("{hosts:?}"),
        Err(refusal) => format!("{} {}", refusal.unknown, refusal.text()),
    };
    insta::assert_snapshot!(of(&silent, &budget(None, None)), @"[]");
    insta::assert_snapshot!(of(&silent, &budget(Some(2), Some(50))), @r#"["web1", "web3"]"#);
    insta::assert_snapshot!(of(&silent, &budget(Some(2), Some(49))), @"
    true web1 does not answer: no route to host
    web3 does not answer: no route to host
    2 of 4 hosts do not answer, and 1 may be skipped
      hint: make them answer; `protection.unreachable` says how many may be missing
    ");
    insta::assert_snapshot!(of(&World::serving(), &budget(Some(1), None)), @"[]");
    // One that a person drained is not counted.
    let w = World::serving()
        .drained("web2")
        .silent("web2")
        .silent("web1");
    insta::assert_snapshot!(of(&w, &budget(Some(1), None)), @r#"["web1"]"#);
}

#[test]
fn one_that_is_back_is_brought_to_what_the_others_serve() {
    // It missed a release.
    let mut w = World::serving().owes("web2", &[]).out("blue", "web2");
    w.put(
        &crate::plan::fixture::host("web2"),
        &crate::plan::fixture::slot("blue"),
        40,
    );
    insta::assert_snapshot!(deployed(&w, 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 (they serve alone while one is out)
      s2  web2: stop and start blue (web runs 0.40.0) after s1
      s3  gate blue web2 (no traffic before the gates have passed) after s2
      s4  switch lb1 lb2 to blue (back into traffic) after s3
          undo if half done: switch lb1 lb2 to blue without web2
      s5  write on web1 web2 web3 web4 lb1 lb2: web2 owes nothing any more (they have caught up) after s4
          undo: write on web1 web2 web3 web4 lb1 lb2: web2 misses this
      note: web2 is owing: it missed run r-9
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
    // It missed a switch only.
    let w = World::serving().owes("web2", &[]);
    insta::assert_snapshot!(deployed(&w, 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  gate blue web2 (it missed a change)
      s2  write on web1 web2 web3 web4 lb1 lb2: web2 owes nothing any more (they have caught up) after s1
          undo: write on web1 web2 web3 web4 lb1 lb2: web2 misses this
      note: web2 is owing: it missed run r-9
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}
