//! Images that are fetched outside of a run: nothing is started, stopped or written down, so neither
//! claim nor lock of the app is needed. Who removes images meanwhile is waited for.

use super::verb::{LIB, PRIVATE, Scope};
use crate::host::script::{Body, Script};

/// The body is a function of its own, since a body may end by `exit`.
const BEGIN: &str = "fetch() (\nset -- \"$root\" \"$dir\" - - 0 \"$@\"";
const BODY: &str = include_str!("sh/body.sh");
const END: &str = ")\nuntil_hangup fetch \"$@\"\nend ok rc=$?";
/// A login's size is the body's first parameter. The body reads it on its standard input.
const TAKE: &str = "private_data \"$1\" \"${TMPDIR:-/tmp}\" || end error upload";
const END_WITH_DATA: &str = ") </proc/self/fd/7\nuntil_hangup fetch \"$@\"\nend ok rc=$?";

/// Runs a pull's body without a run. The end of the connection ends it.
#[must_use]
pub fn fetch(scope: &Scope, pull: &Body) -> Script {
    let parts: &[&str] = match pull.data.is_empty() {
        true => &[LIB, BEGIN, BODY, &pull.text, END],
        false => &[LIB, PRIVATE, TAKE, BEGIN, BODY, &pull.text, END_WITH_DATA],
    };
    let mut script = scope.script("fetch", parts).args(pull.args.clone());
    script.data.clone_from(&pull.data);
    script.limit = pull.limit;
    script.quiet = pull.quiet;
    script.tied = true;
    script
}
