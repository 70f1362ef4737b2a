//! Hosts from elsewhere: Ansible's INI, YAML and JSON mean the same, keep their places, and are less
//! specific than what an operator writes.

use super::super::foreign::HostsFrom;
use super::super::source::{Outside, build_from};
use super::*;

/// An environment whose hosts come from a text of that name.
fn from(name: &str, text: &str, more: &str) -> Result<Inventory, Findings> {
    let how = match name.strip_suffix(".json") {
        Some(_) => "{ command: [list] }".to_owned(),
        None => name.to_owned(),
    };
    let staging = format!("hosts_from: {how}\n{APP}{more}");
    let files = [(SourceFile::new("staging.yml", staging), Level::Environment)];
    let read = |_: &HostsFrom| Ok(SourceFile::new(name, text));
    let env = EnvName::new("staging").unwrap();
    let outside = Outside {
        foreign: &read,
        also: &|_| Findings::default(),
    };
    build_from(&env, &files, &[], &outside, Findings::default())
}

fn must(name: &str, text: &str, more: &str) -> Inventory {
    from(name, text, more).unwrap_or_else(|e| panic!("{e}"))
}

const APP: &str = "\
load_balancers:
  edge: { driver: nginx, hosts: lb }
apps:
  app:
    image: registry.example.com/acme/app
    slots: [blue, green]
    balance: { edge: { backend: app } }
    port: 8080
";

const INI: &str = r#"# the shop
lb1 ansible_host=10.0.0.9 ansible_become=yes

[blue]
web[1:2] ansible_user=ops heap=2g   # two of them
[green]
web3:2222 ansible_host=10.0.0.3 motd="hello = world" debug=true count=3
web4 ansible_connection=local ansible_python_interpreter=/usr/bin/python3

[lb]
lb1
[web:children]
blue
green
[web:vars]
region = "eu 1"
heap=1g
[all:vars]
ansible_user=deploy
ansible_port=22
tier: not a variable=x
"#;

const YAML: &str = r#"
all:
  vars: { ansible_user: deploy, ansible_port: 22, "tier: not a variable": x }
  hosts:
    lb1: { ansible_host: 10.0.0.9, ansible_become: yes }
  children:
    lb: { hosts: { lb1: } }
    web:
      vars: { region: "eu 1", heap: 1g }
      children:
        blue:
          hosts:
            web[1:2]: { ansible_user: ops, heap: 2g }
        green:
          hosts:
            web3: { ansible_host: 10.0.0.3, ansible_port: "2222", motd: "hello = world", debug: true, count: 3, empty: }
            web4: { ansible_connection: local }
"#;

/// What is worth comparing of every host.
fn told(i: &Inventory) -> Vec<String> {
    let one = |h: &crate::inventory::HostEntry| {
        let mut vars: Vec<String> = h.vars.iter().map(|(k, v)| format!("{k}={v}")).collect();
        vars.sort();
        let (name, address, connection) = (&h.name, &h.address, h.connection);
        let (user, port, root) = (&h.user, h.port, h.become_root);
        format!("{name} {address} {user:?} {port:?} {connection:?} {root} {vars:?}")
    };
    i.hosts.values().map(one).collect()
}

fn names(hosts: &[HostName]) -> String {
    let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
    names.join(" ")
}

#[test]
fn ini_and_yaml_mean_the_same() {
    let (ini, yaml) = (must("hosts.ini", INI, ""), must("hosts.yml", YAML, ""));
    assert_eq!(told(&ini), told(&yaml));
    assert_eq!(
        told(&ini),
        [
            r#"lb1 10.0.0.9 Some("deploy") Some(22) Ssh true ["tier: not a variable=\"x\""]"#,
            r#"web1 web1 Some("ops") Some(22) Ssh false ["heap=\"2g\"", "region=\"eu 1\"", "tier: not a variable=\"x\""]"#,
            r#"web2 web2 Some("ops") Some(22) Ssh false ["heap=\"2g\"", "region=\"eu 1\"", "tier: not a variable=\"x\""]"#,
            r#"web3 10.0.0.3 Some("deploy") Some(2222) Ssh false ["count=3", "debug=true", "heap=\"1g\"", "motd=\"hello = world\"", "region=\"eu 1\"", "tier: not a variable=\"x\""]"#,
            r#"web4 web4 Some("deploy") Some(22) Local false ["heap=\"1g\"", "region=\"eu 1\"", "tier: not a variable=\"x\""]"#,
        ]
    );
    for i in [&ini, &yaml] {
        let groups: Vec<String> = i
            .groups
            .iter()
            .map(|(n, m)| format!("{n} {}", names(m)))
            .collect();
        assert!(
            groups.contains(&"web web1 web2 web3 web4".to_owned()),
            "{groups:?}"
        );
        assert!(groups.contains(&"lb lb1".to_owned()), "{groups:?}");
        assert_eq!(on(i, "green", "web3").vars["heap"], "1g");
    }
}

