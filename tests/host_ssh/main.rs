//! Hosts over SSH, against an sshd of this test's own on 127.0.0.1, and against the fleet where
//! `DEPLOY_FLEET` names one. A test that cannot run says `skipped:` and why.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests play the outside: files, processes, signals, time"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use deploy::host::script::{RunError, Script};
use deploy::host::{Address, ConnectKind, Connector, Settings, Target};

mod sshd;
use sshd::{Sshd, address, descendants, signal, wait};

#[tokio::test]
async fn a_script_goes_there_and_its_answer_comes_back() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let nasty = ["a'b", "$(x)", "!", "ü 中", ""];
    let text = r#"for a in "$@"; do printf '[%s]\n' "$a"; done; take_data 70000 | wc -c; echo err >&2; end ok n=$#"#;
    let script = Script {
        data: vec![b'x'; 70_000],
        ..Script::new("t", text).args(nasty)
    };
    let reply = host.run(script).await.unwrap();
    assert_eq!(reply.lines[..5], ["[a'b]", "[$(x)]", "[!]", "[ü 中]", "[]"]);
    assert_eq!(reply.lines[5].trim(), "70000");
    assert_eq!(reply.word("n"), Some("5"));
    assert_eq!(reply.stderr, "err\n");
    let error = host.run(Script::new("t", "exit 127")).await.unwrap_err();
    assert!(
        matches!(
            error,
            RunError::NoEnd {
                status: Some(127),
                ..
            }
        ),
        "{error:?}"
    );
    let error = host
        .run(Script::new("t", "kill -KILL $$"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RunError::NoEnd {
                status: Some(137),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let (one, two) = (
        connector.connect(&sshd.address()).await.unwrap(),
        connector.connect(&sshd.address()).await.unwrap(),
    );
    assert_eq!(sshd.masters().len(), 2);
    one.clone().close().await;
    let error = one.run(Script::new("t", "end ok")).await.unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the connection was closed before"
    );
    drop((one, two));
    connector.close().await;
    assert!(
        wait(Duration::from_secs(2), || sshd.masters().is_empty()),
        "a master is left"
    );
    let left: Vec<_> = std::fs::read_dir(sshd.path("c"))
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

#[tokio::test]
async fn what_a_killed_run_left_is_cleared_by_the_next() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let masters = sshd.masters();
    // The kernel frees the lock of a killed process; ours is freed by moving the file away.
    let run = std::fs::read_dir(sshd.path("c"))
        .unwrap()
        .flatten()
        .find(|e| e.path().is_dir())
        .unwrap()
        .path();
    std::fs::remove_file(run.join("lock")).unwrap();
    let _other = sshd.connect().await;
    let gone = || masters.iter().all(|pid| !sshd.masters().contains(pid));
    assert!(
        wait(Duration::from_secs(2), gone),
        "the dead run's master is left"
    );
    assert!(!run.exists());
    std::mem::forget(host);
}

#[tokio::test]
async fn each_way_of_failing_has_its_kind() {
    let Some(sshd) = Sshd::start("") else { return };
    let connector = sshd.connector();
    let try_it = async |address: Address| match connector.connect(&address).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    };
    let error = try_it(address("web1", "127.0.0.1", Some(1))).await;
    assert_eq!(error.kind, ConnectKind::PortClosed, "{}", error.source);

    sshd.config("other", "");
    let error = try_it(sshd.address()).await;
    assert_eq!(error.kind, ConnectKind::KeyRefused, "{}", error.source);

    sshd.config("user", "");
    sshd.trust("other");
    let error = try_it(sshd.address()).await;
    assert_eq!(error.kind, ConnectKind::HostKeyChanged, "{}", error.source);
    let hint = error.hint.unwrap();
    let remove = format!(
        "ssh-keygen -f \"{}\" -R \"[127.0.0.1]:{}\"",
        sshd.path("known_hosts").display(),
        sshd.port
    );
    assert!(hint.contains(&remove), "{hint}");

    std::fs::write(sshd.path("known_hosts"), "").unwrap();
    let error = try_it(sshd.address()).await;
    assert_eq!(error.kind, ConnectKind::HostKeyUnknown, "{}", error.source);

    let mut wrong = sshd.address();
    if let Target::Ssh { options, .. } = &mut wrong.target {
        options.push(("NoSuchOption".to_owned(), "1".to_owned()));
    }
    let error = try_it(wrong).await;
    assert_eq!(error.kind, ConnectKind::Configuration, "{}", error.source);
    assert!(sshd.masters().is_empty());
}

