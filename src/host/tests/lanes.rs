//! Scripts one after the other over one channel: what a script does must not reach the next one.

use super::*;

/// Runs scripts in one connection; each ends with the number of the process that started its shell.
fn talk(host: &Host, scripts: Vec<Script>) -> Vec<Result<Reply, RunError>> {
    runtime().block_on(async {
        let mut all = Vec::new();
        for script in scripts {
            all.push(host.run(script).await);
        }
        all
    })
}

fn lane(reply: &Result<Reply, RunError>) -> &str {
    reply.as_ref().unwrap().word("lane").unwrap()
}

fn mine() -> Script {
    Script::new("t", "echo out; echo err >&2; end ok lane=$PPID")
}

#[test]
fn scripts_share_a_lane_and_nothing_else() {
    for (name, local) in shells() {
        let host = host(&local);
        let spoils = Script::new(
            "t",
            "cd /; umask 000; set -f; PATH=/; x=1; end() { :; }; trap '' TERM; printf '\\nend %s ok lane=%s\\n' \"$wire_nonce\" \"$PPID\"; exit 3",
        );
        let asks = Script::new(
            "t",
            "echo \"${x-none} $- $(umask) $(pwd)\"; end ok lane=$PPID pid=$$",
        );
        let all = talk(&host, vec![asks.clone(), spoils, asks, mine()]);
        assert_eq!(lane(&all[0]), lane(&all[1]), "{name}");
        assert_eq!(lane(&all[0]), lane(&all[2]), "{name}");
        let (first, third) = (all[0].as_ref().unwrap(), all[2].as_ref().unwrap());
        assert_eq!(first.lines, third.lines, "{name}");
        assert_ne!(first.word("pid"), third.word("pid"), "{name}");
        let last = all[3].as_ref().unwrap();
        assert_eq!(
            (&last.lines[..], &*last.stderr),
            (&["out".to_owned()][..], "err\n"),
            "{name}"
        );
        assert_eq!(lane(&all[3]), lane(&all[0]), "{name}");
    }
}

#[test]
fn data_that_a_script_has_not_taken_is_passed_over() {
    let hostile = b"gap 0123\nx\0y\r\n\nleft 0 0\nno end".to_vec();
    for (name, local) in shells() {
        let host = host(&local);
        let some = |text: &'static str| with_data("t", text, hostile.clone());
        let all = talk(
            &host,
            vec![
                mine(),
                some("end ok lane=$PPID"),
                some("take_data 5; echo; end ok lane=$PPID"),
                some("take_data 30 | od -An -c | tr -d ' \\n'; echo; end ok"),
                mine(),
            ],
        );
        let lanes: Vec<&str> = all[..3].iter().chain(&all[4..]).map(lane).collect();
        assert!(lanes.iter().all(|l| *l == lanes[0]), "{name}: {lanes:?}");
        assert_eq!(all[2].as_ref().unwrap().lines, ["gap 0"], "{name}");
        let whole = &all[3].as_ref().unwrap().lines[0];
        assert!(
            whole.contains("x\\0y") && whole.ends_with("noend"),
            "{name}: {whole}"
        );
    }
}

/// Larger than what a pipe holds: the script ends while it is still being sent.
#[test]
fn much_data_that_nobody_takes_is_no_trouble() {
    let large = vec![b'a'; 300_000];
    let all = talk(
        &here(),
        vec![with_data("t", "end early lane=$PPID", large), mine()],
    );
    assert_eq!(all[0].as_ref().unwrap().end[0], "early");
    assert_eq!(all[1].as_ref().unwrap().lines, ["out"]);
}

#[test]
fn a_script_without_an_answer_tells_its_status_and_the_next_one_runs() {
    for (name, local) in shells() {
        let host = host(&local);
        let all = talk(
            &host,
            vec![mine(), Script::new("t", "echo why >&2; exit 9"), mine()],
        );
        let Err(RunError::NoEnd { status, tail, .. }) = &all[1] else {
            panic!("{name}: {:?}", all[1])
        };
        assert_eq!(*status, Some(9), "{name}");
        assert!(tail.ends_with("\nwhy"), "{name}: {tail}");
        assert_eq!(all[2].as_ref().unwrap().lines, ["out"], "{name}");
    }
}

/// What reads all of its input, as a program may that was started without one of its own.
#[test]
fn a_lane_that_is_not_at_rest_is_not_used_again() {
    let host = here();
    let eats = Script::new("t", "cat >/dev/null & end ok lane=$PPID");
    let eats_all = Script::new(
        "t",
        "printf '\\nend %s ok lane=%s\\n' \"$wire_nonce\" \"$PPID\"; exec cat >/dev/null",
    );
    for eater in [eats, eats_all] {
        let all = talk(&host, vec![mine(), eater, mine(), mine()]);
        assert_eq!(all[2].as_ref().unwrap().lines, ["out"]);
        assert_eq!(lane(&all[2]), lane(&all[3]));
    }
}

#[test]
fn a_lane_that_died_is_replaced() {
    let host = here();
    let all = talk(&host, vec![mine(), Script::new("t", "end ok lane=$PPID")]);
    let dead = lane(&all[1]).to_owned();
    let status = std::process::Command::new("kill")
        .args(["-KILL", &dead])
        .status();
    assert!(status.unwrap().success());
    // Its end may be under way.
    std::thread::sleep(Duration::from_millis(100));
    let all = talk(&host, vec![mine(), mine()]);
    assert_ne!(lane(&all[0]), dead);
    assert_eq!(lane(&all[0]), lane(&all[1]));
}

#[test]
fn scripts_at_the_same_time_have_channels_of_their_own() {
    let host = here();
    let slow = || Script::new("t", "sleep 0.2; end ok lane=$PPID");
    let (one, two) = runtime().block_on(async { tokio::join!(host.run(slow()), host.run(slow())) });
    assert_ne!(lane(&one), lane(&two));
}
