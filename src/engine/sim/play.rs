//! One run: events in, work out, the model changed, the invariants asked after each event.

mod along;
mod blows;
mod watchers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::along::Along;
pub use self::blows::changed;
use super::fault::{Blow, Dice, Fault, Faults, kind};
use super::model::{Model, Slot};
use super::stage::Stage;
use super::{activity, judge};
use crate::balancer::Verdict;
use crate::engine::dispatch::{Dispatcher, In, Out};
use crate::engine::remote::{Answer, Trouble, Watch, Work};
use crate::event::{Kind, Stage as Does};
use crate::name::{HostName, Outcome, SlotName, StepId};

/// A run that is not over by then hangs.
const LONGEST: Duration = Duration::from_secs(240);
const TICK: Duration = Duration::from_millis(200);

/// A piece of work under way.
#[derive(Debug, Clone)]
pub struct Act {
    pub host: HostName,
    pub work: Work,
    pub fault: Option<Fault>,
    /// It takes something back.
    pub back: bool,
    /// What it did was found as it was told.
    fitting: bool,
}

#[derive(Debug, Clone)]
enum Event {
    Tick,
    Effect(u64),
    Answer(u64),
    Watch(usize),
    Blow(Blow),
    Loop(HostName, SlotName),
}

/// What a view said of a member, as the judge counts it.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub row: u32,
    /// The longest row since the member was changed.
    pub most: u32,
    pub good: Option<Duration>,
}

