//! Values that try to break out of their place.

use proptest::prelude::*;
use serde_json::json;

use super::super::print;
use super::compose;

/// Strings that have broken out of templates somewhere, and any others.
fn hostile() -> impl Strategy<Value = String> {
    let fixed = [
        "",
        " ",
        "a",
        "\"",
        "'",
        "\\",
        "\n",
        "a\nb: c",
        "x\"\n    privileged: true\n    #",
        ": ",
        "# no",
        "- a",
        "{{ v }}",
        "{% raw %}",
        "${HOME}",
        "$$",
        "\u{85}",
        "\u{2028}",
        "\u{7f}",
        "\u{feff}",
        "\u{1f680}",
        "null",
        "~",
        "yes",
        "0755",
        "1e3",
        "&a",
        "*a",
        "!reset",
        "|",
        ">",
        "%YAML",
        "---",
        "\t",
        "\r\n",
        "=",
        "<<",
        "\u{fffe}",
        "\u{10ffff}",
        "\u{200b}",
    ];
    prop_oneof![
        proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        any::<String>(),
        "[ -~\\n\\t\u{80}-\u{ff}\u{2020}-\u{2030}]{0,20}",
    ]
    .prop_filter("refused by name", |s| {
        !s.contains(['\0', print::OPEN, print::CLOSE])
    })
}

proptest! {
    #[test]
    fn a_hostile_value_arrives_exactly_and_changes_nothing_else(a in hostile(), b in hostile()) {
        let template = "\
services:
  app:
    image: {{ image }}
    environment:
      A: {{ vars.a }}
      J: {{ 'x' ~ vars.a ~ vars.b }}
      ? {{ 'k' ~ vars.b }}
      : {{ vars.b }}
    command: [{{ vars.a }}, {{ vars.b }}] # {{ vars.a }}
    labels: {{ {'l': vars.a, 'm': [vars.b]} }}
";
        let text = compose(template, json!({"a": a, "b": b})).unwrap();
        let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        // What compose makes of it: `$$` is `$`.
        let d = |s: &str| s.replace('$', "$$");
        let app = json!({"services": {"app": {
            "image": "registry.example.com/acme/app:1.0.1-22-7e56158",
            "environment": {"A": d(&a), "J": d(&format!("x{a}{b}")), d(&format!("k{b}")): d(&b)},
            "command": [d(&a), d(&b)],
            "labels": {"l": d(&a), "m": [d(&b)]},
        }}});
        prop_assert_eq!(serde_json::to_value(read).unwrap(), app);
    }

    #[test]
    fn a_hostile_value_that_is_glued_is_refused_or_harmless(a in hostile(), at in 0usize..6) {
        let template = ["x: pre{{ vars.a }}", "x: \"{{ vars.a }}\"", "x: '{{ vars.a }}'",
            "x: |\n  {{ vars.a }}", "x: {{ vars.a }}post", "x: a {{ vars.a }}"][at];
        if let Ok(text) = compose(template, json!({"a": a})) {
            // No YAML: the reader of the compose file refuses it.
            prop_assert!(serde_yaml::from_str::<serde_yaml::Value>(&text).is_err(), "{}", text);
        }
    }

    #[test]
    fn any_template_text_is_an_answer_not_a_panic(text in "[ -~\\n\u{e9}{}%]{0,60}") {
        let _ = compose(&text, json!({}));
    }

    #[test]
    fn renders_are_the_same_every_time(a in hostile()) {
        let one = compose("a: {{ {'b': vars.a, 'a': 1} }}\n{{ vars.a }}: 1\n", json!({"a": a.clone()}));
        let two = compose("a: {{ {'b': vars.a, 'a': 1} }}\n{{ vars.a }}: 1\n", json!({"a": a}));
        prop_assert_eq!(one, two);
    }
}
