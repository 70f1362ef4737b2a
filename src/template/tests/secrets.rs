//! What `secret('name')` gives, and where it is refused.

use std::collections::BTreeSet;

use serde_json::json;

use super::render;

#[test]
fn a_secret_is_the_path_of_its_file_and_what_was_asked_for_is_known() {
    let files = [
        (
            "app/docker-compose.yml.j2",
            "secrets:\n{% include '_shared/secrets.j2' %}",
        ),
        ("_shared/secrets.j2", "  db: { file: {{ secret('db') }} }\n"),
    ];
    let rendered = render(&files, json!({})).unwrap();
    let text = String::from_utf8(rendered.compose().to_vec()).unwrap();
    assert_eq!(text, "secrets:\n  db: { file: \"./secrets/db\" }\n");
    assert_eq!(rendered.secrets, BTreeSet::from(["db".to_owned()]));
    assert_eq!(rendered.paths(), ["docker-compose.yml", "secrets/db"]);
}

#[test]
fn a_secret_that_is_not_there_or_asked_for_elsewhere_is_refused() {
    let one = |path: &str, text: &str| {
        let files = [("app/docker-compose.yml", "a: 1\n"), (path, text)];
        let own = [(path, text)];
        let compose = path.ends_with("yml.j2");
        render(if compose { &own } else { &files }, json!({})).unwrap_err()
    };
    insta::assert_snapshot!(one("app/docker-compose.yml.j2", "a: {{ secret('toknes') }}\n"), @r"
    error: template cannot be rendered: there is no secret `toknes`: did you mean `token`?
     --> templates/app/docker-compose.yml.j2:1:7
      |
    1 | a: {{ secret('toknes') }}
      |       ^^^^^^^^^^^^^^^^

    1 error
    ");
    insta::assert_snapshot!(one("app/files/app.ini.j2", "token = {{ secret('token') }}\n"), @r"
    error: template cannot be rendered: the path of secret `token` means something in the compose file only; a container finds it where the compose file puts it, by `secrets:` at /run/secrets/token
     --> templates/app/files/app.ini.j2:1:12
      |
    1 | token = {{ secret('token') }}
      |            ^^^^^^^^^^^^^^^

    1 error
    ");
}
