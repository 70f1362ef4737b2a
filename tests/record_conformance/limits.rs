//! Folders that cannot be used, full disks, damaged files, retention.

use std::os::unix::fs::{PermissionsExt, symlink};

use deploy::host::script::{Body, Script};
use deploy::name::OutcomeKind;
use deploy::plan::Owes;
use deploy::record::{
    ClaimReply, Fault, HistoryEntry, HoldLevel, Manifest, RecordError, ReleaseReply, StateDir,
    StepReply, debt, parse, verb,
};

use super::bench::{Bench, Disk, Shell};
use super::races::{claim, marking, marks, step};
use super::verbs::{entry, facts, id, upload};

fn claim_script(bench: &Bench) -> Script {
    let run = id("r-1", "1-a");
    verb::claim(&bench.scope, &run, true, &upload(&run), &facts()).unwrap()
}
fn refused(bench: &Bench) -> (Fault, String) {
    match parse::claim(&bench.ask(claim_script(bench))) {
        Err(RecordError::Host { fault, hint }) => (fault, hint),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told_with_the_command() {
    let mut bench = Bench::new(Shell::Dash, Disk::Fast);
    bench.scope.root = "/proc/deploy".into();
    let look = parse::look(&bench.ask(verb::look(&bench.scope, &facts()))).unwrap();
    assert!(matches!(look.state, StateDir::Absent | StateDir::Creatable));
    let (fault, hint) = refused(&bench);
    assert_eq!(fault, Fault::NoStateDir);
    assert!(
        hint.starts_with("sudo install -d -m 2770 -g ") && hint.ends_with(" /proc/deploy"),
        "{hint}"
    );
}

#[test]
fn a_folder_of_another_mode_or_on_a_network_is_refused_before_anything_is_written() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let root = std::path::PathBuf::from(&bench.scope.root);
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o755)).unwrap();
    let (fault, hint) = refused(&bench);
    assert_eq!(
        (fault, hint),
        (
            Fault::StateDirMode,
            format!("sudo chmod 2770 {}", root.display())
        )
    );
    std::fs::set_permissions(&root, PermissionsExt::from_mode(0o2770)).unwrap();
    bench.stub(
        "stat",
        "#!/bin/dash\n[ \"$1\" = -f ] && { printf '1 2 3 4 nfs\\n%s\\n' \"$4\"; exit; }\nexec /usr/bin/stat \"$@\"\n",
    );
    assert_eq!(refused(&bench).0, Fault::StateDirFs);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn what_a_claim_makes_belongs_to_the_group_and_to_nobody_else() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    claim(&bench, &id("r-1", "1-a"));
    let mode = |p: &str| {
        let meta = std::fs::metadata(bench.state().join(p)).unwrap();
        meta.permissions().mode() & 0o7777
    };
    assert_eq!(mode("../.."), 0o2770);
    assert_eq!((mode("runs"), mode("runs/r-1")), (0o2770, 0o2770));
    assert_eq!((mode("claim"), mode("runs/r-1/manifest")), (0o660, 0o660));
    let release = "releases/rel-r-1/blue";
    assert_eq!(mode(&format!("{release}/docker-compose.yml")), 0o640);
    let bytes = std::fs::read(bench.state().join(release).join("docker-compose.yml")).unwrap();
    assert_eq!(bytes, b"services: {}\n\0\xff no newline");
    let bytes = std::fs::read(bench.state().join(release).join("conf/empty")).unwrap();
    assert_eq!(bytes, b"");
    let left: Vec<_> = std::fs::read_dir(bench.state())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("in.") || n.ends_with(".new"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_manifest_and_history_come_back_as_they_were() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    claim(&bench, &run);
    let reply = bench.ask(verb::read_manifest(&bench.scope, &run.run));
    let text = parse::file(&reply).unwrap().unwrap().join("\n");
    assert_eq!(
        Manifest::read(&text).unwrap(),
        upload(&run).manifest.unwrap()
    );
    let last = entry(&run.run, OutcomeKind::Succeeded);
    bench.ask(verb::release(
        &bench.scope,
        &run.fence,
        OutcomeKind::Succeeded,
        &last,
    ));
    let reply = bench.ask(verb::read_history(&bench.scope, 10));
    let lines = parse::file(&reply).unwrap().unwrap();
    assert_eq!(HistoryEntry::read(&lines), (vec![last], 0));
    let none = bench.ask(verb::read_manifest(&bench.scope, &id("r-9", "1-a").run));
    assert_eq!(parse::file(&none), Ok(None));
}

