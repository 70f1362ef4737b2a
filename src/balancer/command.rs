//! Any other load balancer: an appliance, a cloud's, a service registry. The operator names a
//! program per verb; it gets JSON on standard input and answers JSON on standard output. Only `read`
//! and `set` are required. `docs/command.md` has the whole protocol and two complete examples.
//!
//! - `settings` what stands in the inventory
//! - `*.sh`     the scripts: `common.sh` of all drivers and `lib.sh` stand before each
//!
//! A value is compared as the text that was given to `set`, blanks aside: so `read` answers with the
//! same keys in the same order, and with what it sees as values.

mod settings;

use std::time::Duration;

use serde_json::json;

use crate::balancer::answer::Facts;
use crate::balancer::bodies::{self, Head};
use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, words,
};
use crate::fleet::{Known, MemberState, Problem, Traffic};
use crate::host::script::Body;
use settings::{Settings, VERBS};

/// The driver.
#[derive(Debug)]
pub struct Command;

/// A body: what all verbs share, words of its own, then the operator's programs, each as
/// `VERB:COUNT` and its words. The request is its data.
fn body(
    name: &'static str,
    text: &'static str,
    target: &Target,
    own: [String; 3],
    request: &serde_json::Value,
) -> Body {
    let settings = Settings::read(&target.settings).0;
    let head = Head {
        driver: "command",
        dir: "-",
        program: "-",
        conf: None,
    };
    let mut body = bodies::body(name, text, target, &head).args(own);
    for verb in VERBS {
        if let Some(words) = settings.program(verb) {
            body = body.args([format!("{verb}:{}", words.len())]);
            body = body.args(words.iter().cloned());
        }
    }
    body.data = format!("{request}\n").into_bytes();
    body.limit = Duration::from_secs(60);
    body
}

/// What every program is told.
fn request(target: &Target, verb: &str) -> serde_json::Value {
    json!({
        "verb": verb, "env": target.env.as_str(), "app": target.app.as_str(),
        "balancer": target.balancer.as_str(), "host": target.host.as_str(),
        "backend": target.backend, "host_header": target.host_header, "probe": target.probe,
    })
}

fn compact(traffic: Option<&Traffic>) -> String {
    let text = traffic.map_or_else(|| "null".to_owned(), words::json);
    text.chars().filter(|c| !c.is_ascii_whitespace()).collect()
}

fn change(
    name: &'static str,
    text: &'static str,
    verb: &str,
    target: &Target,
    before: Option<&Traffic>,
    after: &Traffic,
) -> Body {
    let mut asked = request(target, verb);
    asked["before"] = json!(before);
    asked["after"] = json!(after);
    let mut body = body(
        name,
        text,
        target,
        [
            compact(before),
            compact(Some(after)),
            after.generation.clone(),
        ],
        &asked,
    );
    // For the record of the switch.
    let sum = |t: &Traffic| words::short_hash(&[&words::json(t)]);
    body.args.insert(10, before.map_or("-".to_owned(), sum));
    body.args.insert(11, sum(after));
    body
}

impl Driver for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn capabilities(&self, settings: &serde_json::Value) -> Capabilities {
        let settings = Settings::read(settings).0;
        let can = |word: &str| settings.can.iter().any(|w| w == word);
        Capabilities {
            reloadless: true,
            weights: can("weights"),
            rules: can("rules"),
            drain: can("members"),
            sessions: settings.program("drain").is_some(),
            spare: false,
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        settings::KEYS
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)> {
        Settings::read(settings).1
    }

    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>> {
        let settings = Settings::read(&target.settings).0;
        let mut no = words::refusals(target, "the command driver", after);
        for verb in ["read", "set"] {
            if settings.program(verb).is_none() {
                no.push(format!("the command driver needs a program for `{verb}`"));
            }
        }
        let can = self.capabilities(&target.settings);
        let some = after.split.values().any(|share| *share > 0);
        if !can.rules && !after.rules.is_empty() {
            no.push("rules: the commands of this load balancer do not say `can: [rules]`".into());
        }
        if !can.weights && some && after.split.values().filter(|s| **s > 0).count() > 1 {
            no.push(
                "weights: driver command: the programs of this load balancer do not say `can: [weights]`"
                    .into(),
            );
        }
        if !can.drain && words::members(after).any(|(_, _, m)| m.state != MemberState::Ready) {
            no.push(
                "members: the commands of this load balancer do not say `can: [members]`".into(),
            );
        }
        if no.is_empty() { Ok(()) } else { Err(no) }
    }

