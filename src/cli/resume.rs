//! `deploy resume ENV [APP]`: finish what a run left behind.

use super::context::Context;
use super::failure::Failure;
use super::target::{self, App};
use super::work::{self, Place};
use crate::name::{EnvName, ExitCode};

/// Finish a run whose client is gone, or take it back
///
/// Reads on the hosts what the run wanted, looks at what there is, and leads it to one of two ends:
/// where no load balancer was switched yet, what was begun is taken back; where one was, the switch
/// is finished if the new slot is fit, else undone. Needs no template and no registry.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; may be left out where there is one
    app: Option<App>,
    /// Also where its lease is not over: whoever runs it now loses it; needs -m
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
        work::resume(
            ctx,
            Place {
                env,
                app,
                without: Vec::new(),
            },
            self.take_over,
        )
        .await
    }
}
