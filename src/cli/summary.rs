//! From the end of a run to the block that is shown and pasted into tickets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::drive::{Drive, serving};
use crate::engine::run::Ended;
use crate::engine::site::Site;
use crate::event::Stage;
use crate::event::jiff_text::Stamp;
use crate::fleet::{Fleet, Health};
use crate::name::{HostName, OutcomeKind, SlotName};
use crate::plan::{Action, Plan, PlanKind, judge};
use crate::report::closing::{
    Drained, HostEnd, OverBudget, Preview, Side, StageTime, Summary, Switched, Trouble, WayBack,
};
use crate::report::status::look;
use crate::report::words;

/// Sums up a run; `fleet` is what was seen after it.
#[must_use]
pub fn of(
    drive: &Drive<'_>,
    plan: &Plan,
    ended: &Ended,
    fleet: &Fleet,
    begun: jiff::Timestamp,
) -> Summary {
    let now = drive.ctx.clock.wall();
    let mut s = Summary::new(
        plan.env.clone(),
        plan.app.clone(),
        plan.kind.word(),
        ended.outcome.clone(),
        (Stamp(begun), Stamp(now)),
        drive.meta.who.clone(),
    );
    s.release = drive
        .release
        .map(|r| r.label.clone())
        .or_else(|| plan.to.clone());
    s.ticket.clone_from(&drive.ctx.options.ticket);
    s.message.clone_from(&drive.ctx.options.message);
    s.run = (!plan.is_empty()).then(|| drive.meta.run.clone());
    sides(&mut s, drive.site, fleet);
    // A restart switches several times: the last one is what counts.
    let last: BTreeMap<&HostName, f64> =
        ended.log.switched.iter().map(|(h, at)| (h, *at)).collect();
    s.switched = last
        .into_iter()
        .filter_map(|(host, at)| switched(host, at))
        .collect();
    s.drained = ended.log.drained.map(|took| Drained {
        took,
        cut: ended.log.left,
    });
    s.stages = stages(ended);
    s.over = over(ended, &drive.site.setup.budget);
    troubles(&mut s, ended);
    if ended.silent {
        let hint =
            "nothing was changed; make it answer, then try again (`deploy check` asks every host)";
        s.hints.push(hint.to_owned());
    }
    s.hints.extend(stays_on(drive.site, plan, ended));
    s.hints.extend(open_job(plan, ended));
    if ended.outcome.kind == OutcomeKind::Mixed {
        ends(&mut s, drive.site, fleet);
    }
    if ended.outcome.kind == OutcomeKind::Unfinished {
        let (env, app) = (&plan.env, &plan.app);
        s.hints.push(format!(
            "deploy resume {env} {app} finishes it or takes it back"
        ));
    }
    if ended.outcome.kind == OutcomeKind::Staged {
        s.previews = previews(drive.site, &plan.target);
    }
    let left_out = drive.site.setup.left_out.iter().map(|lb| lb.host.clone());
    s.without = left_out.collect();
    if !ended.log.switched.is_empty() && !s.without.is_empty() && plan.kind != PlanKind::CatchUp {
        s.hints.push(format!(
            "{} owes this switch: `deploy catch-up {} {}` when it answers",
            words::names(&s.without, 8),
            plan.env,
            plan.app
        ));
    }
    s.back = way_back(drive.site, fleet, plan, ended.outcome.kind);
    s
}

fn sides(s: &mut Summary, site: &Site, fleet: &Fleet) {
    let setup = &site.setup;
    let side = |slot: &SlotName, state: &str| Side {
        slot: slot.clone(),
        hosts: setup.hosts(slot).cloned().collect(),
        release: judge::slot_release(setup, fleet, slot),
        state: state.to_owned(),
    };
    let Some(active) = serving(site, fleet) else {
        let now = judge::traffic_now(setup, fleet).ok().flatten();
        let slots = now.iter().flat_map(|t| &t.split);
        let given = slots.filter(|(slot, share)| **share > 0 && setup.slots.contains(slot));
        let shared = given.map(|(slot, share)| side(slot, &judge::percent(*share)));
        s.shared = shared.collect();
        return;
    };
    s.active = Some(side(&active, ""));
    s.standby = setup.other(&active).map(|slot| {
        let empty = setup.hosts(slot).all(|h| {
            fleet.hosts.get(h).is_some_and(|v| {
                judge::containers(v, &setup.env, &setup.app, slot)
                    .next()
                    .is_none()
            })
        });
        let mut containers = setup
            .hosts(slot)
            .filter_map(|h| fleet.hosts.get(h))
            .flat_map(|v| judge::containers(v, &setup.env, &setup.app, slot));
        let state = if empty {
            "empty"
        } else if containers.any(|c| c.state == "running" && c.health == Health::Starting) {
            // E.g. what was just brought up again by an unwinding.
            "starting"
        } else if judge::unfit(setup, fleet, slot).is_empty() {
            "hot"
        } else {
            "not fit"
        };
        side(slot, state)
    });
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since the epoch fit"
)]
fn switched(host: &HostName, at: f64) -> Option<Switched> {
    let at = jiff::Timestamp::from_microsecond((at * 1e6) as i64).ok()?;
    Some(Switched {
        host: host.clone(),
        at: Stamp(at),
    })
}

fn stages(ended: &Ended) -> Vec<StageTime> {
    let mut all: BTreeMap<Stage, Vec<(Duration, &HostName)>> = BTreeMap::new();
    for (host, stage, took) in &ended.log.took {
        all.entry(*stage).or_default().push((*took, host));
    }
    let longest = |(stage, times): (Stage, Vec<(Duration, &HostName)>)| {
        let (took, host) = times.iter().max()?;
        let slowest = (times.len() > 1).then(|| (*host).clone());
        Some(StageTime {
            stage,
            took: *took,
            slowest,
        })
    };
    all.into_iter().filter_map(longest).collect()
}

