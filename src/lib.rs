//! `deploy` brings an environment of plain Docker hosts to a wanted release.
//!
//! The map is in ARCHITECTURE.md. Modules by rank; a module uses only modules of lower rank
//! (kept by `tests/architecture.rs`).

pub mod balancer;
pub mod check;
pub mod cli;
pub mod compose;
pub mod engine;
pub mod event;
pub mod fleet;
pub mod host;
pub mod inventory;
pub mod name;
pub mod notify;
pub mod plan;
pub mod record;
pub mod registry;
pub mod release;
pub mod report;
pub mod template;
pub mod text;
pub mod time;
