//! What a run left behind: found on the hosts, read from its manifest.

use std::collections::BTreeMap;

use super::failure::Failure;
use crate::engine::run::Resumed;
use crate::engine::site::{Site, chain};
use crate::fleet::{ClaimView, Fleet, Traffic};
use crate::name::{HostName, RunId};
use crate::plan::Setup;
use crate::plan::resume::Unfinished;
use crate::record::{Manifest, RunKind, parse, verb};

/// The unfinished run on these hosts; `None` where no host is claimed.
///
/// # Errors
/// Refused where its lease is not over and `force` is not given, or where its manifest cannot be
/// read: what it wanted is not known then, and nothing is guessed.
pub async fn find(site: &Site, fleet: &Fleet, force: bool) -> Result<Option<Resumed>, Failure> {
    let claims = claims(fleet);
    let Some((_, first)) = claims.iter().next() else {
        return Ok(None);
    };
    let runs: Vec<&RunId> = claims.values().map(|c| &c.run).collect();
    if runs.iter().any(|r| **r != first.run) {
        let each: Vec<String> = claims
            .iter()
            .map(|(h, c)| format!("{h} by {}", c.run))
            .collect();
        return Err(Failure::refused(format!(
            "different runs hold the hosts: {}",
            each.join(", ")
        )));
    }
    let left = claims.values().map(|c| c.left).max().unwrap_or(0);
    if left > 0 && !force {
        return Err(Failure::refused(format!(
            "run {} of {} still has a lease of {left} s: it may be at work",
            first.run, first.who
        ))
        .hint("wait for its end, or take it over now: --take-over -m REASON"));
    }
    let manifest = manifest(site, &claims, &first.run).await?;
    let fences = claims
        .iter()
        .map(|(h, c)| (h.clone(), c.fence.clone()))
        .collect();
    Ok(Some(Resumed {
        manifest,
        fences,
        force,
    }))
}

fn claims(fleet: &Fleet) -> BTreeMap<HostName, ClaimView> {
    let hosts = fleet.hosts.iter().map(|(h, v)| (h, &v.record));
    let balancers = fleet.balancers.iter().map(|(h, v)| (h, &v.record));
    hosts
        .chain(balancers)
        .filter_map(|(h, r)| Some((h.clone(), r.claim.clone()?)))
        .collect()
}

async fn manifest(
    site: &Site,
    claims: &BTreeMap<HostName, ClaimView>,
    run: &RunId,
) -> Result<Manifest, Failure> {
    let mut last = None;
    for (name, machine) in site
        .machines
        .iter()
        .filter(|(n, _)| claims.contains_key(*n))
    {
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
        Failure::refused(format!("what run {run} wanted is not known: {why}"))
            .hint("nothing was changed; look at the hosts, then `deploy switch ENV APP --to SLOT`"),
    )
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
    let was = manifest.slots_before.get(&target);
    let hosts = setup.hosts(&target).cloned();
    let unfinished = Unfinished {
        was: was
            .map(|id| hosts.map(|h| (h, id.clone())).collect())
            .unwrap_or_default(),
        wanted: manifest.hosts.iter().find_map(|h| h.release.clone()),
        before: traffic(Some(&manifest.before))?,
        after: traffic(manifest.after.first())?,
        again: match manifest.kind {
            RunKind::CatchUp => Some("catch-up"),
            _ => None,
        },
        target,
    };
    Ok((setup, unfinished))
}
