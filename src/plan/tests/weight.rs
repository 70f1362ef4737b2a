use crate::fleet::{Member, MemberState};
use crate::name::OutcomeKind;
use crate::plan::fixture::{World, host, id, recorded, release, slot, text};
use crate::plan::restart::restart;
use crate::plan::switch::{self, rollback};
use crate::plan::sync::sync;
use crate::plan::weight::{Wish, weight};
use crate::plan::{self, Plan, PlanKind};

fn staged() -> World {
    World::serving().up("green", 43)
}

fn shown(w: &World, name: &str, share: u32) -> String {
    let slot = slot(name);
    text(&weight(&w.setup, &w.fleet, &Wish { slot, share }, "g1"))
}

#[test]
fn a_share_is_gated_set_and_held() {
    insta::assert_snapshot!(shown(&staged(), "green", 2_000), @"
    staging app weight: blue 80.00 %, green 20.00 %
      s1  probe green web3 web4 (it gets more: one fresh probe of every member from every view)
      s2  lb1: prepare blue 80.00 %, green 20.00 % (checked by the server before the switch)
      s3  lb2: prepare blue 80.00 %, green 20.00 % (checked by the server before the switch)
      s4  switch lb1 lb2 to blue 80.00 %, green 20.00 % [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      note: held until it is changed: green and blue count as active, neither is stopped or changed; `deploy weight staging app green=100%` or `green=0%` ends it, `deploy rollback staging app` gives all back
      ends succeeded
    ");
}

#[test]
fn who_gets_more_is_gated_and_the_whole_ends_it() {
    insta::assert_snapshot!(shown(&staged().shared(2_000), "green", 0), @"
    staging app weight: blue
      s1  probe blue web1 web2 (it gets more: one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue 80.00 %, green 20.00 %; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      ends succeeded
    ");
    let w = staged().shared(2_000);
    let all = shown(&w, "green", 10_000);
    assert!(all.contains("probe green web3 web4"), "{all}");
    assert!(!all.contains("held until"), "{all}");
}

#[test]
fn the_same_share_again_changes_nothing() {
    insta::assert_snapshot!(shown(&staged().shared(2_000), "green", 2_000), @"
    staging app weight: blue 80.00 %, green 20.00 %
      note: all load balancers send to blue 80.00 %, green 20.00 % already
      ends no_change
    ");
}

#[test]
fn what_is_shared_is_neither_stopped_replaced_nor_synced() {
    let w = staged().shared(2_000);
    let new = release(&w.setup, 44);
    let deploy = |kind| text(&plan::deploy(&w.setup, &new, &w.fleet, kind, "g1"));
    let why = deploy(PlanKind::Deploy);
    insta::assert_snapshot!(why, @"
    traffic is shared: blue 80.00 %, green 20.00 %
      hint: every slot that gets some counts as active, and is neither stopped nor changed; `deploy weight staging app SLOT=100%` gives all to one, `deploy rollback staging app` to the one that served before
    ");
    let all = [
        deploy(PlanKind::Stage),
        text(&restart(&w.setup, &w.fleet, "g1")),
        text(&sync(
            &w.setup,
            &recorded(&w.setup, 42, 43),
            &w.fleet,
            &[],
            "g1",
        )),
        text(&switch::switch(
            &w.setup,
            &w.fleet,
            &switch::Wish::default(),
            "g1",
        )),
    ];
    assert_eq!(all, [(); 4].map(|()| why.clone()));
}

#[test]
fn back_is_to_the_slot_that_served_before() {
    let w = staged().shared(2_000);
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    staging app rollback: #43 1.0.2-30-abc1234 → #42 1.0.1-22-7e56158, green → blue
      s1  probe blue web1 web2 (one fresh probe of every member from every view)
      s2  lb1: prepare blue (checked by the server before the switch)
      s3  lb2: prepare blue (checked by the server before the switch)
      s4  switch lb1 lb2 to blue [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue 80.00 %, green 20.00 %; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      ends succeeded
    ");
    // Also where the other one gets most of it by now.
    let w = staged().shared(9_000);
    let back = rollback(&w.setup, &w.fleet, "g1").unwrap();
    assert_eq!(back.target, slot("blue"));
    // Nobody guesses where the record does not say.
    let mut w = staged().shared(2_000);
    for view in w.fleet.hosts.values_mut() {
        view.record.promoted = vec![id(7)];
    }
    insta::assert_snapshot!(text(&rollback(&w.setup, &w.fleet, "g1")), @"
    traffic is shared: blue 80.00 %, green 20.00 %, and which slot served before is not on record
      hint: `deploy switch staging app --to SLOT` gives all to one
    ");
}

#[test]
fn refused_where_it_cannot_be_shared() {
    let mut w = staged();
    w.host("web4").containers.clear();
    insta::assert_snapshot!(shown(&w, "green", 2_000), @"
    green is not fit: web4: no container of web
      hint: `deploy stage staging app@VERSION` brings a release up in the slot that stands by
    ");
    let one = World::rolling(&["web1", "web2"], 42);
    insta::assert_snapshot!(shown(&one, "main", 2_000), @"
    app has one slot only
      hint: there is nothing to share with
    ");
    insta::assert_snapshot!(shown(&World::empty(), "green", 2_000), @"
    no slot has traffic yet
      hint: `deploy staging app@VERSION` brings the first release up
    ");
}

/// Who gets requests by the plan, at every load balancer.
fn ready(plan: &Plan) -> Vec<&str> {
    let after = plan.after.as_ref().expect("traffic");
    let slots = after.groups.iter().filter(|(s, _)| after.reaches(s));
    let members = slots.flat_map(|(_, members)| members);
    let ready = members.filter(|m| m.state == MemberState::Ready);
    ready.map(|m| m.host.as_str()).collect()
}

#[test]
fn who_was_never_gated_or_is_out_of_traffic_gets_none_by_another_slots_share() {
    // web1 is out of traffic, web2 is new in the inventory, was never brought up, and no load
    // balancer knows it.
    let mut w = staged().shared(500).out("blue", "web1");
    let extra = w.setup.groups[&slot("blue")][1].clone();
    for name in ["lb1", "lb2"] {
        let mut now = w.lb(name).running.get().cloned().flatten().unwrap();
        let group = now.groups.get_mut(&slot("blue")).unwrap();
        group.retain(|m| m.host != extra.host);
        group.push(Member {
            host: host("web0"),
            ..extra.clone()
        });
        w.says(name, Some(now));
    }
    let well = Member {
        host: host("web0"),
        ..extra
    };
    w.setup.groups.get_mut(&slot("blue")).unwrap().push(well);
    let share = |slot: &str, share| {
        let slot = slot.parse().unwrap();
        weight(&w.setup, &w.fleet, &Wish { slot, share }, "g1").unwrap()
    };
    let more = share("green", 5_000);
    assert_eq!(ready(&more), ["web0", "web3", "web4"], "{more}");
    // The same share again: nobody gets more, nobody new gets any.
    let again = share("green", 500);
    assert!(again.is_empty(), "{again}");
    assert_eq!(again.end, OutcomeKind::NoChange);
    assert_eq!(ready(&again), ["web0", "web3", "web4"], "{again}");
    // All to green leaves blue with the members that it has.
    let to = switch::Wish {
        to: Some(slot("green")),
        force: false,
    };
    let all = switch::switch(&w.setup, &w.fleet, &to, "g1").unwrap();
    let left = &all.after.as_ref().unwrap().groups[&slot("blue")];
    let left: Vec<_> = left.iter().map(|m| (m.host.as_str(), m.state)).collect();
    let out = [("web1", MemberState::Drain), ("web0", MemberState::Ready)];
    assert_eq!(left, out);
}

#[test]
fn who_serves_alone_in_the_end_is_who_was_gated() {
    for had in [0, 500, 5_000] {
        let w = staged().shared(had);
        for (name, share) in [
            ("green", 0),
            ("green", 10_000),
            ("blue", 0),
            ("blue", 10_000),
        ] {
            let slot = slot(name);
            let plan = weight(&w.setup, &w.fleet, &Wish { slot, share }, "g1").unwrap();
            let sole = plan.after.as_ref().and_then(|t| t.sole());
            assert_eq!(sole, Some(&plan.target), "{had} {name} {share}");
        }
    }
    insta::assert_snapshot!(shown(&staged(), "green", 0), @"
    staging app weight: blue
      note: all load balancers send to blue already
      ends no_change
    ");
}
