//! Gates and containers, watched from a host until the client goes.
//!
//! One script serves both views: a member's own host asks its gates and tells of its containers, a
//! load balancer asks the gates of all members. To add a kind of gate: a variant of [`Probe`], its
//! line in `sh/watch.sh`, an arm in [`WatchReader::gate`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::facts;
use crate::fleet::Health;
use crate::host::script::Script;
use crate::name::{HostName, ServiceName};
use crate::release::Adopted;

const TEXT: &str = concat!(include_str!("sh/where.sh"), include_str!("sh/watch.sh"));

/// The script says something at least once a second, and its host may be busy.
const QUIET: Duration = Duration::from_secs(5);
/// A watcher ends with its connection; this is only an end for one that everybody forgot.
const LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Below this the asking itself would be the load.
const SHORTEST: Duration = Duration::from_millis(50);

/// One gate of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The member; absent where the watcher's own host is it.
    pub member: Option<HostName>,
    /// Address to connect to, e.g. `127.0.0.1`, `web1.svc`, `fd00::7`.
    pub address: String,
    /// Number of the gate within the app's gates.
    pub gate: usize,
    /// What is asked.
    pub probe: Probe,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// GET over a fresh connection; redirects are answers and are not followed.
    Http {
        /// Port.
        port: u16,
        /// Path with leading slash.
        path: String,
        /// Status codes that pass, first and last.
        status: (u16, u16),
        /// Host header; the address that is asked where absent.
        host: Option<String>,
    },
    /// A connection that must be accepted.
    Tcp {
        /// Port.
        port: u16,
    },
    /// A command that must end with 0, in the containers of a service of the watched project.
    Command {
        /// The command, word by word; no line break and no control character in it.
        argv: Vec<String>,
        /// The service; the project's only one where absent.
        service: Option<ServiceName>,
    },
}

/// Stands after each word of a command on its way: no word of an inventory has it.
const SEPARATOR: &str = "\u{1f}";

/// What a watcher said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// A gate was asked.
    Gate {
        /// The member, as in its [`Target`].
        member: Option<HostName>,
        /// Number of the gate.
        index: usize,
        /// Whether it passed.
        ok: bool,
        /// What came, e.g. `HTTP 503` or `connection refused`.
        detail: String,
    },
    /// All containers of the project, as they are now.
    Containers(Vec<Watched>),
    /// Containers could not be asked for: nothing is known of them.
    Blind,
    /// The host has no program that could ask this kind of gate (`http` or `tcp`).
    Cannot(String),
    /// It is still there.
    Alive,
}

/// A container of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Name.
    pub name: String,
    /// Compose service; empty where it has none.
    pub service: String,
    /// `running`, `exited`, …
    pub state: String,
    /// Health.
    pub health: Health,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Exit code of the last end; 0 again once the engine has restarted it.
    pub exit_code: i64,
    /// Killed for memory at its last end.
    pub oom: bool,
    /// Release by its label; empty where it has none.
    pub release: String,
    /// Meant to end by itself: restart policy `no`.
    pub one_shot: bool,
}

/// Watches the containers of `project`, where one is given (those that were `adopted` while it has none
/// of its own), and asks `targets` every `every`, each
/// for at most `timeout`. The first round comes at once. Read-only: it runs without the lock.
#[must_use]
pub fn script(
    project: Option<&str>,
    adopted: &BTreeMap<ServiceName, Adopted>,
    targets: &[Target],
    every: Duration,
    timeout: Duration,
) -> Script {
    let seconds = |d: Duration| format!("{:.3}", d.as_secs_f64());
    let fosters = adopted.iter().map(|(s, one)| format!("{}={s}", one.id));
    let fosters: Vec<String> = fosters.collect();
    let body = super::body_with_rows("watch", TEXT);
    let mut script = Script::new(body.name, body.text)
        .args([
            project.unwrap_or("-").to_owned(),
            fosters.join(" "),
            seconds(every.max(SHORTEST)),
            seconds(timeout.max(SHORTEST)),
        ])
        .args(targets.iter().enumerate().flat_map(|(n, t)| words(n, t)))
        .limit(LIMIT);
    script.quiet = Some(QUIET);
    script.tied = true;
    script
}

fn words(n: usize, target: &Target) -> [String; 6] {
    let mut address = target.address.clone();
    let (kind, port, path, host) = match &target.probe {
        Probe::Http {
            port, path, host, ..
        } => ("http", *port, path.clone(), host.clone()),
        Probe::Tcp { port } => ("tcp", *port, String::new(), None),
        Probe::Command { argv, service } => {
            address = service.as_ref().map_or("-".to_owned(), ToString::to_string);
            let words = argv.iter().flat_map(|w| [w.as_str(), SEPARATOR]);
            ("exec", 0, words.collect(), None)
        }
    };
    [
        n.to_string(),
        address,
        kind.to_owned(),
        port.to_string(),
        path,
        host.unwrap_or_default(),
    ]
}

/// The fields in the order of `dk_fields` in `sh/watch.sh`.
#[derive(Deserialize)]
struct Row(
    String,
    Option<String>,
    Option<String>,
    String,
    String,
    u64,
    i64,
    bool,
    Option<String>,
    String,
);

