//! The engine: performs a plan. It decides nothing about what is right; the plan says that.
//!
//! - `remote`    what the engine asks of a host, as typed verbs: the seam for the simulated fleet
//! - `gates`     the book of probes: who has passed, who is lost, how fresh it is; pure
//! - `dispatch`  the one place that hears everything and says what is next; pure and synchronous
//! - `perform`   the loop around it: tasks, timers, signals, lease
//! - `ask`       one question to every machine, within a time: for what only reads
//! - `attempt`   writing down what never became a run
//! - `claim`     taking the right on all hosts, or on none
//! - `voice`     numbers events and gives them away
//!
//! To add an action: `plan::step::Action`, its work on a host in `remote`, its end in `dispatch`.

pub mod ask;
pub mod attempt;
pub mod claim;
pub mod dispatch;
pub mod gates;
pub mod perform;
pub mod real;
pub mod remote;
pub mod run;
pub mod site;
pub mod voice;

#[cfg(test)]
mod sim;