/// How a run went.
#[derive(Debug)]
pub struct Ended {
    pub outcome: Outcome,
    /// Faults that really happened: kind of work, fault, taking back.
    pub hit: Vec<(&'static str, Fault, bool)>,
    /// Work in the order in which it was asked for.
    pub work: Vec<(&'static str, HostName, u32, Work)>,
    /// When each of it was asked for.
    pub begun: Vec<Duration>,
    pub took: Duration,
    /// What is there then.
    pub model: Model,
    /// Work that was under way when the client died.
    pub open: Vec<&'static str>,
    /// Steps that were done then.
    pub done: Vec<StepId>,
}

#[derive(Clone)]
pub struct Play<'a> {
    pub stage: &'a Stage,
    pub model: Model,
    pub start: Model,
    pub now: Duration,
    pub acts: BTreeMap<u64, Act>,
    pub heard: BTreeMap<(HostName, HostName), Heard>,
    /// Slots that the run changed, and since when they are up again.
    pub touched: BTreeMap<(HostName, SlotName), Option<Duration>>,
    /// When a blow hit a member.
    pub hurt: BTreeMap<HostName, Duration>,
    pub faulty: BTreeSet<HostName>,
    /// Load balancers that were asked to take their traffic back and have not said yes.
    pub unrestored: BTreeSet<HostName>,
    pub lost: bool,
    /// The client died.
    pub dead: bool,
    open: Vec<&'static str>,
    dispatcher: Dispatcher,
    /// The work that comes next takes something back.
    unwinds: bool,
    queue: BTreeMap<(Duration, u64), Event>,
    number: u64,
    watches: Vec<(HostName, Watch)>,
    mute: BTreeSet<HostName>,
    hiccup: BTreeSet<HostName>,
    signals: u32,
    faults: Faults,
    dice: Option<Dice>,
    /// One in so many pieces of work goes wrong, where dice are rolled.
    odds: u64,
    counts: BTreeMap<(&'static str, HostName), u32>,
    ended: Option<Outcome>,
    hit: Vec<(&'static str, Fault, bool)>,
    work: Vec<(&'static str, HostName, u32, Work)>,
    begun: Vec<Duration>,
}

/// Plays one run. With dice, times and further faults are random.
///
/// # Errors
/// The invariant that was broken.
pub fn play(stage: &Stage, faults: Faults, dice: Option<Dice>, odds: u64) -> Result<Ended, String> {
    let mut play = new(stage, faults, dice, odds);
    play.begin_run()?;
    play.go_on(None)?;
    play.close()
}

fn new(stage: &Stage, faults: Faults, dice: Option<Dice>, odds: u64) -> Play<'_> {
    let model = Model::of(&stage.world);
    Play {
        stage,
        start: model.clone(),
        model,
        now: Duration::ZERO,
        acts: BTreeMap::new(),
        heard: BTreeMap::new(),
        touched: BTreeMap::new(),
        hurt: BTreeMap::new(),
        faulty: BTreeSet::new(),
        unrestored: BTreeSet::new(),
        lost: false,
        dead: false,
        open: Vec::new(),
        dispatcher: Dispatcher::new(stage.plan.clone(), stage.book()),
        unwinds: false,
        queue: BTreeMap::new(),
        // Numbers below are those of blows.
        number: 100,
        watches: Vec::new(),
        mute: BTreeSet::new(),
        hiccup: BTreeSet::new(),
        signals: 0,
        faults,
        dice,
        odds,
        counts: BTreeMap::new(),
        ended: None,
        hit: Vec::new(),
        work: Vec::new(),
        begun: Vec::new(),
    }
}

impl Play<'_> {
    /// Blows come before anything else of their moment.
    fn expect(&mut self, blows: Vec<(Duration, Blow)>) {
        for (nth, (at, blow)) in (0..).zip(blows) {
            self.queue.insert((at, nth), Event::Blow(blow));
        }
    }

    fn begin_run(&mut self) -> Result<(), String> {
        let blows = std::mem::take(&mut self.faults.blows);
        self.expect(blows);
        self.at(TICK, Event::Tick);
        self.tell(In::Begin)
    }

    /// To the end, or until what comes next is not before that moment.
    fn go_on(&mut self, until: Option<Duration>) -> Result<(), String> {
        while self.ended.is_none() {
            let Some(((at, nth), event)) = self.queue.pop_first() else {
                return Err("nothing is left to happen and the run is not over".into());
            };
            if until.is_some_and(|until| at >= until) {
                self.queue.insert((at, nth), event);
                return Ok(());
            }
            self.now = at;
            if at > LONGEST {
                return Err(format!("the run is not over after {LONGEST:?}"));
            }
            self.happen(event)?;
        }
        Ok(())
    }

    fn close(mut self) -> Result<Ended, String> {
        let outcome = self.ended.clone().ok_or("no end")?;
        judge::at_end(&self, &outcome, self.dispatcher.log())?;
        activity::at_end(&self, &outcome, self.dispatcher.log())?;
        // Nothing is asked for after the end, whatever still arrives.
        let late: Vec<u64> = self.acts.keys().copied().filter(|_| !self.dead).collect();
        for token in late {
            let end = Ok(Answer::Done(String::new()));
            if !self
                .dispatcher
                .handle(In::Answer { token, end }, self.now)
                .is_empty()
            {
                return Err("something was asked for after the end".into());
            }
        }
        Ok(Ended {
            outcome,
            hit: self.hit,
            work: self.work,
            begun: self.begun,
            took: self.now,
            model: self.model,
            open: self.open,
            done: self.dispatcher.done(),
        })
    }

    fn at(&mut self, at: Duration, event: Event) {
        self.number += 1;
        self.queue.insert((at, self.number), event);
    }

    fn soon(&mut self, after: Duration, event: Event) {
        self.at(self.now + after, event);
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Tick => {
                self.soon(TICK, Event::Tick);
                self.tell(In::Tick)
            }
            Event::Effect(token) => self.effect(token),
            Event::Answer(token) => self.answer(token),
            Event::Watch(i) => self.watch(i),
            Event::Blow(blow) => self.blow(blow),
            Event::Loop(host, slot) => {
                let found = self.model.slot(&host, &slot);
                if found.up && !found.well {
                    found.restarts += 1;
                    self.soon(Duration::from_millis(700), Event::Loop(host, slot));
                }
                Ok(())
            }
        }
    }

    fn tell(&mut self, input: In) -> Result<(), String> {
        let outs = self.dispatcher.handle(input, self.now);
        for out in outs {
            if self.ended.is_some() {
                return Err(format!("after the end: {out:?}"));
            }
            match out {
                Out::Say(Kind::Begin { stage, .. }) => self.unwinds = stage == Does::Unwind,
                Out::Say(_) => {}
                Out::End(outcome) => self.ended = Some(outcome),
                Out::Watch { host, watch } => {
                    self.watches.push((host, watch));
                    let i = self.watches.len() - 1;
                    let first = self.pace(100, 600);
                    self.soon(first, Event::Watch(i));
                }
                Out::Act { token, host, work } => self.begin(token, host, work)?,
            }
        }
        Ok(())
    }

    fn pace(&mut self, from: u64, to: u64) -> Duration {
        match &mut self.dice {
            Some(dice) => dice.millis(from, to),
            None => Duration::from_millis((from + to) / 2),
        }
    }

    fn begin(&mut self, token: u64, host: HostName, work: Work) -> Result<(), String> {
        let name = kind(&work);
        let count = self.counts.entry((name, host.clone())).or_default();
        let nth = *count;
        *count += 1;
        self.work.push((name, host.clone(), nth, work.clone()));
        self.begun.push(self.now);
        let planned = self.faults.work.iter();
        let mut fault = planned
            .filter(|(k, h, n, _)| *k == name && *h == host && *n == nth)
            .map(|(_, _, _, f)| *f)
            .next();
        if let Some(dice) = &mut self.dice
            && dice.one_in(self.odds)
        {
            let any = Fault::ALL[usize::try_from(dice.below(15)).unwrap_or(0)];
            fault = any.fits(&work).then_some(any);
        }
        // What takes a batch back is in part what the plan would have done next.
        let again = matches!(work, Work::Drain { .. })
            && self
                .work
                .iter()
                .filter(|(_, h, _, w)| (h, w) == (&host, &work))
                .count()
                > 1;
        let shifts = matches!(work, Work::Shift(_)) && !self.stage.plan.batches.is_empty();
        let back = match shifts {
            true => self.unwinds,
            false => again || judge::back(self, &host, &work),
        };
        judge::on_act(self, &host, &work, back)?;
        if let Some(fault) = fault {
            self.hit.push((name, fault, back));
            self.faulty.insert(host.clone());
        }
        let took = match (fault, name) {
            (Some(Fault::Slow), _) => Duration::from_secs(20),
            (Some(Fault::SilentNot | Fault::SilentDone), _) => self.pace(1000, 9000),
            (_, "pull" | "stop" | "replace" | "revert") => self.pace(50, 1500),
            (_, "drain") => self.pace(10, 3000),
            _ => self.pace(10, 400),
        };
        let act = Act {
            host,
            work,
            fault,
            back,
            fitting: true,
        };
        self.acts.insert(token, act);
        self.soon(took / 2, Event::Effect(token));
        self.soon(took, Event::Answer(token));
        Ok(())
    }

    /// The moment at which the work does what it does.
    fn effect(&mut self, token: u64) -> Result<(), String> {
        let Some(mut act) = self.acts.get(&token).cloned() else {
            return Ok(());
        };
        judge::on_effect(self, &act)?;
        let (host, work) = (act.host.clone(), act.work.clone());
        let not = [Fault::SilentNot, Fault::Refused, Fault::Lost];
        if act.fault.is_none_or(|f| !not.contains(&f)) {
            let keys = changed(&work).map(|slot| ((host.clone(), slot.clone()), None));
            self.touched.extend(keys);
        }
        match (act.fault, &work) {
            (Some(Fault::Fails), Work::Replace { slot, .. } | Work::Revert { slot, .. }) => {
                *self.model.slot(&host, slot) = Slot::default();
            }
            (
                Some(
                    Fault::Fails
                    | Fault::SilentNot
                    | Fault::Refused
                    | Fault::Lost
                    | Fault::Differs
                    | Fault::CheckRefuses
                    | Fault::NotReadBack,
                ),
                _,
            ) => {}
            (Some(Fault::Moved), _) => {
                let mut foreign = self
                    .stage
                    .world
                    .setup
                    .all_to(&self.stage.plan.target, "hand");
                foreign.groups.clear();
                self.model.balancers.insert(host, Some(foreign));
            }
            (fault, _) => {
                let well = fault != Some(Fault::NeverWell);
                act.fitting = self.model.apply(&host, &work, well);
                if let Work::Replace { slot, .. } = &work {
                    let found = self.model.slot(&host, slot);
                    if fault == Some(Fault::EndsAtOnce) {
                        (found.up, found.well) = (false, false);
                    }
                    if fault == Some(Fault::RestartLoop) {
                        found.well = false;
                        let again = Event::Loop(host, slot.clone());
                        self.soon(Duration::from_millis(700), again);
                    }
                }
                self.acts.insert(token, act);
            }
        }
        activity::alone(self)
    }

    fn answer(&mut self, token: u64) -> Result<(), String> {
        let Some(act) = self.acts.remove(&token) else {
            return Ok(());
        };
        for slot in changed(&act.work) {
            self.heard.retain(|(member, _), _| *member != act.host);
            let key = (act.host.clone(), slot.clone());
            self.touched
                .entry(key)
                .and_modify(|at| *at = Some(self.now));
        }
        // A drain that could not be followed is over all the same where things go back.
        if let (Work::Drain { now, .. }, true) = (&act.work, act.back) {
            self.model.drained(&act.host, now);
        }
        let end = self.end_of(&act);
        if act.back && matches!(act.work, Work::Shift(_)) {
            let fine = matches!(
                end,
                Ok(Answer::Balancer(Verdict::Converged { .. }) | Answer::Done(_))
            );
            if fine && act.fault != Some(Fault::NotReadBack) {
                self.unrestored.remove(&act.host);
            } else {
                self.unrestored.insert(act.host.clone());
            }
        }
        self.lost |= matches!(end, Err(Trouble::Lost { .. }));
        self.tell(In::Answer { token, end })
    }

    fn end_of(&self, act: &Act) -> Result<Answer, Trouble> {
        let seen = || "something else".to_owned();
        match act.fault {
            Some(Fault::Fails | Fault::FailsAfter) => Ok(Answer::Failed {
                why: "it failed".into(),
                lines: Vec::new(),
            }),
            Some(Fault::SilentNot | Fault::SilentDone) => Err(Trouble::Silent("no answer".into())),
            Some(Fault::Refused) => Err(Trouble::Refused("its lock is held".into())),
            Some(Fault::Lost) => Err(Trouble::Lost {
                by: "run r-2".into(),
            }),
            Some(Fault::Differs | Fault::DiffersDone) => {
                Ok(Answer::Balancer(Verdict::Differs { seen: seen() }))
            }
            Some(Fault::Moved) => Ok(Answer::Balancer(Verdict::Moved { seen: seen() })),
            Some(Fault::CheckRefuses) => Ok(Answer::Balancer(Verdict::Refused {
                why: "unknown directive".into(),
            })),
            Some(Fault::NotReadBack) => Ok(Answer::Done("ok".into())),
            _ => Ok(match &act.work {
                Work::Shift(_) if !act.fitting => Answer::Balancer(Verdict::Moved { seen: seen() }),
                Work::Shift(_) | Work::Prepare(_) => Answer::Balancer(Verdict::Converged {
                    at: self.now.as_secs_f64(),
                }),
                Work::Drain { .. } => Answer::Drained { left: Some(0) },
                Work::Evidence { .. } => Answer::Evidence {
                    end: "exit code 1".into(),
                    log: Vec::new(),
                },
                _ => Answer::Done(String::new()),
            }),
        }
    }

    /// Whether a member was hurt so lately that nobody can know yet.
    pub fn hurt_lately(&self, host: &HostName) -> bool {
        let at = self.hurt.get(host);
        at.is_some_and(|at| self.now.saturating_sub(*at) <= Duration::from_secs(7))
    }
}
