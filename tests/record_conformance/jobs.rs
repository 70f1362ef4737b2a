//! A job that is begun: killed before and after every command that keeps the record, with the power cut
//! or without; whoever comes next never starts it a second time.

use deploy::fleet::JobState;
use deploy::host::docker::job::{self, JobEnd, JobRun};
use deploy::host::script::Body;
use deploy::record::job::{Words, lib, mark};
use deploy::record::{Look, StepReply, parse, verb};

use super::bench::{Bench, Disk, Shell, long};
use super::races::{claim, step, take};
use super::verbs::{facts, id};

/// An engine that notes every container that it starts, and runs each to its end at once.
const DOCKER: &str = r#"#!/bin/sh
top=${0%/bin/*}
mkdir -p "$top/engine"
case $1 in
compose)
  while [ "$1" != --name ]; do shift; done
  [ ! -e "$top/engine/$2" ] || { echo "$2 is in use"; exit 1; }
  echo "$*" >>"$top/starts"
  : >"$top/engine/$2"
  ;;
container)
  for name; do :; done
  [ -e "$top/engine/$name" ] || exit 1
  case $4 in
  *StartedAt*) echo 2026-11-22 ;;
  *Running*) echo false ;;
  *ExitCode*) cat "$top/code" ;;
  *Status*) echo exited ;;
  esac
  ;;
logs) echo migrated ;;
# None of them runs by itself.
ps) [ "$2" = -q ] || ls "$top/engine" ;;
rm) for name; do :; done; rm -f "$top/engine/$name" ;;
esac
"#;

fn bench(shell: Shell, disk: Disk) -> Bench {
    let mut bench = Bench::new(shell, disk);
    let at = bench.bin().join("docker");
    std::fs::write(&at, DOCKER).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&at, mode).unwrap();
    std::fs::write(bench.path().join("code"), "0\n").unwrap();
    // The plugin of this machine is no stub.
    bench
        .edits
        .push(("if [ -n \"$dk_plugin\" ]; then", "if false; then"));
    claim(&bench, &id("r-1", "1-a"));
    std::fs::create_dir_all(bench.state().join("releases/rel1/blue")).unwrap();
    bench
}

fn words(attempt: u32, host: &str) -> Words {
    Words {
        of: ("rel1".parse().unwrap(), 43, "migrate".parse().unwrap()),
        attempt,
        host: host.parse().unwrap(),
        blocks: true,
        salt: if attempt == 1 {
            "5a17".into()
        } else {
            String::new()
        },
    }
}

fn body(attempt: u32) -> Body {
    let run = JobRun {
        project: "staging-app-blue".to_owned(),
        dir: "releases/rel1/blue".to_owned(),
        service: "web".parse().unwrap(),
        name: format!("staging-app-blue-job-migrate-rel1-{attempt}"),
        within: std::time::Duration::from_secs(20),
    };
    let argv = ["/app", "it's $(id)"].map(str::to_owned);
    job::job(&run, lib(), words(attempt, "web1").args(), &argv)
}

fn end(reply: StepReply) -> JobEnd {
    match reply {
        StepReply::Done { rc, output, .. } => job::ended(&output, rc).0,
        other => panic!("{other:?}"),
    }
}

fn look(bench: &Bench) -> Look {
    parse::look(&bench.ask(verb::look(&bench.scope, &facts()))).unwrap()
}

fn starts(bench: &Bench) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path().join("starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn known(bench: &Bench) -> Option<(u32, JobState)> {
    let look = look(bench);
    assert_eq!(look.damaged, Vec::<String>::new());
    look.jobs.first().map(|m| (m.attempt, m.state))
}

#[test]
fn a_job_is_started_once_for_an_attempt_in_every_shell() {
    for shell in Shell::all() {
        let bench = bench(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        assert_eq!(known(&bench), None);
        assert_eq!(
            end(step(&bench, &run, 1, &body(1))),
            JobEnd::Done,
            "{shell:?}"
        );
        assert_eq!(known(&bench), Some((1, JobState::Done)));
        let all = starts(&bench);
        let name = "--name staging-app-blue-job-migrate-rel1-1 web /app it's $(id)";
        assert_eq!(all, [name], "{shell:?}");
        assert_eq!(end(step(&bench, &run, 2, &body(1))), JobEnd::Already);
        // A person's word opens it, and it fails.
        let said = step(&bench, &run, 3, &mark(&words(2, "web1"), JobState::Open));
        assert!(matches!(said, StepReply::Done { rc: 0, .. }), "{said:?}");
        assert_eq!(known(&bench), Some((2, JobState::Open)));
        std::fs::write(bench.path().join("code"), "3\n").unwrap();
        assert_eq!(end(step(&bench, &run, 4, &body(3))), JobEnd::Failed(3));
        assert_eq!(known(&bench), Some((3, JobState::Failed(3))));
        // What is older says nothing any more.
        step(&bench, &run, 5, &mark(&words(2, "web9"), JobState::Done));
        assert_eq!(known(&bench), Some((3, JobState::Failed(3))));
        assert_eq!(starts(&bench).len(), 2);
        let mark = look(&bench).jobs.remove(0);
        assert!(mark.blocks && mark.revision == 43 && mark.run.as_str() == "r-1");
        // Whoever does not know it leaves it as it was.
        assert_eq!(mark.salt, "5a17");
    }
}

#[test]
fn a_mark_that_cannot_be_read_starts_nothing() {
    let bench = bench(Shell::Dash, Disk::Fast);
    std::fs::write(bench.state().join("jobs/rel1.migrate"), "1 rel1 43 mig").unwrap();
    let run = id("r-1", "1-a");
    assert_eq!(end(step(&bench, &run, 1, &body(1))), JobEnd::Already);
    assert!(starts(&bench).is_empty());
    assert_eq!(look(&bench).damaged.len(), 1);
}

/// Kills the script or its body at that call; `false` where there is none.
fn crash(shell: Shell, n: u32, after: bool, cut: bool) -> Result<bool, String> {
    let disk = if cut { Disk::Watched } else { Disk::Fast };
    let bench = bench(shell, disk);
    let run = id("r-1", "1-a");
    bench.crash_at(n, after);
    let answer = bench.run(verb::step(&bench.scope, &run, 1, &body(1)));
    let crashed = bench.crashed();
    for _ in 0..200 {
        let peek = parse::peek(&bench.ask(verb::peek(&bench.scope))).unwrap();
        match peek {
            deploy::record::PeekReply::Held { pids, .. } if !pids.is_empty() => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            _ => break,
        }
    }
    if cut {
        bench.power_cut();
        // A claim has made these durable.
        std::fs::create_dir_all(bench.state().join("releases/rel1/blue")).unwrap();
    }
    let (begun, state) = (starts(&bench).len(), known(&bench));
    let why = format!("n={n} after={after}: {begun} starts, {state:?}, {answer:?}");
    let told = matches!(
        (begun, state),
        (0, None | Some((1, JobState::Begun))) | (1, Some((1, JobState::Begun | JobState::Done)))
    );
    if !told {
        return Err(why);
    }
    // Whoever comes next: the same attempt is begun where nothing is written, and nowhere else.
    let next = id("r-1", "2-b");
    take(&bench, &next, &run, true);
    let again = end(step(&bench, &next, 1, &body(1)));
    let right = match state {
        None => again == JobEnd::Done,
        Some(_) => again == JobEnd::Already,
    };
    if !right || starts(&bench).len() > 1 {
        return Err(format!("{why}; then {again:?}, {:?}", starts(&bench)));
    }
    Ok(crashed)
}

fn every_point(shell: Shell, cut: bool, sides: &[bool]) {
    if !Shell::all().contains(&shell) {
        return;
    }
    let (mut points, mut bad) = (0, Vec::new());
    for &after in sides {
        for n in 1.. {
            points += 1;
            // Some of them; the end is where none is met any more.
            if !long() && n % 8 != 3 {
                continue;
            }
            match crash(shell, n, after, cut) {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => bad.push(why),
            }
        }
    }
    assert!(
        bad.is_empty(),
        "{} of {points}:\n{}",
        bad.len(),
        bad.join("\n")
    );
    assert!(points > 10, "{points}");
}

#[test]
fn a_job_whose_script_is_killed_anywhere_never_starts_twice() {
    if long() {
        for shell in [Shell::Dash, Shell::Busybox, Shell::Bash] {
            every_point(shell, false, &[false, true]);
        }
    }
}

#[test]
fn a_job_whose_host_loses_power_anywhere_never_starts_twice() {
    let sides: &[bool] = if long() { &[false, true] } else { &[true] };
    every_point(Shell::Dash, true, sides);
}
