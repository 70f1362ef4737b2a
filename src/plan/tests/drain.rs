use crate::plan::PlanKind;
use crate::plan::blue_green::deploy;
use crate::plan::debts::{refuse_other_drained, rest};
use crate::plan::drain::{drain, undrain};
use crate::plan::fixture::{World, host, release, text};
use crate::plan::restart::restart;
use crate::plan::switch::rollback;

fn drained(w: &World, name: &str, force: bool) -> String {
    text(&drain(&w.setup, &w.fleet, &host(name), force, "g1"))
}

fn brought_back(w: &World, name: &str) -> String {
    let mut setup = w.setup.clone();
    setup.resting.remove(&host(name));
    let all = setup.groups.values_mut().flatten();
    all.filter(|m| m.host == host(name))
        .for_each(|m| m.state = crate::fleet::MemberState::Ready);
    text(&undrain(&setup, &w.fleet, &host(name), "g1"))
}

fn deployed(w: &World, number: u64) -> String {
    let release = release(&World::serving().setup, number);
    let plan = deploy(&w.setup, &release, &w.fleet, PlanKind::Deploy, "g1");
    text(&plan)
}

#[test]
fn a_member_that_serves_is_taken_out_when_the_others_are_known_to_be_well() {
    insta::assert_snapshot!(drained(&World::serving(), "web1", false), @"
    staging app drain: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone from now on)
      s2  write on web1 web2 web3 web4 lb1 lb2: web1 is drained (whoever comes next must know before the change) after s1
          undo: write on web1 web2 web3 web4 lb1 lb2: web1 owes nothing any more
      s3  switch lb1 lb2 to blue without web1 (a person takes it out) after s2
          undo: switch lb1 lb2 to blue
      s4  lb1: drain, at most 1m00s (open requests of the member end) after s3
      s5  lb2: drain, at most 1m00s (open requests of the member end) after s3
      ends succeeded
    ");
}

