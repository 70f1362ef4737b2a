//! Hosts from elsewhere: `hosts_from:` names a command that prints Ansible's inventory JSON, or an
//! Ansible inventory file (INI or YAML). What it says becomes a document like those of an operator,
//! less specific than all of them, and keeps its places.
//!
//! - `ini`   reads INI into the same form as [`Foreign`]
//! - [`Foreign::read`] reads JSON (`--list`) and YAML, which differ in small things only
//!
//! To understand one more variable of Ansible's: [`KNOWN`].

mod ini;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::document::single;
use super::fields::{self, Fields};
use super::gates::argv;
use super::model::Located;
use crate::text::yaml::{self, Entry, Key, Node, Scalar, Value};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

/// Keys of `hosts_from`.
const KEYS: [&str; 3] = ["file", "command", "vars"];

/// What `hosts_from:` says.
pub(super) struct HostsFrom {
    pub source: Source,
    /// Names of the variables that are taken; `None`: all.
    vars: Option<BTreeSet<String>>,
    pub span: Span,
}

/// Where hosts come from.
pub(super) enum Source {
    /// A file, relative to the directory of the configuration.
    File(Located<PathBuf>),
    /// A command, word by word.
    Command(Vec<String>),
}

/// Variables of Ansible's that say how a host is reached, and the key of ours.
const KNOWN: [(&str, &str); 8] = [
    ("ansible_host", "address"),
    ("ansible_ssh_host", "address"),
    ("ansible_user", "user"),
    ("ansible_ssh_user", "user"),
    ("ansible_port", "port"),
    ("ansible_ssh_port", "port"),
    ("ansible_become", "become"),
    ("ansible_connection", "connection"),
];
/// Those that would change how a host is reached and cannot be taken over.
const ARGUMENTS: [&str; 2] = ["ansible_ssh_common_args", "ansible_ssh_extra_args"];

impl HostsFrom {
    /// Reads `hosts_from:`: a path alone, or a mapping.
    pub fn read(node: &Node, findings: &mut Findings) -> Option<Self> {
        let path = "hosts_from";
        let span = node.span.clone();
        if node.map().is_none() {
            let source = Source::File(file(node, path, findings)?);
            return Some(Self {
                source,
                vars: None,
                span,
            });
        }
        let f = Fields::of(node, path, &KEYS, findings)?;
        let vars = f.get("vars").map(|n| {
            let words = fields::words(n, &f.path("vars"), findings).unwrap_or_default();
            words.into_iter().map(|(w, _)| w.to_owned()).collect()
        });
        let source = match (f.get("file"), f.get("command")) {
            (Some(n), None) => Source::File(file(n, &f.path("file"), findings)?),
            (None, Some(n)) => Source::Command(argv(n, &f.path("command"), findings)?),
            _ => {
                findings.push(
                    Diagnostic::error("`hosts_from` names one place")
                        .at(&span)
                        .expected("file: PATH, or command: [word, word]"),
                );
                return None;
            }
        };
        Some(Self { source, vars, span })
    }

    /// The document of what was read; `file` holds the text of the file, or what the command printed.
    pub fn document(&self, file: &Arc<SourceFile>, findings: &mut Findings) -> Option<Node> {
        let foreign = match &self.source {
            Source::File(path) if !is_yaml(&path.value) => ini::read(file, findings),
            _ => Foreign::read(&yaml::parse(file, findings)?, findings),
        };
        Some(foreign.node(self, findings))
    }
}

fn file(node: &Node, path: &str, findings: &mut Findings) -> Option<Located<PathBuf>> {
    let text = fields::text(node, path, findings)?;
    Some(Located {
        value: PathBuf::from(text),
        span: node.span.clone(),
    })
}

fn is_yaml(path: &std::path::Path) -> bool {
    let end = path.extension().and_then(|e| e.to_str());
    matches!(end, Some("yml" | "yaml" | "json"))
}

/// What a command printed, as a text with one value per line: places in it are worth showing.
///
/// # Errors
/// Why it is no JSON.
pub(super) fn pretty(printed: &str) -> Result<String, String> {
    let value: serde_json::Value = serde_json::from_str(printed).map_err(|e| e.to_string())?;
    if !value.is_object() {
        return Err("it is no object".to_owned());
    }
    serde_json::to_string_pretty(&value).map_err(|e| e.to_string())
}

/// A group as Ansible knows it.
#[derive(Default)]
struct Group {
    span: Option<Span>,
    hosts: Vec<Key>,
    children: Vec<Key>,
    vars: Vec<Entry>,
}

