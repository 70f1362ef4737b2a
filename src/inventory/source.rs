//! The door to the files: `inventories/defaults.yml` and `inventories/<env>.yml`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Document, read_set};
use super::foreign::{self, HostsFrom, Source};
use super::hosts::World;
use super::layer::Level;
use super::model::Inventory;
use super::{apps, calendar, check, hooks, notify, policy, sections};
use crate::name::EnvName;
use crate::text::{Diagnostic, Findings, SourceFile, nearest};

/// A directory with `inventories/` and `templates/` in it.
#[derive(Debug, Clone)]
pub struct Config {
    dir: PathBuf,
    reserved: Vec<String>,
}

/// What only others can do while an environment is read.
pub struct Asking<'a> {
    /// Runs a command of `hosts_from`, in the directory of the configuration: what it printed, or
    /// why there is nothing.
    pub command: &'a dyn Fn(&[String]) -> Result<String, String>,
    /// What else is wrong, to be shown in the same run. Where something else is wrong too, the
    /// inventory that it is given lacks what was not understood.
    pub also: &'a dyn Fn(&Inventory) -> Findings,
}

/// The file with values that all environments share; it may be absent.
const DEFAULTS: &str = "defaults";

impl Config {
    /// A configuration. `reserved` are words that no environment may have as its name, because the
    /// command line reads them otherwise.
    #[must_use]
    pub fn new<'a>(dir: impl Into<PathBuf>, reserved: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            dir: dir.into(),
            reserved: reserved.into_iter().map(str::to_owned).collect(),
        }
    }

    /// The directory; templates and other files are named relative to it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Names of environments, sorted: each file in `inventories/` except `defaults.yml`. Files whose
    /// stem is no environment name are left out.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn environments(&self) -> io::Result<Vec<EnvName>> {
        let mut out = BTreeSet::new();
        for entry in std::fs::read_dir(self.dir.join("inventories"))? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|n| n.strip_suffix(".yml"));
            if let Some(env) = stem
                .filter(|s| *s != DEFAULTS)
                .and_then(|s| EnvName::new(s).ok())
            {
                out.insert(env);
            }
        }
        Ok(out.into_iter().collect())
    }

    /// Reads and checks an environment. `sets` are the texts of `--set`, in order.
    ///
    /// # Errors
    /// Everything that is wrong in all files, where at least one finding is an error. Warnings of a
    /// good configuration are in [`Inventory::warnings`].
    pub fn load(&self, env: &EnvName, sets: &[String]) -> Result<Inventory, Findings> {
        let nobody = |_: &[String]| Err("no command is run here".to_owned());
        let asking = Asking {
            command: &nobody,
            also: &|_| Findings::default(),
        };
        self.load_asking(env, sets, &asking)
    }

    /// The same with what only others can do.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_asking(
        &self,
        env: &EnvName,
        sets: &[String],
        asking: &Asking<'_>,
    ) -> Result<Inventory, Findings> {
        let mut findings = Findings::default();
        self.check_name(env, &mut findings);
        let mut files = Vec::new();
        if let Some(file) = self.file(DEFAULTS, &mut findings) {
            files.push((file, Level::Defaults));
        }
        match self.file(env.as_str(), &mut findings) {
            Some(file) => files.push((file, Level::Environment)),
            None if !findings.has_errors() => findings.push(self.no_such(env)),
            None => {}
        }
        if files
            .last()
            .is_none_or(|(_, level)| *level == Level::Defaults)
        {
            return Err(findings);
        }
        let read = |from: &HostsFrom| self.foreign(from, asking.command);
        let outside = Outside {
            foreign: &read,
            also: asking.also,
        };
        build_from(env, &files, sets, &outside, findings)
    }

    /// The text of what `hosts_from` names.
    #[expect(clippy::disallowed_methods, reason = "the door of inventory files")]
    fn foreign(
        &self,
        from: &HostsFrom,
        ask: &dyn Fn(&[String]) -> Result<String, String>,
    ) -> Result<Arc<SourceFile>, Diagnostic> {
        let (name, read) = match &from.source {
            Source::File(path) => {
                let path = self.dir.join(&path.value);
                let shown = path
                    .strip_prefix(".")
                    .unwrap_or(&path)
                    .display()
                    .to_string();
                let read = std::fs::read_to_string(&path);
                (shown, read.map_err(|e| format!("cannot be read: {e}")))
            }
            Source::Command(words) => {
                let name = format!("`{}`", words.join(" "));
                let read = ask(words).and_then(|printed| {
                    let why = |e: String| format!("printed no JSON object: {e}");
                    foreign::pretty(&printed).map_err(why)
                });
                (name, read)
            }
        };
        let why = |why: String| Diagnostic::error(format!("{name} {why}")).at(&from.span);
        read.map(|text| SourceFile::new(name.as_str(), text))
            .map_err(why)
    }

    fn check_name(&self, env: &EnvName, findings: &mut Findings) {
        let word = env.as_str();
        if self.reserved.iter().any(|r| r == word) || word == DEFAULTS {
            findings.push(
                Diagnostic::error(format!(
                    "`{word}` cannot be the name of an environment: it has another meaning"
                ))
                .hint(format!("rename inventories/{word}.yml")),
            );
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the door of inventory files")]
    fn file(&self, stem: &str, findings: &mut Findings) -> Option<Arc<SourceFile>> {
        let path = self.dir.join("inventories").join(format!("{stem}.yml"));
        let shown = path
            .strip_prefix(".")
            .unwrap_or(&path)
            .display()
            .to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(SourceFile::new(shown, text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => {
                findings.push(Diagnostic::error(format!("{shown} cannot be read: {e}")));
                None
            }
        }
    }

    fn no_such(&self, env: &EnvName) -> Diagnostic {
        let finding = Diagnostic::error(format!(
            "there is no environment `{env}`: {} does not exist",
            self.dir
                .join("inventories")
                .join(format!("{env}.yml"))
                .display()
        ));
        if self
            .dir
            .join("inventories")
            .join(format!("{env}.yaml"))
            .exists()
        {
            return finding.hint(format!(
                "inventories/{env}.yaml is there: rename it to {env}.yml"
            ));
        }
        let all = self.environments().unwrap_or_default();
        let names: Vec<&str> = all.iter().map(EnvName::as_str).collect();
        match nearest(env.as_str(), names.iter().copied()) {
            Some(near) => finding.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => finding.hint("deploy is started in the directory that has inventories/ in it, or told with --dir"),
            None => finding.hint(format!("there are: {}", names.join(", "))),
        }
    }
}

/// Makes an environment of texts; see [`Config::load`]. The last file is the environment's.
#[cfg(test)]
pub(super) fn build(
    env: &EnvName,
    files: &[(Arc<SourceFile>, Level)],
    sets: &[String],
    findings: Findings,
) -> Result<Inventory, Findings> {
    // What it names is empty here.
    let empty = |_: &HostsFrom| Ok(SourceFile::new("hosts_from", "{}"));
    let outside = Outside {
        foreign: &empty,
        also: &|_| Findings::default(),
    };
    build_from(env, files, sets, &outside, findings)
}

/// What others do while an environment is read.
pub(super) struct Outside<'a> {
    /// Reads what `hosts_from` names.
    pub foreign: &'a dyn Fn(&HostsFrom) -> Result<Arc<SourceFile>, Diagnostic>,
    /// See [`Asking::also`].
    pub also: &'a dyn Fn(&Inventory) -> Findings,
}

/// The same with what others do.
pub(super) fn build_from(
    env: &EnvName,
    files: &[(Arc<SourceFile>, Level)],
    sets: &[String],
    outside: &Outside<'_>,
    mut findings: Findings,
) -> Result<Inventory, Findings> {
    let read = files
        .iter()
        .map(|(file, level)| Document::read(file, *level, &mut findings));
    let docs: Vec<Option<Document>> = read.collect();
    // A file that is no YAML leaves too little to check the others against.
    let Some(mut docs) = docs.into_iter().collect::<Option<Vec<Document>>>() else {
        return Err(findings);
    };
    let mut known: Vec<Arc<SourceFile>> = files.iter().map(|(f, _)| Arc::clone(f)).collect();
    match hosts_from(&docs, outside.foreign, &mut findings) {
        Some(Ok((file, doc))) => {
            known.insert(0, file);
            docs.insert(0, doc);
        }
        Some(Err(())) => return Err(findings),
        None => {}
    }
    let values = sets.iter().filter_map(|s| read_set(s, &mut findings));
    let values: Vec<_> = values.collect();
    let world = World::read(&docs, &mut findings);
    let hosts = world.entries(&docs, &mut findings);
    let mut origins = world.group_origins.clone();
    let secrets = sections::secrets(&docs, &mut origins, &mut findings);
    let mut inventory = Inventory {
        env: env.clone(),
        hosts,
        groups: world
            .groups
            .iter()
            .map(|(n, g)| (n.clone(), g.members.clone()))
            .collect(),
        balancers: sections::balancers(&docs, &world, &mut origins, &mut findings),
        apps: apps::read(&docs, &values, &world, &mut findings),
        calendar: calendar::read(&docs, &mut origins, &mut findings),
        policy: policy::read(&docs, &mut origins, &mut findings),
        protection: sections::protection(&docs, &mut origins, &mut findings),
        registries: sections::registries(&docs, &mut origins, &mut findings),
        hooks: hooks::read(&docs, &mut origins, &mut findings),
        notify: notify::read(&docs, &secrets, &mut origins, &mut findings),
        secrets,
        sets: sets.to_vec(),
        origins,
        warnings: Vec::new(),
        files: known,
    };
    check::all(&inventory, &world, &mut findings);
    findings.extend((outside.also)(&inventory));
    if findings.has_errors() {
        return Err(findings);
    }
    inventory.warnings = findings.sorted().into_iter().cloned().collect();
    Ok(inventory)
}

/// The document of what `hosts_from` names, in the most specific file that says it; an error where it
/// cannot be had, for then nobody knows which hosts there are.
fn hosts_from(
    docs: &[Document],
    foreign: &dyn Fn(&HostsFrom) -> Result<Arc<SourceFile>, Diagnostic>,
    findings: &mut Findings,
) -> Option<Result<(Arc<SourceFile>, Document), ()>> {
    let node = docs.iter().rev().find_map(|d| d.root.get("hosts_from"))?;
    if node.is_null() {
        return None;
    }
    let from = HostsFrom::read(node, findings);
    let made = from.and_then(|from| match foreign(&from) {
        Ok(file) => {
            let root = from.document(&file, findings)?;
            Some((file, Document::of(root, Level::Source, findings)?))
        }
        Err(why) => {
            findings.push(why);
            None
        }
    });
    Some(made.ok_or(()))
}
