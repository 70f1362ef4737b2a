//! The schema says what the code does: each mapping that is read is held against its object in the
//! schema, and the other way round; files that load are valid, and slips are not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::fields::seen;
use super::super::layer::Level;
use super::super::source::build;
use super::SCHEMA;
use crate::name::EnvName;
use crate::text::{Findings, SourceFile, yaml};

/// Every mapping that an inventory may hold, once.
const EVERYTHING: &str = r#"
connect: { user: deploy, port: 22, become: false, connection: ssh, options: { ServerAliveInterval: 5 } }
hosts:
  web[2:4]: { address: "{name}.mgt" }
  web1:
    address: "{name}.mgt"
    serve: "{name}.svc"
    labels: { rack: a1 }
    apps: { app: { port: 8081, services: { app: { restart: always, limits: { pids: 9 } } } } }
  lb1:
hosts_from: { command: [ansible-inventory, --list], vars: [a, b] }
groups:
  blue: [web1, web2]
  green:
    hosts: [web3, web4]
    connect: { user: other }
    labels: { side: b }
    apps: { app: { stop_grace: 5s, logs: engine } }
load_balancers:
  edge: { driver: nginx, hosts: [lb1], probe: "http://{host}:80", keepalive: 8, listen: ["80"] }
apps:
  app:
    images: { web: registry.example.com/acme/web }
    strategy: blue-green
    slots: { blue: { hosts: blue, port: 8081 }, green: green }
    balance: { edge: { backend: app, host: shop.example.com, server: own } }
    activate: { http: { path: /on, method: PUT, port: 9000, status: 204, host: x }, within: 20s }
    deactivate: { command: { run: [/app, quiet], service: app } }
    jobs: { migrate: { command: [/app, migrate], service: app, where: [web1, web3], within: 5m, rollback: blocked } }
    template: templates/app/docker-compose.yml.j2
    port: 8080
    gates:
      - /healthz
      - { http: { path: /healthz, port: 8080, status: 200-399, host: x }, every: 500ms, in_a_row: 3, within: 1m30s, timeout: 1s, from: both }
      - { tcp: true }
      - { command: { run: [pg_isready, -q], service: app } }
    limits: { memory: 512m, cpus: 0.5, pids: 100 }
    services: { app: { limits: { pids: 8 } } }
    restart: on-failure:3
    stop_grace: 10s
    logs: { max_size: 20m, max_file: 5 }
    bake: 1s500ms
    drain: 60s
    keep: 5
    budget: { pull: 3m, up: 30s }
    vars: { a: [1, { b: null }] }
  worker:
    image: registry.example.com/acme/worker
    strategy: rolling
    rolling: { batch: [1, 30%, 100%], min_healthy: 50%, failures: 1 }
    hosts: "web*"
policy:
  require: { limits.memory: error, healthcheck: warning }
  deny: { privileged: error }
  ceilings: { memory: 4g }
protection: { confirm: true, ticket: '^CHG', min_healthy: 1, unreachable: { skip: 1, share: 25% } }
windows: [mon-thu 22:00-05:00 Asia/Shanghai]
freezes: [{ from: 2026-12-20 00:00 UTC, until: 2027-01-04 08:00 UTC, reason: x }]
registries: { "registry:5000": { insecure: true, address: "10.0.0.1:5000", ca: ca.pem, send_login: false } }
secrets: { db: { env: DB }, key: { file: key.txt }, line: { file: a.env, key: A }, token: { command: [op, read, x] } }
notify:
  chat: { url: { secret: db }, template: notify/chat.json.j2, on: [start, switched, rolled_back], headers: { X-Token: { secret: key }, X-Env: a }, sign: { secret: token, form: feishu }, answer: code, within: 5s }
  plain: { url: "http://127.0.0.1:1/hook", on: end }
hooks:
  a: { at: [before, mixed], run: [hooks/a], where: app, within: 2m }
  b: { at: end, run: [hooks/b] }
"#;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn load(text: &str) -> Result<(), Findings> {
    let file = SourceFile::new("staging.yml", text);
    let env = EnvName::new("staging").unwrap();
    build(
        &env,
        &[(file, Level::Environment)],
        &[],
        Findings::default(),
    )
    .map(drop)
}

fn parse(text: &str) -> Value {
    let mut findings = Findings::default();
    let file = SourceFile::new("x.yml", text);
    let node = yaml::parse(&file, &mut findings).unwrap_or_else(|| panic!("{findings}"));
    node.to_json()
}

