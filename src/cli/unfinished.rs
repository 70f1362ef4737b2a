//! What a run left behind: found on the hosts, read from its manifest.
//!
//! Nothing is guessed at: a record that cannot be read, runs that hold different hosts, a machine
//! that is not the one of then, are each refused with what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::Failure;
use crate::engine::run::{Over, Resumed};
use crate::engine::site::{Site, chain};
use crate::fleet::{ClaimView, Fleet, Traffic};
use crate::name::{Actor, HostName, ReleaseId, RunId, SlotName};
use crate::plan::Setup;
use crate::plan::resume::Unfinished;
use crate::record::{Look, Manifest, RunKind, parse, verb};

/// Whether the process of an actor is known to have ended; not knowing is `false`.
pub type IsDead<'a> = dyn Fn(&Actor) -> bool + 'a;

/// The manifest of the unfinished run on these hosts; `None` where no host is claimed.
///
/// # Errors
/// Refused where a claim or manifest cannot be read, or different runs hold the hosts.
pub async fn find(
    site: &Site,
    records: &BTreeMap<HostName, Look>,
) -> Result<Option<Manifest>, Failure> {
    readable(site, records)?;
    let views = records.iter().map(|(h, look)| (h, look.view()));
    let claims: Claims = views
        .filter_map(|(h, v)| Some((h.clone(), v.claim?)))
        .collect();
    let begun: BTreeSet<&RunId> = claims
        .values()
        .filter(|c| begun(c))
        .map(|c| &c.run)
        .collect();
    // A claim that never began anything leaves nothing to finish where another run has.
    let runs: BTreeSet<&RunId> = match begun.len() {
        0 => claims.values().map(|c| &c.run).take(1).collect(),
        _ => begun,
    };
    let mut manifests = Vec::new();
    for run in &runs {
        manifests.push(manifest(site, &claims, run).await?);
    }
    // A run that displaced the others finishes for all.
    let last = manifests.iter().find(|m| {
        let ended = displaced(m);
        runs.iter().all(|r| **r == m.run || ended.contains(*r))
    });
    match (manifests.is_empty(), last) {
        (true, _) => Ok(None),
        (_, Some(last)) => Ok(Some(last.clone())),
        (_, None) => Err(several(&claims)),
    }
}

type Claims = BTreeMap<HostName, ClaimView>;

fn begun(claim: &ClaimView) -> bool {
    claim.seq > 0 || verb::attempt(&claim.fence) != Some(1)
}

fn displaced(manifest: &Manifest) -> Vec<RunId> {
    let of = manifest.more.get("displaced").cloned();
    serde_json::from_value(of.unwrap_or_default()).unwrap_or_default()
}

fn several(claims: &Claims) -> Failure {
    let each: Vec<String> = claims
        .iter()
        .map(|(h, c)| format!("{h} by {} of {}", c.run, person(&c.who)))
        .collect();
    Failure::refused(format!(
        "different runs hold the hosts: {}",
        each.join(", ")
    ))
    .hint("`deploy switch ENV APP --to SLOT --take-over -m REASON` ends all of them")
}

fn person(who: &Actor) -> &str {
    crate::report::words::person(who)
}

