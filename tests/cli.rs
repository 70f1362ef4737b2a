//! The program itself: what it prints where, and its exit codes, as far as no host is needed.
//!
//! To add a case: give `deploy` its words in a folder made for the test and compare the whole answer.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts the program and prepares its folders"
)]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A folder with two environments; the files are empty, nothing that is tested here reads them.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let inventories = dir.path().join("inventories");
    std::fs::create_dir(&inventories).unwrap();
    for name in ["staging.yml", "production.yml", "defaults.yml"] {
        std::fs::write(inventories.join(name), "").unwrap();
    }
    dir
}

fn program(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
    command
        .args(line.split_whitespace())
        .current_dir(dir)
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// Exit code, stdout, stderr.
fn deploy(dir: &Path, line: &str) -> (i32, String, String) {
    let out = program(dir, line).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        out.status.code().unwrap(),
        text(out.stdout),
        text(out.stderr),
    )
}

#[test]
fn help_is_a_result_and_nonsense_is_an_error() {
    let dir = folder();
    let (code, stdout, stderr) = deploy(dir.path(), "--help");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("Exit codes:"), "{stdout}");
    let (code, stdout, stderr) = deploy(dir.path(), "--no-such-option staging");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("--no-such-option"), "{stderr}");
    assert_eq!(deploy(dir.path(), "").0, 2);
}

#[test]
fn help_is_there_at_once() {
    let dir = folder();
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            deploy(dir.path(), "--help");
            start.elapsed()
        })
        .min();
    // 5 ms on an idle machine; the limit leaves room for a debug build on a busy one.
    assert!(best < Some(Duration::from_millis(100)), "{best:?}");
}

#[test]
fn what_was_mistyped_is_named_with_what_may_have_been_meant() {
    let dir = folder();
    for (line, what, hint) in [
        (
            "stauts",
            "there is no environment and no command stauts",
            "did you mean `status`?",
        ),
        (
            "stagign app@1",
            "there is no environment and no command stagign",
            "did you mean `staging`?",
        ),
        (
            "status prodution",
            "there is no environment prodution",
            "did you mean `production`?",
        ),
        (
            "freeze",
            "there is no command `freeze`, and no environment may have its name",
            "`deploy --help` lists the commands",
        ),
    ] {
        let (code, stdout, stderr) = deploy(dir.path(), line);
        assert_eq!((code, stdout.as_str()), (2, ""), "{line}");
        let start = format!("error: {what}\nhint: {hint}\n");
        assert!(stderr.starts_with(&start), "{line}: {stderr}");
    }
}

#[test]
fn a_folder_without_inventories_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, stderr) = deploy(dir.path(), "staging app@1");
    assert_eq!(code, 2);
    assert!(
        stderr.starts_with("error: inventories cannot be read\n"),
        "{stderr}"
    );
    assert!(stderr.contains("--config-dir"), "{stderr}");
}

#[test]
fn an_environment_that_is_written_wrongly_does_not_hide_the_others() {
    let dir = folder();
    std::fs::write(dir.path().join("inventories/production.yml"), "hosts: 5\n").unwrap();
    let (code, stdout, stderr) = deploy(dir.path(), "status");
    assert_eq!(code, 2);
    assert!(stdout.contains("staging"), "{stdout}");
    assert!(stderr.starts_with("production is left out:\n"), "{stderr}");
    assert!(stderr.contains("inventories/production.yml:1:"), "{stderr}");
}

