//! Drafts as whole texts, and that they are what they should be: read, rendered, checked.

use std::collections::{BTreeMap, BTreeSet};

use super::chosen::Chosen;
use super::draft::Draft;
use crate::host::docker::adopt::{self, Told};
use crate::inventory::{Config, Inventory};
use crate::name::{AppName, EnvName, HostName, Version};
use crate::release;
use crate::template::TemplateSet;
use crate::text::Findings;

const HOSTS: &str = "\
hosts: { web1: , web2: , web3: , lb1: }
load_balancers: { edge: { driver: nginx, hosts: [lb1] } }
";

/// A row as a host prints it; `more` replaces fields.
fn row(name: &str, image: &str, more: &[(&str, &str)]) -> String {
    let mut fields: BTreeMap<&str, String> = [
        ("id", format!("\"{name}-id\"")),
        ("name", format!("\"/{name}\"")),
        ("image", format!("\"{image}\"")),
        ("health", "\"none\"".to_owned()),
        ("restart", "\"always\"".to_owned()),
        ("retries", "0".to_owned()),
        ("network_mode", "\"bridge\"".to_owned()),
        ("user", "\"\"".to_owned()),
    ]
    .into();
    let more = more.iter().map(|(k, v)| (*k, (*v).to_owned()));
    fields.extend(more);
    let fields = fields.iter().map(|(k, v)| format!("\"{k}\":{v}"));
    format!("c {{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn told(lines: &[&str]) -> Told {
    let mut lines: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
    lines.push("docker ok".to_owned());
    adopt::read(&lines)
}

const PORT: (&str, &str) = (
    "ports",
    r#"{"8080/tcp":[{"HostIp":"0.0.0.0","HostPort":"80"}]}"#,
);

/// Two services on web1 and web2, whose worker differs; nothing on web3.
fn fleet() -> BTreeMap<HostName, Told> {
    let web = row(
        "shop-web",
        "r.example.com/acme/shop:1.0",
        &[
            PORT,
            ("memory", "268435456"),
            ("nano_cpus", "1500000000"),
            (
                "mounts",
                r#"[{"Type":"volume","Name":"data","Destination":"/data","RW":true},{"Type":"bind","Source":"/etc/a $b {{ c }}","Destination":"/etc/a","RW":false}]"#,
            ),
        ],
    );
    let worker = |memory: &str| {
        let more = [
            ("network_mode", "\"host\""),
            ("memory", memory),
            ("cap_add", r#"["NET_ADMIN"]"#),
        ];
        row("shop-worker", "r.example.com/acme/jobs:1.0", &more)
    };
    let (one, two) = (worker("134217728"), worker("7000000"));
    let foreign = row("registry", "registry:2", &[]);
    let host = |worker: &str| told(&[&web, "e TOKEN", "o", worker, &foreign]);
    let name = |n: &str| HostName::new(n).unwrap();
    let mut lb = told(&[]);
    lb.named = adopt::read(&["b nginx /etc/nginx/nginx.conf 7 web1:80".to_owned()]).named;
    [
        (name("web1"), host(&one)),
        (name("web2"), host(&two)),
        (name("web3"), told(&[])),
        (name("lb1"), lb),
    ]
    .into()
}

fn inventory(dir: &std::path::Path, text: &str) -> Result<Inventory, Findings> {
    let path = dir.join("inventories/staging.yml");
    write(&path, text);
    Config::new(dir, []).load(&EnvName::new("staging").unwrap(), &[])
}

fn write(path: &std::path::Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own files")]
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_draft_says_what_runs_and_renders_once_every_value_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let app = AppName::new("shop").unwrap();
    let read = inventory(dir.path(), HOSTS).unwrap();
    let told = fleet();
    let balancers: BTreeSet<HostName> = [HostName::new("lb1").unwrap()].into();
    let chosen = Chosen::of(&app, &[], &told, &balancers);
    let draft = Draft::of(&read, &app, &chosen, &told);
    let json = draft.json(&BTreeMap::new());
    let text = |n: usize| json["drafts"][n]["text"].as_str().unwrap().to_owned();
    let (ours, template) = (text(0), text(1));
    assert_eq!(
        draft.text(&BTreeMap::new()),
        format!(
            "\
what runs, and was started by hand
  web1 web: shop-web (r.example.com/acme/shop:1.0), 80:8080, restart always, memory 256.0 MiB, cpus 1.5
  web1 worker: shop-worker (r.example.com/acme/jobs:1.0), network host, restart always, memory 128.0 MiB, cpus none
  web2 web: shop-web (r.example.com/acme/shop:1.0), 80:8080, restart always, memory 256.0 MiB, cpus 1.5
  web2 worker: shop-worker (r.example.com/acme/jobs:1.0), network host, restart always, memory 6.7 MiB, cpus none
  web3: nothing of shop
hosts that differ
  web2 worker: memory limit 6.7 MiB, web1 has 128.0 MiB
load balancers name these hosts
  lb1: /etc/nginx/nginx.conf line 7: web1:80

# inventories/staging.yml
{ours}
# templates/shop/docker-compose.yml.j2
{template}"
        )
    );
    assert_eq!(
        ours,
        "\
groups:
  blue: [web1, web2]
  green: [web3]
hosts:                     # where they differ
  web2: { apps: { shop: { services: { worker: { limits: { memory: 7000000b, cpus: null } } } } } }
apps:
  shop:
    images:
      web: r.example.com/acme/shop
      worker: r.example.com/acme/jobs
    strategy: blue-green
    slots: [blue, green]
    port: 80
    balance:                 # your own server block: docs/adopt.md says what to put into it
      edge: { backend: shop, host: NAME.OF.THE.SITE, server: own }
    gates:                   # a request that only a healthy app answers is better
      - { tcp: true }
    services:
      web:
        limits: { memory: 256m, cpus: \"1.5\" }
        restart: \"always\"
      worker:
        limits: { memory: 128m, cpus: null }
        restart: \"always\"
"
    );

    // Together with what there is, it is an inventory; the template asks for what was not read.
    write(
        &dir.path().join("templates/shop/docker-compose.yml.j2"),
        &template,
    );
    let with = |vars: &str| {
        let hosts = "hosts: { web1: , web3: , lb1: }\nload_balancers: { edge: { driver: nginx, hosts: [lb1] } }\n";
        let ours = ours.replace("hosts:                     # where they differ\n", "");
        let own = "  web2: { apps: { shop: { services: { worker: { limits: { memory: 7000000b, cpus: null } } } } } }\n";
        let hosts = hosts.replace(
            "web1: ,",
            &format!("web1: , {},", own.trim().trim_end_matches('\n')),
        );
        let whole = format!("{hosts}{}{vars}", ours.replace(own, ""));
        let read = inventory(dir.path(), &whole)?;
        let templates = TemplateSet::load(&dir.path().join("templates"))?;
        let version = Version::new("1.0").unwrap();
        release::Draft::render(&read, read.app("shop").unwrap(), &version, &templates)
    };
    let missing = with("").err().unwrap().to_string();
    assert!(missing.contains("TOKEN"), "{missing}");
    let draft = with("    vars: { TOKEN: said }\n").unwrap();
    let (_, _, rendered) = draft.files().next().unwrap();
    let compose = String::from_utf8_lossy(&rendered.files[0].bytes).into_owned();
    for line in [
        "image: \"r.example.com/acme/shop:1.0\"",
        "- \"80:8080\"",
        "- \"data:/data\"",
        "- \"/etc/a $$b {{ c }}:/etc/a:ro\"",
        "\"TOKEN\": \"said\"",
        "network_mode: host",
        "- \"NET_ADMIN\"",
        "\"data\": { external: true }",
    ] {
        assert!(compose.contains(line), "{line} is not in\n{compose}");
    }
}

#[test]
fn containers_are_the_apps_by_name_image_or_project_and_by_pattern_only() {
    let app = AppName::new("shop").unwrap();
    let names = |patterns: &[&str], rows: &[String]| {
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let told = [(HostName::new("web1").unwrap(), told(&rows))].into();
        let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        let chosen = Chosen::of(&app, &patterns, &told, &BTreeSet::new());
        let services = chosen.hosts.into_values().flatten();
        services
            .map(|(s, c)| format!("{s}={}", c.name))
            .collect::<Vec<_>>()
    };
    let ours = ("ours", "\"rel1\"");
    let compose = [("project", "\"shop\""), ("service", "\"api\"")];
    let rows = [
        row("front", "acme/shop:1", &[]),
        row("shopping", "acme/other:1", &[]),
        row("x_1", "acme/other:1", &compose),
        row("staging-shop-blue-web-1", "acme/shop:2", &[ours]),
    ];
    assert_eq!(names(&[], &rows), ["api=x_1", "front=front"]);
    assert_eq!(names(&["shop*"], &rows), ["shop=shopping"]);
    assert_eq!(names(&["none"], &rows), [""; 0]);
}