/// What an inventory of Ansible's says, whatever its form.
#[derive(Default)]
struct Foreign {
    hosts: BTreeMap<String, (Span, Vec<Entry>)>,
    groups: BTreeMap<String, Group>,
}

impl Foreign {
    /// Reads JSON as `--list` prints it, or YAML.
    fn read(root: &Node, findings: &mut Findings) -> Self {
        let mut all = Self::default();
        for entry in fields::entries(root, "", findings).unwrap_or_default() {
            if entry.key.text == "_meta" {
                let vars = entry.value.get("hostvars").and_then(Node::map);
                for host in vars.unwrap_or_default() {
                    all.host(&host.key, host.value.map().unwrap_or_default());
                }
            } else {
                all.group(&entry.key, &entry.value, findings);
            }
        }
        all
    }

    fn host(&mut self, key: &Key, vars: &[Entry]) {
        let known = self.hosts.entry(key.text.clone());
        let (_, own) = known.or_insert_with(|| (key.span.clone(), Vec::new()));
        put(own, vars);
    }

    /// A group: a mapping with hosts, children, vars; or a list of hosts, as old scripts print it.
    fn group(&mut self, key: &Key, node: &Node, findings: &mut Findings) {
        let path = key.text.as_str();
        let mut group = self.groups.remove(path).unwrap_or_default();
        group.span.get_or_insert_with(|| key.span.clone());
        if node.seq().is_some() {
            group.hosts.extend(self.members(node, path, findings));
            self.groups.insert(path.to_owned(), group);
            return;
        }
        let mut below = Vec::new();
        for part in fields::entries(node, path, findings).unwrap_or_default() {
            match part.key.text.as_str() {
                "hosts" => group
                    .hosts
                    .extend(self.members(&part.value, path, findings)),
                "children" => {
                    let children = part.value.map().unwrap_or_default();
                    below.extend(children.iter().map(|c| (&c.key, &c.value)));
                    group
                        .children
                        .extend(children.iter().map(|c| c.key.clone()));
                    group.children.extend(keys(part.value.seq()));
                }
                "vars" => put(&mut group.vars, part.value.map().unwrap_or_default()),
                _ => findings.push(
                    Diagnostic::error(format!("group `{path}` has the key `{}`", part.key.text))
                        .at(&part.key.span)
                        .expected("one of hosts, children, vars"),
                ),
            }
        }
        self.groups.insert(path.to_owned(), group);
        for (key, node) in below {
            self.group(key, node, findings);
        }
    }

    /// Hosts of a group: a list of names, or a mapping with their variables.
    fn members(&mut self, node: &Node, path: &str, findings: &mut Findings) -> Vec<Key> {
        if let Some(items) = node.seq() {
            let found = keys(Some(items));
            for key in &found {
                self.host(key, &[]);
            }
            return found;
        }
        let mut out = Vec::new();
        for entry in fields::entries(node, path, findings).unwrap_or_default() {
            self.host(&entry.key, entry.value.map().unwrap_or_default());
            out.push(entry.key.clone());
        }
        out
    }

    /// The document that says the same in our words.
    fn node(&self, from: &HostsFrom, findings: &mut Findings) -> Node {
        let mut said = Said {
            vars: from.vars.as_ref(),
            warned: BTreeSet::new(),
            findings,
        };
        let mut top = Vec::new();
        let mut groups = Vec::new();
        for (name, group) in &self.groups {
            let span = group.span.as_ref().unwrap_or(&from.span);
            let (connect, vars) = said.take(&group.vars);
            let connect: Vec<Entry> = connect
                .into_iter()
                .filter(|e| e.key.text != "address")
                .collect();
            let mut own = Vec::new();
            own.extend(map("connect", span, connect));
            own.extend(map("vars", span, vars));
            if name == "all" {
                top.extend(own);
                continue;
            }
            let there = |k: &&Key| self.groups.contains_key(&k.text);
            let words = group
                .hosts
                .iter()
                .chain(group.children.iter().filter(there));
            let words: Vec<Node> = words.map(|k| plain(&k.text, &k.span)).collect();
            if name == "ungrouped" && own.is_empty() {
                continue;
            }
            own.push(entry("hosts", span, Value::Seq(words)));
            groups.push(entry(name, span, Value::Map(own)));
        }
        let hosts = self.hosts.iter().map(|(name, (span, vars))| {
            let (mut own, vars) = said.take(vars);
            own.extend(map("vars", span, vars));
            entry(name, span, Value::Map(own))
        });
        let hosts: Vec<Entry> = hosts.collect();
        top.push(entry("hosts", &from.span, Value::Map(hosts)));
        top.push(entry("groups", &from.span, Value::Map(groups)));
        Node {
            span: from.span.clone(),
            tag: None,
            value: Value::Map(top),
        }
    }
}

