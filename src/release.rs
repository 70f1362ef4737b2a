//! What is deployed: an immutable release, and what it wants of each host.
//!
//! A release is identified by the hash of everything that reaches a host: app, version, digests and
//! the rendered files of every host. The revision (`#42`) is a number for people.

mod draft;
mod gates;
mod policy;
mod secrets;

pub use draft::{Draft, Given};
pub use secrets::{Prints, SecretFile, Secrets};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::name::{AppName, Digest, EnvName, HostName, ReleaseId, ServiceName, SlotName, Version};

/// One file of a release on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Relative path within the release's directory; `[A-Za-z0-9._/-]`, no `..`.
    pub path: String,
    /// Permission bits, e.g. `0o640`.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What one service of a release must look like in `docker inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Image as `repository:tag@sha256:…`.
    pub image: String,
    /// Its digest, where it has one.
    pub digest: Option<Digest>,
    /// Restart policy name, e.g. `always`; absent where it cannot be known before it runs.
    pub restart: Option<String>,
    /// Memory limit in bytes; absent where there is none.
    pub memory: Option<u64>,
    /// CPU limit in billionths; absent where there is none.
    pub nano_cpus: Option<u64>,
    /// Ports held on the host: number and `tcp` or `udp`.
    pub ports: Vec<(u16, String)>,
    /// Runs to its end and stays down; its end is no fault.
    pub one_shot: bool,
}

/// What a release is, for people and for comparison; also kept as `release.json` on each host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseLabel {
    /// Identity.
    pub id: ReleaseId,
    /// Version that was asked for.
    pub version: Version,
    /// Number for people; 0 where not known.
    pub revision: u64,
    /// Digest of the app's image (the first, where it has several).
    pub digest: Option<Digest>,
    /// It ran before `deploy` came, and was recorded as it was; its number is 0.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

impl std::fmt::Display for ReleaseLabel {
    /// `#43 1.0.2-30-abc1234`, `#0 (adopted) 1.0.1`, or the version alone where there is no number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.adopted {
            f.write_str("#0 (adopted) ")?;
        } else if self.revision > 0 {
            write!(f, "#{} ", self.revision)?;
        }
        write!(f, "{}", self.version)
    }
}

/// The part of a release that one host keeps in `releases/<id>/<slot>/release.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRelease {
    /// Which release it is.
    #[serde(flatten)]
    pub label: ReleaseLabel,
    /// The slot that the files were rendered for.
    pub slot: SlotName,
    /// Its services.
    pub services: BTreeMap<ServiceName, ServiceSpec>,
    /// Fingerprints of its secrets.
    #[serde(default, skip_serializing_if = "Prints::is_empty")]
    pub secrets: Prints,
    /// What it was made from.
    #[serde(default)]
    pub made: Made,
    /// The container of each service, where they were there before `deploy` was.
    #[serde(
        default,
        rename = "containers",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub adopted: BTreeMap<ServiceName, Adopted>,
}

/// A container that somebody started by hand and that was adopted. It has no labels of ours and is in
/// no project: it is known by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
}

/// What a release was made from, and by whom: for people, and so that nobody reverts somebody
/// else's change with an older configuration. Not part of its identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Commit of the configuration repository; empty where there is none.
    pub commit: String,
    /// Inventory or templates differed from that commit.
    pub dirty: bool,
    /// Version of the program.
    pub tool: String,
    /// Who made it; empty where not known.
    pub who: String,
    /// When, seconds since the epoch; 0 where not known.
    pub at: i64,
}

/// A release with everything that its hosts need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Which one.
    pub label: ReleaseLabel,
    /// One part for every slot and host of the app.
    pub parts: Vec<Part>,
}

/// What a release is on one host, in one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The host.
    pub host: HostName,
    /// What it keeps and runs.
    pub spec: HostRelease,
    /// The files to upload, without `release.json`.
    pub files: Vec<ReleaseFile>,
    /// Its secrets' files.
    pub secrets: Vec<SecretFile>,
}

