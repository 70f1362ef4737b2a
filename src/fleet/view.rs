//! One host, one container, one load balancer as a look found them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Debt, JobMark, Traffic};
use crate::name::{
    Actor, AppName, BalancerName, EnvName, Fence, HostName, MachineId, OutcomeKind, ReleaseId,
    RunId, ServiceName, SlotName,
};
use crate::release::HostRelease;

/// Everything that one look at an environment's app found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// App hosts that answered.
    pub hosts: BTreeMap<HostName, HostView>,
    /// Load-balancer hosts that answered.
    pub balancers: BTreeMap<HostName, BalancerView>,
    /// Hosts of either kind that did not answer, and why.
    pub silent: BTreeMap<HostName, String>,
}

/// A value that may not be known; not knowing is never good news.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known<T> {
    /// It was read.
    Is(T),
    /// It could not be read, and why.
    Unknown(String),
}

impl<T> Known<T> {
    /// The value where it is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The run may go on; something is not as it should be.
    Warning,
    /// The run must not begin.
    Error,
}

/// Something found that a person should know, before any change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What, where and why, without a full stop.
    pub what: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    fn new(severity: Severity, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            severity,
            what: what.into(),
            hint: hint.into(),
        }
    }
    /// One that forbids changes.
    pub fn error(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Error, what, hint)
    }
    /// One that a person should see to.
    pub fn warning(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what, hint)
    }
    /// One that a person should know.
    pub fn note(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Severity::Note, what, hint)
    }
}

/// One app host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostView {
    /// Random id of the machine, from the host record; absent before the first claim on it.
    pub machine: Option<MachineId>,
    /// Version of Docker Engine; unknown where the daemon did not answer.
    pub engine: Known<String>,
    /// Version of `docker compose`; unknown where it is missing.
    pub compose: Known<String>,
    /// Memory in bytes.
    pub memory: u64,
    /// Free bytes and free inodes where the engine keeps its data.
    pub disk_free: u64,
    /// Free inodes there.
    pub inodes_free: u64,
    /// The host's clock, seconds since the epoch.
    pub clock: i64,
    /// Every container on the host, running or not, ours or not.
    pub containers: Vec<Container>,
    /// What the host record says about the app.
    pub record: RecordView,
    /// What is wrong or odd on the host.
    pub problems: Vec<Problem>,
}

impl HostView {
    /// Gives the labels that they would have been started with to containers that were adopted, by
    /// what the record says of the slot that holds them: nobody can label a container that runs.
    pub fn know_adopted(&mut self, env: &EnvName, app: &AppName) {
        for (slot, held) in &self.record.slots {
            let mut kept = self.record.kept.iter();
            let Some(kept) = kept.find(|k| k.label.id == held.release && k.slot == *slot) else {
                continue;
            };
            for (service, one) in &kept.adopted {
                let mut all = self.containers.iter_mut();
                let Some(container) = all.find(|c| c.id == one.id) else {
                    continue;
                };
                container.labels = labels(env, app, kept, service);
            }
        }
    }
}

fn labels(
    env: &EnvName,
    app: &AppName,
    of: &HostRelease,
    service: &ServiceName,
) -> BTreeMap<String, String> {
    let project = project(env, app, &of.slot);
    let label = &of.label;
    let mut out: Vec<(&str, String)> = vec![
        ("com.docker.compose.project", project),
        ("com.docker.compose.service", service.to_string()),
        ("deploy.release", label.id.to_string()),
        ("deploy.version", label.version.to_string()),
        ("deploy.revision", label.revision.to_string()),
        ("deploy.adopted", "yes".to_owned()),
    ];
    out.extend(
        label
            .digest
            .iter()
            .map(|d| ("deploy.digest", d.to_string())),
    );
    out.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// The host record of one app on one host, as read without the lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordView {
    /// The run that holds the host now.
    pub claim: Option<ClaimView>,
    /// Persons' locks on environment and app that hold now.
    #[serde(default)]
    pub holds: Vec<HoldView>,
    /// What was last brought up in each slot.
    pub slots: BTreeMap<SlotName, SlotRecord>,
    /// Releases kept on the host.
    pub releases: Vec<ReleaseId>,
    /// What the releases named in `slots` want of the host.
    pub kept: Vec<HostRelease>,
    /// Releases that served and passed their bake, oldest first: where a rollback may go to.
    pub promoted: Vec<ReleaseId>,
    /// The number of each release that its last finished runs were about.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<ReleaseId, u64>,
    /// Highest revision number seen in releases and history.
    pub revision: u64,
    /// Hosts that missed a change, and what is written about each.
    pub owing: BTreeMap<HostName, Debt>,
    /// Jobs that ran for releases, as this host remembers them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobMark>,
    /// The last finished run.
    pub last: Option<RunId>,
    /// How the last runs ended, as far as this host was told.
    #[serde(default)]
    pub finished: BTreeMap<RunId, OutcomeKind>,
}

