//! What runs on a host and was started by hand, as far as it can be written down: for `deploy adopt`.
//!
//! Values of variables never leave the host. To add something that is told of a container: a field in
//! `sh/adopt.sh` and in [`Row`], and of [`Found`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::host::script::Script;

const TEXT: &str = include_str!("sh/adopt.sh");
/// Some questions to the engine for each container.
const LIMIT: Duration = Duration::from_secs(90);

/// A port that a container publishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Address it is bound to; empty for all.
    pub address: String,
    /// Port on the host.
    pub outside: u16,
    /// Port in the container.
    pub inside: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// What is mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`.
    pub kind: String,
    /// Path on the host, or the volume's name; empty for `tmpfs`.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// It cannot be written.
    pub read_only: bool,
    /// A volume that nobody gave a name: only this container finds it again.
    pub anonymous: bool,
}

/// One running container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Image as it was started with.
    pub image: String,
    /// `none`, `starting`, `healthy`, `unhealthy`.
    pub health: String,
    /// Restart policy as `docker run` takes it, e.g. `on-failure:3`.
    pub restart: String,
    /// Memory limit in bytes, 0 for none.
    pub memory: u64,
    /// CPU limit in billionths, 0 for none.
    pub nano_cpus: u64,
    /// `host`, `bridge`, a network's name.
    pub network: String,
    /// Ports, each once.
    pub ports: BTreeSet<Port>,
    /// Mounts.
    pub mounts: BTreeSet<Mount>,
    /// Names of variables that it was given beside those of its image.
    pub env: BTreeSet<String>,
    /// It was started with a command or entry point of its own.
    pub own_command: bool,
    /// Removed by the engine as soon as it is stopped.
    pub auto_remove: bool,
    /// User; empty for that of the image.
    pub user: String,
    /// What else was said at its start and has a key of that name in a compose file: words for it.
    pub more: BTreeMap<&'static str, Vec<String>>,
    /// It was brought by `deploy`.
    pub ours: bool,
    /// Compose project and service, where it has them.
    pub compose: Option<(String, String)>,
    /// Digests of its image, `repository@sha256:…`.
    pub digests: BTreeSet<String>,
}

/// A place where a load balancer's configuration names an app host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The server whose file it is.
    pub server: String,
    /// The file.
    pub file: String,
    /// Line in it.
    pub line: u64,
    /// Address, with its port where one is written.
    pub address: String,
}

/// What one host told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Its running containers; unknown where Docker did not answer, none where it is not there.
    pub containers: Option<Vec<Found>>,
    /// Where its load balancer's configuration names one of the addresses.
    pub named: Vec<Named>,
}

/// The question: read-only, without lock. `addresses` are those of app hosts.
#[must_use]
pub fn script(addresses: &BTreeSet<String>, root: bool) -> Script {
    let text = ["(\n", super::LIB, TEXT, "\n)\nend ok rc=$?\n"].concat();
    let mut script = Script::new("adopt", text)
        .args(addresses.iter().cloned())
        .limit(LIMIT);
    script.root = root;
    script
}

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    image: String,
    health: String,
    restart: String,
    retries: u64,
    memory: Option<i64>,
    nano_cpus: Option<i64>,
    quota: Option<i64>,
    network_mode: String,
    ports: Option<BTreeMap<String, Option<Vec<Binding>>>>,
    mounts: Option<Vec<MountRow>>,
    tmpfs: Option<BTreeMap<String, String>>,
    auto_remove: Option<bool>,
    user: String,
    privileged: Option<bool>,
    cap_add: Option<Vec<String>>,
    cap_drop: Option<Vec<String>>,
    extra_hosts: Option<Vec<String>>,
    devices: Option<Vec<serde_json::Value>>,
    ours: Option<String>,
    project: Option<String>,
    service: Option<String>,
}

#[derive(Deserialize)]
struct Binding {
    #[serde(rename = "HostIp", default)]
    address: String,
    #[serde(rename = "HostPort", default)]
    port: String,
}

