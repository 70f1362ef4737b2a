//! What an environment is, after everything that was written about it has been read and checked.
//!
//! Plain data: the rest of the program reads it and never asks a file again. To add a setting: add
//! a field here, read it in `settings` (or `hosts`, `apps`), and say it in `inventories/`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::calendar::Calendar;
use super::hooks::Hook;
use super::layer::Origins;
use super::logs::Logs;
use super::notify::Receiver;
use super::units::{Bytes, Cpus};
use super::{Activity, Job, Names, Policy, Rolling, Strategy, Unreachable};
use crate::event::Stage;
use crate::name::{AppName, BalancerName, EnvName, GroupName, HostName, ServiceName, SlotName};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, SourceFile, Span};

/// Values for templates, in the order in which they were written.
pub type Vars = serde_json::Map<String, serde_json::Value>;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// An environment.
#[derive(Debug, Clone)]
pub struct Inventory {
    /// Its name.
    pub env: EnvName,
    /// Every host, load balancers' included.
    pub hosts: BTreeMap<HostName, HostEntry>,
    /// Every group with its members, groups in groups resolved, in the order written.
    pub groups: BTreeMap<GroupName, Vec<HostName>>,
    /// Every load balancer.
    pub balancers: BTreeMap<BalancerName, Balancer>,
    /// Every app.
    pub apps: BTreeMap<AppName, App>,
    /// What is asked of a person before something changes.
    pub protection: Protection,
    /// When it may be changed.
    pub calendar: Calendar,
    /// What is asked of every service.
    pub policy: Policy,
    /// Registries with settings of their own, by the name that stands in images.
    pub registries: BTreeMap<String, super::Registry>,
    /// Where secrets come from, by name. Fetching them is not done here.
    pub secrets: BTreeMap<String, Located<SecretSource>>,
    /// Programs that are run around a release, by name.
    pub hooks: BTreeMap<String, Hook>,
    /// Who is told of a run, by name.
    pub notify: BTreeMap<String, Receiver>,
    /// What `--set` said, as typed; to be recorded, and shown as lost by the next run.
    pub sets: Vec<String>,
    /// Where the values of all other sections came from, by their whole path, such as
    /// `load_balancers.edge.probe`.
    pub origins: Origins,
    /// Findings that forbid nothing.
    pub warnings: Vec<Diagnostic>,
    /// The files that were read.
    pub files: Vec<Arc<SourceFile>>,
}

/// How a machine is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// By `ssh`, with the operator's own configuration.
    Ssh,
    /// It is the machine on which `deploy` runs.
    Local,
}

/// A host.
#[derive(Debug, Clone)]
pub struct HostEntry {
    /// Its name here.
    pub name: HostName,
    /// What is given to `ssh`; the name where nothing else is said. An alias of `ssh_config` serves.
    pub address: String,
    /// The address under which load balancers reach it; `address` where nothing else is said.
    pub serve: String,
    /// The user to log in as; `None`: what `ssh` decides.
    pub user: Option<String>,
    /// The port of sshd; `None`: what `ssh` decides.
    pub port: Option<u16>,
    /// How it is reached.
    pub connection: Connection,
    /// Scripts run as root, by `sudo -n`.
    pub become_root: bool,
    /// Options of `ssh_config` for this host, by name.
    pub options: BTreeMap<String, String>,
    /// Variables of environment, groups and host; those of an app are in [`HostApp::vars`].
    pub vars: Vars,
    /// Words about the machine, such as its rack.
    pub labels: BTreeMap<String, String>,
    /// Where each value came from.
    pub origins: Origins,
    /// Where it was first named.
    pub span: Span,
}

/// A load balancer: one or several hosts that serve with the same configuration.
#[derive(Debug, Clone)]
pub struct Balancer {
    /// Its name.
    pub name: BalancerName,
    /// The kind of server, `nginx` for instance. Who knows the drivers checks it.
    pub driver: Located<String>,
    /// The machines that it runs on, at least one.
    pub hosts: Vec<HostName>,
    /// `http://{host}:80`: how each machine is asked for what it serves.
    pub probe: Option<Located<String>>,
    /// The driver's own keys: a mapping that the driver checks.
    pub settings: Node,
    /// Where it is named.
    pub span: Span,
}

impl Balancer {
    /// The probe's URL for one of its machines, asked by its own address.
    #[must_use]
    pub fn probe_url(&self, host: &HostEntry) -> Option<String> {
        let probe = self.probe.as_ref()?;
        // IPv6 addresses stand in brackets in a URL.
        let serve = if host.serve.contains(':') && !host.serve.starts_with('[') {
            format!("[{}]", host.serve)
        } else {
            host.serve.clone()
        };
        Some(probe.value.replace("{host}", &serve))
    }
}

