//! The end of a run: every host is told how it ended, given back, and looked at in the same script.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::engine::real::Real;
use crate::engine::remote::Remote as _;
use crate::engine::voice::Voice;
use crate::event::{Kind, Stage};
use crate::fleet::Fleet;
use crate::name::{HostName, OutcomeKind};
use crate::record::{HistoryEntry, RunReport};

/// What came of giving the hosts back.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// Hosts that could not be given back or told how it ended.
    pub untold: Vec<String>,
    /// What was seen then; a host that did not answer is silent in it.
    pub after: Option<Fleet>,
}

/// Gives hosts back of a run that never began.
pub(super) async fn unclaim(real: &Arc<Real>, hosts: &[HostName]) {
    let mut set = JoinSet::new();
    for host in hosts {
        let (real, host) = (Arc::clone(real), host.clone());
        set.spawn(async move { real.unclaim(&host).await.is_ok() });
    }
    while set.join_next().await.is_some() {}
}

/// Tells every host how the run ended, and what is there then.
pub(super) async fn give_back(
    real: &Arc<Real>,
    hosts: &[HostName],
    kind: OutcomeKind,
    written: (HistoryEntry, RunReport),
    voice: &Voice,
) -> Back {
    let mut set = JoinSet::new();
    let written = Arc::new(written);
    for host in hosts {
        let (real, host, written) = (Arc::clone(real), host.clone(), Arc::clone(&written));
        set.spawn(async move {
            let end = real.release(&host, kind, (&written.0, &written.1)).await;
            (host, end)
        });
    }
    let mut untold = Vec::new();
    let mut after = Fleet {
        silent: real.silent(),
        ..Fleet::default()
    };
    while let Some(joined) = set.join_next().await {
        match joined {
            Ok((host, Ok(seen))) => match seen {
                Ok(seen) => seen.into_fleet(&host, &mut after),
                Err(why) => {
                    after.silent.insert(host, why);
                }
            },
            Ok((host, Err(trouble))) => {
                let why = trouble.to_string();
                voice.say(Kind::Failed {
                    host: host.clone(),
                    stage: Stage::Finish,
                    why: why.clone(),
                });
                untold.push(format!("{host}: {why}"));
                after.silent.insert(host, why);
            }
            Err(_) => {}
        }
    }
    Back {
        untold,
        after: Some(after),
    }
}
