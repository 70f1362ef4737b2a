//! What an environment asks of every service, held against what template and inventory give it.
//!
//! To add a rule: its variant in `inventory::policy`, an arm here.

use crate::compose::{self, Document, Health, Service};
use crate::inventory::{Denial, HostApp, Policy, Requirement, Rule};
use crate::text::yaml::Node;
use crate::text::{self, Diagnostic, Findings, Severity, Span};

/// Every rule that a service of the document breaks. `wanted` is what the inventory adds. Services
/// that `up` does not start are left out. Places are those of the rendered document and the
/// inventory.
#[must_use]
pub(super) fn check(
    policy: &Policy,
    document: &Document,
    wanted: &compose::Policy,
    member: &HostApp,
) -> Findings {
    let mut found = Findings::default();
    for service in document.services().filter(|s| s.profiles().is_empty()) {
        let one = One {
            wanted: wanted.of(service.name()),
            service,
            member,
        };
        found.extend(policy.require.iter().filter_map(|r| one.missing(r)));
        found.extend(policy.deny.iter().flat_map(|r| one.denied(r)));
        found.extend(one.above(policy));
    }
    found
}

struct One<'a> {
    service: Service<'a>,
    wanted: &'a compose::ServicePolicy,
    member: &'a HostApp,
}

