//! Logins that travel with a pull: what this machine knows of a registry, in the form in which
//! Docker on a host reads it.
//!
//! Each registry is asked for once, by the first pull that needs it: a run that pulls nothing asks
//! no credential helper. What is known goes to the registries of the images only, never all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::credentials::{Credentials, Helper, Login};
use crate::compose::ImageRef;
use crate::name::ImageName;
use crate::text::{Redactor, Secret};

/// What Docker calls its own registry in `config.json`.
const HUB: &str = "https://index.docker.io/v1/";

/// Where logins come from, and what was found so far.
#[derive(Default)]
pub struct Logins {
    file: Option<PathBuf>,
    helper: Option<Helper>,
    /// Registries for which hosts have logins of their own.
    theirs: BTreeSet<String>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    credentials: Option<Result<Credentials, String>>,
    by_registry: BTreeMap<String, Result<Option<Login>, String>>,
}

/// What goes with one pull.
#[derive(Debug, Clone, Default)]
pub struct Carried {
    /// Docker's `config.json` for the registries of these images; `None` where nothing is known of
    /// any of them.
    pub config: Option<Secret<String>>,
    /// Images that are to be pulled with it; for the others the host's own configuration holds.
    pub images: BTreeSet<String>,
    /// What must not be shown of what Docker says.
    pub redactor: Redactor,
    /// Why there is no login for an image's registry although one was asked for, by image.
    pub missing: BTreeMap<String, String>,
}

impl Carried {
    /// Why the pull of an image failed, without a word of the login, and with what kept a login from
    /// being sent.
    #[must_use]
    pub fn says(&self, image: &str, why: &str) -> String {
        let why = self.redactor.clean(why);
        match self.missing.get(image) {
            Some(missing) => format!("{why} (no login was sent: {missing})"),
            None => why,
        }
    }
}

impl Logins {
    /// Reads nothing yet. `file` is Docker's `config.json`, which need not be there; `theirs` are
    /// registries whose logins stay here.
    #[must_use]
    pub fn new(file: Option<PathBuf>, helper: Option<Helper>, theirs: BTreeSet<String>) -> Self {
        Self {
            file,
            helper,
            theirs,
            found: Mutex::default(),
        }
    }

    /// What goes with the pull of these images, each `repository[:tag][@digest]`. What cannot be
    /// found out keeps nothing from being pulled: the host may have a login of its own.
    pub async fn of(&self, images: &[String]) -> Carried {
        let mut out = Carried::default();
        let mut auths = Map::new();
        for image in images {
            // What cannot be read has no registry; the pull says so.
            let read = ImageRef::parse(image).ok();
            let Some(name) = read.and_then(|i| ImageName::new(i.repository).ok()) else {
                continue;
            };
            match self.login(name.registry()).await {
                Ok(Some(login)) => {
                    let server = if name.is_hub() { HUB } else { name.registry() };
                    auths.insert(server.to_owned(), entry(&login, &mut out.redactor));
                    out.images.insert(image.clone());
                }
                Ok(None) => {}
                Err(why) => {
                    out.missing.insert(image.clone(), why);
                }
            }
        }
        if !auths.is_empty() {
            out.config = Some(Secret::new(json!({ "auths": auths }).to_string()));
        }
        out
    }

    async fn login(&self, registry: &str) -> Result<Option<Login>, String> {
        let Some(file) = self
            .file
            .as_ref()
            .filter(|_| !self.theirs.contains(registry))
        else {
            return Ok(None);
        };
        // Held while a helper is asked: nobody asks it twice.
        let mut found = self.found.lock().await;
        if let Some(known) = found.by_registry.get(registry) {
            return known.clone();
        }
        if found.credentials.is_none() {
            let read = Credentials::read(file).await;
            found.credentials = Some(read.map(|c| match &self.helper {
                Some(helper) => c.with_helper(helper.clone()),
                None => c,
            }));
        }
        let login = match &found.credentials {
            Some(Ok(credentials)) => credentials.login(registry).await,
            Some(Err(why)) => Err(why.clone()),
            None => Ok(None),
        };
        found.by_registry.insert(registry.to_owned(), login.clone());
        login
    }
}

