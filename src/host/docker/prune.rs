//! What a prune asks the engine and tells it.

use std::time::Duration;

use crate::host::script::Body;

const TEXT: &str = include_str!("sh/prune.sh");

/// Which releases containers were made from, and the removal of single images. Removing images
/// touches the disk: a prune may take minutes.
#[must_use]
pub fn prune() -> Body {
    let mut body = super::body("prune", TEXT);
    body.limit = Duration::from_secs(600);
    body
}
