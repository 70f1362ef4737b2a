//! `deploy ENV [APP]@VERSION`: bring an environment to a release.

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::guard::{Allow, Word};
use super::place::{Opened, Wish};
use super::promote;
use super::several;
use super::target::{App, Wanted};
use crate::name::{AppName, EnvName, ExitCode};

/// Bring an environment to a release
///
/// Looks, plans, pulls, starts the release in the standby slot, gates it, switches all load
/// balancers, drains, bakes, and keeps the old slot for the way back. Before the switch nobody
/// notices a failure. With `strategy: rolling` it goes through the hosts that serve, batch by batch.
/// Several apps are brought one after the other, as they are named: all are checked before the first
/// begins; where one fails, those after it are not begun.
#[derive(Debug, clap::Args)]
#[command(override_usage = "deploy [OPTIONS] ENV [APP]@VERSION...")]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Releases to bring it to, one for each app; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Vec<Wanted>,
    /// Deploy exactly what serves in this environment, by digest; APP without a version then
    #[arg(long, value_name = "ENV")]
    from: Option<EnvName>,
    #[command(flatten)]
    without: Without,
    #[command(flatten)]
    allow: Allow,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then deploys.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept the run from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.environment(&self.env, true)?;
        let wanted: Vec<&Wanted> = self.wanted.iter().collect();
        let opened = Opened::to_render(ctx, &self.env, &wanted)?;
        let mut wishes = Vec::new();
        match (&self.from, self.wanted.as_slice()) {
            (Some(from), []) => wishes.push(promoted(ctx, from, None, &opened).await?),
            (Some(from), all) => {
                for wanted in all {
                    wishes.push(promoted(ctx, from, Some(wanted), &opened).await?);
                }
            }
            (None, []) => {
                ctx.out.say(&meanings(&self.env, &opened.apps));
                return Ok(ExitCode::Usage);
            }
            (None, all) => {
                for wanted in all {
                    wishes.push(opened.wish(wanted)?);
                }
            }
        }
        for wish in &mut wishes {
            wish.place.without.clone_from(&self.without.lbs);
            wish.allow = self.allow.clone();
        }
        several::deploy(ctx, wishes).await
    }
}

/// What serves in another environment, here.
async fn promoted(
    ctx: &Context,
    from: &EnvName,
    wanted: Option<&Wanted>,
    opened: &Opened,
) -> Result<Wish, Failure> {
    ctx.environment(from, false)?;
    let named = match wanted {
        None => None,
        Some(Wanted::Bare(word)) => Some(App(AppName::new(word.as_str())?)),
        Some(Wanted::Release { .. }) => {
            return Err(Failure::usage(format!(
                "the version is the one that serves in {from}: none is named with --from"
            )));
        }
    };
    let place = opened.place(named.as_ref())?;
    let serving = promote::serving(ctx, from, &place.app).await?;
    let mut wish = Wish::new(place, serving.version);
    wish.digests = Some(serving.digests);
    Ok(wish)
}

/// What `deploy ENV` could mean.
fn meanings(env: &EnvName, apps: &[AppName]) -> String {
    let app = match apps {
        [only] => only.as_str(),
        _ => "APP",
    };
    let mut lines = vec![format!("{env} alone says too little. It could mean:")];
    for (command, does) in [
        (format!("deploy {env} {app}@VERSION"), "deploy a version"),
        (
            format!("deploy plan {env} {app}@VERSION"),
            "what that would do",
        ),
        (
            format!("deploy stage {env} {app}@VERSION"),
            "all but the switch",
        ),
        (
            format!("deploy switch {env} {app}"),
            "switch to what was staged",
        ),
        (
            format!("deploy rollback {env} {app}"),
            "back to the release before",
        ),
        (
            format!("deploy restart {env} {app}"),
            "host by host, same release",
        ),
        (format!("deploy status {env}"), "what runs now"),
        (format!("deploy logs {env} {app} -f"), "what it says now"),
    ] {
        lines.push(format!("  {command:<44}  {does}"));
    }
    if apps.len() > 1 {
        lines.push(format!(
            "APP is one of: {}",
            crate::report::words::names(apps, 20)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_alone_lists_what_it_could_mean() {
        let env = "staging".parse().unwrap();
        insta::assert_snapshot!(meanings(&env, &["app".parse().unwrap()]), @r#"
        staging alone says too little. It could mean:
          deploy staging app@VERSION                    deploy a version
          deploy plan staging app@VERSION               what that would do
          deploy stage staging app@VERSION              all but the switch
          deploy switch staging app                     switch to what was staged
          deploy rollback staging app                   back to the release before
          deploy restart staging app                    host by host, same release
          deploy status staging                         what runs now
          deploy logs staging app -f                    what it says now
        "#);
        let two = ["app", "api"].map(|a| a.parse().unwrap());
        assert!(meanings(&env, &two).ends_with("APP is one of: app api"));
    }
}
