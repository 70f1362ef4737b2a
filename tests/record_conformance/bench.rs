//! Where scripts run: a folder of their own, one shell, a clock that stands still, stubs on PATH.
//!
//! Nothing here can be reached from outside of tests: the clock is set by editing the text of the
//! script before it is sent, crashes and power cuts by programs that stand before the real ones.

use std::path::{Path, PathBuf};
use std::process::Command;

use deploy::host::Host;
use deploy::host::local::Local;
use deploy::host::script::{Reply, RunError, Script};
use deploy::name::{AppName, EnvName, HostName};
use deploy::record::Scope;

/// A shell that scripts are run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    Dash,
    Bash,
    Busybox,
}

impl Shell {
    /// The shells that are installed.
    pub fn all() -> Vec<Self> {
        let found = |shell: &Self| {
            let there = Path::new("/bin").join(shell.program()).exists();
            if !there {
                eprintln!("SKIPPED: {} is not installed", shell.program());
            }
            there
        };
        let all = [Self::Dash, Self::Busybox, Self::Bash];
        all.into_iter().filter(found).collect()
    }
    fn program(self) -> &'static str {
        match self {
            Self::Dash => "dash",
            Self::Bash => "bash",
            Self::Busybox => "busybox",
        }
    }
}

/// Programs that busybox brings itself; under that shell they stand before the others. Not its
/// `timeout`: its watcher keeps the lock for up to a second after the body ended, so that the next
/// verb would wait, or not, by chance.
const APPLETS: &[&str] = &[
    "cat", "chgrp", "chmod", "date", "dd", "find", "flock", "head", "kill", "ln", "ls", "mkdir",
    "mv", "rm", "sleep", "stat", "sync", "tail", "wc",
];
/// Programs that a crash can happen at.
const STOPS: &[&str] = &[
    "sync", "mv", "flock", "rm", "mkdir", "ln", "find", "timeout", "cat",
];
const SYSTEM: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// How the system behaves when the script calls `sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The real one.
    Real,
    /// Does nothing: for what does not look at durability.
    Fast,
    /// Notes what became durable, so that [`Bench::power_cut`] can put it back.
    Watched,
}

/// A folder, a shell and a clock.
pub struct Bench {
    pub scope: Scope,
    pub shell: Shell,
    dir: tempfile::TempDir,
    host: Host,
    local: Local,
    runtime: tokio::runtime::Runtime,
    /// Texts to be replaced in every script: guards that are removed.
    pub edits: Vec<(&'static str, &'static str)>,
}

