//! The machines of one app: connected, looked at.
//!
//! - `reach`  which machines: those of an app, of a whole environment, or of a run's manifest

mod reach;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::voice::Voice;
use crate::balancer::{self, Driver, Target};
use crate::event::{Kind, Stage};
use crate::fleet::{BalancerView, Fleet, Holdings, HostView, Problem, Severity};
use crate::host::{Address, Connector, Host, Target as Reach, docker};
use crate::inventory::{App, Balancer, HostEntry, Inventory};
use crate::name::HostName;
use crate::plan::Setup;
use crate::record::{self, Look, Scope, StateDir};
use crate::registry::Logins;

/// Longest time for a look at one host: it answers within it or counts as silent.
const LOOK: Duration = Duration::from_secs(20);
/// Looks that began as the connections came are an answer for as long as it takes to read the other
/// half of what a run needs (a registry that takes its time); later they are made again.
const YOUNG: Duration = Duration::from_secs(5);

/// One machine and what it is to the app.
#[derive(Clone)]
pub struct Machine {
    /// The connection.
    pub host: Host,
    /// Where it was reached, for the manifest.
    pub address: String,
    /// The same for programs.
    pub reach: Reach,
    /// Where its record is, and how it is spoken to.
    pub scope: Scope,
    /// Runs the app.
    pub app: bool,
    /// The app's entry on it, where it is a load balancer.
    pub balancer: Option<(&'static dyn Driver, Target)>,
}

/// All machines of one app of one environment.
pub struct Site {
    /// What planning knows of the app.
    pub setup: Setup,
    /// Machines that were reached.
    pub machines: BTreeMap<HostName, Machine>,
    /// Those that were not, and why.
    pub silent: BTreeMap<HostName, String>,
    /// What goes with pulls from registries that ask who one is.
    pub logins: Logins,
    /// Looks that began as each connection was there, and when the first of them did.
    begun: Mutex<Option<(JoinSet<Looked>, Duration)>>,
}

#[cfg(test)]
impl Site {
    /// A site of which no machine was reached.
    pub(crate) fn nowhere() -> Self {
        Self {
            setup: crate::plan::fixture::World::empty().setup,
            machines: BTreeMap::new(),
            silent: BTreeMap::new(),
            logins: Logins::default(),
            begun: Mutex::new(None),
        }
    }
}

/// What a look at one machine came to.
type Looked = (HostName, Result<Seen, String>);

/// How one machine is to be reached and what it is.
#[derive(Clone)]
pub(crate) struct Wanted {
    address: Address,
    scope: Scope,
    app: bool,
    balancer: Option<(&'static dyn Driver, Target)>,
}

impl Site {
    /// Connects to every app host and load balancer, all at once. With `look` each is looked at as
    /// soon as its connection is there: the next [`Self::look`] has that answer, if it comes soon.
    pub async fn open(
        inventory: &Inventory,
        app: &App,
        connector: &Arc<Connector>,
        voice: &Voice,
        look: bool,
    ) -> Self {
        let wanted = reach::of_app(inventory, app);
        let setup = setup(inventory, app);
        Self::connect(setup, wanted, connector, voice, look).await
    }

    /// Connects to these machines, all at once, and begins to look at each where `look` says so.
    async fn connect(
        setup: Setup,
        all: Vec<Wanted>,
        connector: &Arc<Connector>,
        voice: &Voice,
        look: bool,
    ) -> Self {
        let mut set = JoinSet::new();
        for wanted in all {
            let (connector, voice) = (Arc::clone(connector), voice.clone());
            set.spawn(async move {
                let name = wanted.address.name.clone();
                let since = begin(&voice, &name, Stage::Connect);
                let reached = connector.connect(&wanted.address).await;
                match &reached {
                    Ok(_) => done(&voice, &name, Stage::Connect, since),
                    Err(why) => failed(&voice, &name, Stage::Connect, &chain(why)),
                }
                (name, wanted, reached)
            });
        }
        let mut site = Self {
            setup,
            machines: BTreeMap::new(),
            silent: BTreeMap::new(),
            logins: Logins::default(),
            begun: Mutex::default(),
        };
        let mut looks = JoinSet::new();
        let since = voice.clock().elapsed();
        while let Some(joined) = set.join_next().await {
            let Ok((name, wanted, reached)) = joined else {
                continue;
            };
            match reached {
                Ok(host) => {
                    let Wanted {
                        address,
                        scope,
                        app,
                        balancer,
                    } = wanted;
                    let machine = Machine {
                        host,
                        address: address.shown(),
                        reach: address.target,
                        scope,
                        app,
                        balancer,
                    };
                    if look {
                        looks.spawn(looked(name.clone(), machine.clone(), voice.clone()));
                    }
                    site.machines.insert(name, machine);
                }
                Err(error) => {
                    let hint = error
                        .hint
                        .clone()
                        .map(|h| format!(" (hint: {h})"))
                        .unwrap_or_default();
                    site.silent.insert(name, format!("{}{hint}", chain(&error)));
                }
            }
        }
        site.begun = Mutex::new(look.then_some((looks, since)));
        site
    }

