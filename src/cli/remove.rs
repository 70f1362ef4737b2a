//! `deploy remove ENV APP [--hosts HOSTS]`: out of the load balancers, drained, ended, cleaned up.

use super::context::Context;
use super::failure::Failure;
use super::guard::Word;
use super::place::OneApp;
use super::target::App;
use super::{session, work};
use crate::engine::site::Site;
use crate::fleet::Fleet;
use crate::name::{EnvName, ExitCode, HostName};
use crate::plan::{PlanKind, remove};

/// Take an app out of the environment, or off some of its hosts, and clean up
///
/// Out of all load balancers first, or of none; open requests end; then the containers of both slots
/// go, with releases and secrets. Named hosts leave the others serving: refused where nobody would,
/// or fewer than `min_healthy`. Volumes, images and the history stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App
    app: App,
    /// Only from these hosts: names, web*, web[1:4], groups, !not
    #[arg(
        long = "hosts",
        alias = "host",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    hosts: Vec<String>,
    /// Even where fewer members are left than the environment wants; needs --hosts and -m
    #[arg(long, requires = "hosts")]
    force: bool,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        if self.force && ctx.options.message.is_none() {
            return Err(
                Failure::usage("--force needs a reason that is written down")
                    .hint("add -m \"why\""),
            );
        }
        let of = OneApp {
            env: self.env,
            app: Some(self.app),
        };
        let place = of.open(ctx)?;
        let mut hosts = session::hosts(&place.inventory, &self.hosts)?;
        let app = place.app()?;
        let named = crate::report::words::names(&hosts, 12);
        hosts.retain(|h: &HostName| app.members().any(|m| m.host == *h));
        if hosts.is_empty() && !self.hosts.is_empty() {
            let what = format!("{} does not run on {named}", app.name);
            return Err(Failure::usage(what));
        }
        let force = self.force;
        work::turn_to(
            ctx,
            place,
            PlanKind::Remove,
            &move |site: &Site, fleet: &Fleet, generation: &str| {
                remove::remove(&site.setup, fleet, &hosts, force, generation)
            },
        )
        .await
    }
}
