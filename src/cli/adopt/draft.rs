//! Inventory and template as texts, drafted from what runs. Values of variables are not known here: each
//! is a name that the template asks for, so that rendering fails until a person has said it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::chosen::{self, Chosen};
use crate::compose::ImageRef;
use crate::host::docker::adopt::{Found, Told};
use crate::inventory::Inventory;
use crate::name::{AppName, HostName, ServiceName};
use crate::report::words;
use crate::text::yaml::quote;

/// All that is shown.
pub struct Draft {
    summary: Vec<String>,
    differences: Vec<String>,
    named: Vec<String>,
    inventory: (String, String),
    template: (String, String),
}

impl Draft {
    /// Drafts from the containers that were chosen.
    #[must_use]
    pub fn of(
        inventory: &Inventory,
        app: &AppName,
        chosen: &Chosen,
        told: &BTreeMap<HostName, Told>,
    ) -> Self {
        let drafting = Drafting {
            inventory,
            app,
            chosen,
            first: chosen.first(),
        };
        Self {
            summary: drafting.summary(),
            differences: chosen.differences(),
            named: named(told),
            inventory: (
                format!("inventories/{}.yml", inventory.env),
                drafting.inventory(),
            ),
            template: (
                format!("templates/{app}/docker-compose.yml.j2"),
                drafting.template(),
            ),
        }
    }

    /// For people; `silent` are hosts that did not answer, and why.
    #[must_use]
    pub fn text(&self, silent: &BTreeMap<HostName, String>) -> String {
        let mut out = String::new();
        let mut block = |title: &str, lines: &[String]| {
            if !lines.is_empty() {
                let _ = writeln!(out, "{title}"); // into a String: cannot fail
                for line in lines {
                    let _ = writeln!(out, "  {line}");
                }
            }
        };
        let silent: Vec<String> = silent
            .iter()
            .map(|(h, why)| format!("{h}: {why}"))
            .collect();
        block("what runs, and was started by hand", &self.summary);
        block("hosts that differ", &self.differences);
        block("load balancers name these hosts", &self.named);
        block("not known, for they did not answer", &silent);
        for (path, text) in [&self.inventory, &self.template] {
            let _ = write!(out, "\n# {path}\n{text}");
        }
        out
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self, silent: &BTreeMap<HostName, String>) -> Value {
        json!({
            "v": 1, "event": "adopt", "found": self.summary, "differences": self.differences,
            "named": self.named, "silent": silent,
            "drafts": [
                { "path": self.inventory.0, "text": self.inventory.1 },
                { "path": self.template.0, "text": self.template.1 },
            ],
        })
    }
}

/// `lb1 lb2: /etc/nginx/conf.d/shop.conf line 3: web1:8080`
fn named(told: &BTreeMap<HostName, Told>) -> Vec<String> {
    let mut by: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (host, one) in told {
        for n in &one.named {
            let place = format!("{} line {}: {}", n.file, n.line, n.address);
            by.entry(place).or_default().push(host.as_str());
        }
    }
    let line = |(place, hosts): (String, Vec<&str>)| format!("{}: {place}", hosts.join(" "));
    by.into_iter().map(line).collect()
}

struct Drafting<'a> {
    inventory: &'a Inventory,
    app: &'a AppName,
    chosen: &'a Chosen,
    /// Every service with the host that others are compared with.
    first: BTreeMap<&'a ServiceName, (&'a HostName, &'a Found)>,
}

