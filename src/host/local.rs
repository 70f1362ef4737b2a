//! `connection: local`: the machine that `deploy` itself runs on, without SSH.
//!
//! Also what tests run scripts with: [`Local`] can name another shell and other variables. And the
//! door to other programs here: credential helpers, commands that print a secret.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::call::{BoxError, Channel, Exit};
use super::wire;

/// How scripts are run on this machine.
#[derive(Debug, Clone)]
pub struct Local {
    /// The shell and its first arguments, e.g. `["busybox", "sh"]`; `-c` and the bootstrap follow.
    pub shell: Vec<String>,
    /// Variables that are set for it, beside those of this process.
    pub env: Vec<(String, String)>,
    /// Where it starts; the home of a login over SSH has no equal here, so `/` where not told.
    pub dir: PathBuf,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            shell: vec!["sh".to_owned()],
            env: Vec::new(),
            dir: PathBuf::from("/"),
        }
    }
}

impl Local {
    #[expect(clippy::disallowed_methods, reason = "the door to local processes")]
    pub(super) fn open(&self, root: bool, kept: bool) -> Result<Channel, BoxError> {
        let sudo: &[&str] = if root { &["sudo", "-n"] } else { &[] };
        let mut words = sudo
            .iter()
            .copied()
            .chain(self.shell.iter().map(String::as_str));
        let mut command = Command::new(words.next().unwrap_or("sh"));
        command.args(words);
        if kept {
            command.args(["-c", wire::lane(), "sh"]).args(&self.shell);
        }
        command
            .args(["-c", wire::boot()])
            .envs(self.env.iter().cloned())
            .current_dir(&self.dir)
            // A Ctrl-C on our terminal is ours to answer, not the script's; and the script may end
            // its own process group.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let missing = || BoxError::from("the process has no pipe");
        Ok(Channel {
            stdin: Box::new(child.stdin.take().ok_or_else(missing)?),
            stdout: Box::new(child.stdout.take().ok_or_else(missing)?),
            stderr: Box::new(child.stderr.take().ok_or_else(missing)?),
            exit: Box::pin(async move {
                match child.wait().await {
                    Ok(status) => status.code().map_or(Exit::Unknown, Exit::Status),
                    Err(source) => Exit::Lost(source.into()),
                }
            }),
        })
    }
}

/// What a program on this machine did. Its output may be secret: there is no `Debug`.
pub struct Output {
    /// Exit status; `None` where a signal ended it.
    pub status: Option<i32>,
    /// All that it printed.
    pub stdout: Vec<u8>,
    /// All that it complained of.
    pub stderr: Vec<u8>,
}

/// Runs a program on this machine, without a shell and without a terminal, with `input` on its
/// standard input. It is killed where it takes longer than `limit` or the future is dropped.
///
/// # Errors
/// The program cannot be started, or did not end in time (`TimedOut`).
pub async fn output<S: AsRef<std::ffi::OsStr>>(
    program: &str,
    args: &[S],
    input: &[u8],
    limit: Duration,
) -> io::Result<Output> {
    output_in(None, program, args, input, limit).await
}

/// The same, in a directory.
///
/// # Errors
/// As [`output`].
#[expect(clippy::disallowed_methods, reason = "the door to local processes")]
pub async fn output_in<S: AsRef<std::ffi::OsStr>>(
    dir: Option<&std::path::Path>,
    program: &str,
    args: &[S],
    input: &[u8],
    limit: Duration,
) -> io::Result<Output> {
    let mut command = Command::new(program);
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let mut child = command
        .args(args)
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // It need not read what it does not want.
            let _ = stdin.write_all(input).await;
        }
    };
    let both = async { tokio::join!(write, child.wait_with_output()).1 };
    let done = timeout(limit, both)
        .await
        .map_err(|late| io::Error::new(io::ErrorKind::TimedOut, late))??;
    Ok(Output {
        status: done.status.code(),
        stdout: done.stdout,
        stderr: done.stderr,
    })
}

/// Runs a program on this machine with our own three streams, terminal and all. Its exit status;
/// `None` where a signal ended it.
///
/// # Errors
/// The program cannot be started.
#[expect(clippy::disallowed_methods, reason = "the door to local processes")]
pub(super) async fn with_our_streams(program: &str, args: &[String]) -> io::Result<Option<i32>> {
    let mut child = Command::new(program)
        .args(args)
        .kill_on_drop(true)
        .spawn()?;
    Ok(child.wait().await?.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_gets_its_words_and_input_untouched() {
        let words = [
            "-c",
            "cat; printf '[%s]' \"$1\"; echo no >&2; exit 3",
            "sh",
            "$(x) 'y'",
        ];
        let big = vec![b'x'; 300_000];
        let out = output("sh", &words, &big, Duration::from_secs(10)).await;
        let out = out.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(out.status, Some(3));
        assert_eq!(out.stdout.len(), 300_000 + "[$(x) 'y']".len());
        assert!(out.stdout.ends_with(b"[$(x) 'y']"));
        assert_eq!(out.stderr, b"no\n");
    }

    #[tokio::test]
    async fn a_program_that_hangs_or_is_not_there_is_an_error() {
        let hangs = output("sleep", &["60"], b"", Duration::from_millis(100)).await;
        assert_eq!(hangs.err().map(|e| e.kind()), Some(io::ErrorKind::TimedOut));
        let none: [&str; 0] = [];
        let absent = output("/nonexistent", &none, b"", Duration::from_secs(1)).await;
        assert_eq!(
            absent.err().map(|e| e.kind()),
            Some(io::ErrorKind::NotFound)
        );
    }
}
