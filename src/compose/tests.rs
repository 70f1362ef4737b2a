//! What is said about compose files, and what the overriding file holds.

mod messages;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::name::Digest;

fn document(text: &str) -> Document {
    match Document::parse("docker-compose.yml for app on web1", text.as_bytes(), []) {
        Ok((document, _)) => document,
        Err(findings) => panic!("{findings}"),
    }
}

fn digest(byte: &str) -> Digest {
    Digest::new(format!("sha256:{}", byte.repeat(32))).unwrap()
}

fn digests(document: &Document) -> BTreeMap<ServiceName, Digest> {
    let images = document.images().into_iter();
    images.map(|i| (i.service, digest("9f"))).collect()
}

/// An inventory's line, so that both places can be shown.
fn asked<T>(value: T, line: &str) -> Wanted<T> {
    let file = SourceFile::new(
        "inventories/staging.yml",
        format!("apps:\n  app:\n    {line}\n"),
    );
    Wanted::asked(value, &Span::whole_line(&file, 3))
}

fn limits(memory: u64, cpus: &str) -> Limits {
    Limits {
        memory: Some(asked(memory, "limits: { memory: 512m, cpus: \"1.0\" }")),
        cpus: Some(asked(
            Cpus::parse(cpus).unwrap(),
            "limits: { memory: 512m, cpus: \"1.0\" }",
        )),
        pids: None,
    }
}

fn with_limits() -> Policy {
    Policy {
        all: ServicePolicy {
            limits: limits(512 << 20, "1.0"),
            ..ServicePolicy::default()
        },
        labels: BTreeMap::from([("deploy.env".to_owned(), "staging".to_owned())]),
        ..Policy::default()
    }
}

fn overlay_of(text: &str, policy: &Policy) -> Result<Overlay, String> {
    let document = document(text);
    override_file(&document, policy, &digests(&document)).map_err(|e| e.to_string())
}

fn bytes_of(text: &str, policy: &Policy) -> String {
    String::from_utf8(overlay_of(text, policy).unwrap().bytes).unwrap()
}

