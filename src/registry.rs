//! What a tag means: version → digest, asked at the registry once per run.
//!
//! - `manifest` the few things read out of an answer.
//! - `http` requests, authorization, time limits.
//! - `credentials` what `docker login` left.
//! - `logins` the part of it that goes with a pull on a host.
//! - `size` what an image costs to fetch.
//! - `through` the same question asked from a host, for registries that only hosts can reach.
//!
//! Protocol: OCI distribution specification, "Pulling manifests" and "Content discovery"; tokens
//! as in the Docker registry's token authentication.

mod credentials;
mod http;
mod logins;
mod manifest;
mod size;
pub mod through;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Answer, Http};
use manifest::{INDEX_TYPES, MANIFEST_TYPES};

use crate::name::{Digest, ImageName, Version};

pub use credentials::{Credentials, Helper};
pub use logins::{Carried, Logins};
pub use manifest::Platform;

/// Longest time for one question with all that belongs to it (tokens, second requests).
pub const LIMIT: Duration = Duration::from_secs(10);

/// How a registry is reached, where that is not plain HTTPS to its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistrySettings {
    /// It speaks HTTP without TLS. Never tried where this is not set.
    pub insecure: bool,
    /// `host:port` by which this machine reaches it, where its name is known to the hosts only.
    pub address: Option<String>,
    /// Certificates in PEM of an authority that is trusted for it, beside the system's.
    pub ca_pem: Option<Vec<u8>>,
}

/// What a tag means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Of the manifest or of the index: what `image@digest` names.
    pub digest: Digest,
    /// Type of the manifest.
    pub media_type: String,
    /// What an index offers; empty for a single image, whose platform only a pull tells.
    pub platforms: Vec<Platform>,
}

impl Resolved {
    /// Whether a host of this kind can run it; `None` where that is not known.
    /// `architecture` is Go's word: `amd64`, `arm64`.
    #[must_use]
    pub fn runs_on(&self, os: &str, architecture: &str) -> Option<bool> {
        if self.platforms.is_empty() {
            return None;
        }
        let fits = |p: &Platform| p.os == os && p.architecture == architecture;
        Some(self.platforms.iter().any(fits))
    }
}

/// Why a registry did not say what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry has the repository, but not the tag.
    #[error("the registry {registry} has no tag {tag} of {repository}")]
    TagAbsent {
        /// Name of the registry.
        registry: String,
        /// Path of the image there.
        repository: String,
        /// What was asked for.
        tag: String,
        /// A few tags that it has, the likeliest first; empty where it would not say.
        others: Vec<String>,
    },
    /// The registry does not have the repository, or hides it.
    #[error("the registry {registry} has no repository {repository}")]
    RepositoryAbsent {
        /// Name of the registry.
        registry: String,
        /// Path of the image there.
        repository: String,
    },
    /// No credentials, or none that are accepted.
    #[error("the registry {registry} does not let us read {repository}")]
    Unauthorized {
        /// Name of the registry.
        registry: String,
        /// Path of the image there.
        repository: String,
        /// What it, or the credential helper, said.
        #[source]
        source: Said,
        /// Whether any credentials were sent.
        with_credentials: bool,
    },
    /// It could not be reached, or was silent for too long.
    #[error("the registry {registry} at {url} does not answer")]
    Unreachable {
        /// Name of the registry.
        registry: String,
        /// Where it was looked for.
        url: String,
        /// What the network said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It answered something else than what was asked.
    #[error("the registry {registry} gave an answer that cannot be used")]
    Answer {
        /// Name of the registry.
        registry: String,
        /// What is wrong with it.
        #[source]
        source: Said,
    },
    /// Its settings cannot be used.
    #[error("the settings of registry {registry} cannot be used")]
    Settings {
        /// Name of the registry.
        registry: String,
        /// What is wrong with them.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Words that came from outside, as an error's source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(pub String);

impl RegistryError {
    /// Whether nothing is known (exit code 7), rather than something being wrong in what was asked
    /// or written (exit code 2).
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Answer { .. })
    }

    /// What to type or look at.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TagAbsent { others, .. } if others.is_empty() => {
                "has the build pushed it yet?".to_owned()
            }
            Self::TagAbsent { others, .. } => format!("it has {}", others.join(", ")),
            Self::RepositoryAbsent { .. } => {
                "look at `image:` in the inventory; a registry may also hide what one may not read"
                    .to_owned()
            }
            Self::Unauthorized {
                registry,
                with_credentials: false,
                ..
            } => {
                format!("`docker login {registry}` on this machine, for an account that may pull")
            }
            Self::Unauthorized { registry, .. } => format!(
                "the credentials that `docker login {registry}` left may be out of date, or may \
                 not read this repository"
            ),
            Self::Unreachable { registry, .. } => format!(
                "is it reached from this machine by another address? \
                 `registries: {{ \"{registry}\": {{ address: … }} }}` in the inventory"
            ),
            Self::Answer { .. } => return None,
            Self::Settings { registry, .. } => {
                format!("look at `registries:` → {registry} in the inventory")
            }
        })
    }
}

/// Asks registries. One for a run: connections and tokens are used again.
pub struct Registry {
    settings: BTreeMap<String, RegistrySettings>,
    http: Http,
}

impl Registry {
    /// Touches nothing yet. `settings` by the name that stands in images.
    #[must_use]
    pub fn new(settings: BTreeMap<String, RegistrySettings>, credentials: Credentials) -> Self {
        Self {
            settings,
            http: Http::new(credentials),
        }
    }

