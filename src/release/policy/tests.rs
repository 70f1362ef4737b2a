//! Each rule broken and kept, with the whole message.

use crate::inventory::Config;
use crate::name::{EnvName, Version};
use crate::release::Draft;
use crate::template::TemplateSet;
use crate::text::Findings;

const INVENTORY: &str = "\
hosts: { web1: , web2: }
apps:
  app:
    image: registry.example.com/acme/app
    slots: { blue: web1, green: web2 }
    port: 8080
";

/// What an environment with this policy says of an app with these services.
fn draft(more: &str, services: &str) -> Result<Draft, Findings> {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own files")]
        std::fs::write(path, text).unwrap();
    };
    write("inventories/staging.yml", &format!("{INVENTORY}{more}"));
    write(
        "templates/app/docker-compose.yml.j2",
        &format!("services:\n{services}"),
    );
    let inventory = Config::new(dir.path(), []).load(&EnvName::new("staging").unwrap(), &[])?;
    let templates = TemplateSet::load(&dir.path().join("templates"))?;
    let app = inventory.app("app").unwrap();
    Draft::render(&inventory, app, &Version::new("1.0.0").unwrap(), &templates)
}

/// The messages, with the folder of the test taken out of them.
fn said(more: &str, services: &str) -> String {
    let text = match draft(more, services) {
        Ok(draft) => draft.warnings.to_string(),
        Err(findings) => findings.to_string(),
    };
    let words = text
        .split_inclusive('\n')
        .map(|line| match line.find("/tmp/") {
            Some(at) => {
                let rest = line[at..]
                    .find("/inventories/")
                    .or(line[at..].find("/templates/"));
                format!("{}{}", &line[..at], &line[at + rest.map_or(0, |r| r + 1)..])
            }
            None => line.to_owned(),
        });
    words.collect()
}

const BARE: &str = "  app:\n    image: {{ image }}\n";
const WHOLE: &str = "  app:
    image: {{ image }}
    restart: always
    mem_limit: 64m
    cpus: 0.5
    pids_limit: 50
    healthcheck: { test: [CMD, 'true'] }
    volumes: [ data:/data ]
  tool:
    image: tool:1
    privileged: true
    profiles: [by-hand]
volumes: { data: }
";
const RULES: &str = "\
policy:
  require: [limits.memory, limits.cpus, limits.pids, restart, healthcheck]
  deny: [privileged, host_paths, latest, host_namespaces]
  ceilings: { memory: 128m, cpus: 1, pids: 100 }
";

#[test]
fn what_is_required_and_missing_is_named_with_the_rule() {
    insta::assert_snapshot!(said(RULES, BARE));
}

#[test]
fn what_keeps_every_rule_is_silent_and_what_is_not_started_is_not_asked() {
    assert_eq!(said(RULES, WHOLE), "");
    let inventory = "limits: { memory: 64m, cpus: 1, pids: 9 }\nrestart: always\n";
    let checked = format!("{BARE}    healthcheck: {{ test: [CMD, 'true'] }}\n");
    assert_eq!(said(&format!("{inventory}{RULES}"), &checked), "");
}

#[test]
fn what_is_denied_is_named_where_it_stands() {
    let deny = "policy:\n  deny: { privileged: error, host_paths: error, latest: error, host_namespaces: warning }\n";
    let services = format!(
        "{BARE}    privileged: true\n    volumes: [ /etc:/etc, {{ type: bind, source: /var/run/docker.sock, target: /s }} ]\n    pid: host\n  other:\n    image: nginx\n"
    );
    insta::assert_snapshot!(said(deny, &services));
    // A warning alone keeps nothing from being deployed.
    assert!(
        draft(
            "policy: { deny: { privileged: warning } }\n",
            &format!("{BARE}    privileged: true\n")
        )
        .is_ok()
    );
    assert!(
        draft(
            "policy: { deny: [privileged] }\n",
            &format!("{BARE}    privileged: true\n")
        )
        .is_err()
    );
}

#[test]
fn limits_above_the_ceilings_are_named_where_they_are_said() {
    let ceilings = "policy: { ceilings: { memory: 128m, cpus: 1, pids: 100 } }\n";
    let services = format!("{BARE}    mem_limit: 1g\n    cpus: 2\n    pids_limit: 200\n");
    insta::assert_snapshot!(said(ceilings, &services));
    let inventory = format!("limits: {{ memory: 129m }}\n{ceilings}");
    assert!(said(&inventory, BARE).contains("inventories/staging.yml:7:19"));
}

#[test]
fn mistakes_in_rules_have_places() {
    let wrong = "policy: { require: [limits.memry, restart: x], deny: { privilged: error, latest: eror } }\n";
    insta::assert_snapshot!(said(wrong, BARE));
}

#[test]
fn memory_of_all_started_services_is_summed() {
    let services = format!(
        "{BARE}    mem_limit: 64m\n    scale: 2\n  b:\n    image: b:1\n    mem_limit: 1m\n  c:\n    image: c:1\n    mem_limit: 9g\n    profiles: [x]\n"
    );
    let draft = draft("", &services).unwrap();
    let sums: Vec<_> = draft
        .memory()
        .map(|(s, h, sum, open)| (s.as_str(), h.as_str(), sum >> 20, open))
        .collect();
    assert_eq!(
        sums,
        [("blue", "web1", 129, false), ("green", "web2", 129, false)]
    );
}

#[test]
fn a_gate_by_command_names_a_service_that_the_template_starts() {
    let gate = |gate: &str| format!("gates: [ {{ command: {gate} }} ]\n");
    let two = format!("{BARE}  web:\n    image: {{{{ image }}}}\n");
    let all = |more: &str, services: &str| said(&gate(more), services);
    assert!(!all("[/check]", BARE).contains("gate"));
    assert!(!all("{ run: [/check], service: web }", &two).contains("service `"));
    let slip = all("{ run: [/check], service: wbe }", &two);
    assert!(
        slip.contains("the template starts no service `wbe`"),
        "{slip}"
    );
    assert!(slip.contains("did you mean `web`?"), "{slip}");
    let none = all("[/check]", &two);
    assert!(
        none.contains("this gate does not say in whose container it runs"),
        "{none}"
    );
    assert!(none.contains("staging.yml:7:"), "{none}");
}

#[test]
fn a_call_by_command_names_a_service_that_the_template_starts() {
    let two = format!("{BARE}  web:\n    image: {{{{ image }}}}\n");
    // Below the app, which ends the inventory.
    let all = |call: &str| said(&format!("    deactivate: {{ command: {call} }}\n"), &two);
    assert!(!all("{ run: [/off], service: web }").contains("service `"));
    let slip = all("{ run: [/off], service: wbe }");
    assert!(
        slip.contains("the template starts no service `wbe`"),
        "{slip}"
    );
    let none = all("[/off]");
    assert!(
        none.contains("`deactivate` does not say in whose container it runs"),
        "{none}"
    );
    assert!(none.contains("staging.yml:7:"), "{none}");
}
