//! Versions as image tags: `1.0.1-22-7e56158` is app version, commit count, commit.

use std::cmp::Ordering;
use std::fmt;

use super::NameError;

/// The tag of a release. Any valid image tag is accepted; the house form
/// `1.0.1-22-7e56158` is understood and ordered by version, then commit count.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

impl Version {
    /// Checks and takes a tag: the grammar of image tags, `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
    ///
    /// # Errors
    /// A [`NameError`] where the word is not a tag.
    pub fn new(word: impl Into<String>) -> Result<Self, NameError> {
        let word = word.into();
        super::check(
            "version",
            &word,
            |c| c.is_ascii_alphanumeric() || c == '_',
            |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'),
            128,
            "a version is an image tag: letters, digits, `.`, `_` and `-`",
        )?;
        Ok(Self(word))
    }

    /// The tag itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// App version numbers and commit count where the tag has the house form.
    fn parts(&self) -> Option<(Vec<u64>, u64)> {
        let (rest, commit) = self.0.rsplit_once('-')?;
        let (numbers, count) = rest.rsplit_once('-')?;
        let hex = commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit());
        let numbers = numbers
            .split('.')
            .map(|n| n.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        hex.then_some((numbers, count.parse().ok()?))
    }

    /// The numbers of the app's version, where the tag has the house form.
    #[must_use]
    pub fn numbers(&self) -> Option<Vec<u64>> {
        Some(self.parts()?.0)
    }

    /// True for the house form, which has an order.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.parts().is_some()
    }

    /// Order of two versions, where both have the house form; `None` where that is not known.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        let (a, b) = (self.parts()?, other.parts()?);
        match a.cmp(&b) {
            // Two commits with one number: which came first cannot be told.
            Ordering::Equal => None,
            known => Some(known),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = NameError;
    fn try_from(word: String) -> Result<Self, NameError> {
        Self::new(word)
    }
}
impl From<Version> for String {
    fn from(v: Version) -> Self {
        v.0
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(s: &str) -> Version {
        Version::new(s).unwrap()
    }

    #[test]
    fn the_house_form_is_ordered_by_number_not_by_text() {
        assert_eq!(
            v("1.0.10-3-7e56158").compare(&v("1.0.9-99-abc1234")),
            Some(Ordering::Greater)
        );
        assert_eq!(
            v("1.0.1-9-7e56158").compare(&v("1.0.1-22-7e56158")),
            Some(Ordering::Less)
        );
        assert_eq!(v("1.0.1-9-7e56158").compare(&v("1.0.1-9-abc1234")), None);
        assert_eq!(v("latest").compare(&v("1.0.1-9-abc1234")), None);
        assert_eq!(v("latest").compare(&v("latest")), Some(Ordering::Equal));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for bad in ["", "a b", "a@b", "a/b", ".a", "-a", "$(x)", "a'b"] {
            assert!(Version::new(bad).is_err(), "{bad:?}");
        }
    }
}
