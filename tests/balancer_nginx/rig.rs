//! A real nginx on this machine with a folder, ports and members of its own, and load on it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deploy::balancer::{Driver, Target, Verdict, driver};
use deploy::fleet::{Member, MemberState, Traffic};
use deploy::host::script::Body;
use deploy::name::{AppName, BalancerName, EnvName, HostName, SlotName};

/// What the record puts before the body of a step.
const RECORD: &str = include_str!("../../src/record/sh/body.sh");

/// The driver under test.
pub fn nginx() -> &'static dyn Driver {
    driver("nginx").unwrap()
}

/// Whether the real server is here; says so where it is not.
pub fn available() -> bool {
    let there = ["/usr/sbin/nginx", "/usr/bin/nginx"]
        .iter()
        .any(|p| Path::new(p).exists());
    if !there {
        eprintln!("SKIPPED: nginx is not installed here (script/test installs it)");
    }
    there
}

pub fn slot(name: &str) -> SlotName {
    SlotName::new(name).unwrap()
}

/// A member of a slot: an HTTP server that answers with its name.
/// `/slow/400` takes 400 ms. Connections are kept alive.
pub struct Backend {
    pub name: String,
    pub port: u16,
    pub open: Arc<AtomicU64>,
}

impl Backend {
    pub fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, shown) = (Arc::new(AtomicU64::new(0)), name.to_owned());
        let count = open.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (name, count) = (shown.clone(), count.clone());
                thread::spawn(move || answer(stream, &name, &count));
            }
        });
        Self {
            name: name.to_owned(),
            port,
            open,
        }
    }
}

fn answer(stream: TcpStream, name: &str, open: &AtomicU64) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut first = String::new();
        reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            if line == "\r\n" {
                break;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
        }
        open.fetch_add(1, Ordering::SeqCst);
        let mut sent = vec![0; length];
        let body = reader.read_exact(&mut sent);
        if let Some((_, rest)) = first.split_once("/slow/") {
            let time = rest.split(' ').next()?.parse().ok()?;
            thread::sleep(Duration::from_millis(time));
        }
        let done = body.and_then(|()| {
            let length = name.len();
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
            stream.write_all(text.as_bytes())
        });
        open.fetch_sub(1, Ordering::SeqCst);
        done.ok()?;
    }
}

/// One request; the body of a 200, else what went wrong. `stream` is kept where `keep`.
pub fn request(
    kept: &mut Option<TcpStream>,
    keep: bool,
    port: u16,
    host: &str,
    path: &str,
) -> Result<String, String> {
    let text = |e: std::io::Error| e.to_string();
    let mut stream = match kept.take() {
        Some(s) => s,
        None => {
            let s = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
            s.set_nodelay(true).map_err(text)?;
            s.set_read_timeout(Some(Duration::from_secs(10)))
                .map_err(text)?;
            s
        }
    };
    let connection = if keep { "keep-alive" } else { "close" };
    let asked = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(asked.as_bytes()).map_err(text)?;
    let mut reader = BufReader::new(&stream);
    let mut status = String::new();
    reader.read_line(&mut status).map_err(text)?;
    let (mut length, mut closes) = (None, !keep);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).map_err(text)? == 0 {
            return Err(format!("cut after {status:?}"));
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(n) = line.strip_prefix("content-length: ") {
            length = n.parse::<usize>().ok();
        }
        closes |= line == "connection: close";
    }
    let mut body = vec![0; length.ok_or("no length")?];
    reader.read_exact(&mut body).map_err(text)?;
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(status.trim().to_owned());
    }
    if !closes {
        *kept = Some(stream);
    }
    String::from_utf8(body).map_err(|e| e.to_string())
}

/// What a load saw.
#[derive(Default, Debug)]
pub struct Tally {
    pub by_name: BTreeMap<String, u64>,
    pub failures: Vec<String>,
    /// When each request began and who answered it.
    pub when: Vec<(Instant, String)>,
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.by_name.values().sum()
    }
}

/// Clients that ask until they are told to stop: half of them keep their connection.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    pub fn start(port: u16, host: &str, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..clients)
            .map(|n| {
                let (stop, host) = (stop.clone(), host.to_owned());
                thread::spawn(move || {
                    client(
                        &stop,
                        port,
                        &host,
                        n % 2 == 0,
                        if n % 4 == 3 { "/slow/400" } else { "/" },
                    )
                })
            })
            .collect();
        Self { stop, clients }
    }
    pub fn end(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        for client in self.clients {
            let one = client.join().unwrap();
            for (name, n) in one.by_name {
                *all.by_name.entry(name).or_default() += n;
            }
            all.failures.extend(one.failures);
            all.when.extend(one.when);
        }
        all
    }
}

