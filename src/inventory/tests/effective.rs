//! What a good configuration means: layers, provenance, patterns, groups, slots, `--set`.

use std::time::Duration;

use super::*;
use crate::name::BalancerName;

fn with(extra: &str) -> String {
    format!("{BASE}{extra}")
}

#[test]
fn the_most_specific_of_eight_places_wins_and_the_others_are_known() {
    let defaults = "vars: { x: 1 }\napps: { app: { vars: { x: 3 } } }\n";
    let staging = with("vars: { x: 2 }\n")
        .replace(
            "  blue: [web1, web2]",
            "  blue: { hosts: [web1, web2], vars: { x: 5 }, apps: { app: { vars: { x: 6 } } } }",
        )
        .replace(
            "  lb1:",
            "  web1: { vars: { x: 7 }, apps: { app: { vars: { x: 8 } } } }\n  lb1:",
        )
        .replace("    port: 8080", "    port: 8080\n    vars: { x: 4 }");
    let i = good(defaults, &staging, &["vars.x=9"]);
    let member = on(&i, "blue", "web1");
    assert_eq!(member.vars["x"], 9);
    let x = member.origins.get("vars.x").unwrap();
    let said: Vec<String> = std::iter::once(&x.from)
        .chain(&x.overrode)
        .map(|o| format!("{} {} {} {}", o.value, o.level, o.who, o.span))
        .collect();
    assert_eq!(
        said,
        [
            "9 --set  --set:1:8",
            "8 app on host web1 staging.yml:3:53",
            "7 host web1 staging.yml:3:22",
            "6 app on group blue staging.yml:6:74",
            "5 group blue staging.yml:6:43",
            "4 app app staging.yml:16:16",
            "3 app app defaults.yml:2:27",
            "2 environment  staging.yml:17:12",
            "1 defaults  defaults.yml:1:12",
        ]
    );
    // A place less specific than those of web1 speaks for the others.
    assert_eq!(
        on(&good(defaults, &staging, &[]), "blue", "web2").vars["x"],
        6
    );
    assert_eq!(
        on(&good(defaults, &staging, &[]), "green", "web3").vars["x"],
        4
    );
}

#[test]
fn null_takes_away_at_every_level() {
    let defaults = "limits: { memory: 1g, pids: 100 }\nvars: { a: 1, b: 2 }\n";
    let staging = with("    limits: { memory: null }\n    vars: null\n").replace(
        "  lb1:",
        "  web1: { apps: { app: { limits: { pids: null } } } }\n  lb1:",
    );
    let i = good(defaults, &staging, &[]);
    let (web1, web2) = (on(&i, "blue", "web1"), on(&i, "blue", "web2"));
    assert_eq!((web1.limits.memory, web1.limits.pids), (None, None));
    assert_eq!((web2.limits.memory, web2.limits.pids), (None, Some(100)));
    assert!(web1.vars.is_empty());
    let gone = web1.origins.get("limits.pids").unwrap();
    assert_eq!(
        (gone.from.value.as_str(), gone.overrode[0].value.as_str()),
        ("null", "100")
    );
}

#[test]
fn an_environment_takes_away_and_adds_hosts_groups_and_apps() {
    let staging =
        "hosts: { web4: null, web5: }\ngroups: { green: [web3, web5] }\napps: { other: null }\n";
    let defaults = with("  other:\n    image: a/b\n    slots: [blue, green]\n");
    let i = good(&defaults, staging, &[]);
    let hosts: Vec<&str> = i.hosts.keys().map(HostName::as_str).collect();
    assert_eq!(hosts, ["lb1", "web1", "web2", "web3", "web5"]);
    assert_eq!(i.apps.len(), 1);
    let green: Vec<&str> = i.groups["green"].iter().map(HostName::as_str).collect();
    assert_eq!(green, ["web3", "web5"]);
}

