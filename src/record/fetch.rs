//! Images that are fetched outside of a run: nothing is started, stopped or written down, so neither
//! claim nor lock of the app is needed. Who removes images meanwhile is waited for.

use super::verb::{LIB, Scope};
use crate::host::script::{Body, Script};

/// The body is a function of its own, since a body may end by `exit`.
const BEGIN: &str = "fetch() (\nset -- \"$root\" \"$dir\" - - 0 \"$@\"";
const BODY: &str = include_str!("sh/body.sh");
const END: &str = ")\nuntil_hangup fetch \"$@\"\nend ok rc=$?";

/// Runs a pull's body without a run. The end of the connection ends it.
#[must_use]
pub fn fetch(scope: &Scope, pull: &Body) -> Script {
    let parts = [LIB, BEGIN, BODY, &pull.text, END];
    let mut script = scope.script("fetch", &parts).args(pull.args.clone());
    script.limit = pull.limit;
    script.quiet = pull.quiet;
    script.tied = true;
    script
}
