//! What hosts remember of runs that are over, and of attempts that never became one.

use deploy::host::script::Body;
use deploy::name::{HostName, OutcomeKind};
use deploy::record::past;
use deploy::record::run_report::{RunReport, Span};
use deploy::record::verb;

use super::bench::{Bench, Disk, Shell};
use super::races::claim;
use super::verbs::{entry, id};

fn report() -> RunReport {
    let span = Span {
        step: Some(1),
        host: Some(HostName::new("web1").unwrap()),
        stage: "pull".into(),
        text: "it's \"quoted\" \\ and ✓".into(),
        ..Span::default()
    };
    RunReport {
        spans: vec![span; 300],
        ..RunReport::default()
    }
    .bounded()
}

#[test]
fn a_run_that_is_over_can_be_read_again_with_its_report_and_its_evidence() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let evidence =
            "mkdir -p \"$STATE/runs/$RUN/evidence\" && cd \"$STATE/runs/$RUN/evidence\" &&
            printf 'c [\"0a\",\"/x\"]\\nc [\"0b\",\"/y\"]\\n' >containers &&
            printf 'T one\\nT r {}\\n' >log.0b";
        let body = Body::new("evidence", evidence);
        bench.ask(verb::step(&bench.scope, &run, 1, &body));
        let last = entry(&run.run, OutcomeKind::Failed);
        let nothing = Body::new("facts", "echo seen");
        let released = verb::release_and_look(
            &bench.scope,
            &run.fence,
            OutcomeKind::Failed,
            &last,
            &report(),
            &nothing,
        );
        let reply = bench.ask(released);
        assert!(
            reply.lines.iter().any(|l| l == "seen"),
            "{shell:?} {reply:?}"
        );

        let memory = past::read_run(&bench.ask(past::run(&bench.scope, &run.run))).unwrap();
        assert_eq!(memory.entry, Some(last), "{shell:?}");
        assert_eq!(memory.report, Some(report()), "{shell:?}");
        assert!(
            memory.manifest.is_some() && memory.claim.is_none(),
            "{shell:?}"
        );
        assert_eq!(
            memory.evidence,
            [
                "c [\"0a\",\"/x\"]",
                "c [\"0b\",\"/y\"]",
                "l 1 T one",
                "l 1 T r {}"
            ],
            "{shell:?}"
        );
        let other = past::read_run(&bench.ask(past::run(&bench.scope, &id("r-2", "1-b").run)));
        assert!(!other.unwrap().known(), "{shell:?}");
    }
}

#[test]
fn a_report_that_cannot_be_kept_is_left_out_and_the_run_ends_all_the_same() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    claim(&bench, &run);
    let last = entry(&run.run, OutcomeKind::Succeeded);
    let nothing = Body::new("facts", "");
    // Nothing can be written there: as where the disk has no room for it.
    let place = bench.state().join("runs/r-1/report");
    std::fs::create_dir(&place).unwrap();
    let released = verb::release_and_look(
        &bench.scope,
        &run.fence,
        OutcomeKind::Succeeded,
        &last,
        &report(),
        &nothing,
    );
    bench.ask(released);
    let memory = past::read_run(&bench.ask(past::run(&bench.scope, &run.run))).unwrap();
    assert_eq!((memory.entry, memory.report), (Some(last), None));
    assert!(memory.claim.is_none());
}

#[test]
fn attempts_are_kept_beside_the_runs_and_within_bounds() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let mut refused = entry(&id("r-0", "1-a").run, OutcomeKind::Refused);
        let tell = |e: &_| bench.ask(past::attempt(&bench.scope, e)).end;
        assert_eq!(
            tell(&refused),
            ["none"],
            "{shell:?}: nothing is made for it"
        );
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        refused.reason = "it's 100 % \"held\" \\ $(x)\nby r-1".into();
        assert_eq!(tell(&refused), ["ok"], "{shell:?}");
        let past = past::read_runs(&bench.ask(past::runs(&bench.scope, 50))).unwrap();
        assert_eq!(past.attempts, [refused.clone()], "{shell:?}");
        assert_eq!((past.damaged, past.runs.len()), (0, 0), "{shell:?}");
        assert_eq!(past.claim.unwrap().run, run.run, "{shell:?}");

        // A power cut left half a line; and then there are many.
        let file = bench.state().join("attempts");
        let torn = format!("{}\n{{\"run\":", std::fs::read_to_string(&file).unwrap());
        std::fs::write(&file, torn).unwrap();
        refused.reason = "x".repeat(5000);
        tell(&refused);
        let past = past::read_runs(&bench.ask(past::runs(&bench.scope, 50))).unwrap();
        assert_eq!((past.attempts.len(), past.damaged), (1, 1), "{shell:?}");
        assert_eq!(past.attempts[0].reason.len(), 1000, "{shell:?}");
        std::fs::write(&file, "x\n".repeat(150_000)).unwrap();
        tell(&refused);
        tell(&refused);
        assert!(std::fs::metadata(&file).unwrap().len() < 5000, "{shell:?}");
        assert!(bench.read("attempts.old").is_some(), "{shell:?}");
        assert_eq!(bench.read("history"), None, "{shell:?}");
    }
}

#[test]
fn files_of_a_slot_are_held_against_what_was_uploaded() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let release = super::verbs::release(&run.run).label.id;
        bench.ask(verb::step(
            &bench.scope,
            &run,
            1,
            &super::verbs::body(&bench, 1, 0, Some(&release)),
        ));
        let differs = || {
            let found = past::read_sums(&bench.ask(past::sums(&bench.scope))).unwrap();
            found.into_values().next().unwrap_or_default()
        };
        assert_eq!(differs(), Vec::<String>::new(), "{shell:?}");
        let place = bench.state().join("releases/rel-r-1/blue");
        std::fs::write(place.join("docker-compose.yml"), "services: {x: 1}\n").unwrap();
        std::fs::write(place.join("conf/more"), "").unwrap();
        std::fs::remove_file(place.join("conf/empty")).unwrap();
        assert_eq!(
            differs(),
            [
                "conf/empty is missing",
                "docker-compose.yml was changed",
                "conf/more was added"
            ],
            "{shell:?}"
        );
        let shelf =
            past::read_releases(&bench.ask(past::releases(&bench.scope, &[release]))).unwrap();
        assert_eq!(shelf.kept.len(), 1, "{shell:?}");
        let files: Vec<_> = shelf
            .files
            .iter()
            .map(|((_, _, path), lines)| (path.as_str(), lines))
            .collect();
        let yml = Some(vec!["services: {x: 1}".to_owned()]);
        assert_eq!(
            files,
            [("conf/more", &Some(vec![])), ("docker-compose.yml", &yml)],
            "{shell:?}"
        );
    }
}
