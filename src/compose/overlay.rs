//! The overriding file: what `deploy` adds to the operator's compose file, beside it.
//!
//! `docker compose -f docker-compose.yml -f deploy.yml` gives the whole. Each addition has the form
//! that the template uses (`mem_limit` or `deploy.resources`), so that compose sees one setting and
//! not two. Built with docker-compose-types; `cpus`, which those do not know, is put in after.

use std::collections::BTreeMap;
use std::time::Duration;

use docker_compose_types as dct;

use super::check::one_shot;
use super::policy::{Policy, Restart, ServicePolicy};
use super::units::Cpus;
use super::{Document, ImageRef, Service};
use crate::name::{Digest, ServiceName};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings};

mod limits;
mod write;

/// Name of the overriding file.
pub const OVERRIDE_FILE: &str = "deploy.yml";

/// What a service's containers are to be, both files together. `None`: not set, or set by the
/// template in a way that cannot be known before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Restart policy.
    pub restart: Option<Restart>,
    /// Memory limit in bytes.
    pub memory: Option<u64>,
    /// Limit of CPUs.
    pub cpus: Option<Cpus>,
    /// Limit of processes and threads.
    pub pids: Option<u32>,
    /// Time between the signal to stop and the kill; none is Docker's own 10 s.
    pub stop_grace: Option<Duration>,
    /// The image, pinned.
    pub image: Option<ImageRef>,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Labels that `deploy` adds.
    pub labels: BTreeMap<String, String>,
    /// Ends by itself (`restart: "no"` in the template): its end is no failure.
    pub one_shot: bool,
    /// What the operator may want to know about it.
    pub notes: Vec<String>,
}

/// The overriding file, and what both files together give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The file's content; the same input gives the same bytes.
    pub bytes: Vec<u8>,
    /// Per service that `up` starts.
    pub effective: BTreeMap<ServiceName, Effective>,
}

/// Builds the overriding file. `digests`: for every service of [`Document::images`] whose image is
/// not pinned in the document.
///
/// # Errors
/// All findings: a limit or a restart policy that template and inventory both set, an image without
/// digest, a label that the template sets too.
pub fn override_file(
    document: &Document,
    policy: &Policy,
    digests: &BTreeMap<ServiceName, Digest>,
) -> Result<Overlay, Findings> {
    let mut findings = Findings::default();
    let mut services = dct::Services::default();
    let mut effective = BTreeMap::new();
    let mut patches = Vec::new();
    for service in document.services().filter(|s| s.profiles().is_empty()) {
        let mut adding = Adding {
            service,
            policy: policy.of(service.name()),
            add: dct::Service::default(),
            patches: Vec::new(),
            findings: &mut findings,
        };
        let found = adding.all(policy, digests.get(service.name()));
        let name = service.name().to_string();
        let (add, more) = (adding.add, adding.patches);
        patches.extend(
            more.into_iter()
                .map(|(path, text)| (name.clone(), path, text)),
        );
        services.0.insert(name, Some(add));
        effective.insert(service.name().clone(), found);
    }
    for name in policy.services.keys() {
        if document.service(name.as_str()).is_none() {
            findings.push(unknown_service(document, name));
        }
    }
    if findings.has_errors() {
        return Err(findings);
    }
    let compose = dct::Compose {
        services,
        ..dct::Compose::default()
    };
    Ok(Overlay {
        bytes: write::write(&compose, &patches)?.into_bytes(),
        effective,
    })
}

fn unknown_service(document: &Document, name: &ServiceName) -> Diagnostic {
    let known: Vec<String> = document.services().map(|s| s.name().to_string()).collect();
    Diagnostic::error(format!(
        "the inventory sets a policy for service `{name}`, which {} does not have",
        document.file().path
    ))
    .did_you_mean(name.as_str(), known.iter().map(String::as_str))
}

