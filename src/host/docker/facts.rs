//! What a look asks of Docker: engine, compose, memory, space, and every container on the host.
//!
//! What is wrong is told as problems, so that a host without Docker is still a host that answered.
//! To add a fact: a line in `sh/facts.sh`, an arm in [`Reader::line`], a field of [`DockerFacts`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::fleet::{Container, Health, Known, Problem, PublishedPort, Severity};
use crate::host::script::Body;
use crate::text;

const TEXT: &str = include_str!("sh/facts.sh");

/// Below this much free space a run must not begin: not even an answer of the record fits safely.
const SPACE_ERROR: u64 = 100 << 20;
/// Below this much free space a pull may fail half-way.
const SPACE_WARNING: u64 = 1 << 30;
/// A layer of an image can have tens of thousands of files.
const INODES_WARNING: u64 = 20_000;
/// Likewise: nothing can be unpacked any more.
const INODES_ERROR: u64 = 1_000;
/// Oldest engine that is known to work; compose v2 asks for nothing older.
const OLDEST_ENGINE: (u64, u64) = (20, 10);

/// What Docker says of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerFacts {
    /// Version of Docker Engine; unknown, and why, where it did not answer.
    pub engine: Known<String>,
    /// Version of `docker compose`; unknown, and why, where it is missing.
    pub compose: Known<String>,
    /// Memory in bytes; 0 where not known.
    pub memory: u64,
    /// CPUs; 0 where not known.
    pub cpus: u64,
    /// Where the engine keeps its data; empty where not known.
    pub root: String,
    /// Free bytes there; 0 where not known, with a problem that says so.
    pub disk_free: u64,
    /// Free inodes there; `u64::MAX` where the file system does not count them.
    pub inodes_free: u64,
    /// Free bytes where the host record is, or will be.
    pub state_free: u64,
    /// The host's clock, seconds since the epoch; 0 where not known.
    pub clock: i64,
    /// Every container on the host, running or not, ours or not.
    pub containers: Vec<Container>,
    /// What is wrong or odd.
    pub problems: Vec<Problem>,
}

/// The question. It changes nothing and needs no lock; `$STATE` says where the record lives.
#[must_use]
pub fn body() -> Body {
    let mut body = super::body_with_rows("facts", TEXT);
    body.limit = Duration::from_secs(45);
    body
}

