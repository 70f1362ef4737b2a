//! One file (or one `--set`) taken apart: its sections, and per entry the settings, the host's keys
//! and the settings of apps, each as a mapping that can be laid over another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::{self, Fields};
use super::host_keys::read_host_keys;
use super::layer::Level;
use super::settings::{APP_WIDE, EVERYWHERE, OF_APP, Settings};
use crate::name::AppName;
use crate::text::diagnostic::unprintable;
use crate::text::yaml::{self, Entry, Key, Node, Value};
use crate::text::{Diagnostic, Findings, SourceFile, Span};

/// Sections that may stand at the top of a file, besides settings.
const SECTIONS: [&str; 14] = [
    "connect",
    "hosts",
    "hosts_from",
    "groups",
    "load_balancers",
    "apps",
    "policy",
    "protection",
    "windows",
    "freezes",
    "registries",
    "secrets",
    "notify",
    "hooks",
];
/// How a host is reached: in `connect`, and at a host.
pub(super) const CONNECT: [&str; 5] = ["user", "port", "become", "connection", "options"];

/// A file taken apart.
pub(super) struct Document {
    /// [`Level::Source`], [`Level::Defaults`] or [`Level::Environment`].
    pub level: Level,
    pub root: Node,
    pub top: Part,
}

/// What one entry says: each field is a mapping.
pub(super) struct Part {
    /// Settings of apps in general.
    pub settings: Node,
    /// How hosts are reached, their labels and variables.
    pub host: Node,
    /// Settings of single apps, by name.
    pub apps: BTreeMap<AppName, Overlay>,
}

/// Settings of an app under a group or a host.
pub(super) struct Overlay {
    pub node: Node,
    pub span: Span,
}

impl Document {
    /// Reads a text and checks what can be checked without the others.
    pub fn read(file: &Arc<SourceFile>, level: Level, findings: &mut Findings) -> Option<Self> {
        Self::of(yaml::parse(file, findings)?, level, findings)
    }

    /// The same of what was read already.
    pub fn of(root: Node, level: Level, findings: &mut Findings) -> Option<Self> {
        check_nodes(&root, "", findings);
        let known = [&SECTIONS[..], &EVERYWHERE, &APP_WIDE].concat();
        Fields::of(&root, "", &known, findings)?;
        let settings = pick(&root, &[&EVERYWHERE[..], &APP_WIDE].concat());
        Settings::read(&settings, "", findings);
        let mut host = pick(&root, &["vars"]);
        if let Some(connect) = root.get("connect") {
            Fields::of(connect, "connect", &CONNECT, findings);
            read_host_keys(connect, "connect", findings);
            add(&mut host, connect);
        }
        let top = Part {
            settings,
            host,
            apps: BTreeMap::new(),
        };
        Some(Self { level, root, top })
    }

    /// The entries of a section; none where it is not there.
    pub fn section(&self, name: &str, findings: &mut Findings) -> &[Entry] {
        self.root
            .get(name)
            .and_then(|n| fields::entries(n, name, findings))
            .unwrap_or_default()
    }
}

impl Part {
    /// Takes a group's or a host's entry apart. `own` are its keys besides settings and `apps`.
    pub fn read(node: &Node, path: &str, own: &[&str], findings: &mut Findings) -> Option<Self> {
        let known = [own, &EVERYWHERE, &["apps"]].concat();
        let f = Fields::of(node, path, &known, findings)?;
        let settings = pick(node, &EVERYWHERE);
        Settings::read(&settings, path, findings);
        let mut apps = BTreeMap::new();
        if let Some(section) = f.get("apps") {
            let path = f.path("apps");
            let known = [&EVERYWHERE[..], &OF_APP].concat();
            for entry in fields::entries(section, &path, findings).unwrap_or_default() {
                let path = fields::join(&path, &entry.key.text);
                let name = fields::name(&entry.key.text, &entry.key.span, findings);
                let good = Fields::of(&entry.value, &path, &known, findings).is_some();
                if let (Some(name), true) = (name, good) {
                    Settings::read(&entry.value, &path, findings);
                    let node = entry.value.clone();
                    let span = entry.key.span.clone();
                    apps.insert(name, Overlay { node, span });
                }
            }
        }
        let host = pick(node, &[own, &["vars"]].concat());
        Some(Self {
            settings,
            host,
            apps,
        })
    }
}

/// The entries of a mapping with these keys.
pub(super) fn pick(node: &Node, keys: &[&str]) -> Node {
    let entries = node.map().unwrap_or_default();
    let picked = entries
        .iter()
        .filter(|e| keys.contains(&e.key.text.as_str()));
    Node {
        span: node.span.clone(),
        tag: None,
        value: Value::Map(picked.cloned().collect()),
    }
}

/// Adds the entries of another mapping.
pub(super) fn add(node: &mut Node, more: &Node) {
    if let (Value::Map(entries), Some(more)) = (&mut node.value, more.map()) {
        entries.extend(more.iter().cloned());
    }
}

/// A mapping with one entry.
pub(super) fn single(key: &str, span: &Span, value: Node) -> Node {
    Node {
        span: span.clone(),
        tag: None,
        value: Value::Map(vec![Entry {
            key: Key {
                text: key.to_owned(),
                span: span.clone(),
            },
            value,
        }]),
    }
}

