//! The driver's own settings in the inventory, under the load balancer or under an app's entry.
//!
//! To add a setting: a field, a line in [`Settings::read`], a line in the docs of the driver.

use serde_json::Value;

use crate::balancer::keys;

/// Keys as they stand in the inventory.
pub(super) const KEYS: &[&str] = &["dir", "server", "listen", "keepalive", "binary", "conf"];

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `dir`: folder of ours, which the operator's `http {}` includes once.
    pub dir: String,
    /// `server: own`: the operator has a `server {}` block and includes `route.inc` in it.
    pub own_server: bool,
    /// `listen`: what the rendered server listens on.
    pub listen: Vec<String>,
    /// `keepalive`: idle connections to members kept by each worker; 0 for none.
    pub keepalive: u32,
    /// `binary`: the program.
    pub binary: String,
    /// `conf`: its configuration file, where it is not the one that was compiled in.
    pub conf: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: "/etc/nginx/deploy".to_owned(),
            own_server: false,
            listen: vec!["80".to_owned()],
            keepalive: 32,
            binary: "nginx".to_owned(),
            conf: None,
        }
    }
}

impl Settings {
    /// The settings, and what is wrong with them: message and key. What is wrong keeps its default.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<(String, String)>) {
        let mut it = Self::default();
        let wrong = keys::read("nginx", value, |key, value| it.set(key, value));
        (it, wrong)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "dir" => self.dir = keys::path(key, value)?,
            "conf" => self.conf = Some(keys::path(key, value)?),
            "binary" => self.binary = keys::program(key, value)?,
            "server" => self.own_server = keys::own(value)?,
            "listen" => {
                let good = |c: char| c.is_ascii_alphanumeric() || ".:[]_=- ".contains(c);
                self.listen = keys::words(key, value, good)?;
            }
            "keepalive" => {
                self.keepalive = value
                    .as_u64()
                    .and_then(|n| u32::try_from(n).ok())
                    .filter(|n| *n <= 10_000)
                    .ok_or("`keepalive` is a number from 0 to 10000")?;
            }
            _ => return Err(keys::unknown("nginx", key, KEYS)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_written_means_the_defaults() {
        assert_eq!(
            Settings::read(&Value::Null),
            (Settings::default(), Vec::new())
        );
    }

    #[test]
    fn every_key_is_read() {
        let (it, wrong) = Settings::read(&json!({
            "dir": "/opt/lb/", "server": "own", "listen": [80, "[::]:80"],
            "keepalive": 0, "binary": "/opt/nginx/sbin/nginx", "conf": "/opt/nginx.conf",
        }));
        assert_eq!(wrong, []);
        assert_eq!(
            it,
            Settings {
                dir: "/opt/lb".to_owned(),
                own_server: true,
                listen: vec!["80".to_owned(), "[::]:80".to_owned()],
                keepalive: 0,
                binary: "/opt/nginx/sbin/nginx".to_owned(),
                conf: Some("/opt/nginx.conf".to_owned()),
            }
        );
    }

    #[test]
    fn what_could_leave_the_configuration_is_refused_and_named() {
        let (it, wrong) = Settings::read(&json!({
            "dir": "/etc/nginx; rm", "servr": "own", "listen": "80; }", "keepalive": -1,
            "binary": "-c", "conf": "/etc/../x", "server": "mine",
        }));
        assert_eq!(it, Settings::default());
        let keys: Vec<&str> = wrong.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "dir",
                "servr",
                "listen",
                "keepalive",
                "binary",
                "conf",
                "server"
            ]
        );
        assert!(wrong[1].0.contains("did you mean `server`?"), "{wrong:?}");
    }
}
