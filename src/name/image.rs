//! Names of images without tag and digest: registry and repository.

use std::fmt;

use super::{Digest, NameError, Version};

/// `[registry[:port]/]path`. Without a registry it is Docker Hub's, and there a path of one part
/// belongs to `library/`, as for the Docker Engine.
///
/// The grammar is that of the OCI distribution specification, "Pulling manifests": parts of the
/// path are lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName {
    /// As written.
    word: String,
    registry: String,
    repository: String,
}

/// The registry of names that do not say one.
const HUB: &str = "docker.io";
/// Longest name with its registry, by the same specification.
const LONGEST: usize = 255;

impl ImageName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// A [`NameError`] that names what is wrong; a tag, a digest or a scheme has no place here.
    pub fn new(word: impl Into<String>) -> Result<Self, NameError> {
        let word = word.into();
        match split(&word) {
            Ok((registry, repository)) => Ok(Self {
                registry,
                repository,
                word,
            }),
            Err(why) => Err(NameError {
                kind: "image name",
                word,
                why,
            }),
        }
    }
    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.word
    }
    /// `registry.example.com`, `registry:5000`, `docker.io`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }
    /// `acme/app`, `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// Whether its registry is Docker Hub.
    #[must_use]
    pub fn is_hub(&self) -> bool {
        self.registry == HUB
    }
    /// `name:tag`.
    #[must_use]
    pub fn tagged(&self, version: &Version) -> String {
        format!("{}:{version}", self.word)
    }
    /// `name@sha256:…`: the same bytes everywhere.
    #[must_use]
    pub fn at(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.word)
    }
}

fn split(word: &str) -> Result<(String, String), String> {
    if word.is_empty() {
        return Err("is empty".to_owned());
    }
    if word.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} characters"));
    }
    if word.contains("://") {
        return Err("has a scheme; write registry.example.com/acme/app".to_owned());
    }
    if word.contains('@') {
        return Err("has a digest; only the name belongs here".to_owned());
    }
    let (registry, path) = match word.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            authority(first)?;
            (first, rest)
        }
        _ => (HUB, word),
    };
    if path.contains(':') {
        return Err("has a tag; only the name belongs here".to_owned());
    }
    if let Some(bad) = path.split('/').find(|p| !part(p)) {
        return Err(format!(
            "contains {bad:?}; lower-case letters and digits, joined by `.`, `_`, `__` or `-`, are allowed"
        ));
    }
    let hub = matches!(registry, HUB | "index.docker.io" | "registry-1.docker.io");
    match hub {
        true if path.contains('/') => Ok((HUB.to_owned(), path.to_owned())),
        true => Ok((HUB.to_owned(), format!("library/{path}"))),
        false => Ok((registry.to_owned(), path.to_owned())),
    }
}

/// `host` or `host:port`.
fn authority(word: &str) -> Result<(), String> {
    let (host, port) = word.split_once(':').unwrap_or((word, "443"));
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let number =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    if host.split('.').all(label) && number {
        Ok(())
    } else {
        Err(format!(
            "names the registry {word:?}; a host name or address with an optional port is allowed"
        ))
    }
}

/// One part of a path: runs of letters and digits with separators between them.
fn part(word: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = word.as_bytes();
    let edges =
        bytes.first().copied().is_some_and(alnum) && bytes.last().copied().is_some_and(alnum);
    let separators = word
        .split(|c: char| c.is_ascii() && alnum(c as u8))
        .filter(|s| !s.is_empty())
        .all(|s| matches!(s, "." | "_" | "__") || s.bytes().all(|b| b == b'-'));
    edges && separators
}

impl TryFrom<String> for ImageName {
    type Error = NameError;
    fn try_from(word: String) -> Result<Self, NameError> {
        Self::new(word)
    }
}
impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.word
    }
}
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word)
    }
}
impl fmt::Debug for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.word, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn registry_and_repository_are_told_apart_as_the_engine_does() {
        for (word, registry, repository) in [
            ("registry:5000/acme/app", "registry:5000", "acme/app"),
            ("registry.example.com/a", "registry.example.com", "a"),
            ("localhost/a/b-c/d__e", "localhost", "a/b-c/d__e"),
            ("10.0.0.1:5000/a", "10.0.0.1:5000", "a"),
            ("nginx", "docker.io", "library/nginx"),
            ("acme/app", "docker.io", "acme/app"),
            ("docker.io/nginx", "docker.io", "library/nginx"),
            ("index.docker.io/acme/app", "docker.io", "acme/app"),
            ("a---b.c_d", "docker.io", "library/a---b.c_d"),
        ] {
            let name = ImageName::new(word).unwrap();
            assert_eq!((name.registry(), name.repository()), (registry, repository));
            assert_eq!(name.as_str(), word);
        }
    }

    #[test]
    fn what_is_no_plain_name_is_refused() {
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "Acme/app",
            "acme/app:1.0",
            "acme/app@sha256:00",
            "http://r/a",
            "a..b",
            "a___b",
            "a._b",
            "-a",
            "a-",
            ".a",
            "a b",
            "a$(x)",
            "a'",
            "ä",
            "r:0/a",
            "r:70000/a",
            "r:+5/a",
            "r:/a",
            ":5/a",
            "-r.x/a",
            "r.x:5:5/a",
            "../a",
            "a/..",
            "r.x/",
            "a\n",
        ] {
            assert!(ImageName::new(bad).is_err(), "{bad:?}");
        }
        assert!(ImageName::new("a".repeat(256)).is_err());
        let error = ImageName::new("acme/app:1.0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "image name \"acme/app:1.0\" has a tag; only the name belongs here"
        );
    }

    #[test]
    fn a_reference_is_put_together() {
        let name = ImageName::new("registry:5000/acme/app").unwrap();
        let version = Version::new("1.0.1-22-7e56158").unwrap();
        let digest = Digest::new(format!("sha256:{}", "9f2c".repeat(16))).unwrap();
        assert_eq!(
            name.tagged(&version),
            "registry:5000/acme/app:1.0.1-22-7e56158"
        );
        assert!(
            name.at(&digest)
                .starts_with("registry:5000/acme/app@sha256:9f2c")
        );
    }

    proptest! {
        #[test]
        fn what_is_accepted_holds_nothing_that_a_url_or_a_shell_minds(word in "[ -~]{1,20}|[a-z./:_-]{1,20}") {
            if let Ok(name) = ImageName::new(word) {
                let harmless = |b: u8| b.is_ascii_alphanumeric() || b"./:_-".contains(&b);
                prop_assert!(name.as_str().bytes().all(harmless));
                prop_assert!(!name.repository().contains(".."));
                prop_assert!(!name.repository().contains(':'));
            }
        }
    }
}
