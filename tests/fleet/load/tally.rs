//! What happened: counts per release and member, every failed request, times. Times are milliseconds since 1970, so that
//! they can be laid beside other logs.

use super::client::{Answerer, Client, Failure};
use super::options::Options;
use super::schedule::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Kept in full; more are only counted.
const KEPT_FAILURES: usize = 1000;

/// One failed request.
#[derive(Clone, Debug)]
pub struct Failed {
    /// When it began.
    pub at: u64,
    pub lasted_ms: u64,
    pub kind: Kind,
    pub mode: &'static str,
    pub target: String,
    pub failure: Failure,
}

/// What one answerer did.
#[derive(Clone, Debug)]
pub struct Answered {
    pub count: u64,
    /// When the first and the last request that it answered began.
    pub first_begun: u64,
    pub last_begun: u64,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    pub begun: u64,
    pub ok: u64,
    pub failed: u64,
    /// How long requests were begun.
    pub seconds: f64,
    pub answered: BTreeMap<Answerer, Answered>,
    /// Requests that were answered and that failed, per mode.
    pub modes: BTreeMap<&'static str, (u64, u64)>,
    /// The same per kind of request.
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
    pub failures: Vec<Failed>,
    /// The client itself could not do its work.
    pub broken: BTreeSet<String>,
    /// Milliseconds that plain requests took, sorted.
    pub plain_ms: Vec<u32>,
}

/// Collects while the load runs.
pub struct Tally {
    started: Instant,
    summary: Mutex<Summary>,
}

/// When a request began, by both clocks.
pub struct Begun {
    at: u64,
    clock: Instant,
}

impl Tally {
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            summary: Mutex::new(Summary::default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a request begins.
    pub fn begin(&self) -> Begun {
        self.lock().begun += 1;
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_millis() as u64);
        Begun {
            at,
            clock: Instant::now(),
        }
    }

    /// Notes how it ended.
    pub fn end(
        &self,
        begun: Begun,
        kind: Kind,
        client: &Client<'_>,
        outcome: Result<Answerer, Failure>,
    ) {
        let lasted_ms = begun.clock.elapsed().as_millis() as u64;
        let mut summary = self.lock();
        let good = outcome.is_ok();
        count(summary.modes.entry(client.mode().name()).or_default(), good);
        count(summary.kinds.entry(kind.name()).or_default(), good);
        match outcome {
            Ok(who) => {
                summary.ok += 1;
                if kind == Kind::Plain {
                    summary
                        .plain_ms
                        .push(u32::try_from(lasted_ms).unwrap_or(u32::MAX));
                }
                let answered = summary.answered.entry(who).or_insert(Answered {
                    count: 0,
                    first_begun: begun.at,
                    last_begun: 0,
                });
                answered.count += 1;
                answered.first_begun = answered.first_begun.min(begun.at);
                answered.last_begun = answered.last_begun.max(begun.at);
            }
            Err(failure) => {
                summary.failed += 1;
                if summary.failures.len() < KEPT_FAILURES {
                    let (mode, target) = (client.mode().name(), client.target().to_owned());
                    summary.failures.push(Failed {
                        at: begun.at,
                        lasted_ms,
                        kind,
                        mode,
                        target,
                        failure,
                    });
                }
            }
        }
    }

    /// Notes that the client itself is broken: such a run proves nothing.
    pub fn broken(&self, message: String) {
        self.lock().broken.insert(message);
    }

    /// The line of the progress file.
    pub fn progress(&self, running: bool) -> String {
        let summary = self.lock();
        format!(
            "{{\"running\":{running},\"begun\":{},\"ok\":{},\"failed\":{},\"seconds\":{:.1},\"releases\":{{{}}}}}\n",
            summary.begun,
            summary.ok,
            summary.failed,
            self.started.elapsed().as_secs_f64(),
            join(summary.releases().iter().map(|(release, answered)| format!(
                "{}:{}",
                quote(release),
                answered.count
            )))
        )
    }

    /// No request begins after this: the time that rates are counted over.
    pub fn stopped(&self) {
        self.lock().seconds = self.started.elapsed().as_secs_f64();
    }

    /// The result; plain times sorted.
    pub fn summary(&self) -> Summary {
        let mut summary = self.lock().clone();
        summary.plain_ms.sort_unstable();
        summary
    }
}

fn count(pair: &mut (u64, u64), good: bool) {
    if good { pair.0 += 1 } else { pair.1 += 1 }
}

impl Summary {
    /// All members of a release together.
    pub fn releases(&self) -> BTreeMap<&str, Answered> {
        let mut all = BTreeMap::new();
        for (who, part) in &self.answered {
            all.entry(who.release.as_str())
                .and_modify(|whole: &mut Answered| {
                    whole.count += part.count;
                    whole.first_begun = whole.first_begun.min(part.first_begun);
                    whole.last_begun = whole.last_begun.max(part.last_begun);
                })
                .or_insert_with(|| part.clone());
        }
        all
    }

