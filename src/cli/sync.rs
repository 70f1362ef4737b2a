//! `deploy sync ENV [APP]`: hosts that are new, rebuilt, owing or differ are brought to what is recorded.
//!
//! The recorded release is rendered again with its own digests and held against what the other hosts
//! have: only where every byte is the same may a host that lacks it be given it under its name. So a
//! sync never brings a change of configuration; that is for a deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bring;
use super::context::Context;
use super::drive::{self, Drive};
use super::failure::Failure;
use super::guard::{self, Word};
use super::place::{OneApp, Place};
use super::secrets;
use super::session::{self, Session};
use super::work::with;
use crate::compose::ImageRef;
use crate::engine::site::Site;
use crate::fleet::{Fleet, Holdings};
use crate::name::{Digest, ExitCode, HostName, SlotName};
use crate::plan::entry::held_first;
use crate::plan::{PlanKind, Refusal, Setup, changes, debts, judge, sync};
use crate::release::{Given, HostRelease, Made, Release};
use crate::report::words;

/// Bring hosts that are new, rebuilt, owing or differ to the recorded release
///
/// Each host gets the release that is recorded for its slot, by digest, is gated, and then gets
/// traffic; a member that has some is taken out first, one after the other. No release is changed:
/// where configuration or secrets differ from what the release was made from, it is refused.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    /// Only these hosts: names, web*, web[1:4], groups, !not
    #[arg(
        long = "host",
        alias = "hosts",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    hosts: Vec<String>,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let place = self.of.open(ctx)?;
        let named = session::hosts(&place.inventory, &self.hosts)?;
        bring_back(ctx, &place, &named).await
    }
}

async fn bring_back(ctx: &Context, place: &Place, named: &[HostName]) -> Result<ExitCode, Failure> {
    let (inventory, app) = (&place.inventory, place.app()?);
    let session = Session::start(ctx)?;
    with(session, async |session: &mut Session| {
        let meta = drive::meta(ctx);
        let asked = session.unless_stopped(async |session: &Session| {
            let dirty = guard::dirty(ctx, &meta.config);
            let look = bring::look(session, inventory, app, true);
            tokio::join!(dirty, look)
        });
        let (dirty, (mut site, fleet, holdings)) = asked.await?;
        debts::rest(&mut site.setup, &fleet, None, false);
        without_silent(&mut site, &fleet);
        let drained = fleet.drained();
        let site = Arc::new(site);
        let made = drive::made(&meta, dirty);
        let known = Known {
            ctx,
            place,
            setup: &site.setup,
            fleet: &fleet,
            holdings: &holdings,
            made: &made,
            word: meta.word,
        };
        let release = known.recorded(session).await?;
        let generation = meta.run.to_string();
        let planner = |fleet: &Fleet| {
            debts::refuse_other_drained(fleet, &drained)?;
            sync::sync(&site.setup, &release, fleet, named, &generation)
        };
        let plan = planner(&fleet).map_err(|r| refused(&site.setup, &fleet, meta.word, r));
        let drive = Drive::new(ctx, Some(inventory), (&site, &fleet), &planner, &meta);
        let drive = drive.bringing(&release);
        drive.try_to(session, PlanKind::Sync, plan).await
    })
    .await
}

/// Why nothing is begun, behind whoever holds the hosts.
fn refused(setup: &Setup, fleet: &Fleet, word: bool, refusal: Refusal) -> Failure {
    let all = held_first(setup, fleet, PlanKind::Sync, (&[], word), refusal);
    drive::refused(PlanKind::Sync.word(), all)
}

/// App hosts that were reached and did not answer their look are left as they are.
fn without_silent(site: &mut Site, fleet: &Fleet) {
    let silent = |h: &HostName| !fleet.hosts.contains_key(h) && !fleet.balancers.contains_key(h);
    site.machines.retain(|host, _| !silent(host));
}

/// What is known when a recorded release is made again.
struct Known<'a> {
    ctx: &'a Context,
    place: &'a Place,
    setup: &'a Setup,
    fleet: &'a Fleet,
    holdings: &'a Holdings,
    made: &'a Made,
    word: bool,
}

