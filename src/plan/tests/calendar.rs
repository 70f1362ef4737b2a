//! Who is bound by windows and freezes, and by whose clock.

use super::super::calendar::{clock, closes, may_begin, note};
use super::super::fixture::{World, release};
use super::super::{Plan, PlanKind, deploy, restart, switch};
use crate::inventory::calendar::Calendar;

/// Monday 2026-11-23 12:00 UTC.
const NOON: i64 = 1_795_435_200;

/// A world whose hosts show these times, in seconds from noon on.
fn world(clocks: &[i64]) -> World {
    let mut world = World::serving();
    world.setup.calendar = Calendar::read_alone(
        "windows: mon 22:00-05:00 UTC\nfreezes: { until: 2026-01-01 00:00 UTC, reason: over }\n",
    );
    for (view, after) in world.fleet.hosts.values_mut().zip(clocks) {
        view.clock = NOON + after;
    }
    world
}

fn plan(world: &World, kind: PlanKind) -> Plan {
    let made = match kind {
        PlanKind::Rollback => switch::rollback(&world.setup, &world.fleet, "g1"),
        PlanKind::Switch => {
            let to = switch::Wish {
                to: Some("green".parse().unwrap()),
                force: false,
            };
            switch::switch(&world.setup, &world.fleet, &to, "g1")
        }
        PlanKind::Restart => restart::restart(&world.setup, &world.fleet, "g1"),
        kind => {
            let release = release(&world.setup, 43);
            deploy(&world.setup, &release, &world.fleet, kind, "g1")
        }
    };
    made.unwrap_or_else(|r| panic!("{}", r.text()))
}

fn begin(world: &World, kind: PlanKind, word: bool) -> String {
    match may_begin(&world.setup, &world.fleet, &plan(world, kind), word) {
        Ok(aside) => format!("may begin: {}", aside.join("; ")),
        Err(refusal) => refusal.text(),
    }
}

#[test]
fn outside_of_windows_only_a_way_back_or_a_word_goes_ahead_and_is_recorded() {
    let w = world(&[0, 0, 0, 0]);
    for kind in [PlanKind::Deploy, PlanKind::Stage, PlanKind::Restart] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(begin(&w, kind, false), @"
            staging: no window is open (mon 22:00-05:00 UTC), the next opens at 2026-11-23 22:00 UTC
              hint: wait, or go ahead with `--override -m WHY`, which is recorded; `deploy rollback staging app` is never stopped by it
            ");
        }
    }
    let recorded = "may begin: staging: no window is open (mon 22:00-05:00 UTC), the next opens at 2026-11-23 22:00 UTC";
    assert_eq!(begin(&w, PlanKind::Deploy, true), recorded);
    assert_eq!(begin(&w, PlanKind::Rollback, false), recorded);
    // Green holds what served before: that is the way back too.
    assert_eq!(begin(&w, PlanKind::Switch, false), recorded);
    let mut forward = w.clone().up("green", 43);
    assert!(begin(&forward, PlanKind::Switch, false).starts_with("staging: no window"));
    for view in forward.fleet.hosts.values_mut() {
        view.clock = NOON + 10 * 3600;
    }
    assert_eq!(begin(&forward, PlanKind::Switch, false), "may begin: ");
}

#[test]
fn the_median_of_the_hosts_clocks_decides() {
    let late = 10 * 3600;
    for (clocks, open) in [
        ([late, late, late, 0], true),
        ([late, 0, 0, 0], false),
        ([0, 0, 0, 99 * late], false),
        // Of two in the middle the earlier one.
        ([0, 0, late, late], false),
        // One that tells nothing is not counted.
        ([-NOON, -NOON, late, late], true),
    ] {
        let w = world(&clocks);
        let may = begin(&w, PlanKind::Deploy, false).starts_with("may");
        assert_eq!(may, open, "{clocks:?}");
    }
    let none = world(&[-NOON; 4]);
    assert_eq!(clock(&none.fleet), None);
    let refused = may_begin(
        &none.setup,
        &none.fleet,
        &plan(&none, PlanKind::Deploy),
        false,
    );
    assert!(refused.unwrap_err().unknown);
    assert_eq!(
        begin(&none, PlanKind::Rollback, false),
        "may begin: whether staging may be changed now is not known: no host tells the time"
    );
}

#[test]
fn a_run_knows_how_long_it_may_still_switch() {
    let w = world(&[10 * 3600 + 60; 4]);
    let left = |kind, word| closes(&w.setup, &w.fleet, &plan(&w, kind), word).unwrap();
    let (time, why) = left(PlanKind::Deploy, false).unwrap();
    assert_eq!(time.as_secs(), 7 * 3600 - 60);
    assert_eq!(
        why,
        "the window mon 22:00-05:00 UTC closed at 2026-11-24 05:00 UTC"
    );
    assert_eq!(left(PlanKind::Deploy, true), None);
    assert_eq!(left(PlanKind::Rollback, false), None);
    let closed = world(&[0; 4]);
    let plan = plan(&closed, PlanKind::Deploy);
    assert!(closes(&closed.setup, &closed.fleet, &plan, false).is_err());
    assert_eq!(
        note(&w.setup, &w.fleet).unwrap(),
        "staging: the window mon 22:00-05:00 UTC is open until 2026-11-24 05:00 UTC"
    );
    let always = World::serving();
    assert_eq!(note(&always.setup, &always.fleet), None);
}

#[test]
fn the_way_out_of_sharing_to_the_older_release_is_never_stopped() {
    let mut w = world(&[0, 0, 0, 0]).up("green", 43).shared(2_000);
    let to = |w: &World, name: &str| {
        let to = switch::Wish {
            to: Some(name.parse().unwrap()),
            force: false,
        };
        let plan = switch::switch(&w.setup, &w.fleet, &to, "g1").unwrap();
        may_begin(&w.setup, &w.fleet, &plan, false).is_ok()
    };
    assert!(to(&w, "blue"));
    assert!(!to(&w, "green"));
    // Where blue alone serves nothing is left.
    w = w.traffic("blue");
    assert!(!to(&w, "green"));
}