impl Drafting<'_> {
    fn summary(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (host, services) in &self.chosen.hosts {
            for (service, c) in services {
                let ports = match chosen::ports(c).join(" ") {
                    none if none.is_empty() => format!("network {}", c.network),
                    ports => ports,
                };
                out.push(format!(
                    "{host} {service}: {} ({}), {ports}, restart {}, memory {}, cpus {}",
                    c.name,
                    c.image,
                    c.restart,
                    chosen::memory(c),
                    chosen::cpus(c)
                ));
            }
        }
        if !self.chosen.without.is_empty() {
            let without = words::names(&self.chosen.without, 12);
            out.push(format!("{without}: nothing of {}", self.app));
        }
        out
    }

    /// The port that load balancers ask: the first that the first service with any publishes.
    fn port(&self) -> Option<(&ServiceName, u16)> {
        let mut all = self.first.iter();
        all.find_map(|(s, (_, c))| Some((*s, c.ports.iter().next()?.outside)))
    }

    /// Repositories without tags, by service.
    fn images(&self) -> BTreeMap<&ServiceName, String> {
        let name = |c: &Found| {
            let image = ImageRef::parse(&c.image);
            image.map_or_else(|_| c.image.clone(), |i| i.repository)
        };
        self.first.iter().map(|(s, (_, c))| (*s, name(c))).collect()
    }

    fn inventory(&self) -> String {
        let mut out = Lines::default();
        let two = !self.chosen.without.is_empty();
        let with: Vec<&HostName> = self.chosen.hosts.keys().collect();
        if two {
            let without: Vec<&HostName> = self.chosen.without.iter().collect();
            out.add(0, "groups:");
            out.add(2, &format!("blue: [{}]", list(&with)));
            out.add(2, &format!("green: [{}]", list(&without)));
        }
        let own = self.own();
        if !own.is_empty() {
            out.add(0, "hosts:                     # where they differ");
            own.iter().for_each(|line| out.add(2, line));
        }
        out.add(0, "apps:");
        out.add(2, &format!("{}:", self.app));
        let images = self.images();
        let distinct: BTreeSet<&String> = images.values().collect();
        match distinct.iter().next() {
            Some(one) if distinct.len() == 1 => out.add(4, &format!("image: {one}")),
            _ => {
                out.add(4, "images:");
                for (service, image) in &images {
                    out.add(6, &format!("{service}: {image}"));
                }
            }
        }
        if two {
            out.add(4, "strategy: blue-green");
            out.add(4, "slots: [blue, green]");
        } else {
            out.add(
                4,
                "strategy: rolling        # every host serves: a release goes through them",
            );
            out.add(4, &format!("hosts: [{}]", list(&with)));
        }
        match self.port() {
            Some((_, port)) => out.add(4, &format!("port: {port}")),
            None => out.add(4, "# port: the port on the host that load balancers ask"),
        }
        self.balance(&mut out);
        out.add(
            4,
            "gates:                   # a request that only a healthy app answers is better",
        );
        out.add(6, "- { tcp: true }");
        self.services(&mut out);
        out.text
    }

    fn balance(&self, out: &mut Lines) {
        if self.inventory.balancers.is_empty() {
            out.add(
                4,
                "# balance: the load balancers in front, see load_balancers:",
            );
            return;
        }
        out.add(4, "balance:                 # your own server block: docs/adopt.md says what to put into it");
        for (name, lb) in &self.inventory.balancers {
            let own = match lb.driver.value.as_str() {
                "nginx" => ", server: own",
                _ => "",
            };
            let app = self.app;
            out.add(
                6,
                &format!("{name}: {{ backend: {app}, host: NAME.OF.THE.SITE{own} }}"),
            );
        }
    }

    /// Limits and restart policies: of all where the services agree, else of each.
    fn services(&self, out: &mut Lines) {
        let settings: Vec<(&ServiceName, Vec<String>)> = self
            .first
            .iter()
            .map(|(s, (_, c))| (*s, settings(c)))
            .collect();
        let Some((_, one)) = settings.first() else {
            return;
        };
        if settings.iter().all(|(_, other)| other == one) {
            one.iter().for_each(|line| out.add(4, line));
            return;
        }
        out.add(4, "services:");
        for (service, lines) in &settings {
            out.add(6, &format!("{service}:"));
            lines.iter().for_each(|line| out.add(8, line));
        }
    }

    /// What hosts have of their own and an inventory can say: limits and port.
    fn own(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (host, services) in &self.chosen.hosts {
            let mut keys = Vec::new();
            let mut of = Vec::new();
            for (service, (_, first)) in &self.first {
                let Some(own) = services.get(*service) else {
                    continue;
                };
                if limits(own) != limits(first) {
                    of.push((service, limits(own)));
                }
                let port = |c: &Found| c.ports.iter().next().map(|p| p.outside);
                if self.port().is_some_and(|(s, _)| s == *service)
                    && let (Some(here), Some(there)) = (port(own), port(first))
                    && here != there
                {
                    keys.push(format!("port: {here}"));
                }
            }
            match of.as_slice() {
                [] => {}
                [(_, limits)] if self.first.len() == 1 => keys.push(format!("limits: {limits}")),
                all => {
                    let one = |(s, l): &(&&ServiceName, String)| format!("{s}: {{ limits: {l} }}");
                    let all: Vec<String> = all.iter().map(one).collect();
                    keys.push(format!("services: {{ {} }}", all.join(", ")));
                }
            }
            if !keys.is_empty() {
                let keys = keys.join(", ");
                out.push(format!(
                    "{host}: {{ apps: {{ {}: {{ {keys} }} }} }}",
                    self.app
                ));
            }
        }
        out
    }

    fn template(&self) -> String {
        let mut out = Lines::default();
        out.add(0, "services:");
        let images = self.images();
        let distinct: BTreeSet<&String> = images.values().collect();
        let asked = self.port();
        let mut volumes = BTreeSet::new();
        let mut networks = BTreeSet::new();
        for (service, (_, c)) in &self.first {
            out.add(2, &format!("{service}:"));
            match distinct.len() {
                1 => out.add(4, "image: {{ image }}"),
                _ => out.add(
                    4,
                    &format!("image: {{{{ image[{}] }}}}", quote(service.as_str(), false)),
                ),
            }
            if c.own_command {
                out.add(4, "# It was started with a command of its own, which may hold secrets and is not shown:");
                out.add(4, "# command: […]");
            }
            if !c.user.is_empty() {
                out.add(4, &format!("user: {}", literal(&c.user)));
            }
            let is_asked = asked.is_some_and(|(s, _)| s == *service);
            service_ports(&mut out, c, is_asked);
            mounts(&mut out, c, &mut volumes);
            variables(&mut out, c);
            match c.network.as_str() {
                "host" | "none" => out.add(4, &format!("network_mode: {}", c.network)),
                "bridge" | "default" => {}
                name => {
                    out.add(4, "networks:");
                    out.add(6, &format!("- {}", literal(name)));
                    networks.insert(name);
                }
            }
            others(&mut out, c);
        }
        for (key, names) in [("volumes", volumes), ("networks", networks)] {
            if !names.is_empty() {
                out.add(
                    0,
                    &format!("{key}:                     # as they are, made by hand"),
                );
                for name in names {
                    out.add(2, &format!("{}: {{ external: true }}", literal(name)));
                }
            }
        }
        out.text
    }
}

