//! What `host::docker` asks of a host, against the real Docker and compose of a fleet's host, run by
//! the record's steps over SSH. Without a fleet (`DEPLOY_FLEET`) every test says `skipped:`.
//! To add a case: a test that takes a [`Rig`]; it has the fleet for itself and web1 emptied.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests play the outside: files, environment, time"
)]

mod active;
mod adopted;
mod job;
mod rig;
use std::time::Duration;

use deploy::fleet::{Health, Severity};
use deploy::host::docker::watch::{Probe, Tick};
use deploy::host::docker::{containers, evidence, images, logs};
use deploy::host::script::Script;
use deploy::name::SlotName;
use rig::{Rig, connect, health_gate, passed, release, see, slot};

const PROJECT: &str = "bodies-app-blue";
const GOOD: &str = "1.0.1-22-7e56158";
const NEXT: &str = "1.0.2-30-abc1234";
const CRASHING: &str = "1.0.3-31-bad0001";
const OTHER_APP: &str = "acme/web:2.0.0-7-1a2b3c4";

#[tokio::test]
async fn images_are_here_only_by_tag_and_digest_together() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let (one, two) = (rig.image(GOOD).await, rig.image(NEXT).await);
    let both = [one.clone(), two.clone()];
    assert!(!rig.has(&both).await, "before the pull");
    rig.good(&images::pull(std::slice::from_ref(&one))).await;
    assert!(rig.has(std::slice::from_ref(&one)).await);
    assert!(!rig.has(&both).await, "one of two is missing");
    rig.good(&images::pull(&both)).await;
    assert!(rig.has(&both).await);
    // The tag means another image now: the pull has to give it back.
    let names = [one.as_str(), two.as_str()].map(|image| image.split('@').next().unwrap());
    rig.run("docker tag \"$2\" \"$1\" && end ok", &names).await;
    assert!(!rig.has(&[one]).await, "another image has its tag");
    assert!(rig.has(&[two]).await);
}

