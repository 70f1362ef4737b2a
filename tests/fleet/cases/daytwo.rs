//! The day after: what the hosts remember, asked of them while some of them do not answer.

use crate::support::shop::{FIRST, SECOND, Shop};
use serde_json::Value;

fn runs(shop: &Shop, args: &[&str]) -> (i32, Vec<Value>) {
    let answer = shop.run(&[&["history", "staging", "--json", "--within", "20s"], args].concat());
    let value: Value = serde_json::from_str(&answer.stdout).expect("one JSON object");
    let runs = value["apps"][0]["runs"].as_array().expect("runs").clone();
    (answer.code, runs)
}

fn told(runs: &[Value]) -> Vec<String> {
    let word = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let line = |r: &Value| {
        format!(
            "{} {} {}",
            word(&r["kind"]),
            word(&r["version"]),
            word(&r["outcome"])
        )
    };
    runs.iter().map(line).collect()
}

/// `deploy show` of a run that failed and of one that went well, against what the hosts keep.
fn shows_the_run(shop: &Shop, failed: &Value, good: &Value) {
    let run = failed["run"].as_str().expect("a run");
    let shown = shop.run(&["show", run, "--within", "20s"]);
    shown.assert_code(0).assert_says(&[
        "1.0.3-31-bad0001",
        "it's a try",
        "stop and up green",
        "s1",
        "failed in gate",
        "exit code 3",
        "remembered by lb1 lb2 web1 web2 web3 web4",
    ]);
    let evidence = format!("ls /var/lib/deploy/staging/app/runs/{run}/evidence");
    assert!(
        shop.sh("web3", &evidence).contains("containers"),
        "no evidence on web3"
    );

    let run = good["run"].as_str().expect("a run");
    let page = shop.project.folder().join("run.html");
    let file = page.display().to_string();
    shop.run(&[
        "show", run, "--env", "staging", "--within", "20s", "--html", &file,
    ])
    .assert_code(0);
    let page = std::fs::read_to_string(page).expect("a page");
    for word in [
        "s8 lb1 switch",
        "s1 web3 pull",
        "s11 all bake",
        "succeeded",
        SECOND,
    ] {
        assert!(page.contains(word), "no '{word}' in the page");
    }
    shop.run(&["show", "r-0000dead", "--env", "staging", "--within", "20s"])
        .assert_code(2)
        .assert_says(&["no host remembers"]);
}

#[test]
#[ignore = "needs the fleet"]
fn the_record_tells_who_did_what_and_survives_the_loss_of_hosts() {
    let shop = Shop::serving(FIRST);
    let broken = "1.0.3-31-bad0001";
    shop.run(&[
        "staging",
        &format!("app@{broken}"),
        "-m",
        "it's a try",
        "--ticket",
        "CHG0000007",
    ])
    .assert_code(1);
    shop.deploy(FIRST)
        .assert_code(0)
        .assert_says(&["no_change"]);
    // The record counts seconds; what stands in one second has no order.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    shop.run(&["rollback", "staging", "app"]).assert_code(4);
    shop.deploy(SECOND).assert_code(0);

    let (code, all) = runs(&shop, &[]);
    assert_eq!(code, 0);
    let want = [
        format!("deploy {SECOND} succeeded"),
        "rollback  refused".to_owned(),
        format!("deploy {FIRST} no_change"),
        format!("deploy {broken} failed"),
        format!("deploy {FIRST} succeeded"),
    ];
    assert_eq!(told(&all), want);
    for run in &all {
        assert_eq!(run["hosts"].as_array().map(Vec::len), Some(6), "{run}");
        assert!(
            run["who"].as_str().is_some_and(|who| who.contains('@')),
            "{run}"
        );
    }
    assert_eq!(
        (&all[3]["why"], &all[3]["ticket"]),
        (&"it's a try".into(), &"CHG0000007".into())
    );
    let image = shop.sh(
        "web3",
        "docker inspect -f '{{.Config.Image}}' $(docker ps -q)",
    );
    let digest = all[0]["digest"].as_str().expect("a digest");
    assert!(image.contains(digest), "{image} is not {digest}");

    shows_the_run(&shop, &all[3], &all[0]);
    let diff = shop.run(&[
        "diff",
        "staging",
        "app",
        "#1",
        SECOND,
        "--exit-code",
        "--within",
        "20s",
    ]);
    diff.assert_code(3)
        .assert_says(&["image of app", FIRST, SECOND, "web1 blue → web3 green"]);
    println!("{}", diff.stdout);
    shop.run(&["diff", "staging", "app", "1", "#77", "--within", "20s"])
        .assert_code(2)
        .assert_says(&["no host keeps the release #77", "releases that are kept"]);

    // One host hangs, one has lost its disk: the others tell all, the one that hangs is named.
    shop.fleet.fault("pause", &["web4"]);
    shop.sh("web3", "rm -rf /var/lib/deploy/*");
    let lost = shop.run(&["history", "staging"]);
    lost.assert_code(7)
        .assert_says(&["web4", "does not answer", SECOND, broken, "CHG0000007"]);
    println!("history with a host that hangs took {:?}", lost.took);
    assert!(
        lost.stderr.contains("web4") && !lost.stderr.contains("web3"),
        "{}",
        lost.stderr
    );
    let (code, rest) = runs(&shop, &[]);
    assert_eq!((code, told(&rest)), (7, want.to_vec()));
    // What is left of the failed candidate is told although its hosts are gone.
    let run = all[3]["run"].as_str().expect("a run");
    shop.run(&["show", run, "--env", "staging"])
        .assert_code(0)
        .assert_says(&["web4", "plan", "failed in gate", "exit code 3"]);
    shop.fleet.fault("unpause", &["web4"]);
}