    /// The same site, whose pulls take logins along.
    #[must_use]
    pub fn with(self, logins: Logins) -> Self {
        Self { logins, ..self }
    }

    /// The looks that have begun already, once, where they are young enough.
    fn begun(&self, voice: &Voice) -> Option<JoinSet<Looked>> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let (looks, since) = begun.take()?;
        (voice.clock().elapsed().saturating_sub(since) < YOUNG).then_some(looks)
    }

    /// Asks every app host what it holds on its disk, all at once; one that does not say is left
    /// out.
    pub async fn holdings(&self) -> Holdings {
        self.holdings_of(|_| true).await
    }

    /// The same of some hosts.
    pub async fn holdings_of(&self, wanted: impl Fn(&HostName) -> bool) -> Holdings {
        let mut set = JoinSet::new();
        let asked = self.machines.iter().filter(|(n, m)| m.app && wanted(n));
        for (name, machine) in asked {
            let (name, machine) = (name.clone(), machine.clone());
            set.spawn(async move {
                let script = record::verb::look(&machine.scope, &docker::held::body());
                let reply = machine.host.run(script).await.ok()?;
                let look = record::parse::look(&reply).ok()?;
                Some((name, docker::held::read(&look.facts)))
            });
        }
        set.join_all().await.into_iter().flatten().collect()
    }

    /// Looks at every machine at once.
    pub async fn look(&self, voice: &Voice) -> Fleet {
        self.look_within(voice, LOOK * 2).await
    }

    /// The same; a machine that has not answered in this time is silent.
    pub async fn look_within(&self, voice: &Voice, within: Duration) -> Fleet {
        let mut set = match self.begun(voice) {
            Some(looks) => looks,
            None => self.begin_looks(voice),
        };
        let mut fleet = Fleet {
            silent: self.silent.clone(),
            ..Fleet::default()
        };
        let mut waited: BTreeSet<&HostName> = self.machines.keys().collect();
        let answers = async {
            while let Some(joined) = set.join_next().await {
                let Ok((name, seen)) = joined else { continue };
                waited.remove(&name);
                match seen {
                    Ok(seen) => seen.into_fleet(&name, &mut fleet),
                    Err(why) => {
                        fleet.silent.insert(name, why);
                    }
                }
            }
        };
        if tokio::time::timeout(within, answers).await.is_err() {
            let within = crate::text::duration(within);
            for name in waited {
                let why = format!("it did not answer a look within {within}");
                failed(voice, name, Stage::Look, &why);
                fleet.silent.insert(name.clone(), why);
            }
        }
        fleet
    }

    fn begin_looks(&self, voice: &Voice) -> JoinSet<Looked> {
        let mut set = JoinSet::new();
        for (name, machine) in &self.machines {
            set.spawn(looked(name.clone(), machine.clone(), voice.clone()));
        }
        set
    }
}

async fn looked(name: HostName, machine: Machine, voice: Voice) -> Looked {
    let since = begin(&voice, &name, Stage::Look);
    let seen = machine.look().await;
    match &seen {
        Ok(_) => done(&voice, &name, Stage::Look, since),
        Err(why) => failed(&voice, &name, Stage::Look, why),
    }
    (name, seen)
}

/// What one machine showed.
#[derive(Debug, Clone)]
pub struct Seen {
    host: Option<HostView>,
    balancer: Option<BalancerView>,
}

impl Seen {
    /// Puts it into the fleet.
    pub fn into_fleet(self, name: &HostName, fleet: &mut Fleet) {
        if let Some(view) = self.host {
            fleet.hosts.insert(name.clone(), view);
        }
        if let Some(view) = self.balancer {
            fleet.balancers.insert(name.clone(), view);
        }
    }
}

impl Machine {
    /// The body whose lines a look or a claim brings back: facts of an app host, or else the state
    /// of a load balancer.
    #[must_use]
    pub fn facts(&self) -> crate::host::script::Body {
        match &self.balancer {
            Some((driver, target)) if !self.app => driver.look(target),
            _ => docker::facts::body(),
        }
    }

    /// The same for the end of a run.
    #[must_use]
    pub fn glance(&self) -> crate::host::script::Body {
        match &self.balancer {
            Some((driver, target)) if !self.app => driver.glance(target),
            _ => docker::facts::body(),
        }
    }

    /// Looks at the machine.
    ///
    /// # Errors
    /// Why it is not known what is there.
    pub async fn look(&self) -> Result<Seen, String> {
        let script = record::verb::look(&self.scope, &self.facts()).limit(LOOK);
        let reply = self.host.run(script).await.map_err(|e| chain(&e))?;
        let look = record::parse::look(&reply).map_err(|e| chain(&e))?;
        self.read(&look).await
    }

