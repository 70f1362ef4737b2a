use proptest::prelude::*;

use super::*;

const FACTS: &str = include_str!("../../../../tests/fixtures/docker/facts.txt");
const SHORT: &str = include_str!("../../../../tests/fixtures/docker/facts-short.txt");
const DEAD: &str = include_str!("../../../../tests/fixtures/docker/facts-dead.txt");
const DENIED: &str = include_str!("../../../../tests/fixtures/docker/facts-denied.txt");

fn of(text: &str) -> DockerFacts {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    read(&lines)
}

fn errors(facts: &DockerFacts) -> Vec<&str> {
    let of = facts.problems.iter();
    of.filter(|p| p.severity == Severity::Error)
        .map(|p| p.what.as_str())
        .collect()
}

#[test]
fn a_host_in_order_has_facts_and_only_problems_of_space() {
    let facts = of(FACTS);
    assert_eq!(facts.engine, Known::Is("26.1.5+dfsg1".into()));
    assert_eq!(facts.compose, Known::Is("2.26.1-4".into()));
    assert_eq!((facts.cpus, facts.root.as_str()), (2, "/var/lib/docker"));
    assert_eq!(facts.memory, 25_276_502_016);
    assert_eq!(facts.disk_free, 231_033 * 4096);
    assert_eq!(facts.inodes_free, 65_288);
    assert_eq!(facts.clock, 1_795_268_363);
    assert_eq!(
        facts.problems,
        [Problem {
            severity: Severity::Warning,
            what: "900 MiB left on the disk of /var/lib/docker".into(),
            hint: "make room there; `docker system df` and `df /var/lib/docker` show what takes it"
                .into(),
        }]
    );
}

#[test]
fn both_ways_of_asking_tell_the_same() {
    let (long, short) = (of(FACTS), of(SHORT));
    assert_eq!(
        (
            &short.engine,
            &short.compose,
            &short.root,
            short.cpus,
            short.memory
        ),
        (
            &long.engine,
            &long.compose,
            &long.root,
            long.cpus,
            long.memory
        )
    );
    assert!(short.disk_free > 0 && errors(&short).is_empty());
    assert_eq!(short.containers[0].name, "staging-app-blue-web-1");
    let cut = SHORT.replace("\ncontainers ok\n", "\n");
    assert_eq!(
        errors(&of(&cut)),
        ["the list of containers could not be read"]
    );
    let garbled = SHORT.replace("version 26", "versio 26");
    assert_eq!(errors(&of(&garbled)), ["Docker did not answer"]);
}

#[test]
fn containers_are_read_whole_and_foreign_labels_stay_on_the_host() {
    let facts = of(FACTS);
    let names: Vec<&str> = facts.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["oomer", "staging-app-blue-web-1", "legacy-shop"]);

    let web = &facts.containers[1];
    assert_eq!(web.project(), Some("staging-app-blue"));
    assert_eq!(web.service(), Some("web"));
    assert_eq!(web.label("deploy.release"), Some("relA"));
    assert_eq!((web.memory, web.nano_cpus), (64 << 20, 500_000_000));
    assert_eq!(
        (web.restart.as_str(), web.health),
        ("always", Health::Healthy)
    );
    assert_eq!(
        web.ports,
        [PublishedPort {
            address: String::new(),
            port: 8080,
            protocol: "tcp".into()
        }]
    );

    // Its label holds lines that look like ours.
    let foreign = &facts.containers[2];
    assert_eq!(
        foreign.label("deploy.note"),
        Some("say \"hi\"\nc [\"forged\"]\ncontainers ok")
    );
    assert_eq!(foreign.label("other"), None);
    assert!(!FACTS.contains("secret"));

    let stopped = &facts.containers[0];
    assert_eq!((stopped.state.as_str(), stopped.exit_code), ("exited", 1));
    assert_eq!(stopped.network_mode, "host");
    assert!(stopped.ports.is_empty());
}

#[test]
fn a_dead_daemon_is_one_error_with_its_own_words() {
    let facts = of(DEAD);
    assert!(matches!(&facts.engine, Known::Unknown(why) if why.starts_with("Cannot connect")));
    assert_eq!(facts.compose, Known::Is("2.26.1-4".into()));
    assert_eq!(
        errors(&facts),
        [
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
        ]
    );
}

