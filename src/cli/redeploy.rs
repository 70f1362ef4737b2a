//! `deploy redeploy ENV [APP…]`: the release that serves, again, where something changed.
//!
//! For crontabs: silent where nothing happens, one line where it cannot go on, never a question.
//! It goes on as a deploy of the recorded version; what is decided here is when, and whether.

mod latest;

use std::time::Duration;

use latest::Line;

use super::context::Context;
use super::drive;
use super::failure::Failure;
use super::guard::Word;
use super::place::{Opened, Place, Wish};
use super::seeing;
use super::session::{Boxed, Session};
use super::target::App;
use super::work;
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::engine::voice::Voice;
use crate::fleet::Fleet;
use crate::inventory::{Unreachable, units};
use crate::name::{EnvName, ExitCode, RunId};
use crate::plan::{Action, Plan, Setup, debts, judge, skipped};
use crate::record::past::{self, Remembered};
use crate::release::ReleaseLabel;
use crate::report::words;

/// Longest look before it is decided.
const LOOK: Duration = Duration::from_secs(20);
/// Runs that are looked at by the loop breaker.
const RUNS: usize = 50;
/// The loop breaker forgets what is older than this many seconds.
const DAY: i64 = 24 * 3600;
/// What the message of such a run begins with.
const MARK: &str = "redeploy: ";

/// Deploy the release that serves again, where image, configuration or hosts changed
///
/// For crontabs and timers: the version that serves now is deployed as `deploy ENV APP@VERSION`
/// would. Where its tag means the same image, its files are the same and nothing on the hosts
/// differs, nothing is done and nothing said. Else it says why it acts. It waits while another run
/// holds the app, and it never asks. See docs/cron.md.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Apps; all of the environment where none is named
    #[arg(value_name = "APP")]
    apps: Vec<App>,
    /// Go to the newest version that the registry has, with LINE the newest of that line: 1.0, 1.0.*
    #[arg(long, value_name = "LINE", num_args = 0..=1, default_missing_value = "*", require_equals = true)]
    latest: Option<Line>,
    /// Longest wait for another run to end
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    wait: Duration,
    /// Begin after a random time of up to this
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    jitter: Duration,
    /// Refuse after this many redeploys in a row for the same reason, within a day
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    pub(super) word: Word,
}

fn time(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    units::duration(text).map_err(str::to_owned)
}

/// What a redeploy knows before it is planned.
#[derive(Debug, Clone)]
pub struct Again {
    /// The release that serves.
    pub recorded: ReleaseLabel,
    /// Runs of the app, oldest first.
    past: Vec<Remembered>,
    limit: u32,
    /// Seconds since the epoch.
    now: i64,
}

/// What a look found.
enum Found {
    /// A run holds the app.
    Held(RunId),
    /// It can be planned.
    Ready(Box<Again>),
}

impl Args {
    /// Redeploys app after app; each failure is one line.
    ///
    /// # Errors
    /// Words that mean nothing here, or what is wrong in the inventory.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let opened = Opened::named(ctx, &self.env)?;
        let mut places = Vec::new();
        for app in &self.apps {
            places.push(opened.place(Some(app))?);
        }
        if places.is_empty() {
            places.extend(opened.apps.iter().map(|app| opened.at(app.clone())));
        }
        tokio::time::sleep(some_of(self.jitter)).await;
        let mut code = ExitCode::Success;
        for place in places {
            let app = &place.app;
            let one = match Box::pin(self.one(ctx, &place)).await {
                Ok(one) => one,
                Err(failure) if ctx.options.json => return Err(failure),
                Err(failure) => {
                    let line = failure.one_line().replace('\n', " ");
                    ctx.out.say(&format!("error: {} {app}: {line}", self.env));
                    failure.kind().exit_code()
                }
            };
            code = code.worse(one);
        }
        Ok(code)
    }

    async fn one(&self, ctx: &Context, place: &Place) -> Result<ExitCode, Failure> {
        let end = ctx.clock.elapsed() + self.wait;
        loop {
            let again = match self.look(ctx, place).await? {
                Found::Ready(again) => *again,
                Found::Held(run) => {
                    self.pause(ctx, end, || format!("run {run} still holds it"))
                        .await?;
                    continue;
                }
            };
            let recorded = &again.recorded.version;
            let version = match &self.latest {
                Some(line) => line.newest(ctx, place, recorded).await?,
                None => recorded.clone(),
            };
            let wish = Wish::new(place.clone(), version);
            let code = work::redeploy(ctx, wish, &again).await?;
            if code != ExitCode::Refused {
                return Ok(code);
            }
            // Another run was first, or changed what was seen, between the look and the claim.
            self.pause(ctx, end, || "other runs were first each time".to_owned())
                .await?;
        }
    }

    /// A moment until the next look; refused where the wait is over.
    async fn pause(
        &self,
        ctx: &Context,
        end: Duration,
        why: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if ctx.clock.elapsed() >= end {
            let waited = crate::text::duration(self.wait);
            return Err(Failure::refused(format!("{} after {waited}", why())));
        }
        // Two that wait for the same run must not meet again and again.
        tokio::time::sleep(Duration::from_secs(1) + some_of(Duration::from_secs(3))).await;
        Ok(())
    }

    async fn look(&self, ctx: &Context, place: &Place) -> Result<Found, Failure> {
        let clock = ctx.clock.clone();
        let work = move |site: Site| -> Boxed<(Setup, Fleet, Answers)> {
            let clock = clock.clone();
            Box::pin(async move {
                let voice = Voice::mute(clock);
                let runs = |_: &_, m: &Machine| Some(past::runs(&m.scope, RUNS));
                let (fleet, answers) =
                    tokio::join!(site.look_within(&voice, LOOK), site.ask(LOOK, runs));
                (site.setup, fleet, answers)
            })
        };
        let mut session = Session::within(ctx, None)?;
        let names = [place.app.clone()];
        let seen = session
            .unless_stopped(async |s: &Session| s.each(&place.inventory, &names, work).await);
        let seen = seen.await;
        session.close().await;
        let Some((_, (setup, fleet, answers))) = seen?.into_iter().next() else {
            return Err(Failure::failed("the app could not be looked at"));
        };
        let hosts = fleet.hosts.values().map(|v| &v.record);
        let mut records = hosts.chain(fleet.balancers.values().map(|v| &v.record));
        let claim = records.find_map(|r| r.claim.as_ref().filter(|c| c.left > 0));
        if let Some(claim) = claim {
            return Ok(Found::Held(claim.run.clone()));
        }
        let (pasts, _) = seeing::read(answers, past::read_runs);
        Ok(Found::Ready(Box::new(Again {
            recorded: serves(&setup, &fleet, &place.inventory.protection.unreachable)?,
            past: past::merge(&pasts),
            limit: self.limit,
            now: ctx.clock.wall().as_second(),
        })))
    }
}

