//! Hostile text as variables, labels and secrets: it arrives byte for byte in a running container, and changes nothing else.
//! To add a text: a line in `HOSTILE`.

use crate::support::shop::{FIRST, Shop};
use std::fmt::Write as _;

/// What YAML, compose, Jinja, shells, Docker and terminals would each read as something else.
const HOSTILE: &[&str] = &[
    "",
    " ",
    " spaces around ",
    "\ttab\tin it\t",
    "it's",
    "say \"hi\"",
    "'\"'\"'",
    "back\\slash \\n \\x41 \\",
    "a: b",
    "a:",
    ": b",
    "# nothing",
    "x # y",
    "- item",
    "-",
    "? key",
    "{a: b}",
    "[1, 2]",
    "}{][",
    "&anchor",
    "*alias",
    "!!binary x",
    "!reset null",
    "%YAML 1.2",
    "---",
    "...",
    "@at",
    "`id`",
    "| block",
    "> fold",
    "<<",
    "=",
    "yes",
    "No",
    "null",
    "~",
    "1e3",
    "0x1f",
    "012",
    "1_000",
    "1:30",
    ".inf",
    "2026-11-22",
    "${HOME}",
    "$HOME",
    "$$",
    "$",
    "${",
    "$${x}",
    "${x:-y}",
    "${x?z}",
    "{{ vars }}",
    "{{ .State.Pid }}",
    "{% raw %}",
    "{# gone #}",
    "}}",
    "$(touch /tmp/hostile)",
    "; touch /tmp/hostile; #",
    "&& exit 1",
    "*",
    "~/x",
    "--privileged",
    "line one\nline two",
    "line one\nline two\n",
    "\n",
    "\n\n  indented\n",
    "  indented\n less",
    "X=1\nPATH=/hostile",
    "ünï ✓ 🚀 漢字",
    "z\u{301}",
];

/// What other readers would change or obey is refused by name.
const REFUSED: &[(&str, &str)] = &[
    ("crlf\r\nend", "U+000D"),
    ("a\u{85}b", "U+0085"),
    ("a\u{2028}b", "U+2028"),
    ("\u{feff}mark", "U+FEFF"),
    ("\u{202e}back", "U+202E"),
    ("bell\u{7}", "U+0007"),
    ("\u{1b}[31mred", "U+001B"),
];

/// Secrets are files: whatever a file can hold.
const SECRETS: &[&str] = &[
    "${HOME} $$ {{ x }} '\"'",
    "two\nlines\n",
    "\u{feff}a\u{85}b 🚀",
    " # : - & *",
];

fn yaml(text: &str) -> String {
    // A text of JSON is one of YAML; what YAML reads as ends of lines is written as numbers.
    let json = serde_json::Value::from(text).to_string();
    let odd = |c: char| !c.is_ascii() && (c.is_control() || "\u{2028}\u{202e}\u{feff}".contains(c));
    let mut out = String::new();
    for c in json.chars() {
        match odd(c) {
            true => write!(out, "\\u{:04x}", u32::from(c)).expect("a text"),
            false => out.push(c),
        }
    }
    out
}

