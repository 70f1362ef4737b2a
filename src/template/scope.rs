//! The names that a template may use, and their values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::name::{AppName, EnvName, GroupName, HostName, SlotName, Version};
use crate::text::{Diagnostic, Findings};

/// The images of an app under the version that is rendered, each `registry/repository:version`.
/// The digest is added by the overriding compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Images {
    /// `image:` in the inventory; `{{ image }}` in a template.
    One(String),
    /// `images:` in the inventory; `{{ image.web }}` in a template.
    Many(BTreeMap<String, String>),
}

/// What a template knows of the host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostScope {
    /// `{{ host.name }}`: as the inventory calls it.
    pub name: HostName,
    /// `{{ host.address }}`: where it is reached by ssh.
    pub address: String,
    /// `{{ host.serve }}`: where load balancers reach it.
    pub serve: Option<String>,
    /// `{{ host.labels.zone }}`
    pub labels: BTreeMap<String, String>,
    /// `{{ host.vars.heap }}`: the host's own variables; `vars` has them merged already.
    pub vars: Map<String, Value>,
}

/// Everything that a template may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// `{{ env }}`
    pub env: EnvName,
    /// `{{ app }}`
    pub app: AppName,
    /// `{{ version }}`
    pub version: Version,
    /// `{{ image }}` or `{{ image.web }}`
    pub image: Images,
    /// `{{ host.name }}` and so on
    pub host: HostScope,
    /// `{{ group }}`: the group that the host serves in, where there is one.
    pub group: Option<GroupName>,
    /// `{{ slot }}`: `blue` or `green`, where the strategy has slots.
    pub slot: Option<SlotName>,
    /// `{{ port }}`: the host port of this slot, where the app has one.
    pub port: Option<u16>,
    /// `{{ vars.log_level }}`: the effective variables for this app on this host.
    pub vars: Map<String, Value>,
    /// `{{ secret('db') }}`: the names that there are.
    pub secrets: BTreeSet<String>,
}

/// Names that may be without a value, and how they get one.
const OPTIONAL: [(&str, &str); 4] = [
    ("port", "the app has no `port:` in the inventory"),
    ("slot", "the app's strategy has no slots"),
    ("group", "the host is in no group of this app"),
    ("secret", "write `secret('name')`"),
];

/// Why a name that a template could use has no value here.
pub(super) fn why_absent(name: &str) -> Option<&'static str> {
    OPTIONAL
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, why)| *why)
}

impl Scope {
    /// The names and values as templates see them, in a fixed order.
    pub(super) fn context(&self) -> Value {
        let image = match &self.image {
            Images::One(image) => Value::from(image.as_str()),
            Images::Many(images) => Value::Object(
                images
                    .iter()
                    .map(|(name, image)| (name.clone(), Value::from(image.as_str())))
                    .collect(),
            ),
        };
        let mut names = Map::new();
        names.insert("env".to_owned(), self.env.as_str().into());
        names.insert("app".to_owned(), self.app.as_str().into());
        names.insert("version".to_owned(), self.version.as_str().into());
        names.insert("image".to_owned(), image);
        names.insert("host".to_owned(), self.host.context());
        if let Some(group) = &self.group {
            names.insert("group".to_owned(), group.as_str().into());
        }
        if let Some(slot) = &self.slot {
            names.insert("slot".to_owned(), slot.as_str().into());
        }
        if let Some(port) = self.port {
            names.insert("port".to_owned(), port.into());
        }
        names.insert("vars".to_owned(), Value::Object(self.vars.clone()));
        super::secret::know(&mut names, &self.secrets);
        Value::Object(names)
    }

    /// Values that cannot arrive byte-exact in a container: refused by name.
    pub(super) fn refused(&self) -> Findings {
        let mut found = Findings::default();
        walk(&self.context(), String::new(), &mut |path, text| {
            if let Some(bad) = text.chars().find(|c| refused(*c)) {
                found.push(
                    Diagnostic::error(format!(
                        "`{}` on host {} holds the character U+{:04X}, which cannot be delivered",
                        path,
                        self.host.name,
                        u32::from(bad)
                    ))
                    .hint("take it out of the value in the inventory"),
                );
            }
        });
        found
    }
}

impl HostScope {
    fn context(&self) -> Value {
        let labels = self.labels.iter();
        let mut host = Map::new();
        host.insert("name".to_owned(), self.name.as_str().into());
        host.insert("address".to_owned(), self.address.as_str().into());
        if let Some(serve) = &self.serve {
            host.insert("serve".to_owned(), serve.as_str().into());
        }
        host.insert(
            "labels".to_owned(),
            Value::Object(
                labels
                    .map(|(k, v)| (k.clone(), v.as_str().into()))
                    .collect(),
            ),
        );
        host.insert("vars".to_owned(), Value::Object(self.vars.clone()));
        Value::Object(host)
    }
}

/// NUL ends a string in every process's environment; the other two mark values while rendering.
fn refused(c: char) -> bool {
    matches!(c, '\0' | super::print::OPEN | super::print::CLOSE)
}

fn walk(value: &Value, path: String, each: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => each(&path, text),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(item, format!("{path}[{i}]"), each);
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                let dot = if path.is_empty() { "" } else { "." };
                let inner = format!("{path}{dot}{}", key.escape_debug());
                each(&inner, key);
                walk(item, inner, each);
            }
        }
        _ => {}
    }
}

/// The parts of `vars.a['b'][0]`; `None` where it is no plain path.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']')?;
            parts.push(inner[..end].trim_matches(['\'', '"']).to_owned());
            rest = &inner[end + 1..];
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            if end == 0 {
                return None;
            }
            parts.push(name[..end].to_owned());
            rest = &name[end..];
        }
    }
    Some(parts)
}

/// Gives an undefined path an empty text, so that rendering can go on to find more. A stand-in
/// becomes a map where something inside it is asked for. False where the path does not hang on a
/// map of the scope, or has a value.
pub(super) fn stand_in(context: &mut Value, path: &str) -> bool {
    let Some(parts) = segments(path) else {
        return false;
    };
    let mut at = context;
    for part in parts {
        if at.as_str() == Some("") {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else {
            return false;
        };
        at = map.entry(part).or_insert_with(|| Value::from(""));
    }
    at.as_str() == Some("")
}
