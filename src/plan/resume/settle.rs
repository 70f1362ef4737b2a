//! What a restart or a repair left: the members of the slot that serves, each well and in traffic, or
//! brought up again first.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rolling::{self, Rolling};
use super::super::{Action, Move, Plan, Refusal, Setup, Undo, judge, skipped};
use super::{Unfinished, neither};
use crate::fleet::{Fleet, MemberState, Traffic};
use crate::inventory::Strategy;
use crate::name::{HostName, OutcomeKind, ReleaseId, SlotName};

/// A run that went through the members of the active slot: whoever answers gets traffic, whoever
/// does not is brought up again out of traffic and gated. No slot is left, none is taken back.
pub(super) fn settle(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    run: &Unfinished,
    before: &Traffic,
) -> Result<(), Refusal> {
    let slot = &run.target;
    plan.old = Some(slot.clone());
    plan.to.clone_from(&plan.from);
    plan.end = OutcomeKind::Cancelled;
    let found = sends_to(setup, fleet, slot)?;
    let gets = |h: &HostName| {
        found
            .values()
            .any(|t| rolling::ready(t, slot).any(|r| r == h))
    };
    let recorded = |h: &HostName| judge::recorded(fleet.hosts.get(h)?, slot);
    // Members that nobody sends to and that were not yet brought to what serves, new ones too: they
    // stay out until the next run brings them.
    let late = |h: &HostName| {
        let wanted = run.wanted.as_ref();
        !gets(h) && recorded(h).is_none_or(|r| wanted.is_some_and(|id| *id != r.label.id))
    };
    let half = |h: &HostName| half_brought(setup, fleet, run, &found, h);
    // Left out by a person's word, and nobody can tell what is there: no traffic, and nothing is asked
    // of it.
    let gone = |h: &HostName| run.excluded.contains(h) && !fleet.hosts.contains_key(h);
    let (fresh, all): (Vec<HostName>, Vec<HostName>) = setup
        .hosts(slot)
        .cloned()
        .partition(|h| gone(h) || late(h) && !half(h));
    let (well, sick): (Vec<HostName>, Vec<HostName>) = all
        .into_iter()
        .partition(|h| rolling::answers(setup, fleet, slot, h) && !half(h));
    if well.is_empty() {
        let why = judge::unfit(setup, fleet, slot);
        return Err(neither(setup, why.into_iter()));
    }
    let mut kept = BTreeMap::new();
    for host in &sick {
        match recorded(host) {
            Some(release) => {
                let id = earlier(setup, fleet, run, host).unwrap_or(&release.label.id);
                kept.insert(host.clone(), id.clone())
            }
            None => return Err(neither(setup, judge::unfit(setup, fleet, slot).into_iter())),
        };
    }
    let generation = format!("{}.resume", before.generation);
    let mut to = setup.all_to(slot, &generation);
    for host in sick.iter().chain(&fresh) {
        to = Setup::with_member(&to, slot, host, MemberState::Drain, &generation);
    }
    if let Some(group) = to.groups.get_mut(slot) {
        let known = |h: &HostName| {
            let mut groups = found.values().filter_map(|t| t.groups.get(slot)).flatten();
            groups.any(|m| m.host == *h)
        };
        group.retain(|m| !fresh.contains(&m.host) || known(&m.host));
    }
    let members = |t: &Traffic| t.groups.get(slot).cloned();
    let first = found.values().next();
    let alike = found.values().all(|t| Some(t) == first);
    let settled = found.values().all(|t| members(t) == members(&to));
    // What comes next begins with what the load balancers do, by its own token.
    let settled = settled && (alike || sick.is_empty());
    let now = first.filter(|_| settled).unwrap_or(&to).clone();
    let everywhere = |h: &&HostName| {
        let mut all = found.values();
        !all.all(|t| rolling::ready(t, slot).any(|r| r == *h))
    };
    let gains: Vec<HostName> = well.iter().filter(everywhere).cloned().collect();
    plan.after = Some(to.clone());
    let mut rolling = Rolling::new(plan, setup, slot, now, &generation);
    if !settled || !sick.is_empty() {
        rolling.gate(well, None, true, "whoever answers gets the traffic");
    }
    if !settled {
        rolling.on(&gains, Undo::Half);
        let moves = found.into_iter().map(|(host, now)| Move {
            host,
            before: Some(now),
            after: Some(to.clone()),
        });
        let shift = Action::Shift {
            moves: moves.collect(),
        };
        let mut needs = std::mem::take(&mut rolling.last);
        needs.extend(skipped::tell_all(rolling.plan, setup, fleet, &generation));
        // Half done it is as good as what was found; the next resume goes on from there.
        let why = "whoever does not answer gets none";
        let shifted = rolling.plan.push(shift, Undo::Nothing, &needs, why);
        rolling.last = vec![shifted];
        if !sick.is_empty() {
            rolling.drain(shifted);
        }
    }
    for host in &sick {
        rolling.member(host, &kept[host], "the run left it like this");
    }
    between(plan, setup, fleet, run);
    if plan.is_empty() {
        let note = format!("{slot} serves on every member: nothing is left to do");
        plan.notes.push(note);
    }
    Ok(())
}

