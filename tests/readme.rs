//! The documentation's commands are run as they stand there. Those that need no host run here; those that need the fleet
//! are in `tests/fleet/cases/readme.rs`, which shares the reading of the pages.

#![expect(
    clippy::disallowed_methods,
    reason = "a test starts programs and reads the pages"
)]

#[path = "support/blocks.rs"]
mod blocks;

use blocks::How;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: [&str; 8] = [
    "README.md",
    "README.zh-CN.md",
    "docs/nginx.md",
    "docs/haproxy.md",
    "docs/caddy.md",
    "docs/owing.md",
    "docs/strategies.md",
    "docs/jobs.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program's folder first, so that `deploy` is the one under test.
fn path() -> std::ffi::OsString {
    let program = Path::new(env!("CARGO_BIN_EXE_deploy"));
    let mut path = program.parent().expect("a folder").as_os_str().to_owned();
    path.push(":/usr/local/bin:/usr/bin:/bin");
    path
}

#[test]
fn commands_that_need_no_host_do_what_the_pages_say() {
    let mut run = 0;
    for block in PAGES.iter().flat_map(|page| blocks::of(root(), page)) {
        let How::Always(code) = block.how else {
            continue;
        };
        // Each line by itself: a mistake in the first must not hide behind the last.
        for line in block.text.lines() {
            let out = Command::new("sh")
                .args(["-c", line])
                .current_dir(root())
                .env_clear()
                .env("PATH", path())
                .output()
                .expect("sh starts");
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(
                out.status.code(),
                Some(code),
                "{}: `{line}`\n{said}",
                block.place
            );
            run += 1;
        }
    }
    assert!(run >= 5, "the pages hold {run} commands that need no host");
}

#[test]
fn every_block_is_marked_and_what_is_not_run_says_why() {
    for block in PAGES.iter().flat_map(|page| blocks::of(root(), page)) {
        if let How::Not(why) = &block.how {
            println!("skipped {}: {why}", block.place);
            assert!(!why.is_empty(), "{}", block.place);
        }
    }
}

#[test]
fn links_lead_to_files() {
    for page in PAGES {
        let text = std::fs::read_to_string(root().join(page)).expect("a page");
        let place: PathBuf = root().join(page).parent().expect("a folder").to_owned();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let elsewhere = link.starts_with("http") || link.starts_with('#');
            assert!(elsewhere || place.join(link).exists(), "{page}: {link}");
        }
    }
}

#[test]
fn the_inventory_of_the_readme_is_true() {
    let text = std::fs::read_to_string(root().join("README.md")).expect("the page");
    let yaml = text
        .split("```yaml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("an inventory");
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("inventories");
    std::fs::create_dir(&place).expect("a folder");
    std::fs::write(place.join("staging.yml"), yaml).expect("a file");
    std::os::unix::fs::symlink(root().join("templates"), folder.path().join("templates"))
        .expect("a link");
    let out = Command::new(env!("CARGO_BIN_EXE_deploy"))
        .args(["render", "staging", "app@1.0.1-22-7e56158"])
        .current_dir(folder.path())
        .output()
        .expect("deploy starts");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(0), "{said}");
    let shown = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(shown.contains("# web4 green docker-compose.yml"), "{shown}");
}

/// What must not differ between languages, in order: examples with their marks, headings' depths, the
/// words in code of each table's first column, and where links lead.
fn bones(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page");
    let mut out = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let fence = line.starts_with("```");
        if fence || inside || line.starts_with("    ") || line.starts_with("<!--") {
            out.push(line.to_owned());
            inside ^= fence;
        } else if line.starts_with('#') {
            out.extend(line.split(' ').next().map(str::to_owned));
        } else {
            let first = line.strip_prefix("| ").and_then(|l| l.split(" |").next());
            let code = first
                .into_iter()
                .flat_map(|l| l.split('`').skip(1).step_by(2));
            out.extend(code.map(str::to_owned));
            let links = line.split("](").skip(1);
            out.extend(links.filter_map(|l| l.split(')').next()).map(str::to_owned));
        }
    }
    out
}

#[test]
fn both_languages_hold_the_same() {
    let (ours, theirs) = (bones("README.md"), bones("README.zh-CN.md"));
    assert!(ours.len() > 150, "{}", ours.len());
    let other = "README.zh-CN.md";
    let theirs: Vec<String> = theirs.into_iter().filter(|l| l != "README.md").collect();
    let ours: Vec<String> = ours.into_iter().filter(|l| l != other).collect();
    for (n, (one, two)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(one, two, "number {n} of README.md and of {other}");
    }
    assert_eq!(ours.len(), theirs.len());
}
