//! `deploy where IMAGE|CONTAINER`: which hosts carry it.

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::seeing::{self, Seeing};
use super::session::{Boxed, Session};
use crate::engine::site::Site;
use crate::engine::voice::Voice;
use crate::fleet::Fleet;
use crate::name::{EnvName, ExitCode, HostName};
use crate::report::status::Said;
use crate::report::{drift, layout};

/// Show which hosts carry an image or a container
///
/// IMAGE is a repository or the end of it (`app`, `acme/app`), with a tag (`app:1.0.1`, `@1.0.1`),
/// or the beginning of a digest; CONTAINER is a name or the beginning of an id. Every container of
/// the hosts is looked at, also those that deploy did not start. Ends with 1 where there is none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image, digest, or container
    #[arg(value_name = "IMAGE|CONTAINER")]
    word: String,
    /// Look at the hosts of this environment only; without it, at those of all
    #[arg(long, value_name = "ENV")]
    env: Option<EnvName>,
    #[command(flatten)]
    seeing: Seeing,
}

impl Args {
    /// Looks at every app host once, and shows the containers that are meant.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept the look from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let envs = ctx.environments_of(self.env.as_ref())?;
        let mut session = self.seeing.session(ctx)?;
        let seen = session.unless_stopped(async |s: &Session| self.look(ctx, s, &envs).await);
        let seen = seen.await;
        session.close().await;
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut silent: Vec<Said> = Vec::new();
        for (env, fleet) in seen?? {
            for (host, cells) in drift::containers(&fleet, &self.word) {
                let row = [vec![env.to_string(), host.to_string()], cells].concat();
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
            silent.extend(
                fleet
                    .silent
                    .into_iter()
                    .map(|(host, what)| Said { host, what }),
            );
        }
        rows.sort();
        silent.sort_by(|a: &Said, b| (&a.host, &a.what).cmp(&(&b.host, &b.what)));
        silent.dedup();
        self.show(ctx, &rows);
        seeing::name_silent(ctx, &silent);
        Ok(match (silent.is_empty(), rows.is_empty()) {
            (false, _) => ExitCode::Unknown,
            (true, true) => ExitCode::Failed,
            (true, false) => ExitCode::Success,
        })
    }

    fn show(&self, ctx: &Context, rows: &[Vec<String>]) {
        const KEYS: [&str; 8] = [
            "env",
            "host",
            "container",
            "id",
            "state",
            "project",
            "version",
            "image",
        ];
        if ctx.options.json {
            for row in rows {
                let pairs = KEYS
                    .iter()
                    .zip(row)
                    .map(|(k, v)| ((*k).to_owned(), v.as_str().into()));
                let mut line: serde_json::Map<_, _> = pairs.collect();
                line.insert("v".to_owned(), 1.into());
                line.insert("event".to_owned(), "container".into());
                ctx.out.result(&serde_json::Value::Object(line).to_string());
            }
        } else if rows.is_empty() {
            ctx.out
                .say(&format!("no host that answered carries {}", self.word));
        } else {
            ctx.out.result(&layout::table(rows).join("\n"));
        }
    }

    async fn look(
        &self,
        ctx: &Context,
        session: &Session,
        envs: &[EnvName],
    ) -> Result<Vec<(EnvName, Fleet)>, Failure> {
        let deadline = self.seeing.begin(ctx);
        let mut set = tokio::task::JoinSet::new();
        for env in envs {
            let opened = Opened::known(ctx, env)?;
            let clock = ctx.clock.clone();
            let work = move |site: Site| -> Boxed<Fleet> {
                let clock = clock.clone();
                Box::pin(async move {
                    let voice = Voice::mute(clock.clone());
                    let mut fleet = site.look_within(&voice, deadline.left(&clock)).await;
                    // A load balancer carries no containers: its silence hides nothing.
                    let apps: Vec<&HostName> = site.setup.all_hosts().collect();
                    fleet.silent.retain(|host, _| apps.contains(&host));
                    fleet
                })
            };
            let (env, looking) = (
                env.clone(),
                session.each(&opened.inventory, &opened.apps, work),
            );
            set.spawn(async move { (env, looking.await) });
        }
        let mut all = Vec::new();
        while let Some(joined) = set.join_next().await {
            let Ok((env, fleets)) = joined else { continue };
            all.extend(fleets.into_iter().map(|(_, fleet)| (env.clone(), fleet)));
        }
        Ok(all)
    }
}
