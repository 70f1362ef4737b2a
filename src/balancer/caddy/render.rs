//! What is written for Caddy: matchers that look for flags on each request, a handler for each slot
//! and for each member left out. Pure; the same value always gives the same bytes and the same hash.
//! The flags are those of `flags/wish.rs`; a request throws the first four digits of its identifier.
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

/// What cannot be written for Caddy, one sentence each.
#[must_use]
pub fn refusals(target: &Target, settings: &Settings, traffic: &Traffic) -> Vec<String> {
    let mut no = words::refusals(target, "Caddy", traffic);
    if target.host_header.is_none() && !settings.own_server {
        no.push("Caddy needs `host` for the site that is rendered, or `server: own`".to_owned());
    }
    no.extend(wish::refusals("caddy", traffic));
    no.extend(words::rule_refusals(traffic));
    no
}

/// All that `traffic` means on `target`. Call [`refusals`] first: what it refuses must not be
/// written.
#[must_use]
pub fn wish(target: &Target, settings: &Settings, traffic: &Traffic) -> Wish {
    let title = format!("# {} of {}. Written by deploy.\n", target.app, target.env);
    let http = if settings.own_server {
        title
    } else {
        let host = target.host_header.as_deref().unwrap_or_default();
        let sites: Vec<String> = settings
            .site
            .iter()
            .map(|site| site.replace("{host}", host))
            .collect();
        let (dir, entry) = (&settings.dir, entry(target));
        format!(
            "{title}{} {{\n\timport {dir}/{entry}/live/*.inc\n}}\n",
            sites.join(", ")
        )
    };
    Wish::new(traffic, http, &rules(target, settings, traffic), 16)
}

/// Text of one app's rules, by its parts.
struct Rules<'a> {
    /// Begin of our names in the operator's site.
    v: String,
    entry: String,
    current: String,
    settings: &'a Settings,
    text: String,
}

impl Rules<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
    /// A matcher that finds the first of these files, and what it sets.
    fn find(&mut self, name: &str, files: &[String], value: &str) {
        let (v, current) = (&self.v, &self.current);
        let text = format!(
            "\t@{v}_{name} file {{\n\t\troot {current}\n\t\ttry_files {}\n\t}}\n\tvars @{v}_{name} {v}_{name} {value}",
            files.join(" ")
        );
        self.line(&text);
    }
}

/// The rules that choose a handler for each request, and the state that says which.
///
/// Flags are looked for one after the other while a switch may come between two looks. Whoever
/// looked for one slot before it and for the other after it finds neither: therefore all but the
/// last are looked for again. So each request finds one slot.
fn rules(target: &Target, settings: &Settings, traffic: &Traffic) -> String {
    let entry = entry(target);
    let mut r = Rules {
        v: format!("deploy_{}", words::short_hash(&[&entry])),
        current: format!("{}/{entry}/current", settings.dir),
        entry,
        settings,
        text: String::new(),
    };
    let slots: Vec<&SlotName> = traffic
        .groups
        .iter()
        .filter(|(_, members)| !members.is_empty())
        .map(|(slot, _)| slot)
        .collect();
    let v = r.v.clone();
    let title = format!(
        "# Which slot of {} in {} gets the request: the one whose flag lies there.",
        target.app, target.env
    );
    r.line(&title);
    r.line(&format!(
        "route {{\n\tmap {{http.request.uuid}} {{{v}_1}} {{{v}_2}} {{{v}_3}} {{{v}_4}} {{\n\t\t~^(.)(.)(.)(.) \"${{1}}\" \"${{1}}${{2}}\" \"${{1}}${{2}}${{3}}\" \"${{1}}${{2}}${{3}}${{4}}\"\n\t}}"
    ));
    let file = "{http.matchers.file.relative}";
    let again = slots.iter().rev().skip(1).rev();
    let active: Vec<String> = slots
        .iter()
        .chain(again)
        .map(|slot| format!("/active.{slot}"))
        .collect();
    let second: Vec<String> = slots.iter().map(|slot| format!("/second.{slot}")).collect();
    let share: Vec<String> = (1..=4).map(|n| format!("/share.{{{v}_{n}}}")).collect();
    if !slots.is_empty() {
        r.find("active", &active, file);
        r.find("second", &second, file);
        // A switch may come between the two looks: a share of nobody is the first slot's.
        let whose = format!("{{http.vars.{v}_second}}");
        r.find("share", &share, &whose);
    }
    state(&mut r, traffic, &slots);
    choice(&mut r, traffic, &slots);
    for slot in &slots {
        handlers(&mut r, slot, &traffic.groups[*slot]);
    }
    r.line("\trespond 503\n}");
    r.text
}

