//! What tests of drivers begin with: a target, slots, a traffic value.

use std::collections::BTreeMap;

use super::Target;
use super::flags::wish::Wish;
use crate::fleet::{Member, MemberState, Traffic};
use crate::name::{AppName, BalancerName, EnvName, HostName, SlotName};

/// `app` of `staging` on `lb1`, with this name of its entry.
pub fn target(backend: &str) -> Target {
    Target {
        env: EnvName::new("staging").unwrap(),
        app: AppName::new("app").unwrap(),
        balancer: BalancerName::new("edge").unwrap(),
        host: HostName::new("lb1").unwrap(),
        probe: "http://lb1:80".to_owned(),
        backend: backend.to_owned(),
        host_header: Some("shop.example.com".to_owned()),
        root: false,
        settings: serde_json::Value::Null,
    }
}

pub fn slot(name: &str) -> SlotName {
    SlotName::new(name).unwrap()
}

pub fn member(host: &str, address: &str) -> Member {
    Member {
        host: HostName::new(host).unwrap(),
        address: address.to_owned(),
        port: 8080,
        state: MemberState::Ready,
    }
}

/// Two members in blue, one of them by name; one in green, by IPv6. All requests to `to`.
pub fn traffic(to: &str) -> Traffic {
    let groups = BTreeMap::from([
        (
            slot("blue"),
            vec![member("web1", "10.0.0.1"), member("web2", "web2.svc")],
        ),
        (slot("green"), vec![member("web3", "fd00::3")]),
    ]);
    Traffic::all_to(&slot(to), groups, "r-7f3a-2")
}

/// The look at a healthy entry of a server that looks for flags; `by` ends what it tells of itself.
pub fn looked(wish: &Wish, version: &str, instance: &str, by: &str) -> Vec<String> {
    vec![
        format!("version {version}"),
        format!("key {}", wish.key()),
        format!("traffic {}", wish.traffic),
        format!("live {}", wish.hash),
        format!("instance {instance}"),
        "status 1.1 200 OK".to_owned(),
        format!("running conf={} active=blue out=- {by}", wish.hash),
        format!("serves {}", wish.traffic),
        format!("groups {}", wish.groups),
        "looked".to_owned(),
    ]
}

/// Exchanges the line of a look that begins with `word`.
pub fn replace(lines: &mut [String], word: &str, with: &str) {
    let line = lines.iter_mut().find(|l| l.starts_with(word)).unwrap();
    *line = with.to_owned();
}