impl Bench {
    pub fn new(shell: Shell, disk: Disk) -> Self {
        // Not in /tmp, which may be in memory: there `sync` costs nothing.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let program = which(shell.program());
        link(&program, &bin.join("sh"));
        if shell == Shell::Busybox {
            for applet in APPLETS.iter().filter(|a| busybox_has(a)) {
                link(&program, &bin.join(applet));
            }
        }
        let local = Local {
            shell: vec![bin.join("sh").to_str().unwrap().to_owned()],
            env: vec![("PATH".into(), format!("{}:{SYSTEM}", bin.display()))],
            dir: PathBuf::from("/"),
        };
        let scope = Scope {
            root: dir.path().join("deploy").to_str().unwrap().to_owned(),
            env: EnvName::new("staging").unwrap(),
            app: AppName::new("app").unwrap(),
            sudo: false,
        };
        let bench = Self {
            scope,
            shell,
            host: Host::local(HostName::new("web1").unwrap(), local.clone()),
            local,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            dir,
            edits: Vec::new(),
        };
        match disk {
            Disk::Real => {}
            Disk::Fast => {
                std::fs::remove_file(bench.bin().join("sync")).ok();
                link(&which("true"), &bench.bin().join("sync"));
            }
            Disk::Watched => bench.watch_disk(),
        }
        bench.clock("boot-1", 1000, 0);
        bench
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    pub fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }
    /// The record of the app.
    pub fn state(&self) -> PathBuf {
        Path::new(&self.scope.root).join("staging/app")
    }
    pub fn read(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.state().join(file)).ok()
    }
    /// Makes hosts that run scripts here, each with a connection of its own.
    pub fn host(&self) -> impl Fn() -> Host + Clone + use<> {
        let local = self.local.clone();
        move || Host::local(HostName::new("web1").unwrap(), local.clone())
    }
    pub fn runtime(&self) -> &tokio::runtime::Runtime {
        &self.runtime
    }

    /// Sets the clock: which boot, uptime, and the uptime at which pid 1 began.
    pub fn clock(&self, boot: &str, uptime: u64, born: u64) {
        let proc = self.path().join("proc");
        std::fs::create_dir_all(proc.join("sys/kernel/random")).unwrap();
        std::fs::create_dir_all(proc.join("1")).unwrap();
        std::fs::write(proc.join("uptime"), format!("{uptime}.42 9.99\n")).unwrap();
        std::fs::write(proc.join("sys/kernel/random/boot_id"), format!("{boot}\n")).unwrap();
        let before = "S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0";
        let stat = format!("1 (a ) b) {before} {} 0 0\n", born * 100);
        std::fs::write(proc.join("1/stat"), stat).unwrap();
    }

    /// The script as it is sent: with the clock of the bench and without the removed guards.
    pub fn prepared(&self, mut script: Script) -> Script {
        let clock = format!("clock='{}'", self.path().join("proc").display());
        let mut text = script.text.replacen("clock=/proc", &clock, 1);
        for (from, to) in &self.edits {
            text = text.replace(from, to);
        }
        script.text = text.into();
        script
    }

    pub async fn send(&self, script: Script) -> Result<Reply, RunError> {
        self.host.run(self.prepared(script)).await
    }
    pub fn run(&self, script: Script) -> Result<Reply, RunError> {
        self.runtime.block_on(self.send(script))
    }
    /// Runs a script that has to answer.
    pub fn ask(&self, script: Script) -> Reply {
        let name = script.name;
        let reply = self.run(script);
        reply.unwrap_or_else(|e| panic!("{name} under {:?}: {e} {e:?}", self.shell))
    }

    /// From now on the `n`-th call of a program in [`STOPS`] ends the script, before or after the
    /// program does its work.
    pub fn crash_at(&self, n: u32, after: bool) {
        for tool in STOPS {
            self.stub(tool, CRASH);
        }
        let when = if after { "after" } else { "before" };
        std::fs::write(self.path().join("crash"), format!("{n} {when}\n")).unwrap();
        std::fs::write(self.path().join("count"), "0\n").unwrap();
    }
    /// Whether the crash happened; programs are whole again afterwards.
    pub fn crashed(&self) -> bool {
        let happened = self.path().join("crashed");
        std::fs::remove_file(self.path().join("crash")).ok();
        for tool in STOPS {
            let (real, at) = (self.path().join("real").join(tool), self.bin().join(tool));
            // The stub that watches the disk stands below and stays.
            let watched = *tool == "sync" && self.path().join("durable").exists();
            if real.exists() && !watched {
                std::fs::rename(real, at).unwrap();
            }
        }
        std::fs::remove_file(happened).is_ok()
    }

    /// Puts a program of ours before the real one, which stays reachable as `real/<tool>`.
    pub fn stub(&self, tool: &str, text: &str) {
        let (real, at) = (self.path().join("real"), self.bin().join(tool));
        std::fs::create_dir_all(&real).unwrap();
        if real.join(tool).exists() {
            return;
        }
        if at.exists() {
            std::fs::rename(&at, real.join(tool)).unwrap();
        } else {
            link(&which(tool), &real.join(tool));
        }
        std::fs::write(&at, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&at, mode).unwrap();
    }

    /// From now on `sync` notes what is durable: the content of files, the entries of folders.
    fn watch_disk(&self) {
        std::fs::create_dir_all(self.path().join("durable")).unwrap();
        self.stub("sync", SYNC);
    }
    /// The power fails: the record is what `sync` had made durable, nothing else.
    pub fn power_cut(&self) {
        let root = Path::new(&self.scope.root);
        if !root.exists() {
            return;
        }
        let key = Command::new("stat")
            .args(["-c", "%i-%W.%w", &self.scope.root])
            .output()
            .unwrap();
        let key = name_of(&String::from_utf8(key.stdout).unwrap());
        let cut = self.path().join("cut");
        std::fs::create_dir(&cut).unwrap();
        self.rebuild(&key, &cut);
        std::fs::remove_dir_all(root).unwrap();
        std::fs::rename(&cut, root).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o2770);
        std::fs::set_permissions(root, mode).unwrap();
        // The rebuilt folders are new to the disk: all they hold is durable.
        let all = Command::new("find")
            .args([&self.scope.root, "-depth", "-exec"])
            .arg(self.bin().join("sync"))
            .args(["{}", "+"])
            .status();
        assert!(all.unwrap().success());
    }
    fn rebuild(&self, key: &str, into: &Path) {
        let durable = self.path().join("durable");
        let entries = std::fs::read_to_string(durable.join(format!("dir.{key}")));
        for entry in entries.unwrap_or_default().lines() {
            let [kind, key, name] = entry.splitn(3, '|').collect::<Vec<_>>()[..] else {
                panic!("{entry}");
            };
            let (key, at) = (name_of(key), into.join(name));
            if kind == "directory" {
                std::fs::create_dir(&at).unwrap();
                self.rebuild(&key, &at);
            } else {
                let data = std::fs::read(durable.join(format!("data.{key}")));
                std::fs::write(&at, data.unwrap_or_default()).unwrap();
            }
        }
    }
}

