//! Why a connection was not made, in ssh's own words and in ours.
//!
//! ssh tells what happened in its log and nowhere else, so its text is read here, and only here.
//! The raw text always stays the error's source. To add a phrase: a line in [`PHRASES`], and a
//! log as it was seen in the tests.

use std::io;
use std::time::Duration;

use super::address::{Address, Target};
use super::call::BoxError;
use super::connect::{ConnectError, ConnectKind, Settings};

/// Words of ssh's log and what they mean, most telling first: a changed key is followed by
/// "Host key verification failed", a refused jump host by "Connection closed".
const PHRASES: [(&str, ConnectKind); 23] = [
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        ConnectKind::HostKeyChanged,
    ),
    ("REVOKED HOST KEY", ConnectKind::HostKeyChanged),
    ("host key is known for", ConnectKind::HostKeyUnknown),
    ("Host key verification failed", ConnectKind::HostKeyUnknown),
    ("Permission denied", ConnectKind::KeyRefused),
    ("Too many authentication failures", ConnectKind::KeyRefused),
    ("Could not resolve hostname", ConnectKind::UnknownName),
    ("Bad configuration option", ConnectKind::Configuration),
    ("terminating,", ConnectKind::Configuration),
    ("nsupported option", ConnectKind::Configuration),
    ("Bad owner or permissions", ConnectKind::Configuration),
    ("Can't open user config file", ConnectKind::Configuration),
    ("command-line", ConnectKind::Configuration),
    ("timed out", ConnectKind::Unreachable),
    ("No route to host", ConnectKind::Unreachable),
    ("Network is unreachable", ConnectKind::Unreachable),
    ("Host is down", ConnectKind::Unreachable),
    ("not responding", ConnectKind::Unreachable),
    ("Connection refused", ConnectKind::PortClosed),
    ("Exceeded MaxStartups", ConnectKind::TooMany),
    ("kex_exchange_identification", ConnectKind::TooMany),
    ("Connection reset by", ConnectKind::TooMany),
    ("Connection closed by", ConnectKind::TooMany),
];

/// Words that are not ours, as an error's source.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// Finds the kind of failure in ssh's log.
pub(super) fn classify(address: &Address, settings: &Settings, log: &str) -> ConnectError {
    let found = PHRASES.iter().find(|(words, _)| log.contains(words));
    let kind = found.map_or(ConnectKind::Other, |(_, kind)| *kind);
    error(address, kind, hint(kind, address, settings, log), said(log))
}

/// ssh was still busy when its time was over.
pub(super) fn timed_out(address: &Address, log: &str, after: Duration) -> ConnectError {
    let text = format!("{}\nno connection after {after:?}", log.trim_end());
    let hint = Some(reach_hint(address));
    error(address, ConnectKind::Unreachable, hint, said(&text))
}

/// Something on this machine failed.
pub(super) fn local(address: &Address, source: io::Error) -> ConnectError {
    error(address, ConnectKind::ThisMachine, None, Box::new(source))
}

/// There is no `ssh` here.
pub(super) fn no_ssh(address: &Address, source: io::Error) -> ConnectError {
    let hint = Some("install the OpenSSH client; `ssh -V` must work".to_owned());
    error(address, ConnectKind::ThisMachine, hint, Box::new(source))
}

/// The address cannot be used.
pub(super) fn invalid(address: &Address, why: String) -> ConnectError {
    let source = Box::new(Said(why));
    error(address, ConnectKind::Configuration, None, source)
}

fn error(
    address: &Address,
    kind: ConnectKind,
    hint: Option<String>,
    source: BoxError,
) -> ConnectError {
    ConnectError {
        host: address.name.clone(),
        target: address.shown(),
        kind,
        hint,
        source,
    }
}

/// ssh's words without its decoration, the last 2 KiB.
fn said(log: &str) -> BoxError {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim_end)
        .filter(|l| !l.is_empty() && !l.starts_with("@@@"))
        .collect();
    let text = lines.join("\n");
    if text.is_empty() {
        return Box::new(Said("ssh said nothing".to_owned()));
    }
    let mut from = text.len().saturating_sub(2048);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Box::new(Said(text[from..].to_owned()))
}

fn hint(kind: ConnectKind, address: &Address, settings: &Settings, log: &str) -> Option<String> {
    let by_hand = by_hand(address, settings);
    Some(match kind {
        ConnectKind::HostKeyChanged => {
            let general = || format!("ssh-keygen -R {}", known_as(address));
            let remove = removal(log).unwrap_or_else(general);
            format!(
                "if the machine was set up anew, `{remove}`, then `{by_hand}` to compare and \
                 accept the new key; if it was not, somebody may be in between"
            )
        }
        ConnectKind::HostKeyUnknown => {
            format!("`{by_hand}` once, and compare the fingerprint before accepting it")
        }
        ConnectKind::KeyRefused => format!(
            "`{by_hand}` must work without a password: look at the user, `ssh-add -l`, and \
             ~/.ssh/authorized_keys on the host"
        ),
        ConnectKind::UnknownName => "look at the address in the inventory, or give the name an \
             address in DNS or in the ssh configuration"
            .to_owned(),
        ConnectKind::Unreachable | ConnectKind::PortClosed => reach_hint(address),
        ConnectKind::TooMany => {
            "raise MaxStartups in sshd_config of the host or of its jump host".to_owned()
        }
        ConnectKind::Configuration => format!("`{by_hand}` shows the same message"),
        ConnectKind::ThisMachine | ConnectKind::Other => return None,
    })
}

