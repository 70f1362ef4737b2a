//! Hooks on this machine: what they get, what stops a run, what is a note.

use super::*;
use crate::cli::failure::FailureKind;
use crate::cli::notify::tests::about;
use crate::event::Kind;
use crate::time::Clock;

fn runner(dir: &std::path::Path, words: &[&str], within: u64) -> Runner {
    let file = crate::text::SourceFile::new("x", "x");
    Runner {
        name: "a".into(),
        hook: Hook {
            before: true,
            on: Vec::new(),
            run: words.iter().map(|w| (*w).to_owned()).collect(),
            place: Place::Local,
            within: Duration::from_millis(within),
            span: crate::text::Span::whole_line(&file, 1),
        },
        dir: dir.to_owned(),
        site: Arc::new(crate::engine::site::Site::nowhere()),
        voice: Voice::mute(Clock::system()),
    }
}

async fn ends(words: &[&str], within: u64) -> Result<(), Failure> {
    let runner = runner(std::path::Path::new("/"), words, within);
    before(vec![runner], &about()).await
}

#[tokio::test]
async fn a_hook_gets_the_run_and_is_found_where_the_configuration_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hooks/keep");
    std::fs::create_dir(dir.path().join("hooks")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test writes a program")]
    std::fs::write(&path, "#!/bin/sh\ncat >\"$1\"\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).unwrap();
    let runner = runner(dir.path(), &["hooks/keep", "got.json"], 20_000);
    assert!(before(vec![runner], &about()).await.is_ok());
    #[expect(clippy::disallowed_methods, reason = "a test reads what was written")]
    let got = std::fs::read_to_string(dir.path().join("got.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&got).unwrap();
    assert_eq!(
        (&json["run"], &json["env"]),
        (&"r-7f3a".into(), &"staging".into())
    );
}

#[tokio::test]
async fn only_a_status_of_0_lets_a_run_begin() {
    assert!(ends(&["true"], 20_000).await.is_ok());
    let no = ends(&["sh", "-c", "echo not today; exit 3"], 20_000).await;
    let no = no.unwrap_err();
    assert_eq!(no.kind(), FailureKind::Refused);
    assert_eq!(
        no.one_line(),
        "nothing was changed: hook `a` before the run: ended with 3: not today"
    );
    let gone = ends(&["/nonexistent/x"], 20_000).await.unwrap_err();
    assert_eq!(gone.kind(), FailureKind::Refused);
    // How these ended is not known: that is no good news.
    let late = ends(&["sleep", "60"], 50).await.unwrap_err();
    assert_eq!(late.kind(), FailureKind::Unreachable);
    assert!(late.one_line().contains("not done within 50 ms"));
    let killed = ends(&["sh", "-c", "kill -9 $$"], 20_000).await.unwrap_err();
    assert_eq!(killed.kind(), FailureKind::Unreachable);
}

#[tokio::test]
async fn a_way_back_waits_for_nobody_and_a_failure_is_a_note() {
    let (to, mut events) = tokio::sync::mpsc::unbounded_channel();
    let mut one = runner(
        std::path::Path::new("/"),
        &["sh", "-c", "sleep 0.3; false"],
        20_000,
    );
    one.voice = Voice::new(to, Clock::system());
    let beside = Beside::default();
    beside.start(&[one], &about());
    assert!(events.try_recv().is_err(), "it was waited for");
    beside.close().await;
    let note = events.try_recv().unwrap().kind;
    let Kind::Note { text, .. } = note else {
        panic!("{note:?}")
    };
    assert_eq!(text, "hook `a` before the run: ended with 1");
}

#[tokio::test]
async fn what_fails_later_is_a_note() {
    let (to, mut events) = tokio::sync::mpsc::unbounded_channel();
    let mut one = runner(std::path::Path::new("/"), &["sh", "-c", "exit 9"], 20_000);
    one.voice = Voice::new(to, Clock::system());
    let (say, hear) = tokio::sync::mpsc::unbounded_channel();
    say.send((about(), Duration::ZERO)).unwrap();
    drop(say);
    one.run(hear).await;
    let Kind::Note { text, .. } = events.try_recv().unwrap().kind else {
        panic!("no note")
    };
    assert_eq!(text, "hook `a` at `end`: ended with 9");
}

/// Runs an example with more on its PATH and in its environment; what it says goes with the failure.
async fn example(dir: &std::path::Path, name: &str, env: &[&str], args: &[&str]) {
    let program = format!("{}/docs/hooks/{name}", env!("CARGO_MANIFEST_DIR"));
    let path = format!("PATH={}:/usr/local/bin:/usr/bin:/bin", dir.display());
    let words = [&["env", &path][..], env, &[&program], args].concat();
    let mut message = about();
    "rolled_back".clone_into(&mut message.outcome);
    if let Err(failure) = before(vec![runner(dir, &words, 60_000)], &message).await {
        panic!("{name}: {}", failure.one_line());
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test prepares and reads files")]
async fn the_examples_do_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    example(dir.path(), "prometheus-textfile", &[], &[place]).await;
    let text = std::fs::read_to_string(dir.path().join("deploy_staging_app.prom")).unwrap();
    let line = "deploy_last_run_timestamp_seconds{env=\"staging\",app=\"app\",what=\"deploy\",outcome=\"rolled_back\",version=\"1.0.2-30-abc1234\"} 1795312800";
    assert!(text.lines().any(|l| l == line), "{text}");

    let server = crate::notify::tests::Server::start(&[crate::notify::tests::OK]).await;
    let base = server.url.split("/hook").next().unwrap().to_owned();
    let token = &["GRAFANA_TOKEN=t0ken", "no_proxy=127.0.0.1"];
    example(dir.path(), "grafana-annotation", token, &[&base]).await;
    let [(head, body)] = server.requests().try_into().unwrap();
    assert!(head.starts_with("POST /api/annotations "), "{head}");
    assert!(head.contains("Bearer t0ken"), "{head}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["tags"][4], "rolled_back");

    let sender = dir.path().join("zabbix_sender");
    std::fs::write(&sender, "#!/bin/sh\n{ echo \"$*\"; cat; } >zabbix.got\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&sender, mode).unwrap();
    example(
        dir.path(),
        "zabbix-sender",
        &[],
        &["zabbix.example.com", "shop"],
    )
    .await;
    let got = std::fs::read_to_string(dir.path().join("zabbix.got")).unwrap();
    assert_eq!(
        got,
        "-z zabbix.example.com -i -\nshop deploy.outcome[staging,app] rolled_back\nshop deploy.seconds[staging,app] 0\n"
    );
}
