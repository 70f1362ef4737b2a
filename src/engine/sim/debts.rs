//! The invariants of hosts that owe: whoever comes next knows before traffic moves, and forgets only
//! what has been read back.

use super::play::Play;
use crate::engine::dispatch::Log;
use crate::fleet::Traffic;
use crate::name::HostName;

/// Hosts that a run passes by, for they do not answer.
fn skipped<'a>(play: &'a Play<'_>) -> impl Iterator<Item = &'a HostName> {
    let world = &play.stage.world;
    let silent = |h: &&HostName| world.fleet.silent.contains_key(*h);
    world.setup.resting.iter().filter(silent)
}

/// Traffic moves without a host only where every other one remembers that it misses the change.
pub fn told_before(play: &Play<'_>) -> Result<(), String> {
    for host in skipped(play) {
        let knows = |d: &&std::collections::BTreeSet<HostName>| d.contains(host);
        if !play.model.debts.values().all(|d| knows(&d)) {
            return Err(format!(
                "traffic moves and not all know that {host} misses it"
            ));
        }
    }
    for lb in &play.stage.world.setup.left_out {
        for (host, known) in &play.model.debts {
            if !known.contains(&lb.host) {
                return Err(format!(
                    "traffic moves and {host} does not know that {} misses it",
                    lb.host
                ));
            }
        }
    }
    Ok(())
}

/// A debt is forgotten when the load balancer does what the others do; where things are taken back,
/// when all do again what they did.
pub fn paid_after(play: &Play<'_>, paid: &[HostName], back: bool) -> Result<(), String> {
    for (lb, now) in &play.model.balancers {
        let wanted = if back {
            &play.start.balancers[lb]
        } else {
            &play.stage.plan.after
        };
        // Who still has a spare tells it himself: no debt is kept for it.
        let value = |t: &Option<Traffic>| t.as_ref().map(Traffic::without_spare);
        let old = play.reverted.contains(lb);
        if !paid.is_empty() && value(now) != value(wanted) && !old {
            return Err(format!(
                "{paid:?} owes nothing any more and {lb} does {now:?}"
            ));
        }
    }
    Ok(())
}

fn named(log: &Log, host: &HostName) -> bool {
    log.untidy
        .iter()
        .any(|u| u.starts_with(&format!("{host}:")))
}

/// Who was left out is remembered everywhere; who took part is not, or it is said where it still is.
pub fn at_success(play: &Play<'_>, log: &Log) -> Result<(), String> {
    let setup = &play.stage.world.setup;
    for (host, known) in &play.model.debts {
        for lb in &setup.left_out {
            let moved = play.stage.plan.commit.is_some();
            if moved && !known.contains(&lb.host) {
                return Err(format!("{host} does not remember {}", lb.host));
            }
        }
        for lb in &setup.balancers {
            if known.contains(&lb.host) && !named(log, host) {
                return Err(format!("{host} remembers {} and nobody says so", lb.host));
            }
        }
    }
    Ok(())
}

/// What was remembered before is remembered after; more only where somebody remembered it, or of
/// one that is passed by: it stays out.
pub fn as_before(play: &Play<'_>, log: &Log) -> Result<(), String> {
    for (host, known) in &play.model.debts {
        let was = &play.start.debts[host];
        let anybody = |h: &HostName| {
            play.start.debts.values().any(|d| d.contains(h)) || skipped(play).any(|s| s == h)
        };
        if (!was.is_subset(known) || !known.iter().all(anybody)) && !named(log, host) {
            return Err(format!("{host} remembers {known:?}, not {was:?}"));
        }
    }
    Ok(())
}

/// Load balancers differ: nobody may have forgotten anything.
pub fn when_mixed(play: &Play<'_>) -> Result<(), String> {
    for (host, known) in &play.model.debts {
        let moved = play.start.balancers.iter();
        let moved = moved.filter(|(lb, was)| play.model.balancers[*lb] != **was);
        let left_out = &play.stage.world.setup.left_out;
        if moved.count() > 0 && left_out.iter().any(|lb| !known.contains(&lb.host)) {
            return Err(format!(
                "mixed, and {host} does not remember who was left out"
            ));
        }
    }
    Ok(())
}
