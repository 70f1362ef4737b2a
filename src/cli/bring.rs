//! A release from what was asked to what is done with its plan: deploy, stage, plan, apply.
//!
//! To decide something before a plan is shown or performed: [`bring`], where the plan is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::context::Context;
use super::drive::{self, Drive};
use super::exclude;
use super::failure::Failure;
use super::guard::{self, Allow, Doubt};
use super::place::{Opened, Wish};
use super::planned::{Origin, Planned};
use super::redeploy::Again;
use super::secrets;
use super::session::{self, Session};
use super::work::with;
use crate::compose::ImageRef;
use crate::engine::site::Site;
use crate::event::Kind;
use crate::fleet::{Fleet, Holdings};
use crate::inventory::{App, Inventory};
use crate::name::{Digest, ExitCode, HostName, ImageName, OutcomeKind};
use crate::plan::changes::{Changes, Sizes, room_for};
use crate::plan::entry::held_first;
use crate::plan::{self, Action, Plan, PlanKind, Refusal, Setup, calendar, debts};
use crate::release::{Given, Release};

/// With this much free space a host takes any image that is met in practice: to fill it, images of
/// about 5 GiB would have to be fetched and unpacked.
const ROOMY: u64 = 20 << 30;

/// What is done with the plan of a release.
pub enum Then<'a> {
    /// Perform it.
    Run,
    /// Perform it where it changes something, and say why.
    Again(&'a Again),
    /// Print it, with all that it changes.
    Show(Show),
    /// Perform it where it is the one that was shown.
    Apply(Box<Planned>),
}

/// How a plan is shown.
#[derive(Debug, Clone, Default)]
pub struct Show {
    /// End with 3 where it changes something.
    pub tell: bool,
    /// Keep it in this file, for `deploy apply`.
    pub out: Option<PathBuf>,
}

/// `deploy apply FILE`.
///
/// # Errors
/// What moved since the plan was made, or what kept the run from beginning.
pub async fn apply(ctx: &Context, planned: Planned, allow: Allow) -> Result<ExitCode, Failure> {
    let inventory = session::inventory_with(ctx, &planned.env, &planned.sets)?;
    let mut place = Opened::of(inventory).at(planned.app.clone());
    place.without.clone_from(&planned.without);
    let mut wish = Wish::new(place, planned.version.clone());
    wish.allow = allow;
    bring(ctx, wish, PlanKind::Deploy, Then::Apply(Box::new(planned))).await
}