/// An app.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// Images without tag, by key; an app with one image has it under the empty key.
    pub images: BTreeMap<String, Located<String>>,
    /// How a new version takes over.
    pub strategy: Located<Strategy>,
    /// How many hosts at a time, for the rolling strategy.
    pub rolling: Rolling,
    /// Its slots, in the order written: two for blue-green, one else.
    pub slots: Vec<Slot>,
    /// What it is on the load balancers.
    pub balance: BTreeMap<BalancerName, Balance>,
    /// How what it does beside requests is switched on and off; `None` where it is not.
    pub activity: Option<Activity>,
    /// What runs once per release, before the release comes up.
    pub jobs: Vec<Job>,
    /// Its template, relative to the configuration's directory.
    pub template: PathBuf,
    /// How long gates are watched after the switch.
    pub bake: Duration,
    /// Longest time that open requests of the old slot get to end.
    pub drain: Duration,
    /// How many of the releases that served a prune leaves on each host, from 3 to 20.
    pub keep: u32,
    /// Longest time that one host should take for a stage; what takes longer is told, no more.
    pub budget: BTreeMap<Stage, Duration>,
    /// Where its own keys came from, and `bake`, `drain`, `keep` and `budget`.
    pub origins: Origins,
    /// Where it is named.
    pub span: Span,
}

impl App {
    /// The folder of its template below `templates/`: its own name, or that of an app whose template
    /// it shares.
    #[must_use]
    pub fn template_folder(&self) -> AppName {
        let folder = self.template.parent().and_then(|p| p.file_name()?.to_str());
        let other = folder.and_then(|name| AppName::new(name).ok());
        other.unwrap_or_else(|| self.name.clone())
    }
    /// Settings on every host of every slot, in order.
    pub fn members(&self) -> impl Iterator<Item = &HostApp> {
        self.slots.iter().flat_map(|s| &s.members)
    }
    /// Settings in one slot on one host.
    #[must_use]
    pub fn on(&self, slot: &SlotName, host: &HostName) -> Option<&HostApp> {
        self.members().find(|m| m.slot == *slot && m.host == *host)
    }
    /// A slot by its name.
    #[must_use]
    pub fn slot(&self, name: &SlotName) -> Option<&Slot> {
        self.slots.iter().find(|s| s.name == *name)
    }
}

/// One side of an app.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its name.
    pub name: SlotName,
    /// The app on each of its hosts, at least one.
    pub members: Vec<HostApp>,
    /// Where it is named.
    pub span: Span,
}

/// What an app is on a load balancer.
#[derive(Debug, Clone)]
pub struct Balance {
    /// The object on the load balancer; the app's name where nothing else is said.
    pub backend: Located<String>,
    /// The host header that the app answers to, used for probes.
    pub host: Option<Located<String>>,
    /// All its keys, `backend` and `host` included: the driver checks those that are its own.
    pub settings: Node,
    /// Where it is named.
    pub span: Span,
}

/// An app in one slot on one host, after layering.
#[derive(Debug, Clone)]
pub struct HostApp {
    /// The host.
    pub host: HostName,
    /// The slot.
    pub slot: SlotName,
    /// The port on the host that load balancers and gates ask.
    pub port: Option<u16>,
    /// What must pass before it gets traffic.
    pub gates: Vec<Gate>,
    /// Limits of every service.
    pub limits: Limits,
    /// Restart policy of every service.
    pub restart: RestartPolicy,
    /// Time between the signal to stop and the kill; `None`: what the template says.
    pub stop_grace: Option<Duration>,
    /// How logs are kept; `None`: as built in.
    pub logs: Option<Logs>,
    /// What is different for single services.
    pub services: BTreeMap<ServiceName, ServiceSettings>,
    /// Variables for the template.
    pub vars: Vars,
    /// Where each value came from.
    pub origins: Origins,
}

impl HostApp {
    /// Limits, restart policy and grace of one service: its own, else those of all.
    #[must_use]
    pub fn service(&self, name: &str) -> ServiceSettings {
        let own = self.services.get(name).cloned().unwrap_or_default();
        ServiceSettings {
            limits: Limits {
                memory: own.limits.memory.or(self.limits.memory),
                cpus: own.limits.cpus.or(self.limits.cpus),
                pids: own.limits.pids.or(self.limits.pids),
            },
            restart: own.restart.or(Some(self.restart)),
            stop_grace: own.stop_grace.or(self.stop_grace),
            logs: own.logs.or(self.logs),
        }
    }
}

/// Settings of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Limits that are its own.
    pub limits: Limits,
    /// Its restart policy.
    pub restart: Option<RestartPolicy>,
    /// Its time to stop.
    pub stop_grace: Option<Duration>,
    /// How its logs are kept.
    pub logs: Option<Logs>,
}

/// Most that a service may use; `None`: not limited by `deploy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory; Docker's least is 6 MiB.
    pub memory: Option<Bytes>,
    /// Processors.
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// What Docker does when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    /// `no`.
    No,
    /// `always`.
    Always,
    /// `unless-stopped`.
    UnlessStopped,
    /// `on-failure`, with the most attempts where they are limited.
    OnFailure(Option<u32>),
}

