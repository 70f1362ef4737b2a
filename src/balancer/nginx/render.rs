//! What is written for nginx: upstreams, the rules that choose one per request. Pure; the same value
//! always gives the same bytes and the same hash. The flags that the rules look for are those of
//! `flags/wish.rs`.
//!
//! To add a rule: a line in [`rules`], its flag there, and a case in the suite that talks to the
//! real server.

use std::fmt::Write as _;

use super::settings::Settings;
use crate::balancer::Target;
use crate::balancer::flags::wish::{self, Out, Wish, alternates, out};
use crate::balancer::words::{self, address, entry, literal};
use crate::fleet::{Member, MemberState, Rule, RuleKey, Traffic};
use crate::name::SlotName;

/// What cannot be written for nginx, one sentence each.
#[must_use]
pub fn refusals(target: &Target, settings: &Settings, traffic: &Traffic) -> Vec<String> {
    let mut no = words::refusals(target, "nginx", traffic);
    let word = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    if !word(&target.backend) {
        no.push(format!(
            "backend `{}` cannot be written for nginx: letters, digits, `_` and `-`, a letter first",
            target.backend
        ));
    }
    if target.host_header.is_none() && !settings.own_server {
        no.push("nginx needs `host` for the server that is rendered, or `server: own`".to_owned());
    }
    no.extend(wish::refusals("nginx", traffic));
    for rule in &traffic.rules {
        refuse_rule(&mut no, traffic, rule);
    }
    no
}

fn refuse_rule(no: &mut Vec<String>, traffic: &Traffic, rule: &Rule) {
    let (name, also) = match &rule.key {
        // nginx drops headers with `_`, and its variable cannot tell the two apart.
        RuleKey::Header(name) => (name, '-'),
        RuleKey::Cookie(name) => (name, '_'),
    };
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == also;
    if name.is_empty() || !name.chars().all(token) {
        no.push(format!(
            "rules: `{name}` is no name of a header or cookie for nginx"
        ));
    }
    if rule.value.is_empty() || rule.value.chars().any(char::is_control) {
        no.push(format!("rules: the value for `{name}` cannot be sent"));
    }
    if traffic.groups.get(&rule.to).is_none_or(Vec::is_empty) {
        no.push(format!(
            "slot {} would get requests and has no members",
            rule.to
        ));
    }
}

/// All that `traffic` means on `target`. Call [`refusals`] first: what it refuses must not be
/// written.
#[must_use]
pub fn wish(target: &Target, settings: &Settings, traffic: &Traffic) -> Wish {
    let http = upstreams(target, settings, traffic)
        + &if settings.own_server {
            String::new()
        } else {
            server(target, settings)
        };
    Wish::new(traffic, http, &rules(target, settings, traffic), 10)
}

/// One upstream per slot, one per slot and other slot that is its spare, one per slot and member
/// left out, and one that nobody is in.
fn upstreams(target: &Target, settings: &Settings, traffic: &Traffic) -> String {
    let backend = &target.backend;
    let mut text = format!("# {} of {}. Written by deploy.\n", target.app, target.env);
    for (slot, members) in &traffic.groups {
        if members.is_empty() {
            continue;
        }
        let name = format!("{backend}_{slot}");
        upstream(&mut text, settings, &name, members, &[], None);
        for (spare, others) in traffic.groups.iter().filter(|(s, _)| *s != slot) {
            if !others.is_empty() {
                let name = format!("{name}_spare_{spare}");
                upstream(&mut text, settings, &name, members, others, None);
            }
        }
        // Also numbers that only another slot has: the flag of a member that was out may lie there
        // for a moment when its slot has become smaller, and must not lead nowhere.
        for n in 1..=numbers(traffic) {
            let own = alternates(members) && n <= members.len();
            let without = format!("{name}_without_{n}");
            upstream(
                &mut text,
                settings,
                &without,
                members,
                &[],
                own.then_some(n),
            );
        }
    }
    let _ = writeln!(
        text,
        "upstream {backend}_none {{ server 127.0.0.1:1 down; }}"
    );
    let v = variable(target);
    for place in 0..4 {
        let _ = write!(
            text,
            "split_clients \"$request_id.{place}\" ${v}_dice{place} {{"
        );
        for digit in 0..9 {
            let _ = write!(text, " 10% {digit};");
        }
        text.push_str(" * 9; }\n");
    }
    for (n, rule) in traffic.rules.iter().enumerate() {
        let (of, pattern) = match &rule.key {
            RuleKey::Header(name) => (
                format!("http_{}", name.to_ascii_lowercase().replace('-', "_")),
                format!("^{}$", literal(&rule.value)),
            ),
            RuleKey::Cookie(name) => (
                "http_cookie".to_owned(),
                format!(
                    r"(?:^|;\x20*){}={}(?:\x20*;|$)",
                    literal(name),
                    literal(&rule.value)
                ),
            ),
        };
        // Plain words of a map would match in any case.
        let _ = writeln!(
            text,
            "map ${of} ${v}_rule{n} {{ default \"\"; \"~{pattern}\" {}; }}",
            rule.to
        );
    }
    text
}

