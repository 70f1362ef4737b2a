//! The driver's own settings in the inventory, under the load balancer or under an app's entry.
//!
//! To add a setting: a field, a line in [`Settings::set`], a line in `docs/caddy.md`.

use serde_json::Value;

use crate::balancer::keys;

/// Keys as they stand in the inventory.
pub(super) const KEYS: &[&str] = &["dir", "server", "site", "check", "binary", "conf", "admin"];

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `dir`: folder of ours, which the operator's Caddyfile imports once.
    pub dir: String,
    /// `server: own`: the operator has a site of his own and imports the rules in it.
    pub own_server: bool,
    /// `site`: addresses of the rendered site; `{host}` is the app's.
    pub site: Vec<String>,
    /// `check`: path that Caddy asks of each member each second; none where absent.
    pub check: Option<String>,
    /// `binary`: the program.
    pub binary: String,
    /// `conf` and `admin`, as the scripts take them: `CADDYFILE@HOST:PORT`.
    pub spoken: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: "/etc/caddy/deploy".to_owned(),
            own_server: false,
            site: vec!["http://{host}".to_owned()],
            check: None,
            binary: "caddy".to_owned(),
            spoken: "/etc/caddy/Caddyfile@localhost:2019".to_owned(),
        }
    }
}

impl Settings {
    /// The settings, and what is wrong with them: message and key. What is wrong keeps its default.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<(String, String)>) {
        let mut it = Self::default();
        let wrong = keys::read("caddy", value, |key, value| it.set(key, value));
        (it, wrong)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let (conf, admin) = self.spoken.split_once('@').unwrap_or_default();
        match key {
            "dir" => self.dir = keys::path(key, value)?,
            "conf" => self.spoken = format!("{}@{admin}", keys::path(key, value)?),
            "admin" => self.spoken = format!("{conf}@{}", admin_of(value)?),
            "binary" => self.binary = keys::program(key, value)?,
            "server" => self.own_server = keys::own(value)?,
            "site" => {
                let good = |c: char| keys::path_char(c) || ":{}[]*".contains(c);
                self.site = keys::words(key, value, good)?;
            }
            "check" => self.check = Some(keys::request(key, value)?),
            _ => return Err(keys::unknown("caddy", key, KEYS)),
        }
        Ok(())
    }
}

fn admin_of(value: &Value) -> Result<String, String> {
    let word = keys::text("admin", value)?;
    let good = |c: char| c.is_ascii_alphanumeric() || ".:[]-".contains(c);
    match word.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && port.parse::<u16>().is_ok() && word.chars().all(good) =>
        {
            Ok(word)
        }
        _ => Err("`admin` is where Caddy is administered, such as `localhost:2019`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_is_read_and_what_is_wrong_is_named() {
        assert_eq!(
            Settings::read(&Value::Null),
            (Settings::default(), Vec::new())
        );
        let (it, wrong) = Settings::read(&json!({
            "dir": "/opt/lb", "server": "own", "site": ["{host}", "http://{host}:8080"],
            "check": "/healthz", "binary": "/opt/caddy", "admin": "127.0.0.1:2020",
            "conf": "/opt/Caddyfile",
        }));
        assert_eq!(wrong, []);
        let expected = Settings {
            dir: "/opt/lb".to_owned(),
            own_server: true,
            site: vec!["{host}".to_owned(), "http://{host}:8080".to_owned()],
            check: Some("/healthz".to_owned()),
            binary: "/opt/caddy".to_owned(),
            spoken: "/opt/Caddyfile@127.0.0.1:2020".to_owned(),
        };
        assert_eq!(it, expected);
        let (it, wrong) = Settings::read(&json!({
            "admn": "x:1", "admin": "unix//run/caddy.sock", "site": "{host} {\n", "check": "healthz",
        }));
        assert_eq!(it, Settings::default());
        let keys: Vec<&str> = wrong.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["admn", "admin", "site", "check"]);
        assert!(wrong[0].0.contains("did you mean `admin`?"), "{wrong:?}");
    }
}
