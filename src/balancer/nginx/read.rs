//! What the driver's scripts answer, and what it means.
//!
//! Scripts print facts, one a line; every sentence for people is made here. To add a problem: a
//! line `problem CODE …` in `look.sh`, its sentence in [`problem`].

use std::collections::BTreeMap;

use super::render;
use super::settings::Settings;
use crate::balancer::answer::Facts;
use crate::balancer::{AnswerError, Seen, Target, words};
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Known, Member, MemberState, Problem, Severity, Traffic};
use crate::name::SlotName;

/// Reads a look.
///
/// # Errors
/// [`AnswerError`] where the script did not come to its end.
pub fn seen(target: &Target, settings: &Settings, lines: &[String]) -> Result<Seen, AnswerError> {
    let facts = Facts::of(lines);
    let mut problems: Vec<Problem> = facts
        .problems
        .iter()
        .map(|text| problem(target, settings, &facts, text))
        .collect();
    if facts.has("absent") {
        let why = "nginx is not installed there".to_owned();
        return Ok(Seen {
            persisted: Known::Unknown(why.clone()),
            running: Known::Unknown(why),
            version: String::new(),
            instance: String::new(),
            problems,
        });
    }
    if !facts.whole {
        return Err(AnswerError {
            host: target.host.clone(),
            what: "the look at nginx broke off".to_owned(),
        });
    }
    let persisted = persisted(&facts);
    let running = running(&facts, &persisted);
    if let Known::Is(Some(wanted)) = &persisted {
        problems.extend(drift(target, settings, &facts, wanted));
    } else if persisted == Known::Is(None) && facts.get("grace").is_none() {
        problems.push(ungraceful("the first switch"));
    }
    Ok(Seen {
        persisted,
        running,
        version: facts.get("version").unwrap_or_default().to_owned(),
        instance: facts.get("instance").unwrap_or_default().to_owned(),
        problems,
    })
}

fn persisted(facts: &Facts<'_>) -> Known<Option<Traffic>> {
    match (facts.get("key"), facts.get("traffic")) {
        (Some("-"), _) => Known::Is(None),
        (Some("damaged") | None, _) | (_, None) => {
            Known::Unknown("the folder of the entry is damaged".to_owned())
        }
        (Some(_), Some(text)) => match serde_json::from_str(text) {
            Ok(traffic) => Known::Is(Some(traffic)),
            Err(e) => Known::Unknown(format!("its traffic file cannot be read: {e}")),
        },
    }
}

/// `conf=… active=… out=… pid=…` as nginx tells it.
struct Told<'a> {
    conf: &'a str,
    active: &'a str,
    out: &'a str,
}

impl<'a> Told<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let value = |key: &str| {
            text.split(' ')
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        Some(Self {
            conf: value("conf")?,
            active: value("active")?,
            out: value("out")?,
        })
    }
}

/// What nginx does, from what it says: never from files alone.
fn running(facts: &Facts<'_>, persisted: &Known<Option<Traffic>>) -> Known<Option<Traffic>> {
    let Some(told) = facts.get("running") else {
        let status = facts.get("status").unwrap_or("no answer");
        return match persisted {
            // Nothing of ours lies there and nothing of ours answers.
            Known::Is(None) if !facts.has("client") => Known::Is(None),
            _ => Known::Unknown(format!("nginx does not tell its state: {status}")),
        };
    };
    let unknown = |why: &str| Known::Unknown(why.to_owned());
    let Some(told) = Told::read(told) else {
        return unknown("what nginx tells of its state cannot be read");
    };
    let Some(served) = facts
        .get("serves")
        .and_then(|text| serde_json::from_str::<Traffic>(text).ok())
    else {
        return unknown("the state file that nginx serves cannot be read");
    };
    let Some(mut groups) = facts
        .get("groups")
        .and_then(|text| serde_json::from_str::<BTreeMap<SlotName, Vec<Member>>>(text).ok())
    else {
        return unknown("nginx has loaded a configuration whose members are not on record");
    };
    let Some(split) = split(told.active, &served) else {
        return unknown("nginx shares between other slots than its state file says");
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
        // Of the slots beside the first, nginx tells nothing: their flags lie beside the value.
        words::settle(&mut groups, &served, |slot| {
            split.keys().next() == Some(slot)
        });
    }
    Known::Is(Some(Traffic {
        generation: served.generation.clone(),
        groups,
        split,
        // The patterns are in the configuration, whose hash nginx tells.
        rules: served.rules,
    }))
}

