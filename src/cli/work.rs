//! What each command does once its words are understood. This is where engine and faces meet: the
//! command files above know words only, the engine below knows neither words nor screens.
//!
//! Each function gets checked names and returns the exit code; runs speak through
//! [`Context::feed`].

use std::sync::Arc;
use std::time::Duration;

use regex_lite::Regex;

use super::bring::{self, Then};
use super::context::Context;
use super::drive::{self, Drive};
use super::exclude;
use super::failure::Failure;
use super::place::{Place, Wish};
use super::redeploy::Again;
use super::session::{self, Session};
use super::streams;
use super::unfinished;
use crate::compose::OVERRIDE_FILE;
use crate::engine::site::Site;
use crate::fleet::Fleet;
use crate::inventory::{App, Inventory};
use crate::name::{ExitCode, HostName, ServiceName, SlotName};
use crate::plan::entry::held_first;
use crate::plan::{Plan, PlanKind, Refusal, debts, restart as again, switch as turn};

/// How to switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchTo {
    /// The slot; without it, the standby that was staged.
    pub slot: Option<SlotName>,
    /// Also where the slot is unfit; a message is there then.
    pub force: bool,
    /// Runs that hold the hosts end by it; a message is there then.
    pub take_over: bool,
}

/// Which logs.
#[derive(Debug, Clone)]
pub struct LogsOf {
    /// Lines per container from the end; `None` for all.
    pub tail: Option<u64>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// Only lines in which it is found.
    pub grep: Option<Regex>,
    /// Of these services; of all where none is named.
    pub services: Vec<ServiceName>,
    /// Of these slots; of all where none is named.
    pub slots: Vec<SlotName>,
    /// Go on until stopped.
    pub follow: bool,
    /// Of these hosts; of all where none is named.
    pub hosts: Vec<HostName>,
}

/// `deploy ENV APP@VERSION`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn deploy(ctx: &Context, wish: Wish) -> Result<ExitCode, Failure> {
    bring::bring(ctx, wish, PlanKind::Deploy, Then::Run).await
}

/// `deploy stage ENV APP@VERSION`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn stage(ctx: &Context, wish: Wish) -> Result<ExitCode, Failure> {
    bring::bring(ctx, wish, PlanKind::Stage, Then::Run).await
}

/// `deploy redeploy`: the recorded version again; says why, where it acts.
///
/// # Errors
/// What kept the run from beginning.
pub async fn redeploy(ctx: &Context, wish: Wish, again: &Again) -> Result<ExitCode, Failure> {
    bring::bring(ctx, wish, PlanKind::Deploy, Then::Again(again)).await
}

/// `deploy switch ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn switch(ctx: &Context, place: Place, to: SwitchTo) -> Result<ExitCode, Failure> {
    let how = How {
        kind: PlanKind::Switch,
        take_over: to.take_over,
        except: None,
    };
    if let Some(slot) = &to.slot {
        place.has_slot(slot)?;
    }
    let wish = turn::Wish {
        to: to.slot,
        force: to.force,
    };
    turn_how(ctx, place, how, &move |site, fleet, generation| {
        turn::switch(&site.setup, fleet, &wish, generation)
    })
    .await
}

/// `deploy rollback ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn rollback(ctx: &Context, place: Place, take_over: bool) -> Result<ExitCode, Failure> {
    let how = How {
        kind: PlanKind::Rollback,
        take_over,
        except: None,
    };
    turn_how(ctx, place, how, &|site, fleet, generation| {
        turn::rollback(&site.setup, fleet, generation)
    })
    .await
}

/// `deploy restart ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn restart(ctx: &Context, place: Place) -> Result<ExitCode, Failure> {
    turn_to(ctx, place, PlanKind::Restart, &|site, fleet, generation| {
        again::restart(&site.setup, fleet, generation)
    })
    .await
}

/// Makes a plan from the machines, what was seen, and the name of a new generation.
pub(super) type Turn<'a> = dyn Fn(&Site, &Fleet, &str) -> Result<Plan, Refusal> + Send + Sync + 'a;

/// What is done with what stands there, and whether other runs end by it.
#[derive(Clone, Copy)]
struct How<'a> {
    kind: PlanKind,
    take_over: bool,
    /// A drained host that takes part all the same.
    except: Option<&'a HostName>,
}

/// Looks, plans what needs no release from outside, and runs it; nobody is displaced.
pub(super) async fn turn_to(
    ctx: &Context,
    place: Place,
    kind: PlanKind,
    turn: &Turn<'_>,
) -> Result<ExitCode, Failure> {
    turn_with(ctx, place, kind, None, turn).await
}

/// The same with a drained host that takes part.
pub(super) async fn turn_with(
    ctx: &Context,
    place: Place,
    kind: PlanKind,
    except: Option<&HostName>,
    turn: &Turn<'_>,
) -> Result<ExitCode, Failure> {
    let how = How {
        kind,
        take_over: false,
        except,
    };
    turn_how(ctx, place, how, turn).await
}

