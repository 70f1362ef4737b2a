//! `deploy rollback ENV [APP]`: back to the release before.

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::place::OneApp;
use super::work;
use crate::name::ExitCode;

/// Go back to the release before: one switch to the standby
///
/// Pulls nothing and starts nothing; each host and load balancer is asked once. With
/// `strategy: rolling` there is no standby: it goes through the hosts in batches. Where there is no
/// way back it is refused, with the reason and what can be deployed instead.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
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
        ctx.with_reason(self.take_over, "--take-over")?;
        let place = self.of.open(ctx)?.without(self.without);
        work::rollback(ctx, place, self.take_over).await
    }
}
