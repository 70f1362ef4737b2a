//! Many claims at once, steps that overlap, clients that go away, output while it comes.

use std::time::{Duration, Instant};

use deploy::host::script::Body;
use deploy::name::OutcomeKind;
use deploy::record::{ClaimId, ClaimReply, StepReply, Take, TakeReply, Upload, parse, verb};

use super::bench::{Bench, Disk, Shell, long};
use super::verbs::{entry, facts, id, upload};

pub fn claim(bench: &Bench, id: &ClaimId) -> ClaimReply {
    let script = verb::claim(&bench.scope, id, true, &upload(id), &facts()).unwrap();
    parse::claim(&bench.ask(script)).unwrap()
}
pub fn step(bench: &Bench, id: &ClaimId, seq: u64, body: &Body) -> StepReply {
    parse::step(&bench.ask(verb::step(&bench.scope, id, seq, body))).unwrap()
}
pub fn take(bench: &Bench, id: &ClaimId, expected: &ClaimId, kill: bool) -> TakeReply {
    let what = Take {
        expected: expected.fence.clone(),
        force: true,
        kill,
        displace: false,
        manifest: None,
    };
    parse::take(&bench.ask(verb::take(&bench.scope, id, &what))).unwrap()
}
/// A body with one parameter: the file that it marks.
pub fn marking(bench: &Bench, text: &'static str) -> Body {
    let marks = bench.path().join("marks");
    Body::new("work", text).args([marks.to_str().unwrap()])
}
pub fn marks(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path().join("marks")).unwrap_or_default()
}

/// Many claims at once: how many won.
pub fn winners(bench: &Bench, count: u32) -> usize {
    let ids: Vec<ClaimId> = (0..count)
        .map(|n| id(&format!("r-{n}"), &format!("1-{n}")))
        .collect();
    let none = Upload::default();
    let claims = ids.iter().map(|id| {
        let script = verb::claim(&bench.scope, id, true, &none, &facts()).unwrap();
        bench.prepared(script)
    });
    let host = bench.host().clone();
    let replies = bench.runtime().block_on(async {
        let mut set = tokio::task::JoinSet::new();
        for script in claims {
            // Each through a host of its own: one connection carries eight scripts at once.
            let host = host();
            set.spawn(async move { host.run(script).await });
        }
        set.join_all().await
    });
    let replies = replies
        .into_iter()
        .map(|r| parse::claim(&r.unwrap()).unwrap());
    let mut won = 0;
    for reply in replies {
        match reply {
            ClaimReply::Taken { again: false, .. } => won += 1,
            ClaimReply::Held(_) | ClaimReply::Busy => {}
            other => panic!("{other:?}"),
        }
    }
    won
}

#[test]
fn of_a_hundred_claims_one_wins() {
    for shell in Shell::all() {
        for _ in 0..if long() { 20 } else { 1 } {
            let bench = Bench::new(shell, Disk::Fast);
            assert_eq!(winners(&bench, 100), 1, "{shell:?}");
        }
    }
}

#[test]
fn a_followed_step_shows_output_as_it_comes_and_loses_no_line() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let text = "echo first; sleep 0.7; n=0; while [ $n -lt 2000 ]; do n=$((n+1)); echo $n; done; printf last";
        let mut body = Body::new("pull", text);
        body.follow = true;
        let script = bench.prepared(verb::step(&bench.scope, &run, 1, &body));
        let (start, mut at_first, mut lines) = (Instant::now(), None, Vec::new());
        let host = bench.host()();
        let reply = bench.runtime().block_on(host.stream(script, |line: &str| {
            at_first.get_or_insert(start.elapsed());
            lines.push(line.to_owned());
        }));
        assert_eq!(reply.unwrap().end, ["ok", "rc=0"], "{shell:?}");
        assert!(
            at_first.unwrap() < Duration::from_millis(600),
            "{shell:?} {at_first:?}"
        );
        let mut wanted = vec!["first".to_owned()];
        wanted.extend((1..=2000).map(|n| n.to_string()));
        wanted.push("last".into());
        assert_eq!(lines, wanted, "{shell:?}");
    }
}

#[test]
fn many_short_followed_steps_lose_nothing_and_cost_no_fixed_wait() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    claim(&bench, &run);
    let mut took = [Duration::ZERO; 2];
    for seq in 1..=30 {
        let mut body = Body::new("up", "echo a; echo b >&2; printf c");
        body.follow = seq % 2 == 0;
        let start = Instant::now();
        let reply = step(&bench, &run, seq, &body);
        took[usize::from(body.follow)] += start.elapsed();
        let StepReply::Done { rc: 0, output, .. } = reply else {
            panic!("{reply:?}");
        };
        assert_eq!(output, ["a", "b", "c"]);
    }
    let extra = took[1].saturating_sub(took[0]) / 15;
    eprintln!("a follower costs {extra:?} more");
    assert!(extra < Duration::from_millis(60), "{extra:?}");
}

#[test]
fn a_lost_client_does_not_end_a_body_half_way_and_the_answer_can_be_asked_again() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let reply = lost_client(&bench, &run);
        assert_eq!(marks(&bench), "whole\n", "{shell:?}");
        assert!(
            matches!(
                reply,
                StepReply::Done {
                    rc: 0,
                    again: true,
                    ..
                }
            ),
            "{shell:?} {reply:?}"
        );
    }
}

