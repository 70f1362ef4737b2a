//! Releases that do not work, and load balancers that do not obey: the old release serves on and nobody notices.

use crate::support::shop::{Cases, FIRST, SECOND, Shop};
use std::time::Duration;

const DEFAULTS: &str = "inventories/defaults.yml";
const STAGING: &str = "inventories/staging.yml";
const TEMPLATE: &str = "templates/app/docker-compose.yml.j2";

/// A deploy that must not take: code, words, the old release serves, the slot is empty again, evidence is on the host.
fn unwound(shop: &Shop, version: &str, code: i32, words: &[&str]) {
    let answer = shop.deploy(version);
    answer.assert_code(code).assert_says(words);
    shop.assert_serving(FIRST);
    for host in ["web3", "web4"] {
        assert_eq!(
            shop.ids(host),
            Vec::<String>::new(),
            "{host} is left as it was"
        );
    }
    let evidence = shop.sh("web3", "cd /var/lib/deploy/staging/app/runs && cd \"$(ls -t | head -1)\" && find . -path '*evidence*'");
    assert!(evidence.contains("evidence"), "{evidence}");
}

#[test]
#[ignore = "needs the fleet"]
fn a_broken_release_is_unwound_and_nobody_notices() {
    let shop = Shop::serving(FIRST);
    shop.project.edit(DEFAULTS, "within: 30s", "within: 8s");
    let load = shop.load(&["--floor", "2000"]);
    let mut cases = Cases::default();
    cases.case("fails at start", || {
        unwound(
            &shop,
            "1.0.3-31-bad0001",
            1,
            &["web3", "database.url", "exit code 3"],
        );
    });
    cases.case("never healthy", || {
        unwound(
            &shop,
            "1.0.3-32-bad0002",
            1,
            &["no connection to the database", "not healthy within"],
        );
    });
    cases.case("dies after its gate, before the switch", || {
        // The other host starts slowly, so that this one dies between its gate and the switch.
        shop.project.edit(DEFAULTS, "within: 8s", "within: 40s");
        let edit = ("LOG_LEVEL:", "APP_MISBEHAVE: {{ 'exit-after=6s' if host.name == 'web3' else 'slow-start=14s' }}\n      LOG_LEVEL:");
        shop.project.edit(TEMPLATE, edit.0, edit.1);
        let answer = shop.deploy(SECOND);
        shop.project.edit(TEMPLATE, edit.1, edit.0);
        answer.assert_code(1).assert_says(&["web3", "it had passed and ended since"]);
        shop.assert_serving(FIRST);
    });
    load.go_on(Duration::from_secs(1));
    cases.case("no request was lost while nothing was switched", || {
        load.stop().assert_good()
    });
    during_the_bake(&shop, &mut cases);
    cases.assert_all();
}

/// Both members of the new slot end in the same second: what they had begun and may not be asked of another is lost,
/// and all else is answered, by the old slot too while it is the spare.
#[expect(clippy::print_stdout, reason = "a measure for docs/promises.md")]
fn both_at_once(shop: &Shop) {
    let load = shop.load(&["--floor", "4000"]);
    shop.deploy("1.0.3-35-bad0005")
        .assert_code(5)
        .assert_says(&["rolled_back", "exit code 4", "(spare blue)"]);
    shop.assert_serving(FIRST);
    load.go_on(Duration::from_secs(1));
    let summary = load.stop();
    let kinds = &summary.json["kinds"];
    // An answer that had begun cannot be begun again: of three hundred a second some are just then.
    for kind in ["GET /", "GET /slow"] {
        let failed = kinds[kind]["failed"].as_u64();
        assert!(
            failed.is_some_and(|n| n < 20),
            "{kind}: {:#}",
            summary.json["failures"]
        );
    }
    // One of ten has a body, and they are open for half a second.
    assert!(summary.failed < 200, "{kinds}");
    println!("of {} requests failed: {kinds}", summary.ok);
    assert!(summary.answered_by("1.0.3-35-bad0005") > 500, "{kinds}");
    let status = shop.run(&["status", "staging"]);
    assert!(!status.stdout.contains("spare"), "{}", status.stdout);
}

/// What dies while it serves takes its open requests with it: no switch can help that. The traffic goes back by itself.
fn during_the_bake(shop: &Shop, cases: &mut Cases) {
    shop.project.edit(STAGING, "bake: 3s", "bake: 25s");
    for (name, version, words) in [
        (
            "is killed for memory during the bake",
            "1.0.3-33-bad0003",
            &["rolled_back", "killed for memory", "web"][..],
        ),
        (
            "gets sick during the bake",
            "1.0.3-36-bad0006",
            &["rolled_back", "/healthz"][..],
        ),
    ] {
        cases.case(name, || {
            let answer = shop.deploy(version);
            answer.assert_code(5).assert_says(words);
            shop.assert_serving(FIRST);
        });
    }
    cases.case("what both members took with them, and nothing more", || {
        both_at_once(shop);
    });
    cases.case("nothing is lost once the old release serves again", || {
        let load = shop.load(&["--floor", "500"]);
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    });
}
