//! Folding: equal findings once, with all their machines.

use super::*;

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

#[test]
fn equal_findings_of_hosts_are_one_and_the_worst_comes_first() {
    let low = |h: &str| {
        Finding::of(
            Check::Host,
            Severity::Warning,
            &host(h),
            "little room",
            "tidy up",
        )
    };
    let plan = |what: &str| Finding {
        check: Check::Plan,
        severity: Severity::Error,
        whom: Vec::new(),
        what: what.to_owned(),
        hint: String::new(),
        unknown: false,
    };
    let gone = Finding::of(Check::Reach, Severity::Error, &host("web3"), "silent", "");
    let all = vec![
        low("web2"),
        low("web1"),
        gone.clone(),
        gone.clone(),
        // Said already, by the look.
        plan("web3: silent"),
        plan("another run holds web1"),
        low("web1"),
    ];
    let folded = folded(all);
    assert_eq!(folded.len(), 3);
    assert_eq!(folded[0], gone);
    assert_eq!(folded[1], plan("another run holds web1"));
    assert_eq!(folded[2].whom, [host("web1"), host("web2")]);
}

#[test]
fn two_pairs_of_names_for_machines_stay_two_findings() {
    let pair = |a: &str, b: &str| Finding {
        whom: vec![host(a), host(b)],
        ..Finding::of(Check::Machine, Severity::Error, &host(a), "one machine", "")
    };
    assert_eq!(folded(vec![pair("a", "b"), pair("c", "d")]).len(), 2);
}

#[test]
fn limits_of_both_slots_are_held_against_the_memory_of_their_host() {
    use crate::name::SlotName;
    let (blue, green) = (
        SlotName::new("blue").unwrap(),
        SlotName::new("green").unwrap(),
    );
    let (web1, web2) = (host("web1"), host("web2"));
    let memory = [(web1.clone(), 1 << 30), (web2.clone(), 1 << 30)].into();
    let slots = [
        (&blue, &web1, 600 << 20, false),
        (&green, &web1, 600 << 20, false),
        (&green, &web2, 1 << 30, false),
    ];
    let found = hosts::memory(&memory, slots.into_iter());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].whom, [web1]);
    assert_eq!(
        found[0].what,
        "the memory limits of what may run there are 1.2 GiB together, and it has 1.0 GiB"
    );
}

#[test]
fn a_closed_window_is_a_warning_unless_a_release_is_to_be_brought_now() {
    use crate::fleet::Fleet;
    use crate::inventory::calendar::Calendar;
    use crate::plan::fixture::World;
    let mut world = World::serving();
    world.setup.calendar = Calendar::read_alone("windows: mon 22:00-05:00 UTC\n");
    let severity = |world: &World, fleet: &Fleet, now: bool| {
        let all = hosts::all(&world.setup, fleet, now).into_iter();
        let mut of: Vec<_> = all.filter(|f| f.check == Check::Calendar).collect();
        assert_eq!(of.len(), 1);
        of.remove(0).severity
    };
    // Monday 2026-11-23 12:00 UTC, then 23:00.
    for (clock, now, wanted) in [
        (1_795_435_200, false, Severity::Warning),
        (1_795_435_200, true, Severity::Error),
        (1_795_474_800, false, Severity::Note),
        (1_795_474_800, true, Severity::Note),
    ] {
        for view in world.fleet.hosts.values_mut() {
            view.clock = clock;
        }
        assert_eq!(severity(&world, &world.fleet, now), wanted, "{clock} {now}");
    }
    // Nobody tells the time: that is not known, and never good news.
    let silent = Fleet::default();
    assert_eq!(severity(&world, &silent, false), Severity::Error);
}
