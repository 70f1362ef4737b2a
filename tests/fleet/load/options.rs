//! The command line of the load client.

use std::time::Duration;

/// How a client treats a connection between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Keeps it, and writes the next request without looking whether the server has closed it: the worst client.
    Naive,
    /// Keeps it, and looks for the server's close before it writes, as most HTTP libraries do.
    Checking,
    /// A new connection for every request.
    Close,
}

impl Mode {
    /// The word used on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Checking => "checking",
            Self::Close => "close",
        }
    }
}

/// What to do, and what is expected of the answers.
#[derive(Clone, Debug)]
pub struct Options {
    /// `address:port`; connections are spread over them in turn.
    pub targets: Vec<String>,
    /// The `Host` header.
    pub host: String,
    /// Each connection uses one of these, in turn.
    pub modes: Vec<Mode>,
    pub connections: usize,
    /// Requests per second, all connections together.
    pub rate: f64,
    /// How long a slow request is asked to last, in milliseconds.
    pub slow_ms: u64,
    /// Bytes of a POST.
    pub post_bytes: usize,
    /// A request that lasts longer has failed.
    pub timeout: Duration,
    /// The end, where no file says it.
    pub seconds: Duration,
    /// The end: as soon as this file exists.
    pub until_file: Option<String>,
    /// Rewritten five times a second while the load runs.
    pub progress: Option<String>,
    /// Where the summary goes.
    pub json: Option<String>,
    pub expect_release: Option<String>,
    pub expect_members: Vec<String>,
    /// Fewer answers than this prove nothing.
    pub floor: u64,
}

const HELP: &str = "\
Sends HTTP load to load balancers and counts every request that fails. Exit code 1 where one failed or something
expected did not happen.

  --target ADDRESS:PORT     repeat it for several; required
  --host NAME               Host header (default app.test)
  --mode MODE               naive, checking, close, or all (default): a third of the connections each
  --conns N                 connections (default 320)
  --rate N                  requests per second in all (default 330); 10 % last --slow-ms, 10 % are POSTs
  --slow-ms N               (default 5000)
  --post-bytes N            (default 262144)
  --timeout SECONDS         (default 10)
  --secs N                  ends after N seconds (default 900), finishing open requests
  --until-file FILE         ends when FILE appears, finishing open requests
  --progress FILE           rewritten five times a second: {\"ok\":N,\"failed\":N,…}
  --json FILE               the summary, with each failed request
  --expect-release V        with --expect-members: each of them must have answered with this release
  --expect-members A,B      hosts (X-Host) that must have answered
  --floor N                 fewer answers than N count as failure";

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            host: "app.test".to_owned(),
            modes: vec![Mode::Naive, Mode::Checking, Mode::Close],
            connections: 320,
            rate: 330.0,
            slow_ms: 5000,
            post_bytes: 256 << 10,
            timeout: Duration::from_secs(10),
            seconds: Duration::from_secs(900),
            until_file: None,
            progress: None,
            json: None,
            expect_release: None,
            expect_members: Vec::new(),
            floor: 1,
        }
    }
}

impl Options {
    /// Reads the arguments; the error is what to print.
    pub fn parse(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args;
        while let Some(name) = args.next() {
            if name == "--help" || name == "-h" {
                return Err(HELP.to_owned());
            }
            let value = args
                .next()
                .ok_or_else(|| format!("load: {name}: no value\n\n{HELP}"))?;
            options.set(&name, value)?;
        }
        if options.targets.is_empty() {
            return Err(format!("load: no --target\n\n{HELP}"));
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "--target" => self.targets.push(value),
            "--host" => self.host = value,
            "--mode" => self.modes = modes(&value)?,
            "--conns" => self.connections = number(name, &value)?,
            "--rate" => self.rate = number(name, &value)?,
            "--slow-ms" => self.slow_ms = number(name, &value)?,
            "--post-bytes" => self.post_bytes = number(name, &value)?,
            "--timeout" => self.timeout = Duration::from_secs_f64(number(name, &value)?),
            "--secs" => self.seconds = Duration::from_secs_f64(number(name, &value)?),
            "--until-file" => self.until_file = Some(value),
            "--progress" => self.progress = Some(value),
            "--json" => self.json = Some(value),
            "--expect-release" => self.expect_release = Some(value),
            "--expect-members" => {
                self.expect_members = value.split(',').map(str::to_owned).collect()
            }
            "--floor" => self.floor = number(name, &value)?,
            _ => return Err(format!("load: no option {name}\n\n{HELP}")),
        }
        Ok(())
    }
}

fn modes(word: &str) -> Result<Vec<Mode>, String> {
    Ok(match word {
        "naive" => vec![Mode::Naive],
        "checking" => vec![Mode::Checking],
        "close" => vec![Mode::Close],
        "all" => vec![Mode::Naive, Mode::Checking, Mode::Close],
        _ => {
            return Err(format!(
                "load: no mode '{word}': want naive, checking, close or all"
            ));
        }
    })
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("load: {name}: '{value}' is not a number"))
}