impl Known<'_> {
    /// The recorded release of each slot, with a part for every host; its label is that of the slot
    /// which serves.
    async fn recorded(&self, session: &mut Session) -> Result<Release, Failure> {
        let refused = |r| refused(self.setup, self.fleet, self.word, r);
        let now = judge::traffic_now(self.setup, self.fleet).map_err(refused)?;
        let active = judge::active(self.setup, now.as_ref()).map_err(refused)?;
        let Some(active) = active else {
            let what = "nothing serves yet: deploy a version first";
            return Err(Failure::refused(what));
        };
        let mut release = self.of_slot(session, &active).await?;
        for slot in self.setup.slots.iter().filter(|s| **s != active) {
            // What stands by is of no harm to what serves: it is left where it cannot be told.
            match self.of_slot(session, slot).await {
                Ok(other) => release.parts.extend(other.parts),
                Err(failure) => {
                    let line = failure.one_line();
                    let text = format!("{slot} is left as it is: {line}");
                    session.voice.note(text, String::new());
                }
            }
        }
        Ok(release)
    }

    /// Hosts that hold the one release that is recorded for the slot.
    fn holders(&self, slot: &SlotName) -> Result<BTreeMap<&HostName, &HostRelease>, Failure> {
        let debts = self.fleet.debts();
        let all: BTreeMap<&HostName, &HostRelease> = self
            .setup
            .hosts(slot)
            .filter_map(|h| Some((h, judge::recorded(self.fleet.hosts.get(h)?, slot)?)))
            .collect();
        let well = |h: &HostName| !debts.contains_key(h);
        let some = all.keys().any(|h| well(h));
        let asked = all.iter().filter(|(h, _)| !some || well(h));
        let ids: BTreeSet<_> = asked.map(|(_, r)| &r.label.id).collect();
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next()) {
            (Some(id), None) => {
                let same = all.iter().filter(|(_, r)| r.label.id == *id);
                Ok(same.map(|(h, r)| (*h, *r)).collect())
            }
            (None, _) => Err(Failure::refused(format!(
                "no host has a recorded release of {} in {slot}",
                self.setup.app
            ))),
            (Some(_), Some(_)) => Err(Failure::refused(format!(
                "the hosts of {slot} hold different releases"
            ))
            .hint(self.deploy("VERSION"))),
        }
    }

    fn deploy(&self, version: &str) -> String {
        let (env, app) = (&self.setup.env, &self.setup.app);
        format!("`deploy {env} {app}@{version}` brings one to all hosts")
    }

    async fn of_slot(&self, session: &mut Session, slot: &SlotName) -> Result<Release, Failure> {
        let holders = self.holders(slot)?;
        let Some(held) = holders.values().next().copied() else {
            return Err(Failure::refused(format!(
                "nobody holds a release of {slot}"
            )));
        };
        if held.label.adopted {
            let what = format!(
                "{} was started by hand: no other host can be given it",
                held.label
            );
            return Err(Failure::refused(what).hint(self.deploy("VERSION")));
        }
        let (inventory, app) = (&self.place.inventory, self.place.app()?);
        let draft = session::draft(self.ctx, inventory, app, &held.label.version)?;
        let mut digests = BTreeMap::new();
        for image in draft.images() {
            let Some(digest) = digest_of(&holders, &image) else {
                let what = format!("{image} is no part of {}", held.label);
                return Err(Failure::refused(what).hint(self.deploy(held.label.version.as_str())));
            };
            digests.insert(image, digest);
        }
        let fetched = session
            .unless_stopped(async |s: &Session| {
                secrets::fetch(self.ctx, &s.voice, inventory, draft.secrets()).await
            })
            .await??;
        let salted = holders.values().find(|r| !r.secrets.is_empty());
        let salt = match salted {
            Some(one) => one.secrets.salt.clone(),
            None => secrets::salt(self.fleet, drive::random),
        };
        let given = Given {
            secrets: &fetched,
            salt: &salt,
            made: self.made,
        };
        let mut release = draft.pin_as(&held.label, &digests, &given)?;
        release.parts.retain(|p| p.spec.slot == *slot);
        self.same(slot, &holders, &release)?;
        for part in &mut release.parts {
            if let Some(kept) = holders.get(&part.host) {
                part.spec = (*kept).clone();
            }
        }
        Ok(release)
    }

    /// Refuses where what is written today is not what the release was made from.
    fn same(
        &self,
        slot: &SlotName,
        holders: &BTreeMap<&HostName, &HostRelease>,
        release: &Release,
    ) -> Result<(), Failure> {
        let label = &release.label;
        let mut found: Vec<(String, Vec<HostName>)> = Vec::new();
        let mut compared = false;
        for (host, kept) in holders {
            let Some(part) = release.on(slot, host) else {
                continue;
            };
            let held = self.holdings.get(*host).and_then(|h| h.files.get(slot));
            compared |= held.is_some();
            let files = held.map(|held| changes::different_files(held, part));
            let secrets = kept.secrets.changes(&part.spec.secrets);
            for what in files.into_iter().flatten().chain(secrets) {
                match found.iter_mut().find(|(known, _)| *known == what) {
                    Some((_, hosts)) => hosts.push((*host).clone()),
                    None => found.push((what, vec![(*host).clone()])),
                }
            }
        }
        if !compared {
            let what = format!("no host tells what {label} is made of");
            return Err(Failure::unreachable(what));
        }
        if found.is_empty() {
            return Ok(());
        }
        let each: Vec<String> = found
            .into_iter()
            .map(|(what, hosts)| format!("{}: {what}", words::names(&hosts, 4)))
            .collect();
        let what = format!(
            "what is written today is not what {label} was made from:\n  {}",
            each.join("\n  ")
        );
        Err(Failure::refused(what).hint(self.deploy(label.version.as_str())))
    }
}

/// What the recorded release says an image means.
fn digest_of(holders: &BTreeMap<&HostName, &HostRelease>, image: &ImageRef) -> Option<Digest> {
    let services = holders.values().flat_map(|r| r.services.values());
    let mut parsed = services.filter_map(|s| ImageRef::parse(&s.image).ok());
    let same = |i: &ImageRef| i.repository == image.repository && i.tag == image.tag;
    parsed.find_map(|i| same(&i).then(|| i.digest.clone()).flatten())
}