#[derive(Deserialize)]
struct MountRow {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Source", default)]
    source: String,
    #[serde(rename = "Destination", default)]
    target: String,
    #[serde(rename = "RW", default)]
    writable: bool,
}

/// Reads what a host printed. A container that cannot be read makes all of them unknown: what is not
/// understood is not adopted.
#[must_use]
pub fn read(lines: &[String]) -> Told {
    let mut all: Vec<Found> = Vec::new();
    let mut told = Told::default();
    let (mut whole, mut torn) = (false, false);
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, all.last_mut()) {
            ("c", _) => match serde_json::from_str::<Row>(rest) {
                Ok(row) => all.push(found(row)),
                Err(_) => torn = true,
            },
            ("e", Some(last)) => drop(last.env.insert(rest.to_owned())),
            ("o", Some(last)) => last.own_command = true,
            ("d", Some(last)) => drop(last.digests.insert(rest.to_owned())),
            ("docker", _) => whole = matches!(rest, "ok" | "missing"),
            ("b", _) => told.named.extend(named(rest)),
            _ => {}
        }
    }
    told.containers = (whole && !torn).then_some(all);
    told.named.sort();
    told.named.dedup();
    told
}

/// `SERVER FILE LINE ADDRESS`; a file's name may have blanks.
fn named(words: &str) -> Option<Named> {
    let (server, rest) = words.split_once(' ')?;
    let (rest, address) = rest.rsplit_once(' ')?;
    let (file, line) = rest.rsplit_once(' ')?;
    Some(Named {
        server: server.to_owned(),
        file: file.to_owned(),
        line: line.parse().ok()?,
        address: address.to_owned(),
    })
}

fn found(row: Row) -> Found {
    let restart = match (row.restart.as_str(), row.retries) {
        ("", _) => "no".to_owned(),
        ("on-failure", n) if n > 0 => format!("on-failure:{n}"),
        (policy, _) => policy.to_owned(),
    };
    let limit = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let mut more: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let lists = [
        ("cap_add", row.cap_add),
        ("cap_drop", row.cap_drop),
        ("extra_hosts", row.extra_hosts),
    ];
    for (key, list) in lists {
        let list = list.unwrap_or_default();
        if !list.is_empty() {
            more.insert(key, list);
        }
    }
    let devices = row.devices.unwrap_or_default().len();
    for (key, there) in [
        ("privileged", row.privileged == Some(true)),
        ("devices", devices > 0),
        ("cpu_quota", limit(row.quota) > 0),
    ] {
        if there {
            more.insert(key, Vec::new());
        }
    }
    let tmpfs = row.tmpfs.unwrap_or_default().into_keys();
    let tmpfs = tmpfs.map(|target| Mount {
        kind: "tmpfs".to_owned(),
        source: String::new(),
        target,
        read_only: false,
        anonymous: false,
    });
    Found {
        id: row.id,
        name: row.name.trim_start_matches('/').to_owned(),
        image: row.image,
        health: row.health,
        restart,
        memory: limit(row.memory),
        nano_cpus: limit(row.nano_cpus),
        network: row.network_mode,
        ports: ports(row.ports.unwrap_or_default()),
        mounts: row
            .mounts
            .unwrap_or_default()
            .into_iter()
            .map(mount)
            .chain(tmpfs)
            .collect(),
        env: BTreeSet::new(),
        own_command: false,
        auto_remove: row.auto_remove == Some(true),
        user: row.user,
        more,
        ours: row.ours.is_some_and(|r| !r.is_empty()),
        compose: row.project.zip(row.service).filter(|(p, _)| !p.is_empty()),
        digests: BTreeSet::new(),
    }
}

