//! What a traffic value means in flags and in the parts of a configuration that go with them. Pure;
//! the same value always gives the same bytes and the same hash.
//!
//! To add a flag: its name in [`flags`], the look at it in each driver's rules, and in `lib.sh`'s key.

use std::collections::BTreeMap;

use crate::balancer::words::{json, short_hash};
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Member, MemberState, Traffic};
use crate::name::SlotName;

/// Slots with more members get no leave-one-out upstreams (their number grows with its square,
/// and each is one look at a file per request): a member is then taken out by a reload.
const MOST: usize = 16;

/// Everything that a traffic value means on one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// First 16 hex digits of the hash of the configuration.
    pub hash: String,
    /// What belongs to no server: upstreams and, where it is rendered, the app's server itself.
    pub http: String,
    /// The rules that choose an upstream: for the app's server.
    pub server: String,
    /// Groups as this configuration has them, JSON in one line.
    pub groups: String,
    /// Slot that gets everything, or `-`; `FIRST+SECOND` where two share.
    pub slot: String,
    /// Number of its member that is left out, or `-`.
    pub out: String,
    /// Names of flag files, sorted as the host sorts them.
    pub flags: Vec<String>,
    /// The slot that is the spare, or `-`. Its flag comes and goes while the state stays.
    pub spare: String,
    /// The value itself, without its spare, JSON in one line.
    pub traffic: String,
    /// Its token.
    pub generation: String,
}

impl Wish {
    /// The wish for `traffic` with these parts of a configuration; `@HASH@` in `rules` becomes the
    /// hash. `base` is the base of the digits that a request throws.
    #[must_use]
    pub fn new(traffic: &Traffic, http: String, rules: &str, base: u32) -> Self {
        let groups = written_groups(traffic);
        let hash = short_hash(&[&http, rules, &groups]);
        let slots: Vec<&str> = given(traffic).map(|(slot, _)| slot.as_str()).collect();
        let slot = if slots.is_empty() {
            "-".to_owned()
        } else {
            slots.join("+")
        };
        let left_out = given(traffic)
            .next()
            .and_then(|(slot, _)| traffic.groups.get(slot))
            .map_or(Out::Nobody, |members| out(members));
        Self {
            server: rules.replace("@HASH@", &hash),
            http,
            groups,
            slot,
            out: match left_out {
                Out::One(n) => n.to_string(),
                _ => "-".to_owned(),
            },
            flags: flags(traffic, base),
            spare: traffic
                .spare
                .as_ref()
                .map_or("-", SlotName::as_str)
                .to_owned(),
            traffic: json(&traffic.without_spare()),
            generation: traffic.generation.clone(),
            hash,
        }
    }
    /// Generation and flags in one word: what a host compares with what lies there.
    #[must_use]
    pub fn key(&self) -> String {
        let mut key = self.generation.clone();
        for flag in &self.flags {
            key.push(',');
            key.push_str(flag);
        }
        key
    }
    /// What travels as data: the two parts of the configuration, and the groups.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        [&self.http, &self.server, &self.groups, "\n"]
            .concat()
            .into()
    }
    /// Checksum of the value for the record of the switch.
    #[must_use]
    pub fn sum(&self) -> String {
        short_hash(&[&self.traffic])
    }
}

/// Slots that get a share, in order.
pub fn given(traffic: &Traffic) -> impl Iterator<Item = (&SlotName, u32)> {
    let shares = traffic.split.iter().map(|(slot, share)| (slot, *share));
    shares.filter(|(_, share)| *share > 0)
}

/// What flags cannot say, one sentence each; `driver` is the driver's name.
#[must_use]
pub fn refusals(driver: &str, traffic: &Traffic) -> Vec<String> {
    let mut no = Vec::new();
    if given(traffic).count() > 2 {
        no.push(format!(
            "weights: the {driver} driver shares between two slots"
        ));
    }
    for slot in traffic.groups.keys() {
        let upstream = ["_without_", "_spare_"];
        if slot.as_str() == "none" || upstream.iter().any(|w| slot.as_str().contains(w)) {
            no.push(format!(
                "slot name `{slot}` is taken by the {driver} driver"
            ));
        }
    }
    no
}

/// How members of a slot that are not ready are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Out {
    /// None are.
    Nobody,
    /// This one (counted from 1), by its flag.
    One(usize),
    /// Several, or one of too many: by the configuration, which takes a reload.
    InConf,
}

/// How those of `members` that are not ready are left out.
#[must_use]
pub fn out(members: &[Member]) -> Out {
    let resting: Vec<usize> = (1..=members.len())
        .filter(|n| members[n - 1].state != MemberState::Ready)
        .collect();
    match resting[..] {
        [] => Out::Nobody,
        [n] if alternates(members) => Out::One(n),
        _ => Out::InConf,
    }
}

/// Whether the slot has an upstream for each member left out.
#[must_use]
pub fn alternates(members: &[Member]) -> bool {
    (2..=MOST).contains(&members.len())
}

/// Flag files of a value, sorted.
fn flags(traffic: &Traffic, base: u32) -> Vec<String> {
    let mut given = given(traffic);
    let mut flags: Vec<String> = given
        .next()
        .map(|(slot, _)| format!("active.{slot}"))
        .into_iter()
        .collect();
    if let Some((slot, share)) = given.next() {
        flags.push(format!("second.{slot}"));
        let beginnings = below(share, base);
        flags.extend(beginnings.into_iter().map(|p| format!("share.{p}")));
    }
    for (slot, members) in &traffic.groups {
        if let Out::One(n) = out(members) {
            flags.push(format!("out.{slot}.{n}"));
        }
    }
    flags.sort();
    flags
}

/// The first digits of all four-digit numbers to `base` below that part of them, as few as possible:
/// 2350 of 10000 is, to base 10, `0`, `1`, `20`, `21`, `22`, `230` … `234`. A request throws four
/// digits and looks for each beginning.
fn below(share: u32, base: u32) -> Vec<String> {
    // Another base than ten is off by less than one in its fourth power.
    let mut rest = u64::from(share) * u64::from(base).pow(4) / u64::from(WHOLE);
    let mut digits = [0; 4];
    for digit in digits.iter_mut().rev() {
        *digit = u32::try_from(rest % u64::from(base)).unwrap_or(0);
        rest /= u64::from(base);
    }
    let (mut found, mut head) = (Vec::new(), String::new());
    let sign = |digit| char::from_digit(digit, base).unwrap_or('0');
    for digit in digits {
        for lower in 0..digit {
            found.push(format!("{head}{}", sign(lower)));
        }
        head.push(sign(digit));
    }
    found
}

/// Groups as the configuration has them: what flags decide counts as ready.
fn written_groups(traffic: &Traffic) -> String {
    let groups: BTreeMap<&SlotName, Vec<Member>> = traffic
        .groups
        .iter()
        .map(|(slot, members)| {
            let fixed = matches!(out(members), Out::InConf);
            let members = members.iter().cloned().map(|mut m| {
                if !fixed {
                    m.state = MemberState::Ready;
                } else if m.state != MemberState::Ready {
                    m.state = MemberState::Down;
                }
                m
            });
            (slot, members.collect())
        })
        .collect();
    json(&groups)
}

#[cfg(test)]
mod tests;
