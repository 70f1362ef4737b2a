//! One machine: how to reach it, and how to run a script on it.
//!
//! - `script` what is sent and what comes back: plain data.
//! - `wire` how a script travels; `boot.sh` and `prologue.sh` are the far end of it.
//! - `reply` how an answer is read; `call` one call over one channel; `lane` channels that are used
//!   again.
//! - `docker` what Docker and compose are asked for, and how to read their answers.
//! - `hook` a program of the operator's on a host.
//! - `local`, `ssh` transports. To add one: open a `call::Channel`, and a variant in `Transport`.
//! - `terminal` a program with a person's terminal.
//! - `address`, `connect`, `control`, `fault` what the inventory says, making connections from it,
//!   where their sockets are, and why one failed.
//!
//! Step bodies and record verbs produce [`script::Script`]s; a [`Host`] runs them.

mod address;
mod call;
mod connect;
mod control;
pub mod docker;
mod fault;
pub mod hook;
mod lane;
pub mod local;
mod reply;
pub mod script;
mod ssh;
mod terminal;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use call::{BoxError, Call, Channel};
use lane::Lanes;
use local::Local;
use script::{Reply, RunError, Script};
use ssh::Ssh;

use crate::name::HostName;
use crate::time::Clock;

pub use address::{Address, Target};
pub use connect::{ConnectError, ConnectKind, Connector, Ear, Settings};
pub use control::base as control_base;

/// Scripts that may run at once over one connection. An sshd allows 10 sessions by default
/// (`MaxSessions`); two more may be lanes at rest, two are left for whoever shares the connection.
const AT_ONCE: usize = 6;
/// How often, and after how long, a session is asked for again that was refused, once the lanes at rest
/// have been given up for it: the far end has to notice.
const ROOM: (u32, Duration) = (5, Duration::from_millis(100));
/// Most that the lines of a collected reply may hold together.
const LONGEST_REPLY: usize = 16 * 1024 * 1024;

/// A machine that scripts can be run on. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: HostName,
    /// Before the transport, whose end waits for nobody then.
    lanes: Lanes,
    transport: Transport,
    at_once: Semaphore,
    ear: Option<Ear>,
}

enum Transport {
    Local(Local),
    Ssh(Ssh),
}

impl Transport {
    async fn open(&self, root: bool, kept: bool) -> Result<Channel, BoxError> {
        match self {
            Self::Local(local) => local.open(root, kept),
            Self::Ssh(ssh) => ssh.open(root, kept).await,
        }
    }
}

impl Host {
    fn new(name: HostName, transport: Transport, ear: Option<Ear>) -> Self {
        Self(Arc::new(Inner {
            name,
            transport,
            at_once: Semaphore::new(AT_ONCE),
            lanes: Lanes::default(),
            ear,
        }))
    }

    /// This machine, reached without SSH.
    #[must_use]
    pub fn local(name: HostName, local: Local) -> Self {
        Self::new(name, Transport::Local(local), None)
    }

    /// The host as the inventory calls it.
    #[must_use]
    pub fn name(&self) -> &HostName {
        &self.0.name
    }

    /// Ends the connection for all clones, once the scripts that run over it have ended; later
    /// calls fail. Dropping the last clone does the same.
    pub async fn close(self) {
        self.0.lanes.close();
        if let Transport::Ssh(ssh) = &self.0.transport {
            ssh.close().await;
        }
    }

    /// Runs a script and collects its answer.
    ///
    /// Dropping the future of a `tied` script ends the script; any other only loses its listener
    /// once it has been sent, and never runs at all where its text had not been sent whole.
    ///
    /// # Errors
    /// A [`RunError`] where there is no end line, which is never success; an answer of more than
    /// 16 MiB counts as none.
    pub async fn run(&self, script: Script) -> Result<Reply, RunError> {
        let name = script.name;
        let mut lines = Vec::new();
        let mut size = 0;
        let reply = self.stream(script, |line: &str| {
            size += line.len() + 1;
            if size <= LONGEST_REPLY {
                lines.push(line.to_owned());
            }
        });
        let mut reply = reply.await?;
        if size > LONGEST_REPLY {
            return Err(self
                .call(name)
                .wire("its answer is longer than 16 MiB".to_owned()));
        }
        reply.lines = lines;
        Ok(reply)
    }

    /// Runs a script and gives each line to `on_line` as it comes, in the caller's own task.
    /// The reply's `lines` stay empty. For the rest see [`Host::run`].
    ///
    /// # Errors
    /// As [`Host::run`].
    pub async fn stream(
        &self,
        script: Script,
        mut on_line: impl FnMut(&str) + Send,
    ) -> Result<Reply, RunError> {
        let Some(ear) = &self.0.ear else {
            return self.unheard(script, &mut on_line).await;
        };
        let (name, clock) = (script.name, Clock::system());
        let reply = self.unheard(script, &mut on_line).await;
        ear.hear(&self.0.name, name, clock.elapsed(), reply.is_ok());
        reply
    }

    async fn unheard(
        &self,
        script: Script,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Reply, RunError> {
        let call = self.call(script.name);
        let nonce = wire::nonce();
        let message = wire::message(&script, &nonce).map_err(|why| call.wire(why))?;
        // A script that ends with its connection needs one whose input it alone reads.
        let kept = !script.tied;
        let opened = async {
            // Never closed, so never refused.
            let turn = self.0.at_once.acquire().await;
            (turn, self.channel(script.root, kept).await)
        };
        let (_turn, channel) = tokio::time::timeout(script.limit, opened)
            .await
            .map_err(|_| call.timeout(script.limit))?;
        let channel = channel.map_err(|source| call.connection(source))?;
        if !kept {
            return call::exchange(call, &script, (nonce, message), channel, on_line).await;
        }
        let message = wire::in_lane(&nonce, &message);
        let (reply, lane) =
            call::exchange_in_lane(call, &script, (nonce, message), channel, on_line).await?;
        if let Some(lane) = lane {
            self.0.lanes.keep(script.root, lane);
        }
        Ok(reply)
    }

    async fn channel(&self, root: bool, kept: bool) -> Result<Channel, BoxError> {
        if kept && let Some(lane) = self.0.lanes.take(root).await {
            return Ok(lane);
        }
        let mut opened = self.0.transport.open(root, kept).await;
        // One at rest may be all that an sshd allows, or one whose script has just ended: the word of
        // its end comes before the far side lets go of it.
        if opened.as_ref().is_err_and(ssh::is_refused) {
            self.0.lanes.end();
            for _ in 0..ROOM.0 {
                tokio::time::sleep(ROOM.1).await;
                opened = self.0.transport.open(root, kept).await;
                if !opened.as_ref().is_err_and(ssh::is_refused) {
                    break;
                }
            }
        }
        opened
    }

    fn call(&self, script: &'static str) -> Call<'_> {
        Call {
            host: &self.0.name,
            script,
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({})", self.0.name)
    }
}

#[cfg(test)]
mod tests;