/// One service while its addition is made.
struct Adding<'a, 'f> {
    service: Service<'a>,
    policy: &'a ServicePolicy,
    add: dct::Service,
    /// Keys that the types do not know.
    patches: Vec<(Vec<&'static str>, String)>,
    findings: &'f mut Findings,
}

impl Adding<'_, '_> {
    fn all(&mut self, policy: &Policy, digest: Option<&Digest>) -> Effective {
        let mut notes = Vec::new();
        let restart = self.restart(&mut notes);
        let limits = self.limits();
        let stop_grace = self.stop_grace();
        let image = self.image(digest);
        self.labels(&policy.labels);
        self.log();
        Effective {
            restart,
            memory: limits.memory,
            cpus: limits.cpus,
            pids: limits.pids,
            stop_grace,
            digest: image.as_ref().and_then(|i| i.digest.clone()),
            image,
            labels: policy.labels.clone(),
            one_shot: one_shot(&self.service),
            notes,
        }
    }

    fn restart(&mut self, notes: &mut Vec<String>) -> Option<Restart> {
        let wanted = &self.policy.restart;
        let Some(said) = self.service.restart() else {
            self.add.restart = Some(wanted.value.to_string());
            return Some(wanted.value);
        };
        if one_shot(&self.service) {
            notes.push("its template says `restart: no`: it ends by itself".to_owned());
        } else if said.value != Some(wanted.value)
            && let Some(span) = &wanted.span
        {
            self.findings.push(
                Diagnostic::error(format!(
                    "service {}: template and inventory disagree about the restart policy",
                    self.service.name()
                ))
                .at_saying(span, format!("here it is {}", wanted.value))
                .at_saying(&said.span, format!("here it is {}", said.text))
                .hint("keep one of the two"),
            );
        }
        said.value
    }

    fn image(&mut self, digest: Option<&Digest>) -> Option<ImageRef> {
        let (image, span) = self.service.image()?;
        let image = image.ok()?;
        if image.digest.is_some() {
            return Some(image);
        }
        let Some(digest) = digest else {
            self.findings.push(
                Diagnostic::error(format!(
                    "service {}: no digest is known for image `{image}`",
                    self.service.name()
                ))
                .at(&span),
            );
            return None;
        };
        let pinned = image.pinned(digest);
        self.add.image = Some(pinned.to_string());
        Some(pinned)
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>) {
        let said = self
            .service
            .at(&["labels"])
            .map(label_names)
            .unwrap_or_default();
        for (name, span) in said {
            if labels.contains_key(name) {
                self.findings.push(
                    Diagnostic::error(format!(
                        "service {}: label `{name}` is set by deploy itself",
                        self.service.name()
                    ))
                    .at(&span)
                    .hint("take it out of the template"),
                );
            }
        }
        let labels = labels.iter().map(|(k, v)| (k.clone(), v.clone()));
        self.add.labels = dct::Labels::Map(labels.collect());
    }

    fn log(&mut self) {
        if let Some(said) = self.service.at(&["logging"]) {
            if let Some(span) = &self.policy.log_asked {
                self.findings.push(
                    Diagnostic::error(format!(
                        "service {}: template and inventory both say how logs are kept",
                        self.service.name()
                    ))
                    .at_saying(span, "asked for here")
                    .at_saying(&said.span, "and here")
                    .hint("keep one of the two"),
                );
            }
            return;
        }
        let Some(log) = &self.policy.log else { return };
        let options = [
            ("max-size", log.max_size.clone()),
            ("max-file", log.max_file.to_string()),
        ];
        let options = options.map(|(k, v)| (k.to_owned(), dct::SingleValue::String(v)));
        self.add.logging = Some(dct::LoggingParameters {
            // Without a driver the options would meet whatever the engine's default is.
            driver: Some("json-file".to_owned()),
            options: Some(options.into_iter().collect()),
        });
    }
}

fn label_names(node: &Node) -> Vec<(&str, crate::text::Span)> {
    if let Some(entries) = node.map() {
        let named = entries.iter();
        return named
            .map(|e| (e.key.text.as_str(), e.key.span.clone()))
            .collect();
    }
    let items = node.seq().unwrap_or(&[]).iter();
    items
        .filter_map(|item| {
            let name = item.text()?;
            Some((name.split('=').next().unwrap_or(name), item.span.clone()))
        })
        .collect()
}
