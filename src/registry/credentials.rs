//! What `docker login` left on this machine: names and passwords by registry.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

use crate::text::Secret;

/// Asks a credential helper: its program name (`docker-credential-…`) and the server's name go in,
/// what it prints comes out (JSON with `Username` and `Secret`), or a sentence that says why not.
/// The program is run with the single argument `get` and the server's name on its input.
pub type Helper = Arc<
    dyn Fn(String, String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>>
        + Send
        + Sync,
>;

/// A name and a password, or a token that stands for both.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Basic {
        user: String,
        password: Secret<String>,
    },
    /// To be exchanged for an access token, as OAuth 2's refresh token.
    Identity(Secret<String>),
}

/// The credentials of this machine's user.
#[derive(Clone, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    helpers: BTreeMap<String, String>,
    /// Helper for all registries that have none of their own.
    store: Option<String>,
    helper: Option<Helper>,
}

impl Credentials {
    /// Reads Docker's `config.json`; a file that is not there holds nothing.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, or is not what Docker writes. Its contents are secret
    /// and not part of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the door to what docker login keeps"
    )]
    pub async fn read(path: &Path) -> Result<Self, String> {
        match tokio::fs::read_to_string(path).await {
            Ok(text) => Self::parse(&text).map_err(|why| format!("{}: {why}", path.display())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(format!("{}: {e}", path.display())),
        }
    }

    /// Reads the text of Docker's `config.json`.
    ///
    /// # Errors
    /// A sentence without any of the text in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(text)
            .map_err(|e| format!("is not JSON (line {}, column {})", e.line(), e.column()))?;
        let mut out = Self::default();
        for (server, entry) in document["auths"].as_object().into_iter().flatten() {
            // What a login in the browser keeps beside: wider than a pull needs, and no password.
            if server.ends_with("/access-token") || server.ends_with("/refresh-token") {
                continue;
            }
            if let Some(login) = login(entry).map_err(|why| format!("{server:?} {why}"))? {
                let name = key(server);
                // Docker itself looks under this name only.
                if server == HUB_SERVER || !out.logins.contains_key(&name) {
                    out.logins.insert(name, login);
                }
            }
        }
        for (server, name) in document["credHelpers"].as_object().into_iter().flatten() {
            if let Some(name) = name.as_str() {
                out.helpers.insert(key(server), helper_name(name)?);
            }
        }
        if let Some(name) = document["credsStore"].as_str().filter(|n| !n.is_empty()) {
            out.store = Some(helper_name(name)?);
        }
        Ok(out)
    }

    /// Lets credential helpers be asked; without, registries that need one are asked anonymously.
    #[must_use]
    pub fn with_helper(mut self, helper: Helper) -> Self {
        self.helper = Some(helper);
        self
    }

    /// What there is for a registry. `Err` where a helper failed for a reason other than knowing
    /// nothing.
    pub(super) async fn login(&self, registry: &str) -> Result<Option<Login>, String> {
        let key = key(registry);
        let program = self.helpers.get(&key).or(self.store.as_ref());
        if let (Some(program), Some(helper)) = (program, &self.helper) {
            let server = match key.as_str() {
                HUB_KEY => HUB_SERVER.to_owned(),
                _ => registry.to_owned(),
            };
            match helper(program.clone(), server).await {
                Ok(answer) => {
                    return helped(&answer)
                        .map(Some)
                        .map_err(|why| format!("{program} {why}"));
                }
                // A helper has no other way to say that it knows nothing.
                Err(why) if why.contains("credentials not found") => {}
                Err(why) => return Err(format!("{program}: {why}")),
            }
        }
        Ok(self.logins.get(&key).cloned())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&String> = self.logins.keys().chain(self.helpers.keys()).collect();
        f.debug_struct("Credentials")
            .field("for", &known)
            .finish_non_exhaustive()
    }
}

const HUB_KEY: &str = "docker.io";
const HUB_SERVER: &str = "https://index.docker.io/v1/";

/// Docker writes registries in several forms: with scheme, with a path, and Hub under old names.
fn key(server: &str) -> String {
    let bare = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = bare
        .split('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => HUB_KEY.to_owned(),
        _ => host,
    }
}

/// The name becomes part of a program's: no path, nothing strange.
fn helper_name(name: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.bytes().all(good)
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
    {
        Ok(format!("docker-credential-{name}"))
    } else {
        Err(format!("names the credential helper {name:?}"))
    }
}