/// What Caddy tells of itself, to this machine only. Who asks for it throws no dice.
fn state(r: &mut Rules<'_>, traffic: &Traffic, slots: &[&SlotName]) {
    let (v, entry, dir) = (r.v.clone(), r.entry.clone(), r.settings.dir.clone());
    let current = r.current.clone();
    r.line(&format!(
        "\t@{v}_state {{\n\t\tpath /.deploy/{entry}/state\n\t\timport {dir}/{entry}/here.addresses\n\t}}\n\thandle @{v}_state {{\n\troute {{"
    ));
    for (word, end, sign) in [("told", "active", ""), ("also", "second", "+")] {
        let nobody = if sign.is_empty() { "-" } else { "\"\"" };
        let mut text = format!("\t\tmap {{http.vars.{v}_{end}}} {{{v}_{word}}} {{\n");
        for slot in slots {
            let _ = writeln!(text, "\t\t\t/{end}.{slot} {sign}{slot}");
        }
        r.line(&format!("{text}\t\t\tdefault {nobody}\n\t\t}}"));
    }
    r.line(&format!("\t\tvars {v}_out -"));
    for slot in slots {
        let members = &traffic.groups[*slot];
        for n in 1..=members.len() {
            if alternates(members) {
                r.line(&format!(
                    "\t\t@{v}_told_{slot}_{n} {{\n\t\t\tvars {{http.vars.{v}_active}} /active.{slot}\n\t\t\tfile {{\n\t\t\t\troot {current}\n\t\t\t\ttry_files /out.{slot}.{n}\n\t\t\t}}\n\t\t}}\n\t\tvars @{v}_told_{slot}_{n} {v}_out {n}"
                ));
            }
        }
    }
    r.line(&format!(
        "\t\theader X-Deploy \"conf=@HASH@ active={{{v}_told}}{{{v}_also}} out={{http.vars.{v}_out}} by=caddy\"\n\t\theader Cache-Control no-store\n\t\theader -Etag\n\t\theader -Last-Modified\n\t\trewrite * /traffic\n\t\tfile_server {{\n\t\t\troot {current}\n\t\t}}\n\t}}\n\t}}"
    ));
}

/// The slot of this request: the active one; the second for its share; that of the first rule that
/// fits.
fn choice(r: &mut Rules<'_>, traffic: &Traffic, slots: &[&SlotName]) {
    let v = r.v.clone();
    r.line(&format!("\tvars {v}_to {{http.vars.{v}_active}}"));
    for slot in slots {
        r.line(&format!(
            "\t@{v}_shared_{slot} vars {{http.vars.{v}_share}} /second.{slot}\n\tvars @{v}_shared_{slot} {v}_to /active.{slot}"
        ));
    }
    for (n, rule) in traffic.rules.iter().enumerate().rev() {
        let (field, pattern) = pattern(rule);
        r.line(&format!(
            "\t@{v}_rule{n} header_regexp {v}_rule{n} {field} `{pattern}`\n\tvars @{v}_rule{n} {v}_to /active.{}",
            rule.to
        ));
    }
}

/// Header of a rule and what its value has to fit.
fn pattern(rule: &Rule) -> (&str, String) {
    match &rule.key {
        RuleKey::Header(name) => (name, format!("^{}$", literal(&rule.value))),
        RuleKey::Cookie(name) => (
            "Cookie",
            format!(
                r"(?:^|;\x20*){}={}(?:\x20*;|$)",
                literal(name),
                literal(&rule.value)
            ),
        ),
    }
}

/// The handlers of a slot: one for each member left out, one for all.
fn handlers(r: &mut Rules<'_>, slot: &SlotName, members: &[Member]) {
    let (v, current) = (r.v.clone(), r.current.clone());
    r.line(&format!(
        "\t@{v}_to_{slot} vars {{http.vars.{v}_to}} /active.{slot}\n\thandle @{v}_to_{slot} {{"
    ));
    let fixed = matches!(out(members), Out::InConf);
    let upstreams = |without: Option<usize>| -> Vec<String> {
        (1..)
            .zip(members)
            .filter(|(n, m)| Some(*n) != without && (!fixed || m.state == MemberState::Ready))
            .filter_map(|(_, m)| Some(format!("{}:{}", address(&m.address)?, m.port)))
            .collect()
    };
    if alternates(members) {
        for n in 1..=members.len() {
            r.line(&format!(
                "\t\t@{v}_out_{slot}_{n} file {{\n\t\t\troot {current}\n\t\t\ttry_files /out.{slot}.{n}\n\t\t}}\n\t\thandle @{v}_out_{slot}_{n} {{"
            ));
            proxy(r, &upstreams(Some(n)));
            r.line("\t\t}");
        }
    }
    r.line("\t\thandle {");
    proxy(r, &upstreams(None));
    r.line("\t\t}\n\t}");
}

/// Members in turn. One that refuses a connection is left out for five seconds, and the request,
/// which it never saw, goes to another. Idle connections end before members end them.
fn proxy(r: &mut Rules<'_>, upstreams: &[String]) {
    if upstreams.is_empty() {
        return r.line("\t\t\trespond 503");
    }
    let check = r.settings.check.as_ref().map_or(String::new(), |path| {
        format!(
            "\t\t\t\thealth_uri {path}\n\t\t\t\thealth_interval 1s\n\t\t\t\thealth_timeout 1s\n"
        )
    });
    r.line(&format!(
        "\t\t\treverse_proxy {} {{\n\t\t\t\tlb_policy round_robin\n\t\t\t\tlb_try_duration 2s\n\t\t\t\tlb_try_interval 50ms\n\t\t\t\tfail_duration 5s\n\t\t\t\tmax_fails 2\n{check}\t\t\t\ttransport http {{\n\t\t\t\t\tdial_timeout 2s\n\t\t\t\t\tkeepalive 1s\n\t\t\t\t}}\n\t\t\t}}",
        upstreams.join(" ")
    ));
}

#[cfg(test)]
mod tests;
