use crate::plan::fixture::{World, text};
use crate::plan::restart::restart;

fn shown(w: &World) -> String {
    text(&restart(&w.setup, &w.fleet, "g1"))
}

#[test]
fn member_by_member_out_up_gated_back() {
    insta::assert_snapshot!(shown(&World::serving()), @"
    staging app restart: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone while one is out)
      s2  switch lb1 lb2 to blue without web1 (restart) after s1
          undo: switch lb1 lb2 to blue
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: stop and start blue (restart) after s3 s4
      s6  gate blue web1 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to blue (back into traffic) after s6
          undo if half done: switch lb1 lb2 to blue without web1
      s8  switch lb1 lb2 to blue without web2 (restart) after s7
          undo: switch lb1 lb2 to blue
      s9  lb1: drain, at most 1m00s (open requests of the member end) after s8
      s10 lb2: drain, at most 1m00s (open requests of the member end) after s8
      s11 web2: stop and start blue (restart) after s9 s10
      s12 gate blue web2 (no traffic before the gates have passed) after s11
      s13 switch lb1 lb2 to blue (back into traffic) after s12
          undo if half done: switch lb1 lb2 to blue without web2
      ends succeeded
    ");
}

#[test]
fn the_member_that_does_not_answer_goes_first() {
    let mut w = World::serving();
    w.container_of("web2").state = "exited".into();
    let text = shown(&w);
    let restarts: Vec<&str> = text
        .lines()
        .filter(|l| l.contains("stop and start"))
        .collect();
    assert!(
        restarts[0].contains("web2") && restarts[1].contains("web1"),
        "{text}"
    );
}

#[test]
fn the_standby_may_be_silent() {
    let w = World::serving().silent("web3");
    assert!(restart(&w.setup, &w.fleet, "g1").is_ok());
    let w = World::serving().silent("web1");
    insta::assert_snapshot!(shown(&w), @"web1 does not answer: no route to host");
}

#[test]
fn refused_with_one_member() {
    let w = World::of(&[("blue", &["web1"]), ("green", &["web3"])], &["lb1"])
        .up("blue", 42)
        .traffic("blue");
    insta::assert_snapshot!(shown(&w), @"
    blue has one member only
      hint: a restart would drop requests; `deploy staging app@VERSION` with another version goes through the other slot
    ");
}

#[test]
fn refused_where_a_load_balancer_cannot_take_out_single_members() {
    let mut w = World::serving();
    w.setup.balancers[1].drain = false;
    insta::assert_snapshot!(shown(&w), @"
    load balancer lb2 cannot take out single members
      hint: a restart would drop requests; `deploy staging app@VERSION` with another version goes through the other slot
    ");
}

#[test]
fn refused_while_a_member_is_out() {
    let w = World::serving().out("blue", "web2");
    insta::assert_snapshot!(shown(&w), @"
    web2 gets no traffic: one more member out would be one too many
      hint: `deploy staging app@VERSION` with the version that runs puts it back
    ");
}

#[test]
fn refused_where_nothing_serves_and_where_nothing_is_recorded() {
    insta::assert_snapshot!(shown(&World::empty()), @"
    no slot has traffic yet
      hint: `deploy staging app@VERSION` brings the first release up
    ");
    let mut w = World::serving();
    w.host("web1").record.slots.clear();
    insta::assert_snapshot!(shown(&w), @"
    web1 has no recorded release of app in blue
      hint: only what was brought up by `deploy` can be started again; deploy a version first
    ");
}
