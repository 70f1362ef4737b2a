//! The script is killed before and after every external command; the power fails.
//!
//! After each, the record must be what one of the model's states says, the body must have left its
//! mark at most once and never without a `begun` in the claim, and the same verb asked again, a
//! take-over and a release must be answered as the model answers.

use deploy::host::script::RunError;
use deploy::name::OutcomeKind;
use deploy::record::model::Host;
use deploy::record::{ClaimId, JournalLine, Look, Phase, Take, history, parse, verb};

use super::bench::{Bench, Disk, Shell, long};
use super::verbs::{Verb, ask, entry, facts, id, model, plain, upload};

/// What is done before the verb that crashes.
fn before(verb: &Verb) -> Vec<Verb> {
    let first = id("r-1", "1-a");
    let claim = Verb::Claim {
        id: first.clone(),
        heed: true,
    };
    let done = step(&first, 1);
    match verb {
        Verb::Claim { .. } => vec![],
        Verb::Step { .. } => vec![claim, done],
        _ => vec![claim, done, step(&first, 2)],
    }
}
fn step(id: &ClaimId, seq: u64) -> Verb {
    Verb::Step {
        id: id.clone(),
        seq,
        rc: 0,
        slot: true,
    }
}
fn verbs() -> Vec<Verb> {
    let first = id("r-1", "1-a");
    vec![
        Verb::Claim {
            id: first.clone(),
            heed: true,
        },
        step(&first, 2),
        take(&first),
        Verb::Release {
            fence: first.fence,
            run: first.run,
            outcome: OutcomeKind::Succeeded,
        },
    ]
}
fn take(from: &ClaimId) -> Verb {
    let what = Take {
        expected: from.fence.clone(),
        force: true,
        kill: false,
        displace: false,
        manifest: None,
    };
    Verb::Take {
        id: id("r-1", "2-b"),
        what,
    }
}

/// The states that the record may be in after a crash inside `verb`, with the model that follows.
fn states(verb: &Verb, pre: &Host, cut: bool) -> Vec<Host> {
    let mut all = vec![pre.clone()];
    let mut post = pre.clone();
    verb.expect(&mut post, 1);
    if let Verb::Step { id, seq, .. } = verb {
        for seq in [*seq, seq - 1] {
            // The end of the step before is not durable before the next one begins.
            if seq == 1 && !cut {
                continue;
            }
            let mut begun = super::verbs::model();
            for v in before(verb) {
                if !matches!(v, Verb::Step { seq: s, .. } if s >= seq) {
                    v.expect(&mut begun, 1);
                }
            }
            begun.begin(&ask(id, seq)).unwrap();
            begun.crash();
            all.push(begun);
        }
    } else if cut && !matches!(verb, Verb::Claim { .. }) {
        let mut begun = super::verbs::model();
        let first = id("r-1", "1-a");
        before(verb)[..2].iter().for_each(|v| {
            v.expect(&mut begun, 1);
        });
        begun.begin(&ask(&first, 2)).unwrap();
        begun.crash();
        let mut after = begun.clone();
        verb.expect(&mut after, 1);
        all.extend([begun, after]);
    }
    all.push(post);
    all
}

/// What safety rests on: the claims.
fn claims(look: &Look) -> String {
    format!("{:?} {:?}", look.claim, look.last)
}
fn look(bench: &Bench) -> Look {
    let reply = bench.ask(verb::look(&bench.scope, &facts()));
    plain(parse::look(&reply).unwrap())
}
fn marks(bench: &Bench, seq: u64) -> usize {
    let all = std::fs::read_to_string(bench.path().join("marks")).unwrap_or_default();
    all.lines().filter(|l| *l == seq.to_string()).count()
}

/// Runs `verb` with a crash at call `n`. Returns whether it happened, or what is wrong.
pub fn crash(bench: &Bench, verb: &Verb, n: u32, after: bool, cut: bool) -> Result<bool, String> {
    let (mut boot, mut model) = ((1, 1000), model());
    for v in before(verb) {
        let (seen, wanted) = (v.perform(bench, &mut boot), v.expect(&mut model, 1));
        assert_eq!(seen, wanted, "before the crash");
    }
    bench.crash_at(n, after);
    let answer = bench.run(script(bench, verb));
    let crashed = bench.crashed();
    if let (Ok(reply), true) = (&answer, crashed) {
        // It hit a command of the body: the body was killed, and the script lives to say so.
        let phase = look(bench).claim.map(|c| c.phase);
        let told = reply.word("rc") == Some("137") && phase == Some(Phase::Done(137));
        return if told {
            Ok(true)
        } else {
            Err(format!("{reply:?} {phase:?}"))
        };
    }
    match (&answer, crashed) {
        (Ok(_), false) | (Err(RunError::NoEnd { .. }), true) => {}
        other => return Err(format!("answer {other:?}")),
    }
    if let Verb::Step { seq, .. } = verb {
        wait_for_orphan(bench, *seq);
    }
    if cut {
        bench.power_cut();
        Verb::Reboot.perform(bench, &mut boot);
    }
    check_after(bench, verb, &model, crashed, cut, &mut boot)?;
    Ok(crashed)
}

