//! nginx answers a reload with 0 and goes on as before: found by what it does, not by what it said, and taken back on all.

use std::time::Duration;

use crate::support::load::Load;
use crate::support::shop::{FIRST, LBS, SITE, Shop, WEB};

const VERSION: &str = "2.0.0-7-1a2b3c4";

/// The port that nginx's configuration now wants is somebody else's: its check passes, the reload does not take.
const HOLD: &str = "setsid busybox nc -l -p 8099 >/dev/null 2>&1 </dev/null & echo $! >/run/holder.pid
    echo 'server { listen 8099; }' >/etc/nginx/conf.d/zz-metrics.conf; sleep 0.3; nginx -t 2>&1 && nginx -s reload";
const FREE: &str =
    "kill \"$(cat /run/holder.pid)\"; rm -f /run/holder.pid /etc/nginx/conf.d/zz-metrics.conf";

fn files(shop: &Shop) -> Vec<String> {
    let list = "cd /etc/nginx && find . ! -type d | sort && find -L . -name live -o -name '*.conf' -type f -exec md5sum {} + | sort";
    LBS.map(|lb| shop.sh(lb, list)).into()
}

#[test]
#[ignore = "needs the fleet"]
fn a_reload_that_returns_0_and_does_not_take_is_found_and_taken_back() {
    let shop = Shop::empty();
    // Its first entry needs a reload of servers that have another app's traffic.
    shop.with_web();
    shop.run(&["staging", &format!("app@{FIRST}")])
        .assert_code(0);
    // Any reload of this nginx closes idle connections, also one that takes (docs/nginx.md): so each request has its own.
    let modes = ["--mode", "close", "--floor", "1000"];
    let load = Load::start(&shop.fleet, SITE, &modes);
    shop.sh("lb2", HOLD);
    let before = files(&shop);
    let answer = shop.run(&["staging", &format!("web@{VERSION}")]);
    let after = files(&shop);
    shop.sh("lb2", FREE);
    println!("{}", answer.said());
    answer
        .assert_says(&["lb2", "did not take the reload", "8099"])
        .assert_code(5);
    assert_eq!(
        served(&after),
        served(&before),
        "what nginx would load at its next start"
    );
    shop.assert_serving(FIRST);
    // With the port free again the same command succeeds.
    shop.run(&["staging", &format!("web@{VERSION}")])
        .assert_code(0);
    for lb in LBS {
        assert!(shop.serves(lb, WEB).contains(VERSION), "{lb}");
    }
    shop.assert_serving(FIRST);
    load.go_on(Duration::from_secs(1));
    load.stop().assert_good();
}

/// Lines of the other app's files and of the operator's; what is left of the failed entry is in no include.
fn served(files: &[String]) -> Vec<String> {
    let lines = files.iter().flat_map(|f| f.lines());
    lines
        .filter(|l| !l.contains("staging.web"))
        .map(str::to_owned)
        .collect()
}
