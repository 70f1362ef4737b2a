//! `hooks:`: programs that are run around a release, here or on the app's hosts.
//!
//! To add a key: a field of [`Hook`], its line in [`one`], its line in `schema.json` and
//! docs/around.md.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::Document;
use super::fields::{self, Fields};
use super::gates::argv;
use super::layer::Origins;
use super::notify::{Point, point};
use super::sections::merged;
use crate::text::yaml::Node;
use crate::text::{Diagnostic, Findings, Span};

/// Longest time for one hook where nothing is said, and the most that may be said.
const WITHIN: Duration = Duration::from_secs(30);
const MOST: Duration = Duration::from_secs(600);

/// A program that is run around a release, with the run as JSON on its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Before the first change: what fails stops the run.
    pub before: bool,
    /// At which later points; what fails there is a note.
    pub on: Vec<Point>,
    /// The program and its arguments; no shell reads them.
    pub run: Vec<String>,
    /// On which machines.
    pub place: Place,
    /// Longest time on each.
    pub within: Duration,
    /// Where it is named.
    pub span: Span,
}

/// On which machines a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where `deploy` runs, in the configuration's directory.
    Local,
    /// On every host of the app.
    App,
    /// On every host of its load balancers.
    Balancers,
}

impl Place {
    /// The word in inventories.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::App => "app",
            Self::Balancers => "balancers",
        }
    }
}

/// Reads `hooks:`.
pub(super) fn read(
    docs: &[Document],
    origins: &mut Origins,
    findings: &mut Findings,
) -> BTreeMap<String, Hook> {
    let mut out = BTreeMap::new();
    for (name, span, node) in merged(docs, "hooks", origins, findings) {
        let path = format!("hooks.{name}");
        if let Some(hook) = one(&node, &path, &span, findings) {
            out.insert(name, hook);
        }
    }
    out
}

fn one(node: &Node, path: &str, span: &Span, findings: &mut Findings) -> Option<Hook> {
    let f = Fields::of(node, path, &["at", "run", "where", "within"], findings)?;
    for (key, expected) in [
        (
            "at",
            "at: before, switched, end, or an outcome such as rolled_back",
        ),
        ("run", "run: [program, word]"),
    ] {
        if f.get(key).is_none() {
            let finding = Diagnostic::error(format!("`{path}` has no `{key}`")).at(span);
            findings.push(finding.expected(expected));
        }
    }
    let at = f.read("at", findings, points);
    let run = f.read("run", findings, argv);
    let place = match f.get("where") {
        None => Some(Place::Local),
        Some(node) => {
            let all = [Place::Local, Place::App, Place::Balancers];
            let found = all.into_iter().find(|p| node.text() == Some(p.word()));
            if found.is_none() {
                findings.push(fields::wrong(
                    node,
                    &f.path("where"),
                    "local, app or balancers",
                ));
            }
            found
        }
    };
    let within = f.read("within", findings, within);
    let (before, on) = at?;
    Some(Hook {
        before,
        on,
        run: run?,
        place: place?,
        within: within.unwrap_or(WITHIN),
        span: span.clone(),
    })
}

/// Whether `before` is among them, and the others.
fn points(node: &Node, path: &str, findings: &mut Findings) -> Option<(bool, Vec<Point>)> {
    let (mut before, mut on) = (false, Vec::new());
    for (word, span) in fields::words(node, path, findings)? {
        if word == "before" {
            before = true;
        } else {
            on.extend(point(word, span, (path, "before"), findings));
        }
    }
    Some((before, on))
}

fn within(node: &Node, path: &str, findings: &mut Findings) -> Option<Duration> {
    let found = fields::duration(node, path, findings)?;
    if found.is_zero() || found > MOST {
        findings.push(fields::wrong(node, path, "a time from 1ms to 10m"));
        return None;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::super::layer::Level;
    use super::super::source::build;
    use super::*;
    use crate::name::{EnvName, OutcomeKind};
    use crate::text::SourceFile;

    fn load(text: &str) -> Result<BTreeMap<String, Hook>, String> {
        let file = SourceFile::new("staging.yml", text);
        let env = EnvName::new("staging").unwrap();
        let files = [(file, Level::Environment)];
        build(&env, &files, &[], Findings::default())
            .map(|i| i.hooks)
            .map_err(|f| f.to_string())
    }

    #[test]
    fn a_hook_says_when_what_where_and_how_long() {
        let all = load(
            "hooks:\n  a: { at: before, run: [hooks/a, x] }\n  b: { at: [switched, mixed], run: [/b], where: balancers, within: 2m }\n",
        )
        .unwrap();
        let (a, b) = (&all["a"], &all["b"]);
        assert!(a.before && a.on.is_empty() && !b.before);
        assert_eq!(a.run, ["hooks/a", "x"]);
        assert_eq!((a.place, a.within), (Place::Local, Duration::from_secs(30)));
        assert_eq!(b.on, [Point::Switched, Point::Ended(OutcomeKind::Mixed)]);
        assert_eq!(
            (b.place, b.within),
            (Place::Balancers, Duration::from_secs(120))
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, first) in [
            ("hooks: { a: { run: [x] } }", "`hooks.a` has no `at`"),
            ("hooks: { a: { at: end } }", "`hooks.a` has no `run`"),
            (
                "hooks: { a: { at: start, run: [x] } }",
                "`hooks.a.at` holds `start`, which is no point of a run",
            ),
            ("hooks: { a: { at: end, run: x y } }", "`hooks.a.run`"),
            (
                "hooks: { a: { at: end, run: [x], where: all } }",
                "`hooks.a.where` is `all`",
            ),
            (
                "hooks: { a: { at: end, run: [x], within: 1h } }",
                "`hooks.a.within` is `1h`",
            ),
        ] {
            let said = load(text).unwrap_err();
            assert!(said.contains(first), "{text}\n{said}");
        }
    }
}