#[test]
fn a_group_in_a_group_is_more_specific_and_two_side_by_side_may_agree() {
    let staging = BASE.replace(
        "  blue: [web1, web2]",
        "  blue: { hosts: [web1, web2], vars: { rack: b } }\n  all_web: { hosts: [blue, green], vars: { rack: any, tier: web } }\n  also: { hosts: [web1], vars: { tier: web } }",
    );
    let i = good("", &staging, &[]);
    assert_eq!(i.groups["all_web"].len(), 4);
    assert_eq!(on(&i, "blue", "web1").vars["rack"], "b");
    assert_eq!(on(&i, "blue", "web1").vars["tier"], "web");
    assert_eq!(on(&i, "green", "web3").vars["rack"], "any");
    assert_eq!(i.host("web1").unwrap().vars["rack"], "b");
    let groups: Vec<&str> = i
        .groups_of(&i.host("web1").unwrap().name)
        .map(|g| g.as_str())
        .collect();
    assert_eq!(groups, ["all_web", "also", "blue"]);
}

#[test]
fn a_name_is_more_specific_than_a_pattern_wherever_it_stands() {
    let staging = BASE
        .replace("hosts:\n", "hosts:\n  web3: { user: own, labels: { rack: \"r-{name}\" } }\n")
        .replace("\"{name}.mgt\" }", "\"{name}.mgt\", serve: \"10.0.0.{n}\", user: all, port: 2222, labels: { rack: r0, nr: \"{n}\" } }");
    let i = good(
        "connect: { user: everybody, become: true, options: { Compression: \"yes\" } }\n",
        &staging,
        &[],
    );
    let (web3, web2, lb1) = (
        i.host("web3").unwrap(),
        i.host("web2").unwrap(),
        i.host("lb1").unwrap(),
    );
    assert_eq!((web3.user.as_deref(), web3.port), (Some("own"), Some(2222)));
    assert_eq!(
        (web3.address.as_str(), web3.serve.as_str()),
        ("web3.mgt", "10.0.0.3")
    );
    assert_eq!(
        (web3.labels["rack"].as_str(), web3.labels["nr"].as_str()),
        ("r-web3", "3")
    );
    assert_eq!(
        (web2.user.as_deref(), web2.labels["rack"].as_str()),
        (Some("all"), "r0")
    );
    assert_eq!(
        (lb1.user.as_deref(), lb1.become_root),
        (Some("everybody"), true)
    );
    assert_eq!(lb1.options["Compression"], "yes");
    assert_eq!(
        (lb1.address.as_str(), lb1.serve.as_str(), lb1.port),
        ("lb1", "lb1", None)
    );
}

#[test]
fn one_machine_carries_both_slots_on_two_ports() {
    let staging = BASE.replace(
        "slots: [blue, green]",
        "slots: { blue: { hosts: [web1], port: 8081 }, green: { hosts: \"web[1:1]\", port: 8082 } }",
    );
    let i = good("", &staging, &[]);
    assert_eq!(
        (on(&i, "blue", "web1").port, on(&i, "green", "web1").port),
        (Some(8081), Some(8082))
    );
    assert_eq!(i.app("app").unwrap().members().count(), 2);
}

#[test]
fn an_app_without_slots_has_one() {
    let staging = BASE.replace(
        "slots: [blue, green]",
        "strategy: recreate\n    hosts: [web*, '!web4']",
    );
    let i = good("", &staging, &[]);
    let app = i.app("app").unwrap();
    assert_eq!(
        (app.strategy.value, app.slots.len()),
        (Strategy::Recreate, 1)
    );
    assert_eq!(app.slots[0].members.len(), 3);
}

#[test]
fn services_have_settings_of_their_own() {
    let i = good(
        "",
        &with(
            "    limits: { memory: 512m, cpus: 2 }\n    restart: unless-stopped\n    stop_grace: 5s\n    logs: engine\n    services: { worker: { limits: { memory: 1g }, restart: no, logs: { max_size: 20m } }, once: { restart: on-failure:3 }, db: { limits: { pids: 9 } } }\n",
        ),
        &["services.worker.limits.pids=50"],
    );
    let member = on(&i, "blue", "web1");
    let worker = member.service("worker");
    assert_eq!(worker.limits.memory.unwrap().to_string(), "1g");
    assert_eq!(
        (worker.limits.cpus.unwrap().to_string(), worker.limits.pids),
        ("2".to_owned(), Some(50))
    );
    assert_eq!(worker.restart, Some(RestartPolicy::No));
    assert_eq!(
        member.service("once").restart,
        Some(RestartPolicy::OnFailure(Some(3)))
    );
    let db = member.service("db");
    assert_eq!(db.restart, Some(RestartPolicy::UnlessStopped));
    assert_eq!(db.stop_grace, Some(Duration::from_secs(5)));
    assert_eq!(db.logs, Some(Logs::Engine));
    assert_eq!(
        member.service("web").restart.unwrap().to_string(),
        "unless-stopped"
    );
}

