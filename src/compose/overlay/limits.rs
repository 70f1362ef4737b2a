//! Limits and the time to stop: from the inventory where the template says nothing, never from both.

use std::time::Duration;

use docker_compose_types as dct;

use super::super::policy::Wanted;
use super::super::units::{Cpus, parse_bytes, parse_duration, write_bytes, write_duration};
use super::super::{Service, Setting};
use super::Adding;
use crate::text::{self, Diagnostic};

/// The least memory that the engine accepts as a limit.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

/// Limits that hold, or that are to be set.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) memory: Option<u64>,
    pub(super) cpus: Option<Cpus>,
    pub(super) pids: Option<u32>,
}

impl Adding<'_, '_> {
    /// Sets what is wanted; answers what holds with both files.
    pub(super) fn limits(&mut self) -> Numbers {
        let said = (
            self.service.memory(),
            self.service.cpus(),
            self.service.pids(),
        );
        let wanted = &self.policy.limits;
        let set = Numbers {
            memory: self.one("memory limit", said.0.as_ref(), wanted.memory.as_ref()),
            cpus: self.one("limit of CPUs", said.1.as_ref(), wanted.cpus.as_ref()),
            pids: self.one("limit of processes", said.2.as_ref(), wanted.pids.as_ref()),
        };
        self.set_limits(&set);
        let holds = Numbers {
            memory: set.memory.or(said.0.and_then(|s| s.value)),
            cpus: set.cpus.or(said.1.and_then(|s| s.value)),
            pids: set.pids.or(said.2.and_then(|s| s.value)),
        };
        self.sane(holds.memory);
        holds
    }

    /// The value to set: none where the template has one, which is an error where both have one.
    fn one<T: Copy>(
        &mut self,
        what: &str,
        said: Option<&Setting<T>>,
        wanted: Option<&Wanted<T>>,
    ) -> Option<T> {
        let wanted = wanted?;
        match said {
            None => Some(wanted.value),
            Some(said) => {
                self.both(what, said, wanted);
                None
            }
        }
    }

    fn both<T>(&mut self, what: &str, said: &Setting<T>, wanted: &Wanted<T>) {
        let finding = Diagnostic::error(format!(
            "service {}: template and inventory both set the {what}",
            self.service.name()
        ));
        let finding = match &wanted.span {
            Some(span) => finding.at_saying(span, "set here"),
            None => finding,
        };
        self.findings.push(
            finding
                .at_saying(&said.span, "and here")
                .hint("keep it in the inventory, where it can differ by host, and take it out of the template"),
        );
    }

    /// What the engine would refuse only when the container is created.
    fn sane(&mut self, holds: Option<u64>) {
        let name = self.service.name();
        let wanted = self.policy.limits.memory.as_ref();
        if let Some(wanted) = wanted.filter(|w| w.value < LEAST_MEMORY) {
            let small = text::bytes(wanted.value);
            let finding = Diagnostic::error(format!(
                "service {name}: a memory limit of {small} is less than the 6 MiB that Docker accepts"
            ));
            self.findings.push(match &wanted.span {
                Some(span) => finding.at(span),
                None => finding,
            });
        }
        let long = ["deploy", "resources", "reservations", "memory"];
        let said = self.service.setting(&["mem_reservation"], parse_bytes);
        let said = said.or_else(|| self.service.setting(&long, parse_bytes));
        if let Some(said) = said
            && let (Some(reserved), Some(limit)) = (said.value, holds)
            && reserved > limit
        {
            self.findings.push(
                Diagnostic::error(format!(
                    "service {name} reserves {} of memory, more than its limit of {}",
                    text::bytes(reserved),
                    text::bytes(limit)
                ))
                .at(&said.span),
            );
        }
    }

    fn set_limits(&mut self, set: &Numbers) {
        let (memory, cpus) = (set.memory.map(write_bytes), set.cpus.map(|c| c.to_string()));
        let pids = set.pids.map(|n| n.to_string());
        if short_form(&self.service) {
            self.add.mem_limit = memory;
            self.patches.extend(cpus.map(|text| (vec!["cpus"], text)));
            self.patches
                .extend(pids.map(|text| (vec!["pids_limit"], text)));
            return;
        }
        let path = vec!["deploy", "resources", "limits", "pids"];
        self.patches.extend(pids.map(|text| (path, text)));
        if memory.is_none() && cpus.is_none() {
            return;
        }
        let resources = dct::Resources {
            limits: Some(dct::Limits {
                memory,
                cpus,
                devices: None,
            }),
            reservations: None,
        };
        self.add.deploy = Some(dct::Deploy {
            resources: Some(resources),
            ..dct::Deploy::default()
        });
    }

    /// The time to stop, set like a limit; equal times in both places are no conflict.
    pub(super) fn stop_grace(&mut self) -> Option<Duration> {
        let said = self.service.setting(&["stop_grace_period"], parse_duration);
        let wanted = self.policy.stop_grace.as_ref();
        match (said, wanted) {
            (None, None) => None,
            (None, Some(wanted)) => {
                self.add.stop_grace_period = Some(write_duration(wanted.value));
                Some(wanted.value)
            }
            (Some(said), wanted) => {
                if let Some(wanted) = wanted.filter(|w| said.value != Some(w.value)) {
                    self.both("time to stop", &said, wanted);
                }
                said.value
            }
        }
    }
}

/// True where the template states limits in the short form. Compose refuses `pids_limit`,
/// `mem_limit` or `cpus` beside a `deploy.resources.limits` that does not repeat them.
fn short_form(service: &Service<'_>) -> bool {
    const SHORT: [&str; 6] = [
        "mem_limit",
        "cpus",
        "mem_reservation",
        "memswap_limit",
        "cpu_shares",
        "pids_limit",
    ];
    let long = service.at(&["deploy", "resources", "limits"]).is_some();
    !long && SHORT.iter().any(|key| service.at(&[key]).is_some())
}