/// Who holds a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimView {
    /// The run.
    pub run: RunId,
    /// Its token.
    pub fence: Fence,
    /// Who runs it.
    pub who: Actor,
    /// `claimed`, `begun` or `done:<rc>`.
    pub phase: String,
    /// Number of its last step on this host.
    pub seq: u64,
    /// Seconds until the lease ends; 0 when it has.
    pub left: u64,
}

/// A person's lock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HoldView {
    /// It is on the whole environment, not on one app.
    pub whole: bool,
    /// Who set it.
    pub who: Actor,
    /// Why.
    pub text: String,
    /// Since when, seconds since the epoch by the clock of who set it.
    pub since: i64,
    /// Until when; `None` = until it is lifted.
    pub until: Option<i64>,
}

impl HoldView {
    /// Who, since when, until when, why, with times in UTC: `by ops@bastion1 since …: text`.
    #[must_use]
    pub fn says(&self) -> String {
        let who = self.who.as_str().split(':').next().unwrap_or_default();
        let until = self
            .until
            .map(|at| format!(" until {}", crate::text::utc(at)))
            .unwrap_or_default();
        let since = crate::text::utc(self.since);
        format!("by {who} since {since}{until}: {}", self.text)
    }
}

/// What was last brought up in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRecord {
    /// The release.
    pub release: ReleaseId,
    /// The run that brought it up.
    pub run: RunId,
}

/// Health of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no health check.
    None,
    /// The check has not passed yet.
    Starting,
    /// The check passes.
    Healthy,
    /// The check fails.
    Unhealthy,
}

/// One container as `docker inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Image as the container was started with.
    pub image: String,
    /// Id of the image (`sha256:…` of its configuration).
    pub image_id: String,
    /// `running`, `exited`, `restarting`, …
    pub state: String,
    /// Health.
    pub health: Health,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Exit code of the last end.
    pub exit_code: i64,
    /// Killed for memory at its last end.
    pub oom: bool,
    /// When it was last started, RFC 3339.
    pub started: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Restart policy name.
    pub restart: String,
    /// Memory limit in bytes, 0 for none.
    pub memory: u64,
    /// CPU limit in billionths, 0 for none.
    pub nano_cpus: u64,
    /// `host`, `bridge`, a network's name.
    pub network_mode: String,
    /// Ports published on the host.
    pub ports: Vec<PublishedPort>,
    /// Its labels that begin with `deploy.` or `com.docker.compose.`.
    pub labels: BTreeMap<String, String>,
}

impl Container {
    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }
    /// The compose project that it belongs to.
    #[must_use]
    pub fn project(&self) -> Option<&str> {
        self.label("com.docker.compose.project")
    }
    /// The compose service that it belongs to.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.label("com.docker.compose.service")
    }
    /// Made by `docker compose run` for a single command: no part of what the slot is to run.
    #[must_use]
    pub fn is_one_off(&self) -> bool {
        self.label("com.docker.compose.oneoff") == Some("True")
    }
    /// Runs, and does not fail its health check.
    #[must_use]
    pub fn fit(&self) -> bool {
        self.state == "running" && matches!(self.health, Health::None | Health::Healthy)
    }
}

/// A port that a container holds on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Address it is bound to; empty for all.
    pub address: String,
    /// Port on the host.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// One load-balancer host, for one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BalancerView {
    /// The balancer that the host belongs to.
    pub balancer: BalancerName,
    /// Random id of the machine, from the host record; absent before the first claim on it.
    pub machine: Option<MachineId>,
    /// What its files say; `None` inside where nothing of the app is there yet.
    pub persisted: Known<Option<Traffic>>,
    /// What it does, read over a fresh connection.
    pub running: Known<Option<Traffic>>,
    /// Slot that gets what no member of the slot with the traffic takes, as it says.
    pub spare: Option<SlotName>,
    /// Version of the server.
    pub version: String,
    /// Changes when the server was restarted.
    pub instance: String,
    /// What the host record says about the app.
    pub record: RecordView,
    /// What is wrong or odd: broken configuration, a setting that drops requests, a missing include.
    pub problems: Vec<Problem>,
}

/// Name of the compose project of a slot: one per environment, app and slot, never per release.
#[must_use]
pub fn project(env: &EnvName, app: &AppName, slot: &SlotName) -> String {
    format!("{env}-{app}-{slot}")
}