/// Numbers of members that a flag may leave out, in whichever slot.
fn numbers(traffic: &Traffic) -> usize {
    let groups = traffic.groups.values();
    let some = groups.filter(|members| alternates(members));
    some.map(Vec::len).max().unwrap_or(0)
}

fn upstream(
    text: &mut String,
    settings: &Settings,
    name: &str,
    members: &[Member],
    spare: &[Member],
    without: Option<usize>,
) {
    let fixed = matches!(out(members), Out::InConf);
    let zone = match members.len() + spare.len() {
        ..=16 => 64,
        _ => 512,
    };
    let _ = writeln!(text, "upstream {name} {{\n    zone {name} {zone}k;");
    for (n, member) in (1..).zip(members) {
        if without == Some(n) {
            continue;
        }
        let Some(address) = address(&member.address) else {
            continue;
        };
        let down = if fixed && member.state != MemberState::Ready {
            " down"
        } else {
            " max_fails=2 fail_timeout=5s"
        };
        let _ = writeln!(text, "    server {address}:{}{down};", member.port);
    }
    for member in spare {
        if let Some(address) = address(&member.address) {
            let _ = writeln!(text, "    server {address}:{} backup;", member.port);
        }
    }
    if settings.keepalive > 0 {
        // Idle connections end soon, so that an open one means a request at work (see drain).
        let _ = writeln!(
            text,
            "    keepalive {};\n    keepalive_timeout 250ms;",
            settings.keepalive
        );
    }
    text.push_str("}\n");
}

/// Name of a variable of ours.
fn variable(target: &Target) -> String {
    target.backend.replace('-', "_")
}

