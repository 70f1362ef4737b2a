//! What operators meet: configurations that are broken, in the way, edited by hand, not taken.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use deploy::balancer::Verdict;
use deploy::fleet::{Known, Severity};
use serde_json::json;

use crate::rig::{Backend, Rig, available, nginx, slot, traffic};
use crate::{HOST, ask, problems};

#[test]
fn a_reload_that_does_not_take_is_found_and_leaves_the_old_state() {
    if !available() {
        return;
    }
    let (b, b2, g) = (
        Backend::start("b1"),
        Backend::start("b2"),
        Backend::start("g1"),
    );
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let more = traffic("blue", &[&b, &b2], &[&g], "g-2");
    rig.switch(&target, None, &one);
    // Somebody holds a port that the configuration now wants: its check passes, the reload does not.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    rig.configure(
        "include {home}/deploy/*.conf;",
        &format!("server {{ listen 127.0.0.1:{port}; }}"),
    );
    let prepared = rig.verdict(&target, &nginx().prepare(&target, Some(&one), &more));
    assert_eq!(prepared, Verdict::Converged { at: 0.0 });
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&one), &more));
    let Verdict::Differs { seen } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        seen.contains("did not take the reload") && seen.contains("bind()"),
        "{seen}"
    );
    assert_eq!(ask(&rig, HOST).unwrap(), "b1");
    let seen = rig.look(&target);
    assert_eq!(seen.persisted, Known::Is(Some(one.clone())));
    assert_eq!(seen.running, Known::Is(Some(one.clone())));
    // A switch by flags alone still works, and so does the way back.
    let green = traffic("green", &[&b], &[&g], "g-3");
    rig.switch(&target, Some(&one), &green);
    rig.switch(&target, Some(&green), &one);
}

#[test]
fn a_broken_configuration_is_named_before_and_refused() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    rig.configure("include {home}/deploy/*.conf;", "nonsense on;");
    let errors = rig.look(&target);
    let errors = problems(&errors, Severity::Error);
    assert!(
        errors
            .iter()
            .any(|p| p.contains("unknown directive \"nonsense\"")),
        "{errors:?}"
    );
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let verdict = rig.verdict(&target, &nginx().prepare(&target, None, &one));
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        why.contains("broken before") && why.contains("nonsense"),
        "{why}"
    );
    let verdict = rig.verdict(&target, &nginx().commit(&target, None, &one));
    assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
    assert_eq!(rig.look(&target).persisted, Known::Is(None));
}

#[test]
fn a_missing_include_is_an_error_with_the_line_to_add() {
    if !available() {
        return;
    }
    let rig = Rig::idle("");
    rig.configure("", "");
    rig.serve();
    let target = rig.target("app", HOST, json!({}));
    let seen = rig.look(&target);
    let found = seen
        .problems
        .iter()
        .find(|p| p.severity == Severity::Error)
        .unwrap();
    assert!(
        found
            .hint
            .contains(&format!("include {}/*.conf;", rig.path("deploy"))),
        "{found:?}"
    );
}

#[test]
fn what_nginx_refuses_never_reaches_the_live_files() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("upstream app_blue { server 127.0.0.1:1; }");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let verdict = rig.verdict(&target, &nginx().prepare(&target, None, &one));
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(why.contains("duplicate upstream"), "{why}");
    assert!(rig.nginx(&["-t"]), "the live configuration is as it was");
    assert!(!rig.entry("app").join("live").exists());
}

#[test]
fn a_server_of_somebody_else_for_the_same_name_is_refused() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start(
        "server { listen 127.0.0.1:{port}; server_name shop.example.com; return 200 theirs; }",
    );
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let verdict = rig.verdict(&target, &nginx().prepare(&target, None, &one));
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(why.contains("conflicting server name"), "{why}");
}

#[test]
fn an_operators_own_server_includes_the_rules() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({"server": "own"}));
    let seen = rig.look(&target);
    let route = seen
        .problems
        .iter()
        .find(|p| p.what.contains("no server {}"))
        .unwrap();
    assert!(route.hint.contains("/*.inc;"), "{route:?}");
    // As documented; with a cache of files and a password, which the rules must not mind.
    rig.configure(
        "include {home}/deploy/*.conf; open_file_cache max=1000; open_file_cache_valid 30s;",
        "server { listen 127.0.0.1:{port}; server_name shop.example.com; auth_basic closed; auth_basic_user_file {home}/none;\n\
         set $app_upstream \"\"; include {home}/deploy/staging.app/*.inc;\n\
         location / { auth_basic off; proxy_pass http://$app_upstream; proxy_http_version 1.1; proxy_set_header Connection \"\"; } }",
    );
    rig.reload();
    assert!(
        ask(&rig, HOST).unwrap_err().contains("500"),
        "before the first deploy"
    );
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("green", &[&b], &[&g], "g-2");
    rig.switch(&target, None, &one);
    assert_eq!(ask(&rig, HOST).unwrap(), "b1");
    rig.switch(&target, Some(&one), &two);
    assert_eq!(ask(&rig, HOST).unwrap(), "g1");
    assert_eq!(rig.look(&target).problems, []);
    let gone = rig.verdict(&target, &nginx().remove(&target));
    assert!(matches!(gone, Verdict::Converged { .. }), "{gone:?}");
    assert!(ask(&rig, HOST).unwrap_err().contains("500"));
    assert_eq!(rig.look(&target).persisted, Known::Is(None));
}

