//! What operators of nginx meet: configurations that are broken, in the way, not taken.

use std::fs;
use std::net::TcpListener;

use deploy::balancer::Verdict;
use deploy::fleet::{Known, Severity};
use serde_json::json;

use super::rig::Rig;
use crate::contract::problems;
use crate::server::{Scene, Server};
use crate::world::{Backend, HOST, ask, traffic};

#[test]
fn a_reload_that_does_not_take_is_found_and_leaves_the_old_state() {
    let Some(rig) = Rig::open() else { return };
    let (b, b2, g) = (
        Backend::start("b1"),
        Backend::start("b2"),
        Backend::start("g1"),
    );
    let target = rig.target("app", HOST);
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
    let prepared = rig.prepare(&target, Some(&one), &more);
    assert_eq!(prepared, Verdict::Converged { at: 0.0 });
    let verdict = rig.commit(&target, Some(&one), &more);
    let Verdict::Differs { seen } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        seen.contains("did not take the reload") && seen.contains("bind()"),
        "{seen}"
    );
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
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
    let Some(rig) = Rig::open() else { return };
    let Scene { target, one, .. } = Scene::new(&rig);
    rig.configure("include {home}/deploy/*.conf;", "nonsense on;");
    let errors = rig.look(&target);
    let errors = problems(&errors, Severity::Error);
    assert!(
        errors
            .iter()
            .any(|p| p.contains("unknown directive \"nonsense\"")),
        "{errors:?}"
    );
    let verdict = rig.prepare(&target, None, &one);
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        why.contains("broken before") && why.contains("nonsense"),
        "{why}"
    );
    let verdict = rig.commit(&target, None, &one);
    assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
    assert_eq!(rig.look(&target).persisted, Known::Is(None));
}

#[test]
fn a_missing_include_is_an_error_with_the_line_to_add() {
    let Some(rig) = Rig::open() else { return };
    rig.quit();
    rig.configure("", "");
    rig.serve();
    let target = rig.target("app", HOST);
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
    let Some(rig) = Rig::with("upstream app_blue { server 127.0.0.1:1; }") else {
        return;
    };
    let Scene { target, one, .. } = Scene::new(&rig);
    let verdict = rig.prepare(&target, None, &one);
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(why.contains("duplicate upstream"), "{why}");
    assert!(rig.nginx(&["-t"]), "the live configuration is as it was");
    assert!(!rig.entry("app").join("live").exists());
}

#[test]
fn a_server_of_somebody_else_for_the_same_name_is_refused() {
    let theirs =
        "server { listen 127.0.0.1:{port}; server_name shop.example.com; return 200 theirs; }";
    let Some(rig) = Rig::with(theirs) else { return };
    let Scene { target, one, .. } = Scene::new(&rig);
    let verdict = rig.prepare(&target, None, &one);
    let Verdict::Refused { why } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(why.contains("conflicting server name"), "{why}");
}

#[test]
fn an_operators_own_server_includes_the_rules() {
    let Some(rig) = Rig::open() else { return };
    let Scene { one, two, .. } = Scene::new(&rig);
    let target = rig.target_with("app", HOST, json!({"server": "own"}));
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
        ask(rig.port(), HOST).unwrap_err().contains("500"),
        "before the first deploy"
    );
    rig.switch(&target, None, &one);
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    rig.switch(&target, Some(&one), &two);
    assert_eq!(ask(rig.port(), HOST).unwrap(), "g1");
    assert_eq!(rig.look(&target).problems, []);
    let gone = rig.verdict(&target, &rig.driver().remove(&target));
    assert!(matches!(gone, Verdict::Converged { .. }), "{gone:?}");
    assert!(ask(rig.port(), HOST).unwrap_err().contains("500"));
    assert_eq!(rig.look(&target).persisted, Known::Is(None));
}

#[test]
fn without_any_flag_nobody_is_guessed() {
    let Some(rig) = Rig::open() else { return };
    let Scene { target, .. } = Scene::serving(&rig);
    fs::remove_file(rig.entry("app").join("current/active.blue")).unwrap();
    assert!(ask(rig.port(), HOST).unwrap_err().contains("503"));
    let Known::Is(Some(running)) = rig.look(&target).running else {
        panic!()
    };
    assert_eq!(running.sole(), None);
}

