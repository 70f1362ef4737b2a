use crate::fleet::MemberState;
use crate::name::OutcomeKind;
use crate::plan::blue_green::deploy;
use crate::plan::catch_up::catch_up;
use crate::plan::drain::drain;
use crate::plan::fixture::{World, host, release, slot, text};
use crate::plan::resume::{Unfinished, resume};
use crate::plan::switch::{Wish, rollback, switch};
use crate::plan::{Action, Plan, PlanKind, Setup};

fn planned(w: &World, number: u64, kind: PlanKind) -> Plan {
    deploy(&w.setup, &release(&w.setup, number), &w.fleet, kind, "g1").unwrap()
}

fn spares(plan: &Plan) -> Vec<String> {
    let all = plan.steps.iter();
    let all = all.filter(|s| matches!(s.action, Action::Unspare { .. }));
    all.map(|s| format!("{}: {}", s.id, s.action)).collect()
}

#[test]
fn the_slot_that_served_is_the_spare_until_the_bake_is_over() {
    let w = World::serving().up("green", 43).spares();
    insta::assert_snapshot!(text(&Ok(planned(&w, 43, PlanKind::Deploy))), @"
    staging app deploy: #42 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green
      s1  gate green web3 web4 (no traffic before the gates have passed)
      s2  lb1: prepare green (spare blue) (checked by the server before the switch)
      s3  lb2: prepare green (spare blue) (checked by the server before the switch)
      s4  switch lb1 lb2 to green (spare blue) [commit point] (the switch) after s1 s2 s3
          undo: switch lb1 lb2 to blue; lb1: drain, at most 1m00s; lb2: drain, at most 1m00s
      s5  lb1: drain, at most 1m00s (open requests of the old slot end) after s4
      s6  lb2: drain, at most 1m00s (open requests of the old slot end) after s4
      s7  bake green for 30.0 s (gates stay on with traffic) after s4
      s8  lb1 lb2: blue is no spare any more (the bake is over) after s4 s5 s6 s7
      note: green runs #43 1.0.2-30-abc1234 already: it is only gated
      ends succeeded
    ");
}

#[test]
fn what_an_earlier_run_left_as_the_spare_is_none_before_it_is_changed() {
    let mut w = World::serving().spares();
    w.lb("lb2").spare = Some(slot("green"));
    for kind in [PlanKind::Deploy, PlanKind::Stage] {
        let plan = planned(&w, 43, kind);
        assert_eq!(spares(&plan)[0], "s1: lb2: green is no spare any more");
        let first = plan.steps[0].id;
        let pulls = |s: &&crate::plan::Step| matches!(s.action, Action::Replace { .. });
        for step in plan.steps.iter().filter(pulls) {
            assert!(step.needs.contains(&first), "{plan}");
        }
    }
    // What only switches ends it by that.
    assert_eq!(
        spares(&rollback(&w.setup, &w.fleet, "g1").unwrap()),
        [""; 0]
    );
    // The way back is repaired: the same.
    w.host("web4").containers.clear();
    let plan = planned(&w, 42, PlanKind::Deploy);
    assert_eq!(spares(&plan), ["s1: lb2: green is no spare any more"]);
}

/// Whoever takes what nobody takes must be whole, and what served just before; and somebody watches.
#[test]
fn where_it_would_not_be_safe_or_nobody_can_there_is_no_spare() {
    let first = World::empty().spares();
    assert_eq!(spares(&planned(&first, 42, PlanKind::Deploy)), [""; 0]);
    let mut quick = World::serving().spares();
    quick.setup.bake = std::time::Duration::ZERO;
    assert_eq!(spares(&planned(&quick, 43, PlanKind::Deploy)), [""; 0]);
    let unable = World::serving();
    assert_eq!(spares(&planned(&unable, 43, PlanKind::Deploy)), [""; 0]);
    let mut part = World::serving().spares();
    let blue = slot("blue");
    let now = part.setup.all_to(&blue, "g0");
    let web1 = crate::plan::fixture::host("web1");
    let now = Setup::with_member(&now, &blue, &web1, MemberState::Drain, "g0");
    for lb in ["lb1", "lb2"] {
        part.says(lb, Some(now.clone()));
    }
    assert_eq!(spares(&planned(&part, 43, PlanKind::Deploy)), [""; 0]);
    // One of two that can.
    let mut one = World::serving().spares();
    one.setup.balancers[0].spare = false;
    let last = "s12: lb2: blue is no spare any more";
    assert_eq!(spares(&planned(&one, 43, PlanKind::Deploy)), [last]);
}

/// One that does not answer has what the others were given, and nobody can end it there.
#[test]
fn a_spare_of_one_that_is_left_out_is_not_changed() {
    let mut w = World::serving().spares();
    w.lb("lb1").spare = Some(slot("green"));
    let w = w.left_out("lb2");
    let release = release(&w.setup, 43);
    let refused = deploy(&w.setup, &release, &w.fleet, PlanKind::Deploy, "g1").unwrap_err();
    assert_eq!(
        refused.reasons[0].0,
        "green must not be changed: lb2 is left out and may still have it as its spare"
    );
    // A switch goes on, and what it may still do is written down: both slots.
    let plan = rollback(&w.setup, &w.fleet, "g1").unwrap();
    let owed = plan.steps.iter().find_map(|s| match &s.action {
        Action::Owe { owing, .. } => owing.iter().find(|o| o.host == host("lb2")),
        _ => None,
    });
    let slots = &owed.unwrap().slots;
    assert!(
        slots.contains(&slot("blue")) && slots.contains(&slot("green")),
        "{plan}"
    );
    // Without a spare anywhere there is nothing to be afraid of.
    let w = World::serving().spares().left_out("lb2");
    planned(&w, 43, PlanKind::Deploy);
}

/// Whoever leaves traffic where it is ends it too: nobody has to move traffic for it.
#[test]
fn what_was_left_as_the_spare_is_ended_by_whoever_finds_nothing_else_to_do() {
    let mut w = World::serving().spares();
    w.lb("lb2").spare = Some(slot("green"));
    let ends = ["s1: lb2: green is no spare any more"];
    let wish = Wish {
        to: Some(slot("blue")),
        force: false,
    };
    let kept = planned(&w, 42, PlanKind::Deploy);
    let switched = switch(&w.setup, &w.fleet, &wish, "g1").unwrap();
    for plan in [&kept, &switched] {
        assert_eq!(spares(plan), ends, "{plan}");
        assert_eq!((plan.steps.len(), plan.end), (1, OutcomeKind::Succeeded));
    }
    // A host of the spare gets no request from it before it is told that it is drained.
    let drained = drain(&w.setup, &w.fleet, &host("web3"), false, "g1").unwrap();
    assert_eq!(spares(&drained), ends);
    assert_eq!(drained.steps[1].needs, [drained.steps[0].id], "{drained}");
    // Where members of the slot that serves are moved, that ends it.
    let mut repaired = w.clone();
    repaired.container_of("web1").memory = 1 << 30;
    assert_eq!(spares(&planned(&repaired, 42, PlanKind::Deploy)), [""; 0]);
    w.lb("lb2").spare = None;
    let nothing = switch(&w.setup, &w.fleet, &wish, "g1").unwrap();
    assert!(nothing.is_empty() && nothing.end != OutcomeKind::Succeeded);
}

/// What a debt is forgotten for is that there is no spare either.
#[test]
fn one_that_caught_up_has_no_spare() {
    let mut w = World::serving().spares().owes("lb2", &["green"]);
    w.lb("lb2").spare = Some(slot("green"));
    let plan = catch_up(&w.setup, &w.fleet, &[]).unwrap();
    let moves: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|s| match &s.action {
            Action::Shift { moves } => Some(moves.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(moves.len(), 1, "{plan}");
    assert_eq!(moves[0].host, host("lb2"));
    let spare = |t: &Option<crate::fleet::Traffic>| t.clone().unwrap().spare;
    assert_eq!(spare(&moves[0].before), Some(slot("green")));
    assert_eq!(spare(&moves[0].after), None);
    let paid = plan
        .steps
        .iter()
        .find(|s| matches!(&s.action, Action::Owe { paid, .. } if paid == &[host("lb2")]));
    let shift = plan.commit.unwrap();
    assert!(paid.unwrap().needs.contains(&shift), "{plan}");
}

/// What a way back left is what a person fled from.
#[test]
fn a_resumed_way_back_has_no_spare() {
    let mut w = World::serving().up("green", 43).spares();
    let after = w.setup.all_to(&slot("green"), "g1");
    w.says("lb1", Some(after.clone()));
    let mut run = Unfinished {
        target: slot("green"),
        was: [].into(),
        wanted: None,
        before: Some(w.setup.all_to(&slot("blue"), "g0")),
        after: Some(after),
        brings: false,
        again: None,
        removes: None,
        ended: None,
        excluded: [].into(),
        failed: false,
    };
    let plan = resume(&w.setup, &w.fleet, &run).unwrap();
    assert_eq!(spares(&plan), [""; 0], "{plan}");
    run.brings = true;
    let plan = resume(&w.setup, &w.fleet, &run).unwrap();
    assert_eq!(spares(&plan).len(), 1, "{plan}");
}
