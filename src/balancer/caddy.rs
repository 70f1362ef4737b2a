//! Caddy: which slot gets a request is decided by flag files that its matchers look for on each
//! request, so a switch needs no reload, of its configuration or of anything. A reload would break
//! connections that clients are just opening.
//!
//! - `settings` what stands in the inventory
//! - `render`   what is written: matchers, handlers
//! - `read`     what the scripts answer
//! - `*.sh`     what is Caddy's own of the scripts; the rest is `flags/`, with all that its kind of
//!   server has in common
//!
//! An operator writes `import /etc/caddy/deploy/*.conf` once into his Caddyfile, outside of any
//! site. With a `host` for the app that is all; with `server: own` he adds one line to his own site:
//! `import /etc/caddy/deploy/staging.app/*.inc`.

mod read;
mod render;
mod settings;

use std::time::Duration;

use crate::balancer::bodies::{Head, body, followed};
use crate::balancer::{
    AnswerError, Capabilities, DrainView, Driver, Seen, Target, Verdict, answer, flags,
};
use crate::fleet::{Problem, Traffic};
use crate::host::script::Body;
use settings::Settings;

/// The driver.
#[derive(Debug)]
pub struct Caddy;

/// Its name for people.
const CALLED: &str = "Caddy";

fn settings(target: &Target) -> Settings {
    Settings::read(&target.settings).0
}

/// The server as its settings say.
fn server(settings: &Settings) -> flags::Server<'_> {
    flags::Server {
        called: CALLED,
        head: Head {
            driver: "caddy",
            dir: &settings.dir,
            program: &settings.binary,
            conf: Some(&settings.spoken),
        },
        own: settings.own_server,
    }
}

fn change(
    verb: (&'static str, &'static str),
    target: &Target,
    way: (Option<&Traffic>, &Traffic),
) -> Body {
    let settings = settings(target);
    let no = render::refusals(target, &settings, way.1);
    server(&settings).change(verb, target, way, no, |t| {
        render::wish(target, &settings, t)
    })
}

impl Driver for Caddy {
    fn name(&self) -> &'static str {
        "caddy"
    }

    fn capabilities(&self, _settings: &serde_json::Value) -> Capabilities {
        Capabilities::ALL
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
        // The first switch is foreseen by the look.
        match before {
            Some(before) if hash(before) != hash(after) => {
                vec![read::ungraceful("this change of members or rules")]
            }
            _ => Vec::new(),
        }
    }

    fn look(&self, target: &Target) -> Body {
        let text = text!(
            "flags/lib.sh",
            "caddy/lib.sh",
            "flags/look.sh",
            "caddy/look.sh"
        );
        server(&settings(target)).look(text, target)
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        read::seen(target, &settings(target), lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let text = text!("flags/lib.sh", "caddy/lib.sh", "flags/prepare.sh");
        change(("lb prepare", text), target, (before, after))
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let text = text!("flags/lib.sh", "caddy/lib.sh", "flags/commit.sh");
        change(("lb commit", text), target, (before, after))
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let settings = settings(target);
        let wish = render::wish(target, &settings, wanted);
        let text = text!("flags/lib.sh", "caddy/lib.sh", "flags/verify.sh");
        server(&settings).verify(text, target, wish)
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, flags::read::moved)
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let text = text!("drain.sh", "flags/lib.sh", "caddy/lib.sh", "caddy/drain.sh");
        let settings = settings(target);
        let head = server(&settings).head;
        followed(
            flags::drain(text, target, &head, now, within.as_secs()),
            within,
        )
    }

    fn drained(&self, line: &str) -> Option<DrainView> {
        answer::drained(line)
    }

    fn remove(&self, target: &Target) -> Body {
        let text = text!("flags/lib.sh", "caddy/lib.sh", "flags/remove.sh");
        body("lb remove", text, target, &server(&settings(target)).head)
    }
}
