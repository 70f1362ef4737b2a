//! What a release does beside requests, switched on and off: by a command in its containers, by a
//! request, by a program on its host.
//!
//! To add a way: a variant of [`CallKind`], its words in [`words`], a `dk_call_…` in `sh/activity.sh`.

use std::time::Duration;

use crate::fleet::Member;
use crate::host::script::Body;
use crate::inventory::{Call, CallKind};
use crate::name::{AppName, EnvName, SlotName};

const ON: &str = concat!(
    include_str!("sh/where.sh"),
    include_str!("sh/activity.sh"),
    include_str!("sh/on.sh")
);
const OFF: &str = concat!(
    include_str!("sh/where.sh"),
    include_str!("sh/activity.sh"),
    include_str!("sh/off.sh")
);
/// Stands before a body that stops containers.
pub(super) const BEFORE: &str = concat!(
    include_str!("sh/where.sh"),
    include_str!("sh/activity.sh"),
    include_str!("sh/before.sh")
);

/// What a body of a stop prints where a member could not be switched off before.
pub const NOT: &str = "not deactivated: ";

/// Beside the call itself: finding the containers, and a slow host.
const AROUND: Duration = Duration::from_secs(20);

/// The member that is called.
#[derive(Debug, Clone, Copy)]
pub struct Callee<'a> {
    /// Environment.
    pub env: &'a EnvName,
    /// App.
    pub app: &'a AppName,
    /// Slot.
    pub slot: &'a SlotName,
    /// Compose project of the slot.
    pub project: &'a str,
    /// Its host, address and port.
    pub member: &'a Member,
}

/// Switches a member on. Exit status 0 is the only good end.
#[must_use]
pub fn on(callee: Callee<'_>, call: &Call) -> Body {
    body("activate", ON, callee, call)
}

/// Switches a member off; one of which nothing runs is off.
#[must_use]
pub fn off(callee: Callee<'_>, call: &Call) -> Body {
    body("deactivate", OFF, callee, call)
}

fn body(name: &'static str, text: &'static str, callee: Callee<'_>, call: &Call) -> Body {
    let mut body = super::body(name, text).args(words(callee, call));
    body.limit = call.within + AROUND;
    body
}

/// The words of one call for `dk_call` and `dk_off`.
#[must_use]
pub fn words(callee: Callee<'_>, call: &Call) -> Vec<String> {
    let mut out = vec![callee.project.to_owned()];
    let seconds = call.within.as_millis().div_ceil(1000).to_string();
    match &call.kind {
        CallKind::Command { argv, service } => {
            let service = service.as_ref().map_or("-".to_owned(), ToString::to_string);
            out.extend(["exec".to_owned(), seconds, service]);
            out.extend(argv.iter().cloned());
        }
        CallKind::Http {
            method,
            path,
            port,
            status: (first, last),
            host,
        } => {
            let port = port.unwrap_or(callee.member.port);
            out.extend(["http".to_owned(), seconds, method.clone()]);
            out.push(format!("http://127.0.0.1:{port}{path}"));
            out.extend([first.to_string(), last.to_string()]);
            out.push(host.clone().unwrap_or_default());
        }
        CallKind::OnHost { argv } => {
            out.extend(["host".to_owned(), seconds]);
            let (env, app, slot) = (callee.env, callee.app, callee.slot);
            out.extend([env.to_string(), app.to_string(), slot.to_string()]);
            let member = callee.member;
            out.extend([member.host.to_string(), member.address.clone()]);
            out.push(member.port.to_string());
            out.extend(argv.iter().cloned());
        }
    }
    out
}
