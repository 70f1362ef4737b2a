//! Plans: what will be done, as data. Pure and synchronous.
//!
//! - `step`        a step, its action, its undo, why it is there
//! - `setup`       what planning needs to know from the configuration
//! - `judge`       does a host run a release as wanted, and if not, why
//! - `blue_green`  deploy and stage
//! - `switch`      switch and rollback
//! - `restart`     host by host within the active slot
//! - `text`        the plan as lines: dry run, review, stale-plan guard and unit test
//!
//! To add a strategy: one file with one function from setup, wanted release and fleet to a
//! [`Plan`], its text tests beside it, and its simulation in `engine`.

pub mod blue_green;
pub mod judge;
pub mod restart;
pub mod setup;
pub mod step;
pub mod switch;
mod text;

pub use setup::{GateKind, GateSpec, GateView, LbHost, Setup};
pub use step::{Action, Cause, Move, Plan, PlanKind, Refusal, Step, Undo};
