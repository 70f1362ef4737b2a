//! Storms: two apps behind the same load balancers deployed in the same second, twenty times; a client that dies at
//! every line of the journal; releases that go through hosts that serve.

use crate::claims::{die_and_resume, quick, race};
use crate::support::load::Load;
use crate::support::shop::{FIRST, LBS, SECOND, Shop, WEB};
use crate::support::tool::Answer;
use std::time::Instant;

/// How often both are deployed at once.
const ROUNDS: usize = 20;
const WEBS: [&str; 2] = ["2.0.0-7-1a2b3c4", "2.0.1-8-5d6e7f8"];

/// A second app, both without waiting at the end.
fn with_web(shop: &Shop) {
    shop.with_web();
    shop.project
        .edit("inventories/staging.yml", "bake: 3s", "bake: 0s");
    shop.project
        .edit("inventories/defaults.yml", "drain: 60s", "drain: 20s");
}

/// Both at once; each must succeed.
fn both(shop: &Shop, app: &str, web: &str) {
    let begun = Instant::now();
    let app = shop.tool(&["staging", &format!("app@{app}")]).start();
    let web = shop.tool(&["staging", &format!("web@{web}")]).start();
    Answer::of_child(app, begun).assert_code(0);
    Answer::of_child(web, begun).assert_code(0);
}

#[test]
#[ignore = "needs the fleet"]
fn two_apps_in_the_same_second_do_not_disturb_each_other() {
    let shop = Shop::empty();
    with_web(&shop);
    // The first entries are new members of nginx, so they are made before the load begins; then both slots are filled.
    for at in 0..2 {
        both(&shop, [FIRST, SECOND][at], WEBS[at]);
    }
    let loads = [crate::support::shop::SITE, WEB].map(|site| {
        Load::start(
            &shop.fleet,
            site,
            &["--rate", "165", "--conns", "160", "--floor", "1000"],
        )
    });
    for round in 0..ROUNDS {
        let (app, web) = ([FIRST, SECOND][round % 2], WEBS[round % 2]);
        both(&shop, app, web);
        for lb in LBS {
            let (one, two) = (
                shop.serves(lb, crate::support::shop::SITE),
                shop.serves(lb, WEB),
            );
            assert!(
                one.contains(app) && two.contains(web),
                "round {round}, {lb}: {one} {two}"
            );
        }
    }
    for load in loads {
        load.stop().assert_good();
    }
}

#[test]
#[ignore = "needs the fleet"]
fn a_client_that_dies_at_every_line_of_the_journal_leaves_a_run_that_can_be_finished() {
    let shop = quick(Shop::serving(FIRST));
    die_and_resume(&shop, 1..200);
}

#[test]
#[ignore = "needs the fleet"]
fn of_two_clients_at_the_same_moment_one_runs_a_hundred_times() {
    let shop = quick(Shop::serving(FIRST));
    let load = shop.load(&["--floor", "1000"]);
    for round in 0..100 {
        race(&shop, [SECOND, FIRST][round % 2]);
    }
    load.stop().assert_good();
}

/// One slot on all four hosts: two at a time, with their traffic on the other two.
fn rolling(shop: &Shop) {
    shop.project.edit(
        "inventories/defaults.yml",
        "    strategy: blue-green\n    slots: [blue, green]",
        "    strategy: rolling\n    rolling: { batch: 1 }\n    hosts: \"web*\"",
    );
    shop.project
        .edit("inventories/staging.yml", "bake: 3s", "bake: 1s");
}

#[test]
#[ignore = "needs the fleet"]
fn releases_go_through_the_hosts_that_serve_without_a_failed_request() {
    let shop = Shop::empty();
    rolling(&shop);
    shop.deploy(FIRST).assert_code(0);
    let load = shop.load(&["--floor", "1000"]);
    let plan = shop.run(&["plan", "staging", &format!("app@{SECOND}")]);
    plan.assert_code(0)
        .assert_says(&["batches: web1; web2; web3; web4"]);
    shop.deploy(SECOND).assert_code(0);
    shop.assert_serving(SECOND);
    // What never gets well takes back its own host, and no other was touched.
    shop.deploy("1.0.3-31-bad0001")
        .assert_code(1)
        .assert_says(&["failed", SECOND]);
    shop.assert_serving(SECOND);
    shop.run(&["rollback", "staging", "app"]).assert_code(0);
    shop.assert_serving(FIRST);
    load.stop().assert_good();
}
