//! Load balancers: the contract, and one driver a file beside it.
//!
//! A driver turns a wish ([`Traffic`]) into step bodies (scripts with parameters) and reads their
//! answers. It has no effects of its own: the record runs its bodies under lock and fence, and its
//! tests compare text, parse answers and talk to the real server.
//!
//! To add a driver: implement [`Driver`], name it in [`driver`], and pass the contract suite
//! (`tests/balancers`) against the real server.

mod answer;
#[macro_use]
mod bodies;
pub mod caddy;
pub mod command;
#[cfg(test)]
mod fixture;
mod flags;
pub mod haproxy;
mod keys;
pub mod nginx;
pub mod none;
mod words;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fleet::{BalancerView, Known, Problem, RecordView, Traffic};
use crate::host::script::Body;
use crate::name::{AppName, BalancerName, EnvName, HostName, MachineId, SlotName};

/// What a driver can do; what it cannot is an error when the plan is made, never a silent no-op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A switch of the whole group needs no reload.
    pub reloadless: bool,
    /// Shares between slots other than all or nothing.
    pub weights: bool,
    /// Header and cookie rules.
    pub rules: bool,
    /// One member can be taken out while the others serve.
    pub drain: bool,
    /// Open requests per slot can be counted.
    pub sessions: bool,
    /// The slot that served before can take what no member of the new one takes, during a bake.
    pub spare: bool,
}

impl Capabilities {
    /// A driver that can do everything.
    pub const ALL: Self = Self {
        reloadless: true,
        weights: true,
        rules: true,
        drain: true,
        sessions: true,
        spare: true,
    };
}

/// One load-balancer host and the app's entry on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Environment.
    pub env: EnvName,
    /// App.
    pub app: AppName,
    /// The balancer's name in the inventory.
    pub balancer: BalancerName,
    /// The host.
    pub host: HostName,
    /// Base address for requests through this very host, e.g. `http://lb1:80`.
    pub probe: String,
    /// Name of the app's entry, e.g. the prefix of upstream names.
    pub backend: String,
    /// Host header of the app's requests, where it has one.
    pub host_header: Option<String>,
    /// Run the bodies as root.
    pub root: bool,
    /// The driver's own settings, checked by [`Driver::check`].
    pub settings: serde_json::Value,
}

/// What a driver's look found. Whose machine it is and what its record says is not the driver's
/// to know: [`Seen::view`] adds both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What its files say; `None` inside where nothing of the app is there yet.
    pub persisted: Known<Option<Traffic>>,
    /// What it does, read over a fresh connection.
    pub running: Known<Option<Traffic>>,
    /// Its spare, as it says.
    pub spare: Option<SlotName>,
    /// Version of the server.
    pub version: String,
    /// Changes when the server was restarted.
    pub instance: String,
    /// What is wrong or odd.
    pub problems: Vec<Problem>,
}

impl Seen {
    /// The view of the whole host.
    #[must_use]
    pub fn view(
        self,
        target: &Target,
        machine: Option<MachineId>,
        record: RecordView,
    ) -> BalancerView {
        BalancerView {
            balancer: target.balancer.clone(),
            machine,
            persisted: self.persisted,
            running: self.running,
            spare: self.spare,
            version: self.version,
            instance: self.instance,
            record,
            problems: self.problems,
        }
    }
}

/// Why an answer of a driver's script cannot be used. Never good news.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {what}")]
pub struct AnswerError {
    /// The host.
    pub host: HostName,
    /// What is wrong with it.
    pub what: String,
}

/// What a commit, a restore or a verify found, read back from the running server.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The running state is as wished, over fresh connections, and old workers are gone or harmless.
    Converged {
        /// When it took effect by the host's clock, seconds since the epoch with fraction, for the skew.
        at: f64,
    },
    /// Not yet, or not at all: what is seen instead.
    Differs {
        /// What is seen.
        seen: String,
    },
    /// The live state was neither `before` nor `after`: somebody else changed it. Nothing was done.
    Moved {
        /// What is seen.
        seen: String,
    },
    /// The server's own checker refused the candidate. Nothing was done.
    Refused {
        /// The checker's words.
        why: String,
    },
}

/// What one tick of a balancer's watch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainView {
    /// Open requests of the watched slot, where the server can say.
    pub open: Option<u64>,
    /// Nothing of the old state is left (e.g. no old workers).
    pub idle: bool,
}

