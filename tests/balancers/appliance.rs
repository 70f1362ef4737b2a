//! Stand-ins for what the `command` driver is made for, in this process: an appliance that is told
//! over REST and sends requests itself, and a registry whose client asks which instances are
//! enabled; spoken to by the programs of `docs/command/`. Their rigs keep the contract like any
//! other server.
//!
//! They are no products: they prove the driver, its protocol and the documented programs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use deploy::balancer::Target;
use serde_json::{Value, json};

use crate::server::{Place, Server, target};
use crate::world::{available, free_port};

/// What the appliance holds: per app its value and its host; it is kept in a file, as flash is.
#[derive(Default)]
struct Held {
    apps: Mutex<BTreeMap<String, Value>>,
    open: Mutex<BTreeMap<u64, Arc<AtomicU64>>>,
    turns: AtomicU64,
    starts: AtomicU64,
    on: AtomicBool,
    broken: AtomicBool,
}

pub struct Rig<const REGISTRY: bool> {
    place: Place,
    rest: u16,
    held: Arc<Held>,
}

/// Head of a request: first line, headers as they came, body.
fn head(reader: &mut impl BufRead) -> Option<(String, Vec<String>, Vec<u8>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let first = lines.remove(0);
    let length = header(&lines, "content-length").and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((first, lines, body))
}

fn header<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn reply(stream: &mut TcpStream, status: &str, body: &str) -> Option<()> {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).ok()
}