#[tokio::test]
async fn a_release_is_pulled_replaced_watched_and_taken_back() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let (one, two) = (rig.image(GOOD).await, rig.image(NEXT).await);
    let dir = rig.release("rel1", GOOD, &one).await;
    let dir2 = rig.release("rel2", NEXT, &two).await;

    // Fetched once, then here; and it keeps a tag, so that `docker image prune` leaves it.
    let both = [one.clone(), two.clone()];
    for wanted in [images::Pulled::Fetched, images::Pulled::Present] {
        let mut reader = images::PullReader::default();
        for line in rig.good(&images::pull(&both)).await {
            reader.line(&line);
        }
        for (image, end) in reader.ends(&both) {
            assert_eq!(end, wanted, "{image}");
        }
        let (done, all) = reader.progress();
        assert_eq!(
            (done == all, all > 0),
            (true, wanted == images::Pulled::Fetched)
        );
    }
    rig.run(
        "docker image prune -f >/dev/null; docker image inspect \"$1\" >/dev/null && end ok",
        &[&one],
    )
    .await;

    rig.good(&containers::replace(
        PROJECT,
        &dir,
        &slot(),
        &release("rel1"),
    ))
    .await;
    let (look, facts) = rig.look().await;
    assert_eq!(look.slots[&slot()].release, release("rel1"));
    assert_eq!(look.slots[&slot()].run, rig.id.run);
    assert!(
        facts.problems.iter().all(|p| p.severity < Severity::Error),
        "{:?}",
        facts.problems
    );
    let [web] = &facts.containers[..] else {
        panic!("{:#?}", facts.containers)
    };
    assert_eq!((web.memory, web.nano_cpus), (64 << 20, 500_000_000));
    assert_eq!(
        (web.restart.as_str(), web.state.as_str()),
        ("always", "running")
    );
    assert_eq!(
        (web.label("deploy.release"), web.service()),
        (Some("rel1"), Some("web"))
    );
    assert_eq!(web.image, one);
    let first = web.id.clone();

    let took = see(
        &rig.host,
        Some(PROJECT),
        &[health_gate("127.0.0.1", None)],
        Duration::from_secs(8),
        passed,
    )
    .await;
    eprintln!("first passed gate: {} ms", took.as_millis());
    let command = |argv: &[&str], service: &str| {
        let mut asked = health_gate("127.0.0.1", None);
        asked.probe = Probe::Command {
            argv: argv.iter().map(|w| (*w).to_owned()).collect(),
            service: (service != "-").then(|| service.parse().unwrap()),
        };
        asked
    };
    for (asked, wanted) in [
        (command(&["/app", "healthcheck"], "web"), "exit code 0"),
        (command(&["/app", "healthcheck"], "-"), "exit code 0"),
        (
            command(&["/absent", "a b", ""], "web"),
            "the container cannot run it",
        ),
        (
            command(&["/app", "healthcheck"], "db"),
            "no container of db runs",
        ),
    ] {
        let limit = Duration::from_secs(10);
        see(
            &rig.host,
            Some(PROJECT),
            &[asked],
            limit,
            |tick| match tick {
                Tick::Gate { ok, detail, .. } => {
                    assert!(detail.starts_with(wanted), "{detail}");
                    assert_eq!(*ok, wanted == "exit code 0");
                    true
                }
                _ => false,
            },
        )
        .await;
    }
    see(
        &rig.host,
        Some(PROJECT),
        &[],
        Duration::from_secs(15),
        |tick| match tick {
            Tick::Containers(list) => list
                .iter()
                .all(|c| c.health == Health::Healthy && c.release == "rel1"),
            _ => false,
        },
    )
    .await;

    // The same again is a restart: new containers, the same volume.
    rig.good(&containers::replace(
        PROJECT,
        &dir,
        &slot(),
        &release("rel1"),
    ))
    .await;
    let again = rig.ours().await;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].id, first);

    rig.good(&containers::replace(
        PROJECT,
        &dir2,
        &slot(),
        &release("rel2"),
    ))
    .await;
    assert_eq!(rig.ours().await[0].label("deploy.release"), Some("rel2"));

    let back = containers::revert(PROJECT, &slot(), Some((&dir, &release("rel1"))));
    let lines = rig.good(&back).await;
    assert_eq!(
        containers::reverted(&lines),
        containers::Reverted::To(release("rel1"))
    );
    assert_eq!(rig.ours().await[0].label("deploy.release"), Some("rel1"));
    assert_eq!(rig.look().await.0.slots[&slot()].release, release("rel1"));

    rig.good(&containers::stop(PROJECT, &slot())).await;
    assert_eq!(rig.ours().await.len(), 0);
    // What a failure brings up again stays on record.
    assert_eq!(rig.look().await.0.slots[&slot()].release, release("rel1"));

    let lines = rig.good(&containers::revert(PROJECT, &slot(), None)).await;
    assert_eq!(containers::reverted(&lines), containers::Reverted::Emptied);
    let (look, facts) = rig.look().await;
    assert!(
        look.slots.is_empty() && facts.containers.is_empty(),
        "{look:?}"
    );
    let left = rig
        .run("docker network ls -q -f label=com.docker.compose.project=\"$1\"; docker volume ls -q; end ok", &[PROJECT])
        .await;
    assert_eq!(
        left,
        ["bodies-app-blue_data"],
        "the network goes, the volume stays"
    );
    // Removed: a slot that is not named keeps its files; then nothing is kept, and it may be done again.
    let other: SlotName = "green".parse().unwrap();
    let named = |slots: &[&SlotName]| {
        let all: Vec<SlotName> = slots.iter().map(|s| (*s).clone()).collect();
        let projects = all.iter().map(|s| (format!("bodies-app-{s}"), s));
        containers::remove(projects)
    };
    let up = containers::replace(PROJECT, &dir, &slot(), &release("rel1"));
    rig.good(&up).await;
    rig.good(&named(&[&other])).await;
    assert_eq!(rig.ours().await.len(), 1);
    assert_eq!(rig.look().await.0.slots[&slot()].release, release("rel1"));
    for _ in 0..2 {
        rig.good(&named(&[&slot(), &other])).await;
        let (look, facts) = rig.look().await;
        assert!(look.slots.is_empty() && look.kept.is_empty());
        assert!(look.releases.is_empty() && facts.containers.is_empty());
    }
    rig.run(
        "docker volume rm bodies-app-blue_data >/dev/null; end ok",
        &[],
    )
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_crash_leaves_evidence_and_logs_and_its_predecessor_comes_back() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let (one, bad) = (rig.image(GOOD).await, rig.image(CRASHING).await);
    let dir = rig.release("rel1", GOOD, &one).await;
    let bad_dir = rig.release("relbad", CRASHING, &bad).await;
    rig.good(&images::pull(&[one, bad])).await;
    rig.good(&containers::replace(
        PROJECT,
        &dir,
        &slot(),
        &release("rel1"),
    ))
    .await;

    rig.good(&containers::replace(
        PROJECT,
        &bad_dir,
        &slot(),
        &release("relbad"),
    ))
    .await;
    let took = see(
        &rig.host,
        Some(PROJECT),
        &[],
        Duration::from_secs(10),
        |tick| match tick {
            Tick::Containers(list) => list.iter().any(|c| c.restarts >= 2),
            _ => false,
        },
    )
    .await;
    eprintln!("two restarts seen after {} ms", took.as_millis());

    let lines = rig.good(&evidence::body(PROJECT)).await;
    let kept = evidence::read(&lines);
    let [web] = &kept.containers[..] else {
        panic!("{kept:?}")
    };
    let end = web.end().unwrap();
    assert!(end.starts_with("web ended with exit code 3, "), "{end}");
    assert!(web.deaths.iter().all(|code| *code == 3), "{web:?}");
    // The youngest too, of this very second.
    let deaths = u64::try_from(web.deaths.len()).unwrap();
    assert!(deaths >= web.restarts && deaths > 0, "{web:?}");
    assert!(
        web.log_tail.iter().any(|l| l.contains("database.url")),
        "{web:?}"
    );
    assert!(kept.memory_free.is_some() && kept.disk_free.is_some());
    let path = kept.path.unwrap();
    let files = rig
        .run("stat -c %A \"$1\"; ls \"$1\"; end ok", &[&path])
        .await;
    assert_eq!(files[0], "drwxr-s---");
    assert_eq!(files.len(), 5, "{files:?}");

    let said = logs::script(&[PROJECT.to_owned()], &logs::Wanted::default());
    let mut reader = logs::LogReader::default();
    let reply = rig.host.run(said).await.unwrap();
    let lines: Vec<logs::Said> = reply.lines.iter().filter_map(|l| reader.line(l)).collect();
    assert!(
        lines.iter().any(|l| matches!(l, logs::Said::Line { text, at, .. } if text.contains("database.url") && !at.is_empty())),
        "{lines:?}"
    );

    let back = containers::revert(PROJECT, &slot(), Some((&dir, &release("rel1"))));
    rig.good(&back).await;
    assert_eq!(rig.ours().await[0].label("deploy.release"), Some("rel1"));

    // The predecessor's files are gone: the candidate goes all the same, and it is told.
    let gone = containers::revert(
        PROJECT,
        &slot(),
        Some(("releases/none/blue", &release("none"))),
    );
    let (rc, lines) = rig.step(&gone).await;
    assert_eq!(rc, 1);
    assert_eq!(
        containers::reverted(&lines),
        containers::Reverted::Lost(release("none"))
    );
    assert!(rig.ours().await.is_empty());
    rig.end().await;
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named_and_the_others_come() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let one = rig.image(GOOD).await;
    let none = format!("registry:5000/acme/app:none@sha256:{}", "9f2c".repeat(16));
    let wanted = [none.clone(), one.clone()];
    let (rc, lines) = rig.step(&images::pull(&wanted)).await;
    assert_eq!(rc, 1);
    let mut reader = images::PullReader::default();
    for line in &lines {
        reader.line(line);
    }
    let ends = reader.ends(&wanted);
    assert!(
        matches!(&ends[0].1, images::Pulled::Failed(why) if why.contains("not found")),
        "{ends:?}"
    );
    assert_eq!(ends[1].1, images::Pulled::Fetched);
    rig.end().await;
}

