//! HAProxy: which slot gets a request stands in a map, which is changed in the running server
//! through its socket after its file was changed; so a switch needs no reload, and a reload or a
//! restart finds the same.
//!
//! - `settings` what stands in the inventory
//! - `render`   what is written: backends, the app's word in the map, rules
//! - `read`     what the scripts answer
//! - `*.sh`     the scripts: `common.sh` of all drivers and `lib.sh` stand before each
//!
//! An operator loads `/etc/haproxy/deploy` with one more `-f` and writes [`lines`] into his
//! frontend, once for all apps.

mod read;
mod render;
mod settings;

use std::time::Duration;

use crate::balancer::bodies::{self, Head, followed, refusal};
use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, words,
};
use crate::fleet::{Problem, Traffic};
use crate::host::script::Body;
pub use render::lines;
use settings::Settings;

/// The driver.
#[derive(Debug)]
pub struct Haproxy;

/// Its name for people.
const CALLED: &str = "HAProxy";

/// A body with the parameters that all verbs share.
fn body(name: &'static str, text: &'static str, target: &Target, settings: &Settings) -> Body {
    let head = Head {
        driver: "haproxy",
        dir: &settings.dir,
        program: &settings.binary,
        conf: Some(&settings.socket),
    };
    bodies::body(name, text, target, &head).args([settings.conf.clone(), render::variable(target)])
}

fn settings(target: &Target) -> Settings {
    Settings::read(&target.settings).0
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
    let mut no = render::refusals(target, after);
    no.extend(words::gap(before, after));
    if !no.is_empty() {
        return refusal(name, &no);
    }
    let from = before.map(|t| render::wish(target, &settings, t));
    let to = render::wish(target, &settings, after);
    let word = |w: Option<String>| w.unwrap_or_else(|| "-".to_owned());
    let mut body = body(name, text, target, &settings).args([
        word(from.as_ref().map(|w| w.value.clone())),
        to.value.clone(),
        to.hash.clone(),
        to.conf.len().to_string(),
        to.rules_text().len().to_string(),
        word(from.as_ref().map(render::Wish::sum)),
        to.sum(),
        to.generation.clone(),
        to.ready.join(" "),
        to.resting.join(" "),
        to.awaited.join(" "),
    ]);
    body.data = to.data();
    body
}

impl Driver for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities {
            spare: false,
            ..Capabilities::ALL
        }
    }

    fn keys(&self) -> &'static [&'static str] {
        settings::KEYS
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<(String, String)> {
        Settings::read(settings).1
    }

    fn accepts(&self, target: &Target, after: &Traffic) -> Result<(), Vec<String>> {
        let no = render::refusals(target, after);
        if no.is_empty() { Ok(()) } else { Err(no) }
    }

    fn foresee(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Vec<Problem> {
        let settings = settings(target);
        let hash = |t| render::wish(target, &settings, t).hash;
        match before {
            Some(before) if hash(before) != hash(after) => {
                vec![read::ungraceful("this change of members")]
            }
            _ => Vec::new(),
        }
    }

    fn look(&self, target: &Target) -> Body {
        body(
            "lb look",
            text!("haproxy/lib.sh", "haproxy/look.sh"),
            target,
            &settings(target),
        )
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        read::seen(target, &settings(target), lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change(
            "lb prepare",
            text!("haproxy/lib.sh", "haproxy/prepare.sh"),
            target,
            before,
            after,
        )
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        change(
            "lb commit",
            text!("haproxy/lib.sh", "haproxy/commit.sh"),
            target,
            before,
            after,
        )
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let settings = settings(target);
        let wish = render::wish(target, &settings, wanted);
        body(
            "lb verify",
            text!("haproxy/lib.sh", "haproxy/verify.sh"),
            target,
            &settings,
        )
        .args([
            wish.value,
            wish.hash,
            wish.ready.join(" "),
            wish.resting.join(" "),
        ])
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, read::moved)
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let mut args = vec![within.as_secs().to_string()];
        for (slot, _, member) in words::resting(now) {
            args.extend([
                render::server(target, slot, member),
                member.address.clone(),
                member.port.to_string(),
            ]);
        }
        let text = text!("drain.sh", "haproxy/lib.sh", "haproxy/drain.sh");
        let body = body("lb drain", text, target, &settings(target));
        followed(body.args(args), within)
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        answer::drained(line)
    }

    fn remove(&self, target: &Target) -> Body {
        body(
            "lb remove",
            text!("haproxy/lib.sh", "haproxy/remove.sh"),
            target,
            &settings(target),
        )
    }

    fn set_up(&self, target: &Target) -> Option<Body> {
        let body = Body::new("haproxy", include_str!("haproxy/setup.sh"));
        Some(body.args([settings(target).dir]))
    }
}
