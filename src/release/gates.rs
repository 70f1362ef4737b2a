//! Gates, calls and jobs by command against the rendered document: in whose container they run.

use crate::compose::Document;
use crate::inventory::{App, CallKind, GateKind, HostApp};
use crate::name::ServiceName;
use crate::text::{Diagnostic, Findings, Span};

/// How a service is named beside a command.
const COMMAND: [&str; 2] = ["command: { run: […], ", " }"];

/// What would never pass: a service that the document does not have, or none named among several.
pub(super) fn check(app: &App, member: &HostApp, document: &Document) -> Findings {
    let mut found = Findings::default();
    let started = document.services().filter(|s| s.profiles().is_empty());
    let names: Vec<&str> = started.map(|s| s.name().as_str()).collect();
    for gate in &member.gates {
        if let GateKind::Command { service, .. } = &gate.kind {
            let finding = in_whose(service.as_ref(), &names, "this gate", &gate.span, COMMAND);
            if let Some(finding) = finding {
                found.push(finding);
            }
        }
    }
    let calls = app.activity.iter().flat_map(|a| {
        let on = a.activate.iter().map(|call| ("activate", call));
        on.chain([("deactivate", &a.deactivate)])
    });
    for (key, call) in calls {
        if let (CallKind::Command { service, .. }, Some(span)) = (&call.kind, &call.span) {
            let what = format!("`{key}`");
            let finding = in_whose(service.as_ref(), &names, &what, span, COMMAND);
            if let Some(finding) = finding {
                found.push(finding);
            }
        }
    }
    for job in &app.jobs {
        let what = format!("job `{}`", job.name);
        let finding = job.span.as_ref().and_then(|span| {
            let service = job.service.as_ref();
            in_whose(service, &names, &what, span, ["", ""])
        });
        if let Some(finding) = finding {
            found.push(finding);
        }
    }
    found
}

fn in_whose(
    service: Option<&ServiceName>,
    names: &[&str],
    what: &str,
    span: &Span,
    [before, behind]: [&str; 2],
) -> Option<Diagnostic> {
    match service {
        Some(service) if !names.contains(&service.as_str()) => {
            let finding = Diagnostic::error(format!("the template starts no service `{service}`"));
            let known = names.iter().copied();
            Some(finding.at(span).did_you_mean(service.as_str(), known))
        }
        None if names.len() > 1 => {
            let what = format!("{what} does not say in whose container it runs");
            let first = names.first().copied().unwrap_or_default();
            let hint = format!("{before}service: {first}{behind}");
            Some(Diagnostic::error(what).at(span).hint(hint))
        }
        _ => None,
    }
}
