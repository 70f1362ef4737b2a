use super::*;
use crate::balancer::fixture::{self, replace, slot, target};
use crate::fleet::{Rule, RuleKey};

fn traffic() -> Traffic {
    let mut traffic = fixture::traffic("blue");
    traffic.split = [(slot("blue"), 9_000), (slot("green"), 1_000)].into();
    traffic.rules = vec![Rule {
        key: RuleKey::Header("x-v".to_owned()),
        value: "b".to_owned(),
        to: slot("green"),
    }];
    traffic
}

/// A look at a healthy entry; `change` edits its lines.
fn look(change: impl Fn(&mut Vec<String>)) -> Seen {
    let settings = Settings::default();
    let wish = render::wish(&target("app"), &settings, &traffic());
    let mut lines = vec![
        format!("key {}", wish.value),
        format!("traffic {}", wish.traffic),
        format!("hash {}", wish.hash),
        "mapped staging.app".to_owned(),
        "version 2.6.12".to_owned(),
        "instance 813.44120".to_owned(),
        format!("runs {}", wish.value),
        format!("loaded {}", wish.hash),
        format!("serves {}", wish.traffic),
        "member staging.app_blue/web1 0 2".to_owned(),
        "member staging.app_blue/web2 0 2".to_owned(),
        "member staging.app_green/web3 0 2".to_owned(),
        format!("rule {} {}", wish.rules[0].0, wish.rules[0].1),
        "grace 1".to_owned(),
        "status 1.1 200 OK".to_owned(),
        format!("says {}\r", wish.value),
        "looked".to_owned(),
    ];
    change(&mut lines);
    seen(&target("app"), &settings, &lines).unwrap()
}

#[test]
fn a_healthy_entry_has_no_problems() {
    let seen = look(|_| {});
    assert_eq!(seen.persisted, Known::Is(Some(traffic())));
    assert_eq!(seen.running, Known::Is(Some(traffic())));
    assert_eq!(seen.problems, []);
    assert_eq!(
        (seen.version.as_str(), seen.instance.as_str()),
        ("2.6.12", "813.44120")
    );
}

#[test]
fn what_runs_is_never_taken_from_files() {
    let silent = look(|lines| lines.retain(|l| !l.starts_with("says")));
    assert!(matches!(silent.running, Known::Unknown(_)), "{silent:?}");
    let mute = look(|lines| lines.retain(|l| !l.starts_with("runs")));
    assert!(matches!(mute.running, Known::Unknown(_)), "{mute:?}");
    let other = look(|lines| replace(lines, "says", "says green:-:0:r-7f3a-2:-"));
    assert!(matches!(other.running, Known::Unknown(_)), "{other:?}");
    let lost = look(|lines| lines.retain(|l| !l.starts_with("member staging.app_green")));
    assert!(matches!(lost.running, Known::Unknown(_)), "{lost:?}");
    let stale = look(|lines| replace(lines, "loaded", "loaded 00"));
    assert!(matches!(stale.running, Known::Unknown(_)), "{stale:?}");
}

#[test]
fn a_rule_that_the_server_lost_is_seen() {
    let seen = look(|lines| lines.retain(|l| !l.starts_with("rule")));
    let Known::Is(Some(running)) = seen.running else {
        panic!()
    };
    assert_eq!(running.rules, []);
    assert_eq!(running.split, traffic().split);
}

#[test]
fn a_look_that_broke_off_is_no_answer() {
    let lines = ["key -".to_owned()];
    assert!(seen(&target("app"), &Settings::default(), &lines).is_err());
}

#[test]
fn what_moved_is_said_in_words() {
    assert_eq!(
        moved("blue:green:500:g-2:-"),
        "blue 95.00 %, green 5.00 % (`blue:green:500:g-2:-`)"
    );
    assert_eq!(moved("-"), "nothing of the app is there any more");
    assert_eq!(moved("nonsense"), "`nonsense`");
}