/// Renders, asks the registry and the fleet at the same time, plans, then goes on as wished.
///
/// # Errors
/// What kept the plan from being made or the run from beginning.
pub async fn bring(
    ctx: &Context,
    wish: Wish,
    kind: PlanKind,
    then: Then<'_>,
) -> Result<ExitCode, Failure> {
    let Wish {
        place,
        version,
        allow,
        digests: decided,
    } = &wish;
    let (inventory, app) = (&place.inventory, place.app()?);
    let draft = session::draft(ctx, inventory, app, version)?;
    let session = Session::start(ctx)?;
    with(session, async |session: &mut Session| {
        let mut meta = drive::meta(ctx);
        let asked = session.unless_stopped(async |session: &Session| {
            let digests = digests(ctx, inventory, draft.images(), decided.as_ref(), &then);
            let secrets = secrets::fetch(ctx, &session.voice, inventory, draft.secrets());
            let compare = matches!(then, Then::Show(_));
            let dirty = guard::dirty(ctx, &meta.config);
            let look = look(session, inventory, app, compare);
            tokio::join!(digests, secrets, dirty, look)
        });
        let (digests, secrets, dirty, (mut site, mut fleet, holdings)) = asked.await?;
        debts::rest(&mut site.setup, &fleet, None, false);
        let drained = fleet.drained();
        exclude::leave_out(&mut site, &mut fleet, &place.without)?;
        exclude::skip(&mut site, &fleet, &inventory.protection.unreachable)
            .map_err(|r| refused(&site.setup, &fleet, kind, &then, meta.word, r))?;
        let site = Arc::new(site);
        let digests = digests?;
        let salt = match &then {
            Then::Apply(planned) if !planned.salt.is_empty() => planned.salt.clone(),
            _ => secrets::salt(&fleet, drive::random),
        };
        let made = drive::made(&meta, dirty);
        let given = Given {
            secrets: &secrets?,
            salt: &salt,
            made: &made,
        };
        let release = draft.pin(&digests, &given, |id| drive::revision(&fleet, id))?;
        let generation = meta.run.to_string();
        let planner = |fleet: &Fleet| {
            debts::refuse_other_drained(fleet, &drained)?;
            plan::deploy(&site.setup, &release, fleet, kind, &generation)
        };
        let plan = planner(&fleet);
        let (mut stopped, mut acts) = (None, None);
        if let (Then::Again(again), Ok(wanted)) = (&then, &plan)
            && !wanted.is_empty()
        {
            match again.why(wanted) {
                Ok(why) => {
                    if !ctx.options.json {
                        let (env, app, label) = (&wanted.env, &wanted.app, &release.label);
                        acts = Some(format!("{env} {app}: redeploying {label}: {why}"));
                    }
                    if meta.why.is_empty() {
                        meta.why = Again::message(&why);
                    }
                }
                Err(failure) => stopped = Some(failure),
            }
        }
        if let (Then::Apply(planned), Err(refusal)) = (&then, &plan) {
            planned.check_refused(refusal, &site.setup, &release, &fleet)?;
        }
        let drive = Drive::new(ctx, Some(inventory), (&site, &fleet), &planner, &meta);
        let drive = drive.bringing(&release);
        if let Some(failure) = stopped {
            return Err(drive.told(&session.voice, kind, None, failure).await);
        }
        let refused = |r| refused(&site.setup, &fleet, kind, &then, meta.word, r);
        let plan = match (plan.map_err(refused), &then) {
            (Ok(mut plan), _) => {
                plan.notes.extend(calendar::note(&site.setup, &fleet));
                plan
            }
            (Err(failure), Then::Show(_)) => return Err(failure),
            (Err(failure), _) => return Err(drive.told(&session.voice, kind, None, failure).await),
        };
        let doubts = guard::doubts(ctx, allow, &plan, &site.setup, &fleet, &made).await;
        tell(session, &plan, &doubts);
        match &then {
            Then::Run | Then::Again(_) => {}
            Then::Apply(planned) => planned.check(&plan, &site.setup, &release, &fleet)?,
            Then::Show(show) => {
                let sizes = session.unless_stopped(async |_: &Session| {
                    sizes(ctx, inventory, &plan, &release, &holdings).await
                });
                let sizes = sizes.await?;
                let changes = Changes::of(&plan, &site.setup, &release, &fleet, &holdings, &sizes);
                print(ctx, session, &plan, &changes).await;
                if let Some(path) = &show.out {
                    let origin = Origin {
                        tool: meta.tool.clone(),
                        made: ctx.clock.wall().to_string(),
                        who: meta.who.to_string(),
                        sets: session::sets(ctx),
                        without: place.without.clone(),
                        digests,
                    };
                    let planned = Planned::new(origin, &plan, &site.setup, &release, &fleet);
                    planned.write(path).await?;
                    ctx.out.say(&format!(
                        "written to {0}; `deploy apply {0}` does it",
                        path.display()
                    ));
                }
                fits(&changes)?;
                let differs = show.tell && (!plan.is_empty() || plan.end == OutcomeKind::Failed);
                return Ok(if differs {
                    ExitCode::Differs
                } else {
                    ExitCode::Success
                });
            }
        }
        if let Err(failure) = guard::refuse(inventory, &doubts) {
            return Err(drive.told(&session.voice, kind, None, failure).await);
        }
        let narrow = narrow(&plan, &fleet);
        if !narrow.is_empty() {
            let fetch = session.unless_stopped(async |_: &Session| {
                let most = at_most(ctx, inventory, &plan, &release).await;
                let tight = |h: &HostName| narrow.get(h).is_some_and(|free| most > *free);
                let holdings = site.holdings_of(tight).await;
                let sizes = sizes(ctx, inventory, &plan, &release, &holdings).await;
                Changes::of(&plan, &site.setup, &release, &fleet, &holdings, &sizes)
            });
            if let Err(failure) = fits(&fetch.await?) {
                return Err(drive.told(&session.voice, kind, None, failure).await);
            }
        }
        let ended = drive.go(session, &plan).await;
        // Whoever loses to another run has not acted, and says nothing.
        let acted = !matches!(ended, Ok(ExitCode::Refused));
        acts.filter(|_| acted)
            .iter()
            .for_each(|text| ctx.out.result(text));
        ended
    })
    .await
}

