//! The driver's own settings in the inventory, under the load balancer or under an app's entry.
//!
//! To add a setting: a field, a line in [`Settings::set`], a line in `docs/haproxy.md`.

use serde_json::Value;

use crate::balancer::keys;

/// Keys as they stand in the inventory.
pub(super) const KEYS: &[&str] = &["dir", "socket", "conf", "binary", "check"];

/// How HAProxy learns that a member died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// It does not ask.
    Off,
    /// A connection each second.
    Tcp,
    /// A request of this path each second.
    Http(String),
}

/// The settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `dir`: folder of ours, which HAProxy is started with by one more `-f`.
    pub dir: String,
    /// `socket`: where its commands are heard, at level admin.
    pub socket: String,
    /// `conf`: the operator's configuration; asked of the running server where one runs.
    pub conf: String,
    /// `binary`: the program.
    pub binary: String,
    /// `check`: `off`, `tcp` or a path.
    pub check: Check,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: "/etc/haproxy/deploy".to_owned(),
            socket: "/run/haproxy/admin.sock".to_owned(),
            conf: "/etc/haproxy/haproxy.cfg".to_owned(),
            binary: "haproxy".to_owned(),
            check: Check::Tcp,
        }
    }
}

impl Settings {
    /// The settings, and what is wrong with them: message and key. What is wrong keeps its default.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<(String, String)>) {
        let mut it = Self::default();
        let wrong = keys::read("haproxy", value, |key, value| it.set(key, value));
        (it, wrong)
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "dir" => self.dir = keys::path(key, value)?,
            "socket" => self.socket = keys::path(key, value)?,
            "conf" => self.conf = keys::path(key, value)?,
            "binary" => self.binary = keys::program(key, value)?,
            "check" => {
                self.check = match value {
                    // YAML reads the bare word `off` as false.
                    Value::Bool(false) => Check::Off,
                    Value::String(word) if word == "off" => Check::Off,
                    Value::String(word) if word == "tcp" => Check::Tcp,
                    path => Check::Http(
                        keys::request(key, path)
                            .map_err(|_| "`check` is `tcp`, `off` or a path such as `/healthz`")?,
                    ),
                }
            }
            _ => return Err(keys::unknown("haproxy", key, KEYS)),
        }
        Ok(())
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
            "dir": "/opt/lb/", "socket": "/run/h.sock", "conf": "/opt/h.cfg",
            "binary": "/opt/haproxy", "check": "/healthz",
        }));
        assert_eq!(wrong, []);
        let expected = Settings {
            dir: "/opt/lb".to_owned(),
            socket: "/run/h.sock".to_owned(),
            conf: "/opt/h.cfg".to_owned(),
            binary: "/opt/haproxy".to_owned(),
            check: Check::Http("/healthz".to_owned()),
        };
        assert_eq!(it, expected);
        let (it, wrong) = Settings::read(&json!({
            "dir": "/etc; rm", "sockett": "/run/x", "check": "/a b\nserver", "binary": "-x",
        }));
        assert_eq!(it, Settings::default());
        let keys: Vec<&str> = wrong.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["dir", "sockett", "check", "binary"]);
        assert!(wrong[1].0.contains("did you mean `socket`?"), "{wrong:?}");
        assert_eq!(Settings::read(&json!({"check": false})).0.check, Check::Off);
    }
}