#[test]
fn flags_changed_by_hand_are_seen_named_and_stop_a_switch() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("green", &[&b], &[&g], "g-2");
    rig.switch(&target, None, &one);
    let current = rig.entry("app").join("current");
    fs::rename(current.join("active.blue"), current.join("active.green")).unwrap();
    let seen = rig.look(&target);
    assert_eq!(seen.persisted, Known::Is(Some(one.clone())));
    let Known::Is(Some(running)) = &seen.running else {
        panic!("{seen:?}")
    };
    assert_eq!(running.sole(), Some(&slot("green")));
    let errors = problems(&seen, Severity::Error);
    assert!(
        errors.len() == 1
            && errors[0].contains("active.green")
            && errors[0].contains("active.blue"),
        "{errors:?}"
    );
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&one), &two));
    let Verdict::Moved { seen: there } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(there.contains("active.green"), "{there}");
    assert!(matches!(
        rig.verdict(&target, &nginx().verify(&target, &one)),
        Verdict::Differs { .. }
    ));
    // Who has seen it can go on from what runs.
    rig.switch(&target, Some(running), &two);
    assert_eq!(rig.look(&target).problems, []);
}

#[test]
fn without_any_flag_nobody_is_guessed() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    rig.switch(&target, None, &one);
    fs::remove_file(rig.entry("app").join("current/active.blue")).unwrap();
    assert!(ask(&rig, HOST).unwrap_err().contains("503"));
    let Known::Is(Some(running)) = rig.look(&target).running else {
        panic!()
    };
    assert_eq!(running.sole(), None);
}

#[test]
fn a_commit_can_be_repeated_and_knows_a_stranger() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let [one, two, three] = [("blue", "g-1"), ("green", "g-2"), ("blue", "g-3")]
        .map(|(s, n)| traffic(s, &[&b], &[&g], n));
    rig.switch(&target, None, &one);
    rig.switch(&target, Some(&one), &two);
    rig.switch(&target, Some(&one), &two);
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&one), &three));
    assert!(matches!(verdict, Verdict::Moved { .. }), "{verdict:?}");
    let verdict = rig.verdict(&target, &nginx().commit(&target, None, &three));
    assert!(matches!(verdict, Verdict::Moved { .. }), "{verdict:?}");
    assert_eq!(rig.look(&target).running, Known::Is(Some(two)));
}

#[test]
fn an_nginx_that_stopped_meanwhile_is_no_success() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("green", &[&b], &[&g], "g-2");
    rig.switch(&target, None, &one);
    rig.quit();
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&one), &two));
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("onnect")),
        "{verdict:?}"
    );
    // What is persisted is what it starts with; a restore needs no running nginx to persist.
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&two), &one));
    assert!(matches!(verdict, Verdict::Differs { .. }), "{verdict:?}");
    rig.serve();
    assert_eq!(ask(&rig, HOST).unwrap(), "b1");
    let verdict = rig.verdict(&target, &nginx().verify(&target, &one));
    assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
}

#[test]
fn a_change_waits_for_the_lock_of_the_load_balancer_and_not_for_ever() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let two = traffic("green", &[&b], &[&g], "g-2");
    rig.switch(&target, None, &one);
    let hold = |seconds: &str| {
        let mut held = Command::new("flock")
            .args(["-F", &rig.path("record/lb.nginx.lock"), "sleep", seconds])
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(200));
        assert!(held.try_wait().unwrap().is_none());
        held
    };
    let mut held = hold("1.2");
    let began = Instant::now();
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&one), &two));
    assert!(matches!(verdict, Verdict::Converged { .. }), "{verdict:?}");
    assert!(began.elapsed() > Duration::from_millis(700));
    held.wait().unwrap();
    let mut held = hold("60");
    let verdict = rig.verdict(&target, &nginx().commit(&target, Some(&two), &one));
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("nothing was done") && seen.contains("lock")),
        "{verdict:?}"
    );
    held.kill().unwrap();
    held.wait().unwrap();
    assert_eq!(rig.look(&target).running, Known::Is(Some(two)));
}

#[test]
fn the_record_of_the_switch_is_written_before_it() {
    if !available() {
        return;
    }
    let (b, g) = (Backend::start("b1"), Backend::start("g1"));
    let rig = Rig::start("");
    let target = rig.target("app", HOST, json!({}));
    let one = traffic("blue", &[&b], &[&g], "g-1");
    let prepared = rig.verdict(&target, &nginx().prepare(&target, None, &one));
    assert_eq!(prepared, Verdict::Converged { at: 0.0 });
    let record = || fs::read_to_string(rig.path("record/state/switch")).unwrap();
    assert!(record().starts_with("1 r-1 1-abc g-1 - ") && record().ends_with(" prepared .\n"));
    rig.switch(&target, None, &one);
    assert!(record().ends_with(" commit .\n"), "{}", record());
    // Where it cannot be written, nothing is done.
    fs::rename(rig.path("record/state"), rig.path("record/away")).unwrap();
    let two = traffic("green", &[&b], &[&g], "g-2");
    let body = nginx().commit(&target, Some(&one), &two);
    let lines = rig.run_loudly(&body);
    let verdict = nginx().verdict(&target, &lines).unwrap();
    assert!(
        matches!(&verdict, Verdict::Differs { seen } if seen.contains("record of the switch")),
        "{verdict:?}"
    );
    assert_eq!(rig.look(&target).persisted, Known::Is(Some(one)));
}