fn name_of(key: &str) -> String {
    key.trim().replace([' ', ':', '+'], "_")
}

/// Ends the whole process group, as a dying machine would: `timeout` and what it started live in a
/// group of their own and go on.
const CRASH: &str = r#"#!/bin/dash
top=${0%/bin/*} tool=${0##*/}
real=$top/real/$tool
read -r want when 2>/dev/null <"$top/crash" || exec "$real" "$@"
read -r count <"$top/count"
count=$((count + 1))
echo "$count" >"$top/count"
[ "$count" = "$want" ] || exec "$real" "$@"
[ "$when" = before ] || "$real" "$@"
: >"$top/crashed"
kill -9 0
"#;

/// `sync` that does nothing but to note what it would have made durable.
const SYNC: &str = r#"#!/bin/dash
top=${0%/bin/*}
hit=
if read -r want when 2>/dev/null <"$top/crash"; then
  read -r count <"$top/count"
  count=$((count + 1))
  echo "$count" >"$top/count"
  [ "$count" != "$want" ] || hit=$when
fi
die() {
  : >"$top/crashed"
  kill -9 0
}
[ "$hit" != before ] || die
key() { k=$(/usr/bin/stat -c '%i-%W.%w' "$1" | tr ' :+' '___'); }
for f; do
  [ -e "$f" ] || exit 1
  key "$f"
  if [ -d "$f" ]; then
    (cd "$f" && for e in * .[!.]*; do [ ! -e "$e" ] || /usr/bin/stat -c '%F|%i-%W.%w|%n' "$e"; done) |
      sed 's/^regular empty file/regular file/' >"$top/durable/dir.$k"
  else
    cat "$f" >"$top/durable/data.$k"
  fi
done
[ "$hit" != after ] || die
"#;

fn link(to: &Path, at: &Path) {
    std::os::unix::fs::symlink(to, at).unwrap();
}
fn which(program: &str) -> PathBuf {
    SYSTEM
        .split(':')
        .map(|d| Path::new(d).join(program))
        .find(|p| p.exists())
        .unwrap_or_else(|| panic!("{program} is not installed"))
}
fn busybox_has(applet: &str) -> bool {
    static LIST: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let list = LIST.get_or_init(|| {
        let out = Command::new("busybox").arg("--list").output().unwrap();
        String::from_utf8(out.stdout).unwrap()
    });
    list.lines().any(|l| l == applet)
}

/// Whether to run the long version.
pub fn long() -> bool {
    std::env::var("DEPLOY_LONG").is_ok_and(|v| v == "1")
}
