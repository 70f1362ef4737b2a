use crate::fleet::Traffic;
use crate::name::HostName;
use crate::plan::fixture::{World, host, text};
use crate::plan::remove::remove;
use crate::plan::resume::{Unfinished, resume};
use crate::plan::{Action, Plan};

fn removed(w: &World, hosts: &[&str], force: bool) -> String {
    text(&plan(w, hosts, force))
}

fn plan(w: &World, hosts: &[&str], force: bool) -> Result<Plan, crate::plan::Refusal> {
    let hosts: Vec<HostName> = hosts.iter().map(|h| host(h)).collect();
    remove(&w.setup, &w.fleet, &hosts, force, "g1")
}

#[test]
fn the_whole_app_leaves_all_load_balancers_before_anything_is_ended() {
    insta::assert_snapshot!(removed(&World::serving(), &[], false), @r"
    staging app remove: away from #42 1.0.1-22-7e56158, blue
      s1  switch lb1 lb2 to nothing of this app [commit point] (nobody serves it any more)
          undo: switch lb1 lb2 to blue
      s2  lb1: drain, at most 1m00s (open requests of what is removed end) after s1
      s3  lb2: drain, at most 1m00s (open requests of what is removed end) after s1
      s4  web1: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s5  web2: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s6  web3: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s7  web4: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      note: volumes and images stay, and the history of the app
      note: no slot of app serves after this
      ends succeeded
    ");
}

#[test]
fn members_that_serve_leave_when_the_others_are_known_to_be_well() {
    insta::assert_snapshot!(removed(&World::serving(), &["web1", "web3"], false), @r"
    staging app remove: #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone from now on)
      s2  switch lb1 lb2 to blue without web1 (they are to be removed) after s1
          undo: switch lb1 lb2 to blue
      s3  lb1: drain, at most 1m00s (open requests of the member end) after s2
      s4  lb2: drain, at most 1m00s (open requests of the member end) after s2
      s5  switch lb1 lb2 to blue (no load balancer knows them any more) after s3 s4
          undo: switch lb1 lb2 to blue without web1
      s6  web1: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s5
      s7  web3: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s5
      note: take web1 web3 out of inventories/staging.yml now: until then nothing goes back to green, and the next deploy or sync brings them again
      note: volumes and images stay, and the history of the app
      ends succeeded
    ");
}

#[test]
fn members_that_do_not_serve_leave_at_once_and_debts_go_with_them() {
    let w = World::serving().drained("web3");
    insta::assert_snapshot!(removed(&w, &["web3", "web4"], false), @r"
    staging app remove: #42 1.0.1-22-7e56158, blue
      s1  switch lb1 lb2 to blue (no load balancer knows them any more)
          undo: switch lb1 lb2 to blue
      s2  web3: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s1
      s3  web4: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s1
      s4  write on web1 web2 web3 web4 lb1 lb2: web3 owes nothing any more (they are not of the app any more) after s2 s3
          undo: write on web1 web2 web3 web4 lb1 lb2: web3 is drained
      note: web3 was drained by run r-9: out of traffic until `deploy undrain staging web3`
      note: green has no member left: there is no way back to it
      note: take web3 web4 out of inventories/staging.yml now: until then nothing goes back to green, and the next deploy or sync brings them again
      note: volumes and images stay, and the history of the app
      ends succeeded
    ");
}

#[test]
fn too_few_that_go_on_serving_are_refused() {
    insta::assert_snapshot!(removed(&World::serving(), &["web1", "web2"], true), @r"
    nobody would serve app: blue has no other member
      hint: `deploy switch staging app` to the other slot first; without --hosts the whole app is removed
    ");
    let mut w = World::serving();
    w.setup.min_healthy = 2;
    insta::assert_snapshot!(removed(&w, &["web2"], false), @r"
    blue would have 1 of 2 members that it needs
      hint: --force -m REASON does it all the same
    ");
    assert!(plan(&w, &["web2"], true).is_ok());
    w.setup.balancers[1].drain = false;
    insta::assert_snapshot!(removed(&w, &["web2"], true), @"load balancer lb2 cannot take out single members");
}

#[test]
fn who_does_not_answer_or_owes_stands_against_it() {
    insta::assert_snapshot!(removed(&World::serving().silent("web4"), &[], false), @r"
    web4 does not answer: no route to host
      hint: make it answer; where it is gone for good, take it out of inventories/staging.yml
    ");
    insta::assert_snapshot!(removed(&World::serving().silent("lb2"), &[], false), @r"
    load balancer lb2 does not say what it does
      hint: make it answer: it would go on sending to what is removed
    ");
    insta::assert_snapshot!(removed(&World::serving().owes("lb2", &["green"]), &[], false), @r"
    lb2 is owing: it may still send to green since run r-9
      hint: `deploy catch-up staging app` leads it to what the others do; where it is gone for good: `deploy catch-up staging app --forget-lb lb2 -m REASON`
    ");
    insta::assert_snapshot!(removed(&World::serving().owes("web2", &[]), &["web3"], false), @r"
    web2 is owing: it missed run r-9
      hint: `deploy sync staging app` brings it
    ");
}

#[test]
fn what_is_not_there_is_not_removed() {
    insta::assert_snapshot!(removed(&World::empty(), &[], false), @r"
    staging app remove, blue
      note: nothing of it is there
      ends no_change
    ");
    // Half of it is gone: the rest goes.
    let mut w = World::serving();
    w.says("lb1", None);
    for name in ["web1", "web3"] {
        let view = w.host(name);
        view.containers.clear();
        view.record = crate::fleet::RecordView::default();
    }
    insta::assert_snapshot!(removed(&w, &[], false), @r"
    staging app remove: away from #42 1.0.1-22-7e56158, blue
      s1  switch lb2 to nothing of this app [commit point] (nobody serves it any more)
          undo: switch lb2 to blue
      s2  lb1: drain, at most 1m00s (open requests of what is removed end) after s1
      s3  lb2: drain, at most 1m00s (open requests of what is removed end) after s1
      s4  web2: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s5  web4: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      note: volumes and images stay, and the history of the app
      note: no slot of app serves after this
      ends succeeded
    ");
}

fn unfinished(plan: &Plan) -> Unfinished {
    Unfinished {
        target: plan.target.clone(),
        was: [].into(),
        wanted: None,
        before: plan.before.clone(),
        after: plan.after.clone(),
        removes: Some(plan.removes.iter().cloned().collect()),
        again: None,
        brings: false,
        ended: None,
        excluded: [].into(),
        failed: false,
    }
}

/// The values of all changes of traffic, in order.
fn values(plan: &Plan) -> Vec<Option<Traffic>> {
    let shifts = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Shift { moves } => Some(moves[0].after.clone()),
        _ => None,
    });
    shifts.collect()
}

#[test]
fn one_that_was_left_is_finished_from_the_first_change_of_traffic_on() {
    let w = World::serving();
    let run = unfinished(&plan(&w, &[], false).unwrap());
    insta::assert_snapshot!(text(&resume(&w.setup, &w.fleet, &run)), @r"
    staging app resume: #42 1.0.1-22-7e56158, blue
      note: no load balancer was changed and nothing was removed
      ends cancelled
    ");
    let mut half = w.clone();
    half.says("lb2", None);
    insta::assert_snapshot!(text(&resume(&w.setup, &half.fleet, &run)), @r"
    staging app resume: away from #42 1.0.1-22-7e56158, blue
      s1  switch lb1 lb2 to nothing of this app (as the others do)
      s2  lb1: drain, at most 1m00s (open requests of what is removed end) after s1
      s3  lb2: drain, at most 1m00s (open requests of what is removed end) after s1
      s4  web1: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s5  web2: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s6  web3: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      s7  web4: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s2 s3
      note: load balancers were changed already: it is finished
      ends succeeded
    ");

    let some = plan(&w, &["web1", "web3"], false).unwrap();
    let run = unfinished(&some);
    let all = values(&some);
    for (lb1, lb2) in [(0, 0), (0, 1), (1, 1)] {
        let mut half = w.clone();
        half.says("lb1", all[lb1].clone());
        half.says("lb2", all[lb2].clone());
        let plan = resume(&w.setup, &half.fleet, &run).unwrap();
        assert_eq!(plan.after, all[1], "{lb1} {lb2}");
        assert_eq!(values(&plan).is_empty(), (lb1, lb2) == (1, 1));
    }
    let mut half = w.clone();
    half.says("lb1", all[0].clone());
    insta::assert_snapshot!(text(&resume(&w.setup, &half.fleet, &run)), @r"
    staging app resume: away from #42 1.0.1-22-7e56158, blue
      s1  probe blue web2 (they serve alone from now on)
      s2  switch lb1 lb2 to blue (as the others do) after s1
      s3  lb1: drain, at most 1m00s (open requests of what is removed end) after s2
      s4  lb2: drain, at most 1m00s (open requests of what is removed end) after s2
      s5  web1: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s3 s4
      s6  web3: stop and remove blue and green, with releases and secrets (no load balancer sends there) after s3 s4
      note: load balancers were changed already: it is finished
      ends succeeded
    ");
    let failed = Unfinished {
        failed: true,
        ..run.clone()
    };
    insta::assert_snapshot!(text(&resume(&w.setup, &half.fleet, &failed)), @r"
    staging app resume: away from #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 (no traffic before the gates have passed)
      s2  switch lb1 lb2 to blue (the way back) after s1
      note: those that would be left are not well: all get their traffic back
      ends rolled_back
    ");
    let mut hand = w.setup.all_to(&"green".parse().unwrap(), "hand");
    hand.groups.clear();
    half.says("lb2", Some(hand));
    insta::assert_snapshot!(text(&resume(&w.setup, &half.fleet, &run)), @r"
    load balancer lb2 was changed by somebody else since
      hint: nothing is touched; `deploy switch staging app --to SLOT --take-over -m REASON` sets all of them
    ");
}

#[test]
fn the_inventory_is_to_be_changed_by_a_person() {
    let last = |w: &World, name: &str| {
        let plan = plan(w, &[name], false).unwrap();
        let mut notes = plan.notes.into_iter();
        notes.find(|n| n.starts_with("take ")).unwrap()
    };
    assert_eq!(
        last(&World::serving(), "web2"),
        "take web2 out of inventories/staging.yml now: until then the next deploy or sync brings it again"
    );
    assert_eq!(
        last(&World::rolling(&["web1", "web2"], 42), "web2"),
        "take web2 out of inventories/staging.yml now: until then there is no rollback, and the next deploy or sync brings it again"
    );
}

#[test]
fn one_that_had_nothing_to_clean_up_is_finished_as_well() {
    let blue = World::empty().up("blue", 42).promoted("blue", 42);
    let w = blue.traffic("blue");
    let some = plan(&w, &["web3"], false).unwrap();
    let removes = |s: &crate::plan::Step| matches!(s.action, Action::Remove { .. });
    assert!(!some.steps.iter().any(removes), "{some}");
    assert_eq!(some.removes, [host("web3")]);
    let mut half = w.clone();
    half.says("lb1", values(&some)[0].clone());
    insta::assert_snapshot!(text(&resume(&w.setup, &half.fleet, &unfinished(&some))), @r"
    staging app resume: away from #42 1.0.1-22-7e56158, blue
      s1  probe blue web1 web2 (they serve alone from now on)
      s2  switch lb1 lb2 to blue (as the others do) after s1
      s3  lb1: drain, at most 1m00s (open requests of what is removed end) after s2
      s4  lb2: drain, at most 1m00s (open requests of what is removed end) after s2
      note: load balancers were changed already: it is finished
      ends succeeded
    ");
}

#[test]
fn load_balancers_that_differed_all_lose_the_app_where_one_has_lost_it() {
    let mut w = World::serving();
    let green = w.setup.all_to(&"green".parse().unwrap(), "hand");
    w.says("lb2", Some(green));
    let run = unfinished(&plan(&w, &[], false).unwrap());
    insta::assert_snapshot!(text(&resume(&w.setup, &w.fleet, &run)), @r"
    load balancer lb2 was changed by somebody else since
      hint: nothing is touched; `deploy switch staging app --to SLOT --take-over -m REASON` sets all of them
    ");
    w.says("lb1", None);
    let plan = resume(&w.setup, &w.fleet, &run).unwrap();
    assert_eq!(values(&plan), [None]);
    assert_eq!(plan.after, None);
    assert_eq!(
        plan.steps
            .iter()
            .filter(|s| matches!(s.action, Action::Remove { .. }))
            .count(),
        4
    );
}
