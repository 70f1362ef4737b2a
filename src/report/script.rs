//! A scripted run for tests of faces: what the engine says in a small deploy.

use std::time::Duration;

use crate::event::jiff_text::Stamp;
use crate::event::{Event, Group, Kind, Role, Stage};
use crate::name::{HostName, Outcome, OutcomeKind, RunId, SlotName};

/// Writes events down with times that go on by themselves.
pub struct Script {
    at: jiff::Timestamp,
    pub events: Vec<Event>,
}

pub fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

impl Script {
    pub fn new() -> Self {
        Self {
            at: "2024-03-07T02:11:04.123Z".parse().unwrap(),
            events: Vec::new(),
        }
    }
    pub fn after(&mut self, millis: i64) -> &mut Self {
        self.at += jiff::SignedDuration::from_millis(millis);
        self
    }
    pub fn say(&mut self, kind: Kind) -> &mut Self {
        self.events.push(Event {
            v: 1,
            seq: self.events.len() as u64 + 1,
            at: Stamp(self.at),
            run: Some(RunId::new("r-7f3a9c01").unwrap()),
            kind,
        });
        self
    }
    pub fn started(&mut self, groups: &[(&str, Role, &[&str])]) -> &mut Self {
        let groups: Vec<Group> = groups
            .iter()
            .map(|(name, role, hosts)| Group {
                name: (*name).to_owned(),
                role: *role,
                hosts: hosts.iter().map(|h| host(h)).collect(),
            })
            .collect();
        self.say(Kind::Started {
            env: "staging".parse().unwrap(),
            app: "app".parse().unwrap(),
            what: "deploy",
            hosts: groups.iter().flat_map(|g| g.hosts.clone()).collect(),
            groups,
        })
    }
    pub fn begin(&mut self, name: &str, stage: Stage) -> &mut Self {
        self.say(Kind::Begin {
            host: host(name),
            stage,
        })
    }
    pub fn progress(&mut self, name: &str, stage: Stage, done: u64, total: u64) -> &mut Self {
        self.say(Kind::Progress {
            host: host(name),
            stage,
            done,
            total,
            text: String::new(),
        })
    }
    pub fn done(&mut self, name: &str, stage: Stage, millis: u64, text: &str) -> &mut Self {
        self.say(Kind::Done {
            host: host(name),
            stage,
            took: Duration::from_millis(millis),
            text: text.to_owned(),
        })
    }
    pub fn failed(&mut self, name: &str, stage: Stage, why: &str) -> &mut Self {
        self.say(Kind::Failed {
            host: host(name),
            stage,
            why: why.to_owned(),
        })
    }
    pub fn finished(&mut self, kind: OutcomeKind, block: &str) -> &mut Self {
        self.say(Kind::Finished {
            outcome: Outcome {
                kind,
                why: String::new(),
                hosts: Vec::new(),
            },
            block: block.to_owned(),
        })
    }
}

/// A deploy that goes well, on two hosts and one load balancer.
pub fn deploy() -> Vec<Event> {
    let mut s = Script::new();
    s.started(&[
        ("green", Role::Candidate, &["web3", "web4"]),
        ("edge", Role::Balancer, &["lb1"]),
    ]);
    s.begin("web3", Stage::Pull).begin("web4", Stage::Pull);
    s.after(100).progress("web3", Stage::Pull, 1, 4);
    s.after(300)
        .done("web3", Stage::Pull, 300, "app@1.0.2-30-abc1234");
    s.after(10).done("web4", Stage::Pull, 310, "already here");
    s.after(1000).begin("lb1", Stage::Switch);
    s.after(5).say(Kind::Switched {
        host: host("lb1"),
        to: SlotName::new("green").unwrap(),
    });
    s.done("lb1", Stage::Switch, 5, "");
    s.say(Kind::Waiting {
        text: "bake".to_owned(),
        took: Duration::from_secs(30),
    });
    s.after(30_000).say(Kind::Note {
        text: "lb1 has no spare disk".to_owned(),
        hint: "free some".to_owned(),
    });
    s.say(Kind::Line {
        host: host("web3"),
        text: "Container staging-app-green-web-1 Started\n\x1b[31mred".to_owned(),
    });
    s.finished(OutcomeKind::Succeeded, "staging app  succeeded");
    s.events
}
