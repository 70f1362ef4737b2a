//! What `docker login` left on this machine, and the credential helpers that it names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use crate::host::local;
use crate::inventory::Inventory;
use crate::registry::{Helper, Logins};

/// Longest time for a credential helper: a person may have to unlock a keychain.
const LIMIT: Duration = Duration::from_secs(30);

/// Where `docker login` keeps what it was told.
#[must_use]
pub fn file(ctx: &Context) -> Option<PathBuf> {
    let dir = ctx.outside.var("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| ctx.outside.home().map(|h| h.join(".docker")))?;
    Some(dir.join("config.json"))
}

/// What goes with pulls on hosts; registries with `send_login: false` are left out.
#[must_use]
pub fn of(file: Option<PathBuf>, inventory: Option<&Inventory>) -> Logins {
    let all = inventory.into_iter().flat_map(|i| i.registries.values());
    let theirs = all.filter(|r| !r.send_login).map(|r| r.name.clone());
    Logins::new(file, Some(helper()), theirs.collect())
}

/// Asks a credential helper, as Docker does: `get`, the registry's name on standard input.
#[must_use]
pub fn helper() -> Helper {
    Arc::new(|program, server| {
        Box::pin(async move {
            let done = local::output(&program, &["get"], server.as_bytes(), LIMIT).await;
            let done = done.map_err(|e| match e.kind() {
                std::io::ErrorKind::TimedOut => format!("no answer within {} s", LIMIT.as_secs()),
                _ => format!("it cannot be started: {e}"),
            })?;
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            match done.status {
                Some(0) => Ok(said),
                // Helpers tell on standard output why they know nothing; a login is JSON.
                _ if said.contains('{') => Err("it failed".to_owned()),
                _ => Err(said.trim().chars().take(200).collect()),
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test writes its files")]
    fn program(dir: &std::path::Path, text: &str) -> String {
        let path = dir.join("docker-credential-t");
        // Under another name first: a file that is open for writing is not started.
        let written = dir.join("w");
        std::fs::write(&written, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&written, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::rename(written, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_helper_is_asked_as_docker_asks_it() {
        let dir = tempfile::tempdir().unwrap();
        let ask = helper();
        let good = program(
            dir.path(),
            r#"read -r s; printf '{"Username":"%s","Secret":"%s"}' "$1" "$s""#,
        );
        let said = ask(good, "r:5".to_owned()).await.unwrap();
        assert_eq!(said, r#"{"Username":"get","Secret":"r:5"}"#);
        let none = program(
            dir.path(),
            "echo credentials not found in native keychain; exit 1",
        );
        let said = ask(none, "r:5".to_owned()).await.unwrap_err();
        assert_eq!(said, "credentials not found in native keychain");
        let torn = program(dir.path(), r#"echo '{"Secret":"canary"}'; exit 1"#);
        assert_eq!(ask(torn, "r:5".to_owned()).await.unwrap_err(), "it failed");
        let absent = ask("/nosuch/helper".to_owned(), String::new())
            .await
            .unwrap_err();
        assert!(absent.starts_with("it cannot be started: "), "{absent}");
    }
}
