use serde_json::json;

use super::*;
use crate::balancer::fixture::{slot, target, traffic};

fn of(traffic: &Traffic) -> Wish {
    wish(&target("app"), &Settings::default(), traffic)
}

#[test]
fn one_member_each_and_no_rules_as_they_are_written() {
    let mut t = traffic("blue");
    t.groups.get_mut(&slot("blue")).unwrap().pop();
    let wish = of(&t);
    assert_eq!(
        wish.http,
        "# app of staging. Written by deploy.\nhttp://shop.example.com {\n\timport /etc/caddy/deploy/staging.app/live/*.inc\n}\n"
    );
    let proxied = |address: &str| {
        format!(
            "\t\thandle {{
\t\t\treverse_proxy {address} {{
\t\t\t\tlb_policy round_robin
\t\t\t\tlb_try_duration 2s
\t\t\t\tlb_try_interval 50ms
\t\t\t\tfail_duration 5s
\t\t\t\tmax_fails 2
\t\t\t\ttransport http {{
\t\t\t\t\tdial_timeout 2s
\t\t\t\t\tkeepalive 1s
\t\t\t\t}}
\t\t\t}}
\t\t}}
"
        )
    };
    for address in ["10.0.0.1:8080", "[fd00::3]:8080"] {
        assert!(wish.server.contains(&proxied(address)), "{}", wish.server);
    }
    assert!(
        wish.server
            .contains("try_files /active.blue /active.green /active.blue\n")
    );
    assert!(wish.server.contains(&format!("conf={} active=", wish.hash)));
    assert!(wish.server.ends_with("\trespond 503\n}\n"));
}

#[test]
fn a_switch_changes_no_configuration_and_other_members_do() {
    let (blue, green) = (of(&traffic("blue")), of(&traffic("green")));
    assert_eq!((&blue.hash, &blue.server), (&green.hash, &green.server));
    assert_eq!(
        (blue.flags, green.flags),
        (
            vec!["active.blue".to_owned()],
            vec!["active.green".to_owned()]
        )
    );
    let mut without = traffic("blue");
    without.groups.get_mut(&slot("blue")).unwrap()[1].state = MemberState::Drain;
    assert_eq!(of(&without).hash, blue.hash);
    assert_eq!(of(&without).flags, ["active.blue", "out.blue.2"]);
    let mut fewer = traffic("blue");
    fewer.groups.get_mut(&slot("blue")).unwrap().pop();
    assert_ne!(of(&fewer).hash, blue.hash);
}

#[test]
fn shares_are_thrown_with_digits_of_sixteen() {
    let mut t = traffic("blue");
    t.split = [(slot("blue"), 7_500), (slot("green"), 2_500)].into();
    assert_eq!(
        of(&t).flags,
        [
            "active.blue",
            "second.green",
            "share.0",
            "share.1",
            "share.2",
            "share.3"
        ]
    );
    t.split = [(slot("blue"), 9_999), (slot("green"), 1)].into();
    assert_eq!(
        of(&t).flags.len(),
        2 + 6,
        "6 of 65536 is the nearest below 0.01 %"
    );
}

#[test]
fn nothing_hostile_is_written() {
    let mut t = traffic("blue");
    let rule = |key, value: &str| Rule {
        key,
        value: value.to_owned(),
        to: slot("green"),
    };
    t.rules = vec![rule(RuleKey::Header("X-V".to_owned()), "a`b{c}\"$ *")];
    assert_eq!(
        refusals(&target("app"), &Settings::default(), &t),
        Vec::<String>::new()
    );
    let written = of(&t).server;
    assert!(
        written.contains(r"X-V `^a\x60b\x7bc\x7d\x22\x24\x20\x2a$`"),
        "{written}"
    );
    t.rules = vec![
        rule(RuleKey::Header("X V".to_owned()), "a"),
        rule(RuleKey::Cookie("v".to_owned()), "a\nb"),
    ];
    t.groups.get_mut(&slot("blue")).unwrap()[0].address = "10.0.0.1 {".to_owned();
    let no = refusals(&target("app"), &Settings::default(), &t);
    assert_eq!(
        no,
        [
            "web1: `10.0.0.1 {` port 8080 is no address for Caddy",
            "rules: `X V` is no name of a header or cookie",
            "rules: the value for `v` cannot be sent",
        ]
    );
    let mut nameless = target("app");
    nameless.host_header = None;
    let own = Settings::read(&json!({"server": "own"})).0;
    assert_eq!(
        refusals(&nameless, &own, &traffic("blue")),
        Vec::<String>::new()
    );
    assert_eq!(
        refusals(&nameless, &Settings::default(), &traffic("blue")).len(),
        1
    );
}
