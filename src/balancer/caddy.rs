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

use crate::balancer::bodies::Head;
use crate::balancer::flags::driver::{Own, Texts};
use crate::balancer::flags::wish::Wish;
use crate::balancer::{AnswerError, Seen, Target, flags};
use crate::fleet::{Problem, Traffic};
use settings::Settings;

/// The driver.
#[derive(Debug)]
pub struct Caddy;

/// Its name for people.
const CALLED: &str = "Caddy";

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

impl Own for Caddy {
    const NAME: &'static str = "caddy";
    const KEYS: &'static [&'static str] = settings::KEYS;
    const SPARE: bool = false;
    const TEXTS: Texts = Texts {
        look: text!(
            "flags/lib.sh",
            "caddy/lib.sh",
            "flags/look.sh",
            "caddy/look.sh"
        ),
        prepare: text!("flags/lib.sh", "caddy/lib.sh", "flags/prepare.sh"),
        commit: text!("flags/lib.sh", "caddy/lib.sh", "flags/commit.sh"),
        verify: text!("flags/lib.sh", "caddy/lib.sh", "flags/verify.sh"),
        drain: text!("drain.sh", "flags/lib.sh", "caddy/lib.sh", "caddy/drain.sh"),
        remove: text!("flags/lib.sh", "caddy/lib.sh", "flags/remove.sh"),
    };
    type Settings = Settings;

    fn settings(value: &serde_json::Value) -> (Settings, Vec<(String, String)>) {
        Settings::read(value)
    }

    fn server(settings: &Settings) -> flags::Server<'_> {
        server(settings)
    }

    fn refusals(target: &Target, settings: &Settings, traffic: &Traffic) -> Vec<String> {
        render::refusals(target, settings, traffic)
    }

    fn wish(target: &Target, settings: &Settings, traffic: &Traffic) -> Wish {
        render::wish(target, settings, traffic)
    }

    fn seen(target: &Target, settings: &Settings, lines: &[String]) -> Result<Seen, AnswerError> {
        read::seen(target, settings, lines)
    }

    fn ungraceful(occasion: &str) -> Problem {
        read::ungraceful(occasion)
    }
}
