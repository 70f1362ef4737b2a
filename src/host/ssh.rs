//! Hosts over SSH: one master connection each, made by the machine's own `ssh`.
//!
//! The master is a daemon of its own (a Ctrl-C on our terminal does not reach it). Scripts run over
//! its mux socket without a process each. It goes when its last user closes it, and by itself two
//! minutes after a run that was killed. Where it is kept for the next command nobody closes it: it
//! goes two minutes after its last use. What the connection needs is given on ssh's command line
//! and so wins over any configuration; the generated file holds what jump hosts need as well and
//! includes the user's own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use openssh::{Session, Stdio as MuxStdio};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::sync::RwLock;
use tokio::time::{sleep, timeout};

use super::address::{Address, Target};
use super::call::{BoxError, Channel, Exit};
use super::connect::{ConnectError, Settings, Shared};
use super::control::SOCKET;
use super::fault;
use super::wire;

/// How long a kept master may take to say that it is there: it is on this machine.
const ALIVE: Duration = Duration::from_secs(1);
/// How often a connection is tried that the far sshd dropped for having too many at once.
const TRIES: u32 = 5;
/// Given to ssh beyond its own time limit, for jump hosts and slow key exchange.
const GRACE: Duration = Duration::from_secs(10);

/// The configuration that every ssh of a run reads: what jump hosts need too, then the user's own
/// and the system's (which `ssh -F` alone would leave out).
///
/// # Errors
/// A sentence, where the path of the configuration cannot be written into one.
pub(super) fn config(settings: &Settings) -> Result<String, String> {
    let seconds = settings.connect_timeout.as_secs().max(1);
    let includes = match &settings.ssh_config {
        Some(path) => vec![quoted(path)?],
        None => vec!["~/.ssh/config".to_owned(), "/etc/ssh/ssh_config".to_owned()],
    };
    let mut text = format!(
        "BatchMode yes\nServerAliveInterval 2\nServerAliveCountMax 3\nConnectTimeout {seconds}\n"
    );
    for path in includes {
        // A block of the file before must not make this one conditional.
        let _ = write!(text, "Match all\nInclude {path}\n");
    }
    Ok(text)
}

/// A path as ssh's configuration reads it: in quotes, absolute, and no pattern.
fn quoted(path: &Path) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|e| e.to_string())?;
    let shown = path.display().to_string();
    match shown
        .chars()
        .find(|c| c.is_control() || "\"\\*?[".contains(*c))
    {
        Some(bad) => Err(format!(
            "the path of the ssh configuration {shown:?} contains {bad:?}"
        )),
        None => Ok(format!("\"{shown}\"")),
    }
}

/// Options that no configuration may change.
const OURS: [&str; 10] = [
    "ControlPersist=120",
    "BatchMode=yes",
    // The log is how we learn why a connection failed, whatever the user's level is.
    "LogLevel=INFO",
    // A user's forwards would be taken by each of our connections and fail for the second.
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "VisualHostKey=no",
];

