//! Bodies of the drivers' verbs: a text of shell, what every script is told first, and how a drain
//! is followed. To add a driver: its [`Head`], and a line [`text!`] for each verb.

use std::time::Duration;

use super::{Target, words};
use crate::host::script::Body;

/// The text of a verb, of these files below `src/balancer`, run in a subshell: its `exit` ends the
/// body and nothing else.
macro_rules! text {
    ($($file:literal),+ $(,)?) => {
        concat!("(\n", include_str!("common.sh"), $(include_str!($file)),+, ")\n")
    };
}

/// What `common.sh` is told besides what the target says.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The driver, which names the lock.
    pub driver: &'static str,
    /// Folder of ours on the host.
    pub dir: &'a str,
    /// The server's program.
    pub program: &'a str,
    /// Its configuration, or by what else it is spoken to.
    pub conf: Option<&'a str>,
}

/// A body with the parameters that all verbs share.
#[must_use]
pub fn body(name: &'static str, text: &'static str, target: &Target, head: &Head<'_>) -> Body {
    let word = |w: Option<&str>| w.unwrap_or("-").to_owned();
    let mut body = Body::new(name, text).args([
        head.driver.to_owned(),
        head.dir.to_owned(),
        words::entry(target),
        head.program.to_owned(),
        word(head.conf),
        target.probe.trim_end_matches('/').to_owned(),
        word(target.host_header.as_deref()),
    ]);
    body.root = target.root;
    body
}

/// For what should have been refused when the plan was made.
#[must_use]
pub fn refusal(name: &'static str, no: &[String]) -> Body {
    let text = "printf 'refused %s\\n' \"$1\"\n";
    Body::new(name, text).args([no.join("; ")])
}

/// The way of a body from here on as that of a drain: followed line by line, and ended only well
/// after it should have ended by itself.
#[must_use]
pub fn followed(mut body: Body, within: Duration) -> Body {
    body.limit = within + Duration::from_secs(15);
    body.follow = true;
    body
}
