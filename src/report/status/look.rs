//! From what a look found to what `deploy status` shows. Pure; what is fit, what differs and
//! whether there is a way back is judged by the code that plans, so that both say the same.

use std::collections::BTreeMap;

use super::{AppStatus, BalancerStatus, Claim, HostRow, Lock, Said, SlotRole, SlotStatus};
use crate::event::jiff_text::Stamp;
use crate::fleet::{
    BalancerView, Container, Debt, Fleet, Health, HostView, Known, Problem, RecordView,
};
use crate::fleet::{HoldView, Severity, Traffic};
use crate::name::{HostName, RunId, SlotName};
use crate::plan::{Setup, debts, judge, switch};
use crate::report::closing::WayBack;
use crate::report::words;

/// The view of one app.
#[must_use]
pub fn app(setup: &Setup, fleet: &Fleet) -> AppStatus {
    let mut slots: Vec<SlotStatus> = setup.slots.iter().map(|s| slot(setup, fleet, s)).collect();
    slots.sort_by_key(|s| s.role);
    AppStatus {
        app: setup.app.clone(),
        slots,
        balancers: balancers(setup, fleet),
        way_back: way_back(&rested(setup, fleet), fleet),
        claims: claims(fleet),
        holds: holds(fleet),
        owing: owing(setup, fleet),
        problems: problems(fleet),
        silent: silent(setup, fleet),
    }
}

/// As a rollback would plan it.
fn rested(setup: &Setup, fleet: &Fleet) -> Setup {
    let mut setup = setup.clone();
    debts::rest(&mut setup, fleet, None, true);
    setup
}

