//! `plan` tells the truth: what it shows is what `apply` does, and nothing else; what moved since is said.

use crate::support::shop::{FIRST, LBS, SECOND, Shop, WEBS};

/// Writes down what the engine does with containers, health checks left out.
const EVENTS: &str = "setsid sh -c 'exec docker events --filter type=container --format \"{{.Action}} {{.Actor.Attributes.name}}\" >/run/events' >/dev/null 2>&1 </dev/null & echo $! >/run/events.pid";
const EVENTS_END: &str = "kill \"$(cat /run/events.pid)\"; grep -v -e ^exec_ -e ^health_status /run/events; rm -f /run/events /run/events.pid; true";

/// What must stay as it is on a host that the plan does not name: containers whole but for the log of their health checks,
/// files of the app.
const BEFORE_AND_AFTER: &str = "docker ps -aq --filter label=deploy.slot=blue | xargs -r docker inspect --format \
    '{{.Id}} {{.Created}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}} {{json .Config}} {{json .HostConfig}} {{json .NetworkSettings}} {{json .Mounts}}'
cd /var/lib/deploy/staging/app && find releases slots -type f -exec sha256sum {} + | sort";

/// Files of a load balancer.
const LB_FILES: &str = "cd /etc/nginx && find . -type f -exec sha256sum {} + | sort -k2";

fn at(version: &str) -> String {
    format!("app@{version}")
}

#[test]
#[ignore = "needs the fleet"]
fn apply_does_what_plan_has_shown_and_nothing_else() {
    let shop = Shop::serving(FIRST);
    let second = at(SECOND);
    let file = shop.project.folder().join("plan.json");
    let file = file.to_str().expect("a path");
    for host in ["web3", "web4"] {
        shop.sh(host, "docker image ls -aq | xargs -r docker image rm -f");
    }
    let lbs = LBS.map(|lb| shop.sh(lb, LB_FILES));
    let state = shop.state();
    let planned = shop.run(&["plan", "staging", &second, "--out", file]);
    planned.assert_code(0).assert_says(&[
        "changes against blue, which serves #1 1.0.1-22-7e56158",
        "image of app: registry:5000/acme/app:1.0.1-22-7e56158@sha256:",
        "→ registry:5000/acme/app:1.0.2-30-abc1234@sha256:",
        "web1 web2: docker-compose.yml\n",
        "-    image: \"registry:5000/acme/app:1.0.1-22-7e56158\"",
        "+    image: \"registry:5000/acme/app:1.0.2-30-abc1234\"",
        "containers\n  web3 web4: green: new containers (no container of app)",
        "load balancers\n  lb1 lb2: blue → green",
        "to fetch\n  web3 web4: ",
        "as wanted already\n  web1 web2: blue: 1 container of #1 1.0.1-22-7e56158",
    ]);
    assert!(
        !planned.stdout.contains("to fetch\n  web3 web4: not known"),
        "{}",
        planned.stdout
    );
    // Looking changes nothing.
    assert_eq!(shop.state(), state);
    assert_eq!(LBS.map(|lb| shop.sh(lb, LB_FILES)), lbs);

    for host in WEBS {
        shop.sh(host, EVENTS);
    }
    let kept = ["web1", "web2"].map(|h| shop.sh(h, BEFORE_AND_AFTER));
    let load = shop.load(&["--floor", "500"]);
    shop.run(&["apply", file]).assert_code(0);
    load.stop().assert_good();
    shop.assert_serving(SECOND);
    let events = WEBS.map(|h| shop.sh(h, EVENTS_END));
    assert_eq!(["web1", "web2"].map(|h| shop.sh(h, BEFORE_AND_AFTER)), kept);
    for (host, events) in WEBS.into_iter().zip(&events) {
        let named = host == "web3" || host == "web4";
        assert_eq!(!events.trim().is_empty(), named, "{host}: {events}");
        assert!(
            events
                .lines()
                .all(|l| l.ends_with(" staging-app-green-app-1")),
            "{host}: {events}"
        );
    }

    // What was applied is not applied again; a second plan is empty.
    let again = shop.run(&["apply", file]);
    again.assert_code(4).assert_says(&[
        "the fleet changed since the plan was made",
        "deploy plan staging app@",
    ]);
    let empty = shop.run(&["plan", "staging", &second, "--exit-code"]);
    empty.assert_code(0).assert_says(&[
        "web3 web4: the files of green",
        "load balancers send to green",
    ]);
    // A container touched by hand shows.
    shop.sh(
        "web3",
        "docker update --memory 300m --memory-swap 600m staging-app-green-app-1",
    );
    let touched = shop.run(&["plan", "staging", &second, "--exit-code"]);
    touched.assert_code(3).assert_says(&[
        "web3: green: staging-app-green-app-1 replaced (app memory limit is 300.0 MiB, wanted 256.0 MiB)",
    ]);
}

#[test]
#[ignore = "needs the fleet"]
fn a_plan_is_not_applied_where_the_world_has_moved() {
    let shop = Shop::serving(FIRST);
    let second = at(SECOND);
    let file = shop.project.folder().join("plan.json");
    let file = file.to_str().expect("a path");
    shop.run(&["plan", "staging", &second, "--out", file])
        .assert_code(0);
    let state = shop.state();
    // A template.
    let name = "templates/app/docker-compose.yml.j2";
    shop.project
        .edit(name, "LOG_LEVEL:", "MORE: x\n      LOG_LEVEL:");
    let moved = shop.run(&["apply", file]);
    moved.assert_code(4).assert_says(&[
        "the configuration changed since the plan was made",
        "file web3 green docker-compose.yml: changed",
    ]);
    shop.project
        .edit(name, "MORE: x\n      LOG_LEVEL:", "LOG_LEVEL:");
    assert_eq!(shop.state(), state);
    // A container of the active slot that somebody made again.
    shop.sh("web1", "docker restart -t 0 staging-app-blue-app-1; docker update --restart no staging-app-blue-app-1");
    let moved = shop.run(&["apply", file]);
    moved.assert_code(4).assert_says(&[
        "the fleet changed since the plan was made",
        "- web1: container staging-app-blue-app-1",
        "+ web1: container staging-app-blue-app-1",
        "restart no",
    ]);
    shop.assert_serving(FIRST);
    // Not a plan, and values of its own.
    shop.run(&["apply", name])
        .assert_code(2)
        .assert_says(&["is no plan of this version"]);
    shop.run(&["apply", file, "--set", "apps.app.vars.log_level=info"])
        .assert_code(2)
        .assert_says(&["a plan has its own values of --set"]);
}
