//! One call: send a script over a channel, read its answer, watch the clock.
//!
//! The same for every transport. A transport opens a [`Channel`]; what follows is decided here.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

use super::reply::{Parser, Stage, Tail};
use super::script::{Reply, RunError, Script};
use crate::name::HostName;
use crate::time::Clock;

/// How much of standard error a reply keeps.
const STDERR_KEPT: usize = 16 * 1024;
/// How much of each stream an error shows.
const TAIL_KEPT: usize = 4 * 1024;
/// How long we read on after the end line: what the script wrote to standard error may lag behind.
/// A daemon that it left behind may keep the streams open for ever.
const AFTER_END: Duration = Duration::from_millis(100);
/// How long a process may take to report its exit status after its output ended.
const AFTER_OUTPUT: Duration = Duration::from_secs(2);

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How the process at the other end of a channel ended.
#[derive(Debug)]
pub(super) enum Exit {
    /// With this status.
    Status(i32),
    /// By a signal, or without telling.
    Unknown,
    /// The connection is gone.
    Lost(BoxError),
}

/// A started bootstrap: its three streams and its end.
pub(super) struct Channel {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    pub exit: Pin<Box<dyn Future<Output = Exit> + Send>>,
}

/// Who asks what: for the errors.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub host: &'a HostName,
    pub script: &'static str,
}

impl Call<'_> {
    pub(super) fn connection(self, source: BoxError) -> RunError {
        RunError::Connection {
            host: self.host.to_string(),
            script: self.script,
            source,
        }
    }
    pub(super) fn wire(self, why: String) -> RunError {
        RunError::Wire {
            host: self.host.to_string(),
            script: self.script,
            why,
        }
    }
    pub(super) fn timeout(self, after: Duration) -> RunError {
        RunError::Timeout {
            host: self.host.to_string(),
            script: self.script,
            after,
        }
    }
    fn no_end(self, status: Option<i32>, tail: String) -> RunError {
        RunError::NoEnd {
            host: self.host.to_string(),
            script: self.script,
            status,
            tail,
        }
    }
}

/// Runs a script on a fresh channel. The second pair is the nonce and `wire::message` with it.
/// The limit starts here; the caller puts its own around opening the channel.
pub(super) async fn exchange(
    call: Call<'_>,
    script: &Script,
    (nonce, message): (String, Vec<u8>),
    channel: Channel,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<Reply, RunError> {
    let clock = Clock::system();
    let mut talk = Talk {
        call,
        script,
        parser: Parser::new(nonce),
        stdout: channel.stdout,
        stderr: channel.stderr,
        errors_open: true,
        out_tail: Tail::new(TAIL_KEPT),
        err_tail: Tail::new(STDERR_KEPT),
    };
    let hang_up = send(channel.stdin, message, script.tied);
    match talk.listen(hang_up, on_line).await? {
        Heard::End(words) => {
            let took = clock.elapsed();
            talk.drain().await;
            Ok(Reply {
                lines: Vec::new(),
                end: words,
                stderr: talk.err_tail.text(),
                took,
            })
        }
        Heard::Silence => {
            talk.drain().await;
            let exit = timeout(AFTER_OUTPUT, channel.exit).await;
            Err(match exit.unwrap_or(Exit::Unknown) {
                Exit::Lost(source) => call.connection(source),
                Exit::Status(status) => call.no_end(Some(status), talk.tail()),
                Exit::Unknown => call.no_end(None, talk.tail()),
            })
        }
    }
}

/// Writes everything; then closes the input, or keeps it open for a tied script for as long as
/// this future lives. A failed write is not an error of its own: the answer, or its absence, tells.
async fn send(mut stdin: Box<dyn AsyncWrite + Send + Unpin>, message: Vec<u8>, tied: bool) {
    let _ = stdin.write_all(&message).await;
    let _ = stdin.flush().await;
    if tied {
        std::future::pending::<()>().await;
    }
    let _ = stdin.shutdown().await;
}

enum Heard {
    End(Vec<String>),
    /// The output ended without an end line.
    Silence,
}

struct Talk<'a> {
    call: Call<'a>,
    script: &'a Script,
    parser: Parser,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    stderr: Box<dyn AsyncRead + Send + Unpin>,
    errors_open: bool,
    out_tail: Tail,
    err_tail: Tail,
}

impl Talk<'_> {
    async fn listen(
        &mut self,
        hang_up: impl Future<Output = ()> + Send,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Heard, RunError> {
        tokio::pin!(hang_up);
        let limit = sleep(self.script.limit);
        tokio::pin!(limit);
        let mut quiet = self.quiet();
        let mut sending = true;
        let (mut out, mut err) = (vec![0; 32 * 1024], vec![0; 4 * 1024]);
        loop {
            tokio::select! {
                () = &mut hang_up, if sending => sending = false,
                read = self.stdout.read(&mut out) => {
                    let Ok(n @ 1..) = read else { return Ok(Heard::Silence) };
                    self.out_tail.push(&out[..n]);
                    if let Some(heard) = self.hear(&out[..n], on_line)? {
                        return Ok(heard);
                    }
                    quiet = self.quiet();
                }
                read = self.stderr.read(&mut err), if self.errors_open => match read {
                    Ok(n @ 1..) => self.err_tail.push(&err[..n]),
                    _ => self.errors_open = false,
                },
                () = &mut limit => return Err(self.call.timeout(self.script.limit)),
                () = &mut quiet => {
                    return Err(self.call.timeout(self.script.quiet.unwrap_or_default()));
                }
            }
        }
    }

    fn quiet(&self) -> Pin<Box<Sleep>> {
        // Without a promise the limit is the only bound; one second more never comes first.
        let never = self.script.limit.saturating_add(Duration::from_secs(1));
        Box::pin(sleep(self.script.quiet.unwrap_or(never)))
    }

    fn hear(
        &mut self,
        bytes: &[u8],
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<Heard>, RunError> {
        self.parser.feed(bytes, on_line);
        match self.parser.stage() {
            Stage::Ended(words) => Ok(Some(Heard::End(words.clone()))),
            Stage::Refused(why) => Err(self.call.wire(why.clone())),
            Stage::Before | Stage::Inside => Ok(None),
        }
    }

    /// Reads what is still on its way on standard error.
    async fn drain(&mut self) {
        let mut buffer = vec![0; 4 * 1024];
        let rest = async {
            while self.errors_open {
                match self.stderr.read(&mut buffer).await {
                    Ok(n @ 1..) => self.err_tail.push(&buffer[..n]),
                    _ => self.errors_open = false,
                }
            }
        };
        let _ = timeout(AFTER_END, rest).await;
    }

    /// Both streams' last lines, without the framing's empty lines.
    fn tail(&self) -> String {
        let mut errors = Tail::new(TAIL_KEPT);
        errors.push(self.err_tail.text().as_bytes());
        let text = format!("{}\n{}", self.out_tail.text(), errors.text());
        let lines: Vec<&str> = text.lines().filter(|l| !l.is_empty()).collect();
        lines.join("\n")
    }
}
