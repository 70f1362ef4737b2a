//! One client connection: sends a request, reads the whole answer within the time limit, never tries twice.

use super::options::{Mode, Options};
use super::schedule::Kind;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Who answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answerer {
    pub release: String,
    pub slot: String,
    pub host: String,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A stable word: `connect`, `write`, `reset`, `closed`, `timeout`, `truncated`, `status-502`, `wrong-answer`.
    pub error: String,
    pub detail: String,
    pub reused: bool,
    /// Bytes of the answer that had arrived.
    pub bytes: usize,
}

/// A client with at most one open connection.
pub struct Client<'a> {
    options: &'a Options,
    mode: Mode,
    target: String,
    address: SocketAddr,
    open: Option<TcpStream>,
}

struct Answer {
    status: u16,
    who: Answerer,
    closes: bool,
    body: Vec<u8>,
}

/// A failure before it is known how much had arrived.
type Trouble = (String, String);

impl<'a> Client<'a> {
    /// The `number`-th client of a run; targets and modes are taken in turn.
    ///
    /// # Errors
    /// Where the target's name has no address.
    pub fn new(options: &'a Options, number: usize) -> Result<Self, String> {
        let target = options.targets[number % options.targets.len()].clone();
        // Not the same step as for targets, so that each mode meets each target.
        let mode = options.modes[number / options.targets.len() % options.modes.len()];
        let address = target
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .ok_or_else(|| format!("load: target '{target}' has no address"))?;
        Ok(Self {
            options,
            mode,
            target,
            address,
            open: None,
        })
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn target(&self) -> &str {
        &self.target
    }

    /// One request, once.
    ///
    /// # Errors
    /// Everything but a whole, right answer with status 200 in time.
    pub fn request(&mut self, kind: Kind) -> Result<Answerer, Failure> {
        let deadline = Instant::now() + self.options.timeout;
        if self.mode == Mode::Checking && self.open.as_ref().is_some_and(was_closed) {
            self.open = None;
        }
        let reused = self.open.is_some();
        let mut received = Vec::new();
        self.exchange(kind, deadline, &mut received)
            .map_err(|(error, detail)| {
                self.open = None;
                Failure {
                    error,
                    detail,
                    reused,
                    bytes: received.len(),
                }
            })
    }

    fn exchange(
        &mut self,
        kind: Kind,
        deadline: Instant,
        received: &mut Vec<u8>,
    ) -> Result<Answerer, Trouble> {
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(&self.address, self.options.timeout)?,
        };
        send(&mut stream, &self.head(kind), deadline)?;
        if kind == Kind::Post {
            send(&mut stream, &vec![b'x'; self.options.post_bytes], deadline)?;
        }
        let answer = receive(&mut stream, deadline, received)?;
        if self.mode != Mode::Close && !answer.closes {
            self.open = Some(stream);
        }
        self.judge(kind, answer)
    }

    fn head(&self, kind: Kind) -> Vec<u8> {
        let (line, body) = match kind {
            Kind::Plain => ("GET /".to_owned(), String::new()),
            Kind::Slow => (
                format!("GET /slow?ms={}", self.options.slow_ms),
                String::new(),
            ),
            Kind::Post => (
                "POST /post".to_owned(),
                format!("Content-Length: {}\r\n", self.options.post_bytes),
            ),
        };
        let connection = if self.mode == Mode::Close {
            "Connection: close\r\n"
        } else {
            ""
        };
        format!(
            "{line} HTTP/1.1\r\nHost: {}\r\n{connection}{body}\r\n",
            self.options.host
        )
        .into_bytes()
    }

    fn judge(&self, kind: Kind, answer: Answer) -> Result<Answerer, Trouble> {
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            return Err((format!("status-{}", answer.status), one_line(&body)));
        }
        let whole = format!("{} bytes\n", self.options.post_bytes);
        if answer.who.release.is_empty() || (kind == Kind::Post && body != whole) {
            return Err(("wrong-answer".to_owned(), one_line(&body)));
        }
        Ok(answer.who)
    }
}

fn connect(address: &SocketAddr, timeout: Duration) -> Result<TcpStream, Trouble> {
    let stream =
        TcpStream::connect_timeout(address, timeout).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => ("timeout".to_owned(), "connecting".to_owned()),
            _ => ("connect".to_owned(), error.to_string()),
        })?;
    stream
        .set_nodelay(true)
        .map_err(|error| ("connect".to_owned(), error.to_string()))?;
    Ok(stream)
}

/// Has the server closed an idle connection, or sent what nobody asked for?
fn was_closed(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let open = matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
    !open || stream.set_nonblocking(false).is_err()
}

/// The start of a text, for people.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(120).collect()
}

fn left(deadline: Instant) -> Result<Duration, Trouble> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(("timeout".to_owned(), "no time left".to_owned())),
        rest => Ok(rest),
    }
}

fn trouble(error: &std::io::Error, doing: &str) -> Trouble {
    let word = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "timeout",
        ErrorKind::ConnectionReset => "reset",
        _ => "write",
    };
    (word.to_owned(), format!("{doing}: {error}"))
}

fn send(stream: &mut TcpStream, mut bytes: &[u8], deadline: Instant) -> Result<(), Trouble> {
    while !bytes.is_empty() {
        stream
            .set_write_timeout(Some(left(deadline)?))
            .map_err(|error| trouble(&error, "sending"))?;
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) => return Err(trouble(&error, "sending")),
        }
    }
    Ok(())
}

/// Reads one whole answer; `received` keeps all of its bytes, also those of a broken one.
fn receive(
    stream: &mut TcpStream,
    deadline: Instant,
    received: &mut Vec<u8>,
) -> Result<Answer, Trouble> {
    loop {
        if let Some(answer) = parse(received)? {
            return Ok(answer);
        }
        stream
            .set_read_timeout(Some(left(deadline)?))
            .map_err(|error| trouble(&error, "reading"))?;
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) if received.is_empty() => {
                return Err(("closed".to_owned(), "before an answer".to_owned()));
            }
            Ok(0) => {
                return Err((
                    "truncated".to_owned(),
                    "closed within the answer".to_owned(),
                ));
            }
            Ok(count) => received.extend_from_slice(&piece[..count]),
            Err(error) if received.is_empty() => return Err(trouble(&error, "waiting")),
            Err(error) => return Err(trouble(&error, "reading")),
        }
    }
}

/// An answer with a length, once it is there in whole; `None` where bytes are still missing.
fn parse(bytes: &[u8]) -> Result<Option<Answer>, Trouble> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let wrong = |what: &str| {
        (
            "wrong-answer".to_owned(),
            format!("{what}: {}", one_line(&head)),
        )
    };
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| wrong("no status"))?;
    let mut answer = Answer {
        status,
        who: Answerer::default(),
        closes: false,
        body: Vec::new(),
    };
    let mut length = None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "x-release" => answer.who.release = value,
            "x-slot" => answer.who.slot = value,
            "x-host" => answer.who.host = value,
            "connection" => answer.closes = value.eq_ignore_ascii_case("close"),
            "content-length" => length = value.parse::<usize>().ok(),
            _ => {}
        }
    }
    let body = &bytes[end + 4..];
    let length = length.ok_or_else(|| wrong("no length"))?;
    if body.len() < length {
        return Ok(None);
    }
    answer.body = body[..length].to_vec();
    Ok(Some(answer))
}