    /// Everything that makes the run a failure, as sentences.
    pub fn complaints(&self, options: &Options) -> Vec<String> {
        let mut complaints: Vec<String> = self.broken.iter().cloned().collect();
        if self.failed > 0 {
            complaints.push(format!("{} of {} requests failed", self.failed, self.begun));
        }
        if self.ok < options.floor {
            complaints.push(format!(
                "only {} requests were answered, which proves nothing: want {}",
                self.ok, options.floor
            ));
        }
        for member in &options.expect_members {
            let wanted = |who: &Answerer| {
                who.host == *member
                    && options
                        .expect_release
                        .as_ref()
                        .is_none_or(|release| who.release == *release)
            };
            if !self.answered.keys().any(wanted) {
                let release = options
                    .expect_release
                    .as_ref()
                    .map_or(String::new(), |release| format!(" with release {release}"));
                complaints.push(format!("{member} has answered no request{release}"));
            }
        }
        if let Some(release) = &options.expect_release
            && !self.answered.keys().any(|who| who.release == *release)
        {
            complaints.push(format!("release {release} has answered no request"));
        }
        complaints
    }

    fn percentile(&self, percent: usize) -> u32 {
        let last = self.plain_ms.len().saturating_sub(1);
        self.plain_ms
            .get(last * percent / 100)
            .copied()
            .unwrap_or(0)
    }

    /// For people.
    pub fn text(&self, complaints: &[String]) -> String {
        let mut text = String::new();
        let rate = self.begun as f64 / self.seconds.max(0.001);
        let _ = writeln!(
            text,
            "{} requests in {:.1} s ({rate:.0}/s): {} answered, {} failed",
            self.begun, self.seconds, self.ok, self.failed
        );
        for (name, (ok, failed)) in self.modes.iter().chain(&self.kinds) {
            let _ = writeln!(text, "  {name:10} {ok:7} answered {failed:5} failed");
        }
        for (who, part) in &self.answered {
            let _ = writeln!(
                text,
                "  {:20} {:6} {:6} {:7} answered",
                who.release, who.slot, who.host, part.count
            );
        }
        let _ = writeln!(
            text,
            "  GET / took p50 {} ms, p99 {} ms, at most {} ms",
            self.percentile(50),
            self.percentile(99),
            self.percentile(100)
        );
        for failed in self.failures.iter().take(5) {
            let _ = writeln!(text, "  {}", failed.text());
        }
        for complaint in complaints {
            let _ = writeln!(text, "FAILED: {complaint}");
        }
        text
    }

    /// For tests and benches.
    pub fn json(&self, complaints: &[String]) -> String {
        let pairs = |map: &BTreeMap<&'static str, (u64, u64)>| {
            join(map.iter().map(|(name, (ok, failed))| {
                format!("{}:{{\"ok\":{ok},\"failed\":{failed}}}", quote(name))
            }))
        };
        let members = join(self.answered.iter().map(|(who, part)| {
            format!(
                "{{\"release\":{},\"slot\":{},\"host\":{},\"count\":{},\"first_begun\":{},\"last_begun\":{}}}",
                quote(&who.release),
                quote(&who.slot),
                quote(&who.host),
                part.count,
                part.first_begun,
                part.last_begun
            )
        }));
        let releases = join(self.releases().iter().map(|(release, part)| {
            format!(
                "{}:{{\"count\":{},\"first_begun\":{},\"last_begun\":{}}}",
                quote(release),
                part.count,
                part.first_begun,
                part.last_begun
            )
        }));
        format!(
            "{{\"begun\":{},\"ok\":{},\"failed\":{},\"seconds\":{:.3},\n\"modes\":{{{}}},\n\"kinds\":{{{}}},\n\"releases\":{{{releases}}},\n\
             \"members\":[{members}],\n\"plain_ms\":{{\"p50\":{},\"p99\":{},\"max\":{}}},\n\"failures\":[{}],\n\"complaints\":[{}]}}\n",
            self.begun,
            self.ok,
            self.failed,
            self.seconds,
            pairs(&self.modes),
            pairs(&self.kinds),
            self.percentile(50),
            self.percentile(99),
            self.percentile(100),
            join(self.failures.iter().map(Failed::json)),
            join(complaints.iter().map(|text| quote(text)))
        )
    }
}

impl Failed {
    fn text(&self) -> String {
        let Failure {
            error,
            detail,
            reused,
            bytes,
        } = &self.failure;
        let connection = if *reused { "reused" } else { "new" };
        format!(
            "at {} {} {} to {} on a {connection} connection: {error} after {} ms and {bytes} bytes ({})",
            self.at,
            self.mode,
            self.kind.name(),
            self.target,
            self.lasted_ms,
            detail.trim()
        )
    }

    fn json(&self) -> String {
        let Failure {
            error,
            detail,
            reused,
            bytes,
        } = &self.failure;
        format!(
            "{{\"at\":{},\"lasted_ms\":{},\"request\":{},\"mode\":{},\"target\":{},\"error\":{},\"detail\":{},\"reused\":{reused},\"bytes\":{bytes}}}",
            self.at,
            self.lasted_ms,
            quote(self.kind.name()),
            quote(self.mode),
            quote(&self.target),
            quote(error),
            quote(detail)
        )
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

/// A JSON string.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