/// Reads what the question printed. Missing lines count as missing facts, never as good news.
#[must_use]
pub fn read(lines: &[String]) -> DockerFacts {
    let mut reader = Reader::default();
    for line in lines {
        reader.line(line);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    clock: Option<i64>,
    no_command: bool,
    socket: Option<String>,
    asked: Option<i32>,
    engine: Option<EngineRow>,
    version: Option<String>,
    compose: Option<String>,
    root: Option<String>,
    memory: Option<u64>,
    cpus: Option<u64>,
    notes: Vec<String>,
    space: BTreeMap<String, Space>,
    containers: Vec<Container>,
    unread: usize,
    complete: bool,
}

#[derive(Clone, Copy)]
struct Space {
    free: u64,
    inodes_free: u64,
    inodes: u64,
}

/// The long way: version, memory, CPUs, data directory, errors, versions of compose and an empty
/// word.
#[derive(Deserialize)]
struct EngineRow(
    Option<String>,
    Option<u64>,
    Option<u64>,
    Option<String>,
    Option<Vec<String>>,
    Vec<String>,
);

/// The fields in the order of `dk_container` in `sh/facts.sh`.
#[derive(Deserialize)]
struct ContainerRow(
    String,
    String,
    String,
    String,
    String,
    String,
    u64,
    i64,
    bool,
    String,
    String,
    String,
    i64,
    i64,
    String,
    Option<BTreeMap<String, Option<Vec<Binding>>>>,
    BTreeMap<String, String>,
);

#[derive(Deserialize)]
struct Binding {
    #[serde(rename = "HostIp", default)]
    address: String,
    #[serde(rename = "HostPort", default)]
    port: String,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "clock" => self.clock = rest.parse().ok(),
            "docker" => self.no_command = rest == "missing",
            "socket" => self.socket = Some(rest.to_owned()),
            "asked" => self.asked = rest.parse().ok(),
            "engine" => self.engine = serde_json::from_str(rest).ok(),
            "version" => self.version = Some(rest.to_owned()),
            "compose" => self.compose = Some(rest.to_owned()),
            "root" => self.root = Some(rest.to_owned()),
            "memory" => self.memory = rest.parse::<u64>().ok().map(|k| k.saturating_mul(1024)),
            "cpus" => self.cpus = cpus(rest),
            "note" if !rest.is_empty() => self.notes.push(rest.to_owned()),
            "space" => self.space(rest),
            "c" => match serde_json::from_str(rest) {
                Ok(row) => self.containers.push(container(row)),
                Err(_) => self.unread += 1,
            },
            "containers" => self.complete = rest == "ok",
            _ => {}
        }
    }

    fn space(&mut self, rest: &str) {
        let mut words = rest.split(' ');
        let Some(place) = words.next() else { return };
        let numbers: Vec<u64> = words.filter_map(|w| w.parse().ok()).collect();
        if let [blocks, size, inodes_free, inodes] = numbers[..] {
            let free = blocks.saturating_mul(size);
            let space = Space {
                free,
                inodes_free,
                inodes,
            };
            self.space.insert(place.to_owned(), space);
        }
    }

    fn finish(self) -> DockerFacts {
        let mut problems = Vec::new();
        let engine = self.engine_version(&mut problems);
        let compose = self.compose_version(&mut problems);
        if let Known::Is(version) = &engine {
            engine_age(version, &mut problems);
            if !self.complete || self.unread > 0 {
                problems.push(Problem {
                    severity: Severity::Error,
                    what: "the list of containers could not be read".into(),
                    hint: "try `docker ps -a` and `docker inspect` there".into(),
                });
            }
        }
        let row = self.engine.as_ref().filter(|_| engine.get().is_some());
        let root = self.root.clone().or_else(|| row?.3.clone());
        let root = root.unwrap_or_default();
        let docker = self.space.get("docker").copied();
        let state = self.space.get("state").copied();
        if engine.get().is_some() {
            space_problems(docker, &root, &mut problems);
        }
        // Most hosts have one file system for both: one problem, not two.
        if docker.map(|s| s.free) != state.map(|s| s.free) || engine.get().is_none() {
            space_problems(state, "/var/lib/deploy", &mut problems);
        }
        DockerFacts {
            memory: self.memory.or_else(|| row?.1).unwrap_or(0),
            cpus: self.cpus.or_else(|| row?.2).unwrap_or(0),
            disk_free: docker.map_or(0, |s| s.free),
            inodes_free: docker.map_or(0, Space::inodes_left),
            state_free: state.map_or(0, |s| s.free),
            clock: self.clock.unwrap_or(0),
            containers: self.containers,
            engine,
            compose,
            root,
            problems,
        }
    }

    fn engine_version(&self, problems: &mut Vec<Problem>) -> Known<String> {
        if let Some(version) = self.version.as_ref().filter(|v| !v.is_empty()) {
            return Known::Is(version.clone());
        }
        let row = self.engine.as_ref();
        let version = row.and_then(|r| r.0.clone()).unwrap_or_default();
        if !version.is_empty() && self.asked == Some(0) {
            return Known::Is(version);
        }
        let said = row
            .and_then(|r| r.4.as_ref()?.first().cloned())
            .or_else(|| self.notes.last().cloned());
        let (why, hint) = match (self.no_command, self.socket.as_deref(), self.asked) {
            (true, _, _) => (
                "docker is not installed".to_owned(),
                "install Docker Engine and its compose plugin there",
            ),
            (_, Some("denied"), _) => (
                "the user may not use Docker's socket".to_owned(),
                "add the user to the group docker there (`sudo usermod -aG docker USER`), then log in again",
            ),
            (_, Some("absent"), _) => (
                "Docker does not run: its socket is not there".to_owned(),
                "start it there, e.g. `sudo systemctl start docker`",
            ),
            // The status of `timeout` where it ended the command.
            (_, _, Some(124 | 137 | 143)) => (
                "Docker did not answer within 10 s".to_owned(),
                "look at its log there, e.g. `journalctl -u docker`",
            ),
            _ => (
                said.unwrap_or_else(|| "Docker did not answer".to_owned()),
                "try `docker info` there",
            ),
        };
        problems.push(Problem {
            severity: Severity::Error,
            what: why.clone(),
            hint: hint.to_owned(),
        });
        Known::Unknown(why)
    }

    fn compose_version(&self, problems: &mut Vec<Problem>) -> Known<String> {
        let version = match (&self.compose, &self.engine) {
            (Some(version), _) => version.clone(),
            (None, Some(row)) => row.5.first().cloned().unwrap_or_default(),
            (None, None) => return Known::Unknown("Docker was not asked".to_owned()),
        };
        if !version.is_empty() {
            return Known::Is(version);
        }
        let why = "docker compose is missing".to_owned();
        problems.push(Problem {
            severity: Severity::Error,
            what: why.clone(),
            hint: "install the compose plugin there (package docker-compose-plugin, or \
                   docker-compose of Debian 13 and later); the old docker-compose v1 does not serve"
                .to_owned(),
        });
        Known::Unknown(why)
    }
}

