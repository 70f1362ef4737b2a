//! `deploy diff ENV APP REV1 REV2`: what is different between two releases that hosts keep.

use std::collections::BTreeMap;

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::seeing::{self, Deadline, Seeing};
use super::session::{Boxed, Session};
use super::target::App;
use crate::engine::ask::Answers;
use crate::engine::site::{Machine, Site};
use crate::name::{EnvName, ExitCode, HostName, ReleaseId};
use crate::record::past::{self, Shelf};
use crate::report::diff::{self, DiffView};
use crate::report::paint;
use crate::report::status::Said;

/// Show what is different between two releases: images, rendered files
///
/// Compares what the hosts keep, not what the templates would make today. A release is named by
/// its revision (`#42` or `42`), its version, or the beginning of its id. Secrets are not compared.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App
    app: App,
    /// Release to compare with
    #[arg(value_name = "REV1")]
    old: String,
    /// The other release
    #[arg(value_name = "REV2")]
    new: String,
    /// End with exit code 3 where something is different
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    seeing: Seeing,
}

/// What hosts keep, and who did not answer.
type Kept = (BTreeMap<HostName, Shelf>, Vec<Said>);

impl Args {
    /// Asks hosts for both releases and compares them.
    ///
    /// # Errors
    /// Words that mean nothing here, or a release that no host keeps.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let opened = Opened::named(ctx, &self.env)?.only(Some(&self.app))?;
        let deadline = self.seeing.begin(ctx);
        let mut session = self.seeing.session(ctx)?;
        let looked =
            session.unless_stopped(async |s: &Session| self.look(ctx, s, &opened, deadline).await);
        let looked = looked.await;
        session.close().await;
        let (view, silent) = looked??;
        if ctx.options.json {
            let line = serde_json::json!({
                "v": 1, "event": "diff", "env": view.env, "app": view.app,
                "releases": view.labels, "lines": diff::lines(&view), "silent": silent,
            });
            ctx.out.result(&line.to_string());
        } else {
            let text = diff::text(&view);
            ctx.out.result(&paint::lines(&text, ctx.stdout_colour()));
        }
        seeing::name_silent(ctx, &silent);
        let differs = self.exit_code && !diff::lines(&view).is_empty();
        let code = if differs {
            ExitCode::Differs
        } else {
            ExitCode::Success
        };
        Ok(if silent.is_empty() {
            code
        } else {
            code.worse(ExitCode::Unknown)
        })
    }

    /// First what releases there are, then the files of the two.
    async fn look(
        &self,
        ctx: &Context,
        session: &Session,
        opened: &Opened,
        deadline: Deadline,
    ) -> Result<(DiffView, Vec<Said>), Failure> {
        let (shelves, silent) = ask(ctx, session, opened, deadline, Vec::new()).await;
        let labels = [&self.old, &self.new].map(|word| {
            let missing = || {
                seeing::name_silent(ctx, &silent);
                let failure = if silent.is_empty() {
                    Failure::usage(format!("no host keeps the release {word}"))
                } else {
                    Failure::unreachable(format!("no host that answered keeps the release {word}"))
                };
                let known = known(&shelves);
                failure.hint(format!("releases that are kept: {known}"))
            };
            diff::meant(word, &shelves).ok_or_else(missing)
        });
        let [old, new] = labels;
        let labels = [old?, new?];
        let ids = labels.iter().map(|l| l.id.clone()).collect();
        let (shelves, silent) = ask(ctx, session, opened, deadline, ids).await;
        let view = DiffView {
            env: self.env.clone(),
            app: self.app.0.clone(),
            labels,
            shelves,
        };
        Ok((view, silent))
    }
}

async fn ask(
    ctx: &Context,
    session: &Session,
    opened: &Opened,
    deadline: Deadline,
    ids: Vec<ReleaseId>,
) -> Kept {
    let clock = ctx.clock.clone();
    let work = move |site: Site| -> Boxed<Answers> {
        let (left, ids) = (deadline.left(&clock), ids.clone());
        Box::pin(async move {
            let script = |_: &_, m: &Machine| m.app.then(|| past::releases(&m.scope, &ids));
            // Load balancers keep no releases.
            let apps: Vec<HostName> = site.setup.all_hosts().cloned().collect();
            let mut answers = site.ask(left, script).await;
            answers.retain(|host, _| apps.contains(host));
            answers
        })
    };
    let asked = session.each(&opened.inventory, &opened.apps, work).await;
    let answers = asked.into_iter().next().map(|(_, answers)| answers);
    seeing::read(answers.unwrap_or_default(), past::read_releases)
}

fn known(shelves: &BTreeMap<HostName, Shelf>) -> String {
    let kept = shelves.values().flat_map(|s| &s.kept);
    let mut all: Vec<_> = kept
        .map(|k| (k.label.revision, k.label.to_string()))
        .collect();
    all.sort();
    all.dedup();
    let all: Vec<String> = all.into_iter().rev().map(|(_, label)| label).collect();
    if all.is_empty() {
        return "none".to_owned();
    }
    crate::report::words::names(&all, 10)
}
