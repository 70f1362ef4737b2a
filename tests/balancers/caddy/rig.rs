//! A real Caddy on this machine with a folder, two ports and a home of its own; of Debian's package,
//! or the newer one that `DEPLOY_TEST_PROGRAMS` has.

use std::fs;
use std::path::PathBuf;

use deploy::balancer::Target;

use crate::server::{Place, Process, Server, target};
use crate::world::{ask, available, fetched, free_port, wait_for};

/// A Caddy with its own folder; `NEW`: the newer one.
pub struct Rig<const NEW: bool> {
    place: Place,
    program: PathBuf,
    admin: u16,
    process: Process,
}

impl<const NEW: bool> Rig<NEW> {
    /// Writes the Caddyfile; `import` and `more` are lines outside of any site.
    pub fn configure(&self, import: &str, more: &str) {
        let (port, admin) = (self.port(), self.admin);
        let conf = format!(
            "{{\n\tadmin 127.0.0.1:{admin}\n\tauto_https off\n}}\n{import}\n{more}\n\
             http://:{port} {{\n\trespond 404\n}}\n"
        );
        fs::write(self.path("Caddyfile"), conf).unwrap();
    }
    pub fn import(&self) -> String {
        format!("import {}/*.conf", self.path("deploy"))
    }
    /// Settings are added to the rig's own.
    pub fn target_with(&self, app: &str, host: &str, more: serde_json::Value) -> Target {
        let mut settings = serde_json::json!({
            "dir": self.path("deploy"), "conf": self.path("Caddyfile"),
            "binary": self.program, "admin": format!("127.0.0.1:{}", self.admin),
            "site": format!("http://{{host}}:{}", self.port()),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        target(app, host, self.port(), settings)
    }
}

impl<const NEW: bool> Server for Rig<NEW> {
    const DRIVER: &'static str = "caddy";
    fn open() -> Option<Self> {
        let program = if NEW {
            fetched("caddy")?
        } else {
            available("caddy").then(|| PathBuf::from("caddy"))?
        };
        let rig = Self {
            place: Place::new(&["deploy"]),
            program,
            admin: free_port(),
            process: Process::default(),
        };
        rig.mend();
        rig.serve();
        Some(rig)
    }
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
        let conf = self.path("Caddyfile");
        let words = ["run", "--adapter", "caddyfile", "--config", &conf];
        let program = self.program.to_str().unwrap();
        self.process
            .start(&self.place, program, &words, "caddy.log");
        wait_for("Caddy to answer", || {
            ask(self.port(), "nobody").is_err_and(|status| status.contains(" 404 "))
        });
    }
    fn quit(&self) {
        self.process.end(self.port());
    }
    fn reload(&self) {
        let done = std::process::Command::new(&self.program)
            .args(["reload", "--force", "--adapter", "caddyfile", "--config"])
            .arg(self.path("Caddyfile"))
            .env("HOME", self.path(""))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    }
    fn reloads(&self) -> usize {
        self.place
            .text("caddy.log")
            .matches("\"uri\":\"/load\"")
            .count()
    }
    fn spoil(&self) {
        self.configure(
            &self.import(),
            "http://spoilt.example.com {\n\tnonsense on\n}",
        );
    }
    fn mend(&self) {
        self.configure(&self.import(), "");
    }
    fn by_hand(&self, app: &str, from: &str, to: &str) {
        let current = self.home().join(format!("deploy/staging.{app}/current"));
        let flag = |slot| current.join(format!("active.{slot}"));
        fs::rename(flag(from), flag(to)).unwrap();
    }
}

impl<const NEW: bool> Drop for Rig<NEW> {
    fn drop(&mut self) {
        self.process.end(self.port());
        self.place.tell("Caddy", "caddy.log");
    }
}
