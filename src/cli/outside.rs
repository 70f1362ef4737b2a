//! What the program is told by the world around it, read once in `main`.
//!
//! Nothing below asks the environment: a test makes an [`Outside`] of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::name::Actor;

/// Arguments, environment, terminals, identity.
pub struct Outside {
    /// Arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The environment. Values may be secrets: they are never shown.
    pub vars: BTreeMap<String, OsString>,
    /// Who runs the program.
    pub actor: Actor,
    /// When a process of this machine started, in clock ticks since its boot; `None` where there is
    /// none of that number.
    pub starts: fn(u32) -> Option<u64>,
    /// A person can answer: stdin is a terminal.
    pub stdin_terminal: bool,
    /// Results go to a terminal.
    pub stdout_terminal: bool,
    /// Progress and questions go to a terminal.
    pub stderr_terminal: bool,
}

impl Outside {
    /// A variable of the environment; empty counts as not set.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars
            .get(name)
            .and_then(|v| v.to_str())
            .filter(|v| !v.is_empty())
    }

    /// The home directory.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }
    /// The user's runtime directory, where private sockets belong.
    #[must_use]
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        self.path("XDG_RUNTIME_DIR")
    }
    /// An ssh configuration to use instead of the user's own (`DEPLOY_SSH_CONFIG`).
    #[must_use]
    pub fn ssh_config(&self) -> Option<PathBuf> {
        self.path("DEPLOY_SSH_CONFIG")
    }
    /// Who asks for no colours: `NO_COLOR` (see no-color.org) or a terminal that knows none.
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.var("NO_COLOR").is_some() || self.dumb()
    }
    /// The terminal cannot move its cursor.
    #[must_use]
    pub fn dumb(&self) -> bool {
        self.var("TERM") == Some("dumb")
    }
    /// A build server runs the program: its "terminal" is a log.
    #[must_use]
    pub fn ci(&self) -> bool {
        self.var("CI").is_some_and(|v| v != "false" && v != "0")
    }

    /// Whether somebody's process is known to have ended: it ran on this machine, for this user
    /// (whose processes can be seen), and its number is free or another's by now.
    #[must_use]
    pub fn ended(&self, who: &Actor) -> bool {
        let words = |actor: &Actor| {
            let mut words = actor.as_str().split(':').map(str::to_owned);
            let person = words.next()?;
            let pid: u32 = words.next()?.parse().ok()?;
            let start: u64 = words.next()?.parse().ok()?;
            Some((person, pid, start))
        };
        let (Some((me, ..)), Some((they, pid, start))) = (words(&self.actor), words(who)) else {
            return false;
        };
        // Names that many machines have say nothing.
        let named = !["@localhost", "@unknown", "@x"]
            .iter()
            .any(|m| me.ends_with(m));
        named && me == they && start > 0 && (self.starts)(pid) != Some(start)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.vars
            .get(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    }
}

impl fmt::Debug for Outside {
    /// Names only: values of the environment may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("args", &self.args)
            .field("vars", &self.vars.keys())
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

/// The words of an actor, `user@machine:pid:start`; what a record cannot hold is replaced by `_`.
#[must_use]
pub fn actor(user: Option<&str>, machine: Option<&str>, pid: u32, start: u64) -> Actor {
    let clean = |word: Option<&str>| -> String {
        let word: String = word
            .unwrap_or("unknown")
            .trim()
            .chars()
            .take(60)
            .map(|c| {
                if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        if word.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            word
        } else {
            format!("x{word}")
        }
    };
    let text = format!("{}@{}:{pid}:{start}", clean(user), clean(machine));
    Actor::new(text).expect("made of allowed characters, and short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_made_of_any_user_and_machine() {
        let made = |user, machine| actor(user, machine, 7, 99).to_string();
        assert_eq!(made(Some("ops"), Some("bastion1\n")), "ops@bastion1:7:99");
        assert_eq!(made(Some("DOM\\möl ler"), None), "DOM_m_l_ler@unknown:7:99");
        assert_eq!(made(Some("_www"), Some("")), "x_www@x:7:99");
        let long = "a".repeat(500);
        assert!(made(Some(&long), Some(&long)).len() < 200);
    }

    #[test]
    fn only_a_process_of_ones_own_on_this_machine_is_known_to_have_ended() {
        let outside = |me: &str| Outside {
            args: Vec::new(),
            vars: BTreeMap::new(),
            actor: me.parse().unwrap(),
            starts: |pid| (pid == 7).then_some(100),
            stdin_terminal: false,
            stdout_terminal: false,
            stderr_terminal: false,
        };
        let ended = |who: &str| outside("ops@bastion1:1:1").ended(&who.parse().unwrap());
        assert!(!ended("ops@bastion1:7:100"), "it runs");
        assert!(ended("ops@bastion1:7:99"), "its number is another's");
        assert!(ended("ops@bastion1:8:100"), "its number is free");
        assert!(!ended("ops@bastion2:8:100"), "another machine");
        assert!(!ended("dana@bastion1:8:100"), "another user");
        assert!(!ended("ops@bastion1"), "no number");
        let nameless = outside("ops@localhost:1:1");
        assert!(!nameless.ended(&"ops@localhost:8:100".parse().unwrap()));
    }

    #[test]
    fn values_of_the_environment_are_not_shown() {
        let outside = Outside {
            args: vec!["deploy".into()],
            vars: BTreeMap::from([("TOKEN".to_owned(), "hunter22".into())]),
            actor: actor(None, None, 1, 1),
            starts: |_| None,
            stdin_terminal: false,
            stdout_terminal: false,
            stderr_terminal: false,
        };
        let text = format!("{outside:?}");
        assert!(
            text.contains("TOKEN") && !text.contains("hunter22"),
            "{text}"
        );
    }
}
