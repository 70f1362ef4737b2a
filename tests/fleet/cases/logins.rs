//! A registry that asks who one is: hosts pull with the login of the operator's machine, and keep nothing of it.

use crate::support::shop::{FIRST, Shop, WEBS};
use crate::support::tool::Tool;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The password, and `ops:` with it in base64, as it travels.
const PASSWORD: &str = "canary-registry-71c2f0";
const CODED: &str = "b3BzOmNhbmFyeS1yZWdpc3RyeS03MWMyZjA=";

/// The registry of the fleet once more, on a port of its own, with names and passwords.
struct Guarded {
    shop: Shop,
}

impl Guarded {
    fn start() -> Self {
        let guarded = Self {
            shop: Shop::empty(),
        };
        let shop = &guarded.shop;
        let serve = format!(
            "perl -e 'print \"ops:\", crypt(\"{PASSWORD}\", q($2y$04$abcdefghijklmnopqrstuu)), \"\\n\"' >/run/guarded.names
            REGISTRY_HTTP_ADDR=:5001 REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM=ops REGISTRY_AUTH_HTPASSWD_PATH=/run/guarded.names REGISTRY_LOG_LEVEL=error \
            setsid docker-registry serve /etc/fleet/registry.yml >/run/guarded.log 2>&1 </dev/null & echo $! >/run/guarded.pid
            for n in $(seq 50); do curl -s -o /dev/null http://127.0.0.1:5001/v2/ && exit; sleep 0.1; done; cat /run/guarded.log; exit 1"
        );
        shop.sh("registry", &serve);
        for host in WEBS {
            let taken = "sed -i.as-it-was 's/\"registry:5000\"/&, \"registry:5001\"/' /etc/docker/daemon.json; kill -HUP $(cat /run/fleet/dockerd.pid)
                docker images --format '{{.Repository}}:{{.Tag}}' registry:5001/acme/app | xargs -r docker rmi >/dev/null";
            shop.sh(host, taken);
        }
        let defaults = "inventories/defaults.yml";
        let address = shop.fleet.address("registry");
        shop.project
            .edit(defaults, "registry:5000/acme/app", "registry:5001/acme/app");
        let named = format!(
            "registries:\n  \"registry:5001\": {{ insecure: true, address: \"{address}:5001\", send_login: true }}\n"
        );
        shop.project.edit(defaults, "registries:\n", &named);
        let helper = format!(
            "#!/bin/sh\nread -r server; [ \"$1 $server\" = \"get registry:5001\" ] || exit 1\nprintf '{{\"Username\":\"ops\",\"Secret\":\"{PASSWORD}\"}}'\n"
        );
        let helper = shop.project.write("bin/docker-credential-fleet", &helper);
        std::fs::set_permissions(helper, std::fs::Permissions::from_mode(0o755)).expect("a mode");
        let helpers = r#"{"credHelpers": {"registry:5001": "fleet"}}"#;
        shop.project.write("docker/config.json", helpers);
        guarded
    }

    fn tool(&self, args: &[&str]) -> Tool {
        let folder = self.shop.project.folder();
        let path = std::env::var("PATH").expect("a PATH");
        let path = format!("{}:{path}", folder.join("bin").display());
        let config = folder.join("docker").display().to_string();
        let tool = self.shop.tool(args);
        tool.env("PATH", &path).env("DOCKER_CONFIG", &config)
    }

