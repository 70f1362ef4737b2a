use crate::fleet::RecordView;
use crate::plan::fixture::{World, host, recorded, slot, text};
use crate::plan::sync::sync;

fn synced(w: &World, named: &[&str]) -> String {
    let recorded = recorded(&World::empty().setup, 42, 41);
    let named: Vec<_> = named.iter().map(|n| host(n)).collect();
    text(&sync(&w.setup, &recorded, &w.fleet, &named, "g1"))
}

fn rebuilt(mut w: World, name: &str) -> World {
    w.host(name).containers.clear();
    w.host(name).record = RecordView::default();
    w
}

#[test]
fn what_is_as_recorded_is_left_alone() {
    insta::assert_snapshot!(synced(&World::serving(), &[]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      note: every host runs what is recorded
      ends no_change
    ");
}

#[test]
fn members_are_brought_one_after_the_other() {
    let mut w = World::serving().owes("web2", &[]).out("blue", "web2");
    w.put(&host("web2"), &slot("blue"), 40);
    w.container_of("web1").memory = 1 << 30;
    insta::assert_snapshot!(synced(&w, &[]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      s1  web2: pull (the images of the release)
      s2  web1: pull (the images of the release)
      s3  probe blue web1 (they serve alone while one is out)
      s4  web2: stop and start blue (web runs 0.40.0) after s3 s1 s2
      s5  gate blue web2 (no traffic before the gates have passed) after s4
      s6  switch lb1 lb2 to blue (back into traffic) after s5
          undo if half done: switch lb1 lb2 to blue without web2
      s7  switch lb1 lb2 to blue without web1 (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s6
          undo: switch lb1 lb2 to blue
      s8  lb1: drain, at most 1m00s (open requests of the member end) after s7
      s9  lb2: drain, at most 1m00s (open requests of the member end) after s7
      s10 web1: stop and start blue (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s8 s9
      s11 gate blue web1 (no traffic before the gates have passed) after s10
      s12 switch lb1 lb2 to blue (back into traffic) after s11
          undo if half done: switch lb1 lb2 to blue without web1
      s13 write on web1 web2 web3 web4 lb1 lb2: web2 owes nothing any more (they have caught up) after s7 s12
          undo: write on web1 web2 web3 web4 lb1 lb2: web2 misses this
      note: web2 is owing: it missed run r-9
      ends succeeded
    ");
    // Only what was named.
    insta::assert_snapshot!(synced(&w, &["web2"]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      s1  web2: pull (the images of the release)
      s2  probe blue web1 (they serve alone while one is out)
      s3  web2: stop and start blue (web runs 0.40.0) after s2 s1
      s4  gate blue web2 (no traffic before the gates have passed) after s3
      s5  switch lb1 lb2 to blue (back into traffic) after s4
          undo if half done: switch lb1 lb2 to blue without web2
      s6  write on web1 web2 web3 web4 lb1 lb2: web2 owes nothing any more (they have caught up) after s5
          undo: write on web1 web2 web3 web4 lb1 lb2: web2 misses this
      note: web2 is owing: it missed run r-9
      ends succeeded
    ");
}

#[test]
fn a_member_that_was_rebuilt_stands_by_again() {
    insta::assert_snapshot!(synced(&rebuilt(World::serving(), "web4"), &[]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      s1  web4: pull (the images of the release)
      s2  web4: stop and up green (stands by: no container of web) after s1
      s3  gate green web4 (it is fit to take over) after s2
      ends succeeded
    ");
}

#[test]
fn a_new_member_gets_its_first_requests_when_it_is_well() {
    let mut w = rebuilt(World::serving(), "web2");
    let mut known = w.clone();
    for group in known.setup.groups.values_mut() {
        group.retain(|m| m.host != host("web2"));
    }
    for lb in ["lb1", "lb2"] {
        w.says(lb, Some(known.setup.all_to(&slot("blue"), "g0")));
    }
    insta::assert_snapshot!(synced(&w, &["web2"]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      s1  web2: pull (the images of the release)
      s2  probe blue web1 (they serve alone while one is out)
      s3  web2: stop and start blue (no container of web) after s2 s1
      s4  gate blue web2 (no traffic before the gates have passed) after s3
      s5  gate blue web2 (the load balancers' members differ from the inventory) after s4
      s6  switch lb1 lb2 to blue (the load balancers' members differ from the inventory) after s5
          undo if half done: switch lb1 lb2 to blue
      ends succeeded
    ");
    // Another one is named: it stays outside.
    insta::assert_snapshot!(synced(&w, &["web1"]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      note: every host runs what is recorded
      ends no_change
    ");
}

#[test]
fn who_does_not_answer_is_left_unless_it_is_named() {
    let w = rebuilt(World::serving(), "web4").silent("web3");
    insta::assert_snapshot!(synced(&w, &[]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      s1  web4: pull (the images of the release)
      s2  web4: stop and up green (stands by: no container of web) after s1
      s3  gate green web4 (it is fit to take over) after s2
      note: web3 does not answer and is left as it is: no route to host
      ends succeeded
    ");
    insta::assert_snapshot!(synced(&w, &["web3", "web9"]), @"
    web9 takes no part: it is drained, or app does not run on it
      hint: `deploy undrain staging web9`
    web3 does not answer: no route to host
    ");
}

#[test]
fn the_last_member_that_serves_is_not_taken_out() {
    // web2 is dead and the load balancers still send to it: web1 alone answers.
    let mut w = World::serving().silent("web2");
    w.container_of("web1").memory = 1 << 30;
    let alone = "blue would have 0 of 1 members that it needs while web1 is out\n  hint: make the other members serve first\n";
    assert_eq!(synced(&w, &[]).trim_end(), alone.trim_end());
    // It answers and its container is down: brought first, or not at all.
    let mut w = World::serving();
    w.container_of("web1").memory = 1 << 30;
    w.host("web2").containers.clear();
    assert_eq!(synced(&w, &["web1"]).trim_end(), alone.trim_end());
    assert!(
        synced(&w, &[]).contains("ends succeeded"),
        "{}",
        synced(&w, &[])
    );
}

#[test]
fn what_cannot_be_done_is_refused() {
    insta::assert_snapshot!(synced(&World::empty(), &[]), @"
    no slot has traffic yet
      hint: `deploy staging app@VERSION` brings the first release up
    ");
    let mut w = World::serving();
    w.container_of("web1").memory = 1 << 30;
    w.setup.balancers[0].drain = false;
    insta::assert_snapshot!(synced(&w, &[]), @"
    load balancer lb1 cannot take out single members
      hint: `deploy staging app@1.0.1-22-7e56158` goes through the other slot
    ");
    // What lb2 may still send to is not touched.
    let w = rebuilt(
        World::serving().owes("lb2", &["green"]).left_out("lb2"),
        "web4",
    );
    insta::assert_snapshot!(synced(&w, &[]), @"
    staging app sync: #42 1.0.1-22-7e56158, blue
      note: lb2 is owing: it may still send to green since run r-9
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      note: green must not be changed: lb2 may still send to green since run r-9
      note: every host runs what is recorded
      ends no_change
    ");
}
