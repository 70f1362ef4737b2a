//! What the driver's scripts answer, and what it means.
//!
//! Scripts print facts, one a line; every sentence for people is made here. To add a problem: a
//! line `problem CODE …` in `look.sh`, its sentence in [`problem`].

use std::collections::BTreeMap;

use super::render::{self, Wish};
use super::settings::Settings;
use crate::balancer::{AnswerError, DrainView, Seen, Target, Verdict};
use crate::fleet::traffic::WHOLE;
use crate::fleet::{Known, Member, MemberState, Problem, Severity, Traffic};
use crate::name::SlotName;

/// The facts of a look, by first word; a word that comes again is kept in order.
#[derive(Default)]
struct Facts<'a> {
    one: BTreeMap<&'a str, &'a str>,
    problems: Vec<&'a str>,
    why: Vec<&'a str>,
    whole: bool,
}

impl<'a> Facts<'a> {
    fn of(lines: &'a [String]) -> Self {
        let mut facts = Self::default();
        for line in lines {
            // What came by HTTP still ends in a carriage return.
            let line = line.trim_end_matches('\r');
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "problem" => facts.problems.push(rest),
                "why" => facts.why.push(rest),
                "looked" => facts.whole = true,
                _ => {
                    facts.one.insert(word, rest);
                }
            }
        }
        facts
    }
    fn get(&self, word: &str) -> Option<&'a str> {
        self.one.get(word).copied()
    }
    fn has(&self, code: &str) -> bool {
        self.problems
            .iter()
            .any(|p| p.split(' ').next() == Some(code))
    }
}

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
    let split = match SlotName::new(told.active) {
        Ok(slot) => {
            if let Ok(n) = told.out.parse::<usize>()
                && let Some(member) = groups.get_mut(&slot).and_then(|g| g.get_mut(n - n.min(1)))
                && n > 0
            {
                member.state = MemberState::Drain;
            }
            BTreeMap::from([(slot, WHOLE)])
        }
        Err(_) => BTreeMap::new(),
    };
    if !split.is_empty() || served.sole().is_none() {
        settle(&mut groups, &served, &split);
    }
    Known::Is(Some(Traffic {
        generation: served.generation.clone(),
        groups,
        split,
        rules: Vec::new(),
    }))
}

/// Takes the finer word of the wish where nginx's state says the same: it knows only in and out,
/// and the members of a slot without requests are neither.
fn settle(
    groups: &mut BTreeMap<SlotName, Vec<Member>>,
    wish: &Traffic,
    split: &BTreeMap<SlotName, u32>,
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
            if same && (!split.contains_key(slot) || ready(wished) == ready(member)) {
                member.state = wished.state;
            }
        }
    }
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
            hint: format!("compare {}/{}/current with its `traffic` file", settings.dir, render::entry(target)),
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
    let (dir, entry) = (&settings.dir, render::entry(target));
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

/// Reads the answer of prepare, commit, verify or remove.
///
/// # Errors
/// [`AnswerError`] where there is no answer.
pub fn verdict(target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
    let found = lines.iter().enumerate().find_map(|(n, line)| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        Some(match word {
            "ready" => Verdict::Converged { at: 0.0 },
            "converged" => Verdict::Converged { at: stamp(&rest)? },
            "differs" => Verdict::Differs { seen: rest },
            "moved" => Verdict::Moved { seen: moved(&rest) },
            "refused" => Verdict::Refused {
                why: words(rest, &lines[n + 1..]),
            },
            _ => return None,
        })
    });
    found.ok_or_else(|| AnswerError {
        host: target.host.clone(),
        what: match lines.last() {
            Some(last) => format!("the answer ends without a verdict: {last}"),
            None => "the answer is empty".to_owned(),
        },
    })
}

/// Seconds since the epoch; where the host's `date` knows no fractions, whole ones.
fn stamp(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .or_else(|| text.split('.').next()?.parse().ok())
}

fn moved(key: &str) -> String {
    match key {
        "-" => "nothing of the app is there any more".to_owned(),
        "damaged" => "the folder of the entry is damaged".to_owned(),
        _ => {
            let generation = key.split(',').next().unwrap_or_default();
            format!("generation {generation} with flags {}", flags_of(key))
        }
    }
}

fn words(first: String, after: &[String]) -> String {
    let why: Vec<&str> = after
        .iter()
        .map_while(|line| line.strip_prefix("why "))
        .collect();
    match (first.is_empty(), why.is_empty()) {
        (true, false) => why.join("; "),
        (true, true) => "no reason was given".to_owned(),
        (false, _) => first,
    }
}

/// Reads one line of a drain.
#[must_use]
pub fn drained(line: &str) -> Option<DrainView> {
    let view = |open, idle| Some(DrainView { open, idle });
    match line.split_once(' ') {
        None if line == "idle" => view(Some(0), true),
        Some(("open" | "left", "-")) => view(None, false),
        Some(("open" | "left", n)) => view(Some(n.parse().ok()?), false),
        _ => None,
    }
}

/// Why the way from `before` to `after` cannot be gone on one nginx without a gap.
#[must_use]
pub fn gap(before: Option<&Traffic>, after: &Traffic, to: &Wish) -> Option<String> {
    let slot = before?.sole()?;
    let kept = after.groups.get(slot).is_some_and(|g| !g.is_empty());
    (!kept && to.slot != slot.as_str()).then(|| {
        format!("slot {slot} gets the requests now and has no members in what is wished: switch first, then remove it")
    })
}

#[cfg(test)]
mod tests;
