use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::fleet::{Health, MemberState, Traffic};
use crate::name::{HostName, SlotName, StepId};
use crate::plan::fixture::{World, host, release, slot};
use crate::plan::switch::{Wish, rollback, switch};
use crate::plan::{Action, Plan, PlanKind, Setup, Undo, blue_green, restart};

/// How one host of the fleet is found.
#[derive(Debug, Clone, Copy)]
enum Found {
    AsItShould,
    Empty,
    Ended,
    Unhealthy,
    OtherLimit,
    OtherRelease,
    Promoted,
    Silent,
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        6 => Just(Found::AsItShould),
        1 => Just(Found::Empty),
        1 => Just(Found::Ended),
        1 => Just(Found::Unhealthy),
        1 => Just(Found::OtherLimit),
        1 => Just(Found::OtherRelease),
        1 => Just(Found::Promoted),
        1 => Just(Found::Silent),
    ]
}

/// Where a load balancer sends to.
#[derive(Debug, Clone, Copy)]
enum Sends {
    Nowhere,
    Blue,
    Green,
    BlueWithout(usize),
    Shared,
}

fn sends() -> impl Strategy<Value = Sends> {
    prop_oneof![
        1 => Just(Sends::Nowhere),
        8 => Just(Sends::Blue),
        3 => Just(Sends::Green),
        2 => (0_usize..2).prop_map(Sends::BlueWithout),
        1 => Just(Sends::Shared),
    ]
}

