//! What is refused before any change: nothing is touched, the old release serves on, and the message names what, where,
//! why, and what to do. All cases share one fleet and one load. To add one: a `case` that breaks something, and takes it back.

use crate::support::load::Load;
use crate::support::shop::{Cases, FIRST, SECOND, Shop};
use crate::support::tool::Answer;
use std::fs;
use std::time::{Duration, Instant};

const DEFAULTS: &str = "inventories/defaults.yml";
const STAGING: &str = "inventories/staging.yml";
const TEMPLATE: &str = "templates/app/docker-compose.yml.j2";

/// Runs a deploy of `version` that must end with `code` and these words, and change nothing.
fn refuse(shop: &Shop, deploy: impl FnOnce() -> Answer, code: i32, words: &[&str]) {
    let before = shop.state();
    let answer = deploy();
    answer.assert_code(code).assert_says(words);
    let after = shop.state();
    assert_eq!(
        after,
        before,
        "changed, although it said: {}",
        answer.said()
    );
    shop.assert_serving(FIRST);
}

/// The same with one place of a file changed.
fn refuse_file(shop: &Shop, file: &str, edit: (&str, &str), code: i32, words: &[&str]) {
    shop.project.edit(file, edit.0, edit.1);
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        refuse(shop, || shop.deploy(SECOND), code, words);
    }));
    shop.project.edit(file, edit.1, edit.0);
    if let Err(panic) = end {
        std::panic::resume_unwind(panic);
    }
}

/// A host's answer to ssh is changed by a script and taken back by another.
fn refuse_host(shop: &Shop, host: &str, scripts: (&str, &str), code: i32, words: &[&str]) {
    shop.sh(host, scripts.0);
    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        refuse(shop, || shop.deploy(SECOND), code, words);
    }));
    shop.sh(host, scripts.1);
    if let Err(panic) = end {
        std::panic::resume_unwind(panic);
    }
}

#[test]
#[ignore = "needs the fleet"]
fn what_is_wrong_before_is_named_and_nothing_is_touched() {
    let shop = Shop::serving(FIRST);
    let load = shop.load(&["--floor", "1000"]);
    let mut cases = Cases::default();
    configuration(&shop, &mut cases);
    hosts(&shop, &mut cases);
    balancers(&shop, &mut cases);
    ended(load);
    cases.assert_all();
}

