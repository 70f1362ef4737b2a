//! The plans that are tried, each from the fleet that it was made for.

mod further;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::further::further;
use crate::engine::gates::GateBook;
use crate::inventory::Amount;
use crate::plan::fixture::{World, host, release, slot};
use crate::plan::{
    self, Action, Plan, PlanKind, catch_up, drain, remove, restart, switch, sync, weight,
};

/// A fleet and a plan for it.
pub struct Stage {
    pub name: &'static str,
    pub world: World,
    pub plan: Plan,
}

impl Stage {
    /// The book as a run makes it.
    pub fn book(&self) -> GateBook {
        let mut gates = BTreeMap::new();
        for step in &self.plan.steps {
            if let Action::Gate { slot, hosts, .. } = &step.action {
                for h in hosts {
                    gates.insert(h.clone(), self.world.setup.gates[slot][h].clone());
                }
            }
        }
        let balancers = self.world.setup.balancers.iter().map(|b| b.host.clone());
        GateBook::new(gates, balancers.collect())
    }
}

/// Short times, so that many runs fit into a test.
fn quick(mut world: World) -> World {
    world.setup.bake = Duration::from_secs(7);
    world.setup.drain = Duration::from_secs(3);
    for gate in world
        .setup
        .gates
        .values_mut()
        .flat_map(|g| g.values_mut())
        .flatten()
    {
        gate.within = Duration::from_secs(8);
        gate.in_a_row = 2;
    }
    world
}

fn brought(name: &'static str, world: World, number: u64, kind: PlanKind) -> Stage {
    let release = release(&world.setup, number);
    let plan = plan::deploy(&world.setup, &release, &world.fleet, kind, "g1");
    let plan = plan.unwrap_or_else(|r| panic!("{name}: {}", r.text()));
    Stage { name, world, plan }
}

fn synced(name: &'static str, world: World) -> Stage {
    let recorded = crate::plan::fixture::recorded(&world.setup, 42, 41);
    let plan = sync::sync(&world.setup, &recorded, &world.fleet, &[], "g1");
    let plan = plan.unwrap_or_else(|r| panic!("{name}: {}", r.text()));
    Stage { name, world, plan }
}

/// Plans that go through the one slot of an app.
pub fn in_place() -> Vec<Stage> {
    let of = |names: &[&str]| {
        let mut world = quick(World::rolling(names, 42));
        world.setup.bake = Duration::from_secs(1);
        world
    };
    // One that does not serve anyway goes first, with another one.
    let mut four = of(&["web1", "web2", "web3", "web4"]).out("main", "web4");
    four.setup.rolling.batch = vec![Amount::Hosts(2)];
    four.setup.rolling.failures = 1;
    let mut all = vec![
        brought("rolling", of(&["web1", "web2"]), 43, PlanKind::Deploy),
        brought("rolling on", four, 43, PlanKind::Deploy),
    ];
    all.extend(recreated());
    all
}

/// Plans for what must never run twice: nobody serves meanwhile.
pub fn recreated() -> Vec<Stage> {
    let of = |names: &[&str]| {
        let mut world = quick(World::recreated(names, 42));
        world.setup.bake = Duration::from_secs(1);
        world
    };
    let back = of(&["web1", "web2"]);
    let plan = switch::rollback(&back.setup, &back.fleet, "g1");
    let again = of(&["web1"]);
    let restart = restart::restart(&again.setup, &again.fleet, "g1");
    let mut stages = vec![
        brought("recreate", of(&["web1", "web2"]), 43, PlanKind::Deploy),
        brought("recreate one", of(&["web1"]), 43, PlanKind::Deploy),
        brought("nobody", of(&["web1"]).nobody(), 43, PlanKind::Deploy),
    ];
    stages.push(Stage {
        name: "recreate back",
        plan: plan.expect("a plan"),
        world: back,
    });
    stages.push(Stage {
        name: "recreate again",
        plan: restart.expect("a plan"),
        world: again,
    });
    stages
}

/// Plans of apps with jobs.
pub fn migrating() -> Vec<Stage> {
    let of = |world: World| quick(world.migrates());
    let serving = || of(World::serving());
    let mut two = serving();
    let mut seed = two.setup.jobs[0].clone();
    seed.name = "seed".parse().expect("a name");
    two.setup.jobs.push(seed);
    let rolling = of(World::rolling(&["web1", "web2", "web3"], 42));
    let recreate = of(World::recreated(&["web1", "web2"], 42));
    vec![
        brought("jobs", serving(), 43, PlanKind::Deploy),
        brought("jobs first", of(World::empty()), 42, PlanKind::Deploy),
        brought("jobs stage", serving(), 43, PlanKind::Stage),
        brought("jobs two", two, 43, PlanKind::Deploy),
        brought("jobs rolling", rolling, 43, PlanKind::Deploy),
        brought("jobs recreate", recreate, 43, PlanKind::Deploy),
    ]
}

