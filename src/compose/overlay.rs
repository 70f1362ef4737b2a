//! The overriding file: what `deploy` adds to the operator's compose file, beside it.
//!
//! `docker compose -f docker-compose.yml -f deploy.yml` gives the whole. Each addition has the form
//! that the template uses (`mem_limit` or `deploy.resources`), so that compose sees one setting and
//! not two. Built with docker-compose-types; `cpus`, which those do not know, is put in after.

use std::collections::BTreeMap;

use docker_compose_types as dct;
use serde_yaml::Value;

use super::check::one_shot;
use super::policy::{Policy, Restart, ServicePolicy, Wanted};
use super::units::{Cpus, parse_bytes, write_bytes};
use super::{Document, ImageRef, Service, Setting};
use crate::name::{Digest, ServiceName};
use crate::text::yaml::{Node, quote};
use crate::text::{self, Diagnostic, Findings};

/// Name of the overriding file.
pub const OVERRIDE_FILE: &str = "deploy.yml";

/// The least memory that the engine accepts as a limit.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;

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
    let mut shares = Vec::new();
    for service in document.services().filter(|s| s.profiles().is_empty()) {
        let mut adding = Adding {
            service,
            policy: policy.of(service.name()),
            add: dct::Service::default(),
            cpus: None,
            findings: &mut findings,
        };
        let found = adding.all(policy, digests.get(service.name()));
        let (add, cpus) = (adding.add, adding.cpus);
        let name = service.name().to_string();
        shares.extend(cpus.map(|cpus| (name.clone(), cpus)));
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
        bytes: write(&compose, &shares)?.into_bytes(),
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
    /// `cpus:` in the short form.
    cpus: Option<Cpus>,
    findings: &'f mut Findings,
}

impl Adding<'_, '_> {
    fn all(&mut self, policy: &Policy, digest: Option<&Digest>) -> Effective {
        let mut notes = Vec::new();
        let restart = self.restart(&mut notes);
        let (memory, cpus) = self.limits();
        let image = self.image(digest);
        self.labels(&policy.labels);
        self.log();
        Effective {
            restart,
            memory,
            cpus,
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

    fn limits(&mut self) -> (Option<u64>, Option<Cpus>) {
        let limits = &self.policy.limits;
        let (said_memory, said_cpus) = (self.service.memory(), self.service.cpus());
        self.conflict("memory limit", said_memory.as_ref(), limits.memory.as_ref());
        self.conflict("limit of CPUs", said_cpus.as_ref(), limits.cpus.as_ref());
        let memory = limits.memory.as_ref().filter(|_| said_memory.is_none());
        let cpus = limits.cpus.as_ref().filter(|_| said_cpus.is_none());
        self.set_limits(memory.map(|w| w.value), cpus.map(|w| w.value));
        let total = memory
            .map(|w| w.value)
            .or(said_memory.and_then(|s| s.value));
        self.sane(memory, total);
        let cpus = cpus.map(|w| w.value).or(said_cpus.and_then(|s| s.value));
        (total, cpus)
    }

    fn conflict<T, U>(
        &mut self,
        what: &str,
        said: Option<&Setting<T>>,
        wanted: Option<&Wanted<U>>,
    ) {
        let (Some(said), Some(wanted)) = (said, wanted) else {
            return;
        };
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
    fn sane(&mut self, wanted: Option<&Wanted<u64>>, total: Option<u64>) {
        let name = self.service.name();
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
        let reserved = ["mem_reservation"];
        let long = ["deploy", "resources", "reservations", "memory"];
        let said = self.service.setting(&reserved, parse_bytes);
        let said = said.or_else(|| self.service.setting(&long, parse_bytes));
        if let Some(said) = said
            && let (Some(reserved), Some(limit)) = (said.value, total)
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

    fn set_limits(&mut self, memory: Option<u64>, cpus: Option<Cpus>) {
        if memory.is_none() && cpus.is_none() {
            return;
        }
        let long = self
            .service
            .at(&["deploy", "resources", "limits"])
            .is_some();
        if !long && self.service.short_limits() {
            self.add.mem_limit = memory.map(write_bytes);
            self.cpus = cpus;
            return;
        }
        let limits = dct::Limits {
            memory: memory.map(write_bytes),
            cpus: cpus.map(|c| c.to_string()),
            devices: None,
        };
        let resources = dct::Resources {
            limits: Some(limits),
            reservations: None,
        };
        self.add.deploy = Some(dct::Deploy {
            resources: Some(resources),
            ..dct::Deploy::default()
        });
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
        let Some(log) = &self.policy.log else { return };
        if self.service.at(&["logging"]).is_some() {
            return;
        }
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

const HEADER: &str = "# Added by deploy to docker-compose.yml: restart policy, limits, labels, log rotation, digests.\n";

fn write(compose: &dct::Compose, shares: &[(String, Cpus)]) -> Result<String, Diagnostic> {
    let value = serde_yaml::to_value(compose);
    let mut value = value.map_err(|e| {
        Diagnostic::error(format!(
            "the overriding compose file cannot be written: {e}"
        ))
    })?;
    for (service, cpus) in shares {
        if let Some(Value::Mapping(map)) = value
            .get_mut("services")
            .and_then(|s| s.get_mut(service.as_str()))
        {
            map.insert("cpus".into(), cpus.to_string().into());
        }
    }
    let mut out = HEADER.to_owned();
    emit(&value, 0, &mut out);
    Ok(out)
}

/// Words that some reader takes for a boolean or a null.
const WORDS: [&str; 10] = [
    "", "y", "n", "yes", "no", "on", "off", "true", "false", "null",
];

/// Block style with every text in quotes: readers of YAML 1.1 and 1.2 then agree on each value
/// (`no`, `1_000`, `2026-01-01`), and `$` is doubled, since compose replaces `$name` here too.
fn emit(value: &Value, depth: usize, out: &mut String) {
    let Value::Mapping(map) = value else {
        let text = match value {
            Value::String(text) => quote(text, true),
            Value::Bool(b) => b.to_string(),
            Value::Number(n) => n.to_string(),
            _ => "null".to_owned(),
        };
        out.push_str(&format!(" {text}\n"));
        return;
    };
    if map.is_empty() {
        out.push_str(" {}\n");
        return;
    }
    if depth > 0 {
        out.push('\n');
    }
    for (key, value) in map {
        let key = key.as_str().unwrap_or_default();
        let plain =
            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !WORDS.contains(&key);
        let key = if plain {
            key.to_owned()
        } else {
            quote(key, false)
        };
        out.push_str(&format!("{}{key}:", "  ".repeat(depth)));
        emit(value, depth + 1, out);
    }
}
