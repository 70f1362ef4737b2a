//! Making connections, and what can be wrong with them.
//!
//! One [`Connector`] serves a run. To add a way of failing: a [`ConnectKind`] with its sentence
//! here, its hint and how ssh says it in `fault`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use openssh::Session;
use tokio::sync::{OnceCell, Semaphore};

use super::address::{Address, Target};
use super::control::Control;
use super::local::Local;
use super::ssh::{self, Ssh};
use super::{Host, Transport, fault};
use crate::name::HostName;

/// Who hears of each script that ran: on which host, its name, how long it took, whether there was
/// an answer.
#[derive(Clone)]
pub struct Ear(Arc<Hear>);

type Hear = dyn Fn(&HostName, &str, Duration, bool) + Send + Sync;

impl Ear {
    /// Somebody who hears.
    #[must_use]
    pub fn new(hear: impl Fn(&HostName, &str, Duration, bool) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(super) fn hear(&self, host: &HostName, script: &str, took: Duration, answered: bool) {
        (self.0)(host, script, took, answered);
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

/// How connections are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Private directory for sockets, see [`super::control_base`].
    pub control_base: PathBuf,
    /// An ssh configuration instead of the user's and the system's.
    pub ssh_config: Option<PathBuf>,
    /// Longest time to reach a host, in whole seconds.
    pub connect_timeout: Duration,
    /// Connections that are made at once, 1 to 8. An sshd drops some of more than ten
    /// (`MaxStartups`), and a jump host sees them all.
    pub parallel: usize,
    /// Take a connection that an earlier command has left, and leave one for the next: for what only
    /// looks. It goes by itself two minutes after its last use.
    pub keep: bool,
    /// Hears of each script that ran.
    pub ear: Option<Ear>,
}

impl Settings {
    /// 5 s to reach a host, 8 connections made at once, the user's own ssh configuration.
    #[must_use]
    pub fn new(control_base: impl Into<PathBuf>) -> Self {
        Self {
            control_base: control_base.into(),
            ssh_config: None,
            connect_timeout: Duration::from_secs(5),
            parallel: 8,
            keep: false,
            ear: None,
        }
    }
}

/// What all connections of a run share.
pub(super) struct Shared {
    pub settings: Settings,
    pub control: Control,
    /// The configuration that each ssh is given.
    pub config: PathBuf,
    pub turns: Semaphore,
    /// Connections that are being ended.
    parting: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    /// Ends a connection beside whatever the caller does next; waited for when the last user is gone.
    pub fn part(&self, session: Arc<Session>) {
        let end = std::thread::Builder::new().spawn(move || drop(session));
        // Without a thread it was ended just now, by the caller.
        if let Ok(end) = end {
            let mut parting = self.parting.lock().unwrap_or_else(PoisonError::into_inner);
            parting.push(end);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let parting = self.parting.get_mut();
        for last in parting.unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Whatever became of it, it is over.
            let _ = last.join();
        }
    }
}

/// Makes connections. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    settings: Settings,
    /// Made when the first host that needs it is connected.
    shared: Arc<OnceCell<Arc<Shared>>>,
}

impl Connector {
    /// Touches nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            shared: Arc::default(),
        }
    }

    /// Connects to a host. Up to `parallel` calls make their connections at once, others wait.
    /// Dropping the future gives the attempt up and leaves no process.
    ///
    /// # Errors
    /// A [`ConnectError`]: what is wrong, with a kind, a hint, and ssh's own words as its source.
    pub async fn connect(&self, address: &Address) -> Result<Host, ConnectError> {
        address
            .check()
            .map_err(|why| fault::invalid(address, why))?;
        let transport = match address.target {
            Target::Local => Transport::Local(Local::default()),
            Target::Ssh { .. } => {
                let prepare = || self.prepare(address);
                let shared = self.shared.get_or_try_init(prepare).await?;
                Transport::Ssh(Ssh::connect(address, shared).await?)
            }
        };
        let ear = self.settings.ear.clone();
        Ok(Host::new(address.name.clone(), transport, ear))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "ssh's own configuration, in our own directory"
    )]
    async fn prepare(&self, address: &Address) -> Result<Arc<Shared>, ConnectError> {
        let settings = self.settings.clone();
        let text = ssh::config(&settings).map_err(|why| fault::invalid(address, why))?;
        let control =
            Control::open(&settings.control_base).map_err(|e| fault::local(address, e))?;
        let config = control.path().join("config");
        tokio::fs::write(&config, text)
            .await
            .map_err(|e| fault::local(address, e))?;
        Ok(Arc::new(Shared {
            turns: Semaphore::new(settings.parallel.clamp(1, 8)),
            settings,
            control,
            config,
            parting: Mutex::default(),
        }))
    }

    /// Lets go of the sockets' directory, which is removed with the last connection. A connection
    /// closes with the last clone of its [`Host`], or by [`Host::close`]; the last
    /// to let go waits for those that are closing.
    pub async fn close(self) {
        drop(self);
    }
}

/// What kept a connection from being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectKind {
    /// The host shows another key than the one that is known.
    HostKeyChanged,
    /// The host's key is not known, and nobody was asked.
    HostKeyUnknown,
    /// No key of ours is accepted.
    KeyRefused,
    /// The name of the host has no address.
    UnknownName,
    /// Nothing answers in time, or no way leads there.
    Unreachable,
    /// The machine answers, but nothing listens on the port.
    PortClosed,
    /// sshd dropped the connection before or during the key exchange: too many at once.
    TooMany,
    /// The inventory's or ssh's own configuration is wrong.
    Configuration,
    /// Something on this machine is missing or refused: `ssh`, the directory for sockets.
    ThisMachine,
    /// ssh failed for another reason; its words tell.
    Other,
}

impl ConnectKind {
    /// What is wrong, as the end of a sentence about the host.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::HostKeyChanged => "its host key has changed",
            Self::HostKeyUnknown => "its host key is not known",
            Self::KeyRefused => "it accepts none of the keys that were offered",
            Self::UnknownName => "its name cannot be resolved",
            Self::Unreachable => "it does not answer",
            Self::PortClosed => "it refuses the connection",
            Self::TooMany => "its sshd dropped the connection (too many at once, see MaxStartups)",
            Self::Configuration => "the address or the ssh configuration is not valid",
            Self::ThisMachine => "this machine cannot start the connection",
            Self::Other => "ssh failed",
        }
    }
}

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {host} ({target}): {}", kind.sentence())]
pub struct ConnectError {
    /// Host as the inventory calls it.
    pub host: HostName,
    /// How it was to be reached.
    pub target: String,
    /// What is wrong.
    pub kind: ConnectKind,
    /// What to type or look at.
    pub hint: Option<String>,
    /// ssh's own words, or the operating system's.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl ConnectError {
    /// Whether nobody is to blame and the next try may work.
    pub(super) fn worth_another_try(&self) -> bool {
        self.kind == ConnectKind::TooMany
    }
}
