//! A host for the tests: web1 of the fleet, empty and claimed, and what tests ask of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use deploy::fleet::Container;
use deploy::host::docker::watch::{self, Probe, Target as Asked, Tick, WatchReader};
use deploy::host::docker::{facts, images};
use deploy::host::script::{Body, Script};
use deploy::host::{Address, Connector, Host, Settings, Target};
use deploy::name::{Actor, AppName, EnvName, HostName, ReleaseId, RunId, ServiceName, SlotName};
use deploy::record::{ClaimId, ClaimReply, Look, Scope, StepReply, Upload, parse, verb};
use deploy::release::Adopted;

use super::PROJECT;

/// web1 of the fleet, empty, claimed, and nobody else's for the time of the test.
pub struct Rig {
    pub host: Host,
    scope: Scope,
    pub id: ClaimId,
    seq: u64,
    pub connector: Connector,
    _base: tempfile::TempDir,
    _turn: File,
}

impl Rig {
    pub async fn start() -> Option<Self> {
        let Ok(state) = std::env::var("DEPLOY_FLEET") else {
            eprintln!("skipped: DEPLOY_FLEET names no fleet");
            return None;
        };
        let turn = File::create(Path::new(&state).join("in-use.lock")).unwrap();
        turn.lock().unwrap();
        let base = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(base.path().join("c"));
        settings.ssh_config = Some(Path::new(&state).join("ssh_config"));
        let connector = Connector::new(settings);
        let host = connect(&connector, "web1").await;
        let text = "docker ps -aq | xargs -r docker rm -f -v >/dev/null; docker network prune -f >/dev/null
            docker images -q | sort -u | xargs -r docker rmi -f >/dev/null; rm -rf /var/lib/deploy/bodies; end ok";
        host.run(Script::new("clean", text)).await.unwrap();
        let mut rig = Self {
            host,
            scope: Scope::new(
                EnvName::new("bodies").unwrap(),
                AppName::new("app").unwrap(),
                false,
            ),
            id: ClaimId {
                run: RunId::new("r-0badcafe").unwrap(),
                fence: verb::fence(1, 7),
                ttl_secs: 60,
                who: Actor::new("ops@here:1:1").unwrap(),
            },
            seq: 0,
            connector,
            _base: base,
            _turn: turn,
        };
        rig.claim().await;
        Some(rig)
    }

    pub async fn claim(&mut self) {
        let ask = verb::claim(
            &self.scope,
            &self.id,
            true,
            &Upload::default(),
            &facts::body(),
        )
        .unwrap();
        let reply = parse::claim(&self.host.run(ask).await.unwrap()).unwrap();
        assert!(matches!(reply, ClaimReply::Taken { .. }), "{reply:?}");
    }

    /// Runs a body as the next step; its status and lines.
    pub async fn step(&mut self, body: &Body) -> (i32, Vec<String>) {
        self.seq += 1;
        let began = Instant::now();
        let ask = verb::step(&self.scope, &self.id, self.seq, body);
        let mut lines = Vec::new();
        let mut reply = self
            .host
            .stream(ask, |l: &str| lines.push(l.to_owned()))
            .await
            .unwrap();
        eprintln!("{}: {} ms", body.name, began.elapsed().as_millis());
        reply.lines = lines;
        match parse::step(&reply).unwrap() {
            StepReply::Done { rc, output, .. } => (rc, output),
            other => panic!("{other:?}"),
        }
    }

    pub async fn good(&mut self, body: &Body) -> Vec<String> {
        let (rc, lines) = self.step(body).await;
        assert_eq!(rc, 0, "{}: {lines:#?}", body.name);
        lines
    }

    pub async fn run(&self, text: &'static str, args: &[&str]) -> Vec<String> {
        let script = Script::new("t", text).args(args.iter().copied());
        let reply = self.host.run(script).await.unwrap();
        assert_eq!(
            reply.end.first().map(String::as_str),
            Some("ok"),
            "{reply:?}"
        );
        reply.lines
    }

    /// Whether a look that asks for them says that the host has these images.
    pub async fn has(&self, wanted: &[String]) -> bool {
        let facts = images::ask_here(facts::body(), wanted);
        let reply = self.host.run(verb::look(&self.scope, &facts)).await;
        let look = parse::look(&reply.unwrap()).unwrap();
        let asked = facts::read(&look.facts);
        assert!(asked.engine.get().is_some(), "{asked:?}");
        images::all_here(&look.facts)
    }

    pub async fn look(&self) -> (Look, facts::DockerFacts) {
        let began = Instant::now();
        let reply = self
            .host
            .run(verb::look(&self.scope, &facts::body()))
            .await
            .unwrap();
        eprintln!("look with facts: {} ms", began.elapsed().as_millis());
        let look = parse::look(&reply).unwrap();
        let facts = facts::read(&look.facts);
        (look, facts)
    }