fn client(stop: &AtomicBool, port: u16, host: &str, keep: bool, path: &str) -> Tally {
    let (mut tally, mut kept) = (Tally::default(), None);
    while !stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        match request(&mut kept, keep, port, host, path) {
            Ok(name) => {
                *tally.by_name.entry(name.clone()).or_default() += 1;
                tally.when.push((began, name));
            }
            Err(why) => {
                kept = None;
                tally.failures.push(why);
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    tally
}

/// An nginx with its own folder.
pub struct Rig {
    pub home: tempfile::TempDir,
    pub port: u16,
    pub shell: Vec<String>,
}

impl Rig {
    /// Starts nginx with `http` added to its `http {}`; `{home}` and `{port}` are filled in.
    pub fn start(http: &str) -> Self {
        let rig = Self::idle(http);
        rig.serve();
        rig
    }
    /// The same without starting it.
    pub fn idle(http: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for dir in ["deploy", "record", "record/state", "tmp"] {
            fs::create_dir(home.path().join(dir)).unwrap();
        }
        let rig = Self {
            home,
            port,
            shell: vec!["sh".to_owned()],
        };
        rig.configure("include {home}/deploy/*.conf;", http);
        rig
    }
    /// Writes nginx.conf.
    pub fn configure(&self, include: &str, http: &str) {
        let fill = |s: &str| {
            s.replace("{home}", self.path("").trim_end_matches('/'))
                .replace("{port}", &self.port.to_string())
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
        fs::write(self.home.path().join("nginx.conf"), fill(&conf)).unwrap();
    }
    pub fn path(&self, part: &str) -> String {
        self.home.path().join(part).to_str().unwrap().to_owned()
    }
    pub fn entry(&self, app: &str) -> PathBuf {
        self.home.path().join(format!("deploy/staging.{app}"))
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
    pub fn serve(&self) {
        assert!(self.nginx(&[]), "nginx does not start");
        // The port listens before the pid file is written and before a worker runs.
        wait_for("nginx to answer", || {
            let answer = request(&mut None, false, self.port, "nobody", "/");
            answer.is_err_and(|status| status.contains(" 404 ")) && self.pid().is_some()
        });
    }
    /// The master's pid; a mere check leaves an empty file, which is none.
    pub fn pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.path("nginx.pid")).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        (pid > 1).then(|| pid.to_string())
    }
    pub fn quit(&self) {
        let Some(pid) = self.pid() else { return };
        assert!(self.nginx(&["-s", "stop"]));
        wait_for("nginx to end", || {
            !Path::new(&format!("/proc/{pid}")).exists()
        });
    }
    pub fn reload(&self) {
        assert!(self.nginx(&["-s", "reload"]));
        thread::sleep(Duration::from_millis(500));
    }

    /// The app's target with `host` as its name; settings are added to the rig's own.
    pub fn target(&self, app: &str, host: &str, more: serde_json::Value) -> Target {
        let mut settings = serde_json::json!({
            "dir": self.path("deploy"), "conf": self.path("nginx.conf"),
            "listen": format!("127.0.0.1:{}", self.port),
        });
        for (key, value) in more.as_object().unwrap() {
            settings[key] = value.clone();
        }
        Target {
            env: EnvName::new("staging").unwrap(),
            app: AppName::new(app).unwrap(),
            balancer: BalancerName::new("edge").unwrap(),
            host: HostName::new("lb1").unwrap(),
            probe: format!("http://127.0.0.1:{}", self.port),
            backend: app.to_owned(),
            host_header: Some(host.to_owned()),
            root: false,
            settings,
        }
    }

    /// Runs a body as the record does: what every step's body may use before it, the record's
    /// parameters before its own, data on standard input.
    pub fn run(&self, body: &Body) -> Vec<String> {
        let (lines, complaints) = self.run_both(body);
        assert_eq!(complaints, "", "{} writes to standard error", body.name);
        lines
    }
    /// The same where the shell may complain.
    pub fn run_loudly(&self, body: &Body) -> Vec<String> {
        self.run_both(body).0
    }
    fn run_both(&self, body: &Body) -> (Vec<String>, String) {
        let state = self.path("record/state");
        let text = format!("umask 007\n{RECORD}\n{}", body.text);
        let mut child = Command::new(&self.shell[0])
            .args(&self.shell[1..])
            .args(["-c", &text, "sh"])
            .args([&self.path("record"), &state, "r-1", "1-abc", "7"])
            .args(&body.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that has nothing to write does not read what it was given.
        let _ = child.stdin.take().unwrap().write_all(&body.data);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lines = text(&output.stdout).lines().map(str::to_owned).collect();
        (lines, text(&output.stderr))
    }
    pub fn verdict(&self, target: &Target, body: &Body) -> Verdict {
        nginx().verdict(target, &self.run(body)).unwrap()
    }
    /// Prepare and commit; both must go well.
    pub fn switch(&self, target: &Target, before: Option<&Traffic>, after: &Traffic) {
        let ready = self.verdict(target, &nginx().prepare(target, before, after));
        assert_eq!(ready, Verdict::Converged { at: 0.0 });
        let done = self.verdict(target, &nginx().commit(target, before, after));
        assert!(
            matches!(done, Verdict::Converged { at } if at > 1.0),
            "{done:?}"
        );
    }
    pub fn look(&self, target: &Target) -> deploy::balancer::Seen {
        nginx()
            .read(target, &self.run(&nginx().look(target)))
            .unwrap()
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
        if thread::panicking() {
            let log = fs::read_to_string(self.path("error.log")).unwrap_or_default();
            eprintln!("nginx's log:\n{log}");
        }
    }
}

pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0")
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A traffic value with these backends in blue and green.
pub fn traffic(to: &str, blue: &[&Backend], green: &[&Backend], generation: &str) -> Traffic {
    let members = |list: &[&Backend]| {
        list.iter()
            .map(|b| Member {
                host: HostName::new(b.name.clone()).unwrap(),
                address: "127.0.0.1".to_owned(),
                port: b.port,
                state: MemberState::Ready,
            })
            .collect()
    };
    let groups = BTreeMap::from([
        (slot("blue"), members(blue)),
        (slot("green"), members(green)),
    ]);
    Traffic::all_to(&slot(to), groups, generation)
}
