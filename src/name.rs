//! Names and identities: newtypes that are checked once, at birth.
//!
//! Every word that reaches a path, a script argument or the host record is one of these types,
//! so that code further down need not ask again whether it is safe. To add a name: add a line to
//! `words!`, with its rule.

mod image;
mod outcome;
mod version;

pub use image::ImageName;
pub use outcome::{ExitCode, Outcome, OutcomeKind};
pub use version::Version;

use std::fmt;

/// Why a word was refused as a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {word:?} {why}")]
pub struct NameError {
    /// What the word was meant to be, e.g. `host name`.
    pub kind: &'static str,
    /// The word as given.
    pub word: String,
    /// The rule that it breaks.
    pub why: String,
}

/// Checks `word` against a rule of "first character, other characters, longest length".
fn check(
    kind: &'static str,
    word: &str,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    max: usize,
    rule: &str,
) -> Result<(), NameError> {
    let refuse = |why: String| {
        Err(NameError {
            kind,
            word: word.to_owned(),
            why,
        })
    };
    let Some(start) = word.chars().next() else {
        return refuse("is empty".to_owned());
    };
    if word.len() > max {
        return refuse(format!("is longer than {max} characters"));
    }
    if !first(start) {
        return refuse(format!("starts with {start:?}; {rule}"));
    }
    match word.chars().find(|c| !rest(*c)) {
        Some(bad) => refuse(format!("contains {bad:?}; {rule}")),
        None => Ok(()),
    }
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}
fn lower_rest(c: char) -> bool {
    lower(c) || matches!(c, '-' | '_')
}
fn alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}
fn host_rest(c: char) -> bool {
    alnum(c) || matches!(c, '-' | '_' | '.')
}
fn record_rest(c: char) -> bool {
    alnum(c) || matches!(c, '@' | ':' | '.' | '_' | '-')
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident = $kind:literal, $first:ident, $rest:ident, $max:literal, $rule:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks and takes the word.
            ///
            /// # Errors
            /// A [`NameError`] that names the rule where the word breaks it.
            pub fn new(word: impl Into<String>) -> Result<Self, NameError> {
                let word = word.into();
                check($kind, &word, $first, $rest, $max, $rule)?;
                Ok(Self(word.into()))
            }
            /// The word itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(d)?;
                Self::new(word).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

words! {
    /// An environment: the stem of its inventory file, and a directory of the host record.
    EnvName = "environment name", lower, lower_rest, 40,
        "lower-case letters, digits, `-` and `_` are allowed, a letter or digit first";
    /// An app: its directory under `templates/`, part of compose project names.
    AppName = "app name", lower, lower_rest, 40,
        "lower-case letters, digits, `-` and `_` are allowed, a letter or digit first";
    /// One side of a blue-green pair; part of compose project names.
    SlotName = "slot name", lower, lower_rest, 40,
        "lower-case letters, digits, `-` and `_` are allowed, a letter or digit first";
    /// A host as the inventory calls it.
    HostName = "host name", alnum, host_rest, 120,
        "letters, digits, `.`, `-` and `_` are allowed, a letter or digit first";
    /// A named set of hosts.
    GroupName = "group name", alnum, host_rest, 120,
        "letters, digits, `.`, `-` and `_` are allowed, a letter or digit first";
    /// A load balancer (one entry under `load_balancers:`, one or several hosts).
    BalancerName = "load balancer name", alnum, host_rest, 60,
        "letters, digits, `.`, `-` and `_` are allowed, a letter or digit first";
    /// A service of a compose file.
    ServiceName = "service name", alnum, host_rest, 120,
        "letters, digits, `.`, `-` and `_` are allowed, a letter or digit first";
    /// A job of an app: a command that runs once per release.
    JobName = "job name", lower, lower_rest, 40,
        "lower-case letters, digits, `-` and `_` are allowed, a letter or digit first";
    /// One attempt, `r-` and 8 or more hex digits.
    RunId = "run id", alnum, record_rest, 60, "it looks like `r-7f3a9c01`";
    /// Identity of a release: the first 16 hex digits of the hash of its contents.
    ReleaseId = "release id", alnum, record_rest, 60, "it is the hash of a release's contents";
    /// `<attempt>-<64 random bits in hex>`, the token that a script of a run must match.
    Fence = "fence", alnum, record_rest, 60, "it looks like `1-0f3a5b…`";
    /// Who runs `deploy`: `user@machine:pid:start`.
    Actor = "actor", alnum, record_rest, 200, "it looks like `user@machine:pid:start`";
    /// Random id of a machine, made once on it; two inventory names with one id are one host.
    MachineId = "machine id", alnum, record_rest, 80, "it is made on the host";
}

/// A content digest, `sha256:` and 64 hex digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Checks and takes the digest.
    ///
    /// # Errors
    /// A [`NameError`] unless it is `sha256:` and 64 lower-case hex digits.
    pub fn new(word: impl Into<String>) -> Result<Self, NameError> {
        let word = word.into();
        let good = word.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        });
        if good {
            Ok(Self(word))
        } else {
            Err(NameError {
                kind: "digest",
                word,
                why: "is not `sha256:` and 64 hex digits".to_owned(),
            })
        }
    }
    /// The whole digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// `sha256:` and the first four hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}…", &self.0[..11])
    }
}

impl TryFrom<String> for Digest {
    type Error = NameError;
    fn try_from(word: String) -> Result<Self, NameError> {
        Self::new(word)
    }
}
impl From<Digest> for String {
    fn from(d: Digest) -> Self {
        d.0
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of one step of a plan, shown as `s7`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct StepId(pub u32);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("s{}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_could_leave_a_path_or_a_shell_word_are_refused() {
        for bad in [
            "", "..", "../x", "a/b", "a b", "a;b", "$(x)", "a'b", "-a", ".a", "a\nb", "ä",
        ] {
            assert!(HostName::new(bad).is_err(), "{bad:?}");
            assert!(AppName::new(bad).is_err(), "{bad:?}");
        }
        assert!(AppName::new("App").is_err());
        assert!(HostName::new("Web01.example.com").is_ok());
    }

    #[test]
    fn a_refusal_names_kind_word_and_rule() {
        let e = HostName::new("we b").unwrap_err();
        assert_eq!(
            e.to_string(),
            "host name \"we b\" contains ' '; letters, digits, `.`, `-` and `_` are allowed, a letter or digit first"
        );
    }

    #[test]
    fn a_digest_is_exact() {
        let hex = "9f2c".repeat(16);
        assert_eq!(
            Digest::new(format!("sha256:{hex}")).unwrap().short(),
            "sha256:9f2c…"
        );
        assert!(Digest::new(format!("sha256:{}", hex.to_uppercase())).is_err());
        assert!(Digest::new("sha256:9f").is_err());
    }
}
