use std::collections::BTreeSet;

use crate::fleet::MemberState;
use crate::plan::fixture::{World, host, id, slot, text};
use crate::plan::resume::{Unfinished, resume};
use crate::plan::{Action, Setup};

/// A restart of blue.
fn restart(w: &World) -> Unfinished {
    Unfinished {
        target: slot("blue"),
        was: ["web1", "web2"].map(|h| (host(h), id(42))).into(),
        wanted: Some(id(42)),
        before: Some(w.setup.all_to(&slot("blue"), "g0")),
        after: Some(w.setup.all_to(&slot("blue"), "g1.4")),
        removes: None,
        again: None,
        brings: false,
        ended: None,
        excluded: BTreeSet::new(),
        failed: false,
    }
}

fn shown(w: &World, run: &Unfinished) -> String {
    text(&resume(&w.setup, &w.fleet, run))
}

#[test]
fn a_restart_that_left_a_member_down_and_out_brings_it_back_and_takes_nothing_away() {
    let mut w = World::serving();
    let run = restart(&w);
    let before = run.before.clone().unwrap();
    let out = Setup::with_member(
        &before,
        &slot("blue"),
        &host("web1"),
        MemberState::Drain,
        "g1.1",
    );
    w.says("lb1", Some(out));
    w.host("web1").containers.clear();
    let p = resume(&w.setup, &w.fleet, &run);
    insta::assert_snapshot!(text(&p), @"
    staging app resume: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (whoever answers gets the traffic)
      s2  switch lb1 lb2 to blue without web1 (whoever does not answer gets none) after s1
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: stop and start blue (the run left it like this) after s3 s4
      s6  gate blue web1 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to blue (back into traffic) after s6
          undo if half done: switch lb1 lb2 to blue without web1
      ends cancelled
    ");
    let steps = p.unwrap().steps;
    let takes = |a: &Action| matches!(a, Action::Revert { .. } | Action::Evidence { .. });
    assert!(!steps.iter().any(|s| takes(&s.action)));
}

#[test]
fn a_restart_that_left_a_member_out_and_well_gives_it_its_traffic() {
    let w = World::serving().out("blue", "web2");
    insta::assert_snapshot!(shown(&w, &restart(&w)), @"
    staging app resume: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (whoever answers gets the traffic)
      s2  switch lb1 lb2 to blue (whoever does not answer gets none) after s1
      ends cancelled
    ");
}

#[test]
fn a_restart_that_left_all_well_has_nothing_to_be_done() {
    let w = World::serving();
    insta::assert_snapshot!(shown(&w, &restart(&w)), @"
    staging app resume: #42 1.0.1-22-7e56158, blue
      note: blue serves on every member: nothing is left to do
      ends cancelled
    ");
}

#[test]
fn a_restart_whose_members_are_all_down_touches_nothing() {
    let mut w = World::serving();
    let run = restart(&w);
    w.host("web1").containers.clear();
    w.host("web2").containers.clear();
    insta::assert_snapshot!(shown(&w, &run), @"
    neither slot is fit: web1: no container of web
    neither slot is fit: web2: no container of web
      hint: nothing is touched; `deploy switch staging app --to SLOT --force -m REASON` when you know which
    ");
    let green = w.setup.all_to(&slot("green"), "hand");
    w.says("lb2", Some(green));
    insta::assert_snapshot!(shown(&w, &run), @"
    load balancer lb2 was changed by somebody else since: it sends to green
      hint: nothing is touched; `deploy switch staging app --to SLOT` sets all of them
    ");
}
