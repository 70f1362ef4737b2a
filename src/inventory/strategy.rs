//! How a new version takes the place of the old one: `strategy:` of an app, and `rolling:`, which
//! says how many hosts at a time.
//!
//! To add a key of `rolling`: its field in [`Rolling`], its reading in [`rolling`], its line in
//! `schema.json` and in docs/strategies.md.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fields::{self, Fields};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings};

/// How a new version takes the place of the old one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Two slots; traffic is switched from one to the other.
    #[default]
    BlueGreen,
    /// One slot; a few hosts at a time.
    Rolling,
    /// One slot; stopped, then started.
    Recreate,
}

impl Strategy {
    /// The word in an inventory.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::BlueGreen => "blue-green",
            Self::Rolling => "rolling",
            Self::Recreate => "recreate",
        }
    }
}

/// A number of hosts, said as such or as a share of all hosts of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Amount {
    /// So many hosts.
    Hosts(usize),
    /// So many of a hundred.
    Percent(usize),
}

impl Amount {
    /// How many of `all` hosts that is, rounded down.
    #[must_use]
    pub fn at_most(self, all: usize) -> usize {
        match self {
            Self::Hosts(n) => n,
            Self::Percent(share) => all * share / 100,
        }
    }

    /// How many of `all` hosts that is, rounded up.
    #[must_use]
    pub fn at_least(self, all: usize) -> usize {
        match self {
            Self::Hosts(n) => n,
            Self::Percent(share) => (all * share).div_ceil(100),
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hosts(n) => write!(f, "{n}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

/// How a rolling release goes through the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// Hosts at a time: of the first batch, the second, …; the last one holds for all that follow.
    pub batch: Vec<Amount>,
    /// Hosts that serve at any time.
    pub min_healthy: Amount,
    /// Batches that may be returned to their old release before the run stops.
    pub failures: usize,
}

impl Default for Rolling {
    fn default() -> Self {
        Self {
            batch: vec![Amount::Hosts(1)],
            min_healthy: Amount::Percent(50),
            failures: 0,
        }
    }
}

/// Reads `strategy:`.
pub(super) fn strategy(node: &Node, path: &str, findings: &mut Findings) -> Option<Strategy> {
    let all = [Strategy::BlueGreen, Strategy::Rolling, Strategy::Recreate];
    let text = node.text().unwrap_or("");
    let found = all.into_iter().find(|s| s.word() == text);
    if found.is_none() {
        let finding = fields::wrong(node, path, "blue-green, rolling or recreate");
        findings.push(finding.did_you_mean(text, all.map(Strategy::word)));
    }
    found
}

/// Reads `rolling:`.
pub(super) fn rolling(node: &Node, path: &str, findings: &mut Findings) -> Option<Rolling> {
    let f = Fields::of(node, path, &["batch", "min_healthy", "failures"], findings)?;
    let mut out = Rolling::default();
    let there = |key| f.get(key).filter(|n| !n.is_null());
    if let Some(n) = there("batch") {
        let items = fields::list(n, &f.path("batch"), findings)?;
        out.batch = items
            .iter()
            .filter_map(|item| amount(item, &f.path("batch"), findings))
            .collect();
        if items.is_empty() {
            let expected = "hosts at a time: 2, 30% or a list such as [1, 30%, 100%]";
            findings.push(fields::wrong(n, &f.path("batch"), expected));
        }
    }
    if let Some(n) = there("min_healthy") {
        out.min_healthy = amount(n, &f.path("min_healthy"), findings)?;
    }
    if let Some(n) = there("failures") {
        out.failures = fields::number(n, &f.path("failures"), 0..=10_000, findings)?;
    }
    Some(out)
}

fn amount(node: &Node, path: &str, findings: &mut Findings) -> Option<Amount> {
    let text = node.text().unwrap_or("").trim();
    let found = match text.strip_suffix('%') {
        Some(share) => share.parse().ok().map(Amount::Percent),
        None => text.parse().ok().map(Amount::Hosts),
    };
    let good = match found {
        Some(Amount::Percent(n)) => (1..=100).contains(&n),
        Some(Amount::Hosts(n)) => (1..=10_000).contains(&n),
        None => false,
    };
    if !good {
        findings.push(fields::wrong(
            node,
            path,
            "a number of hosts or a share such as 30%",
        ));
        return None;
    }
    found
}

/// `rolling:` where the strategy is another one would be left unused.
pub(super) fn refuse_unused(entry: &crate::text::yaml::Entry, app: &str, findings: &mut Findings) {
    findings.push(
        Diagnostic::error(format!("app `{app}` has `rolling`, but another strategy"))
            .at(&entry.key.span)
            .hint("say strategy: rolling, or leave it away"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_take_more_and_never_keep_less_than_they_say() {
        let third = Amount::Percent(30);
        assert_eq!((third.at_most(4), third.at_least(4)), (1, 2));
        assert_eq!((third.at_most(10), third.at_least(10)), (3, 3));
        assert_eq!((third.at_most(1), third.at_least(1)), (0, 1));
        let two = Amount::Hosts(2);
        assert_eq!((two.at_most(1), two.at_least(9)), (2, 2));
        assert_eq!(Amount::Percent(100).at_most(7), 7);
    }
}
