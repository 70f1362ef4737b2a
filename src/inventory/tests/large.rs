//! A large environment loads at once. Measured by hand:
//! `cargo test --release --lib inventory::tests::large -- --ignored --nocapture`.

use std::fmt::Write as _;

use super::*;
use crate::time::Clock;

/// 1000 hosts, 20 apps of 100 hosts each, with settings at every level.
fn text() -> String {
    let mut t = "hosts:\n  web[0001:1000]: { address: \"{name}.mgt\", serve: \"{name}.svc\", labels: { nr: \"{n}\" } }\n  lb[1:2]:\n".to_owned();
    for n in 1..=1000 {
        writeln!(
            t,
            "  web{n:04}: {{ vars: {{ heap: {n}m }}, limits: {{ memory: 4g }} }}"
        )
        .unwrap();
    }
    t.push_str("groups:\n");
    for app in 0..20 {
        let first = app * 50 + 1;
        writeln!(
            t,
            "  blue{app}: {{ hosts: \"web[{first:04}:{:04}]\", vars: {{ side: blue }} }}",
            first + 24
        )
        .unwrap();
        writeln!(
            t,
            "  green{app}: {{ hosts: \"web[{:04}:{:04}]\", vars: {{ side: green }} }}",
            first + 25,
            first + 49
        )
        .unwrap();
        let other = (app * 50 + 500) % 1000 + 1;
        writeln!(
            t,
            "  more{app}: {{ hosts: \"web[{other:04}:{:04}]\" }}",
            other + 49
        )
        .unwrap();
    }
    t.push_str("load_balancers:\n  edge: { driver: nginx, hosts: [lb1, lb2], probe: \"http://{host}:80\" }\napps:\n");
    for app in 0..20 {
        writeln!(
            t,
            "  app{app}:\n    image: registry.example.com/acme/app{app}\n    slots: {{ blue: {{ hosts: [blue{app}, more{app}] }}, green: {{ hosts: [green{app}], port: {} }} }}\n    port: {}\n    balance: {{ edge: {{ backend: app{app} }} }}\n    gates: [ {{ http: /healthz, every: 500ms }} ]\n    limits: {{ memory: 512m, cpus: \"1.0\" }}\n    vars: {{ log_level: info, nested: {{ a: [1, 2], b: x }} }}",
            9000 + app, 8000 + app
        )
        .unwrap();
    }
    t
}

#[test]
fn a_large_environment_is_complete() {
    let i = good("restart: always\nvars: { x: 1 }\n", &text(), &[]);
    assert_eq!(i.hosts.len(), 1002);
    assert_eq!(
        i.apps.values().map(|a| a.members().count()).sum::<usize>(),
        2000
    );
    let last = i.app("app19").unwrap().slots[1].members.last().unwrap();
    assert_eq!((last.host.as_str(), last.port), ("web1000", Some(9019)));
    assert_eq!(last.vars["heap"], "1000m");
    assert_eq!(last.limits.memory.unwrap().to_string(), "4g");
}

#[test]
#[ignore = "a measurement, for a release build"]
fn a_large_environment_loads_in_less_than_a_second() {
    let (text, clock) = (text(), Clock::system());
    let best = (0..5)
        .map(|_| {
            let start = clock.elapsed();
            good("restart: always\nvars: { x: 1 }\n", &text, &[]);
            clock.elapsed() - start
        })
        .min()
        .unwrap();
    println!(
        "1000 hosts, 20 apps of 100 hosts: {}",
        crate::text::duration(best)
    );
    assert!(best.as_millis() < 1000);
}