/// What bash would offer for a line with the cursor at its end.
#[test]
fn bash_completes_environments_apps_and_hosts() {
    let complete = |line: &str| {
        let script = r#"
            PATH=$1:$PATH; eval "$(deploy completions bash)"
            COMP_LINE=$2 COMP_POINT=${#2}
            # As readline cuts words: also at @ and =.
            IFS=$'\n' read -r -d '' -a COMP_WORDS < <(printf %s "$2" | sed 's/[@=]/\n&\n/g; s/ /\n/g'; printf '\0')
            [[ $2 == *' ' ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _deploy 2>/dev/null; printf '%s ' "${COMPREPLY[@]}""#;
        let bin = Path::new(env!("CARGO_BIN_EXE_deploy")).parent().unwrap();
        let out = Command::new("bash")
            .args([
                "--norc",
                "-c",
                script,
                "bash",
                &bin.display().to_string(),
                line,
            ])
            .current_dir(tour())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        assert_eq!(text(&out.stderr), "", "{line}");
        text(&out.stdout)
    };
    assert_eq!(complete("deploy sta"), "stage status staging");
    assert_eq!(complete("deploy staging a"), "app@");
    assert_eq!(
        complete("deploy logs staging --host web"),
        "web1 web2 web3 web4"
    );
    assert_eq!(complete("deploy status staging "), "app");
    assert_eq!(complete("deploy nonsense nonsense nonsense x"), "");
}

#[test]
fn json_says_an_error_as_one_object_on_stdout_and_in_words_on_stderr() {
    let dir = folder();
    let (code, stdout, stderr) = deploy(dir.path(), "--json stagin app@1");
    assert_eq!(code, 2);
    let lines: Vec<serde_json::Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["event"], "error");
    assert_eq!(lines[0]["code"], 2);
    assert_eq!(lines[0]["hints"][0], "did you mean `staging`?");
    assert!(stderr.contains("did you mean `staging`?"), "{stderr}");
}

#[test]
fn no_colours_reach_a_file() {
    let dir = folder();
    for line in ["--help", "switch --help", "stauts", "--bogus"] {
        let (_, stdout, stderr) = deploy(dir.path(), line);
        assert!(
            !stdout.contains('\x1b') && !stderr.contains('\x1b'),
            "{line}"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_crash_and_a_full_disk_is_no_success() {
    let dir = folder();
    let mut child = program(dir.path(), "--help")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), stderr.as_str()),
        (Some(0), "")
    );

    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let out = program(dir.path(), "--help").stdout(full).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("output was lost"));
}

#[test]
fn odd_words_are_refused_not_passed_on() {
    let dir = folder();
    for words in [
        vec!["staging", "app@1;reboot"],
        vec!["staging", "app@$(reboot)"],
        vec!["../staging", "app@1"],
        vec!["staging", "a b@1"],
        vec!["staging", ""],
        vec!["", "app@1"],
        vec!["staging", "app@1\n2"],
    ] {
        let out = program(dir.path(), "").args(&words).output().unwrap();
        assert_eq!(out.status.code(), Some(2), "{words:?}");
        assert!(out.stdout.is_empty(), "{words:?}");
    }
}

/// The repository's own configuration.
fn tour() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn inventory_explains_a_host_with_places_and_what_they_overrode() {
    let line = "inventory production --explain web08 --set apps.app.limits.memory=3g";
    let (code, stdout, stderr) = deploy(tour(), line);
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!(stdout);
    let (code, stdout, _) = deploy(tour(), "inventory staging");
    assert_eq!(code, 0);
    insta::assert_snapshot!("inventory of staging", stdout);
    let (code, _, stderr) = deploy(tour(), "inventory staging --explain wep1");
    assert_eq!(code, 2);
    assert_eq!(
        stderr,
        "error: `wep1` is neither a host nor a group, nor an app\nhint: did you mean `web1`?\n"
    );
}

/// Each place of each value really says what it is said to say.
#[test]
fn inventory_names_places_that_hold_the_value() {
    let mut seen = 0;
    for env in ["staging", "production"] {
        let (code, stdout, _) = deploy(tour(), &format!("--json inventory {env}"));
        assert_eq!(code, 0);
        let said: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        for subject in said["subjects"].as_array().unwrap() {
            for value in subject["values"].as_array().unwrap() {
                let others = value["overrode"].as_array().into_iter().flatten();
                for from in value.get("from").into_iter().chain(others) {
                    let file = tour().join(from["file"].as_str().unwrap());
                    let text = std::fs::read_to_string(file).unwrap();
                    let number = |key: &str| usize::try_from(from[key].as_u64().unwrap()).unwrap();
                    let rest =
                        &text.lines().nth(number("line") - 1).unwrap()[number("column") - 1..];
                    let word = match &from["value"] {
                        serde_json::Value::String(s) => s.clone(),
                        serde_json::Value::Array(_) => {
                            let key = value["key"].as_str().unwrap();
                            // A list is found by its key, a group's members by its name.
                            match subject["name"].as_str().unwrap().strip_prefix("groups ") {
                                Some(group) => group.to_owned(),
                                None => key.split('[').next().unwrap().to_owned(),
                            }
                        }
                        other => other.to_string(),
                    };
                    let rest = rest.trim_start_matches(['"', '\'']);
                    assert!(rest.starts_with(&word), "{from} is not at `{rest}`");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn init_writes_what_checks_and_renders_and_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, _) = deploy(dir.path(), "init");
    assert_eq!(code, 0);
    assert_eq!(
        stdout,
        "inventories/defaults.yml\ninventories/staging.yml\ntemplates/app/docker-compose.yml.j2\n"
    );
    let (code, stdout, stderr) = deploy(dir.path(), "check --offline");
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.ends_with("nothing found\n"), "{stdout}");
    let (code, stdout, stderr) = deploy(dir.path(), "render staging @1.0.1 --host web1");
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        stdout.contains("image: \"registry.example.com/acme/app:1.0.1\""),
        "{stdout}"
    );
    assert!(stdout.contains("LOG_LEVEL: \"debug\""), "{stdout}");
    // What is put beside it, as far as it is known before the registry is asked.
    let (_, beside) = stdout
        .split_once("deploy.yml 644\n")
        .expect("the file beside it");
    let pinned = "registry.example.com/acme/app:1.0.1@(known at the deploy)";
    for said in [pinned, "\"deploy.release\": \"(known at the deploy)\""] {
        assert!(beside.contains(said), "no {said} in {beside}");
    }

    let staging = dir.path().join("inventories/staging.yml");
    std::fs::write(&staging, "mine").unwrap();
    std::fs::remove_file(dir.path().join("inventories/defaults.yml")).unwrap();
    let (code, stdout, stderr) = deploy(dir.path(), "init");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("nothing was written: inventories/staging.yml, templates/"),
        "{stderr}"
    );
    assert_eq!(std::fs::read_to_string(&staging).unwrap(), "mine");
    assert!(!dir.path().join("inventories/defaults.yml").exists());
}

#[test]
fn hosts_are_named_by_globs_ranges_groups_and_not() {
    let rendered = |hosts: &str| {
        let (code, stdout, stderr) = deploy(tour(), &format!("render staging @1.0.1 {hosts}"));
        let heads = stdout.lines().filter(|l| !l.contains(" deploy.yml "));
        let heads = heads.filter_map(|l| l.strip_prefix("# web"));
        let hosts: Vec<&str> = heads.filter_map(|l| l.split(' ').next()).collect();
        (code, hosts.join(" "), stderr)
    };
    for (words, hosts) in [
        ("", "1 2 3 4"),
        ("--host web*,!web[2:3]", "1 4"),
        ("--host green", "3 4"),
        ("--host web1 --host web4", "1 4"),
        ("--host all,!blue", "3 4"),
    ] {
        assert_eq!(
            rendered(words),
            (0, hosts.to_owned(), String::new()),
            "{words}"
        );
    }
    for (words, said) in [
        (
            "--host wep1",
            "error: `wep1` is neither a host nor a group\nhint: did you mean `web1`?\n",
        ),
        ("--host lb1", "error: app does not run on lb1\n"),
        (
            "--host web1,!web1",
            "error: no host is left of `web1,!web1`\n",
        ),
    ] {
        assert_eq!(
            rendered(words),
            (2, String::new(), said.to_owned()),
            "{words}"
        );
    }
}

#[test]
fn mistakes_of_files_and_of_drivers_come_in_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put(
        "inventories/staging.yml",
        "hosts: { web1: { prt: 22 }, lb1: }
load_balancers: { edge: { driver: ngnix, hosts: lb1 }, inner: { driver: nginx, hosts: lb1, keepalife: 3 } }
",
    );
    let (code, stdout, stderr) = deploy(dir.path(), "check staging --offline");
    assert_eq!(code, 2);
    for said in [
        "unknown key `prt`",
        "there is no load balancer driver `ngnix`",
        "nginx has no setting `keepalife`",
    ] {
        assert!(stdout.contains(said), "no {said} in {stdout}{stderr}");
    }
    // Those of the templates too: nobody mends the one to be told of the other.
    put(
        "inventories/staging.yml",
        "hosts: { web1: { prt: 22 }, web2: }
groups: { blue: [web1], green: [web2] }
apps: { app: { image: registry.example.com/acme/app, strategy: blue-green, slots: [blue, green] } }
",
    );
    put(
        "templates/app/docker-compose.yml.j2",
        "services:\n  app:\n    image: {{ image }}\n    hostname: {{ nmae }}\n",
    );
    for command in [
        "render staging @1.0.1",
        "plan staging @1.0.1",
        "staging @1.0.1",
        "check staging --offline",
    ] {
        let (code, stdout, stderr) = deploy(dir.path(), command);
        let all = stdout + &stderr;
        assert_eq!(code, 2, "{command}: {all}");
        for said in ["unknown key `prt`", "nmae", "docker-compose.yml.j2:4:"] {
            assert!(all.contains(said), "{command}: no {said} in {all}");
        }
    }
}

