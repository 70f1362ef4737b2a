//! An app that is switched on and off: what it does beside requests is done in one release at a time, as
//! the hosts themselves have written it down, over switches, failures and runs whose client dies.

use crate::support::journal::Journals;
use crate::support::shop::{FIRST, LBS, SECOND, Shop, THIRD, WEBS};

/// A program that notes who is switched on and off, and when. Where `fail-on` names it, it fails.
const CONSUMER: &str = r#"#!/bin/sh
if [ -e "/run/consumer.fail-$1" ]; then
  echo "the broker does not answer"
  exit 3
fi
printf '%s %s %s.%s\n' "$(date +%s%N)" "$1" "$DEPLOY_HOST" "$DEPLOY_SLOT" >>/run/consumer.log
"#;

/// A shop whose app is switched on and off by a program on its hosts.
fn shop() -> Shop {
    let shop = Shop::empty();
    for host in WEBS {
        let script = format!(
            "rm -f /run/consumer.*; : >/run/consumer.log; chmod 666 /run/consumer.log; cat >/usr/local/bin/consumer <<'X'\n{CONSUMER}X\nchmod 755 /usr/local/bin/consumer"
        );
        shop.sh(host, &script);
    }
    shop.project.edit(
        "inventories/staging.yml",
        "    bake: 3s",
        "    activate: { on_host: [/usr/local/bin/consumer, \"on\"], within: 5s }\n    deactivate: { on_host: [/usr/local/bin/consumer, \"off\"], within: 5s }\n    bake: 0s",
    );
    shop
}

/// All notes of all hosts in their order: `on web1.blue`. The hosts have one clock.
fn notes(shop: &Shop) -> Vec<(bool, String)> {
    let mut all: Vec<(u128, bool, String)> = Vec::new();
    for host in WEBS {
        for line in shop.sh(host, "cat /run/consumer.log").lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [at, how, who] = words[..] else {
                panic!("{host} noted {line}");
            };
            all.push((at.parse().expect("a time"), how == "on", who.to_owned()));
        }
    }
    all.sort();
    all.into_iter().map(|(_, on, who)| (on, who)).collect()
}

/// Who is on in the end. Never were two slots.
fn on(shop: &Shop) -> Vec<String> {
    let mut on: Vec<String> = Vec::new();
    let notes = notes(shop);
    for (is_on, who) in &notes {
        on.retain(|o| o != who);
        if *is_on {
            on.push(who.clone());
        }
        let slots: std::collections::BTreeSet<&str> = on
            .iter()
            .filter_map(|o| Some(o.split_once('.')?.1))
            .collect();
        assert!(
            slots.len() <= 1,
            "two slots are active: {on:?} of {notes:#?}"
        );
    }
    on.sort();
    on
}

const BLUE: [&str; 2] = ["web1.blue", "web2.blue"];
const GREEN: [&str; 2] = ["web3.green", "web4.green"];

#[test]
#[ignore = "needs the fleet"]
fn a_consumer_is_active_in_one_release_at_a_time() {
    let shop = shop();
    shop.deploy(FIRST).assert_code(0);
    assert_eq!(on(&shop), BLUE);
    shop.deploy(SECOND).assert_code(0);
    assert_eq!(on(&shop), GREEN);
    // One that cannot be switched on: the old release is active again, and no request was moved.
    shop.sh("web2", "touch /run/consumer.fail-on");
    let failed = shop.run(&["rollback", "staging", "app"]);
    failed
        .assert_code(1)
        .assert_says(&["web2", "the broker does not answer"]);
    assert_eq!(on(&shop), GREEN);
    shop.assert_serving(SECOND);
}

/// `script/test --long` only: the default run must stay under 20 minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn a_client_that_dies_at_any_line_of_the_journals_leaves_nobody_active_twice() {
        let shop = shop();
        shop.deploy(FIRST).assert_code(0);
        let journals = Journals::of(&shop);
        // The lines of one switch, counted once.
        let begun = journals.lines();
        shop.deploy(SECOND).assert_code(0);
        let all = journals.lines() - begun;
        let mut moved = 0;
        for line in (1..all).step_by(4) {
            let serves = shop.serves("lb1", crate::support::shop::SITE);
            let other = |v: &&str| !serves.contains(*v);
            let version = [THIRD, FIRST].into_iter().find(other).expect("one of two");
            let from = journals.lines();
            let target = format!("app@{version}");
            let mut child = shop.tool(&["staging", &target]).start();
            // What needs no pull has fewer lines: then it ends by itself.
            while journals.lines() < from + line && child.try_wait().expect("a child").is_none() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            let _ = child.kill();
            child.wait().expect("it ended");
            let resumed = shop.run(&["resume", "staging", "app"]);
            let active = on(&shop);
            let serves = shop.serves("lb1", crate::support::shop::SITE);
            let slot = if serves.contains("\"blue\"") {
                BLUE
            } else {
                GREEN
            };
            assert_eq!(active, slot, "line {line}: {serves} {}", resumed.said());
            moved += usize::from(serves.contains(version));
            for lb in LBS {
                let other = shop.serves(lb, crate::support::shop::SITE);
                assert!(other.contains(slot[0].split_once('.').expect("a slot").1));
            }
        }
        assert!(moved > 0, "no run came to its switch");
    }

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn one_that_cannot_be_switched_off_again_keeps_all_others_off() {
        let shop = shop();
        shop.deploy(FIRST).assert_code(0);
        shop.sh("web4", "touch /run/consumer.fail-on /run/consumer.fail-off");
        shop.deploy(SECOND).assert_code(6).assert_says(&[
            "web4",
            "green may still be active there, so no other slot was activated again",
        ]);
        shop.assert_serving(FIRST);
        assert_eq!(on(&shop), Vec::<String>::new());
        // What it was is mended: the next run does the rest.
        shop.sh("web4", "rm /run/consumer.fail-*");
        shop.deploy(SECOND).assert_code(0);
        assert_eq!(on(&shop), GREEN);
        shop.run(&["rollback", "staging", "app"]).assert_code(0);
        assert_eq!(on(&shop), BLUE);
        shop.assert_serving(FIRST);
    }
}
