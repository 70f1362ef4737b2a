//! How often a host is spoken to in one deploy: counted on the host, not in what the tool says. Sessions by its sshd's log,
//! scripts (of which a session takes one after the other) by a shell in the place of `sh` that writes down each bootstrap.

use crate::support::shop::{FIRST, SECOND, Shop};

/// The longest chain of SSH commands of which each began after the one before had ended.
fn in_sequence(log: &str) -> usize {
    // `Starting session: command for deploy from A port P id N` … `Close session: user deploy from A port P id N`
    let mut ends = 0;
    let mut depth_of = std::collections::BTreeMap::new();
    for line in log.lines() {
        let key = || {
            line.split_once(" from ")
                .map(|(_, rest)| rest.to_owned())
                .unwrap_or_default()
        };
        if line.starts_with("Starting session: command") {
            depth_of.insert(key(), ends + 1);
        } else if line.starts_with("Close session:") {
            ends = ends.max(depth_of.remove(&key()).unwrap_or(0));
        }
    }
    depth_of.into_values().chain([ends]).max().unwrap_or(0)
}

#[test]
fn commands_side_by_side_count_once() {
    let log = |lines: &[&str]| {
        let line = |l: &&str| match l.split_at(1) {
            ("+", id) => {
                format!("Starting session: command for deploy from 10.0.0.1 port 4 id {id}\n")
            }
            (_, id) => format!("Close session: user deploy from 10.0.0.1 port 4 id {id}\n"),
        };
        lines.iter().map(line).collect::<String>()
    };
    assert_eq!(in_sequence(&log(&["+0", "-0", "+0", "-0", "+0", "-0"])), 3);
    assert_eq!(in_sequence(&log(&["+0", "+1", "-0", "+0", "-0", "-1"])), 2);
    assert_eq!(
        in_sequence(&log(&["+0", "-0", "+0", "+1", "-1", "-0", "+0", "-0"])),
        3
    );
    assert_eq!(in_sequence(""), 0);
}

/// Writes a line for each script of ours that begins, then is the shell that was asked for.
const COUNTING: &str = r#"#!/bin/sh
case ${2-} in *'read -r wire_form'*) echo script >>/var/log/fleet/scripts ;; esac
exec /bin/sh "$@"
"#;

#[test]
#[ignore = "needs the fleet"]
fn six_scripts_in_sequence_are_enough() {
    let shop = Shop::empty();
    shop.project
        .edit("inventories/staging.yml", "bake: 3s", "bake: 0s");
    shop.deploy(FIRST).assert_code(0);
    let hosts = ["web1", "web2", "web3", "web4", "lb1", "lb2"];
    for host in hosts {
        shop.sh(host, ": >/var/log/fleet/sshd.log; : >/var/log/fleet/scripts; chmod 666 /var/log/fleet/scripts");
        shop.sh(
            host,
            &format!("cat >/usr/local/bin/sh <<'X'\n{COUNTING}X\nchmod 755 /usr/local/bin/sh"),
        );
    }
    let answer = shop.deploy(SECOND);
    let mut counts = Vec::new();
    for host in hosts {
        let log = shop.sh(host, "rm -f /usr/local/bin/sh; cat /var/log/fleet/sshd.log");
        let scripts = shop.sh(host, "cat /var/log/fleet/scripts").lines().count();
        println!(
            "{host}: {scripts} scripts in all, in {} sessions",
            shop.fleet.sessions(host)
        );
        counts.push((host, scripts, in_sequence(&log)));
    }
    answer.assert_code(0);
    for (host, scripts, sequence) in counts {
        // With the one that watches beside the others, so that no order has to be known. Fewer than a look, a claim and
        // its end cannot be.
        assert!((3..=6).contains(&scripts), "{host}: {scripts} scripts");
        assert!(
            (1..=6).contains(&sequence),
            "{host}: {sequence} SSH commands in sequence"
        );
    }
}
