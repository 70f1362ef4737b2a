//! `deploy resume ENV [APP]`: finish what a run left behind.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::Context;
use super::drive::{self, Drive};
use super::failure::Failure;
use super::place::Opened;
use super::session::Session;
use super::target::App;
use super::{unfinished, work};
use crate::engine::site::Site;
use crate::fleet::Fleet;
use crate::host::{Address, Target};
use crate::inventory::Inventory;
use crate::name::{AppName, EnvName, ExitCode, HostName, OutcomeKind};
use crate::plan::resume as finish;
use crate::record::Manifest;

/// Finish a run whose client is gone, or take it back
///
/// Reads on the hosts what the run wanted, looks at what there is, and leads it to one of two ends:
/// where no load balancer was switched yet, what was begun is taken back; where one was, the switch
/// is finished if the new slot is fit, else undone. Needs no template, no registry and no secret;
/// with --host not even an inventory.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; may be left out where there is one
    app: Option<App>,
    /// Also where its lease is not over: whoever runs it now loses it; needs -m
    #[arg(long)]
    take_over: bool,
    /// Read what the run wanted on this app host, without an inventory: [USER@]ADDRESS[:PORT]
    #[arg(long, value_name = "ADDRESS", value_parser = seed, requires = "app")]
    host: Option<Target>,
    /// Go on without this app host: it counts as unfit and is left as it is; may be given again
    #[arg(long, value_name = "HOST")]
    exclude: Vec<HostName>,
}

/// `[USER@]ADDRESS[:PORT]`.
fn seed(text: &str) -> Result<Target, String> {
    let (user, rest) = match text.split_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, text),
    };
    let port = |(host, port): (&str, &str)| Some((host.to_owned(), port.parse().ok()?));
    let (host, port) = match rest.rsplit_once(':').and_then(port) {
        Some((host, port)) => (host, Some(port)),
        None => (rest.to_owned(), None),
    };
    let target = Target::Ssh {
        host,
        user,
        port,
        options: Vec::new(),
    };
    let address = Address {
        name: HostName::new("host").map_err(|e| e.to_string())?,
        target,
    };
    address.check()?;
    Ok(address.target)
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.with_reason(self.take_over, "--take-over")?;
        let (inventory, app) = self.known(ctx)?;
        let session = Session::start(ctx)?;
        work::with(session, async |session: &mut Session| {
            self.finish(ctx, session, inventory.as_deref(), &app).await
        })
        .await
    }

    /// The inventory, where it is needed, and the app. It may name no such app any more: a run of it
    /// is looked for on every host then.
    fn known(&self, ctx: &Context) -> Result<(Option<Arc<Inventory>>, AppName), Failure> {
        let named = self.app.as_ref().map(|a| &a.0);
        if let (Some(_), Some(app)) = (&self.host, named) {
            return Ok((None, app.clone()));
        }
        ctx.environment(&self.env, false)?;
        let opened = Opened::known(ctx, &self.env).map_err(|failure| {
            failure.hint(format!(
                "no inventory is needed with an app host of the run: deploy resume {} APP --host ADDRESS",
                self.env
            ))
        })?;
        let app = match named {
            Some(app) => app.clone(),
            None => opened.place(None)?.app,
        };
        Ok((Some(opened.inventory), app))
    }

    async fn finish(
        &self,
        ctx: &Context,
        session: &mut Session,
        inventory: Option<&Inventory>,
        app: &AppName,
    ) -> Result<ExitCode, Failure> {
        let found = session.unless_stopped(async |s: &Session| {
            let seeds = self.seeds(s, inventory, app).await;
            let (records, silent) = seeds.records().await;
            let found = unfinished::find(&seeds, &records).await;
            found.map(|found| (found, silent))
        });
        let (found, silent) = found.await??;
        let Some(manifest) = found else {
            if let Some((host, why)) = silent.iter().next() {
                return Err(Failure::unreachable(format!(
                    "whether a run of {app} in {} is unfinished is not known: {host} does not answer: {why}",
                    self.env
                )));
            }
            let text = format!("no run of {app} in {} is unfinished", self.env);
            ctx.out.say(&text);
            return Ok(ExitCode::Success);
        };
        let (setup, mut run) = unfinished::wanted(&manifest)?;
        let looked = session.unless_stopped(async |s: &Session| {
            let site = s.open_recorded(&manifest, setup, inventory).await;
            match site {
                Ok(site) => {
                    let fleet = site.look(&s.voice).await;
                    Ok((Arc::new(site), fleet))
                }
                Err(missing) => Err(self.unreachable(&manifest, &missing)),
            }
        });
        let (site, fleet) = looked.await??;
        let dead = |who: &crate::name::Actor| ctx.outside.ended(who);
        run.excluded = self.exclude.iter().cloned().collect::<BTreeSet<_>>();
        let (mut manifest, mut fleet, mut force) = (manifest, fleet, self.take_over);
        loop {
            let (resumed, over) = unfinished::takes(manifest.clone(), &fleet, force, &dead)?;
            run.ended = resumed.ended;
            let planner = |fleet: &Fleet| finish::resume(&site.setup, fleet, &run);
            let plan = planner(&fleet).map_err(|r| drive::refused("resume", r))?;
            let meta = drive::meta_of(ctx, resumed, over);
            let drive = Drive::new(ctx, inventory, (&site, &fleet), &planner, &meta);
            let code = drive.go(session, &plan).await?;
            // The new slot was probed and is not fit: then the old one is tried, once.
            let forward = plan.end == OutcomeKind::Succeeded && !plan.is_empty();
            if code != ExitCode::Mixed || !forward || run.failed || session.stopped {
                return Ok(code);
            }
            run.failed = true;
            // The claims are our own now.
            (force, fleet) = (true, site.look(&session.voice).await);
            manifest = meta.resumed.map_or(manifest, |r| r.manifest);
        }
    }

    async fn seeds(&self, session: &Session, inventory: Option<&Inventory>, app: &AppName) -> Site {
        match (inventory, &self.host) {
            (Some(inventory), _) => match inventory.app(app.as_str()) {
                Some(known) => session.open(inventory, known).await,
                None => session.open_all(inventory, app).await,
            },
            (None, at) => {
                let target = at.clone().unwrap_or(Target::Local);
                session.open_at(&self.env, app, target).await
            }
        }
    }

    fn unreachable(&self, manifest: &Manifest, missing: &[String]) -> Failure {
        Failure::refused(format!(
            "run {} cannot be finished from here: {}",
            manifest.run,
            missing.join("; ")
        ))
        .hint(format!(
            "put them back under `hosts:` in inventories/{}.yml for as long as it takes",
            self.env
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_an_inventory_is_written_as_for_ssh() {
        let at = |text: &str| {
            seed(text).map(|target| {
                let name = HostName::new("host").unwrap();
                Address { name, target }.shown()
            })
        };
        assert_eq!(at("web1.mgt").unwrap(), "web1.mgt");
        assert_eq!(at("ops@10.0.0.1:2222").unwrap(), "ops@10.0.0.1 port 2222");
        for bad in ["", "-oProxyCommand=x", "a b", "ops@", "$(x)"] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }
}
