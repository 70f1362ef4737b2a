//! `deploy render ENV [APP]@VERSION`: the files that hosts would get.

use super::context::Context;
use super::failure::Failure;
use super::session;
use super::target::Wanted;
use super::work::{self, Wish};
use crate::name::{EnvName, ExitCode};

/// Show the files that hosts would get; change nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    /// Only the files of these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
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
        let hosts = session::hosts(&session::read(ctx, &env)?, &self.hosts)?;
        work::render(ctx, Wish::new(env, app, version), hosts).await
    }
}
