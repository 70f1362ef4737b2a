//! What the driver's scripts answer, and what it means.
//!
//! Scripts print facts, one a line; every sentence for people is made here. To add a problem: a
//! line `problem CODE …` in `look.sh`, its sentence in [`problem`].

use std::collections::BTreeMap;

use super::settings::Settings;
use super::{CALLED, render};
use crate::balancer::answer::Facts;
use crate::balancer::{AnswerError, Seen, Target, words};
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Known, Member, MemberState, Problem, Traffic};
use crate::name::SlotName;

/// Reads a look.
///
/// # Errors
/// [`AnswerError`] where the script did not come to its end.
pub fn seen(target: &Target, settings: &Settings, lines: &[String]) -> Result<Seen, AnswerError> {
    let facts = Facts::look(target, CALLED, lines)?;
    let found = facts.problems.iter();
    let mut problems: Vec<Problem> = found.map(|text| problem(settings, &facts, text)).collect();
    let lost = "apps.map names a generation whose traffic file is not there";
    let persisted = facts.persisted(lost);
    let running = running(target, settings, &facts);
    problems.extend(mapped(target, settings, &facts));
    match &persisted {
        _ if facts.has("absent") => {}
        Known::Is(Some(wanted)) => problems.extend(drift(target, settings, &facts, wanted)),
        Known::Is(None) if facts.get("grace").is_none() => {
            problems.push(ungraceful("the first switch"));
        }
        _ => {}
    }
    Ok(facts.seen(CALLED, persisted, running, problems))
}

/// The app's word, taken apart.
struct Word<'a> {
    first: &'a str,
    second: &'a str,
    share: u32,
}

impl<'a> Word<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':');
        let (first, second) = (parts.next()?, parts.next()?);
        let share = parts.next()?.parse().ok().filter(|n| *n <= WHOLE)?;
        parts.next()?;
        Some(Self {
            first,
            second,
            share,
        })
    }
    fn split(&self) -> BTreeMap<SlotName, u32> {
        let mut split = BTreeMap::new();
        for (name, share) in [(self.first, WHOLE - self.share), (self.second, self.share)] {
            if let Ok(slot) = SlotName::new(name)
                && name != "none"
                && share > 0
            {
                split.insert(slot, share);
            }
        }
        split
    }
}

/// What HAProxy does, as it says itself: its word over a connection of its own, the members' states
/// and the rules from its socket.
fn running(target: &Target, settings: &Settings, facts: &Facts<'_>) -> Known<Option<Traffic>> {
    let unknown = |why: &str| Known::Unknown(why.to_owned());
    let runs = match facts.get("runs") {
        Some("?") => return unknown("HAProxy does not use our maps"),
        Some("-") => return Known::Is(None),
        Some(word) => word,
        None => return unknown("HAProxy does not answer on its socket"),
    };
    let status = facts.get("status").unwrap_or("no answer");
    match facts.get("says") {
        Some(says) if says == runs => {}
        Some(says) => {
            return Known::Unknown(format!(
                "HAProxy answers a request with `{says}`, its socket says `{runs}`"
            ));
        }
        None => return Known::Unknown(format!("HAProxy does not tell its state: {status}")),
    }
    let Some(word) = Word::read(runs) else {
        return Known::Unknown(format!("the word `{runs}` in its map is none of ours"));
    };
    let Some(served) = facts
        .get("serves")
        .and_then(|text| serde_json::from_str::<Traffic>(text).ok())
    else {
        return unknown("HAProxy runs a generation whose traffic file is not there");
    };
    let wish = render::wish(target, settings, &served);
    if facts.get("loaded") != Some(wish.hash.as_str()) && facts.get("hash") != facts.get("loaded") {
        return unknown("HAProxy has loaded other members than its files name");
    }
    let states: BTreeMap<&str, u32> = facts
        .each("member")
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.parse().ok()?))
        })
        .collect();
    let mut names = words::members(&served).map(|(slot, _, m)| render::server(target, slot, m));
    if let Some(name) = names.find(|name| !states.contains_key(name.as_str())) {
        return Known::Unknown(format!("HAProxy does not know the member {name}"));
    }
    let mut groups = served.groups.clone();
    own_states(target, &mut groups, &states);
    let rules = there(facts, &wish.rules, &served);
    Known::Is(Some(Traffic {
        spare: None,
        generation: served.generation.clone(),
        groups,
        split: word.split(),
        rules,
    }))
}

