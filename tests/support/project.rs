//! An operator's folder for a test: the repository's templates, and an inventory that fits the fleet.

use super::root;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The fleet as an operator would write it: two slots of two hosts behind two load balancers, one app.
pub const STAGING: &str = r#"connect: { user: deploy }
hosts:
  web[1:4]: { address: "{name}.mgt", serve: "{name}.svc" }
  lb[1:2]: { address: "{name}.mgt", become: true }
groups:
  blue: [web1, web2]
  green: [web3, web4]
load_balancers:
  edge: { driver: nginx, hosts: [lb1, lb2], probe: "http://{host}:80" }
apps:
  app:
    image: registry:5000/acme/app
    strategy: blue-green
    slots: [blue, green]
    balance: { edge: { backend: app, host: app.test } }
    port: 8080
    gates: [ { http: /healthz, every: 500ms, in_a_row: 2, within: 30s } ]
    limits: { memory: 64m, cpus: "0.5" }
    restart: always
    bake: 2s
"#;

/// A folder with `inventories/` and `templates/`.
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// The repository's templates, and this text as `inventories/staging.yml`.
    pub fn new(staging: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let project = Self { folder };
        let copied = Command::new("cp")
            .arg("-r")
            .arg(root().join("templates"))
            .arg(project.folder())
            .status();
        assert!(copied.expect("cp starts").success());
        project.write("inventories/staging.yml", staging);
        project
    }

    /// Where the tool runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }
}
