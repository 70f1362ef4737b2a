//! The door to the files under `templates/`: read once, by relative path.
//!
//! Nothing outside the directory is ever read: names with `..` and links that lead out are refused
//! when they are used. To ship another kind of file: extend [`Tree::parts`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{Error, ErrorKind};

use super::COMPOSE_FILE;
use crate::name::AppName;
use crate::text::{Diagnostic, Findings, SourceFile};

/// Larger files do not belong into a release; they are refused when used.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Directories deeper than this are a loop of links.
const DEEPEST: usize = 32;

struct Entry {
    executable: bool,
    content: Result<Content, String>,
}

enum Content {
    Text(Arc<SourceFile>),
    Bytes(Vec<u8>),
}

/// All files under the templates directory.
pub(super) struct Tree {
    /// The directory as people gave it.
    root: PathBuf,
    files: BTreeMap<String, Entry>,
}

impl Tree {
    /// Reads the directory.
    ///
    /// # Errors
    /// The directory itself cannot be listed.
    pub(super) fn read(root: &Path) -> io::Result<Self> {
        let real = root.canonicalize()?;
        let mut files = BTreeMap::new();
        let mut reader = Reader {
            root,
            real: &real,
            files: &mut files,
        };
        reader.directory(&real, "", 0)?;
        Ok(Self {
            root: root.to_owned(),
            files,
        })
    }

    /// A tree that was never on disk.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let root = PathBuf::from("templates");
        let entry = |path: &str, text: &str| Entry {
            executable: false,
            content: Ok(content(&root, path, text.as_bytes().to_vec())),
        };
        Self {
            files: files
                .iter()
                .map(|(p, t)| ((*p).to_owned(), entry(p, t)))
                .collect(),
            root,
        }
    }

    /// The path as people know it.
    pub(super) fn shown(&self, name: &str) -> String {
        shown(&self.root, name)
    }

    /// Apps: directories with a compose file.
    pub(super) fn apps(&self) -> Vec<AppName> {
        let mut apps: Vec<AppName> = self
            .files
            .keys()
            .filter_map(|path| path.split_once('/'))
            .filter(|(_, rest)| rest.strip_suffix(".j2").unwrap_or(rest) == COMPOSE_FILE)
            .filter_map(|(app, _)| AppName::new(app).ok())
            .collect();
        apps.dedup();
        apps
    }

    /// What is shipped for an app: path on the host → name here.
    pub(super) fn parts(&self, app: &AppName, found: &mut Findings) -> BTreeMap<String, String> {
        let mut parts: BTreeMap<String, String> = BTreeMap::new();
        let prefix = format!("{app}/");
        let own = self.files.keys().filter(|name| name.starts_with(&prefix));
        for name in own {
            let rest = &name[prefix.len()..];
            let out = rest.strip_suffix(".j2").unwrap_or(rest);
            if out != COMPOSE_FILE && !rest.starts_with("files/") {
                found.extend(self.stray(name, rest));
                continue;
            }
            if let Some(other) = parts.insert(out.to_owned(), name.clone()) {
                found.push(
                    Diagnostic::error(format!(
                        "`{}` and `{}` would both become `{out}`",
                        self.shown(&other),
                        self.shown(name)
                    ))
                    .hint("keep one of them"),
                );
            }
        }
        if !parts.contains_key(COMPOSE_FILE) {
            let wanted = self.shown(&format!("{app}/{COMPOSE_FILE}.j2"));
            let apps = self.apps();
            let missing = Diagnostic::error(format!("app {app} has no template `{wanted}`"));
            found.push(missing.did_you_mean(app.as_str(), apps.iter().map(AppName::as_str)));
        }
        parts
    }

    /// A file that somebody may expect on the host, but that is not shipped.
    fn stray(&self, name: &str, rest: &str) -> Option<Diagnostic> {
        let quiet = [".j2", ".md", ".txt"].iter().any(|end| rest.ends_with(end));
        let hidden = rest.split('/').any(|part| part.starts_with(['.', '_']));
        (!quiet && !hidden).then(|| {
            Diagnostic::warning(format!("`{}` is not shipped to hosts", self.shown(name))).hint(
                format!("move it to `files/{rest}` if containers need it; the compose file then finds it as `./files/{rest}`"),
            )
        })
    }

    /// Permission bits on the host.
    pub(super) fn mode(&self, name: &str) -> u32 {
        match self.files.get(name) {
            Some(entry) if entry.executable => 0o755,
            _ => 0o644,
        }
    }

    /// The content as it is.
    pub(super) fn bytes(&self, name: &str, found: &mut Findings) -> Option<&[u8]> {
        match &self.files.get(name)?.content {
            Ok(Content::Text(file)) => Some(file.text.as_bytes()),
            Ok(Content::Bytes(bytes)) => Some(bytes),
            Err(why) => {
                found.push(self.unreadable(name, why));
                None
            }
        }
    }

    /// The content of a template.
    pub(super) fn text(&self, name: &str, found: &mut Findings) -> Option<&Arc<SourceFile>> {
        match &self.files.get(name)?.content {
            Ok(Content::Text(file)) => Some(file),
            Ok(Content::Bytes(_)) => {
                found.push(self.unreadable(name, "it is not UTF-8 text"));
                None
            }
            Err(why) => {
                found.push(self.unreadable(name, why));
                None
            }
        }
    }

    fn unreadable(&self, name: &str, why: &str) -> Diagnostic {
        Diagnostic::error(format!("`{}` cannot be used: {why}", self.shown(name)))
    }

    /// The source of a template for messages.
    pub(super) fn file(&self, name: &str) -> Option<Arc<SourceFile>> {
        match &self.files.get(name)?.content {
            Ok(Content::Text(file)) => Some(Arc::clone(file)),
            _ => None,
        }
    }

    /// Names of all files, for "did you mean".
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The name that an include means: by its path under `templates/`, or from the including
    /// file's directory where it starts with `./`.
    #[expect(clippy::unused_self, reason = "a question to the tree")]
    pub(super) fn join(&self, name: &str, parent: &str) -> String {
        match (name.strip_prefix("./"), parent.rsplit_once('/')) {
            (Some(rest), Some((dir, _))) => format!("{dir}/{rest}"),
            (Some(rest), None) => rest.to_owned(),
            (None, _) => name.to_owned(),
        }
    }

    /// The source of a template, for the engine.
    ///
    /// # Errors
    /// The name leads out of the directory, or the file is no text.
    pub(super) fn load(
        &self,
        name: &str,
    ) -> Result<Option<minijinja::TemplateSource>, minijinja::Error> {
        let refuse = |why: String| Err(Error::new(ErrorKind::InvalidOperation, why));
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return refuse(format!(
                "`{name}` leads out of `{}`; name a file by its path in there",
                self.root.display()
            ));
        }
        match self.files.get(name).map(|entry| &entry.content) {
            None => Ok(None),
            Some(Ok(Content::Text(file))) => Ok(Some(file.text.as_str().into())),
            Some(Ok(Content::Bytes(_))) => refuse(format!("`{name}` is not UTF-8 text")),
            Some(Err(why)) => refuse(format!("`{name}` cannot be used: {why}")),
        }
    }
}

