//! The checks of a compose document by itself, each with the place of what it finds.
//!
//! What compose would refuse is an error, what it would silently do otherwise than written is an
//! error or a warning. To add a check: a function, and a line in [`all`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::policy::Restart;
use super::units::{Cpus, parse_bytes};
use super::{Document, HostPort, Service, keys, values};
use crate::name::ServiceName;
use crate::text::yaml::{Entry, Node};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

/// The services of a document; reports where there are none, or one has no possible name.
pub(super) fn services(
    root: &Node,
    file: &Arc<SourceFile>,
    found: &mut Findings,
) -> Vec<ServiceName> {
    let top = Span::new(file, 1, 1, 1);
    if root.map().is_none() {
        found.push(
            Diagnostic::error(format!(
                "a compose file is a mapping, and this is {}",
                root.kind_word()
            ))
            .at(&top)
            .expected("`services:` and the services below it"),
        );
        return Vec::new();
    }
    let Some(entry) = root.entry("services") else {
        found.push(Diagnostic::error("the compose file has no `services:`").at(&top));
        return Vec::new();
    };
    let Some(entries) = entry.value.map() else {
        let is = entry.value.kind_word();
        found.push(
            Diagnostic::error(format!("`services` is {is}"))
                .at(&entry.key.span)
                .expected("a mapping of service names"),
        );
        return Vec::new();
    };
    entries.iter().filter_map(|e| service(e, found)).collect()
}

fn service(entry: &Entry, found: &mut Findings) -> Option<ServiceName> {
    if entry.key.text.starts_with("x-") {
        return None;
    }
    if entry.value.map().is_none() {
        let (name, is) = (&entry.key.text, entry.value.kind_word());
        found.push(
            Diagnostic::error(format!("service `{name}` is {is}"))
                .at(&entry.key.span)
                .expected("a mapping with at least `image:`"),
        );
        return None;
    }
    match ServiceName::new(entry.key.text.as_str()) {
        Ok(name) => Some(name),
        Err(why) => {
            found.push(Diagnostic::error(why.to_string()).at(&entry.key.span));
            None
        }
    }
}

/// All checks that need nothing but the document and the paths shipped beside it.
pub(super) fn all(document: &Document, shipped: &[&str], found: &mut Findings) {
    keys::check(&document.root, found);
    top(document, found);
    for service in document.services() {
        image(&service, found);
        restart(&service, found);
        limits(&service, found);
        network(&service, found);
        names(&service, found);
        references(document, &service, found);
        binds(&service, shipped, found);
    }
    values::check(document, shipped, found);
    ports(document, found);
}

fn top(document: &Document, found: &mut Findings) {
    if let Some(entry) = document.root.entry("name") {
        found.push(
            Diagnostic::warning(
                "`name` has no effect: deploy names a project by environment, app and slot",
            )
            .at(&entry.key.span),
        );
    }
    if let Some(entry) = document.root.entry("include") {
        found.push(
            Diagnostic::error(
                "services of included files cannot be pinned to a digest, limited and compared",
            )
            .at(&entry.key.span)
            .hint("use `{% include %}` in the template instead: its result is one file"),
        );
    }
}

