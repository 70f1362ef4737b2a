//! `deploy restart ENV [APP]`: the same release, host by host.

use super::context::Context;
use super::failure::Failure;
use super::target::{self, App};
use super::work::{self, Place};
use crate::name::{EnvName, ExitCode};

/// Restart the release that serves, host by host
///
/// Each host in turn: drain, stop, start, gate, back. Needs no registry.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; may be left out where there is one
    app: Option<App>,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.environment(&self.env, false)?;
        let apps = work::apps(ctx, &self.env).await?;
        let app = target::choose_app(&self.env, &apps, self.app.as_ref().map(|a| &a.0))?;
        let env = self.env;
        work::restart(
            ctx,
            Place {
                env,
                app,
                without: Vec::new(),
            },
        )
        .await
    }
}
