//! `deploy drain ENV HOST` and what `deploy undrain` shares with it.

use super::context::Context;
use super::failure::Failure;
use super::place::{Opened, Place};
use super::work;
use crate::engine::site::Site;
use crate::fleet::Fleet;
use crate::name::{EnvName, ExitCode, HostName};
use crate::plan::{PlanKind, drain};

/// Take a host out of the traffic of all apps, until `deploy undrain`
///
/// The others are probed first; open requests may end. It is written on the hosts: every later run
/// passes the host by, and status says since when. Its containers go on. Needs -m. The last member
/// with traffic is never taken out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// The host
    host: HostName,
    /// Even where fewer members are left than the environment wants
    #[arg(long)]
    force: bool,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.with_reason(true, "drain")?;
        let (host, force) = (self.host, self.force);
        let mut code = ExitCode::Success;
        for place in places(ctx, &self.env, &host)? {
            let turn = |site: &Site, fleet: &Fleet, generation: &str| {
                drain::drain(&site.setup, fleet, &host, force, generation)
            };
            let ended = work::turn_to(ctx, place, PlanKind::Drain, &turn).await;
            code = code.worse(ended?);
        }
        Ok(code)
    }
}

/// The apps that run on a host, with all load balancers.
///
/// # Errors
/// All that is wrong in the inventory; a usage failure where no app runs on the host.
pub(super) fn places(ctx: &Context, env: &EnvName, host: &HostName) -> Result<Vec<Place>, Failure> {
    let opened = Opened::named(ctx, env)?;
    let on = |app: &&crate::inventory::App| app.members().any(|m| m.host == *host);
    let apps = opened.inventory.apps.values().filter(on);
    let places: Vec<Place> = apps.map(|a| opened.at(a.name.clone())).collect();
    if places.is_empty() {
        let known = opened.inventory.hosts.keys().map(HostName::as_str);
        let what = format!("no app of {env} runs on {host}");
        return Err(Failure::usage(what).did_you_mean(host.as_str(), known));
    }
    Ok(places)
}
