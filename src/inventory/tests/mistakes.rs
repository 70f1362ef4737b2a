//! Kinds of mistakes, each with its whole message: file, line, column, source line, what was
//! expected, what to do. To add one: a line here, then look at what `INSTA_UPDATE=always` writes.

use super::*;

/// The base with one piece replaced; the piece must be there.
fn broken(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    BASE.replacen(from, to, 1)
}

/// All cases of a group: the title, then what an operator sees.
fn report(cases: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (title, text) in cases {
        let said = match load("", text, &[]) {
            Ok(inventory) => {
                let findings: Vec<String> =
                    inventory.warnings.iter().map(ToString::to_string).collect();
                assert!(!findings.is_empty(), "nothing was found: {title}");
                findings.join("\n\n")
            }
            Err(findings) => findings.to_string(),
        };
        out.push_str(&format!("## {title}\n{said}\n\n"));
    }
    out
}

#[test]
fn of_form() {
    let app = |line: &str| format!("{BASE}    {line}\n");
    let top = |line: &str| format!("{BASE}{line}\n");
    let said = report(&[
        ("a slip in a key", broken("image:", "imgae:")),
        (
            "a key of another place",
            top("image: registry.example.com/acme/app"),
        ),
        ("a key that nobody knows", app("flavour: mint")),
        ("a key twice", app("port: 8081")),
        ("no YAML", broken("[web1, web2]", "[web1, web2")),
        ("a tab", broken("  lb1:", "\tlb1:")),
        (
            "a pattern without quotes in a list",
            broken("[web1, web2]", "[web[1:2]]"),
        ),
        (
            "a word with ! without quotes",
            broken("[web1, web2]", "[all, !web2]"),
        ),
        (
            "braces without quotes",
            broken("\"{name}.mgt\"", "db.{name}"),
        ),
        ("a second document", top("---\nhosts: {}")),
        ("nothing after a key", app("limits:")),
        ("a list where a mapping belongs", app("limits: [512m]")),
        (
            "a mapping where a list belongs",
            broken("[web1, web2]", "{ hosts: { web1: x } }"),
        ),
        ("a text where a section belongs", top("protection: yes")),
        ("a control character", app("vars: { motd: \"a\\ebc\" }")),
        ("a line separator", app("vars: { motd: \"a\\u2028b\" }")),
        (
            "a next line character",
            app("vars: { motd: \"a\\u0085b\" }"),
        ),
        ("a merge of no mapping", app("vars: { <<: 3 }")),
        ("an anchor inside itself", app("vars: &v { a: *v }")),
        (
            "null without anything before",
            top("registries: { \"registry:5000\": null }"),
        ),
        ("no mapping at all", "hello\n".to_owned()),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn of_values() {
    let app = |line: &str| format!("{BASE}    {line}\n");
    let top = |line: &str| format!("{BASE}{line}\n");
    let said = report(&[
        ("a port out of range", broken("8080", "80800")),
        ("a port that is no number", broken("8080", "http")),
        ("a tag in an image", broken("acme/app", "acme/app:1.0")),
        ("capitals in an image", broken("acme/app", "Acme/App")),
        (
            "a URL as an image",
            broken("registry.example.com", "https://registry.example.com"),
        ),
        (
            "a registry without a port after the colon",
            broken("registry.example.com", "registry.example.com:"),
        ),
        ("a duration without unit", app("bake: 30")),
        ("a duration with a wrong unit", app("drain: 30sec")),
        ("a size with a wrong unit", app("limits: { memory: 512q }")),
        ("a size without unit", app("limits: { memory: 512 }")),
        ("no processors", app("limits: { cpus: 0 }")),
        ("a restart policy that is none", app("restart: allways")),
        ("a restart policy as a boolean", app("restart: false")),
        ("a boolean of old", top("protection: { confirm: yes }")),
        (
            "a ticket that is no expression",
            top("protection: { ticket: '^CHG(' }"),
        ),
        ("a strategy that is none", app("strategy: bluegreen")),
        (
            "a probe that is no URL",
            broken("http://{host}:80", "{host}:80"),
        ),
        (
            "a probe with a wrong name in braces",
            broken("http://{host}:80", "http://{name}:80"),
        ),
        (
            "a probe of the VIP",
            broken("http://{host}:80", "http://shop.example.com"),
        ),
        (
            "an address with a user",
            broken("{name}.mgt", "root@{name}.mgt"),
        ),
        (
            "an address that ssh takes for an option",
            broken("{name}.mgt", "-lroot"),
        ),
        ("a wrong name in braces", broken("{name}.mgt", "{nam}.mgt")),
        (
            "an option that deploy sets",
            broken("lb1:", "lb1: { options: { ControlPath: /tmp/x } }"),
        ),
        ("a template outside", app("template: ../x.yml.j2")),
        ("a gate without question", app("gates: [ { every: 1s } ]")),
        (
            "a gate with two questions",
            app("gates: [ { http: /, tcp: 80 } ]"),
        ),
        (
            "a gate with a whole URL",
            app("gates: [ { http: \"http://x/healthz\" } ]"),
        ),
        (
            "a gate that can never pass",
            app("gates: [ { http: /healthz, every: 10s, in_a_row: 10, within: 30s } ]"),
        ),
        (
            "a command as a text",
            app("gates: [ { command: pg_isready -q } ]"),
        ),
        (
            "a command from load balancers",
            app("gates: [ { command: [\"true\"], from: balancer } ]"),
        ),
        (
            "a status that is none",
            app("gates: [ { http: { path: /, status: 2xx } } ]"),
        ),
        (
            "a variable that is not what it seems",
            app("vars: { version: 1.10, debug: yes }"),
        ),
        (
            "a secret with two sources",
            top("secrets: { db: { env: DB, file: db.txt } }"),
        ),
        (
            "a secret with a key of no file",
            top("secrets: { db: { env: DB, key: DB } }"),
        ),
        (
            "a registry with a scheme",
            top("registries: { \"http://r\": { insecure: true } }"),
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn of_the_whole() {
    let app = |line: &str| format!("{BASE}    {line}\n");
    let top = |line: &str| format!("{BASE}{line}\n");
    let second = "  web:\n    image: registry.example.com/acme/web\n    slots: [blue, green]\n";
    let said = report(&[
        (
            "a host that is not there",
            broken("[web1, web2]", "[web1, wbe2]"),
        ),
        (
            "a pattern beyond the hosts",
            broken("[web3, web4]", "[\"web[3:5]\"]"),
        ),
        ("a glob without hosts", broken("[web3, web4]", "\"db*\"")),
        ("a range backwards", broken("web[1:4]", "web[4:1]")),
        ("a host name that is none", broken("  lb1:", "  lb_!:")),
        (
            "a group and a host of one name",
            broken(
                "  blue: [web1, web2]",
                "  blue: [web1, web2]\n  web1: [web2]",
            ),
        ),
        (
            "groups in a circle",
            broken("  blue: [web1, web2]", "  blue: [other]\n  other: [blue]"),
        ),
        (
            "a slot without group",
            broken("slots: [blue, green]", "slots: [blue, gren]"),
        ),
        ("a slot without hosts", broken("[web3, web4]", "[]")),
        ("one slot", broken("slots: [blue, green]", "slots: [blue]")),
        ("no slots", broken("    slots: [blue, green]\n", "")),
        ("hosts with blue-green", app("hosts: [web1]")),
        ("slots without blue-green", app("strategy: rolling")),
        (
            "both slots on one host",
            broken("[web3, web4]", "[web1, web4]"),
        ),
        (
            "no image",
            broken("    image: registry.example.com/acme/app\n", ""),
        ),
        (
            "image and images",
            app("images: { web: registry.example.com/acme/web }"),
        ),
        ("no port", broken("    port: 8080\n", "")),
        (
            "two apps on one port",
            app(&format!("restart: always\n{second}    port: 8080")),
        ),
        (
            "a load balancer that is not there",
            broken("{ edge: { backend", "{ egde: { backend"),
        ),
        (
            "a load balancer's host that is not there",
            broken("hosts: [lb1]", "hosts: [lb2]"),
        ),
        (
            "a load balancer without driver",
            broken("driver: nginx, ", ""),
        ),
        (
            "two names for one machine",
            broken("{name}.mgt", "web.mgt")
                .replace("web[1:4]", "web[1:2]")
                .replace("[web3, web4]", "[web2]")
                .replace("[web1, web2]", "[web1]"),
        ),
        (
            "two local machines",
            broken(
                "  lb1:",
                "  lb1: { connection: local }\n  lb2: { connection: local }",
            ),
        ),
        (
            "an app that is not there, at a host",
            broken("  lb1:", "  lb1: { apps: { ap: { port: 1 } } }"),
        ),
        (
            "an app at a host where it does not run",
            broken("  lb1:", "  lb1: { apps: { app: { port: 1 } } }"),
        ),
        (
            "groups that disagree",
            broken(
                "  blue: [web1, web2]",
                "  blue: [web1, web2]\n  small: { hosts: [web1], limits: { memory: 1g } }\n  large: { hosts: [web1], limits: { memory: 4g } }",
            ),
        ),
        (
            "patterns that disagree",
            broken(
                "  lb1:",
                "  web[1:2]: { user: a }\n  web[2:3]: { user: b }\n  lb1:",
            ),
        ),
        (
            "a setting of an app at a host",
            broken("  lb1:", "  lb1: { bake: 3s }"),
        ),
        ("a setting of a host in an app", app("become: true")),
        (
            "many at once",
            top("protection: { confrim: true }")
                .replace("8080", "0")
                .replace("[web1, web2]", "[web9]"),
        ),
    ]);
    insta::assert_snapshot!(said);
}

#[test]
fn of_set() {
    let mut out = String::new();
    for set in [
        "limits.memory",
        "limits.memory=4q",
        "imgae=x",
        "apps.ap.port=1",
        "vars.x=[1",
        "gates=[{http: healthz}]",
        "apps.app.port=99999",
    ] {
        let said = load("", BASE, &[set]).unwrap_err();
        out.push_str(&format!("## --set {set}\n{said}\n\n"));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn every_mistake_of_both_files_comes_in_one_run() {
    let defaults = "restart: sometimes\nconnect: { prot: 22 }\n";
    let staging = BASE
        .replace("8080", "0")
        .replace("[web3, web4]", "[web3, web5]");
    let findings = load(defaults, &staging, &["bake=3"]).unwrap_err();
    let messages: Vec<&str> = findings.sorted().iter().map(|d| d.message()).collect();
    assert_eq!(
        messages,
        [
            "`bake` is `3`",
            "`restart` is `sometimes`",
            "unknown key `prot` under connect",
            "group `green`: `web5` is neither a host nor a group",
            "`apps.app.port` is `0`",
        ]
    );
}