#[test]
#[ignore = "needs the fleet"]
fn hostile_text_arrives_byte_for_byte_in_a_running_container() {
    let shop = Shop::empty();
    let mut vars = "vars:\n      log_level: debug\n      hostile:\n".to_owned();
    for text in HOSTILE {
        writeln!(vars, "        - {}", yaml(text)).expect("a text");
    }
    let inventory = "inventories/staging.yml";
    shop.project
        .edit(inventory, "vars: { log_level: debug }", vars.trim_end());
    // Logs, one host as the inventory says, one as its engine does by itself.
    let hosts = "groups:\n  blue: [web1, web2]\n";
    let engine = format!("  web2: {{ logs: engine }}\n\n{hosts}");
    shop.project.edit(inventory, &format!("\n{hosts}"), &engine);
    let bake = "    bake: 3s";
    let logs = format!("    logs: {{ max_size: 7m, max_file: 4 }}\n{bake}");
    shop.project.edit(inventory, bake, &logs);
    let name = "templates/app/docker-compose.yml.j2";
    let place = "      LOG_LEVEL: {{ vars.log_level | default('info') }}\n";
    let more = "{% for text in vars.hostile %}      H_{{ loop.index0 }}: {{ text }}\n{% endfor %}    labels:\n{% for text in vars.hostile %}      hostile.{{ loop.index0 }}: {{ text }}\n{% endfor %}";
    let mut asked = format!("{place}{more}    secrets: [");
    let mut sources = String::new();
    let mut secrets = "secrets:\n".to_owned();
    for n in 0..SECRETS.len() {
        write!(asked, "s{n}, ").expect("a text");
        writeln!(secrets, "  s{n}: {{ file: {{{{ secret('s{n}') }}}} }}").expect("a text");
        writeln!(sources, "  s{n}: {{ env: SECRET_{n} }}").expect("a text");
    }
    let defaults = "inventories/defaults.yml";
    shop.project
        .edit(name, place, &format!("{asked}]\n{secrets}"));
    let registries = format!("secrets:\n{sources}registries:\n");
    shop.project.edit(defaults, "registries:\n", &registries);
    let before = std::fs::read_to_string(shop.project.folder().join(inventory)).expect("a file");
    for (text, name) in REFUSED {
        let bad = before.replace("log_level: debug", &format!("log_level: {}", yaml(text)));
        shop.project.write(inventory, &bad);
        let says = format!("`apps.app.vars.log_level` holds the character {name}");
        let refused = shop.run(&["render", "staging", &format!("app@{FIRST}")]);
        refused.assert_code(2).assert_says(&[&says]);
    }
    shop.project.write(inventory, &before);
    let mut tool = shop.tool(&["staging", &format!("app@{FIRST}")]);
    for (n, text) in SECRETS.iter().enumerate() {
        tool = tool.env(&format!("SECRET_{n}"), text);
    }
    tool.run().assert_code(0);
    shop.assert_serving(FIRST);

    let logs = |host: &str| {
        let ask = "docker inspect -f '{{json .HostConfig.LogConfig}}' staging-app-blue-app-1";
        let said = shop.sh(host, ask);
        serde_json::from_str::<serde_json::Value>(&said).expect("JSON")
    };
    let files = |size: &str, n: &str| {
        let config = serde_json::json!({"max-size": size, "max-file": n});
        serde_json::json!({"Type": "json-file", "Config": config})
    };
    assert_eq!(logs("web1"), files("7m", "4"));
    // What `daemon.json` of the fleet says.
    assert_eq!(logs("web2"), files("5m", "2"));

    // What the process itself was started with, in hexadecimal: nothing on the way can mend it.
    let ask = "pid=$(docker inspect -f '{{.State.Pid}}' staging-app-blue-app-1) || exit
        od -An -v -tx1 /proc/$pid/environ | tr -d ' \\n'; echo
        for n in 0 1 2 3; do od -An -v -tx1 /proc/$pid/root/run/secrets/s$n | tr -d ' \\n'; echo; done
        docker inspect -f '{{json .Config.Labels}}' staging-app-blue-app-1; ls /tmp";
    let said = shop.sh("web1", ask);
    let mut lines = said.lines();
    let mut line = || lines.next().unwrap_or_default();
    let environment = bytes(line());
    let variables: Vec<&[u8]> = environment.split(|b| *b == 0).collect();
    for (n, text) in HOSTILE.iter().enumerate() {
        let wanted = format!("H_{n}={text}");
        let found = variables.contains(&wanted.as_bytes());
        assert!(
            found,
            "{wanted:?} in {}",
            String::from_utf8_lossy(&environment)
        );
    }
    let ours = variables.iter().filter(|v| v.starts_with(b"H_")).count();
    assert_eq!(ours, HOSTILE.len());
    for others in ["APP_SLOT=blue", "APP_HOST=web1", "LOG_LEVEL=debug"] {
        assert!(variables.contains(&others.as_bytes()), "{others}");
    }
    assert!(!variables.contains(&&b"PATH=/hostile"[..]));
    for text in SECRETS {
        assert_eq!(bytes(line()), text.as_bytes());
    }
    let labels: serde_json::Value = serde_json::from_str(line()).expect("labels");
    for (n, text) in HOSTILE.iter().enumerate() {
        assert_eq!(labels[format!("hostile.{n}")], *text, "label {n}");
    }
    assert!(lines.all(|l| l != "hostile"));
    // The second plan finds nothing to change: what was read back is what was asked for.
    let mut plan = shop.tool(&["plan", "staging", &format!("app@{FIRST}"), "--exit-code"]);
    for (n, text) in SECRETS.iter().enumerate() {
        plan = plan.env(&format!("SECRET_{n}"), text);
    }
    plan.run().assert_code(0);
}

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
    (0..hex.len() / 2).map(|n| pair(2 * n)).collect()
}
