//! `deploy versions ENV [APP]`: what the registry has, newest first, and what runs where.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::context::Context;
use super::failure::Failure;
use super::place::OneApp;
use super::session::{self, Session};
use super::work::with;
use crate::fleet::Fleet;
use crate::name::{ExitCode, ImageName, Version};
use crate::plan::{Setup, judge};

/// Show the versions that the registry has, newest first, and which of them run here
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    /// Show so many of the newest; those that run here are always shown
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: usize,
}

/// A version and the slots that run it, e.g. `active blue`.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
struct Row {
    version: Version,
    runs: Vec<String>,
    /// The registry has it.
    here: bool,
}

impl Args {
    /// Asks registry and hosts at the same time.
    ///
    /// # Errors
    /// Words that mean nothing here, or a registry that does not answer.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let place = self.of.open(ctx)?;
        let (name, inventory, app) = (&place.app, &place.inventory, place.app()?);
        let image = app.images.values().next();
        let image =
            image.ok_or_else(|| Failure::usage(format!("{name} has no image of its own")))?;
        let image = ImageName::new(image.value.to_string())?;
        let session = Session::start(ctx)?;
        with(session, async |session: &mut Session| {
            let both = async |session: &Session| {
                let tags = async {
                    let registry = session::registry(ctx, inventory).await?;
                    let tags = registry.tags(&image).await;
                    tags.map_err(|e| {
                        session::unanswered(&format!("versions of {name} are not known"), e)
                    })
                };
                let look = async {
                    let site = session.open_to_look(inventory, app).await;
                    let fleet = site.look(&session.voice).await;
                    (site.setup, fleet)
                };
                tokio::join!(tags, look)
            };
            let (tags, (setup, fleet)) = session.unless_stopped(both).await?;
            let runs = running(&setup, &fleet);
            let known = tags?.into_iter().filter_map(|t| Version::new(t).ok());
            let (rows, more) = rows(known.collect(), runs, self.limit);
            session.feed.pause().await;
            show(
                ctx,
                &format!("{} {name}  {image}", place.env()),
                &rows,
                more,
            );
            for (host, why) in &fleet.silent {
                ctx.out.say(&format!("{host} does not answer: {why}"));
            }
            Ok(if fleet.silent.is_empty() {
                ExitCode::Success
            } else {
                ExitCode::Unknown
            })
        })
        .await
    }
}

fn show(ctx: &Context, title: &str, rows: &[Row], more: usize) {
    if ctx.options.json {
        for row in rows {
            let line = serde_json::json!({
                "v": 1, "event": "version", "version": row.version, "runs": row.runs,
                "in_registry": row.here,
            });
            ctx.out.result(&line.to_string());
        }
        return;
    }
    ctx.out.result(title);
    let width = rows
        .iter()
        .map(|r| r.version.as_str().len())
        .max()
        .unwrap_or(0);
    for row in rows {
        let gone = if row.here {
            ""
        } else {
            "  (the registry does not have it any more)"
        };
        let line = format!(
            "  {:<width$}  {}{gone}",
            row.version.as_str(),
            row.runs.join(", ")
        );
        ctx.out.result(line.trim_end());
    }
    if more > 0 {
        ctx.out.result(&format!(
            "  and {more} older or other; -n {} shows all",
            rows.len() + more
        ));
    }
}

/// What runs in each slot, by version.
fn running(setup: &Setup, fleet: &Fleet) -> BTreeMap<String, Vec<String>> {
    let before = judge::traffic_now(setup, fleet).ok().flatten();
    let active = judge::active(setup, before.as_ref()).ok().flatten();
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for slot in &setup.slots {
        let role = if active.as_ref() == Some(slot) {
            "active"
        } else {
            "standby"
        };
        let mut by_version: BTreeMap<String, usize> = BTreeMap::new();
        for host in setup.hosts(slot) {
            let view = fleet.hosts.get(host);
            let runs = view.and_then(|v| judge::running(v, &setup.env, &setup.app, slot));
            if let Some(label) = runs {
                *by_version.entry(label.version.to_string()).or_default() += 1;
            }
        }
        let all = setup.hosts(slot).count();
        for (version, n) in by_version {
            let part = if n == all {
                String::new()
            } else {
                format!(" on {n} of {all} hosts")
            };
            out.entry(version)
                .or_default()
                .push(format!("{role} {slot}{part}"));
        }
    }
    out
}

/// Newest first: versions of the house form by number and count, then other tags by name.
fn rows(
    known: Vec<Version>,
    mut runs: BTreeMap<String, Vec<String>>,
    limit: usize,
) -> (Vec<Row>, usize) {
    let mut all: Vec<Row> = known
        .into_iter()
        .map(|version| Row {
            runs: runs.remove(version.as_str()).unwrap_or_default(),
            version,
            here: true,
        })
        .collect();
    let gone = runs.into_iter().filter_map(|(version, runs)| {
        let version = Version::new(version).ok()?;
        Some(Row {
            version,
            runs,
            here: false,
        })
    });
    all.extend(gone);
    all.sort_by(|a, b| newest_first(&a.version, &b.version));
    let total = all.len();
    let mut n = 0;
    all.retain(|row| {
        n += 1;
        n <= limit || !row.runs.is_empty()
    });
    let more = total - all.len();
    (all, more)
}

/// A total order: those of the house form before all others.
fn newest_first(a: &Version, b: &Version) -> Ordering {
    let by_name = || a.as_str().cmp(b.as_str());
    match (a.is_ordered(), b.is_ordered()) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => by_name(),
        (true, true) => b.compare(a).unwrap_or_else(by_name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(words: &[&str]) -> Vec<Version> {
        words.iter().map(|w| Version::new(*w).unwrap()).collect()
    }

    fn shown(rows: &[Row]) -> Vec<String> {
        rows.iter()
            .map(|r| format!("{} {} {}", r.version, r.runs.join(","), r.here))
            .collect()
    }

    #[test]
    fn the_newest_comes_first_and_what_runs_is_never_left_out() {
        let known = versions(&[
            "1.0.9-99-abc1234",
            "latest",
            "1.0.10-3-7e56158",
            "1.0.1-22-7e56158",
            "1.0.1-9-7e56158",
            "edge",
        ]);
        let runs = BTreeMap::from([
            (
                "1.0.1-9-7e56158".to_owned(),
                vec!["standby blue".to_owned()],
            ),
            (
                "0.9.0-1-aaaaaaa".to_owned(),
                vec!["active green".to_owned()],
            ),
        ]);
        let (rows, more) = rows(known, runs, 2);
        assert_eq!(
            shown(&rows),
            [
                "1.0.10-3-7e56158  true",
                "1.0.9-99-abc1234  true",
                "1.0.1-9-7e56158 standby blue true",
                "0.9.0-1-aaaaaaa active green false"
            ]
        );
        assert_eq!(more, 3);
    }

    #[test]
    fn all_tags_have_one_order_whatever_order_they_come_in() {
        let mut words = [
            "b",
            "1.0.1-22-7e56158",
            "a",
            "1.0.1-22-abc1234",
            "2.0.0-1-7e56158",
        ];
        let sorted = |words: &[&str]| {
            let mut v = versions(words);
            v.sort_by(newest_first);
            v
        };
        let first = sorted(&words);
        words.reverse();
        assert_eq!(first, sorted(&words));
        assert_eq!(first[0].as_str(), "2.0.0-1-7e56158");
    }
}