/// Plans of apps that are switched on and off.
pub fn active() -> Vec<Stage> {
    let of = |world: World| quick(world.switched());
    let mut all = vec![
        brought("active", of(World::serving()), 43, PlanKind::Deploy),
        brought("active first", of(World::empty()), 42, PlanKind::Deploy),
        brought(
            "active repair",
            broken(of(World::serving())),
            42,
            PlanKind::Deploy,
        ),
    ];
    let mut push = |name, world: World, plan: Result<Plan, plan::Refusal>| {
        let plan = plan.unwrap_or_else(|r| panic!("{name}: {}", r.text()));
        all.push(Stage { name, world, plan });
    };
    let world = of(World::serving());
    let plan = switch::rollback(&world.setup, &world.fleet, "g1");
    push("active back", world, plan);
    let world = of(World::serving());
    let plan = restart::restart(&world.setup, &world.fleet, "g1");
    push("active restart", world, plan);
    let world = of(World::serving());
    let plan = drain::drain(&world.setup, &world.fleet, &host("web1"), false, "g1");
    push("active drain", world, plan);
    let mut world = of(World::serving()).drained("web1").out("blue", "web1");
    world.setup.resting.clear();
    let plan = drain::undrain(&world.setup, &world.fleet, &host("web1"), "g1");
    push("active undrain", world, plan);
    for (name, names) in [
        ("active two", &["web1", "web2"][..]),
        ("active one", &["web1"]),
    ] {
        let world = of(World::recreated(names, 42));
        let release = release(&world.setup, 43);
        let plan = plan::deploy(&world.setup, &release, &world.fleet, PlanKind::Deploy, "g1");
        push(name, world, plan);
    }
    let world = of(World::rolling(&["web1", "web2"], 42));
    let release = release(&world.setup, 43);
    let plan = plan::deploy(&world.setup, &release, &world.fleet, PlanKind::Deploy, "g1");
    push("active rolling", world, plan);
    all
}

/// One member of what serves differs, one of what stands by is gone.
fn broken(mut world: World) -> World {
    world.container_of("web1").memory = 1 << 30;
    world.host("web4").containers.clear();
    world
}

/// A deploy with a spare while it bakes, onto what an earlier run has left as the spare.
pub fn spare() -> Stage {
    let mut world = quick(World::serving()).spares();
    for lb in ["lb1", "lb2"] {
        world.lb(lb).spare = Some(slot("green"));
    }
    spare_of(world)
}

/// The same in a world that was changed.
pub fn spare_of(world: World) -> Stage {
    brought("spare", world, 43, PlanKind::Deploy)
}

/// Shares of the traffic: set, changed, ended, and given back.
fn weights() -> Vec<Stage> {
    let world = |share| quick(World::serving().up("green", 43).shared(share));
    let of = |name: &'static str, world: World, share: u32| {
        let slot = slot("green");
        let wish = weight::Wish { slot, share };
        let plan = weight::weight(&world.setup, &world.fleet, &wish, "g1");
        Stage {
            name,
            plan: plan.expect("a plan"),
            world,
        }
    };
    let back = world(2_000);
    let plan = switch::rollback(&back.setup, &back.fleet, "g1");
    vec![
        of("weight", world(0), 2_000),
        of("weight less", world(2_000), 500),
        of("weight all", world(5_000), 10_000),
        Stage {
            name: "weight back",
            plan: plan.expect("a plan"),
            world: back,
        },
    ]
}

/// Every plan of every strategy.
pub fn every() -> Vec<Stage> {
    let mut out = all();
    out.extend(in_place());
    out.extend(active());
    out.push(spare());
    out.extend(further());
    out
}