#[tokio::test]
async fn a_port_that_never_speaks_is_given_up_in_time() {
    let Some(sshd) = Sshd::start("") else { return };
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let port = silent.local_addr().unwrap().port();
    let Err(error) = sshd
        .connector()
        .connect(&address("web1", "127.0.0.1", Some(port)))
        .await
    else {
        panic!("connected")
    };
    assert_eq!(error.kind, ConnectKind::Unreachable, "{}", error.source);
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_frozen_host_is_noticed_in_ten_seconds() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let start = Instant::now();
    let serving: Vec<u32> = sshd.serving();
    let frozen = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        for pid in descendants(&serving) {
            signal("STOP", pid);
        }
    });
    let error = host
        .run(Script::new("t", "sleep 60; end ok"))
        .await
        .unwrap_err();
    frozen.join().unwrap();
    assert!(matches!(error, RunError::Connection { .. }), "{error:?}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    for pid in descendants(&sshd.serving()) {
        signal("KILL", pid);
    }
}

#[tokio::test]
async fn a_lost_connection_is_no_answer_and_the_next_call_connects_again() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let masters = sshd.masters();
    let killer = std::thread::spawn({
        let masters = masters.clone();
        move || {
            std::thread::sleep(Duration::from_millis(300));
            masters.iter().for_each(|pid| signal("KILL", *pid));
        }
    });
    let error = host
        .run(Script::new("t", "sleep 60; end ok"))
        .await
        .unwrap_err();
    killer.join().unwrap();
    assert!(matches!(error, RunError::Connection { .. }), "{error:?}");
    let reply = host
        .run(Script::new("t", "echo back; end ok"))
        .await
        .unwrap();
    assert_eq!(reply.lines, ["back"]);
    assert_ne!(sshd.masters(), masters);
}

#[tokio::test]
async fn more_scripts_than_sessions_wait_for_their_turn() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    let tasks: Vec<_> = (0..20)
        .map(|i: usize| {
            let host = host.clone();
            let script = Script::new("t", r#"sleep 0.1; end ok "$1""#).args([i.to_string()]);
            tokio::spawn(async move { (i, host.run(script).await) })
        })
        .collect();
    for task in tasks {
        let (i, reply) = task.await.unwrap();
        assert_eq!(reply.unwrap().end[1], i.to_string());
    }
    let Some(small) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let host = small.connect().await;
    let slow = tokio::spawn({
        let host = host.clone();
        async move { host.run(Script::new("t", "sleep 1; end ok")).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = host.run(Script::new("t", "end ok")).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("MaxSessions"), "{source}");
    assert!(slow.await.unwrap().is_ok());
}

#[tokio::test]
async fn one_session_is_enough_for_scripts_of_all_kinds_one_after_the_other() {
    let Some(small) = Sshd::start("MaxSessions 1") else {
        return;
    };
    let host = small.connect().await;
    for tied in [false, true, false, true] {
        let script = Script {
            tied,
            ..Script::new("t", "end ok")
        };
        assert_eq!(host.run(script).await.unwrap().end, ["ok"], "{tied}");
    }
}

#[tokio::test]
async fn connections_that_an_sshd_drops_are_tried_again() {
    let Some(sshd) = Sshd::start("MaxStartups 2:100:2") else {
        return;
    };
    let connector = sshd.connector();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (connector, address) = (connector.clone(), sshd.address());
            tokio::spawn(async move { connector.connect(&address).await.map(drop) })
        })
        .collect();
    let mut good = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => good += 1,
            Err(error) => assert_eq!(error.kind, ConnectKind::TooMany, "{}", error.source),
        }
    }
    let log = std::fs::read_to_string(sshd.path("sshd.log")).unwrap();
    assert!(
        log.contains("MaxStartups"),
        "the test must see drops: {log}"
    );
    assert!(good >= 6, "{good} of 8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tied_script_ends_when_its_future_is_dropped_and_an_untied_one_does_not() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = sshd.connect().await;
    for (tied, wanted) in [(true, "began\ntold\n"), (false, "began\nended\n")] {
        let mark = sshd.path(&format!("mark-{tied}"));
        let text = if tied {
            r#"echo began >"$1"; until_hangup sh -c 'sleep 1; echo ended >>"$1"' sh "$1"; [ $? = 143 ] && echo told >>"$1"; end ok"#
        } else {
            r#"echo began >"$1"; for i in 1 2 3 4 5; do echo line; sleep 0.2; done; echo ended >>"$1"; end ok"#
        };
        let script = Script {
            tied,
            ..Script::new("t", text).args([mark.display().to_string()])
        };
        let runner = host.clone();
        let task = tokio::spawn(async move { runner.run(script).await });
        let is = |text: &str| std::fs::read_to_string(&mark).is_ok_and(|t| t == text);
        assert!(wait(Duration::from_secs(5), || is("began\n")));
        task.abort();
        let _ = task.await;
        assert!(
            wait(Duration::from_secs(4), || is(wanted)),
            "{tied}: {:?}",
            std::fs::read_to_string(&mark)
        );
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(is(wanted), "{tied}");
    }
}

