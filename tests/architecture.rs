//! The order of the modules, the length of files, and headers: what ARCHITECTURE.md promises.
//!
//! A module uses only modules of lower rank; modules of one rank do not know each other. To add a
//! module: put it into [`RANKS`]. There are no exceptions.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the project's own files"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest rank to the highest; modules of one line do not know each other.
const RANKS: &[&[&str]] = &[
    &["name", "time", "text"],
    &["event"],
    &["inventory", "template", "compose"],
    &["release"],
    &["fleet"],
    &["plan"],
    &["host", "registry", "notify"],
    &["balancer"],
    &["record"],
    &["check"],
    &["engine"],
    &["report"],
    &["cli"],
];

/// The longest file, in lines.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, out);
        } else if path.extension().is_some_and(|e| e == ending) {
            out.push(path);
        }
    }
}

fn sources(ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    files(&root.join("src"), ending, &mut found);
    found.sort();
    found
        .into_iter()
        .map(|p| {
            let text = fs::read_to_string(&p).unwrap();
            (p.strip_prefix(&root).unwrap().display().to_string(), text)
        })
        .collect()
}

/// `src/plan/judge.rs` and `src/plan.rs` belong to `plan`.
fn module(path: &str) -> &str {
    let path = path.strip_prefix("src/").unwrap();
    path.split(['/', '.']).next().unwrap()
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("/tests_")
}

fn rank(name: &str) -> Option<usize> {
    RANKS.iter().position(|r| r.contains(&name))
}

/// Text without comments and without the contents of strings.
fn code(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut quoted = false;
        let mut last = ' ';
        for (i, c) in line.char_indices() {
            if c == '"' && last != '\\' && last != '\'' {
                quoted = !quoted;
            }
            if !quoted && line[i..].starts_with("//") {
                break;
            }
            if !quoted {
                out.push(c);
            }
            last = c;
        }
        out.push('\n');
    }
    out
}

/// Modules that a text names: `crate::x`, also within `crate::{x::…, y}`.
fn used(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            out.extend(firsts(list));
        } else {
            out.insert(word(rest));
        }
    }
    out.remove("");
    out
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The first word of each item of a list in braces.
fn firsts(list: &str) -> Vec<String> {
    let (mut depth, mut begins, mut out) = (0, true, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return out,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            c if begins && !c.is_whitespace() => {
                out.push(word(&list[i..]));
                begins = false;
            }
            _ => {}
        }
    }
    out
}

/// What is wrong with the uses of one module in one file.
fn misuse(path: &str, text: &str) -> Vec<String> {
    let own = module(path);
    let Some(own_rank) = rank(own) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for other in used(text) {
        let Some(other_rank) = rank(&other) else {
            continue;
        };
        if other != own && other_rank >= own_rank {
            out.push(format!("{path}: {own} uses {other}"));
        }
    }
    out
}

#[test]
fn a_module_uses_only_modules_of_lower_rank() {
    let all = sources("rs");
    let wrong: Vec<String> = all
        .iter()
        .flat_map(|(path, text)| misuse(path, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_rank() {
    let known = ["main", "lib"];
    let all: BTreeSet<String> = sources("rs")
        .iter()
        .map(|(p, _)| module(p).to_owned())
        .collect();
    let without = all
        .iter()
        .filter(|m| rank(m).is_none() && !known.contains(&m.as_str()));
    let without: Vec<&String> = without.collect();
    assert!(without.is_empty(), "no rank: {without:?}");
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    let mut all = sources("rs");
    all.extend(sources("sh"));
    let long = all
        .iter()
        .filter(|(_, text)| text.lines().count() > LONGEST);
    let long: Vec<String> = long
        .map(|(p, text)| format!("{p}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let rust = sources("rs");
    let rust = rust
        .iter()
        .filter(|(p, t)| !is_test(p) && !t.starts_with("//!"));
    let shell = sources("sh");
    let shell = shell.iter().filter(|(_, t)| {
        let first = t
            .lines()
            .find(|l| !l.starts_with("#!") && !l.trim().is_empty());
        !first.is_some_and(|l| l.starts_with("# "))
    });
    let mute: Vec<&str> = rust.chain(shell).map(|(p, _)| p.as_str()).collect();
    assert!(mute.is_empty(), "without a header: {}", mute.join(" "));
}

#[test]
fn the_scan_sees_every_form_of_use() {
    let text = r#"
        // crate::cli in a comment
        use crate::{name::{HostName, Outcome}, time, text as words};
        fn f() -> crate::plan::Plan { let s = "crate::engine"; mycrate::report(); }
        pub(in crate::host) use other::x;
    "#;
    let found: Vec<String> = used(text).into_iter().collect();
    assert_eq!(found, ["host", "name", "plan", "text", "time"]);
    assert_eq!(
        misuse("src/plan/x.rs", "use crate::engine::run;"),
        ["src/plan/x.rs: plan uses engine"]
    );
    assert_eq!(
        misuse("src/compose.rs", "use crate::template::T;"),
        ["src/compose.rs: compose uses template"]
    );
    assert!(
        misuse(
            "src/plan/x.rs",
            "use crate::plan::Plan; use crate::fleet::Fleet;"
        )
        .is_empty()
    );
}
