//! Which machines are connected, and what each is: those of an app, of a whole environment, or of the
//! manifest of a run, whatever the inventory says today.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Machine, Reach, Site, Wanted, chain, target};
use crate::balancer::{self, Target};
use crate::engine::voice::Voice;
use crate::host::script::Body;
use crate::host::{Address, Connector};
use crate::inventory::{App, Connection, HostEntry, Inventory};
use crate::name::{AppName, EnvName, HostName};
use crate::plan::Setup;
use crate::record::{self, Look, Manifest, Role, Scope};

/// Longest time for a look at the record alone.
const LOOK: Duration = Duration::from_secs(20);

impl Site {
    /// Connects to every host of an environment: where nobody knows what an app of this name is, any
    /// of them may have a record of it.
    pub async fn open_all(
        inventory: &Inventory,
        app: &AppName,
        connector: &Arc<Connector>,
        voice: &Voice,
    ) -> Self {
        let wanted = inventory.hosts.values().map(|host| Wanted {
            address: address(host),
            scope: Scope::new(inventory.env.clone(), app.clone(), host.become_root),
            app: false,
            balancer: None,
        });
        let setup = nothing(&inventory.env, app);
        Self::connect(setup, wanted.collect(), connector, voice, false).await
    }

    /// Connects to one host by its address alone, where there is no inventory.
    pub async fn open_at(
        env: &EnvName,
        app: &AppName,
        address: Address,
        connector: &Arc<Connector>,
        voice: &Voice,
    ) -> Self {
        let wanted = Wanted {
            address,
            scope: Scope::new(env.clone(), app.clone(), false),
            app: false,
            balancer: None,
        };
        Self::connect(nothing(env, app), vec![wanted], connector, voice, false).await
    }

    /// Connects to the machines of a run: as the inventory reaches them today, and those that left it
    /// as the run reached them.
    ///
    /// # Errors
    /// Hosts of which nobody knows any more how they are reached, each with why.
    pub async fn open_recorded(
        manifest: &Manifest,
        setup: Setup,
        inventory: Option<&Inventory>,
        connector: &Arc<Connector>,
        voice: &Voice,
    ) -> Result<Self, Vec<String>> {
        let wanted = of_manifest(manifest, inventory)?;
        Ok(Self::connect(setup, wanted, connector, voice, false).await)
    }

    /// The record of every machine, without facts; those that do not say it, and why.
    pub async fn records(&self) -> (BTreeMap<HostName, Look>, BTreeMap<HostName, String>) {
        let mut set = JoinSet::new();
        for (name, machine) in &self.machines {
            let (name, machine) = (name.clone(), machine.clone());
            set.spawn(async move {
                let look = machine.record().await;
                (name, look)
            });
        }
        let (mut records, mut silent) = (BTreeMap::new(), self.silent.clone());
        for (name, look) in set.join_all().await {
            match look {
                Ok(look) => {
                    records.insert(name, look);
                }
                Err(why) => {
                    silent.insert(name, why);
                }
            }
        }
        (records, silent)
    }
}

impl Machine {
    /// The record alone.
    async fn record(&self) -> Result<Look, String> {
        let script = record::verb::look(&self.scope, &Body::new("facts", ":")).limit(LOOK);
        let reply = self.host.run(script).await.map_err(|e| chain(&e))?;
        record::parse::look(&reply).map_err(|e| chain(&e))
    }
}

/// What is known of an app that is in no inventory.
fn nothing(env: &EnvName, app: &AppName) -> Setup {
    Setup {
        env: env.clone(),
        app: app.clone(),
        slots: Vec::new(),
        groups: BTreeMap::new(),
        balancers: Vec::new(),
        left_out: Vec::new(),
        resting: std::collections::BTreeSet::new(),
        min_healthy: 1,
        strategy: crate::inventory::Strategy::BlueGreen,
        rolling: crate::inventory::Rolling::default(),
        activity: None,
        jobs: Vec::new(),
        gates: BTreeMap::new(),
        bake: Duration::ZERO,
        drain: Duration::ZERO,
        calendar: crate::inventory::calendar::Calendar::default(),
        budget: BTreeMap::new(),
    }
}

