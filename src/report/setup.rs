//! What `deploy setup` did: hosts with equal lines together, what is left for a person last.

use std::collections::BTreeMap;

use serde_json::json;

use super::words::{names, tame};
use crate::name::{EnvName, HostName};

/// How one thing is on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It was there.
    Kept,
    /// It is there now.
    Made,
    /// A person has to do it, or to say why it cannot be done.
    Left,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Made => "made",
            Self::Left => "left",
        }
    }

    /// Reads a line of a script; `None` where it is none of ours.
    #[must_use]
    pub fn read(line: &str) -> Option<(Self, &str)> {
        let (word, what) = line.split_once(' ')?;
        let states = [Self::Kept, Self::Made, Self::Left];
        let state = states.into_iter().find(|s| s.word() == word)?;
        Some((state, what))
    }
}

/// Everything that was done or found, by host.
pub type Done = BTreeMap<HostName, Vec<(State, String)>>;

/// `made /var/lib/deploy: mode 2770, group docker (web1 web2)`.
#[must_use]
pub fn text(done: &Done) -> String {
    let mut by: BTreeMap<(State, &str), Vec<&HostName>> = BTreeMap::new();
    for (host, lines) in done {
        for (state, what) in lines {
            by.entry((*state, what)).or_default().push(host);
        }
    }
    let line = |((state, what), hosts): (&(State, &str), &Vec<&HostName>)| {
        format!("{} {} ({})", state.word(), tame(what), names(hosts, 12))
    };
    let lines: Vec<String> = by.iter().map(line).collect();
    lines.join("\n")
}

/// One line for each thing on each host.
#[must_use]
pub fn json(env: &EnvName, done: &Done) -> Vec<String> {
    let of_host = |(host, lines): (&HostName, &Vec<(State, String)>)| {
        let line = |(state, what): &(State, String)| {
            json!({
                "v": 1, "event": "setup", "env": env, "host": host, "state": state.word(),
                "what": what,
            })
            .to_string()
        };
        lines.iter().map(line).collect::<Vec<_>>()
    };
    done.iter().flat_map(of_host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hosts_stand_together_and_what_is_left_comes_last() {
        let mut done = Done::new();
        for (host, lines) in [
            (
                "web1",
                &["made /var/lib/deploy", "left deploy: no group"][..],
            ),
            ("web2", &["made /var/lib/deploy", "noise"]),
            ("lb1", &["kept /var/lib/deploy"]),
        ] {
            let read = lines.iter().filter_map(|l| State::read(l));
            let own = read.map(|(s, w)| (s, w.to_owned())).collect();
            done.insert(HostName::new(host).unwrap(), own);
        }
        assert_eq!(
            text(&done),
            "kept /var/lib/deploy (lb1)\nmade /var/lib/deploy (web1 web2)\nleft deploy: no group (web1)"
        );
        let lines = json(&"staging".parse().unwrap(), &done);
        assert_eq!(lines.len(), 4);
        assert!(lines[0].contains("\"host\":\"lb1\",\"state\":\"kept\""));
    }
}
