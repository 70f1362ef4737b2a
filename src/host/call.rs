//! One call: send a script over a channel, read its answer, watch the clock.
//!
//! The same for every transport. A transport opens a [`Channel`]; what follows is decided here.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

use super::lane::Left;
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
/// How long a lane may take to say that it is at rest: what is near its end has to end by itself.
const AT_REST: Duration = Duration::from_millis(500);
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
    let (stdin, exit) = (channel.stdin, channel.exit);
    let mut talk = Talk::new(call, script, nonce, (channel.stdout, channel.stderr));
    let sent = send(stdin, message, script.tied);
    tokio::pin!(sent);
    match talk.listen(&mut sent, on_line).await? {
        Heard::End(words) => {
            let took = clock.elapsed();
            talk.drain().await;
            Ok(talk.reply(words, took))
        }
        Heard::Silence => {
            talk.drain().await;
            Err(talk.silence(exit).await)
        }
    }
}

/// Runs a script in a lane, whose form the message has; gives the lane back where it is at rest.
pub(super) async fn exchange_in_lane(
    call: Call<'_>,
    script: &Script,
    (nonce, message): (String, Vec<u8>),
    channel: Channel,
    on_line: &mut (dyn FnMut(&str) + Send),
) -> Result<(Reply, Option<Channel>), RunError> {
    let clock = Clock::system();
    let (mut stdin, exit) = (channel.stdin, channel.exit);
    let left = (Left::new(&nonce), Left::new(&nonce));
    let mut talk = Talk::new(call, script, nonce, (channel.stdout, channel.stderr));
    talk.left = Some(left);
    let mut whole = false;
    let heard = {
        let sent = async {
            whole = stdin.write_all(&message).await.is_ok() && stdin.flush().await.is_ok();
        };
        tokio::pin!(sent);
        let heard = talk.listen(&mut sent, on_line).await?;
        if matches!(heard, Heard::End(_)) {
            // It may have ended before it had read all of its data.
            talk.rest(&mut sent).await;
        }
        heard
    };
    match heard {
        Heard::End(words) => {
            let took = clock.elapsed();
            let at_rest = whole && talk.at_rest();
            let reply = talk.reply(words, took);
            let lane = at_rest.then_some(Channel {
                stdin,
                stdout: talk.stdout,
                stderr: talk.stderr,
                exit,
            });
            Ok((reply, lane))
        }
        Heard::Silence => {
            talk.drain().await;
            Err(talk.silence(exit).await)
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
    /// All has been written.
    sent: bool,
    /// In a lane: what it says on both streams when the script has ended.
    left: Option<(Left, Left)>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    stderr: Box<dyn AsyncRead + Send + Unpin>,
    errors_open: bool,
    out_tail: Tail,
    err_tail: Tail,
}

type Streams = (
    Box<dyn AsyncRead + Send + Unpin>,
    Box<dyn AsyncRead + Send + Unpin>,
);

impl<'a> Talk<'a> {
    fn new(call: Call<'a>, script: &'a Script, nonce: String, streams: Streams) -> Self {
        Self {
            call,
            script,
            parser: Parser::new(nonce),
            sent: false,
            left: None,
            stdout: streams.0,
            stderr: streams.1,
            errors_open: true,
            out_tail: Tail::new(TAIL_KEPT),
            err_tail: Tail::new(STDERR_KEPT),
        }
    }

    async fn listen(
        &mut self,
        hang_up: &mut (impl Future<Output = ()> + Unpin + Send),
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Heard, RunError> {
        let limit = sleep(self.script.limit);
        tokio::pin!(limit);
        let mut quiet = self.quiet();
        let (mut out, mut err) = (vec![0; 32 * 1024], vec![0; 4 * 1024]);
        loop {
            tokio::select! {
                () = &mut *hang_up, if !self.sent => self.sent = true,
                read = self.stdout.read(&mut out) => {
                    let Ok(n @ 1..) = read else { return Ok(Heard::Silence) };
                    self.out_tail.push(&out[..n]);
                    if let Some(heard) = self.hear(&out[..n], on_line)? {
                        return Ok(heard);
                    }
                    quiet = self.quiet();
                }
                read = self.stderr.read(&mut err), if self.errors_open => match read {
                    Ok(n @ 1..) => self.complains(&err[..n]),
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
        if let Some((left, _)) = &mut self.left {
            left.feed(bytes);
        }
        match self.parser.stage() {
            Stage::Ended(words) => Ok(Some(Heard::End(words.clone()))),
            Stage::Refused(why) => Err(self.call.wire(why.clone())),
            Stage::Before | Stage::Inside => Ok(self.status().map(|_| Heard::Silence)),
        }
    }

    fn complains(&mut self, bytes: &[u8]) {
        self.err_tail.push(bytes);
        if let Some((_, left)) = &mut self.left {
            left.feed(bytes);
        }
    }

    /// The status with which a script ended, as its lane says.
    fn status(&self) -> Option<&str> {
        self.left.as_ref()?.0.said.as_deref()
    }

    fn at_rest(&self) -> bool {
        let both = self.left.as_ref();
        both.is_some_and(|(out, err)| out.said.is_some() && err.said.is_some())
    }

    /// Waits until a lane is at rest.
    async fn rest(&mut self, sent: &mut (impl Future<Output = ()> + Unpin + Send)) {
        let (mut out, mut err) = (vec![0; 4 * 1024], vec![0; 4 * 1024]);
        let rest = async {
            while !self.sent || !self.at_rest() {
                tokio::select! {
                    () = &mut *sent, if !self.sent => self.sent = true,
                    read = self.stdout.read(&mut out) => match (read, &mut self.left) {
                        (Ok(n @ 1..), Some((left, _))) => left.feed(&out[..n]),
                        _ => return,
                    },
                    read = self.stderr.read(&mut err), if self.errors_open => match read {
                        Ok(n @ 1..) => self.complains(&err[..n]),
                        _ => return,
                    },
                }
            }
        };
        let _ = timeout(AT_REST, rest).await;
    }

    fn reply(&self, words: Vec<String>, took: Duration) -> Reply {
        Reply {
            lines: Vec::new(),
            end: words,
            stderr: self.complaints(),
            took,
        }
    }

    /// What came on standard error, without the lane's own line.
    fn complaints(&self) -> String {
        let text = self.err_tail.text();
        let own = self.left.as_ref().map(|(_, left)| left.line());
        let Some(own) = own else { return text };
        // The line break before it is the lane's too.
        match text.find(&format!("\n{own}\n")) {
            Some(at) => format!("{}{}", &text[..at], &text[at + own.len() + 2..]),
            None => text,
        }
    }

    /// Why there is no answer.
    async fn silence(self, exit: Pin<Box<dyn Future<Output = Exit> + Send>>) -> RunError {
        if let Some(status) = self.status() {
            return self.call.no_end(status.parse().ok(), self.tail());
        }
        let exit = timeout(AFTER_OUTPUT, exit).await;
        match exit.unwrap_or(Exit::Unknown) {
            Exit::Lost(source) => self.call.connection(source),
            Exit::Status(status) => self.call.no_end(Some(status), self.tail()),
            Exit::Unknown => self.call.no_end(None, self.tail()),
        }
    }

    /// Reads what is still on its way on standard error.
    async fn drain(&mut self) {
        let mut buffer = vec![0; 4 * 1024];
        let rest = async {
            while self.errors_open {
                match self.stderr.read(&mut buffer).await {
                    Ok(n @ 1..) => self.complains(&buffer[..n]),
                    _ => self.errors_open = false,
                }
            }
        };
        let _ = timeout(AFTER_END, rest).await;
    }

    /// Both streams' last lines, without the framing's empty lines.
    fn tail(&self) -> String {
        let mut errors = Tail::new(TAIL_KEPT);
        errors.push(self.complaints().as_bytes());
        let text = format!("{}\n{}", self.out_tail.text(), errors.text());
        let own = self.left.as_ref().map(|(left, _)| left.line());
        let lanes = |l: &&str| own.as_deref().is_some_and(|own| l.starts_with(own));
        let lines: Vec<&str> = text
            .lines()
            .filter(|l| !l.is_empty() && !lanes(l))
            .collect();
        lines.join("\n")
    }
}