#[test]
fn gates_are_read_short_and_long() {
    let i = good(
        "",
        &with(
            "    gates:\n      - /healthz\n      - { http: { path: /ready?x=1, port: 9090, status: 200-399, host: a.b }, from: balancer }\n      - { tcp: true, from: host }\n      - { tcp: 5432 }\n      - { command: [pg_isready, \"-q\"], within: 5m, in_a_row: 1 }\n      - { command: { run: [\"true\"], service: worker } }\n",
        ),
        &[],
    );
    let gates = &on(&i, "green", "web4").gates;
    assert_eq!(gates.len(), 6);
    assert_eq!(
        (gates[0].every, gates[0].in_a_row, gates[0].from),
        (Duration::from_millis(500), 3, GateFrom::Both)
    );
    let GateKind::Http {
        path,
        port,
        status,
        host,
    } = &gates[1].kind
    else {
        panic!()
    };
    assert_eq!(
        (path.as_str(), *port, status.clone(), host.as_deref()),
        ("/ready?x=1", Some(9090), 200..=399, Some("a.b"))
    );
    assert_eq!(gates[2].kind, GateKind::Tcp { port: None });
    assert_eq!(
        (gates[4].within, gates[4].from),
        (Duration::from_secs(300), GateFrom::Host)
    );
    assert_eq!(
        gates[5].kind,
        GateKind::Command {
            argv: vec!["true".to_owned()],
            service: Some("worker".parse().unwrap())
        }
    );
}

#[test]
fn lists_replace_and_nothing_of_the_old_list_stays() {
    let i = good("gates: [ /old ]\n", &with("    gates: []\n"), &[]);
    assert!(on(&i, "blue", "web1").gates.is_empty());
}

#[test]
fn variables_keep_kind_and_order() {
    let i = good(
        "",
        &with(
            "    vars: { z: 1, a: [1, two, null, 1.5], m: { y: true, b: \"1.0\" }, t: \"a\\nb\", e: \"\" }\n",
        ),
        &["vars.m.b={k: [1]}", "vars.s=", "vars.q=a=b"],
    );
    assert_eq!(
        serde_json::Value::Object(on(&i, "blue", "web1").vars.clone()).to_string(),
        r#"{"z":1,"a":[1,"two",null,1.5],"m":{"y":true,"b":{"k":[1]}},"t":"a\nb","e":"","s":"","q":"a=b"}"#
    );
}

#[test]
fn anchors_and_merge_keys_work() {
    let i = good(
        "",
        &with("    vars: { base: &b { x: 1, y: 2 }, more: { <<: *b, y: 3 } }\n"),
        &[],
    );
    assert_eq!(
        on(&i, "blue", "web1").vars["more"].to_string(),
        r#"{"y":3,"x":1}"#
    );
}

#[test]
fn a_set_may_be_for_one_app_and_reaches_what_is_app_wide() {
    let second = "  web:\n    image: a/web\n    slots: [blue, green]\n    port: 9090\n";
    let i = good(
        "bake: 30s\n",
        &with(second),
        &["apps.web.bake=5s", "drain=7s"],
    );
    let secs = |app: &str| {
        let a = i.app(app).unwrap();
        (a.bake.as_secs(), a.drain.as_secs())
    };
    assert_eq!((secs("app"), secs("web")), ((30, 7), (5, 7)));
    let bake = i.app("web").unwrap().origins.get("bake").unwrap();
    assert_eq!(
        (bake.from.level, bake.overrode[0].level),
        (Level::Set, Level::Defaults)
    );
    assert_eq!(i.sets, ["apps.web.bake=5s", "drain=7s"]);
    assert!(on(&i, "blue", "web1").origins.get("bake").is_none());
}

