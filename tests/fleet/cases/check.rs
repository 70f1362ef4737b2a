//! `deploy check` finds all that is wrong on files, hosts and load balancers in one run, and changes nothing. To add one: break
//! something more in `all_that_is_wrong_comes_in_one_run`, and take it back there.

use crate::support::shop::{FIRST, SECOND, Shop};

#[test]
#[ignore = "needs the fleet"]
fn all_that_is_wrong_comes_in_one_run() {
    let shop = Shop::serving(FIRST);
    let before = shop.state();
    for args in [
        &["check", "staging"][..],
        &["check", "staging", &format!("app@{SECOND}")],
    ] {
        let answer = shop.run(args);
        answer.assert_code(0).assert_says(&[
            "web1 web2 web3 web4: docker ",
            "6 machines of app, compose's own judgement of app",
        ]);
        assert!(!answer.said().contains("error"), "{}", answer.said());
    }
    shop.run(&["check", "staging", "app@9.9.9-1-abcdef0"])
        .assert_code(2)
        .assert_says(&["has no tag 9.9.9-1-abcdef0", "hint: it has "]);

    let nginx = "/etc/nginx/nginx.conf";
    shop.sh(
        "lb1",
        &format!("sed -i.bak 's|^ *include /etc/nginx/deploy|#&|' {nginx}"),
    );
    shop.sh("web2", "mv /usr/bin/flock /usr/bin/flock.away");
    shop.sh(
        "web4",
        "chown root:root /var/lib/deploy; chmod 700 /var/lib/deploy",
    );
    let template = "templates/app/docker-compose.yml.j2";
    // Newer than the compose of the hosts.
    shop.project.edit(
        template,
        "services:\n",
        "models:\n  m: { model: x }\nservices:\n",
    );
    let answer = shop.run(&["check", "staging"]);
    let nowhere = ("lb[1:2]:", "gone: { address: 10.213.0.99 }\n  lb[1:2]:");
    shop.project
        .edit("inventories/staging.yml", nowhere.0, nowhere.1);
    shop.project.edit(
        "inventories/staging.yml",
        "[web3, web4]",
        "[web3, web4, gone]",
    );
    let silent = shop.run(&["check", "staging", "--json"]);
    shop.sh("lb1", &format!("mv {nginx}.bak {nginx}"));
    shop.sh("web2", "mv /usr/bin/flock.away /usr/bin/flock");
    shop.sh(
        "web4",
        "chgrp docker /var/lib/deploy; chmod 2770 /var/lib/deploy",
    );

    answer.assert_code(2).assert_says(&[
        "error: web4: /var/lib/deploy cannot be written by this user",
        "error: lb1: nginx's configuration does not include the files of deploy",
        "error: web2: flock is not there",
        "error: web1 web2 web3 web4: docker compose 2.",
        "models is not allowed",
    ]);
    // The last line says how it ended.
    let last = silent.stdout.lines().last().expect("a line");
    let end: serde_json::Value = serde_json::from_str(last).expect("an object");
    assert_eq!(
        (&end["event"], &end["code"]),
        (&"checked".into(), &2.into())
    );
    silent.assert_says(&[
        "\"check\":\"reach\"",
        "\"hosts\":[\"gone\"]",
        "\"unknown\":true",
    ]);
    assert_eq!(shop.state(), before, "a check changed something");
    assert_eq!(
        shop.sh("web1", "ls -d /tmp/deploy-check.* 2>/dev/null | wc -l")
            .trim(),
        "0"
    );
}
