//! What was started by hand: told without a value, recorded, put by for a release, and brought back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deploy::host::docker::watch::Tick;
use deploy::host::docker::{adopt, containers, logs};
use deploy::host::script::Script;
use deploy::release::Adopted;

use crate::rig::{Rig, health_gate, passed, release, see_all, slot};
use crate::{GOOD, NEXT, PROJECT};

#[tokio::test]
async fn a_container_started_by_hand_is_recorded_put_by_and_brought_back() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let (one, two) = (rig.image(GOOD).await, rig.image(NEXT).await);
    let image = one.split('@').next().unwrap();
    let start =
        "docker run -d --name shop --restart on-failure:7 -p 8080:8080 -e TOKEN=canary=1 -e 'MORE=a
canary' \"$1\" >/dev/null && end ok";
    rig.run(start, &[image]).await;

    // Told with the names of its variables, and none of their values.
    let reply = rig
        .host
        .run(adopt::script(&BTreeSet::new(), false))
        .await
        .unwrap();
    assert!(
        !reply.lines.join("\n").contains("canary"),
        "{:?}",
        reply.lines
    );
    let told = adopt::read(&reply.lines).containers.unwrap();
    let [shop] = told.as_slice() else {
        panic!("{told:#?}")
    };
    let names: Vec<&str> = shop.env.iter().map(String::as_str).collect();
    assert_eq!((names, shop.own_command), (vec!["MORE", "TOKEN"], false));
    assert_eq!(shop.restart, "on-failure:7");
    assert!(
        shop.digests
            .iter()
            .any(|d| one.ends_with(d.split('@').nth(1).unwrap()))
    );

    // Recorded, it goes on as it was.
    let hand = "releases/hand/blue";
    let put = "d=/var/lib/deploy/bodies/app/$1; mkdir -p \"$d\" && printf '%s on-failure:7 web shop\\n' \"$2\" >\"$d/adopted\" && end ok";
    rig.run(put, &[hand, &shop.id]).await;
    let state = async |rig: &Rig| {
        let form = "docker inspect -f '{{.State.StartedAt}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}' shop && end ok";
        rig.run(form, &[]).await.join(" ")
    };
    let before = state(&rig).await;
    let record = containers::replace(PROJECT, hand, &slot(), &release("hand"));
    rig.good(&record).await;
    assert_eq!(state(&rig).await, before);
    assert_eq!(rig.look().await.0.slots[&slot()].release, release("hand"));

    // Its gates are asked and it is watched, though it has no labels.
    let web = Adopted {
        id: shop.id.clone(),
        name: shop.name.clone(),
    };
    let adopted = BTreeMap::from([("web".parse().unwrap(), web)]);
    let limit = Duration::from_secs(10);
    see_all(
        &rig.host,
        Some(PROJECT),
        &adopted,
        &[],
        limit,
        |tick| matches!(tick, Tick::Containers(list) if list.len() == 1 && list[0].name == "shop"),
    )
    .await;
    let gates = [health_gate("127.0.0.1", None)];
    see_all(&rig.host, Some(PROJECT), &adopted, &gates, limit, passed).await;
    let wanted = logs::Wanted {
        folder: "/var/lib/deploy/bodies/app".to_owned(),
        ..logs::Wanted::default()
    };
    let said: Script = logs::script(&[PROJECT.to_owned()], &wanted);
    let lines = rig.host.run(said).await.unwrap().lines;
    assert!(
        lines.contains(&format!("s 0 {PROJECT} web shop")),
        "{lines:?}"
    );

    // Struck off the record: it goes on.
    rig.good(&containers::revert(PROJECT, &slot(), None)).await;
    assert_eq!(state(&rig).await, before);
    assert!(rig.look().await.0.slots.is_empty());

    // A release takes its place, and gives it back.
    rig.good(&record).await;
    let dir = rig.release("rel2", NEXT, &two).await;
    rig.good(&containers::replace(
        PROJECT,
        &dir,
        &slot(),
        &release("rel2"),
    ))
    .await;
    assert!(state(&rig).await.ends_with(" exited no:0"));
    assert_eq!(rig.ours().await[0].label("deploy.release"), Some("rel2"));
    let back = containers::revert(PROJECT, &slot(), Some((hand, &release("hand"))));
    let lines = rig.good(&back).await;
    assert_eq!(
        containers::reverted(&lines),
        containers::Reverted::To(release("hand"))
    );
    let now = state(&rig).await;
    assert!(now.ends_with(" running on-failure:7"), "{now}");
    assert_eq!(rig.ours().await.len(), 0);
    // The same again is a restart.
    rig.good(&record).await;
    assert_ne!(state(&rig).await, now);

    // Removed: stopped, and still there.
    let slot = slot();
    let all = [(PROJECT.to_owned(), &slot)].into_iter();
    rig.good(&containers::remove(all)).await;
    assert!(state(&rig).await.ends_with(" exited no:0"));
    rig.end().await;
}
