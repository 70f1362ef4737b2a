//! `deploy catch-up ENV [APP]`: load balancers that missed a change are led to what the others do.

use super::context::Context;
use super::failure::Failure;
use super::place::OneApp;
use super::work;
use crate::name::{ExitCode, HostName};
use crate::plan::{PlanKind, catch_up};

/// Lead load balancers that missed a change to what the others do
///
/// What such a load balancer may still send to is neither stopped nor changed until it has caught
/// up. Each that answers is checked, switched where need be, and read back.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    /// It is gone and carries no traffic, you say: nobody waits for it any more; needs -m
    #[arg(long, value_name = "HOST")]
    forget_lb: Vec<HostName>,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.with_reason(!self.forget_lb.is_empty(), "--forget-lb")?;
        let place = self.of.open(ctx)?;
        let forget = self.forget_lb;
        work::turn_to(ctx, place, PlanKind::CatchUp, &move |site, fleet, _| {
            catch_up::catch_up(&site.setup, fleet, &forget)
        })
        .await
    }
}
