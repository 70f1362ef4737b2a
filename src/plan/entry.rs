//! What must hold before any plan: those who are needed answer, nothing there is broken, the load
//! balancers agree. And who may begin at all: claims of other runs, holds of people.
//!
//! To add a reason against every plan: here. What only one strategy minds belongs to its file.

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{ClaimView, Fleet, HoldView, Problem, Severity, Traffic};
use crate::name::{HostName, RunId, SlotName};

use super::{PlanKind, Refusal, Setup, debts, skipped, traffic};

/// Which app hosts a plan works on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Need<'a> {
    /// All of them, without anything broken there.
    All,
    /// Those of one slot, without anything broken there.
    Slot(&'a SlotName),
    /// None is changed: what is broken there is for the plan to judge. The hosts that a switch
    /// leaves are not needed at all.
    None,
}

/// What the checks found where nothing is against a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// What all load balancers do now.
    pub before: Option<Traffic>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// All reasons against a plan at once.
pub(super) fn checks(setup: &Setup, fleet: &Fleet, need: Need<'_>) -> Result<Entry, Refusal> {
    if setup.balancers.is_empty() {
        return Err(Refusal::one(
            format!(
                "{} stands behind no load balancer: nothing says which slot serves",
                setup.app
            ),
            "name one under `balance:` of the app",
        ));
    }
    let needed: BTreeSet<&HostName> = match need {
        Need::All => setup.all_hosts().collect(),
        Need::Slot(slot) => setup.hosts(slot).collect(),
        Need::None => BTreeSet::new(),
    };
    let silent = silent(fleet, &needed);
    let mut found = Refusal {
        unknown: !silent.is_empty(),
        reasons: silent,
    };
    let mut notes = Vec::new();
    problems(setup, fleet, &needed, &mut found.reasons, &mut notes);
    let twice = one_machine_twice(setup, fleet);
    match need {
        Need::None => notes.extend(twice.into_iter().map(|(what, _)| what)),
        Need::All | Need::Slot(_) => found.reasons.extend(twice),
    }
    notes.extend(debts::notes(setup, fleet));
    notes.extend(skipped::notes(setup, fleet));
    let now = traffic::now(setup, fleet);
    if let Err(refusal) = &now {
        found.unknown |= refusal.unknown;
        found.reasons.extend(refusal.reasons.iter().cloned());
    }
    match now {
        Ok(before) if found.reasons.is_empty() => Ok(Entry { before, notes }),
        _ => Err(found),
    }
}

fn silent(fleet: &Fleet, needed: &BTreeSet<&HostName>) -> Vec<(String, String)> {
    let missing = needed.iter().filter(|h| !fleet.hosts.contains_key(**h));
    missing
        .map(|h| {
            let why = fleet
                .silent
                .get(*h)
                .map_or("it was not asked", String::as_str);
            (format!("{h} does not answer: {why}"), String::new())
        })
        .collect()
}

/// What is broken where the plan works is against it; what is broken elsewhere is told.
fn problems(
    setup: &Setup,
    fleet: &Fleet,
    needed: &BTreeSet<&HostName>,
    reasons: &mut Vec<(String, String)>,
    notes: &mut Vec<String>,
) {
    let broken = |list: &[Problem]| -> Vec<Problem> {
        let errors = list.iter().filter(|p| p.severity == Severity::Error);
        errors.cloned().collect()
    };
    for lb in &setup.balancers {
        let view = fleet.balancers.get(&lb.host);
        for p in view.map(|v| broken(&v.problems)).unwrap_or_default() {
            reasons.push((format!("{}: {}", lb.host, p.what), p.hint));
        }
    }
    for host in setup.all_hosts().collect::<BTreeSet<_>>() {
        match fleet.hosts.get(host) {
            None if needed.contains(host) => {}
            None => {
                let why = fleet
                    .silent
                    .get(host)
                    .map_or("it was not asked", String::as_str);
                notes.push(format!(
                    "{host} does not answer and is left as it is: {why}"
                ));
            }
            Some(view) => {
                for p in broken(&view.problems) {
                    if needed.contains(host) {
                        reasons.push((format!("{host}: {}", p.what), p.hint));
                    } else {
                        notes.push(format!("{host}: {}", p.what));
                    }
                }
            }
        }
    }
}

/// Two names of one machine would work against each other there.
fn one_machine_twice(setup: &Setup, fleet: &Fleet) -> Vec<(String, String)> {
    let apps = fleet.hosts.iter().map(|(h, v)| (h, &v.machine));
    let balancers = fleet.balancers.iter().map(|(h, v)| (h, &v.machine));
    let mut names: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for (host, machine) in apps.chain(balancers) {
        // A machine gets its id with the first claim on it; until then it cannot be told.
        if let Some(machine) = machine {
            names.entry(machine).or_default().insert(host.as_str());
        }
    }
    let twice = names.into_values().filter(|n| n.len() > 1);
    twice
        .map(|n| {
            let n: Vec<&str> = n.into_iter().collect();
            (
                format!("{} are one machine", n.join(" and ")),
                format!("give it one name in inventories/{}.yml", setup.env),
            )
        })
        .collect()
}