fn login(entry: &Value) -> Result<Option<Login>, String> {
    if let Some(token) = entry["identitytoken"].as_str().filter(|t| !t.is_empty()) {
        return Ok(Some(Login::Identity(Secret::new(token.to_owned()))));
    }
    if let (Some(user), Some(password)) = (entry["username"].as_str(), entry["password"].as_str()) {
        return Ok(Some(basic(user, password)));
    }
    let Some(auth) = entry["auth"].as_str().filter(|a| !a.is_empty()) else {
        return Ok(None);
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(auth.trim());
    let text = bytes.ok().and_then(|b| String::from_utf8(b).ok());
    match text.as_deref().and_then(|t| t.split_once(':')) {
        // Docker pads with NULs.
        Some((user, password)) => Ok(Some(basic(user, password.trim_end_matches('\0')))),
        None => Err("has an `auth` that is not name and password in base64".to_owned()),
    }
}

fn basic(user: &str, password: &str) -> Login {
    Login::Basic {
        user: user.to_owned(),
        password: Secret::new(password.to_owned()),
    }
}

/// What a helper prints.
fn helped(answer: &str) -> Result<Login, String> {
    let document: Value =
        serde_json::from_str(answer).map_err(|_| "did not print JSON".to_owned())?;
    match (document["Username"].as_str(), document["Secret"].as_str()) {
        (Some("<token>"), Some(token)) => Ok(Login::Identity(Secret::new(token.to_owned()))),
        (Some(user), Some(password)) => Ok(basic(user, password)),
        _ => Err("printed no Username and Secret".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn find(credentials: &Credentials, registry: &str) -> Option<Login> {
        credentials.login(registry).await.unwrap()
    }

    #[tokio::test]
    async fn what_docker_login_writes_is_found_under_every_form_of_the_name() {
        let credentials = Credentials::parse(
            r#"{"auths": {
                "https://index.docker.io/v1/": {"auth": "b3BzOnMzY3JldDp4"},
                "registry:5000": {"auth": "b3BzOnB3"},
                "https://r.example.com/v2/": {"identitytoken": "tok"},
                "empty.example.com": {}
            }, "HttpHeaders": {}}"#,
        )
        .unwrap();
        assert!(find(&credentials, "docker.io").await == Some(basic("ops", "s3cret:x")));
        assert!(find(&credentials, "registry:5000").await == Some(basic("ops", "pw")));
        let token = Login::Identity(Secret::new("tok".to_owned()));
        assert!(find(&credentials, "r.example.com").await == Some(token));
        assert!(find(&credentials, "empty.example.com").await.is_none());
        assert!(find(&credentials, "registry:5001").await.is_none());
    }

    #[test]
    fn a_broken_file_is_named_without_its_contents() {
        for text in [
            r#"{"auths": {"r": {"auth": "hunter2"}}}"#,
            "hunter2",
            r#"{"credsStore": "../hunter2x/y"}"#,
        ] {
            let error = Credentials::parse(text).map(|_| ()).unwrap_err();
            assert!(!error.contains("hunter2\""), "{error}");
        }
        let good =
            Credentials::parse(r#"{"auths": {"r": {"username": "u", "password": "hunter2"}}}"#)
                .unwrap();
        assert_eq!(format!("{good:?}"), r#"Credentials { for: ["r"], .. }"#);
    }

    #[tokio::test]
    async fn a_login_in_the_browser_is_the_password_and_nothing_wider() {
        // As `docker login` writes them, sorted by name; a plain alias stands behind.
        let text = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "b3BzOnB3"},
            "https://index.docker.io/v1/access-token": {"auth": "b3BzOmFjY2Vzcw=="},
            "https://index.docker.io/v1/refresh-token": {"auth": "b3BzOnJlZnJlc2g="},
            "index.docker.io": {"auth": "b3RoZXI6cHc="}
        }}"#;
        let credentials = Credentials::parse(text).unwrap();
        assert!(find(&credentials, "docker.io").await == Some(basic("ops", "pw")));
        let only =
            r#"{"auths": {"https://index.docker.io/v1/refresh-token": {"auth": "b3BzOnI="}}}"#;
        assert!(
            find(&Credentials::parse(only).unwrap(), "docker.io")
                .await
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_helper_is_asked_for_its_registry_only() {
        let text =
            r#"{"auths": {"r:5": {"auth": "b3BzOnB3"}}, "credHelpers": {"h.example.com": "own"}}"#;
        let helper: Helper = Arc::new(|program, server| {
            Box::pin(async move {
                assert_eq!(
                    (program.as_str(), server.as_str()),
                    ("docker-credential-own", "h.example.com")
                );
                Ok(r#"{"ServerURL":"x","Username":"u","Secret":"p"}"#.to_owned())
            })
        });
        let credentials = Credentials::parse(text).unwrap().with_helper(helper);
        assert!(find(&credentials, "h.example.com").await == Some(basic("u", "p")));
        assert!(find(&credentials, "r:5").await == Some(basic("ops", "pw")));

        let failing: Helper = Arc::new(|_, server| {
            Box::pin(async move {
                match server.as_str() {
                    "known" => Err("keychain is locked".to_owned()),
                    _ => Err("credentials not found in native keychain".to_owned()),
                }
            })
        });
        let text = r#"{"auths": {"r:5": {"auth": "b3BzOnB3"}}, "credsStore": "store"}"#;
        let credentials = Credentials::parse(text).unwrap().with_helper(failing);
        assert!(find(&credentials, "r:5").await == Some(basic("ops", "pw")));
        let error = credentials.login("known").await.map(|_| ()).unwrap_err();
        assert_eq!(error, "docker-credential-store: keychain is locked");
    }
}
