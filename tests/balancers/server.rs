//! A real load balancer as the suite uses it. To add one: implement [`Server`] in a file beside
//! `nginx/`, and a line `contract!(…)` in `main.rs`.

use std::path::Path;

use deploy::balancer::{Driver, Seen, Target, Verdict};
use deploy::fleet::Traffic;
use deploy::host::script::Body;
use deploy::name::{AppName, BalancerName, EnvName, HostName};

use crate::world::run_body;

/// A server of its own on this machine, with a folder that holds all of it: `record/` is the
/// host record's, the rest is the server's.
pub trait Server: Sized + Sync {
    /// Starts one; `None`, with a line that says why, where it is not installed.
    fn open() -> Option<Self>;
    fn driver(&self) -> &'static dyn Driver;
    fn home(&self) -> &Path;
    /// Where clients ask.
    fn port(&self) -> u16;
    fn shell(&self) -> &[String];
    fn set_shell(&mut self, shell: Vec<String>);
    /// The app's target with `host` as its name.
    fn target(&self, app: &str, host: &str) -> Target;
    /// Starts it again after [`Server::quit`]; waits until it answers.
    fn serve(&self);
    /// Stops it; waits until it is gone.
    fn quit(&self);
    /// A reload as an operator does it; waits until it is done.
    fn reload(&self);
    /// How often it was reloaded by whomever since it was started.
    fn reloads(&self) -> usize;
    /// Breaks the operator's own configuration; what runs stays as it is.
    fn spoil(&self);
    /// Takes [`Server::spoil`] back.
    fn mend(&self);
    /// Somebody switches the app by hand, behind the driver's back.
    fn by_hand(&self, app: &str, from: &str, to: &str);

    /// Clients of the long load; fewer where the server shares its processor with its programs.
    fn clients(&self) -> usize {
        16
    }
    /// Switches of each of two apps at once: an even number, fewer where a switch takes long.
    fn rounds(&self) -> usize {
        10
    }
    fn path(&self, part: &str) -> String {
        self.home().join(part).to_str().unwrap().to_owned()
    }
    /// Runs a body as the record does.
    fn run(&self, body: &Body) -> Vec<String> {
        let (lines, complaints) = run_body(self.home(), self.shell(), body);
        assert_eq!(complaints, "", "{} writes to standard error", body.name);
        lines
    }
    /// The same where the shell may complain.
    fn run_loudly(&self, body: &Body) -> Vec<String> {
        run_body(self.home(), self.shell(), body).0
    }
    fn verdict(&self, target: &Target, body: &Body) -> Verdict {
        self.driver().verdict(target, &self.run(body)).unwrap()
    }
    fn prepare(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Verdict {
        self.verdict(target, &self.driver().prepare(target, before, after))
    }
    fn commit(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> Verdict {
        self.verdict(target, &self.driver().commit(target, before, after))
    }
    fn verify(&self, target: &Target, wanted: &Traffic) -> Verdict {
        self.verdict(target, &self.driver().verify(target, wanted))
    }
    /// Prepare and commit; both must go well.
    fn switch(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) {
        let ready = self.prepare(target, before, after);
        assert_eq!(ready, Verdict::Converged { at: 0.0 });
        let done = self.commit(target, before, after);
        assert!(
            matches!(done, Verdict::Converged { at } if at > 1.0),
            "{done:?}"
        );
    }
    fn look(&self, target: &Target) -> Seen {
        let lines = self.run(&self.driver().look(target));
        self.driver().read(target, &lines).unwrap()
    }
}

/// The app's entry on a server of this machine.
pub fn target(app: &str, host: &str, port: u16, settings: serde_json::Value) -> Target {
    Target {
        env: EnvName::new("staging").unwrap(),
        app: AppName::new(app).unwrap(),
        balancer: BalancerName::new("edge").unwrap(),
        host: HostName::new("lb1").unwrap(),
        probe: format!("http://127.0.0.1:{port}"),
        backend: app.to_owned(),
        host_header: Some(host.to_owned()),
        root: false,
        settings,
    }
}