    pub async fn ours(&self) -> Vec<Container> {
        let all = self.look().await.1.containers;
        all.into_iter()
            .filter(|c| c.project() == Some(PROJECT))
            .collect()
    }

    /// `repository:tag@sha256:…` of a tag, as the registry has it; nothing is left on the host.
    pub async fn image(&self, tag: &str) -> String {
        let text = r#"docker pull -q "$1" >/dev/null && docker image inspect --format '{{index .RepoDigests 0}}' "$1"
            docker rmi "$1" >/dev/null; end ok"#;
        let name = format!("registry:5000/acme/app:{tag}");
        let lines = self.run(text, &[&name]).await;
        let digest = lines[0].split_once('@').unwrap().1;
        format!("{name}@{digest}")
    }

    /// Puts a release's files where a claim would.
    pub async fn release(&self, id: &str, tag: &str, image: &str) -> String {
        let dir = format!("releases/{id}/blue");
        let text = r#"d=/var/lib/deploy/bodies/app/$1; mkdir -p "$d"; cd "$d"
            take_data "$2" >docker-compose.yml && take_data "$3" >deploy.yml && end ok"#;
        let compose = format!(
            "services:\n  web:\n    image: registry:5000/acme/app:{tag}\n    ports: [\"8080:8080\"]\n    \
             environment: {{ MARK: \"${{FROM_ENV:-unset}}\" }}\n    volumes: [\"data:/data\"]\nvolumes: {{ data: {{}} }}\n"
        );
        let added = format!(
            "services:\n  web:\n    image: {image}\n    restart: always\n    mem_limit: 64m\n    cpus: 0.5\n    \
             labels: {{ deploy.release: \"{id}\" }}\n"
        );
        let mut script = Script::new("put", text).args([
            dir.clone(),
            compose.len().to_string(),
            added.len().to_string(),
        ]);
        script.data = [compose, added].concat().into_bytes();
        self.host.run(script).await.unwrap();
        dir
    }

    pub async fn end(self) {
        self.run("docker ps -aq | xargs -r docker rm -f -v >/dev/null; rm -rf /var/lib/deploy/bodies; end ok", &[])
            .await;
        self.connector.close().await;
    }
}

pub async fn connect(connector: &Connector, name: &str) -> Host {
    let address = Address {
        name: HostName::new(name).unwrap(),
        target: Target::Ssh {
            host: name.to_owned(),
            user: None,
            port: None,
            options: Vec::new(),
        },
    };
    match connector.connect(&address).await {
        Ok(host) => host,
        Err(error) => panic!("{error}: {}", error.source),
    }
}

pub fn slot() -> SlotName {
    SlotName::new("blue").unwrap()
}
pub fn release(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}
pub fn health_gate(address: &str, member: Option<&str>) -> Asked {
    Asked {
        member: member.map(|m| HostName::new(m).unwrap()),
        address: address.to_owned(),
        gate: 0,
        probe: Probe::Http {
            port: 8080,
            path: "/healthz".into(),
            status: (200, 399),
            host: None,
        },
    }
}

/// Watches until `enough`, or fails after `limit`.
pub async fn see(
    host: &Host,
    project: Option<&str>,
    targets: &[Asked],
    limit: Duration,
    enough: impl FnMut(&Tick) -> bool + Send,
) -> Duration {
    see_all(host, project, &BTreeMap::new(), targets, limit, enough).await
}

/// The same with containers that were adopted.
pub async fn see_all(
    host: &Host,
    project: Option<&str>,
    adopted: &BTreeMap<ServiceName, Adopted>,
    targets: &[Asked],
    limit: Duration,
    mut enough: impl FnMut(&Tick) -> bool + Send,
) -> Duration {
    let script = watch::script(
        project,
        adopted,
        targets,
        Duration::from_millis(200),
        Duration::from_secs(1),
    );
    let mut reader = WatchReader::new(targets);
    let began = Instant::now();
    let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
    let mut seen = Vec::new();
    let stream = host.stream(script, |line: &str| {
        if let Some(tick) = reader.line(line) {
            let _ = tx.send(tick);
        }
    });
    let wait = async {
        while let Some(tick) = rx.recv().await {
            let done = enough(&tick);
            seen.push(tick);
            if done {
                return;
            }
        }
    };
    tokio::select! {
        ended = stream => panic!("the watcher ended: {ended:?}"),
        waited = tokio::time::timeout(limit, wait) => assert!(waited.is_ok(), "not seen within {limit:?}: {seen:#?}"),
    }
    began.elapsed()
}

pub fn passed(tick: &Tick) -> bool {
    matches!(tick, Tick::Gate { ok: true, .. })
}
