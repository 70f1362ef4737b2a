//! Are the programs of the test fleet fit to judge by? The load client has to count what fails: a server that closes idle
//! connections, one that stalls, one that cuts answers. To add a case: a behaviour of `Server`, and a test that counts.
#![expect(
    clippy::disallowed_methods,
    reason = "the load client is a program of its own, with its own clock and files"
)]

#[path = "fleet/load"]
mod load {
    pub mod client;
    pub mod options;
    pub mod run;
    pub mod schedule;
    pub mod tally;
}
#[path = "fleet/app/sha1.rs"]
mod sha1;

use load::options::{Mode, Options};
use load::run::run;
use load::tally::Summary;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What the tiny server does with a connection.
#[derive(Clone, Copy)]
enum Server {
    /// Answers everything, for ever.
    Good,
    /// Closes each connection after its first answer, without having said so.
    ClosesIdle,
    /// Accepts, reads, and says nothing.
    Stalls,
    /// Announces more than it sends.
    CutsAnswers,
    /// Answers 502, as a load balancer without a backend does.
    BadGateway,
    /// Says that a POST arrived with one byte less.
    LosesByte,
}

impl Server {
    fn start(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || self.serve(stream));
            }
        });
        address
    }

    fn serve(self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(length) = read_head(&mut reader) {
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            match self {
                Self::Stalls => return thread::sleep(Duration::from_secs(60)),
                Self::CutsAnswers => return answer(&mut reader, "200 OK", "abc", 10),
                Self::BadGateway => answer(&mut reader, "502 Bad Gateway", "", 0),
                Self::LosesByte => said(&mut reader, length.saturating_sub(1)),
                Self::Good => said(&mut reader, length),
                Self::ClosesIdle => return said(&mut reader, length),
            }
        }
    }
}

/// The length of the request's body; none where the client is gone.
fn read_head(reader: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            return Some(length);
        }
    }
}

fn said(reader: &mut BufReader<TcpStream>, bytes: usize) {
    let body = format!("{bytes} bytes\n");
    answer(reader, "200 OK", &body, body.len());
}

fn answer(reader: &mut BufReader<TcpStream>, status: &str, body: &str, length: usize) {
    let head = format!(
        "HTTP/1.1 {status}\r\nX-Release: 1.0\r\nX-Slot: blue\r\nX-Host: web1\r\nContent-Length: {length}\r\n\r\n"
    );
    let _ = reader
        .get_mut()
        .write_all(format!("{head}{body}").as_bytes());
}

/// A second of load: about a hundred requests on four connections.
fn load(server: Server, mode: Mode, change: impl FnOnce(&mut Options)) -> (Options, Summary) {
    let mut options = Options {
        targets: vec![server.start()],
        modes: vec![mode],
        connections: 4,
        rate: 100.0,
        slow_ms: 0,
        post_bytes: 2000,
        timeout: Duration::from_secs(8),
        seconds: Duration::from_secs(1),
        ..Options::default()
    };
    change(&mut options);
    let summary = run(&options);
    (options, summary)
}

fn errors(summary: &Summary, word: &str) -> usize {
    summary
        .failures
        .iter()
        .filter(|failed| failed.failure.error == word)
        .count()
}

#[test]
fn a_good_server_fails_no_request_in_any_mode() {
    for mode in [Mode::Naive, Mode::Checking, Mode::Close] {
        let (options, summary) = load(Server::Good, mode, |options| options.floor = 50);
        assert_eq!(
            summary.complaints(&options),
            Vec::<String>::new(),
            "{mode:?}"
        );
        assert_eq!(summary.failed, 0);
        assert_eq!(summary.begun, summary.ok);
        let kinds: Vec<_> = summary.kinds.keys().copied().collect();
        assert_eq!(kinds, ["GET /", "GET /slow", "POST /post"]);
    }
}

#[test]
fn naive_fails_on_connections_closed_while_idle_and_the_others_do_not() {
    let slowly = |options: &mut Options| options.rate = 40.0;
    let (options, naive) = load(Server::ClosesIdle, Mode::Naive, slowly);
    assert!(naive.failed >= 5, "{naive:?}");
    assert!(
        naive
            .failures
            .iter()
            .all(|failed| failed.failure.reused && failed.failure.bytes == 0)
    );
    assert!(naive.complaints(&options)[0].ends_with("requests failed"));
    for mode in [Mode::Checking, Mode::Close] {
        let (_, summary) = load(Server::ClosesIdle, mode, slowly);
        assert_eq!(
            (summary.failed, summary.ok > 20),
            (0, true),
            "{mode:?}: {summary:?}"
        );
    }
}