/// Images onto all hosts, and nothing else: what runs and what is written stays as it is.
fn fetches_ahead(shop: &Shop) {
    let before = shop.state();
    let pull = |more: &[&str]| {
        let to = format!("app@{SECOND}");
        shop.run(&[&["pull", "staging", &to], more].concat())
    };
    let name = format!("registry:5000/acme/app:{SECOND}");
    shop.sh(
        "web3",
        &format!(
            "docker image inspect {name} >/dev/null 2>&1 && docker rmi {name} >/dev/null; true"
        ),
    );
    pull(&["--host", "web3", "--parallel", "1"])
        .assert_code(0)
        .assert_says(&["web3: ", " fetched ("]);
    let all = pull(&[]);
    all.assert_code(0)
        .assert_says(&["web3: ", "is there already"]);
    assert_eq!(all.stdout.lines().count(), 4, "{}", all.stdout);
    for web in ["web1", "web2", "web3", "web4"] {
        shop.sh(web, &format!("docker image inspect --format x {name}"));
    }
    pull(&["--host", "lb1"]).assert_code(2);
    assert_eq!(shop.state(), before);
}

/// Nothing listens in a container that was made for one command: the health check of the image fails
/// there as the health check of a container without a server must.
fn runs_in_a_container_of_its_own(shop: &Shop) {
    let all = |web: &str| shop.sh(web, "docker ps -aq --no-trunc | sort");
    let before = ["web1", "web2"].map(all);
    let run = |args: &[&str]| shop.run(&[&["run", "staging"], args].concat());
    run(&["--all", "--", "healthcheck"])
        .assert_code(1)
        .assert_says(&["error: web1: the command ended with 1", "error: web2: "]);
    run(&["--service", "db", "--", "healthcheck"])
        .assert_code(2)
        .assert_says(&["web1: the release has no service db", "the release has app"]);
    run(&["--slot", "green", "--", "healthcheck"])
        .assert_code(4)
        .assert_says(&["web3: green holds no release"]);
    assert_eq!(["web1", "web2"].map(all), before, "a container stayed");
}

/// In the containers that serve; `/app healthcheck` is all that the image can run.
fn runs_a_command_and_shows_logs(shop: &Shop) {
    let exec = |args: &[&str]| shop.run(&[&["exec", "staging"], args].concat());
    exec(&["app", "--", "/app", "healthcheck"]).assert_code(0);
    exec(&["--all", "--", "/none", "$(id)"])
        .assert_code(1)
        .assert_says(&["error: web1: the command ended with 12", "error: web2: "]);
    exec(&["--slot", "green", "--", "/app"])
        .assert_code(2)
        .assert_says(&["web3: no container of the slot is running"]);
    runs_in_a_container_of_its_own(shop);
    let logs = |args: &[&str]| shop.run(&[&["logs", "staging"], args].concat());
    let found = logs(&["--since", "1h", "--grep", "^app .* listening on 8080"]);
    found.assert_code(0);
    let lines: Vec<&str> = found.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "one of web1, one of web2: {lines:?}");
    assert!(lines.iter().all(|l| l.contains(" listening on 8080")));
    logs(&["--slot", "green"])
        .assert_code(0)
        .assert_says(&["no container of app is on"]);
}

