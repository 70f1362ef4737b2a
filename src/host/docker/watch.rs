//! Gates and containers, watched from a host until the client goes.
//!
//! One script serves both views: a member's own host asks its gates and tells of its containers, a
//! load balancer asks the gates of all members. To add a kind of gate: a variant of [`Probe`], its
//! line in `sh/watch.sh`, an arm in [`WatchReader::gate`].

use std::time::Duration;

use serde::Deserialize;

use super::facts;
use crate::fleet::Health;
use crate::host::script::Script;
use crate::name::HostName;

const TEXT: &str = include_str!("sh/watch.sh");

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
}

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

/// Watches the containers of `project`, where one is given, and asks `targets` every `every`, each
/// for at most `timeout`. The first round comes at once. Read-only: it runs without the lock.
#[must_use]
pub fn script(
    project: Option<&str>,
    targets: &[Target],
    every: Duration,
    timeout: Duration,
) -> Script {
    let seconds = |d: Duration| format!("{:.3}", d.as_secs_f64());
    let body = super::body_with_rows("watch", TEXT);
    let mut script = Script::new(body.name, body.text)
        .args([
            project.unwrap_or("-").to_owned(),
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
    let (kind, port, path, host) = match &target.probe {
        Probe::Http {
            port, path, host, ..
        } => ("http", port, path.clone(), host.clone()),
        Probe::Tcp { port } => ("tcp", port, String::new(), None),
    };
    let address = target.address.clone();
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WATCH: &str = include_str!("../../../tests/fixtures/docker/watch.txt");

    fn target(gate: usize, probe: Probe) -> Target {
        Target {
            member: None,
            address: "127.0.0.1".into(),
            gate,
            probe,
        }
    }
    fn get(status: Option<u16>) -> Probe {
        Probe::Http {
            port: 8080,
            path: "/healthz".into(),
            status: status.map_or((200, 399), |s| (s, s)),
            host: None,
        }
    }
    fn one(line: &str) -> Option<(bool, String)> {
        let targets = [
            target(0, get(None)),
            target(1, get(Some(503))),
            target(2, Probe::Tcp { port: 80 }),
        ];
        match WatchReader::new(&targets).line(line)? {
            Tick::Gate {
                index, ok, detail, ..
            } => {
                assert!(line.starts_with(&format!("g {index} ")));
                Some((ok, detail))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_target_becomes_six_words() {
        let mut lb = target(3, get(None));
        lb.member = Some(HostName::new("web1").unwrap());
        lb.address = "fd00::7".into();
        let every = Duration::from_millis(500);
        let script = script(None, &[lb], every, Duration::from_secs(2));
        assert_eq!(
            script.args,
            [
                "-", "0.500", "2.000", "0", "fd00::7", "http", "8080", "/healthz", ""
            ]
        );
        assert!(script.tied && script.quiet.is_some());
    }

    #[test]
    fn a_watch_that_was_recorded_is_read_whole() {
        let targets = [
            target(0, get(None)),
            target(1, get(None)),
            target(2, Probe::Tcp { port: 8080 }),
            target(3, Probe::Tcp { port: 8099 }),
        ];
        let mut reader = WatchReader::new(&targets);
        let ticks: Vec<Tick> = WATCH.lines().filter_map(|l| reader.line(l)).collect();
        let gate = |i: usize, wanted: bool, what: &str| {
            let mut of = ticks.iter().filter_map(|t| match t {
                Tick::Gate {
                    index, ok, detail, ..
                } if *index == i => Some((*ok, detail.as_str())),
                _ => None,
            });
            assert!(of.clone().count() >= 3, "gate {i}");
            assert!(
                of.all(|(ok, d)| ok == wanted && d.starts_with(what)),
                "gate {i}"
            );
        };
        gate(0, true, "HTTP 200 in ");
        gate(1, false, "connection refused");
        gate(2, true, "accepted");
        gate(3, false, "connection refused");
        let states: Vec<(&str, Health, &str)> = ticks
            .iter()
            .filter_map(|t| match t {
                Tick::Containers(list) => list.first(),
                _ => None,
            })
            .map(|c| (c.state.as_str(), c.health, c.release.as_str()))
            .collect();
        // It was stopped and started again meanwhile.
        assert!(
            states.contains(&("running", Health::Healthy, "relA")),
            "{states:?}"
        );
        assert!(states.iter().any(|s| s.0 == "exited"), "{states:?}");
        assert!(
            states.contains(&("running", Health::Starting, "relA")),
            "{states:?}"
        );
    }

    #[test]
    fn only_a_whole_answer_with_the_right_status_passes() {
        let of = |line: &str| one(line).unwrap();
        assert_eq!(
            of("g 0 http 200 0 0.0123"),
            (true, "HTTP 200 in 12 ms".into())
        );
        assert_eq!(of("g 0 http 301 0 -"), (true, "HTTP 301".into()));
        assert_eq!(
            of("g 0 http 404 0 -"),
            (false, "HTTP 404, wanted 200–399".into())
        );
        assert_eq!(of("g 1 http 503 0 -"), (true, "HTTP 503".into()));
        assert_eq!(
            of("g 1 http 200 0 -"),
            (false, "HTTP 200, wanted 503".into())
        );
        assert_eq!(
            of("g 0 http 200 28 2.0"),
            (false, "HTTP 200 in 2.0 s, then no answer in time".into())
        );
        assert_eq!(
            of("g 0 http 200  0.1"),
            (false, "HTTP 200 in 100 ms, then no answer".into())
        );
        assert_eq!(
            of("g 0 http 000 7 0.1"),
            (false, "connection refused".into())
        );
        assert_eq!(of("g 2 tcp 0"), (true, "accepted".into()));
        assert_eq!(of("g 2 tcp 124"), (false, "no answer in time".into()));
    }

    #[test]
    fn torn_and_foreign_lines_say_nothing() {
        for bad in [
            "",
            "g",
            "g 0",
            "g 9 tcp 0",
            "g 0 tcp 0",
            "g 2 http 200 0 -",
            "g 0 http 200",
            "g 0 http x 0 -",
            "g 0 http 200 0 - more",
            "gg 0 tcp 0",
            "hello",
        ] {
            assert_eq!(one(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_container_that_cannot_be_read_makes_the_whole_list_unknown() {
        let mut reader = WatchReader::new(&[]);
        let good = r#"c ["/a","web","False","running","none",0,0,false,null,"no"]"#;
        assert_eq!(reader.line(good), None);
        assert_eq!(reader.line("c [\"/b\""), None);
        assert_eq!(reader.line("C ok 2"), Some(Tick::Blind));
        assert_eq!(reader.line("C ok 0"), Some(Tick::Containers(vec![])));
        // A line that another one broke into is lost: no container has gone.
        reader.line(good);
        assert_eq!(reader.line("C ok 2"), Some(Tick::Blind));
        assert_eq!(reader.line("C ok 1"), Some(Tick::Blind));
        assert_eq!(reader.line("C ok"), Some(Tick::Blind));
        reader.line(good);
        assert_eq!(reader.line("C failed"), Some(Tick::Blind));
        reader.line(&good.replace("False", "True"));
        reader.line(good);
        let Some(Tick::Containers(list)) = reader.line("C ok 2") else {
            panic!("no list");
        };
        assert_eq!(list.len(), 1);
        assert!(list[0].one_shot && list[0].release.is_empty());
        assert_eq!(
            reader.line("cannot http"),
            Some(Tick::Cannot("http".into()))
        );
        assert_eq!(reader.line("."), Some(Tick::Alive));
    }

    proptest! {
        #[test]
        fn a_gate_never_passes_by_accident(line in "g [0-2] (http|tcp) .{0,20}") {
            if let Some((true, _)) = one(&line) {
                let words: Vec<&str> = line.split(' ').collect();
                prop_assert!(words[2..] == ["tcp", "0"] || words.get(4) == Some(&"0"));
            }
        }
    }
}