/// A body whose script died goes on; it is over when the lock is free.
fn wait_for_orphan(bench: &Bench, seq: u64) {
    for _ in 0..200 {
        let peek = parse::peek(&bench.ask(verb::peek(&bench.scope))).unwrap();
        match peek {
            deploy::record::PeekReply::Held { pids, .. } if !pids.is_empty() => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => return,
        }
    }
    panic!("the body of step {seq} never ended");
}

fn script(bench: &Bench, verb: &Verb) -> deploy::host::script::Script {
    match verb {
        Verb::Claim { id, heed } => {
            verb::claim(&bench.scope, id, *heed, &upload(id), &facts()).unwrap()
        }
        Verb::Step { id, seq, rc, .. } => {
            let release = super::verbs::release(&id.run).label.id;
            let body = super::verbs::body(bench, *seq, *rc, Some(&release));
            verb::step(&bench.scope, id, *seq, &body)
        }
        Verb::Take { id, what } => verb::take(&bench.scope, id, what),
        Verb::Release {
            fence,
            run,
            outcome,
        } => verb::release(&bench.scope, fence, *outcome, &entry(run, *outcome)),
        other => panic!("{other:?} is not crashed"),
    }
}

fn check_after(
    bench: &Bench,
    verb: &Verb,
    pre: &Host,
    crashed: bool,
    cut: bool,
    boot: &mut (u64, u64),
) -> Result<(), String> {
    let seen = look(bench);
    if !seen.damaged.is_empty() {
        return Err(format!("damaged: {:?}", seen.damaged));
    }
    let mut states = states(verb, pre, cut);
    if !crashed {
        // It was answered. An end may be lost with the power, a right that was given may not.
        let keep = if cut && matches!(verb, Verb::Step { .. }) {
            2
        } else {
            1
        };
        states = match verb {
            Verb::Step { .. } if cut => vec![states[1].clone(), states[states.len() - 1].clone()],
            _ => states.split_off(states.len() - keep),
        };
    }
    if cut {
        for state in &mut states {
            state.reboot("boot-2.100000", 1000);
            state.uptime += 3;
        }
    }
    let wanted: Vec<String> = states.iter().map(|s| claims(&s.look(&[]))).collect();
    let at = wanted.iter().rposition(|w| *w == claims(&seen));
    let at = at.ok_or_else(|| format!("record {}\nnone of {wanted:#?}", claims(&seen)))?;
    let mut model = states.swap_remove(at);
    if let Verb::Step { id, seq, .. } = verb {
        step_again(bench, id, *seq, &seen, &mut model)?;
    } else {
        again(bench, verb, &mut model, boot)?;
    }
    finish(bench, &mut model, boot)
}

/// The lost answer is asked for again: the body runs at most once in all.
fn step_again(
    bench: &Bench,
    id: &ClaimId,
    seq: u64,
    seen: &Look,
    model: &mut Host,
) -> Result<(), String> {
    let claim = seen.claim.as_ref().ok_or("no claim")?;
    if marks(bench, seq) > 0 && claim.seq != seq {
        return Err(format!("the body ran and the claim says {claim:?}"));
    }
    let reply = bench.ask(script(bench, &step(id, seq)));
    let reply = parse::step(&reply).map_err(|e| e.to_string())?;
    use deploy::record::StepReply as R;
    let right = matches!(
        (&reply, claim.seq == seq, claim.phase),
        (
            R::Done {
                again: true,
                rc: 0,
                ..
            },
            true,
            Phase::Done(0)
        ) | (R::Unknown { .. }, true, Phase::Begun)
            | (R::Done { again: false, .. }, false, _)
    );
    if !right || marks(bench, seq) > 1 {
        return Err(format!(
            "{claim:?} again {reply:?}, {} runs",
            marks(bench, seq)
        ));
    }
    model.step(&ask(id, seq), |_| (0, vec![]));
    Ok(())
}

