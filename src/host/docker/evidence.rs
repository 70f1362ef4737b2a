//! What is kept of a failed candidate before it is removed: states, exit codes, logs, health
//! output, memory and disk of the host.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::facts;
use crate::fleet::Health;
use crate::host::script::Body;
use crate::text;

const TEXT: &str = include_str!("sh/evidence.sh");

/// What is left of a slot's containers on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Its containers, those that ended badly first.
    pub containers: Vec<Kept>,
    /// Memory of the host that is available, in bytes, where it was read.
    pub memory_free: Option<u64>,
    /// Free bytes where the engine keeps its data, where it was read.
    pub disk_free: Option<u64>,
    /// Where it was kept on the host; nowhere where that failed.
    pub path: Option<String>,
}

/// One container of a failed candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Name.
    pub name: String,
    /// Compose service; its name where it has none.
    pub service: String,
    /// `running`, `restarting`, `exited`, …
    pub state: String,
    /// Exit code of its last end that was not good, from the engine's events where `docker inspect`
    /// has forgotten it: after a restart it shows 0 again.
    pub exit_code: i64,
    /// Killed for memory at any of its ends.
    pub oom: bool,
    /// Memory limit in bytes, 0 for none.
    pub memory: u64,
    /// Restarts by the engine.
    pub restarts: u64,
    /// Health.
    pub health: Health,
    /// What its last health check printed.
    pub health_output: String,
    /// Why it could not be started, in the engine's words; mostly empty.
    pub error: String,
    /// Exit codes of its ends, oldest first, as far as the engine remembers.
    pub deaths: Vec<i64>,
    /// The end of its log, without time stamps.
    pub log_tail: Vec<String>,
}

/// Keeps what is left of the project's containers in the run's directory and prints it.
#[must_use]
pub fn body(project: &str) -> Body {
    let mut body = super::body("evidence", TEXT).args([project]);
    body.limit = Duration::from_secs(120);
    body
}

/// The fields in the order of `dk_fields` in `sh/evidence.sh`.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the same lines are kept on the host, for people")]
struct Row(
    String,
    String,
    Option<String>,
    String,
    i64,
    bool,
    u64,
    String,
    String,
    String,
    String,
    Option<Vec<Check>>,
    String,
    i64,
);

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "Output", default)]
    output: String,
}

/// Container, what happened, exit code, seconds since the epoch.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the same lines are kept on the host, for people")]
struct EventRow(String, String, Option<String>, i64);

/// Reads what the body printed. Lines that cannot be read are left out: evidence is for people.
#[must_use]
pub fn read(lines: &[String]) -> Evidence {
    let mut evidence = Evidence::default();
    let mut ids: Vec<String> = Vec::new();
    let mut events: BTreeMap<String, Vec<EventRow>> = BTreeMap::new();
    let mut logs: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for line in lines {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "c" => {
                if let Ok(row) = serde_json::from_str::<Row>(rest) {
                    ids.push(row.0.clone());
                    evidence.containers.push(kept(row));
                }
            }
            "e" => {
                if let Ok(row) = serde_json::from_str::<EventRow>(rest) {
                    events.entry(row.0.clone()).or_default().push(row);
                }
            }
            "l" => {
                if let Some((n, text)) = rest.split_once(' ')
                    && let Ok(n) = n.parse()
                {
                    logs.entry(n).or_default().push(without_time(text));
                }
            }
            "free" => evidence.memory_free = rest.parse().ok(),
            "space" => evidence.disk_free = space(rest),
            "kept" => evidence.path = Some(rest.to_owned()),
            _ => {}
        }
    }
    for (n, one) in evidence.containers.iter_mut().enumerate() {
        one.log_tail = logs.remove(&n).unwrap_or_default();
        one.lived(events.get(&ids[n]).map_or(&[], Vec::as_slice));
    }
    evidence.containers.sort_by_key(|c| c.end().is_none());
    evidence
}

fn space(rest: &str) -> Option<u64> {
    let (blocks, size) = rest.split_once(' ')?;
    Some(
        blocks
            .parse::<u64>()
            .ok()?
            .saturating_mul(size.parse().ok()?),
    )
}

/// `2026-11-21T13:55:07.188467933Z text` without the time, where there is one.
fn without_time(line: &str) -> String {
    let text = match line.split_once(' ') {
        Some((time, text)) if time.ends_with('Z') && time.contains('T') => text,
        _ => line,
    };
    text.trim_end_matches('\r').to_owned()
}

fn kept(row: Row) -> Kept {
    let name = row.1.trim_start_matches('/').to_owned();
    let checks = row.11.unwrap_or_default();
    let said = checks.last().map(|c| c.output.trim().to_owned());
    Kept {
        service: row.2.filter(|s| !s.is_empty()).unwrap_or(name.clone()),
        name,
        state: row.3,
        exit_code: row.4,
        oom: row.5,
        memory: u64::try_from(row.13).unwrap_or(0),
        restarts: row.6,
        health: facts::health(&row.10),
        health_output: said.unwrap_or_default(),
        error: row.7,
        deaths: Vec::new(),
        log_tail: Vec::new(),
    }
}