/// The contract. Bodies read `$STATE` (the app's record directory) and may use the record
/// library's `put FILE` and the short host lock `lb.<driver>.lock`.
pub trait Driver: Send + Sync {
    /// The word after `driver:` in the inventory.
    fn name(&self) -> &'static str;

    /// What this driver can do with these settings.
    fn capabilities(&self, settings: &serde_json::Value) -> Capabilities;

    /// Keys of its own settings, as [`Self::check`] knows them.
    fn keys(&self) -> &'static [&'static str];

    /// Findings about the settings (unknown keys, wrong values): message and key.
    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)>;

    /// Read-only: prints persisted and running state, version, instance, problems.
    fn look(&self, target: &Target) -> Body;

    /// A look at the end of a run that changed the server: the states, without what has been found out
    /// about the server some seconds before where that takes long. [`Self::read`] reads it too.
    fn glance(&self, target: &Target) -> Body {
        self.look(target)
    }

    /// Reads the answer of [`Self::look`].
    ///
    /// # Errors
    /// [`AnswerError`] where the answer is not of the expected form.
    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError>;

    /// What this driver cannot do of `after` on this target: weights where it has none, an address
    /// that cannot be written into its configuration. Asked when the plan is made.
    ///
    /// # Errors
    /// One sentence for each thing.
    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>>;

    /// What the way from `before` to `after` brings with it that a person should know before,
    /// e.g. a reload that drops connections. Shown with the plan.
    fn foresee(
        &self,
        _target: &Target,
        _before: Option<&Traffic>,
        _after: &Traffic,
    ) -> Vec<Problem> {
        Vec::new()
    }

    /// Writes the candidate beside the live state and has the server check it. No effect on traffic.
    /// Its [`Verdict::Converged`] says that a commit may follow; its time means nothing.
    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body;

    /// Whether these lines of a look say that [`Self::prepare`] would find nothing to write and
    /// nothing to check: the server runs what it needs for `after`, all is as `before` says, and
    /// nothing is odd. Only asked under the claim that the change is made under.
    fn is_prepared(
        &self,
        _target: &Target,
        _lines: &[String],
        _before: Option<&Traffic>,
        _after: &Traffic,
    ) -> bool {
        false
    }

    /// Persists and activates `after` if the live state is `before` (or already `after`), then reads
    /// back over fresh connections. Waits at most 5 s for other apps'
    /// changes on that host, then takes at most 5 s; is idempotent.
    /// A restore is a commit with the two exchanged. Whatever was the spare, `after.spare` is it then.
    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body;

    /// Read-only: is the running state `wanted`, over fresh connections?
    fn verify(&self, target: &Target, wanted: &Traffic) -> Body;

    /// Reads the answer of `prepare`, `commit` or `verify`.
    ///
    /// # Errors
    /// [`AnswerError`] where the answer is not of the expected form.
    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError>;

    /// Read-only: waits until requests that were open to members outside `now` ended, at most
    /// `within`; prints one line per change and a last one with what was left.
    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body;

    /// Reads one line of [`Self::drain`].
    fn drained(&self, line: &str) -> Option<DrainView>;

    /// Whether [`Self::remove`] can do it on this target. Asked when the plan is made.
    ///
    /// # Errors
    /// One sentence: what it lacks.
    fn can_remove(&self, _target: &Target) -> Result<(), String> {
        Ok(())
    }

    /// Removes everything of the app's entry on this host.
    fn remove(&self, target: &Target) -> Body;

    /// What this host needs once, for all apps: our folder, the line that includes it. The text
    /// stands by itself (`deploy setup --print` shows it), may be run again, and prints a line for
    /// each thing that begins with `made`, `kept` or `left` (for a person). `None`: nothing that a
    /// script can do; what is missing, [`Self::look`] says.
    fn set_up(&self, _target: &Target) -> Option<Body> {
        None
    }
}

/// The driver of that name.
#[must_use]
pub fn driver(name: &str) -> Option<&'static dyn Driver> {
    match name {
        "caddy" => Some(&caddy::Caddy),
        "command" => Some(&command::Command),
        "haproxy" => Some(&haproxy::Haproxy),
        "nginx" => Some(&nginx::Nginx),
        "none" => Some(&none::Nobody),
        _ => None,
    }
}

/// Names of all drivers, for "did you mean".
pub const NAMES: &[&str] = &["caddy", "command", "haproxy", "nginx", "none"];
