//! `deploy show RUN`: one run, as its hosts remember it.

use std::path::PathBuf;

use tokio::task::JoinSet;

use super::context::Context;
use super::failure::Failure;
use super::output;
use super::place::Opened;
use super::seeing::{self, Deadline, Seeing};
use super::session::{Boxed, Session};
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::host::docker::evidence;
use crate::name::{AppName, EnvName, ExitCode, RunId};
use crate::record::past;
use crate::report::paint;
use crate::report::run::{self, RunView, page};
use crate::report::status::Said;

/// Show one run: its plan, what each host did and when, what failed and what is left of it
///
/// Every host of a run remembers it, so the loss of a host loses nothing. RUN is what
/// `deploy history ENV` lists last in each line. Times are those that the client of the run saw.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run, e.g. `r-7f3a9c01`
    run: RunId,
    /// Ask the hosts of this environment only; without it, those of all
    #[arg(long, value_name = "ENV")]
    env: Option<EnvName>,
    /// Write a page with a timeline into this file; it needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    seeing: Seeing,
}

/// What the hosts of one environment's apps answered.
struct Asked {
    env: EnvName,
    apps: Vec<(AppName, Answers)>,
}

impl Args {
    /// Asks every host for the run, and puts together what they remember.
    ///
    /// # Errors
    /// Words that mean nothing here, a run that nobody remembers, or a file that cannot be written.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let envs = ctx.environments_of(self.env.as_ref())?;
        let deadline = self.seeing.begin(ctx);
        let mut session = self.seeing.session(ctx)?;
        let found =
            session.unless_stopped(async |s: &Session| self.find(ctx, s, &envs, deadline).await);
        let found = found.await;
        session.close().await;
        let view = found??;
        if let Some(file) = &self.html {
            output::write(file, &page::html(&view, &ctx.zone))?;
        }
        if ctx.options.json {
            ctx.out.result(&run::json(&view));
        } else if self.html.is_none() {
            let text = run::text(&view, &ctx.zone);
            ctx.out.result(&paint::lines(&text, ctx.stdout_colour()));
        }
        seeing::name_silent(ctx, &view.silent);
        Ok(view.exit_code())
    }

    /// Asks all environments at once; the first that knows the run is enough.
    async fn find(
        &self,
        ctx: &Context,
        session: &Session,
        envs: &[EnvName],
        deadline: Deadline,
    ) -> Result<RunView, Failure> {
        let mut set = JoinSet::new();
        for env in envs {
            let opened = match Opened::known(ctx, env) {
                Ok(opened) => opened,
                // One environment that is written wrongly does not hide the others.
                Err(failure) if self.env.is_none() => {
                    ctx.out
                        .say(&format!("warning: {env} is left out\n{failure}"));
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let (run, clock, env) = (self.run.clone(), ctx.clock.clone(), env.clone());
            let ask = move |site: Site| -> Boxed<Answers> {
                let (left, run) = (deadline.left(&clock), run.clone());
                Box::pin(async move {
                    let script = |_: &_, m: &Machine| Some(past::run(&m.scope, &run));
                    site.ask(left, script).await
                })
            };
            let asking = session.each(&opened.inventory, &opened.apps, ask);
            set.spawn(async move {
                Asked {
                    env,
                    apps: asking.await,
                }
            });
        }
        let mut silent = Vec::new();
        while let Some(asked) = set.join_next().await {
            let Ok(asked) = asked else { continue };
            for (app, answers) in asked.apps {
                let view = self.view(&asked.env, &app, answers);
                if !view.hosts.is_empty() {
                    return Ok(view);
                }
                silent.extend(view.silent);
            }
        }
        Err(self.nobody(ctx, &silent))
    }

    fn nobody(&self, ctx: &Context, silent: &[Said]) -> Failure {
        let run = &self.run;
        if silent.is_empty() {
            return Failure::usage(format!("no host remembers the run {run}"))
                .hint("deploy history ENV lists the runs that hosts remember");
        }
        let mut all = silent.to_vec();
        all.dedup();
        seeing::name_silent(ctx, &all);
        Failure::unreachable(format!("no host that answered remembers the run {run}"))
            .hint("--env ENV asks the hosts of one environment; --within 30s waits longer")
    }

    /// What the hosts of an app say of the run; without hosts where none of them knows it.
    fn view(&self, env: &EnvName, app: &AppName, answers: Answers) -> RunView {
        let (known, silent) = seeing::read(answers, past::read_run);
        let mut view = RunView {
            place: Some((env.clone(), app.clone())),
            run: Some(self.run.clone()),
            silent,
            ..RunView::default()
        };
        for (host, memory) in known {
            if !memory.known() {
                continue;
            }
            view.hosts.push(host.clone());
            if memory.claim.is_some() {
                view.holds.push(host.clone());
            }
            let ended = |e: &Option<crate::record::HistoryEntry>| e.as_ref().map(|e| e.ended);
            if ended(&memory.entry) > ended(&view.entry) {
                view.entry = memory.entry;
                view.report = memory.report.or(view.report);
            } else {
                view.report = view.report.or(memory.report);
            }
            if let Some(manifest) = memory.manifest {
                let plan = manifest.more["plan"].as_str().map(str::to_owned);
                view.plan = view.plan.or(plan);
                view.begun = Some((manifest.who, manifest.started));
            }
            let kept = evidence::read(&memory.evidence);
            if !kept.containers.is_empty() {
                view.evidence.push((host, kept));
            }
        }
        view
    }
}
