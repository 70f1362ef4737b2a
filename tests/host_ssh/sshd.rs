//! An sshd of the test's own on 127.0.0.1, and the processes around it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deploy::host::{Address, Connector, Host, Settings, Target};
use deploy::name::HostName;

/// An sshd with its own keys that lets this user in.
pub struct Sshd {
    dir: tempfile::TempDir,
    daemon: Child,
    pub port: u16,
}

impl Sshd {
    /// Starts one with extra lines of configuration; `None` where there is no sshd here.
    pub fn start(extra: &str) -> Option<Self> {
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"]
            .into_iter()
            .find(|p| Path::new(p).exists());
        let Some(program) = program else {
            eprintln!("skipped: no sshd on this machine");
            return None;
        };
        // sshd insists on its empty directory where it runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let dir = tempfile::Builder::new()
            .prefix("d")
            .tempdir_in("/tmp")
            .unwrap();
        for name in ["host", "user", "other"] {
            let key = dir.path().join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(key)
                .status();
            assert!(made.unwrap().success());
        }
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        let (daemon, port) = (0..20)
            .find_map(|_| listen(program, dir.path(), extra))
            .expect("one of twenty ports is free");
        let sshd = Self { dir, daemon, port };
        sshd.trust("host");
        sshd.config("user", "");
        Some(sshd)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes the key called `name` the one that is known for this host.
    pub fn trust(&self, name: &str) {
        let key = std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        let line = format!("[127.0.0.1]:{} {key}", self.port);
        std::fs::write(self.path("known_hosts"), line).unwrap();
    }

    /// The user's ssh configuration, with the key called `key`.
    pub fn config(&self, key: &str, extra: &str) {
        let text = format!(
            "{extra}\nHost *\n IdentityFile {}\n IdentitiesOnly yes\n IdentityAgent none\n UserKnownHostsFile {}\n \
             GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n KexAlgorithms curve25519-sha256\n",
            self.path(key).display(),
            self.path("known_hosts").display()
        );
        std::fs::write(self.path("ssh_config"), text).unwrap();
    }

    pub fn connector(&self) -> Connector {
        let mut settings = Settings::new(self.path("c"));
        settings.ssh_config = Some(self.path("ssh_config"));
        settings.connect_timeout = Duration::from_secs(2);
        Connector::new(settings)
    }

    pub fn address(&self) -> Address {
        address("here", "127.0.0.1", Some(self.port))
    }

    pub async fn connect(&self) -> Host {
        match self.connector().connect(&self.address()).await {
            Ok(host) => host,
            Err(error) => panic!("{error}: {}", error.source),
        }
    }

    /// Masters of this test that are still there, by the directory on their command line.
    pub fn masters(&self) -> Vec<u32> {
        let mark = self.path("c").display().to_string();
        processes(|line| line.contains(&mark))
    }

    /// The sshd processes that serve connections to it.
    pub fn serving(&self) -> Vec<u32> {
        let parent = self.daemon.id();
        let parent_of = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit(')')
                .next()?
                .split_whitespace()
                .nth(1)?
                .parse::<u32>()
                .ok()
        };
        processes(|_| true)
            .into_iter()
            .filter(|pid| parent_of(*pid) == Some(parent))
            .collect()
    }
}

/// One try at one port: `None` where another socket has it. The ports lie below those that the kernel
/// hands to connections: a connection of another test would hold one of these for a while.
fn listen(program: &str, dir: &Path, extra: &str) -> Option<(Child, u16)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let turn = std::process::id() * 31 + NEXT.fetch_add(1, Ordering::Relaxed);
    let port = 10_000 + u16::try_from(turn % 20_000).unwrap();
    let at = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nAcceptEnv none\n{extra}\n",
        at("host"),
        at("authorized"),
    );
    std::fs::write(at("sshd_config"), text).unwrap();
    let mut daemon = Command::new(program)
        .args(["-D", "-e", "-f", &at("sshd_config")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(at("sshd.log")).unwrap())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(at("sshd.log")).unwrap_or_default();
    // Its own word, and not a connection: another's socket would answer that as well.
    let up = wait(Duration::from_secs(10), || {
        said().contains("Server listening on") || daemon.try_wait().unwrap().is_some()
    });
    if said().contains("Server listening on") {
        return Some((daemon, port));
    }
    let _ = daemon.kill();
    let _ = daemon.wait();
    assert!(up && said().contains("already in use"), "{}", said());
    None
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for pid in self.serving() {
            signal("KILL", pid);
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

pub fn processes(wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        wanted(&String::from_utf8_lossy(&line)).then_some(pid)
    })
    .collect()
}

pub fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

pub fn wait(within: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < within {
        if ready() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

pub fn address(name: &str, host: &str, port: Option<u16>) -> Address {
    Address {
        name: HostName::new(name).unwrap(),
        target: Target::Ssh {
            host: host.to_owned(),
            user: None,
            port,
            options: Vec::new(),
        },
    }
}

/// These processes and their children that belong to sshd.
pub fn descendants(of: &[u32]) -> Vec<u32> {
    let mut all = of.to_vec();
    for pid in of {
        let list =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        all.extend(
            list.split_whitespace()
                .filter_map(|w| w.parse::<u32>().ok()),
        );
    }
    all
}
