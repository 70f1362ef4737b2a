//! `protection.unreachable`: what becomes of a run when app hosts do not answer at its start.
//!
//! To add a bound: a field of [`Unreachable`], its key in [`read`], its sum in [`Unreachable::most`],
//! its line in `schema.json`.

use super::fields::{self, Fields};
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings};

/// How many app hosts a run may pass by because they do not answer, counted over all slots of the
/// app. Without a bound: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unreachable {
    /// At most so many hosts.
    pub skip: Option<usize>,
    /// At most this share of the app's hosts, in percent.
    pub share: Option<usize>,
}

impl Unreachable {
    /// The most hosts that may be skipped of so many; where both bounds are given, the smaller.
    #[must_use]
    pub fn most(&self, all: usize) -> usize {
        let share = self.share.map(|percent| all * percent / 100);
        match (self.skip, share) {
            (Some(a), Some(b)) => a.min(b),
            (one, other) => one.or(other).unwrap_or(0),
        }
    }
}

const EXPECTED: &str = "refuse, or { skip: 2, share: 25% }";

/// Reads `refuse`, or a mapping with one bound or both.
pub(super) fn read(node: &Node, path: &str, findings: &mut Findings) -> Option<Unreachable> {
    if node.map().is_none() {
        if node.text() != Some("refuse") {
            findings.push(fields::wrong(node, path, EXPECTED));
            return None;
        }
        return Some(Unreachable::default());
    }
    let f = Fields::of(node, path, &["skip", "share"], findings)?;
    let skip = f.read("skip", findings, |n, p, e| {
        fields::number::<usize>(n, p, 1..=10_000, e)
    });
    let share = f.read("share", findings, percent);
    if f.get("skip").is_none() && f.get("share").is_none() {
        let finding = Diagnostic::error(format!("`{path}` sets no bound")).at(&node.span);
        findings.push(finding.expected(EXPECTED));
    }
    Some(Unreachable { skip, share })
}

fn percent(node: &Node, path: &str, findings: &mut Findings) -> Option<usize> {
    let written = node.text().and_then(|t| t.strip_suffix('%'));
    let number = written.and_then(|t| t.trim_end().parse::<usize>().ok());
    let found = number.filter(|n| (1..=100).contains(n));
    if found.is_none() {
        findings.push(fields::wrong(node, path, "a share from 1% to 100%"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{SourceFile, yaml};

    fn parse(text: &str) -> (Option<Unreachable>, String) {
        let mut findings = Findings::default();
        let node = yaml::parse(&SourceFile::new("x.yml", text), &mut findings).unwrap();
        let read = read(&node, "protection.unreachable", &mut findings);
        (read, findings.to_string())
    }

    #[test]
    fn the_smaller_bound_holds_and_none_is_none() {
        let of = |text: &str, all: usize| parse(text).0.unwrap().most(all);
        assert_eq!(of("refuse", 100), 0);
        assert_eq!(of("{ skip: 2 }", 100), 2);
        assert_eq!(of("{ share: 25% }", 7), 1, "never more than the share");
        assert_eq!(of("{ share: 25% }", 3), 0);
        assert_eq!(of("{ skip: 2, share: 50% }", 100), 2);
        assert_eq!(of("{ skip: 2, share: 50% }", 2), 1);
    }

    #[test]
    fn what_is_no_bound_is_told_with_its_place() {
        for (text, what) in [
            ("skip", "is `skip`"),
            ("{ }", "sets no bound"),
            ("{ skip: 0 }", "`protection.unreachable.skip` is `0`"),
            ("{ share: 0% }", "`protection.unreachable.share` is `0%`"),
            (
                "{ share: 101% }",
                "`protection.unreachable.share` is `101%`",
            ),
            ("{ share: 25 }", "a share from 1% to 100%"),
            ("{ skpi: 2 }", "skip"),
        ] {
            let (_, said) = parse(text);
            assert!(said.contains(what), "{text}: {said}");
            assert!(said.contains("x.yml:1"), "{text}: {said}");
        }
    }
}