fn reach_hint(address: &Address) -> String {
    let port = match &address.target {
        Target::Ssh { port: Some(p), .. } => p.to_string(),
        _ => "22, or what the ssh configuration says".to_owned(),
    };
    format!("is the machine up, is sshd running, is its port ({port}) open from here?")
}

/// What an operator types to see what we see.
fn by_hand(address: &Address, settings: &Settings) -> String {
    let Target::Ssh {
        host, user, port, ..
    } = &address.target
    else {
        return String::new();
    };
    let mut words = vec!["ssh".to_owned()];
    if let Some(config) = &settings.ssh_config {
        words.push(format!("-F {}", config.display()));
    }
    words.extend(user.as_ref().map(|u| format!("-l {u}")));
    words.extend(port.map(|p| format!("-p {p}")));
    words.push(host.clone());
    words.join(" ")
}

/// The name under which ssh keeps the host's key, as far as we can tell.
fn known_as(address: &Address) -> String {
    match &address.target {
        Target::Ssh {
            host,
            port: Some(port),
            ..
        } if *port != 22 => format!("'[{host}]:{port}'"),
        Target::Ssh { host, .. } => host.clone(),
        Target::Local => String::new(),
    }
}

/// The command that ssh itself proposes: it knows the file and the name of the old key.
fn removal(log: &str) -> Option<String> {
    let mut lines = log.lines().map(str::trim);
    lines
        .find(|l| l.starts_with("ssh-keygen -f"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HostName;

    fn address() -> Address {
        Address {
            name: HostName::new("web1").unwrap(),
            target: Target::Ssh {
                host: "web1.mgt".to_owned(),
                user: Some("deploy".to_owned()),
                port: None,
                options: Vec::new(),
            },
        }
    }

    /// Logs as OpenSSH 9.2 wrote them.
    const LOGS: [(&str, ConnectKind); 12] = [
        (
            "ssh: Could not resolve hostname nope: Name or service not known\r",
            ConnectKind::UnknownName,
        ),
        (
            "ssh: connect to host 127.0.0.1 port 1: Connection refused\r",
            ConnectKind::PortClosed,
        ),
        (
            "ssh: connect to host 10.9.9.9 port 22: Connection timed out\r",
            ConnectKind::Unreachable,
        ),
        (
            "Connection timed out during banner exchange\r\nConnection to 10.0.0.1 port 22 timed out\r",
            ConnectKind::Unreachable,
        ),
        (
            "ssh: connect to host 10.9.9.9 port 22: No route to host\r",
            ConnectKind::Unreachable,
        ),
        (
            "deploy@web1.mgt: Permission denied (publickey).\r",
            ConnectKind::KeyRefused,
        ),
        (
            "No ED25519 host key is known for web1 and you have requested strict checking.\r\nHost key verification failed.\r",
            ConnectKind::HostKeyUnknown,
        ),
        (
            "Host key verification failed.\r",
            ConnectKind::HostKeyUnknown,
        ),
        (
            "@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@\r\nOffending ED25519 key in /k:1\r\n  remove with:\r\n  ssh-keygen -f \"/k\" -R \"web1\"\r\nHost key verification failed.\r",
            ConnectKind::HostKeyChanged,
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22\r",
            ConnectKind::TooMany,
        ),
        (
            "command-line: line 0: Bad configuration option: nonsense\r",
            ConnectKind::Configuration,
        ),
        ("something new", ConnectKind::Other),
    ];

    #[test]
    fn each_way_of_failing_is_told_apart_and_keeps_ssh_s_words() {
        for (log, kind) in LOGS {
            let error = classify(&address(), &Settings::new("/x"), log);
            assert_eq!(error.kind, kind, "{log}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            let last = log.lines().last().unwrap().trim();
            assert!(source.ends_with(last), "{source}");
            assert!(!error.to_string().contains(last), "{error}");
            assert_eq!(error.hint.is_none(), kind == ConnectKind::Other);
        }
    }

    #[test]
    fn a_changed_key_comes_with_the_command_that_removes_the_old_one() {
        let mut settings = Settings::new("/x");
        settings.ssh_config = Some("/c".into());
        let error = classify(&address(), &settings, LOGS[8].0);
        assert_eq!(
            error.to_string(),
            "cannot connect to web1 (deploy@web1.mgt): its host key has changed"
        );
        assert_eq!(
            error.hint.unwrap(),
            "if the machine was set up anew, `ssh-keygen -f \"/k\" -R \"web1\"`, then \
             `ssh -F /c -l deploy web1.mgt` to compare and accept the new key; if it was not, \
             somebody may be in between"
        );
    }

    #[test]
    fn silence_is_said_to_be_silence() {
        let error = classify(&address(), &Settings::new("/x"), "");
        assert_eq!(error.source.to_string(), "ssh said nothing");
        let error = timed_out(&address(), "", Duration::from_secs(15));
        assert_eq!(error.source.to_string(), "no connection after 15s");
    }
}
