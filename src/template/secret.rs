//! `secret('name')`: where a secret's file will lie, never the secret itself.
//!
//! A template knows the names of the inventory's `secrets:`, no values. What it asked for is kept,
//! so that just that is fetched and delivered. To deliver secrets in another form: [`path`] and
//! whoever fills the files of a release.

use std::collections::BTreeSet;

use minijinja::{Environment, Error, ErrorKind, State};
use serde_json::{Map, Value};

use super::Mode;
use crate::text::nearest;

/// Directory of a release that holds its secrets, one file each; nobody but its owner enters it.
pub const SECRETS_DIR: &str = "secrets";

/// Name in the context under which the known names lie: no template can write it.
const KNOWN: &str = " secrets";

/// Names that a template asked for.
#[derive(Default)]
struct Asked(BTreeSet<String>);

/// The path of a secret's file, relative to the release's directory.
#[must_use]
pub fn path(name: &str) -> String {
    format!("{SECRETS_DIR}/{name}")
}

/// Puts the known names into the context.
pub(super) fn know(context: &mut Map<String, Value>, names: &BTreeSet<String>) {
    let names = names.iter().map(|n| Value::from(n.as_str())).collect();
    context.insert(KNOWN.to_owned(), Value::Array(names));
}

/// Takes the names that were asked for out of the state of a render that ended.
pub(super) fn asked(state: &State<'_, '_>) -> BTreeSet<String> {
    state
        .get_extension::<Asked>()
        .map(|asked| asked.0.clone())
        .unwrap_or_default()
}

/// Gives templates the function. Only in the compose file does the path mean something: it is
/// relative to that file.
pub(super) fn install(env: &mut Environment<'_>, mode: Mode) {
    env.add_function("secret", move |state: &mut State, name: String| {
        let known = names(state);
        if mode != Mode::Compose {
            return Err(refused(format!(
                "the path of secret `{name}` means something in the compose file only; a container \
                 finds it where the compose file puts it, by `secrets:` at /run/secrets/{name}"
            )));
        }
        if !known.contains(&name) {
            return Err(unknown(&name, &known));
        }
        let asked = state.get_or_insert_extension(Asked::default());
        asked.0.insert(name.clone());
        Ok(format!("./{}", path(&name)))
    });
}

fn names(state: &State<'_, '_>) -> Vec<String> {
    let known = state.lookup(KNOWN);
    let items = known.as_ref().and_then(|k| k.try_iter().ok());
    items
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

fn unknown(name: &str, known: &[String]) -> Error {
    let near = nearest(name, known.iter().map(String::as_str));
    refused(match (near, known) {
        (Some(near), _) => format!("there is no secret `{name}`: did you mean `{near}`?"),
        (None, []) => format!(
            "there is no secret `{name}`: the inventory says nothing under `secrets:`, for example \
             `secrets: {{ {name}: {{ env: VARIABLE }} }}`"
        ),
        (None, all) => format!(
            "there is no secret `{name}`: the inventory has {}",
            all.join(", ")
        ),
    })
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}