    /// What is left of logins on a host, and what lies in them.
    fn left(&self, host: &str) -> String {
        let look = "for d in /dev/shm/deploy-login.* /run/deploy-login.* /var/lib/deploy/deploy-login.*; do
            [ ! -d $d ] || { stat -c '%a %U' $d $d/*; grep -co '\"auth\"' $d/config.json; }; done";
        self.shop.sh(host, look)
    }

    fn until(&self, host: &str, wanted: &str) {
        let begun = Instant::now();
        while self.left(host) != wanted {
            let left = self.left(host);
            assert!(begun.elapsed() < Duration::from_secs(15), "{host}: {left}");
            sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let end = "kill -s CONT $(cat /run/guarded.pid); kill $(cat /run/guarded.pid); rm -f /run/guarded.*";
        self.shop.sh("registry", end);
        for host in WEBS {
            self.shop.sh(host, "mv /etc/docker/daemon.json.as-it-was /etc/docker/daemon.json; kill -HUP $(cat /run/fleet/dockerd.pid)");
        }
    }
}

#[test]
#[ignore = "needs the fleet"]
fn hosts_pull_with_the_login_of_the_operators_machine_and_keep_nothing_of_it() {
    let guarded = Guarded::start();
    let shop = &guarded.shop;
    let wanted = format!("app@{FIRST}");
    // Without it they cannot.
    let defaults = "inventories/defaults.yml";
    shop.project
        .edit(defaults, "send_login: true", "send_login: false");
    let refused = guarded
        .tool(&["pull", "staging", &wanted, "--host", "web1"])
        .run();
    refused.assert_code(1).assert_says(&[
        "web1: registry:5001/acme/app",
        "was not fetched",
        "auth",
    ]);
    shop.project
        .edit(defaults, "send_login: false", "send_login: true");

    let sample = "rm -f /run/sampled /run/samples; setsid sh -c 'while [ ! -e /run/sampled ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr \"\\0\" \" \" >>/run/samples; echo >>/run/samples; sleep 0.02; done' >/dev/null 2>&1 </dev/null &";
    let looked = ["web1", "web3"];
    for host in looked {
        shop.sh(host, sample);
    }
    // By a step of a run, and by a pull outside of one.
    let answers = [
        guarded
            .tool(&["pull", "staging", &wanted, "--host", "web3", "-vv"])
            .run(),
        guarded.tool(&["staging", &wanted, "-vv"]).run(),
        guarded.tool(&["--json", "show", "staging"]).run(),
    ];
    answers[0]
        .assert_code(0)
        .assert_says(&["web3: registry:5001/acme/app"]);
    answers[1].assert_code(0).assert_says(&["web1 pulled"]);
    shop.assert_serving(FIRST);
    for answer in answers.iter().chain([&refused]) {
        answer.assert_silent_on(PASSWORD).assert_silent_on(CODED);
    }
    for host in looked {
        let seen = shop.sh(
            host,
            "touch /run/sampled; sleep 0.1; cat /run/samples; rm -f /run/samples",
        );
        assert!(seen.len() > 10_000, "{host} was sampled: {}", seen.len());
        let files = format!(
            "grep -rIlsF -e '{PASSWORD}' -e '{CODED}' --exclude-dir=proc --exclude-dir=sys / | sort; ls -A /dev/shm; true"
        );
        assert_eq!(shop.sh(host, &files), "", "files on {host}");
        assert!(!seen.contains(PASSWORD) && !seen.contains(CODED), "{host}");
    }
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_login_goes_when_its_pull_is_ended_and_with_the_next_one_when_it_was_killed() {
        let guarded = Guarded::start();
        let shop = &guarded.shop;
        let wanted = format!("app@{FIRST}");
        // While it lies there it is one login's alone.
        let held = "700 deploy\n600 deploy\n1\n";
        let fetch = ["pull", "staging", &wanted, "--host", "web2"];
        let stopped = "docker images -q | sort -u | xargs -r docker rmi -f >/dev/null
            for n in $(seq 1000); do kill -s STOP $(pgrep -f '^docker pull') 2>/dev/null && exit; sleep 0.01; done; exit 1";
        let child = guarded.tool(&fetch).start();
        shop.sh("web2", stopped);
        assert_eq!(guarded.left("web2"), held);
        end(child.id(), "TERM");
        guarded.until("web2", "");
        shop.sh("web2", "kill -s KILL $(pgrep -f '^docker pull')");
        drop(child.wait_with_output());

        let child = guarded.tool(&fetch).start();
        shop.sh("web2", stopped);
        // All of it at once, the script first: nothing of it gets to clean up.
        let kill = "d=$(echo /dev/shm/deploy-login.*); d=${d#*login.}; own=${d%%.*} all=; p=$(pgrep -f '^docker pull')
            while all=\"$p $all\"; [ \"$p\" != \"$own\" ]; do p=$(ps -o ppid= -p $p | tr -d ' '); [ $p -gt 1 ] || exit 1; done; kill -s KILL $all";
        shop.sh("web2", kill);
        drop(child.wait_with_output());
        assert_eq!(guarded.left("web2"), held);
        guarded.tool(&fetch).run().assert_code(0);
        assert_eq!(guarded.left("web2"), "");
    }
}

/// Sends a signal to a process of ours.
fn end(pid: u32, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(sent.expect("kill starts").success());
}