impl Release {
    /// The part for a slot on a host.
    #[must_use]
    pub fn on(&self, slot: &SlotName, host: &HostName) -> Option<&Part> {
        self.parts
            .iter()
            .find(|p| p.spec.slot == *slot && p.host == *host)
    }
}

/// Identity of a release: the first 16 hex digits of SHA-256 over everything that is the same
/// each time it is made. Labels that name the release or its run must not be part of `files`.
#[must_use]
pub fn identity(
    env: &EnvName,
    app: &AppName,
    version: &Version,
    digests: &BTreeMap<String, Digest>,
    files: &[(SlotName, HostName, Vec<ReleaseFile>)],
    secrets: &Prints,
) -> ReleaseId {
    let mut hash = Sha256::new();
    // Every part goes in with its length, so that no two lists of parts look the same.
    let mut part = |bytes: &[u8]| {
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(bytes);
    };
    for word in [env.as_str(), app.as_str(), version.as_str()] {
        part(word.as_bytes());
    }
    for (image, digest) in digests {
        part(image.as_bytes());
        part(digest.as_str().as_bytes());
    }
    for (slot, host, list) in files {
        part(slot.as_str().as_bytes());
        part(host.as_str().as_bytes());
        for file in list {
            part(file.path.as_bytes());
            part(&file.mode.to_be_bytes());
            part(&file.bytes);
        }
    }
    // The salt is in each of them.
    for (name, print) in &secrets.of {
        part(name.as_bytes());
        part(print.as_bytes());
    }
    let hex: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect();
    ReleaseId::new(hex).expect("hex digits are a valid release id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(bytes: &str) -> Vec<(SlotName, HostName, Vec<ReleaseFile>)> {
        vec![(
            SlotName::new("blue").unwrap(),
            HostName::new("web1").unwrap(),
            vec![ReleaseFile {
                path: "docker-compose.yml".into(),
                mode: 0o640,
                bytes: bytes.into(),
            }],
        )]
    }

    #[test]
    fn what_was_adopted_comes_back_from_the_record_as_it_was() {
        let one = Adopted {
            id: "ab12".to_owned(),
            name: "shop".to_owned(),
        };
        let mut kept = HostRelease {
            label: ReleaseLabel {
                id: ReleaseId::new("r0").unwrap(),
                version: Version::new("1.0").unwrap(),
                revision: 0,
                digest: None,
                adopted: true,
            },
            slot: SlotName::new("blue").unwrap(),
            services: BTreeMap::new(),
            secrets: Prints::default(),
            made: Made::default(),
            adopted: BTreeMap::from([(ServiceName::new("web").unwrap(), one)]),
        };
        assert_eq!(kept.label.to_string(), "#0 (adopted) 1.0");
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<HostRelease>(&text).unwrap(), kept);
        // Records of releases that were deployed say nothing of it.
        kept.adopted.clear();
        kept.label.adopted = false;
        let text = serde_json::to_string(&kept).unwrap();
        assert!(
            !text.contains("adopted") && !text.contains("containers"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<HostRelease>(&text).unwrap(), kept);
    }

    #[test]
    fn identity_depends_on_every_byte_and_on_nothing_else() {
        let id = |v: &str, b: &str| {
            identity(
                &EnvName::new("staging").unwrap(),
                &AppName::new("app").unwrap(),
                &Version::new(v).unwrap(),
                &BTreeMap::new(),
                &files(b),
                &Prints::default(),
            )
        };
        assert_eq!(id("1.0", "a"), id("1.0", "a"));
        assert_ne!(id("1.0", "a"), id("1.0", "b"));
        assert_ne!(id("1.0", "a"), id("1.1", "a"));
        assert_eq!(id("1.0", "a").as_str().len(), 16);
    }
}