#[test]
fn hosts_come_from_a_command_that_prints_json_and_are_explained_with_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let staging = "hosts_from: { command: [sh, -c, \"echo x >>ran; cat list.json\"] }
apps: { app: { image: registry.example.com/acme/app, port: 80, strategy: blue-green, slots: [web, other] } }
groups: { other: [web2] }
";
    put("inventories/staging.yml", staging);
    put(
        "list.json",
        r#"{"_meta":{"hostvars":{"web1":{"ansible_host":"10.0.0.1","heap":"2g"}}},"web":{"hosts":["web1"]},"more":["web2"]}"#,
    );
    let (_, stdout, stderr) = deploy(dir.path(), "inventory staging --explain web1");
    assert!(
        stdout.contains("10.0.0.1") && stdout.contains("cat list.json`:5"),
        "{stdout}{stderr}"
    );
    // Once, however often the inventory is read.
    let ran = || std::fs::read_to_string(dir.path().join("ran")).unwrap();
    assert_eq!(ran(), "x\n");
    put("list.json", "no json");
    let (code, _, stderr) = deploy(dir.path(), "inventory staging");
    assert_eq!(code, 2);
    assert!(stderr.contains("printed no JSON object"), "{stderr}");
    assert!(stderr.contains("staging.yml:1:"), "{stderr}");
}