/// A schema with what it refers to and its alternatives, each with its pointer.
fn forms<'a>(root: &'a Value, at: &'a Value, pointer: &str) -> Vec<(String, &'a Value)> {
    let mut out = vec![(pointer.to_owned(), at)];
    if let Some(to) = at["$ref"].as_str() {
        let to = to.trim_start_matches('#');
        out.extend(forms(root, root.pointer(to).unwrap(), to));
    }
    for (n, one) in at["anyOf"].as_array().into_iter().flatten().enumerate() {
        out.extend(forms(root, one, &format!("{pointer}/anyOf/{n}")));
    }
    out
}

/// The objects of the schema that a path of the inventory leads to.
fn at_path<'a>(root: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut here = forms(root, root, "");
    let words = path.split('.').filter(|w| !w.is_empty());
    for word in words {
        let (key, item) = match word.split_once('[') {
            Some((key, _)) => (key, true),
            None => (word, false),
        };
        let mut next = Vec::new();
        for (pointer, form) in &here {
            for (name, step) in [("properties", Some(key)), ("additionalProperties", None)] {
                let child = match step {
                    Some(key) => form[name].get(key).map(|c| (format!("{name}/{key}"), c)),
                    None => Some((name.to_owned(), &form[name])).filter(|(_, c)| c.is_object()),
                };
                if let Some((name, child)) = child {
                    next.extend(forms(root, child, &format!("{pointer}/{name}")));
                }
            }
        }
        if item {
            let items = next.iter().filter(|(_, f)| f["items"].is_object());
            let items: Vec<_> = items
                .flat_map(|(p, f)| forms(root, &f["items"], &format!("{p}/items")))
                .collect();
            next.extend(items);
        }
        here = next;
    }
    here.retain(|(_, form)| form["properties"].is_object());
    here.sort_by(|a, b| a.0.cmp(&b.0));
    here.dedup_by(|a, b| a.0 == b.0);
    here
}

/// All objects of the schema that list properties, by pointer.
fn objects(at: &Value, pointer: &str, out: &mut BTreeSet<String>) {
    if at["properties"].is_object() && !pointer.ends_with("/properties") {
        out.insert(pointer.to_owned());
    }
    match at {
        Value::Object(map) => {
            for (key, child) in map {
                objects(child, &format!("{pointer}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (n, child) in items.iter().enumerate() {
                objects(child, &format!("{pointer}/{n}"), out);
            }
        }
        _ => {}
    }
}

fn keys(form: &Value) -> BTreeSet<String> {
    form["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn every_key_that_is_read_is_in_the_schema_and_the_reverse() {
    let root = schema();
    let written = parse(EVERYTHING);
    let there = |path: &str| {
        let mut at = &written;
        for word in path.split('.').filter(|w| !w.is_empty()) {
            let (key, n) = word.split_once('[').unwrap_or((word, ""));
            at = &at[key];
            if let Ok(n) = n.trim_end_matches(']').parse::<usize>() {
                // A single value counts as a list of one.
                at = at.get(n).unwrap_or(at);
            }
        }
        at.is_object()
    };
    seen::clear();
    load(EVERYTHING).unwrap_or_else(|e| panic!("{e}"));
    let mut read: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, known) in seen::take() {
        // Merged values are read once more, under shorter paths that stand nowhere.
        if there(&path) {
            read.entry(path).or_default().extend(known);
        }
    }
    let mut visited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, known) in read {
        let found = at_path(&root, &path);
        assert_eq!(
            found.len(),
            1,
            "`{path}` leads to {} objects of the schema",
            found.len()
        );
        let (pointer, form) = &found[0];
        assert_eq!(
            known,
            keys(form),
            "code and schema differ about the keys of `{path}` ({pointer})"
        );
        visited.insert(pointer.clone(), known);
    }
    let mut all = BTreeSet::new();
    objects(&root, "", &mut all);
    let visited: BTreeSet<String> = visited.into_keys().collect();
    let unread: Vec<_> = all.difference(&visited).collect();
    // Read by drivers; the tests of `cli::schema` hold those against the schema.
    assert_eq!(
        unread,
        [
            "/definitions/balance/additionalProperties",
            "/definitions/load_balancer"
        ]
    );
}

/// Why a value is not valid; knows the words that the schema uses, and fails at others.
fn refuse(root: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let no = |why: &str| Err(format!("{path}: {value} {why}"));
    for (word, says) in schema.as_object().unwrap() {
        let good = match word.as_str() {
            "$schema" | "title" | "description" | "definitions" => true,
            "$ref" => {
                let to = root
                    .pointer(says.as_str().unwrap().trim_start_matches('#'))
                    .unwrap();
                refuse(root, to, value, path)?;
                true
            }
            "anyOf" => {
                let all = says.as_array().unwrap().iter();
                let why: Vec<String> = all
                    .filter_map(|s| refuse(root, s, value, path).err())
                    .collect();
                if why.len() == says.as_array().unwrap().len() {
                    return Err(why.join("\n"));
                }
                true
            }
            "type" => {
                let is = |t: &str| match t {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "number" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                };
                let one = says.as_str().into_iter();
                let many = says.as_array().into_iter().flatten();
                one.chain(many.filter_map(Value::as_str)).any(is)
            }
            "enum" => says.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|v| {
                regex_lite::Regex::new(says.as_str().unwrap())
                    .unwrap()
                    .is_match(v)
            }),
            "minLength" => value
                .as_str()
                .is_none_or(|v| v.len() as u64 >= says.as_u64().unwrap()),
            "minimum" => value.as_i64().is_none_or(|v| v >= says.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|v| v <= says.as_i64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|v| v.len() as u64 >= says.as_u64().unwrap()),
            "required" => value.as_object().is_none_or(|v| {
                says.as_array()
                    .unwrap()
                    .iter()
                    .all(|k| v.contains_key(k.as_str().unwrap()))
            }),
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    refuse(root, says, item, &format!("{path}[{n}]"))?;
                }
                true
            }
            "properties" => {
                for (key, child) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = says.get(key) {
                        refuse(root, schema, child, &format!("{path}.{key}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, child) in value.as_object().into_iter().flatten() {
                    let path = format!("{path}.{key}");
                    match says {
                        _ if schema["properties"].get(key).is_some() => {}
                        Value::Bool(false) => return Err(format!("{path} is unknown")),
                        says => refuse(root, says, child, &path)?,
                    }
                }
                true
            }
            other => panic!("the test does not know `{other}`"),
        };
        if !good {
            return no(&format!("is refused by {word} {says}"));
        }
    }
    Ok(())
}

