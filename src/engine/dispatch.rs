//! The dispatcher: hears everything, says what is next. Synchronous and pure: no clock, no host.
//!
//! Forward: a step starts when all steps that it needs are done. The first failure stops new steps;
//! when the running ones have ended, every step that was begun is undone, in the reverse order of
//! its needs. A half-failed step is undone like a done one. Traffic is moved only on probes that
//! are fresh, and when it cannot be given back the run ends `mixed` and touches nothing more.

mod activity;
mod batch;
mod forward;
mod jobs;
mod late;
mod unwind;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::gates::GateBook;
use super::remote::{Answer, Seen, Trouble, Watch, Work};
use crate::balancer::Verdict;
use crate::event::{Kind, Stage};
use crate::fleet::Traffic;
use crate::name::{HostName, Outcome, OutcomeKind, SlotName, StepId};
use crate::plan::Plan;

/// A client that heard nothing for so long was frozen, or its machine slept: it ticks all the time.
const ASLEEP: Duration = Duration::from_secs(2);
/// How long it takes to read what had waited.
const WAKING: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Debug, Clone)]
pub enum In {
    /// The run begins.
    Begin,
    /// Time passed.
    Tick,
    /// A piece of work ended.
    Answer {
        /// Number that came with [`Out::Act`].
        token: u64,
        /// How.
        end: Result<Answer, Trouble>,
    },
    /// A piece of work goes on.
    Progress {
        /// Number that came with [`Out::Act`].
        token: u64,
        /// Done, total, a few words.
        at: (u64, u64, String),
    },
    /// A watcher saw something.
    Seen {
        /// The watcher's host.
        asker: HostName,
        /// What.
        seen: Seen,
    },
    /// A signal came: the first, the second.
    Signal(u32),
    /// The claim on a host is lost.
    Lost {
        /// The host.
        host: HostName,
        /// Who has it.
        by: String,
    },
    /// The lease could not be renewed for half its time: no new step may start.
    LeaseDoubtful,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    /// Do this on that host and answer with the token.
    Act {
        /// Number to answer with.
        token: u64,
        /// Host.
        host: HostName,
        /// Work.
        work: Work,
    },
    /// Start a watcher.
    Watch {
        /// On which host.
        host: HostName,
        /// For what.
        watch: Watch,
    },
    /// Tell the faces.
    Say(Kind),
    /// The run is over.
    End(Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running {
        open: BTreeSet<u64>,
        bad: Option<String>,
    },
    Done,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Forward,
    /// A failure: nothing new starts, what runs may end.
    Stopping,
    Unwinding,
    Ended,
}

/// Which step a piece of work belongs to.
#[derive(Debug, Clone)]
struct Token {
    step: StepId,
    undo: bool,
    host: HostName,
    stage: Stage,
    since: Duration,
}

/// What went wrong first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Host, where it was one.
    pub host: Option<HostName>,
    /// Stage.
    pub stage: Stage,
    /// What and why.
    pub why: String,
}

/// What a person wants to know afterwards.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Load balancers that switched forward: host and time of effect by its own clock.
    pub switched: Vec<(HostName, f64)>,
    /// Open requests left at the end of draining; `None` where not known or not drained.
    pub left: Option<u64>,
    /// How long draining took.
    pub drained: Option<Duration>,
    /// Time in each stage and host.
    pub took: Vec<(HostName, Stage, Duration)>,
    /// The first failure.
    pub failure: Option<Failure>,
    /// Why batches were returned to what they ran before, and the run went on.
    pub returned: Vec<Failure>,
    /// How failed candidates ended and their last log lines.
    pub evidence: Vec<(HostName, String, Vec<String>)>,
    /// Load balancers whose state is not known or not as wanted.
    pub mixed: Vec<HostName>,
    /// Slots that could not be put back as they were.
    pub untidy: Vec<String>,
    /// Unwinding was stopped by a person: the rest is left to `deploy resume`.
    pub unfinished: bool,
}

