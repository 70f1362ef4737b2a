//! Hosts that are set up in odd ways, and secrets that must not be seen anywhere.

use crate::support::shop::{FIRST, LBS, SECOND, Shop, WEBS};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Host and what root does to it before the deploy: noise at login, another language, a closed umask, no programs in /tmp.
const ODD: &str = "cd /home/deploy
for f in .bashrc .profile .bash_profile .zshenv; do printf 'echo \"noise from %s\"; echo \"more noise\" >&2; cd /; export LANG=zh_CN.UTF-8 LC_ALL=zh_CN.UTF-8; umask 077; alias ls=false; set -o noclobber 2>/dev/null\\n' \"$f\" >\"$f\"; done
cp .bashrc .bashrc.old; cat .bashrc.old >.bashrc; chown -R deploy: .
mount -t tmpfs -o noexec,nosuid,mode=1777 tmpfs /tmp";

#[test]
#[ignore = "needs the fleet"]
fn noisy_shells_languages_umasks_and_noexec_do_not_matter() {
    let shop = Shop::empty();
    for host in WEBS.into_iter().chain(LBS) {
        shop.sh(host, ODD);
    }
    let heard = shop
        .fleet
        .script(&["ssh", "web1", "echo \"$LANG $(umask)\""]);
    assert!(
        heard.contains("noise from") && heard.contains("zh_CN.UTF-8 0077"),
        "the host is odd: {heard}"
    );
    shop.deploy(FIRST).assert_code(0);
    let load = shop.load(&["--floor", "500"]);
    shop.deploy(SECOND).assert_code(0);
    load.stop().assert_good();
    shop.assert_serving(SECOND);
    let status = shop.run(&["status", "staging"]);
    status
        .assert_code(0)
        .assert_says(&["→ green", SECOND])
        .assert_silent_on("noise");
    // Another member of the group can still read and write the record.
    let modes = shop.sh("web3", "find /var/lib/deploy/staging ! -group docker; find /var/lib/deploy/staging -type d ! -perm -2070");
    assert_eq!(modes, "");
    // `reset` forces off what is still mounted.
    for host in WEBS.into_iter().chain(LBS) {
        shop.sh(host, "umount -l /tmp");
    }
}

/// Words that must not be seen: one for each place where a secret can be.
const CANARIES: [&str; 5] = [
    "canary-environment-1f2e",
    "canary-registry-3d4c",
    "canary-option-5b6a",
    "canary-variable-7988",
    "canary-password-a7b6",
];

#[test]
#[ignore = "needs the fleet"]
fn secrets_are_in_no_output_and_in_no_command_line() {
    let shop = Shop::serving(FIRST);
    let [environment, registry, option, variable, password] = CANARIES;
    // Registry credentials, as docker login leaves them; an option for ssh; a variable that ends in the container.
    let auth = base64(&format!("{password}:{registry}"));
    let address = shop.fleet.address("registry");
    let config = format!(
        "{{\"auths\": {{\"registry:5000\": {{\"auth\": \"{auth}\"}}, \"{address}:5000\": {{\"auth\": \"{auth}\"}}}}}}"
    );
    let config = shop.project.write("docker/config.json", &config);
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("a mode");
    shop.project.edit(
        "inventories/staging.yml",
        "vars: { log_level: debug }",
        &format!("vars: {{ log_level: debug, token: {variable} }}"),
    );
    shop.project.edit(
        "inventories/defaults.yml",
        "become: false ",
        &format!("options: {{ SetEnv: \"TOKEN={option}\" }}\n  become: false "),
    );
    shop.project.edit(
        "templates/app/docker-compose.yml.j2",
        "      LOG_LEVEL:",
        "      TOKEN: {{ vars.token }}\n      LOG_LEVEL:",
    );

    // Every host writes down all command lines it sees while the deploy runs.
    let sample = "setsid sh -c 'while [ ! -e /run/sampled ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr \"\\0\" \" \" >>/run/samples; echo >>/run/samples; sleep 0.02; done' >/dev/null 2>&1 </dev/null &";
    let hosts = || WEBS.into_iter().chain(LBS);
    for host in hosts() {
        shop.sh(host, &format!("rm -f /run/sampled /run/samples; {sample}"));
    }
    let folder = config.parent().expect("a folder").display().to_string();
    let run = |args: &[&str]| {
        let tool = shop
            .tool(args)
            .env("MY_SECRET", environment)
            .env("DEPLOY_TOKEN", environment);
        tool.env("DOCKER_CONFIG", &folder)
            .env("REGISTRY_PASSWORD", environment)
            .run()
    };
    let deployed = run(&["staging", &format!("app@{SECOND}"), "-vv"]);
    let json = run(&["--json", "staging", &format!("app@{SECOND}")]);
    let status = run(&["status", "staging"]);
    let failed = run(&["staging", "app@1.0.3-31-bad0001"]);
    let samples: Vec<String> = hosts()
        .map(|host| {
            shop.sh(host, "touch /run/sampled");
            shop.sh(host, "cat /run/samples; rm -f /run/samples")
        })
        .collect();
    deployed.assert_code(0);
    json.assert_code(0);
    status.assert_code(0);
    failed.assert_code(1);
    for answer in [deployed, json, status, failed] {
        for canary in CANARIES.iter().copied().chain([auth.as_str()]) {
            answer.assert_silent_on(canary);
        }
    }
    for (host, seen) in hosts().zip(samples) {
        assert!(
            seen.len() > 10_000 && seen.contains("sshd"),
            "{host} was sampled: {} bytes",
            seen.len()
        );
        for canary in CANARIES.iter().copied().chain([auth.as_str()]) {
            let line = seen.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{canary} on {host}");
        }
    }
}

/// Base64 of a short text, as in docker's `config.json`.
fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            out.push(if at <= part.len() {
                LETTERS[index as usize] as char
            } else {
                '='
            });
        }
    }
    out
}
