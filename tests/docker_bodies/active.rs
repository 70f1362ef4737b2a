//! A member that is switched on and off, against the real engine: in its container, by a request, by a
//! program beside it, and before it is stopped.

use std::time::Duration;

use deploy::fleet::{Member, MemberState};
use deploy::host::docker::activity::{self, Callee};
use deploy::host::docker::containers;
use deploy::inventory::{Call, CallKind};

use super::rig::{Rig, release, slot};
use super::{GOOD, PROJECT};

fn call(kind: CallKind) -> Call {
    Call {
        kind,
        within: Duration::from_secs(5),
        span: None,
    }
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|w| (*w).to_owned()).collect()
}

fn command(argv: &[&str], service: Option<&str>) -> Call {
    call(CallKind::Command {
        argv: words(argv),
        service: service.map(|s| s.parse().unwrap()),
    })
}

fn http(method: &str, path: &str) -> Call {
    call(CallKind::Http {
        method: method.to_owned(),
        path: path.to_owned(),
        port: None,
        status: (200, 299),
        host: None,
    })
}

fn on_host(script: &str) -> Call {
    call(CallKind::OnHost {
        argv: words(&["/bin/sh", "-c", script, "a b"]),
    })
}

#[tokio::test]
async fn a_member_is_switched_on_and_off() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let (env, app, slot) = ("bodies".parse().unwrap(), "app".parse().unwrap(), slot());
    let member = Member {
        host: "web1".parse().unwrap(),
        address: "web1.svc".to_owned(),
        port: 8080,
        state: MemberState::Ready,
    };
    let callee = Callee {
        env: &env,
        app: &app,
        slot: &slot,
        project: PROJECT,
        member: &member,
    };
    let well = command(&["/app", "healthcheck"], None);
    // Nothing runs yet: it is off, and cannot be switched on.
    for off in [&well, &http("POST", "/off")] {
        let said = rig.good(&activity::off(callee, off)).await;
        assert_eq!(said, ["nothing of it runs"]);
        assert_ne!(rig.step(&activity::on(callee, off)).await.0, 0);
    }
    let one = rig.image(GOOD).await;
    let dir = rig.release("rel1", GOOD, &one).await;
    let up = containers::replace(PROJECT, &dir, &slot, &release("rel1"));
    rig.good(&up).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = on_host("[ \"$0.$DEPLOY_SLOT.$DEPLOY_PORT\" = \"a b.blue.8080\" ]");
    for good in [
        &well,
        &command(&["/app", "healthcheck"], Some("web")),
        &http("GET", "/healthz"),
        &told,
    ] {
        rig.good(&activity::on(callee, good)).await;
        rig.good(&activity::off(callee, good)).await;
    }
    for (bad, why) in [
        (command(&["/nosuch"], None), "exit code 12"),
        (
            http("POST", "/nosuch"),
            "POST http://127.0.0.1:8080/nosuch: HTTP 404",
        ),
        (on_host("echo broken; exit 3"), "exit code 3"),
        (on_host("sleep 60"), "it did not end in time"),
    ] {
        let (rc, said) = rig.step(&activity::off(callee, &bad)).await;
        let last = said.last().cloned().unwrap_or_default();
        assert!(rc != 0 && last.starts_with(why), "{rc} {said:?}");
    }
    // What cannot be switched off is stopped all the same, and told.
    let calls = [
        (
            activity::words(callee, &on_host("exit 3")),
            Duration::from_secs(5),
        ),
        (activity::words(callee, &well), Duration::from_secs(5)),
    ];
    let stop = containers::off_before(containers::stop(PROJECT, &crate::rig::slot()), &calls);
    let said = rig.good(&stop).await;
    assert!(
        said.contains(&format!("{}exit code 3", activity::NOT)),
        "{said:?}"
    );
    assert!(rig.ours().await.is_empty());
    rig.end().await;
}
