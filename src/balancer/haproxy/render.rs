//! What is written for HAProxy: one backend per slot, the app's word in the map, rules as patterns
//! over the headers of a request. Pure; the same value always gives the same bytes.
//!
//! The word in `apps.map` is `FIRST:SECOND:SHARE:GENERATION:OUT`: the slot that gets requests, the
//! one that gets SHARE of 10000 of them, the token, and the members that are left out as
//! `slot/number`. It is one word, so it changes at once, and says the whole state.

use std::fmt::Write as _;

use super::settings::{Check, Settings};
use crate::balancer::Target;
use crate::balancer::words::{self, address, entry, json, literal, members, short_hash};
use crate::fleet::{Member, MemberState, Rule, RuleKey, Traffic};
use crate::name::SlotName;

/// Everything that a traffic value means on one HAProxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Hash of what only a reload can change: backends, members, checks.
    pub hash: String,
    /// The file with the backends; members that are left out are `disabled`, for a restart.
    pub conf: String,
    /// The app's word in the map.
    pub value: String,
    /// Pattern and slot of each rule, in order.
    pub rules: Vec<(String, String)>,
    /// `BACKEND/SERVER` of members that are ready.
    pub ready: Vec<String>,
    /// `BACKEND/SERVER=drain` or `=maint` of those that are not.
    pub resting: Vec<String>,
    /// Ready members of slots that get requests: a switch waits until HAProxy holds them for up.
    pub awaited: Vec<String>,
    /// The value itself, JSON in one line.
    pub traffic: String,
    /// Its token.
    pub generation: String,
}

impl Wish {
    /// What travels as data: backends, rules, the value.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        [&self.conf, &self.rules_text(), &self.traffic, "\n"]
            .concat()
            .into()
    }
    /// The rules as lines of a map.
    #[must_use]
    pub fn rules_text(&self) -> String {
        let lines = self
            .rules
            .iter()
            .map(|(key, slot)| format!("{key} {slot}\n"));
        lines.collect()
    }
    /// Checksum of the value for the record of the switch.
    #[must_use]
    pub fn sum(&self) -> String {
        short_hash(&[&self.traffic])
    }
}

/// What an operator writes into his frontend, once for all apps.
#[must_use]
pub fn lines(dir: &str) -> String {
    format!(
        r#"    http-request set-var(txn.deploy) req.hdr(host),field(1,:),lower,map({dir}/hosts.map)
    http-request set-var(txn.deploy_to) var(txn.deploy),map({dir}/apps.map)
    http-request set-var(txn.deploy_self) dst
    http-request return status 200 content-type application/json hdr X-Deploy "to=%[var(txn.deploy_to)]" hdr Cache-Control no-store string "{{}}\n" if {{ path /.deploy/state }} {{ src,strcmp(txn.deploy_self) eq 0 }}
    http-request set-var(txn.deploy_dice) rand(10000)
    http-request set-var(txn.deploy_asked) req.hdrs
    http-request set-var(txn.deploy_slot) var(txn.deploy_to),concat(@,txn.deploy),concat(\n,txn.deploy_asked),map_reg({dir}/rules.map)
    http-request set-var(txn.deploy_slot) var(txn.deploy_to),field(2,:) if !{{ var(txn.deploy_slot) -m found }} {{ var(txn.deploy_to),field(3,:),sub(txn.deploy_dice) gt 0 }}
    http-request set-var(txn.deploy_slot) var(txn.deploy_to),field(1,:) if !{{ var(txn.deploy_slot) -m found }}
    use_backend %[var(txn.deploy)]_%[var(txn.deploy_slot)] if {{ var(txn.deploy_slot) -m found }}
"#
    )
}

/// Name of the variable in which HAProxy keeps the hash of what it has loaded for the app; of
/// letters, digits and `_`.
#[must_use]
pub fn variable(target: &Target) -> String {
    format!("proc.deploy_{}", short_hash(&[&entry(target)]))
}

/// `BACKEND/SERVER` of a member.
#[must_use]
pub fn server(target: &Target, slot: &SlotName, member: &Member) -> String {
    format!("{}_{slot}/{}", entry(target), member.host)
}

/// What cannot be written for HAProxy, one sentence each.
#[must_use]
pub fn refusals(target: &Target, traffic: &Traffic) -> Vec<String> {
    let mut no = words::refusals(target, "HAProxy", traffic);
    if traffic.split.values().filter(|share| **share > 0).count() > 2 {
        no.push("weights: the haproxy driver shares between two slots".to_owned());
    }
    no.extend(words::rule_refusals(traffic));
    no
}