/// Every plan of an app with two slots once.
pub fn all() -> Vec<Stage> {
    let mut out = vec![
        brought("first", quick(World::empty()), 42, PlanKind::Deploy),
        brought("deploy", quick(World::serving()), 43, PlanKind::Deploy),
        brought(
            "ready",
            quick(World::serving().up("green", 43)),
            43,
            PlanKind::Deploy,
        ),
        brought("stage", quick(World::serving()), 43, PlanKind::Stage),
    ];
    let world = quick(World::serving().up("green", 43));
    let plan = switch::switch(&world.setup, &world.fleet, &switch::Wish::default(), "g1");
    out.push(Stage {
        name: "switch",
        plan: plan.expect("a plan"),
        world,
    });
    let world = quick(World::serving());
    let plan = switch::rollback(&world.setup, &world.fleet, "g1");
    out.push(Stage {
        name: "rollback",
        plan: plan.expect("a plan"),
        world,
    });
    out.extend(weights());
    let world = quick(World::serving());
    let plan = restart::restart(&world.setup, &world.fleet, "g1");
    out.push(Stage {
        name: "restart",
        plan: plan.expect("a plan"),
        world,
    });

    let mut world = quick(World::serving());
    world.container_of("web1").memory = 1 << 30;
    world.host("web4").containers.clear();
    out.push(brought("repair", world, 42, PlanKind::Deploy));

    let mut world = quick(World::serving().out("blue", "web1"));
    world.put(&host("web1"), &slot("blue"), 42);
    world.container_of("web2").nano_cpus = 0;
    out.push(brought("put back", world, 42, PlanKind::Deploy));
    let world = quick(World::serving().left_out("lb2"));
    out.push(brought("exclude", world, 43, PlanKind::Deploy));
    // Its debt is older than this switch, and what it sends to is where the others go now.
    let world = quick(World::serving().owes("lb2", &["green"]).left_out("lb2"));
    let plan = switch::rollback(&world.setup, &world.fleet, "g1");
    out.push(Stage {
        name: "exclude back",
        plan: plan.expect("a plan"),
        world,
    });
    for (name, sends) in [("catch up", "green"), ("caught up", "blue")] {
        let mut world = quick(World::serving().owes("lb2", &["green"]));
        let there = world.setup.all_to(&slot(sends), "g0");
        world.says("lb2", Some(there));
        let plan = catch_up::catch_up(&world.setup, &world.fleet, &[]);
        out.push(Stage {
            name,
            plan: plan.expect("a plan"),
            world,
        });
    }
    let mut world = quick(World::serving());
    let plan = drain::drain(&world.setup, &world.fleet, &host("web1"), false, "g1");
    out.push(Stage {
        name: "drain",
        plan: plan.expect("a plan"),
        world: world.clone(),
    });
    world = world.drained("web1").out("blue", "web1");
    world.setup.resting.clear();
    let plan = drain::undrain(&world.setup, &world.fleet, &host("web1"), "g1");
    out.push(Stage {
        name: "undrain",
        plan: plan.expect("a plan"),
        world,
    });
    let world = quick(World::serving());
    for (name, hosts) in [("remove hosts", &["web1", "web3"][..]), ("remove app", &[])] {
        let hosts: Vec<_> = hosts.iter().map(|h| host(h)).collect();
        let plan = remove::remove(&world.setup, &world.fleet, &hosts, false, "g1");
        out.push(Stage {
            name,
            plan: plan.expect("a plan"),
            world: world.clone(),
        });
    }
    // A host that rests is passed by.
    let world = World::serving().up("green", 41).drained("web3");
    out.push(brought("rests", quick(world), 43, PlanKind::Deploy));
    // One that does not answer and gets requests is set down first; one that gets none is passed by.
    let world = World::serving().up("green", 41).skipped("web2");
    out.push(brought("set down", quick(world), 43, PlanKind::Deploy));
    let world = World::serving().up("green", 41).skipped("web3");
    out.push(brought("passed by", quick(world), 43, PlanKind::Deploy));
    let world = World::serving().skipped("web2");
    out.push(brought("kept", quick(world), 42, PlanKind::Deploy));
    // web2 missed a release, web4 was rebuilt; then one member that is new.
    let mut world = World::serving().owes("web2", &[]).out("blue", "web2");
    world.put(&host("web2"), &slot("blue"), 40);
    world.host("web4").containers.clear();
    world.host("web4").record = crate::fleet::RecordView::default();
    out.push(synced("sync", quick(world)));
    let mut world = quick(World::serving());
    let mut known = world.clone();
    for group in known.setup.groups.values_mut() {
        group.retain(|m| m.host != host("web2"));
    }
    for (lb, traffic) in [("lb1", "blue"), ("lb2", "blue")] {
        let there = known.setup.all_to(&slot(traffic), "g0");
        world.says(lb, Some(there));
    }
    world.host("web2").containers.clear();
    world.host("web2").record = crate::fleet::RecordView::default();
    out.push(synced("new member", world));
    // One machine is app host and load balancer: it does one thing at a time.
    let world = World::of(
        &[("blue", &["web1", "web2"]), ("green", &["web3", "one"])],
        &["lb1", "one"],
    );
    let world = quick(
        world
            .up("green", 41)
            .promoted("green", 41)
            .up("blue", 42)
            .promoted("blue", 42)
            .traffic("blue"),
    );
    out.push(brought("shared", world, 43, PlanKind::Deploy));
    out
}
