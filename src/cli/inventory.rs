//! `deploy inventory ENV`: every effective value, where it came from, what it overrode.

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use crate::inventory::{HostSelector, Inventory, Only};
use crate::name::{AppName, EnvName, ExitCode};
use crate::report::inventory as report;

/// Show every effective value of an environment, where it stands, and what it overrode
///
/// Values come from inventories/defaults.yml, the environment's own file and --set; the most
/// specific place wins. Needs no host.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Only what holds for this app, or on these hosts: names, web*, web[1:4], groups, !not
    #[arg(long, value_name = "HOST|APP")]
    explain: Option<String>,
}

impl Args {
    /// Understands the words, then shows.
    ///
    /// # Errors
    /// Words that mean nothing here, or all that is wrong in the inventory.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let inventory = Opened::named(ctx, &self.env)?.inventory;
        let only = match &self.explain {
            None => Only::All,
            Some(words) => only(&inventory, words)?,
        };
        let explained = inventory.explain(&only);
        ctx.out.result(&match ctx.options.json {
            true => report::json(&inventory, &explained),
            false => report::text(&inventory, &explained),
        });
        Ok(ExitCode::Success)
    }
}

/// An app by its name; anything else selects hosts.
fn only(inventory: &Inventory, words: &str) -> Result<Only, Failure> {
    if let Some(app) = inventory.app(words) {
        return Ok(Only::App(app.name.clone()));
    }
    match HostSelector::new([words]).resolve(&inventory.names()) {
        Ok(hosts) => Ok(Only::Hosts(hosts)),
        Err(error) => {
            let apps = inventory.apps.keys().map(AppName::as_str);
            let near = crate::text::nearest(words, apps).map(str::to_owned);
            let failure = match near.or(error.near.clone()) {
                Some(near) => Failure::usage(format!("{error}, nor an app"))
                    .hint(format!("did you mean `{near}`?")),
                None => Failure::usage(format!("{error}, nor an app")),
            };
            Err(failure)
        }
    }
}
