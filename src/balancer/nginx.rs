//! nginx: which slot gets a request is decided by flag files that it looks for on each request, so
//! a switch needs no reload and closes no connection.
//!
//! - `settings` what stands in the inventory
//! - `render`   what is written: upstreams, rules, flags
//! - `read`     what the scripts answer
//! - `*.sh`     the scripts: `common.sh` of all drivers and `lib.sh` stand before each
//!
//! An operator writes `include /etc/nginx/deploy/*.conf;` once into `http {}`. With a `host` for the
//! app that is all; with `server: own` he adds to his own `server {}`:
//!
//! ```text
//! set $app_upstream "";                              # until the first deploy
//! include /etc/nginx/deploy/staging.app/*.inc;
//! location / { proxy_pass http://$app_upstream; … }
//! ```
//!
//! (`app` in the variable's name is the entry's `backend`.) `proxy_request_buffering off` in such a
//! location lets a drain count uploads from their start.

mod read;
mod render;
mod settings;

use std::borrow::Cow;
use std::time::Duration;

use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, words,
};
use crate::fleet::{Problem, Traffic};
use crate::host::script::Body;
use settings::Settings;

/// The driver.
#[derive(Debug)]
pub struct Nginx;

/// A verb's text, run in a subshell: its `exit` ends the body and nothing else.
macro_rules! text {
    ($verb:literal) => {
        concat!(
            "(\n",
            include_str!("common.sh"),
            include_str!("nginx/lib.sh"),
            include_str!(concat!("nginx/", $verb, ".sh")),
            ")\n"
        )
    };
}

/// For what should have been refused when the plan was made.
const REFUSAL: &str = "printf 'refused %s\\n' \"$8\"\n";

/// A body with the parameters that all verbs share.
fn body(name: &'static str, text: &'static str, target: &Target, settings: &Settings) -> Body {
    let word = |w: Option<&str>| w.unwrap_or("-").to_owned();
    let mut body = Body::new(name, Cow::Borrowed(text)).args([
        "nginx".to_owned(),
        settings.dir.clone(),
        words::entry(target),
        settings.binary.clone(),
        word(settings.conf.as_deref()),
        target.probe.trim_end_matches('/').to_owned(),
        word(target.host_header.as_deref()),
    ]);
    // Far above what it takes: a body that is ended half-way is worse than a slow one.
    body.limit = Duration::from_secs(30);
    body.root = target.root;
    body
}

fn settings(target: &Target) -> Settings {
    Settings::read(&target.settings).0
}

fn key(settings: &Settings, target: &Target, traffic: Option<&Traffic>) -> String {
    traffic.map_or("-".to_owned(), |t| render::wish(target, settings, t).key())
}

/// Prepare or commit: both carry the whole wish, so that a commit stands by itself.
fn change(
    name: &'static str,
    text: &'static str,
    target: &Target,
    before: Option<&Traffic>,
    after: &Traffic,
) -> Body {
    let settings = settings(target);
    let mut no = render::refusals(target, &settings, after);
    let to = render::wish(target, &settings, after);
    no.extend(words::gap(before, after));
    if !no.is_empty() {
        return body(name, REFUSAL, target, &settings).args([no.join("; ")]);
    }
    let from = before.map(|t| render::wish(target, &settings, t));
    let mode = if settings.own_server {
        "own"
    } else {
        "rendered"
    };
    let mut body = body(name, text, target, &settings).args([
        from.as_ref().map_or("-".to_owned(), render::Wish::key),
        to.key(),
        to.hash.clone(),
        to.http.len().to_string(),
        to.server.len().to_string(),
        mode.to_owned(),
        from.as_ref().map_or("-".to_owned(), render::Wish::sum),
        to.sum(),
        to.generation.clone(),
        to.slot.clone(),
        to.out.clone(),
        to.flags.join(","),
        to.traffic.clone(),
    ]);
    body.data = to.data();
    body
}

impl Driver for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities {
            reloadless: true,
            weights: true,
            rules: true,
            drain: true,
            sessions: true,
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        settings::KEYS
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)> {
        Settings::read(settings).1
    }

    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>> {
        let no = render::refusals(target, &settings(target), after);
        if no.is_empty() { Ok(()) } else { Err(no) }
    }

    fn foresee(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Vec<Problem> {
        let settings = settings(target);
        let hash = |t| render::wish(target, &settings, t).hash;
        // The first switch is foreseen by the look, which knows nginx's settings.
        match before {
            Some(before) if hash(before) != hash(after) => {
                vec![read::ungraceful("this change of members or rules")]
            }
            _ => Vec::new(),
        }
    }

    fn look(&self, target: &Target) -> Body {
        let settings = settings(target);
        let mode = if settings.own_server {
            "own"
        } else {
            "rendered"
        };
        body("lb look", text!("look"), target, &settings).args([mode])
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        read::seen(target, &settings(target), lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change("lb prepare", text!("prepare"), target, before, after)
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change("lb commit", text!("commit"), target, before, after)
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let settings = settings(target);
        let wish = render::wish(target, &settings, wanted);
        body("lb verify", text!("verify"), target, &settings).args([
            key(&settings, target, Some(wanted)),
            wish.slot,
            wish.out,
        ])
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, read::moved)
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let mut members = vec![within.as_secs().to_string()];
        for (_, _, member) in words::resting(now) {
            members.extend([member.address.clone(), member.port.to_string()]);
        }
        let mut body = body("lb drain", text!("drain"), target, &settings(target)).args(members);
        body.limit = within + Duration::from_secs(15);
        body.follow = true;
        body
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        answer::drained(line)
    }

    fn remove(&self, target: &Target) -> Body {
        body("lb remove", text!("remove"), target, &settings(target))
    }
}