/// Who gets what: one slot as nginx tells it, or two whose shares stand in the value it serves.
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

/// Flags that are not those of the traffic file; a configuration that is not the one loaded or not
/// the one that would be written now.
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
    if key != wish.key() {
        let (there, expected) = (flags_of(key), wish.flags.join(" "));
        found.push(Problem {
            severity: Severity::Error,
            what: format!(
                "the flags of {app} in {env} were changed by hand: there is `{there}`, written was `{expected}`"
            ),
            hint: format!("compare {}/{}/current with its `traffic` file", settings.dir, words::entry(target)),
        });
    }
    let live = facts.get("live").unwrap_or_default();
    let told = facts.get("running").and_then(Told::read);
    if let Some(told) = &told
        && told.conf != live
    {
        found.push(Problem {
            severity: Severity::Error,
            what: format!(
                "nginx runs configuration {} of {app} in {env}, its files say {live}: a reload did not take",
                told.conf
            ),
            hint: "see nginx's error log, then `nginx -s reload`".to_owned(),
        });
    }
    if told.is_none() && !facts.has("stopped") && !facts.has("client") {
        found.push(Problem {
            severity: Severity::Error,
            what: format!(
                "nginx does not answer for {app} in {env} at {}: {}",
                target.probe,
                facts.get("status").unwrap_or("no answer")
            ),
            hint: lines_to_write(target, settings),
        });
    }
    if live != wish.hash && facts.get("grace").is_none() {
        found.push(ungraceful(
            "the next switch (its members or settings changed)",
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

/// A reload closes idle connections of clients, and some of them send a request just then.
#[must_use]
pub fn ungraceful(occasion: &str) -> Problem {
    Problem {
        severity: Severity::Note,
        what: format!(
            "{occasion} reloads nginx, which closes idle client connections: a request that a client sends just then on one of them can be lost"
        ),
        hint: "from nginx 1.27.4 on, `keepalive_min_timeout 5s;` in http {} prevents that; a switch between the same members needs no reload".to_owned(),
    }
}

/// What an operator with a server block of his own writes into it.
fn lines_to_write(target: &Target, settings: &Settings) -> String {
    let (dir, entry) = (&settings.dir, words::entry(target));
    if settings.own_server {
        let v = target.backend.replace('-', "_");
        format!(
            "write into the app's server {{}}: `set ${v}_upstream \"\"; include {dir}/{entry}/*.inc;` and into its location: `proxy_pass http://${v}_upstream;`"
        )
    } else {
        format!("is another server {{}} for that name, or is {dir}/*.conf not included?")
    }
}

fn problem(target: &Target, settings: &Settings, facts: &Facts<'_>, text: &str) -> Problem {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let dir = &settings.dir;
    let error = |what: String, hint: String| Problem {
        severity: Severity::Error,
        what,
        hint,
    };
    match code {
        "absent" => error(
            format!("nginx is not installed (`{rest}` is not found)"),
            "install it, or set `binary`".to_owned(),
        ),
        "broken" => error(
            format!("nginx's configuration is broken: {}", facts.why.join("; ")),
            "repair it until `nginx -t` passes; what runs now is an older state".to_owned(),
        ),
        "include" => error(
            "nginx's configuration does not include the files of deploy".to_owned(),
            format!("write into http {{}} of {rest}: `include {dir}/*.conf;`"),
        ),
        "route" => error(
            format!(
                "no server {{}} of nginx includes the rules of {} in {}",
                target.app, target.env
            ),
            lines_to_write(target, settings),
        ),
        "stopped" => error("nginx does not run".to_owned(), "start it".to_owned()),
        "client" => error(
            "neither curl nor wget is there: what nginx does cannot be read back".to_owned(),
            "install curl".to_owned(),
        ),
        "other" => error(
            format!(
                "at {} answers another nginx than the one of its pid file",
                target.probe
            ),
            "see which nginx listens there".to_owned(),
        ),
        "edited" => Problem {
            severity: Severity::Warning,
            what: format!("{rest} was edited by hand"),
            hint: "a change of members writes it anew".to_owned(),
        },
        other => error(format!("nginx: {other} {rest}"), String::new()),
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

#[cfg(test)]
mod tests;