/// The verb again: both come to the same end.
fn again(
    bench: &Bench,
    verb: &Verb,
    model: &mut Host,
    boot: &mut (u64, u64),
) -> Result<(), String> {
    verb.perform(bench, boot);
    verb.expect(model, 1);
    let (seen, wanted) = (claims(&look(bench)), claims(&model.look(&[])));
    if seen != wanted {
        return Err(format!("again: {seen}, wanted {wanted}"));
    }
    Ok(())
}

/// Somebody else finishes the run, and another one begins.
fn finish(bench: &Bench, model: &mut Host, boot: &mut (u64, u64)) -> Result<(), String> {
    let next = id("r-2", "1-c");
    let last = [
        take(&id("r-1", "1-a")),
        Verb::Release {
            fence: id("r-1", "2-b").fence,
            run: id("r-1", "2-b").run,
            outcome: OutcomeKind::Failed,
        },
        Verb::Claim {
            id: next.clone(),
            heed: true,
        },
        step(&next, 1),
    ];
    for verb in last {
        verb.perform(bench, boot);
        verb.expect(model, 1);
    }
    let (seen, wanted) = (claims(&look(bench)), claims(&model.look(&[])));
    if seen != wanted {
        return Err(format!("in the end: {seen}, wanted {wanted}"));
    }
    whole(bench)
}

/// Every line of the journal is whole, but for the one that a crash may have cut.
fn whole(bench: &Bench) -> Result<(), String> {
    let text = bench.read("journal").unwrap_or_default();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let torn = history::journal(&lines)
        .into_iter()
        .filter(|l| matches!(l, JournalLine::Torn(_)))
        .count();
    if torn > 1 {
        return Err(format!("{torn} torn lines in\n{text}"));
    }
    Ok(())
}

fn every_point(shell: Shell, cut: bool) {
    if !Shell::all().contains(&shell) {
        return;
    }
    let disk = if cut { Disk::Watched } else { Disk::Fast };
    let (mut points, mut bad) = (0, Vec::new());
    for verb in verbs() {
        // Before a command is nearly after the one before it: the long run does both for all.
        let sides: &[bool] = if long() { &[false, true] } else { &[cut] };
        for &after in sides {
            for n in 1.. {
                let bench = Bench::new(shell, disk);
                points += 1;
                match crash(&bench, &verb, n, after, cut) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => bad.push(format!("{verb:?} n={n} after={after}: {why}")),
                }
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {points}:\n{}",
        bad.len(),
        bad.join("\n")
    );
    eprintln!("{points} crash points under {shell:?}, power cut {cut}: none bad");
}

#[test]
fn a_script_killed_anywhere_is_finished_by_the_next_one_dash() {
    every_point(Shell::Dash, false);
}
#[test]
fn a_script_killed_anywhere_is_finished_by_the_next_one_busybox() {
    if long() {
        every_point(Shell::Busybox, false);
    }
}
#[test]
fn a_script_killed_anywhere_is_finished_by_the_next_one_bash() {
    if long() {
        every_point(Shell::Bash, false);
    }
}
#[test]
fn a_power_cut_anywhere_is_finished_by_the_next_one() {
    every_point(Shell::Dash, true);
}

#[test]
fn a_journal_whose_end_was_cut_loses_that_line_only() {
    for cut in [1, 2, 9, 30] {
        let bench = Bench::new(Shell::Dash, Disk::Fast);
        let (mut boot, first) = ((1, 1000), id("r-1", "1-a"));
        for v in before(&step(&first, 2)) {
            v.perform(&bench, &mut boot);
        }
        let journal = bench.state().join("journal");
        let mut text = std::fs::read(&journal).unwrap();
        let all = String::from_utf8_lossy(&text).lines().count();
        text.truncate(text.len() - cut);
        // Some file systems leave zeros where the data was not written yet.
        if cut == 9 {
            text.extend([0; 9]);
        }
        std::fs::write(&journal, text).unwrap();
        step(&first, 2).perform(&bench, &mut boot);
        let text = std::fs::read(&journal).unwrap();
        let lines: Vec<String> = String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect();
        let read = history::journal(&lines);
        let torn = read
            .iter()
            .filter(|l| matches!(l, JournalLine::Torn(_)))
            .count();
        assert_eq!((torn, lines.len()), (1, all + 2), "cut {cut}");
        assert_eq!(read.len(), all - 1 + 2, "the first line is empty");
    }
}
