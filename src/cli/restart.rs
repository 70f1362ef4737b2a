//! `deploy restart ENV [APP]`: the same release, host by host.

use super::context::Context;
use super::failure::Failure;
use super::guard::Word;
use super::place::OneApp;
use super::work;
use crate::name::ExitCode;

/// Restart the release that serves, host by host
///
/// Each host in turn: drain, stop, start, gate, back. Needs no registry.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        work::restart(ctx, self.of.open(ctx)?).await
    }
}