#[tokio::test]
async fn a_user_s_configuration_cannot_disturb_ours() {
    let Some(sshd) = Sshd::start("") else { return };
    let extra = "LogLevel QUIET\nRequestTTY force\nRemoteCommand echo hi\nControlMaster no\nLocalForward 1 127.0.0.1:1\n\
                 ExitOnForwardFailure yes\nSessionType none\nHost nothing\n";
    sshd.config("user", extra);
    let host = sshd.connect().await;
    assert_eq!(
        host.run(Script::new("t", "echo ok; end ok"))
            .await
            .unwrap()
            .lines,
        ["ok"]
    );
}

#[tokio::test]
async fn a_jump_host_works_with_the_same_configuration() {
    let Some(sshd) = Sshd::start("") else { return };
    let jump = format!(
        "Host jump\n HostName 127.0.0.1\n Port {0}\n HostKeyAlias [127.0.0.1]:{0}\n",
        sshd.port
    );
    sshd.config("user", &jump);
    let mut behind = sshd.address();
    if let Target::Ssh { options, .. } = &mut behind.target {
        options.push(("ProxyJump".to_owned(), "jump".to_owned()));
    }
    let host = sshd
        .connector()
        .connect(&behind)
        .await
        .unwrap_or_else(|e| panic!("{e}: {}", e.source));
    assert_eq!(
        host.run(Script::new("t", "end ok")).await.unwrap().end,
        ["ok"]
    );
}

#[tokio::test]
async fn a_directory_for_sockets_that_others_can_write_is_refused() {
    let Some(sshd) = Sshd::start("") else { return };
    std::fs::create_dir(sshd.path("c")).unwrap();
    std::fs::set_permissions(sshd.path("c"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let Err(error) = sshd.connector().connect(&sshd.address()).await else {
        panic!("connected")
    };
    assert_eq!(error.kind, ConnectKind::ThisMachine);
}

/// Not a check of speed but its measure: printed, with a bound that only a defect can miss.
#[tokio::test]
async fn the_fleet_is_reached_in_one_go() {
    let Ok(state) = std::env::var("DEPLOY_FLEET") else {
        eprintln!("skipped: DEPLOY_FLEET names no fleet");
        return;
    };
    let base = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(base.path().join("c"));
    settings.ssh_config = Some(Path::new(&state).join("ssh_config"));
    let connector = Connector::new(settings);
    let start = Instant::now();
    let tasks: Vec<_> = ["lb1", "lb2", "web1", "web2", "web3", "web4"]
        .map(|name| {
            let connector = connector.clone();
            tokio::spawn(async move { connector.connect(&address(name, name, None)).await })
        })
        .into();
    let mut hosts = Vec::new();
    for task in tasks {
        hosts.push(
            task.await
                .unwrap()
                .unwrap_or_else(|e| panic!("{e}: {}", e.source)),
        );
    }
    eprintln!("6 connections: {:?}", start.elapsed());
    let start = Instant::now();
    for host in &hosts {
        let root = Script {
            root: true,
            ..Script::new("t", "id -u; end ok")
        };
        assert_eq!(host.run(root).await.unwrap().lines, ["0"], "{host:?}");
    }
    eprintln!(
        "6 scripts as root, one after the other: {:?}",
        start.elapsed()
    );
    let start = Instant::now();
    for _ in 0..20 {
        hosts[0].run(Script::new("t", "end ok")).await.unwrap();
    }
    eprintln!("20 scripts on one host: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(5));
}