fn mount(row: MountRow) -> Mount {
    let hex = row.name.len() == 64 && row.name.bytes().all(|b| b.is_ascii_hexdigit());
    let volume = row.kind == "volume";
    Mount {
        source: if volume { row.name } else { row.source },
        kind: row.kind,
        target: row.target,
        read_only: !row.writable,
        anonymous: volume && hex,
    }
}

/// `0.0.0.0` and `::` are both "all".
fn ports(map: BTreeMap<String, Option<Vec<Binding>>>) -> BTreeSet<Port> {
    let mut out = BTreeSet::new();
    for (inside, bindings) in map {
        let (inside, protocol) = inside.split_once('/').unwrap_or((&inside, "tcp"));
        for binding in bindings.into_iter().flatten() {
            let address = match binding.address.as_str() {
                "0.0.0.0" | "::" => String::new(),
                one => one.to_owned(),
            };
            let (Ok(inside), Ok(outside)) = (inside.parse(), binding.port.parse()) else {
                continue;
            };
            out.insert(Port {
                address,
                outside,
                inside,
                protocol: protocol.to_owned(),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = r#"c {"id":"ab12","name":"/shop","image":"registry:5000/acme/app:1.0","image_id":"sha256:1","health":"healthy","restart":"on-failure","retries":3,"memory":268435456,"nano_cpus":500000000,"quota":0,"network_mode":"bridge","ports":{"8080/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"},{"HostIp":"::","HostPort":"80"}],"9/udp":null},"mounts":[{"Type":"volume","Name":"data","Source":"/var/lib/docker/volumes/data/_data","Destination":"/data","RW":true},{"Type":"bind","Source":"/etc/shop","Destination":"/etc/shop","RW":false}],"tmpfs":{"/tmp":""},"auto_remove":false,"user":"","privileged":false,"cap_add":["NET_ADMIN"],"cap_drop":null,"extra_hosts":[],"devices":[],"ours":null,"project":null,"service":null}"#;

    fn lines(all: &[&str]) -> Vec<String> {
        all.iter().map(|l| (*l).to_owned()).collect()
    }

    #[test]
    fn a_container_is_read_with_all_that_was_said_at_its_start() {
        let told = read(&lines(&[
            ROW,
            "e DB_PASSWORD",
            "o",
            "d registry:5000/acme/app@sha256:aa",
            "docker ok",
            "b nginx /etc/nginx/conf.d/my shop.conf 3 web1:8080",
        ]));
        let all = told.containers.unwrap();
        let [one] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(
            (one.name.as_str(), one.restart.as_str()),
            ("shop", "on-failure:3")
        );
        assert_eq!((one.memory, one.nano_cpus), (256 << 20, 500_000_000));
        let ports: Vec<_> = one.ports.iter().map(|p| (p.outside, p.inside)).collect();
        assert_eq!(ports, [(80, 8080)]);
        let mounts: Vec<_> = one
            .mounts
            .iter()
            .map(|m| (&*m.kind, &*m.source, m.read_only))
            .collect();
        assert_eq!(
            mounts,
            [
                ("bind", "/etc/shop", true),
                ("tmpfs", "", false),
                ("volume", "data", false)
            ]
        );
        assert!(one.own_command && !one.ours && one.env.contains("DB_PASSWORD"));
        assert_eq!(one.more["cap_add"], ["NET_ADMIN"]);
        assert_eq!(told.named[0].file, "/etc/nginx/conf.d/my shop.conf");
        assert_eq!(
            (told.named[0].line, told.named[0].address.as_str()),
            (3, "web1:8080")
        );
    }

    #[test]
    fn what_is_not_whole_is_not_known() {
        for bad in [
            lines(&[ROW]),
            lines(&[ROW, "docker failed"]),
            lines(&["c {\"id\":1}", ROW, "docker ok"]),
            lines(&[]),
        ] {
            assert_eq!(read(&bad).containers, None, "{bad:?}");
        }
        assert_eq!(
            read(&lines(&["docker missing"])).containers,
            Some(Vec::new())
        );
    }
}