/// The wish's word for a member where the server's state says the same: it knows in and out.
fn own_states(
    target: &Target,
    groups: &mut BTreeMap<SlotName, Vec<Member>>,
    states: &BTreeMap<&str, u32>,
) {
    for (slot, members) in groups {
        for member in members {
            let name = render::server(target, slot, member);
            let out = states.get(name.as_str()).is_some_and(|bits| *bits != 0);
            member.state = match (out, member.state) {
                (false, _) => MemberState::Ready,
                (true, MemberState::Ready) => MemberState::Drain,
                (true, state) => state,
            };
        }
    }
}

/// The rules of the wish that the server has.
fn there(
    facts: &Facts<'_>,
    wished: &[(String, String)],
    served: &Traffic,
) -> Vec<crate::fleet::Rule> {
    let known: Vec<&str> = facts.each("rule").collect();
    served
        .rules
        .iter()
        .zip(wished)
        .filter(|(_, (key, slot))| known.contains(&format!("{key} {slot}").as_str()))
        .map(|(rule, _)| rule.clone())
        .collect()
}

fn error(what: String, hint: String) -> Problem {
    Problem::error(what, hint)
}

/// The app's host, where it leads elsewhere.
fn mapped(target: &Target, settings: &Settings, facts: &Facts<'_>) -> Option<Problem> {
    let entry = words::entry(target);
    let other = facts.get("mapped").filter(|m| *m != "-" && *m != entry)?;
    Some(error(
        format!(
            "{} belongs to {other}",
            target.host_header.as_deref().unwrap_or("-")
        ),
        format!("see {}/hosts.map", settings.dir),
    ))
}

/// A word, members or backends that are not those of the files.
fn drift(
    target: &Target,
    settings: &Settings,
    facts: &Facts<'_>,
    wanted: &Traffic,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let (app, env) = (&target.app, &target.env);
    let wish = render::wish(target, settings, wanted);
    let key = facts.get("key").unwrap_or_default();
    let runs = facts.get("runs").unwrap_or("?");
    let (map, dir) = ("apps.map", &settings.dir);
    if key != wish.value {
        found.push(error(
            format!(
                "{map} was changed by hand: {app} of {env} has `{key}`, written was `{}`",
                wish.value
            ),
            format!(
                "compare {dir}/{map} with the files in {dir}/{}",
                words::entry(target)
            ),
        ));
    }
    if runs != "?" && runs != key {
        found.push(error(
            format!("the running HAProxy was changed by hand: {app} of {env} has `{runs}`, its file says `{key}`"),
            format!("`show map {dir}/{map}` on its socket shows what runs"),
        ));
    } else if runs == key {
        found.extend(members(target, facts, wanted));
    }
    let loaded = facts.get("loaded").unwrap_or_default();
    if !loaded.is_empty() && facts.get("hash").is_some_and(|hash| hash != loaded) {
        found.push(error(
            format!("HAProxy runs members {loaded} of {app} in {env}, its files say {}: a reload did not take", facts.get("hash").unwrap_or("-")),
            "see HAProxy's log, then reload it".to_owned(),
        ));
    }
    if facts.get("says").is_none() && runs != "?" && !facts.has("client") {
        found.push(error(
            format!(
                "HAProxy does not answer for {app} in {env} at {}: {}",
                target.probe,
                facts.get("status").unwrap_or("no answer")
            ),
            hint_lines(settings),
        ));
    }
    if facts.get("hash").is_some_and(|hash| hash != wish.hash) && facts.get("grace").is_none() {
        found.push(ungraceful(
            "the next switch (its members or settings changed)",
        ));
    }
    found
}