/// A client goes away while a body prints, and asks again when it is over.
pub fn lost_client(bench: &Bench, run: &ClaimId) -> StepReply {
    // As a program does that does not catch a failed write.
    let text = "n=0; while [ $n -lt 6 ]; do echo $n || exit 9; sleep 0.1; n=$((n+1)); done; \
                echo whole >>\"$1\"";
    let mut body = marking(bench, text);
    body.follow = true;
    let script = bench.prepared(verb::step(&bench.scope, run, 1, &body));
    let host = bench.host()();
    bench.runtime().block_on(async {
        let call = host.run(script);
        assert!(
            tokio::time::timeout(Duration::from_millis(300), call)
                .await
                .is_err()
        );
    });
    for _ in 0..20 {
        match step(bench, run, 1, &body) {
            StepReply::Busy => {}
            reply => return reply,
        }
    }
    panic!("busy for ever");
}

#[test]
fn a_pull_ends_with_its_connection_and_says_so_in_the_record() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let mut body = marking(&bench, "echo pulling; sleep 5; echo late >>\"$1\"");
        (body.tied, body.follow) = (true, true);
        let script = bench.prepared(verb::step(&bench.scope, &run, 1, &body));
        let (host, start) = (bench.host()(), Instant::now());
        bench.runtime().block_on(async {
            let call = host.run(script);
            assert!(
                tokio::time::timeout(Duration::from_millis(400), call)
                    .await
                    .is_err()
            );
        });
        // The next one waits for the lock: it comes when the pull is over.
        // On a busy machine that may be later than one wait for the lock.
        let body = marking(&bench, "echo next >>\"$1\"");
        let tries = (0..4).map(|_| step(&bench, &run, 2, &body));
        let next = tries
            .into_iter()
            .find(|end| !matches!(end, StepReply::Busy));
        assert!(
            matches!(next, Some(StepReply::Done { rc: 0, .. })),
            "{shell:?} {next:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(4), "{shell:?}");
        assert_eq!(marks(&bench), "next\n", "{shell:?}");
        let journal = bench.read("journal").unwrap();
        assert!(journal.contains("done 1-a 1 rc=143"), "{shell:?} {journal}");
    }
}

#[test]
fn a_take_over_ends_a_pull_waits_for_other_steps_and_kills_when_asked() {
    for (tied, kill) in [(true, false), (false, false), (false, true)] {
        let bench = Bench::new(Shell::Dash, Disk::Fast);
        let (run, next) = (id("r-1", "1-a"), id("r-1", "2-b"));
        claim(&bench, &run);
        let mut body = marking(&bench, "sleep 3; echo late >>\"$1\"");
        (body.tied, body.limit) = (tied, Duration::from_secs(40));
        let script = bench.prepared(verb::step(&bench.scope, &run, 1, &body));
        let host = bench.host()();
        let held = bench.runtime().block_on(async {
            let running = tokio::spawn(async move { host.run(script).await });
            tokio::time::sleep(Duration::from_millis(400)).await;
            let what = Take {
                expected: run.fence.clone(),
                force: true,
                kill,
                displace: false,
                manifest: None,
            };
            let reply = bench.send(verb::take(&bench.scope, &next, &what)).await;
            let reply = parse::take(&reply.unwrap()).unwrap();
            (reply, running.await.unwrap())
        });
        if tied || kill {
            assert!(
                matches!(held.0, TakeReply::Taken { seq: 1, .. }),
                "{:?}",
                held.0
            );
            std::thread::sleep(Duration::from_millis(100));
            assert_eq!(marks(&bench), "", "tied {tied} kill {kill}");
        } else {
            let TakeReply::Busy { pids, step, ends } = held.0 else {
                panic!("{:?}", held.0);
            };
            assert!(
                !pids.is_empty() && step == "work" && ends == 40,
                "{pids:?} {step} {ends}"
            );
            assert_eq!(marks(&bench), "late\n");
        }
    }
}

#[test]
fn a_daemon_that_a_body_leaves_does_not_keep_the_lock() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        assert_eq!(daemon(&bench, &run), Ok(()), "{shell:?}");
    }
}

/// A body leaves a daemon; the next step must run.
pub fn daemon(bench: &Bench, run: &ClaimId) -> Result<(), String> {
    let body = Body::new("lb-commit", "leave sh -c 'sleep 5 >/dev/null 2>&1 &'");
    step(bench, run, 1, &body);
    match step(bench, run, 2, &Body::new("next", ":")) {
        StepReply::Done { rc: 0, .. } => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn one_round_is_measured() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Real);
        let mut took = [Duration::ZERO; 5];
        let rounds = 10;
        for round in 0..rounds {
            let run = id(&format!("r-{round}"), &format!("1-{round}"));
            let mut timed = |at: usize, script| {
                let start = Instant::now();
                let reply = bench.ask(script);
                took[at] += start.elapsed();
                assert_eq!(reply.end[0], "ok", "{reply:?}");
            };
            let scope = &bench.scope;
            timed(0, verb::look(scope, &facts()));
            timed(
                1,
                verb::claim(scope, &run, true, &upload(&run), &facts()).unwrap(),
            );
            timed(2, verb::step(scope, &run, 1, &Body::new("up", "echo up")));
            timed(3, verb::renew(scope, &run.fence));
            let last = entry(&run.run, OutcomeKind::Succeeded);
            timed(
                4,
                verb::release(scope, &run.fence, OutcomeKind::Succeeded, &last),
            );
        }
        let ms = took.map(|t| t.as_micros() as f64 / f64::from(rounds) / 1000.0);
        eprintln!(
            "{shell:?}: look {:.1} claim {:.1} step {:.1} renew {:.1} release {:.1} ms",
            ms[0], ms[1], ms[2], ms[3], ms[4]
        );
    }
}