fn image(service: &Service<'_>, found: &mut Findings) {
    let name = service.name();
    let own = service.node();
    if let Some(entry) = own.and_then(|n| n.entry("build")) {
        found.push(
            Diagnostic::error(format!(
                "service {name} has `build`, and deploy builds nothing"
            ))
            .at(&entry.key.span)
            .hint("build and push the image before, and name it with `image:`"),
        );
        return;
    }
    let Some((image, span)) = service.image() else {
        let other_file = service.extends().is_some_and(|e| e.get("file").is_some());
        if service.at(&["provider"]).is_none() && !other_file {
            found.push(
                Diagnostic::error(format!("service {name} has no image"))
                    .at(&service.span())
                    .expected("`image:`, e.g. `image: {{ image }}` in the template"),
            );
        }
        if other_file {
            found.push(
                Diagnostic::error(format!("service {name} gets its image from another file, so deploy cannot pin it to a digest"))
                    .at(&service.span())
                    .hint("name the image here, too"),
            );
        }
        return;
    };
    match image {
        Err(why) => found.push(
            Diagnostic::error(format!("service {name}: {why}"))
                .at(&span)
                .expected("e.g. `registry.example.com/acme/app:1.0.1`"),
        ),
        Ok(image)
            if image.digest.is_none() && matches!(image.tag.as_deref(), None | Some("latest")) =>
        {
            let is = image.tag.map_or(
                "has no tag, which means `latest`",
                |_| "has the tag `latest`",
            );
            found.push(
                Diagnostic::warning(format!("service {name}: image `{}` {is}", image.repository))
                    .at(&span)
                    .hint("name a version: what `latest` means changes without notice"),
            );
        }
        Ok(_) => {}
    }
}

fn variable(text: &str) -> bool {
    text.contains('$')
}

fn restart(service: &Service<'_>, found: &mut Findings) {
    let name = service.name();
    let word = service.restart_word();
    let policy = service.restart_policy();
    for said in [&word, &policy].into_iter().flatten() {
        if said.value.is_none() && variable(&said.text) {
            found.push(unknowable(service, &said.text, &said.span));
        } else if said.value.is_none() {
            found.push(
                Diagnostic::error(format!("service {name}: `{}` is no restart policy", said.text))
                    .at(&said.span)
                    .expected("no, always, unless-stopped, on-failure or on-failure:N; in `deploy` none, on-failure or any")
                    .did_you_mean(&said.text, ["no", "always", "unless-stopped", "on-failure"]),
            );
        }
    }
    let (Some(word), Some(policy)) = (word, policy) else {
        return;
    };
    if let (Some(a), Some(b)) = (word.value, policy.value)
        && a != b
    {
        found.push(
            Diagnostic::warning(format!("service {name}: compose ignores `restart: {a}`, since `deploy.restart_policy` wins with {b}"))
                .at(&policy.span)
                .at_saying(&word.span, "ignored")
                .hint("keep one of the two"),
        );
    }
}

fn limits(service: &Service<'_>, found: &mut Findings) {
    let count = |text: &str| text.parse().ok();
    let cpus = |text: &str| Cpus::parse(text).map(Cpus::nano);
    let limits = ["deploy", "resources", "limits"];
    let deep = |key| [limits[0], limits[1], limits[2], key];
    let size = "a size such as 512m";
    let mut both = |short, long: &[&str], parse: &dyn Fn(&str) -> Option<u64>, expected| {
        let short = service.setting(&[short], parse);
        let beside = long.split_last().is_some_and(|(_, group)| {
            group.len() > 1 && service.at(group).is_some() && service.at(long).is_none()
        });
        pair(
            service,
            short,
            service.setting(long, parse),
            beside,
            expected,
            found,
        );
    };
    both("mem_limit", &deep("memory"), &parse_bytes, size);
    both("cpus", &deep("cpus"), &cpus, "a number of CPUs such as 0.5");
    both(
        "pids_limit",
        &deep("pids"),
        &count,
        "a number of processes, or -1",
    );
    let reserved = ["deploy", "resources", "reservations", "memory"];
    both("mem_reservation", &reserved, &parse_bytes, size);
    both(
        "scale",
        &["deploy", "replicas"],
        &count,
        "a number of containers",
    );
}

/// What only the host would know can be neither enforced nor compared with what runs.
fn unknowable(service: &Service<'_>, text: &str, span: &Span) -> Diagnostic {
    let name = service.name();
    Diagnostic::error(format!(
        "service {name}: `{text}` holds a variable, which only the host would know"
    ))
    .at(span)
    .hint(
        "let the template write the value, e.g. `{{ vars.memory }}`, or leave it to the inventory",
    )
}

