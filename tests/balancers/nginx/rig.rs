//! A real nginx on this machine with a folder and a port of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use deploy::balancer::Target;

use crate::server::{Place, Server, target};
use crate::world::{ask, available, is_root, wait_for};

/// An nginx with its own folder.
pub struct Rig {
    place: Place,
}

impl Rig {
    /// Starts nginx with `http` added to its `http {}`; `{home}` and `{port}` are filled in. `None`
    /// where it is not installed.
    pub fn with(http: &str) -> Option<Self> {
        if !available("nginx") {
            return None;
        }
        let rig = Self {
            place: Place::new(&["deploy", "tmp"]),
        };
        rig.configure("include {home}/deploy/*.conf;", http);
        rig.serve();
        Some(rig)
    }
    /// Writes nginx.conf.
    pub fn configure(&self, include: &str, http: &str) {
        let fill = |s: &str| {
            s.replace("{home}", self.path("").trim_end_matches('/'))
                .replace("{port}", &self.port().to_string())
        };
        let user = if is_root() {
            "user nobody nogroup;"
        } else {
            ""
        };
        let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|t| format!("{t}_temp_path {{home}}/tmp/{t};\n"))
            .concat();
        let conf = format!(
            "{user} pid {{home}}/nginx.pid;\nerror_log {{home}}/error.log notice;\nworker_processes 2;\n\
             events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{temps}\n{include}\n{http}\n\
             server {{ listen 127.0.0.1:{{port}} default_server; return 404; }}\n}}\n"
        );
        fs::write(self.home().join("nginx.conf"), fill(&conf)).unwrap();
    }
    pub fn entry(&self, app: &str) -> PathBuf {
        self.home().join(format!("deploy/staging.{app}"))
    }
    pub fn nginx(&self, args: &[&str]) -> bool {
        let mut all = vec!["-c".to_owned(), self.path("nginx.conf")];
        all.extend(args.iter().map(|a| (*a).to_owned()));
        Command::new("nginx")
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .args(all)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
    /// The master's pid; a mere check leaves an empty file, which is none.
    fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.path("nginx.pid")).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        (pid > 1).then(|| pid.to_string())
    }
    /// Settings are added to the rig's own.
    pub fn target_with(&self, app: &str, host: &str, more: serde_json::Value) -> Target {
        let mut settings = serde_json::json!({
            "dir": self.path("deploy"), "conf": self.path("nginx.conf"),
            "listen": format!("127.0.0.1:{}", self.port()),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        target(app, host, self.port(), settings)
    }
}

impl Server for Rig {
    fn open() -> Option<Self> {
        Self::with("")
    }
    const DRIVER: &'static str = "nginx";
    fn place(&self) -> &Place {
        &self.place
    }
    fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }
    fn target(&self, app: &str, host: &str) -> Target {
        self.target_with(app, host, serde_json::json!({}))
    }
    fn serve(&self) {
        assert!(self.nginx(&[]), "nginx does not start");
        // The port listens before the pid file is written and before a worker runs.
        wait_for("nginx to answer", || {
            let answer = ask(self.port(), "nobody");
            answer.is_err_and(|status| status.contains(" 404 ")) && self.pid().is_some()
        });
    }
    fn quit(&self) {
        let Some(pid) = self.pid() else { return };
        assert!(self.nginx(&["-s", "stop"]));
        wait_for("nginx to end", || {
            !Path::new(&format!("/proc/{pid}")).exists()
        });
    }
    fn reload(&self) {
        assert!(self.nginx(&["-s", "reload"]));
        thread::sleep(Duration::from_millis(500));
    }
    fn reloads(&self) -> usize {
        let log = self.place.text("error.log");
        log.matches(": reconfiguring").count()
    }
    fn spoil(&self) {
        self.configure("include {home}/deploy/*.conf;", "nonsense on;");
    }
    fn mend(&self) {
        self.configure("include {home}/deploy/*.conf;", "");
    }
    fn by_hand(&self, app: &str, from: &str, to: &str) {
        let current = self.entry(app).join("current");
        let flag = |slot| current.join(format!("active.{slot}"));
        fs::rename(flag(from), flag(to)).unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // By nginx itself and its own pid file: never a signal to a number that a test read.
        // It reads the configuration first, which a test may have broken.
        if self.pid().is_some() {
            self.configure("", "");
            let stopped = self.nginx(&["-s", "stop"]);
            assert!(stopped || thread::panicking(), "a server was left running");
        }
        self.place.tell("nginx", "error.log");
    }
}
