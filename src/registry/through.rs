//! The question "which digest has this tag" asked from a host, for a registry that only hosts can
//! reach.
//!
//! This module knows neither hosts nor scripts: it gives static shell text, its parameters, and a
//! reader of its answer. The text relies on the prologue's `end`.

use super::{RegistryError, RegistrySettings, Resolved, Said};
use crate::name::{Digest, ImageName, Version};

/// Asks by curl, else by wget, for the manifest's headers. `$1` is the address, `$2` the types.
/// Answers `end found STATUS` after the header lines, or `end no-client`.
pub const SCRIPT: &str = include_str!("through.sh");

/// The parameters of [`SCRIPT`]. No credentials: what needs them is asked from this machine.
#[must_use]
pub fn parameters(
    image: &ImageName,
    version: &Version,
    settings: &RegistrySettings,
) -> [String; 2] {
    let scheme = if settings.insecure { "http" } else { "https" };
    let host = match image.is_hub() {
        true => "registry-1.docker.io",
        false => image.registry(),
    };
    let url = format!(
        "{scheme}://{host}/v2/{}/manifests/{version}",
        image.repository()
    );
    let types = super::MANIFEST_TYPES.iter().chain(&super::INDEX_TYPES);
    let types: Vec<&str> = types.copied().collect();
    [url, types.join(", ")]
}

/// Reads the answer: the script's lines (HTTP headers) and the words of its end line.
///
/// # Errors
/// As [`super::Registry::resolve`]; without the list of other tags.
pub fn read(
    image: &ImageName,
    version: &Version,
    lines: &[String],
    end: &[String],
) -> Result<Resolved, RegistryError> {
    let registry = image.registry().to_owned();
    let repository = image.repository().to_owned();
    let wrong = |why: String| RegistryError::Answer {
        registry: registry.clone(),
        source: Said(why),
    };
    // Of several answers (redirections) the last one counts.
    let status = lines
        .iter()
        .rev()
        .find_map(|l| l.trim().strip_prefix("HTTP/"));
    let status = status.and_then(|l| l.split(' ').nth(1));
    match (end.first().map(String::as_str), status) {
        (Some("no-client"), _) => Err(wrong(
            "neither curl nor wget is on the host that was asked".to_owned(),
        )),
        (_, Some("200")) => {
            let header = |name: &str| {
                let of = |l: &String| {
                    let (key, value) = l.split_once(':')?;
                    key.trim()
                        .eq_ignore_ascii_case(name)
                        .then(|| value.trim().to_owned())
                };
                lines.iter().rev().find_map(of)
            };
            let digest = header("docker-content-digest")
                .ok_or_else(|| wrong("it has no digest".to_owned()))?;
            Ok(Resolved {
                digest: Digest::new(digest).map_err(|e| wrong(e.to_string()))?,
                media_type: header("content-type").unwrap_or_default(),
                platforms: Vec::new(),
            })
        }
        (_, Some("404")) => Err(RegistryError::TagAbsent {
            registry,
            repository,
            tag: version.to_string(),
            others: Vec::new(),
        }),
        (_, Some(status @ ("401" | "403"))) => Err(RegistryError::Unauthorized {
            registry,
            repository,
            source: Said(format!("status {status}, asked from a host")),
            with_credentials: false,
        }),
        (_, Some(status)) => Err(wrong(format!("status {status}, asked from a host"))),
        (_, None) => Err(RegistryError::Unreachable {
            url: format!("{registry}, asked from a host"),
            registry,
            source: Box::new(Said(end.join(" "))),
        }),
    }
}
