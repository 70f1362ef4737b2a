//! `deploy switch ENV [APP]`: the switch alone.

use super::context::Context;
use super::exclude::Without;
use super::failure::Failure;
use super::guard::Word;
use super::place::OneApp;
use super::work::{self, SwitchTo};
use crate::name::{ExitCode, SlotName};

/// Send the traffic to what was staged: the switch alone
///
/// Gates afresh, and refuses where what was staged has changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: OneApp,
    #[command(flatten)]
    without: Without,
    /// Switch to this slot, whichever it is
    #[arg(long, value_name = "SLOT")]
    to: Option<SlotName>,
    /// Even where the slot is not fit: that is named, then it is done; needs --to and -m
    #[arg(long, requires = "to")]
    force: bool,
    /// Even where another run holds the hosts: it ends by it, and is named; needs -m
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    pub(super) word: Word,
}

impl Args {
    /// Understands the words, then does it.
    ///
    /// # Errors
    /// Words that mean nothing here, or what kept it from beginning.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        ctx.with_reason(self.force, "--force")?;
        ctx.with_reason(self.take_over, "--take-over")?;
        let to = SwitchTo {
            slot: self.to,
            force: self.force,
            take_over: self.take_over,
        };
        let place = self.of.open(ctx)?.without(self.without);
        work::switch(ctx, place, to).await
    }
}
