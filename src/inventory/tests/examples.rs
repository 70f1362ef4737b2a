//! The files in `inventories/`, and the example that everybody writes by.

use std::time::Duration;

use super::*;

fn config() -> Config {
    Config::new(env!("CARGO_MANIFEST_DIR"), ["status", "plan"])
}

#[test]
fn the_files_of_the_tour_load_without_a_word() {
    let config = config();
    let envs = config.environments().unwrap();
    assert_eq!(
        envs.iter().map(EnvName::as_str).collect::<Vec<_>>(),
        ["production", "staging"]
    );
    for env in envs {
        let inventory = config.load(&env, &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(inventory.warnings, []);
    }
}

#[test]
fn staging_is_the_test_fleet() {
    let i = config()
        .load(&EnvName::new("staging").unwrap(), &[])
        .unwrap();
    let hosts: Vec<&str> = i.hosts.keys().map(HostName::as_str).collect();
    assert_eq!(hosts, ["lb1", "lb2", "web1", "web2", "web3", "web4"]);
    let lb = i.host("lb1").unwrap();
    assert_eq!(
        (lb.address.as_str(), lb.serve.as_str(), lb.become_root),
        ("lb1", "lb1", true)
    );
    assert_eq!(lb.user.as_deref(), Some("deploy"));
    let app = i.app("app").unwrap();
    assert_eq!(app.images[""].value, "registry:5000/acme/app");
    assert_eq!(
        (app.bake, app.drain),
        (Duration::from_secs(3), Duration::from_secs(60))
    );
    assert_eq!(
        app.template.to_str(),
        Some("templates/app/docker-compose.yml.j2")
    );
    let web1 = on(&i, "blue", "web1");
    assert_eq!(web1.port, Some(8080));
    assert_eq!(web1.restart, RestartPolicy::Always);
    assert_eq!(web1.limits.memory.unwrap().to_string(), "256m");
    assert_eq!(web1.vars["log_level"], "debug");
    assert_eq!(web1.gates[0].every, Duration::from_millis(200));
    let (edge, _) = i.balancer_hosts(app)[1];
    assert_eq!(edge.probe_url(lb).as_deref(), Some("http://lb1:80"));
    assert_eq!(
        app.balance
            .values()
            .next()
            .unwrap()
            .host
            .as_ref()
            .unwrap()
            .value,
        "shop.example.com"
    );
    let registry = &i.registries["registry:5000"];
    assert!(registry.insecure);
    assert_eq!(registry.address.as_ref().unwrap().value, "10.213.0.2:5000");
}

#[test]
fn production_is_protected_and_its_small_host_is_smaller() {
    let i = config()
        .load(&EnvName::new("production").unwrap(), &[])
        .unwrap();
    assert!(i.protection.confirm);
    let ticket = i.protection.ticket.as_ref().unwrap();
    assert!(ticket.accepts("CHG0012345") && !ticket.accepts("CHG1"));
    let limit = |h| on(&i, "green", h).limits.memory.unwrap().to_string();
    assert_eq!(
        (limit("web07"), limit("web08")),
        ("2g".to_owned(), "1g".to_owned())
    );
    assert_eq!(i.host("web08").unwrap().serve, "web08.svc.example.com");
    assert_eq!(i.host("web08").unwrap().user.as_deref(), Some("release"));
}

#[test]
fn the_environments_name_must_be_free_and_there() {
    let config = config();
    let say = |env: &str| {
        config
            .load(&EnvName::new(env).unwrap(), &[])
            .unwrap_err()
            .to_string()
    };
    assert!(
        say("stagin").contains("hint: did you mean `staging`?"),
        "{}",
        say("stagin")
    );
    assert!(say("nowhere").contains("hint: there are: production, staging"));
    assert!(say("status").contains("`status` cannot be the name of an environment"));
    assert!(say("defaults").contains("`defaults` cannot be the name"));
}

#[test]
fn files_that_are_almost_right_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let inventories = dir.path().join("inventories");
    std::fs::create_dir(&inventories).unwrap();
    for name in [
        "live.yaml",
        "Not-an-env!.yml",
        "test.yml",
        "defaults.yml",
        "notes.txt",
    ] {
        std::fs::File::create(inventories.join(name)).unwrap();
    }
    let config = Config::new(dir.path(), []);
    assert_eq!(
        config.environments().unwrap(),
        [EnvName::new("test").unwrap()]
    );
    let live = config
        .load(&EnvName::new("live").unwrap(), &[])
        .unwrap_err();
    assert!(
        live.to_string()
            .contains("hint: inventories/live.yaml is there: rename it to live.yml")
    );
    let nothing = config.load(&EnvName::new("test").unwrap(), &[]).unwrap();
    assert!(nothing.hosts.is_empty() && nothing.apps.is_empty());
}

/// The example of the design; `{ vars … }` of web4 reach the template, its limit only there.
#[test]
fn the_example_that_everybody_writes_by_is_true() {
    let text = r#"
connect: { user: deploy, become: false }
hosts:
  web[1:2]: { address: "{name}.mgt", serve: "{name}.svc" }
  web[3:4]: { address: "{name}.mgt", serve: "{name}.svc" }
  web4:     { vars: { heap: 2g }, apps: { app: { limits: { memory: 4g } } } }
  lb[1:2]:  { address: "{name}.mgt", become: true }
groups:
  blue:  [web1, web2]
  green: [web3, web4]
load_balancers:
  edge: { driver: nginx, hosts: [lb1, lb2], probe: "http://{host}:80" }
apps:
  app:
    image: registry.example.com/acme/app
    strategy: blue-green
    slots: [blue, green]
    balance: { edge: { backend: app, host: shop.example.com } }
    port: 8080
    gates: [ { http: /healthz, every: 500ms, in_a_row: 3, within: 90s } ]
    limits: { memory: 512m, cpus: "1.0" }
    restart: always
    bake: 30s
    vars: { log_level: info }
protection: { confirm: true, ticket: '^CHG\d{7}$' }
"#;
    let i = good("", text, &[]);
    assert_eq!(i.warnings, []);
    let memory = |h| on(&i, "green", h).limits.memory.unwrap().to_string();
    assert_eq!(
        (memory("web3"), memory("web4")),
        ("512m".to_owned(), "4g".to_owned())
    );
    assert_eq!(on(&i, "green", "web4").vars["heap"], "2g");
    assert_eq!(on(&i, "green", "web3").vars.get("heap"), None);
    assert_eq!(i.host("web4").unwrap().serve, "web4.svc");
    assert_eq!(i.host("lb2").unwrap().serve, "lb2.mgt");
}
