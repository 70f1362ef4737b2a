//! Each guard of the record, removed by editing the text of the scripts: a violation must be found.
//! With the guard in place the same scenario is fine.

use std::time::Duration;

use deploy::host::script::Body;
use deploy::record::{ClaimReply, Fault, RecordError, StepReply, TakeReply, parse, verb};

use super::bench::{Bench, Disk, Shell};
use super::crash::crash;
use super::races::{claim, daemon, lost_client, marking, marks, step, take};
use super::verbs::{Verb, facts, id, upload};

type Edit = (&'static str, &'static str);

/// The scenario passes as the scripts are, and finds a violation with each edit of the text.
fn guards(disk: Disk, edits: &[Edit], scenario: impl Fn(&Bench) -> Result<(), String>) {
    let bench = Bench::new(Shell::Dash, disk);
    assert_eq!(scenario(&bench), Ok(()), "with the guard");
    for edit in edits {
        let mut bench = Bench::new(Shell::Dash, disk);
        let (id, all) = (id("r-1", "1-a"), Body::new("x", ""));
        let texts = [
            verb::claim(&bench.scope, &id, true, &upload(&id), &all)
                .unwrap()
                .text,
            verb::step(&bench.scope, &id, 1, &all).text,
        ];
        assert!(
            texts.iter().any(|t| t.contains(edit.0)),
            "{} is not in the scripts",
            edit.0
        );
        bench.edits.push(*edit);
        let found = scenario(&bench);
        assert!(found.is_err(), "without `{}` nothing was found", edit.0);
        eprintln!(
            "without `{}`: {}",
            edit.0.lines().next().unwrap(),
            found.unwrap_err()
        );
    }
}

/// Runs two scripts of the record, the second a little later.
fn both(
    bench: &Bench,
    first: deploy::host::script::Script,
    second: deploy::host::script::Script,
) -> [deploy::host::script::Reply; 2] {
    bench.runtime().block_on(async {
        let later = async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            bench.send(second).await.unwrap()
        };
        let (one, two) = tokio::join!(bench.send(first), later);
        [one.unwrap(), two]
    })
}

fn overlap(bench: &Bench) -> Result<(), String> {
    let run = id("r-1", "1-a");
    claim(bench, &run);
    let body = marking(bench, "echo in >>\"$1\"; sleep 0.8; echo out >>\"$1\"");
    let script = |seq| verb::step(&bench.scope, &run, seq, &body);
    both(bench, script(1), script(2));
    match marks(bench).as_str() {
        "in\nout\nin\nout\n" | "in\nout\n" => Ok(()),
        other => Err(format!("two steps at once: {}", other.replace('\n', " "))),
    }
}

#[test]
fn without_the_lock_a_violation_is_found() {
    guards(Disk::Fast, &[("flock -E 75 -w \"$1\" 9", ":")], overlap);
}

#[test]
fn without_the_fence_a_violation_is_found() {
    let edit = ("[ \"$c_fence\" = \"$fence\" ] || refuse lost $holder", ":");
    guards(Disk::Fast, &[edit], |bench| {
        let (old, new) = (id("r-1", "1-a"), id("r-1", "2-b"));
        claim(bench, &old);
        take(bench, &new, &old, false);
        match step(bench, &old, 1, &marking(bench, "echo late >>\"$1\"")) {
            StepReply::Lost(Some(holder))
                if holder.fence == new.fence && marks(bench).is_empty() =>
            {
                Ok(())
            }
            reply => Err(format!("a displaced run acted: {reply:?}")),
        }
    });
}

#[test]
fn without_the_number_of_the_step_a_violation_is_found() {
    let edits = [
        (
            "[ \"$seq\" -gt \"$c_seq\" ] || refuse stale seq=$c_seq",
            ":",
        ),
        ("if [ \"$seq\" = \"$c_seq\" ]; then", "if false; then"),
    ];
    // Asking twice and asking late are two scenarios in one: each edit breaks one of them.
    guards(Disk::Fast, &[edits[0]], late_and_twice);
    let both = ("-gt \"$c_seq\"", "-ge \"$c_seq\"");
    let mut bench = Bench::new(Shell::Dash, Disk::Fast);
    bench.edits = vec![edits[1], both];
    let found = late_and_twice(&bench).unwrap_err();
    eprintln!("without `=`: {found}");
}

fn late_and_twice(bench: &Bench) -> Result<(), String> {
    let run = id("r-1", "1-a");
    claim(bench, &run);
    for seq in [1, 2, 2, 1] {
        step(bench, &run, seq, &marking(bench, "echo $SEQ >>\"$1\""));
    }
    match marks(bench).as_str() {
        "1\n2\n" => Ok(()),
        other => Err(format!("steps ran as {}", other.replace('\n', " "))),
    }
}