/// The slowest host of each stage, where it took longer than its budget.
fn over(ended: &Ended, budget: &BTreeMap<Stage, Duration>) -> Vec<OverBudget> {
    let slowest = |(stage, budget): (&Stage, &Duration)| {
        let all = ended.log.took.iter().filter(|(_, s, _)| s == stage);
        let (host, _, took) = all.max_by_key(|(_, _, took)| *took)?;
        (took > budget).then(|| OverBudget {
            stage: *stage,
            host: host.clone(),
            took: *took,
            budget: *budget,
        })
    };
    budget.iter().filter_map(slowest).collect()
}

/// What a person can say of a job that failed, or of which nobody knows how it ended.
fn open_job(plan: &Plan, ended: &Ended) -> Option<String> {
    let failure = ended.log.failure.as_ref()?;
    let jobs = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Job(start) => Some(start),
        _ => None,
    });
    let mut jobs =
        jobs.filter(|j| failure.stage == Stage::Job && failure.host.as_ref() == Some(&j.host));
    let job = &jobs.next()?.job.name;
    let (env, app) = (&plan.env, &plan.app);
    Some(format!(
        "`deploy job {env} {app}` tells what is known of it; where it failed or nobody knows, `deploy job {env} {app} retry {job} -m REASON` starts it once more with the next deploy, `skip` goes on without it"
    ))
}

fn troubles(s: &mut Summary, ended: &Ended) {
    let returned = ended.log.returned.iter();
    let first = ended.log.failure.iter();
    let mut all: Vec<&crate::engine::dispatch::Failure> = Vec::new();
    for failure in returned.chain(first) {
        if !all.contains(&failure) {
            all.push(failure);
        }
    }
    for f in all {
        let host = f.host.as_ref();
        let evidence = ended.log.evidence.iter().find(|(h, ..)| Some(h) == host);
        let (end, log) = evidence
            .map(|(_, end, log)| (end.clone(), log.clone()))
            .unwrap_or_default();
        let what = if end.is_empty() || f.why.contains(&end) {
            f.why.clone()
        } else {
            format!("{} ({end})", f.why)
        };
        s.troubles.push(Trouble {
            host: f.host.clone(),
            stage: Some(f.stage),
            what,
            log,
        });
        // The trouble says it all; the head need not repeat it.
        s.outcome.why.clear();
    }
    for what in ended.log.untidy.iter().chain(&ended.untold) {
        s.troubles.push(Trouble {
            host: None,
            stage: None,
            what: what.clone(),
            log: Vec::new(),
        });
    }
}

fn ends(s: &mut Summary, site: &Site, fleet: &Fleet) {
    for lb in &site.setup.balancers {
        let view = fleet.balancers.get(&lb.host);
        let state = match view.and_then(|v| v.running.get()) {
            Some(traffic) => format!("sends to {}", judge::says(traffic.as_ref())),
            None => "did not say where it sends to".to_owned(),
        };
        s.ends.push(HostEnd {
            host: lb.host.clone(),
            group: lb.balancer.to_string(),
            state,
        });
    }
    for slot in &site.setup.slots {
        for host in site.setup.hosts(slot) {
            let running = fleet
                .hosts
                .get(host)
                .map(|v| judge::running(v, &site.setup.env, &site.setup.app, slot));
            let state = match running {
                Some(Some(release)) => format!("runs {release}"),
                Some(None) => "runs nothing of one release".to_owned(),
                None => "did not answer".to_owned(),
            };
            s.ends.push(HostEnd {
                host: host.clone(),
                group: slot.to_string(),
                state,
            });
        }
    }
    let (env, app) = (&site.setup.env, &site.setup.app);
    if site.setup.slots.len() > 1 {
        s.hints.push(format!(
            "deploy switch {env} {app} --to SLOT sets every load balancer"
        ));
        return;
    }
    let version = s.release.as_ref();
    let version = version.map_or_else(|| "VERSION".to_owned(), |r| r.version.to_string());
    s.hints.push(format!(
        "deploy {env} {app}@{version} goes on with those that lack it, deploy rollback {env} {app} goes back"
    ));
}

/// What leads on where a member could not be switched off, so that requests stayed where they are.
fn stays_on(site: &Site, plan: &Plan, ended: &Ended) -> Option<String> {
    let failure = ended.log.failure.as_ref()?;
    let stays = failure.stage == Stage::Deactivate && site.setup.slots.len() > 1;
    if !stays || !matches!(plan.kind, PlanKind::Switch | PlanKind::Rollback) {
        return None;
    }
    let host = failure.host.as_ref()?;
    Some(format!(
        "no request was moved; make {host} answer or stop it there, or `deploy switch {} {} --to {} --force -m REASON`: then two releases may be active at once",
        plan.env, plan.app, plan.target
    ))
}

/// Where a staged release can be looked at, past the load balancers.
fn previews(site: &Site, slot: &SlotName) -> Vec<Preview> {
    let members = site.setup.groups.get(slot).into_iter().flatten();
    members
        .map(|m| Preview {
            host: m.host.clone(),
            url: format!("http://{}:{}/", m.address, m.port),
        })
        .collect()
}

fn way_back(site: &Site, fleet: &Fleet, plan: &Plan, kind: OutcomeKind) -> WayBack {
    let serves = matches!(kind, OutcomeKind::Succeeded | OutcomeKind::NoChange);
    if !serves || plan.kind == PlanKind::Stage {
        return WayBack::Unsaid;
    }
    look::way_back(&site.setup, fleet)
}
