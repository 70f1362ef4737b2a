//! Taking the right to act on all hosts, or on none.
//!
//! One host is claimed alone first, always the same one for the same set of hosts; so two runs meet
//! there, and not each on half of the fleet. Then all others at once, while the first still tells its
//! facts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::remote::{ClaimEnd, Remote, Trouble};
use super::voice::Voice;
use crate::event::{Kind, Stage};
use crate::name::{Actor, HostName, RunId};

/// How often a run tries again when it met another one that has not begun anything.
const TRIES: u32 = 3;

/// Why the claim was not had. Nothing is held any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Another run has a host.
    Held {
        /// The host.
        host: HostName,
        /// The run.
        run: RunId,
        /// Who runs it.
        who: Actor,
        /// Seconds until its lease ends.
        left: u64,
    },
    /// A person has locked the app or the environment.
    Hold {
        /// The host that says so.
        host: HostName,
        /// The person's words.
        text: String,
    },
    /// A host did not answer or refused.
    Trouble {
        /// The host.
        host: HostName,
        /// What.
        trouble: Trouble,
    },
}

/// Claims every host, the first of the list alone.
///
/// # Errors
/// [`Denied`] after everything that was taken has been given back.
pub async fn all<R: Remote>(
    remote: &Arc<R>,
    order: &[HostName],
    voice: &Voice,
    mut pause: impl FnMut() -> Duration,
) -> Result<(), Denied> {
    for attempt in 1.. {
        let (taken, denied) = once(remote, order, voice).await;
        let Some((denied, begun)) = denied else {
            return Ok(());
        };
        give_back(remote, &taken).await;
        let again = matches!(denied, Denied::Held { .. }) && !begun && attempt < TRIES;
        if !again {
            return Err(denied);
        }
        tokio::time::sleep(pause()).await;
    }
    unreachable!("the loop ends by returning")
}

async fn once<R: Remote>(
    remote: &Arc<R>,
    order: &[HostName],
    voice: &Voice,
) -> (Vec<HostName>, Option<(Denied, bool)>) {
    let Some((first, rest)) = order.split_first() else {
        return (Vec::new(), None);
    };
    let mut taken = Vec::new();
    let mut set = tokio::task::JoinSet::new();
    let (had, mut hears) = mpsc::unbounded_channel();
    let mut start = |host: &HostName, had: mpsc::UnboundedSender<()>| {
        let (remote, host, voice) = (Arc::clone(remote), host.clone(), voice.clone());
        set.spawn(async move {
            let mut taken = Vec::new();
            let denied = one(&remote, &host, &voice, &mut taken, had).await;
            (taken, denied)
        });
    };
    start(first, had);
    // None: it ended without.
    if hears.recv().await.is_some() {
        let nobody = mpsc::unbounded_channel().0;
        rest.iter().for_each(|host| start(host, nobody.clone()));
    }
    let mut first_denied = None;
    while let Some(joined) = set.join_next().await {
        match joined {
            Ok((mut ours, denied)) => {
                taken.append(&mut ours);
                first_denied = first_denied.or(denied);
            }
            // Whose task it was is not told: nothing counts as ours, everything is given back.
            Err(end) => {
                taken.extend_from_slice(order);
                let trouble = Trouble::Silent(end.to_string());
                let host = first.clone();
                first_denied = first_denied.or(Some((Denied::Trouble { host, trouble }, true)));
            }
        }
    }
    (taken, first_denied)
}

/// Claims one host; what may be ours now is put into `taken`, also where the answer was lost.
async fn one<R: Remote>(
    remote: &Arc<R>,
    host: &HostName,
    voice: &Voice,
    taken: &mut Vec<HostName>,
    had: mpsc::UnboundedSender<()>,
) -> Option<(Denied, bool)> {
    let stage = Stage::Claim;
    voice.say(Kind::Begin {
        host: host.clone(),
        stage,
    });
    let since = voice.clock().elapsed();
    let host = host.clone();
    match remote.claim(&host, had.clone()).await {
        Ok(ClaimEnd::Taken) => {
            // Where nothing was said before the end.
            let _ = had.send(());
            taken.push(host.clone());
            let took = voice.clock().elapsed().saturating_sub(since);
            let text = String::new();
            voice.say(Kind::Done {
                host,
                stage,
                took,
                text,
            });
            None
        }
        Ok(ClaimEnd::Held {
            run,
            who,
            left,
            begun,
        }) => Some((
            Denied::Held {
                host,
                run,
                who,
                left,
            },
            begun,
        )),
        Ok(ClaimEnd::Hold(text)) => Some((Denied::Hold { host, text }, true)),
        Err(trouble) => {
            taken.push(host.clone());
            Some((Denied::Trouble { host, trouble }, true))
        }
    }
}

async fn give_back<R: Remote>(remote: &Arc<R>, taken: &[HostName]) {
    let mut set = tokio::task::JoinSet::new();
    for host in taken {
        let (remote, host) = (Arc::clone(remote), host.clone());
        // Best effort: a claim at its first step lapses by itself.
        set.spawn(async move { remote.unclaim(&host).await.is_ok() });
    }
    while set.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests;
