use super::*;
use crate::balancer::fixture::{looked, replace, slot, target, traffic};
use crate::fleet::Severity;

/// A look at a healthy entry; `change` edits its lines.
fn look(change: impl Fn(&mut Vec<String>)) -> Seen {
    let settings = Settings::default();
    let wish = render::wish(&target("app"), &settings, &traffic("blue"));
    let mut lines = looked(&wish, "2.6.2", "1.79529071587e+09", "by=caddy");
    change(&mut lines);
    seen(&target("app"), &settings, &lines).unwrap()
}

#[test]
fn a_healthy_entry_has_no_problems() {
    let seen = look(|_| {});
    assert_eq!(seen.persisted, Known::Is(Some(traffic("blue"))));
    assert_eq!(seen.running, Known::Is(Some(traffic("blue"))));
    assert_eq!(seen.problems, []);
}

#[test]
fn flags_changed_by_hand_are_named_and_what_runs_is_what_caddy_tells() {
    let seen = look(|lines| {
        replace(lines, "key", "key r-7f3a-2,active.green");
        let line = lines.iter_mut().find(|l| l.starts_with("running")).unwrap();
        *line = line.replace("active=blue", "active=green");
    });
    let Known::Is(Some(running)) = &seen.running else {
        panic!()
    };
    assert_eq!(running.sole(), Some(&slot("green")));
    assert_eq!(
        seen.problems[0].what,
        "the flags of app in staging were changed by hand: there is `active.green`, written was `active.blue`"
    );
}

#[test]
fn a_caddy_that_does_not_answer_is_not_known_and_says_what_to_do() {
    let seen = look(|lines| {
        lines.retain(|l| {
            !["running", "serves", "groups"]
                .iter()
                .any(|w| l.starts_with(w))
        });
        replace(lines, "status", "status 1.1 404 Not Found");
        lines.insert(0, "problem stopped".to_owned());
    });
    assert!(matches!(&seen.running, Known::Unknown(why) if why.contains("404")));
    let said: Vec<_> = seen
        .problems
        .iter()
        .map(|p| (p.severity, p.what.as_str()))
        .collect();
    assert_eq!(
        said,
        [(
            Severity::Error,
            "Caddy does not run, or is not administered at localhost:2019"
        )]
    );
    let lines = ["version 2.6.2".to_owned()];
    let error = super::seen(&target("app"), &Settings::default(), &lines).unwrap_err();
    assert_eq!(error.to_string(), "lb1: the look at Caddy broke off");
}