/// The dispatcher's whole state.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    plan: Arc<Plan>,
    book: GateBook,
    steps: BTreeMap<StepId, Progress>,
    tokens: BTreeMap<u64, Token>,
    next: u64,
    phase: Phase,
    now: Duration,
    /// Until when words are not believed, for the client was frozen.
    deaf: Duration,
    /// When a wait (gate, bake, held shift) began.
    since: BTreeMap<StepId, Duration>,
    /// Hosts whose gates are open: they must stay well.
    live: BTreeSet<HostName>,
    armed: BTreeSet<HostName>,
    /// Watchers that were started: of a slot's member, and of a slot from the load balancers.
    watched: BTreeSet<(SlotName, Option<HostName>)>,
    /// The commit point was passed: traffic may be at the new slot.
    moved: bool,
    cancelled: bool,
    /// When nothing new may be given traffic any more, and why; see `late`.
    closes: Option<(Duration, String)>,
    /// That moment came before the traffic was moved.
    late: bool,
    /// A person stopped the run while a member was out: no step behind this one starts.
    limit: Option<StepId>,
    /// Grows with every change of a step's progress.
    changes: u64,
    undo: BTreeMap<StepId, unwind::Line>,
    /// Batches that were returned, by their number in the plan.
    returned: BTreeSet<usize>,
    /// What the load balancers do instead of a planned value, by its generation: where a batch was
    /// returned they do the same as before it.
    instead: BTreeMap<String, Traffic>,
    /// Members that got no traffic again, since what they were returned to does not pass its gates.
    outside: BTreeSet<HostName>,
    /// Members of what must never run twice that were switched on and may be on still.
    on_still: BTreeSet<HostName>,
    log: Log,
}

impl Dispatcher {
    /// A dispatcher for a plan.
    #[must_use]
    pub fn new(plan: Plan, book: GateBook) -> Self {
        let steps = plan
            .steps
            .iter()
            .map(|s| (s.id, Progress::Waiting))
            .collect();
        Self {
            plan: Arc::new(plan),
            book,
            steps,
            tokens: BTreeMap::new(),
            next: 1,
            phase: Phase::Forward,
            now: Duration::ZERO,
            deaf: Duration::ZERO,
            since: BTreeMap::new(),
            live: BTreeSet::new(),
            armed: BTreeSet::new(),
            watched: BTreeSet::new(),
            moved: false,
            cancelled: false,
            closes: None,
            late: false,
            limit: None,
            changes: 0,
            undo: BTreeMap::new(),
            returned: BTreeSet::new(),
            instead: BTreeMap::new(),
            outside: BTreeSet::new(),
            on_still: BTreeSet::new(),
            log: Log::default(),
        }
    }

