//! A real load balancer as the suite uses it. To add one: implement [`Server`] in a file beside
//! `nginx/`, and a line `contract!(…)` in `main.rs`.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;

use deploy::balancer::{Driver, Seen, Target, Verdict, driver};
use deploy::fleet::Traffic;
use deploy::host::script::Body;
use deploy::name::{AppName, BalancerName, EnvName, HostName};

use crate::world::{Backend, HOST, free_port, run_body, traffic, wait_for};

/// A server of its own on this machine, with a folder that holds all of it: `record/` is the
/// host record's, the rest is the server's.
pub trait Server: Sized + Sync {
    /// Starts one; `None`, with a line that says why, where it is not installed.
    fn open() -> Option<Self>;
    /// Its driver's name.
    const DRIVER: &'static str;
    fn place(&self) -> &Place;
    fn place_mut(&mut self) -> &mut Place;
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

    fn driver(&self) -> &'static dyn Driver {
        driver(Self::DRIVER).unwrap()
    }
    fn home(&self) -> &Path {
        self.place().home.path()
    }
    /// Where clients ask.
    fn port(&self) -> u16 {
        self.place().port
    }
    fn shell(&self) -> &[String] {
        &self.place().shell
    }
    fn set_shell(&mut self, shell: Vec<String>) {
        self.place_mut().shell = shell;
    }
    /// Clients of the long load; fewer where the server shares its processor with its programs.
    fn clients(&self) -> usize {
        16
    }
    /// Switches of each of two apps at once, and half of those under load: an even number, fewer
    /// where a switch takes long.
    fn rounds(&self) -> usize {
        10
    }
    fn path(&self, part: &str) -> String {
        self.place().path(part)
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
    /// Whether a look says that nothing needs to be prepared.
    fn is_prepared(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) -> bool {
        let lines = self.run(&self.driver().look(target));
        self.driver().is_prepared(target, &lines, before, after)
    }
    /// Prepare, where a run would, and commit; both must go well.
    fn switch(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) {
        if !self.is_prepared(target, before, after) {
            let ready = self.prepare(target, before, after);
            assert_eq!(ready, Verdict::Converged { at: 0.0 });
        }
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

/// The folder, the port and the shell of a server.
pub struct Place {
    pub home: tempfile::TempDir,
    pub port: u16,
    pub shell: Vec<String>,
}

impl Place {
    /// A folder with the record's and these of the server's own, which its workers may read.
    pub fn new(folders: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for dir in ["record/state"].iter().chain(folders) {
            fs::create_dir_all(home.path().join(dir)).unwrap();
        }
        Self {
            home,
            port: free_port(),
            shell: vec!["sh".to_owned()],
        }
    }
    pub fn path(&self, part: &str) -> String {
        self.home.path().join(part).to_str().unwrap().to_owned()
    }
    /// A file's text, empty where it is not there.
    pub fn text(&self, part: &str) -> String {
        fs::read_to_string(self.home.path().join(part)).unwrap_or_default()
    }
    /// What a server that is dropped with a failed test had written.
    pub fn tell(&self, server: &str, file: &str) {
        if thread::panicking() {
            eprintln!("{server}'s log:\n{}", self.text(file));
        }
    }
}

/// A server's process, a child of this one; what it says goes into a file.
#[derive(Default)]
pub struct Process(Mutex<Option<Child>>);

impl Process {
    pub fn start(&self, place: &Place, program: &str, words: &[&str], log: &str) {
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(place.path(log))
            .unwrap();
        let child = Command::new(program)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
            .env("HOME", place.path(""))
            .args(words)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        *self.0.lock().unwrap() = Some(child);
    }
    pub fn id(&self) -> u32 {
        self.0.lock().unwrap().as_ref().unwrap().id()
    }
    /// Asks it to end and waits; nothing where none runs. A server's workers may end after it.
    pub fn end(&self, port: u16) {
        let Some(mut child) = self.0.lock().unwrap().take() else {
            return;
        };
        let told = Command::new("kill").arg(child.id().to_string()).status();
        assert!(told.unwrap().success());
        child.wait().unwrap();
        wait_for("the server to end", || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        });
    }
}

/// One member a slot and two values: what most cases begin with.
pub struct Scene {
    pub blue: Backend,
    pub green: Backend,
    pub target: Target,
    /// All to blue, `g-1`.
    pub one: Traffic,
    /// All to green, `g-2`.
    pub two: Traffic,
}

impl Scene {
    /// Nothing of it is told to the server yet.
    pub fn new<S: Server>(server: &S) -> Self {
        let (blue, green) = (Backend::start("b1"), Backend::start("g1"));
        let [one, two] =
            [("blue", "g-1"), ("green", "g-2")].map(|(s, g)| traffic(s, &[&blue], &[&green], g));
        Self {
            target: server.target("app", HOST),
            blue,
            green,
            one,
            two,
        }
    }
    /// Blue serves.
    pub fn serving<S: Server>(server: &S) -> Self {
        let scene = Self::new(server);
        server.switch(&scene.target, None, &scene.one);
        scene
    }
    /// Another value of the same members.
    pub fn to(&self, to: &str, generation: &str) -> Traffic {
        traffic(to, &[&self.blue], &[&self.green], generation)
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