/// Why nothing is begun; behind whoever holds the hosts, for who only looks is in nobody's way.
fn refused(
    setup: &Setup,
    fleet: &Fleet,
    kind: PlanKind,
    then: &Then<'_>,
    word: bool,
    refusal: Refusal,
) -> Failure {
    let all = match then {
        Then::Show(_) => refusal,
        _ => held_first(setup, fleet, kind, (&[], word), refusal),
    };
    drive::refused(kind.word(), all)
}

/// What every tag means: as the registry says now, or as a plan has decided.
async fn digests(
    ctx: &Context,
    inventory: &Inventory,
    images: BTreeSet<ImageRef>,
    decided: Option<&BTreeMap<String, Digest>>,
    then: &Then<'_>,
) -> Result<BTreeMap<ImageRef, Digest>, Failure> {
    if let Then::Apply(planned) = then {
        return planned.digests(&images);
    }
    let Some(decided) = decided else {
        return session::digests(ctx, inventory, images).await;
    };
    let pair = |image: ImageRef| match decided.get(&image.to_string()) {
        Some(digest) => Ok((image, digest.clone())),
        None => Err(Failure::refused(format!("{image} does not run there"))
            .hint("both environments must take their images from one repository")),
    };
    images.into_iter().map(pair).collect()
}

/// Tells what is doubtful; what the plan says itself is not said twice.
fn tell(session: &Session, plan: &Plan, doubts: &[Doubt]) {
    for doubt in doubts {
        if !plan.notes.contains(&doubt.what) {
            let text = if doubt.allowed {
                format!("overridden: {}", doubt.what)
            } else {
                doubt.what.clone()
            };
            session.voice.note(text, String::new());
        }
    }
}

/// Connects to the machines of an app and looks at them; with `compare` at what lies on their
/// disks too.
pub(super) async fn look(
    session: &Session,
    inventory: &Inventory,
    app: &App,
    compare: bool,
) -> (Site, Fleet, Holdings) {
    let site = session.open_to_look(inventory, app).await;
    let holdings = async {
        if compare {
            site.holdings().await
        } else {
            Holdings::default()
        }
    };
    let (fleet, holdings) = tokio::join!(site.look(&session.voice), holdings);
    (site, fleet, holdings)
}

/// What the images cost on the hosts that pull, as far as the registry says. A plan is shown
/// without it too.
async fn sizes(
    ctx: &Context,
    inventory: &Inventory,
    plan: &Plan,
    release: &Release,
    holdings: &Holdings,
) -> Sizes {
    let mut wanted = BTreeSet::new();
    for step in &plan.steps {
        let Action::Pull { host, slot, .. } = &step.action else {
            continue;
        };
        let (Some(part), Some(held)) = (release.on(slot, host), holdings.get(host)) else {
            continue;
        };
        let images = part.spec.services.values().map(|s| s.image.clone());
        wanted.extend(images.map(|image| (image, held.architecture.clone())));
    }
    let Ok(registry) = session::registry(ctx, inventory).await else {
        return Sizes::new();
    };
    let mut out = Sizes::new();
    for (image, architecture) in wanted {
        let Some((name, digest)) = at_registry(&image) else {
            continue;
        };
        if let Ok(size) = registry.size(&name, &digest, &architecture).await {
            out.insert((image, architecture), size);
        }
    }
    out
}

