//! Taking over what another attempt, or another run, holds.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Real, refused, run};
use crate::engine::remote::{ClaimEnd, Trouble};
use crate::engine::site::Machine;
use crate::name::Fence;
use crate::record::{self, Phase, Take, TakeReply, verb};

/// Seconds that a step which still runs on a host is waited for where its own limit is shorter.
const STILL_RUNNING: i64 = 120;
/// Seconds that it may take to end beyond its limit: from TERM to KILL, and a slow host.
const BEYOND: i64 = 20;

impl Real {
    /// Takes a claim over; a holder where it cannot be had. A step that still runs there is waited
    /// for: it ends by itself or by its limit, and what it did is seen afterwards.
    pub(super) async fn take(
        &self,
        machine: &Machine,
        expected: &Fence,
        force: bool,
    ) -> Result<Option<ClaimEnd>, Trouble> {
        let displace = !self.over.displaced.is_empty();
        let what = Take {
            expected: expected.clone(),
            force,
            kill: false,
            displace,
            manifest: displace.then(|| self.manifest.clone()),
        };
        let mut waited = 0;
        loop {
            let reply = run(machine, verb::take(&machine.scope, &self.id, &what)).await?;
            match record::parse::take(&reply).map_err(refused)? {
                TakeReply::Taken { phase, .. } => {
                    if phase == Phase::Begun {
                        self.open.store(true, Ordering::Relaxed);
                    }
                    return Ok(None);
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
                TakeReply::Busy { step, ends, .. } => {
                    self.open.store(true, Ordering::Relaxed);
                    if waited >= STILL_RUNNING && ends < -BEYOND {
                        return Err(Trouble::Refused(format!(
                            "step {step} of the run still runs there, beyond its limit"
                        )));
                    }
                    waited += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}
