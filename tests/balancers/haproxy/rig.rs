//! A real HAProxy on this machine with a folder, a socket and a port of its own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use deploy::balancer::{Driver, Target, driver, haproxy};

use crate::server::{Server, target};
use crate::world::{ask, available, free_port, wait_for};

/// A HAProxy with its own folder.
pub struct Rig {
    pub home: tempfile::TempDir,
    port: u16,
    shell: Vec<String>,
    process: Mutex<Option<Child>>,
}

impl Rig {
    /// Writes haproxy.cfg, `global` and `frontend` with more lines each.
    pub fn configure(&self, global: &str, frontend: &str) {
        let home = self.path("");
        let home = home.trim_end_matches('/');
        let conf = format!(
            "global\n    maxconn 1000\n    stats socket {home}/admin.sock mode 600 level admin\n{global}\n\
             defaults\n    mode http\n    timeout connect 2s\n    timeout client 65s\n    timeout server 65s\n    option idle-close-on-response\n    load-server-state-from-file global\n\
             frontend web\n    bind 127.0.0.1:{port}\n{lines}{frontend}    default_backend nobody\n\
             backend nobody\n    http-request return status 404\n",
            port = self.port,
            lines = haproxy::lines(&self.path("deploy")),
        );
        fs::write(self.path("haproxy.cfg"), conf).unwrap();
    }
    /// Commands to its socket.
    pub fn tell(&self, commands: &str) -> String {
        use std::io::{Read, Write};
        let mut socket = std::os::unix::net::UnixStream::connect(self.path("admin.sock")).unwrap();
        socket
            .write_all(format!("{commands}\n").as_bytes())
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Server for Rig {
    fn open() -> Option<Self> {
        if !available("haproxy") {
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        for dir in ["deploy", "record", "record/state"] {
            fs::create_dir(home.path().join(dir)).unwrap();
        }
        for map in ["hosts.map", "apps.map", "rules.map"] {
            fs::write(home.path().join("deploy").join(map), "").unwrap();
        }
        let rig = Self {
            home,
            port: free_port(),
            shell: vec!["sh".to_owned()],
            process: Mutex::new(None),
        };
        rig.configure("", "");
        rig.serve();
        Some(rig)
    }
    fn driver(&self) -> &'static dyn Driver {
        driver("haproxy").unwrap()
    }
    fn home(&self) -> &Path {
        self.home.path()
    }
    fn port(&self) -> u16 {
        self.port
    }
    fn shell(&self) -> &[String] {
        &self.shell
    }
    fn set_shell(&mut self, shell: Vec<String>) {
        self.shell = shell;
    }
    fn target(&self, app: &str, host: &str) -> Target {
        let settings = serde_json::json!({
            "dir": self.path("deploy"), "conf": self.path("haproxy.cfg"),
            "socket": self.path("admin.sock"),
        });
        target(app, host, self.port, settings)
    }
    fn serve(&self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("haproxy.log"))
            .unwrap();
        let child = Command::new("haproxy")
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .args(["-W", "-db", "-f", &self.path("haproxy.cfg"), "-f"])
            .arg(self.path("deploy"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(child);
        wait_for("HAProxy to answer", || {
            ask(self.port, "nobody").is_err_and(|status| status.contains(" 404 "))
        });
    }
    fn quit(&self) {
        let Some(mut child) = self.process.lock().unwrap().take() else {
            return;
        };
        let told = Command::new("kill").arg(child.id().to_string()).status();
        assert!(told.unwrap().success());
        child.wait().unwrap();
        // Workers end after their master.
        wait_for("HAProxy to end", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err()
        });
        let _ = fs::remove_file(self.path("admin.sock"));
    }
    fn reload(&self) {
        let before = self.reloads();
        let id = self.process.lock().unwrap().as_ref().unwrap().id();
        let told = Command::new("kill")
            .args(["-USR2", &id.to_string()])
            .status();
        assert!(told.unwrap().success());
        wait_for("the reload", || self.reloads() > before);
        thread::sleep(std::time::Duration::from_millis(300));
    }
    fn reloads(&self) -> usize {
        let log = fs::read_to_string(self.path("haproxy.log")).unwrap();
        log.matches("Reloading HAProxy").count()
    }
    fn spoil(&self) {
        self.configure("    nonsense on", "");
    }
    fn mend(&self) {
        self.configure("", "");
    }
    fn by_hand(&self, app: &str, from: &str, to: &str) {
        let map = format!("{}/apps.map", self.path("deploy"));
        let shown = self.tell(&format!("show map {map}"));
        let word = shown
            .split_whitespace()
            .find(|w| w.starts_with(&format!("{from}:")))
            .unwrap();
        let new = word.replacen(from, to, 1);
        self.tell(&format!("set map {map} staging.{app} {new}"));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.quit();
        if thread::panicking() {
            let log = fs::read_to_string(self.path("haproxy.log")).unwrap_or_default();
            eprintln!("HAProxy's log:\n{log}");
        }
    }
}
