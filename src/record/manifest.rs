//! What a run wanted: enough to finish or unwind it from any machine, without inventory, templates
//! or secrets.
//!
//! A newer tool reads older formats, an older tool refuses. To add a field: give it a serde default
//! and raise [`FORMAT`] only where an older tool would do harm without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::{
    Actor, AppName, BalancerName, EnvName, HostName, MachineId, ReleaseId, RunId, SlotName,
};

/// The format that this version writes.
pub const FORMAT: u32 = 1;

/// The kind of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Everything: stage and switch.
    Deploy,
    /// Up to the gates, no traffic moved.
    Stage,
    /// The switch to what is staged, or to a named slot.
    Switch,
    /// The switch to an earlier release.
    Rollback,
    /// The same release, host by host.
    Restart,
    /// Hosts brought to the recorded release.
    Sync,
    /// A load balancer or host that missed a change.
    CatchUp,
    /// Taken out and cleaned up.
    Remove,
    /// Hosts taken out of, or put back into, traffic.
    Drain,
    /// Two slots share the traffic until a person changes it.
    Weight,
    /// What was started by hand, recorded as a release.
    Adopt,
    /// A person's word about a job.
    Job,
}

/// What a host is to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the app.
    App,
    /// Is a load balancer.
    Balancer,
    /// Both.
    Both,
}

/// One host of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHost {
    /// As the inventory called it.
    pub name: HostName,
    /// Where it was reached, for the day it left the inventory.
    pub address: String,
    /// The same for programs; null in manifests that were written before it was kept.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub reach: Value,
    /// Which machine answered there, where it had an id already.
    pub machine: Option<MachineId>,
    /// What it is to the run.
    pub role: Role,
    /// Slots that it serves.
    pub slots: Vec<SlotName>,
    /// Runs scripts as root.
    #[serde(default)]
    pub sudo: bool,
    /// The release it is to run, where it is an app host.
    pub release: Option<ReleaseId>,
}

/// One load balancer of the run, with all its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBalancer {
    /// As the inventory called it.
    pub name: BalancerName,
    /// Its driver.
    pub driver: String,
    /// Its hosts.
    pub hosts: Vec<HostName>,
    /// What the driver was told, without secrets.
    pub settings: Value,
}

/// What a run wanted, as it lies on every host of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// Version of the program that wrote it.
    pub tool: String,
    /// The run.
    pub run: RunId,
    /// What kind of run.
    pub kind: RunKind,
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// Who began it.
    pub who: Actor,
    /// When, seconds since the epoch by the clock of the client.
    pub started: i64,
    /// Every host, with role and address.
    pub hosts: Vec<ManifestHost>,
    /// Every load balancer.
    pub balancers: Vec<ManifestBalancer>,
    /// The slot that served before, where one did.
    pub active: Option<SlotName>,
    /// The slot that is changed.
    pub standby: Option<SlotName>,
    /// What was last brought up in each slot, to go back to.
    #[serde(default)]
    pub slots_before: BTreeMap<SlotName, ReleaseId>,
    /// Traffic before, as a JSON value of the fleet's type, by load balancer.
    pub before: BTreeMap<BalancerName, Value>,
    /// Traffic after, likewise; later values of a canary follow in order.
    pub after: Vec<BTreeMap<BalancerName, Value>>,
    /// Checksums of the traffic values, as `switch` on the load balancers names them.
    #[serde(default)]
    pub sums: BTreeMap<String, String>,
    /// Jobs that may run once: never again where one was begun and not done.
    #[serde(default)]
    pub jobs: Vec<String>,
    /// Seconds that the gates are watched after the switch.
    #[serde(default)]
    pub bake_secs: u64,
    /// Seconds a container is given to stop.
    #[serde(default)]
    pub stop_secs: u64,
    /// What else the plan needs to be finished, e.g. gates.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub more: Value,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not what was written.
    #[error("the manifest of the run is damaged")]
    Damaged(#[source] serde_json::Error),
    /// Its format is newer than this program.
    #[error(
        "the manifest was written by deploy {tool} in format {format}; this one reads up to {FORMAT}"
    )]
    Newer {
        /// Its format.
        format: u32,
        /// Who wrote it.
        tool: String,
    },
}

/// Only what says whether the rest can be read.
#[derive(Deserialize)]
struct Head {
    format: u32,
    #[serde(default)]
    tool: String,
}

impl Manifest {
    /// The manifest as one line of JSON.
    ///
    /// # Panics
    /// Never: names, numbers and JSON values have a JSON form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("plain data has a JSON form");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest of this or an older format.
    ///
    /// # Errors
    /// A [`ManifestError`] where it is damaged or newer than this program.
    pub fn read(text: &str) -> Result<Self, ManifestError> {
        let head: Head = serde_json::from_str(text).map_err(ManifestError::Damaged)?;
        if head.format > FORMAT {
            return Err(ManifestError::Newer {
                format: head.format,
                tool: head.tool,
            });
        }
        serde_json::from_str(text).map_err(ManifestError::Damaged)
    }

    /// The checksum of a traffic value, as `switch` carries it: 16 hex digits of SHA-256 over its
    /// JSON with sorted keys.
    #[must_use]
    pub fn sum(value: &Value) -> String {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(sorted(value).to_string());
        digest[..8].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// The value with the keys of its objects in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<_, _> = map.iter().collect();
            let pairs = ordered.into_iter().map(|(k, v)| (k.clone(), sorted(v)));
            Value::Object(pairs.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest() -> Value {
        json!({"format": 1, "tool": "0.1.0", "run": "r-1", "kind": "deploy", "env": "staging",
            "app": "app", "who": "ops@m:1:2", "started": 1, "hosts": [], "balancers": [],
            "active": "blue", "standby": "green", "before": {}, "after": []})
    }

    #[test]
    fn a_manifest_comes_back_as_it_was() {
        let read = Manifest::read(&manifest().to_string()).unwrap();
        let again = Manifest::read(std::str::from_utf8(&read.to_bytes()).unwrap()).unwrap();
        assert_eq!(read, again);
    }

    #[test]
    fn a_newer_format_is_refused_by_name_whatever_else_it_holds() {
        let e = Manifest::read(r#"{"format":7,"tool":"3.2.0","run":[]}"#).unwrap_err();
        assert_eq!(
            e.to_string(),
            "the manifest was written by deploy 3.2.0 in format 7; this one reads up to 1"
        );
        let mut cut = manifest().to_string();
        cut.truncate(60);
        assert!(matches!(
            Manifest::read(&cut),
            Err(ManifestError::Damaged(_))
        ));
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_of_keys() {
        let a = json!({"a": 1, "b": {"x": [1, {"p": 1, "q": 2}], "y": 2}});
        let b = json!({"b": {"y": 2, "x": [1, {"q": 2, "p": 1}]}, "a": 1});
        assert_eq!(Manifest::sum(&a), Manifest::sum(&b));
        assert_ne!(Manifest::sum(&a), Manifest::sum(&json!({"a": 1})));
    }
}
