use super::*;
use crate::balancer::fixture::{member, slot, target, traffic};
use crate::name::{AppName, EnvName};

fn of(traffic: &Traffic) -> Wish {
    wish(&target("shop-app"), &Settings::default(), traffic)
}

#[test]
fn what_is_written_into_http() {
    assert_eq!(
        of(&traffic("blue")).http,
        r#"# app of staging. Written by deploy.
upstream shop-app_blue {
    zone shop-app_blue 64k;
    server 10.0.0.1:8080 max_fails=2 fail_timeout=5s;
    server web2.svc:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_blue_spare_green {
    zone shop-app_blue_spare_green 64k;
    server 10.0.0.1:8080 max_fails=2 fail_timeout=5s;
    server web2.svc:8080 max_fails=2 fail_timeout=5s;
    server [fd00::3]:8080 backup;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_blue_without_1 {
    zone shop-app_blue_without_1 64k;
    server web2.svc:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_blue_without_2 {
    zone shop-app_blue_without_2 64k;
    server 10.0.0.1:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_green {
    zone shop-app_green 64k;
    server [fd00::3]:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_green_spare_blue {
    zone shop-app_green_spare_blue 64k;
    server [fd00::3]:8080 max_fails=2 fail_timeout=5s;
    server 10.0.0.1:8080 backup;
    server web2.svc:8080 backup;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_green_without_1 {
    zone shop-app_green_without_1 64k;
    server [fd00::3]:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_green_without_2 {
    zone shop-app_green_without_2 64k;
    server [fd00::3]:8080 max_fails=2 fail_timeout=5s;
    keepalive 32;
    keepalive_timeout 250ms;
}
upstream shop-app_none { server 127.0.0.1:1 down; }
split_clients "$request_id.0" $shop_app_dice0 { 10% 0; 10% 1; 10% 2; 10% 3; 10% 4; 10% 5; 10% 6; 10% 7; 10% 8; * 9; }
split_clients "$request_id.1" $shop_app_dice1 { 10% 0; 10% 1; 10% 2; 10% 3; 10% 4; 10% 5; 10% 6; 10% 7; 10% 8; * 9; }
split_clients "$request_id.2" $shop_app_dice2 { 10% 0; 10% 1; 10% 2; 10% 3; 10% 4; 10% 5; 10% 6; 10% 7; 10% 8; * 9; }
split_clients "$request_id.3" $shop_app_dice3 { 10% 0; 10% 1; 10% 2; 10% 3; 10% 4; 10% 5; 10% 6; 10% 7; 10% 8; * 9; }
map $http_upgrade $shop_app_connection { default upgrade; "" ""; }
server {
    listen 80;
    server_name shop.example.com;
    include /etc/nginx/deploy/staging.app/live/*.inc;
    location / {
        if ($shop_app_slot = "") { return 503; }
        proxy_pass http://$shop_app_upstream;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $shop_app_connection;
        proxy_connect_timeout 2s;
        # The connection to the member begins with the request, not after its body: so it is
        # counted from the start by whoever waits for the old slot.
        proxy_request_buffering off;
    }
}
"#
    );
}

#[test]
fn what_is_written_into_server() {
    let wish = of(&traffic("blue"));
    assert_eq!(
        wish.server.replace(&wish.hash, "HASH"),
        r#"# Which slot of app in staging gets the request: the one whose flag lies there.
# A cached look would see a switch seconds late.
open_file_cache off;
set $shop_app_slot "";
set $shop_app_late "";
set $shop_app_out "-";
set $shop_app_spare "-";
set $shop_app_second "";
set $shop_app_share "";
if (-f /etc/nginx/deploy/staging.app/current/active.blue) { set $shop_app_slot blue; }
if (-f /etc/nginx/deploy/staging.app/current/active.green) { set $shop_app_slot green; }
if (-f /etc/nginx/deploy/staging.app/current/active.blue) { set $shop_app_late blue; }
if ($shop_app_slot = "") { set $shop_app_slot $shop_app_late; }
if (-f /etc/nginx/deploy/staging.app/current/share.${shop_app_dice0}) { set $shop_app_share 1; }
if (-f /etc/nginx/deploy/staging.app/current/share.${shop_app_dice0}${shop_app_dice1}) { set $shop_app_share 1; }
if (-f /etc/nginx/deploy/staging.app/current/share.${shop_app_dice0}${shop_app_dice1}${shop_app_dice2}) { set $shop_app_share 1; }
if (-f /etc/nginx/deploy/staging.app/current/share.${shop_app_dice0}${shop_app_dice1}${shop_app_dice2}${shop_app_dice3}) { set $shop_app_share 1; }
if (-f /etc/nginx/deploy/staging.app/current/second.blue) { set $shop_app_second blue; }
if (-f /etc/nginx/deploy/staging.app/current/second.green) { set $shop_app_second green; }
set $shop_app_told $shop_app_slot;
if ($shop_app_slot = "") { set $shop_app_told "-"; }
if ($shop_app_second != "") { set $shop_app_told "$shop_app_told+$shop_app_second"; }
# A switch may come between two looks: a share of nobody is the first slot's.
if ($shop_app_second = "") { set $shop_app_share ""; }
# Who asks for the state throws no dice.
if ($uri = "/.deploy/staging.app/state") { set $shop_app_share ""; }
if ($shop_app_share) { set $shop_app_slot $shop_app_second; }
if (-f /etc/nginx/deploy/staging.app/current/out.$shop_app_slot.1) { set $shop_app_out 1; }
if (-f /etc/nginx/deploy/staging.app/current/out.$shop_app_slot.2) { set $shop_app_out 2; }
if (-f /etc/nginx/deploy/staging.app/current/spare.$shop_app_slot.blue) { set $shop_app_spare blue; }
if (-f /etc/nginx/deploy/staging.app/current/spare.$shop_app_slot.green) { set $shop_app_spare green; }
set $shop_app_upstream shop-app_$shop_app_slot;
if ($shop_app_spare != "-") { set $shop_app_upstream shop-app_${shop_app_slot}_spare_$shop_app_spare; }
if ($shop_app_out != "-") { set $shop_app_upstream shop-app_${shop_app_slot}_without_$shop_app_out; }
if ($shop_app_slot = "") { set $shop_app_upstream shop-app_none; }
location = /.deploy/staging.app/state {
    # Only this machine, by whatever address it calls itself.
    if ($remote_addr != $server_addr) { return 404; }
    auth_basic off;
    access_log off;
    gzip off;
    default_type application/json;
    add_header X-Deploy "conf=HASH active=$shop_app_told out=$shop_app_out spare=$shop_app_spare pid=$pid";
    add_header Cache-Control no-store;
    alias /etc/nginx/deploy/staging.app/current/traffic;
}
"#
    );
}

#[test]
fn a_switch_changes_flags_and_not_the_configuration() {
    let (blue, mut green) = (of(&traffic("blue")), traffic("green"));
    green.generation = "r-8".to_owned();
    let green = of(&green);
    assert_eq!(blue.hash, green.hash);
    assert_eq!(blue.key(), "r-7f3a-2,active.blue");
    assert_eq!(green.key(), "r-8,active.green");
}

#[test]
fn one_member_out_is_a_flag_and_two_are_a_new_configuration() {
    let mut t = traffic("blue");
    let plain = of(&t);
    t.groups.get_mut(&slot("blue")).unwrap()[1].state = MemberState::Drain;
    let one = of(&t);
    assert_eq!(one.hash, plain.hash);
    assert_eq!(one.key(), "r-7f3a-2,active.blue,out.blue.2");
    assert_eq!((one.slot.as_str(), one.out.as_str()), ("blue", "2"));
    t.groups
        .get_mut(&slot("blue"))
        .unwrap()
        .push(member("web5", "10.0.0.5"));
    let three = of(&t);
    t.groups.get_mut(&slot("blue")).unwrap()[2].state = MemberState::Down;
    let two = of(&t);
    assert_ne!(two.hash, three.hash);
    assert_eq!(two.key(), "r-7f3a-2,active.blue");
    assert!(
        two.http
            .contains("server web2.svc:8080 down;\n    server 10.0.0.5:8080 down;")
    );
}

#[test]
fn flags_are_sorted_as_the_hosts_shell_sorts_them() {
    let mut t = traffic("green");
    let blue = t.groups.get_mut(&slot("blue")).unwrap();
    for n in 3..=12 {
        blue.push(member(&format!("web{n}"), &format!("10.0.0.{n}")));
    }
    blue[9].state = MemberState::Drain;
    assert_eq!(of(&t).flags, ["active.green", "out.blue.10"]);
}

#[test]
fn hostile_words_are_refused_one_by_one() {
    let settings = Settings::default();
    let ok = refusals(&target("shop-app"), &settings, &traffic("blue"));
    assert_eq!(ok, Vec::<String>::new());
    for bad in [
        "10.0.0.1; }",
        "$x",
        "a b",
        "",
        "10.0.0",
        "unix:/x",
        "300.1.1.1",
        "a\nb",
        "-a",
    ] {
        let mut t = traffic("blue");
        t.groups.get_mut(&slot("blue")).unwrap()[0].address = bad.to_owned();
        assert_eq!(
            refusals(&target("shop-app"), &settings, &t).len(),
            1,
            "{bad:?}"
        );
    }
    let mut t = traffic("blue");
    t.generation = "a/b".to_owned();
    t.split.insert(slot("green"), 500);
    let mut bad = target("shop-app");
    bad.backend = "a;b".to_owned();
    bad.host_header = Some("x y".to_owned());
    assert_eq!(refusals(&bad, &settings, &t).len(), 4);
    bad = target("shop-app");
    bad.host_header = None;
    assert_eq!(refusals(&bad, &settings, &traffic("blue")).len(), 1);
    let own = Settings {
        own_server: true,
        ..Settings::default()
    };
    assert_eq!(refusals(&bad, &own, &traffic("blue")), Vec::<String>::new());
}

#[test]
fn a_slot_that_gets_requests_has_a_ready_member() {
    let mut t = traffic("green");
    t.groups.get_mut(&slot("green")).unwrap()[0].state = MemberState::Drain;
    assert_eq!(
        refusals(&target("shop-app"), &Settings::default(), &t),
        ["slot green would get requests and no member of it is ready"]
    );
    t.groups.remove(&slot("green"));
    assert_eq!(
        refusals(&target("shop-app"), &Settings::default(), &t).len(),
        1
    );
}

#[test]
fn names_that_join_to_one_are_two_entries() {
    let (mut a, mut b) = (target("shop-app"), target("shop-app"));
    (a.env, a.app) = (EnvName::new("a-b").unwrap(), AppName::new("c").unwrap());
    (b.env, b.app) = (EnvName::new("a").unwrap(), AppName::new("b-c").unwrap());
    assert_ne!(entry(&a), entry(&b));
}

#[test]
fn members_at_rest_are_those_that_nobody_serves() {
    let mut t = traffic("blue");
    t.groups.get_mut(&slot("blue")).unwrap()[1].state = MemberState::Drain;
    // The same address and port serves in blue: it cannot be told apart.
    t.groups
        .get_mut(&slot("green"))
        .unwrap()
        .push(member("web1", "10.0.0.1"));
    assert_eq!(
        words::resting(&t)
            .iter()
            .map(|(slot, n, m)| (slot.as_str(), *n, m.address.as_str()))
            .collect::<Vec<_>>(),
        [("blue", 2, "web2.svc"), ("green", 1, "fd00::3")]
    );
}

proptest::proptest! {
    #[test]
    fn no_accepted_word_leaves_its_place(
        address in "[a-z0-9:.]{1,5}[^a]?",
        host in "[a-z0-9.]{1,5}[^a]?",
        backend in "[a-z_-]{1,4}[^a]?",
    ) {
        let mut target = target("shop-app");
        let mut t = traffic("blue");
        target.backend = backend;
        target.host_header = Some(host);
        t.groups.get_mut(&slot("blue")).unwrap()[0].address = address;
        if refusals(&target, &Settings::default(), &t).is_empty() {
            let wish = wish(&target, &Settings::default(), &t);
            let plain = of(&traffic("blue"));
            for (is, was) in [(&wish.http, &plain.http), (&wish.server, &plain.server)] {
                for c in [';', '{', '}', '"', '\n', '\'', '\\', '#'] {
                    let count = |s: &str| s.matches(c).count();
                    proptest::prop_assert_eq!(count(is), count(was));
                }
            }
        }
    }
}

#[test]
fn shares_are_flags_and_rules_are_patterns() {
    let mut t = traffic("blue");
    t.split = [(slot("blue"), 9_900), (slot("green"), 100)].into();
    let shared = of(&t);
    assert_eq!(shared.flags, ["active.blue", "second.green", "share.00"]);
    assert_eq!(shared.slot, "blue+green");
    assert_eq!(shared.hash, of(&traffic("blue")).hash, "no reload");
    t.rules = vec![
        Rule {
            key: RuleKey::Header("X-Variant".to_owned()),
            value: "b c".to_owned(),
            to: slot("green"),
        },
        Rule {
            key: RuleKey::Cookie("v-1".to_owned()),
            value: "1.0".to_owned(),
            to: slot("blue"),
        },
    ];
    let ruled = of(&t);
    let maps: Vec<&str> = ruled.http.lines().filter(|l| l.contains("_rule")).collect();
    assert_eq!(
        maps,
        [
            r#"map $http_x_variant $shop_app_rule0 { default ""; "~^b\x20c$" green; }"#,
            r#"map $http_cookie $shop_app_rule1 { default ""; "~(?:^|;\x20*)v\x2d1=1\x2e0(?:\x20*;|$)" blue; }"#,
        ]
    );
}

/// Each server of a zone takes a part of it, those of the spare too.
#[test]
fn the_zone_has_room_for_the_spare() {
    let mut text = String::new();
    let settings = Settings::default();
    let many: Vec<Member> = (0..9)
        .map(|_| traffic("blue").groups[&slot("blue")][0].clone())
        .collect();
    upstream(&mut text, &settings, "alone", &many, &[], None);
    upstream(&mut text, &settings, "both", &many, &many, None);
    let zones: Vec<&str> = text.lines().filter(|l| l.contains("zone ")).collect();
    assert_eq!(zones, ["    zone alone 64k;", "    zone both 512k;"]);
}
