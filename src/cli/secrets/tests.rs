//! What commands and files give, and what is said where they do not.

use super::*;

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

async fn ran(script: &str) -> Result<Vec<u8>, Why> {
    command(Path::new("/"), &words(script)).await
}

fn said(got: Result<Vec<u8>, Why>) -> String {
    let Err(why) = got else {
        panic!("it was fetched")
    };
    format!("{} / {}", why.what, why.hint.unwrap_or_default())
}

#[tokio::test]
async fn a_command_gives_its_output_without_the_end_of_a_single_line() {
    assert_eq!(ran("echo one").await.ok(), Some(b"one".to_vec()));
    assert_eq!(ran("printf 'a\\r\\n'").await.ok(), Some(b"a".to_vec()));
    let key = b"-----\nkey\n-----\n".to_vec();
    assert_eq!(
        ran("printf -- '-----\\nkey\\n-----\\n'").await.ok(),
        Some(key)
    );
    assert_eq!(ran("pwd").await.ok(), Some(b"/".to_vec()));
}

#[tokio::test]
async fn a_command_that_fails_says_why_and_never_what_it_printed() {
    let why = said(ran("echo canary-1; echo 'not signed in: canary-1' >&2; exit 3").await);
    assert_eq!(why, "`sh` ended with 3 / it said: not signed in: ***");
    let why = said(ran("kill -9 $$").await);
    assert_eq!(why, "`sh` was ended by a signal / ");
    let why = said(command(Path::new("/"), &["/nonexistent".to_owned()]).await);
    assert!(
        why.starts_with("`/nonexistent` cannot be started: "),
        "{why}"
    );
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tests write files")]
async fn a_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    tokio::fs::write(&path, "value\n").await.unwrap();
    let mode = |m| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(m)).unwrap();
    for open in [0o644, 0o640, 0o604] {
        mode(open);
        let why = said(value(Source::File(path.clone())).await);
        assert!(
            why.contains(&format!("can be read by others (mode {open:o})")),
            "{why}"
        );
        assert!(why.contains("chmod 600"), "{why}");
    }
    mode(0o600);
    assert_eq!(
        value(Source::File(path.clone())).await.ok(),
        Some(b"value".to_vec())
    );
}

#[test]
fn an_empty_or_a_huge_value_is_none() {
    assert!(said(usable(Vec::new())).starts_with("it is empty"));
    assert!(said(usable(vec![b'x'; LARGEST + 1])).starts_with("it is larger than 500 KiB"));
}

#[test]
fn a_release_whose_job_ran_and_that_no_slot_holds_has_the_same_fingerprints_again() {
    use crate::fleet::JobState;
    use crate::plan::fixture::World;
    let mut w = World::serving();
    for view in w.fleet.hosts.values_mut() {
        view.record.kept.clear();
    }
    let made = || salt(&w.fleet, || 7);
    assert_eq!(made(), "00000000000000070000000000000007");
    let host = "web1".parse().unwrap();
    w.remembers(&host, 43, 1, JobState::Failed(3), &host);
    w.host("web1").record.jobs[0].salt = "5a17".into();
    assert_eq!(salt(&w.fleet, || 7), "5a17");
}