#[test]
fn a_server_that_stalls_is_counted_as_timeout() {
    let (options, summary) = load(Server::Stalls, Mode::Close, |options| {
        options.timeout = Duration::from_millis(500);
    });
    assert_eq!(errors(&summary, "timeout") as u64, summary.begun);
    assert!(summary.begun >= 4);
    assert!(
        summary
            .failures
            .iter()
            .all(|failed| (450..8000).contains(&failed.lasted_ms)),
        "{summary:?}"
    );
    assert_eq!(
        summary.complaints(&options).len(),
        2,
        "failures, and nothing answered"
    );
}

#[test]
fn a_cut_answer_is_counted() {
    let (_, summary) = load(Server::CutsAnswers, Mode::Checking, |_| {});
    assert_eq!(
        (errors(&summary, "truncated") as u64, summary.ok),
        (summary.begun, 0)
    );
    assert!(summary.failures[0].failure.bytes > 50);
}

#[test]
fn a_bad_status_is_counted() {
    let (_, summary) = load(Server::BadGateway, Mode::Naive, |_| {});
    assert_eq!(
        (errors(&summary, "status-502") as u64, summary.ok),
        (summary.begun, 0)
    );
}

#[test]
fn a_body_that_did_not_arrive_whole_is_counted() {
    let (_, summary) = load(Server::LosesByte, Mode::Close, |_| {});
    assert_eq!(summary.kinds["POST /post"].0, 0);
    assert_eq!(
        errors(&summary, "wrong-answer") as u64,
        summary.kinds["POST /post"].1
    );
    assert_eq!(summary.kinds["GET /"].1, 0);
}

#[test]
fn nobody_listening_is_counted_and_does_not_spin() {
    let (_, summary) = load(Server::Good, Mode::Close, |options| {
        options.targets = vec!["127.0.0.1:1".to_owned()]
    });
    assert_eq!(errors(&summary, "connect") as u64, summary.begun);
    assert!((4..40).contains(&summary.begun), "{}", summary.begun);
}

#[test]
fn a_missing_member_release_or_floor_is_a_complaint() {
    let (mut options, summary) = load(Server::Good, Mode::Checking, |options| {
        options.expect_release = Some("1.0".to_owned());
        options.expect_members = vec!["web1".to_owned()];
    });
    assert_eq!(summary.complaints(&options), Vec::<String>::new());
    options.expect_members.push("web2".to_owned());
    options.floor = 1_000_000;
    let complaints = summary.complaints(&options);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("want 1000000"));
    assert_eq!(
        complaints[1],
        "web2 has answered no request with release 1.0"
    );
    options.expect_release = Some("2.0".to_owned());
    assert!(
        summary
            .complaints(&options)
            .contains(&"release 2.0 has answered no request".to_owned())
    );
}

#[test]
fn the_json_summary_is_json() {
    let (options, summary) = load(Server::BadGateway, Mode::Close, |_| {});
    let json: serde_json::Value =
        serde_json::from_str(&summary.json(&summary.complaints(&options))).expect("JSON");
    assert_eq!(json["failed"], summary.failed);
    assert_eq!(json["failures"][0]["error"], "status-502");
    assert_eq!(json["modes"]["close"]["failed"], summary.failed);
}

#[test]
fn a_failure_is_shown_on_one_line_with_its_connection() {
    let (options, summary) = load(Server::CutsAnswers, Mode::Close, |_| {});
    let text = summary.text(&summary.complaints(&options));
    let line = text
        .lines()
        .find(|line| line.contains("truncated"))
        .expect("a failure");
    assert!(
        line.contains("on a new connection: truncated after"),
        "{line}"
    );
    assert!(text.contains("\nFAILED: "), "{text}");
}

#[test]
fn options_are_read_and_wrong_ones_refused() {
    let parse = |words: &[&str]| Options::parse(words.iter().map(|word| (*word).to_owned()));
    let options = parse(&["--target", "a:80", "--target", "b:80", "--mode", "naive"]);
    let options = options.expect("good options");
    assert_eq!(options.targets, ["a:80", "b:80"]);
    assert_eq!(options.modes, [Mode::Naive]);
    for (words, want) in [
        (vec![], "load: no --target"),
        (
            vec!["--rate", "fast"],
            "load: --rate: 'fast' is not a number",
        ),
        (vec!["--mode", "polite"], "load: no mode 'polite'"),
        (vec!["--target"], "load: --target: no value"),
        (vec!["--retry", "3"], "load: no option --retry"),
    ] {
        let message = parse(&words).expect_err("refused");
        assert!(message.starts_with(want), "{message}");
    }
}