/// A random part of a time.
fn some_of(time: Duration) -> Duration {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(drive::random() % (millis + 1))
}

/// The release that serves, as it was recorded.
fn serves(setup: &Setup, fleet: &Fleet, budget: &Unreachable) -> Result<ReleaseLabel, Failure> {
    let skipped =
        skipped::within(setup, fleet, budget).map_err(|r| drive::refused("redeploy", r))?;
    let mut silent = fleet.silent.iter().filter(|(h, _)| !skipped.contains(h));
    if let Some((host, why)) = silent.next() {
        return Err(Failure::unreachable(format!(
            "no answer from {host}: {why}"
        )));
    }
    let traffic = judge::traffic_now(setup, fleet).map_err(|r| drive::refused("redeploy", r))?;
    let active =
        judge::active(setup, traffic.as_ref()).map_err(|r| drive::refused("redeploy", r))?;
    let slot =
        active.ok_or_else(|| Failure::refused("nothing serves yet: deploy a version first"))?;
    let (_, well) = debts::by_debt(setup, fleet, &slot);
    let hosts = well.into_iter();
    let recorded = hosts.filter_map(|h| judge::recorded(fleet.hosts.get(h)?, &slot));
    let mut labels: Vec<ReleaseLabel> = recorded.map(|r| r.label.clone()).collect();
    labels.sort_by(|a, b| a.id.cmp(&b.id));
    labels.dedup_by(|a, b| a.id == b.id);
    match &labels[..] {
        [one] => Ok(one.clone()),
        [] => Err(Failure::refused(format!(
            "what serves in {slot} was not deployed"
        ))),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            let what = format!(
                "the hosts of {slot} hold different releases: {}",
                names.join(", ")
            );
            let (env, app) = (&setup.env, &setup.app);
            Err(Failure::refused(what).hint(format!(
                "`deploy {env} {app}@VERSION` says which it is to be"
            )))
        }
    }
}

impl Again {
    /// Why the plan acts, in one line.
    ///
    /// # Errors
    /// Refused where that many runs in a row acted for the same reason.
    pub fn why(&self, plan: &Plan) -> Result<String, Failure> {
        let why = reason(plan, &self.recorded);
        let message = format!("{MARK}{why}");
        let same = self.past.iter().rev().filter(|r| !r.attempt);
        let same = same.take_while(|r| r.entry.why == message && self.now - r.entry.started < DAY);
        let times = u32::try_from(same.count()).unwrap_or(u32::MAX);
        if times < self.limit {
            return Ok(why);
        }
        let (env, app) = (&plan.env, &plan.app);
        let last = format!("the last {times} redeploys were for the same reason: {why}");
        Err(Failure::refused(last).hint(format!(
            "deploy history {env} {app} shows how they ended; any other run breaks the row"
        )))
    }

    /// What is kept with the run.
    #[must_use]
    pub fn message(why: &str) -> String {
        format!("{MARK}{why}")
    }
}

fn reason(plan: &Plan, recorded: &ReleaseLabel) -> String {
    if let Some(to) = plan.to.as_ref().filter(|to| to.id != recorded.id) {
        if to.version != recorded.version {
            return format!("{} is newer than {}", to.version, recorded.version);
        }
        return match (&recorded.digest, &to.digest) {
            (Some(old), Some(new)) if old != new => {
                format!(
                    "{} means {} now, was {}",
                    to.version,
                    new.short(),
                    old.short()
                )
            }
            _ => "its configuration changed".to_owned(),
        };
    }
    let brings = |action: &Action| action.starts().is_some();
    let turns = |action: &Action| matches!(action, Action::Shift { .. });
    // Traffic that is moved while a host is repaired is no reason of its own.
    let repairs = plan.steps.iter().any(|s| brings(&s.action));
    let reasons = |action: &Action| {
        if repairs {
            brings(action)
        } else {
            turns(action)
        }
    };
    let mut causes: Vec<String> = Vec::new();
    for step in plan.steps.iter().filter(|s| reasons(&s.action)) {
        let hosts: Vec<String> = step
            .action
            .hosts()
            .iter()
            .map(ToString::to_string)
            .collect();
        let cause = format!("{}: {}", words::names(&hosts, 4), step.cause.0);
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    let more = causes.len().saturating_sub(3);
    causes.truncate(3);
    if more > 0 {
        causes.push(format!("and {more} more"));
    }
    words::tame(&causes.join("; "))
}

#[cfg(test)]
#[path = "redeploy/tests.rs"]
mod tests;