/// What no inventory may hold anywhere: tags, characters that terminals obey, keys without value.
fn check_nodes(node: &Node, path: &str, findings: &mut Findings) {
    if let Some(tag) = &node.tag {
        let finding = Diagnostic::error(format!("tag `{tag}` means nothing here")).at(&node.span);
        findings.push(match tag.starts_with('!') {
            true => finding.hint(format!("a word that begins with `!` needs quotes: '{tag}'")),
            false => finding,
        });
    }
    match &node.value {
        Value::Scalar(s) => check_text(&s.text, &node.span, path, findings),
        Value::Seq(items) => {
            for item in items {
                check_nodes(item, path, findings);
            }
        }
        Value::Map(entries) => {
            for e in entries {
                let at = fields::join(path, &e.key.text);
                check_text(&e.key.text, &e.key.span, &at, findings);
                // A host needs no settings; an empty section is just not filled in yet.
                if e.value.is_unwritten() && !matches!(path, "" | "hosts") {
                    findings.push(
                        Diagnostic::error(format!("`{at}` has no value"))
                            .at(&e.key.span)
                            .hint("write null to take away what a less specific place says, \"\" for an empty text"),
                    );
                } else {
                    check_nodes(&e.value, &at, findings);
                }
            }
        }
    }
}

fn check_text(text: &str, span: &Span, path: &str, findings: &mut Findings) {
    let bad = text
        .chars()
        .find(|c| unprintable(*c) && !matches!(c, '\n' | '\t'));
    if let Some(c) = bad {
        findings.push(
            Diagnostic::error(format!(
                "`{path}` holds the character U+{:04X}",
                u32::from(c)
            ))
            .at(span)
            .expected(
                "printable text, line ends and tabs: other readers would change or obey this one",
            ),
        );
    }
}

/// One `--set`: for which app, and what, as a mapping.
pub(super) struct SetValue {
    pub app: Option<AppName>,
    pub node: Node,
}

/// Reads `limits.memory=1g` or `apps.web.limits.memory=1g`; the value is YAML.
pub(super) fn read_set(text: &str, findings: &mut Findings) -> Option<SetValue> {
    let file = SourceFile::new("--set", text);
    let whole = Span::whole_line(&file, 1);
    let Some((path, value)) = text.split_once('=') else {
        findings.push(
            Diagnostic::error("`--set` has no `=`")
                .at(&whole)
                .expected("KEY=VALUE, such as limits.memory=1g or apps.web.vars.log_level=debug"),
        );
        return None;
    };
    let chars = path.chars().count();
    let node = if value.is_empty() {
        let mut node = Node {
            span: Span::new(&file, 1, chars + 1, 1),
            tag: None,
            value: Value::Scalar(yaml::Scalar::empty()),
        };
        if let Value::Scalar(s) = &mut node.value {
            s.plain = false;
        }
        node
    } else {
        // The value alone is read, and keeps its column by blanks before it.
        let padded = format!("{}{value}", " ".repeat(chars + 1));
        let padded = SourceFile::new("--set", padded);
        let mut own = Findings::default();
        let node = yaml::parse(&padded, &mut own).filter(|_| !own.has_errors());
        let Some(mut node) = node else {
            let all = own.sorted();
            let why = all.first().map_or("", |d| d.message());
            let message = format!("the value of `--set {path}` cannot be read: {why}");
            let at = Span::new(&file, 1, chars + 2, value.chars().count());
            findings.push(Diagnostic::error(message).at(&at));
            return None;
        };
        relocate(&mut node, &file);
        node
    };
    check_nodes(&node, path, findings);
    let mut keys: Vec<&str> = path.split('.').collect();
    let mut app = None;
    if keys.len() > 2 && keys[0] == "apps" {
        app = Some(fields::name(keys[1], &whole, findings)?);
        keys.drain(..2);
    }
    let key_span = Span::new(&file, 1, 1, chars);
    let node = keys
        .iter()
        .rev()
        .fold(node, |n, key| single(key, &key_span, n));
    let known = [&EVERYWHERE[..], &OF_APP, &APP_WIDE].concat();
    Fields::of(&node, "", &known, findings)?;
    Settings::read(&node, "", findings);
    Some(SetValue { app, node })
}

fn relocate(node: &mut Node, file: &Arc<SourceFile>) {
    node.span.file = Arc::clone(file);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Seq(items) => items.iter_mut().for_each(|n| relocate(n, file)),
        Value::Map(entries) => {
            for e in entries {
                e.key.span.file = Arc::clone(file);
                relocate(&mut e.value, file);
            }
        }
    }
}

/// Entries of one section of all files, by name: the less specific file first. An explicit `null`
/// takes away what the files before it say.
pub(super) fn collect<'a>(
    docs: &'a [Document],
    section: &str,
    findings: &mut Findings,
) -> BTreeMap<String, Vec<(usize, &'a Entry)>> {
    let mut out: BTreeMap<String, Vec<(usize, &Entry)>> = BTreeMap::new();
    for (number, doc) in docs.iter().enumerate() {
        for entry in doc.section(section, findings) {
            let name = &entry.key.text;
            if !entry.value.is_null() {
                out.entry(name.clone()).or_default().push((number, entry));
            } else if !entry.value.is_unwritten() && out.remove(name).is_none() {
                findings.push(nothing_to_take(section, entry));
            }
        }
    }
    out
}

/// `x: null` where nothing is to be taken away.
pub(super) fn nothing_to_take(section: &str, entry: &Entry) -> Diagnostic {
    let name = &entry.key.text;
    Diagnostic::error(format!(
        "`{section}.{name}` is null, but no file before says anything about it"
    ))
    .at(&entry.key.span)
    .hint("null takes an entry of defaults.yml away; remove the line")
}
