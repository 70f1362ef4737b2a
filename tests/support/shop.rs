//! The sample app as its operators have it: a fleet of its own, a folder, `deploy` run in it, what serves now.

use super::Fleet;
use super::load::Load;
use super::project::Project;
use super::tool::{Answer, Tool};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// The releases that work.
pub const FIRST: &str = "1.0.1-22-7e56158";
/// The one after it.
pub const SECOND: &str = "1.0.2-30-abc1234";
/// And the next.
pub const THIRD: &str = "1.0.4-40-c0ffee0";
/// The site's name at the load balancers.
pub const SITE: &str = "shop.example.com";
/// The name of the second app's site; see [`Shop::with_web`].
pub const WEB: &str = "web.example.com";
/// Hosts of the first slot and of the second.
pub const WEBS: [&str; 4] = ["web1", "web2", "web3", "web4"];
/// Load balancers.
pub const LBS: [&str; 2] = ["lb1", "lb2"];

/// A fleet and the folder that it is deployed from.
pub struct Shop {
    pub fleet: Fleet,
    pub project: Project,
}

impl Shop {
    /// A fleet on which nothing was deployed yet.
    pub fn empty() -> Self {
        let fleet = Fleet::take();
        let project = Project::new(&fleet);
        Self { fleet, project }
    }

    /// A fleet that serves `version`.
    pub fn serving(version: &str) -> Self {
        let shop = Self::empty();
        shop.deploy(version).assert_code(0);
        shop
    }

    /// A second app `web` behind the same load balancers: its own port, backend and site.
    pub fn with_web(&self) {
        let web = "\x20 web:
    image: registry:5000/acme/web
    strategy: blue-green
    slots: [blue, green]
    port: 8081
    balance:
      edge: { backend: web, host: web.example.com }
    gates:
      - { http: /healthz, every: 200ms, in_a_row: 3, within: 30s, timeout: 1s }
    bake: 0s
    drain: 20s

registries:
";
        self.project
            .edit("inventories/defaults.yml", "registries:\n", web);
    }

    /// `deploy ARGS…` in the folder, for tests that add to it.
    pub fn tool(&self, args: &[&str]) -> Tool {
        Tool::new(&self.fleet, self.project.folder(), args)
    }

    /// Runs `deploy ARGS…`.
    pub fn run(&self, args: &[&str]) -> Answer {
        self.tool(args).run()
    }

    /// `deploy staging app@VERSION`.
    pub fn deploy(&self, version: &str) -> Answer {
        self.run(&["staging", &format!("app@{version}")])
    }

    /// Load on the site until it is stopped.
    pub fn load(&self, more: &[&str]) -> Load {
        Load::start(&self.fleet, SITE, more)
    }

    /// What a load balancer answers on a fresh connection.
    pub fn serves(&self, lb: &str, site: &str) -> String {
        let url = format!("http://{}/", self.fleet.address(lb));
        let header = format!("Host: {site}");
        self.fleet
            .exec(lb, &["curl", "-s", "-m", "5", "-H", &header, &url])
    }

    /// Every load balancer answers with this release.
    ///
    /// # Panics
    /// With what it answers instead.
    pub fn assert_serving(&self, version: &str) {
        for lb in LBS {
            let answer = self.serves(lb, SITE);
            assert!(
                answer.contains(version),
                "{lb} serves {answer}, not {version}"
            );
        }
    }

    /// All that a change would change: containers of every host, files of every load balancer.
    pub fn state(&self) -> String {
        let docker = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort";
        let nginx =
            "cd /etc/nginx && find . ! -type d | sort && find . -type f -exec md5sum {} + | sort";
        let ask = |(host, script)| {
            move || format!("{host}\n{}", self.fleet.exec(host, &["sh", "-c", script]))
        };
        let all = WEBS
            .map(|host| (host, docker))
            .into_iter()
            .chain(LBS.map(|host| (host, nginx)));
        thread::scope(|scope| {
            let asked: Vec<_> = all.map(|one| scope.spawn(ask(one))).collect();
            asked
                .into_iter()
                .map(|answer| answer.join().expect("a state"))
                .collect()
        })
    }

    /// Names of the app's containers on a host.
    pub fn ids(&self, host: &str) -> Vec<String> {
        self.fleet.containers(host, "{{.ID}} {{.Names}}")
    }

    /// As root on a host, by its shell.
    pub fn sh(&self, host: &str, script: &str) -> String {
        self.fleet.exec(host, &["sh", "-c", script])
    }
}

/// Cases that share a fleet: each is run although one before it failed; all failures are told at the end.
#[derive(Default)]
pub struct Cases(Vec<String>);

impl Cases {
    /// Runs one.
    pub fn case(&mut self, name: &str, body: impl FnOnce()) {
        let begun = std::time::Instant::now();
        let end = catch_unwind(AssertUnwindSafe(body));
        eprintln!(
            "case {name}: {} in {:?}",
            if end.is_ok() { "ok" } else { "FAILED" },
            begun.elapsed()
        );
        if let Err(panic) = end {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()));
            self.0.push(format!("{name}: {}", text.unwrap_or_default()));
        }
    }

    /// Every case went well.
    ///
    /// # Panics
    /// With each that did not.
    pub fn assert_all(self) {
        assert!(
            self.0.is_empty(),
            "{} cases failed:\n{}",
            self.0.len(),
            self.0.join("\n\n")
        );
    }
}
