//! Strict templates: what an operator writes under `templates/`, rendered once per host.
//!
//! ```text
//! templates/app/docker-compose.yml.j2   rendered to docker-compose.yml (or docker-compose.yml, as it is)
//! templates/app/files/**                shipped beside it under the same paths; *.j2 rendered, suffix dropped
//! templates/_shared/labels.j2           anything else: for {% include %} and {% import %}, by its path here
//! ```
//!
//! In scope (see [`Scope`]): `env`, `app`, `version`, `image`, `host`, `group`, `slot`, `port`,
//! `vars`. A name that is not defined is an error, with "did you mean". In YAML and JSON a value is
//! printed as one whole quoted scalar, so it cannot become anything else; text joins with `~`:
//! `image: {{ 'nginx:' ~ vars.nginx }}`. In the compose file a `$` in a value is doubled, since
//! `docker compose` would replace `$name`. `secret('db')` is the path of a secret's file. `|safe` prints text as it is and takes that care away.
//!
//! To add a name to the scope: a field of [`Scope`], a line in its `context`, a line above.
//! Parts: `source` reads the files, `print` writes values, `place` checks where they landed,
//! `error` turns the engine's errors into findings, `origin` leads from a rendered line back to its
//! template.

mod error;
mod origin;
mod place;
mod print;
mod scope;
mod secret;
mod source;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::name::AppName;
use crate::text::{Diagnostic, Findings, SourceFile, Span};

pub use scope::{HostScope, Images, Scope};
pub use secret::{SECRETS_DIR, path as secret_path};
use source::Tree;

/// Name of the rendered compose file.
pub const COMPOSE_FILE: &str = "docker-compose.yml";

/// Steps that one template may take: a loop that never ends is an error, not a hang.
const FUEL: u64 = 2_000_000;

/// Undefined names reported for one file at once.
const MOST_UNDEFINED: usize = 20;

/// How values are printed into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// YAML for `docker compose`: quoted, `$` doubled.
    Compose,
    /// Other YAML and JSON: quoted.
    Quoted,
    /// Any other text: as it is.
    Plain,
}

impl Mode {
    fn of(output: &str) -> Self {
        if output == COMPOSE_FILE {
            return Self::Compose;
        }
        match output.rsplit('.').next() {
            Some("yml" | "yaml" | "json") => Self::Quoted,
            _ => Self::Plain,
        }
    }
}

/// One file as it is to stand on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Path relative to the release's directory, `/` between parts.
    pub path: String,
    /// Permission bits: 0o755 where the template may be executed, else 0o644, so that they do not
    /// depend on the umask of whoever cloned the repository.
    pub mode: u32,
    /// The content.
    pub bytes: Vec<u8>,
}

/// All files of one app for one host and slot, sorted by path.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The compose file and what is shipped beside it.
    pub files: Vec<RenderedFile>,
    /// Path of the compose file's template, for messages.
    pub template: String,
    /// Names of the secrets that the compose file asks for; each lies at [`secret_path`].
    pub secrets: BTreeSet<String>,
    source: Option<Arc<SourceFile>>,
}

impl Rendered {
    /// The compose file's bytes.
    #[must_use]
    pub fn compose(&self) -> &[u8] {
        let file = self.files.iter().find(|f| f.path == COMPOSE_FILE);
        file.map_or(&[], |f| &f.bytes)
    }
    /// The place in the compose file's template, for a place in the rendered compose file; none for
    /// places elsewhere, and for lines that the template does not have as they are.
    #[must_use]
    pub fn origin(&self, at: &Span) -> Option<Span> {
        let ours = at.file.text.as_bytes() == self.compose();
        origin::origin(self.source.as_ref().filter(|_| ours)?, at)
    }
    /// Paths of all files, secrets too, for checks of what the compose file refers to.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let files = self.files.iter().map(|f| f.path.clone());
        files
            .chain(self.secrets.iter().map(|name| secret_path(name)))
            .collect()
    }
}

/// The templates of a project, read once; renders are pure and may run in parallel.
pub struct TemplateSet {
    tree: Arc<Tree>,
    compose: Environment<'static>,
    quoted: Environment<'static>,
    plain: Environment<'static>,
}

impl std::fmt::Debug for TemplateSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemplateSet").finish_non_exhaustive()
    }
}

impl TemplateSet {
    /// Reads everything under `dir` (usually `templates`). A file that cannot be read is reported
    /// only when it is used.
    ///
    /// # Errors
    /// A finding where the directory itself cannot be read.
    pub fn load(dir: &Path) -> Result<Self, Findings> {
        let tree = Tree::read(dir).map_err(|e| {
            Diagnostic::error(format!(
                "templates in `{}` cannot be read: {e}",
                dir.display()
            ))
            .hint("start `deploy` in the directory that holds `templates/` and `inventories/`")
        })?;
        Ok(Self::new(tree))
    }

