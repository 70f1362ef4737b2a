//! A fleet that somebody started by hand is taken over: drafted, recorded as it runs, deployed to, gone back to.

use crate::support::shop::{FIRST, LBS, SECOND, SITE, Shop};
use std::time::{Duration, Instant};

/// As a script of a person's would have left it: containers that differ, and a server block of their own.
fn by_hand(shop: &Shop) {
    let image = format!("registry:5000/acme/app:{FIRST}");
    let start = |host: &str, more: &str| {
        let run = format!(
            "docker pull -q {image} >/dev/null && docker run -d --name app --restart always -p 8080:8080 \
             -v shop-data:/data -e APP_SLOT=hand -e APP_HOST={host} -e TOKEN='canary {{{{ 7 }}}}' {more} {image}"
        );
        shop.sh(host, &run);
    };
    start("web1", "--memory 128m --cpus 0.5");
    start("web2", "--memory 160m --cpus 0.5 -p 9090:9090");
    let conf = "upstream by_hand { server web1:8080; server web2:8080; keepalive 32; }
server {
    listen 80;
    server_name shop.example.com;
    set $app_upstream by_hand;
    include /etc/nginx/deploy/staging.app/*.inc;
    location / {
        proxy_pass http://$app_upstream;
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_set_header Host $http_host;
        proxy_connect_timeout 2s;
        proxy_request_buffering off;
    }
}
";
    for lb in LBS {
        let write =
            "printf %s \"$1\" >/etc/nginx/conf.d/shop.conf && nginx -t -q && nginx -s reload";
        shop.fleet.exec(lb, &["sh", "-c", write, "sh", conf]);
    }
    // A reload is not over when the command is.
    let served = || LBS.iter().all(|lb| shop.serves(lb, SITE).contains(FIRST));
    let end = Instant::now() + Duration::from_secs(10);
    while !served() {
        assert!(
            Instant::now() < end,
            "nginx does not serve what was started by hand"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    shop.project.edit(
        "inventories/defaults.yml",
        "edge: { backend: app, host: shop.example.com }",
        "edge: { backend: app, host: shop.example.com, server: own }",
    );
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn what_was_started_by_hand_is_adopted_and_deployed_to_without_a_failed_request() {
        let shop = Shop::empty();
        by_hand(&shop);
        let load = shop.load(&["--floor", "1000"]);
        let started = |host: &str| {
            let form = "{{.Id}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}}";
            shop.fleet
                .exec(host, &["docker", "inspect", "-f", form, "app"])
        };
        let before = [started("web1"), started("web2")];
        let state = shop.state();

        let draft = shop.run(&["adopt", "staging", "app"]);
        draft.assert_code(0).assert_says(&[
            "web2 app: memory limit 160.0 MiB, web1 has 128.0 MiB",
            "web2 app: ports 8080:8080 9090:9090, web1 has 8080:8080",
            "lb1 lb2: /etc/nginx/conf.d/shop.conf line 1: web1:8080",
            "blue: [web1, web2]",
            "green: [web3, web4]",
            "web2: { apps: { app: { limits: { memory: 160m, cpus: \"0.5\" } } } }",
            "image: registry:5000/acme/app",
            "- \"shop-data:/data\"",
            "\"TOKEN\": {{ vars[\"TOKEN\"] }}",
        ]);
        draft.assert_silent_on("canary");
        assert_eq!(shop.state(), state, "a draft changes nothing");

        let adopted = shop.run(&["adopt", "staging", "app", "--confirm"]);
        let number = format!("#0 (adopted) {FIRST}");
        adopted
            .assert_code(0)
            .assert_says(&[&number, "active blue web1 web2"]);
        assert_eq!(
            [started("web1"), started("web2")],
            before,
            "nobody touched them"
        );
        shop.run(&["status", "staging"])
            .assert_code(0)
            .assert_says(&[&number]);
        shop.run(&["drift", "staging"]).assert_code(0);
        // A second time there is nothing to adopt.
        let again = shop.run(&["adopt", "staging", "app", "--confirm"]);
        again.assert_code(4).assert_says(&["on record in blue"]);

        // The first switch reloads nginx, which closes idle connections: the plan says so. A client that
        // looks before it writes, or opens a new one, loses nothing.
        let all = load.stop();
        for mode in ["checking", "close"] {
            assert_eq!(all.failed_in(mode), 0, "{mode}: {}", all.json);
        }

        // From here on nobody loses anything.
        let load = shop.load(&["--floor", "1000"]);
        let deployed = shop.deploy(SECOND);
        deployed
            .assert_code(0)
            .assert_says(&["standby blue web1 web2", &number]);
        shop.assert_serving(SECOND);
        // The way back is them, as they run.
        shop.run(&["rollback", "staging", "app"]).assert_code(0);
        shop.assert_serving(FIRST);
        assert_eq!([started("web1"), started("web2")], before);
        shop.run(&["switch", "staging", "app"]).assert_code(0);

        // What fails in their place gives it back to them.
        shop.deploy("1.0.3-31-bad0001").assert_code(1);
        for (host, was) in ["web1", "web2"].iter().zip(&before) {
            let is = started(host);
            assert!(
                is.starts_with(&was[..64]) && is.trim().ends_with(" always"),
                "{is}"
            );
            shop.sh(host, "until [ \"$(docker inspect -f '{{.State.Health.Status}}' app)\" = healthy ]; do sleep 0.2; done");
        }
        shop.run(&["rollback", "staging", "app"]).assert_code(0);
        shop.assert_serving(FIRST);
        shop.run(&["switch", "staging", "app"]).assert_code(0);

        // What succeeds takes their place: they are stopped, not removed, and no reboot brings them back.
        shop.deploy("1.0.4-40-c0ffee0").assert_code(0);
        for host in ["web1", "web2"] {
            let form = "{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
            let is = shop
                .fleet
                .exec(host, &["docker", "inspect", "-f", form, "app"]);
            assert_eq!(is.trim(), "exited no", "{host}");
        }
        load.go_on(Duration::from_millis(500));
        let all = load.stop();
        all.assert_good();
        assert!(all.answered_by(FIRST) > 0 && all.answered_by(SECOND) > 0);
        // The value of a variable is in no file of the record.
        for host in ["web1", "lb1"] {
            let found = shop.sh(host, "grep -rl canary /var/lib/deploy || true");
            assert_eq!(found.trim(), "", "{host}");
        }
        assert!(shop.serves("lb1", SITE).contains("1.0.4"));
    }
}
