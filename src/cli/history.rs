//! `deploy history ENV [APP]`: what was done, by whom, and how it ended.

use super::context::Context;
use super::failure::Failure;
use super::place::SomeApps;
use super::seeing::{self, Seeing};
use super::session::Boxed;
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::name::ExitCode;
use crate::record::past;
use crate::report::history::{self, AppHistory, HistoryView};
use crate::report::paint;

/// Show what was done, by whom, why, and how it ended
///
/// Put together from what the hosts hold: each of them remembers every run that it took part in,
/// and attempts that changed nothing (refused, or nothing to do). `deploy show RUN` tells more.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: SomeApps,
    /// How many runs of each app, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: usize,
    /// Leave out attempts that changed nothing
    #[arg(long)]
    runs_only: bool,
    #[command(flatten)]
    seeing: Seeing,
}

impl Args {
    /// Asks every host of the apps, and puts together what they remember.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let opened = self.of.open(ctx)?;
        let deadline = self.seeing.begin(ctx);
        let mut session = self.seeing.session(ctx)?;
        // Attempts may push runs out of the last lines, and the other way round.
        let lines = self.lines.max(50);
        let clock = ctx.clock.clone();
        let asked = session.unless_stopped(async |session| {
            let ask = move |site: Site| -> Boxed<Answers> {
                let left = deadline.left(&clock);
                Box::pin(async move {
                    let script = |_: &_, m: &Machine| Some(past::runs(&m.scope, lines));
                    site.ask(left, script).await
                })
            };
            session.each(&opened.inventory, &opened.apps, ask).await
        });
        let asked = asked.await;
        session.close().await;
        let apps = asked?.into_iter().map(|(name, answers)| {
            let (pasts, silent) = seeing::read(answers, past::read_runs);
            AppHistory::of(name, &pasts, silent, !self.runs_only)
        });
        let view = HistoryView {
            env: self.of.env,
            apps: apps.collect(),
        };
        let text = if ctx.options.json {
            history::json(&view, self.lines)
        } else {
            let text = history::text(&view, self.lines, &ctx.zone);
            paint::lines(&text, ctx.stdout_colour())
        };
        ctx.out.result(&text);
        for app in &view.apps {
            seeing::name_silent(ctx, &app.silent);
        }
        Ok(view.exit_code())
    }
}