/// Members that somebody took out or put in by hand.
fn members(target: &Target, facts: &Facts<'_>, wanted: &Traffic) -> Vec<Problem> {
    let wish = |name: &str| {
        words::members(wanted).find_map(|(slot, _, m)| {
            (render::server(target, slot, m) == name).then_some(m.state == MemberState::Ready)
        })
    };
    facts
        .each("member")
        .filter_map(|line| {
            let mut words = line.split(' ');
            let name = words.next()?;
            let ready = words.next()? == "0";
            let wished = wish(name)?;
            (ready != wished).then(|| {
                let (is, was) = if ready { ("in", "out") } else { ("out", "in") };
                error(
                    format!("{name} was taken {is} by hand: written was {was}"),
                    format!("`show servers state` on HAProxy's socket; `set server {name} state {}` takes it back", if ready { "drain" } else { "ready" }),
                )
            })
        })
        .collect()
}

/// A reload closes idle connections of clients, and some of them send a request just then.
#[must_use]
pub fn ungraceful(occasion: &str) -> Problem {
    Problem::note(
        format!(
            "{occasion} reloads HAProxy, which closes idle client connections: a request that a client sends just then on one of them can be lost"
        ),
        "`option idle-close-on-response` in its defaults prevents that; a switch between the same members needs no reload",
    )
}

fn hint_lines(settings: &Settings) -> String {
    format!(
        "write into the frontend, above other rules:\n{}",
        render::lines(&settings.dir)
    )
}

fn problem(settings: &Settings, facts: &Facts<'_>, text: &str) -> Problem {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let dir = &settings.dir;
    match code {
        "absent" => error(
            format!("HAProxy is not installed (`{rest}` is not found)"),
            "install it, or set `binary`".to_owned(),
        ),
        "stopped" => error(
            format!("HAProxy does not run, or does not answer at {rest}"),
            "start it; in global: `stats socket /run/haproxy/admin.sock mode 660 level admin`"
                .to_owned(),
        ),
        "socket-client" => error(
            "neither socat nor perl nor python3 is there to speak to HAProxy".to_owned(),
            "install socat".to_owned(),
        ),
        "client" => error(
            "neither curl nor wget is there: what HAProxy does cannot be read back".to_owned(),
            "install curl".to_owned(),
        ),
        "master" => Problem::warning(
            "HAProxy runs without a master process: members cannot be changed without a gap",
            "start it with -W or -Ws, as Debian's service does",
        ),
        "lines" => error(
            format!("HAProxy does not use {dir}/apps.map"),
            hint_lines(settings),
        ),
        "folder" => error(
            format!("HAProxy is started without -f {rest}"),
            format!(
                "Debian: EXTRAOPTS=\"-f {rest} -S /run/haproxy-master.sock\" in /etc/default/haproxy, then restart it once"
            ),
        ),
        "broken" => error(
            format!(
                "HAProxy's configuration is broken: {}",
                facts.why.join("; ")
            ),
            "repair it until `haproxy -c` passes; what runs now is an older state".to_owned(),
        ),
        other => error(format!("HAProxy: {other} {rest}"), String::new()),
    }
}

/// What the live state says, for people.
#[must_use]
pub fn moved(key: &str) -> String {
    match (key, Word::read(key)) {
        ("-", _) => "nothing of the app is there any more".to_owned(),
        (_, Some(word)) => {
            let shares: Vec<String> = word
                .split()
                .iter()
                .map(|(slot, share)| format!("{slot} {}.{:02} %", share / 100, share % 100))
                .collect();
            format!("{} (`{key}`)", shares.join(", "))
        }
        _ => format!("`{key}`"),
    }
}

#[cfg(test)]
mod tests;
