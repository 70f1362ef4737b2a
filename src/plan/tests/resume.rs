use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Known, Traffic};
use crate::name::OutcomeKind;
use crate::plan::fixture::{World, host, id, slot};
use crate::plan::resume::{Unfinished, resume};
use crate::plan::{Action, Plan, Refusal};

/// A deploy of #43 into green, where #41 was; blue serves #42.
fn deploy(w: &World) -> Unfinished {
    let target = slot("green");
    let was: BTreeMap<_, _> = w
        .setup
        .hosts(&target)
        .map(|h| (h.clone(), id(41)))
        .collect();
    Unfinished {
        was,
        wanted: Some(id(43)),
        before: Some(w.setup.all_to(&slot("blue"), "g0")),
        after: Some(w.setup.all_to(&target, "g1")),
        target,
        removes: None,
        again: None,
        brings: true,
        ended: None,
        excluded: BTreeSet::new(),
        failed: false,
    }
}

/// The world in the middle of that deploy: green is up with #43, #41 is still kept.
fn staged() -> World {
    let mut w = World::serving();
    for name in ["web3", "web4"] {
        let old = w.host(name).record.kept.clone();
        w.put(&host(name), &slot("green"), 43);
        w.host(name).record.kept.extend(old);
    }
    w
}

fn green(w: &World) -> Traffic {
    w.setup.all_to(&slot("green"), "g1")
}

fn planned(w: &World) -> Result<Plan, Refusal> {
    resume(&w.setup, &w.fleet, &deploy(w))
}

/// What each step does, in order.
fn deeds(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| s.action.to_string()).collect()
}

#[test]
fn before_the_switch_what_was_begun_is_taken_back() {
    let plan = planned(&staged()).unwrap();
    assert_eq!(plan.end, OutcomeKind::Cancelled);
    assert_eq!(
        deeds(&plan),
        [
            "web3: keep evidence of green",
            "web3: green back to release r41",
            "web4: keep evidence of green",
            "web4: green back to release r41",
        ]
    );
}

#[test]
fn a_run_that_had_changed_nothing_has_nothing_to_take_back() {
    let plan = planned(&World::serving()).unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.end, OutcomeKind::Cancelled);
}

#[test]
fn one_load_balancer_switched_and_the_new_slot_fit_goes_forward() {
    let mut w = staged();
    w.says("lb2", Some(green(&w)));
    let plan = planned(&w).unwrap();
    assert_eq!(plan.end, OutcomeKind::Succeeded);
    assert_eq!(deeds(&plan)[0], "probe green web3 web4");
    assert!(
        deeds(&plan).contains(&"switch lb1 lb2 to green".to_owned()),
        "{plan}"
    );
    // A failure leads all of them to blue, not back to the split in which they were found.
    let shift = plan
        .steps
        .iter()
        .find(|s| Some(s.id) == plan.commit)
        .unwrap();
    let crate::plan::Undo::Do(undo) = &shift.undo else {
        panic!("{plan}");
    };
    assert_eq!(undo[0].to_string(), "switch lb1 lb2 to blue");
}

#[test]
fn one_load_balancer_switched_and_the_new_slot_unfit_goes_back() {
    let mut w = staged();
    w.says("lb2", Some(green(&w)));
    "exited".clone_into(&mut w.container_of("web3").state);
    let plan = planned(&w).unwrap();
    assert_eq!(plan.end, OutcomeKind::RolledBack);
    assert_eq!(
        deeds(&plan)[..2],
        ["probe blue web1 web2", "switch lb1 lb2 to blue"]
    );
    // The candidate goes only after its open requests have ended.
    let revert = plan
        .steps
        .iter()
        .find(|s| matches!(s.action, Action::Evidence { .. }))
        .unwrap();
    assert_eq!(revert.needs.len(), 3, "{plan}");
}

#[test]
fn where_somebody_else_changed_a_load_balancer_or_it_is_not_known_nothing_is_touched() {
    let mut w = staged();
    let mut other = green(&w);
    other.groups.clear();
    w.says("lb1", Some(other));
    assert!(
        planned(&w).unwrap_err().reasons[0]
            .0
            .contains("lb1 was changed by somebody else")
    );
    let mut w = staged();
    w.lb("lb1").running = Known::Unknown("refused".into());
    let refusal = planned(&w).unwrap_err();
    assert!(refusal.unknown && refusal.reasons[0].0.contains("lb1 does not say"));
}

#[test]
fn where_neither_slot_is_fit_nothing_is_touched() {
    let mut w = staged();
    w.says("lb2", Some(green(&w)));
    "exited".clone_into(&mut w.container_of("web3").state);
    "exited".clone_into(&mut w.container_of("web1").state);
    let refusal = planned(&w).unwrap_err();
    assert!(!refusal.unknown);
    assert!(
        refusal
            .reasons
            .iter()
            .all(|(what, _)| what.starts_with("neither slot is fit"))
    );
}

/// A weight that gives blue more of a shared traffic, left at once; web1 of blue is down.
fn more_to_blue() -> (World, Unfinished) {
    let share = |green| World::serving().up("green", 43).shared(green);
    let doing = |mut w: World| w.lb("lb1").running.get().cloned().flatten();
    let mut w = share(2_000);
    "exited".clone_into(&mut w.container_of("web1").state);
    let run = Unfinished {
        target: slot("blue"),
        was: w
            .setup
            .hosts(&slot("blue"))
            .map(|h| (h.clone(), id(42)))
            .collect(),
        wanted: Some(id(42)),
        before: doing(share(2_000)),
        after: doing(share(500)),
        ..deploy(&w)
    };
    (w, run)
}

#[test]
fn shares_that_no_load_balancer_has_come_to_leave_nothing_to_take_back() {
    let (w, run) = more_to_blue();
    insta::assert_snapshot!(resume(&w.setup, &w.fleet, &run).unwrap(), @"
    staging app resume: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, green → blue
      note: no load balancer has come to the new shares, and no slot was changed
    ");
}

#[test]
fn shares_go_back_and_what_serves_in_both_slots_is_not_stopped() {
    let (mut w, run) = more_to_blue();
    w.says("lb2", run.after.clone());
    insta::assert_snapshot!(resume(&w.setup, &w.fleet, &run).unwrap(), @"
    staging app resume: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  probe green web3 web4 (one fresh probe of every member from every view)
      s2  switch lb1 lb2 to blue 80.00 %, green 20.00 % [commit point] (the way back) after s1
      note: the switch had begun, but the new slot is not fit: traffic goes back
    ");
}
