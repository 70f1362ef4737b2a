//! What a compose file may do with the secrets that a release delivers, each in a file of its own.
//!
//! They lie in [`DIR`] beside the compose file. A service gets one as a file: by `secrets:` or by a
//! mount. To forbid another way out: a branch in [`check`].

use super::{Document, Service};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings};

/// Directory of a release that holds its secrets; `template` gives paths in it.
const DIR: &str = "secrets/";

/// Refuses what would take a secret out of its file, and a file that will not be there.
pub(super) fn check(document: &Document, shipped: &[&str], found: &mut Findings) {
    for service in document.services() {
        env_files(&service, found);
    }
    let defined = document.root.get("secrets").and_then(Node::map);
    for entry in defined.unwrap_or_default() {
        let Some(file) = entry.value.get("file") else {
            continue;
        };
        let Some(path) = file.text().and_then(delivered) else {
            continue;
        };
        if !shipped.contains(&path) {
            found.push(
                Diagnostic::error(format!("secret {} names `{path}`, which is not delivered", entry.key.text))
                    .at(&file.span)
                    .hint("name it under `secrets:` of the inventory and write `file: {{ secret('NAME') }}`"),
            );
        }
    }
}

/// Values of an `env_file` become part of the container's settings, which `docker inspect` shows.
fn env_files(service: &Service<'_>, found: &mut Findings) {
    let Some(node) = service.at(&["env_file"]) else {
        return;
    };
    let items = node.seq().unwrap_or(std::slice::from_ref(node));
    for item in items {
        let path = item.get("path").unwrap_or(item);
        if path.text().and_then(delivered).is_some() {
            found.push(
                Diagnostic::error(format!(
                    "service {} reads a secret as `env_file`: its values would stand in the container's settings",
                    service.name()
                ))
                .at(&path.span)
                .hint("mount it as a file, by `secrets:`, and let the program read the file"),
            );
        }
    }
}

/// The path within the release, where it is one of a delivered secret.
fn delivered(path: &str) -> Option<&str> {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.starts_with(DIR).then_some(path)
}
