//! Tests on the real fleet, under load. They are ignored unless `script/test --fleet` runs them with a fleet that
//! is up; each has the fleet for itself. To add a case: a function in a module of `tests/fleet/cases/`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests start programs, read their files, and tell which case runs"
)]

mod support;

#[path = "fleet/cases/active.rs"]
mod active;
#[path = "fleet/cases/adopted.rs"]
mod adopted;
#[path = "fleet/cases/broken.rs"]
mod broken;
#[path = "fleet/cases/budget.rs"]
mod budget;
#[path = "fleet/cases/check.rs"]
mod check;
#[path = "fleet/cases/claims.rs"]
mod claims;
#[path = "fleet/cases/controls.rs"]
mod controls;
#[path = "fleet/cases/daytwo.rs"]
mod daytwo;
#[path = "fleet/cases/drained.rs"]
mod drained;
#[path = "fleet/cases/faults.rs"]
mod faults;
#[path = "fleet/cases/haproxy.rs"]
mod haproxy;
#[path = "fleet/cases/hostile.rs"]
mod hostile;
#[path = "fleet/cases/jobs.rs"]
mod jobs;
#[path = "fleet/cases/logins.rs"]
mod logins;
#[path = "fleet/cases/main_job.rs"]
mod main_job;
#[path = "fleet/cases/owing.rs"]
mod owing;
#[path = "fleet/cases/planned.rs"]
mod planned;
#[path = "fleet/cases/readme.rs"]
mod readme;
#[path = "fleet/cases/refused.rs"]
mod refused;
#[path = "fleet/cases/removed.rs"]
mod removed;
#[path = "fleet/cases/rig.rs"]
mod rig;
#[path = "fleet/cases/secrets.rs"]
mod secrets;
#[path = "fleet/cases/setup.rs"]
mod setup;
#[path = "fleet/cases/several.rs"]
mod several;
#[path = "fleet/cases/silent.rs"]
mod silent;
#[path = "fleet/cases/sync.rs"]
mod sync;
#[path = "fleet/cases/untaken.rs"]
mod untaken;
#[path = "fleet/cases/verbatim.rs"]
mod verbatim;
// Storms: `script/test` runs what is in `long` with `--long` only.
#[path = "fleet/cases/together.rs"]
mod long;
