//! `deploy logs ENV [APP]`: what the containers say, on all hosts at once.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use regex_lite::Regex;

use super::context::Context;
use super::failure::Failure;
use super::place::OneApp;
use super::session;
use super::work::{self, LogsOf};
use crate::inventory::units;
use crate::name::{ExitCode, ServiceName, SlotName};

/// Show what the containers say, on all hosts at once
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    /// Lines from the end of each container, or `all` [default: 100; with --since all]
    #[arg(long, value_name = "N", value_parser = tail)]
    tail: Option<Tail>,
    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Not older than this, e.g. 10m, 2h, or since a moment: 14:30, 2026-11-21T14:30
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Only lines in which this regular expression is found; --tail counts before it
    #[arg(long, value_name = "REGEX", value_parser = regex)]
    grep: Option<Regex>,
    /// Only of these services; may be given again
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<ServiceName>,
    /// Only of these slots; may be given again
    #[arg(long = "slot", value_name = "SLOT")]
    slots: Vec<SlotName>,
    /// Only of these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let place = self.of.open(ctx)?;
        self.slots
            .iter()
            .try_for_each(|slot| place.has_slot(slot))?;
        let now = ctx.clock.wall();
        let since = self.since.map(|s| s.before(now, &ctx.zone)).transpose()?;
        // Who asks since when wants all of it.
        let tail = match (self.tail, since) {
            (Some(tail), _) => tail.0,
            (None, Some(_)) => None,
            (None, None) => Some(LINES),
        };
        let of = LogsOf {
            tail,
            since,
            grep: self.grep,
            services: self.services,
            slots: self.slots,
            follow: self.follow,
            hosts: session::hosts(&place.inventory, &self.hosts)?,
        };
        work::logs(ctx, place, of).await
    }
}

/// How many lines of each container where nothing else is said.
const LINES: u64 = 100;

fn regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|e| e.to_string())
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time of day, the last time that it was.
    At(Time),
    /// At this moment.
    On(DateTime),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(time) = units::duration(text) {
        return Ok(Since::Ago(time));
    }
    if text.len() > 10
        && let Ok(moment) = text.parse()
    {
        return Ok(Since::On(moment));
    }
    let time = text.contains(':').then(|| text.parse().ok()).flatten();
    time.map(Since::At)
        .ok_or_else(|| "write 10m, 14:30 or 2026-11-21T14:30".to_owned())
}

impl Since {
    /// How long before `now`, in the zone of the person.
    fn before(self, now: Timestamp, zone: &TimeZone) -> Result<Duration, Failure> {
        let calendar = |e| Failure::usage("--since is not in the calendar").because(e);
        let at = |moment: DateTime| moment.to_zoned(zone.clone()).map(|z| z.timestamp());
        let moment = match self {
            Self::Ago(time) => return Ok(time),
            Self::On(moment) => at(moment).map_err(calendar)?,
            Self::At(time) => {
                let today = now.to_zoned(zone.clone()).date();
                let on = |day: jiff::civil::Date| at(day.to_datetime(time));
                match on(today).map_err(calendar)? {
                    moment if moment <= now => moment,
                    _ => today.yesterday().and_then(on).map_err(calendar)?,
                }
            }
        };
        Duration::try_from(now.duration_since(moment))
            .map_err(|_| Failure::usage("--since is in the future: nothing was said yet"))
    }
}

/// How many lines; `None` for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tail(Option<u64>);

fn tail(text: &str) -> Result<Tail, String> {
    if text == "all" {
        return Ok(Tail(None));
    }
    match text.parse() {
        Ok(lines) => Ok(Tail(Some(lines))),
        Err(_) => Err("write a number of lines, or `all`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_when_is_read_as_people_write_it() {
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        let before = |text: &str| {
            let since = since(text).map_err(Failure::usage)?;
            since.before(now, &TimeZone::UTC).map(|d| d.as_secs())
        };
        for (text, seconds) in [
            ("10m", 600),
            ("2h", 7200),
            ("15:59", 60),
            ("16:01", 24 * 3600 - 60),
            ("2026-11-20T16:00", 24 * 3600),
            ("2026-11-21 15:00", 3600),
        ] {
            assert_eq!(before(text).unwrap(), seconds, "{text}");
        }
        for bad in ["", "yesterday", "25:00", "2026-11-20", "2026-11-22T09:00"] {
            assert!(before(bad).is_err(), "{bad}");
        }
    }
}