    fn new(tree: Tree) -> Self {
        let tree = Arc::new(tree);
        Self {
            compose: environment(&tree, Mode::Compose),
            quoted: environment(&tree, Mode::Quoted),
            plain: environment(&tree, Mode::Plain),
            tree,
        }
    }

    /// The apps that have a compose file here.
    #[must_use]
    pub fn apps(&self) -> Vec<AppName> {
        self.tree.apps()
    }

    /// Renders all files of an app. The second value holds warnings.
    ///
    /// # Errors
    /// All findings, where one of them is an error.
    pub fn render(&self, app: &AppName, scope: &Scope) -> Result<(Rendered, Findings), Findings> {
        let mut findings = scope.refused();
        let parts = self.tree.parts(app, &mut findings);
        let name = parts.get(COMPOSE_FILE);
        let template = name.map(|name| self.tree.shown(name));
        let source = name.and_then(|name| self.tree.file(name));
        let mut files = Vec::new();
        let mut secrets = BTreeSet::new();
        for (path, name) in parts {
            if let Some(bytes) = self.file(&name, &path, scope, &mut secrets, &mut findings) {
                let mode = self.tree.mode(&name);
                files.push(RenderedFile { path, mode, bytes });
            }
        }
        findings.or(Rendered {
            files,
            template: template.unwrap_or_default(),
            secrets,
            source,
        })
    }

    fn file(
        &self,
        name: &str,
        out: &str,
        scope: &Scope,
        secrets: &mut BTreeSet<String>,
        found: &mut Findings,
    ) -> Option<Vec<u8>> {
        if !name.ends_with(".j2") {
            return self.tree.bytes(name, found).map(<[u8]>::to_vec);
        }
        self.tree.text(name, found)?;
        let mode = Mode::of(out);
        let env = match mode {
            Mode::Compose => &self.compose,
            Mode::Quoted => &self.quoted,
            Mode::Plain => &self.plain,
        };
        let (marked, asked) = self.text(env, name, scope, found)?;
        secrets.extend(asked);
        let output = print::unmark(&marked);
        if mode != Mode::Plain {
            let sources = self.loaded(env, name);
            let who = format!("{out} for {} on {}", scope.app, scope.host.name);
            found.extend(place::check(&output, &who, &sources));
        }
        Some(output.text.into_bytes())
    }

    /// Renders, and tells which secrets were asked for; after an undefined name, goes on with a
    /// stand-in to find the others too.
    fn text(
        &self,
        env: &Environment<'_>,
        name: &str,
        scope: &Scope,
        found: &mut Findings,
    ) -> Option<(String, BTreeSet<String>)> {
        let given = scope.context();
        let mut context = given.clone();
        let mut told = BTreeSet::new();
        loop {
            let result = env
                .get_template(name)
                .and_then(|t| t.render_captured(minijinja::value::Serde(&context)));
            let error = match result {
                Ok(done) => {
                    let asked = secret::asked(done.state());
                    return told.is_empty().then(|| (done.into_output(), asked));
                }
                Err(error) => error,
            };
            let undefined = error::undefined(&error);
            if undefined.is_none() && !told.is_empty() {
                return None; // an error that may come from a stand-in
            }
            let inside = |told: &String| {
                let rest = undefined
                    .as_deref()
                    .and_then(|path| path.strip_prefix(told.as_str()));
                rest.is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            if !told.iter().any(inside) {
                found.push(error::finding(&error, &self.tree, &given));
            }
            let path = undefined?;
            if !told.insert(path.clone())
                || told.len() > MOST_UNDEFINED
                || !scope::stand_in(&mut context, &path)
            {
                return None;
            }
        }
    }

    /// The template and whatever it has loaded, for places in messages.
    fn loaded(&self, env: &Environment<'_>, name: &str) -> Vec<Arc<SourceFile>> {
        let others = env.templates().map(|(n, _)| n.to_owned());
        std::iter::once(name.to_owned())
            .chain(others.filter(|n| n != name))
            .filter_map(|n| self.tree.file(&n))
            .collect()
    }
}

fn environment(tree: &Arc<Tree>, mode: Mode) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .build()
            .expect("the default delimiters are valid"),
    );
    env.set_fuel(Some(FUEL));
    env.set_debug(true); // places in errors
    // The mode belongs to the file that is written, whatever the included parts are called.
    env.set_auto_escape_callback(move |_| match mode {
        Mode::Plain => AutoEscape::None,
        Mode::Compose | Mode::Quoted => AutoEscape::Json,
    });
    print::install(&mut env, mode);
    secret::install(&mut env, mode);
    let (names, sources) = (Arc::clone(tree), Arc::clone(tree));
    env.set_path_join_callback(move |name, parent| names.join(name, parent).into());
    env.set_loader(move |name| sources.load(name));
    env
}
