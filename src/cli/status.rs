//! `deploy status [ENV [APP]]`: what runs where, and whether the way back is ready.

use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::seeing::{self, Seeing};
use super::session::{Boxed, Session};
use super::target::App;
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::inventory::units;
use crate::name::{AppName, EnvName, ExitCode};
use crate::report::paint;
use crate::report::status::{self as report, AppStatus, StatusView};

/// Show what runs where, what each load balancer says, and whether the way back is ready
///
/// Asks the hosts and load balancers themselves, all at once; nothing is remembered. Hosts that do
/// not answer in time are named, and it ends with 7.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment; all where none is named
    env: Option<EnvName>,
    /// App; all where none is named
    app: Option<App>,
    /// End with exit code 3 where something is not as it was deployed, or no way back is ready
    #[arg(long)]
    exit_code: bool,
    /// Look again and again until Ctrl-C, this long after the last look
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s",
          require_equals = true, value_parser = every)]
    watch: Option<Duration>,
    #[command(flatten)]
    seeing: Seeing,
}

fn every(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(str::to_owned)
}

impl Args {
    /// Understands the words, then looks.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept the look from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let (places, broken) = self.places(ctx)?;
        let mut session = self.seeing.session(ctx)?;
        let mut last = String::new();
        let ended = loop {
            let looked =
                session.unless_stopped(async |s: &Session| self.look(ctx, s, &places).await);
            let views = match looked.await {
                Ok(views) => views,
                Err(failure) => break Err(failure),
            };
            if let Err(failure) = self.show(ctx, &views, &mut last) {
                break Err(failure);
            }
            let Some(every) = self.watch else {
                break Ok(self.code(&views).worse(broken));
            };
            let pause = async |_: &Session| tokio::time::sleep(every).await;
            if session.unless_stopped(pause).await.is_err() || ctx.out.lost().is_some() {
                // Whoever watches stops by Ctrl-C: that is no failure.
                break Ok(self.code(&views).worse(broken));
            }
        };
        session.close().await;
        ended
    }

    /// What is looked at, and the code of what cannot be: one environment that is written wrongly
    /// does not hide the others.
    fn places(&self, ctx: &Context) -> Result<(Vec<Opened>, ExitCode), Failure> {
        if let Some(env) = &self.env {
            let one = Opened::named(ctx, env)?.only(self.app.as_ref())?;
            return Ok((vec![one], ExitCode::Success));
        }
        let (mut places, mut broken) = (Vec::new(), ExitCode::Success);
        for env in ctx.environments()? {
            match Opened::known(ctx, &env) {
                Ok(opened) => places.push(opened),
                Err(failure) => {
                    broken = failure.kind().exit_code();
                    ctx.out.say(&format!("{env} is left out:\n{failure}"));
                }
            }
        }
        Ok((places, broken))
    }

    /// Looks at all apps of all environments at once.
    async fn look(&self, ctx: &Context, session: &Session, places: &[Opened]) -> Vec<StatusView> {
        let deadline = self.seeing.begin(ctx);
        let mut set = tokio::task::JoinSet::new();
        for (n, place) in places.iter().enumerate() {
            let clock = ctx.clock.clone();
            let work = move |site: Site| -> Boxed<AppStatus> {
                let clock = clock.clone();
                Box::pin(async move {
                    let voice = Voice::mute(clock.clone());
                    let fleet = site.look_within(&voice, deadline.left(&clock)).await;
                    report::look::app(&site.setup, &fleet)
                })
            };
            let looking = session.each(&place.inventory, &place.apps, work);
            let env = place.env().clone();
            set.spawn(async move { (n, env, looking.await) });
        }
        let mut all = Vec::new();
        while let Some(joined) = set.join_next().await {
            all.extend(joined.ok());
        }
        all.sort_by_key(|(n, ..)| *n);
        let at = seeing::now(ctx);
        let view = |(_, env, apps): (usize, EnvName, Vec<(AppName, AppStatus)>)| StatusView {
            at,
            env,
            apps: apps.into_iter().map(|(_, app)| app).collect(),
        };
        all.into_iter().map(view).collect()
    }

    fn show(&self, ctx: &Context, views: &[StatusView], last: &mut String) -> Result<(), Failure> {
        if ctx.options.json {
            for view in views {
                let line = report::json(view);
                let line =
                    line.map_err(|e| Failure::failed("status has no JSON form").because(e))?;
                ctx.out.result(&line);
            }
            return Ok(());
        }
        let texts: Vec<String> = views.iter().map(|v| report::text(v, &ctx.zone)).collect();
        let text = texts.join("\n\n");
        // To a file or a pipe only what is new: the time of the look alone is not.
        let bare = report::without_time(&text);
        if self.watch.is_some() && ctx.outside.stdout_terminal && !ctx.outside.dumb() {
            let screen = paint::lines(&text, ctx.stdout_colour());
            ctx.out.result(&format!("\x1b[H\x1b[2J{screen}"));
        } else if bare != *last {
            ctx.out.result(&paint::lines(&text, ctx.stdout_colour()));
        }
        *last = bare;
        Ok(())
    }

    fn code(&self, views: &[StatusView]) -> ExitCode {
        let mut code = ExitCode::Success;
        for view in views {
            code = code.worse(view.exit_code());
            if self.exit_code && view.differs() {
                code = code.worse(ExitCode::Differs);
            }
        }
        code
    }
}