/// All that `traffic` means on `target`. Call [`refusals`] first: what it refuses must not be
/// written.
#[must_use]
pub fn wish(target: &Target, settings: &Settings, traffic: &Traffic) -> Wish {
    let body = backends(target, settings, traffic, false);
    let hash = short_hash(&[&body]);
    let mut wish = Wish {
        conf: format!(
            "# {} of {}. Written by deploy.\nglobal\n    set-var {} str({hash})\n{}",
            target.app,
            target.env,
            variable(target),
            backends(target, settings, traffic, true)
        ),
        hash,
        value: value(traffic),
        rules: traffic
            .rules
            .iter()
            .map(|rule| (pattern(target, traffic, rule), rule.to.to_string()))
            .collect(),
        ready: Vec::new(),
        resting: Vec::new(),
        awaited: Vec::new(),
        traffic: json(traffic),
        generation: traffic.generation.clone(),
    };
    for (slot, _, member) in members(traffic) {
        let name = server(target, slot, member);
        match member.state {
            MemberState::Ready => {
                if traffic.reaches(slot) {
                    wish.awaited.push(name.clone());
                }
                wish.ready.push(name);
            }
            MemberState::Drain => wish.resting.push(format!("{name}=drain")),
            MemberState::Down => wish.resting.push(format!("{name}=maint")),
        }
    }
    wish
}

/// The app's word in the map.
fn value(traffic: &Traffic) -> String {
    let mut given = traffic.split.iter().filter(|(_, share)| **share > 0);
    let first = given.next().map_or("none", |(slot, _)| slot.as_str());
    let (second, share) = given.next().map_or(("-", 0), |(s, n)| (s.as_str(), *n));
    let out: Vec<String> = members(traffic)
        .filter(|(_, _, m)| m.state != MemberState::Ready)
        .map(|(slot, n, _)| format!("{slot}/{n}"))
        .collect();
    let out = if out.is_empty() {
        "-".to_owned()
    } else {
        out.join(",")
    };
    format!("{first}:{second}:{share}:{}:{out}", traffic.generation)
}

/// One backend per slot and one for an app that nobody serves.
fn backends(target: &Target, settings: &Settings, traffic: &Traffic, states: bool) -> String {
    let entry = entry(target);
    let mut text =
        format!("backend {entry}_none\n    mode http\n    http-request return status 503\n");
    for (slot, members) in traffic.groups.iter().filter(|(_, m)| !m.is_empty()) {
        // A state file, where the operator uses one, may be older than our files.
        let _ = write!(
            text,
            "backend {entry}_{slot}\n    mode http\n    balance roundrobin\n    option redispatch\n    load-server-state-from-file none\n"
        );
        match &settings.check {
            Check::Off => {}
            Check::Tcp => text.push_str(CHECKED),
            Check::Http(path) => {
                let _ = write!(text, "    option httpchk GET {path}\n{CHECKED}");
            }
        }
        for member in members {
            let Some(at) = address(&member.address) else {
                continue;
            };
            // A name that cannot be resolved must not keep the server from starting.
            let _ = write!(
                text,
                "    server {} {at}:{} init-addr libc,none",
                member.host, member.port
            );
            if states && member.state != MemberState::Ready {
                text.push_str(" disabled");
            }
            text.push('\n');
        }
    }
    text
}

/// A member that died is out within two seconds, one that came back is in within one.
const CHECKED: &str =
    "    default-server check inter 1s fastinter 500ms downinter 250ms rise 1 fall 2\n";

/// The pattern that a request of this rule fits: the app's word, the app, and below them all
/// headers as `name: value`, one a line. It holds for one generation only, so that rules and
/// shares change at once: with the word.
fn pattern(target: &Target, traffic: &Traffic, rule: &Rule) -> String {
    let head = format!(
        r"^[^\n]*:{}:[^:\n]*@{}\n(?:[^\n]*\n)*",
        literal(&traffic.generation),
        literal(&entry(target))
    );
    let value = literal(&rule.value);
    match &rule.key {
        RuleKey::Header(name) => {
            let name = literal(&name.to_ascii_lowercase());
            format!(r"{head}{name}:\x20{value}\r\n")
        }
        RuleKey::Cookie(name) => {
            let name = literal(name);
            format!(r"{head}cookie:\x20(?:[^\r\n]*;\x20*)?{name}={value}(?:\x20*;[^\r\n]*)?\r\n")
        }
    }
}

#[cfg(test)]
mod tests;