#[test]
fn a_member_that_does_not_serve_is_only_written_down() {
    insta::assert_snapshot!(drained(&World::serving(), "web3", false), @"
    staging app drain: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web2 web3 web4 lb1 lb2: web3 is drained (whoever comes next must know before the change)
          undo: write on web1 web2 web3 web4 lb1 lb2: web3 owes nothing any more
      ends succeeded
    ");
    insta::assert_snapshot!(drained(&World::serving().silent("web3"), "web3", false), @"
    staging app drain: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web2 web4 lb1 lb2: web3 is drained (whoever comes next must know before the change)
          undo: write on web1 web2 web4 lb1 lb2: web3 owes nothing any more
      note: web3 does not answer and is left as it is: no route to host
      ends succeeded
    ");
    insta::assert_snapshot!(drained(&World::serving().drained("web3"), "web3", false), @"
    staging app drain: #42 1.0.1-22-7e56158, blue
      note: web3 was drained by run r-9: out of traffic until `deploy undrain staging web3`
      note: web3 is drained already
      ends no_change
    ");
}

#[test]
fn the_last_member_stays_and_fewer_than_wanted_need_force() {
    let w = World::serving().drained("web1").out("blue", "web1");
    insta::assert_snapshot!(drained(&w, "web2", true), @"
    web2 is the last member of blue that gets requests
      hint: switch to the other slot first: `deploy switch staging app`
    ");
    let mut w = World::serving();
    w.setup.min_healthy = 2;
    insta::assert_snapshot!(drained(&w, "web2", false), @"
    blue would have 1 of 2 members that it needs
      hint: --force does it all the same
    ");
    assert!(drain(&w.setup, &w.fleet, &host("web2"), true, "g1").is_ok());
}

#[test]
fn while_a_load_balancer_owes_nobody_is_taken_out() {
    insta::assert_snapshot!(drained(&World::serving().owes("lb2", &["green"]), "web1", false), @"
    members of blue must not be changed: lb2 may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
}

#[test]
fn whoever_is_brought_back_is_gated_first() {
    let w = World::serving().drained("web1").out("blue", "web1");
    insta::assert_snapshot!(brought_back(&w, "web1"), @"
    staging app undrain: #42 1.0.1-22-7e56158, blue
      s1  gate blue web1 (no traffic before the gates have passed)
      s2  switch lb1 lb2 to blue (back into traffic) after s1
          undo if half done: switch lb1 lb2 to blue without web1
      s3  write on web1 web2 web3 web4 lb1 lb2: web1 owes nothing any more (a person brings it back) after s2
          undo: write on web1 web2 web3 web4 lb1 lb2: web1 is drained
      note: web1 was drained by run r-9: out of traffic until `deploy undrain staging web1`
      ends succeeded
    ");
    insta::assert_snapshot!(brought_back(&World::serving().drained("web3"), "web3"), @"
    staging app undrain: #42 1.0.1-22-7e56158, blue
      s1  write on web1 web2 web3 web4 lb1 lb2: web3 owes nothing any more (a person brings it back)
          undo: write on web1 web2 web3 web4 lb1 lb2: web3 is drained
      note: web3 was drained by run r-9: out of traffic until `deploy undrain staging web3`
      ends succeeded
    ");
    insta::assert_snapshot!(brought_back(&World::serving(), "web3"), @"
    staging app undrain: #42 1.0.1-22-7e56158, blue
      note: web3 is not drained
      ends no_change
    ");
    insta::assert_snapshot!(brought_back(&World::serving().drained("web1").silent("web1"), "web1"), @"web1 does not answer: no route to host");
}

#[test]
fn one_that_missed_a_release_stays_out_until_a_deploy_brings_it() {
    let w = World::serving().drained("web1").out("blue", "web1");
    let mut w = w.up("blue", 43);
    w.put(&host("web1"), &"blue".parse().unwrap(), 42);
    insta::assert_snapshot!(brought_back(&w, "web1"), @"
    staging app undrain: #43 1.0.2-30-abc1234, blue
      s1  write on web1 web2 web3 web4 lb1 lb2: web1 misses this (it does not run what serves)
          undo: write on web1 web2 web3 web4 lb1 lb2: web1 is drained
      note: web1 was drained by run r-9: out of traffic until `deploy undrain staging web1`
      note: web1 stays out of traffic: it holds #42 1.0.1-22-7e56158; `deploy staging app@1.0.2-30-abc1234` brings it
      ends succeeded
    ");
}

#[test]
fn every_plan_passes_a_drained_host_by() {
    let w = World::serving().drained("web3");
    insta::assert_snapshot!(deployed(&w, 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web4: pull (the images of the release)
      s2  web4: stop and up green (web runs 0.41.0) after s1
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s3  gate green web4 (no traffic before the gates have passed) after s2
      s4  lb1: prepare green without web3 (checked by the server before the switch)
      s5  lb2: prepare green without web3 (checked by the server before the switch)
      s6  switch lb1 lb2 to green without web3 [commit point] (the switch) after s3 s4 s5
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s7  lb1: drain, at most 1m00s (open requests of the old slot end) after s6
      s8  lb2: drain, at most 1m00s (open requests of the old slot end) after s6
      s9  bake green for 30.0 s (gates stay on with traffic) after s6
      note: web3 was drained by run r-9: out of traffic until `deploy undrain staging web3`
      ends succeeded
    ");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green without web3 (checked by the server before the switch)
      s3  lb2: prepare green without web3 (checked by the server before the switch)
      s4  switch lb1 lb2 to green without web3 [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      note: web3 was drained by run r-9: out of traffic until `deploy undrain staging web3`
      ends succeeded
    ");
    let w = World::of(
        &[
            ("blue", &["web1", "web2", "web5"]),
            ("green", &["web3", "web4"]),
        ],
        &["lb1"],
    );
    let w = w.up("green", 41).up("blue", 42).traffic("blue");
    let w = w.drained("web5").out("blue", "web5").silent("web5");
    insta::assert_snapshot!(text(&restart(&w.setup, &w.fleet, "g1")), @"
    staging app restart: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone while one is out)
      s2  switch lb1 to blue without web1, web5 (restart) after s1
          undo: switch lb1 to blue without web5
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  web1: stop and start blue (restart) after s3
      s5  gate blue web1 (no traffic before the gates have passed) after s4
      s6  switch lb1 to blue without web5 (back into traffic) after s5
          undo if half done: switch lb1 to blue without web1, web5
      s7  switch lb1 to blue without web2, web5 (restart) after s6
          undo: switch lb1 to blue without web5
      s8  lb1: drain, at most 1m00s (open requests of the member end) after s7
      s9  web2: stop and start blue (restart) after s8
      s10 gate blue web2 (no traffic before the gates have passed) after s9
      s11 switch lb1 to blue without web5 (back into traffic) after s10
          undo if half done: switch lb1 to blue without web2, web5
      note: web5 was drained by run r-9: out of traffic until `deploy undrain staging web5`
      ends succeeded
    ");
}

#[test]
fn no_slot_gets_traffic_with_too_few_members() {
    let w = World::serving().drained("web3").drained("web4");
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    green would have 0 of 1 members that it needs: web3 web4 out of traffic
      hint: bring one back (`deploy undrain`), or make it answer
    ");
    insta::assert_snapshot!(deployed(&w, 43), @"
    green would have 0 of 1 members that it needs: web3 web4 out of traffic
      hint: bring one back (`deploy undrain`), or make it answer
    ");
}

#[test]
fn a_member_that_owes_and_holds_something_else_rests_in_a_rollback() {
    let mut w = World::serving().owes("web4", &[]);
    w.put(&host("web4"), &"green".parse().unwrap(), 40);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    green is not fit: the hosts of green hold different releases
      hint: can be deployed again: `deploy staging app@0.41.0`, `deploy staging app@0.40.0`; `deploy switch staging app --to green --force -m REASON` switches all the same
    ");
    rest(&mut w.setup, &w.fleet, None, true);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 (one fresh probe of every member from every view)
      s2  lb1: prepare green without web4 (checked by the server before the switch)
      s3  lb2: prepare green without web4 (checked by the server before the switch)
      s4  switch lb1 lb2 to green without web4 [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      note: web4 is owing: it missed run r-9
      ends succeeded
    ");
}

#[test]
fn a_host_that_left_the_inventory_is_named_by_every_plan() {
    // The load balancers still know web5, and the inventory does not.
    let mut big = World::of(
        &[
            ("blue", &["web1", "web2", "web5"]),
            ("green", &["web3", "web4"]),
        ],
        &["lb1", "lb2"],
    );
    big = big.traffic("blue");
    let mut w = World::serving();
    for lb in ["lb1", "lb2"] {
        let known = big.lb(lb).running.get().cloned().flatten();
        w.says(lb, known);
    }
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  write on web1 web2 web3 web4 lb1 lb2: web5 misses this (whoever comes next must know before the change)
          undo: write on web1 web2 web3 web4 lb1 lb2: web5 owes nothing any more
      s5  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3 s4
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s6  lb1: drain, at most 1m00s (open requests of the old slot end) after s5
      s7  lb2: drain, at most 1m00s (open requests of the old slot end) after s5
      note: web5 is not in the inventory any more: app may still run there
      ends succeeded
    ");
    // Once they have forgotten it, the other hosts remember.
    insta::assert_snapshot!(text(&rollback(&World::serving().setup, &World::serving().owes("web5", &[]).fleet, "g1")), @"
    staging app rollback: #42 1.0.1-22-7e56158 → #41 0.41.0, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      note: web5 is not in the inventory any more: app may still run there
      ends succeeded
    ");
}

#[test]
fn a_host_that_was_away_when_another_was_brought_back_does_not_take_it_out_again() {
    let mut w = World::serving().drained("web1");
    assert_eq!(w.fleet.drained().len(), 1);
    for name in ["web2", "web3", "lb1"] {
        match name {
            "lb1" => w.lb(name).record.owing.clear(),
            _ => w.host(name).record.owing.clear(),
        }
    }
    assert_eq!(w.fleet.drained().len(), 0);
    let then = World::serving().drained("web1").fleet.drained();
    let refusal = refuse_other_drained(&w.fleet, &then).unwrap_err();
    insta::assert_snapshot!(refusal.text(), @"
    web1: drained or brought back meanwhile
      hint: the same command again plans anew
    ");
}