/// Looks, plans what needs no release from outside, and runs it.
async fn turn_how(
    ctx: &Context,
    place: Place,
    how: How<'_>,
    turn: &Turn<'_>,
) -> Result<ExitCode, Failure> {
    let (inventory, app) = (&place.inventory, place.app()?);
    let session = Session::start(ctx)?;
    with(session, async |session: &mut Session| {
        let looked = session.unless_stopped(async |s: &Session| look(s, inventory, app).await);
        let (mut site, mut fleet) = looked.await?;
        debts::rest(&mut site.setup, &fleet, how.except, true);
        let drained = fleet.drained();
        let mut without = place.without.clone();
        if how.kind == PlanKind::CatchUp {
            without.extend(exclude::silent_debtors(&site, &fleet));
        }
        exclude::leave_out(&mut site, &mut fleet, &without)?;
        if matches!(how.kind, PlanKind::Switch | PlanKind::Rollback) {
            // Those of the slot that is left are not needed: more than the budget is no reason here.
            let _ = exclude::skip(&mut site, &fleet, &inventory.protection.unreachable);
        }
        let site = Arc::new(site);
        let mut meta = drive::meta(ctx);
        if how.take_over {
            drive::displace(&mut meta, unfinished::all_claims(&fleet));
        }
        let generation = meta.run.to_string();
        let planner = |fleet: &Fleet| {
            debts::refuse_other_drained(fleet, &drained)?;
            turn(&site, fleet, &generation)
        };
        let plan = planner(&fleet).map_err(|refusal| {
            let word = (meta.over.displaced.as_slice(), meta.word);
            let all = held_first(&site.setup, &fleet, how.kind, word, refusal);
            drive::refused(how.kind.word(), all)
        });
        let drive = Drive::new(ctx, Some(inventory), (&site, &fleet), &planner, &meta);
        drive.try_to(session, how.kind, plan).await
    })
    .await
}

/// Connects to the machines of an app and looks at them.
async fn look(session: &Session, inventory: &Inventory, app: &App) -> (Site, Fleet) {
    let site = session.open_to_look(inventory, app).await;
    let fleet = site.look(&session.voice).await;
    (site, fleet)
}

/// Runs with a session and closes it, however it ended.
/// # Errors
/// How the work ended.
pub async fn with(
    mut session: Session,
    run: impl AsyncFnOnce(&mut Session) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    let ended = run(&mut session).await;
    session.close().await;
    ended
}

/// What stands in a shown file where only a deploy knows the word.
const LATER: &str = "(known at the deploy)";

/// `deploy render ENV APP@VERSION`: the files of these hosts, of all where none is named.
///
/// # Errors
/// All that is wrong in inventory and templates, and what both set.
pub fn render(ctx: &Context, wish: &Wish, hosts: &[HostName]) -> Result<ExitCode, Failure> {
    let (place, app) = (&wish.place, wish.place.app()?);
    let draft = session::draft(ctx, &place.inventory, app, &wish.version)?;
    let all: Vec<_> = draft.files().zip(draft.overriding(LATER)?).collect();
    if !hosts.is_empty() && !all.iter().any(|((_, host, _), _)| hosts.contains(host)) {
        let named = crate::report::words::names(hosts, 12);
        return Err(Failure::usage(format!(
            "{} does not run on {named}",
            app.name
        )));
    }
    for ((slot, host, rendered), overriding) in all {
        if !hosts.is_empty() && !hosts.contains(host) {
            continue;
        }
        let own = rendered.files.iter().map(|f| (&*f.path, f.mode, &*f.bytes));
        for (path, mode, bytes) in own.chain([(OVERRIDE_FILE, 0o644, &*overriding)]) {
            if ctx.options.json {
                let line = serde_json::json!({
                    "v": 1, "event": "file", "host": host, "slot": slot, "path": path,
                    "mode": format!("{mode:o}"), "text": String::from_utf8_lossy(bytes),
                });
                ctx.out.result(&line.to_string());
                continue;
            }
            ctx.out.result(&format!("# {host} {slot} {path} {mode:o}"));
            ctx.out.result(String::from_utf8_lossy(bytes).trim_end());
        }
    }
    Ok(ExitCode::Success)
}

/// `deploy logs ENV APP`.
///
/// # Errors
/// What kept the logs from being read.
pub async fn logs(ctx: &Context, place: Place, of: LogsOf) -> Result<ExitCode, Failure> {
    let app = place.app()?;
    let session = Session::start(ctx)?;
    with(session, async |session: &mut Session| {
        let open = async |s: &Session| s.open(&place.inventory, app).await;
        let mut site = session.unless_stopped(open).await?;
        let wanted = |host: &HostName| of.hosts.is_empty() || of.hosts.contains(host);
        site.machines.retain(|host, _| wanted(host));
        site.silent.retain(|host, _| wanted(host));
        session.feed.pause().await;
        Ok(streams::show_all(ctx, &site, &of, &mut session.stops).await)
    })
    .await
}