impl Kept {
    fn lived(&mut self, events: &[EventRow]) {
        for event in events {
            match event.1.as_str() {
                "oom" => self.oom = true,
                "die" => {
                    let code = event.2.as_deref().and_then(|c| c.parse::<i64>().ok());
                    self.deaths.extend(code);
                }
                _ => {}
            }
        }
        if self.exit_code == 0 {
            let bad = self.deaths.iter().rev().find(|c| **c != 0);
            self.exit_code = bad.copied().unwrap_or(0);
        }
    }

    /// How it ended, in a line without a full stop; `None` where nothing is wrong with it.
    #[must_use]
    pub fn end(&self) -> Option<String> {
        let service = &self.service;
        if !self.error.is_empty() && self.state != "running" {
            return Some(format!("{service} could not be started: {}", self.error));
        }
        let restarts = match self.restarts {
            0 => String::new(),
            n => format!(
                ", {}",
                text::count(usize::try_from(n).unwrap_or(usize::MAX), "restart")
            ),
        };
        if self.oom {
            let limit = match self.memory {
                0 => String::new(),
                n => format!(" (limit {})", text::bytes(n)),
            };
            return Some(format!("{service} was killed for memory{limit}{restarts}"));
        }
        let died = !self.deaths.is_empty() || self.restarts > 0 || self.exit_code != 0;
        if self.state != "running" || died {
            return Some(format!(
                "{service} ended with exit code {}{restarts}",
                self.exit_code
            ));
        }
        let said = match self.health_output.lines().last() {
            Some(line) if !line.is_empty() => format!(": {line}"),
            _ => String::new(),
        };
        match self.health {
            Health::Unhealthy => Some(format!("{service} is unhealthy{said}")),
            Health::Starting if !said.is_empty() => {
                Some(format!("{service} is not healthy yet{said}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIDENCE: &str = include_str!("../../../tests/fixtures/docker/evidence.txt");

    fn of(text: &str) -> Evidence {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        read(&lines)
    }

    #[test]
    fn a_crash_is_told_by_the_engines_memory_and_its_log() {
        let evidence = of(EVIDENCE);
        let [web, worker] = &evidence.containers[..] else {
            panic!("{evidence:?}");
        };
        assert_eq!(
            web.end().as_deref(),
            Some("web ended with exit code 3, 4 restarts")
        );
        assert_eq!(web.deaths, [3, 3, 3]);
        assert_eq!(web.log_tail.len(), 4);
        assert_eq!(
            web.log_tail[0],
            "ERROR cannot read configuration: key 'database.url' is missing"
        );
        assert_eq!(worker.end(), None);
        assert_eq!(worker.health_output, "ok");
        assert!(evidence.memory_free > Some(1 << 30) && evidence.disk_free > Some(1 << 20));
        assert!(
            evidence
                .path
                .unwrap()
                .ends_with("/runs/r-0badcafe/evidence")
        );
    }

    #[test]
    fn a_restart_does_not_hide_how_it_ended() {
        let restarted = EVIDENCE.replace("\"restarting\",3,false,4", "\"running\",0,false,4");
        assert_eq!(
            of(&restarted).containers[0].end().as_deref(),
            Some("web ended with exit code 3, 4 restarts")
        );
        let id = "1870c668c058265eb7626917ed7d32f96acc3fb67328b782c12226f624b13e24";
        let oom = format!("{restarted}e [\"{id}\",\"oom\",\"\",1]\n");
        assert_eq!(
            of(&oom).containers[0].end().as_deref(),
            Some("web was killed for memory (limit 64.0 MiB), 4 restarts")
        );
    }

    #[test]
    fn what_never_died_is_judged_by_its_health_and_what_never_lived_by_the_engine() {
        let row = |state: &str, error: &str, health: &str| {
            let text = format!(
                r#"c ["id","/p-web-1",null,"{state}",0,false,0,"{error}","","",{health},"img",0]"#
            );
            of(&text).containers[0].end()
        };
        assert_eq!(row("running", "", "\"none\",null"), None);
        assert_eq!(row("running", "", "\"starting\",[]"), None);
        assert_eq!(
            row("running", "", r#""unhealthy",[{"Output":"a\nHTTP 503\n"}]"#).unwrap(),
            "p-web-1 is unhealthy: HTTP 503"
        );
        assert_eq!(
            row("created", "no such file: /app", "\"none\",null").unwrap(),
            "p-web-1 could not be started: no such file: /app"
        );
    }

    #[test]
    fn a_log_that_looks_like_our_lines_stays_a_log() {
        let evidence = of(&format!(
            "{EVIDENCE}l 0 kept /etc\nl 0 c [\"x\"]\nl x y\nl\nc [\"torn\"\n"
        ));
        assert_eq!(evidence.containers.len(), 2);
        let tail = &evidence.containers[1].log_tail;
        assert_eq!(tail[tail.len() - 2..], ["kept /etc", "c [\"x\"]"]);
        assert!(evidence.path.unwrap().starts_with("/var/lib"));
        assert_eq!(of(""), Evidence::default());
    }
}