impl One<'_> {
    fn missing(&self, rule: &Rule<Requirement>) -> Option<Diagnostic> {
        let limits = &self.wanted.limits;
        let name = self.service.name();
        let of_service = format!("services.{name}.restart");
        let (there, what, hint) = match rule.rule {
            Requirement::Memory => (
                limits.memory.is_some() || self.service.memory().is_some(),
                "limit of memory",
                "limits: { memory: 512m }",
            ),
            Requirement::Cpus => (
                limits.cpus.is_some() || self.service.cpus().is_some(),
                "limit of CPUs",
                "limits: { cpus: \"1.0\" }",
            ),
            Requirement::Pids => (
                limits.pids.is_some() || self.service.pids().is_some(),
                "limit of processes",
                "limits: { pids: 200 }",
            ),
            Requirement::Restart => (
                self.service.restart().is_some()
                    || self.member.origins.get("restart").is_some()
                    || self.member.origins.get(&of_service).is_some(),
                "restart policy",
                "restart: always",
            ),
            Requirement::Healthcheck => {
                if matches!(self.service.health(), Health::Checked { .. }) {
                    return None;
                }
                let what = format!("service {name} has no health check, which the policy requires");
                let hint = "write `healthcheck:` into the template, also where the image has one";
                return Some(self.broken(rule.severity, what, &rule.span).hint(hint));
            }
        };
        if there {
            return None;
        }
        let what = format!("service {name} has no {what}, which the policy requires");
        let hint = format!("write `{hint}` into the inventory");
        Some(self.broken(rule.severity, what, &rule.span).hint(hint))
    }

    fn broken(&self, severity: Severity, what: String, rule: &Span) -> Diagnostic {
        at(severity, what, &self.service.span(), rule)
    }

    fn denied(&self, rule: &Rule<Denial>) -> Vec<Diagnostic> {
        let name = self.service.name();
        let tell = |(what, span): (String, Span)| {
            let what = format!("service {name} {what}, which the policy denies");
            at(rule.severity, what, &span, &rule.span)
        };
        if rule.rule == Denial::HostPaths {
            let paths = self.service.volumes().iter().filter_map(host_path);
            let says = |(path, span)| (format!("uses `{path}` of the host"), span);
            return paths.map(says).map(tell).collect();
        }
        self.breaks(rule.rule).map(tell).into_iter().collect()
    }

    /// How a service breaks a rule that it can break in one place only.
    fn breaks(&self, rule: Denial) -> Option<(String, Span)> {
        Some(match rule {
            Denial::Privileged => {
                let span = self.service.at(&["privileged"]).map(|n| n.span.clone());
                (
                    "is privileged".to_owned(),
                    span.filter(|_| self.service.privileged())?,
                )
            }
            Denial::HostPaths => return None,
            Denial::Latest => {
                let (image, span) = self.service.image()?;
                let image = image.ok().filter(|i| {
                    i.digest.is_none() && matches!(i.tag.as_deref(), None | Some("latest"))
                })?;
                (format!("runs `{image}`, which names no version"), span)
            }
            Denial::HostNamespaces => {
                let keys = ["network_mode", "pid", "ipc", "userns_mode", "uts"];
                let (key, node) = keys.iter().find_map(|key| {
                    let node = self.service.at(&[key])?;
                    (node.text() == Some("host")).then_some((key, node))
                })?;
                (format!("has `{key}: host`"), node.span.clone())
            }
        })
    }

    /// Limits above the ceilings, from either place.
    fn above(&self, policy: &Policy) -> Vec<Diagnostic> {
        let name = self.service.name();
        let (limits, most) = (&self.wanted.limits, &policy.ceilings);
        let mut out = Vec::new();
        let mut tell = |what: String, span: Option<Span>| {
            let span = span.unwrap_or_else(|| self.service.span());
            let finding = Diagnostic::error(format!("service {name}: {what}")).at(&span);
            out.push(match &policy.ceilings_at {
                Some(rule) => finding.at_saying(rule, "the ceilings"),
                None => finding,
            });
        };
        let said = self.service.memory();
        let memory = limits.memory.as_ref().map(|w| (w.value, w.span.clone()));
        let memory = memory.or_else(|| said.and_then(|s| Some((s.value?, Some(s.span)))));
        if let (Some((value, span)), Some(most)) = (memory, most.memory)
            && value > most.0
        {
            let (value, most) = (text::bytes(value), text::bytes(most.0));
            tell(
                format!("a memory limit of {value} is above the ceiling of {most}"),
                span,
            );
        }
        let said = self.service.cpus();
        let cpus = limits.cpus.as_ref().map(|w| (w.value, w.span.clone()));
        let cpus = cpus.or_else(|| said.and_then(|s| Some((s.value?, Some(s.span)))));
        let most_cpus = most.cpus.and_then(|c| compose::Cpus::parse(&c.to_string()));
        if let (Some((value, span)), Some(most)) = (cpus, most_cpus)
            && value.nano() > most.nano()
        {
            tell(
                format!("a limit of {value} CPUs is above the ceiling of {most}"),
                span,
            );
        }
        let said = self.service.pids();
        let pids = limits.pids.as_ref().map(|w| (w.value, w.span.clone()));
        let pids = pids.or_else(|| said.and_then(|s| Some((s.value?, Some(s.span)))));
        if let (Some((value, span)), Some(most)) = (pids, most.pids)
            && value > most
        {
            tell(
                format!("a limit of {value} processes is above the ceiling of {most}"),
                span,
            );
        }
        out
    }
}

fn at(severity: Severity, what: String, span: &Span, rule: &Span) -> Diagnostic {
    let finding = match severity {
        Severity::Error => Diagnostic::error(what),
        Severity::Warning => Diagnostic::warning(what),
    };
    finding.at(span).at_saying(rule, "the rule")
}

/// A path of the host that a volume brings in; what is shipped beside the file begins with `./`.
fn host_path(volume: &Node) -> Option<(String, Span)> {
    let source = match volume.map() {
        None => volume.text()?.split(':').next()?,
        Some(_) => {
            let bind = volume.get("type").and_then(Node::text) == Some("bind");
            volume.get("source").and_then(Node::text).filter(|_| bind)?
        }
    };
    let outside = source.starts_with('/') || source.starts_with('~') || source.starts_with("..");
    // A single absolute path is a volume without a name.
    let named = volume.map().is_some() || volume.text().is_some_and(|t| t.contains(':'));
    (outside && named).then(|| (source.to_owned(), volume.span.clone()))
}

#[cfg(test)]
mod tests;
