//! A real registry, and the same question asked from a host that reaches it by name, on the fleet
//! that `DEPLOY_FLEET` names.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests play the outside: files, environment"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use deploy::host::script::Script;
use deploy::host::{Address, Connector, Settings, Target};
use deploy::name::{HostName, ImageName, Version};
use deploy::registry::{Credentials, Registry, RegistryError, RegistrySettings, through};

fn fleet() -> Option<PathBuf> {
    let state = std::env::var("DEPLOY_FLEET").ok().map(PathBuf::from);
    if state.is_none() {
        eprintln!("skipped: DEPLOY_FLEET names no fleet");
    }
    state
}

/// The registry by the fleet's list of hosts: `name address role`.
fn settings(state: &Path) -> RegistrySettings {
    let hosts = std::fs::read_to_string(state.join("hosts")).unwrap();
    let line = hosts.lines().find(|l| l.starts_with("registry ")).unwrap();
    let address = line.split(' ').nth(1).unwrap();
    RegistrySettings {
        insecure: true,
        address: Some(format!("{address}:5000")),
        ca_pem: None,
    }
}

fn image(name: &str) -> ImageName {
    ImageName::new(format!("registry:5000/{name}")).unwrap()
}
fn version(tag: &str) -> Version {
    Version::new(tag).unwrap()
}

#[tokio::test]
async fn tags_of_the_real_registry_are_resolved_and_absent_ones_named() {
    let Some(state) = fleet() else { return };
    let all = BTreeMap::from([("registry:5000".to_owned(), settings(&state))]);
    let registry = Registry::new(all, Credentials::default());
    let one = registry
        .resolve(&image("acme/app"), &version("1.0.1-22-7e56158"))
        .await
        .unwrap();
    let two = registry
        .resolve(&image("acme/app"), &version("1.0.2-30-abc1234"))
        .await
        .unwrap();
    assert_ne!(one.digest, two.digest);
    let absent = registry
        .resolve(&image("acme/app"), &version("1.0.3-31-0000000"))
        .await
        .unwrap_err();
    let RegistryError::TagAbsent { others, .. } = &absent else {
        panic!("{absent:?}")
    };
    assert!(!others.is_empty(), "{absent:?}");
    let absent = registry
        .resolve(&image("acme/none"), &version("1"))
        .await
        .unwrap_err();
    assert!(
        matches!(absent, RegistryError::RepositoryAbsent { .. }),
        "{absent:?}"
    );
}

#[tokio::test]
async fn a_host_is_told_the_same_digest() {
    let Some(state) = fleet() else { return };
    let settings_of = settings(&state);
    let all = BTreeMap::from([("registry:5000".to_owned(), settings_of.clone())]);
    let registry = Registry::new(all, Credentials::default());
    let base = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(base.path().join("c"));
    settings.ssh_config = Some(state.join("ssh_config"));
    let address = Address {
        name: HostName::new("web1").unwrap(),
        target: Target::Ssh {
            host: "web1".to_owned(),
            user: None,
            port: None,
            options: Vec::new(),
        },
    };
    let host = Connector::new(settings).connect(&address).await.unwrap();
    let ask = async |tag: &str| {
        let parameters = through::parameters(&image("acme/app"), &version(tag), &settings_of);
        let script = Script::new("resolve", through::SCRIPT).args(parameters);
        let reply = host.run(script).await.unwrap();
        through::read(&image("acme/app"), &version(tag), &reply.lines, &reply.end)
    };
    let here = registry
        .resolve(&image("acme/app"), &version("1.0.1-22-7e56158"))
        .await
        .unwrap();
    let there = ask("1.0.1-22-7e56158").await.unwrap();
    assert_eq!(
        (here.digest, here.media_type),
        (there.digest, there.media_type)
    );
    let absent = ask("0.0.0").await;
    assert!(
        matches!(absent, Err(RegistryError::TagAbsent { .. })),
        "{absent:?}"
    );
}