#[tokio::test]
async fn neither_the_login_shell_nor_a_stray_env_file_changes_what_comes_up() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let one = rig.image(GOOD).await;
    let dir = rig.release("rel1", GOOD, &one).await;
    rig.good(&images::pull(&[one])).await;
    rig.run(
        "echo FROM_ENV=stray >/var/lib/deploy/bodies/app/.env; end ok",
        &[],
    )
    .await;
    let mut body = containers::replace(PROJECT, &dir, &slot(), &release("rel1"));
    let stray = "export COMPOSE_FILE=/nowhere.yml COMPOSE_PROJECT_NAME=stray COMPOSE_PROFILES=x COMPOSE_ENV_FILES=/nowhere \
                 DOCKER_HOST=tcp://127.0.0.1:1 DOCKER_CONTEXT=nowhere DOCKER_DEFAULT_PLATFORM=linux/s390x DOCKER_API_VERSION=1.1\n";
    body.text = format!("{stray}{}", body.text).into();
    rig.good(&body).await;
    let ours = rig.ours().await;
    assert_eq!(ours.len(), 1);
    let seen = rig
        .run(
            "docker inspect --format '{{json .Config.Env}}' \"$1\"; end ok",
            &[&ours[0].id],
        )
        .await;
    assert!(seen[0].contains("MARK=unset"), "{seen:?}");
    rig.end().await;
}

