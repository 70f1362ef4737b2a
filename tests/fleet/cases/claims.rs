//! Who may act: locks of persons, two clients at once, clients that are displaced, and what a run leaves behind.

use crate::support::shop::{FIRST, SECOND, Shop};
use std::time::Duration;

#[test]
#[ignore = "needs the fleet"]
fn a_persons_lock_stops_runs_and_never_the_way_back() {
    let shop = Shop::serving(FIRST);
    shop.deploy(SECOND).assert_code(0);
    shop.run(&["lock", "staging", "app"]).assert_code(2);
    let locked = shop.run(&["lock", "staging", "app", "-m", "year end", "--until", "2h"]);
    locked
        .assert_code(0)
        .assert_says(&["staging app is locked until", "deploy unlock staging app"]);
    shop.run(&["status", "staging"])
        .assert_code(0)
        .assert_says(&["locked by ", " since ", " until ", ": year end"]);
    let before = shop.state();
    for words in [
        &["staging", "app@1.0.4-40-c0ffee0"][..],
        &["restart", "staging", "app"],
        &["switch", "staging", "app"],
    ] {
        shop.run(words).assert_code(4).assert_says(&[
            "staging app is locked by ",
            "year end",
            "deploy unlock staging app",
        ]);
    }
    assert_eq!(shop.state(), before, "a refused run changed something");
    // Another lock does not replace it; the same words again are no trouble.
    shop.run(&["lock", "staging", "app", "-m", "mine"])
        .assert_code(4)
        .assert_says(&["is locked already by", "year end"]);
    shop.run(&["lock", "staging", "app", "-m", "year end"])
        .assert_code(0);
    shop.run(&["rollback", "staging", "app"])
        .assert_code(0)
        .assert_says(&["overridden", "year end"]);
    shop.assert_serving(FIRST);

    shop.run(&["unlock", "staging", "app"])
        .assert_code(0)
        .assert_says(&["is unlocked on", "year end"]);
    shop.run(&["unlock", "staging", "app"])
        .assert_code(0)
        .assert_says(&["is not locked"]);
    // One for the whole environment, which ends by itself.
    shop.run(&["lock", "staging", "-m", "move", "--until", "2s"])
        .assert_code(0);
    std::thread::sleep(Duration::from_secs(3));
    shop.run(&["switch", "staging", "app"]).assert_code(0);
    shop.assert_serving(SECOND);
}