    fn look(&self, target: &Target) -> Body {
        let none = ["-"; 3].map(str::to_owned);
        body(
            "lb look",
            text!("command/lib.sh", "command/look.sh"),
            target,
            none,
            &request(target, "read"),
        )
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        seen(target, lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change(
            "lb prepare",
            text!("command/lib.sh", "command/prepare.sh"),
            "prepare",
            target,
            before,
            after,
        )
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change(
            "lb commit",
            text!("command/lib.sh", "command/commit.sh"),
            "set",
            target,
            before,
            after,
        )
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let own = [
            "-".to_owned(),
            compact(Some(wanted)),
            wanted.generation.clone(),
        ];
        let mut asked = request(target, "read");
        asked["after"] = json!(wanted);
        body(
            "lb verify",
            text!("command/lib.sh", "command/verify.sh"),
            target,
            own,
            &asked,
        )
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, |live| match live {
            "null" => "nothing of the app is there any more".to_owned(),
            text => text.to_owned(),
        })
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let resting: Vec<_> = words::resting(now)
            .into_iter()
            .map(|(slot, _, m)| json!({"slot": slot, "host": m.host, "address": m.address, "port": m.port}))
            .collect();
        let mut asked = request(target, "drain");
        asked["now"] = json!(now);
        asked["resting"] = json!(resting);
        asked["within"] = json!(within.as_secs());
        let own = [within.as_secs().to_string(), "-".into(), "-".into()];
        let mut body = body(
            "lb drain",
            text!("command/lib.sh", "command/drain.sh"),
            target,
            own,
            &asked,
        );
        body.limit = within + Duration::from_secs(30);
        body.follow = true;
        body
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        if let Some(view) = answer::drained(line) {
            return Some(view);
        }
        let said: serde_json::Value = serde_json::from_str(line).ok()?;
        let open = said.get("open").and_then(serde_json::Value::as_u64);
        let idle = open == Some(0) && said.get("idle") == Some(&json!(true));
        said.is_object().then_some(DrainView { open, idle })
    }

    fn can_remove(&self, target: &Target) -> Result<(), String> {
        let settings = Settings::read(&target.settings).0;
        match settings.program("remove") {
            Some(_) => Ok(()),
            None => Err("remove: this load balancer has no program for `remove`".to_owned()),
        }
    }

    fn remove(&self, target: &Target) -> Body {
        let none = ["-"; 3].map(str::to_owned);
        body(
            "lb remove",
            text!("command/lib.sh", "command/remove.sh"),
            target,
            none,
            &request(target, "remove"),
        )
    }
}

fn seen(target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
    let facts = Facts::of(lines);
    let broken = |what: &str| AnswerError {
        host: target.host.clone(),
        what: what.to_owned(),
    };
    if !facts.whole {
        return Err(broken("the look by command broke off"));
    }
    let mut problems = Vec::new();
    let said = facts
        .get("read")
        .map(serde_json::from_str::<serde_json::Value>);
    let why = facts.why.join("; ");
    if let Some(Ok(said)) = &said {
        let listed = said.get("problems").and_then(serde_json::Value::as_array);
        let texts = listed.into_iter().flatten().filter_map(|p| p.as_str());
        problems.extend(texts.map(|text| error(text.to_owned(), String::new())));
    }
    let (persisted, running, word) = match (facts.get("rc"), said) {
        (Some("0"), Some(Ok(said))) if said.get("running").is_some() => {
            let value = |key: &str| said.get(key).map(known);
            let running = value("running").unwrap_or_else(|| unknown("it says nothing"));
            // What keeps no second state is what it does.
            let persisted = value("persisted").unwrap_or_else(|| running.clone());
            let word = |key: &str| {
                let text = said.get(key).and_then(serde_json::Value::as_str);
                text.unwrap_or("-").to_owned()
            };
            (persisted, running, [word("version"), word("instance")])
        }
        (rc, _) => {
            let text = match rc {
                Some("0") => "its answer is no JSON object with `running`".to_owned(),
                Some(rc) if why.is_empty() => format!("it ended with {rc}"),
                Some(rc) => format!("it ended with {rc}: {why}"),
                None => "it did not end in time".to_owned(),
            };
            problems.push(error(
                format!("the program for `read` does not run, or does not answer: {text}"),
                "run it by hand on that host; docs/command.md has what it gets and answers".into(),
            ));
            let unknown = unknown(&text);
            (unknown.clone(), unknown, [String::new(), String::new()])
        }
    };
    if let (Known::Is(Some(p)), Known::Is(Some(r))) = (&persisted, &running)
        && !p.same_as(r)
    {
        problems.push(error(
            format!(
                "{} of {} was changed by hand: it does {}, written was {}",
                target.app,
                target.env,
                shares(r),
                shares(p)
            ),
            "find out who changed it".into(),
        ));
    }
    let [version, instance] = word;
    Ok(Seen {
        persisted,
        running,
        spare: None,
        version,
        instance,
        problems,
    })
}

fn unknown(why: &str) -> Known<Option<Traffic>> {
    Known::Unknown(why.to_owned())
}

fn known(value: &serde_json::Value) -> Known<Option<Traffic>> {
    match serde_json::from_value(value.clone()) {
        Ok(traffic) => Known::Is(traffic),
        Err(e) => Known::Unknown(format!("its answer is not of the documented form: {e}")),
    }
}

fn shares(traffic: &Traffic) -> String {
    let given = traffic.split.iter().filter(|(_, share)| **share > 0);
    let words: Vec<String> = given
        .map(|(slot, share)| format!("{slot} {}.{:02} %", share / 100, share % 100))
        .collect();
    words.join(", ")
}

fn error(what: String, hint: String) -> Problem {
    Problem::error(what, hint)
}