#[test]
fn json_as_ansible_prints_it() {
    let json = r#"{
  "_meta": { "hostvars": {
    "lb1": { "ansible_host": "10.0.0.9", "ansible_become": true },
    "web1": { "heap": "2g", "secret": { "__ansible_vault": "$ANSIBLE_VAULT;1.1" }, "ansible_ssh_common_args": "-J jump" }
  } },
  "all": { "children": ["ungrouped", "blue", "green", "lb"] },
  "blue": { "hosts": ["web1"] },
  "green": ["web2"],
  "lb": { "hosts": ["lb1"], "vars": { "side": "out" } }
}"#;
    let i = must("list.json", json, "");
    assert_eq!(
        told(&i),
        [
            r#"lb1 10.0.0.9 None None Ssh true ["side=\"out\""]"#,
            r#"web1 web1 None None Ssh false ["heap=\"2g\""]"#,
            r#"web2 web2 None None Ssh false []"#,
        ]
    );
    let warnings: Vec<&str> = i.warnings.iter().map(|w| w.message()).collect();
    assert_eq!(
        warnings,
        [
            "`secret` is encrypted and left out",
            "`ansible_ssh_common_args` is not used"
        ]
    );
}

#[test]
fn what_an_operator_writes_wins_and_places_are_known() {
    let more = "hosts:\n  web[1:4]: { serve: \"{name}.svc\", vars: { heap: 3g } }\n  web1: { user: me }\ngroups:\n  canary: [web4]\n";
    let i = must("hosts.ini", INI, more);
    let member = on(&i, "blue", "web1");
    assert_eq!(member.vars["heap"], "3g");
    let heap = member.origins.get("vars.heap").unwrap();
    let said: Vec<String> = std::iter::once(&heap.from)
        .chain(&heap.overrode)
        .map(|o| format!("{} {} {}", o.value, o.whose(), o.span))
        .collect();
    assert_eq!(
        said,
        [
            "3g host pattern web[1:4] staging.yml:11:50",
            "2g host pattern web[1:2] hosts.ini:5:27",
            "1g group web hosts.ini:17:1",
        ]
    );
    let host = &i.hosts["web1"];
    assert_eq!(
        (host.user.as_deref(), host.serve.as_str()),
        (Some("me"), "web1.svc")
    );
    assert_eq!(i.files[0].path, "hosts.ini");
}

#[test]
fn only_the_variables_that_are_named() {
    let text = INI.replace("tier: not a variable=x\n", "");
    let staging = format!("hosts_from: {{ file: hosts.ini, vars: [region] }}\n{APP}");
    let files = [(SourceFile::new("staging.yml", staging), Level::Environment)];
    let read = |_: &HostsFrom| Ok(SourceFile::new("hosts.ini", text.as_str()));
    let env = EnvName::new("staging").unwrap();
    let outside = Outside {
        foreign: &read,
        also: &|_| Findings::default(),
    };
    let i = build_from(&env, &files, &[], &outside, Findings::default()).unwrap();
    let vars: Vec<&String> = i.hosts["web3"].vars.keys().collect();
    assert_eq!(vars, ["region"]);
}

#[test]
fn mistakes_have_their_places() {
    for (text, said) in [
        ("web1 oops\n", "hosts.ini:1:6"),
        ("web1 a=\"b\n", "a quote is not closed"),
        ("[web\nweb1\n", "this header is not understood"),
        ("[web:kids]\nweb1\n", "this header is not understood"),
        ("[web:vars]\nnothing\n", "this line is no variable"),
        ("[web]\nweb[4:1]\n", "runs backwards"),
        ("[web]\nwe/b\n", "host name"),
        ("web1 ansible_connection=winrm\n", "hosts.ini:1:6"),
        ("web1 ansible_port=high\n", "hosts.ini:1:6"),
    ] {
        let found = from("hosts.ini", text, "").err().map(|e| e.to_string());
        let found = found.unwrap_or_default();
        assert!(found.contains(said), "{text}: {found}");
    }
    let yaml = from("hosts.yml", "all: { host: {} }\n", "")
        .unwrap_err()
        .to_string();
    assert!(yaml.contains("group `all` has the key `host`"), "{yaml}");
}