fn service_ports(out: &mut Lines, c: &Found, asked: bool) {
    if c.ports.is_empty() || c.network == "host" {
        return;
    }
    out.add(4, "ports:");
    for (n, (port, text)) in c.ports.iter().zip(chosen::ports(c)).enumerate() {
        if n == 0 && asked && port.address.is_empty() {
            out.add(6, &format!("- {{{{ port ~ ':{}' }}}}", port.inside));
        } else {
            out.add(6, &format!("- {}", quote(&text, true)));
        }
    }
}

fn mounts<'a>(out: &mut Lines, c: &'a Found, volumes: &mut BTreeSet<&'a str>) {
    let of = |kind: &str| {
        c.mounts
            .iter()
            .any(|m| (m.kind == "tmpfs") == (kind == "tmpfs"))
    };
    if of("volume") {
        out.add(4, "volumes:");
        for m in c.mounts.iter().filter(|m| m.kind != "tmpfs") {
            if m.anonymous {
                let what = format!(
                    "# - a volume without a name at {}: what is in it stays behind",
                    m.target
                );
                out.add(6, &what);
                continue;
            }
            if m.kind == "volume" {
                volumes.insert(m.source.as_str());
            }
            out.add(6, &format!("- {}", literal(&chosen::volume(m))));
        }
    }
    if of("tmpfs") {
        out.add(4, "tmpfs:");
        for m in c.mounts.iter().filter(|m| m.kind == "tmpfs") {
            out.add(6, &format!("- {}", literal(&m.target)));
        }
    }
}

fn variables(out: &mut Lines, c: &Found) {
    if c.env.is_empty() {
        return;
    }
    out.add(4, "environment:             # values were not read: say each under vars:, or make it a secret");
    for name in &c.env {
        let key = quote(name, false);
        out.add(6, &format!("{}: {{{{ vars[{key}] }}}}", literal(name)));
    }
}

fn others(out: &mut Lines, c: &Found) {
    for (key, words) in &c.more {
        match (*key, words.as_slice()) {
            ("privileged", _) => out.add(4, "privileged: true"),
            (key, []) => out.add(4, &format!("# {key}: it was started with some")),
            (key, words) => {
                out.add(4, &format!("{key}:"));
                words
                    .iter()
                    .for_each(|w| out.add(6, &format!("- {}", literal(w))));
            }
        }
    }
}

/// Text as it is, for compose and for the template engine.
fn literal(text: &str) -> String {
    let quoted = quote(text, true);
    match ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        true => format!("{{% raw %}}{quoted}{{% endraw %}}"),
        false => quoted,
    }
}

/// `{ memory: 256m, cpus: "0.5" }`; what has no limit says so, where the environment may have one.
fn limits(c: &Found) -> String {
    let memory = match c.memory {
        0 => "null".to_owned(),
        n if n % (1 << 20) == 0 => format!("{}m", n >> 20),
        n => format!("{n}b"),
    };
    let cpus = match chosen::cpus(c) {
        none if none == "none" => "null".to_owned(),
        cpus => format!("\"{cpus}\""),
    };
    format!("{{ memory: {memory}, cpus: {cpus} }}")
}

fn settings(c: &Found) -> Vec<String> {
    let mut out = vec![format!("limits: {}", limits(c))];
    out.push(format!("restart: {}", literal(&c.restart)));
    out
}

fn list(hosts: &[&HostName]) -> String {
    let names: Vec<&str> = hosts.iter().map(|h| h.as_str()).collect();
    names.join(", ")
}

#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn add(&mut self, indent: usize, line: &str) {
        let _ = writeln!(self.text, "{:indent$}{line}", ""); // into a String: cannot fail
    }
}