fn shown(root: &Path, name: &str) -> String {
    let path = root.join(name);
    path.strip_prefix(".")
        .unwrap_or(&path)
        .display()
        .to_string()
}

fn content(root: &Path, name: &str, bytes: Vec<u8>) -> Content {
    match String::from_utf8(bytes) {
        Ok(text) => Content::Text(SourceFile::new(shown(root, name), text)),
        Err(no) => Content::Bytes(no.into_bytes()),
    }
}

struct Reader<'a> {
    root: &'a Path,
    real: &'a Path,
    files: &'a mut BTreeMap<String, Entry>,
}

impl Reader<'_> {
    fn directory(&mut self, dir: &Path, prefix: &str, depth: usize) -> io::Result<()> {
        for item in std::fs::read_dir(dir)? {
            let item = item?;
            let Ok(part) = item.file_name().into_string() else {
                continue; // no template can name it
            };
            let name = format!("{prefix}{part}");
            if let Err(why) = self.item(&item.path(), &name, depth) {
                let content = Err(why);
                let executable = false;
                self.files.insert(
                    name,
                    Entry {
                        executable,
                        content,
                    },
                );
            }
        }
        Ok(())
    }

    fn item(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), String> {
        let real = path.canonicalize().map_err(|e| e.to_string())?;
        if !real.starts_with(self.real) {
            return Err(format!("it is a link out of `{}`", self.root.display()));
        }
        let meta = real.metadata().map_err(|e| e.to_string())?;
        if meta.is_dir() {
            if depth >= DEEPEST {
                return Err("directories are nested too deeply".to_owned());
            }
            return self
                .directory(path, &format!("{name}/"), depth + 1)
                .map_err(|e| e.to_string());
        }
        if !meta.is_file() {
            return Err("it is neither a file nor a directory".to_owned());
        }
        let content = if meta.len() > LARGEST {
            Err("it is larger than 16 MiB".to_owned())
        } else {
            read(path).map(|bytes| content(self.root, name, bytes))
        };
        let executable = executable(&meta);
        self.files.insert(
            name.to_owned(),
            Entry {
                executable,
                content,
            },
        );
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the door to template files")]
fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| e.to_string())
}

fn executable(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o111 != 0
}
