//! Views of one service: what it says, wherever and in whatever form it says it.
//!
//! A value comes from the service itself, else from the service of the same file that it
//! `extends`. `!reset` hides a value.

use serde::Deserialize as _;

use super::policy::Restart;
use super::ports::{HostPort, host_port};
use super::units::{Cpus, parse_bytes};
use super::{Document, ImageError, ImageRef};
use crate::name::ServiceName;
use crate::text::Span;
use crate::text::yaml::{Node, Resolved};

/// Longest chain of `extends` that is followed.
const CHAIN: usize = 16;

/// A setting that the document makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// Its value; none where it cannot be known here: it holds a `${variable}` or is no such value.
    pub value: Option<T>,
    /// The text as written.
    pub text: String,
    /// Where it is made.
    pub span: Span,
}

/// What a service says about its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing; the image may have a check of its own.
    Unsaid,
    /// `disable: true`, or `test: ["NONE"]`.
    Disabled,
    /// A check. `interval` and `start_period` as written.
    Checked {
        /// Time between checks; Docker's own default is 30 s.
        interval: Option<String>,
        /// Time in which failures do not count.
        start_period: Option<String>,
    },
}

/// One entry under `services:`.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    document: &'a Document,
    name: &'a ServiceName,
}

impl<'a> Service<'a> {
    pub(super) fn new(document: &'a Document, name: &'a ServiceName) -> Self {
        Self { document, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a ServiceName {
        self.name
    }

    /// The service's own mapping.
    #[must_use]
    pub fn node(&self) -> Option<&'a Node> {
        self.document.top("services")?.get(self.name.as_str())
    }

    /// Where the service is named.
    #[must_use]
    pub fn span(&self) -> Span {
        let services = self.document.top("services");
        let entry = services.and_then(|s| s.entry(self.name.as_str()));
        entry.map_or_else(
            || self.document.root.span.clone(),
            |entry| entry.key.span.clone(),
        )
    }

    /// The value at a path such as `["deploy", "resources"]`, here or in what it extends.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&'a Node> {
        let services = self.document.top("services")?;
        let mut service = self.node()?;
        for _ in 0..CHAIN {
            match find(service, path) {
                Found::Value(node) => return Some(node),
                Found::Reset => return None,
                Found::Nothing => {}
            }
            service = services.get(base(service)?)?;
        }
        None
    }

