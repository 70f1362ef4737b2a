//! `deploy logs ENV [APP]`: what the containers say, on all hosts at once.

use super::context::Context;
use super::failure::Failure;
use super::place::OneApp;
use super::session;
use super::work::{self, LogsOf};
use crate::name::ExitCode;

/// Show what the containers say, on all hosts at once
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
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
        let place = self.of.open(ctx)?;
        let of = LogsOf {
            tail: self.tail.0,
            follow: self.follow,
            hosts: session::hosts(&place.inventory, &self.hosts)?,
        };
        work::logs(ctx, place, of).await
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