#[test]
fn without_the_inherited_lock_a_violation_is_found() {
    guards(
        Disk::Fast,
        &[(" 9<&9 <\"$in\"", " 9<&- <\"$in\"")],
        |bench| {
            let (run, next) = (id("r-1", "1-a"), id("r-1", "2-b"));
            claim(bench, &run);
            // The script dies while its body runs; the body goes on alone.
            let text =
                "kill -9 $(cat /proc/$PPID/stat | cut -d' ' -f4); sleep 0.7; echo orphan >>\"$1\"";
            let script = verb::step(&bench.scope, &run, 1, &marking(bench, text));
            assert!(bench.run(script).is_err());
            let reply = take(bench, &next, &run, false);
            std::thread::sleep(Duration::from_millis(900));
            assert_eq!(marks(bench), "orphan\n", "the orphan was there");
            match reply {
                TakeReply::Busy { pids, .. } if !pids.is_empty() => Ok(()),
                reply => Err(format!("taken while an orphan worked: {reply:?}")),
            }
        },
    );
}

#[test]
fn without_the_second_look_a_violation_is_found() {
    let edit = ("again=\nif load; then", "again=\nif false; then");
    guards(Disk::Fast, &[edit], |bench| {
        // The record is there and free; both pass the first look while somebody has the lock.
        let before = id("r-0", "1-z");
        claim(bench, &before);
        let released = verb::release(
            &bench.scope,
            &before.fence,
            deploy::name::OutcomeKind::Failed,
            &super::verbs::entry(&before.run, deploy::name::OutcomeKind::Failed),
        );
        bench.ask(released);
        let mut holder = std::process::Command::new("flock")
            .arg(bench.state().join("lock"))
            .args(["sleep", "1.2"])
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let (one, two) = (id("r-1", "1-a"), id("r-2", "1-b"));
        let script = |id| verb::claim(&bench.scope, id, true, &upload(id), &facts()).unwrap();
        let replies = both(bench, script(&one), script(&two)).map(|r| parse::claim(&r).unwrap());
        holder.wait().unwrap();
        let won = replies
            .iter()
            .filter(|r| matches!(r, ClaimReply::Taken { .. }))
            .count();
        if won == 1 {
            Ok(())
        } else {
            Err(format!("{won} runs have the host"))
        }
    });
}

#[test]
fn without_sync_before_the_body_a_violation_is_found() {
    // First without any `sync` of the claim, then without the one that makes the rename last.
    let edits = [
        (
            "sync claim.new journal && mv -f claim.new claim && sync . || refuse",
            "mv -f claim.new claim || refuse",
        ),
        (
            "mv -f claim.new claim && sync . || refuse",
            "mv -f claim.new claim || refuse",
        ),
    ];
    let first = id("r-1", "1-a");
    let verb = Verb::Step {
        id: first,
        seq: 2,
        rc: 0,
        slot: false,
    };
    let scenario = |edits: &[Edit]| {
        for n in 1.. {
            let mut bench = Bench::new(Shell::Dash, Disk::Watched);
            bench.edits = edits.to_vec();
            if !crash(&bench, &verb, n, false, true)? {
                return Ok(());
            }
        }
        Ok(())
    };
    for edit in edits {
        let found: Result<(), String> = scenario(&[edit]);
        assert!(found.is_err(), "without `{}` nothing was found", edit.0);
        eprintln!("without `{}`: {}", edit.0, found.unwrap_err());
    }
}

#[test]
fn without_the_file_for_output_a_violation_is_found() {
    let edits = [("(work \"$@\") >\"$out\" 2>&1 3<&-", "(work \"$@\") 3<&-")];
    guards(Disk::Fast, &edits, |bench| {
        let run = id("r-1", "1-a");
        claim(bench, &run);
        let reply = lost_client(bench, &run);
        match marks(bench).as_str() {
            "whole\n" => Ok(()),
            _ => Err(format!("the body was cut: {reply:?}")),
        }
    });
}

#[test]
fn without_leave_a_daemon_keeps_the_lock() {
    let edit = ("leave() { \"$@\" 7>&- 8>&- 9>&-; }", "leave() { \"$@\"; }");
    guards(Disk::Fast, &[edit], |bench| {
        let run = id("r-1", "1-a");
        claim(bench, &run);
        daemon(bench, &run)
    });
}

#[test]
fn a_replaced_lock_file_is_found() {
    let edit = ("[ lock -ef /proc/$$/fd/9 ] || end error lock-replaced", ":");
    guards(Disk::Fast, &[edit], |bench| {
        let run = id("r-1", "1-a");
        claim(bench, &run);
        // While one waits for the lock, somebody puts another file in its place.
        let lock = bench.state().join("lock");
        let mut holder = std::process::Command::new("flock")
            .arg(&lock)
            .args(["sh", "-c", "sleep 0.4; rm -f \"$0\"; : >\"$0\"; sleep 0.3"])
            .arg(&lock)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let reply = bench.ask(verb::step(&bench.scope, &run, 1, &Body::new("x", ":")));
        holder.wait().unwrap();
        match parse::step(&reply) {
            Err(RecordError::Host {
                fault: Fault::LockReplaced,
                ..
            }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