#[test]
fn the_overriding_file_adds_what_the_template_leaves_open() {
    let text = bytes_of(
        "services:\n  app:\n    image: r.example.com/acme/app:1.0.1\n",
        &with_limits(),
    );
    insta::assert_snapshot!(text, @r#"
    # Added by deploy to docker-compose.yml: restart policy, limits, labels, log rotation, digests.
    services:
      app:
        deploy:
          resources:
            limits:
              cpus: "1"
              memory: "512m"
        image: "r.example.com/acme/app:1.0.1@sha256:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"
        restart: "always"
        labels:
          "deploy.env": "staging"
        logging:
          driver: "json-file"
          options:
            "max-size": "10m"
            "max-file": "3"
    "#);
}

#[test]
fn limits_take_the_form_that_the_template_uses() {
    let policy = with_limits();
    let short = bytes_of(
        "services: { app: { image: 'x:1', mem_reservation: 64m } }",
        &policy,
    );
    insta::assert_snapshot!(short, @r#"
    # Added by deploy to docker-compose.yml: restart policy, limits, labels, log rotation, digests.
    services:
      app:
        image: "x:1@sha256:9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"
        restart: "always"
        labels:
          "deploy.env": "staging"
        logging:
          driver: "json-file"
          options:
            "max-size": "10m"
            "max-file": "3"
        mem_limit: "512m"
        cpus: "1"
    "#);
    let long = "services: { app: { image: 'x:1', mem_reservation: 64m, deploy: { resources: { limits: { pids: 9 } } } } }";
    assert!(bytes_of(long, &policy).contains("deploy:\n      resources:\n        limits:\n"));
}

#[test]
fn what_template_and_inventory_both_set_is_an_error_with_both_lines() {
    let text = "services:\n  app:\n    image: x:1\n    mem_limit: 64m\n    restart: unless-stopped\n    deploy: { resources: { limits: { memory: 64m, cpus: '0.5' } } }\n    labels: { deploy.env: mine }\n";
    let mut policy = with_limits();
    policy.all.restart = asked(Restart::Always, "restart: always");
    policy
        .services
        .insert(ServiceName::new("appp").unwrap(), ServicePolicy::default());
    insta::assert_snapshot!(overlay_of(text, &policy).unwrap_err(), @r#"
    error: the inventory sets a policy for service `appp`, which docker-compose.yml for app on web1 does not have
      = hint: did you mean `app`?

    error: service app: label `deploy.env` is set by deploy itself
     --> docker-compose.yml for app on web1:7:15
      |
    7 |     labels: { deploy.env: mine }
      |               ^^^^^^^^^^
      = hint: take it out of the template

    error: service app: template and inventory disagree about the restart policy
     --> inventories/staging.yml:3:5
      |
    3 |     restart: always
      |     ^^^^^^^^^^^^^^^ here it is always
     ::: docker-compose.yml for app on web1:5:14
      |
    5 |     restart: unless-stopped
      |              ^^^^^^^^^^^^^^ here it is unless-stopped
      = hint: keep one of the two

    error: service app: template and inventory both set the limit of CPUs
     --> inventories/staging.yml:3:5
      |
    3 |     limits: { memory: 512m, cpus: "1.0" }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ set here
     ::: docker-compose.yml for app on web1:6:57
      |
    6 |     deploy: { resources: { limits: { memory: 64m, cpus: '0.5' } } }
      |                                                         ^^^^^^ and here
      = hint: keep it in the inventory, where it can differ by host, and take it out of the template

    error: service app: template and inventory both set the memory limit
     --> inventories/staging.yml:3:5
      |
    3 |     limits: { memory: 512m, cpus: "1.0" }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ set here
     ::: docker-compose.yml for app on web1:4:16
      |
    4 |     mem_limit: 64m
      |                ^^^ and here
      = hint: keep it in the inventory, where it can differ by host, and take it out of the template

    5 errors
    "#);
}

#[test]
fn sizes_that_the_engine_would_refuse_are_found_before() {
    let mut policy = with_limits();
    policy.all.limits = limits(1 << 20, "1");
    let text = "services: { app: { image: 'x:1', mem_reservation: 64m } }\n";
    insta::assert_snapshot!(overlay_of(text, &policy).unwrap_err(), @r#"
    error: service app reserves 64.0 MiB of memory, more than its limit of 1.0 MiB
     --> docker-compose.yml for app on web1:1:51
      |
    1 | services: { app: { image: 'x:1', mem_reservation: 64m } }
      |                                                   ^^^

    error: service app: a memory limit of 1.0 MiB is less than the 6 MiB that Docker accepts
     --> inventories/staging.yml:3:5
      |
    3 |     limits: { memory: 512m, cpus: "1.0" }
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    2 errors
    "#);
}

#[test]
fn effective_values_say_what_both_files_give() {
    let text = "services:\n  app: { image: 'r/app:1', restart: 'on-failure:3', cpus: 0.5 }\n  once: { image: 'r/app:1', restart: 'no' }\n  other: { image: 'redis@sha256:0000000000000000000000000000000000000000000000000000000000000001', deploy: { restart_policy: { condition: any } } }\n  off: { image: 'x:1', profiles: [debug] }\n";
    let overlay = overlay_of(text, &Policy::default()).unwrap();
    let shown: Vec<String> = overlay
        .effective
        .iter()
        .map(|(name, e)| {
            let restart = e.restart.unwrap();
            let cpus = e.cpus.map(Cpus::nano);
            let digest = e.digest.as_ref().unwrap().short();
            format!(
                "{name}: {restart} {cpus:?} {digest} {} {:?}",
                e.one_shot, e.notes
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "app: on-failure:3 Some(500000000) sha256:9f9f… false []",
            "once: no None sha256:9f9f… true [\"its template says `restart: no`: it ends by itself\"]",
            "other: always None sha256:0000… false []",
        ]
    );
}

#[test]
fn an_image_without_digest_is_an_error() {
    let document = document("services:\n  app: { image: 'x:1' }\n");
    let told = override_file(&document, &Policy::default(), &BTreeMap::new()).unwrap_err();
    insta::assert_snapshot!(told.to_string(), @r"
    error: service app: no digest is known for image `x:1`
     --> docker-compose.yml for app on web1:2:17
      |
    2 |   app: { image: 'x:1' }
      |                 ^^^^^^

    1 error
    ");
}

#[test]
fn images_and_ports_are_listed() {
    let document = document(
        "services:\n  a: { image: 'r.example.com/acme/app:1', ports: ['18080:80', '[::1]:81-82:81-82/udp', 90, '$P:1'] }\n  b: { image: 'redis', ports: [{ target: 80, published: 8080 }] }\n",
    );
    let images: Vec<_> = document
        .images()
        .iter()
        .map(|i| i.image.to_string())
        .collect();
    assert_eq!(images, ["r.example.com/acme/app:1", "redis"]);
    let ports: Vec<_> = document
        .host_ports()
        .iter()
        .map(|(s, p)| format!("{s} {:?} {}-{}/{}", p.ip, p.first, p.last, p.protocol))
        .collect();
    assert_eq!(
        ports,
        [
            "a None 18080-18080/tcp",
            "a Some(\"::1\") 81-82/udp",
            "b None 8080-8080/tcp"
        ]
    );
}

#[test]
fn an_image_that_no_service_runs_is_found() {
    let document = document("services:\n  a: { image: 'r/app:1' }\n  b: { image: 'r/web:2' }\n");
    let runs = |text: &str| document.runs(&[ImageRef::parse(text).unwrap()]).to_string();
    assert_eq!(runs("r/app:1"), "");
    insta::assert_snapshot!(runs("r/app:2"), @r"
    error: no service of docker-compose.yml for app on web1 runs `r/app:2`
     --> docker-compose.yml for app on web1:2:15
      |
    2 |   a: { image: 'r/app:1' }
      |               ^^^^^^^^^^ service a runs another version
      = hint: write `image: {{ image }}` in the template

    1 error
    ");
    insta::assert_snapshot!(runs("r/job:2"), @r"
    error: no service of docker-compose.yml for app on web1 runs `r/job:2`
      = hint: write `image: {{ image }}` in the template

    1 error
    ");
}

#[test]
fn health_is_read_in_all_its_forms() {
    let document = document(
        "services:\n  a: { image: 'x:1', healthcheck: { test: [CMD, x], interval: 5s, start_period: 1m } }\n  b: { image: 'x:1', healthcheck: { disable: true } }\n  c: { image: 'x:1', healthcheck: { test: [NONE] } }\n  d: { image: 'x:1' }\n  e: { image: 'x:1', healthcheck: { test: x, x-new: 1 } }\n",
    );
    let health = |name: &str| document.service(name).unwrap().health();
    assert_eq!(
        health("a"),
        Health::Checked {
            interval: Some("5s".to_owned()),
            start_period: Some("1m".to_owned())
        }
    );
    assert_eq!(
        (health("b"), health("c"), health("d")),
        (Health::Disabled, Health::Disabled, Health::Unsaid)
    );
    assert!(matches!(health("e"), Health::Checked { .. }));
}

proptest! {
    #[test]
    fn any_text_is_an_answer_not_a_panic(text in "[ -~\\n\u{e9}]{0,80}") {
        let _ = Document::parse("x", text.as_bytes(), []);
    }

    #[test]
    fn any_services_are_an_answer_not_a_panic(key in "[a-z_]{1,12}", value in "[ -~]{0,20}") {
        let text = format!("services:\n  app:\n    image: x:1\n    {key}: {value}\n");
        if let Ok((document, _)) = Document::parse("x", text.as_bytes(), []) {
            let _ = override_file(&document, &with_limits(), &digests(&document));
        }
    }

    #[test]
    fn labels_arrive_exactly(value in any::<String>(), name in "[a-z.]{1,10}") {
        let mut policy = Policy::default();
        policy.labels.insert(name.clone(), value.clone());
        let text = bytes_of("services: { \"null\": { image: 'x:1' } }", &policy);
        let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        let label = read["services"]["null"]["labels"][name.as_str()].as_str();
        prop_assert_eq!(label.map(str::to_owned), Some(value.replace('$', "$$")));
    }

    #[test]
    fn sizes_that_are_written_are_read_back(bytes in 0u64..(1 << 50)) {
        prop_assert_eq!(parse_bytes(&units::write_bytes(bytes)), Some(bytes));
    }
}

#[test]
fn logs_are_kept_by_template_or_inventory_and_never_by_both() {
    let own = "services:\n  app:\n    image: r/app:1\n    logging: { driver: syslog }\n";
    let none = "services:\n  app:\n    image: r/app:1\n";
    let mut policy = with_limits();
    assert!(!bytes_of(own, &policy).contains("logging"));
    policy.all.log_asked = asked((), "logs: { max_size: 20m }").span;
    policy.all.log = Some(LogRotation {
        max_size: "20m".to_owned(),
        max_file: 3,
    });
    assert!(bytes_of(none, &policy).contains("\"max-size\": \"20m\""));
    let both = overlay_of(own, &policy).unwrap_err();
    assert!(
        both.starts_with("error: service app: template and inventory both say how logs are kept\n"),
        "{both}"
    );
    assert!(
        both.contains("inventories/staging.yml:3") && both.contains("web1:4:"),
        "{both}"
    );
    policy.all.log = None;
    policy.all.log_asked = None;
    assert!(!bytes_of(none, &policy).contains("logging"));
}
