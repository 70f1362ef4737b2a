//! The load client, started and stopped around what a test does.

use super::{Fleet, env};
use serde_json::Value;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Load that runs until `stop`.
pub struct Load {
    child: Child,
    folder: TempDir,
}

/// What came of it.
#[derive(Debug)]
pub struct Summary {
    /// The client's exit code was 0: nothing failed, and all that was expected happened.
    pub good: bool,
    pub ok: u64,
    pub failed: u64,
    /// All of the summary, as in `tests/fleet/load/tally.rs`.
    pub json: Value,
}

impl Load {
    /// All modes at once against both load balancers: 320 connections, 330 requests per second, and `more` options.
    /// Returns as soon as every connection has had its turn.
    pub fn start(fleet: &Fleet, host: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let targets = ["lb1", "lb2"].map(|name| format!("{}:80", fleet.address(name)));
        let child = Command::new(env("DEPLOY_LOAD"))
            .args([
                "--target",
                &targets[0],
                "--target",
                &targets[1],
                "--host",
                host,
            ])
            .args([
                "--until-file",
                &file("stop"),
                "--progress",
                &file("progress"),
                "--json",
                &file("summary"),
            ])
            .args(more)
            .spawn()
            .expect("the load client starts");
        let load = Self { child, folder };
        load.wait_until("the load runs", Duration::from_secs(20), |progress| {
            progress["ok"].as_u64() > Some(400)
        });
        load
    }

    /// Waits for what the progress file says.
    ///
    /// # Panics
    /// Where it does not say so in time.
    pub fn wait_until(&self, what: &str, limit: Duration, reached: impl Fn(&Value) -> bool) {
        let end = Instant::now() + limit;
        let mut last = Value::Null;
        while Instant::now() < end {
            if let Ok(text) = std::fs::read_to_string(self.folder.path().join("progress")) {
                last = serde_json::from_str(&text).expect("progress is JSON");
                if reached(&last) {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not within {limit:?}: {what}; the load client says {last}");
    }

    /// Lets the load run for a while more.
    pub fn go_on(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Ends the load, waits for open requests, and reads the result.
    pub fn stop(mut self) -> Summary {
        std::fs::write(self.folder.path().join("stop"), "").expect("the stop file");
        let status = self.child.wait().expect("the load client ends");
        let text = std::fs::read_to_string(self.folder.path().join("summary")).expect("a summary");
        let json: Value = serde_json::from_str(&text).expect("the summary is JSON");
        let count = |name: &str| json[name].as_u64().expect("a count");
        Summary {
            good: status.success(),
            ok: count("ok"),
            failed: count("failed"),
            json,
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // After `stop` the child is gone already; this is for tests that panic.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Summary {
    /// Requests that a release has answered.
    pub fn answered_by(&self, release: &str) -> u64 {
        self.json["releases"][release]["count"]
            .as_u64()
            .unwrap_or(0)
    }

    /// Failed requests of one client mode.
    pub fn failed_in(&self, mode: &str) -> u64 {
        self.json["modes"][mode]["failed"].as_u64().unwrap_or(0)
    }

    /// Nothing failed, in any mode.
    ///
    /// # Panics
    /// With the first failures and every complaint.
    pub fn assert_good(&self) {
        let failures: Vec<_> = self.json["failures"]
            .as_array()
            .into_iter()
            .flatten()
            .take(5)
            .collect();
        assert!(
            self.good,
            "{} requests failed, {} were answered; {}; first: {failures:#?}",
            self.failed, self.ok, self.json["complaints"]
        );
    }
}
