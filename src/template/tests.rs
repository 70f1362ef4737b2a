//! What templates give, and what is said about their mistakes.

mod hostile;
mod secrets;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::name::{EnvName, GroupName, HostName, SlotName, Version};

fn scope(vars: Value) -> Scope {
    let Value::Object(vars) = vars else {
        panic!("vars are a map")
    };
    Scope {
        env: EnvName::new("staging").unwrap(),
        app: AppName::new("app").unwrap(),
        version: Version::new("1.0.1-22-7e56158").unwrap(),
        image: Images::One("registry.example.com/acme/app:1.0.1-22-7e56158".to_owned()),
        host: HostScope {
            name: HostName::new("web1").unwrap(),
            address: "web1.mgt".to_owned(),
            serve: Some("web1.svc".to_owned()),
            labels: BTreeMap::from([("zone".to_owned(), "a".to_owned())]),
            vars: serde_json::Map::new(),
        },
        group: Some(GroupName::new("blue").unwrap()),
        slot: Some(SlotName::new("blue").unwrap()),
        port: Some(18080),
        vars,
        secrets: BTreeSet::from(["db".to_owned(), "token".to_owned()]),
    }
}

fn app() -> AppName {
    AppName::new("app").unwrap()
}

fn render(files: &[(&str, &str)], vars: Value) -> Result<Rendered, String> {
    let set = TemplateSet::new(Tree::of(files));
    match set.render(&app(), &scope(vars)) {
        Ok((rendered, _)) => Ok(rendered),
        Err(found) => Err(found.to_string()),
    }
}

/// The compose file that this template gives.
fn compose(template: &str, vars: Value) -> Result<String, String> {
    let rendered = render(&[("app/docker-compose.yml.j2", template)], vars)?;
    Ok(String::from_utf8(rendered.compose().to_vec()).unwrap())
}

#[test]
fn every_name_of_the_scope_is_there() {
    let template = "\
e: {{ env }}
a: {{ app }}
v: {{ version }}
i: {{ image }}
h: [{{ host.name }}, {{ host.address }}, {{ host.serve }}, {{ host.labels.zone }}]
g: {{ group }}
s: {{ slot }}
p: {{ port }}
x: {{ vars.x }}
";
    assert_eq!(
        compose(template, json!({"x": {"b": [1, null], "a": true}})).unwrap(),
        r#"e: "staging"
a: "app"
v: "1.0.1-22-7e56158"
i: "registry.example.com/acme/app:1.0.1-22-7e56158"
h: ["web1", "web1.mgt", "web1.svc", "a"]
g: "blue"
s: "blue"
p: 18080
x: {"b": [1, null], "a": true}
"#
    );
}

#[test]
fn a_file_without_suffix_passes_byte_for_byte_and_modes_do_not_depend_on_a_umask() {
    let text = "services: {a: {image: 'x{{ not a template }}'}} # kept\n\n";
    let rendered = render(&[("app/docker-compose.yml", text)], json!({})).unwrap();
    assert_eq!(rendered.compose(), text.as_bytes());
    assert_eq!(rendered.files[0].mode, 0o644);
}

#[test]
fn other_files_are_shipped_rendered_by_their_kind() {
    let rendered = render(
        &[
            ("app/docker-compose.yml.j2", "services: {}\n"),
            ("app/files/nginx/a.conf.j2", "level {{ vars.level }};\n"),
            ("app/files/b.yml.j2", "level: {{ vars.level }}\n"),
            ("app/files/c.txt", "{{ untouched }}\n"),
            ("app/README.md", "not shipped\n"),
        ],
        json!({"level": "a$b"}),
    )
    .unwrap();
    let files: Vec<_> = rendered
        .files
        .iter()
        .map(|f| (f.path.as_str(), std::str::from_utf8(&f.bytes).unwrap()))
        .collect();
    assert_eq!(
        files,
        [
            ("docker-compose.yml", "services: {}\n"),
            ("files/b.yml", "level: \"a$b\"\n"),
            ("files/c.txt", "{{ untouched }}\n"),
            ("files/nginx/a.conf", "level a$b;\n"),
        ]
    );
}

#[test]
fn a_dollar_is_kept_from_compose() {
    assert_eq!(
        compose("a: {{ vars.p }}\n", json!({"p": "pa$word ${X}"})).unwrap(),
        "a: \"pa$$word $${X}\"\n"
    );
}

