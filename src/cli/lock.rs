//! `deploy lock ENV [APP]`: a person's lock, and what `deploy unlock` shares with it.
//!
//! A lock stands on every host, since any of them may be the one that a later run asks first; one
//! host that has it is enough to refuse a run.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::session::Session;
use super::target::App;
use crate::engine::site::{Machine, chain};
use crate::fleet::HoldView;
use crate::host::script::Script;
use crate::inventory::units;
use crate::name::{AppName, EnvName, ExitCode, HostName};
use crate::record::{Hold, HoldLevel, HoldReply, parse, verb};
use crate::report::words;

/// Refuse runs until the lock is lifted; rollback goes ahead all the same
///
/// With APP it is for that app, without for the whole environment. `deploy status` shows who, since
/// when and until when; `deploy unlock` lifts it. Needs -m: it is what others will read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
    /// When it ends by itself: 2h, 18:00, 2026-11-21T18:00
    #[arg(long, value_name = "WHEN")]
    until: Option<Until>,
}

impl Args {
    /// Understands the words, then locks.
    ///
    /// # Errors
    /// Words that mean nothing here, or a lock of somebody else.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let Some(text) = ctx.options.message.as_deref() else {
            return Err(
                Failure::usage("lock needs a reason: it is what others will read")
                    .hint("add -m \"why\""),
            );
        };
        let text: String = words::tame(text);
        let now = ctx.clock.wall();
        let until = self.until.map(|u| u.second(now, &ctx.zone)).transpose()?;
        let what = self.of.open(ctx)?;
        let want = HoldView {
            whole: what.level() == HoldLevel::Env,
            who: ctx.outside.actor.clone(),
            text: text.trim().to_owned(),
            since: now.as_second(),
            until,
        };
        let asked = what.ask(ctx, |machine| {
            let (scope, level) = (&machine.scope, what.level());
            verb::hold(scope, level, want.until, want.since, &want.who, &want.text)
        });
        let (replies, silent) = asked.await?;
        let (mut set, mut before, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut silent = silent;
        for (host, reply) in replies {
            match reply.and_then(|r| parse::hold(&r).map_err(|e| chain(&e))) {
                Ok(HoldReply::Set) => set.push(host),
                Ok(HoldReply::Held(held)) if same(&held.view(), &want) => before.push(host),
                Ok(HoldReply::Held(held)) => others.push((host, held)),
                Err(why) => {
                    silent.insert(host, why);
                }
            }
        }
        if let Some((host, held)) = others.first() {
            what.take_back(ctx, &set).await?;
            return Err(what.locked_already(host, held));
        }
        set.append(&mut before);
        set.sort();
        Ok(told(ctx, &what.locked(ctx, &want, &set), &silent))
    }
}

/// The same person asks for the same: what was left out before is made up for.
fn same(held: &HoldView, want: &HoldView) -> bool {
    let who = |hold: &HoldView| words::person(&hold.who).to_owned();
    who(held) == who(want) && held.text == want.text
}

/// Says what was done, and names who did not answer: then it is not known, and the code is 7.
pub(super) fn told(ctx: &Context, done: &str, silent: &BTreeMap<HostName, String>) -> ExitCode {
    if ctx.options.json {
        let line = serde_json::json!({"v": 1, "event": "lock", "text": done, "silent": silent});
        ctx.out.result(&line.to_string());
    } else {
        ctx.out.result(done);
        for (host, why) in silent {
            ctx.out.say(&format!("no answer: {host}: {why}"));
        }
    }
    if silent.is_empty() {
        ExitCode::Success
    } else {
        ExitCode::Unknown
    }
}

/// The words that say what is locked or unlocked.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Of {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; the whole environment where it is left out
    app: Option<App>,
}

impl Of {
    /// Checks the words against the inventory.
    ///
    /// # Errors
    /// Words that mean nothing here.
    pub fn open(&self, ctx: &Context) -> Result<What, Failure> {
        let opened = Opened::named(ctx, &self.env)?.only(self.app.as_ref())?;
        let app = self.app.as_ref().map(|a| a.0.clone());
        Ok(What { opened, app })
    }
}

/// What is locked: an environment, or one app of it.
pub(super) struct What {
    opened: Opened,
    pub app: Option<AppName>,
}

type Replies = Vec<(HostName, Result<crate::host::script::Reply, String>)>;

impl What {
    pub fn env(&self) -> &EnvName {
        self.opened.env()
    }

    pub fn level(&self) -> HoldLevel {
        if self.app.is_some() {
            HoldLevel::App
        } else {
            HoldLevel::Env
        }
    }

    /// As it is typed: `staging`, `staging app`.
    pub fn words(&self) -> String {
        match &self.app {
            Some(app) => format!("{} {app}", self.env()),
            None => self.env().to_string(),
        }
    }