#[test]
fn what_is_missing_is_named_with_what_to_do() {
    assert_eq!(
        errors(&of(DENIED)),
        ["the user may not use Docker's socket"]
    );
    assert_eq!(errors(&of("docker missing")), ["docker is not installed"]);
    assert_eq!(
        errors(&of("asked 124\nsocket x")),
        ["Docker did not answer within 10 s"]
    );
    let no_compose = FACTS.replace("[\"2.26.1-4\",\"\"]", "[\"\"]");
    let facts = of(&no_compose);
    assert_eq!(errors(&facts), ["docker compose is missing"]);
    assert!(facts.problems.iter().all(|p| !p.hint.is_empty()));
}

#[test]
fn nothing_at_all_is_not_a_host_in_order() {
    let facts = of("");
    assert!(facts.engine.get().is_none() && facts.compose.get().is_none());
    assert_eq!(errors(&facts), ["Docker did not answer"]);
}

#[test]
fn a_list_of_containers_that_is_cut_or_garbled_is_an_error() {
    let complaint = ["the list of containers could not be read"];
    let without_end = FACTS.replace("\ncontainers ok\n", "\n");
    assert_eq!(errors(&of(&without_end)), complaint);
    let garbled = FACTS.replace("c [\"12c2", "c \"12c2");
    assert_eq!(errors(&of(&garbled)), complaint);
    let failed = format!("{FACTS}containers failed\n");
    assert_eq!(errors(&of(&failed)), complaint);
}

#[test]
fn little_space_warns_and_almost_none_is_an_error() {
    let with = |docker: &str| {
        let facts = of(&FACTS.replace("space docker 231033 4096 65288 65536", docker));
        let docker = facts.problems.iter();
        docker
            .filter(|p| p.what.ends_with("/var/lib/docker") || p.what.contains("read"))
            .map(|p| (p.severity, p.what.clone()))
            .collect::<Vec<_>>()
    };
    let disk = "left on the disk of /var/lib/docker";
    assert_eq!(with("space docker 999999999 4096 65288 65536"), []);
    // btrfs counts no inodes.
    assert_eq!(with("space docker 999999999 4096 0 0"), []);
    assert_eq!(
        with("space docker 1000 4096 12 65536"),
        [
            (Severity::Error, format!("3.9 MiB {disk}")),
            (Severity::Error, format!("12 inodes {disk}")),
        ]
    );
    assert_eq!(
        with("space docker x"),
        [(
            Severity::Warning,
            "free space of /var/lib/docker could not be read".into()
        )]
    );
}

#[test]
fn an_old_engine_is_told_of() {
    let old = |version: &str| {
        let facts = of(&FACTS.replace("26.1.5+dfsg1", version));
        facts.problems.iter().any(|p| p.what.contains("older"))
    };
    assert!(old("19.03.15"));
    assert!(!old("20.10.24+dfsg1"));
    assert!(!old("28.0.0"));
    assert!(!old("master-2024"));
}

#[test]
fn a_port_bound_twice_counts_once_and_odd_ones_do_not_count() {
    let json = r#"{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],
        "53/udp":[{"HostIp":"127.0.0.1","HostPort":"53"}],"9/tcp":null,"10/tcp":[{"HostIp":"","HostPort":"x"}]}"#;
    let list: Vec<_> = ports(serde_json::from_str(json).unwrap())
        .into_iter()
        .map(|p| (p.address, p.port, p.protocol))
        .collect();
    assert_eq!(
        list,
        [
            ("127.0.0.1".into(), 53, "udp".to_owned()),
            (String::new(), 8080, "tcp".to_owned())
        ]
    );
}

proptest! {
    /// Whatever comes, reading ends, and an engine counts as known only where it was asked and answered.
    #[test]
    fn any_lines_are_survived(lines in proptest::collection::vec(
        prop_oneof![
            "(clock|docker|socket|asked|engine|note|space|c|containers|version|compose|root|memory|cpus) .{0,60}",
            r#"c \["[a-z]{0,3}",.{0,20}\]"#,
            ".{0,80}",
        ], 0..12)) {
        let facts = read(&lines);
        if facts.engine.get().is_some() {
            let told = |l: &String| l == "asked 0" || l.starts_with("version ");
            prop_assert!(lines.iter().any(told));
        } else {
            prop_assert!(facts.problems.iter().any(|p| p.severity == Severity::Error));
        }
    }
}

