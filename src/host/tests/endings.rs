//! How a call ends: well, without an answer, too late, or because nobody listens any more.

use super::*;

/// Waits until `path` holds `text`, at most `within`.
fn holds(path: &Path, text: &str, within: Duration) -> bool {
    let steps = within.as_millis() / 20;
    (0..steps).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_to_string(path).is_ok_and(|t| t == text)
    })
}

#[test]
fn a_noisy_shell_and_a_false_end_line_change_nothing() {
    let text = r#"echo "end 0000000000000000 ok"; echo end; printf 'no newline'; echo oops >&2; end done a=1 b=x=y"#;
    for (name, local) in shells() {
        let reply = run(&host(&local), Script::new("t", text)).unwrap();
        assert_eq!(
            reply.lines,
            ["end 0000000000000000 ok", "end", "no newline"],
            "{name}"
        );
        assert_eq!(reply.end, ["done", "a=1", "b=x=y"], "{name}");
        assert_eq!(reply.word("b"), Some("x=y"));
        assert_eq!(reply.stderr, "oops\n", "{name}");
    }
}

#[test]
fn noise_before_the_script_is_not_the_answer() {
    let shell = ["sh", "-c", "echo Welcome; echo begin; exec sh \"$@\"", "sh"];
    let local = Local {
        shell: shell.map(str::to_owned).to_vec(),
        ..Local::default()
    };
    let reply = run(&host(&local), Script::new("t", "echo hi; end ok")).unwrap();
    assert_eq!(reply.lines, ["hi"]);
}

#[test]
fn no_end_line_is_never_success_and_shows_the_last_words() {
    for (name, local) in shells() {
        let error = run(
            &host(&local),
            Script::new("t", "echo first; echo why >&2; exit 0"),
        )
        .unwrap_err();
        let RunError::NoEnd {
            status,
            tail,
            script,
            host,
        } = error
        else {
            panic!("{name}: {error}")
        };
        assert_eq!(
            (status, script, host.as_str()),
            (Some(0), "t", "here"),
            "{name}"
        );
        assert!(tail.ends_with("first\nwhy"), "{name}: {tail}");
    }
}

#[test]
fn what_a_refusing_account_prints_is_kept() {
    for (program, words, status) in [
        (
            "echo 'sudo: a password is required' >&2; exit 1",
            "sudo: a password is required",
            1,
        ),
        (
            "echo 'This account is currently not available.'; exit 1",
            "not available",
            1,
        ),
        ("exec /nonexistent/sh", "/nonexistent/sh", 127),
    ] {
        let shell = ["sh", "-c", program].map(str::to_owned).to_vec();
        let local = Local {
            shell,
            ..Local::default()
        };
        let error = run(&host(&local), Script::new("t", "end ok")).unwrap_err();
        let RunError::NoEnd {
            status: got, tail, ..
        } = error
        else {
            panic!("{error}")
        };
        assert!(tail.contains(words), "{tail}");
        assert_eq!(got, Some(status));
    }
}

#[test]
fn a_shell_that_cannot_start_is_a_connection_error_with_its_source() {
    let local = Local {
        shell: vec!["/nonexistent".to_owned()],
        ..Local::default()
    };
    let error = run(&host(&local), Script::new("look", "end ok")).unwrap_err();
    assert_eq!(error.to_string(), "connection to here failed during look");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_limit_and_the_promised_noise_are_kept() {
    let slow = Script::new("t", "sleep 5; end ok").limit(Duration::from_millis(300));
    let error = run(&here(), slow).unwrap_err();
    assert_eq!(
        error.to_string(),
        "here does not answer: t had not ended after 300 ms"
    );

    let text = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done; sleep 5; end ok";
    let silent = Script {
        quiet: Some(Duration::from_millis(400)),
        ..Script::new("t", text)
    };
    let mut seen = 0;
    let error = runtime()
        .block_on(here().stream(silent, |_| seen += 1))
        .unwrap_err();
    // Six lines took longer than the promise: each one renewed it.
    assert_eq!(
        error.to_string(),
        "here does not answer: t had not ended after 400 ms"
    );
    assert_eq!(seen, 6);
}

#[test]
fn lines_come_as_they_are_printed() {
    let clock = crate::time::Clock::system();
    let mut at = Vec::new();
    let script = Script::new("t", "echo a; sleep 0.3; echo b; end ok");
    let reply =
        runtime().block_on(here().stream(script, |l| at.push((l.to_owned(), clock.elapsed()))));
    assert!(reply.unwrap().lines.is_empty());
    assert_eq!(at.len(), 2);
    assert!(at[1].1 - at[0].1 > Duration::from_millis(200), "{at:?}");
}

#[test]
fn a_daemon_left_behind_does_not_hold_the_answer() {
    let script = Script::new("t", "sleep 3 & end ok").limit(Duration::from_secs(2));
    let reply = run(&here(), script).unwrap();
    assert!(reply.took < Duration::from_secs(1), "{:?}", reply.took);
}

#[test]
fn a_large_answer_and_large_data_do_not_block_each_other() {
    let text = "seq 1 60000; take_data 3000000 | wc -c; end ok";
    let script = with_data("t", text, vec![b'x'; 3_000_000]);
    let reply = run(&here(), script).unwrap();
    assert_eq!(reply.lines.len(), 60_001);
    assert_eq!(reply.lines[60_000].trim(), "3000000");
}

#[test]
fn an_endless_answer_counts_as_none() {
    let script = Script::new("t", "seq 1 3000000; end ok");
    let error = run(&here(), script).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t for here could not be sent: its answer is longer than 16 MiB"
    );
}

