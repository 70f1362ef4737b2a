//! `deploy apply FILE`: what a plan in a file has shown, and nothing else.

use std::path::PathBuf;

use super::bring;
use super::context::Context;
use super::failure::Failure;
use super::guard::{Allow, Word};
use super::planned::Planned;
use crate::name::ExitCode;

/// Do what a plan in a file has shown, or nothing where the world has moved
///
/// `deploy plan ENV APP@VERSION --out FILE` writes the file. Templates, inventory, secrets and
/// hosts must be as they were then; if not, it says what moved and changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The plan
    file: PathBuf,
    #[command(flatten)]
    allow: Allow,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Reads the plan, checks it, performs it.
    ///
    /// # Errors
    /// A file that is no plan, or what kept the run from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        if !ctx.options.settings.is_empty() {
            return Err(Failure::usage("a plan has its own values of --set")
                .hint("give --set to `deploy plan`"));
        }
        let planned = Planned::read(&self.file).await?;
        ctx.environment(&planned.env, false)?;
        bring::apply(ctx, planned, self.allow).await
    }
}
