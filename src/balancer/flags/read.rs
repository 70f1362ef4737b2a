//! What the scripts answer of a server that looks for flags, and what it means. Sentences that name
//! the server get its name for people; what is true of one server only is said by its driver.

use std::collections::BTreeMap;

use super::Server;
use super::wish::Wish;
use crate::balancer::answer::Facts;
use crate::balancer::{Target, words};
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Known, Member, MemberState, Problem, Traffic};
use crate::name::SlotName;

/// What its files say.
#[must_use]
pub fn persisted(facts: &Facts<'_>) -> Known<Option<Traffic>> {
    match facts.get("key") {
        Some("damaged") | None => Known::Unknown("the folder of the entry is damaged".to_owned()),
        _ => facts.persisted("the folder of the entry is damaged"),
    }
}

/// `conf=… active=… out=…` as the server tells it.
pub struct Told<'a> {
    /// Hash of the configuration that it has loaded.
    pub conf: &'a str,
    active: &'a str,
    out: &'a str,
    spare: Option<&'a str>,
}

impl<'a> Told<'a> {
    /// Reads what the server tells; `None` where it is not of that form.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let value = |key: &str| {
            text.split(' ')
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        Some(Self {
            conf: value("conf")?,
            active: value("active")?,
            out: value("out")?,
            spare: value("spare").filter(|slot| *slot != "-"),
        })
    }
}

/// Whether the server has loaded the very configuration that `to` needs, the flags are those of
/// `from`, in the files and in its answers, and the look found nothing odd.
#[must_use]
pub fn is_prepared(lines: &[String], from: &Wish, to: &Wish) -> bool {
    let facts = Facts::of(lines);
    let told = facts.get("running").and_then(Told::read);
    let tells = |t: Told<'_>| t.conf == to.hash && t.active == from.slot && t.out == from.out;
    facts.whole
        && facts.problems.is_empty()
        && facts.get("key") == Some(from.key().as_str())
        && facts.get("live") == Some(to.hash.as_str())
        && told.is_some_and(tells)
}

/// What the server does, from what it says: never from files alone.
#[must_use]
pub fn running(
    called: &str,
    facts: &Facts<'_>,
    persisted: &Known<Option<Traffic>>,
) -> Known<Option<Traffic>> {
    let unknown = |why: &str| Known::Unknown(format!("{called} {why}"));
    let Some(told) = facts.get("running") else {
        let status = facts.get("status").unwrap_or("no answer");
        return match persisted {
            // Nothing of ours lies there and nothing of ours answers.
            Known::Is(None) if !facts.has("client") => Known::Is(None),
            _ => unknown(&format!("does not tell its state: {status}")),
        };
    };
    let Some(told) = Told::read(told) else {
        return unknown("tells something of its state that cannot be read");
    };
    let Some(served) = facts
        .get("serves")
        .and_then(|text| serde_json::from_str::<Traffic>(text).ok())
    else {
        return unknown("serves a state file that cannot be read");
    };
    let Some(mut groups) = facts
        .get("groups")
        .and_then(|text| serde_json::from_str::<BTreeMap<SlotName, Vec<Member>>>(text).ok())
    else {
        return unknown("has loaded a configuration whose members are not on record");
    };
    let Some(split) = split(told.active, &served) else {
        return unknown("shares between other slots than its state file says");
    };
    let first = told.active.split('+').next().map(SlotName::new);
    if let Some(Ok(slot)) = first
        && let Ok(n) = told.out.parse::<usize>()
        && let Some(member) = groups.get_mut(&slot).and_then(|g| g.get_mut(n - n.min(1)))
        && n > 0
    {
        member.state = MemberState::Drain;
    }
    if !split.is_empty() || served.split.is_empty() {
        // Of the slots beside the first, the server tells nothing: their flags lie beside the value.
        words::settle(&mut groups, &served, |slot| {
            split.keys().next() == Some(slot)
        });
    }
    Known::Is(Some(Traffic {
        generation: served.generation.clone(),
        groups,
        split,
        // The patterns are in the configuration, whose hash the server tells.
        rules: served.rules,
        spare: None,
    }))
}

/// Its spare, as the server tells it.
#[must_use]
pub fn spare(facts: &Facts<'_>) -> Option<SlotName> {
    let told = facts.get("running").and_then(Told::read)?;
    SlotName::new(told.spare?).ok()
}

/// Who gets what: one slot as the server tells it, or two whose shares stand in the value it serves.
fn split(active: &str, served: &Traffic) -> Option<BTreeMap<SlotName, u32>> {
    let Some((first, second)) = active.split_once('+') else {
        let whole = SlotName::new(active).ok().map(|slot| (slot, WHOLE));
        return Some(whole.into_iter().collect());
    };
    let (first, second) = (SlotName::new(first).ok()?, SlotName::new(second).ok()?);
    let share = |slot| served.split.get(slot).copied().filter(|n| *n > 0);
    let split = BTreeMap::from([
        (first.clone(), share(&first)?),
        (second.clone(), share(&second)?),
    ]);
    (split.values().sum::<u32>() == WHOLE).then_some(split)
}

/// Flags that are not those of the traffic file; a configuration that is not the one loaded; a
/// server that does not tell. `reload` is how a person reloads it, `lines` what he writes where it
/// does not answer.
#[must_use]
pub fn drift(
    target: &Target,
    server: &Server<'_>,
    facts: &Facts<'_>,
    wish: &Wish,
    reload: &str,
    lines: &str,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let (app, env, called) = (&target.app, &target.env, server.called);
    let key = facts.get("key").unwrap_or_default();
    if key != wish.key() {
        let (there, expected) = (flags_of(key), wish.flags.join(" "));
        found.push(Problem::error(
            format!(
                "the flags of {app} in {env} were changed by hand: there is `{there}`, written was `{expected}`"
            ),
            format!("compare {}/{}/current with its `traffic` file", server.head.dir, words::entry(target)),
        ));
    }
    let live = facts.get("live").unwrap_or_default();
    let told = facts.get("running").and_then(Told::read);
    if let Some(told) = &told
        && told.conf != live
    {
        found.push(Problem::error(
            format!(
                "{called} runs configuration {} of {app} in {env}, its files say {live}: a reload did not take",
                told.conf
            ),
            format!("see {called}'s error log, then {reload}"),
        ));
    }
    if told.is_none() && !facts.has("stopped") && !facts.has("client") {
        found.push(Problem::error(
            format!(
                "{called} does not answer for {app} in {env} at {}: {}",
                target.probe,
                facts.get("status").unwrap_or("no answer")
            ),
            lines.to_owned(),
        ));
    }
    found
}

fn flags_of(key: &str) -> String {
    let flags: Vec<&str> = key.split(',').skip(1).collect();
    if flags.is_empty() {
        "none".to_owned()
    } else {
        flags.join(" ")
    }
}

/// What a key of the live state says, for people.
#[must_use]
pub fn moved(key: &str) -> String {
    match key {
        "-" => "nothing of the app is there any more".to_owned(),
        "damaged" => "the folder of the entry is damaged".to_owned(),
        _ => {
            let generation = key.split(',').next().unwrap_or_default();
            format!("generation {generation} with flags {}", flags_of(key))
        }
    }
}
