//! A simulated fleet around the dispatcher: a model of hosts and load balancers, a clock that jumps,
//! a seeded order of events, faults at every step, and the invariants checked after each event.
//!
//! - `model`   what hosts run and where load balancers send to; what a piece of work does to them
//! - `fault`   what can go wrong, and where
//! - `stage`   the plans that are tried
//! - `judge`   the invariants: while a run runs, and at its end
//! - `play`    one run: events in, work out
//! - `activity` what is switched on and off: never in two releases at once
//! - `jobs`    what runs once per release: never two starts, and what is not known is told
//! - `timing`  schedules that random ones meet too rarely
//! - `after`   a client that dies, and whoever resumes its run: again and again until it has ended
//! - `batches` the invariants of plans that go through the slot that serves
//! - `debts`   the invariants of hosts that owe
//! - `spare`   the slot that served, in reserve while a release bakes
//! - `random`  random schedules, and what was covered
//! - `tests`   every step with every fault
//!
//! To add a fault: a variant in `fault`, what it does in `play`, its line in the matrix.

mod activity;
mod after;
mod batches;
mod debts;
mod fault;
mod jobs;
mod judge;
mod model;
mod play;
mod random;
mod spare;
mod stage;
mod tests;
mod timing;
