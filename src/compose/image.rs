//! References of images: `registry.example.com:5000/acme/app:1.0.1@sha256:…`.

use std::fmt;

use crate::name::{Digest, Version};

/// Why a text is no reference of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image reference {text:?} {why}")]
pub struct ImageError {
    /// The text.
    pub text: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

/// An image by repository, tag and digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    /// Registry and repository as written: `nginx`, `registry.example.com:5000/acme/app`.
    pub repository: String,
    /// The tag; none means `latest` to Docker.
    pub tag: Option<String>,
    /// The digest that it is pinned to.
    pub digest: Option<Digest>,
}

impl ImageRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// The rule of references that the text breaks.
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let refuse = |why| {
            Err(ImageError {
                text: text.to_owned(),
                why,
            })
        };
        if text.contains("${") || text.starts_with('$') {
            return refuse("holds a variable, which only the host would know");
        }
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => match Digest::new(digest) {
                Ok(digest) => (rest, Some(digest)),
                Err(_) => return refuse("has a digest that is not `sha256:` and 64 hex digits"),
            },
        };
        // A colon after the last slash begins the tag; one before it begins a port.
        let colon = rest.rfind(':').filter(|at| !rest[*at..].contains('/'));
        let (repository, tag) = match colon {
            None => (rest, None),
            Some(at) => match Version::new(&rest[at + 1..]) {
                Ok(tag) => (&rest[..at], Some(tag.as_str().to_owned())),
                Err(_) => return refuse("has a tag that is none"),
            },
        };
        if !good_repository(repository) {
            return refuse(
                "has a repository that is none: lower-case letters, digits, `.`, `_`, `-` and `/` are allowed",
            );
        }
        Ok(Self {
            repository: repository.to_owned(),
            tag,
            digest,
        })
    }

    /// The same image pinned to a digest.
    #[must_use]
    pub fn pinned(&self, digest: &Digest) -> Self {
        Self {
            digest: Some(digest.clone()),
            ..self.clone()
        }
    }
}

fn good_repository(repository: &str) -> bool {
    let mut parts = repository.split('/');
    let first = parts.next().unwrap_or("");
    let registry = repository.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let good = |part: &str| {
        let ends =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(part.chars().next())
            && ends(part.chars().last())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    let host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    let first_good = if registry {
        first.chars().all(host)
    } else {
        good(first)
    };
    first_good && parts.all(good) && repository.len() <= 255
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_apart_and_put_together() {
        let hex = "9f".repeat(32);
        let whole = format!("registry.example.com:5000/acme/app:1.0.1-22-7e56158@sha256:{hex}");
        let image = ImageRef::parse(&whole).unwrap();
        assert_eq!(image.repository, "registry.example.com:5000/acme/app");
        assert_eq!(image.tag.as_deref(), Some("1.0.1-22-7e56158"));
        assert_eq!(image.to_string(), whole);
        for good in [
            "nginx",
            "nginx:1.25",
            "localhost/x",
            "localhost:5000/x",
            "a.b/c/d_e:x",
        ] {
            assert_eq!(ImageRef::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "Nginx",
            "a b",
            "x:",
            "x:-1",
            "x@sha256:12",
            "/x",
            "x/",
            "${R}/app:1",
            "a//b",
        ] {
            assert!(ImageRef::parse(bad).is_err(), "{bad}");
        }
    }
}
