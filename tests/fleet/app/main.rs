//! The sample app of the test fleet: a small web server that is rude on purpose. It has requests that last seconds, reads
//! bodies slowly, keeps connections open, and exits at once on SIGTERM, so that a deploy that takes traffic away too late
//! is seen as failed requests. Standard library only; compiled by `script/fleet` into an image `FROM scratch`.
//!
//! `GET /`              release, slot and host as JSON; each answer has `X-Release`, `X-Slot`, `X-Host`
//! `GET /healthz`       200, or 503 with the reason
//! `GET /slow?ms=N`     answers after N ms
//! `POST /post?pause=N` reads 32 KiB, pauses N ms (default 50), and so on; answers the number of bytes
//! `GET /stream`        server-sent events, one each 500 ms, without end
//! `GET /ws`            WebSocket: echoes text, and says where it comes from when idle
//!
//! Environment: `APP_SLOT`, `APP_HOST`, `APP_PORT` (8080), `APP_VERSION` (baked in), `APP_MISBEHAVE` (see `misbehave.rs`).
//! To add an endpoint: a line in `answer`, and one above.

mod http;
mod misbehave;
mod sha1;
mod signal;
mod websocket;

use http::{Request, Response};
use misbehave::Misbehave;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use std::{env, process, thread};

/// What every answer tells about itself.
pub struct App {
    release: String,
    slot: String,
    host: String,
    misbehave: Misbehave,
}

fn setting(name: &str, default: &str) -> String {
    env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| default.to_owned())
}

fn main() {
    let port = setting("APP_PORT", "8080");
    if env::args().nth(1).as_deref() == Some("healthcheck") {
        process::exit(healthcheck(&port));
    }
    signal::exit_on_term();
    let app = Arc::new(App {
        release: setting("APP_VERSION", "dev"),
        slot: setting("APP_SLOT", "none"),
        host: setting("APP_HOST", "none"),
        misbehave: Misbehave::parse(&setting("APP_MISBEHAVE", "")),
    });
    app.misbehave.begin();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap_or_else(|error| {
        eprintln!("ERROR cannot listen on port {port}: {error}");
        process::exit(1);
    });
    println!(
        "app {} listening on {port}, slot {}, host {}",
        app.release, app.slot, app.host
    );
    for stream in listener.incoming().flatten() {
        let app = Arc::clone(&app);
        // A thread per connection with a small stack: hundreds of idle ones fit in the smallest memory limit.
        let started = thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let _ = serve(&app, stream);
        });
        if let Err(error) = started {
            eprintln!("ERROR no thread for a connection: {error}");
        }
    }
}

/// For `HEALTHCHECK` in an image without a shell: exit code 0 where `/healthz` answers 200.
fn healthcheck(port: &str) -> i32 {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    match ask() {
        Ok(answer) => {
            println!("{}", answer.lines().last().unwrap_or(""));
            i32::from(answer.split(' ').nth(1) != Some("200"))
        }
        Err(error) => {
            println!("{error}");
            1
        }
    }
}

/// Serves one connection until either side closes it.
fn serve(app: &App, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(75)))?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = http::read_request(&mut reader)? {
        match request.path() {
            "/stream" => return stream_events(app, reader.get_mut()),
            "/ws" => return websocket::serve(app, &request, reader),
            _ => {}
        }
        let response = answer(app, &request, &mut reader)?;
        http::write_response(reader.get_mut(), &request, &response, &identity(app))?;
        if !request.keep_alive() {
            break;
        }
    }
    Ok(())
}

/// The headers that say who answered.
pub fn identity(app: &App) -> String {
    format!(
        "X-Release: {}\r\nX-Slot: {}\r\nX-Host: {}\r\n",
        app.release, app.slot, app.host
    )
}

fn answer(app: &App, request: &Request, reader: &mut BufReader<TcpStream>) -> io::Result<Response> {
    let whoami = || {
        format!(
            "{{\"release\":\"{}\",\"slot\":\"{}\",\"host\":\"{}\"}}\n",
            app.release, app.slot, app.host
        )
    };
    Ok(match (request.method(), request.path()) {
        ("GET" | "HEAD", "/") => Response::ok(whoami()),
        ("GET" | "HEAD", "/healthz") => match app.misbehave.unhealthy() {
            None => Response::ok("ok\n".to_owned()),
            Some(why) => {
                eprintln!("ERROR health check failed: {why}");
                Response::new(503, format!("unhealthy: {why}\n"))
            }
        },
        ("GET", "/slow") => {
            thread::sleep(Duration::from_millis(request.number("ms").unwrap_or(1000)));
            Response::ok(whoami())
        }
        ("POST", "/post") => {
            let pause = Duration::from_millis(request.number("pause").unwrap_or(50));
            Response::ok(format!(
                "{} bytes\n",
                read_slowly(reader, request.body_length, pause)?
            ))
        }
        _ => Response::new(404, "no such page\n".to_owned()),
    })
}

fn read_slowly(reader: &mut impl Read, length: u64, pause: Duration) -> io::Result<u64> {
    let mut rest = length;
    let mut piece = vec![0; 32 << 10];
    while rest > 0 {
        let want = piece.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        reader.read_exact(&mut piece[..want])?;
        rest -= want as u64;
        thread::sleep(pause);
    }
    Ok(length)
}

fn stream_events(app: &App, stream: &mut TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n";
    write!(stream, "{head}{}\r\n", identity(app))?;
    for number in 0u64.. {
        let event = format!("id: {number}\ndata: {} {}\n\n", app.release, app.host);
        write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
        thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
