//! What a removal that was left unfinished is led to; see [`crate::plan::resume`]. Another end of it:
//! in [`finish`].

use super::{
    Action, BTreeSet, Fleet, HostName, Move, Plan, Refusal, Setup, Traffic, Undo, clean, debts,
    drains, found, idle, rolling,
};
use crate::fleet::MemberState;
use crate::name::OutcomeKind;
use crate::plan::resume::Unfinished;

fn same(a: Option<&Traffic>, b: Option<&Traffic>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.same_as(b),
        (None, None) => true,
        _ => false,
    }
}

/// The value between: all members are known, those that leave get nothing.
fn between(before: &Traffic, hosts: &BTreeSet<HostName>) -> Traffic {
    let mut out = before.clone();
    let leaving = out.groups.values_mut().flatten();
    for member in leaving.filter(|m| hosts.contains(&m.host)) {
        member.state = MemberState::Drain;
    }
    out
}

/// Where no load balancer was changed, nothing was removed: it is over. Else all of them go on,
/// and the hosts are cleaned up once more. Where the members that would be left are not well, and
/// nothing was removed yet, all go back.
pub(in crate::plan) fn finish(
    plan: &mut Plan,
    setup: &Setup,
    fleet: &Fleet,
    run: &Unfinished,
    hosts: &BTreeSet<HostName>,
) -> Result<(), Refusal> {
    plan.old = Some(run.target.clone()).filter(|_| run.before.is_some());
    plan.removes = hosts.iter().cloned().collect();
    let found = found(setup, fleet)?;
    let (before, after) = (run.before.as_ref(), run.after.as_ref());
    // Of the slot that served, only those that left it have changed their state on the way.
    let mid = before.map(|t| between(t, hosts));
    let is_mid = |t: Option<&Traffic>| match (t, &mid, after) {
        (Some(t), Some(mid), Some(_)) => between(t, hosts).same_as(mid),
        _ => false,
    };
    // The whole app goes, and one has nothing of it: whatever the others do, they are to have nothing
    // too. Before the run they may have differed, and the manifest knows of one value only.
    let gone = |w: Option<&Traffic>, r: Option<&Traffic>| w.is_none() && r.is_none();
    let begun = after.is_none() && found.iter().any(|(_, w, r)| gone(w.as_ref(), r.as_ref()));
    let known = |t: Option<&Traffic>| begun || same(t, before) || same(t, after) || is_mid(t);
    let strange = found
        .iter()
        .filter(|(_, w, r)| !known(w.as_ref()) || !known(r.as_ref()));
    let reasons: Vec<(String, String)> = strange
        .map(|(host, _, _)| {
            (
                format!("load balancer {host} was changed by somebody else since"),
                format!(
                    "nothing is touched; `deploy switch {} {} --to SLOT --take-over -m REASON` sets all of them",
                    setup.env, setup.app
                ),
            )
        })
        .collect();
    Refusal::of(reasons).map_or(Ok(()), Err)?;
    let at = |end: Option<&Traffic>| {
        let mut all = found.iter();
        all.all(|(_, w, r)| same(w.as_ref(), end) && same(r.as_ref(), end))
    };
    if at(before) && !same(before, after) {
        plan.end = OutcomeKind::Cancelled;
        plan.after = run.before.clone();
        plan.to.clone_from(&plan.from);
        let note = "no load balancer was changed and nothing was removed";
        plan.notes.push(note.to_owned());
        return Ok(());
    }
    plan.after.clone_from(&run.after);
    let done = at(after);
    let to = if run.failed && !done { before } else { after };
    let moves: Vec<Move> = found
        .into_iter()
        .map(|(host, _, running)| Move {
            host,
            before: running,
            after: to.cloned(),
        })
        .collect();
    let mut needs = Vec::new();
    if run.failed && !done {
        plan.end = OutcomeKind::RolledBack;
        plan.after.clone_from(&run.before);
        plan.notes
            .push("those that would be left are not well: all get their traffic back".into());
        let back = before.into_iter();
        let back = back.flat_map(|t| rolling::ready(t, &run.target));
        let gate = Action::Gate {
            slot: run.target.clone(),
            hosts: back.filter(|h| hosts.contains(*h)).cloned().collect(),
            release: None,
            once: true,
        };
        let why = "no traffic before the gates have passed";
        let gate = plan.push(gate, Undo::Nothing, &[], why);
        let why = "the way back";
        plan.push(Action::Shift { moves }, Undo::NeverBack, &[gate], why);
        return Ok(());
    }
    plan.notes
        .push("load balancers were changed already: it is finished".into());
    if !done {
        if let Some(after) = after {
            let others: Vec<HostName> = rolling::ready(after, &run.target).cloned().collect();
            let gate = Action::Gate {
                slot: run.target.clone(),
                hosts: others,
                release: None,
                once: true,
            };
            let why = "they serve alone from now on";
            needs.push(plan.push(gate, Undo::Nothing, &[], why));
        }
        let why = "as the others do";
        needs = vec![plan.push(Action::Shift { moves }, Undo::Nothing, &needs, why)];
    }
    // Also where all were changed: whoever died may have died before they were idle.
    let needs = match (&mid, after) {
        (Some(mid), Some(_)) => drains(plan, setup, mid, &needs),
        _ => idle(plan, setup, &needs),
    };
    let hosts: Vec<HostName> = hosts.iter().cloned().collect();
    clean(plan, setup, fleet, &hosts, &needs);
    debts::pay(
        plan,
        setup,
        fleet,
        hosts,
        "they are not of the app any more",
    );
    Ok(())
}
