//! `deploy logs ENV [APP]`: what the containers say, on all hosts at once.

use super::context::Context;
use super::failure::Failure;
use super::session;
use super::target::{self, App};
use super::work::{self, LogsOf, Place};
use crate::name::{EnvName, ExitCode};

/// Show what the containers say, on all hosts at once
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// App; may be left out where there is one
    app: Option<App>,
    /// Lines from the end of each container, or `all`
    #[arg(long, value_name = "N", default_value = "100", value_parser = tail)]
    tail: Tail,
    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,
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
        ctx.environment(&self.env, false)?;
        let of = LogsOf {
            tail: self.tail.0,
            follow: self.follow,
            hosts: session::hosts(&session::read(ctx, &self.env)?, &self.hosts)?,
        };
        let apps = work::apps(ctx, &self.env).await?;
        let app = target::choose_app(&self.env, &apps, self.app.as_ref().map(|a| &a.0))?;
        let env = self.env;
        work::logs(
            ctx,
            Place {
                env,
                app,
                without: Vec::new(),
            },
            of,
        )
        .await
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
