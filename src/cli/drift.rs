//! `deploy drift ENV [APP]`: what is not as it was deployed.

use std::collections::BTreeMap;

use super::context::Context;
use super::failure::Failure;
use super::place::SomeApps;
use super::seeing::{self, Seeing};
use super::session::{Boxed, Session};
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::engine::voice::Voice;
use crate::fleet::Fleet;
use crate::name::ExitCode;
use crate::plan::Setup;
use crate::record::past;
use crate::report::drift::{self, AppDrift};
use crate::report::paint;

/// Show what is not as it was deployed: containers, images, limits, files, load balancers
///
/// Holds what runs against what was recorded when it was deployed; nothing is changed and the
/// registry is not asked. Ends with 3 where something is different, with 7 where a host did not
/// answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: SomeApps,
    #[command(flatten)]
    seeing: Seeing,
}

/// What was seen of an app: the look, and the sums of its files.
type Seen = (Setup, Fleet, Answers);

impl Args {
    /// Looks at the hosts and at the files that they keep.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept the look from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let opened = self.of.open(ctx)?;
        let env = opened.env();
        let deadline = self.seeing.begin(ctx);
        let mut session = self.seeing.session(ctx)?;
        let clock = ctx.clock.clone();
        let work = move |site: Site| -> Boxed<Seen> {
            let clock = clock.clone();
            Box::pin(async move {
                let (voice, left) = (Voice::mute(clock.clone()), deadline.left(&clock));
                let sums = |_: &_, m: &Machine| m.app.then(|| past::sums(&m.scope));
                let (fleet, answers) =
                    tokio::join!(site.look_within(&voice, left), site.ask(left, sums));
                (site.setup, fleet, answers)
            })
        };
        let look = async |s: &Session| s.each(&opened.inventory, &opened.apps, work).await;
        let seen = session.unless_stopped(look);
        let seen = seen.await;
        session.close().await;
        let mut apps: Vec<AppDrift> = Vec::new();
        for (_, (setup, fleet, answers)) in seen? {
            let (files, silent) = seeing::read(answers, past::read_sums);
            let files: BTreeMap<_, _> = files.into_iter().collect();
            apps.push(drift::app(&setup, &fleet, &files, silent, &ctx.zone));
        }
        let text = if ctx.options.json {
            drift::json(env, &apps)
        } else {
            paint::lines(&drift::text(env, &apps), ctx.stdout_colour())
        };
        ctx.out.result(&text);
        for app in &apps {
            seeing::name_silent(ctx, &app.silent);
        }
        Ok(drift::exit_code(&apps))
    }
}