    /// Reads what a look or a claim brought back. A machine that is app host and load balancer at
    /// once is asked a second time for the latter.
    ///
    /// # Errors
    /// Why it is not known what is there.
    pub async fn read(&self, look: &Look) -> Result<Seen, String> {
        let mut problems = record_problems(look, &self.scope);
        let mut seen = Seen {
            host: None,
            balancer: None,
        };
        if self.app {
            let mut view = host_view(look, docker::facts::read(&look.facts));
            view.know_adopted(&self.scope.env, &self.scope.app);
            view.problems.append(&mut problems);
            seen.host = Some(view);
        }
        if let Some((driver, target)) = &self.balancer {
            let own;
            let lines = if self.app {
                let script = record::verb::look(&self.scope, &driver.look(target)).limit(LOOK);
                let reply = self.host.run(script).await.map_err(|e| chain(&e))?;
                own = record::parse::look(&reply).map_err(|e| chain(&e))?;
                &own.facts
            } else {
                &look.facts
            };
            let read = driver.read(target, lines).map_err(|e| chain(&e))?;
            let mut view = read.view(target, look.machine.clone(), look.view());
            view.problems.append(&mut problems);
            seen.balancer = Some(view);
        }
        Ok(seen)
    }
}

fn host_view(look: &Look, facts: docker::facts::DockerFacts) -> HostView {
    HostView {
        machine: look.machine.clone(),
        engine: facts.engine,
        compose: facts.compose,
        memory: facts.memory,
        disk_free: facts.disk_free,
        inodes_free: facts.inodes_free,
        clock: look.wall,
        containers: facts.containers,
        record: look.view(),
        problems: facts.problems,
    }
}

fn record_problems(look: &Look, scope: &Scope) -> Vec<Problem> {
    let error = |what: String, hint: String| Problem {
        severity: Severity::Error,
        what,
        hint,
    };
    let mut out = Vec::new();
    match look.state {
        StateDir::Ready | StateDir::Creatable => {}
        StateDir::Absent => out.push(error(
            format!("{} is missing and cannot be made by this user", scope.root),
            format!("as root: install -d -m 2770 -g docker {}", scope.root),
        )),
        StateDir::Denied => out.push(error(
            format!("{} cannot be written by this user", scope.root),
            format!("as root: chgrp docker {0} && chmod 2770 {0}", scope.root),
        )),
    }
    for what in &look.damaged {
        out.push(error(
            format!("the host record is damaged: {what}"),
            "nothing is decided on a damaged record; look at the file and repair or remove it"
                .into(),
        ));
    }
    out
}

/// The app's entry on a load-balancer host.
#[must_use]
pub fn target(inventory: &Inventory, app: &App, lb: &Balancer, host: &HostEntry) -> Option<Target> {
    let balance = app.balance.get(&lb.name)?;
    let mut settings = lb.settings.to_json();
    if let (Some(all), Some(own)) = (
        settings.as_object_mut(),
        balance.settings.to_json().as_object(),
    ) {
        let own = own
            .iter()
            .filter(|(k, _)| !matches!(k.as_str(), "backend" | "host"));
        all.extend(own.map(|(k, v)| (k.clone(), v.clone())));
    }
    Some(Target {
        env: inventory.env.clone(),
        app: app.name.clone(),
        balancer: lb.name.clone(),
        host: host.name.clone(),
        probe: lb
            .probe_url(host)
            .unwrap_or_else(|| format!("http://{}:80", host.serve)),
        backend: balance.backend.value.clone(),
        host_header: balance.host.as_ref().map(|h| h.value.clone()),
        root: host.become_root,
        settings,
    })
}

/// What planning needs of the app, with what its load balancers can do.
#[must_use]
pub fn setup(inventory: &Inventory, app: &App) -> Setup {
    Setup::of(inventory, app, |lb| {
        balancer::driver(&lb.driver.value).map_or((false, false), |d| {
            let can = d.capabilities(&lb.settings.to_json());
            (can.drain, can.spare)
        })
    })
}

/// An error with its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = cause.source();
    }
    out
}

fn begin(voice: &Voice, host: &HostName, stage: Stage) -> Duration {
    voice.say(Kind::Begin {
        host: host.clone(),
        stage,
    });
    voice.clock().elapsed()
}

fn done(voice: &Voice, host: &HostName, stage: Stage, since: Duration) {
    let took = voice.clock().elapsed().saturating_sub(since);
    voice.say(Kind::Done {
        host: host.clone(),
        stage,
        took,
        text: String::new(),
    });
}

fn failed(voice: &Voice, host: &HostName, stage: Stage, why: &str) {
    voice.say(Kind::Failed {
        host: host.clone(),
        stage,
        why: why.to_owned(),
    });
}
