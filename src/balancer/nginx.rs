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

use crate::balancer::bodies::Head;
use crate::balancer::flags::driver::{Own, Texts};
use crate::balancer::flags::wish::Wish;
use crate::balancer::{AnswerError, Seen, Target, flags};
use crate::fleet::{Problem, Traffic};
use crate::host::script::Body;
use settings::Settings;

/// The driver.
#[derive(Debug)]
pub struct Nginx;

/// Its name for people.
const CALLED: &str = "nginx";

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

impl Own for Nginx {
    const NAME: &'static str = "nginx";
    const KEYS: &'static [&'static str] = settings::KEYS;
    const SPARE: bool = true;
    const TEXTS: Texts = Texts {
        look: text!(
            "flags/lib.sh",
            "nginx/lib.sh",
            "flags/look.sh",
            "nginx/look.sh"
        ),
        prepare: text!("flags/lib.sh", "nginx/lib.sh", "flags/prepare.sh"),
        commit: text!("flags/lib.sh", "nginx/lib.sh", "flags/commit.sh"),
        verify: text!("flags/lib.sh", "nginx/lib.sh", "flags/verify.sh"),
        drain: text!("drain.sh", "sockets.sh", "nginx/drain.sh"),
        remove: text!("flags/lib.sh", "nginx/lib.sh", "flags/remove.sh"),
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

    fn set_up(settings: &Settings) -> Option<Body> {
        let conf = settings.conf.clone().unwrap_or_else(|| "-".to_owned());
        let body = Body::new("nginx", include_str!("nginx/setup.sh"));
        Some(body.args([settings.dir.clone(), settings.binary.clone(), conf]))
    }
}