#[test]
fn on_a_full_disk_no_body_runs_and_the_host_is_given_back() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        // Every new file of the record is on a device that is full.
        for file in ["claim.new", "runs/r-1/history"] {
            symlink("/dev/full", bench.state().join(file)).unwrap();
        }
        let script = verb::step(&bench.scope, &run, 1, &marking(&bench, "echo ran >>\"$1\""));
        let reply = parse::step(&bench.ask(script));
        assert!(
            matches!(
                reply,
                Err(RecordError::Host {
                    fault: Fault::Write,
                    ..
                })
            ),
            "{shell:?} {reply:?}"
        );
        assert_eq!(marks(&bench), "", "{shell:?}");
        let last = entry(&run.run, OutcomeKind::Failed);
        let script = verb::release(&bench.scope, &run.fence, OutcomeKind::Failed, &last);
        let reply = parse::release(&bench.ask(script)).unwrap();
        let told = false;
        assert_eq!(
            reply,
            ReleaseReply::Released { again: false, told },
            "{shell:?}"
        );
        let next = claim(&bench, &id("r-2", "1-b"));
        assert!(
            matches!(next, ClaimReply::Taken { again: false, .. }),
            "{shell:?} {next:?}"
        );
    }
}

#[test]
fn a_host_is_given_back_where_the_folder_of_the_run_is_gone() {
    for shell in Shell::all() {
        for made_again in [true, false] {
            let bench = Bench::new(shell, Disk::Fast);
            let run = id("r-1", "1-a");
            claim(&bench, &run);
            std::fs::remove_dir_all(bench.state().join("runs/r-1")).unwrap();
            if !made_again {
                std::fs::remove_dir(bench.state().join("runs")).unwrap();
                std::fs::write(bench.state().join("runs"), "").unwrap();
            }
            let last = entry(&run.run, OutcomeKind::Succeeded);
            let script = verb::release(&bench.scope, &run.fence, OutcomeKind::Succeeded, &last);
            let reply = parse::release(&bench.ask(script)).unwrap();
            let told = made_again;
            let wanted = ReleaseReply::Released { again: false, told };
            assert_eq!(reply, wanted, "{shell:?}");
            assert!(bench.read("claim").is_none(), "{shell:?}");
            assert_eq!(bench.read("history").is_some(), told, "{shell:?}");
        }
    }
}

#[test]
fn a_folder_that_appears_while_a_run_is_claimed_is_not_moved_into() {
    for shell in Shell::all() {
        let mut bench = Bench::new(shell, Disk::Fast);
        claim(&bench, &id("r-0", "1-0"));
        let last = entry(&id("r-0", "1-0").run, OutcomeKind::Succeeded);
        let fence = id("r-0", "1-0").fence;
        bench.ask(verb::release(
            &bench.scope,
            &fence,
            OutcomeKind::Succeeded,
            &last,
        ));
        let there = bench.state().join("runs/r-1");
        std::fs::create_dir(&there).unwrap();
        std::fs::write(there.join("report"), "").unwrap();
        // It was not there when it was looked for.
        bench.edits.push((
            "if [ -d \"runs/$run\" ]; then\n    sync",
            "if false; then\n    sync",
        ));
        assert_eq!(refused(&bench).0, Fault::Write, "{shell:?}");
        assert_eq!(std::fs::read_dir(&there).unwrap().count(), 1, "{shell:?}");
        assert!(bench.read("claim").is_none(), "{shell:?}");
    }
}

#[test]
fn a_disk_that_fills_during_the_body_is_told_with_the_status() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    claim(&bench, &run);
    let body = Body::new("up", "ln -s /dev/full \"$STATE/claim.new\"; exit 3");
    let reply = step(&bench, &run, 1, &body);
    let wanted = StepReply::Done {
        rc: 3,
        again: false,
        saved: false,
        output: vec![],
    };
    assert_eq!(reply, wanted);
}