#[tokio::test]
async fn what_is_not_ours_stays_and_a_port_it_holds_is_the_reason() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let one = rig.image(GOOD).await;
    let dir = rig.release("rel1", GOOD, &one).await;
    rig.good(&images::pull(&[one])).await;
    let foreign = format!("registry:5000/{OTHER_APP}");
    rig.run("docker run -d --name legacy-shop --no-healthcheck -p 8080:8080 --label 'deploy.note=a\"b' \"$1\" >/dev/null && end ok", &[&foreign])
        .await;
    let (rc, lines) = rig
        .step(&containers::replace(
            PROJECT,
            &dir,
            &slot(),
            &release("rel1"),
        ))
        .await;
    assert_ne!(rc, 0);
    let why = containers::reasons(&lines);
    assert!(
        why.iter()
            .any(|l| l.contains("8080") && l.contains("allocated")),
        "{why:?}"
    );
    let (look, facts) = rig.look().await;
    assert!(
        look.slots.is_empty(),
        "a half done replacement is never taken for a whole one"
    );
    let shop = facts
        .containers
        .iter()
        .find(|c| c.name == "legacy-shop")
        .unwrap();
    assert_eq!(shop.label("deploy.note"), Some("a\"b"));
    assert_eq!(shop.ports[0].port, 8080);

    rig.good(&containers::revert(PROJECT, &slot(), None)).await;
    let (_, facts) = rig.look().await;
    let names: Vec<&str> = facts.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["legacy-shop"]);
    assert_eq!(facts.containers[0].state, "running");
    rig.end().await;
}

#[tokio::test]
async fn a_load_balancer_asks_all_members_and_a_watcher_ends_with_its_client() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let one = rig.image(GOOD).await;
    let dir = rig.release("rel1", GOOD, &one).await;
    rig.good(&images::pull(&[one])).await;
    rig.good(&containers::replace(
        PROJECT,
        &dir,
        &slot(),
        &release("rel1"),
    ))
    .await;
    let lb = connect(&rig.connector, "lb1").await;
    let mut knock = health_gate("web1", Some("web1"));
    (knock.gate, knock.probe) = (1, Probe::Tcp { port: 8080 });
    let mut closed = health_gate("web1", Some("web3"));
    closed.probe = Probe::Tcp { port: 9 };
    let targets = [
        health_gate("web1", Some("web1")),
        health_gate("nowhere.invalid", Some("web2")),
        knock,
        closed,
    ];
    let mut seen = [false; 4];
    see(&lb, None, &targets, Duration::from_secs(15), |tick| {
        if let Tick::Gate {
            member,
            index,
            ok,
            detail,
        } = tick
        {
            match (member.as_ref().unwrap().as_str(), index) {
                ("web1", 0) => seen[0] |= *ok && detail.starts_with("HTTP 200"),
                ("web1", _) => seen[1] |= *ok,
                ("web2", _) => seen[2] |= !*ok && detail == "its name does not resolve",
                _ => seen[3] |= !*ok && detail == "connection refused",
            }
        }
        seen.iter().all(|s| *s)
    })
    .await;

    // The future is dropped: nothing of the watcher may stay on the hosts.
    see(
        &rig.host,
        Some(PROJECT),
        &[health_gate("127.0.0.1", None)],
        Duration::from_secs(10),
        passed,
    )
    .await;
    for host in [&rig.host, &lb] {
        // A loop that was forgotten starts its command again within a second: so two looks.
        let text = "left() { ps -eo args | grep -cE '^(docker events|curl -q -Z|sleep 0.[23])'; }
            for i in 1 2 3 4 5 6 7 8 9 10; do [ \"$(left)\" -gt 0 ] || break; sleep 0.5; done
            left; sleep 1.5; left; ps -eo pid,ppid,args >&2; end ok";
        let reply = host.run(Script::new("t", text)).await.unwrap();
        assert_eq!(reply.lines, ["0", "0"], "{}", reply.stderr);
    }
    rig.end().await;
}
