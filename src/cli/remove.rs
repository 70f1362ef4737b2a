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
        ctx.with_reason(self.force, "--force")?;
        let of = OneApp {
            env: self.env,
            app: Some(self.app),
        };
        let place = of.open(ctx)?;
        let mut hosts = session::hosts(&place.inventory, &self.hosts)?;
        let app = place.app()?;
        let runs = |h: &HostName| app.members().any(|m| m.host == *h);
        let others = by_name(&self.hosts, &hosts, runs);
        if !others.is_empty() {
            let others = crate::report::words::names(&others, 12);
            let what = format!("{} does not run on {others}", app.name);
            return Err(Failure::usage(what).hint("nothing was removed; name hosts of the app"));
        }
        let named = crate::report::words::names(&hosts, 12);
        hosts.retain(runs);
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

/// Hosts that were written out and are not of the app; a glob or a group may well reach others.
fn by_name(
    words: &[String],
    hosts: &[HostName],
    runs: impl Fn(&HostName) -> bool,
) -> Vec<HostName> {
    let written = |h: &&HostName| words.iter().any(|w| w == h.as_str());
    let others = hosts.iter().filter(|h| !runs(h));
    others.filter(written).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_named_and_not_of_the_app_is_told() {
        let hosts: Vec<HostName> = ["web1", "web2", "lb1"].map(|h| h.parse().unwrap()).into();
        let told = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let all = by_name(&words, &hosts, |h| h.as_str().starts_with("web"));
            all.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told(&["web1", "lb1"]), ["lb1"]);
        assert_eq!(told(&["web1", "web2"]), [""; 0]);
        assert_eq!(told(&["*"]), [""; 0]);
    }
}
