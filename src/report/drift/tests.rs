use super::*;
use crate::plan::fixture::{World, host, slot};

fn found(w: &World, files: &BTreeMap<HostName, Files>) -> AppDrift {
    app(&w.setup, &w.fleet, files, Vec::new(), &TimeZone::UTC)
}

#[test]
fn what_is_as_it_was_deployed_is_no_drift() {
    let w = World::serving();
    let drift = found(&w, &BTreeMap::new());
    assert_eq!(drift.drift, []);
    assert_eq!(exit_code(&[drift]), ExitCode::Success);
}

#[test]
fn every_kind_of_drift_is_named_with_its_host() {
    let mut w = World::serving();
    w.container_of("web1").memory = 1 << 20;
    w.host("web2").containers.clear();
    let files = BTreeMap::from([(
        host("web3"),
        BTreeMap::from([(slot("green"), vec!["deploy.yml was changed".to_owned()])]),
    )]);
    w.says("lb2", None);
    let mut drift = found(&w, &files);
    drift
        .silent
        .push(said(&host("lb9"), "it does not answer".into()));
    let env = w.setup.env.clone();
    insta::assert_snapshot!(text(&env, std::slice::from_ref(&drift)), @"
    staging app  drift
      differs: web1: blue: web memory limit is 1.0 MiB, wanted 512.0 MiB
      differs: web2: blue: no container of web
      differs: web3: green: deploy.yml was changed
      differs: lb1: sends to blue; others do not
      differs: lb2: sends to nothing of this app; others do not
    ");
    assert_eq!(exit_code(&[drift]), ExitCode::Unknown);
}

#[test]
fn what_is_not_ours_stands_beside_and_is_no_drift() {
    let mut w = World::serving();
    let mut other = w.container_of("web1").clone();
    (other.name, other.image) = ("grafana".into(), "grafana/grafana:10".into());
    other.labels.clear();
    w.host("web1").containers.push(other);
    let drift = found(&w, &BTreeMap::new());
    assert_eq!((drift.drift.len(), drift.beside.len()), (0, 1));
    assert!(drift.beside[0].what.contains("grafana (grafana/grafana:10"));
    assert_eq!(exit_code(&[drift]), ExitCode::Success);
}

#[test]
fn an_image_is_found_by_every_name_for_it() {
    let digest = "9f2c".repeat(16);
    let image = format!("registry:5000/acme/app:1.0.1@sha256:{digest}");
    for word in [
        image.as_str(),
        "registry:5000/acme/app",
        "acme/app",
        "app",
        "app:1.0.1",
        "acme/app@1.0.1",
        "@1.0.1",
        ":1.0.1",
        "sha256:9f2c9f2c",
        "9f2c9f2c",
    ] {
        assert!(image_is(&image, word), "{word}");
    }
    for word in [
        "pp",
        "registry",
        "app:1.0",
        "web",
        "1.0.1",
        "9f2",
        "",
        ":",
        "5000/acme/app",
    ] {
        assert!(!image_is(&image, word), "{word}");
    }
}
