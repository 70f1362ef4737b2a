//! `deploy checklist ENV [APP]@VERSION`: every check with its state, for a ticket.

use super::check;
use super::context::Context;
use super::failure::Failure;
use super::target::Wanted;
use crate::name::{EnvName, ExitCode};
use crate::report::checklist as report;

/// Show every check of a release with its state and what was seen, ready for a ticket
///
/// Looks as `deploy check` does and changes nothing. A check that did not run, or that could not be
/// told, is never ticked. Ends with 0 only where all of them passed, else as `deploy check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment: the name of a file in `inventories/`
    env: EnvName,
    /// Release; APP may be left out where there is one
    #[arg(value_name = "[APP]@VERSION")]
    wanted: Wanted,
    /// As a task list in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Args {
    /// Checks, then lists.
    ///
    /// # Errors
    /// Words that mean nothing here; what is found is the result.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.environment(&self.env, false)?;
        let view = check::Args::of(&self.env, &self.wanted);
        let view = view.environment(ctx, self.env.clone()).await?;
        let items = report::items(&view);
        let title = format!("{} {}", self.env, self.wanted);
        if ctx.options.json {
            let lines = report::json(&view, &items);
            lines.iter().for_each(|line| ctx.out.result(line));
        } else if self.markdown {
            ctx.out.result(&report::markdown(&title, &items));
        } else {
            ctx.out.result(&report::text(&title, &items));
        }
        Ok(report::exit_code(&view, &items))
    }
}
