//! Servers that look for flag files on each request: which slot gets it is decided by the files of
//! one folder, which is exchanged by a rename. So a switch needs no reload and closes no connection.
//! Common to the drivers of such servers; what is written for one of them is that driver's own.
//!
//! - `driver` the driver itself; a server has only what it asks of it
//! - `wish`  what a traffic value means in flags
//! - `read`  what the scripts answer
//! - `*.sh`  the scripts; `lib.sh` says what the driver's own `lib.sh`, which stands behind it, has
//!
//! To add such a driver: copy the form of `nginx.rs`.

pub mod driver;
pub mod read;
pub mod wish;

use super::bodies::{Head, body, refusal};
use super::{Target, words};
use crate::fleet::Traffic;
use crate::host::script::Body;
use wish::Wish;

/// One server of this kind, as its driver's settings say.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Its name for people.
    pub called: &'static str,
    /// What its scripts are told first.
    pub head: Head<'a>,
    /// The operator has a server of his own that includes the rules.
    pub own: bool,
}

impl Server<'_> {
    /// Who writes the server, for scripts.
    fn mode(&self) -> &'static str {
        if self.own { "own" } else { "rendered" }
    }

    /// The body of a look.
    #[must_use]
    pub fn look(&self, text: &'static str, target: &Target) -> Body {
        body("lb look", text, target, &self.head).args([self.mode()])
    }

    /// The body of a verify.
    #[must_use]
    pub fn verify(&self, text: &'static str, target: &Target, wanted: Wish) -> Body {
        body("lb verify", text, target, &self.head).args([wanted.key(), wanted.slot, wanted.out])
    }

    /// Prepare or commit: both carry the whole wish, so that a commit stands by itself. `no` is
    /// what cannot be written; `write` makes a wish of a value.
    #[must_use]
    pub fn change(
        &self,
        (name, text): (&'static str, &'static str),
        target: &Target,
        (before, after): (Option<&Traffic>, &Traffic),
        mut no: Vec<String>,
        write: impl Fn(&Traffic) -> Wish,
    ) -> Body {
        no.extend(words::gap(before, after));
        if !no.is_empty() {
            return refusal(name, &no);
        }
        let (from, to) = (before.map(&write), write(after));
        let mut body = body(name, text, target, &self.head).args([
            from.as_ref().map_or("-".to_owned(), Wish::key),
            to.key(),
            to.hash.clone(),
            to.http.len().to_string(),
            to.server.len().to_string(),
            self.mode().to_owned(),
            from.as_ref().map_or("-".to_owned(), Wish::sum),
            to.sum(),
            to.generation.clone(),
            to.slot.clone(),
            to.out.clone(),
            to.flags.join(","),
            to.traffic.clone(),
            to.spare.clone(),
        ]);
        body.data = to.data();
        body
    }
}

/// The body of a drain that counts connections to the members that rest.
#[must_use]
pub fn drain(
    text: &'static str,
    target: &Target,
    head: &Head<'_>,
    now: &Traffic,
    seconds: u64,
) -> Body {
    let mut members = vec![seconds.to_string()];
    for (_, _, member) in words::resting(now) {
        members.extend([member.address.clone(), member.port.to_string()]);
    }
    body("lb drain", text, target, head).args(members)
}
