//! Words that all drivers write in the same way: names of entries, addresses, hashes, values as
//! JSON; what none of them can write; the members that rest. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest as _, Sha256};

use super::Target;
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Member, MemberState, RuleKey, Traffic};
use crate::name::SlotName;

/// Name of the entry: a dot stands in no environment's and no app's name, so no two are one.
#[must_use]
pub fn entry(target: &Target) -> String {
    format!("{}.{}", target.env, target.app)
}

/// What no server can be told, one sentence each; `server` is its name for people.
#[must_use]
pub fn refusals(target: &Target, server: &str, traffic: &Traffic) -> Vec<String> {
    let mut no = Vec::new();
    if let Some(host) = &target.host_header
        && !host_name(host)
    {
        no.push(format!("host `{host}` is not a host name"));
    }
    let token = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if traffic.generation.is_empty() || !traffic.generation.chars().all(token) {
        no.push(format!("generation `{}` is no token", traffic.generation));
    }
    let sum: u32 = traffic.split.values().sum();
    if sum != 0 && sum != WHOLE {
        no.push(format!(
            "shares are {sum} of {WHOLE}: they have to be a whole"
        ));
    }
    for (slot, members) in &traffic.groups {
        for member in members {
            if address(&member.address).is_none() || member.port == 0 {
                no.push(format!(
                    "{}: `{}` port {} is no address for {server}",
                    member.host, member.address, member.port
                ));
            }
        }
        if traffic.reaches(slot) && !members.iter().any(|m| m.state == MemberState::Ready) {
            no.push(format!(
                "slot {slot} would get requests and no member of it is ready"
            ));
        }
    }
    for slot in traffic.split.keys() {
        if traffic.reaches(slot) && !traffic.groups.contains_key(slot) {
            no.push(format!("slot {slot} would get requests and has no members"));
        }
    }
    no
}

/// Rules that no server can be told, one sentence each.
#[must_use]
pub fn rule_refusals(traffic: &Traffic) -> Vec<String> {
    let mut no = Vec::new();
    for rule in &traffic.rules {
        let name = match &rule.key {
            RuleKey::Header(name) | RuleKey::Cookie(name) => name,
        };
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(token) {
            no.push(format!("rules: `{name}` is no name of a header or cookie"));
        }
        if rule.value.is_empty() || rule.value.chars().any(char::is_control) {
            no.push(format!("rules: the value for `{name}` cannot be sent"));
        }
        if !traffic.groups.contains_key(&rule.to) {
            no.push(format!(
                "slot {} would get requests and has no members",
                rule.to
            ));
        }
    }
    no
}

/// An address as servers write it, where it is one.
#[must_use]
pub fn address(word: &str) -> Option<String> {
    if let Ok(ip) = word.parse::<Ipv6Addr>() {
        return Some(format!("[{ip}]"));
    }
    host_name(word).then(|| word.to_owned())
}

/// Whether a word is a host name or an IPv4 address.
#[must_use]
pub fn host_name(word: &str) -> bool {
    word.len() <= 253
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        // All digits and dots must be a whole address, else a resolver would guess.
        && (word.parse::<IpAddr>().is_ok()
            || word.chars().any(|c| c.is_ascii_alphabetic()))
}

/// Whether a member gets requests.
#[must_use]
pub fn serving(traffic: &Traffic, slot: &SlotName, member: &Member) -> bool {
    traffic.reaches(slot) && member.state == MemberState::Ready
}

/// Slots, members and their numbers (from 1) that get nothing in `traffic`, for a drain. One
/// address in two groups cannot be told apart from outside: it is left out.
#[must_use]
pub fn resting(traffic: &Traffic) -> Vec<(&SlotName, usize, &Member)> {
    let busy: Vec<&Member> = members(traffic)
        .filter(|(slot, _, m)| serving(traffic, slot, m))
        .map(|x| x.2)
        .collect();
    members(traffic)
        .filter(|(slot, _, m)| !serving(traffic, slot, m))
        .filter(|(_, _, m)| {
            !busy
                .iter()
                .any(|b| b.address == m.address && b.port == m.port)
        })
        .collect()
}

/// All members with their slot and their number in it, from 1.
pub fn members(traffic: &Traffic) -> impl Iterator<Item = (&SlotName, usize, &Member)> {
    traffic
        .groups
        .iter()
        .flat_map(|(slot, list)| list.iter().zip(1..).map(move |(m, n)| (slot, n, m)))
}

/// Takes the finer word of the wish where the server's state says the same: it knows only in and
/// out, and the members of a slot without requests may be either.
pub fn settle(
    groups: &mut BTreeMap<SlotName, Vec<Member>>,
    wish: &Traffic,
    reached: impl Fn(&SlotName) -> bool,
) {
    for (slot, members) in groups {
        for (n, member) in members.iter_mut().enumerate() {
            let Some(wished) = wish.groups.get(slot).and_then(|w| w.get(n)) else {
                continue;
            };
            let same = wished.host == member.host
                && wished.address == member.address
                && wished.port == member.port;
            let ready = |m: &Member| m.state == MemberState::Ready;
            if same && (!reached(slot) || ready(wished) == ready(member)) {
                member.state = wished.state;
            }
        }
    }
}

/// Why the way from `before` to `after` cannot be gone on one server without a gap.
#[must_use]
pub fn gap(before: Option<&Traffic>, after: &Traffic) -> Option<String> {
    let slot = before?.sole()?;
    let kept = after.groups.get(slot).is_some_and(|g| !g.is_empty());
    (!kept && after.sole() != Some(slot)).then(|| {
        format!("slot {slot} gets the requests now and has no members in what is wished: switch first, then remove it")
    })
}

/// A value as JSON in one line.
pub fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("words, numbers and maps with word keys always serialize")
}

/// The first 16 hex digits of a hash over these parts.
#[must_use]
pub fn short_hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let mut hex = String::new();
    for byte in hasher.finalize().iter().take(8) {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Text as a pattern: what is no letter or digit stands there by its number, blanks above all,
/// which would end a pattern in a map.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, r"\x{byte:02x}");
        }
    }
    out
}