#[test]
fn files_that_load_are_valid() {
    let root = schema();
    let mut texts = vec![EVERYTHING.to_owned()];
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/inventories");
    for file in std::fs::read_dir(dir).unwrap() {
        #[expect(clippy::disallowed_methods, reason = "the tour's files")]
        texts.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    texts.push(include_str!("../../cli/init/defaults.yml").to_owned());
    texts.push(include_str!("../../cli/init/staging.yml").to_owned());
    assert!(texts.len() >= 6);
    for text in texts {
        if let Err(why) = refuse(&root, &root, &parse(&text), "") {
            panic!("{why}");
        }
    }
}

#[test]
fn what_the_code_refuses_is_not_valid() {
    let root = schema();
    for (from, to) in [
        ("labels: { rack", "lables: { rack"),
        (
            "{ command: [ansible-inventory",
            "{ comand: [ansible-inventory",
        ),
        ("strategy: rolling", "strategy: roling"),
        ("[1, 30%, 100%]", "[1, 0%]"),
        ("min_healthy: 50%", "min_healthy: half"),
        ("failures: 1", "failures: -1"),
        ("bake: 1s500ms", "bake: 30"),
        ("confirm: true", "confirm: yes"),
        ("port: 22", "port: 70000"),
        ("restart: on-failure:3", "restart: allways"),
        ("every: 500ms", "evry: 500ms"),
        ("logs: engine", "logs: journald"),
        ("max_file: 5", "max_file: 0"),
        ("keepalive: 8", "keepalife: 8"),
        ("privileged: error", "privileged: eror"),
        ("healthcheck: warning", "healthchek: warning"),
        ("insecure: true", "insecure: 1"),
        ("send_login: false", "send_login: never"),
        ("{ tcp: true }", "{ tpc: true }"),
    ] {
        assert!(EVERYTHING.contains(from), "{from}");
        let text = EVERYTHING.replacen(from, to, 1);
        let loads = load(&text).is_ok();
        // The driver's own keys are checked by the driver.
        assert_eq!(loads, from.contains("keepalive"), "{to}");
        assert!(refuse(&root, &root, &parse(&text), "").is_err(), "{to}");
    }
}
