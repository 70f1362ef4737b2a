//! What a look at the machines of an app says about the next run.

use std::collections::BTreeMap;

use super::{Check, Finding};
use crate::fleet::{Fleet, Known, Problem, Severity};
use crate::name::{HostName, SlotName};
use crate::plan::{PlanKind, Refusal, Setup, calendar, entry};
use crate::text;

/// Everything in the fleet that is not as it should be. `now`: a release is to be brought now, so
/// that a window that is not open is an error.
#[must_use]
pub fn all(setup: &Setup, fleet: &Fleet, now: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (host, why) in &fleet.silent {
        let what = format!("it does not answer: {why}");
        let mut finding = Finding::of(Check::Reach, Severity::Error, host, what, "");
        finding.unknown = true;
        found.push(finding);
    }
    for (host, view) in &fleet.hosts {
        found.extend(problems(Check::Host, host, &view.problems));
    }
    for (host, view) in &fleet.balancers {
        found.extend(problems(Check::LoadBalancer, host, &view.problems));
        let broken = view.problems.iter().any(|p| p.severity == Severity::Error);
        for (what, known) in [
            ("its files say", &view.persisted),
            ("it does", &view.running),
        ] {
            if let (Known::Unknown(why), false) = (known, broken) {
                let what = format!("it is not known what {what}: {why}");
                let check = Check::LoadBalancer;
                let mut finding = Finding::of(check, Severity::Error, host, what, "");
                finding.unknown = true;
                found.push(finding);
            }
        }
    }
    found.extend(twice(fleet));
    found.extend(versions(fleet));
    if let Err(refusal) = entry::may_begin(setup, fleet, PlanKind::Deploy, &[], false) {
        found.extend(refused(refusal, Severity::Warning));
    }
    found.extend(calendar(setup, fleet, now));
    found
}

/// Whether the environment may be changed now, where windows or freezes say when.
fn calendar(setup: &Setup, fleet: &Fleet, now: bool) -> Option<Finding> {
    let standing = calendar::standing(setup, fleet);
    let unknown = standing.is_err();
    let open = matches!(&standing, Ok(Some(s)) if s.against.is_empty());
    Some(Finding {
        check: Check::Calendar,
        severity: match (open, now || unknown) {
            (true, _) => Severity::Note,
            (false, true) => Severity::Error,
            (false, false) => Severity::Warning,
        },
        whom: Vec::new(),
        what: calendar::note(setup, fleet)?,
        hint: if open {
            ""
        } else {
            "rollback goes ahead at any time"
        }
        .to_owned(),
        unknown,
    })
}

/// Reasons against a plan, as findings.
#[must_use]
pub fn refused(refusal: Refusal, severity: Severity) -> Vec<Finding> {
    let unknown = refusal.unknown;
    let reasons = refusal.reasons.into_iter();
    let finding = |(what, hint): (String, String)| Finding {
        check: Check::Plan,
        severity,
        whom: Vec::new(),
        what,
        hint,
        unknown,
    };
    reasons.map(finding).collect()
}

fn problems<'a>(
    check: Check,
    host: &'a HostName,
    all: &'a [Problem],
) -> impl Iterator<Item = Finding> + 'a {
    all.iter()
        .map(move |p| Finding::of(check, p.severity, host, p.what.clone(), &p.hint))
}

/// Two names of one machine: its id is made with the first claim on it.
fn twice(fleet: &Fleet) -> Vec<Finding> {
    let hosts = fleet.hosts.iter().map(|(h, v)| (h, &v.machine));
    let balancers = fleet.balancers.iter().map(|(h, v)| (h, &v.machine));
    let mut names: BTreeMap<_, Vec<HostName>> = BTreeMap::new();
    for (host, machine) in hosts.chain(balancers) {
        let Some(machine) = machine else { continue };
        let list = names.entry(machine.as_str()).or_default();
        if !list.contains(host) {
            list.push(host.clone());
        }
    }
    let twice = names.into_values().filter(|n| n.len() > 1);
    twice
        .map(|whom| Finding {
            check: Check::Machine,
            severity: Severity::Error,
            whom,
            what: "these names are one machine".to_owned(),
            hint: "keep one of them in the inventory".to_owned(),
            unknown: false,
        })
        .collect()
}

/// Limits of all slots of all apps on a host that are more than its memory. Both slots count: a hot
/// standby runs beside what serves.
#[must_use]
pub fn memory<'a>(
    hosts: &BTreeMap<HostName, u64>,
    slots: impl Iterator<Item = (&'a SlotName, &'a HostName, u64, bool)>,
) -> Vec<Finding> {
    let mut sums: BTreeMap<&HostName, u64> = BTreeMap::new();
    for (_, host, sum, _) in slots {
        let entry = sums.entry(host).or_default();
        *entry = entry.saturating_add(sum);
    }
    let above = |(host, sum): (&HostName, u64)| {
        let memory = *hosts.get(host)?;
        (sum > memory).then(|| {
            let (sum, memory) = (text::bytes(sum), text::bytes(memory));
            let what = format!(
                "the memory limits of what may run there are {sum} together, and it has {memory}"
            );
            let hint =
                "both slots count, the standby stays up; lower `limits.memory`, or use other hosts";
            Finding::of(Check::Memory, Severity::Warning, host, what, hint)
        })
    };
    sums.into_iter().filter_map(above).collect()
}

/// Hosts with different compose: the oldest decides what a compose file may use.
fn versions(fleet: &Fleet) -> Option<Finding> {
    let mut by: BTreeMap<Vec<u64>, (&str, Vec<HostName>)> = BTreeMap::new();
    for (host, view) in &fleet.hosts {
        let Some(version) = view.compose.get() else {
            continue;
        };
        let numbers = version
            .trim_start_matches('v')
            .split(|c: char| !c.is_ascii_digit());
        let key = numbers.map_while(|n| n.parse().ok()).collect();
        by.entry(key)
            .or_insert((version, Vec::new()))
            .1
            .push(host.clone());
    }
    let newest = by.last_key_value()?.1.0;
    let (oldest, whom) = by.first_key_value()?.1;
    (by.len() > 1).then(|| Finding {
        check: Check::Versions,
        severity: Severity::Note,
        whom: whom.clone(),
        what: format!("docker compose {oldest} is the oldest here, elsewhere it is up to {newest}"),
        hint: "the oldest decides what a compose file may use".to_owned(),
        unknown: false,
    })
}