/// A claim that cannot be read says that somebody may act, and not who.
fn readable(site: &Site, records: &BTreeMap<HostName, Look>) -> Result<(), Failure> {
    for (host, look) in records {
        let Some(line) = look.claim_damaged() else {
            continue;
        };
        let (env, app) = (&site.setup.env, &site.setup.app);
        let file = format!("{}/{env}/{app}/claim", verb::ROOT);
        let newer = line
            .split(' ')
            .next()
            .is_some_and(|w| w != "1" && is_number(w));
        let failure = if newer {
            Failure::refused(format!(
                "the claim on {host} is of a form that this version does not know: {line}"
            ))
            .hint("use the version of deploy that made it, or a newer one")
        } else {
            Failure::refused(format!("the claim on {host} is damaged: {line}")).hint(format!(
                "nothing was changed; when no run is at work there: ssh {host} mv {file} {file}.damaged"
            ))
        };
        return Err(failure);
    }
    Ok(())
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

async fn manifest(site: &Site, claims: &Claims, run: &RunId) -> Result<Manifest, Failure> {
    let mut last = None;
    let holds = |name: &HostName| claims.get(name).is_some_and(|c| c.run == *run);
    for (name, machine) in site.machines.iter().filter(|(n, _)| holds(n)) {
        let read = machine
            .host
            .run(verb::read_manifest(&machine.scope, run))
            .await;
        let found = match read {
            Ok(reply) => parse::file(&reply).map_err(|e| chain(&e)),
            Err(error) => Err(chain(&error)),
        };
        match found {
            Ok(Some(lines)) => match Manifest::read(&lines.join("\n")) {
                Ok(manifest) => return Ok(manifest),
                Err(error) => last = Some(format!("{name}: {}", chain(&error))),
            },
            Ok(None) => last = Some(format!("{name} has none")),
            Err(why) => last = Some(format!("{name}: {why}")),
        }
    }
    let why = last.unwrap_or_else(|| "no host that it holds answers".to_owned());
    Err(
        Failure::refused(format!("what run {run} wanted is not known: {why}")).hint(
            "nothing was changed; look at the hosts, then \
             `deploy switch ENV APP --to SLOT --take-over -m REASON`",
        ),
    )
}

/// The right to finish the run: which claims are taken, and how it ended where that is known.
///
/// # Errors
/// Refused where the lease is not over, `force` is not given and its client may live, where another
/// run holds a host, or where a machine is not the one of then.
pub fn takes(
    manifest: Manifest,
    fleet: &Fleet,
    force: bool,
    dead: &IsDead<'_>,
) -> Result<(Resumed, Over), Failure> {
    same_machines(&manifest, fleet)?;
    let claims = claims(fleet);
    let ends = displaced(&manifest);
    let foreign = |c: &&ClaimView| c.run != manifest.run && begun(c) && !ends.contains(&c.run);
    if claims.values().any(|c| foreign(&c)) {
        return Err(several(&claims));
    }
    let holder = claims.values().max_by_key(|c| c.left);
    let gone = claims.values().all(|c| dead(&c.who));
    if let Some(holder) = holder.filter(|c| c.left > 0 && !force && !gone) {
        return Err(Failure::refused(format!(
            "run {} of {} still has a lease of {} s: it may be at work",
            holder.run,
            person(&holder.who),
            holder.left
        ))
        .hint("wait for its end, or take it over now: --take-over -m REASON"));
    }
    let others: BTreeSet<RunId> = claims
        .values()
        .map(|c| c.run.clone())
        .filter(|run| ends.contains(run))
        .collect();
    let records = records(fleet);
    let ended = records
        .into_iter()
        .find_map(|(_, r)| r.finished.get(&manifest.run).copied());
    let over = Over {
        fences: claims.into_iter().map(|(h, c)| (h, c.fence)).collect(),
        force: force || gone,
        displaced: others.into_iter().collect(),
    };
    Ok((Resumed { manifest, ended }, over))
}

/// Every claim on the hosts, for a run that displaces them.
#[must_use]
pub fn all_claims(fleet: &Fleet) -> Over {
    let claims = claims(fleet);
    let runs: BTreeSet<RunId> = claims
        .values()
        .filter(|c| begun(c) || c.left > 0)
        .map(|c| c.run.clone())
        .collect();
    Over {
        fences: claims.into_iter().map(|(h, c)| (h, c.fence)).collect(),
        force: true,
        displaced: runs.into_iter().collect(),
    }
}

fn same_machines(manifest: &Manifest, fleet: &Fleet) -> Result<(), Failure> {
    for host in &manifest.hosts {
        let apps = fleet.hosts.get(&host.name).map(|v| &v.machine);
        let now = apps.or_else(|| fleet.balancers.get(&host.name).map(|v| &v.machine));
        if let (Some(then), Some(Some(now))) = (&host.machine, now)
            && then != now
        {
            return Err(Failure::refused(format!(
                "{} is another machine than when run {} began: its record does not know that run",
                host.name, manifest.run
            ))
            .hint("where the old one is gone for good: deploy resume … --exclude HOST"));
        }
    }
    Ok(())
}

fn records(fleet: &Fleet) -> Vec<(&HostName, &crate::fleet::RecordView)> {
    let hosts = fleet.hosts.iter().map(|(h, v)| (h, &v.record));
    let balancers = fleet.balancers.iter().map(|(h, v)| (h, &v.record));
    hosts.chain(balancers).collect()
}

fn claims(fleet: &Fleet) -> Claims {
    let all = records(fleet).into_iter();
    all.filter_map(|(h, r)| Some((h.clone(), r.claim.clone()?)))
        .collect()
}

/// What each host held in the slot before the run. Manifests of older versions tell one release of a
/// whole slot.
fn held_before(
    manifest: &Manifest,
    setup: &Setup,
    slot: &SlotName,
) -> BTreeMap<HostName, ReleaseId> {
    let each = manifest.more.get("was").and_then(|w| w.get(slot.as_str()));
    if let Some(each) = each.and_then(|e| serde_json::from_value(e.clone()).ok()) {
        return each;
    }
    let of_slot = manifest.slots_before.get(slot).into_iter();
    let all = of_slot.flat_map(|id| setup.hosts(slot).map(|h| (h.clone(), id.clone())));
    all.collect()
}

/// What the manifest says the run wanted, and the app as it was planned then.
///
/// # Errors
/// Refused where the manifest does not have its form.
pub fn wanted(manifest: &Manifest) -> Result<(Setup, Unfinished), Failure> {
    let bad = |what: &str| {
        Failure::refused(format!(
            "the manifest of run {} has no {what}",
            manifest.run
        ))
    };
    let setup = manifest.more.get("setup").cloned().unwrap_or_default();
    let setup: Setup = serde_json::from_value(setup).map_err(|e| bad("setup").because(e))?;
    let traffic =
        |all: Option<&BTreeMap<_, serde_json::Value>>| -> Result<Option<Traffic>, Failure> {
            let Some(value) = all.and_then(|a| a.values().next()) else {
                return Ok(None);
            };
            serde_json::from_value(value.clone()).map_err(|e| bad("traffic").because(e))
        };
    let target = manifest.standby.clone().ok_or_else(|| bad("slot"))?;
    let unfinished = Unfinished {
        was: held_before(manifest, &setup, &target),
        wanted: manifest.hosts.iter().find_map(|h| h.release.clone()),
        before: traffic(Some(&manifest.before))?,
        after: traffic(manifest.after.first())?,
        brings: manifest.kind == RunKind::Deploy,
        again: match manifest.kind {
            RunKind::CatchUp => Some("catch-up"),
            RunKind::Job => Some("job"),
            _ => None,
        },
        // What it was is said by its kind: a removal may find nothing on its hosts.
        removes: match (manifest.kind, manifest.more.get("removes")) {
            (RunKind::Remove, Some(hosts)) => {
                Some(serde_json::from_value(hosts.clone()).map_err(|e| bad("hosts").because(e))?)
            }
            (RunKind::Remove, None) => Some(BTreeSet::new()),
            _ => None,
        },
        target,
        ended: None,
        excluded: BTreeSet::new(),
        failed: false,
    };
    Ok((setup, unfinished))
}
