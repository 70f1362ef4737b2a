//! `deploy rollback ENV [APP]`: back to the release before.

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::target::{self, App};
use super::work::{self, Place};
use crate::name::{EnvName, ExitCode};

/// Go back to the release before: one switch to the standby
///
/// Pulls nothing and starts nothing; each host and load balancer is asked once. Where the standby
/// is not fit it is refused, with the reason and what can be deployed instead.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; may be left out where there is one
    app: Option<App>,
    #[command(flatten)]
    without: Without,
    /// Even where another run holds the hosts: it ends by it, and is named; needs -m
    #[arg(long)]
    take_over: bool,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        if self.take_over && ctx.options.message.is_none() {
            return Err(
                Failure::usage("--take-over needs a reason that is written down")
                    .hint("add -m \"why\""),
            );
        }
        ctx.environment(&self.env, false)?;
        let apps = work::apps(ctx, &self.env).await?;
        let app = target::choose_app(&self.env, &apps, self.app.as_ref().map(|a| &a.0))?;
        let env = self.env;
        work::rollback(
            ctx,
            Place {
                env,
                app,
                without: self.without.lbs,
            },
            self.take_over,
        )
        .await
    }
}