#[test]
fn a_damaged_or_foreign_claim_is_reported_and_never_guessed_at() {
    for (text, fault) in [
        ("1 r-1 1-a 60 1 begun ops@m:1:2", Fault::ClaimDamaged),
        ("1 r-1 1-a 60 x begun ops@m:1:2 .", Fault::ClaimDamaged),
        ("", Fault::ClaimDamaged),
        ("2 r-1 1-a 60 1 begun ops@m:1:2 .", Fault::ClaimFormat),
    ] {
        let bench = Bench::new(Shell::Dash, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        std::fs::write(bench.state().join("claim"), text).unwrap();
        let script = verb::step(&bench.scope, &run, 1, &marking(&bench, "echo ran >>\"$1\""));
        for reply in [
            parse::step(&bench.ask(script)).map(|_| ()),
            parse::claim(&bench.ask(claim_script(&bench))).map(|_| ()),
            parse::renew(&bench.ask(verb::renew(&bench.scope, &run.fence))).map(|_| ()),
        ] {
            let hint = String::new();
            assert_eq!(reply, Err(RecordError::Host { fault, hint }), "{text:?}");
        }
        assert_eq!(marks(&bench), "");
        let look = parse::look(&bench.ask(verb::look(&bench.scope, &facts()))).unwrap();
        assert!(look.claim.is_none());
        assert_eq!(look.damaged.len(), 1, "{text:?} {:?}", look.damaged);
    }
}

#[test]
fn a_body_that_is_too_slow_is_ended_and_recorded() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    claim(&bench, &run);
    let mut body = Body::new("up", "echo begun; sleep 30; echo late");
    body.limit = std::time::Duration::from_secs(1);
    let reply = step(&bench, &run, 1, &body);
    let StepReply::Done {
        rc: 124, output, ..
    } = &reply
    else {
        panic!("{reply:?}");
    };
    assert_eq!(output[0], "begun");
}

#[test]
fn old_runs_and_history_are_bounded() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    claim(&bench, &id("r-0", "1-0"));
    for n in 0..60 {
        std::fs::create_dir_all(bench.state().join(format!("runs/r-old{n}"))).unwrap();
    }
    let run = id("r-0", "1-0");
    let mut lines = String::new();
    for n in 0..700 {
        let run = id(&format!("r-x{n}"), "1-0").run;
        lines += &(entry(&run, OutcomeKind::Failed).to_line() + "\n");
    }
    std::fs::write(bench.state().join("history"), lines).unwrap();
    std::fs::write(bench.state().join("journal"), "1 x\n".repeat(120_000)).unwrap();
    for (dir, age) in [("in.1-y.5", "now"), ("in.1-z.6", "2 hours ago")] {
        let dir = bench.state().join(dir);
        std::fs::create_dir(&dir).unwrap();
        let touch = std::process::Command::new("touch")
            .args(["-d", age])
            .arg(&dir)
            .status();
        assert!(touch.unwrap().success());
    }
    let last = entry(&run.run, OutcomeKind::Failed);
    bench.ask(verb::release(
        &bench.scope,
        &run.fence,
        OutcomeKind::Failed,
        &last,
    ));
    assert!(bench.state().join("in.1-y.5").exists(), "may be under way");
    assert!(!bench.state().join("in.1-z.6").exists());
    let runs = std::fs::read_dir(bench.state().join("runs"))
        .unwrap()
        .count();
    assert_eq!(runs, verb::KEEP_RUNS as usize);
    assert!(bench.state().join("runs/r-0/outcome").exists());
    let count = |file: &str| bench.read(file).unwrap().lines().count();
    assert_eq!(count("history"), verb::KEEP_HISTORY as usize + 1);
    assert_eq!(count("journal"), 2000);
}

#[test]
fn the_functions_of_a_body_write_what_a_look_reads() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let text = "set -e\n\
            put \"$STATE/one\" 5\nput \"$STATE/two\" 0\nput \"$STATE/three\"\n\
            slot_set green rel-r-1\nswitch_set g8 aa bb prepared\nowing_set lb2 g7 blue 99\n\
            owing_set lb3 g7 blue 99\nowing_clear lb3\n\
            lb_lock nginx 1\nif (flock -n 5) 5<>\"$ROOT/lb.nginx.lock\"; then exit 5; fi\nlb_unlock\n\
            flock -n \"$ROOT/lb.nginx.lock\" true\nprune_lock -s 1\nprune_unlock";
        let mut body = Body::new("up", text);
        body.data = b"first\0rest\xff".to_vec();
        let reply = step(&bench, &run, 1, &body);
        assert!(
            matches!(reply, StepReply::Done { rc: 0, .. }),
            "{shell:?} {reply:?}"
        );
        let read = |f: &str| std::fs::read(bench.state().join(f)).unwrap();
        assert_eq!(
            (read("one"), read("two")),
            (b"first".to_vec(), vec![]),
            "{shell:?}"
        );
        assert_eq!(read("three"), b"\0rest\xff", "{shell:?}");
        let look = parse::look(&bench.ask(verb::look(&bench.scope, &facts()))).unwrap();
        assert_eq!(look.damaged, Vec::<String>::new());
        let switch = look.switch.unwrap();
        assert_eq!(
            (switch.generation.as_str(), switch.phase.as_str()),
            ("g8", "prepared")
        );
        assert_eq!(
            look.owing.keys().map(|h| h.as_str()).collect::<Vec<_>>(),
            ["lb2"]
        );
        assert_eq!(
            look.slots.values().next().unwrap().release.as_str(),
            "rel-r-1"
        );
        assert_eq!(look.kept.len(), 1);
    }
}

