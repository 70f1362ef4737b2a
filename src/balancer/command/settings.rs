//! The driver's own settings in the inventory: one program per verb, and what they can.
//!
//! To add a verb: its word in [`VERBS`] and [`KEYS`], its body in `command.rs`.

use serde_json::Value;

use crate::balancer::keys;

/// Verbs that may have a program; `read` and `set` must.
pub const VERBS: [&str; 5] = ["read", "set", "prepare", "drain", "remove"];

/// Keys as they stand in the inventory.
pub(super) const KEYS: &[&str] = &["read", "set", "prepare", "drain", "remove", "can"];

/// What a load balancer may be able to do besides giving all to one slot.
const CAN: [&str; 3] = ["weights", "rules", "members"];

/// The settings, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    programs: Vec<(String, Vec<String>)>,
    /// `can`: of [`CAN`].
    pub can: Vec<String>,
}

impl Settings {
    /// The settings, and what is wrong with them: message and key. What is wrong is left out.
    #[must_use]
    pub fn read(value: &Value) -> (Self, Vec<(String, String)>) {
        let mut it = Self::default();
        let wrong = keys::read("command", value, |key, value| it.set(key, value));
        (it, wrong)
    }

    /// The program of a verb with its words.
    #[must_use]
    pub fn program(&self, verb: &str) -> Option<&[String]> {
        let found = self.programs.iter().find(|(name, _)| name == verb);
        found.map(|(_, words)| words.as_slice())
    }

    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match key {
            "can" => {
                let all = words(key, value)?;
                if let Some(word) = all.iter().find(|w| !CAN.contains(&w.as_str())) {
                    return Err(format!("`can` knows {}, not `{word}`", CAN.join(", ")));
                }
                self.can = all;
            }
            _ if VERBS.contains(&key) => {
                let all = words(key, value)?;
                if !all.first().is_some_and(|program| program.starts_with('/')) {
                    return Err(format!(
                        "`{key}` is a program by its whole path, and its words"
                    ));
                }
                self.programs.push((key.to_owned(), all));
            }
            _ => return Err(keys::unknown("command", key, KEYS)),
        }
        Ok(())
    }
}

/// A word or a list of words; none of them has a line of its own.
fn words(key: &str, value: &Value) -> Result<Vec<String>, String> {
    let list = match value {
        Value::Array(items) => items.iter().map(|item| keys::text(key, item)).collect(),
        one => keys::text(key, one).map(|word| vec![word]),
    };
    let list: Vec<String> = list?;
    match list.iter().find(|w| w.chars().any(char::is_control)) {
        Some(_) => Err(format!(
            "a word of `{key}` has a character that cannot be sent"
        )),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn programs_and_abilities_are_read_and_what_is_wrong_is_named() {
        let (it, wrong) = Settings::read(&json!({
            "read": ["/opt/lb", "read", 7], "set": "/opt/set", "can": ["weights"],
        }));
        assert_eq!(wrong, []);
        let words = ["/opt/lb", "read", "7"].map(str::to_owned);
        assert_eq!(it.program("read"), Some(&words[..]));
        assert_eq!(it.program("set"), Some(&["/opt/set".to_owned()][..]));
        assert_eq!((it.program("drain"), it.can.len()), (None, 1));
        let (it, wrong) = Settings::read(&json!({
            "read": "lb read", "sett": "/x", "set": ["/x", "a\nb"], "can": ["fly"],
        }));
        assert_eq!(it, Settings::default());
        let keys: Vec<&str> = wrong.iter().map(|(_, key)| key.as_str()).collect();
        assert_eq!(keys, ["read", "sett", "set", "can"]);
    }
}