impl Held {
    /// The member for one request: by its share, by rule, in turn; only ready ones.
    fn pick(&self, host: &str, headers: &[String]) -> Option<u64> {
        let apps = self.apps.lock().unwrap();
        let app = apps.values().find(|app| app["host_header"] == host)?;
        let value = &app["running"];
        if let Some(instances) = app["instances"].as_object() {
            return self.enabled(instances);
        }
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let ruled = value["rules"].as_array()?.iter().find_map(|rule| {
            let fits = match (&rule["key"]["header"], &rule["key"]["cookie"]) {
                (Value::String(name), _) => header(headers, name) == rule["value"].as_str(),
                (_, Value::String(name)) => header(headers, "cookie")?.split(';').any(|c| {
                    c.trim().split_once('=') == Some((name, rule["value"].as_str().unwrap()))
                }),
                _ => false,
            };
            fits.then(|| rule["to"].as_str())?
        });
        let mut dice = turn.wrapping_mul(7_919) % 10_000;
        let shared = || {
            value["split"]
                .as_object()?
                .iter()
                .find_map(|(slot, share)| {
                    let share = share.as_u64()?;
                    if dice < share {
                        return Some(slot.as_str());
                    }
                    dice -= share;
                    None
                })
        };
        let slot = ruled.or_else(shared)?;
        let ready: Vec<u64> = value["groups"][slot]
            .as_array()?
            .iter()
            .filter(|m| m["state"] == "ready")
            .filter_map(|m| m["port"].as_u64())
            .collect();
        let index = usize::try_from(turn / 2).unwrap() % ready.len().max(1);
        ready.get(index).copied()
    }
    /// What a registry's client does: enabled instances in turn.
    fn enabled(&self, instances: &serde_json::Map<String, Value>) -> Option<u64> {
        let on: Vec<&str> = instances
            .iter()
            .filter(|(_, on)| **on == true)
            .filter_map(|(name, _)| name.split_once(':').map(|(_, port)| port))
            .collect();
        let turn = usize::try_from(self.turns.fetch_add(1, Ordering::Relaxed)).unwrap();
        on.get(turn % on.len().max(1))?.parse().ok()
    }
    fn counter(&self, port: u64) -> Arc<AtomicU64> {
        self.open.lock().unwrap().entry(port).or_default().clone()
    }
    /// One client connection: each request is handed to a member over a connection of its own.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let (first, headers, body) = head(&mut reader)?;
            if !self.on.load(Ordering::SeqCst) {
                return None;
            }
            let Some(port) = self.pick(header(&headers, "host")?, &headers) else {
                reply(&mut stream, "404 Not Found", "")?;
                continue;
            };
            let counter = self.counter(port);
            counter.fetch_add(1, Ordering::SeqCst);
            let answered = hand_on(port, &first, &headers, &body);
            counter.fetch_sub(1, Ordering::SeqCst);
            match answered {
                Some(text) => reply(&mut stream, "200 OK", &text)?,
                None => reply(&mut stream, "502 Bad Gateway", "")?,
            }
        }
    }
    /// The management address: `/apps/NAME` as GET, PUT and DELETE, `/open/PORT`.
    fn manage(&self, stream: TcpStream, flash: &Path) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        let (first, _, body) = head(&mut reader)?;
        if !self.on.load(Ordering::SeqCst) {
            return None;
        }
        let mut words = first.split(' ');
        let (verb, path) = (words.next()?, words.next()?);
        if let Some(port) = path.strip_prefix("/open/") {
            let open = self.counter(port.parse().ok()?).load(Ordering::SeqCst);
            return reply(&mut stream, "200 OK", &open.to_string());
        }
        if let Some(path) = path.strip_prefix("/service/") {
            let text = self.register(verb, path, &body, flash);
            return match text {
                Some(text) => reply(&mut stream, "200 OK", &text),
                None => reply(
                    &mut stream,
                    "422 Unprocessable",
                    "nonsense in its configuration",
                ),
            };
        }
        let (path, check) = path
            .strip_suffix("?check")
            .map_or((path, false), |p| (p, true));
        let name = path.strip_prefix("/apps/")?.to_owned();
        let broken = self.broken.load(Ordering::SeqCst);
        let mut apps = self.apps.lock().unwrap();
        match verb {
            "PUT" => {
                let asked: Value = serde_json::from_slice(&body).ok()?;
                if broken {
                    return reply(
                        &mut stream,
                        "422 Unprocessable",
                        "nonsense in its configuration",
                    );
                }
                let kept = json!({ "host_header": asked["host_header"], "running": asked["after"], "persisted": asked["after"] });
                if !check {
                    apps.insert(name, kept);
                }
            }
            "DELETE" => drop(apps.remove(&name)),
            _ => {}
        }
        fs::write(flash, serde_json::to_string(&*apps).ok()?).ok()?;
        let name = path.strip_prefix("/apps/")?;
        let mut app = apps
            .get(name)
            .cloned()
            .unwrap_or_else(|| json!({ "running": null }));
        app["version"] = json!("1.0");
        if broken {
            app["problems"] = json!(["nonsense in its configuration"]);
        }
        app["instance"] = json!(self.starts.load(Ordering::SeqCst).to_string());
        reply(&mut stream, "200 OK", &app.to_string())
    }
}

impl Held {
    /// The registry: `/service/NAME` as GET, PUT and DELETE, `/service/NAME/IP:PORT` as PUT.
    fn register(&self, verb: &str, path: &str, body: &[u8], flash: &Path) -> Option<String> {
        let broken = self.broken.load(Ordering::SeqCst);
        let mut apps = self.apps.lock().unwrap();
        let (name, instance) = path
            .split_once('/')
            .map_or((path, None), |(n, i)| (n, Some(i)));
        let empty = || json!({ "metadata": {}, "instances": {} });
        match verb {
            "PUT" if broken => return None,
            "PUT" => {
                let asked: Value = serde_json::from_slice(body).ok()?;
                let service = apps.entry(name.to_owned()).or_insert_with(empty);
                if let Some(instance) = instance {
                    service["instances"][instance] = asked["enabled"].clone();
                } else {
                    service["metadata"] = asked["metadata"].clone();
                    service["host_header"] = asked["host_header"].clone();
                }
                fs::write(flash, serde_json::to_string(&*apps).ok()?).ok()?;
            }
            "DELETE" => {
                apps.remove(name);
                fs::write(flash, serde_json::to_string(&*apps).ok()?).ok()?;
            }
            _ => {}
        }
        let mut service = apps.get(name).cloned().unwrap_or_else(empty);
        let problems: &[&str] = if broken {
            &["nonsense in its configuration"]
        } else {
            &[]
        };
        service["problems"] = json!(problems);
        service["version"] = json!("1.0");
        service["instance"] = json!(self.starts.load(Ordering::SeqCst).to_string());
        Some(service.to_string())
    }
}