    /// Runs a script on every host, each once; hosts that were not reached and why.
    ///
    /// # Errors
    /// A wish to stop.
    pub async fn ask(
        &self,
        ctx: &Context,
        script: impl Fn(&Machine) -> Script,
    ) -> Result<(Replies, BTreeMap<HostName, String>), Failure> {
        let inventory = &self.opened.inventory;
        let mut session = Session::start(ctx)?;
        let asked = session.unless_stopped(async |session: &Session| {
            let (mut machines, mut silent) = (BTreeMap::new(), BTreeMap::new());
            for app in self
                .opened
                .apps
                .iter()
                .filter_map(|a| inventory.apps.get(a))
            {
                let site = session.open(inventory, app).await;
                silent.extend(site.silent);
                machines.extend(site.machines);
            }
            silent.retain(|host, _| !machines.contains_key(host));
            let mut set = JoinSet::new();
            for (name, machine) in machines {
                let script = script(&machine);
                set.spawn(async move {
                    let reply = machine.host.run(script).await;
                    (name, reply.map_err(|e| chain(&e)))
                });
            }
            let mut replies = set.join_all().await;
            replies.sort_by(|a, b| a.0.cmp(&b.0));
            (replies, silent)
        });
        let asked = asked.await;
        session.close().await;
        asked
    }

    /// Another lock was met: those that were set a moment before go again.
    async fn take_back(&self, ctx: &Context, set: &[HostName]) -> Result<(), Failure> {
        if set.is_empty() {
            return Ok(());
        }
        let level = self.level();
        let lift = |machine: &Machine| {
            if set.contains(machine.host.name()) {
                verb::unhold(&machine.scope, level)
            } else {
                verb::peek(&machine.scope)
            }
        };
        self.ask(ctx, lift).await.map(|_| ())
    }

    fn locked_already(&self, host: &HostName, held: &Hold) -> Failure {
        let what = format!(
            "{} is locked already {} ({host})",
            self.words(),
            held.view().says()
        );
        Failure::refused(what).hint(format!("`deploy unlock {}` lifts it", self.words()))
    }

    fn locked(&self, ctx: &Context, hold: &HoldView, hosts: &[HostName]) -> String {
        let now = ctx.clock.wall();
        let until = hold.until.and_then(|at| Timestamp::from_second(at).ok());
        let until = until.map_or_else(
            || "until it is lifted".to_owned(),
            |at| format!("until {}", words::since(at, now, &ctx.zone)),
        );
        format!(
            "{} is locked {until} on {}: {}\nlift it: deploy unlock {}",
            self.words(),
            words::names(hosts, 8),
            hold.text,
            self.words()
        )
    }
}

/// When a lock ends, as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Until {
    /// After this time.
    In(Duration),
    /// At this time of day, today or tomorrow.
    At(Time),
    /// At this moment.
    On(DateTime),
}

impl FromStr for Until {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(time) = units::duration(text) {
            return Ok(Self::In(time));
        }
        if text.len() > 10
            && let Ok(moment) = text.parse()
        {
            return Ok(Self::On(moment));
        }
        let time = |text: &str| text.contains(':').then(|| text.parse().ok()).flatten();
        time(text)
            .map(Self::At)
            .ok_or_else(|| "write 2h, 18:00 or 2026-11-21T18:00".to_owned())
    }
}

impl Until {
    /// The second since the epoch, in the zone of the person.
    ///
    /// # Errors
    /// A usage failure where it is past.
    fn second(&self, now: Timestamp, zone: &TimeZone) -> Result<i64, Failure> {
        let here = now.to_zoned(zone.clone());
        let moment = match self {
            Self::In(time) => now + *time,
            Self::On(moment) => moment
                .to_zoned(zone.clone())
                .map_err(|e| Failure::usage("that moment is not in the calendar").because(e))?
                .timestamp(),
            Self::At(time) => {
                let on = |day: jiff::civil::Date| {
                    let at = day.to_datetime(*time).to_zoned(zone.clone());
                    at.map(|at| at.timestamp())
                };
                let today = on(here.date());
                let moment = match today {
                    Ok(at) if at > now => Ok(at),
                    _ => here.date().tomorrow().and_then(on),
                };
                moment.map_err(|e| Failure::usage("that time is not in the calendar").because(e))?
            }
        };
        if moment <= now {
            return Err(Failure::usage("--until is past: nothing would be locked"));
        }
        Ok(moment.as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_lock_is_read_as_people_write_it() {
        let now: Timestamp = "2026-11-21T16:00:00Z".parse().unwrap();
        let at = |text: &str| {
            let until: Until = text.parse().map_err(|e: String| Failure::usage(e))?;
            let second = until.second(now, &TimeZone::UTC)?;
            Ok::<String, Failure>(crate::text::utc(second))
        };
        for (text, moment) in [
            ("2h", "2026-11-21 18:00 UTC"),
            ("1d", "2026-11-22 16:00 UTC"),
            ("18:30", "2026-11-21 18:30 UTC"),
            ("06:00", "2026-11-22 06:00 UTC"),
            ("2026-12-01T09:00", "2026-12-01 09:00 UTC"),
            ("2026-12-01 09:00", "2026-12-01 09:00 UTC"),
        ] {
            assert_eq!(at(text).unwrap(), moment, "{text}");
        }
        for bad in ["", "soon", "25:00", "2026-12-01", "2026-11-20T09:00", "0"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_same_person_with_the_same_words_goes_on_with_a_lock() {
        let hold = |who: &str, text: &str| HoldView {
            whole: false,
            who: who.parse().unwrap(),
            text: text.to_owned(),
            since: 1,
            until: None,
        };
        let mine = hold("ops@m:1:2", "year end");
        assert!(same(&hold("ops@m:77:3", "year end"), &mine));
        assert!(!same(&hold("dana@m:1:2", "year end"), &mine));
        assert!(!same(&hold("ops@m:1:2", "migration"), &mine));
    }
}