/// The entry of `auths`, in the forms that every Docker reads.
fn entry(login: &Login, redactor: &mut Redactor) -> Value {
    match login {
        Login::Basic { user, password } => {
            let both = format!("{user}:{}", password.expose());
            let coded = base64::engine::general_purpose::STANDARD.encode(both);
            redactor.add(password.expose());
            redactor.add(&coded);
            json!({ "auth": coded })
        }
        Login::Identity(token) => {
            redactor.add(token.expose());
            json!({ "identitytoken": token.expose() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn images(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "a test writes its files")]
    fn logins(
        config: &str,
        helper: Option<Helper>,
        theirs: &[&str],
    ) -> (tempfile::TempDir, Logins) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        let theirs = theirs.iter().map(|t| (*t).to_owned()).collect();
        (dir, Logins::new(Some(file), helper, theirs))
    }

    #[tokio::test]
    async fn only_the_logins_of_these_images_go_along() {
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "b3BzOnMzY3JldDp4"},
            "registry:5000": {"auth": "b3BzOnB3LWNhbmFyeQ=="},
            "tokens.example.com": {"identitytoken": "tok-canary"},
            "other.example.com": {"auth": "b3BzOm90aGVy"},
            "own.example.com": {"auth": "b3BzOm93bg=="}
        }}"#;
        let (_dir, logins) = logins(config, None, &["own.example.com"]);
        let wanted = images(&[
            "nginx:1@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "registry:5000/a/b:1",
            "tokens.example.com/c",
            "own.example.com/d:1",
            "free.example.com/e:1",
            "NO image",
        ]);
        let carried = logins.of(&wanted).await;
        let config: Value =
            serde_json::from_str(carried.config.as_ref().unwrap().expose()).unwrap();
        assert_eq!(
            config,
            json!({"auths": {
                "https://index.docker.io/v1/": {"auth": "b3BzOnMzY3JldDp4"},
                "registry:5000": {"auth": "b3BzOnB3LWNhbmFyeQ=="},
                "tokens.example.com": {"identitytoken": "tok-canary"}
            }})
        );
        assert_eq!(carried.images, wanted[..3].iter().cloned().collect());
        let said = "401 for ops:pw-canary b3BzOnB3LWNhbmFyeQ== tok-canary";
        assert_eq!(carried.says("x", said), "401 for ops:*** *** ***");
        assert!(!format!("{carried:?}").contains("canary"));
        let free = logins.of(&images(&["free.example.com/e:1"])).await;
        assert!(free.config.is_none() && free.images.is_empty());
    }

    #[tokio::test]
    async fn a_helper_is_asked_once_and_its_failure_stops_no_pull() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let helper: Helper = Arc::new(|_, server| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                match server.as_str() {
                    "good:5" => Ok(r#"{"Username": "u", "Secret": "pass"}"#.to_owned()),
                    _ => Err("keychain is locked".to_owned()),
                }
            })
        });
        let (_dir, logins) = logins(r#"{"credsStore": "s"}"#, Some(helper), &[]);
        let wanted = images(&["good:5/a:1", "good:5/b:1", "bad.example.com/c:1"]);
        let _ = logins.of(&wanted).await;
        let carried = logins.of(&wanted).await;
        assert_eq!(ASKED.load(Ordering::Relaxed), 2);
        assert_eq!(carried.images, wanted[..2].iter().cloned().collect());
        assert_eq!(
            carried.says("bad.example.com/c:1", "denied"),
            "denied (no login was sent: docker-credential-s: keychain is locked)"
        );
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_told_where_a_pull_failed() {
        let (_dir, logins) = logins("hunter2", None, &[]);
        let carried = logins.of(&images(&["r:5/a:1"])).await;
        assert!(carried.config.is_none());
        let said = carried.says("r:5/a:1", "denied");
        assert!(
            said.starts_with("denied (no login was sent: /") && said.contains("is not JSON"),
            "{said}"
        );
        assert!(!said.contains("hunter2"));
        let nobody = Logins::default().of(&images(&["r:5/a:1"])).await;
        assert!(nobody.config.is_none() && nobody.missing.is_empty());
    }
}