fn hand_on(port: u64, first: &str, headers: &[String], body: &[u8]) -> Option<String> {
    let mut member = TcpStream::connect(("127.0.0.1", u16::try_from(port).ok()?)).ok()?;
    let asked = format!("{first}\r\n{}\r\n\r\n", headers.join("\r\n"));
    member.write_all(&[asked.as_bytes(), body].concat()).ok()?;
    let (status, _, text) = head(&mut BufReader::new(member))?;
    status.contains(" 200 ").then_some(())?;
    String::from_utf8(text).ok()
}

impl<const REGISTRY: bool> Server for Rig<REGISTRY> {
    fn open() -> Option<Self> {
        // Its program is a script of the documentation.
        if !available("python3") {
            return None;
        }
        let rig = Self {
            place: Place::new(&[]),
            rest: free_port(),
            held: Arc::default(),
        };
        let flash = rig.home().join("flash");
        for (port, managed) in [(rig.port(), false), (rig.rest, true)] {
            let (held, flash) = (rig.held.clone(), flash.clone());
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (held, flash) = (held.clone(), flash.clone());
                    thread::spawn(move || {
                        if managed {
                            held.manage(stream, &flash)
                        } else {
                            held.serve(stream)
                        }
                    });
                }
            });
        }
        rig.serve();
        Some(rig)
    }
    const DRIVER: &'static str = "command";
    fn place(&self) -> &Place {
        &self.place
    }
    fn place_mut(&mut self) -> &mut Place {
        &mut self.place
    }
    fn target(&self, app: &str, host: &str) -> Target {
        let name = if REGISTRY { "registry" } else { "appliance" };
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/command")
            .join(format!("{name}.py"));
        let rest = format!("http://127.0.0.1:{}", self.rest);
        let words = |verb: &str| json!([program, verb, rest]);
        let mut settings = json!({
            "read": words("read"), "set": words("set"), "prepare": words("prepare"),
            "remove": words("remove"), "can": ["members"],
        });
        if !REGISTRY {
            settings["drain"] = words("drain");
            settings["can"] = json!(["weights", "rules", "members"]);
        }
        target(app, host, self.port(), settings)
    }
    fn serve(&self) {
        let kept = fs::read_to_string(self.home().join("flash")).unwrap_or_else(|_| "{}".into());
        let mut apps: BTreeMap<String, Value> = serde_json::from_str(&kept).unwrap();
        for app in apps.values_mut() {
            if !REGISTRY {
                app["running"] = app["persisted"].clone();
            }
        }
        *self.held.apps.lock().unwrap() = apps;
        self.held.starts.fetch_add(1, Ordering::SeqCst);
        self.held.on.store(true, Ordering::SeqCst);
    }
    fn quit(&self) {
        self.held.on.store(false, Ordering::SeqCst);
    }
    fn reload(&self) {}
    fn reloads(&self) -> usize {
        0
    }
    fn spoil(&self) {
        self.held.broken.store(true, Ordering::SeqCst);
    }
    fn mend(&self) {
        self.held.broken.store(false, Ordering::SeqCst);
    }
    fn clients(&self) -> usize {
        4
    }
    fn rounds(&self) -> usize {
        2
    }
    fn by_hand(&self, app: &str, _from: &str, to: &str) {
        let mut apps = self.held.apps.lock().unwrap();
        let app = apps.get_mut(&format!("staging.{app}")).unwrap();
        if !REGISTRY {
            app["running"]["split"] = json!({ to: 10_000 });
            return;
        }
        let groups = app["metadata"]["deploy"]["groups"].clone();
        for (slot, members) in groups.as_object().unwrap() {
            for member in members.as_array().unwrap() {
                let name = format!("127.0.0.1:{}", member["port"]);
                app["instances"][name] = json!(slot == to);
            }
        }
    }
}