#[test]
fn a_way_back_from_settings_that_did_not_take_asks_for_no_reload() {
    let Some(rig) = Rig::open() else { return };
    let scene = Scene::serving(&rig);
    let (blue, green) = (scene.one, scene.two);
    // The same app with other settings, on a port that somebody else holds.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen =
        json!({ "listen": [format!("127.0.0.1:{}", rig.port()), format!("127.0.0.1:{port}")] });
    let target = rig.target_with("app", HOST, listen);
    rig.prepare(&target, Some(&blue), &green);
    let verdict = rig.commit(&target, Some(&blue), &green);
    let Verdict::Differs { seen } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        seen.contains(&format!("bind() to 127.0.0.1:{port}")),
        "{seen}"
    );
    // What the engine does then on every load balancer: nothing is to be loaded for it.
    let back = rig.commit(&target, Some(&green), &blue);
    assert!(
        matches!(back, Verdict::Converged { at } if at > 0.0),
        "{back:?}"
    );
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    // With the port free the new settings are taken by the next change.
    drop(taken);
    rig.switch(&target, Some(&blue), &green);
    assert_eq!(ask(port, HOST).unwrap(), "g1");
}

#[test]
fn a_first_entry_that_did_not_take_is_removed_without_a_reload() {
    let Some(rig) = Rig::open() else { return };
    let Scene { one, .. } = Scene::new(&rig);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = json!({ "listen": [format!("127.0.0.1:{port}")] });
    let target = rig.target_with("app", HOST, listen);
    rig.prepare(&target, None, &one);
    let verdict = rig.commit(&target, None, &one);
    assert!(matches!(verdict, Verdict::Differs { .. }), "{verdict:?}");
    // What the engine does then: a reload would fail as the one before.
    rig.configure(
        "include {home}/deploy/*.conf;",
        &format!("server {{ listen 127.0.0.1:{port}; }}"),
    );
    let gone = rig.verdict(&target, &rig.driver().remove(&target));
    assert!(matches!(gone, Verdict::Converged { .. }), "{gone:?}");
    assert!(!rig.entry("app").exists());
}

#[test]
fn a_switch_by_flags_needs_no_preparation_and_everything_odd_does() {
    let Some(rig) = Rig::open() else { return };
    let (b, b2, g) = (
        Backend::start("b1"),
        Backend::start("b2"),
        Backend::start("g1"),
    );
    let target = rig.target("app", HOST);
    let blue = traffic("blue", &[&b], &[&g], "g-1");
    let green = traffic("green", &[&b], &[&g], "g-2");
    let more = traffic("green", &[&b, &b2], &[&g], "g-2");
    assert!(!rig.is_prepared(&target, None, &blue), "nothing is there");
    rig.switch(&target, None, &blue);
    assert!(rig.is_prepared(&target, Some(&blue), &green));
    assert!(!rig.is_prepared(&target, Some(&blue), &more), "members");
    let stranger = traffic("blue", &[&b], &[&g], "g-0");
    assert!(!rig.is_prepared(&target, Some(&stranger), &green), "moved");
    let other = rig.target_with("app", HOST, json!({ "keepalive": 7 }));
    assert!(!rig.is_prepared(&other, Some(&blue), &green), "settings");
    rig.spoil();
    assert!(!rig.is_prepared(&target, Some(&blue), &green), "broken");
    rig.mend();
    assert!(rig.is_prepared(&target, Some(&blue), &green));
    rig.by_hand("app", "blue", "green");
    assert!(!rig.is_prepared(&target, Some(&blue), &green), "by hand");
    rig.by_hand("app", "green", "blue");
    rig.quit();
    assert!(!rig.is_prepared(&target, Some(&blue), &green), "stopped");
}

#[test]
fn whoever_goes_back_by_hand_finds_the_last_state_of_the_other_slot() {
    let Some(rig) = Rig::open() else { return };
    let scene = Scene::new(&rig);
    let target = &scene.target;
    let states = [
        ("blue", "g-1"),
        ("green", "g-2"),
        ("blue", "g-3"),
        ("green", "g-4"),
    ]
    .map(|(to, generation)| scene.to(to, generation));
    rig.switch(target, None, &states[0]);
    for pair in states.windows(2) {
        rig.switch(target, Some(&pair[0]), &pair[1]);
    }
    // A deploy that gets no further than its prepare.
    let next = scene.to("blue", "g-5");
    rig.prepare(target, Some(&states[3]), &next);
    let mut kept: Vec<_> = fs::read_dir(rig.entry("app"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("state."))
        .map(|n| {
            n.trim_start_matches("state.")
                .split('.')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    kept.sort();
    assert_eq!(kept, ["g-3", "g-4"]);
}
