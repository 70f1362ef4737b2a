//! Secrets of a release: values that are delivered, fingerprints that are kept.
//!
//! A release keeps a fingerprint of each secret, so that a change of one makes another release. The
//! salt of the newest release on the hosts is used again: then the same value has the same
//! fingerprint, whoever deploys it from wherever.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::template::secret_path;
use crate::text::Secret;

/// Rounds of a fingerprint: whoever gets hold of it and its salt shall not try many values a second.
const ROUNDS: u32 = 5_000;

/// Permission bits of a secret's file. Its directory lets nobody else in; whatever user a container
/// runs as can read the file where it is mounted.
const MODE: u32 = 0o444;

/// The values, by the names of the inventory.
pub type Secrets = BTreeMap<String, Secret<Vec<u8>>>;

/// A file that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Relative path within the release's directory.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// The value.
    pub bytes: Secret<Vec<u8>>,
}

impl SecretFile {
    /// The files of these secrets; a name without a value is left out.
    #[must_use]
    pub fn of(names: &BTreeSet<String>, values: &Secrets) -> Vec<Self> {
        let file = |name: &String| {
            Some(Self {
                path: secret_path(name),
                mode: MODE,
                bytes: values.get(name)?.clone(),
            })
        };
        names.iter().filter_map(file).collect()
    }
}

/// Salted fingerprints of the secrets that a release was given on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prints {
    /// Random, the same for all parts of a release.
    pub salt: String,
    /// Fingerprint by name.
    pub of: BTreeMap<String, String>,
}

impl Prints {
    /// The fingerprints of these secrets.
    #[must_use]
    pub fn new(salt: &str, names: &BTreeSet<String>, values: &Secrets) -> Self {
        let print =
            |name: &String| Some((name.clone(), print(salt, name, values.get(name)?.expose())));
        let of: BTreeMap<_, _> = names.iter().filter_map(print).collect();
        let salt = if of.is_empty() { "" } else { salt };
        Self {
            salt: salt.to_owned(),
            of,
        }
    }

    /// There are no secrets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// What is different in `new`, one line per secret and no value: `secret db: changed (hidden)`.
    #[must_use]
    pub fn changes(&self, new: &Self) -> Vec<String> {
        let comparable = self.salt == new.salt;
        let names: BTreeSet<&String> = self.of.keys().chain(new.of.keys()).collect();
        let line = |name: &String| {
            let what = match (self.of.get(name), new.of.get(name)) {
                (None, _) => "new (hidden)",
                (_, None) => "not used any more",
                _ if !comparable => "may have changed (hidden)",
                (Some(a), Some(b)) if a == b => return None,
                _ => "changed (hidden)",
            };
            Some(format!("secret {name}: {what}"))
        };
        names.into_iter().filter_map(line).collect()
    }
}

/// 64 bits of an iterated hash over salt, name and value.
fn print(salt: &str, name: &str, value: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [salt.as_bytes(), name.as_bytes(), value] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut sum = hash.finalize();
    for _ in 1..ROUNDS {
        sum = Sha256::digest(sum);
    }
    sum.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[(&str, &str)]) -> Secrets {
        let value = |(n, v): &(&str, &str)| ((*n).to_owned(), Secret::new(v.as_bytes().to_vec()));
        list.iter().map(value).collect()
    }

    fn prints(salt: &str, list: &[(&str, &str)]) -> Prints {
        let values = values(list);
        Prints::new(salt, &values.keys().cloned().collect(), &values)
    }

    #[test]
    fn a_change_is_seen_and_nothing_is_shown() {
        let old = prints("s", &[("a", "one"), ("b", "two"), ("c", "x")]);
        let new = prints("s", &[("a", "one"), ("b", "2"), ("d", "x")]);
        assert_eq!(old.changes(&old), [""; 0]);
        assert_eq!(
            old.changes(&new),
            [
                "secret b: changed (hidden)",
                "secret c: not used any more",
                "secret d: new (hidden)"
            ]
        );
        let text = serde_json::to_string(&new).unwrap();
        assert!(!text.contains("one") && !text.contains("\"2\""), "{text}");
    }

    #[test]
    fn prints_of_different_salts_prove_nothing() {
        let (old, new) = (prints("s", &[("a", "one")]), prints("t", &[("a", "one")]));
        assert_ne!(old.of, new.of);
        assert_eq!(old.changes(&new), ["secret a: may have changed (hidden)"]);
    }

    #[test]
    fn a_value_is_bound_to_its_name() {
        let of = prints("s", &[("a", "one"), ("b", "one")]).of;
        assert_ne!(of["a"], of["b"]);
    }

    #[test]
    fn only_what_was_asked_for_is_delivered_for_any_user_of_the_container() {
        let names = BTreeSet::from(["a".to_owned(), "absent".to_owned()]);
        let files = SecretFile::of(&names, &values(&[("a", "one"), ("b", "two")]));
        assert_eq!(files.len(), 1);
        assert_eq!(
            (files[0].path.as_str(), files[0].mode),
            ("secrets/a", 0o444)
        );
        assert!(!format!("{files:?}").contains("one"));
    }
}
