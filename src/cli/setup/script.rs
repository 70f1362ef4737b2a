//! The script of `deploy setup --print`: for whoever is root on the hosts, to read and to run there.
//!
//! It is the text that `deploy setup` itself would send, as functions; who calls which with which
//! words stands at the end. No host gets it from here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Needs;
use crate::host::script::Body;
use crate::name::{EnvName, HostName};
use crate::record::{self, verb::ROOT};
use crate::report::words::names;

/// Stands for the account where nobody said it.
const LOGIN: &str = "LOGIN";

/// The whole script.
pub(super) fn text(
    env: &EnvName,
    needs: &BTreeMap<HostName, Needs<'_>>,
    login: Option<&str>,
) -> String {
    let hosts: Vec<&HostName> = needs.keys().collect();
    let mut out = format!(
        "#!/bin/sh\n\
         # What hosts of {env} need once for `deploy`. As root, on each of them: sh THIS-FILE HOST\n\
         # HOST is its name in the inventory: {}\n\
         # What is there already is kept; each line says what was made, kept, or is left for you.\n\n",
        names(&hosts, usize::MAX)
    );
    let mut functions: Vec<Body> = vec![record::setup::body(ROOT, "-")];
    for body in needs.values().flat_map(|n| &n.balancers) {
        if !functions.iter().any(|f| f.text == body.text) {
            functions.push(body.clone());
        }
    }
    for body in &functions {
        let _ = writeln!(out, "{}() (\n{})\n", name(body), body.text);
    }
    out.push_str("case ${1-} in\n");
    for (hosts, calls) in calls(needs, login) {
        let _ = writeln!(out, "{})\n{calls}  ;;", hosts.join(" | "));
    }
    out.push_str("*)\n  echo \"which host is this? say its name in the inventory\" >&2\n  exit 2\n  ;;\nesac\n");
    out.push_str(&sudoers(needs, login));
    out
}

fn name(body: &Body) -> String {
    format!("set_up_{}", body.name.replace([' ', '-'], "_"))
}

/// What hosts call, equal ones together.
fn calls<'a>(
    needs: &'a BTreeMap<HostName, Needs<'_>>,
    login: Option<&str>,
) -> Vec<(Vec<&'a str>, String)> {
    let mut out: Vec<(Vec<&str>, String)> = Vec::new();
    for (host, wanted) in needs {
        let account = match wanted.host.become_root {
            // The record is root's own there.
            true => "root",
            false => account(wanted, login),
        };
        let mut text = call(&record::setup::body(ROOT, account));
        for body in &wanted.balancers {
            text.push_str(&call(body));
        }
        match out.iter_mut().find(|(_, t)| *t == text) {
            Some((hosts, _)) => hosts.push(host.as_str()),
            None => out.push((vec![host.as_str()], text)),
        }
    }
    out
}

fn account<'a>(wanted: &'a Needs<'_>, login: Option<&'a str>) -> &'a str {
    wanted.host.user.as_deref().or(login).unwrap_or(LOGIN)
}

fn call(body: &Body) -> String {
    let words: Vec<String> = body.args.iter().map(|a| quoted(a)).collect();
    format!("  {} {}\n", name(body), words.join(" "))
}

/// A word for the shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The lines of sudoers, as a comment: only hosts with `become: true` need them.
fn sudoers(needs: &BTreeMap<HostName, Needs<'_>>, login: Option<&str>) -> String {
    let mut by: BTreeMap<&str, Vec<&HostName>> = BTreeMap::new();
    for (host, wanted) in needs.iter().filter(|(_, n)| n.host.become_root) {
        by.entry(account(wanted, login)).or_default().push(host);
    }
    let mut out = String::new();
    for (account, hosts) in by {
        let _ = write!(
            out,
            "\n# /etc/sudoers.d/deploy (mode 440; check it with `visudo -c`) on {}:\n\
             #   {account} ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh\n",
            names(&hosts, usize::MAX)
        );
        if account == LOGIN {
            out.push_str("# (LOGIN is the account that `deploy` logs in with.)\n");
        }
    }
    if !out.is_empty() {
        out.push_str(
            "# That is as good as root there: every script comes on the input of `sudo -n sh -c …`.\n",
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_for_the_shell() {
        assert_eq!(quoted("it's $(x)"), "'it'\\''s $(x)'");
    }
}