    /// What is known for the closing block.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Whether traffic may be at the new slot now.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.moved
    }

    /// Hears one thing and says what follows from it.
    pub fn handle(&mut self, input: In, now: Duration) -> Vec<Out> {
        // Who was frozen finds words that waited for him: they are not of this moment.
        if !matches!(input, In::Begin) && now.saturating_sub(self.now) > ASLEEP {
            self.deaf = now + WAKING;
        }
        self.now = now;
        let mut out = Vec::new();
        if self.phase == Phase::Ended {
            return out;
        }
        match input {
            In::Begin | In::Tick => {}
            In::Answer { token, end } => self.answer(token, end, &mut out),
            In::Progress {
                token,
                at: (done, total, text),
            } => {
                if let Some(t) = self.tokens.get(&token) {
                    let (host, stage) = (t.host.clone(), t.stage);
                    out.push(Out::Say(Kind::Progress {
                        host,
                        stage,
                        done,
                        total,
                        text,
                    }));
                }
            }
            In::Seen { .. } if now < self.deaf => {}
            In::Seen { asker, seen } => self.book.heard(&asker, &seen, now),
            In::Signal(n) => self.signal(n, &mut out),
            In::Lost { host, by } => self.superseded(&host, &by, &mut out),
            In::LeaseDoubtful => self.doubtful(&mut out),
        }
        self.go_on(&mut out);
        out
    }

    fn go_on(&mut self, out: &mut Vec<Out>) {
        if self.phase == Phase::Forward {
            self.check_live(out);
        }
        if self.phase == Phase::Forward {
            self.advance(out);
        }
        // Draining only waits: going back must not wait for it.
        if self.phase == Phase::Stopping && self.tokens.values().all(|t| t.stage == Stage::Drain) {
            self.tokens.clear();
            self.begin_unwind(out);
        }
        if self.phase == Phase::Unwinding {
            self.unwind(out);
        }
    }

    fn answer(&mut self, number: u64, end: Result<Answer, Trouble>, out: &mut Vec<Out>) {
        let Some(token) = self.tokens.remove(&number) else {
            return;
        };
        if let Err(Trouble::Lost { by }) = &end {
            self.superseded(&token.host, by, out);
            return;
        }
        let took = self.now.saturating_sub(token.since);
        self.log.took.push((token.host.clone(), token.stage, took));
        if token.undo {
            self.undone(number, &token, end, took, out);
        } else {
            self.stepped(number, &token, end, took, out);
        }
    }

    /// Starts work for a step on a host.
    fn act(
        &mut self,
        step: StepId,
        undo: bool,
        host: &HostName,
        stage: Stage,
        work: Work,
        out: &mut Vec<Out>,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        let token = Token {
            step,
            undo,
            host: host.clone(),
            stage,
            since: self.now,
        };
        self.tokens.insert(number, token);
        out.push(Out::Say(Kind::Begin {
            host: host.clone(),
            stage,
        }));
        out.push(Out::Act {
            token: number,
            host: host.clone(),
            work,
        });
        number
    }

    fn set(&mut self, id: StepId, progress: Progress) {
        self.changes += 1;
        self.steps.insert(id, progress);
    }

    /// Whether no change is under way on the host: it does one at a time.
    fn idle(&self, host: &HostName) -> bool {
        let busy = |t: &Token| t.host == *host && t.stage != Stage::Drain;
        !self.tokens.values().any(busy)
    }

    /// A run that may have lost its claims starts nothing more; what runs may end.
    fn doubtful(&mut self, out: &mut Vec<Out>) {
        let waits = self.steps.values().any(|p| *p == Progress::Waiting);
        if self.phase == Phase::Forward && waits {
            let why = "the claim could not be renewed in time".to_owned();
            self.fail(None, Stage::Claim, why, out);
        }
    }

    /// The first failure decides; later ones are only told.
    fn fail(&mut self, host: Option<HostName>, stage: Stage, why: String, out: &mut Vec<Out>) {
        if let Some(host) = &host {
            out.push(Out::Say(Kind::Failed {
                host: host.clone(),
                stage,
                why: why.clone(),
            }));
        }
        if self.log.failure.is_none() {
            self.log.failure = Some(Failure { host, stage, why });
        }
        if self.phase == Phase::Forward {
            self.phase = Phase::Stopping;
        }
    }

    fn signal(&mut self, n: u32, out: &mut Vec<Out>) {
        if n >= 2 {
            self.log.unfinished = true;
            self.end(
                OutcomeKind::Unfinished,
                "it was stopped before all was put back; its claims stay on the hosts".to_owned(),
                out,
            );
            return;
        }
        self.cancelled = true;
        let back = self.member_in_hand();
        // That it stops, and what a second one does, is said by whoever heard the signal: here
        // stands only what is special about this moment.
        let text = if self.phase != Phase::Forward {
            Some("what was begun is being taken back already")
        } else if back.is_some() {
            Some("the member that is out is brought back first")
        } else if self.moved {
            Some("traffic goes back to the old slot")
        } else {
            None
        };
        out.extend(text.map(|text| {
            Out::Say(Kind::Note {
                text: text.to_owned(),
                hint: String::new(),
            })
        }));
        if self.phase == Phase::Forward {
            match back {
                Some(back) => self.limit = Some(back),
                None => self.phase = Phase::Stopping,
            }
        }
    }

    fn superseded(&mut self, host: &HostName, by: &str, out: &mut Vec<Out>) {
        let why = format!("{host} was taken over by {by}");
        self.end(OutcomeKind::Superseded, why, out);
    }

    fn end(&mut self, kind: OutcomeKind, why: String, out: &mut Vec<Out>) {
        self.phase = Phase::Ended;
        let hosts = self.log.mixed.clone();
        out.push(Out::End(Outcome { kind, why, hosts }));
    }

    /// Writes down what a load balancer did, and says whether it is as wished.
    fn verdict(&mut self, host: &HostName, verdict: &Verdict, forward: bool) -> Result<(), String> {
        match verdict {
            Verdict::Converged { at } => {
                if forward {
                    self.log.switched.push((host.clone(), *at));
                }
                Ok(())
            }
            Verdict::Differs { seen } => Err(format!("the change did not take: {seen}")),
            Verdict::Moved { seen } => Err(format!("somebody else changed it: {seen}")),
            Verdict::Refused { why } => Err(format!("its own check refused the change: {why}")),
        }
    }
}
