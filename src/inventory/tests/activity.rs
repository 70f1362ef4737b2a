//! `activate` and `deactivate`: what they mean, and what is wrong with them.

use std::time::Duration;

use super::*;

fn with(extra: &str) -> String {
    format!("{BASE}{extra}")
}

#[test]
fn calls_that_switch_on_and_off() {
    let calls = "    activate: { http: /on }\n    deactivate: { command: { run: [/app, quiet], service: worker }, within: 20s }\n";
    let i = good("", &with(calls), &[]);
    let activity = i.app("app").unwrap().activity.clone().expect("both");
    let on = activity.activate.expect("on");
    assert_eq!(
        on.kind,
        CallKind::Http {
            method: "POST".to_owned(),
            path: "/on".to_owned(),
            port: None,
            status: (200, 299),
            host: None,
        }
    );
    assert_eq!(
        (on.within, on.title().as_str()),
        (Duration::from_secs(30), "POST /on")
    );
    let off = activity.deactivate;
    assert_eq!(
        (off.within, off.title().as_str()),
        (Duration::from_secs(20), "/app quiet in worker")
    );
    let host = "    deactivate: { on_host: [/usr/local/bin/leave, now] }\n";
    let activity = good("", &with(host), &[])
        .app("app")
        .unwrap()
        .activity
        .clone();
    let activity = activity.expect("one");
    assert!(activity.activate.is_none());
    assert_eq!(
        activity.deactivate.title(),
        "/usr/local/bin/leave now on the host"
    );
}

#[test]
fn calls_that_cannot_be_made_are_found() {
    let said = |calls: &str| match load("", &with(&format!("    {calls}\n")), &[]) {
        Ok(_) => String::new(),
        Err(findings) => findings.to_string(),
    };
    for (calls, what) in [
        (
            "activate: { http: /on }",
            "app `app` has `activate` and no `deactivate`",
        ),
        (
            "deactivate: {}",
            "`apps.app.deactivate` does not say what to call",
        ),
        (
            "deactivate: { http: /off, on_host: [/x] }",
            "calls http and on_host at once",
        ),
        (
            "deactivate: { on_host: [leave] }",
            "a program by its whole path",
        ),
        ("deactivate: { http: off }", "a path that begins with `/`"),
        (
            "deactivate: { http: { path: /off, method: HEAD } }",
            "POST, PUT, GET or DELETE",
        ),
        (
            "deactivate: { http: /off, within: 11m }",
            "from 100ms to 10m",
        ),
        ("deactivate: { command: leave now }", "a list of words"),
        ("deactivate: { exec: [x] }", "unknown key `exec`"),
    ] {
        let found = said(calls);
        assert!(found.contains(what), "{calls}: {found}");
    }
}
