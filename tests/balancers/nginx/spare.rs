//! The slot that served takes what no member of the new one takes, from the switch until its end.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use deploy::balancer::Verdict;
use deploy::fleet::Traffic;

use super::rig::Rig;
use crate::server::{Scene, Server};
use crate::world::{Backend, HOST, Manner, ask, free_port, request, slot, traffic};

/// Nobody listens there.
fn dead(name: &str) -> Backend {
    Backend {
        name: name.to_owned(),
        port: free_port(),
        open: Arc::new(AtomicU64::new(0)),
    }
}

fn spared(traffic: &Traffic, by: &str) -> Traffic {
    Traffic {
        spare: Some(slot(by)),
        ..traffic.clone()
    }
}

#[test]
fn a_spare_takes_what_no_member_takes_until_it_is_ended() {
    let Some(rig) = Rig::open() else { return };
    let (blue, green) = (Backend::start("b1"), dead("g1"));
    let scene = Scene::new(&rig);
    let to = |slot, token| traffic(slot, &[&blue], &[&green], token);
    let (one, two) = (to("blue", "g-1"), to("green", "g-2"));
    rig.switch(&scene.target, None, &one);
    let with = spared(&two, "blue");
    let instance = rig.look(&scene.target).instance;
    rig.switch(&scene.target, Some(&one), &with);
    let seen = rig.look(&scene.target);
    assert_eq!(seen.spare, Some(slot("blue")));
    assert_eq!(seen.running.get(), Some(&Some(two.clone())));
    assert_eq!(seen.persisted, seen.running);
    assert_eq!(seen.problems, []);
    for post in [false, true] {
        let manner = Manner {
            post,
            path: "/",
            ..Manner::default()
        };
        let said = request(&mut None, rig.port(), HOST, manner);
        assert_eq!(said, Ok("b1".to_owned()), "post {post}");
    }
    // The same again changes nothing; what it is not told to have it has no more.
    rig.switch(&scene.target, Some(&one), &with);
    assert_eq!(ask(rig.port(), HOST), Ok("b1".to_owned()));
    rig.switch(&scene.target, Some(&with), &two);
    let seen = rig.look(&scene.target);
    assert_eq!((seen.spare, seen.instance), (None, instance));
    let alone = ask(rig.port(), HOST);
    assert!(
        alone.as_ref().is_err_and(|e| e.contains("502")),
        "{alone:?}"
    );
    // The next change ends it too, without being told of it.
    rig.switch(&scene.target, Some(&two), &with);
    let three = to("blue", "g-3");
    rig.switch(&scene.target, Some(&two), &three);
    assert_eq!(rig.look(&scene.target).spare, None);
    assert_eq!(ask(rig.port(), HOST), Ok("b1".to_owned()));
}

#[test]
fn who_lives_is_asked_and_the_spare_gets_nothing() {
    let Some(rig) = Rig::open() else { return };
    let scene = Scene::serving(&rig);
    rig.switch(&scene.target, Some(&scene.one), &spared(&scene.two, "blue"));
    for _ in 0..50 {
        assert_eq!(ask(rig.port(), HOST), Ok("g1".to_owned()));
    }
}

/// That it is there, or gone, is said by the server and by nothing else.
#[test]
fn a_spare_that_the_server_does_not_tell_of_did_not_take() {
    let Some(rig) = Rig::open() else { return };
    let scene = Scene::serving(&rig);
    let route = rig.entry("app").join("live/server.inc");
    let text = std::fs::read_to_string(&route).unwrap();
    std::fs::write(&route, text.replace("spare.$app_slot.", "other.$app_slot.")).unwrap();
    assert!(rig.nginx(&["-s", "reload"]));
    std::thread::sleep(std::time::Duration::from_millis(300));
    let with = spared(&scene.two, "blue");
    let said = rig.commit(&scene.target, Some(&scene.one), &with);
    assert!(
        matches!(&said, Verdict::Differs { seen } if seen.contains("spare=-")),
        "{said:?}"
    );
}
