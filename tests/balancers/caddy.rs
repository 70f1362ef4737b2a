//! Caddy: its rig, and what is true of Caddy only.

pub mod rig;

use std::fs;

use deploy::balancer::Verdict;
use deploy::fleet::{Known, Severity};
use serde_json::json;

use crate::server::{Scene, Server};
use crate::world::{HOST, ask};

type Rig = rig::Rig<false>;

#[test]
fn without_any_flag_or_folder_nobody_is_guessed() {
    let Some(rig) = Rig::open() else { return };
    let Scene { target, .. } = Scene::serving(&rig);
    let entry = rig.home().join("deploy/staging.app");
    fs::remove_file(entry.join("current/active.blue")).unwrap();
    assert!(ask(rig.port(), HOST).unwrap_err().contains("503"));
    let Known::Is(Some(running)) = rig.look(&target).running else {
        panic!()
    };
    assert_eq!(running.sole(), None);
    fs::remove_file(entry.join("current")).unwrap();
    assert!(ask(rig.port(), HOST).unwrap_err().contains("503"));
    assert!(matches!(rig.look(&target).running, Known::Unknown(_)));
}

#[test]
fn a_missing_import_is_an_error_with_the_line_to_add() {
    let Some(rig) = Rig::open() else { return };
    rig.configure("", "");
    let seen = rig.look(&rig.target("app", HOST));
    let found = seen.problems.iter().find(|p| p.severity == Severity::Error);
    let hint = &found.unwrap().hint;
    assert!(hint.contains(&format!("`{}`", rig.import())), "{hint}");
}

#[test]
fn an_operators_own_site_imports_the_rules() {
    let Some(rig) = Rig::open() else { return };
    let Scene { one, two, .. } = Scene::new(&rig);
    let target = rig.target_with("app", HOST, json!({"server": "own"}));
    let seen = rig.look(&target);
    let route = seen.problems.iter().find(|p| p.what.contains("no site"));
    assert!(route.unwrap().hint.contains("/*.inc`"), "{route:?}");
    let site = format!(
        "http://{HOST}:{} {{\n\timport {}/staging.app/*.inc\n\theader X-Own yes\n\trespond 404\n}}",
        rig.port(),
        rig.path("deploy")
    );
    rig.configure(&rig.import(), &site);
    rig.reload();
    assert!(
        ask(rig.port(), HOST).unwrap_err().contains("404"),
        "before the first deploy"
    );
    rig.switch(&target, None, &one);
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    rig.switch(&target, Some(&one), &two);
    assert_eq!(ask(rig.port(), HOST).unwrap(), "g1");
    assert_eq!(rig.look(&target).problems, []);
}

#[test]
fn a_reload_that_does_not_take_is_found_and_leaves_the_old_state() {
    let Some(rig) = Rig::open() else { return };
    let scene = Scene::serving(&rig);
    // The configuration passes its check and cannot be run: somebody holds the port.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let site = format!("http://{HOST}:{}", taken.local_addr().unwrap().port());
    let ours = format!("http://{{host}}:{}", rig.port());
    let target = rig.target_with("app", HOST, json!({"site": [ours, site]}));
    let verdict = rig.commit(&target, Some(&scene.one), &scene.two);
    let Verdict::Differs { seen } = verdict else {
        panic!("{verdict:?}")
    };
    assert!(
        [
            "did not take the reload",
            "address already in use",
            "restart Caddy"
        ]
        .iter()
        .all(|word| seen.contains(word)),
        "{seen}"
    );
    assert_eq!(ask(rig.port(), HOST).unwrap(), "b1");
    let seen = rig.look(&scene.target);
    assert_eq!(seen.running, Known::Is(Some(scene.one.clone())));
    // Caddy 2.6 leaves what it had begun answering beside the old state, until it is restarted.
    rig.quit();
    rig.serve();
    rig.switch(&scene.target, Some(&scene.one), &scene.two);
}
