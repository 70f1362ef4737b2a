//! The corpus under `tests/compose/`: what is accepted, and that the overriding file merges as
//! said, judged by the `docker compose` of a fleet host where one runs.
//!
//! A file's name begins with what is expected: `refused-` by us and by compose, `stricter-` by us
//! only (each with its reason in the compose checks), `newer-` accepted, but newer than the fleet's
//! compose may be, `left-` refused by compose, whose own judgement on the host is asked before
//! anything changes; anything else is accepted by both. To add a fragment: add a file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use deploy::compose::{
    Cpus, Document, Effective, Limits, OVERRIDE_FILE, Overlay, Policy, ServicePolicy, Wanted,
    override_file,
};
use deploy::name::{Digest, ServiceName};

const FLEET_HOST: &str = "fleet-web1";

/// All fragments, sorted by name.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    let files = std::fs::read_dir(dir).expect("the corpus is there");
    files
        .map(|file| {
            let path = file.expect("a readable directory").path();
            let name = path.file_stem().expect("a file name").to_string_lossy();
            #[expect(clippy::disallowed_methods, reason = "a fixture")]
            let bytes = std::fs::read(&path).expect("a readable file");
            (name.into_owned(), bytes)
        })
        .collect()
}

fn digest() -> Digest {
    Digest::new(format!("sha256:{}", "9f".repeat(32))).expect("a digest")
}

/// What an inventory may ask of any app: limits, where the template has none.
fn policy(document: &Document) -> Policy {
    let mut policy = Policy {
        labels: BTreeMap::from([
            ("deploy.app".to_owned(), "app".to_owned()),
            ("deploy.odd".to_owned(), "1_000 $HOME 2026-01-01".to_owned()),
        ]),
        ..Policy::default()
    };
    for service in document.services() {
        let limits = Limits {
            memory: service
                .memory()
                .is_none()
                .then(|| Wanted::default_of(96 << 20)),
            cpus: (service.cpus().is_none())
                .then(|| Wanted::default_of(Cpus::parse("0.25").expect("a share"))),
            pids: service.pids().is_none().then(|| Wanted::default_of(77)),
        };
        let graced = service.at(&["stop_grace_period"]).is_some();
        let own = ServicePolicy {
            limits,
            stop_grace: (!graced).then(|| Wanted::default_of(Duration::from_millis(7500))),
            ..ServicePolicy::default()
        };
        policy.services.insert(service.name().clone(), own);
    }
    policy
}

fn overlay(document: &Document) -> Overlay {
    let images = document.images();
    let digests: BTreeMap<ServiceName, Digest> =
        images.into_iter().map(|i| (i.service, digest())).collect();
    override_file(document, &policy(document), &digests).unwrap_or_else(|e| panic!("{e}"))
}

fn expected(name: &str) -> &str {
    match name.split_once('-') {
        Some((word @ ("refused" | "stricter" | "newer" | "left"), _)) => word,
        _ => "accepted",
    }
}