#[test]
#[ignore = "needs the fleet"]
fn what_runs_where_is_told_in_time_and_drift_is_named() {
    let shop = Shop::serving(FIRST);
    let drift = |code: i32| {
        let answer = shop.run(&["drift", "staging", "--within", "20s"]);
        answer.assert_code(code);
        answer
    };
    drift(0).assert_says(&["no drift"]);
    let calm = shop.run(&["status", "staging", "--exit-code", "--within", "20s"]);
    calm.assert_code(0);
    assert_eq!(calm.stderr, "", "a look that went well says nothing beside");
    runs_a_command_and_shows_logs(&shop);
    fetches_ahead(&shop);

    shop.sh(
        "web1",
        "docker update -m 128m --memory-swap 128m $(docker ps -q)",
    );
    shop.sh("web2", "docker rm -f $(docker ps -q); echo '# by hand' >>$(ls -d /var/lib/deploy/staging/app/releases/*/blue)/docker-compose.yml");
    shop.fleet.fault("foreign", &["web3", "9999"]);
    drift(3).assert_says(&[
        "web1: blue: app memory limit is 128.0 MiB, wanted 256.0 MiB",
        "web2: blue: no container of app",
        "web2: blue: docker-compose.yml was changed",
        "beside: web3: container",
    ]);
    shop.run(&["status", "staging", "--exit-code", "--within", "20s"])
        .assert_code(3);

    let id = shop.sh("web1", "docker ps -q --no-trunc");
    let found = shop.run(&["where", &id[..12], "--env", "staging", "--within", "20s"]);
    found
        .assert_code(0)
        .assert_says(&["web1", "staging-app-blue", FIRST]);
    let of_image = shop.run(&["where", "acme/app", "--env", "staging", "--within", "20s"]);
    assert_eq!(of_image.stdout.lines().count(), 1, "{}", of_image.stdout);
    shop.run(&["where", "acme/none", "--env", "staging", "--within", "20s"])
        .assert_code(1);

    // One host hangs: what the others say is shown in time, it is named, and the end is 7.
    shop.fleet.fault("pause", &["web4"]);
    for args in [
        &["status", "staging"][..],
        &["drift", "staging"],
        &["where", "acme/app", "--env", "staging"],
    ] {
        let unsure = shop.run(args);
        unsure.assert_code(7).assert_says(&["web1", "web4"]);
        println!("{args:?} with a host that hangs took {:?}", unsure.took);
    }
    shop.fleet.fault("unpause", &["web4"]);
}

/// `deploy ARGS…` as cron runs it: a bare environment, nobody at the keyboard.
fn cron(shop: &Shop, args: &[&str]) -> (i32, String, String) {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_deploy"))
        .args(args)
        .current_dir(shop.project.folder())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("DEPLOY_SSH_CONFIG", shop.fleet.ssh_config())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("deploy starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        out.status.code().unwrap_or(-1),
        text(&out.stdout),
        text(&out.stderr),
    )
}

#[test]
#[ignore = "needs the fleet"]
fn a_crontab_line_acts_where_something_changed_and_is_silent_else() {
    let shop = Shop::empty();
    let (code, out, err) = cron(&shop, &["redeploy", "staging", "app"]);
    assert_eq!(
        (code, out.as_str(), err.lines().count()),
        (4, "", 1),
        "{err}"
    );
    shop.deploy(FIRST).assert_code(0);
    let before = shop.state();
    let quiet = || {
        assert_eq!(
            cron(&shop, &["redeploy", "staging"]),
            (0, String::new(), String::new())
        )
    };
    quiet();
    assert_eq!(shop.state(), before);

    // Drift: repaired, and it says why. Two at once: one acts, the other finds nothing to do.
    shop.sh("web1", "docker rm -f $(docker ps -q)");
    let both: Vec<_> = std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| cron(&shop, &["redeploy", "staging", "app"])));
        runs.into_iter()
            .map(|run| run.join().expect("an answer"))
            .collect()
    });
    assert!(both.iter().all(|(code, ..)| *code == 0), "{both:?}");
    let said: String = both
        .iter()
        .map(|(_, out, err)| format!("{out}{err}"))
        .collect();
    assert!(said.contains("web1: no container of app"), "{said}");
    assert_eq!(shop.ids("web1").len(), 1);
    let (_, all) = runs(&shop, &["--runs-only"]);
    assert_eq!(all.len(), 2, "one deploy, one redeploy: {all:?}");
    assert!(
        all[0]["why"]
            .as_str()
            .is_some_and(|why| why.starts_with("redeploy: web1"))
    );
    quiet();

    // Configuration: the other slot, once.
    shop.project.edit(
        "inventories/staging.yml",
        "log_level: debug",
        "log_level: warn",
    );
    let (code, out, err) = cron(&shop, &["redeploy", "staging"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("its configuration changed"), "{out}");
    quiet();

    // The registry does not answer: one line, nothing changed.
    let defaults = std::fs::read_to_string(shop.project.folder().join("inventories/defaults.yml"))
        .expect("a file");
    let registry = format!("{}:5000", shop.fleet.address("registry"));
    shop.project.write(
        "inventories/defaults.yml",
        &defaults.replace(&registry, "127.0.0.1:9"),
    );
    let (code, out, err) = cron(&shop, &["redeploy", "staging"]);
    assert_eq!(
        (code, out.as_str(), err.lines().count()),
        (7, "", 1),
        "{err}"
    );
    shop.assert_serving(FIRST);
}
