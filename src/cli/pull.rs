//! `deploy pull ENV [APP]@VERSION`: images onto the hosts, ahead of a deploy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::context::Context;
use super::failure::Failure;
use super::place::{Opened, Wish};
use super::session::{self, Session};
use super::target::Wanted;
use super::work::with;
use crate::engine::site::{Machine, Site, chain};
use crate::host::docker::images::{self, PullReader, Pulled};
use crate::name::{EnvName, ExitCode, HostName};
use crate::record::fetch;
use crate::registry::Carried;
use crate::report::words;
use crate::text;

/// Fetch the images of a release onto the hosts, ahead of a deploy
///
/// Onto the hosts of all slots, a few at a time, so that neither the registry nor the network is
/// flooded. Safe at any time, also while something is deployed: nothing is started or stopped. A
/// deploy finds them there and does not fetch them again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    /// Hosts that fetch at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    parallel: u32,
    /// Only onto these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
}

/// How each image of a host ended, or why there is no answer.
type End = Result<Vec<(String, Pulled)>, String>;

impl Args {
    /// Understands the words, then fetches.
    ///
    /// # Errors
    /// Words that mean nothing here, what is wrong in inventory and templates, or a tag that is not
    /// there.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let wish = Opened::to_render(ctx, &self.env, &[&self.wanted])?.wish(&self.wanted)?;
        let named = session::hosts(&wish.place.inventory, &self.hosts)?;
        let session = Session::start(ctx)?;
        with(session, async |session: &mut Session| {
            let ready = async |s: &Session| prepare(ctx, s, &wish, &named).await;
            let (site, images) = session.unless_stopped(ready).await??;
            session.feed.pause().await;
            let fetch = async |_: &Session| self.fetch(ctx, &site, images).await;
            session.unless_stopped(fetch).await
        })
        .await
    }

    async fn fetch(
        &self,
        ctx: &Context,
        site: &Site,
        images: BTreeMap<HostName, Vec<String>>,
    ) -> ExitCode {
        let turns = Arc::new(Semaphore::new(self.parallel as usize));
        let mut set = JoinSet::new();
        let mut code = ExitCode::Success;
        for (host, images) in images {
            let Some(machine) = site.machines.get(&host).cloned() else {
                let why = site.silent.get(&host).map_or("not reached", String::as_str);
                code = code.worse(tell(ctx, &host, &Err(why.to_owned()), ""));
                continue;
            };
            let (turns, clock) = (Arc::clone(&turns), ctx.clock.clone());
            let login = site.logins.of(&images).await;
            set.spawn(async move {
                // Never closed, so never refused.
                let _turn = turns.acquire().await;
                let begun = clock.elapsed();
                let end = one(&machine, &images, &login).await;
                let took = clock.elapsed().saturating_sub(begun);
                (host, end, text::duration(took))
            });
        }
        while let Some(joined) = set.join_next().await {
            if let Ok((host, end, took)) = joined {
                code = code.worse(tell(ctx, &host, &end, &took));
            }
        }
        code
    }
}

/// The machines, and the images of each host by digest.
async fn prepare(
    ctx: &Context,
    session: &Session,
    wish: &Wish,
    named: &[HostName],
) -> Result<(Site, BTreeMap<HostName, Vec<String>>), Failure> {
    let (place, app) = (&wish.place, wish.place.app()?);
    let draft = session::draft(ctx, &place.inventory, app, &wish.version)?;
    let digests = session::digests(ctx, &place.inventory, draft.images());
    let (digests, site) = tokio::join!(digests, session.open(&place.inventory, app));
    let all = draft.images_by_host(&digests?);
    let wanted = |host: &HostName| named.is_empty() || named.contains(host);
    let list = |(host, images): (HostName, BTreeSet<String>)| (host, images.into_iter().collect());
    let images: BTreeMap<_, Vec<String>> = all
        .into_iter()
        .filter(|(h, _)| wanted(h))
        .map(list)
        .collect();
    if images.is_empty() {
        let named = words::names(named, 12);
        return Err(Failure::usage(format!(
            "{} does not run on {named}",
            app.name
        )));
    }
    Ok((site, images))
}

async fn one(machine: &Machine, images: &[String], login: &Carried) -> End {
    let config = login.config.as_ref().map(|c| c.expose().as_str());
    let body = images::pull_with(images, &login.images, config);
    let script = fetch::fetch(&machine.scope, &body);
    let mut reader = PullReader::default();
    let on_line = |line: &str| {
        reader.line(line);
    };
    machine
        .host
        .stream(script, on_line)
        .await
        .map_err(|e| chain(&e))?;
    let rest = reader.rest().join("; ");
    let ends = reader.ends(images);
    let told = |(image, end): (String, Pulled)| match end {
        Pulled::Failed(why) => (image.clone(), Pulled::Failed(login.says(&image, &why))),
        Pulled::Unknown if !rest.is_empty() => (image, Pulled::Failed(login.redactor.clean(&rest))),
        end => (image, end),
    };
    Ok(ends.into_iter().map(told).collect())
}

/// A line for each image of a host; the code that it means.
fn tell(ctx: &Context, host: &HostName, end: &End, took: &str) -> ExitCode {
    let ends = match end {
        Ok(ends) => ends,
        Err(why) => {
            if ctx.options.json {
                let line = serde_json::json!({
                    "v": 1, "event": "pulled", "host": host, "image": null, "end": "unknown", "why": why,
                });
                ctx.out.result(&line.to_string());
            }
            ctx.out.say(&format!("error: {host}: {why}"));
            return ExitCode::Unknown;
        }
    };
    let mut code = ExitCode::Success;
    for (image, end) in ends {
        let (word, why, worse) = match end {
            Pulled::Present => ("present", None, ExitCode::Success),
            Pulled::Fetched => ("fetched", None, ExitCode::Success),
            Pulled::Failed(why) => ("failed", Some(words::tame(why)), ExitCode::Failed),
            Pulled::Unknown => ("unknown", None, ExitCode::Unknown),
        };
        code = code.worse(worse);
        if ctx.options.json {
            let line = serde_json::json!({
                "v": 1, "event": "pulled", "host": host, "image": image, "end": word, "why": why,
            });
            ctx.out.result(&line.to_string());
            continue;
        }
        let name = image.split('@').next().unwrap_or(image);
        match end {
            Pulled::Present => ctx.out.result(&format!("{host}: {name} is there already")),
            Pulled::Fetched => ctx.out.result(&format!("{host}: {name} fetched ({took})")),
            Pulled::Failed(_) => {
                let why = why.unwrap_or_default();
                ctx.out
                    .say(&format!("error: {host}: {name} was not fetched: {why}"));
            }
            Pulled::Unknown => {
                ctx.out.say(&format!(
                    "error: {host}: whether {name} was fetched is not known"
                ));
            }
        }
    }
    code
}
