//! What is observed: traffic, hosts, containers, load balancers. Plain data, no effects.
//!
//! - `debt`     who missed a change, as the others remember it
//! - `job`      jobs that ran for a release, as the hosts remember them
//! - `held`     what a host has on its disk: files of releases, layers of images
//! - `traffic`  the one value that every strategy changes and every balancer driver reads and sets
//! - `view`     one host, one container, one load-balancer host as a look found them

pub mod debt;
pub mod held;
pub mod job;
pub mod traffic;
pub mod view;

pub use debt::{DRAINED, Debt};
pub use held::{Held, HeldFile, Holdings, ImageSize};
pub use job::{JobMark, JobState, JobWord};
pub use traffic::{Member, MemberState, Rule, RuleKey, Traffic, WHOLE};
pub use view::{
    BalancerView, ClaimView, Container, Fleet, Health, HoldView, HostView, Known, Problem,
    PublishedPort, RecordView, Severity, SlotRecord,
};
