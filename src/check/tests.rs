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
