//! What was started by hand becomes #0, and from there on plans as every other release does.

use std::collections::BTreeMap;

use crate::fleet::SlotRecord;
use crate::plan::fixture::{World, host, release, slot};
use crate::plan::{adopt, blue_green, judge, switch};
use crate::release::{Adopted, Release};

use super::super::PlanKind;

/// #0 in blue, by the containers that stand there, and the hosts as they were before `deploy` came.
fn by_hand() -> (World, Release) {
    let mut world = World::serving();
    let mut release = release(&world.setup, 42);
    release.label.revision = 0;
    release.label.adopted = true;
    release.parts.retain(|p| p.spec.slot == slot("blue"));
    for part in &mut release.parts {
        part.spec.label = release.label.clone();
        let one = Adopted {
            id: format!("id-{}", part.host),
            name: "shop".to_owned(),
        };
        part.spec.adopted = BTreeMap::from([("web".parse().unwrap(), one)]);
    }
    for name in ["web1", "web2", "web3", "web4"] {
        let view = world.host(name);
        view.record = crate::fleet::RecordView::default();
        for c in &mut view.containers {
            c.id = format!("id-{name}");
            c.name = "shop".to_owned();
            c.labels.clear();
        }
    }
    for name in ["web3", "web4"] {
        world.host(name).containers.clear();
    }
    for lb in ["lb1", "lb2"] {
        world.says(lb, None);
    }
    (world, release)
}

/// The hosts as they are once that was recorded.
fn adopted() -> (World, Release) {
    let (mut world, release) = by_hand();
    for part in &release.parts {
        let (env, app) = (world.setup.env.clone(), world.setup.app.clone());
        let view = world.host(part.host.as_str());
        let held = SlotRecord {
            release: release.label.id.clone(),
            run: "r-1".parse().unwrap(),
        };
        view.record.slots.insert(slot("blue"), held);
        view.record.kept.push(part.spec.clone());
        view.record.promoted.push(release.label.id.clone());
        view.know_adopted(&env, &app);
    }
    (world.traffic("blue"), release)
}

#[test]
fn what_runs_is_recorded_and_every_load_balancer_led_to_it() {
    let (world, release) = by_hand();
    let plan = adopt::adopt(&world.setup, &release, &world.fleet, &slot("blue"), "g1").unwrap();
    assert_eq!(
        plan.to_string(),
        "staging app adopt: #0 (adopted) 1.0.1-22-7e56158, blue
  s1  web1: record what runs as blue (started by hand; it is not touched)
      undo: web1: strike blue off the record
  s2  web2: record what runs as blue (started by hand; it is not touched)
      undo: web2: strike blue off the record
  s3  probe blue web1 web2 (one fresh probe of every member from every view) after s1 s2
  s4  lb1: prepare blue (checked by the server before the switch)
  s5  lb2: prepare blue (checked by the server before the switch)
  s6  switch lb1 lb2 to blue [commit point] (the switch) after s3 s4 s5
      undo: switch lb1 lb2 to nothing of this app
"
    );
}

#[test]
fn from_then_on_it_is_the_old_group_and_the_way_back() {
    let (mut world, _) = adopted();
    let next = release(&world.setup, 43);
    let plan =
        blue_green::deploy(&world.setup, &next, &world.fleet, PlanKind::Deploy, "g2").unwrap();
    let text = plan.to_string();
    let first =
        "staging app deploy: #0 (adopted) 1.0.1-22-7e56158 → #43 1.0.2-30-abc1234, blue → green";
    assert!(text.starts_with(first), "{text}");
    assert_eq!(
        judge::unfit(&world.setup, &world.fleet, &slot("blue")),
        [""; 0]
    );

    world = world.up("green", 43).promoted("green", 43).traffic("green");
    let back = switch::rollback(&world.setup, &world.fleet, "g3").unwrap();
    let text = back.to_string();
    assert!(
        text.contains("#43 1.0.2-30-abc1234 → #0 (adopted)"),
        "{text}"
    );
    // A deploy to its slot knows that the port is its own, and takes back to it.
    let third = release(&world.setup, 44);
    let plan =
        blue_green::deploy(&world.setup, &third, &world.fleet, PlanKind::Deploy, "g4").unwrap();
    let text = plan.to_string();
    assert!(
        text.contains("web1: blue back to #0 (adopted) 1.0.1-22-7e56158"),
        "{text}"
    );
}

#[test]
fn a_container_that_was_made_anew_is_somebody_elses_again() {
    let (mut world, _) = adopted();
    let (env, app) = (world.setup.env.clone(), world.setup.app.clone());
    let view = world.host("web1");
    view.containers[0].id = "another".to_owned();
    view.containers[0].labels.clear();
    view.know_adopted(&env, &app);
    let unfit = judge::unfit(&world.setup, &world.fleet, &slot("blue"));
    assert_eq!(unfit, ["web1: no container of web"]);
}

#[test]
fn what_is_on_record_or_not_whole_is_not_adopted() {
    let (world, release) = adopted();
    let refused =
        adopt::adopt(&world.setup, &release, &world.fleet, &slot("blue"), "g").unwrap_err();
    assert_eq!(
        refused.text(),
        "web1 has #0 (adopted) 1.0.1-22-7e56158 on record in blue: it was deployed or adopted before
  hint: `deploy status staging` shows it
web2 has #0 (adopted) 1.0.1-22-7e56158 on record in blue: it was deployed or adopted before
  hint: `deploy status staging` shows it
load balancers send to blue already
  hint: `deploy status staging` shows what serves
"
    );
    let (world, mut release) = by_hand();
    release.parts.retain(|p| p.host == host("web1"));
    let refused =
        adopt::adopt(&world.setup, &release, &world.fleet, &slot("blue"), "g").unwrap_err();
    assert_eq!(
        refused.reasons[0].0,
        "web2 has no container of app: blue is not whole"
    );
}
