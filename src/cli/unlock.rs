//! `deploy unlock ENV [APP]`: lifts a person's lock.

use super::context::Context;
use super::failure::Failure;
use super::lock::{Of, told};
use crate::engine::site::chain;
use crate::name::ExitCode;
use crate::record::{Hold, parse, verb};
use crate::report::words;

/// Lift a lock that `deploy lock` set, whoever set it
///
/// With APP the lock of that app, without the lock of the whole environment.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    of: Of,
}

impl Args {
    /// Understands the words, then lifts it.
    ///
    /// # Errors
    /// Words that mean nothing here.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let what = self.of.open(ctx)?;
        let level = what.level();
        let asked = what.ask(ctx, |machine| verb::unhold(&machine.scope, level));
        let (replies, mut silent) = asked.await?;
        let (mut lifted, mut was) = (Vec::new(), None);
        for (host, reply) in replies {
            match reply.and_then(|r| parse::unhold(&r).map_err(|e| chain(&e))) {
                Ok(None) => {}
                Ok(Some(line)) => {
                    was = Hold::read(level, &line).or(was);
                    lifted.push(host);
                }
                Err(why) => {
                    silent.insert(host, why);
                }
            }
        }
        let words = what.words();
        let text = match was {
            _ if lifted.is_empty() && what.app.is_some() => format!(
                "{words} is not locked; a lock of all apps is lifted by `deploy unlock {}`",
                what.env()
            ),
            _ if lifted.is_empty() => format!("{words} is not locked"),
            was => format!(
                "{words} is unlocked on {}; it was locked {}",
                words::names(&lifted, 8),
                was.map_or_else(|| "by somebody".to_owned(), |hold| hold.view().says())
            ),
        };
        Ok(told(ctx, &text, &silent))
    }
}
