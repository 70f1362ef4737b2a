use crate::plan::blue_green::deploy;
use crate::plan::fixture::{World, host, release, slot, text};
use crate::plan::{Plan, PlanKind, Refusal};

fn plan(w: &World, number: u64, kind: PlanKind) -> Result<Plan, Refusal> {
    deploy(&w.setup, &release(&w.setup, number), &w.fleet, kind, "g1")
}

fn shown(w: &World, number: u64) -> String {
    text(&plan(w, number, PlanKind::Deploy))
}

#[test]
fn the_first_release_goes_into_the_first_slot_and_nothing_is_drained() {
    insta::assert_snapshot!(shown(&World::empty(), 42), @"
    staging app deploy: #42 1.0.1-22-7e56158, blue
      s1  web1: pull (the images of the release)
      s2  web2: pull (the images of the release)
      s3  web1: stop and up blue (no container of web) after s1 s2
          undo: web1: keep evidence of blue; web1: remove blue
      s4  web2: stop and up blue (no container of web) after s1 s2
          undo: web2: keep evidence of blue; web2: remove blue
      s5  gate blue web1 web2 (no traffic before the gates have passed) after s3 s4
      s6  lb1: prepare blue (checked by the server before the switch)
      s7  lb2: prepare blue (checked by the server before the switch)
      s8  switch lb1 lb2 to blue [commit point] (the switch) after s5 s6 s7
          undo: switch lb1 lb2 to nothing of this app
      s9  bake blue for 30.0 s (gates stay on with traffic) after s8
      ends succeeded
    ");
}

#[test]
fn the_next_release_goes_into_the_standby_and_then_gets_the_traffic() {
    insta::assert_snapshot!(shown(&World::serving(), 43), @"
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
      ends succeeded
    ");
}

#[test]
fn a_wanted_release_that_stands_by_is_gated_and_switched_to() {
    let w = World::serving().up("green", 43);
    insta::assert_snapshot!(shown(&w, 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  gate green web3 web4 (no traffic before the gates have passed)
      s2  lb1: prepare green (checked by the server before the switch)
      s3  lb2: prepare green (checked by the server before the switch)
      s4  switch lb1 lb2 to green [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      s7  bake green for 30.0 s (gates stay on with traffic) after s4
      note: green runs #43 1.0.2-30-abc1234 already: it is only gated
      ends succeeded
    ");
}

#[test]
fn only_the_host_that_differs_is_brought_up_again() {
    let mut w = World::serving().up("green", 43);
    w.host("web4").containers.clear();
    insta::assert_snapshot!(shown(&w, 43), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web4: pull (the images of the release)
      s2  web4: stop and up green (no container of web) after s1
          undo: web4: keep evidence of green; web4: remove green
      s3  gate green web3 web4 (no traffic before the gates have passed) after s2
      s4  lb1: prepare green (checked by the server before the switch)
      s5  lb2: prepare green (checked by the server before the switch)
      s6  switch lb1 lb2 to green [commit point] (the switch) after s3 s4 s5
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s7  lb1: drain, at most 1m00s (open requests of the old slot end) after s6
      s8  lb2: drain, at most 1m00s (open requests of the old slot end) after s6
      s9  bake green for 30.0 s (gates stay on with traffic) after s6
      ends succeeded
    ");
}

#[test]
fn what_never_served_is_removed_after_a_failure_what_served_comes_back() {
    let mut w = World::serving().up("green", 41);
    w.container_of("web3").state = "exited".into();
    let undo = |w: &World| {
        let text = shown(w, 41);
        let line = text
            .lines()
            .find(|l| l.contains("undo: web3"))
            .map(str::trim)
            .map(str::to_owned);
        line.unwrap()
    };
    assert_eq!(
        undo(&w),
        "undo: web3: keep evidence of green; web3: green back to #41 0.41.0"
    );
    w.host("web3").record.promoted.clear();
    assert_eq!(
        undo(&w),
        "undo: web3: keep evidence of green; web3: remove green"
    );
}

#[test]
fn staging_ends_before_the_switch() {
    let p = plan(&World::serving(), 43, PlanKind::Stage);
    insta::assert_snapshot!(text(&p), @"
    staging app stage: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  web3: pull (the images of the release)
      s2  web4: pull (the images of the release)
      s3  web3: stop and up green (web runs 0.41.0) after s1 s2
          undo: web3: keep evidence of green; web3: green back to #41 0.41.0
      s4  web4: stop and up green (web runs 0.41.0) after s1 s2
          undo: web4: keep evidence of green; web4: green back to #41 0.41.0
      s5  gate green web3 web4 (no traffic before the gates have passed) after s3 s4
      ends staged
    ");
    let p = p.unwrap();
    assert_eq!(p.before, p.after);
    assert_eq!(p.commit, None);
}

#[test]
fn what_serves_cannot_be_staged_and_is_not_repaired_by_it() {
    let mut w = World::serving();
    w.container_of("web1").memory = 0;
    insta::assert_snapshot!(text(&plan(&w, 42, PlanKind::Stage)), @"
    staging app stage: #42 1.0.1-22-7e56158, blue
      note: blue serves #42 1.0.1-22-7e56158 already: there is nothing to stage
      note: web1: web memory limit is none, wanted 512.0 MiB; `deploy staging app@1.0.1-22-7e56158` repairs it
      ends no_change
    ");
}

#[test]
fn the_first_release_goes_where_it_was_staged() {
    let w = World::empty().up("green", 42);
    let p = plan(&w, 42, PlanKind::Deploy).unwrap();
    assert_eq!(p.target, slot("green"));
}

#[test]
fn an_older_version_is_deployed_with_a_word() {
    let w = World::serving().up("blue", 43).promoted("blue", 43);
    let p = plan(&w, 42, PlanKind::Deploy).unwrap();
    assert_eq!(
        p.notes,
        ["1.0.1-22-7e56158 is older than 1.0.2-30-abc1234, which serves"]
    );
}

#[test]
fn without_bake_there_is_no_step_for_it() {
    let mut w = World::serving();
    w.setup.bake = std::time::Duration::ZERO;
    assert!(!shown(&w, 43).contains("bake"));
}

#[test]
fn nothing_is_ended_before_every_host_has_the_images() {
    let p = plan(&World::serving(), 43, PlanKind::Deploy).unwrap();
    let pulls: Vec<_> = p
        .steps
        .iter()
        .filter(|s| s.action.to_string().contains("pull"))
        .map(|s| s.id)
        .collect();
    assert_eq!(pulls.len(), 2);
    for step in p
        .steps
        .iter()
        .filter(|s| s.action.to_string().contains("stop and up"))
    {
        assert_eq!(step.needs, pulls);
    }
}

#[test]
fn a_plan_of_a_later_look_does_the_same_though_a_container_reads_differently() {
    let mut w = World::serving();
    w.container_of("web3").state = "restarting".into();
    let first = plan(&w, 43, PlanKind::Deploy).unwrap();
    w.container_of("web3").state = "exited".into();
    w.container_of("web3").exit_code = 1;
    let again = plan(&w, 43, PlanKind::Deploy).unwrap();
    assert!(first.does_the_same_as(&again));
    w.put(&host("web3"), &slot("green"), 43);
    let moved = plan(&w, 43, PlanKind::Deploy).unwrap();
    assert!(!first.does_the_same_as(&moved));
}
