//! Which of the containers that run are the app's, what service each is, and where hosts differ.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::failure::Failure;
use crate::compose::ImageRef;
use crate::host::docker::adopt::{Found, Mount, Told};
use crate::inventory::glob;
use crate::name::{AppName, HostName, ServiceName};
use crate::report::words;
use crate::text;

/// The app's containers, by host and service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Hosts with containers of the app.
    pub hosts: BTreeMap<HostName, BTreeMap<ServiceName, Found>>,
    /// Hosts that run Docker and have none.
    pub without: Vec<HostName>,
}

impl Chosen {
    /// Those whose names match one of `patterns`; without any, those that are called like the app.
    #[must_use]
    pub fn of(
        app: &AppName,
        patterns: &[String],
        told: &BTreeMap<HostName, Told>,
        balancers: &BTreeSet<HostName>,
    ) -> Self {
        let mut out = Self::default();
        for (host, one) in told {
            let Some(all) = &one.containers else { continue };
            let own = all.iter().filter(|c| !c.ours);
            let own: Vec<&Found> = own.filter(|c| is_of(app, patterns, c)).collect();
            if own.is_empty() {
                if !balancers.contains(host) {
                    out.without.push(host.clone());
                }
                continue;
            }
            out.hosts.insert(host.clone(), services(app, &own));
        }
        out
    }

    /// Every service with the host that all others are compared with, and its container there.
    #[must_use]
    pub fn first(&self) -> BTreeMap<&ServiceName, (&HostName, &Found)> {
        let mut out = BTreeMap::new();
        for (host, services) in &self.hosts {
            for (service, found) in services {
                out.entry(service).or_insert((host, found));
            }
        }
        out
    }

    /// Where hosts differ, a line for each difference.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let first = self.first();
        let mut out = Vec::new();
        for (host, services) in &self.hosts {
            for (service, (other, found)) in &first {
                let Some(own) = services.get(*service) else {
                    out.push(format!("{host} has no {service}, {other} has"));
                    continue;
                };
                for ((what, has), (_, had)) in shape(own).into_iter().zip(shape(found)) {
                    if has != had {
                        out.push(format!("{host} {service}: {what} {has}, {other} has {had}"));
                    }
                }
            }
        }
        out
    }

    /// What to say where nothing is the app's.
    #[must_use]
    pub fn nothing(&self, app: &AppName, told: &BTreeMap<HostName, Told>) -> Failure {
        let all = told
            .values()
            .filter_map(|t| t.containers.as_ref())
            .flatten();
        let names: BTreeSet<&str> = all.filter(|c| !c.ours).map(|c| c.name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let failure = Failure::usage(format!("no running container is called like {app}"));
        match names.as_slice() {
            [] => failure.hint("no container that was started by hand runs on these hosts"),
            all => failure.hint(format!(
                "--container NAME names them; running: {}",
                words::names(all, 12)
            )),
        }
    }
}

fn is_of(app: &AppName, patterns: &[String], c: &Found) -> bool {
    if !patterns.is_empty() {
        return patterns.iter().any(|p| glob(p, &c.name));
    }
    let app = app.as_str();
    let compose = c.compose.as_ref();
    let compose = compose.is_some_and(|(project, service)| project == app || service == app);
    let image = ImageRef::parse(&c.image).ok();
    let image = image.as_ref().and_then(|i| i.repository.rsplit('/').next());
    compose || image == Some(app) || c.name == app || stem(app, &c.name).is_some()
}

/// `web` of `app-web` and `app_web`.
fn stem<'a>(app: &str, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix(app)?;
    rest.strip_prefix(['-', '_']).filter(|r| !r.is_empty())
}

/// A name for each: the service of its compose project, the app's where it is the only one, else what
/// stands behind the app's name in its own.
fn services(app: &AppName, own: &[&Found]) -> BTreeMap<ServiceName, Found> {
    let mut out = BTreeMap::new();
    for c in own {
        let word = match &c.compose {
            Some((_, service)) => service.as_str(),
            None if own.len() == 1 => app.as_str(),
            None => stem(app.as_str(), &c.name).unwrap_or(&c.name),
        };
        let names = [word, c.name.as_str()].into_iter();
        let mut names = names.filter_map(|n| ServiceName::new(n).ok());
        // Two of one service keep the names of their containers.
        let name = names.find(|n| !out.contains_key(n));
        if let Some(name) = name {
            out.insert(name, (*c).clone());
        }
    }
    out
}

/// What is compared, in words, always in this order. Names of variables only.
#[must_use]
pub fn shape(c: &Found) -> Vec<(&'static str, String)> {
    let list = |all: Vec<String>| match all.as_slice() {
        [] => "none".to_owned(),
        all => all.join(" "),
    };
    let more = c.more.iter().map(|(key, words)| match words.as_slice() {
        [] => (*key).to_owned(),
        words => format!("{key}={}", words.join(",")),
    });
    vec![
        ("image", c.image.clone()),
        ("ports", list(ports(c))),
        ("volumes", list(c.mounts.iter().map(volume).collect())),
        ("variables", list(c.env.iter().cloned().collect())),
        ("restart policy", c.restart.clone()),
        ("memory limit", memory(c)),
        ("cpu limit", cpus(c)),
        ("network", c.network.clone()),
        (
            "user",
            if c.user.is_empty() {
                "of the image".to_owned()
            } else {
                c.user.clone()
            },
        ),
        (
            "command",
            if c.own_command {
                "of its own".to_owned()
            } else {
                "of the image".to_owned()
            },
        ),
        ("other settings", list(more.collect())),
    ]
}

/// Its ports as a compose file has them: `8080:80`, `127.0.0.1:53:53/udp`.
#[must_use]
pub fn ports(c: &Found) -> Vec<String> {
    let one = |p: &crate::host::docker::adopt::Port| {
        let address = match p.address.as_str() {
            "" => String::new(),
            a if a.contains(':') => format!("[{a}]:"),
            a => format!("{a}:"),
        };
        let protocol = if p.protocol == "tcp" { "" } else { "/udp" };
        format!("{address}{}:{}{protocol}", p.outside, p.inside)
    };
    c.ports.iter().map(one).collect()
}

/// A mount as a compose file has it; a volume without a name, or memory, in words.
#[must_use]
pub fn volume(m: &Mount) -> String {
    let mode = if m.read_only { ":ro" } else { "" };
    match m.kind.as_str() {
        "tmpfs" => format!("tmpfs:{}", m.target),
        _ if m.anonymous => format!("unnamed:{}", m.target),
        _ => format!("{}:{}{mode}", m.source, m.target),
    }
}

/// `256.0 MiB`, `none`.
#[must_use]
pub fn memory(c: &Found) -> String {
    match c.memory {
        0 => "none".to_owned(),
        n => text::bytes(n),
    }
}

/// `0.5`, `none`.
#[must_use]
pub fn cpus(c: &Found) -> String {
    if c.nano_cpus == 0 {
        return "none".to_owned();
    }
    let (whole, part) = (
        c.nano_cpus / 1_000_000_000,
        c.nano_cpus % 1_000_000_000 / 1_000_000,
    );
    let text = format!("{whole}.{part:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
