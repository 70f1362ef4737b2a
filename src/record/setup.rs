//! What a host needs once, before the first claim: the folder of the record. Claims make it where
//! their login may; `deploy setup` makes it as root where not.
//!
//! The script prints a line for each thing, its first word says how it is: `made`, `kept` (it was
//! there), `left` (for a person). What load balancers need says it in the same words, see
//! [`crate::balancer::Driver::set_up`].

use crate::host::script::Body;

const TEXT: &str = include_str!("sh/setup.sh");

/// Makes the folder of the record at `root` for `login`, the account that `deploy` logs in with.
#[must_use]
pub fn body(root: &str, login: &str) -> Body {
    Body::new("setup", TEXT).args([root, login])
}