#[test]
fn a_drivers_own_keys_stay_with_their_places() {
    let staging = BASE
        .replace(
            "driver: nginx,",
            "driver: nginx, include: /etc/nginx/x, check: { cmd: [nginx, -t] },",
        )
        .replace("backend: app }", "backend: app, mode: flag }");
    let i = good(
        "load_balancers: { edge: { reload: null, check: { every: 1s } } }\n",
        &staging,
        &[],
    );
    let edge = &i.balancers["edge"];
    assert_eq!(
        edge.settings.to_json().to_string(),
        r#"{"check":{"every":"1s","cmd":["nginx","-t"]},"include":"/etc/nginx/x"}"#
    );
    assert_eq!(
        edge.settings.get("include").unwrap().span.to_string(),
        "staging.yml:8:35"
    );
    let name = BalancerName::new("edge").unwrap();
    assert_eq!(
        i.app("app").unwrap().balance[&name]
            .settings
            .get("mode")
            .unwrap()
            .text(),
        Some("flag")
    );
    assert_eq!(i.balancer_hosts(i.app("app").unwrap()).len(), 1);
}

#[test]
fn where_secrets_come_from_is_known_and_no_value_is() {
    let i = good(
        "",
        &with(
            "secrets: { a: { env: TOKEN }, b: { file: secrets/b.env }, c: { command: [op, read, \"op://x/y\"] } }\n",
        ),
        &[],
    );
    assert_eq!(i.secrets["a"].value, SecretSource::Env("TOKEN".to_owned()));
    assert_eq!(
        i.secrets["b"].value,
        SecretSource::File("secrets/b.env".into())
    );
    assert!(matches!(&i.secrets["c"].value, SecretSource::Command(argv) if argv.len() == 3));
}

#[test]
fn the_selector_of_the_command_line_knows_the_inventory() {
    let i = good("", BASE, &[]);
    let picked = HostSelector::new(["blue,web*,!web2"])
        .resolve(&i.names())
        .unwrap();
    let picked: Vec<&str> = picked.iter().map(HostName::as_str).collect();
    assert_eq!(picked, ["web1", "web3", "web4"]);
    assert_eq!(
        HostSelector::new(["gren"])
            .resolve(&i.names())
            .unwrap_err()
            .near
            .as_deref(),
        Some("green")
    );
}

proptest::proptest! {
    /// Hostile texts as variables arrive as they are, or are refused with their place; they never
    /// become another key.
    #[test]
    fn a_variable_arrives_byte_exact_or_is_refused(text in "\\PC{0,12}[\"'\\\\: #{}$`\n\u{85}\u{2028}\u{7f}\u{1b}]{0,6}\\PC{0,6}") {
        let quoted = serde_json::to_string(&text).unwrap();
        let hostile = text.chars().any(|c| c != '\n' && crate::text::diagnostic::unprintable(c));
        match load("", &with(&format!("    vars: {{ x: {quoted} }}\n")), &[]) {
            Ok(i) => {
                proptest::prop_assert!(!hostile);
                let vars = &on(&i, "blue", "web1").vars;
                proptest::prop_assert_eq!((vars.len(), vars["x"].as_str()), (1, Some(text.as_str())));
            }
            Err(findings) => {
                proptest::prop_assert!(hostile, "{}", findings);
                proptest::prop_assert!(findings.to_string().contains("holds the character U+"));
            }
        }
    }

    /// Whatever stands in a file, it is read or refused; the reader does not panic.
    #[test]
    fn no_file_makes_the_reader_panic(
        at in 0..BASE.len(),
        len in 0_usize..20,
        piece in "[\\[\\]{}:,&*!\n \"'a-z0-9~-]{0,12}",
    ) {
        let end = (at + len).min(BASE.len());
        let text = format!("{}{piece}{}", &BASE[..at], &BASE[end..]);
        let _ = load(BASE, &text, &[&piece]);
    }
}

#[test]
fn budgets_are_laid_over_each_other_and_name_stages() {
    use crate::event::Stage;
    let own = BASE.replace(
        "    port: 8080\n",
        "    port: 8080\n    budget: { pull: 5m }\n",
    );
    let i = good("budget: { pull: 3m, gate: 20s }\n", &own, &[]);
    let budget = &i.app("app").unwrap().budget;
    let said: Vec<_> = budget.iter().map(|(s, t)| (*s, t.as_secs())).collect();
    assert_eq!(said, [(Stage::Pull, 300), (Stage::Gate, 20)]);
    let bad = load("budget: { pul: 3m }\n", BASE, &[]).unwrap_err();
    assert!(bad.to_string().contains("did you mean `pull`?"), "{bad}");
    let bad = load("budget: { pull: 3 }\n", BASE, &[]).unwrap_err();
    assert!(bad.to_string().contains("`budget.pull` is `3`"), "{bad}");
}