/// What the member ran before a run that brings another release, where its files are still there.
fn earlier<'a>(
    setup: &Setup,
    fleet: &Fleet,
    run: &'a Unfinished,
    host: &HostName,
) -> Option<&'a ReleaseId> {
    // With two slots, whoever works on the one that serves brings no other release there.
    if setup.strategy == Strategy::BlueGreen {
        return None;
    }
    let was = run.was.get(host)?;
    let kept = &fleet.hosts.get(host)?.record.kept;
    let there = kept
        .iter()
        .any(|k| k.label.id == *was && k.slot == run.target);
    (there && run.wanted.as_ref() != Some(was)).then_some(was)
}

/// Whether a member was brought to another release and had not got its traffic back everywhere:
/// nobody knows whether it has passed its gates.
fn half_brought(
    setup: &Setup,
    fleet: &Fleet,
    run: &Unfinished,
    found: &BTreeMap<HostName, Traffic>,
    host: &HostName,
) -> bool {
    let out = |t: &Traffic| rolling::ready(t, &run.target).all(|h| h != host);
    earlier(setup, fleet, run, host).is_some() && found.values().any(out)
}

/// Says where members run different releases, and what leads them to one.
fn between(plan: &mut Plan, setup: &Setup, fleet: &Fleet, run: &Unfinished) {
    let after = |h: &HostName| {
        let back = plan.steps.iter().find_map(|s| match &s.action {
            Action::Restart { host, release, .. } if host == h => Some(release.clone()),
            _ => None,
        });
        let record = fleet.hosts.get(h)?.record.slots.get(&run.target);
        back.or_else(|| record.map(|r| r.release.clone()))
    };
    let held: BTreeSet<ReleaseId> = setup.hosts(&run.target).filter_map(after).collect();
    if held.len() > 1 {
        plan.notes.push(format!(
            "members of {0} run different releases: `deploy {1} {2}@VERSION` goes on, `deploy rollback {1} {2}` goes back",
            run.target, setup.env, setup.app
        ));
    }
}

/// What each load balancer does, where all send to this slot alone; of an app that has no other, or
/// to nobody.
pub(super) fn sends_to(
    setup: &Setup,
    fleet: &Fleet,
    slot: &SlotName,
) -> Result<BTreeMap<HostName, Traffic>, Refusal> {
    let mut out = BTreeMap::new();
    let mut refusal = Refusal {
        reasons: Vec::new(),
        unknown: false,
    };
    for lb in &setup.balancers {
        let running = fleet.balancers.get(&lb.host).and_then(|v| v.running.get());
        match running {
            Some(Some(t))
                if t.sole() == Some(slot)
                    || (t.nobody() && setup.strategy == Strategy::Recreate) =>
            {
                out.insert(lb.host.clone(), t.clone());
            }
            Some(other) => refusal.reasons.push((
                format!(
                    "load balancer {} was changed by somebody else since: it sends to {}",
                    lb.host,
                    judge::says(other.as_ref())
                ),
                format!(
                    "nothing is touched; `deploy switch {} {} --to SLOT` sets all of them",
                    setup.env, setup.app
                ),
            )),
            None => {
                refusal.unknown = true;
                refusal.reasons.push((
                    format!("load balancer {} does not say what it does", lb.host),
                    "make it answer, then resume again".to_owned(),
                ));
            }
        }
    }
    if refusal.reasons.is_empty() {
        Ok(out)
    } else {
        Err(refusal)
    }
}