    fn text_at(&self, path: &[&str]) -> Option<&'a str> {
        self.at(path)?.text()
    }

    fn list_at(&self, key: &str) -> &'a [Node] {
        self.at(&[key]).and_then(Node::seq).unwrap_or(&[])
    }

    /// The image, and where it is named.
    #[must_use]
    pub fn image(&self) -> Option<(Result<ImageRef, ImageError>, Span)> {
        let node = self.at(&["image"])?;
        Some((ImageRef::parse(node.text()?), node.span.clone()))
    }

    /// The restart policy that compose will set: `deploy.restart_policy` wins over `restart`.
    #[must_use]
    pub fn restart(&self) -> Option<Setting<Restart>> {
        self.restart_policy().or_else(|| self.restart_word())
    }

    /// What `restart:` says.
    pub(super) fn restart_word(&self) -> Option<Setting<Restart>> {
        let node = self.at(&["restart"])?;
        let text = node.text().filter(|t| !t.is_empty())?;
        Some(Setting {
            value: Restart::parse(text),
            text: text.to_owned(),
            span: node.span.clone(),
        })
    }

    /// What `deploy.restart_policy:` says; only its condition and max_attempts are used.
    pub(super) fn restart_policy(&self) -> Option<Setting<Restart>> {
        let node = self.at(&["deploy", "restart_policy"])?;
        node.map()?;
        let condition = self.text_at(&["deploy", "restart_policy", "condition"]);
        let attempts = self.text_at(&["deploy", "restart_policy", "max_attempts"]);
        let attempts = attempts.and_then(|n| n.parse().ok());
        // No condition means `any` in the specification.
        let value = match condition.unwrap_or("any") {
            "none" | "no" => Some(Restart::No),
            "any" | "always" => Some(Restart::Always),
            "unless-stopped" => Some(Restart::UnlessStopped),
            "on-failure" => Some(Restart::OnFailure(attempts)),
            _ => None,
        };
        Some(Setting {
            value,
            text: condition.unwrap_or("any").to_owned(),
            span: node.span.clone(),
        })
    }

    /// The memory limit, from either place.
    #[must_use]
    pub fn memory(&self) -> Option<Setting<u64>> {
        let short = self.setting(&["mem_limit"], parse_bytes);
        short.or_else(|| self.setting(&["deploy", "resources", "limits", "memory"], parse_bytes))
    }

    /// The limit of CPUs, from any place.
    #[must_use]
    pub fn cpus(&self) -> Option<Setting<Cpus>> {
        let unknown = |_: &str| None;
        self.setting(&["cpus"], Cpus::parse)
            .or_else(|| self.setting(&["deploy", "resources", "limits", "cpus"], Cpus::parse))
            .or_else(|| self.setting(&["cpu_quota"], unknown))
    }

    /// The limit of processes and threads, from either place; -1 is no limit.
    #[must_use]
    pub fn pids(&self) -> Option<Setting<u32>> {
        let parse = |text: &str| text.parse().ok();
        let short = self.setting(&["pids_limit"], parse);
        short.or_else(|| self.setting(&["deploy", "resources", "limits", "pids"], parse))
    }

    pub(super) fn setting<T>(
        &self,
        path: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Setting<T>> {
        let node = self.at(path)?;
        let text = node.text()?;
        Some(Setting {
            value: parse(text),
            text: text.to_owned(),
            span: node.span.clone(),
        })
    }

    /// What it says about its health.
    #[must_use]
    pub fn health(&self) -> Health {
        let Some(node) = self.at(&["healthcheck"]).filter(|n| n.map().is_some()) else {
            return Health::Unsaid;
        };
        let disabled = node.get("disable").and_then(Node::scalar);
        let none = node
            .get("test")
            .and_then(Node::seq)
            .and_then(<[Node]>::first);
        if disabled.is_some_and(|s| s.resolve() == Resolved::Bool(true))
            || none.and_then(Node::text) == Some("NONE")
        {
            return Health::Disabled;
        }
        // Newer keys than the types know must not hide the check itself.
        let typed = docker_compose_types::Healthcheck::deserialize(node.to_json()).ok();
        Health::Checked {
            interval: typed.as_ref().and_then(|t| t.interval.clone()),
            start_period: typed.and_then(|t| t.start_period),
        }
    }

    /// The host ports that it takes; those that Docker chooses are left out.
    #[must_use]
    pub fn host_ports(&self) -> Vec<HostPort> {
        self.list_at("ports").iter().filter_map(host_port).collect()
    }

    /// Containers of the service; `None` where it cannot be known here.
    #[must_use]
    pub fn replicas(&self) -> Option<u64> {
        let said = self
            .at(&["deploy", "replicas"])
            .or_else(|| self.at(&["scale"]));
        match said {
            None => Some(1),
            Some(node) => node.text()?.parse().ok(),
        }
    }

    /// Its profiles; a service that has some is not started by `up`.
    #[must_use]
    pub fn profiles(&self) -> Vec<&'a str> {
        self.list_at("profiles")
            .iter()
            .filter_map(Node::text)
            .collect()
    }

    /// `network_mode:`, such as `host`.
    #[must_use]
    pub fn network_mode(&self) -> Option<&'a str> {
        self.text_at(&["network_mode"])
    }

    /// `container_name:` and where it stands.
    #[must_use]
    pub fn container_name(&self) -> Option<(&'a str, Span)> {
        let node = self.at(&["container_name"])?;
        Some((node.text()?, node.span.clone()))
    }

    /// Entries of `volumes:`, short and long.
    #[must_use]
    pub fn volumes(&self) -> &'a [Node] {
        self.list_at("volumes")
    }

    /// True where it asks for all rights on the host.
    #[must_use]
    pub fn privileged(&self) -> bool {
        let said = self.at(&["privileged"]).and_then(Node::scalar);
        said.is_some_and(|s| s.resolve() == Resolved::Bool(true))
    }

    /// The service of the same file that it extends.
    pub(super) fn extends(&self) -> Option<&'a Node> {
        self.node()?.get("extends")
    }
}

enum Found<'a> {
    Value(&'a Node),
    Reset,
    Nothing,
}

fn find<'a>(service: &'a Node, path: &[&str]) -> Found<'a> {
    let mut node = service;
    for part in path {
        match node.get(part) {
            None => return Found::Nothing,
            Some(next) if next.tag.as_deref() == Some("!reset") => return Found::Reset,
            Some(next) => node = next,
        }
    }
    if node.is_null() {
        return Found::Nothing;
    }
    Found::Value(node)
}

/// The service of the same file that this one extends.
fn base(service: &Node) -> Option<&str> {
    let extends = service.get("extends")?;
    match extends.map() {
        None => extends.text(),
        Some(_) if extends.get("file").is_some() => None,
        Some(_) => extends.get("service")?.text(),
    }
}