/// The values that `facts.sh` asks of `rows.awk`, as it writes them.
fn values() -> &'static str {
    let line = TEXT.lines().find(|l| l.starts_with("dk_values='")).unwrap();
    line.trim_start_matches("dk_values='")
        .trim_end_matches('\'')
}

#[expect(
    clippy::disallowed_methods,
    reason = "the awk of this machine reads what an engine wrote"
)]
fn rows(awk: &[&str], lines: &str) -> Option<String> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new(awk[0])
        .args(&awk[1..])
        .args(["-v", "before=ResolvConfPath", "-v"])
        .arg(format!("fields={}", values()))
        .arg(super::super::ROWS)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .inspect_err(|_| eprintln!("skipped: no {} here", awk[0]))
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let text = lines.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success());
    Some(String::from_utf8(out.stdout).unwrap())
}

/// The same with the three lines before the rows.
fn headed(awk: &[&str], lines: &str) -> Option<String> {
    rows(&[awk, &["-v", "head=1"]].concat(), lines)
}

const AWKS: [&[&str]; 4] = [&["awk"], &["mawk"], &["gawk"], &["busybox", "awk"]];

#[test]
fn the_engines_json_becomes_rows_and_an_environment_stays_there() {
    assert!(
        !super::super::ROWS.contains('\''),
        "it stands between quotes"
    );
    let hostile = include_str!("../../../../tests/fixtures/docker/inspect-hostile.jsonl");
    let mut asked = 0;
    for awk in AWKS {
        let Some(text) = rows(awk, hostile) else {
            continue;
        };
        asked += 1;
        assert_eq!(
            text,
            r#"before "/var/lib/docker/containers/x/resolv.conf"
c ["abc","/n","i","sha256:1","running","healthy",3,-1,true,"","t","always",5,7,"n",{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8\"0"}],"x":null},{"deploy.a":"q\"\\","com.docker.compose.service":"w{,}:[]"}]
before 
c ["d","/m","","","","none",0,0,false,"","","",0,0,"",null,{}]
"#,
            "{awk:?}"
        );
    }
    assert!(asked > 0, "there is no awk here");
}

#[test]
fn any_text_in_any_place_changes_no_other_value() {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let hostile = proptest::string::string_regex(
        "([\"\\\\{}\\[\\],:' ]|Id|State|\"Env\":\\[|deploy\\.|null|é|\u{85}|\n){0,12}",
    )
    .unwrap();
    let mut text = || hostile.new_tree(&mut runner).unwrap().current();
    let (mut lines, mut wanted) = (String::new(), Vec::new());
    for n in 0..200 {
        let (id, name, image, label) = (format!("id{n}"), text(), text(), text());
        let container = serde_json::json!({
            "Path": text(), "Args": [text(), text()],
            "Id": id, "State": {"Error": text(), "Status": "running", "ExitCode": n, "Health": {"Log": [{"Output": text()}], "Status": "starting"}},
            "Config": {"Env": [format!("S={}", text()), text()], "Image": image, "Labels": {text(): text(), "deploy.note": label, "x": text()}},
            "Name": name, "Mounts": [{"Name": text(), "Id": text()}],
        });
        lines.push_str(&format!("{container}\n"));
        wanted.push((id, name, image, label, n));
    }
    for awk in AWKS {
        let Some(found) = rows(awk, &lines) else {
            continue;
        };
        let found: Vec<ContainerRow> = found
            .lines()
            .filter_map(|l| l.strip_prefix("c "))
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{awk:?}: {e}: {l}")))
            .collect();
        assert_eq!(found.len(), wanted.len(), "{awk:?}");
        for (row, (id, name, image, label, n)) in found.iter().zip(&wanted) {
            let seen = (
                &row.0,
                &row.1,
                &row.2,
                row.7,
                row.4.as_str(),
                row.5.as_str(),
            );
            assert_eq!(seen, (id, name, image, *n, "running", "starting"));
            assert_eq!(row.16.get("deploy.note"), Some(label));
        }
    }
}

