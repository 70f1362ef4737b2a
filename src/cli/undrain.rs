//! `deploy undrain ENV HOST`: back into traffic.

use super::context::Context;
use super::drain::places;
use super::failure::Failure;
use super::work;
use crate::engine::site::Site;
use crate::fleet::Fleet;
use crate::name::{EnvName, ExitCode, HostName};
use crate::plan::{PlanKind, drain};

/// Bring a drained host back into the traffic of all apps
///
/// Gated first, as seen from every load balancer. Where it does not run what serves, it stays out
/// of traffic until the next deploy has brought it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// The host
    host: HostName,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let host = self.host;
        let mut code = ExitCode::Success;
        for place in places(ctx, &self.env, &host)? {
            let turn = |site: &Site, fleet: &Fleet, generation: &str| {
                drain::undrain(&site.setup, fleet, &host, generation)
            };
            let back = work::turn_with(ctx, place, PlanKind::Undrain, Some(&host), &turn).await;
            code = code.worse(back?);
        }
        Ok(code)
    }
}
