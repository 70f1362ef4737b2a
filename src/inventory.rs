//! What operators write: `inventories/defaults.yml` and one file per environment.
//!
//! [`Config::load`] reads both, lays them over each other (the most specific wins: defaults,
//! environment, app, group, host, app on host, `--set`), checks everything, and returns an
//! [`Inventory`] or all [`crate::text::Findings`] at once. The way of a file through it:
//!
//! - `source` the door to the files; `document` one file taken apart; `commit` which commit they are of
//! - `hosts`, `groups`, `host_keys`, `apps`, `settings`, `gates`, `sections` what may stand there
//! - `foreign` hosts from elsewhere: Ansible's inventories, as they are or as a command prints them
//! - `layer` layering and provenance; `pattern`, `select`, `units`, `fields` the words inside
//! - `jobs` what runs once per release; `activity` what is switched on and off with a slot
//! - `explain` effective values with their places
//! - `unreachable` what becomes of hosts that do not answer
//! - `notify` who is told of a run; `hooks` programs around it
//! - `schema` the JSON Schema of all that, for editors
//! - `calendar` when an environment may be changed: windows and freezes
//! - `check` what needs more than one place; `model` the result
//!
//! To add a key: `settings` says how, for those that may stand at several levels; a key of one
//! section is added where that section is read. Nobody else lists keys.

mod activity;
mod apps;
pub mod calendar;
mod check;
mod commit;
mod document;
mod explain;
mod fields;
mod foreign;
mod gates;
mod groups;
pub mod hooks;
mod host_keys;
mod hosts;
mod images;
mod jobs;
mod layer;
mod logs;
mod model;
pub mod notify;
mod pattern;
mod policy;
pub mod schema;
mod sections;
mod select;
mod settings;
mod source;
mod strategy;
pub mod units;
mod unreachable;

pub use activity::{Activity, Call, CallKind};
pub use explain::{Explained, Only, Row, Subject};
pub use jobs::Job;
pub use layer::{Level, Origin, Origins, Provenance};
pub use logs::Logs;
pub use model::{
    App, Balance, Balancer, Connection, Gate, GateFrom, GateKind, HostApp, HostEntry, Inventory,
    InventoryNames, Limits, Located, Protection, RestartPolicy, SecretSource, ServiceSettings,
    Slot, TicketRule, Vars,
};
pub use policy::{Denial, Policy, Requirement, Rule};
pub use sections::Registry;
pub use select::{HostSelector, Names, SelectorError, glob};
pub use source::{Asking, Config};
pub use strategy::{Amount, Rolling, Strategy};
pub use unreachable::Unreachable;

#[cfg(test)]
mod tests;
