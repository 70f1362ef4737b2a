//! Gates by command against the rendered document: in whose container they run.

use crate::compose::Document;
use crate::inventory::{GateKind, HostApp};
use crate::text::{Diagnostic, Findings};

/// What would never pass: a service that the document does not have, or none named among several.
pub(super) fn check(member: &HostApp, document: &Document) -> Findings {
    let mut found = Findings::default();
    let started = document.services().filter(|s| s.profiles().is_empty());
    let names: Vec<&str> = started.map(|s| s.name().as_str()).collect();
    for gate in &member.gates {
        let GateKind::Command { service, .. } = &gate.kind else {
            continue;
        };
        let finding = match service {
            Some(service) if !names.contains(&service.as_str()) => {
                Diagnostic::error(format!("the template starts no service `{service}`"))
                    .at(&gate.span)
                    .did_you_mean(service.as_str(), names.iter().copied())
            }
            None if names.len() > 1 => {
                Diagnostic::error("this gate does not say in whose container it runs")
                    .at(&gate.span)
                    .hint(format!(
                        "command: {{ run: […], service: {} }}",
                        names.first().copied().unwrap_or_default()
                    ))
            }
            _ => continue,
        };
        found.push(finding);
    }
    found
}