/// ssh's arguments for a master connection with its socket and log in `dir`.
fn arguments(address: &Address, config: &Path, dir: &Path) -> Vec<String> {
    let Target::Ssh {
        host,
        user,
        port,
        options,
    } = &address.target
    else {
        return Vec::new();
    };
    let at = |name: &str| dir.join(name).display().to_string();
    let mut words = vec![
        "-F".to_owned(),
        config.display().to_string(),
        "-E".to_owned(),
        at("log"),
        "-o".to_owned(),
        format!("ControlPath={}", at(SOCKET)),
    ];
    let theirs = options
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    for option in OURS.iter().map(|o| (*o).to_owned()).chain(theirs) {
        words.extend(["-o".to_owned(), option]);
    }
    if let Some(user) = user {
        words.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = port {
        words.extend(["-p".to_owned(), port.to_string()]);
    }
    // `-M` alone: with `ControlMaster=yes` beside it, it would mean to ask.
    words.extend(["-M", "-f", "-N", "-T", "--", host].map(str::to_owned));
    words
}

/// A connection that is made again where its master went away while nothing ran.
pub(super) struct Ssh {
    address: Address,
    shared: Arc<Shared>,
    /// `None` once closed.
    session: RwLock<Option<Arc<Session>>>,
}

impl Ssh {
    /// Connects.
    ///
    /// # Errors
    /// A [`ConnectError`] with its kind and ssh's own words.
    pub(super) async fn connect(
        address: &Address,
        shared: &Arc<Shared>,
    ) -> Result<Self, ConnectError> {
        let session = dial(address, shared, shared.settings.keep).await?;
        Ok(Self {
            address: address.clone(),
            shared: Arc::clone(shared),
            session: RwLock::new(Some(Arc::new(session))),
        })
    }

    /// Starts a bootstrap, or a lane that runs one after the other.
    pub(super) async fn open(&self, root: bool, kept: bool) -> Result<Channel, BoxError> {
        let session = self.session.read().await.clone().ok_or(Closed)?;
        match spawn(&session, root, kept).await {
            // Nothing has been sent: to connect again is safe.
            Err(openssh::Error::Disconnected) => {
                let session = self.again(&session, self.shared.settings.keep).await?;
                spawn(&session, root, kept).await.map_err(told)
            }
            // Whoever shares the connection has taken all that its sshd allows.
            Err(error) if self.shared.settings.keep && no_more(&error) => {
                let session = self.again(&session, false).await?;
                spawn(&session, root, kept).await.map_err(told)
            }
            other => other.map_err(told),
        }
    }

    /// Where the connection's socket is, after it was seen to answer.
    pub(super) async fn socket(&self) -> Result<PathBuf, BoxError> {
        let session = self.session.read().await.clone().ok_or(Closed)?;
        let session = match session.check().await {
            Ok(()) => session,
            Err(_) => self.again(&session, self.shared.settings.keep).await?,
        };
        Ok(session.control_socket().to_owned())
    }

    /// A new session in the place of `dead`, unless somebody else was faster.
    async fn again(&self, dead: &Arc<Session>, keep: bool) -> Result<Arc<Session>, BoxError> {
        let mut place = self.session.write().await;
        match &*place {
            None => Err(Closed.into()),
            Some(now) if !Arc::ptr_eq(now, dead) => Ok(Arc::clone(now)),
            Some(_) => {
                let new = Arc::new(dial(&self.address, &self.shared, keep).await?);
                *place = Some(Arc::clone(&new));
                Ok(new)
            }
        }
    }

    /// Ends the connection as soon as the scripts that still run over it have ended.
    pub(super) async fn close(&self) {
        self.session.write().await.take();
    }
}

impl Drop for Ssh {
    /// A master takes some milliseconds to end: those of all hosts at the same time.
    fn drop(&mut self) {
        if let Some(session) = self.session.get_mut().take() {
            self.shared.part(session);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection was closed before")]
struct Closed;

/// sshd allows so many scripts at once over one connection.
#[derive(Debug, thiserror::Error)]
#[error("its sshd refused another session over the connection (MaxSessions in sshd_config)")]
struct SessionRefused(#[source] openssh::Error);

/// Whether that is why there is no session.
pub(super) fn is_refused(error: &BoxError) -> bool {
    error.is::<SessionRefused>()
}

fn told(error: openssh::Error) -> BoxError {
    if no_more(&error) {
        SessionRefused(error).into()
    } else {
        error.into()
    }
}

fn no_more(error: &openssh::Error) -> bool {
    matches!(error, openssh::Error::SshMux(inner) if inner.to_string().contains("refused by peer"))
}

async fn spawn(session: &Arc<Session>, root: bool, kept: bool) -> Result<Channel, openssh::Error> {
    let mut command = Arc::clone(session).arc_raw_command(wire::command_line(root, kept));
    command
        .stdin(MuxStdio::piped())
        .stdout(MuxStdio::piped())
        .stderr(MuxStdio::piped());
    let mut child = command.spawn().await?;
    let missing = || openssh::Error::ChildIo(std::io::ErrorKind::BrokenPipe.into());
    Ok(Channel {
        stdin: Box::new(child.stdin().take().ok_or_else(missing)?),
        stdout: Box::new(child.stdout().take().ok_or_else(missing)?),
        stderr: Box::new(child.stderr().take().ok_or_else(missing)?),
        exit: Box::pin(ended(child)),
    })
}

async fn ended(child: openssh::Child<Arc<Session>>) -> Exit {
    let session = child.session();
    match child.wait().await {
        Ok(status) => status.code().map_or(Exit::Unknown, Exit::Status),
        // The crate's word for status 127.
        Err(openssh::Error::Remote(_)) => Exit::Status(127),
        // A signal, or the end of the connection: the master knows.
        Err(error @ openssh::Error::RemoteProcessTerminated) => match session.check().await {
            Ok(()) => Exit::Unknown,
            Err(_) => Exit::Lost(error.into()),
        },
        Err(error) => Exit::Lost(error.into()),
    }
}

/// A connection: a kept one where that is wished, else one of our own.
async fn dial(address: &Address, shared: &Shared, keep: bool) -> Result<Session, ConnectError> {
    if keep && let Some(session) = kept(address, shared).await? {
        return Ok(session);
    }
    let dir = shared.control.connection();
    let dir = dir.map_err(|e| fault::local(address, e))?;
    start(address, shared, dir.path()).await?;
    Ok(Session::new_native_mux(dir))
}

/// The connection that an earlier command has left, else one that is left for the next. None where
/// its place cannot be used or somebody else makes it just now.
async fn kept(address: &Address, shared: &Shared) -> Result<Option<Session>, ConnectError> {
    let Ok(place) = shared.control.kept(&key(address, shared)) else {
        return Ok(None);
    };
    let session = || Session::resume_mux(place.socket().into(), None);
    if answers(&session()).await {
        return Ok(Some(session()));
    }
    let Some(_turn) = place.turn() else {
        return Ok(None);
    };
    if !answers(&session()).await {
        // What a killed master left would keep ssh from listening there.
        let _ = std::fs::remove_file(place.socket());
        start(address, shared, place.dir()).await?;
    }
    Ok(Some(session()))
}

/// Whether the master of a session is there.
async fn answers(session: &Session) -> bool {
    matches!(timeout(ALIVE, session.check()).await, Ok(Ok(())))
}

/// What a kept connection leads to: everything that decides where and as whom it ends.
fn key(address: &Address, shared: &Shared) -> String {
    let text = format!("{:?} {:?}", address.target, shared.settings.ssh_config);
    let sum = Sha256::digest(text.as_bytes());
    sum.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// Starts a master, again where the far sshd dropped it for having too many connections at once.
async fn start(address: &Address, shared: &Shared, dir: &Path) -> Result<(), ConnectError> {
    let mut tried = 1;
    loop {
        let started = {
            // Never closed, so never refused.
            let _turn = shared.turns.acquire().await;
            start_master(address, shared, dir).await
        };
        match started {
            Err(error) if error.worth_another_try() && tried < TRIES => {
                sleep(jitter(tried)).await;
                tried += 1;
            }
            ended => return ended,
        }
    }
}

/// 100 to 300 ms for each try so far: hosts that were dropped together do not come back together.
fn jitter(tried: u32) -> Duration {
    let random = u64::from_str_radix(&wire::nonce(), 16).unwrap_or(0) % 200;
    Duration::from_millis(100 + random) * tried
}

#[expect(clippy::disallowed_methods, reason = "the door to ssh")]
async fn start_master(address: &Address, shared: &Shared, dir: &Path) -> Result<(), ConnectError> {
    // What is wrong with ssh's own arguments it says before it opens its log. Not a pipe: the
    // daemon keeps it open.
    let complaints = std::fs::File::create(dir.join("err"));
    let complaints = complaints.map_err(|e| fault::local(address, e))?;
    let started = Command::new("ssh")
        .args(arguments(address, &shared.config, dir))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(complaints)
        // Before it has become a daemon, a Ctrl-C on our terminal would end it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut master = started.map_err(|e| fault::no_ssh(address, e))?;
    let within = shared.settings.connect_timeout + GRACE;
    let ended = timeout(within, master.wait()).await;
    if let Ok(Ok(status)) = ended
        && status.success()
    {
        return Ok(());
    }
    let log = said(dir).await;
    Err(match ended {
        Ok(_) => fault::classify(address, &shared.settings, &log),
        Err(_) => fault::timed_out(address, &log, within),
    })
}

/// All that ssh has written.
#[expect(clippy::disallowed_methods, reason = "what ssh has written for us")]
async fn said(dir: &Path) -> String {
    let mut text = String::new();
    for name in ["err", "log"] {
        let bytes = tokio::fs::read(dir.join(name)).await.unwrap_or_default();
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HostName;

    #[test]
    fn the_generated_configuration_is_unconditional_and_quoted() {
        let mut settings = Settings::new("/tmp/x");
        let own = "BatchMode yes\nServerAliveInterval 2\nServerAliveCountMax 3\nConnectTimeout 5\n";
        let users = "Match all\nInclude ~/.ssh/config\nMatch all\nInclude /etc/ssh/ssh_config\n";
        assert_eq!(config(&settings).unwrap(), format!("{own}{users}"));
        settings.ssh_config = Some("/a b/config".into());
        let given = "Match all\nInclude \"/a b/config\"\n";
        assert_eq!(config(&settings).unwrap(), format!("{own}{given}"));
        settings.ssh_config = Some("/a\"b".into());
        assert!(config(&settings).is_err());
    }

    #[test]
    fn ours_comes_first_and_the_host_is_never_an_option() {
        let address = Address {
            name: HostName::new("web1").unwrap(),
            target: Target::Ssh {
                host: "web1.mgt".to_owned(),
                user: Some("ops".to_owned()),
                port: Some(2222),
                options: vec![("ProxyJump".to_owned(), "bastion".to_owned())],
            },
        };
        let words = arguments(&address, Path::new("/c/config"), Path::new("/c/h1")).join(" ");
        let first = "-F /c/config -E /c/h1/log -o ControlPath=/c/h1/master -o ControlPersist=120 ";
        assert!(words.starts_with(first), "{words}");
        let last =
            "-o VisualHostKey=no -o ProxyJump=bastion -l ops -p 2222 -M -f -N -T -- web1.mgt";
        assert!(words.ends_with(last), "{words}");
    }
}
