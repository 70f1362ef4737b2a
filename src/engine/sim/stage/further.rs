//! Commands other than a deploy, and hosts that do not answer, for each strategy, and for apps that are
//! switched on and off.

use super::{PlanKind, Stage, brought, quick, synced};
use crate::plan::fixture::{World, host, release, slot};
use crate::plan::{self, Plan, drain, remove, restart, switch, sync, weight};

fn of(name: &'static str, world: World, plan: Result<Plan, plan::Refusal>) -> Stage {
    let plan = plan.unwrap_or_else(|r| panic!("{name}: {}", r.text()));
    Stage { name, world, plan }
}

fn deployed(name: &'static str, world: World) -> Stage {
    brought(name, world, 43, PlanKind::Deploy)
}

fn removed(name: &'static str, world: World, hosts: &[&str]) -> Stage {
    let hosts: Vec<_> = hosts.iter().map(|h| host(h)).collect();
    let plan = remove::remove(&world.setup, &world.fleet, &hosts, false, "g1");
    of(name, world, plan)
}

fn forced(name: &'static str, mut world: World) -> Stage {
    world.container_of("web3").memory = 1 << 30;
    let wish = switch::Wish {
        to: Some(slot("green")),
        force: true,
    };
    let plan = switch::switch(&world.setup, &world.fleet, &wish, "g1");
    of(name, world, plan)
}

/// A member that missed a release, and one that was rebuilt.
fn behind(mut world: World) -> World {
    world = world.owes("web2", &[]).out("blue", "web2");
    world.put(&host("web2"), &slot("blue"), 40);
    world.host("web4").containers.clear();
    world.host("web4").record = crate::fleet::RecordView::default();
    world
}

fn one_slot(name: &'static str, world: World) -> Stage {
    let recorded = release(&world.setup, 42);
    let plan = sync::sync(&world.setup, &recorded, &world.fleet, &[], "g1");
    of(name, world, plan)
}

/// They belong to no other list.
pub fn further() -> Vec<Stage> {
    let serving = || quick(World::serving());
    let ready = || quick(World::serving().up("green", 43));
    let active = || serving().switched();
    let rolling = || quick(World::rolling(&["web1", "web2", "web3"], 42));
    let recreated = || quick(World::recreated(&["web1", "web2"], 42));
    let mut all = vec![
        forced("forced", ready()),
        forced("active forced", ready().switched()),
        synced("active sync", behind(serving()).switched()),
        removed("active remove hosts", active(), &["web1", "web3"]),
        removed("active remove app", active(), &[]),
        deployed(
            "active set down",
            quick(World::serving().up("green", 41).skipped("web2")).switched(),
        ),
        deployed(
            "active passed by",
            quick(World::serving().up("green", 41).skipped("web3")).switched(),
        ),
        deployed("active exclude", active().left_out("lb2")),
        deployed(
            "rolling rests",
            rolling().drained("web2").out("main", "web2"),
        ),
        removed("rolling remove hosts", rolling(), &["web1"]),
        removed("rolling remove app", rolling(), &[]),
        removed("recreate remove app", recreated(), &[]),
    ];
    let mut push = |name, world: World, plan| all.push(of(name, world, plan));
    let world = quick(World::serving().up("green", 43).shared(0)).switched();
    let wish = weight::Wish {
        slot: slot("green"),
        share: 2_000,
    };
    let plan = weight::weight(&world.setup, &world.fleet, &wish, "g1");
    push("active weight", world, plan);
    let world = rolling();
    let plan = restart::restart(&world.setup, &world.fleet, "g1");
    push("rolling restart", world, plan);
    let world = rolling();
    let plan = drain::drain(&world.setup, &world.fleet, &host("web1"), false, "g1");
    push("rolling drain", world, plan);
    let world = rolling();
    let plan = switch::rollback(&world.setup, &world.fleet, "g1");
    push("rolling back", world, plan);
    let mut world = rolling().owes("web2", &[]).out("main", "web2");
    world.put(&host("web2"), &slot("main"), 40);
    all.push(one_slot("rolling sync", world));
    all
}
