//! `deploy job ENV APP [list|retry|skip] [JOB]`: what is on record of jobs, and a person's word where the
//! end of one is open.

use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::place::{OneApp, Place};
use super::session::Session;
use super::work;
use crate::engine::voice::Voice;
use crate::fleet::{Fleet, JobMark};
use crate::name::{ExitCode, JobName};
use crate::plan::{PlanKind, jobs};
use crate::record::job as record;

/// Longest look.
const LOOK: Duration = Duration::from_secs(10);

/// List the jobs that ran, or say what becomes of one that failed or whose end is not known
///
/// A job runs at most once for a release. Where it failed, or its host lost power while it ran, no run
/// starts it again until you say so: `retry` lets the next deploy of the release start it once more,
/// `skip` has the next deploy go on without it. Both need -m, and are kept in the history.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    /// What to do
    #[arg(value_enum, default_value = "list")]
    what: What,
    /// Job; may be left out where one waits for a word
    #[arg(value_name = "JOB")]
    job: Option<JobName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// What is on record
    List,
    /// It may be started once more
    Retry,
    /// It is not to be started
    Skip,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let (word, key) = match self.what {
            What::List => {
                let place = self.of.open(ctx)?;
                return list(ctx, &place, self.job.as_ref()).await;
            }
            What::Retry => (jobs::Word::Retry, "retry"),
            What::Skip => (jobs::Word::Skip, "skip"),
        };
        ctx.with_reason(true, key)?;
        let place = self.of.open(ctx)?;
        let job = self.job;
        work::turn_to(ctx, place, PlanKind::Job, &move |site, fleet, _| {
            jobs::say(&site.setup, fleet, word, job.as_ref())
        })
        .await
    }
}

/// What all hosts of the app together remember, the last release first.
async fn list(ctx: &Context, place: &Place, job: Option<&JobName>) -> Result<ExitCode, Failure> {
    let session = Session::start(ctx)?;
    work::with(session, async |session: &mut Session| {
        let look = async |s: &Session| {
            let site = s.open(&place.inventory, place.app()?).await;
            let voice = Voice::mute(ctx.clock.clone());
            let mut fleet = site.look_within(&voice, LOOK).await;
            let hosts = site.setup.every_member();
            let missing = hosts.filter(|h| !fleet.hosts.contains_key(*h));
            for host in missing.cloned().collect::<Vec<_>>() {
                let why = site.silent.get(&host).cloned().unwrap_or_default();
                fleet.silent.entry(host).or_insert(why);
            }
            Ok::<Fleet, Failure>(fleet)
        };
        let fleet = session.unless_stopped(look).await??;
        session.feed.pause().await;
        Ok(show(ctx, &fleet, job))
    })
    .await
}

fn show(ctx: &Context, fleet: &Fleet, job: Option<&JobName>) -> ExitCode {
    let mut marks: Vec<JobMark> = fleet.jobs().into_values().collect();
    marks.retain(|m| job.is_none_or(|j| m.job == *j));
    marks.sort_by_key(|m| (std::cmp::Reverse(m.revision), m.at, m.job.clone()));
    for mark in &marks {
        ctx.out.result(&match ctx.options.json {
            true => json(mark),
            false => format!("#{} {} {}", mark.revision, mark.job, mark.says()),
        });
    }
    if marks.is_empty() && !ctx.options.json {
        ctx.out.result("no job has run");
    }
    let mut code = ExitCode::Success;
    for (host, why) in &fleet.silent {
        ctx.out.say(&format!("error: no answer from {host}: {why}"));
        code = ExitCode::Unknown;
    }
    code
}

fn json(mark: &JobMark) -> String {
    serde_json::json!({
        "v": 1, "event": "job", "release": mark.release, "revision": mark.revision,
        "job": mark.job, "attempt": mark.attempt, "state": record::word(mark.state),
        "host": mark.host, "run": mark.run, "at": mark.at,
        "rollback": if mark.blocks { "blocked" } else { "allowed" },
    })
    .to_string()
}