impl std::fmt::Display for RestartPolicy {
    /// As compose writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::OnFailure(None) => f.write_str("on-failure"),
            Self::OnFailure(Some(n)) => write!(f, "on-failure:{n}"),
        }
    }
}

/// A blocking check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// What is asked.
    pub kind: GateKind,
    /// Time between two questions.
    pub every: Duration,
    /// Good answers one after the other that are needed.
    pub in_a_row: u32,
    /// Longest time until then, from the start of the containers.
    pub within: Duration,
    /// Longest time for one answer.
    pub timeout: Duration,
    /// Who asks.
    pub from: GateFrom,
    /// Where it is written.
    pub span: Span,
}

/// What a gate asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateKind {
    /// A GET request.
    Http {
        /// Path and query, begins with `/`.
        path: String,
        /// The port; `None`: the app's.
        port: Option<u16>,
        /// Good status codes; 200 to 299 where nothing else is said.
        status: RangeInclusive<u16>,
        /// Host header; `None`: the address that is asked.
        host: Option<String>,
    },
    /// A TCP connection.
    Tcp {
        /// The port; `None`: the app's.
        port: Option<u16>,
    },
    /// A command in a container; exit status 0 is good.
    Command {
        /// The command, word by word.
        argv: Vec<String>,
        /// In whose container; `None`: the only service's.
        service: Option<ServiceName>,
    },
}

/// Who asks a gate's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateFrom {
    /// The host that the app runs on.
    Host,
    /// Every machine of every load balancer of the app.
    Balancer,
    /// Both.
    Both,
}

/// What is asked of a person.
#[derive(Debug, Clone, Default)]
pub struct Protection {
    /// The environment's name has to be typed, or `--yes` given.
    pub confirm: bool,
    /// The form of a ticket that has to be given.
    pub ticket: Option<TicketRule>,
    /// Fewest members of a slot that may carry its traffic; 1 where nothing is said.
    pub min_healthy: Option<usize>,
    /// How many app hosts that do not answer a run may pass by; none where nothing is said.
    pub unreachable: Unreachable,
}

/// The form of a ticket.
#[derive(Debug, Clone)]
pub struct TicketRule {
    pub(super) rule: regex_lite::Regex,
    /// Where it is written.
    pub span: Span,
}

impl TicketRule {
    /// True where the ticket has the form.
    #[must_use]
    pub fn accepts(&self, ticket: &str) -> bool {
        self.rule.is_match(ticket)
    }
    /// The form as written, for messages.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.rule.as_str()
    }
}

/// Where a secret comes from. The value is fetched elsewhere, once, and never kept in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A variable of the operator's environment.
    Env(String),
    /// A file on the operator's machine, relative to the configuration's directory: its whole content.
    File(PathBuf),
    /// One line `KEY=value` of such a file.
    Dotenv {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// The output of a command on the operator's machine, word by word.
    Command(Vec<String>),
}

impl Inventory {
    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&HostEntry> {
        self.hosts.get(name)
    }
    /// The app of that name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&App> {
        self.apps.get(name)
    }
    /// Machines of all load balancers of an app, each once, with the load balancer.
    #[must_use]
    pub fn balancer_hosts(&self, app: &App) -> Vec<(&Balancer, &HostEntry)> {
        let of = |name| self.balancers.get(name);
        let pairs = app.balance.keys().filter_map(of).flat_map(|b| {
            let hosts = b.hosts.iter().filter_map(|h| self.hosts.get(h));
            hosts.map(move |h| (b, h))
        });
        pairs.collect()
    }
    /// Names for a [`super::HostSelector`].
    #[must_use]
    pub fn names(&self) -> InventoryNames<'_> {
        InventoryNames {
            groups: &self.groups,
            hosts: self.hosts.keys().cloned().collect(),
        }
    }
    /// Names of the groups that a host is in.
    pub fn groups_of<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a GroupName> {
        let with = move |(_, members): &(_, &Vec<HostName>)| members.contains(host);
        self.groups.iter().filter(with).map(|(name, _)| name)
    }
}

/// The names of an inventory, as a [`super::HostSelector`] asks for them.
#[derive(Debug)]
pub struct InventoryNames<'a> {
    groups: &'a BTreeMap<GroupName, Vec<HostName>>,
    hosts: BTreeSet<HostName>,
}

impl Names for InventoryNames<'_> {
    fn hosts(&self) -> &BTreeSet<HostName> {
        &self.hosts
    }
    fn group(&self, name: &str) -> Option<Vec<HostName>> {
        self.groups.get(name).cloned()
    }
    fn group_names(&self) -> Vec<&str> {
        self.groups.keys().map(GroupName::as_str).collect()
    }
}
