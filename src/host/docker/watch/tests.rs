//! Recorded and invented lines of a watcher, and what they say.

use proptest::prelude::*;

use super::*;

const WATCH: &str = include_str!("../../../../tests/fixtures/docker/watch.txt");

fn target(gate: usize, probe: Probe) -> Target {
    Target {
        member: None,
        address: "127.0.0.1".into(),
        gate,
        probe,
    }
}
fn get(status: Option<u16>) -> Probe {
    Probe::Http {
        port: 8080,
        path: "/healthz".into(),
        status: status.map_or((200, 399), |s| (s, s)),
        host: None,
    }
}
fn command(service: Option<&str>) -> Probe {
    Probe::Command {
        argv: ["pg_isready", "", "-q"].map(str::to_owned).to_vec(),
        service: service.map(|s| ServiceName::new(s).unwrap()),
    }
}

#[test]
fn a_command_is_one_word_on_its_way_and_only_zero_passes() {
    let every = Duration::from_secs(1);
    let targets = [target(0, command(Some("db"))), target(1, command(None))];
    let script = script(Some("p"), &BTreeMap::new(), &targets, every, every);
    let words = "pg_isready\u{1f}\u{1f}-q\u{1f}";
    assert_eq!(
        script.args[4..],
        [
            "0", "db", "exec", "0", words, "", "1", "-", "exec", "0", words, ""
        ]
    );
    for (line, ok, detail) in [
        ("g 3 exec 0", true, "exit code 0"),
        ("g 3 exec 2", false, "exit code 2"),
        ("g 3 exec 124", false, "no answer in time"),
        ("g 3 exec 127", false, "the container cannot run it (127)"),
        ("g 3 exec none", false, "no container of db runs"),
        ("g 4 exec none", false, "no container runs"),
        (
            "g 4 exec several",
            false,
            "several services run, and the gate names none",
        ),
        (
            "g 4 exec blind",
            false,
            "the engine does not say which containers run",
        ),
    ] {
        assert_eq!(one(line), Some((ok, detail.to_owned())), "{line}");
    }
    for bad in [
        "g 3 exec",
        "g 3 exec 00x",
        "g 3 exec 0 0",
        "g 3 exec -1",
        "g 3 tcp 0",
        "g 2 exec 0",
    ] {
        assert_eq!(one(bad), None, "{bad}");
    }
}