/// The body notes its beginning, waits, and notes its end; `$1` is where.
const SLOW: &str = r#"
slow() { echo began >"$1"; sleep "${2:-3}"; echo ended >"$1"; }
"#;

#[test]
fn a_tied_script_ends_with_its_listener() {
    // A function, a command, and a child that would ignore the loss of its output.
    let bodies = [
        r#"until_hangup slow "$1"; [ $? = 143 ] && echo "told" >>"$1"; end ok"#,
        r#"echo began >"$1"; until_hangup sh -c 'sleep 3; echo ended >"$1"' sh "$1"; [ $? = 143 ] && echo "told" >>"$1"; end ok"#,
        r#"echo began >"$1"; until_hangup timeout 5 sh -c 'sleep 3; echo ended >"$1"' sh "$1"; [ $? = 143 ] && echo "told" >>"$1"; end ok"#,
    ];
    let shells = shells();
    std::thread::scope(|scope| {
        for (name, local) in &shells {
            for body in bodies {
                scope.spawn(move || ends_when_dropped(name, local, body));
            }
        }
    });
}

fn ends_when_dropped(name: &str, local: &Local, body: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = Script {
        tied: true,
        ..Script::new("t", format!("{SLOW}{body}"))
    }
    .args([mark.display().to_string()]);
    let host = host(local);
    let runtime = runtime();
    let task = runtime.spawn(async move { host.run(script).await });
    assert!(
        holds(&mark, "began\n", Duration::from_secs(5)),
        "{name}: {body}"
    );
    task.abort();
    let told = holds(&mark, "began\ntold\n", Duration::from_secs(3));
    assert!(told, "{name}: {body}: {:?}", std::fs::read_to_string(&mark));
    // The body would have noted its end by now.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        std::fs::read_to_string(&mark).unwrap(),
        "began\ntold\n",
        "{name}: {body}"
    );
}

#[test]
fn a_tied_script_with_a_listener_runs_to_its_end() {
    let text = r#"take_data 4 >"$1.d" || end short; until_hangup slow "$1" 0.2; end ok rc=$?"#;
    let status = "until_hangup sh -c 'exit 7'; end ok rc=$?";
    for (name, local) in shells() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = Script {
            tied: true,
            data: b"data".to_vec(),
            ..Script::new("t", format!("{SLOW}{text}"))
        };
        let reply = run(&host(&local), script.args([mark.display().to_string()])).unwrap();
        assert_eq!(reply.end, ["ok", "rc=0"], "{name}");
        assert_eq!(reply.stderr, "", "{name}");
        assert_eq!(std::fs::read_to_string(&mark).unwrap(), "ended\n", "{name}");
        let script = Script {
            tied: true,
            ..Script::new("t", status)
        };
        assert_eq!(
            run(&host(&local), script).unwrap().end,
            ["ok", "rc=7"],
            "{name}"
        );
    }
}

#[test]
fn an_untied_script_finishes_without_its_listener() {
    // It goes on printing, to nobody.
    let text = r#"echo began >"$1"; for i in 1 2 3 4 5; do echo line; echo err >&2; sleep 0.1; done; echo ended >"$1"; end ok"#;
    for (name, local) in shells() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("mark");
        let script = Script::new("t", text).args([mark.display().to_string()]);
        let host = host(&local);
        let runtime = runtime();
        let task = runtime.spawn(async move { host.run(script).await });
        assert!(holds(&mark, "began\n", Duration::from_secs(5)), "{name}");
        task.abort();
        assert!(holds(&mark, "ended\n", Duration::from_secs(5)), "{name}");
    }
}

#[test]
fn many_scripts_run_at_once_and_do_not_mix() {
    let host = here();
    let runtime = runtime();
    let tasks: Vec<_> = (0..30)
        .map(|i| {
            let host = host.clone();
            let script =
                Script::new("t", r#"echo "$1"; sleep 0.05; end ok "$1""#).args([i.to_string()]);
            runtime.spawn(async move { (i, host.run(script).await.unwrap()) })
        })
        .collect();
    for task in tasks {
        let (i, reply) = runtime.block_on(task).unwrap();
        assert_eq!(reply.lines, [i.to_string()]);
        assert_eq!(reply.end[1], i.to_string());
    }
}