#[test]
fn a_persons_lock_refuses_a_claim_and_a_forced_one_goes_on() {
    let bench = Bench::new(Shell::Dash, Disk::Fast);
    let run = id("r-1", "1-a");
    let who = run.who.clone();
    bench.ask(verb::hold(
        &bench.scope,
        HoldLevel::Env,
        None,
        5,
        &who,
        "migration\ntonight",
    ));
    match claim(&bench, &run) {
        ClaimReply::Hold(hold) => assert_eq!(hold.text, "migration tonight"),
        other => panic!("{other:?}"),
    }
    let script = verb::claim(&bench.scope, &run, false, &upload(&run), &facts()).unwrap();
    let reply = parse::claim(&bench.ask(script)).unwrap();
    assert!(
        matches!(reply, ClaimReply::Taken { again: false, .. }),
        "{reply:?}"
    );
}

#[test]
fn who_owes_is_written_and_struck_off_in_every_shell() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let owes = |host: &str, slots: &[&str]| Owes {
            host: host.parse().unwrap(),
            missed: "r-1.2".into(),
            slots: slots.iter().map(|s| s.parse().unwrap()).collect(),
        };
        let owing = [
            owes("lb2", &["blue", "green"]),
            owes("web1", &[]),
            owes("lb3", &["blue"]),
        ];
        let debts = |seq, owing: &[Owes], paid: &[&str]| {
            let paid: Vec<_> = paid.iter().map(|h| h.parse().unwrap()).collect();
            let reply = step(&bench, &run, seq, &debt::owe(owing, &paid));
            assert!(
                matches!(reply, StepReply::Done { rc: 0, .. }),
                "{shell:?} {reply:?}"
            );
            let look = parse::look(&bench.ask(verb::look(&bench.scope, &facts()))).unwrap();
            assert_eq!(look.damaged, Vec::<String>::new());
            let says = look.owing.iter().map(|(h, d)| format!("{h} {}", d.says()));
            says.collect::<Vec<_>>()
        };
        let all = [
            "lb2 may still send to blue or green since run r-1",
            "lb3 may still send to blue since run r-1",
            "web1 missed run r-1",
        ];
        assert_eq!(debts(1, &owing, &[]), all, "{shell:?}");
        assert_eq!(debts(2, &owing[..1], &[]), all, "twice is once");
        assert_eq!(
            debts(3, &[], &["lb2", "web1", "lb9"]),
            all[1..2],
            "{shell:?}"
        );
    }
}

#[test]
fn what_a_body_is_given_is_read_by_nobody_else_while_it_works() {
    for shell in Shell::all() {
        let bench = Bench::new(shell, Disk::Fast);
        let run = id("r-1", "1-a");
        claim(&bench, &run);
        let text = "stat -c %a \"$STATE/runs/$RUN\"/in.*; : >\"$STATE/mine\"; stat -c %a \"$STATE/mine\"; take_data 6";
        let mut body = Body::new("pull", text);
        body.data = b"secret".to_vec();
        match step(&bench, &run, 1, &body) {
            StepReply::Done { rc: 0, output, .. } => {
                assert_eq!(output, ["600", "660", "secret"], "{shell:?}");
            }
            other => panic!("{shell:?} {other:?}"),
        }
        let left = std::fs::read_dir(bench.state().join("runs/r-1")).unwrap();
        let left = left.filter_map(|f| f.unwrap().file_name().into_string().ok());
        assert!(left.into_iter().all(|f| !f.starts_with("in.")), "{shell:?}");
    }
}