#[test]
fn each_fragment_is_judged_as_its_name_says() {
    let mut wrong = Vec::new();
    assert!(corpus().len() >= 150, "{} fragments", corpus().len());
    for (name, bytes) in corpus() {
        let judged = Document::parse(&name, &bytes, []);
        match (expected(&name), judged) {
            ("accepted" | "newer" | "left", Ok(_)) | ("refused" | "stricter", Err(_)) => {}
            (_, Ok(_)) => wrong.push(format!("{name}: accepted")),
            (_, Err(found)) => wrong.push(format!("{name}: refused\n{found}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs `docker` here; `None` where there is none, or the fleet is not up.
fn docker(args: &[&str]) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the test asks a fleet host")]
    let output = std::process::Command::new("docker").args(args).output();
    let output = output.ok().filter(|o| o.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// For each directory: its name, exit code and configuration, without and with the overriding file.
const ASK: &str = r#"
cd "$1" || exit
for d in *; do
  echo "== $d"
  for files in "-f docker-compose.yml" "-f docker-compose.yml -f deploy.yml"; do
    out=$(cd "$d" && docker compose -p p $files config --format json 2>/dev/null) && echo "$out" | tr -d '\n' && echo || echo refused
  done
done
cd / && rm -rf "$1"
"#;

/// Is there a host to ask? Says so where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
fn fleet() -> bool {
    let running = docker(&["inspect", "-f", "{{.State.Running}}", FLEET_HOST]);
    let up = running.as_deref().map(str::trim) == Some("true");
    if !up {
        eprintln!("SKIPPED: no fleet host {FLEET_HOST}; raise one with script/fleet");
    }
    up
}

/// Copies a directory to the host; answers where it is there.
fn copy(dir: &Path, name: &str) -> String {
    let there = format!("/tmp/{name}-{}", std::process::id());
    let from = format!("{}/.", dir.display());
    docker(&["exec", FLEET_HOST, "mkdir", &there]).expect("a directory on the host");
    docker(&["cp", "-q", &from, &format!("{FLEET_HOST}:{there}")]).expect("a copy on the host");
    there
}

#[test]
fn compose_itself_agrees_and_merges_the_overriding_file() {
    if !fleet() {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, bytes) in corpus() {
        let place = dir.path().join(&name);
        std::fs::create_dir(&place).expect("a directory");
        let over = Document::parse(&name, &bytes, []);
        let over = over.map_or_else(|_| b"services: {}\n".to_vec(), |(d, _)| overlay(&d).bytes);
        write(&place.join("docker-compose.yml"), &bytes);
        write(&place.join(OVERRIDE_FILE), &over);
    }
    let there = copy(dir.path(), "compose-corpus");
    let said = docker(&["exec", FLEET_HOST, "sh", "-c", ASK, "sh", &there]).expect("an answer");
    let version = docker(&[
        "exec", FLEET_HOST, "docker", "compose", "version", "--short",
    ]);
    let mut wrong = Vec::new();
    let mut judged = 0;
    for part in said.split("== ").skip(1) {
        let mut lines = part.lines();
        let mut next = || lines.next().unwrap_or_default();
        let (name, base, both) = (next(), next(), next());
        judged += 1;
        if let Err(why) = compare(name, base, both) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert_eq!(judged, corpus().len(), "{said}");
    let version = version.unwrap_or_default();
    assert!(wrong.is_empty(), "compose {version}{}", wrong.join("\n"));
    eprintln!("compose {}: {judged} fragments", version.trim());
    for name in corpus().keys() {
        let why = match expected(name) {
            "stricter" => "refused by deploy, which could not keep its promises with it",
            "newer" => "accepted; an older compose on a host refuses it when it is asked",
            "left" => "refused by compose only, when it is asked on the host",
            _ => continue,
        };
        eprintln!("  differs: {name}: {why}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a fixture")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a writable directory");
}

fn compare(name: &str, base: &str, both: &str) -> Result<(), String> {
    let accepted = base != "refused";
    match expected(name) {
        "refused" | "left" if accepted => return Err("compose accepts it".to_owned()),
        "refused" | "stricter" | "left" => return Ok(()),
        "newer" if !accepted => return Ok(()),
        _ if !accepted => return Err("compose refuses it".to_owned()),
        _ => {}
    }
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    let mut base = read(base).map_err(|e| e.to_string())?;
    let mut both = read(both).map_err(|e| format!("with the overriding file: {e}: {both}"))?;
    let bytes = &corpus()[name];
    let (document, _) = Document::parse(name, bytes, []).map_err(|e| e.to_string())?;
    for (service, wanted) in overlay(&document).effective {
        let one = &both["services"][service.as_str()];
        let place = format!("service {service}");
        same(
            &place,
            "restart",
            restart(one),
            wanted.restart.map(|r| r.to_string()),
        )?;
        same(
            &place,
            "memory",
            memory(one).unwrap_or(0),
            wanted.memory.unwrap_or(0),
        )?;
        same(&place, "cpus", cpus(one), wanted.cpus.map(Cpus::nano))?;
        same(&place, "pids", pids(one), wanted.pids.map(u64::from))?;
        let grace = wanted.stop_grace.map(|d| d.as_millis());
        same(&place, "stop_grace", grace_of(one), grace)?;
        same(
            &place,
            "image",
            one["image"].as_str(),
            wanted.image.map(|i| i.to_string()).as_deref(),
        )?;
        let odd = one["labels"]["deploy.odd"].as_str();
        same(&place, "label", odd, Some("1_000 $$HOME 2026-01-01"))?;
    }
    untouched(&mut base);
    untouched(&mut both);
    same("the rest", "of the document", &both, &base)
}

fn same<T: PartialEq + std::fmt::Debug>(
    place: &str,
    what: &str,
    is: T,
    wanted: T,
) -> Result<(), String> {
    if is == wanted {
        return Ok(());
    }
    Err(format!("{place}: {what} is {is:?}, wanted {wanted:?}"))
}

/// The restart policy as compose will set it.
fn restart(service: &serde_json::Value) -> Option<String> {
    let policy = &service["deploy"]["restart_policy"];
    if policy.is_object() {
        let attempts = policy["max_attempts"].as_u64();
        return Some(match policy["condition"].as_str().unwrap_or("any") {
            "none" => "no".to_owned(),
            "any" => "always".to_owned(),
            other => attempts.map_or(other.to_owned(), |n| format!("{other}:{n}")),
        });
    }
    service["restart"].as_str().map(str::to_owned)
}

fn memory(service: &serde_json::Value) -> Option<u64> {
    let limits = &service["deploy"]["resources"]["limits"];
    let said = [&service["mem_limit"], &limits["memory"]];
    said.iter()
        .find_map(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))
}

fn cpus(service: &serde_json::Value) -> Option<u64> {
    let limits = &service["deploy"]["resources"]["limits"];
    let said = [&service["cpus"], &limits["cpus"]];
    let text = said.iter().find_map(|v| match v {
        serde_json::Value::Null => None,
        serde_json::Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    });
    text.and_then(|t| Cpus::parse(&t)).map(Cpus::nano)
}

fn pids(service: &serde_json::Value) -> Option<u64> {
    let limits = &service["deploy"]["resources"]["limits"];
    service["pids_limit"]
        .as_u64()
        .or_else(|| limits["pids"].as_u64())
}

fn grace_of(service: &serde_json::Value) -> Option<u128> {
    match service["stop_grace_period"].as_str()? {
        "7.5s" => Some(7_500),
        "1m30s" => Some(90_000),
        other => panic!("{other}"),
    }
}

/// Takes out what the overriding file may set, to see that nothing else has changed.
fn untouched(config: &mut serde_json::Value) {
    let Some(services) = config["services"].as_object_mut() else {
        return;
    };
    for service in services.values_mut().filter_map(|s| s.as_object_mut()) {
        for key in [
            "image",
            "restart",
            "logging",
            "mem_limit",
            "cpus",
            "pids_limit",
            "stop_grace_period",
        ] {
            service.remove(key);
        }
        // Compose repeats `scale` there as soon as a service has `deploy`.
        let scale = service.get("scale").cloned();
        if let Some(deploy) = service.get_mut("deploy").and_then(|d| d.as_object_mut()) {
            deploy.retain(|k, v| k != "replicas" || Some(&*v) != scale.as_ref());
        }
        if let Some(labels) = service.get_mut("labels").and_then(|l| l.as_object_mut()) {
            labels.retain(|k, _| !k.starts_with("deploy."));
        }
        if let Some(limits) = service
            .get_mut("deploy")
            .and_then(|d| d["resources"]["limits"].as_object_mut())
        {
            limits.remove("memory");
            limits.remove("cpus");
            limits.remove("pids");
        }
        prune(service);
    }
}

/// Empty maps and nulls left behind say nothing.
fn prune(map: &mut serde_json::Map<String, serde_json::Value>) {
    for value in map.values_mut() {
        if let Some(inner) = value.as_object_mut() {
            prune(inner);
        }
    }
    map.retain(|_, v| !v.is_null() && v.as_object().is_none_or(|o| !o.is_empty()));
}

/// A service in every form in which restart policy and limits can be said.
const FORMS: &str = r#"
services:
  plain: { image: "IMAGE" }
  short: { image: "IMAGE", mem_reservation: 16m }
  long: { image: "IMAGE", deploy: { resources: { limits: { pids: 50 } } } }
  own: { image: "IMAGE", mem_limit: 33m, cpus: 0.3, pids_limit: 60, restart: unless-stopped, stop_grace_period: 3s }
  failing: { image: "IMAGE", restart: "on-failure:4" }
  policy: { image: "IMAGE", restart: always, deploy: { restart_policy: { condition: on-failure, max_attempts: 5 } } }
  any: { image: "IMAGE", deploy: { restart_policy: { condition: any } } }
  once: { image: "IMAGE", restart: "no" }
  never: { image: "IMAGE", deploy: { restart_policy: { condition: none } } }
  logged: { image: "IMAGE", logging: { driver: none } }
  base: { image: "IMAGE", mem_limit: 44m, restart: unless-stopped }
  child: { extends: { service: base }, cpus: 0.2 }
"#;

/// Creates the containers without starting them, and shows what `docker inspect` says of each.
const CREATE: &str = r#"
cd "$1" || exit
files="-f docker-compose.yml -f deploy.yml"
docker compose -p "$2" $files create --pull missing >&2
ids=$(docker ps -aq --filter "label=com.docker.compose.project=$2")
docker inspect $ids
docker compose -p "$2" $files down >/dev/null 2>&1
rm -rf "$1"
"#;

#[test]
fn docker_inspect_shows_the_effective_values() {
    const IMAGE: &str = "registry:5000/acme/app:1.0.1-22-7e56158";
    if !fleet() {
        return;
    }
    let ask = ["exec", FLEET_HOST, "docker"];
    let run = |more: &[&str]| docker(&[&ask[..], more].concat());
    run(&["pull", "-q", IMAGE]).expect("the sample app in the fleet's registry");
    let found = run(&["image", "inspect", "-f", "{{index .RepoDigests 0}}", IMAGE]);
    let found = found.expect("an image that was pulled");
    let digest = found.trim().split_once('@').expect("a digest").1;
    let digest = Digest::new(digest).expect("a digest");

    let text = FORMS.replace("IMAGE", IMAGE);
    let parsed = Document::parse("forms", text.as_bytes(), []);
    let (document, _) = parsed.unwrap_or_else(|e| panic!("{e}"));
    let images = document.images().into_iter();
    let digests = images.map(|i| (i.service, digest.clone())).collect();
    let built = override_file(&document, &policy(&document), &digests);
    let built = built.unwrap_or_else(|e| panic!("{e}"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(&dir.path().join("docker-compose.yml"), text.as_bytes());
    write(&dir.path().join(OVERRIDE_FILE), &built.bytes);

    let there = copy(dir.path(), "compose-forms");
    let project = format!("forms-{}", std::process::id());
    let said = docker(&[
        "exec", FLEET_HOST, "sh", "-c", CREATE, "sh", &there, &project,
    ]);
    let said = said.expect("an answer of docker inspect");
    let seen: Vec<serde_json::Value> = serde_json::from_str(&said).expect("a list");
    assert_eq!(seen.len(), built.effective.len(), "{said}");
    for one in seen {
        let labels = &one["Config"]["Labels"];
        let service = labels["com.docker.compose.service"]
            .as_str()
            .expect("a service");
        let wanted = &built.effective[service];
        assert_eq!(inspected(&one), effective(wanted), "{service}");
        assert_eq!(labels["deploy.odd"], "1_000 $HOME 2026-01-01", "{service}");
        let log = &one["HostConfig"]["LogConfig"];
        if service == "logged" {
            assert_eq!(log["Type"], "none");
        } else {
            assert_eq!(log["Config"]["max-size"], "10m", "{service}");
        }
    }
}

/// Restart policy, memory, CPUs, processes, time to stop, image.
type Inspected = (String, u64, u64, u64, Option<u64>, String);

fn inspected(one: &serde_json::Value) -> Inspected {
    let host = &one["HostConfig"];
    let restart = &host["RestartPolicy"];
    let name = restart["Name"].as_str().unwrap_or_default();
    let restart = match restart["MaximumRetryCount"].as_u64() {
        None | Some(0) => name.to_owned(),
        Some(n) => format!("{name}:{n}"),
    };
    let number = |key: &str| host[key].as_u64().unwrap_or(0);
    let image = one["Config"]["Image"].as_str().unwrap_or_default();
    let stop = one["Config"]["StopTimeout"].as_u64();
    (
        restart,
        number("Memory"),
        number("NanoCpus"),
        number("PidsLimit"),
        stop,
        image.to_owned(),
    )
}

fn effective(wanted: &Effective) -> Inspected {
    (
        wanted.restart.map(|r| r.to_string()).unwrap_or_default(),
        wanted.memory.unwrap_or(0),
        wanted.cpus.map_or(0, Cpus::nano),
        wanted.pids.map_or(0, u64::from),
        wanted.stop_grace.map(|d| d.as_secs()),
        wanted
            .image
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    )
}