/// The server for an app whose operator brings none.
fn server(target: &Target, settings: &Settings) -> String {
    let (v, entry) = (variable(target), entry(target));
    let host = target.host_header.as_deref().unwrap_or("_");
    let mut text =
        format!("map $http_upgrade ${v}_connection {{ default upgrade; \"\" \"\"; }}\nserver {{\n");
    for listen in &settings.listen {
        let _ = writeln!(text, "    listen {listen};");
    }
    let _ = write!(
        text,
        r#"    server_name {host};
    include {dir}/{entry}/live/*.inc;
    location / {{
        if (${v}_slot = "") {{ return 503; }}
        proxy_pass http://${v}_upstream;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection ${v}_connection;
        proxy_connect_timeout 2s;
        # The connection to the member begins with the request, not after its body: so it is
        # counted from the start by whoever waits for the old slot.
        proxy_request_buffering off;
    }}
}}
"#,
        dir = settings.dir,
    );
    text
}

/// The rules that choose an upstream for each request, and the state that says which.
///
/// Flags are looked for one after the other while a switch may come between two looks. A switch
/// makes the new flag and removes the old one in one rename of the folder. Whoever looked for the
/// new slot before and for the old one after it finds neither: therefore all but the last are
/// looked for again. Where both are found, the later one holds. So each request finds one slot.
fn rules(target: &Target, settings: &Settings, traffic: &Traffic) -> String {
    let (v, entry) = (variable(target), entry(target));
    let (backend, current) = (&target.backend, format!("{}/{entry}/current", settings.dir));
    let slots: Vec<&SlotName> = traffic
        .groups
        .iter()
        .filter(|(_, members)| !members.is_empty())
        .map(|(slot, _)| slot)
        .collect();
    let most = numbers(traffic);
    let mut text = format!(
        r#"# Which slot of {app} in {env} gets the request: the one whose flag lies there.
# A cached look would see a switch seconds late.
open_file_cache off;
set ${v}_slot "";
set ${v}_late "";
set ${v}_out "-";
set ${v}_spare "-";
set ${v}_second "";
set ${v}_share "";
"#,
        app = target.app,
        env = target.env,
    );
    for slot in &slots {
        let _ = writeln!(
            text,
            "if (-f {current}/active.{slot}) {{ set ${v}_slot {slot}; }}"
        );
    }
    for slot in slots.iter().rev().skip(1).rev() {
        let _ = writeln!(
            text,
            "if (-f {current}/active.{slot}) {{ set ${v}_late {slot}; }}"
        );
    }
    let _ = writeln!(text, "if (${v}_slot = \"\") {{ set ${v}_slot ${v}_late; }}");
    let mut thrown = String::new();
    for place in 0..4 {
        let _ = write!(thrown, "${{{v}_dice{place}}}");
        let _ = writeln!(
            text,
            "if (-f {current}/share.{thrown}) {{ set ${v}_share 1; }}"
        );
    }
    for slot in &slots {
        let _ = writeln!(
            text,
            "if (-f {current}/second.{slot}) {{ set ${v}_second {slot}; }}"
        );
    }
    let _ = write!(
        text,
        r#"set ${v}_told ${v}_slot;
if (${v}_slot = "") {{ set ${v}_told "-"; }}
if (${v}_second != "") {{ set ${v}_told "${v}_told+${v}_second"; }}
# A switch may come between two looks: a share of nobody is the first slot's.
if (${v}_second = "") {{ set ${v}_share ""; }}
# Who asks for the state throws no dice.
if ($uri = "/.deploy/{entry}/state") {{ set ${v}_share ""; }}
if (${v}_share) {{ set ${v}_slot ${v}_second; }}
"#
    );
    for n in (0..traffic.rules.len()).rev() {
        let _ = writeln!(
            text,
            "if (${v}_rule{n} != \"\") {{ set ${v}_slot ${v}_rule{n}; }}"
        );
    }
    for n in 1..=most {
        let _ = writeln!(
            text,
            "if (-f {current}/out.${v}_slot.{n}) {{ set ${v}_out {n}; }}"
        );
    }
    for slot in &slots {
        // The slot stands in the flag's name: after a switch between two looks there is none.
        let _ = writeln!(
            text,
            "if (-f {current}/spare.${v}_slot.{slot}) {{ set ${v}_spare {slot}; }}"
        );
    }
    let _ = write!(
        text,
        r#"set ${v}_upstream {backend}_${v}_slot;
if (${v}_spare != "-") {{ set ${v}_upstream {backend}_${{{v}_slot}}_spare_${v}_spare; }}
if (${v}_out != "-") {{ set ${v}_upstream {backend}_${{{v}_slot}}_without_${v}_out; }}
if (${v}_slot = "") {{ set ${v}_upstream {backend}_none; }}
location = /.deploy/{entry}/state {{
    # Only this machine, by whatever address it calls itself.
    if ($remote_addr != $server_addr) {{ return 404; }}
    auth_basic off;
    access_log off;
    gzip off;
    default_type application/json;
    add_header X-Deploy "conf=@HASH@ active=${v}_told out=${v}_out spare=${v}_spare pid=$pid";
    add_header Cache-Control no-store;
    alias {current}/traffic;
}}
"#,
    );
    text
}

#[cfg(test)]
mod tests;
