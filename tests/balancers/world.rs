//! What every load balancer of this suite meets: members that answer with their name, clients of
//! several manners, and the way the record runs a driver's bodies.
//!
//! To add a manner of client: a [`Manner`], its line in [`Manner::of`].

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use deploy::fleet::{Member, MemberState, Traffic};
use deploy::host::script::Body;
use deploy::name::{HostName, SlotName};

/// What the record puts before the body of a step.
const RECORD: &str = include_str!("../../src/record/sh/body.sh");

/// The app's name for clients.
pub const HOST: &str = "shop.example.com";

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
    /// Requests that it works on.
    pub fn busy(&self) -> u64 {
        self.open.load(Ordering::SeqCst)
    }
}

fn answer(stream: TcpStream, name: &str, open: &AtomicU64) -> Option<()> {
    stream.set_nodelay(true).ok()?;
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

/// What a client asks, and how.
#[derive(Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Keeps its connection and writes the next request without looking whether it still stands.
    pub keep: bool,
    /// Sends a body.
    pub post: bool,
    pub path: &'a str,
    /// One more header line, without its end.
    pub header: &'a str,
}

impl Manner<'static> {
    /// The manner of the nth client of a load: one connection each, kept ones, slow ones, bodies.
    pub fn of(n: usize) -> Self {
        Self {
            keep: n.is_multiple_of(2),
            post: n % 4 == 2,
            path: if n % 4 == 3 { "/slow/400" } else { "/" },
            header: "",
        }
    }
}

/// One request; the body of a 200, else what went wrong.
pub fn request(
    kept: &mut Option<TcpStream>,
    port: u16,
    host: &str,
    manner: Manner<'_>,
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
    let connection = if manner.keep { "keep-alive" } else { "close" };
    let (verb, body) = if manner.post {
        ("POST", "Content-Length: 3\r\n\r\nabc")
    } else {
        ("GET", "\r\n")
    };
    let header = if manner.header.is_empty() { "" } else { "\r\n" };
    let asked = format!(
        "{verb} {} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}{header}{}\r\n{body}",
        manner.path, manner.header
    );
    stream.write_all(asked.as_bytes()).map_err(text)?;
    let mut reader = BufReader::new(&stream);
    let mut status = String::new();
    reader.read_line(&mut status).map_err(text)?;
    let (mut length, mut closes) = (None, !manner.keep);
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
    if !status.starts_with("HTTP/1.1 200 ") {
        return Err(status.trim().to_owned());
    }
    let mut body = vec![0; length.ok_or("no length")?];
    reader.read_exact(&mut body).map_err(text)?;
    if !closes {
        *kept = Some(stream);
    }
    String::from_utf8(body).map_err(|e| e.to_string())
}

/// A request of its own connection.
pub fn ask(port: u16, host: &str) -> Result<String, String> {
    let manner = Manner {
        path: "/",
        ..Manner::default()
    };
    request(&mut None, port, host, manner)
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
    /// Requests begun within these times that members whose names begin so answered.
    pub fn count(&self, name: &str, from: Instant, to: Option<Instant>) -> usize {
        self.when
            .iter()
            .filter(|(t, n)| n.starts_with(name) && *t > from && to.is_none_or(|end| *t < end))
            .count()
    }
    /// Begin of the last request within these times that such a member answered, after `from`.
    pub fn last(&self, name: &str, from: Instant, to: Instant) -> Duration {
        self.when
            .iter()
            .filter(|(t, n)| n.starts_with(name) && *t > from && *t < to)
            .map(|(t, _)| *t - from)
            .max()
            .unwrap_or_default()
    }
}

/// Clients that ask until they are told to stop, of all manners.
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
                thread::spawn(move || client(&stop, port, &host, Manner::of(n)))
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

fn client(stop: &AtomicBool, port: u16, host: &str, manner: Manner<'_>) -> Tally {
    let (mut tally, mut kept) = (Tally::default(), None);
    while !stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        match request(&mut kept, port, host, manner) {
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

/// Answers of `total` requests by name, over a few kept connections.
pub fn shares(port: u16, host: &str, total: usize, header: &str) -> BTreeMap<String, usize> {
    const CLIENTS: usize = 4;
    let manner = Manner {
        keep: true,
        path: "/",
        header,
        ..Manner::default()
    };
    let mut all = BTreeMap::new();
    thread::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                s.spawn(|| {
                    let (mut kept, mut seen) = (None, Vec::new());
                    for _ in 0..total / CLIENTS {
                        seen.push(request(&mut kept, port, host, manner).unwrap());
                    }
                    seen
                })
            })
            .collect();
        for name in clients.into_iter().flat_map(|c| c.join().unwrap()) {
            *all.entry(name).or_default() += 1;
        }
    });
    all
}

/// Runs a body as the record does: what every step's body may use before it, the record's
/// parameters before its own, data on standard input. Its lines, and what it complained of.
pub fn run_body(home: &Path, shell: &[String], body: &Body) -> (Vec<String>, String) {
    let root = home.join("record");
    let state = root.join("state");
    let text = format!("umask 007\n{RECORD}\n{}", body.text);
    let mut child = Command::new(&shell[0])
        .args(&shell[1..])
        .args(["-c", &text, "sh"])
        .args([&root, &state])
        .args(["r-1", "1-abc", "7"])
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

pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0")
}

/// Whether a program is here; says so where it is not.
pub fn available(program: &str) -> bool {
    let there = ["/usr/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .any(|p| Path::new(p).join(program).exists());
    if !there {
        eprintln!("SKIPPED: {program} is not installed here (script/test installs it)");
    }
    there
}

/// A program that `script/test` fetched, since no package has it; says so where it is not there.
pub fn fetched(program: &str) -> Option<PathBuf> {
    let at = std::env::var_os("DEPLOY_TEST_PROGRAMS")
        .map(|dir| PathBuf::from(dir).join(program))
        .filter(|path| path.exists());
    if at.is_none() {
        eprintln!("SKIPPED: no {program} was fetched (script/test fetches it)");
    }
    at
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
