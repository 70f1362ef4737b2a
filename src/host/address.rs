//! How a host is reached: what the inventory says, checked.

use serde::{Deserialize, Serialize};

use crate::name::HostName;

/// A host and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The host as the inventory calls it.
    pub name: HostName,
    /// How it is reached.
    pub target: Target,
}

/// How a host is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// It is the machine that `deploy` runs on.
    Local,
    /// By the machine's own `ssh`, so that its configuration, agent and jump hosts work as always.
    Ssh {
        /// What one would type after `ssh`: a name, an address, an alias of the ssh configuration.
        host: String,
        /// Account, where the ssh configuration does not say.
        user: Option<String>,
        /// Port, where the ssh configuration does not say.
        port: Option<u16>,
        /// Options of ssh_config(5) by name, each as it would stand after `ssh -o NAME=`.
        options: Vec<(String, String)>,
    },
}

/// Options that would break the connection's own arrangements.
const OURS: [&str; 12] = [
    "batchmode",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "forkafterauthentication",
    "host",
    "include",
    "match",
    "remotecommand",
    "requesttty",
    "sessiontype",
    "stdinnull",
];

impl Address {
    /// Checks that the words can stand on a command line of ssh and mean nothing else there.
    ///
    /// # Errors
    /// A sentence that names the word and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let Target::Ssh {
            host,
            user,
            options,
            ..
        } = &self.target
        else {
            return Ok(());
        };
        word("address", host, |c| {
            c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%')
        })?;
        if let Some(user) = user {
            word("user", user, |c| !c.is_whitespace() && !c.is_control())?;
        }
        options
            .iter()
            .try_for_each(|(name, value)| option(name, value))
    }

    /// `user@host:port` as far as it is given, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.target {
            Target::Local => "this machine".to_owned(),
            Target::Ssh {
                host, user, port, ..
            } => {
                let user = user.as_ref().map(|u| format!("{u}@")).unwrap_or_default();
                let port = port.map(|p| format!(" port {p}")).unwrap_or_default();
                format!("{user}{host}{port}")
            }
        }
    }
}

fn word(what: &str, word: &str, allowed: fn(char) -> bool) -> Result<(), String> {
    if word.is_empty() || word.starts_with('-') {
        return Err(format!("{what} {word:?} is empty or starts with `-`"));
    }
    match word.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(format!("{what} {word:?} contains {bad:?}")),
        None => Ok(()),
    }
}

fn option(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!(
            "ssh option {name:?} is not a name of letters and digits"
        ));
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("ssh option {name} is set by deploy itself"));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(bad) => Err(format!("the value of ssh option {name} contains {bad:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, user: Option<&str>, options: &[(&str, &str)]) -> Address {
        let own = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        Address {
            name: HostName::new("web1").unwrap(),
            target: Target::Ssh {
                host: host.to_owned(),
                user: user.map(str::to_owned),
                port: Some(22),
                options: options.iter().map(own).collect(),
            },
        }
    }

    #[test]
    fn ordinary_addresses_are_good() {
        for host in ["web1", "web1.mgt", "10.0.0.1", "fe80::1%eth0", "büro"] {
            let options = [("ProxyCommand", "nc -x 'a b' %h %p"), ("SendEnv", "A B")];
            assert_eq!(
                address(host, Some("ops"), &options).check(),
                Ok(()),
                "{host}"
            );
        }
    }

    #[test]
    fn words_that_ssh_would_take_for_something_else_are_refused() {
        for host in [
            "",
            "-oProxyCommand=x",
            "a b",
            "a\nb",
            "a;b",
            "$(x)",
            "a@b",
            "ssh://a",
            "*",
        ] {
            assert!(address(host, None, &[]).check().is_err(), "{host:?}");
        }
        assert!(address("a", Some("-x"), &[]).check().is_err());
        assert!(address("a", Some("a\nb"), &[]).check().is_err());
    }

    #[test]
    fn an_option_cannot_smuggle_in_another() {
        for (name, value) in [
            ("ProxyCommand", "x\nBatchMode no"),
            ("Port\nHost", "x"),
            ("", "x"),
            ("Port=22 -o", "x"),
            ("controlPath", "/tmp/x"),
            ("Match", "exec x"),
        ] {
            assert!(
                address("a", None, &[(name, value)]).check().is_err(),
                "{name:?}"
            );
        }
    }
}