/// One number in its short and its long form. `beside`: the long form has neighbours of it, and
/// compose then misses it there.
fn pair(
    service: &Service<'_>,
    short: Option<super::Setting<u64>>,
    long: Option<super::Setting<u64>>,
    beside: bool,
    expected: &str,
    found: &mut Findings,
) {
    let name = service.name();
    for said in [&short, &long].into_iter().flatten() {
        // 0 and -1 mean "no limit".
        if said.value.is_some() || is_zero(&said.text) {
            continue;
        }
        if variable(&said.text) {
            found.push(unknowable(service, &said.text, &said.span));
        } else {
            found.push(
                Diagnostic::error(format!(
                    "service {name}: limit `{}` cannot be read",
                    said.text
                ))
                .at(&said.span)
                .expected(expected),
            );
        }
    }
    match (short, long) {
        (Some(short), Some(long)) if short.value != long.value => found.push(
            Diagnostic::error(format!(
                "service {name} sets one limit in two places to different values"
            ))
            .at(&short.span)
            .at_saying(&long.span, "and here")
            .hint("keep one of the two"),
        ),
        (Some(short), None) if beside && short.value != Some(0) => found.push(
            Diagnostic::error(format!(
                "service {name} mixes the short form of a limit with `deploy.resources`, which compose refuses"
            ))
            .at(&short.span)
            .hint("move it to `deploy.resources`"),
        ),
        _ => {}
    }
}

fn is_zero(text: &str) -> bool {
    text == "-1" || text.parse::<f64>().is_ok_and(|n| n == 0.0)
}

fn network(service: &Service<'_>, found: &mut Findings) {
    let (name, mode) = (service.name(), service.network_mode());
    let Some(mode) = mode else { return };
    if let Some(networks) = service.at(&["networks"]) {
        found.push(
            Diagnostic::error(format!(
                "service {name} has both `network_mode` and `networks`"
            ))
            .at(&networks.span)
            .hint("keep one of the two"),
        );
    }
    if mode == "host"
        && let Some(ports) = service.at(&["ports"])
    {
        found.push(
            Diagnostic::warning(format!(
                "service {name}: `ports` have no effect with `network_mode: host`"
            ))
            .at(&ports.span),
        );
    }
}

fn names(service: &Service<'_>, found: &mut Findings) {
    if let Some((container, span)) = service.container_name() {
        found.push(
            Diagnostic::warning(format!(
                "service {} fixes its container's name `{container}`: two slots or two releases cannot stand on one host",
                service.name()
            ))
            .at(&span)
            .hint("leave `container_name` out; containers are found by their labels"),
        );
    }
}

/// Names under the top-level key that a service may refer to.
fn defined<'a>(document: &'a Document, kind: &str) -> Vec<&'a str> {
    let entries = document.top(kind).and_then(Node::map).unwrap_or(&[]);
    entries.iter().map(|e| e.key.text.as_str()).collect()
}

fn references(document: &Document, service: &Service<'_>, found: &mut Findings) {
    for volume in service.volumes() {
        if let Some((name, span)) = named_volume(volume) {
            refer(document, service, "volumes", name, &span, found);
        }
    }
    for kind in ["networks", "secrets", "configs"] {
        for (name, span) in service.at(&[kind]).map(listed).unwrap_or_default() {
            if !(kind == "networks" && name == "default") {
                refer(document, service, kind, name, &span, found);
            }
        }
    }
    for key in ["depends_on", "links"] {
        for (name, span) in service.at(&[key]).map(listed).unwrap_or_default() {
            let name = name.split(':').next().unwrap_or(name);
            refer(document, service, "services", name, &span, found);
        }
    }
    if let Some(extends) = service.extends().filter(|e| e.get("file").is_none()) {
        let base = extends.get("service").unwrap_or(extends);
        if let Some(name) = base.text() {
            refer(document, service, "services", name, &base.span, found);
        }
    }
    if let Some(mode) = service.at(&["network_mode"])
        && let Some(name) = mode.text().and_then(|m| m.strip_prefix("service:"))
    {
        refer(document, service, "services", name, &mode.span, found);
    }
}