fn one(line: &str) -> Option<(bool, String)> {
    let targets = [
        target(0, get(None)),
        target(1, get(Some(503))),
        target(2, Probe::Tcp { port: 80 }),
        target(3, command(Some("db"))),
        target(4, command(None)),
    ];
    match WatchReader::new(&targets).line(line)? {
        Tick::Gate {
            index, ok, detail, ..
        } => {
            assert!(line.starts_with(&format!("g {index} ")));
            Some((ok, detail))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_target_becomes_six_words() {
    let mut lb = target(3, get(None));
    lb.member = Some(HostName::new("web1").unwrap());
    lb.address = "fd00::7".into();
    let every = Duration::from_millis(500);
    let script = script(None, &BTreeMap::new(), &[lb], every, Duration::from_secs(2));
    assert_eq!(
        script.args,
        [
            "-", "", "0.500", "2.000", "0", "fd00::7", "http", "8080", "/healthz", ""
        ]
    );
    assert!(script.tied && script.quiet.is_some());
}

#[test]
fn a_watch_that_was_recorded_is_read_whole() {
    let targets = [
        target(0, get(None)),
        target(1, get(None)),
        target(2, Probe::Tcp { port: 8080 }),
        target(3, Probe::Tcp { port: 8099 }),
    ];
    let mut reader = WatchReader::new(&targets);
    let ticks: Vec<Tick> = WATCH.lines().filter_map(|l| reader.line(l)).collect();
    let gate = |i: usize, wanted: bool, what: &str| {
        let mut of = ticks.iter().filter_map(|t| match t {
            Tick::Gate {
                index, ok, detail, ..
            } if *index == i => Some((*ok, detail.as_str())),
            _ => None,
        });
        assert!(of.clone().count() >= 3, "gate {i}");
        assert!(
            of.all(|(ok, d)| ok == wanted && d.starts_with(what)),
            "gate {i}"
        );
    };
    gate(0, true, "HTTP 200 in ");
    gate(1, false, "connection refused");
    gate(2, true, "accepted");
    gate(3, false, "connection refused");
    let states: Vec<(&str, Health, &str)> = ticks
        .iter()
        .filter_map(|t| match t {
            Tick::Containers(list) => list.first(),
            _ => None,
        })
        .map(|c| (c.state.as_str(), c.health, c.release.as_str()))
        .collect();
    // It was stopped and started again meanwhile.
    assert!(
        states.contains(&("running", Health::Healthy, "relA")),
        "{states:?}"
    );
    assert!(states.iter().any(|s| s.0 == "exited"), "{states:?}");
    assert!(
        states.contains(&("running", Health::Starting, "relA")),
        "{states:?}"
    );
}

#[test]
fn only_a_whole_answer_with_the_right_status_passes() {
    let of = |line: &str| one(line).unwrap();
    assert_eq!(
        of("g 0 http 200 0 0.0123"),
        (true, "HTTP 200 in 12 ms".into())
    );
    assert_eq!(of("g 0 http 301 0 -"), (true, "HTTP 301".into()));
    assert_eq!(
        of("g 0 http 404 0 -"),
        (false, "HTTP 404, wanted 200–399".into())
    );
    assert_eq!(of("g 1 http 503 0 -"), (true, "HTTP 503".into()));
    assert_eq!(
        of("g 1 http 200 0 -"),
        (false, "HTTP 200, wanted 503".into())
    );
    assert_eq!(
        of("g 0 http 200 28 2.0"),
        (false, "HTTP 200 in 2.0 s, then no answer in time".into())
    );
    assert_eq!(
        of("g 0 http 200  0.1"),
        (false, "HTTP 200 in 100 ms, then no answer".into())
    );
    assert_eq!(
        of("g 0 http 000 7 0.1"),
        (false, "connection refused".into())
    );
    assert_eq!(of("g 2 tcp 0"), (true, "accepted".into()));
    assert_eq!(of("g 2 tcp 124"), (false, "no answer in time".into()));
}

#[test]
fn torn_and_foreign_lines_say_nothing() {
    for bad in [
        "",
        "g",
        "g 0",
        "g 9 tcp 0",
        "g 0 tcp 0",
        "g 2 http 200 0 -",
        "g 0 http 200",
        "g 0 http x 0 -",
        "g 0 http 200 0 - more",
        "gg 0 tcp 0",
        "hello",
    ] {
        assert_eq!(one(bad), None, "{bad:?}");
    }
}

#[test]
fn a_container_that_cannot_be_read_makes_the_whole_list_unknown() {
    let mut reader = WatchReader::new(&[]);
    let good = r#"c ["/a","web","False","running","none",0,0,false,null,"no"]"#;
    assert_eq!(reader.line(good), None);
    assert_eq!(reader.line("c [\"/b\""), None);
    assert_eq!(reader.line("C ok 2"), Some(Tick::Blind));
    assert_eq!(reader.line("C ok 0"), Some(Tick::Containers(vec![])));
    // A line that another one broke into is lost: no container has gone.
    reader.line(good);
    assert_eq!(reader.line("C ok 2"), Some(Tick::Blind));
    assert_eq!(reader.line("C ok 1"), Some(Tick::Blind));
    assert_eq!(reader.line("C ok"), Some(Tick::Blind));
    reader.line(good);
    assert_eq!(reader.line("C failed"), Some(Tick::Blind));
    reader.line(&good.replace("False", "True"));
    reader.line(good);
    let Some(Tick::Containers(list)) = reader.line("C ok 2") else {
        panic!("no list");
    };
    assert_eq!(list.len(), 1);
    assert!(list[0].one_shot && list[0].release.is_empty());
    assert_eq!(
        reader.line("cannot http"),
        Some(Tick::Cannot("http".into()))
    );
    assert_eq!(reader.line("."), Some(Tick::Alive));
}

proptest! {
    #[test]
    fn a_gate_never_passes_by_accident(line in "g [0-2] (http|tcp) .{0,20}") {
        if let Some((true, _)) = one(&line) {
            let words: Vec<&str> = line.split(' ').collect();
            prop_assert!(words[2..] == ["tcp", "0"] || words.get(4) == Some(&"0"));
        }
    }
}
