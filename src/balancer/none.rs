//! Nobody: no load balancer that `deploy` could tell. The app's value is kept on the named hosts, so
//! that slots have a role and everything else works; whoever sends requests is switched by hand, or
//! by what the app does when it is activated. The plan says so each time.

use std::borrow::Cow;
use std::time::Duration;

use crate::balancer::answer::Facts;
use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, keys, words,
};
use crate::fleet::{Known, MemberState, Problem, Severity, Traffic};
use crate::host::script::Body;

/// The driver.
#[derive(Debug)]
pub struct Nobody;

/// The value's file beside the record of the app: generation, then the value.
const LIVE: &str = r#"
file=$STATE/traffic.none
live=-
{ IFS= read -r live; } 2>/dev/null <"$file"
"#;
const LOOK: &str = r#"
printf 'live %s\n' "$live"
[ "$live" = - ] || sed -n 's/^{/traffic {/p' "$file"
echo looked
"#;
const PREPARE: &str = r#"
case $live in
"$1" | "$2") echo ready ;;
*) printf 'moved %s\n' "$live" ;;
esac
"#;
const COMMIT: &str = r#"
case $live in
"$1" | "$2")
  if ! command -v switch_set >/dev/null 2>&1 || switch_set "$2" "$3" "$4" commit; then
    if printf '%s\n%s\n' "$2" "$5" >"$file.new" && sync "$file.new" && mv -f "$file.new" "$file" && sync "$STATE"; then
      printf 'converged %s\n' "$(date +%s.%N)"
    else
      echo 'differs nothing was done: the value cannot be written'
    fi
  else
    echo 'differs nothing was done: the record of the switch cannot be written'
  fi
  ;;
*) printf 'moved %s\n' "$live" ;;
esac
"#;
const VERIFY: &str = r#"
if [ "$live" = "$1" ]; then printf 'converged %s\n' "$(date +%s.%N)"; else printf 'differs its file says %s\n' "$live"; fi
"#;
const REMOVE: &str = r#"
if rm -f "$file"; then printf 'converged %s\n' "$(date +%s.%N)"; else echo 'differs the value cannot be removed'; fi
"#;

fn body(name: &'static str, verb: &'static str, target: &Target, args: Vec<String>) -> Body {
    let mut body = Body::new(name, Cow::Owned(format!("(\n{LIVE}{verb})\n"))).args(args);
    body.root = target.root;
    body
}

fn generation(traffic: Option<&Traffic>) -> String {
    traffic.map_or_else(|| "-".to_owned(), |t| t.generation.clone())
}

fn sum(traffic: Option<&Traffic>) -> String {
    traffic.map_or_else(|| "-".to_owned(), |t| words::short_hash(&[&words::json(t)]))
}

impl Driver for Nobody {
    fn name(&self) -> &'static str {
        "none"
    }

    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities {
            reloadless: true,
            weights: false,
            rules: false,
            drain: false,
            sessions: false,
            spare: false,
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)> {
        keys::read("none", settings, |key, _| {
            Err(keys::unknown("none", key, &[]))
        })
    }

    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>> {
        let mut no = words::refusals(target, "nobody", after);
        if !after.rules.is_empty() {
            no.push("rules: nobody is there who could follow them".to_owned());
        }
        if after.sole().is_none() && after.split.values().any(|share| *share > 0) {
            no.push("weights: driver none: nobody is there who could share".to_owned());
        }
        if words::members(after).any(|(_, _, m)| m.state != MemberState::Ready) {
            no.push("members: nobody is there who could leave one out".to_owned());
        }
        if no.is_empty() { Ok(()) } else { Err(no) }
    }

    fn foresee(&self, _: &Target, _: Option<&Traffic>, _: &Traffic) -> Vec<Problem> {
        vec![Problem {
            severity: Severity::Warning,
            what: "no request is moved by this (driver none): the switch is a note on the host"
                .to_owned(),
            hint: "switch whoever sends requests by hand, or name its driver".to_owned(),
        }]
    }

    fn look(&self, target: &Target) -> Body {
        body("lb look", LOOK, target, Vec::new())
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        let facts = Facts::of(lines);
        if !facts.whole {
            return Err(AnswerError {
                host: target.host.clone(),
                what: "the look broke off".to_owned(),
            });
        }
        let value = match (facts.get("live"), facts.get("traffic")) {
            (Some("-"), _) => Known::Is(None),
            (_, Some(text)) => match serde_json::from_str(text) {
                Ok(traffic) => Known::Is(Some(traffic)),
                Err(e) => Known::Unknown(format!("traffic.none cannot be read: {e}")),
            },
            _ => Known::Unknown("traffic.none has no value".to_owned()),
        };
        Ok(Seen {
            persisted: value.clone(),
            running: value,
            spare: None,
            version: "-".to_owned(),
            instance: "-".to_owned(),
            problems: Vec::new(),
        })
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let args = vec![generation(before), generation(Some(after))];
        body("lb prepare", PREPARE, target, args)
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let mut args = vec![generation(before), generation(Some(after))];
        args.extend([sum(before), sum(Some(after)), words::json(after)]);
        body("lb commit", COMMIT, target, args)
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        body("lb verify", VERIFY, target, vec![generation(Some(wanted))])
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, |live| format!("generation {live}"))
    }

    fn drain(&self, target: &Target, _now: &Traffic, _within: Duration) -> Body {
        // Nobody counts: what is open is not known, and waiting would not tell.
        body(
            "lb drain",
            "printf 'open -\\nleft -\\n'\n",
            target,
            Vec::new(),
        )
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        answer::drained(line)
    }

    fn remove(&self, target: &Target) -> Body {
        body("lb remove", REMOVE, target, Vec::new())
    }
}
