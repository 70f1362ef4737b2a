//! `deploy prune ENV [APP]`: what is not needed any more goes.

use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::place::SomeApps;
use super::seeing;
use super::session::{Boxed, Session};
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::host::docker::prune::prune;
use crate::name::ExitCode;
use crate::record::prune as record;
use crate::report::prune::{self as report, AppPrune, PruneView};

/// Longest wait for a host: removing images touches the disk.
const WITHIN: Duration = Duration::from_secs(600);

/// Remove releases and images that nothing needs any more
///
/// On each host stay: what a slot holds, what any container was made from, and the last `keep:`
/// releases that served (5 unless told otherwise). An image goes when no release of any environment
/// on that host names it. An app that a run holds, that is locked, or that remembers who owes a
/// change is left alone. The history keeps every name. Safe at any time, made for crontabs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: SomeApps,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    /// Asks every app host to tidy up, all at once.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let opened = self.of.open(ctx)?;
        let mut session = Session::start(ctx)?;
        let mut apps = Vec::new();
        let mut stopped = Ok(());
        // One after the other: on a shared host they would only wait for each other's images.
        for name in &opened.apps {
            let keep = opened.inventory.apps.get(name).map_or(20, |app| app.keep);
            let dry = self.dry_run;
            let asked = session.unless_stopped(async |session: &Session| {
                let work = move |site: Site| -> Boxed<Answers> {
                    Box::pin(async move {
                        let engine = prune();
                        let script = |_: &_, m: &Machine| {
                            m.app.then(|| record::prune(&m.scope, keep, dry, &engine))
                        };
                        site.ask(WITHIN, script).await
                    })
                };
                let one = std::slice::from_ref(name);
                session.each(&opened.inventory, one, work).await
            });
            match asked.await {
                Ok(answers) => apps.extend(answers.into_iter().map(|(app, answers)| {
                    let (hosts, silent) = seeing::read(answers, record::read);
                    AppPrune { app, hosts, silent }
                })),
                Err(stop) => {
                    stopped = Err(stop);
                    break;
                }
            }
        }
        session.close().await;
        let view = PruneView {
            env: self.of.env,
            dry: self.dry_run,
            apps,
        };
        if ctx.options.json {
            let lines = report::json(&view);
            lines.iter().for_each(|line| ctx.out.result(line));
        } else if !ctx.options.quiet || view.exit_code() != ExitCode::Success {
            ctx.out.result(&report::text(&view));
        }
        for app in &view.apps {
            seeing::name_silent(ctx, &app.silent);
        }
        // What was done before a person stopped it was done.
        stopped?;
        Ok(view.exit_code())
    }
}