fn slot(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> SlotStatus {
    let hosts = setup.hosts(slot).map(|host| match fleet.hosts.get(host) {
        Some(view) => row(setup, view, host, slot),
        None => no_answer(host),
    });
    SlotStatus {
        slot: slot.clone(),
        role: role(setup, fleet, slot),
        hosts: hosts.collect(),
    }
}

/// A slot that a load balancer may still point at is never shown as standby.
fn role(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> SlotRole {
    let running: Vec<Option<&Option<Traffic>>> = setup
        .balancers
        .iter()
        .map(|lb| fleet.balancers.get(&lb.host)?.running.get())
        .collect();
    let reaches = |t: &Option<Traffic>| t.as_ref().is_some_and(|t| t.reaches(slot));
    let sole = |t: &Option<Traffic>| t.as_ref().and_then(Traffic::sole) == Some(slot);
    if !running.is_empty() && running.iter().all(|t| t.is_some_and(sole)) {
        SlotRole::Active
    } else if running.iter().any(Option::is_none) || owed(setup, fleet, slot) {
        SlotRole::Unsure
    } else if running.iter().any(|t| t.is_some_and(reaches)) {
        SlotRole::Partly
    } else {
        SlotRole::Standby
    }
}

/// Whether a load balancer that missed a change may still send there.
fn owed(setup: &Setup, fleet: &Fleet, slot: &SlotName) -> bool {
    let debts = debts::owing_balancers(setup, fleet);
    debts.values().any(|d| d.slots.contains(slot))
}

fn no_answer(host: &HostName) -> HostRow {
    HostRow {
        host: host.clone(),
        release: None,
        health: "no answer".to_owned(),
        good: false,
        since: None,
        restarts: 0,
        differs: Vec::new(),
    }
}

fn row(setup: &Setup, view: &HostView, host: &HostName, slot: &SlotName) -> HostRow {
    let (env, app) = (&setup.env, &setup.app);
    let all: Vec<&Container> = judge::containers(view, env, app, slot).collect();
    let recorded = judge::recorded(view, slot);
    let differs = match recorded {
        Some(r) => judge::differences(view, env, app, slot, &r.label.id, &r.services),
        None if all.is_empty() => Vec::new(),
        None => vec!["runs something that is not recorded".to_owned()],
    };
    let worst = all.iter().map(|c| state(c)).max_by_key(|(rank, _)| *rank);
    let (rank, health) = worst.unwrap_or((0, "empty".to_owned()));
    HostRow {
        host: host.clone(),
        release: judge::running(view, env, app, slot),
        health,
        good: rank < STARTING && differs.is_empty(),
        since: all.iter().filter_map(|c| started(c)).max().map(Stamp),
        restarts: all.iter().map(|c| c.restarts).sum(),
        differs,
    }
}

/// From this rank on, a state is not as it should be.
const STARTING: u8 = 3;

/// A container's state in a few words, with a rank: the worst is shown.
fn state(c: &Container) -> (u8, String) {
    match (c.state.as_str(), c.health) {
        ("exited", _) if c.restart == "no" && c.exit_code == 0 => (0, "done".to_owned()),
        ("running", Health::Healthy) => (1, "healthy".to_owned()),
        ("running", Health::None) => (2, "running".to_owned()),
        ("running", Health::Starting) => (STARTING, "starting".to_owned()),
        ("running", Health::Unhealthy) => (4, "unhealthy".to_owned()),
        (other, _) if c.oom => (6, format!("{} oom", words::tame(other))),
        (other, _) => (5, format!("{} {}", words::tame(other), c.exit_code)),
    }
}

fn started(c: &Container) -> Option<jiff::Timestamp> {
    // The engine writes the year 1 for a container that was never started.
    let at: jiff::Timestamp = c.started.parse().ok()?;
    (at > jiff::Timestamp::UNIX_EPOCH).then_some(at)
}

fn balancers(setup: &Setup, fleet: &Fleet) -> Vec<BalancerStatus> {
    let status = |host: &HostName| match fleet.balancers.get(host) {
        Some(view) => says(view),
        None => ("? no answer".to_owned(), false),
    };
    setup
        .balancers
        .iter()
        .map(|lb| {
            let (says, good) = status(&lb.host);
            BalancerStatus {
                balancer: lb.balancer.clone(),
                host: lb.host.clone(),
                says,
                good,
            }
        })
        .collect()
}

fn says(view: &BalancerView) -> (String, bool) {
    let running = match &view.running {
        Known::Unknown(why) => return (format!("? {why}"), false),
        Known::Is(traffic) => judge::says(traffic.as_ref()),
    };
    // The slot that served before takes what no member takes: a bake lasts, or its run was left.
    let spared = |says: String| match &view.spare {
        Some(spare) => format!("{says} (spare {spare})"),
        None => says,
    };
    match &view.persisted {
        Known::Unknown(why) => (format!("{running}, its files: ? {why}"), false),
        Known::Is(traffic) => match judge::says(traffic.as_ref()) {
            written if written == running => (spared(running), true),
            written => (format!("{running}, its files say {written}"), false),
        },
    }
}

/// Whether one can go back. What the claims of a run say is no matter: planning looks past them.
#[must_use]
pub fn way_back(setup: &Setup, fleet: &Fleet) -> WayBack {
    let mute = silent(setup, fleet);
    if !mute.is_empty() {
        // Why they do not answer stands beside them.
        let names: Vec<&HostName> = mute.iter().map(|s| &s.host).collect();
        return WayBack::NotReady(format!("no answer from {}", words::names(&names, 8)));
    }
    match switch::rollback(setup, fleet, "status") {
        Ok(_) => WayBack::Ready,
        Err(_) if nothing_served_before(setup, fleet) => WayBack::NoneYet("nothing served before"),
        Err(refusal) => {
            let reasons: Vec<String> = refusal.reasons.into_iter().map(|(what, _)| what).collect();
            WayBack::NotReady(reasons.join("\n"))
        }
    }
}

/// True where every host says that at most one release has ever served: the first deploy leaves
/// it so, and a way back that is missing then is no trouble.
fn nothing_served_before(setup: &Setup, fleet: &Fleet) -> bool {
    let hosts: Vec<&HostView> = fleet.hosts.values().collect();
    let mut served = hosts.iter().flat_map(|v| v.record.promoted.iter());
    let first = served.next();
    let empty = |slot: &SlotName| {
        setup.hosts(slot).all(|h| {
            let containers = |v: &HostView| {
                judge::containers(v, &setup.env, &setup.app, slot)
                    .next()
                    .is_none()
            };
            fleet.hosts.get(h).is_some_and(containers)
        })
    };
    let known = fleet.balancers.values().all(|b| b.running.get().is_some());
    let one = setup.slots.len() < 2;
    known && served.all(|id| Some(id) == first) && (one || setup.slots.iter().any(empty))
}

/// The record of every host that answered.
fn records(fleet: &Fleet) -> impl Iterator<Item = (&HostName, &RecordView)> {
    let apps = fleet.hosts.iter().map(|(h, v)| (h, &v.record));
    apps.chain(fleet.balancers.iter().map(|(h, v)| (h, &v.record)))
}

fn claims(fleet: &Fleet) -> Vec<Claim> {
    let mut by_run: BTreeMap<&RunId, Claim> = BTreeMap::new();
    for (host, record) in records(fleet) {
        let Some(claim) = &record.claim else { continue };
        let entry = by_run.entry(&claim.run).or_insert_with(|| Claim {
            run: claim.run.clone(),
            who: words::person(&claim.who).to_owned(),
            hosts: Vec::new(),
            left: 0,
        });
        if !entry.hosts.contains(host) {
            entry.hosts.push(host.clone());
        }
        entry.left = entry.left.max(claim.left);
    }
    by_run.into_values().collect()
}

fn said(host: &HostName, what: impl Into<String>) -> Said {
    Said {
        host: host.clone(),
        what: what.into(),
    }
}

fn holds(fleet: &Fleet) -> Vec<Lock> {
    let mut all: BTreeMap<&HoldView, Vec<HostName>> = BTreeMap::new();
    for (host, record) in records(fleet) {
        for hold in &record.holds {
            let hosts = all.entry(hold).or_default();
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
    }
    let stamp = |at| jiff::Timestamp::from_second(at).ok().map(Stamp);
    all.into_iter()
        .map(|(hold, hosts)| Lock {
            whole: hold.whole,
            who: words::person(&hold.who).to_owned(),
            since: stamp(hold.since),
            until: hold.until.and_then(stamp),
            why: hold.text.clone(),
            hosts,
        })
        .collect()
}

fn owing(setup: &Setup, fleet: &Fleet) -> Vec<Said> {
    let debts = fleet.debts();
    let line = |(host, debt): (&HostName, &Debt)| {
        let mut what = debt.says();
        if debt.drained() {
            let hint = format!(" (hint: deploy undrain {} {host})", setup.env);
            what.push_str(&hint);
        } else if !debt.slots.is_empty() {
            let hint = format!(" (hint: deploy catch-up {} {})", setup.env, setup.app);
            what.push_str(&hint);
        }
        said(host, what)
    };
    debts.iter().map(line).collect()
}

fn problems(fleet: &Fleet) -> Vec<Said> {
    let mut all = Vec::new();
    for (host, view) in &fleet.hosts {
        for (what, known) in [("docker", &view.engine), ("docker compose", &view.compose)] {
            if let Known::Unknown(why) = known {
                all.push(said(host, format!("{what} could not be asked: {why}")));
            }
        }
        all.extend(view.problems.iter().filter_map(|p| problem(host, p)));
    }
    for (host, view) in &fleet.balancers {
        all.extend(view.problems.iter().filter_map(|p| problem(host, p)));
    }
    all
}

fn problem(host: &HostName, problem: &Problem) -> Option<Said> {
    if problem.severity < Severity::Warning {
        return None;
    }
    let hint = match problem.hint.as_str() {
        "" => String::new(),
        hint => format!(" (hint: {hint})"),
    };
    Some(said(host, format!("{}{hint}", problem.what)))
}

fn silent(setup: &Setup, fleet: &Fleet) -> Vec<Said> {
    let balancers = setup.balancers.iter().map(|lb| &lb.host);
    let mut silent: Vec<Said> = Vec::new();
    for host in setup.all_hosts().chain(balancers) {
        let answered = fleet.hosts.contains_key(host) || fleet.balancers.contains_key(host);
        if !answered && !silent.iter().any(|s| s.host == *host) {
            let why = fleet.silent.get(host);
            silent.push(said(host, why.map_or("no reason known", String::as_str)));
        }
    }
    silent
}
