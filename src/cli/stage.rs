//! `deploy stage ENV [APP]@VERSION`: all but the switch.

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::guard::Allow;
use super::target::Wanted;
use super::work::{self, Wish};
use crate::name::{EnvName, ExitCode};

/// Do everything up to the gates; no traffic is moved
///
/// Ends `staged`: the release runs healthy in the standby slot, and nobody has noticed. Look at it
/// at the preview addresses, then `deploy switch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    #[command(flatten)]
    without: Without,
    #[command(flatten)]
    allow: Allow,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.environment(&self.env, false)?;
        let apps = work::apps(ctx, &self.env).await?;
        let (app, version) = self.wanted.resolve(&self.env, &apps)?;
        let env = self.env;
        work::stage(
            ctx,
            Wish {
                env,
                app,
                version,
                without: self.without.lbs,
                allow: self.allow,
                digests: None,
            },
        )
        .await
    }
}