/// The same plan for people and machines.
async fn print(ctx: &Context, session: &Session, plan: &Plan, changes: &Changes) {
    let text = plan.to_string();
    if ctx.options.json {
        session.voice.say(Kind::Plan { text });
        session.feed.pause().await;
        let line =
            serde_json::json!({ "v": 1, "event": "changes", "plan": plan, "changes": changes });
        ctx.out.result(&line.to_string());
    } else {
        session.feed.pause().await;
        ctx.out.result(text.trim_end());
        ctx.out.result(changes.to_string().trim_end());
    }
}

/// Hosts that pull and have so little space that it is worth asking how large the images are, which
/// costs a question or some to the registry for each image; with what is free on them.
fn narrow(plan: &Plan, fleet: &Fleet) -> BTreeMap<HostName, u64> {
    let pulls = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Pull { host, .. } => Some((host.clone(), fleet.hosts.get(host)?.disk_free)),
        _ => None,
    });
    pulls.filter(|(_, free)| *free < ROOMY).collect()
}

/// The room that the images of a release take on a host that has nothing of them; where that fits,
/// no host need be asked what it has. More than any host has where it is not known.
async fn at_most(ctx: &Context, inventory: &Inventory, plan: &Plan, release: &Release) -> u64 {
    let Ok(registry) = session::registry(ctx, inventory).await else {
        return u64::MAX;
    };
    let mut all = 0_u64;
    for image in pulled(plan, release) {
        let Some((name, digest)) = at_registry(&image) else {
            return u64::MAX;
        };
        match registry.at_most(&name, &digest).await {
            Ok(Some(bytes)) => all = all.saturating_add(bytes),
            Ok(None) | Err(_) => return u64::MAX,
        }
    }
    room_for(all)
}

/// Images of all parts that are pulled, as `repository:tag@digest`.
fn pulled(plan: &Plan, release: &Release) -> BTreeSet<String> {
    let parts = plan.steps.iter().filter_map(|s| match &s.action {
        Action::Pull { host, slot, .. } => release.on(slot, host),
        _ => None,
    });
    let services = parts.flat_map(|part| part.spec.services.values());
    services.map(|s| s.image.clone()).collect()
}

/// What a registry calls it.
fn at_registry(image: &str) -> Option<(ImageName, Digest)> {
    let parsed = ImageRef::parse(image).ok()?;
    Some((
        ImageName::new(parsed.repository.as_str()).ok()?,
        parsed.digest?,
    ))
}

/// A pull that fills a disk fails half-way: told before.
fn fits(changes: &Changes) -> Result<(), Failure> {
    let reasons = changes.fetch.iter().filter_map(|f| f.too_much());
    let hint = "make room on these hosts: `docker system df` shows what takes it";
    let reasons = reasons.map(|r| (r, hint.to_owned())).collect();
    Refusal::of(reasons).map_or(Ok(()), |r| Err(drive::refused("deploy", r)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::fixture::{World, claim};

    #[test]
    fn whoever_holds_the_hosts_is_named_before_what_else_is_in_the_way() {
        let mut w = World::serving();
        w.host("web3").record.claim = Some(claim(3, 40));
        let said = |then: &Then<'_>| {
            let other = Refusal::one("web3: its port is taken", "stop it");
            refused(&w.setup, &w.fleet, PlanKind::Deploy, then, false, other).one_line()
        };
        let run = said(&Then::Run);
        let (held, port) = (run.find("r-"), run.find("its port is taken"));
        assert!(held.is_some() && held < port, "{run}");
        // Who only looks is told what he asked for.
        let shown = said(&Then::Show(Show::default()));
        assert_eq!(shown, "deploy is refused: web3: its port is taken");
    }
}