/// Whether a run of this kind may begin, asked before its claim: another run that holds a host, one
/// that was left unfinished, a person's lock. `ends` are runs that a person's word displaces. `Ok`
/// holds what is overridden, to be recorded. `word`: a person's word sets locks aside.
///
/// A plan that is made again under the run's own claim must not ask this.
///
/// # Errors
/// A [`Refusal`] that names run, person and lease, or the words of the lock.
pub fn may_begin(
    setup: &Setup,
    fleet: &Fleet,
    kind: PlanKind,
    ends: &[RunId],
    word: bool,
) -> Result<Vec<String>, Refusal> {
    let mut reasons = held(setup, fleet, ends);
    let mut overridden = displaced(fleet, ends);
    let (env, app) = (
        setup.env.to_string(),
        format!("{} {}", setup.env, setup.app),
    );
    for (hold, hosts) in holds(fleet) {
        let of = if hold.whole { &env } else { &app };
        let what = format!("{of} is locked {} ({})", hold.says(), hosts.join(" "));
        if kind == PlanKind::Rollback || word {
            overridden.push(what);
        } else {
            let hint = format!(
                "ask them, or lift it: `deploy unlock {of}`; `deploy rollback {app}` is never stopped by it"
            );
            reasons.push((what, hint));
        }
    }
    Refusal::of(reasons).map_or(Ok(overridden), Err)
}

/// Every lock of a person, with the hosts that say so.
fn holds(fleet: &Fleet) -> BTreeMap<&HoldView, Vec<&str>> {
    let mut holds: BTreeMap<&HoldView, Vec<&str>> = BTreeMap::new();
    for (host, record) in fleet.records() {
        for hold in &record.holds {
            let hosts = holds.entry(hold).or_default();
            if !hosts.contains(&host.as_str()) {
                hosts.push(host.as_str());
            }
        }
    }
    holds
}

/// The claims on the hosts, by run.
fn runs(fleet: &Fleet) -> BTreeMap<&RunId, Vec<(&HostName, &ClaimView)>> {
    let mut runs: BTreeMap<&RunId, Vec<(&HostName, &ClaimView)>> = BTreeMap::new();
    for (host, record) in fleet.records() {
        if let Some(claim) = &record.claim {
            let of_run = runs.entry(&claim.run).or_default();
            if !of_run.iter().any(|(h, _)| *h == host) {
                of_run.push((host, claim));
            }
        }
    }
    runs
}

/// `ops@bastion1` of `ops@bastion1:4711:99`: people know the first part.
fn person(claim: &ClaimView) -> &str {
    claim.who.as_str().split(':').next().unwrap_or_default()
}

/// A refusal, behind that of whoever holds the hosts: what is in the way may be his doing.
#[must_use]
pub fn held_first(
    setup: &Setup,
    fleet: &Fleet,
    kind: PlanKind,
    (ends, word): (&[RunId], bool),
    refusal: Refusal,
) -> Refusal {
    match may_begin(setup, fleet, kind, ends, word) {
        Ok(_) => refusal,
        Err(mut held) => {
            held.reasons.extend(refusal.reasons);
            held.unknown |= refusal.unknown;
            held
        }
    }
}

fn displaced(fleet: &Fleet, ends: &[RunId]) -> Vec<String> {
    let runs = runs(fleet).into_iter();
    runs.filter(|(run, _)| ends.contains(run))
        .map(|(run, claims)| {
            let hosts: Vec<&str> = claims.iter().map(|(h, _)| h.as_str()).collect();
            let who = person(claims[0].1);
            format!("run {run} of {who} on {} is displaced", hosts.join(" "))
        })
        .collect()
}

fn held(setup: &Setup, fleet: &Fleet, ends: &[RunId]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (run, claims) in runs(fleet).into_iter().filter(|(r, _)| !ends.contains(r)) {
        let left = claims.iter().map(|(_, c)| c.left).max().unwrap_or(0);
        // A claim of a first attempt that never began a step holds nothing to recover.
        let begun = claims
            .iter()
            .any(|(_, c)| c.seq > 0 || !c.fence.as_str().starts_with("1-"));
        let hosts: Vec<&str> = claims.iter().map(|(h, _)| h.as_str()).collect();
        let who = person(claims[0].1);
        let hosts = hosts.join(" ");
        if left > 0 {
            out.push((
                format!("run {run} of {who} holds {hosts}; its lease ends in {left} s unless it is renewed"),
                format!(
                    "wait for its end: `deploy status {}`; if its client is dead: `deploy resume {} {}`",
                    setup.env, setup.env, setup.app
                ),
            ));
        } else if begun {
            out.push((
                format!("run {run} of {who} was left unfinished on {hosts}; its lease is over"),
                format!(
                    "`deploy resume {} {}` finishes it or takes it back",
                    setup.env, setup.app
                ),
            ));
        }
    }
    out
}