fn ended(load: Load) {
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

fn configuration(shop: &Shop, cases: &mut Cases) {
    cases.case("a tag that the registry does not have", || {
        refuse(
            shop,
            || shop.deploy("9.9.9-1-0000000"),
            2,
            &["9.9.9-1-0000000", "acme/app", "hint:"],
        );
    });
    cases.case("an undefined variable in a template", || {
        let edit = (
            "LOG_LEVEL: {{ vars.log_level | default('info') }}",
            "LOG_LEVEL: {{ vars.log_levle }}",
        );
        refuse_file(
            shop,
            TEMPLATE,
            edit,
            2,
            &["docker-compose.yml.j2:18:21", "log_levle"],
        );
    });
    cases.case("a host that no list names", || {
        refuse_file(
            shop,
            STAGING,
            ("[web3, web4]", "[web3, web7]"),
            2,
            &["web7", "staging.yml:10:17"],
        );
    });
    cases.case("a host whose name nobody knows", || {
        let edit = (
            "address: \"{name}\", serve",
            "address: \"{name}.nowhere.test\", serve",
        );
        refuse_file(shop, STAGING, edit, 7, &["web3", "nowhere.test"]);
    });
    cases.case("an environment that has no file", || {
        let deploy = || shop.run(&["stagign", &format!("app@{SECOND}")]);
        refuse(shop, deploy, 2, &["stagign", "staging"]);
    });
    cases.case("a registry that does not answer", || {
        let edit = (
            format!("{}:5000", shop.fleet.address("registry")),
            format!("{}:5999", shop.fleet.address("registry")),
        );
        refuse_file(shop, DEFAULTS, (&edit.0, &edit.1), 7, &["registry:5000"]);
    });
}

fn hosts(shop: &Shop, cases: &mut Cases) {
    cases.case("a host that does not answer", || {
        shop.fleet.fault("cut", &["web3"]);
        let before = Instant::now();
        let answer = shop.deploy(SECOND);
        let took = before.elapsed();
        shop.fleet.fault("heal", &["web3"]);
        answer.assert_code(7).assert_says(&["web3"]);
        assert!(took < Duration::from_secs(40), "{took:?}");
        shop.assert_serving(FIRST);
    });
    cases.case("a host without compose v2", || {
        let folder = "/home/deploy/.docker/cli-plugins";
        let hide = format!("mkdir -p {folder} && printf '#!/bin/sh\\nexit 1\\n' >{folder}/docker-compose && chmod 755 {folder}/docker-compose && chown -R deploy /home/deploy/.docker");
        refuse_host(shop, "web3", (&hide, "rm -rf /home/deploy/.docker"), 4, &["web3", "compose", "hint:"]);
    });
    cases.case("a refused key", || {
        let file = "/home/deploy/.ssh/authorized_keys";
        refuse_host(
            shop,
            "web3",
            (
                &format!("mv {file} {file}.away"),
                &format!("mv {file}.away {file}"),
            ),
            7,
            &["web3", "key", "hint:"],
        );
    });
    cases.case("a changed host key", || changed_host_key(shop));
    cases.case("a port that somebody else's container holds", || {
        shop.fleet
            .fault("foreign", &["web3", "8080", "legacy-shop"]);
        let before = shop.state();
        let answer = shop.deploy(SECOND);
        assert_eq!(shop.state(), before);
        shop.sh("web3", "docker rm -f legacy-shop");
        answer.assert_code(4).assert_says(&[
            "web3",
            "8080",
            "legacy-shop",
            "acme/web:2.0.0-7-1a2b3c4",
            "hint:",
        ]);
    });
    cases.case("a full disk", || {
        shop.fleet.fault("fill-disk", &["web3"]);
        let answer = shop.deploy(SECOND);
        shop.fleet.fault("free-disk", &["web3"]);
        answer
            .assert_code(4)
            .assert_says(&["web3", "disk", "hint:"]);
        shop.assert_serving(FIRST);
    });
    cases.case("a second deploy meanwhile", || second_deploy(shop));
}

/// The key that the operator's machine knows is another one.
fn changed_host_key(shop: &Shop) {
    let state = shop.fleet.ssh_config();
    let state = state.parent().expect("a folder");
    let known = fs::read_to_string(state.join("known_hosts")).expect("known hosts");
    let key = |host: &str| {
        let line = known
            .lines()
            .find(|line| line.split([' ', ',']).any(|word| word == host));
        line.unwrap_or_else(|| panic!("no {host} in {known}"))
            .split_once(' ')
            .expect("a key")
            .1
    };
    let swapped = known.replace(key("web3"), key("web4"));
    let file = shop.project.write("known_hosts", &swapped);
    let config = fs::read_to_string(shop.fleet.ssh_config()).expect("a configuration");
    let own = config.replace(
        &state.join("known_hosts").display().to_string(),
        &file.display().to_string(),
    );
    assert_ne!(own, config, "the configuration names its known hosts");
    let config = shop.project.write("ssh_config", &own);
    let deploy = || {
        let tool = shop.tool(&["staging", &format!("app@{SECOND}")]);
        tool.env("DEPLOY_SSH_CONFIG", &config.display().to_string())
            .run()
    };
    refuse(shop, deploy, 7, &["web3", "host key", "hint:"]);
}

/// The second one names the run that has the claim, and the first one goes on.
fn second_deploy(shop: &Shop) {
    let begun = Instant::now();
    let first = shop
        .tool(&[
            "stage",
            "staging",
            &format!("app@{SECOND}"),
            "--message",
            "the first",
        ])
        .start();
    while !shop
        .sh(
            "lb1",
            "ls /var/lib/deploy/staging/app/claim 2>/dev/null || true",
        )
        .contains("claim")
    {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the first run claims nothing"
        );
    }
    std::thread::sleep(Duration::from_millis(500));
    let second = shop.deploy(SECOND);
    let first = Answer::of_child(first, begun);
    first.assert_code(0).assert_says(&["staged"]);
    second.assert_code(4).assert_says(&["run r-", "@"]);
    let run = first
        .said()
        .split("deploy show ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .expect("a run")
        .to_owned();
    second.assert_says(&[&run]);
    shop.assert_serving(FIRST);
}

fn balancers(shop: &Shop, cases: &mut Cases) {
    cases.case(
        "a load balancer whose configuration was broken before",
        || {
            let file = "/etc/nginx/deploy/zz-by-hand.conf";
            refuse_host(
                shop,
                "lb2",
                (
                    &format!("echo 'nonsense on;' >{file}"),
                    &format!("rm {file}"),
                ),
                4,
                &["lb2", "nonsense", "hint:"],
            );
        },
    );
    cases.case("load balancers that disagree", || {
        // Standby is up and fit from the case before; somebody moves one load balancer there by hand.
        shop.run(&["stage", "staging", &format!("app@{SECOND}")])
            .assert_code(0);
        let entry = "/etc/nginx/deploy/staging.app/current";
        shop.sh(
            "lb2",
            &format!("cd {entry}/ && mv active.blue active.green"),
        );
        let answer = shop.deploy(SECOND);
        answer.assert_code(4).assert_says(&[
            "lb2",
            "active.green",
            "its files say blue, but it sends to green",
            "deploy switch staging app --to",
        ]);
        shop.run(&["status", "staging"])
            .assert_says(&["lb1", "lb2"]);
        shop.run(&["switch", "staging", "app", "--to", "blue"])
            .assert_code(0);
        shop.assert_serving(FIRST);
    });
}
