//! The journals of all hosts, read from this machine without a process: so a test can act at an exact line.

use super::Fleet;
use super::shop::{LBS, Shop, WEBS};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The journals of `staging app`.
pub struct Journals {
    files: Vec<PathBuf>,
    hosts: Vec<&'static str>,
}

impl Journals {
    /// Where they are: the file systems of the hosts, as their first processes see them.
    pub fn of(shop: &Shop) -> Self {
        let hosts: Vec<_> = WEBS.into_iter().chain(LBS).collect();
        let file =
            |host: &&str| root_of(&shop.fleet, host).join("var/lib/deploy/staging/app/journal");
        Self {
            files: hosts.iter().map(file).collect(),
            hosts,
        }
    }

    /// Lines of one host with this word in them.
    pub fn of_host(&self, host: &str, word: &str) -> usize {
        let at = self.hosts.iter().position(|h| *h == host);
        let text = std::fs::read(&self.files[at.expect("a host of the fleet")]).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter(|l| l.contains(word))
            .count()
    }

    /// Waits until there are so many of them.
    ///
    /// # Panics
    /// Where that takes longer than a minute.
    pub fn wait_for_line(&self, host: &str, word: &str, count: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.of_host(host, word) < count {
            assert!(Instant::now() < end, "{host}: no line with `{word}`");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lines in all of them.
    pub fn lines(&self) -> usize {
        let of = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
        let lines = |text: Vec<u8>| text.iter().filter(|b| **b == b'\n').count();
        self.files.iter().map(of).map(lines).sum()
    }

    /// Waits until there are so many.
    ///
    /// # Panics
    /// Where that takes longer than a minute.
    pub fn wait_for(&self, lines: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.lines() < lines {
            assert!(Instant::now() < end, "{} lines, not {lines}", self.lines());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The file system of a host of the fleet.
fn root_of(fleet: &Fleet, host: &str) -> PathBuf {
    let pid = fleet.script(&["pid", host]);
    PathBuf::from(format!("/proc/{}/root", pid.trim()))
}
