//! What each command does once its words are understood. This is where engine and faces meet: the
//! command files above know words only, the engine below knows neither words nor screens.
//!
//! Each function gets checked names and returns the exit code; runs speak through
//! [`Context::feed`].

use super::context::Context;
use super::failure::Failure;
use crate::name::{AppName, EnvName, ExitCode, HostName, SlotName, Version};

/// A release of an app in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Where.
    pub env: EnvName,
    /// What.
    pub app: AppName,
    /// Which.
    pub version: Version,
}

/// An app in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub env: EnvName,
    /// What.
    pub app: AppName,
}

/// How to switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchTo {
    /// The slot; without it, the standby that was staged.
    pub slot: Option<SlotName>,
    /// Also where the slot is unfit; a message is there then.
    pub force: bool,
}

/// Which logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsOf {
    /// Lines per container from the end; `None` for all.
    pub tail: Option<u64>,
    /// Go on until stopped.
    pub follow: bool,
}

fn missing(what: &str) -> Failure {
    Failure::failed(format!("{what} is not built yet"))
}

/// The apps of an environment, from its inventory.
///
/// # Errors
/// All that is wrong in the inventory.
pub async fn apps(_ctx: &Context, _env: &EnvName) -> Result<Vec<AppName>, Failure> {
    Err(missing("reading inventories"))
}

/// `deploy ENV APP@VERSION`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn deploy(_ctx: &Context, _wish: Wish) -> Result<ExitCode, Failure> {
    Err(missing("deploy"))
}

/// `deploy stage ENV APP@VERSION`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn stage(_ctx: &Context, _wish: Wish) -> Result<ExitCode, Failure> {
    Err(missing("stage"))
}

/// `deploy switch ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn switch(_ctx: &Context, _place: Place, _to: SwitchTo) -> Result<ExitCode, Failure> {
    Err(missing("switch"))
}

/// `deploy rollback ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn rollback(_ctx: &Context, _place: Place) -> Result<ExitCode, Failure> {
    Err(missing("rollback"))
}

/// `deploy restart ENV APP`.
///
/// # Errors
/// What kept the run from beginning.
pub async fn restart(_ctx: &Context, _place: Place) -> Result<ExitCode, Failure> {
    Err(missing("restart"))
}

/// `deploy status [ENV [APP]]`: every environment and app that is not narrowed down.
///
/// # Errors
/// What kept the look from beginning; hosts that do not answer are part of the result.
pub async fn status(
    _ctx: &Context,
    _envs: Vec<EnvName>,
    _app: Option<AppName>,
) -> Result<ExitCode, Failure> {
    Err(missing("status"))
}

/// `deploy plan ENV APP@VERSION`; `tell`: end with 3 where there is something to change.
///
/// # Errors
/// What kept the plan from being made.
pub async fn plan(_ctx: &Context, _wish: Wish, _tell: bool) -> Result<ExitCode, Failure> {
    Err(missing("plan"))
}

/// `deploy render ENV APP@VERSION`: the files of these hosts, of all where none is named.
///
/// # Errors
/// All that is wrong in inventory and templates.
pub async fn render(
    _ctx: &Context,
    _wish: Wish,
    _hosts: Vec<HostName>,
) -> Result<ExitCode, Failure> {
    Err(missing("render"))
}

/// `deploy logs ENV APP`.
///
/// # Errors
/// What kept the logs from being read.
pub async fn logs(_ctx: &Context, _place: Place, _of: LogsOf) -> Result<ExitCode, Failure> {
    Err(missing("logs"))
}
