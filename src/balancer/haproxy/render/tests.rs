use super::*;
use crate::balancer::fixture::{slot, target, traffic};

fn of(traffic: &Traffic) -> Wish {
    wish(&target("app"), &Settings::default(), traffic)
}

#[test]
fn what_is_written_for_a_restart() {
    let mut t = traffic("blue");
    t.groups.get_mut(&slot("blue")).unwrap()[1].state = MemberState::Drain;
    let wish = of(&t);
    assert_eq!(
        wish.conf.replace(&wish.hash, "HASH"),
        "# app of staging. Written by deploy.
global
    set-var proc.deploy_5b1b15cbd8a6e2c4 str(HASH)
backend staging.app_none
    mode http
    http-request return status 503
backend staging.app_blue
    mode http
    balance roundrobin
    option redispatch
    load-server-state-from-file none
    default-server check inter 1s fastinter 500ms downinter 250ms rise 1 fall 2
    server web1 10.0.0.1:8080 init-addr libc,none
    server web2 web2.svc:8080 init-addr libc,none disabled
backend staging.app_green
    mode http
    balance roundrobin
    option redispatch
    load-server-state-from-file none
    default-server check inter 1s fastinter 500ms downinter 250ms rise 1 fall 2
    server web3 [fd00::3]:8080 init-addr libc,none
"
        .replace("proc.deploy_5b1b15cbd8a6e2c4", &variable(&target("app")))
    );
    assert_eq!(wish.value, "blue:-:0:r-7f3a-2:blue/2");
    assert_eq!(wish.resting, ["staging.app_blue/web2=drain"]);
    assert_eq!(wish.awaited, ["staging.app_blue/web1"]);
    assert_eq!(
        wish.hash,
        of(&traffic("blue")).hash,
        "a state needs no reload"
    );
}

#[test]
fn shares_stand_in_one_word() {
    let mut t = traffic("blue");
    t.split = [(slot("blue"), 9_500), (slot("green"), 500)].into();
    assert_eq!(of(&t).value, "blue:green:500:r-7f3a-2:-");
    t.split = [(slot("blue"), 0), (slot("green"), 10_000)].into();
    assert_eq!(of(&t).value, "green:-:0:r-7f3a-2:-");
    t.split.clear();
    assert_eq!(of(&t).value, "none:-:0:r-7f3a-2:-");
}

#[test]
fn rules_are_patterns_without_blanks() {
    let mut t = traffic("blue");
    t.rules = vec![
        Rule {
            key: RuleKey::Header("X-Variant".to_owned()),
            value: "b c".to_owned(),
            to: slot("green"),
        },
        Rule {
            key: RuleKey::Cookie("v".to_owned()),
            value: "1.0".to_owned(),
            to: slot("blue"),
        },
    ];
    assert_eq!(
        of(&t).rules_text(),
        r"^[^\n]*:r\x2d7f3a\x2d2:[^:\n]*@staging\x2eapp\n(?:[^\n]*\n)*x\x2dvariant:\x20b\x20c\r\n green
^[^\n]*:r\x2d7f3a\x2d2:[^:\n]*@staging\x2eapp\n(?:[^\n]*\n)*cookie:\x20(?:[^\r\n]*;\x20*)?v=1\x2e0(?:\x20*;[^\r\n]*)?\r\n blue
"
    );
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut t = traffic("blue");
    t.rules = vec![Rule {
        key: RuleKey::Header("X Variant".to_owned()),
        value: "b\r\nx".to_owned(),
        to: slot("red"),
    }];
    let no = refusals(&target("app"), &t);
    assert_eq!(
        no,
        [
            "rules: `X Variant` is no name of a header or cookie",
            "rules: the value for `X Variant` cannot be sent",
            "slot red would get requests and has no members"
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_accepted_word_leaves_its_place(
        address in "[a-z0-9:.]{1,5}[^a]?",
        name in "[a-zA-Z-]{1,4}[^a]?",
        value in "[^\u{0}]{1,6}",
    ) {
        let mut t = traffic("blue");
        t.groups.get_mut(&slot("blue")).unwrap()[0].address = address;
        t.rules = vec![Rule { key: RuleKey::Cookie(name), value, to: slot("green") }];
        if refusals(&target("app"), &t).is_empty() {
            let wish = of(&t);
            let lines = of(&traffic("blue")).conf.lines().count();
            proptest::prop_assert_eq!(wish.conf.lines().count(), lines);
            for line in wish.conf.lines() {
                proptest::prop_assert!(!line.contains(['#', '"', '\\', '\'']) || line.starts_with('#'));
            }
            let rules = wish.rules_text();
            proptest::prop_assert_eq!(rules.matches(' ').count(), 1);
            proptest::prop_assert_eq!(rules.matches('\n').count(), 1);
            proptest::prop_assert!(rules.is_ascii());
        }
    }
}
