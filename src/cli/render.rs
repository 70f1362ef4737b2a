//! `deploy render ENV [APP]@VERSION`: the files that hosts would get.

use super::context::Context;
use super::failure::Failure;
use super::place::Opened;
use super::session;
use super::target::Wanted;
use super::work;
use crate::name::{EnvName, ExitCode};

/// Show the files that hosts would get; change nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    /// Only the files of these hosts: names, web*, web[1:4], groups, !not
    #[arg(long = "host", value_name = "HOSTS")]
    hosts: Vec<String>,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let wish = Opened::to_render(ctx, &self.env, &[&self.wanted])?.wish(&self.wanted)?;
        let hosts = session::hosts(&wish.place.inventory, &self.hosts)?;
        work::render(ctx, &wish, &hosts)
    }
}
