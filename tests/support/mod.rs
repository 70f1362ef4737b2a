//! What tests on the real fleet need: the fleet for themselves, load with its result, the tool with its answer.
//!
//! A case takes `Fleet::take()` (waits for its turn, puts the fleet back to a clean state), starts `Load`, runs `Tool`, and
//! asserts on `Summary`. To add a fault: `script/fleet` first, then `Fleet::fault` carries it.

pub mod blocks;
pub mod journal;
pub mod load;
pub mod project;
pub mod shop;
pub mod tool;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The fleet, for one test at a time: the lock file is shared with `script/fleet with`, other processes included.
pub struct Fleet {
    state: PathBuf,
    _turn: File,
}

impl Fleet {
    /// Waits until nobody else uses the fleet, and resets it.
    ///
    /// # Panics
    /// Where `DEPLOY_FLEET` does not name a fleet that is up: a test that was asked to run never passes by doing nothing.
    pub fn take() -> Self {
        let state = PathBuf::from(env("DEPLOY_FLEET"));
        let turn = File::create(state.join("in-use.lock"))
            .expect("DEPLOY_FLEET names the state of a fleet");
        turn.lock().expect("a lock on the fleet");
        let fleet = Self { state, _turn: turn };
        fleet.script(&["--quiet", "reset"]);
        fleet
    }

    /// `script/fleet ARGS…` for this fleet; its standard output.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    pub fn script(&self, args: &[&str]) -> String {
        let name = self.state.file_name().expect("a name");
        let output = Command::new(root().join("script/fleet"))
            .args(args)
            .env("FLEET_NAME", name)
            .output()
            .expect("script/fleet starts");
        assert!(
            output.status.success(),
            "script/fleet {args:?}: {}",
            said(&output)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// As root on a host, without SSH.
    pub fn exec(&self, host: &str, command: &[&str]) -> String {
        self.script(&[&["exec", host], command].concat())
    }

    /// A fault of `script/fleet fault`; the next test's reset takes it back.
    pub fn fault(&self, kind: &str, args: &[&str]) {
        self.script(&[&["fault", kind], args].concat());
    }

    /// SSH commands that a host's sshd has started since the reset: counted there, not by the tool itself.
    pub fn sessions(&self, host: &str) -> u32 {
        let line = self.script(&["sessions", host]);
        line.split_whitespace()
            .nth(1)
            .and_then(|count| count.parse().ok())
            .expect("a count")
    }

    /// The address of a host.
    pub fn address(&self, host: &str) -> String {
        let hosts = std::fs::read_to_string(self.state.join("hosts")).expect("the fleet's hosts");
        let find = |line: &str| -> Option<String> {
            let mut words = line.split(' ');
            (words.next() == Some(host)).then(|| words.next().unwrap_or_default().to_owned())
        };
        hosts
            .lines()
            .find_map(find)
            .unwrap_or_else(|| panic!("no host {host} in the fleet"))
    }

    /// The file that makes ssh find the hosts.
    pub fn ssh_config(&self) -> PathBuf {
        self.state.join("ssh_config")
    }

    /// Containers on a host as `docker ps -a` shows them, by Go template.
    pub fn containers(&self, host: &str, format: &str) -> Vec<String> {
        let text = self.exec(host, &["docker", "ps", "-a", "--format", format]);
        text.lines().map(str::to_owned).collect()
    }
}

/// The folder of the package.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a process said, for messages of failed assertions.
pub fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{}\n--- stdout\n{out}\n--- stderr\n{err}", output.status)
}

fn env(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; run fleet tests by script/test --fleet"))
}
