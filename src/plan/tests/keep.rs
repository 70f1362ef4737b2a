use crate::fleet::MemberState;
use crate::plan::blue_green::deploy;
use crate::plan::fixture::{World, host, port, release, slot, text};
use crate::plan::{Action, Plan, PlanKind, Refusal};

fn plan(w: &World) -> Result<Plan, Refusal> {
    deploy(
        &w.setup,
        &release(&w.setup, 42),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    )
}

fn shown(w: &World) -> String {
    text(&plan(w))
}

#[test]
fn the_same_version_again_changes_nothing_where_the_way_back_is_fit() {
    insta::assert_snapshot!(shown(&World::serving()), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: way back: green holds #41 0.41.0
      ends no_change
    ");
}

#[test]
fn the_same_version_again_says_that_there_is_no_way_back_yet() {
    let w = World::empty()
        .up("blue", 42)
        .promoted("blue", 42)
        .traffic("blue");
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: green is empty: there is no earlier release to go back to
      ends no_change
    ");
}

#[test]
fn a_staged_release_in_the_standby_is_not_called_a_way_back() {
    let w = World::serving().up("green", 43);
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: green holds #43 1.0.2-30-abc1234, which never served: `deploy switch staging app` goes forward to it
      ends no_change
    ");
}

#[test]
fn a_standby_of_two_releases_is_not_called_a_way_back() {
    let mut w = World::serving();
    w.put(&host("web4"), &slot("green"), 40);
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: green is NOT a way back: its hosts hold different releases; the next version that is deployed takes their place
      ends failed
    ");
}

#[test]
fn a_limit_that_was_changed_by_hand_is_repaired_out_of_traffic() {
    let mut w = World::serving();
    w.container_of("web1").memory = 1 << 30;
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone while one is out)
      s2  switch lb1 lb2 to blue without web1 (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s1
          undo: switch lb1 lb2 to blue
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web1: stop and start blue (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s3 s4
      s6  gate blue web1 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to blue (back into traffic) after s6
          undo if half done: switch lb1 lb2 to blue without web1
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}

#[test]
fn a_member_that_does_not_answer_is_repaired_before_one_that_does_is_taken_out() {
    let mut w = World::serving();
    w.container_of("web1").memory = 1 << 30;
    w.host("web2").containers.clear();
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 (they serve alone while one is out)
      s2  switch lb1 lb2 to blue without web2 (no container of web) after s1
          undo: switch lb1 lb2 to blue
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  web2: stop and start blue (no container of web) after s3 s4
      s6  gate blue web2 (no traffic before the gates have passed) after s5
      s7  switch lb1 lb2 to blue (back into traffic) after s6
          undo if half done: switch lb1 lb2 to blue without web2
      s8  switch lb1 lb2 to blue without web1 (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s7
          undo: switch lb1 lb2 to blue
      s9  lb1: drain, at most 1m00s (open requests of the member end) after s8
      s10 lb2: drain, at most 1m00s (open requests of the member end) after s8
      s11 web1: stop and start blue (web memory limit is 1.0 GiB, wanted 512.0 MiB) after s9 s10
      s12 gate blue web1 (no traffic before the gates have passed) after s11
      s13 switch lb1 lb2 to blue (back into traffic) after s12
          undo if half done: switch lb1 lb2 to blue without web1
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}

#[test]
fn a_member_that_is_out_and_broken_comes_back_into_traffic() {
    let mut w = World::serving().out("blue", "web1");
    w.container_of("web1").state = "exited".into();
    let p = plan(&w);
    insta::assert_snapshot!(text(&p), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone while one is out)
      s2  web1: stop and start blue (web is exited (exit code 0)) after s1
      s3  gate blue web1 (no traffic before the gates have passed) after s2
      s4  switch lb1 lb2 to blue (back into traffic) after s3
          undo if half done: switch lb1 lb2 to blue without web1
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
    let after = p.unwrap().after.unwrap();
    assert!(
        after.groups[&slot("blue")]
            .iter()
            .all(|m| m.state == MemberState::Ready)
    );
}

#[test]
fn a_member_that_is_out_and_well_comes_back_first() {
    let mut w = World::serving().out("blue", "web1");
    w.container_of("web2").nano_cpus = 0;
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  gate blue web1 (it gets no traffic)
      s2  switch lb1 lb2 to blue (it is well: back into traffic) after s1
          undo if half done: switch lb1 lb2 to blue without web1
      s3  probe blue web1 (they serve alone while one is out) after s2
      s4  switch lb1 lb2 to blue without web2 (web cpu limit is none, wanted 1) after s3
          undo: switch lb1 lb2 to blue
      s5  lb1: drain, at most 1m00s (open requests of the member end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the member end) after s4
      s7  web2: stop and start blue (web cpu limit is none, wanted 1) after s5 s6
      s8  gate blue web2 (no traffic before the gates have passed) after s7
      s9  switch lb1 lb2 to blue (back into traffic) after s8
          undo if half done: switch lb1 lb2 to blue without web2
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}

#[test]
fn a_damaged_way_back_is_repaired_alone() {
    let mut w = World::serving();
    w.host("web4").containers.clear();
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  web4: stop and up green (way back: no container of web)
      s2  gate green web4 (the way back is fit) after s1
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}

#[test]
fn active_slot_and_way_back_are_repaired_one_after_the_other() {
    let mut w = World::serving();
    w.container_of("web1").restart = "no".into();
    w.container_of("web3").state = "exited".into();
    let p = plan(&w).unwrap();
    let back = p
        .steps
        .iter()
        .position(|s| s.cause.0 == "back into traffic")
        .unwrap();
    let up = p
        .steps
        .iter()
        .find(|s| matches!(s.action, Action::Replace { .. }))
        .unwrap();
    assert_eq!(up.needs, [p.steps[back].id]);
}

#[test]
fn where_a_member_cannot_be_taken_out_the_repair_goes_through_the_other_slot() {
    let mut w = World::of(&[("blue", &["web1"]), ("green", &["web3"])], &["lb1"])
        .up("green", 41)
        .promoted("green", 41)
        .up("blue", 42)
        .promoted("blue", 42)
        .traffic("blue");
    assert!(plan(&w).unwrap().is_empty());
    w.container_of("web1").memory = 0;
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue → green
      s1  web3: pull (the images of the release)
      s2  web3: stop and up green (web runs 0.41.0) after s1
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s3  gate green web3 (no traffic before the gates have passed) after s2
      s4  lb1: prepare green (checked by the server before the switch)
      s5  switch lb1 to green [commit point] (the switch) after s3 s4
          undo: switch lb1 to blue; lb1: drain, at most 1m00s
      s6  lb1: drain, at most 1m00s (open requests of the old slot end) after s5
      s7  bake green for 30.0 s (gates stay on with traffic) after s5
      note: web1: web memory limit is none, wanted 512.0 MiB
      note: blue has one member only: repaired by way of the other slot
      ends succeeded
    ");
}

#[test]
fn new_addresses_of_members_are_gated_and_then_set() {
    let mut w = World::serving();
    w.setup.groups.get_mut(&slot("blue")).unwrap()[1].address = "web2.new".into();
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  gate blue web1 web2 (the load balancers' members differ from the inventory)
      s2  switch lb1 lb2 to blue (the load balancers' members differ from the inventory) after s1
          undo if half done: switch lb1 lb2 to blue
      note: way back: green holds #41 0.41.0
      ends succeeded
    ");
}

#[test]
fn a_way_back_that_cannot_be_repaired_here_is_no_no_change() {
    let mut w = World::serving();
    let web4 = w.host("web4");
    web4.containers.clear();
    web4.record.slots.clear();
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: green is NOT a way back: web4 has no recorded release there; `deploy sync staging app` brings it
      ends failed
    ");
    let mut w = World::serving().owes("lb2", &["green"]).left_out("lb2");
    w.host("web4").containers.clear();
    insta::assert_snapshot!(shown(&w), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      note: lb2 is owing: it may still send to green since run r-9
      note: lb2 is left out: what it may still send to stays as it is until `deploy catch-up staging app`
      note: blue serves #42 1.0.1-22-7e56158 on every host as wanted, all load balancers agree
      note: green is NOT a way back: green must not be changed: lb2 may still send to green since run r-9: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
      ends failed
    ");
}

#[test]
fn a_way_back_whose_port_is_taken_is_named_before_any_change() {
    let mut w = World::serving();
    w.host("web3").containers.clear();
    let mut foreign = w.host("web1").containers[0].clone();
    foreign.labels.clear();
    foreign.name = "old-nginx".into();
    foreign.image = "nginx:1.20".into();
    foreign.ports = vec![port(8080)];
    w.host("web3").containers.push(foreign);
    insta::assert_snapshot!(shown(&w), @"
    web3: port 8080/tcp of web is held by container old-nginx (nginx:1.20), started 2026-02-07T01:59:00Z
      hint: it is not ours and is left alone; stop it or choose another port
    ");
}

#[test]
fn slots_on_one_machine_are_not_repaired_in_one_run() {
    let mut w = World::of(
        &[("blue", &["web1", "web2"]), ("green", &["web1", "web2"])],
        &["lb1"],
    )
    .up("green", 41)
    .promoted("green", 41)
    .up("blue", 42)
    .promoted("blue", 42)
    .traffic("blue");
    for name in ["web1", "web2"] {
        w.host(name)
            .containers
            .iter_mut()
            .for_each(|c| c.ports.clear());
    }
    for c in &mut w.host("web1").containers {
        c.memory = 0;
    }
    let p = plan(&w).unwrap();
    assert!(
        !p.steps
            .iter()
            .any(|s| matches!(s.action, Action::Replace { .. }))
    );
    assert!(
        p.notes
            .iter()
            .any(|n| n == "green is repaired by the next deploy of this version"),
        "{:?}",
        p.notes
    );
}
