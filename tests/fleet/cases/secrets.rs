//! Secrets reach the container as files and are seen nowhere else; a new value is a new release.

use crate::support::shop::{FIRST, LBS, SECOND, Shop, WEBS};
use crate::support::tool::Answer;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// One canary per source; the third has lines, quotes and what shells and YAML would read as more.
const ENV: &str = "canary-env-5f1e7c";
const DOTENV: &str = "canary-dotenv-9b2d: #x";
const LINES: &str = "canary-line-one-77\n\"${HOME}\" 'q' {{ x }}: - &a canary-line-two-78\n";
/// What must be found nowhere.
const CANARIES: [&str; 4] = [
    ENV,
    "canary-dotenv-9b2d",
    "canary-line-one-77",
    "canary-line-two-78",
];
/// A value of [`ENV`]'s secret that comes later.
const ROTATED: &str = "canary-rotated-a1c4";

/// A project whose app has a secret from each source.
fn shop() -> Shop {
    let shop = Shop::empty();
    let file = shop
        .project
        .write("secrets.env", &format!("OTHER=x\nTOKEN='{DOTENV}'\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    shop.project.write("key.txt", LINES);
    let text =
        fs::read_to_string(shop.project.folder().join("inventories/defaults.yml")).expect("a file");
    let sources = "secrets:
  db: { env: DB_PASSWORD }
  token: { file: secrets.env, key: TOKEN }
  key: { command: [cat, key.txt] }
";
    shop.project
        .write("inventories/defaults.yml", &format!("{text}\n{sources}"));
    let name = "templates/app/docker-compose.yml.j2";
    let text = fs::read_to_string(shop.project.folder().join(name)).expect("a file");
    let asked = "    user: \"65534:65534\"
    secrets: [db, token]
    volumes: [{{ secret('key') ~ ':/etc/app.key:ro' }}]
secrets:
  db: { file: {{ secret('db') }} }
  token: { file: {{ secret('token') }} }
";
    shop.project.write(name, &format!("{text}{asked}"));
    shop
}

fn deploy(shop: &Shop, db: &str, args: &[&str]) -> Answer {
    shop.tool(args).env("DB_PASSWORD", db).run()
}

fn at(version: &str) -> String {
    format!("app@{version}")
}

/// Files on a host that hold a text, outside of /proc and /sys.
fn files_with(shop: &Shop, host: &str, text: &str) -> Vec<String> {
    let find = format!(
        "grep -rIlsF -e '{text}' --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / | sort; true"
    );
    shop.sh(host, &find).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs the fleet"]
fn secrets_reach_the_container_and_are_seen_nowhere_else() {
    let shop = shop();
    let sample = "setsid sh -c 'while [ ! -e /run/sampled ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \" \" >>/run/samples; echo >>/run/samples; sleep 0.02; done' >/dev/null 2>&1 </dev/null &";
    let hosts = || WEBS.into_iter().chain(LBS);
    for host in hosts() {
        shop.sh(host, &format!("rm -f /run/sampled /run/samples; {sample}"));
    }
    let wanted = at(FIRST);
    let answers = [
        deploy(&shop, ENV, &["staging", &wanted, "-vv"]),
        deploy(&shop, ENV, &["--json", "plan", "staging", &at(SECOND)]),
        deploy(&shop, ENV, &["render", "staging", &wanted]),
        deploy(&shop, ENV, &["staging", &at("1.0.3-31-bad0001"), "-vv"]),
        deploy(&shop, ENV, &["status", "staging"]),
    ];
    let samples: Vec<String> = hosts()
        .map(|host| {
            shop.sh(
                host,
                "touch /run/sampled; sleep 0.1; cat /run/samples; rm -f /run/samples",
            )
        })
        .collect();
    for (answer, code) in answers.iter().zip([0, 0, 0, 1, 0]) {
        answer.assert_code(code);
        for canary in CANARIES {
            answer.assert_silent_on(canary);
        }
    }
    for (host, seen) in hosts().zip(&samples) {
        assert!(
            seen.len() > 10_000,
            "{host} was sampled: {} bytes",
            seen.len()
        );
        for canary in CANARIES {
            assert!(
                !seen.contains(canary),
                "{canary} in a command line or environment on {host}"
            );
        }
    }
    // Byte for byte where the program reads it, as the user that it runs as.
    let read = "pid=$(docker inspect -f '{{.State.Pid}}' staging-app-blue-app-1) || exit
        for f in run/secrets/db run/secrets/token etc/app.key; do
          setpriv --reuid 65534 --regid 65534 --clear-groups cat \"/proc/$pid/root/$f\"; echo '|'
        done";
    let read = shop.sh("web1", read);
    assert_eq!(read, format!("{ENV}|\n{DOTENV}|\n{LINES}|\n"));
    // Only the files themselves, in directories that nobody else enters; none where nothing runs.
    for host in hosts() {
        for (canary, name) in CANARIES.into_iter().zip(["db", "token", "key", "key"]) {
            let files = files_with(&shop, host, canary);
            let expected = if host == "web1" || host == "web2" {
                1
            } else {
                0
            };
            assert_eq!(files.len(), expected, "{canary} on {host}: {files:?}");
            for file in files {
                assert!(
                    file.ends_with(&format!("/blue/secrets/{name}")),
                    "{host}: {file}"
                );
            }
        }
    }
    let modes = shop.sh(
        "web1",
        "cd /var/lib/deploy/staging/app/releases/*/blue && stat -c '%a %U' secrets secrets/*",
    );
    assert_eq!(modes, "2700 deploy\n444 deploy\n444 deploy\n444 deploy\n");
    let other = shop.sh("web1", "setpriv --reuid 65534 --regid 65534 --clear-groups cat /var/lib/deploy/staging/app/releases/*/blue/secrets/db 2>&1; true");
    assert!(
        other.contains("ermission denied") || other.contains("No such file"),
        "{other}"
    );
}

#[test]
#[ignore = "needs the fleet"]
fn a_new_value_is_a_new_release_and_old_values_do_not_stay() {
    let shop = shop();
    let wanted = at(FIRST);
    deploy(&shop, ENV, &["staging", &wanted]).assert_code(0);
    // The same values from another folder: nothing to change, whoever deploys.
    let again = deploy(&shop, ENV, &["plan", "staging", &wanted, "--exit-code"]);
    again.assert_code(0).assert_silent_on("secret db");
    let rotated = deploy(&shop, ROTATED, &["staging", &wanted]);
    rotated
        .assert_code(0)
        .assert_says(&["secret db: changed (hidden)", "blue → green"])
        .assert_silent_on("secret token")
        .assert_silent_on(ROTATED)
        .assert_silent_on(ENV);
    // The way back is hot with the value that it had.
    assert_eq!(files_with(&shop, "web1", ENV).len(), 1);
    assert_eq!(files_with(&shop, "web3", ROTATED).len(), 1);
    deploy(&shop, ROTATED, &["staging", &at(SECOND)]).assert_code(0);
    assert_eq!(
        files_with(&shop, "web1", ENV),
        [""; 0],
        "its release is gone from blue"
    );
    // An older version that runs nowhere any more is given what is true today.
    let back = deploy(&shop, ENV, &["plan", "staging", &at("1.0.0-20-0ddba11")]);
    back.assert_code(0)
        .assert_says(&["gets today's secrets, not those that it had"]);
    // A secret that cannot be fetched stops before any change and names its source.
    let before = shop.state();
    let missing = shop.run(&["staging", &wanted]);
    missing
        .assert_code(2)
        .assert_says(&["secret `db` cannot be fetched: the variable DB_PASSWORD is not set"]);
    assert_eq!(shop.state(), before);
}
