//! The loop around the dispatcher: tasks for work and watchers, timers, signals, the lease.
//!
//! It decides nothing: whatever happens goes into [`Dispatcher::handle`], whatever comes out is done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;

use super::dispatch::{Dispatcher, In, Log, Out};
use super::remote::{Remote, Trouble, Work};
use super::voice::Voice;
use crate::event::Kind;
use crate::name::{HostName, Outcome};

/// How often the dispatcher looks at its timers.
const TICK: Duration = Duration::from_millis(20);
/// Length of a lease.
pub const TTL: Duration = Duration::from_secs(60);
/// Signals after which the program ends at once.
const SIGNALS: u32 = 3;

/// Performs a plan on hosts whose claims are held.
///
/// `seqs` is the number of the last step on each host; it grows with each work. `signals` yields one
/// item per Ctrl-C or SIGTERM.
pub async fn perform<R: Remote>(
    mut dispatcher: Dispatcher,
    remote: Arc<R>,
    hosts: Vec<HostName>,
    voice: Voice,
    mut signals: UnboundedReceiver<()>,
) -> (Outcome, Log) {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let mut performer = Performer {
        remote,
        voice: voice.clone(),
        tx,
        seqs: BTreeMap::new(),
        tasks: JoinSet::new(),
    };
    performer.renewals(&hosts);
    let now = || voice.clock().elapsed();
    let mut outs = dispatcher.handle(In::Begin, now());
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0;
    loop {
        for out in outs {
            if let Some(outcome) = performer.carry_out(out) {
                performer.tasks.abort_all();
                return (outcome, dispatcher.log().clone());
            }
        }
        let input = tokio::select! {
            biased;
            Some(input) = rx.recv() => input,
            Some(()) = signals.recv(), if count < SIGNALS => {
                count += 1;
                In::Signal(count)
            }
            _ = tick.tick() => In::Tick,
        };
        outs = dispatcher.handle(input, now());
    }
}

struct Performer<R> {
    remote: Arc<R>,
    voice: Voice,
    tx: UnboundedSender<In>,
    seqs: BTreeMap<HostName, u64>,
    tasks: JoinSet<()>,
}

impl<R: Remote> Performer<R> {
    fn carry_out(&mut self, out: Out) -> Option<Outcome> {
        match out {
            Out::Say(kind) => self.say(kind),
            Out::Act { token, host, work } => self.act(token, host, work),
            Out::Watch { host, watch } => self.watch(host, watch),
            Out::End(outcome) => return Some(outcome),
        }
        None
    }

    fn say(&self, kind: Kind) {
        self.voice.say(kind);
    }

    fn act(&mut self, token: u64, host: HostName, work: Work) {
        let seq = self.seqs.entry(host.clone()).or_insert(0);
        *seq += 1;
        let (seq, remote, tx) = (*seq, Arc::clone(&self.remote), self.tx.clone());
        let (progress, mut steps) = mpsc::unbounded_channel();
        let told = self.tx.clone();
        self.tasks.spawn(async move {
            while let Some(at) = steps.recv().await {
                let _ = told.send(In::Progress { token, at });
            }
        });
        self.tasks.spawn(async move {
            let end = remote.act(&host, seq, work, progress).await;
            let _ = tx.send(In::Answer { token, end });
        });
    }

    fn watch(&mut self, host: HostName, watch: super::remote::Watch) {
        let (remote, tx) = (Arc::clone(&self.remote), self.tx.clone());
        let (seen, mut ticks) = mpsc::unbounded_channel();
        self.tasks.spawn(async move {
            while let Some((asker, seen)) = ticks.recv().await {
                let _ = tx.send(In::Seen { asker, seen });
            }
        });
        self.tasks
            .spawn(async move { remote.watch(&host, watch, seen).await });
    }

    /// One task a host keeps its lease alive, and says so when it cannot.
    fn renewals(&mut self, hosts: &[HostName]) {
        for host in hosts {
            let (remote, tx, host) = (Arc::clone(&self.remote), self.tx.clone(), host.clone());
            let clock = self.voice.clock().clone();
            self.tasks.spawn(async move {
                let mut good = clock.elapsed();
                loop {
                    tokio::time::sleep(TTL / 4).await;
                    let sent = clock.elapsed();
                    match remote.renew(&host).await {
                        Ok(()) => good = sent,
                        Err(Trouble::Lost { by }) => {
                            let _ = tx.send(In::Lost {
                                host: host.clone(),
                                by,
                            });
                            return;
                        }
                        Err(_) => {}
                    }
                    if clock.elapsed().saturating_sub(good) >= TTL / 2 {
                        let _ = tx.send(In::LeaseDoubtful);
                    }
                }
            });
        }
    }
}
