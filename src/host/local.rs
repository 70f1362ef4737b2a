//! `connection: local`: the machine that `deploy` itself runs on, without SSH.
//!
//! Also what tests run scripts with: [`Local`] can name another shell and other variables.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

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
    pub(super) fn open(&self, root: bool) -> Result<Channel, BoxError> {
        let sudo: &[&str] = if root { &["sudo", "-n"] } else { &[] };
        let mut words = sudo
            .iter()
            .copied()
            .chain(self.shell.iter().map(String::as_str));
        let mut command = Command::new(words.next().unwrap_or("sh"));
        command
            .args(words)
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
