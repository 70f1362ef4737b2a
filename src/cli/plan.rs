//! `deploy plan ENV [APP]@VERSION`: what a deploy would do.

use std::path::PathBuf;

use super::bring::{self, Show, Then};
use super::context::Context;
use super::failure::Failure;
use super::place::OneRelease;
use crate::name::ExitCode;
use crate::plan::PlanKind;

/// Show what a deploy would do; change nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    release: OneRelease,
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
        let wish = self.release.open(ctx)?;
        let show = Show {
            tell: self.exit_code,
            out: self.out,
        };
        bring::bring(ctx, wish, PlanKind::Deploy, Then::Show(show)).await
    }
}
