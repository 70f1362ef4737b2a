//! Plans compared as whole texts: what an operator would read, and what the engine would do.

mod activity;
mod adopt;
mod calendar;
mod changes;
mod deploy;
mod drain;
mod in_place;
mod jobs;
mod keep;
mod owing;
mod properties;
mod recreate;
mod refused;
mod remove;
mod restart;
mod resume;
mod settle;
mod skipped;
mod spare;
mod switch;
mod sync;
mod weight;