fn refer(
    document: &Document,
    service: &Service<'_>,
    kind: &str,
    name: &str,
    span: &Span,
    found: &mut Findings,
) {
    let names = defined(document, kind);
    if names.contains(&name) || variable(name) || document.top("include").is_some() {
        return;
    }
    let one = kind.trim_end_matches('s');
    let finding = Diagnostic::error(format!(
        "service {} uses {one} `{name}`, which is not under `{kind}:`",
        service.name()
    ));
    let finding = finding.at(span).did_you_mean(name, names);
    found.push(if kind == "services" {
        finding
    } else {
        finding.hint(format!("add `{kind}: {{ {name}: }}` at the top level"))
    });
}

/// Names in a list (short or long form) or in a mapping.
fn listed(node: &Node) -> Vec<(&str, Span)> {
    if let Some(entries) = node.map() {
        let name = |e: &'_ Entry| e.key.span.clone();
        return entries
            .iter()
            .map(|e| (e.key.text.as_str(), name(e)))
            .collect();
    }
    let items = node.seq().unwrap_or(&[]).iter();
    items
        .filter_map(|item| {
            let source = item.get("source").unwrap_or(item);
            Some((source.text()?, source.span.clone()))
        })
        .collect()
}

/// The source of a volume, where it is a name and not a path.
fn named_volume(volume: &Node) -> Option<(&str, Span)> {
    let (source, span) = source(volume, "volume")?;
    let path = source.starts_with(['/', '.', '~', '\\']) || variable(source);
    (!path).then_some((source, span))
}

fn source<'a>(volume: &'a Node, kind: &str) -> Option<(&'a str, Span)> {
    if volume.map().is_some() {
        let of_kind = volume.get("type").and_then(Node::text) == Some(kind);
        let source = volume.get("source").filter(|_| of_kind)?;
        return Some((source.text()?, source.span.clone()));
    }
    let (source, _) = volume.text()?.split_once(':')?;
    Some((source, volume.span.clone()))
}

/// A relative path means the release's own directory: immutable, and gone with the release.
fn binds(service: &Service<'_>, shipped: &[&str], found: &mut Findings) {
    for volume in service.volumes() {
        let Some((path, span)) = source(volume, "bind") else {
            continue;
        };
        let Some(path) = path.strip_prefix("./").or((path == ".").then_some("")) else {
            continue;
        };
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        if variable(path)
            || path.is_empty()
            || shipped.iter().any(|s| *s == path || s.starts_with(&inside))
        {
            continue;
        }
        found.push(
            Diagnostic::error(format!("service {} mounts `./{path}`, which is not shipped", service.name()))
                .at(&span)
                .did_you_mean(path, shipped.iter().copied())
                .hint("put it under `files/` beside the template and mount `./files/…`; for data use a named volume or an absolute path"),
        );
    }
}

fn ports(document: &Document, found: &mut Findings) {
    let mut taken: BTreeMap<usize, (ServiceName, HostPort)> = BTreeMap::new();
    for (name, port) in document.host_ports() {
        let other = taken.values().find(|(_, other)| other.clashes(&port));
        if let Some((first, other)) = other {
            found.push(
                Diagnostic::error(format!(
                    "services {first} and {name} take the same port {} of the host",
                    port.first
                ))
                .at(&port.span)
                .at_saying(&other.span, "taken here"),
            );
        }
        let service = document.service(name.as_str());
        let replicas = service.and_then(|s| s.replicas()).unwrap_or(1);
        let room = u64::from(port.last - port.first) + 1;
        if replicas > room {
            found.push(
                Diagnostic::error(format!(
                    "service {name} wants {replicas} containers, which cannot share host port {}",
                    port.first
                ))
                .at(&port.span)
                .hint("give a range of ports, or one replica"),
            );
        }
        taken.insert(taken.len(), (name, port));
    }
}

/// A service that ends by itself.
pub(super) fn one_shot(service: &Service<'_>) -> bool {
    service
        .restart()
        .is_some_and(|r| r.value == Some(Restart::No))
}
