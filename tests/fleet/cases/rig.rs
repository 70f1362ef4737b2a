//! Is the rig itself fit to judge by? What is right fails nothing, what is wrong is counted, and a reset takes all back.
//! These cases switch by hand, without the tool: an operator's flag file in nginx, read for every request.

use crate::support::Fleet;
use crate::support::load::{Load, Summary};
use std::thread;
use std::time::Duration;

const OLD: &str = "1.0.1-22-7e56158";
const NEW: &str = "1.0.2-30-abc1234";
const EXPECT_NEW: [&str; 6] = [
    "--expect-release",
    NEW,
    "--expect-members",
    "web3,web4",
    "--floor",
    "2000",
];

/// Both slots up, both load balancers on blue.
fn two_slots(fleet: &Fleet) {
    thread::scope(|scope| {
        for (host, slot, release) in [
            ("web1", "blue", OLD),
            ("web2", "blue", OLD),
            ("web3", "green", NEW),
            ("web4", "green", NEW),
        ] {
            scope.spawn(move || start(fleet, host, slot, release));
        }
    });
    let members = |hosts: [&str; 2]| {
        hosts
            .map(|host| format!("server {}:8080;", fleet.address(host)))
            .join(" ")
    };
    let (blue, green) = (members(["web1", "web2"]), members(["web3", "web4"]));
    let text = format!(
        "upstream app_blue {{ {blue} keepalive 32; }}
upstream app_green {{ {green} keepalive 32; }}
server {{
    listen 80;
    server_name app.test;
    set $slot blue;
    if (-f /etc/nginx/deploy/green) {{ set $slot green; }}
    location / {{
        proxy_http_version 1.1;
        proxy_set_header Connection \"\";
        proxy_set_header Host $host;
        proxy_pass http://app_$slot;
    }}
}}
"
    );
    for lb in ["lb1", "lb2"] {
        fleet.exec(
            lb,
            &[
                "sh",
                "-c",
                "printf %s \"$1\" >/etc/nginx/deploy/app.conf && nginx -s reload",
                "sh",
                &text,
            ],
        );
    }
    thread::sleep(Duration::from_secs(2));
}

fn start(fleet: &Fleet, host: &str, slot: &str, release: &str) {
    let (slot, name) = (format!("APP_SLOT={slot}"), format!("APP_HOST={host}"));
    let image = format!("registry:5000/acme/app:{release}");
    let options = [
        "--restart",
        "always",
        "-m",
        "64m",
        "-p",
        "8080:8080",
        "-e",
        &slot,
        "-e",
        &name,
    ];
    fleet.exec(
        host,
        &[
            &["docker", "run", "-d", "--name", "app"][..],
            &options,
            &[&image],
        ]
        .concat(),
    );
}

fn on_both(fleet: &Fleet, hosts: [&str; 2], command: &[&str]) {
    thread::scope(|scope| {
        for host in hosts {
            scope.spawn(move || fleet.exec(host, command));
        }
    });
}

/// Switch under load, wait, stop the old slot.
fn switch_and_stop_after(drain: Duration) -> Summary {
    let fleet = Fleet::take();
    two_slots(&fleet);
    let load = Load::start(&fleet, "app.test", &EXPECT_NEW);
    load.go_on(Duration::from_secs(5));
    on_both(
        &fleet,
        ["lb1", "lb2"],
        &["touch", "/etc/nginx/deploy/green"],
    );
    load.go_on(drain);
    on_both(&fleet, ["web1", "web2"], &["docker", "stop", "app"]);
    load.go_on(Duration::from_secs(2));
    load.stop()
}

#[test]
#[ignore = "needs the fleet"]
fn a_switch_with_drain_fails_no_request() {
    let summary = switch_and_stop_after(Duration::from_millis(5500));
    summary.assert_good();
    assert!(
        summary.answered_by(OLD) > 400 && summary.answered_by(NEW) > 400,
        "{}",
        summary.json
    );
}

#[test]
#[ignore = "needs the fleet"]
fn a_switch_without_drain_fails_requests_in_every_mode() {
    let summary = switch_and_stop_after(Duration::from_millis(200));
    assert!(!summary.good);
    for mode in ["naive", "checking", "close"] {
        assert!(
            summary.failed_in(mode) > 5,
            "{mode}: {}",
            summary.json["modes"]
        );
    }
}

#[test]
#[ignore = "needs the fleet"]
fn a_reset_takes_everything_back() {
    let fleet = Fleet::take();
    fleet.fault("foreign", &["web1", "8080"]);
    fleet.exec("web1", &["sh", "-c", "touch /var/lib/deploy/x /home/deploy/x /tmp/x; iptables -A INPUT -p tcp --dport 81 -j DROP"]);
    fleet.exec(
        "lb1",
        &[
            "sh",
            "-c",
            "echo broken >/etc/nginx/deploy/x.conf; echo broken >>/etc/nginx/nginx.conf",
        ],
    );
    fleet.fault("fill-disk", &["web2"]);
    fleet.fault("kill-docker", &["web3"]);
    fleet.fault("pause", &["web4"]);
    fleet.fault("cut", &["lb2"]);
    drop(fleet);

    let fleet = Fleet::take();
    assert_eq!(fleet.containers("web1", "{{.Names}}"), Vec::<String>::new());
    let left = fleet.exec(
        "web1",
        &[
            "sh",
            "-c",
            "ls -A /var/lib/deploy /tmp; ls /home/deploy; iptables -S INPUT",
        ],
    );
    assert_eq!(left, "/tmp:\n\n/var/lib/deploy:\n-P INPUT ACCEPT\n");
    assert_eq!(
        fleet.exec(
            "lb1",
            &[
                "sh",
                "-c",
                "nginx -t 2>&1 | grep -c successful; ls -A /etc/nginx/deploy"
            ]
        ),
        "1\n"
    );
    let free: u64 = fleet
        .exec("web2", &["df", "--output=pcent", "/var/lib/deploy"])
        .lines()
        .nth(1)
        .and_then(|line| line.trim().trim_end_matches('%').parse().ok())
        .expect("a percentage");
    assert!(free < 20, "disk of web2 {free} % full");
    for host in ["web1", "web2", "web3", "web4", "lb1", "lb2"] {
        let answer = fleet.script(&["ssh", host, "id -un"]);
        assert_eq!(answer, "deploy\n", "{host}");
    }
    assert_eq!(fleet.sessions("web3"), 1);
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn reloads_of_nginx_fail_requests_of_naive_clients_only() {
        let fleet = Fleet::take();
        two_slots(&fleet);
        let load = Load::start(&fleet, "app.test", &["--slow-ms", "1000"]);
        for _ in 0..5 {
            on_both(&fleet, ["lb1", "lb2"], &["nginx", "-s", "reload"]);
            load.go_on(Duration::from_secs(1));
        }
        let summary = load.stop();
        assert!(summary.failed_in("naive") > 5, "{}", summary.json["modes"]);
        assert_eq!(summary.failed_in("close"), 0, "{}", summary.json["modes"]);
    }
}