/// Takes variables apart: what says how a host is reached, and the rest.
struct Said<'a> {
    vars: Option<&'a BTreeSet<String>>,
    warned: BTreeSet<String>,
    findings: &'a mut Findings,
}

impl Said<'_> {
    fn take(&mut self, all: &[Entry]) -> (Vec<Entry>, Vec<Entry>) {
        let (mut own, mut vars) = (Vec::new(), Vec::new());
        for one in all {
            let name = one.key.text.as_str();
            if let Some((_, key)) = KNOWN.iter().find(|(n, _)| *n == name) {
                let value = self.reach(key, one);
                put(&mut own, &[renamed(key, one, value)]);
            } else if name == "ansible_ssh_private_key_file" {
                let file = single("IdentityFile", &one.key.span, one.value.clone());
                own.push(renamed("options", one, file));
            } else if name.starts_with("ansible_") {
                // How Ansible works on a host; nothing of ours.
                if ARGUMENTS.contains(&name) && self.warned.insert(name.to_owned()) {
                    self.findings.push(
                        Diagnostic::warning(format!("`{name}` is not used"))
                            .at(&one.key.span)
                            .hint(
                                "say it in ssh_config, or as `options` of the host or of `connect`",
                            ),
                    );
                }
            } else if self.vars.is_none_or(|wanted| wanted.contains(name)) {
                self.variable(one, &mut vars);
            }
        }
        (own, vars)
    }

    /// A variable; one that only Ansible can decrypt is left out.
    fn variable(&mut self, one: &Entry, vars: &mut Vec<Entry>) {
        if one.value.is_unwritten() {
            return;
        }
        let vault = one.value.tag.is_some() || one.value.get("__ansible_vault").is_some();
        if !vault {
            put(vars, std::slice::from_ref(one));
        } else if self.warned.insert(one.key.text.clone()) {
            self.findings.push(
                Diagnostic::warning(format!("`{}` is encrypted and left out", one.key.text))
                    .at(&one.key.span)
                    .hint("name it under `secrets:`, with the command that decrypts it"),
            );
        }
    }

    /// The value in the form that ours has.
    fn reach(&mut self, key: &str, one: &Entry) -> Node {
        let mut value = one.value.clone();
        let lower = value.text().map(str::to_ascii_lowercase);
        let word = match (key, lower.as_deref()) {
            ("become", Some("yes" | "true" | "on" | "1")) => Some("true"),
            ("become", Some("no" | "false" | "off" | "0")) => Some("false"),
            ("connection", Some("smart" | "paramiko" | "paramiko_ssh")) => Some("ssh"),
            _ => None,
        };
        if let Some(word) = word {
            value.value = plain(word, &value.span).value;
        } else if let Value::Scalar(scalar) = &mut value.value {
            // A port in quotes is a port.
            scalar.plain |= key == "port";
        }
        value
    }
}

/// Lays variables over others of the same names.
fn put(own: &mut Vec<Entry>, more: &[Entry]) {
    for entry in more {
        match own.iter_mut().find(|o| o.key.text == entry.key.text) {
            Some(old) => *old = entry.clone(),
            None => own.push(entry.clone()),
        }
    }
}

/// The names in a list.
fn keys(items: Option<&[Node]>) -> Vec<Key> {
    let items = items.unwrap_or_default().iter();
    let named = items.filter_map(|n| {
        let text = n.text()?.to_owned();
        let span = n.span.clone();
        Some(Key { text, span })
    });
    named.collect()
}

fn plain(text: &str, span: &Span) -> Node {
    Node {
        span: span.clone(),
        tag: None,
        value: Value::Scalar(Scalar {
            text: text.to_owned(),
            plain: true,
        }),
    }
}

fn entry(key: &str, span: &Span, value: Value) -> Entry {
    Entry {
        key: Key {
            text: key.to_owned(),
            span: span.clone(),
        },
        value: Node {
            span: span.clone(),
            tag: None,
            value,
        },
    }
}

/// An entry with a mapping, where there is something in it.
fn map(key: &str, span: &Span, entries: Vec<Entry>) -> Option<Entry> {
    (!entries.is_empty()).then(|| entry(key, span, Value::Map(entries)))
}

fn renamed(key: &str, one: &Entry, value: Node) -> Entry {
    Entry {
        key: Key {
            text: key.to_owned(),
            span: one.key.span.clone(),
        },
        value,
    }
}
