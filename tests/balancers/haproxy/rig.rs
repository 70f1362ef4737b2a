//! A real HAProxy on this machine with a folder, a socket and a port of its own.

use std::fs;
use std::process::Command;
use std::thread;

use deploy::balancer::{Target, haproxy};

use crate::server::{Place, Process, Server, target};
use crate::world::{ask, available, wait_for};

/// A HAProxy with its own folder.
pub struct Rig {
    place: Place,
    process: Process,
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
            port = self.port(),
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
        let rig = Self {
            place: Place::new(&["deploy"]),
            process: Process::default(),
        };
        for map in ["hosts.map", "apps.map", "rules.map"] {
            fs::write(rig.home().join("deploy").join(map), "").unwrap();
        }
        rig.configure("", "");
        rig.serve();
        Some(rig)
    }
    const DRIVER: &'static str = "haproxy";
    fn place(&self) -> &Place {
        &self.place
    }
    fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }
    fn target(&self, app: &str, host: &str) -> Target {
        let settings = serde_json::json!({
            "dir": self.path("deploy"), "conf": self.path("haproxy.cfg"),
            "socket": self.path("admin.sock"),
        });
        target(app, host, self.port(), settings)
    }
    fn serve(&self) {
        let (conf, dir) = (self.path("haproxy.cfg"), self.path("deploy"));
        let words = ["-W", "-db", "-f", &conf, "-f", &dir];
        self.process
            .start(&self.place, "haproxy", &words, "haproxy.log");
        wait_for("HAProxy to answer", || {
            ask(self.port(), "nobody").is_err_and(|status| status.contains(" 404 "))
        });
    }
    fn quit(&self) {
        self.process.end(self.port());
        let _ = fs::remove_file(self.path("admin.sock"));
    }
    fn reload(&self) {
        let before = self.reloads();
        let id = self.process.id();
        let told = Command::new("kill")
            .args(["-USR2", &id.to_string()])
            .status();
        assert!(told.unwrap().success());
        wait_for("the reload", || self.reloads() > before);
        thread::sleep(std::time::Duration::from_millis(300));
    }
    fn reloads(&self) -> usize {
        let log = self.place.text("haproxy.log");
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
        self.place.tell("HAProxy", "haproxy.log");
    }
}
