//! How long hosts are waited for by commands that only look: what is known then is shown, and who
//! did not answer is named.

use std::time::Duration;

use super::context::Context;
use super::failure::Failure;
use super::session::Session;
use crate::engine::ask::Answers;
use crate::event::jiff_text::Stamp;
use crate::inventory::units;
use crate::name::HostName;
use crate::report::status::Said;
use crate::time::Clock;

/// The option of every command that only looks.
#[derive(Debug, Clone, clap::Args)]
pub struct Seeing {
    /// Longest wait for hosts; what is known then is shown
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    within: Duration,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = units::duration(text).map_err(str::to_owned)?;
    if time < Duration::from_secs(1) {
        return Err("is shorter than a second".to_owned());
    }
    Ok(time)
}

/// The time that is left.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    end: Duration,
}

impl Seeing {
    /// The time begins to run.
    #[must_use]
    pub fn begin(&self, ctx: &Context) -> Deadline {
        Deadline {
            // A little of it is for the rest of the program.
            end: ctx.clock.elapsed() + self.within.mul_f64(0.95),
        }
    }

    /// A session whose connections leave time for an answer.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn session(&self, ctx: &Context) -> Result<Session, Failure> {
        // ssh counts whole seconds.
        let connect = Duration::from_secs((self.within.as_secs() * 3 / 5).max(1));
        Session::within(ctx, Some(connect))
    }
}

impl Deadline {
    /// What is left of it; never less than a moment, so that a host that was reached is asked.
    #[must_use]
    pub fn left(&self, clock: &Clock) -> Duration {
        let left = self.end.saturating_sub(clock.elapsed());
        left.max(Duration::from_millis(500))
    }
}

/// Takes the hosts that did not answer out of the answers; what the others said is read.
pub fn read<T>(
    answers: Answers,
    read: impl Fn(&crate::host::script::Reply) -> Result<T, crate::record::RecordError>,
) -> (std::collections::BTreeMap<HostName, T>, Vec<Said>) {
    let mut known = std::collections::BTreeMap::new();
    let mut silent = Vec::new();
    for (host, answer) in answers {
        let told = answer.and_then(|reply| {
            let chain = |e: crate::record::RecordError| crate::engine::site::chain(&e);
            read(&reply).map_err(chain)
        });
        match told {
            Ok(told) => {
                known.insert(host, told);
            }
            Err(what) => silent.push(Said { host, what }),
        }
    }
    (known, silent)
}

/// Names on stderr the hosts that did not answer.
pub fn name_silent(ctx: &Context, silent: &[Said]) {
    for line in crate::report::status::said_lines("no answer", silent) {
        ctx.out.say(&format!("error: {}", line.trim_start()));
    }
}

/// Now, for a view.
#[must_use]
pub fn now(ctx: &Context) -> Stamp {
    Stamp(ctx.clock.wall())
}