/// Reads a watcher's lines. It needs the targets that the watcher was given.
#[derive(Debug, Clone)]
pub struct WatchReader {
    targets: Vec<Target>,
    containers: Vec<Watched>,
    rows: usize,
    unread: bool,
}

impl WatchReader {
    /// A reader for the answers to these targets.
    #[must_use]
    pub fn new(targets: &[Target]) -> Self {
        Self {
            targets: targets.to_vec(),
            containers: Vec::new(),
            rows: 0,
            unread: false,
        }
    }

    /// Takes a line; what it completes. A line that is none of ours says nothing.
    pub fn line(&mut self, line: &str) -> Option<Tick> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "." => Some(Tick::Alive),
            "g" => self.gate(rest),
            "c" => {
                self.rows += 1;
                match serde_json::from_str::<Row>(rest) {
                    // What somebody runs by `docker compose run` is not the release.
                    Ok(row) if row.2.as_deref() == Some("True") => {}
                    Ok(row) => self.containers.push(watched(row)),
                    Err(_) => self.unread = true,
                }
                None
            }
            "C" => {
                let list = std::mem::take(&mut self.containers);
                // Who lost a line on the way has not seen a container go.
                let rows = std::mem::take(&mut self.rows);
                let told = rest.strip_prefix("ok ").and_then(|n| n.parse().ok());
                let whole = !std::mem::take(&mut self.unread) && told == Some(rows);
                Some(if whole {
                    Tick::Containers(list)
                } else {
                    Tick::Blind
                })
            }
            "cannot" => Some(Tick::Cannot(rest.to_owned())),
            _ => None,
        }
    }

    fn gate(&self, rest: &str) -> Option<Tick> {
        let words: Vec<&str> = rest.split(' ').collect();
        let target = self.targets.get(words.first()?.parse::<usize>().ok()?)?;
        let (ok, detail) = match (&target.probe, &words[1..]) {
            (Probe::Http { status, .. }, ["http", code, exit, seconds]) => {
                http(*status, code.parse().ok()?, exit, seconds)
            }
            (Probe::Tcp { .. }, ["tcp", rc]) => tcp(rc),
            (Probe::Command { service, .. }, ["exec", rc]) => exec(service.as_ref(), rc)?,
            _ => return None,
        };
        Some(Tick::Gate {
            member: target.member.clone(),
            index: target.gate,
            ok,
            detail,
        })
    }
}

/// `exit` is curl's exit code; empty where that curl cannot tell it.
fn http(wanted: (u16, u16), code: u16, exit: &str, seconds: &str) -> (bool, String) {
    let whole = exit == "0";
    if code == 0 {
        return (false, curl_exit(exit).to_owned());
    }
    let (first, last) = wanted;
    let right = (first..=last).contains(&code);
    let mut detail = format!("HTTP {code}");
    if let Ok(time) = seconds.parse::<f64>()
        && time.is_finite()
        && time >= 0.0
    {
        let time = Duration::try_from_secs_f64(time).unwrap_or_default();
        detail = format!("{detail} in {}", crate::text::duration(time));
    }
    if !whole {
        detail = format!("{detail}, then {}", curl_exit(exit));
    } else if !right && first == last {
        detail = format!("{detail}, wanted {first}");
    } else if !right {
        detail = format!("{detail}, wanted {first}–{last}");
    }
    (right && whole, detail)
}

/// curl's exit codes, from its manual.
fn curl_exit(code: &str) -> &'static str {
    match code {
        "3" => "its address is malformed",
        "6" => "its name does not resolve",
        "7" => "connection refused",
        "8" | "1" => "an answer that is not HTTP",
        "18" => "the answer ended early",
        "28" => "no answer in time",
        "52" => "an empty answer",
        "55" | "56" => "the connection was reset",
        _ => "no answer",
    }
}

fn tcp(rc: &str) -> (bool, String) {
    let detail = match rc {
        "0" => "accepted",
        "124" | "143" => "no answer in time",
        _ => "connection refused",
    };
    (rc == "0", detail.to_owned())
}

/// The status of `docker exec` under `timeout`; its output is never shown, it may hold anything.
fn exec(service: Option<&ServiceName>, rc: &str) -> Option<(bool, String)> {
    let detail = match rc {
        "none" => match service {
            Some(service) => format!("no container of {service} runs"),
            None => "no container runs".to_owned(),
        },
        "several" => "several services run, and the gate names none".to_owned(),
        "blind" => "the engine does not say which containers run".to_owned(),
        "124" | "143" | "137" => "no answer in time".to_owned(),
        // Which of the two an absent program is depends on the engine.
        "126" | "127" => format!("the container cannot run it ({rc})"),
        rc => format!("exit code {}", rc.parse::<u8>().ok()?),
    };
    Some((rc == "0", detail))
}

fn watched(row: Row) -> Watched {
    Watched {
        name: row.0.trim_start_matches('/').to_owned(),
        service: row.1.unwrap_or_default(),
        state: row.3,
        health: facts::health(&row.4),
        restarts: row.5,
        exit_code: row.6,
        oom: row.7,
        release: row.8.unwrap_or_default(),
        one_shot: row.9 == "no",
    }
}

#[cfg(test)]
mod tests;
