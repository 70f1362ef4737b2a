//! What is read out of a registry's answers.

use serde_json::Value;
use sha2::Digest as _;

use super::Resolved;
use super::http::Answer;
use crate::name::Digest;

/// Types of a single image's manifest.
pub(super) const MANIFEST_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// Types of a list of manifests, one per platform.
pub(super) const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What an index offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Go's word, e.g. `linux`.
    pub os: String,
    /// Go's word, e.g. `amd64`.
    pub architecture: String,
    /// Of the image for it.
    pub digest: Digest,
}

/// Reads a manifest or an index; the digest is that of the bytes that came.
pub(super) fn read(answer: &Answer) -> Result<Resolved, String> {
    let digest = digest(&answer.body);
    if answer
        .digest
        .as_deref()
        .is_some_and(|said| said != digest.as_str())
    {
        return Err(format!(
            "the manifest's digest is {digest}, but the registry calls it {}",
            answer.digest.as_deref().unwrap_or_default()
        ));
    }
    let document: Value = serde_json::from_slice(&answer.body)
        .map_err(|e| format!("the manifest is not JSON: {e}"))?;
    let media_type = document["mediaType"]
        .as_str()
        .or(answer.content_type.as_deref());
    let media_type = media_type.unwrap_or_default().to_owned();
    let index = INDEX_TYPES.contains(&media_type.as_str());
    if !index && !MANIFEST_TYPES.contains(&media_type.as_str()) {
        return Err(format!("the manifest has the unknown type {media_type:?}"));
    }
    let platforms = if index {
        platforms(&document)?
    } else {
        Vec::new()
    };
    Ok(Resolved {
        digest,
        media_type,
        platforms,
    })
}

/// The entries that are images; build attestations call their platform `unknown`.
pub(super) fn platforms(index: &Value) -> Result<Vec<Platform>, String> {
    let entries = index["manifests"]
        .as_array()
        .ok_or("the index has no list of manifests")?;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    for entry in entries {
        let (os, architecture) = (
            text(&entry["platform"]["os"]),
            text(&entry["platform"]["architecture"]),
        );
        if os.is_empty() || os == "unknown" {
            continue;
        }
        let digest = Digest::new(text(&entry["digest"])).map_err(|e| e.to_string())?;
        out.push(Platform {
            os,
            architecture,
            digest,
        });
    }
    Ok(out)
}

fn digest(bytes: &[u8]) -> Digest {
    let sum = sha2::Sha256::digest(bytes);
    let hex: String = sum.iter().map(|b| format!("{b:02x}")).collect();
    Digest::new(format!("sha256:{hex}")).expect("64 hex digits are a digest")
}

/// The `code`s of an error answer, e.g. `MANIFEST_UNKNOWN`.
pub(super) fn error_codes(body: &[u8]) -> Vec<String> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let errors = document["errors"].as_array().cloned().unwrap_or_default();
    let codes = errors.iter().filter_map(|e| e["code"].as_str());
    codes.take(5).map(str::to_owned).collect()
}

/// The tags of one page.
pub(super) fn tags(body: &[u8]) -> Result<Vec<String>, String> {
    let document: Value =
        serde_json::from_slice(body).map_err(|e| format!("the list of tags is not JSON: {e}"))?;
    let all = match &document["tags"] {
        Value::Null => return Ok(Vec::new()),
        Value::Array(all) => all,
        _ => return Err("the list of tags is no list".to_owned()),
    };
    Ok(all
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}
