//! `deploy status [ENV [APP]]`: what runs where, and whether the way back is ready.

use super::context::Context;
use super::failure::Failure;
use super::target::{self, App};
use super::work;
use crate::name::{EnvName, ExitCode};

/// Show what runs where, what each load balancer says, and whether the way back is ready
///
/// Asks the hosts and load balancers themselves; nothing is remembered. Ends with 7 where one of
/// them did not answer.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment; all where none is named
    env: Option<EnvName>,
    /// App; all where none is named
    app: Option<App>,
}

impl Args {
    /// Understands the words, then looks.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept the look from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let Some(env) = self.env else {
            return work::status(ctx, ctx.environments()?, None).await;
        };
        ctx.environment(&env, false)?;
        let app = match &self.app {
            None => None,
            Some(app) => {
                let apps = work::apps(ctx, &env).await?;
                Some(target::choose_app(&env, &apps, Some(&app.0))?)
            }
        };
        work::status(ctx, vec![env], app).await
    }
}
