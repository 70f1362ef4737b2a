//! nginx: which slot gets a request is decided by flag files that it looks for on each request, so
//! a switch needs no reload and closes no connection.
//!
//! - `settings` what stands in the inventory
//! - `render`   what is written: upstreams and rules
//! - `read`     what the scripts answer
//! - `*.sh`     what is nginx's own of the scripts; the rest is `flags/`, with all that its kind of
//!   server has in common
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
pub struct Nginx;

/// Its name for people.
const CALLED: &str = "nginx";

fn settings(target: &Target) -> Settings {
    Settings::read(&target.settings).0
}

/// The server as its settings say.
fn server(settings: &Settings) -> flags::Server<'_> {
    flags::Server {
        called: CALLED,
        head: Head {
            driver: "nginx",
            dir: &settings.dir,
            program: &settings.binary,
            conf: settings.conf.as_deref(),
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

impl Driver for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
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
        // The first switch is foreseen by the look, which knows nginx's settings.
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
            "nginx/lib.sh",
            "flags/look.sh",
            "nginx/look.sh"
        );
        server(&settings(target)).look(text, target)
    }

    fn read(&self, target: &Target, lines: &[String]) -> Result<Seen, AnswerError> {
        read::seen(target, &settings(target), lines)
    }

    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let text = text!("flags/lib.sh", "nginx/lib.sh", "flags/prepare.sh");
        change(("lb prepare", text), target, (before, after))
    }

    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Body {
        let text = text!("flags/lib.sh", "nginx/lib.sh", "flags/commit.sh");
        change(("lb commit", text), target, (before, after))
    }

    fn verify(&self, target: &Target, wanted: &Traffic) -> Body {
        let settings = settings(target);
        let wish = render::wish(target, &settings, wanted);
        let text = text!("flags/lib.sh", "nginx/lib.sh", "flags/verify.sh");
        server(&settings).verify(text, target, wish)
    }

    fn verdict(&self, target: &Target, lines: &[String]) -> Result<Verdict, AnswerError> {
        answer::verdict(target, lines, flags::read::moved)
    }

    fn drain(&self, target: &Target, now: &Traffic, within: Duration) -> Body {
        let text = text!("drain.sh", "sockets.sh", "nginx/drain.sh");
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
        let text = text!("flags/lib.sh", "nginx/lib.sh", "flags/remove.sh");
        body("lb remove", text, target, &server(&settings(target)).head)
    }

    fn set_up(&self, target: &Target) -> Option<Body> {
        let Settings {
            dir, binary, conf, ..
        } = settings(target);
        let conf = conf.unwrap_or_else(|| "-".to_owned());
        let body = Body::new("nginx", include_str!("nginx/setup.sh"));
        Some(body.args([dir, binary, conf]))
    }
}