/// The hosts of an app and of its load balancers.
pub(super) fn of_app(inventory: &Inventory, app: &App) -> Vec<Wanted> {
    let mut all: BTreeMap<HostName, Wanted> = BTreeMap::new();
    let make = |host: &HostEntry| Wanted {
        address: address(host),
        scope: Scope::new(inventory.env.clone(), app.name.clone(), host.become_root),
        app: false,
        balancer: None,
    };
    for member in app.members() {
        let host = &inventory.hosts[&member.host];
        all.entry(host.name.clone())
            .or_insert_with(|| make(host))
            .app = true;
    }
    for (lb, host) in inventory.balancer_hosts(app) {
        let entry = all.entry(host.name.clone()).or_insert_with(|| make(host));
        if let (Some(driver), Some(target)) = (
            balancer::driver(&lb.driver.value),
            target(inventory, app, lb, host),
        ) {
            entry.balancer = Some((driver, target));
        }
    }
    all.into_values().collect()
}

fn address(host: &HostEntry) -> Address {
    let target = match host.connection {
        Connection::Local => Reach::Local,
        Connection::Ssh => Reach::Ssh {
            host: host.address.clone(),
            user: host.user.clone(),
            port: host.port,
            options: host
                .options
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        },
    };
    Address {
        name: host.name.clone(),
        target,
    }
}

/// The hosts of a run.
///
/// # Errors
/// Hosts that cannot be reached for want of an address, or are load balancers whose entry is not told.
pub(super) fn of_manifest(
    manifest: &Manifest,
    inventory: Option<&Inventory>,
) -> Result<Vec<Wanted>, Vec<String>> {
    let targets = manifest.more.get("targets").cloned().unwrap_or_default();
    let targets: BTreeMap<HostName, Target> = serde_json::from_value(targets).unwrap_or_default();
    let today: Vec<Wanted> = inventory
        .and_then(|i| Some(of_app(i, i.app(manifest.app.as_str())?)))
        .unwrap_or_default();
    let (mut wanted, mut missing) = (Vec::new(), Vec::new());
    for host in &manifest.hosts {
        let listed = inventory.and_then(|i| i.hosts.get(&host.name)).map(address);
        // What was this machine then is no host of today's machine.
        let recorded = serde_json::from_value(host.reach.clone()).ok();
        let recorded = recorded.filter(|reach| *reach != Reach::Local);
        let recorded = recorded.map(|target| Address {
            name: host.name.clone(),
            target,
        });
        let Some(address) = listed.or(recorded) else {
            missing.push(format!(
                "{} ({}) left the inventory and its address was not recorded for others",
                host.name, host.address
            ));
            continue;
        };
        let lb = matches!(host.role, Role::Balancer | Role::Both);
        let entry = targets.get(&host.name).cloned();
        let driver = manifest
            .balancers
            .iter()
            .find(|b| b.hosts.contains(&host.name))
            .and_then(|b| balancer::driver(&b.driver));
        let known = today.iter().find(|w| w.address.name == host.name);
        let balancer = driver
            .zip(entry)
            .or_else(|| known.and_then(|w| w.balancer.clone()))
            .filter(|_| lb);
        if lb && balancer.is_none() {
            missing.push(format!(
                "{} is a load balancer of the run, and its settings are not known here",
                host.name
            ));
            continue;
        }
        wanted.push(Wanted {
            address,
            scope: Scope::new(manifest.env.clone(), manifest.app.clone(), host.sudo),
            app: host.role != Role::Balancer,
            balancer,
        });
    }
    if missing.is_empty() {
        Ok(wanted)
    } else {
        Err(missing)
    }
}