    /// What the tag means now.
    ///
    /// # Errors
    /// A [`RegistryError`]; after [`LIMIT`] at the latest it counts as unreachable.
    pub async fn resolve(
        &self,
        image: &ImageName,
        version: &Version,
    ) -> Result<Resolved, RegistryError> {
        self.in_time(image, self.resolve_in_any_time(image, version))
            .await
    }

    /// All tags of an image, in the registry's order; at most some thousands.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub async fn tags(&self, image: &ImageName) -> Result<Vec<String>, RegistryError> {
        self.in_time(image, self.list(image)).await
    }

    async fn in_time<T>(
        &self,
        image: &ImageName,
        answer: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(answer) => answer,
            Err(late) => Err(RegistryError::Unreachable {
                registry: image.registry().to_owned(),
                url: self.place(image).base,
                source: late.into(),
            }),
        }
    }

    async fn resolve_in_any_time(
        &self,
        image: &ImageName,
        version: &Version,
    ) -> Result<Resolved, RegistryError> {
        let place = self.place(image);
        let path = format!("manifests/{version}");
        let head = self.http.ask(&place, reqwest::Method::HEAD, &path).await?;
        if let Some(resolved) = single(&head) {
            return Ok(resolved);
        }
        // An index must be read for its platforms; some registries answer HEAD without a digest,
        // or not at all; and only the body of a 404 tells what is absent.
        let whole = self.http.ask(&place, reqwest::Method::GET, &path).await?;
        match whole.status {
            200 => manifest::read(&whole).map_err(|why| answer(image, why)),
            404 => Err(self.absent(image, version, &whole).await),
            _ => Err(refused(image, &whole)),
        }
    }

    /// Tells which part is absent, and what there is instead.
    async fn absent(&self, image: &ImageName, version: &Version, whole: &Answer) -> RegistryError {
        let registry = image.registry().to_owned();
        let repository = image.repository().to_owned();
        let known = self.list(image).await;
        let unknown = manifest::error_codes(&whole.body).contains(&"NAME_UNKNOWN".to_owned());
        if unknown || matches!(known, Err(RegistryError::RepositoryAbsent { .. })) {
            return RegistryError::RepositoryAbsent {
                registry,
                repository,
            };
        }
        RegistryError::TagAbsent {
            registry,
            repository,
            tag: version.to_string(),
            others: likeliest(version, known.unwrap_or_default()),
        }
    }

    async fn list(&self, image: &ImageName) -> Result<Vec<String>, RegistryError> {
        let place = self.place(image);
        let mut tags = Vec::new();
        let mut path = "tags/list?n=1000".to_owned();
        // Five pages: nobody reads more, and a registry that pages for ever must not hold us.
        for _ in 0..5 {
            let page = self.http.ask(&place, reqwest::Method::GET, &path).await?;
            match page.status {
                200 => tags.extend(manifest::tags(&page.body).map_err(|why| answer(image, why))?),
                404 => {
                    return Err(RegistryError::RepositoryAbsent {
                        registry: image.registry().to_owned(),
                        repository: image.repository().to_owned(),
                    });
                }
                _ => return Err(refused(image, &page)),
            }
            let last = tags
                .last()
                .filter(|t| page.next_page && Version::new(t.as_str()).is_ok());
            let Some(last) = last else {
                break;
            };
            path = format!("tags/list?n=1000&last={last}");
        }
        Ok(tags)
    }

    fn place(&self, image: &ImageName) -> http::Place {
        let settings = self
            .settings
            .get(image.registry())
            .cloned()
            .unwrap_or_default();
        http::Place::new(image, settings)
    }
}

/// A single image needs no second request: its digest is in the header.
fn single(head: &Answer) -> Option<Resolved> {
    let kind = head.content_type.as_deref()?;
    if head.status != 200 || !MANIFEST_TYPES.contains(&kind) || INDEX_TYPES.contains(&kind) {
        return None;
    }
    Some(Resolved {
        digest: Digest::new(head.digest.clone()?).ok()?,
        media_type: kind.to_owned(),
        platforms: Vec::new(),
    })
}

/// How many tags are named where one is absent, and how many of them for being near.
const OTHERS: usize = 5;
const NEAR: usize = 3;

/// A few tags that the operator may have meant: the nearest in writing, then the newest.
fn likeliest(version: &Version, known: Vec<String>) -> Vec<String> {
    let near = crate::text::by_nearness(version.as_str(), known.iter().map(String::as_str));
    let mut out: Vec<String> = near.into_iter().take(NEAR).map(str::to_owned).collect();
    let mut versions: Vec<Version> = known
        .into_iter()
        .filter_map(|t| Version::new(t).ok())
        .collect();
    versions.sort_by(|a, b| b.compare(a).unwrap_or(std::cmp::Ordering::Equal));
    let newest = versions.iter().map(ToString::to_string);
    for tag in newest {
        if out.len() < OTHERS && !out.contains(&tag) {
            out.push(tag);
        }
    }
    out
}

fn answer(image: &ImageName, why: String) -> RegistryError {
    RegistryError::Answer {
        registry: image.registry().to_owned(),
        source: Said(why),
    }
}

/// An answer that is neither good nor "absent".
fn refused(image: &ImageName, got: &Answer) -> RegistryError {
    let codes = manifest::error_codes(&got.body).join(", ");
    let said = format!("status {} {codes}", got.status);
    answer(image, said.trim_end().to_owned())
}

#[cfg(test)]
mod tests;
