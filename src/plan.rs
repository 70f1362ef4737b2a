//! Plans: what will be done, as data. Pure and synchronous.
//!
//! - `step`        a step, its action, its undo, why it is there
//! - `kind`        what a plan is for
//! - `setup`       what planning needs to know from the configuration
//! - `activity`    what a release does beside requests: in one slot at a time
//! - `jobs`        what runs once per release, before it comes up; what a person says of one
//! - `judge`       does a host run a release as wanted, and if not, why
//! - `traffic`     where the load balancers send to, and whether they agree
//! - `entry`       what must hold before any plan; who may begin at all
//! - `calendar`    windows and freezes: who is bound by them
//! - `adopt`       what was started by hand, recorded as release #0
//! - `blue_green`  deploy and stage with two slots
//! - `in_place`    deploy and rollback with one slot: rolling, recreate
//! - `changes`     what it changes, for the person who reads it: images, files, containers, bytes
//! - `keep`        the wanted release serves already: repair, or change nothing
//! - `switch`      switch and rollback
//! - `sync`        hosts that miss what is recorded are brought to it
//! - `restart`     host by host within the active slot
//! - `resume`      what a run left unfinished, to its `before` or its `after`
//! - `debts`      hosts that miss a change, and what may not be touched because of them
//! - `skipped`    app hosts that do not answer: refused, or passed by and set down
//! - `spare`      what a bake keeps in reserve at the load balancers
//! - `drain`      one host out of traffic until a person brings it back
//! - `remove`     the app, or some of its hosts, taken out and cleaned up
//! - `catch_up`   load balancers that missed a change are led to what the others do
//! - `recreate`    the steps for what must never run twice: nobody serves, down, up, gated, back
//! - `rolling`     the steps for members that have traffic: out of traffic, up again, gated, back
//! - `weight`      two slots share the traffic until a person changes it
//! - `text`        the plan as lines: dry run, review, stale-plan guard and unit test
//!
//! To add a strategy: one file with one function from setup, wanted release and fleet to a
//! [`Plan`], its text tests beside it, and its simulation in `engine`.

mod activity;
pub mod adopt;
pub mod blue_green;
pub mod calendar;
pub mod catch_up;
pub mod changes;
pub mod debts;
pub mod drain;
pub mod entry;
pub mod in_place;
pub mod jobs;
pub mod judge;
mod keep;
mod kind;
mod recreate;
pub mod remove;
pub mod restart;
pub mod resume;
mod rolling;
pub mod setup;
pub mod skipped;
mod spare;
pub mod step;
pub mod switch;
pub mod sync;
mod text;
mod traffic;
pub mod weight;

/// Plans a deploy (or stage) by the strategy of the app.
///
/// # Errors
/// A [`Refusal`] with every reason against it; nothing may be changed then.
pub fn deploy(
    setup: &Setup,
    release: &Release,
    fleet: &Fleet,
    kind: PlanKind,
    generation: &str,
) -> Result<Plan, Refusal> {
    match setup.strategy {
        Strategy::BlueGreen => blue_green::deploy(setup, release, fleet, kind, generation),
        Strategy::Rolling | Strategy::Recreate => {
            in_place::deploy(setup, release, fleet, kind, generation)
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use crate::fleet::Fleet;
use crate::inventory::Strategy;
use crate::release::Release;

pub use kind::PlanKind;
pub use setup::{GateKind, GateSpec, GateView, LbHost, Setup};
pub use step::{Action, Batch, Cause, JobStart, Move, Owes, Plan, Refusal, Step, Undo};