/// What curl prints of a list and of questions for single containers, one answer after the other.
fn answers(ids: &[&str], rows: &[(&str, &str)]) -> String {
    let list: Vec<_> = ids
        .iter()
        .map(|id| serde_json::json!({"Id": id, "Names": ["/x"], "Labels": {"Id": "no", "q": "a\"]}\\"}, "Ports": [{}]}))
        .collect();
    let mut text = "HTTP/1.1 200 OK\r\nServer: Docker/26.1.5+dfsg1 (linux)\r\n\r\n".to_owned();
    text.push_str(&format!("{}\n", serde_json::Value::from(list)));
    for (id, name) in rows {
        let row = serde_json::json!({"Id": id, "Name": name, "Image": "i"});
        text.push_str(&format!("HTTP/1.1 200 OK\r\n\r\n{row}\n"));
    }
    text
}

#[test]
fn a_guess_is_taken_only_where_the_list_says_the_same() {
    let (a, b, c) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
    let head = |awk: &[&str], ids: &[&str], rows: &[(&str, &str)]| {
        let text = headed(awk, &answers(ids, rows))?;
        Some(text.lines().take(3).collect::<Vec<_>>().join("|"))
    };
    let two = [(b.as_str(), "/s-b.1"), (a.as_str(), "/a")];
    let mut asked = 0;
    for awk in AWKS {
        let Some(all) = head(awk, &[&a, &b], &two) else {
            continue;
        };
        asked += 1;
        let ids = format!("ids {a} {b}");
        assert_eq!(all, format!("all 2 - 26.1.5+dfsg1|{ids}|names s-b.1 a"));
        let said = |ids: &[&str], rows: &[_]| head(awk, ids, rows).unwrap();
        let word = |text: String| text.split('|').next().unwrap().to_owned();
        // One too few, one too many, one twice, none at all.
        assert_eq!(
            said(&[&a, &b], &two[..1]),
            format!("part 1 - 26.1.5+dfsg1|{ids}|names s-b.1")
        );
        assert_eq!(word(said(&[&a], &two)), "part 2 - 26.1.5+dfsg1");
        assert_eq!(
            word(said(&[&a, &b], &[two[0], two[0]])),
            "part 2 - 26.1.5+dfsg1"
        );
        assert_eq!(word(said(&[&c], &[])), "part 0 - 26.1.5+dfsg1");
        assert_eq!(said(&[], &[]), "all 0 - 26.1.5+dfsg1|ids|names");
        // Without a list nothing is known, however much of it came.
        let whole = answers(&[&a, &b], &[]);
        let from = whole.find('[').unwrap();
        for end in (from..whole.len() - 1).filter(|end| whole[..*end].ends_with([']', '}'])) {
            let cut = headed(awk, &whole[..end]).unwrap();
            assert!(cut.starts_with("none 0 - 26.1.5"), "{awk:?}: {cut}");
        }
    }
    assert!(asked > 0, "there is no awk here");
}

#[test]
fn images_are_here_where_each_is_called_as_it_must_be() {
    let image = |names: &[&str]| {
        let json =
            serde_json::json!({"Id": format!("sha256:{}", "0".repeat(64)), "RepoDigests": names});
        format!("HTTP/1.1 200 OK\r\n\r\n{json}\n")
    };
    let a = "a".repeat(64);
    let (one, two) = ("r:5000/a@sha256:00", "b@sha256:11");
    let mut asked = 0;
    for awk in AWKS {
        let refs = format!("refs={one} {two}");
        let with = [awk, &["-v", &refs][..]].concat();
        let head = |images: &[String]| {
            let text = answers(&[&a], &[(&a, "/s-b.1")]) + &images.concat();
            Some(headed(&with, &text)?.lines().next()?.to_owned())
        };
        let Some(both) = head(&[image(&[one]), image(&["x", two])]) else {
            continue;
        };
        asked += 1;
        // They are no containers.
        assert_eq!(both, "all 1 here 26.1.5+dfsg1");
        for wrong in [
            vec![],
            vec![image(&[one])],
            vec![image(&[two]), image(&[one])],
            vec![image(&[one]), image(&[two]), image(&[two])],
            vec![image(&["r:5000/a@sha256:000"]), image(&[two])],
        ] {
            assert_eq!(head(&wrong).unwrap(), "all 1 - 26.1.5+dfsg1", "{wrong:?}");
        }
    }
    assert!(asked > 0, "there is no awk here");
}
