//! One run: events in, work out, the model changed, the invariants asked after each event.

mod along;
mod blows;
mod claims;
mod watchers;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::along::Along;
pub use self::blows::changed;
pub use self::claims::Claims;
use super::fault::{Blow, Dice, Fault, Faults};
use super::model::Model;
use super::stage::Stage;
use super::{activity, judge};
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
    /// Its number on the host; what only waits has none.
    seq: Option<u64>,
    begun: Duration,
    /// Why it did nothing there, as the record says.
    trouble: Option<Trouble>,
}

#[derive(Debug, Clone)]
enum Event {
    Tick,
    Effect(u64),
    Answer(u64),
    Watch(usize),
    Blow(Blow),
    Loop(HostName, SlotName),
    /// A host is there again.
    Back(HostName),
    /// Work comes to its host when nobody waits for it any more.
    Late(Box<Act>),
    /// The claims that it came under, where they were another run's.
    Displaced(Box<Act>),
    /// It ends there.
    Ends(Box<Act>),
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
#[derive(Debug, Clone)]
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
    /// What befell it, and one kind of work that was under way then.
    pub blown: Vec<(&'static str, &'static str)>,
    /// Who may act on each host, as its record says.
    pub claims: Claims,
    /// What was sent and has not come to its host.
    pub flying: Vec<Act>,
    /// Hosts that are down, and what is there when they are there again.
    pub down: BTreeSet<HostName>,
    pub woken: Model,
    /// Words that came late: how many were done, and how many were refused.
    pub late: (u32, u32),
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
    /// Members that did not answer well for one probe.
    pub hiccups: BTreeSet<HostName>,
    /// Load balancers that were asked to take their traffic back and have not said yes.
    pub unrestored: BTreeSet<HostName>,
    pub lost: bool,
    /// The client died.
    pub dead: bool,
    /// Hosts that are down, and when each fell last.
    pub down: BTreeSet<HostName>,
    fell: BTreeMap<HostName, Duration>,
    /// Slots that a host brings up again when it is there again, and whether they are well then.
    revives: BTreeMap<(HostName, SlotName), bool>,
    /// Load balancers that came back with the file that they had before the run.
    pub reverted: BTreeSet<HostName>,
    claims: Claims,
    flying: Vec<Act>,
    late: (u32, u32),
    blown: Vec<(&'static str, &'static str)>,
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

/// Plays a run of one who comes after others: the claims that it has taken, and what those before it
/// have sent and comes to its host now.
///
/// # Errors
/// The invariant that was broken.
pub fn play_after(
    stage: &Stage,
    (faults, dice, odds): (Faults, Option<Dice>, u64),
    claims: Claims,
    flying: Vec<Act>,
) -> Result<Ended, String> {
    let mut play = new(stage, faults, dice, odds);
    play.claims = claims;
    for (nth, act) in (1..).zip(flying) {
        let at = play.pace(0, 1_000 * nth);
        play.soon(at, Event::Displaced(Box::new(act)));
    }
    play.begin_run()?;
    play.go_on(None)?;
    play.close()
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
        hiccups: BTreeSet::new(),
        unrestored: BTreeSet::new(),
        lost: false,
        dead: false,
        down: BTreeSet::new(),
        fell: BTreeMap::new(),
        revives: BTreeMap::new(),
        reverted: BTreeSet::new(),
        claims: Claims::first(&stage.world),
        flying: Vec::new(),
        late: (0, 0),
        blown: Vec::new(),
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
        self.after_all(&outcome)?;
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
        let mut woken = self.model.clone();
        for (key, well) in &self.revives {
            let found = woken.slot(&key.0, &key.1);
            (found.up, found.well) = (found.release.is_some(), *well);
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
            blown: self.blown,
            claims: self.claims,
            flying: self.flying,
            late: self.late,
            woken,
            down: self.down,
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
            Event::Back(host) => self.back(&host),
            Event::Late(act) => self.comes_late(*act),
            Event::Displaced(act) => self.comes_displaced(*act),
            Event::Ends(act) => self.ends_late(&act),
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

    /// Whether a member was hurt so lately that nobody can know yet.
    pub fn hurt_lately(&self, host: &HostName) -> bool {
        let at = self.hurt.get(host);
        at.is_some_and(|at| self.now.saturating_sub(*at) <= Duration::from_secs(7))
    }
}
