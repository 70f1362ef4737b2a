//! Selecting hosts: names, globs, ranges, groups, `all`, and `!` before what is to be left out.
//!
//! The same words serve in `groups:` and on the command line (`web1,web[3:4],blue,!web2`).

use std::collections::BTreeSet;

use super::pattern;
use crate::name::HostName;
use crate::text::nearest;

/// A list of selecting words, read from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSelector {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    word: String,
    not: bool,
}

/// A word that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` {why}")]
pub struct SelectorError {
    /// The word as written.
    pub word: String,
    /// Why it selects nothing.
    pub why: String,
    /// A host or group that may have been meant.
    pub near: Option<String>,
}

/// What a word can name.
pub trait Names {
    /// Every host, in the order in which it is to be selected.
    fn hosts(&self) -> &BTreeSet<HostName>;
    /// The members of a group; `None` where there is no group of that name.
    fn group(&self, name: &str) -> Option<Vec<HostName>>;
    /// Names of groups, for suggestions.
    fn group_names(&self) -> Vec<&str>;
}

impl HostSelector {
    /// Takes words; each may hold several, separated by commas.
    #[must_use]
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let parts = words.into_iter().flat_map(|w| w.split(','));
        let terms =
            parts
                .map(str::trim)
                .filter(|w| !w.is_empty())
                .map(|w| match w.strip_prefix('!') {
                    Some(word) => Term {
                        word: word.trim().to_owned(),
                        not: true,
                    },
                    None => Term {
                        word: w.to_owned(),
                        not: false,
                    },
                });
        Self {
            terms: terms.collect(),
        }
    }

    /// The hosts that are meant, each once, in the order of the words. Where the first word takes
    /// hosts away, all hosts are there to take from.
    ///
    /// # Errors
    /// The first word that names no host and no group.
    pub fn resolve(&self, names: &dyn Names) -> Result<Vec<HostName>, SelectorError> {
        let mut out: Vec<HostName> = Vec::new();
        let mut there: BTreeSet<HostName> = BTreeSet::new();
        if self.terms.first().is_some_and(|t| t.not) {
            there.clone_from(names.hosts());
            out.extend(there.iter().cloned());
        }
        for term in &self.terms {
            let found = find(&term.word, names)?;
            if term.not {
                let gone: BTreeSet<HostName> = found.into_iter().collect();
                out.retain(|h| !gone.contains(h));
                there.retain(|h| !gone.contains(h));
            } else {
                for host in found {
                    if there.insert(host.clone()) {
                        out.push(host);
                    }
                }
            }
        }
        Ok(out)
    }
}

/// The hosts that one word names.
fn find(word: &str, names: &dyn Names) -> Result<Vec<HostName>, SelectorError> {
    let refuse = |why: &str, near: Option<String>| {
        Err(SelectorError {
            word: word.to_owned(),
            why: why.to_owned(),
            near,
        })
    };
    if let Some(members) = names.group(word) {
        return Ok(members);
    }
    if word == "all" {
        return Ok(names.hosts().iter().cloned().collect());
    }
    if word.contains(['*', '?']) {
        let found: Vec<HostName> = names
            .hosts()
            .iter()
            .filter(|h| glob(word, h.as_str()))
            .cloned()
            .collect();
        return match found.is_empty() {
            true => refuse("matches no host", None),
            false => Ok(found),
        };
    }
    let expanded = match pattern::expand(word) {
        Ok(expanded) => expanded,
        Err(why) => return refuse(&why, None),
    };
    let mut found = Vec::new();
    for one in expanded {
        match names.hosts().get(one.name.as_str()) {
            Some(host) => found.push(host.clone()),
            None if pattern::is_pattern(word) => {
                return refuse(
                    &format!("stands for `{}`, which is no host", one.name),
                    None,
                );
            }
            None => {
                let hosts = names.hosts().iter().map(HostName::as_str);
                let near = nearest(word, hosts.chain(names.group_names())).map(str::to_owned);
                return refuse("is neither a host nor a group", near);
            }
        }
    }
    Ok(found)
}

/// Whether a pattern is all of `text`: `*` stands for any characters, `?` for one.
#[must_use]
pub fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut i, mut j) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while j < t.len() {
        if i < p.len() && p[i] == b'*' {
            back = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == b'?' || p[i] == t[j]) {
            i += 1;
            j += 1;
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            i = star + 1;
            j = from + 1;
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fleet(BTreeSet<HostName>);
    impl Names for Fleet {
        fn hosts(&self) -> &BTreeSet<HostName> {
            &self.0
        }
        fn group(&self, name: &str) -> Option<Vec<HostName>> {
            let pick = |w: &[&str]| w.iter().map(|h| HostName::new(*h).unwrap()).collect();
            (name == "blue").then(|| pick(&["web2", "web1"]))
        }
        fn group_names(&self) -> Vec<&str> {
            vec!["blue"]
        }
    }

    fn select(words: &str) -> Result<String, String> {
        let hosts = ["lb1", "web1", "web2", "web3", "web10"];
        let fleet = Fleet(hosts.iter().map(|h| HostName::new(*h).unwrap()).collect());
        match HostSelector::new([words]).resolve(&fleet) {
            Ok(found) => Ok(found
                .iter()
                .map(HostName::as_str)
                .collect::<Vec<_>>()
                .join(" ")),
            Err(e) => Err(format!("{e} {:?}", e.near)),
        }
    }

    #[test]
    fn words_are_read_from_left_to_right() {
        for (words, hosts) in [
            ("web1,lb1", "web1 lb1"),
            ("blue", "web2 web1"),
            ("web*,!web1", "web10 web2 web3"),
            ("web?", "web1 web2 web3"),
            ("!blue", "lb1 web10 web3"),
            ("all,!web*", "lb1"),
            ("web[1:3], !web2, web2", "web1 web3 web2"),
            ("web1,web1", "web1"),
            ("", ""),
        ] {
            assert_eq!(select(words).as_deref(), Ok(hosts), "{words}");
        }
    }

    #[test]
    fn a_word_that_names_nothing_is_an_error_with_a_suggestion() {
        assert_eq!(
            select("web1,bleu").unwrap_err(),
            "`bleu` is neither a host nor a group Some(\"blue\")"
        );
        assert_eq!(select("db*").unwrap_err(), "`db*` matches no host None");
        assert!(
            select("web[1:4]")
                .unwrap_err()
                .contains("`web4`, which is no host")
        );
        assert!(select("web[1:").unwrap_err().contains("without `]`"));
        assert!(select("!nothing").is_err());
    }

    #[test]
    fn globs_match_as_shells_do() {
        for (p, t, yes) in [
            ("*", "", true),
            ("w*1", "web1", true),
            ("w*1", "web12", false),
            ("*b*", "web", true),
            ("w?b", "web", true),
            ("web", "web1", false),
            ("**a**b", "xaxb", true),
        ] {
            assert_eq!(glob(p, t), yes, "{p} {t}");
        }
    }
}