impl Space {
    /// Some file systems (btrfs) count no inodes and say 0 of 0.
    fn inodes_left(self) -> u64 {
        if self.inodes == 0 {
            u64::MAX
        } else {
            self.inodes_free
        }
    }
}

/// The kernel's list of CPUs, e.g. `0-3,6`.
fn cpus(list: &str) -> Option<u64> {
    let number = |w: &str| w.trim().parse::<u64>().ok();
    list.split(',').try_fold(0u64, |sum, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let n = number(last)?.checked_sub(number(first)?)?.checked_add(1)?;
        sum.checked_add(n)
    })
}

fn engine_age(version: &str, problems: &mut Vec<Problem>) {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|w| w.parse::<u64>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        return;
    };
    if (major, minor) < OLDEST_ENGINE {
        problems.push(Problem {
            severity: Severity::Warning,
            what: format!("Docker Engine {version} is older than 20.10"),
            hint: "it is not tested with anything older; update it".to_owned(),
        });
    }
}

fn space_problems(space: Option<Space>, place: &str, problems: &mut Vec<Problem>) {
    let mut tell = |severity, what: String| {
        problems.push(Problem {
            severity,
            what,
            hint: format!(
                "make room there; `docker system df` and `df {place}` show what takes it"
            ),
        });
    };
    let Some(space) = space else {
        tell(
            Severity::Warning,
            format!("free space of {place} could not be read"),
        );
        return;
    };
    if space.free < SPACE_WARNING {
        let severity = if space.free < SPACE_ERROR {
            Severity::Error
        } else {
            Severity::Warning
        };
        tell(
            severity,
            format!(
                "{} left on the disk of {place}",
                text::bytes_roughly(space.free)
            ),
        );
    }
    let inodes = space.inodes_left();
    if inodes < INODES_WARNING {
        let severity = if inodes < INODES_ERROR {
            Severity::Error
        } else {
            Severity::Warning
        };
        tell(
            severity,
            format!("{inodes} inodes left on the disk of {place}"),
        );
    }
}

fn container(row: ContainerRow) -> Container {
    let mut labels = row.16;
    // The template's way around a comma before the first label.
    labels.remove("");
    let limit = |n: i64| u64::try_from(n).unwrap_or(0);
    Container {
        id: row.0,
        name: row.1.trim_start_matches('/').to_owned(),
        image: row.2,
        image_id: row.3,
        state: row.4,
        health: health(&row.5),
        restarts: row.6,
        exit_code: row.7,
        oom: row.8,
        started: row.9,
        created: row.10,
        restart: row.11,
        memory: limit(row.12),
        nano_cpus: limit(row.13),
        network_mode: row.14,
        ports: ports(row.15.unwrap_or_default()),
        labels,
    }
}

/// A word that is not known counts as unhealthy: not knowing is never good news.
pub(super) fn health(word: &str) -> Health {
    match word {
        "none" | "" => Health::None,
        "starting" => Health::Starting,
        "healthy" => Health::Healthy,
        _ => Health::Unhealthy,
    }
}

/// One entry per port, protocol and address; `0.0.0.0` and `::` are both "all".
fn ports(map: BTreeMap<String, Option<Vec<Binding>>>) -> Vec<PublishedPort> {
    let mut seen = BTreeSet::new();
    for (inside, bindings) in map {
        let protocol = inside.split_once('/').map_or("tcp", |(_, p)| p).to_owned();
        for binding in bindings.into_iter().flatten() {
            let address = match binding.address.as_str() {
                "0.0.0.0" | "::" => String::new(),
                one => one.to_owned(),
            };
            if let Ok(port) = binding.port.parse::<u16>() {
                seen.insert((port, protocol.clone(), address));
            }
        }
    }
    let port = |(port, protocol, address)| PublishedPort {
        address,
        port,
        protocol,
    };
    seen.into_iter().map(port).collect()
}

#[cfg(test)]
mod tests;
