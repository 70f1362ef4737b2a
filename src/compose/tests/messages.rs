//! What is said about mistakes in compose files.

use super::super::Document;

fn told(text: &str) -> String {
    match Document::parse(
        "docker-compose.yml for app on web1",
        text.as_bytes(),
        ["files/a.conf"],
    ) {
        Ok((_, warnings)) => warnings.to_string(),
        Err(findings) => findings.to_string(),
    }
}

#[test]
fn mistakes_are_told_with_place_and_hint() {
    let one = |lines: &str| told(&format!("services:\n  app:\n    image: r/app:1\n{lines}"));
    insta::assert_snapshot!(one("    resart: always\n"), @r"
    error: compose knows no key `resart` in a service
     --> docker-compose.yml for app on web1:4:5
      |
    4 |     resart: always
      |     ^^^^^^
      = hint: did you mean `restart`?

    1 error
    ");
    insta::assert_snapshot!(one("    replicas: 3\n"), @r"
    error: compose knows no key `replicas` in a service
     --> docker-compose.yml for app on web1:4:5
      |
    4 |     replicas: 3
      |     ^^^^^^^^
      = hint: it belongs in `deploy`

    1 error
    ");
    insta::assert_snapshot!(one("    volumes: ['data:/data']\nvolume:\n  data:\n"), @r"
    error: service app uses volume `data`, which is not under `volumes:`
     --> docker-compose.yml for app on web1:4:15
      |
    4 |     volumes: ['data:/data']
      |               ^^^^^^^^^^^^
      = hint: add `volumes: { data: }` at the top level

    error: compose knows no key `volume` at the top of the file
     --> docker-compose.yml for app on web1:5:1
      |
    5 | volume:
      | ^^^^^^
      = hint: did you mean `volumes`?

    2 errors
    ");
    insta::assert_snapshot!(one("    quantum: true\n"), @r"
    warning: key `quantum` in a service is not known here
     --> docker-compose.yml for app on web1:4:5
      |
    4 |     quantum: true
      |     ^^^^^^^
      = hint: the compose of the host decides about it when it is checked there

    1 warning
    ");
    insta::assert_snapshot!(one("    image: r/app:2\n"), @r"
    error: key `image` stands here twice
     --> docker-compose.yml for app on web1:4:5
      |
    4 |     image: r/app:2
      |     ^^^^^
     ::: docker-compose.yml for app on web1:3:5
      |
    3 |     image: r/app:1
      |     ^^^^^ the first one

    1 error
    ");
    insta::assert_snapshot!(one("    restart: alway\n"), @r"
    error: service app: `alway` is no restart policy
     --> docker-compose.yml for app on web1:4:14
      |
    4 |     restart: alway
      |              ^^^^^
      = expected: no, always, unless-stopped, on-failure or on-failure:N; in `deploy` none, on-failure or any
      = hint: did you mean `always`?

    1 error
    ");
    insta::assert_snapshot!(one("    restart: always\n    deploy: { restart_policy: { condition: on-failure } }\n"), @r"
    warning: service app: compose ignores `restart: always`, since `deploy.restart_policy` wins with on-failure
     --> docker-compose.yml for app on web1:5:31
      |
    5 |     deploy: { restart_policy: { condition: on-failure } }
      |                               ^
     ::: docker-compose.yml for app on web1:4:14
      |
    4 |     restart: always
      |              ^^^^^^ ignored
      = hint: keep one of the two

    1 warning
    ");
    insta::assert_snapshot!(one("    mem_limit: 64q\n    cpus: many\n"), @r"
    error: service app: limit `64q` cannot be read
     --> docker-compose.yml for app on web1:4:16
      |
    4 |     mem_limit: 64q
      |                ^^^
      = expected: a size such as 512m

    error: service app: limit `many` cannot be read
     --> docker-compose.yml for app on web1:5:11
      |
    5 |     cpus: many
      |           ^^^^
      = expected: a number of CPUs such as 0.5

    2 errors
    ");
    insta::assert_snapshot!(one("    volumes: ['dta:/data']\nvolumes: { data: }\n"), @r"
    error: service app uses volume `dta`, which is not under `volumes:`
     --> docker-compose.yml for app on web1:4:15
      |
    4 |     volumes: ['dta:/data']
      |               ^^^^^^^^^^^
      = hint: did you mean `data`?
      = hint: add `volumes: { dta: }` at the top level

    1 error
    ");
    insta::assert_snapshot!(one("    volumes: ['./files/b.conf:/b', './files/a.conf:/a', './files:/f']\n"), @r"
    error: service app mounts `./files/b.conf`, which is not shipped
     --> docker-compose.yml for app on web1:4:15
      |
    4 |     volumes: ['./files/b.conf:/b', './files/a.conf:/a', './files:/f']
      |               ^^^^^^^^^^^^^^^^^^^
      = hint: did you mean `files/a.conf`?
      = hint: put it under `files/` beside the template and mount `./files/…`; for data use a named volume or an absolute path

    1 error
    ");
    insta::assert_snapshot!(one("    ports: ['80:80']\n  web:\n    image: latest\n    ports: ['80:8080']\n    container_name: web\n"), @r"
    warning: service web: image `latest` has no tag, which means `latest`
     --> docker-compose.yml for app on web1:6:12
      |
    6 |     image: latest
      |            ^^^^^^
      = hint: name a version: what `latest` means changes without notice

    error: services app and web take the same port 80 of the host
     --> docker-compose.yml for app on web1:7:13
      |
    7 |     ports: ['80:8080']
      |             ^^^^^^^^^
     ::: docker-compose.yml for app on web1:4:13
      |
    4 |     ports: ['80:80']
      |             ^^^^^^^ taken here

    warning: service web fixes its container's name `web`: two slots or two releases cannot stand on one host
     --> docker-compose.yml for app on web1:8:21
      |
    8 |     container_name: web
      |                     ^^^
      = hint: leave `container_name` out; containers are found by their labels

    1 error, 2 warnings
    ");
    insta::assert_snapshot!(one("    build: .\n"), @r"
    error: service app has `build`, and deploy builds nothing
     --> docker-compose.yml for app on web1:4:5
      |
    4 |     build: .
      |     ^^^^^
      = hint: build and push the image before, and name it with `image:`

    1 error
    ");
    insta::assert_snapshot!(told("services:\n  app:\n    image: ${R}/app:1\n"), @r#"
    error: service app: image reference "${R}/app:1" holds a variable, which only the host would know
     --> docker-compose.yml for app on web1:3:12
      |
    3 |     image: ${R}/app:1
      |            ^^^^^^^^^^
      = expected: e.g. `registry.example.com/acme/app:1.0.1`

    1 error
    "#);
    insta::assert_snapshot!(told("services:\n  app:\n    image: r/app:1\n   ports: []\n"), @r"
    error: this is not YAML: while parsing a block mapping, did not find expected key
     --> docker-compose.yml for app on web1:4:4
      |
    4 |    ports: []
      |    ^

    1 error
    ");
    insta::assert_snapshot!(told(""), @r"
    error: a compose file is a mapping, and this is nothing
     --> docker-compose.yml for app on web1:1:1
      |
    1 | 
      | ^
      = expected: `services:` and the services below it

    1 error
    ");
    insta::assert_snapshot!(told("name: x\ninclude: [other.yml]\nservices:\n  a b: { image: x }\n  c: []\n"), @r#"
    warning: `name` has no effect: deploy names a project by environment, app and slot
     --> docker-compose.yml for app on web1:1:1
      |
    1 | name: x
      | ^^^^

    error: services of included files cannot be pinned to a digest, limited and compared
     --> docker-compose.yml for app on web1:2:1
      |
    2 | include: [other.yml]
      | ^^^^^^^
      = hint: use `{% include %}` in the template instead: its result is one file

    error: service name "a b" contains ' '; letters, digits, `.`, `-` and `_` are allowed, a letter or digit first
     --> docker-compose.yml for app on web1:4:3
      |
    4 |   a b: { image: x }
      |   ^^^

    error: service `c` is a list
     --> docker-compose.yml for app on web1:5:3
      |
    5 |   c: []
      |   ^
      = expected: a mapping with at least `image:`

    3 errors, 1 warning
    "#);
}

#[test]
fn values_that_compose_refuses_are_named_with_their_place() {
    let text = told(
        "services:
  a:
    image: r/a:1
    stop_grace_period: 5 parsecs
    ports: [\"99999:80\", \"8000-8002:80-81\", \"9100-9102:80\", \"${P}:80\", 9000]
    ulimits: { nofile: many, nproc: { soft: 1, hard: x } }
    env_file: [./none.env, /etc/own.env, { path: ./maybe.env, required: false }]
    depends_on: { b: { condition: service_happy } }
  b:
    image: r/b:1
    volumes: { data: /data }
    depends_on: [c]
  c: { image: \"r/c:1\", depends_on: [a] }
",
    );
    let found: Vec<&str> = text
        .lines()
        .filter_map(|l| {
            let place = l
                .trim_start()
                .strip_prefix("--> docker-compose.yml for app on web1:");
            place.or(l.strip_prefix("error: "))
        })
        .collect();
    let expected = [
        "service a: `stop_grace_period` cannot be so",
        "4:24",
        "service a: `ports` cannot be so",
        "5:13",
        "service a: `ports` cannot be so",
        "5:25",
        "service a: `ulimits.nofile` cannot be so",
        "6:24",
        "service a: `ulimits.nproc` cannot be so",
        "6:54",
        "service a reads `none.env`, which is not shipped",
        "7:16",
        "services wait for each other: a → b → c → a",
        "8:19",
        "service a: `depends_on.b.condition` cannot be so",
        "8:35",
        "service b: `volumes` cannot be so",
        "11:14",
    ];
    assert_eq!(found, expected, "{text}");
    assert!(text.contains("= expected: as many ports of the host as of the container"));
    assert!(
        text.contains("= hint: did you mean `service_healthy`?"),
        "{text}"
    );
}
