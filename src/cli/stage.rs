//! `deploy stage ENV [APP]@VERSION`: all but the switch.

use super::context::Context;
use super::failure::Failure;
use super::guard::Word;
use super::place::OneRelease;
use super::work;
use crate::name::ExitCode;

/// Do everything up to the gates; no traffic is moved
///
/// Ends `staged`: the release runs healthy in the standby slot, and nobody has noticed. Look at it
/// at the preview addresses, then `deploy switch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    release: OneRelease,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        work::stage(ctx, self.release.open(ctx)?).await
    }
}
