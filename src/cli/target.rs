//! Which release of which app is meant: `app@1.0.1`, `@1.0.1`, `1.0.1`, `app`.

use std::fmt;
use std::str::FromStr;

use super::failure::Failure;
use crate::name::{AppName, EnvName, Version};

/// `[APP]@VERSION` as typed; a bare word gets its meaning from the environment's apps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// With an `@`.
    Release {
        /// The app, where it was named.
        app: Option<AppName>,
        /// The version.
        version: Version,
    },
    /// Without an `@`: an app without its version, or the version of the only app.
    Bare(String),
}

impl FromStr for Wanted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((app, version)) = text.split_once('@') else {
            return match Version::new(text) {
                Ok(_) => Ok(Self::Bare(text.to_owned())),
                Err(_) => Err("write APP@VERSION, e.g. app@1.0.1-22-7e56158".to_owned()),
            };
        };
        let app = match app {
            "" => None,
            name => Some(AppName::new(name).map_err(|e| e.to_string())?),
        };
        let version = Version::new(version).map_err(|e| e.to_string())?;
        Ok(Self::Release { app, version })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release { app, version } => {
                if let Some(app) = app {
                    write!(f, "{app}")?;
                }
                write!(f, "@{version}")
            }
            Self::Bare(word) => f.write_str(word),
        }
    }
}

impl Wanted {
    /// The app and the version that are meant in an environment with these apps.
    ///
    /// # Errors
    /// A usage [`Failure`] that names the app or version that is missing, or the app that is not there.
    pub fn resolve(&self, env: &EnvName, apps: &[AppName]) -> Result<(AppName, Version), Failure> {
        match self {
            Self::Release { app, version } => {
                Ok((choose_app(env, apps, app.as_ref())?, version.clone()))
            }
            Self::Bare(word) => {
                let known = apps.iter().any(|a| a.as_str() == word);
                if known || !looks_like_version(word) {
                    return Err(bare(env, apps, word));
                }
                let app = choose_app(env, apps, None)?;
                Ok((app, Version::new(word)?))
            }
        }
    }
}

/// A word that names an app or nothing.
fn bare(env: &EnvName, apps: &[AppName], word: &str) -> Failure {
    if apps.iter().any(|a| a.as_str() == word) {
        return Failure::usage(format!("which version of {word}?"))
            .hint(format!("deploy {env} {word}@VERSION"))
            .hint(format!("deploy status {env} shows what runs now"));
    }
    let failure = Failure::usage(format!(
        "{word} is no app of {env}, and does not look like a version"
    ));
    let near = failure.did_you_mean(word, apps.iter().map(AppName::as_str));
    near.hint(format!("write APP@VERSION or @{word}; {}", list(apps)))
}

/// Versions begin with a digit, or `v` and a digit; other tags need their `@`.
fn looks_like_version(word: &str) -> bool {
    word.strip_prefix('v')
        .unwrap_or(word)
        .starts_with(|c: char| c.is_ascii_digit())
}

/// The app that is meant: the one that was named, or the only one.
///
/// # Errors
/// A usage [`Failure`] where there is no such app, or more than one to choose from.
pub fn choose_app(
    env: &EnvName,
    apps: &[AppName],
    given: Option<&AppName>,
) -> Result<AppName, Failure> {
    match (given, apps) {
        (Some(app), _) if apps.contains(app) => Ok(app.clone()),
        (Some(app), _) => Err(Failure::usage(format!("{env} has no app {app}"))
            .did_you_mean(app.as_str(), apps.iter().map(AppName::as_str))
            .hint(list(apps))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Failure::usage(format!("which app of {env}?")).hint(list(apps))),
    }
}

fn list(apps: &[AppName]) -> String {
    match apps {
        [] => "it has no apps yet: add one under `apps:`".to_owned(),
        apps => format!("its apps: {}", crate::report::words::names(apps, 12)),
    }
}

/// An app's name where no version belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App(pub AppName);

impl FromStr for App {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((app, _)) = text.split_once('@') {
            return Err(format!("no version belongs here; write {app}"));
        }
        AppName::new(text).map(Self).map_err(|e| e.to_string())
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ExitCode;

    fn resolve(text: &str, apps: &[&str]) -> Result<String, String> {
        let apps: Vec<AppName> = apps.iter().map(|a| a.parse().unwrap()).collect();
        let env = "staging".parse().unwrap();
        match text.parse::<Wanted>()?.resolve(&env, &apps) {
            Ok((app, version)) => Ok(format!("{app} {version}")),
            Err(failure) => {
                assert_eq!(failure.kind().exit_code(), ExitCode::Usage);
                Err(failure.to_string())
            }
        }
    }

    #[test]
    fn every_form_means_one_release() {
        for text in [
            "app@1.0.1-22-7e56158",
            "@1.0.1-22-7e56158",
            "1.0.1-22-7e56158",
        ] {
            assert_eq!(
                resolve(text, &["app"]).unwrap(),
                "app 1.0.1-22-7e56158",
                "{text}"
            );
        }
        assert_eq!(resolve("v2", &["app"]).unwrap(), "app v2");
        assert_eq!(resolve("@latest", &["app"]).unwrap(), "app latest");
        assert_eq!(resolve("b@1", &["a", "b"]).unwrap(), "b 1");
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        insta::assert_snapshot!(resolve("app", &["app"]).unwrap_err(), @r#"
        error: which version of app?
        hint: deploy staging app@VERSION
        hint: deploy status staging shows what runs now
        "#);
        insta::assert_snapshot!(resolve("@1", &["a", "b"]).unwrap_err(), @r#"
        error: which app of staging?
        hint: its apps: a b
        "#);
        insta::assert_snapshot!(resolve("ap", &["app"]).unwrap_err(), @r#"
        error: ap is no app of staging, and does not look like a version
        hint: did you mean `app`?
        hint: write APP@VERSION or @ap; its apps: app
        "#);
        insta::assert_snapshot!(resolve("ap@1", &["app", "other"]).unwrap_err(), @r#"
        error: staging has no app ap
        hint: did you mean `app`?
        hint: its apps: app other
        "#);
        insta::assert_snapshot!(resolve("1", &[]).unwrap_err(), @r#"
        error: which app of staging?
        hint: it has no apps yet: add one under `apps:`
        "#);
    }

    #[test]
    fn what_could_leave_a_shell_word_is_refused() {
        for bad in [
            "", "@", "app@", "a b@1", "app@1;rm", "app@$(x)", "../x@1", "app@a@b", "a/b",
        ] {
            assert!(bad.parse::<Wanted>().is_err(), "{bad:?}");
        }
        assert!("app@1".parse::<App>().is_err());
    }
}
