//! Who is bound by windows and freezes, and by whose clock: the median of the app hosts' own, for
//! one wrong clock, the operator's among them, must open nothing.
//!
//! To bind another kind of run: [`bound`].

use std::time::Duration;

use jiff::Timestamp;

use super::{Plan, PlanKind, Refusal, Setup};
use crate::fleet::Fleet;
use crate::inventory::calendar::Standing;

/// What a person types to go ahead all the same.
const OVERRIDE: &str = "wait, or go ahead with `--override -m WHY`, which is recorded";

/// The median of the hosts' clocks, of an even number the earlier of the two in the middle; `None`
/// where no host tells it.
#[must_use]
pub fn clock(fleet: &Fleet) -> Option<Timestamp> {
    let told = fleet.hosts.values().map(|v| v.clock).filter(|at| *at > 0);
    let mut all: Vec<i64> = told.collect();
    all.sort_unstable();
    let middle = all.len().checked_sub(1)? / 2;
    Timestamp::from_second(*all.get(middle)?).ok()
}

/// What the calendar says now; `None` where nothing is written.
///
/// # Errors
/// No host tells the time.
pub fn standing(setup: &Setup, fleet: &Fleet) -> Result<Option<Standing>, Refusal> {
    if setup.calendar.at(Timestamp::UNIX_EPOCH).is_none() {
        return Ok(None);
    }
    let unknown = || Refusal {
        reasons: vec![(
            format!(
                "whether {} may be changed now is not known: no host tells the time",
                setup.env
            ),
            OVERRIDE.to_owned(),
        )],
        unknown: true,
    };
    Ok(setup.calendar.at(clock(fleet).ok_or_else(unknown)?))
}

/// Whether runs of this plan are bound. Whoever goes back, finishes a run, or takes out what is
/// broken is not.
pub fn bound(plan: &Plan) -> bool {
    match plan.kind {
        PlanKind::Deploy
        | PlanKind::Stage
        | PlanKind::Restart
        | PlanKind::Sync
        | PlanKind::Remove
        | PlanKind::Adopt => true,
        PlanKind::Switch | PlanKind::Weight => !back(plan),
        PlanKind::Rollback
        | PlanKind::Resume
        | PlanKind::CatchUp
        | PlanKind::Job
        | PlanKind::Drain
        | PlanKind::Undrain => false,
    }
}

/// A switch to a release that is older than the one that serves.
fn back(plan: &Plan) -> bool {
    let revisions = plan.from.as_ref().zip(plan.to.as_ref());
    revisions.is_some_and(|(from, to)| to.revision < from.revision)
}

/// Whether a run of this plan may begin now; `word`: a person's word sets the calendar aside. `Ok`
/// holds what is set aside by it, or by what the run is for, to be recorded.
///
/// # Errors
/// Every freeze that holds, and that no window is open.
pub fn may_begin(
    setup: &Setup,
    fleet: &Fleet,
    plan: &Plan,
    word: bool,
) -> Result<Vec<String>, Refusal> {
    let free = word || !bound(plan);
    let standing = match standing(setup, fleet) {
        Ok(standing) => standing,
        Err(unknown) if !free => return Err(unknown),
        Err(unknown) => return Ok(unknown.reasons.into_iter().map(|(what, _)| what).collect()),
    };
    let against = standing.map(|s| s.against).unwrap_or_default();
    let what = against.into_iter().map(|w| format!("{}: {w}", setup.env));
    if free {
        return Ok(what.collect());
    }
    let reasons = what.map(|w| (w, hint(setup))).collect();
    Refusal::of(reasons).map_or(Ok(Vec::new()), Err)
}

fn hint(setup: &Setup) -> String {
    format!(
        "{OVERRIDE}; `deploy rollback {} {}` is never stopped by it",
        setup.env, setup.app
    )
}

/// How long from this look on a run of this plan may still move traffic, and what ends that; `None`
/// where nothing does.
///
/// # Errors
/// It may not begin any more.
pub fn closes(
    setup: &Setup,
    fleet: &Fleet,
    plan: &Plan,
    word: bool,
) -> Result<Option<(Duration, String)>, Refusal> {
    may_begin(setup, fleet, plan, word)?;
    if word || !bound(plan) {
        return Ok(None);
    }
    let end = standing(setup, fleet)?.and_then(|s| s.closes);
    Ok(end.zip(clock(fleet)).map(|((at, why), now)| {
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        (left, why)
    }))
}

/// What a person reads beside a plan; `None` where nothing is written.
#[must_use]
pub fn note(setup: &Setup, fleet: &Fleet) -> Option<String> {
    match standing(setup, fleet) {
        Ok(standing) => standing.map(|s| format!("{}: {}", setup.env, s.says)),
        Err(unknown) => unknown.reasons.into_iter().next().map(|(what, _)| what),
    }
}
