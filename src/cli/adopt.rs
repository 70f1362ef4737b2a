//! `deploy adopt ENV APP`: what runs and was started by hand, written down; with `--confirm` recorded.
//!
//! - `chosen` which containers are the app's, and where hosts differ
//! - `draft`  inventory and template as texts
//! - `record` the release #0 and the run that records it

mod chosen;
mod draft;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::JoinSet;

use self::chosen::Chosen;
use super::context::Context;
use super::failure::Failure;
use super::place::{OneApp, Opened};
use super::session::Session;
use super::target::App;
use super::work::with;
use crate::engine::site::{Machine, Site, chain};
use crate::host::docker::adopt::{self, Told};
use crate::inventory::Inventory;
use crate::name::{AppName, EnvName, ExitCode, HostName};

/// Draft from what was started by hand and runs; with --confirm make it the release #0
///
/// Prints an inventory and a template drafted from the running containers (never a variable's value),
/// hosts that differ, and where load balancers name these hosts; changes nothing. With --confirm,
/// for which the app has to be in the inventory, the containers are recorded as release #0 (adopted)
/// and every load balancer is led to them. No container is touched; the next deploy goes to the other
/// slot, and rollback comes back to them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`, with hosts at least
    env: EnvName,
    /// What the app is called, or shall be
    app: App,
    /// Its containers, where their names do not tell: a name, or a pattern such as 'shop*'
    #[arg(long = "container", value_name = "NAME")]
    containers: Vec<String>,
    /// Record them
    #[arg(long)]
    confirm: bool,
}

impl Args {
    /// Looks, then drafts or records.
    ///
    /// # Errors
    /// Words that mean nothing here, hosts that do not say what runs there, or what kept the run from
    /// beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        if self.confirm {
            let of = OneApp {
                env: self.env,
                app: Some(self.app),
            };
            return record::record(ctx, of.open(ctx)?, &self.containers).await;
        }
        let opened = Opened::named(ctx, &self.env)?;
        let App(name) = self.app;
        let session = Session::start(ctx)?;
        with(session, async |session: &mut Session| {
            let work = async |s: &Session| {
                let site = s.open_all(&opened.inventory, &name).await;
                let addresses = addresses(&opened.inventory);
                ask(&site, &addresses).await
            };
            let (told, silent) = session.unless_stopped(work).await?;
            session.feed.pause().await;
            show(
                ctx,
                &opened.inventory,
                &name,
                &self.containers,
                &told,
                &silent,
            )
        })
        .await
    }
}

/// What load balancers may call these hosts.
fn addresses(inventory: &Inventory) -> BTreeSet<String> {
    let balancers = balancers(inventory);
    let hosts = inventory.hosts.values();
    let hosts = hosts.filter(|h| !balancers.contains(&h.name));
    let words = hosts.flat_map(|h| [h.serve.clone(), h.address.clone()]);
    words.filter(|w| !w.is_empty()).collect()
}

fn balancers(inventory: &Inventory) -> BTreeSet<HostName> {
    let all = inventory.balancers.values();
    all.flat_map(|b| b.hosts.iter().cloned()).collect()
}

/// Every machine is asked at once. What those said that answered, and why others did not.
async fn ask(
    site: &Site,
    addresses: &BTreeSet<String>,
) -> (BTreeMap<HostName, Told>, BTreeMap<HostName, String>) {
    let mut set = JoinSet::new();
    for (name, machine) in &site.machines {
        let (name, machine, addresses) = (name.clone(), machine.clone(), addresses.clone());
        set.spawn(async move {
            let told = asked(&machine, &addresses).await;
            (name, told)
        });
    }
    let (mut told, mut silent) = (BTreeMap::new(), site.silent.clone());
    for (name, one) in set.join_all().await {
        match one {
            Ok(one) => drop(told.insert(name, one)),
            Err(why) => drop(silent.insert(name, why)),
        }
    }
    (told, silent)
}

async fn asked(machine: &Machine, addresses: &BTreeSet<String>) -> Result<Told, String> {
    let script = adopt::script(addresses, machine.scope.sudo);
    let reply = machine.host.run(script).await.map_err(|e| chain(&e))?;
    Ok(adopt::read(&reply.lines))
}

/// Prints the drafts. Whoever did not answer is named, and nothing is said of what runs there.
fn show(
    ctx: &Context,
    inventory: &Inventory,
    app: &AppName,
    containers: &[String],
    told: &BTreeMap<HostName, Told>,
    silent: &BTreeMap<HostName, String>,
) -> Result<ExitCode, Failure> {
    let balancers = balancers(inventory);
    let mut silent = silent.clone();
    for (host, one) in told {
        if one.containers.is_none() && !balancers.contains(host) {
            silent.insert(host.clone(), "Docker does not say what runs".to_owned());
        }
    }
    let chosen = Chosen::of(app, containers, told, &balancers);
    if chosen.hosts.is_empty() {
        if let Some((host, why)) = silent.iter().next() {
            return Err(Failure::unreachable(format!(
                "{host} does not answer: {why}"
            )));
        }
        return Err(chosen.nothing(app, told));
    }
    let draft = draft::Draft::of(inventory, app, &chosen, told);
    if ctx.options.json {
        ctx.out.result(&draft.json(&silent).to_string());
    } else {
        ctx.out.result(draft.text(&silent).trim_end());
    }
    Ok(match silent.is_empty() {
        true => ExitCode::Success,
        false => ExitCode::Unknown,
    })
}
