//! HAProxy as the load balancer of the main job, in place of nginx on the same machines.

use crate::support::shop::{FIRST, LBS, SECOND, Shop};
use std::time::Duration;

/// Load balancers where HAProxy has taken nginx's port; gives it back.
struct Haproxy<'a>(&'a Shop);

impl<'a> Haproxy<'a> {
    /// As docs/haproxy.md asks it of an operator.
    fn on(shop: &'a Shop) -> Self {
        let lines = deploy::balancer::haproxy::lines("/etc/haproxy/deploy");
        let script = format!(
            "set -e
sed -i 's/listen 80 /listen 127.0.0.1:8079 /' /etc/nginx/nginx.conf
nginx -s reload
install -d /etc/haproxy/deploy
touch /etc/haproxy/deploy/hosts.map /etc/haproxy/deploy/apps.map /etc/haproxy/deploy/rules.map
sed -e '/http-request return status 404/d' -e 's/^defaults$/&\\n    option idle-close-on-response/' /etc/haproxy/haproxy.cfg >/run/fleet/haproxy.cfg
cat >>/run/fleet/haproxy.cfg <<'LINES'
{lines}    default_backend nobody
backend nobody
    http-request return status 404
LINES
tries=100
until haproxy -W -D -p /run/fleet/haproxy-case.pid -f /run/fleet/haproxy.cfg -f /etc/haproxy/deploy 2>/dev/null; do
  tries=$((tries - 1))
  [ $tries -gt 0 ]
  sleep 0.1
done"
        );
        for lb in LBS {
            shop.sh(lb, &script);
        }
        shop.project.edit(
            "inventories/staging.yml",
            "driver: nginx",
            "driver: haproxy",
        );
        Self(shop)
    }
}

impl Drop for Haproxy<'_> {
    fn drop(&mut self) {
        for lb in LBS {
            // The next reset puts nginx's configuration back.
            let script = "kill $(cat /run/fleet/haproxy-case.pid); rm -rf /etc/haproxy/deploy /run/fleet/haproxy-case.pid";
            self.0.sh(lb, script);
        }
    }
}

mod long {
    use super::*;

    #[test]
    #[ignore = "needs the fleet and --long"]
    fn blue_green_behind_haproxy_under_load_drops_nothing() {
        let shop = Shop::empty();
        let _haproxy = Haproxy::on(&shop);
        shop.deploy(FIRST).assert_code(0);
        let load = shop.load(&["--expect-release", SECOND, "--floor", "3000"]);
        shop.deploy(SECOND)
            .assert_code(0)
            .assert_says(&["succeeded"]);
        shop.assert_serving(SECOND);
        load.go_on(Duration::from_secs(1));
        shop.run(&["rollback", "staging", "app"]).assert_code(0);
        shop.assert_serving(FIRST);
        load.go_on(Duration::from_secs(1));
        load.stop().assert_good();
    }
}
