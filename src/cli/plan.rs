//! `deploy plan ENV [APP]@VERSION`: what a deploy would do.

use std::path::PathBuf;

use super::bring::{self, Show, Then};
use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::guard::Allow;
use super::target::Wanted;
use super::work::{self, Wish};
use crate::name::{EnvName, ExitCode};
use crate::plan::PlanKind;

/// Show what a deploy would do; change nothing
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
    /// End with exit code 3 where there is something to change
    #[arg(long)]
    exit_code: bool,
    /// Keep the plan in a file, for `deploy apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
        let show = Show {
            tell: self.exit_code,
            out: self.out,
        };
        let wish = Wish {
            env,
            app,
            version,
            without: self.without.lbs,
            allow: self.allow,
            digests: None,
        };
        bring::bring(ctx, wish, PlanKind::Deploy, Then::Show(show)).await
    }
}
