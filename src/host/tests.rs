//! The framing against real shells: dash, bash and busybox through the local transport.
#![expect(
    clippy::disallowed_methods,
    reason = "tests look at files and start processes of their own"
)]

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The shells that are here. A shell that is not here is named, not silently left out.
fn shells() -> Vec<(String, Local)> {
    let mut all = Vec::new();
    for words in [
        &["dash"][..],
        &["bash"],
        &["bash", "--posix"],
        &["busybox", "sh"],
    ] {
        if !on_path(words[0]) {
            eprintln!("skipped: no {} here", words[0]);
            continue;
        }
        let shell = words.iter().map(|w| (*w).to_owned()).collect();
        all.push((
            words.join(" "),
            Local {
                shell,
                ..Local::default()
            },
        ));
    }
    if let Some(env) = applets() {
        let shell = vec!["busybox".to_owned(), "sh".to_owned()];
        all.push((
            "busybox alone".to_owned(),
            Local {
                shell,
                env,
                ..Local::default()
            },
        ));
    }
    all
}

fn on_path(program: &str) -> bool {
    ["/bin", "/usr/bin"]
        .iter()
        .any(|d| Path::new(d).join(program).exists())
}

/// A PATH on which every tool that busybox has is busybox's.
fn applets() -> Option<Vec<(String, String)>> {
    static DIR: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).exists())?;
    let dir = DIR.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let list = std::process::Command::new(busybox)
            .arg("--list")
            .output()
            .unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        for tool in [
            "dd", "cat", "sleep", "sh", "wc", "od", "tr", "seq", "timeout",
        ] {
            if list.lines().any(|l| l == tool) {
                std::os::unix::fs::symlink(busybox, dir.path().join(tool)).unwrap();
            }
        }
        dir
    });
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    Some(vec![("PATH".to_owned(), path)])
}

fn host(local: &Local) -> Host {
    Host::local(HostName::new("here").unwrap(), local.clone())
}
fn here() -> Host {
    host(&Local::default())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs one script to its reply.
fn run(host: &Host, script: Script) -> Result<Reply, RunError> {
    runtime().block_on(host.run(script))
}

fn with_data(name: &'static str, text: &'static str, data: Vec<u8>) -> Script {
    Script {
        data,
        ..Script::new(name, text)
    }
}

mod conformance;
mod endings;
mod lanes;

/// A program of the operator's gets the data, its words as they are, and no more time than it has;
/// its files are gone afterwards.
#[test]
fn a_hook_on_a_host_gets_the_data_and_its_end_is_told() {
    for (name, local) in shells() {
        let host = host(&local);
        let ran = |words: &[&str], data: &[u8]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let script = hook::script(&words, data.to_vec(), Duration::from_secs(1));
            run(&host, script).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let data = b"{\"text\": \"'; $(id)\\n\"}";
        let said = ran(
            &[
                "sh",
                "-c",
                "cat; echo; printf %s \"$1\"; exit 3",
                "x",
                "$(id) 'y",
            ],
            data,
        );
        assert_eq!(
            (said.lines.join("|"), hook::end(&said).0),
            (
                "o {\"text\": \"'; $(id)\\n\"}|o $(id) 'y".to_owned(),
                Some(3)
            ),
            "{name}"
        );
        assert_eq!(hook::end(&said).1, Some("$(id) 'y"));
        let late = hook::end(&ran(&["sleep", "60"], b"")).0;
        assert!(matches!(late, Some(124 | 137 | 143)), "{name}: {late:?}");
        let gone = ran(&["/nonexistent/hook"], b"x");
        assert!(matches!(hook::end(&gone).0, Some(126 | 127)), "{name}");
        let left = ran(&["sh", "-c", "readlink /proc/self/fd/0"], b"x");
        let file = hook::end(&left).1.unwrap_or_default().to_owned();
        assert!(
            !file.is_empty() && !Path::new(&file).exists(),
            "{name}: {file}"
        );
    }
}