#[test]
fn all_undefined_names_are_found_at_once_with_what_was_meant() {
    let told = compose(
        "services:\n  app:\n    image: {{ imgae }}\n    environment:\n      A: {{ vars.log_leve }}\n      B: {{ vars.db.host }}\n      C: {{ vars.zebra ~ 'x' }}\n",
        json!({"log_level": "info", "heap": "2g"}),
    )
    .unwrap_err();
    insta::assert_snapshot!(told, @r"
    error: template uses `imgae`, which is not defined
     --> templates/app/docker-compose.yml.j2:3:15
      |
    3 |     image: {{ imgae }}
      |               ^^^^^
      = hint: did you mean `image`?

    error: template uses `vars.log_leve`, which is not defined
     --> templates/app/docker-compose.yml.j2:5:13
      |
    5 |       A: {{ vars.log_leve }}
      |             ^^^^^^^^^^^^^
      = hint: did you mean `vars.log_level`?

    error: template uses `vars.db`, which is not defined
     --> templates/app/docker-compose.yml.j2:6:13
      |
    6 |       B: {{ vars.db.host }}
      |             ^^^^^^^
      = hint: defined in `vars` are: log_level, heap
      = hint: set `vars: { db: … }` in the inventory, or write `vars.db|default(…)`

    error: template uses `vars.zebra`, which is not defined
     --> templates/app/docker-compose.yml.j2:7:13
      |
    7 |       C: {{ vars.zebra ~ 'x' }}
      |             ^^^^^^^^^^
      = hint: defined in `vars` are: log_level, heap
      = hint: set `vars: { zebra: … }` in the inventory, or write `vars.zebra|default(…)`

    4 errors
    ");
}

#[test]
fn an_error_in_an_include_points_into_the_include() {
    let told = render(
        &[
            (
                "app/docker-compose.yml.j2",
                "services:\n  {% include '_shared/s.j2' %}\n",
            ),
            ("_shared/s.j2", "app:\n    image: {{ host.nam }}\n"),
        ],
        json!({}),
    )
    .unwrap_err();
    insta::assert_snapshot!(told, @r"
    error: template uses `host.nam`, which is not defined
     --> templates/_shared/s.j2:2:15
      |
    2 |     image: {{ host.nam }}
      |               ^^^^^^^^
     ::: templates/app/docker-compose.yml.j2:2:6
      |
    2 |   {% include '_shared/s.j2' %}
      |      ^^^^^^^^^^^^^^^^^^^^^^ included here
      = hint: did you mean `host.name`?

    1 error
    ");
}

#[test]
fn other_errors_of_templates_have_a_place_and_a_hint() {
    let one = |template: &str| compose(template, json!({"n": null, "xs": [1]})).unwrap_err();
    insta::assert_snapshot!(one("a: 1\nb: {{ f( }}\n"), @r"
    error: template does not parse: unexpected `}`
     --> templates/app/docker-compose.yml.j2:2:10
      |
    2 | b: {{ f( }}
      |          ^

    1 error
    ");
    insta::assert_snapshot!(one("a: {% include '_shard/x' %}\n"), @r"
    error: template fails: tried to include non-existing template '_shard/x'
     --> templates/app/docker-compose.yml.j2:1:7
      |
    1 | a: {% include '_shard/x' %}
      |       ^^^^^^^^^^^^^^^^^^
      = hint: name a file by its path under the templates directory, or with `./` from this file

    1 error
    ");
    insta::assert_snapshot!(one("a: {% include '../../etc/passwd' %}\n"), @r"
    error: template cannot be rendered: `../../etc/passwd` leads out of `templates`; name a file by its path in there
     --> templates/app/docker-compose.yml.j2:1:7
      |
    1 | a: {% include '../../etc/passwd' %}
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^

    1 error
    ");
    insta::assert_snapshot!(one("a: {{ vars.xs | nope }}\n"), @r"
    error: template cannot be rendered: filter nope is unknown
     --> templates/app/docker-compose.yml.j2:1:17
      |
    1 | a: {{ vars.xs | nope }}
      |                 ^^^^

    1 error
    ");
    insta::assert_snapshot!(one("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"), @r"
    error: template runs too long: a loop may have no end
     --> templates/app/docker-compose.yml.j2:1:1
      |
    1 | {% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

    1 error
    ");
}

#[test]
fn glued_values_are_refused_with_the_right_form() {
    let vars = json!({"v": "1.2", "n": 5, "none": null});
    let one = |template: &str| compose(template, vars.clone()).unwrap_err();
    insta::assert_snapshot!(one("services:\n  a:\n    image: nginx:{{ vars.v }}\n"), @r"
    error: `nginx:{{ vars.v }}` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:3:18
      |
    3 |     image: nginx:{{ vars.v }}
      |                  ^^^^^^^^^^^^
      = hint: write {{ 'nginx:' ~ vars.v }}

    1 error
    ");
    insta::assert_snapshot!(one("image: \"{{ vars.v }}\"\n"), @r#"
    error: `"{{ vars.v }}"` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:1:9
      |
    1 | image: "{{ vars.v }}"
      |         ^^^^^^^^^^^^
      = hint: write {{ vars.v }}

    1 error
    "#);
    insta::assert_snapshot!(one("image: '{{ app }}:{{ vars.v }}'\n"), @r"
    error: `'{{ app }}:{{ vars.v }}'` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:1:9
      |
    1 | image: '{{ app }}:{{ vars.v }}'
      |         ^^^^^^^^^
      = hint: write {{ app ~ ':' ~ vars.v }}

    error: `'{{ app }}:{{ vars.v }}'` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:1:19
      |
    1 | image: '{{ app }}:{{ vars.v }}'
      |                   ^^^^^^^^^^^^
      = hint: write {{ app ~ ':' ~ vars.v }}

    2 errors
    ");
    insta::assert_snapshot!(one("command: |\n  echo {{ vars.v }}\n"), @r"
    error: `{{ vars.v }}` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:2:8
      |
    2 |   echo {{ vars.v }}
      |        ^^^^^^^^^^^^
      = hint: inside a block of text a value cannot stand alone: build the whole text in one `{{ … }}`, or pass the value in `environment:`

    1 error
    ");
    insta::assert_snapshot!(one("{% macro m(x) %}{{ x }}{% endmacro %}a: pre-{{ m(vars.v) }}\n"), @r"
    error: `pre-{{ m(vars.v) }}` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:1:45
      |
    1 | {% macro m(x) %}{{ x }}{% endmacro %}a: pre-{{ m(vars.v) }}
      |                                             ^^^^^^^^^^^^^^^
      = hint: write {{ 'pre-' ~ m(vars.v) }}

    1 error
    ");
    insta::assert_snapshot!(one("{% set x %}x {{ vars.v }}{% endset %}a: {{ x }}\n"), @r"
    error: `{{ vars.v }}` gives wrong YAML: the value is put into quotes by itself, and then stands inside other text
     --> templates/app/docker-compose.yml.j2:1:14
      |
    1 | {% set x %}x {{ vars.v }}{% endset %}a: {{ x }}
      |              ^^^^^^^^^^^^
      = hint: inside a block of text a value cannot stand alone: build the whole text in one `{{ … }}`, or pass the value in `environment:`

    1 error
    ");
    insta::assert_snapshot!(one("{% macro m(x) %}{{ x }}{% endmacro %}a: {{ m(vars.v) ~ 'x' }}\n"), @r"
    error: template cannot be rendered: text that is quoted already is quoted again
     --> templates/app/docker-compose.yml.j2:1:44
      |
    1 | {% macro m(x) %}{{ x }}{% endmacro %}a: {{ m(vars.v) ~ 'x' }}
      |                                            ^^^^^^^^^^^^^^^
      = hint: join the plain values with `~` and print the result once

    1 error
    ");
}

#[test]
fn numbers_may_be_glued_and_values_may_stand_anywhere_alone() {
    let vars = json!({"v": "1.2", "k": "key", "n": 5, "l": ["a: b", "c"], "none": null});
    let ok = |template: &str| compose(template, vars.clone()).unwrap();
    assert_eq!(ok("- \"{{ port }}:8080\"\n"), "- \"18080:8080\"\n");
    assert_eq!(ok("a: {{ vars.n }}g # {{ vars.v }}\n"), "a: 5g # \"1.2\"\n");
    assert_eq!(
        ok("{{ vars.k }}: [{{ vars.v }},{{ vars.none }}]\n"),
        "\"key\": [\"1.2\",null]\n"
    );
    assert_eq!(
        ok("a: {{ vars.l }}\nb: {{ 'x:' ~ vars.v }}\n"),
        "a: [\"a: b\", \"c\"]\nb: \"x:1.2\"\n"
    );
    assert_eq!(
        ok("a: !!str {{ vars.v }}\nb: &x {{ vars.v }}\n"),
        "a: !!str \"1.2\"\nb: &x \"1.2\"\n"
    );
    assert_eq!(
        ok("{% macro m(x) %}{{ x }}{% endmacro %}a: {{ m(vars.v) }}\n"),
        "a: \"1.2\"\n"
    );
    assert_eq!(
        ok("a: {{ vars.l | tojson ~ '' }}\n"),
        "a: \"[\\\"a: b\\\",\\\"c\\\"]\"\n"
    );
}

#[test]
fn a_value_that_cannot_arrive_is_refused_by_name() {
    let told = compose("a: 1\n", json!({"deep": {"list": ["ok", "a\u{0}b"]}})).unwrap_err();
    insta::assert_snapshot!(told, @r"
    error: `vars.deep.list[1]` on host web1 holds the character U+0000, which cannot be delivered
      = hint: take it out of the value in the inventory

    1 error
    ");
}

#[test]
fn two_sources_of_one_file_and_a_missing_template_are_told() {
    let told = render(&[("web/docker-compose.yml.j2", "")], json!({})).unwrap_err();
    insta::assert_snapshot!(told, @r"
    error: app app has no template `templates/app/docker-compose.yml.j2`

    1 error
    ");
    let told = render(
        &[
            ("app/docker-compose.yml.j2", "a: 1\n"),
            ("app/files/x", ""),
            ("app/files/x.j2", ""),
        ],
        json!({}),
    )
    .unwrap_err();
    insta::assert_snapshot!(told, @r"
    error: `templates/app/files/x` and `templates/app/files/x.j2` would both become `files/x`
      = hint: keep one of them

    1 error
    ");
}

#[test]
fn links_out_of_the_directory_are_refused_when_used() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("templates");
    std::fs::create_dir_all(root.join("app/files")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", root.join("app/files/name")).unwrap();
    std::os::unix::fs::symlink("..", root.join("app/files/loop")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a fixture")]
    std::fs::write(root.join("app/docker-compose.yml.j2"), "a: 1\n").unwrap();
    let set = TemplateSet::load(&root).unwrap();
    let told = set
        .render(&app(), &scope(json!({})))
        .unwrap_err()
        .to_string();
    assert!(told.contains("it is a link out of"), "{told}");
    assert!(told.contains("nested too deeply"), "{told}");
}

#[test]
fn a_rendered_line_is_led_back_to_its_template() {
    let template = "# head\n{% set x = 1 %}\nservices:\n  app:\n    image: {{ image }}\n    resart: always\n    labels:\n{%- for n in ['a', 'b'] %}\n      {{ n }}: same\n{%- endfor %}\n      c: d # {{ env }}\n";
    let rendered = render(&[("app/docker-compose.yml.j2", template)], json!({})).unwrap();
    let text = std::str::from_utf8(rendered.compose()).unwrap();
    let file = SourceFile::new("docker-compose.yml on web1", text);
    let origin = |part: &str| {
        let at = text.find(part).unwrap();
        let span = rendered.origin(&Span::bytes(&file, at..at + part.len()))?;
        Some(format!("{span} {}", span.len))
    };
    let at = |place: &str| Some(format!("templates/app/docker-compose.yml.j2:{place}"));
    assert_eq!(origin("resart"), at("6:5 6"));
    assert_eq!(origin("\"registry.example.com"), at("5:12 11"));
    assert_eq!(origin("image"), at("5:5 5"));
    assert_eq!(origin("d # \"staging"), at("11:10 4"));
    assert_eq!(origin("\"a\": same"), None);
    let other = SourceFile::new("inventories/staging.yml", "services:\n");
    assert_eq!(rendered.origin(&Span::new(&other, 1, 1, 8)), None);
}

#[test]
fn the_tour_renders() {
    let set = TemplateSet::load(Path::new("templates")).unwrap();
    assert_eq!(set.apps().len(), 2);
    let (app, said) = set.render(&app(), &scope(json!({}))).unwrap();
    assert!(said.is_empty(), "{said}");
    let text = std::str::from_utf8(app.compose()).unwrap();
    let services = text.split_once("\nservices:").unwrap().1;
    insta::assert_snapshot!(services, @r#"
    app:
      image: "registry.example.com/acme/app:1.0.1-22-7e56158"
      ports:
        # A value becomes a whole quoted text by itself, so text joins it inside the braces.
        - "18080:8080"
      environment:
        APP_SLOT: "blue"
        APP_HOST: "web1"
        LOG_LEVEL: "info"
    "#);
    let vars = json!({"environment": {"COLOUR": "blue: #1"}});
    let (web, said) = set
        .render(&AppName::new("web").unwrap(), &scope(vars))
        .unwrap();
    assert!(said.is_empty(), "{said}");
    let text: Vec<_> = web
        .files
        .iter()
        .map(|f| std::str::from_utf8(&f.bytes).unwrap())
        .collect();
    insta::assert_snapshot!(text.join("----\n"), @r#"
    # A second app on the same hosts, with a shared macro, a list from the inventory and a file of its own.

    services:
      web:
        image: "registry.example.com/acme/app:1.0.1-22-7e56158"
        ports:
          - "18080:8080"
        environment:
          <<: {"APP_SLOT": "blue", "APP_HOST": "web1"}
          "COLOUR": "blue: #1"
        volumes:
          # Everything under files/ is shipped beside this file; *.j2 is rendered, the suffix dropped.
          - ./files/site.conf:/etc/web/site.conf:ro
        read_only: true
        cap_drop: [ALL]
    ----
    # Plain text: values stand here as they are.
    environment = staging
    release     = 1.0.1-22-7e56158
    host        = web1
    "#);
}