fn traffic(setup: &Setup, sends: Sends) -> Option<Traffic> {
    let blue = setup.all_to(&slot("blue"), "g0");
    Some(match sends {
        Sends::Nowhere => return None,
        Sends::Blue => blue,
        Sends::Green => setup.all_to(&slot("green"), "g0"),
        Sends::BlueWithout(n) => {
            let name = ["web1", "web2"][n];
            Setup::with_member(&blue, &slot("blue"), &host(name), MemberState::Drain, "g0")
        }
        Sends::Shared => {
            let mut shared = blue;
            shared.split = [(slot("blue"), 9_000), (slot("green"), 1_000)].into();
            shared
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let hosts = proptest::collection::vec(found(), 4);
    let ends = (
        sends(),
        prop_oneof![9 => Just(None), 1 => sends().prop_map(Some)],
    );
    let standby = prop_oneof![Just(0), Just(41), Just(43)];
    (hosts, ends, standby).prop_map(|(hosts, (first, second), standby)| {
        let mut w = World::empty().up("blue", 42).promoted("blue", 42);
        if standby > 0 {
            w = w.up("green", standby).promoted("green", 41);
        }
        for (i, found) in hosts.into_iter().enumerate() {
            let name = ["web1", "web2", "web3", "web4"][i];
            w = spoil(w, name, if i < 2 { "blue" } else { "green" }, found);
        }
        let second = second.unwrap_or(first);
        for (lb, sends) in [("lb1", first), ("lb2", second)] {
            let t = traffic(&w.setup, sends);
            w.says(lb, t);
        }
        w
    })
}

fn spoil(mut w: World, name: &str, in_slot: &str, found: Found) -> World {
    match found {
        Found::AsItShould => {}
        Found::Empty => w.host(name).containers.clear(),
        Found::Ended | Found::Unhealthy | Found::OtherLimit => {
            for c in &mut w.host(name).containers {
                match found {
                    Found::Ended => c.state = "exited".into(),
                    Found::Unhealthy => c.health = Health::Unhealthy,
                    _ => c.memory = 1,
                }
            }
        }
        Found::OtherRelease => w.put(&host(name), &slot(in_slot), 40),
        Found::Promoted => {
            let all = [40, 41, 42, 43].map(crate::plan::fixture::id);
            w.host(name).record.promoted = all.into();
        }
        Found::Silent => w = w.silent(name),
    }
    w
}

/// Every plan that can be made of what is found.
fn plans(w: &World) -> Vec<Plan> {
    let (setup, fleet) = (&w.setup, &w.fleet);
    let mut out = Vec::new();
    for number in [41, 42, 43] {
        for kind in [PlanKind::Deploy, PlanKind::Stage] {
            out.extend(blue_green::deploy(
                setup,
                &release(setup, number),
                fleet,
                kind,
                "g1",
            ));
        }
    }
    for name in ["blue", "green"] {
        for force in [false, true] {
            let to = Some(slot(name));
            out.extend(switch(setup, fleet, &Wish { to, force }, "g1"));
        }
    }
    out.extend(switch(setup, fleet, &Wish::default(), "g1"));
    out.extend(rollback(setup, fleet, "g1"));
    out.extend(restart::restart(setup, fleet, "g1"));
    out
}

/// All steps that a step waits for.
fn before(plan: &Plan, id: StepId) -> BTreeSet<StepId> {
    let mut out = BTreeSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        let step = plan.steps.iter().find(|s| s.id == id).unwrap();
        open.extend(step.needs.iter().filter(|n| out.insert(**n)));
    }
    out
}

fn gets(t: Option<&Traffic>) -> BTreeSet<(SlotName, HostName)> {
    let mut out = BTreeSet::new();
    for t in t.iter() {
        for (slot, members) in t.groups.iter().filter(|(s, _)| t.reaches(s)) {
            let ready = members.iter().filter(|m| m.state == MemberState::Ready);
            out.extend(ready.map(|m| (slot.clone(), m.host.clone())));
        }
    }
    out
}

fn seen(w: &World) -> BTreeSet<(SlotName, HostName)> {
    let all = w.fleet.balancers.values();
    all.flat_map(|v| gets(v.running.get().and_then(Option::as_ref)))
        .collect()
}

/// A member is changed only where no load balancer sends to it, or after it was taken out of all
/// and they were drained.
fn changed_only_out_of_traffic(w: &World, plan: &Plan) -> Result<(), TestCaseError> {
    for step in &plan.steps {
        let (host, slot) = match &step.action {
            Action::Replace { host, slot, .. }
            | Action::Restart { host, slot, .. }
            | Action::Revert { host, slot, .. } => (host, slot),
            _ => continue,
        };
        let member = (slot.clone(), host.clone());
        if !seen(w).contains(&member) {
            continue;
        }
        prop_assert!(matches!(step.action, Action::Restart { .. }), "{}", plan);
        let earlier = before(plan, step.id);
        let steps = || plan.steps.iter().filter(|s| earlier.contains(&s.id));
        let mut last = steps().filter_map(|s| match &s.action {
            Action::Shift { moves } => Some((s.id, moves)),
            _ => None,
        });
        let (shift, moves) = last.next_back().unwrap();
        prop_assert_eq!(moves.len(), w.setup.balancers.len());
        prop_assert!(
            moves
                .iter()
                .all(|m| !gets(m.after.as_ref()).contains(&member)),
            "{}",
            plan
        );
        for lb in &w.setup.balancers {
            let drained = steps().any(|s| {
                matches!(&s.action, Action::Drain { host, .. } if *host == lb.host)
                    && s.needs.contains(&shift)
            });
            prop_assert!(drained, "{} is not drained\n{}", lb.host, plan);
        }
    }
    Ok(())
}

/// Who gets requests anew has a gate behind him, and somebody always gets some.
fn gated_before_traffic(w: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let forced = plan.notes.iter().any(|n| n.starts_with("forced"));
    for step in &plan.steps {
        let Action::Shift { moves } = &step.action else {
            continue;
        };
        let earlier = before(plan, step.id);
        let mut gated: BTreeSet<(SlotName, HostName)> = BTreeSet::new();
        for s in plan.steps.iter().filter(|s| earlier.contains(&s.id)) {
            if let Action::Gate { slot, hosts, .. } = &s.action {
                gated.extend(hosts.iter().map(|h| (slot.clone(), h.clone())));
            }
        }
        for change in moves {
            let (had, get) = (gets(change.before.as_ref()), gets(change.after.as_ref()));
            prop_assert!(!get.is_empty(), "nobody gets requests\n{}", plan);
            for new in get.difference(&had) {
                prop_assert!(
                    forced || gated.contains(new),
                    "{:?} is not gated\n{}",
                    new,
                    plan
                );
            }
        }
        prop_assert_eq!(moves.len(), w.setup.balancers.len());
    }
    Ok(())
}

/// The moves of each load balancer are a chain that begins with what was seen, and an undo leads
/// exactly to where its step began.
fn every_undo_leads_back(w: &World, plan: &Plan) -> Result<(), TestCaseError> {
    let mut now: std::collections::BTreeMap<HostName, Option<Traffic>> = w
        .fleet
        .balancers
        .iter()
        .map(|(h, v)| (h.clone(), v.running.get().cloned().flatten()))
        .collect();
    for step in &plan.steps {
        let Action::Shift { moves } = &step.action else {
            continue;
        };
        let (Undo::Do(undo) | Undo::Half(undo)) = &step.undo else {
            return Err(TestCaseError::fail("a change of traffic without undo"));
        };
        let Some(Action::Shift { moves: back }) = undo.first() else {
            return Err(TestCaseError::fail(
                "its undo does not begin with the way back",
            ));
        };
        for (m, b) in moves.iter().zip(back) {
            prop_assert_eq!(
                (&m.host, &m.before, &m.after),
                (&b.host, &b.after, &b.before)
            );
            prop_assert_eq!(&now[&m.host], &m.before);
            now.insert(m.host.clone(), m.after.clone());
        }
    }
    if plan
        .steps
        .iter()
        .any(|s| matches!(s.action, Action::Shift { .. }))
    {
        for end in now.values() {
            prop_assert_eq!(end, &plan.after);
        }
    }
    Ok(())
}

fn well_formed(plan: &Plan) -> Result<(), TestCaseError> {
    for (i, step) in plan.steps.iter().enumerate() {
        prop_assert_eq!(step.id, StepId(u32::try_from(i + 1).unwrap()));
        prop_assert!(step.needs.iter().all(|n| *n < step.id));
    }
    if plan.kind == PlanKind::Stage {
        let moves = |a: &Action| matches!(a, Action::Shift { .. } | Action::Restart { .. });
        prop_assert!(!plan.steps.iter().any(|s| moves(&s.action)));
    }
    if matches!(plan.kind, PlanKind::Switch | PlanKind::Rollback) {
        let touches = |a: &Action| {
            matches!(
                a,
                Action::Pull { .. }
                    | Action::Replace { .. }
                    | Action::Restart { .. }
                    | Action::Revert { .. }
            )
        };
        prop_assert!(!plan.steps.iter().any(|s| touches(&s.action)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn plans_of_random_fleets_keep_the_invariants(w in world()) {
        for plan in plans(&w) {
            well_formed(&plan)?;
            changed_only_out_of_traffic(&w, &plan)?;
            gated_before_traffic(&w, &plan)?;
            every_undo_leads_back(&w, &plan)?;
        }
    }

    #[test]
    fn the_same_fleet_gives_the_same_plan(w in world()) {
        prop_assert_eq!(plans(&w), plans(&w));
    }
}

#[test]
fn random_fleets_give_plans_of_every_kind() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = BTreeSet::new();
    let mut repairs = 0;
    for _ in 0..400 {
        let w = world().new_tree(&mut runner).unwrap().current();
        for plan in plans(&w) {
            kinds.insert((plan.kind.word(), plan.is_empty()));
            repairs += u32::from(
                plan.steps
                    .iter()
                    .any(|s| matches!(s.action, Action::Restart { .. })),
            );
        }
    }
    let full = ["deploy", "stage", "switch", "rollback", "restart"];
    for kind in full {
        assert!(kinds.contains(&(kind, false)), "{kind} {kinds:?}");
    }
    assert!(repairs > 20, "{repairs}");
}
