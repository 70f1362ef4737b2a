//! Taking over what another attempt holds.

use std::sync::PoisonError;
use std::time::Duration;

use super::{Real, refused, run};
use crate::engine::remote::{ClaimEnd, Trouble};
use crate::engine::site::Machine;
use crate::name::{Fence, HostName};
use crate::record::{self, Take, TakeReply, verb};

/// Seconds that a step which still runs on a host is waited for.
const STILL_RUNNING: u32 = 120;

impl Real {
    /// Takes a claim over and looks again; `None` where nobody holds the host any more. A step that
    /// still runs there is waited for: it ends by itself, and what it did is seen afterwards.
    pub(super) async fn take(
        &self,
        machine: &Machine,
        host: &HostName,
        expected: &Fence,
        force: bool,
    ) -> Result<Option<ClaimEnd>, Trouble> {
        let what = Take {
            expected: expected.clone(),
            force,
            kill: false,
        };
        for _ in 0..STILL_RUNNING {
            let reply = run(machine, verb::take(&machine.scope, &self.id, &what)).await?;
            match record::parse::take(&reply).map_err(refused)? {
                TakeReply::Taken { .. } => {
                    let seen = machine.look().await.map_err(Trouble::Silent)?;
                    let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.into_fleet(host, &mut fresh);
                    return Ok(Some(ClaimEnd::Taken));
                }
                TakeReply::Held(h) => {
                    return Ok(Some(ClaimEnd::Held {
                        begun: true,
                        run: h.run,
                        who: h.who,
                        left: h.left.unwrap_or(0),
                    }));
                }
                TakeReply::Free => return Ok(None),
                TakeReply::Busy { .. } => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        Err(Trouble::Refused(
            "a step of the run still runs there".to_owned(),
        ))
    }
}
