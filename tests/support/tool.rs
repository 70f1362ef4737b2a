//! The tool itself, as an operator runs it.

use super::{Fleet, said};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A command line of `deploy`, in a project's folder, against a fleet.
pub struct Tool {
    command: Command,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Tool {
    /// `deploy ARGS…` without a terminal.
    pub fn new(fleet: &Fleet, folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_deploy"));
        command
            .args(args)
            .current_dir(folder)
            .env("DEPLOY_SSH_CONFIG", fleet.ssh_config())
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null());
        Self { command }
    }

    /// One more environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Answer {
        let begun = Instant::now();
        let output = self.command.output().expect("deploy starts");
        Answer::of(&output, begun.elapsed())
    }

    /// Starts it, for tests that interrupt it: `child.id()` is its process.
    pub fn start(mut self) -> Child {
        self.command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("deploy starts")
    }
}

impl Answer {
    /// Takes the answer of a tool that was started.
    pub fn of_child(child: Child, begun: Instant) -> Self {
        let output = child.wait_with_output().expect("deploy ends");
        Self::of(&output, begun.elapsed())
    }

    /// All that was said, both streams.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Every one of these words was said.
    ///
    /// # Panics
    /// With all that was said.
    pub fn assert_says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(
                self.said().contains(word),
                "no '{word}' in:\n{}",
                self.said()
            );
        }
        self
    }

    /// The word was not said.
    ///
    /// # Panics
    /// With all that was said.
    pub fn assert_silent_on(&self, word: &str) -> &Self {
        assert!(!self.said().contains(word), "'{word}' in:\n{}", self.said());
        self
    }

    fn of(output: &Output, took: Duration) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output
            .status
            .code()
            .unwrap_or_else(|| panic!("deploy was ended by a signal: {}", said(output)));
        Self {
            code,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            took,
        }
    }

    /// The exit code is this one.
    ///
    /// # Panics
    /// With all that was said.
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.took, self.stdout, self.stderr
        );
        self
    }
}
