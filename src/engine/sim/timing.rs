//! Schedules that random ones meet too rarely: words that go stale, drains that take long.

use std::time::Duration;

use super::fault::{Blow, Fault, Faults};
use super::model::Model;
use super::play::{Ended, play};
use super::stage::{self, Stage};
use crate::balancer::Verdict;
use crate::engine::dispatch::{Dispatcher, In, Out};
use crate::engine::remote::{Answer, Seen, Work};
use crate::name::{HostName, OutcomeKind, SlotName};
use crate::plan::{Action, PlanKind};

fn of(name: &str) -> Stage {
    let mut all = stage::all().into_iter();
    all.find(|s| s.name == name).expect("a plan of that name")
}

fn h(name: &str) -> HostName {
    name.parse().expect("a host name")
}

fn run(stage: &Stage, faults: Faults) -> Ended {
    let said = format!("{faults:?}");
    play(stage, faults, None, 1).unwrap_or_else(|why| panic!("{}: {why} {said}", stage.name))
}

/// The gates opened long ago, the check of a load balancer takes long, and a watcher falls silent a
/// moment before the switch.
#[test]
fn traffic_does_not_move_on_words_that_are_older_than_two_seconds() {
    let stage = of("deploy");
    for watcher in ["web3", "web4", "lb1", "lb2"] {
        for early in [2_400, 3_000, 3_600, 4_200, 4_800] {
            let mute = Duration::from_millis(20_000 - early);
            let ended = run(
                &stage,
                Faults {
                    work: vec![("prepare", h("lb1"), 0, Fault::Slow)],
                    blows: vec![(mute, Blow::Mute(h(watcher)))],
                },
            );
            assert_eq!(ended.outcome.kind, OutcomeKind::Failed, "{watcher} {early}");
            let shifted = ended.work.iter().any(|(kind, ..)| *kind == "shift");
            assert!(!shifted, "{watcher} {early}: {:?}", ended.outcome);
        }
    }
}

/// One member was well long ago and its watcher is silent since; the other one comes late.
#[test]
fn a_gate_does_not_open_on_words_that_were_good_once() {
    let stage = of("stage");
    let ended = run(
        &stage,
        Faults {
            work: vec![("replace", h("web4"), 0, Fault::Slow)],
            blows: vec![(Duration::from_secs(8), Blow::Mute(h("web3")))],
        },
    );
    assert_eq!(
        ended.outcome.kind,
        OutcomeKind::Failed,
        "{:?}",
        ended.outcome
    );
}

/// The new slot fails while requests of the old one are still open: going back does not wait.
#[test]
fn traffic_goes_back_at_once_though_drains_take_long() {
    let stage = of("deploy");
    let slow = ["lb1", "lb2"].map(|lb| ("drain", h(lb), 0, Fault::Slow));
    let hurt = Duration::from_secs(6);
    let ended = run(
        &stage,
        Faults {
            work: slow.into(),
            blows: vec![(hurt, Blow::Ends(h("web3")))],
        },
    );
    assert_eq!(ended.outcome.kind, OutcomeKind::RolledBack);
    assert!(
        ended.took < hurt + Duration::from_secs(6),
        "{:?}",
        ended.took
    );
}

/// The window closes at any moment of a run, which ends staged or at its own end, with or without a
/// person who stops it a moment later.
#[test]
fn a_run_past_its_window_does_not_switch_and_what_it_brought_up_stands_by() {
    let free = [
        PlanKind::CatchUp,
        PlanKind::Rollback,
        PlanKind::Drain,
        PlanKind::Undrain,
        PlanKind::Resume,
    ];
    let (mut staged, mut whole, mut unbegun, mut unmoved) = (0, 0, 0, 0);
    let brings = [PlanKind::Deploy, PlanKind::Switch];
    let (mut gated, mut owed) = (0, 0);
    let all = stage::all().into_iter().chain(stage::in_place());
    for stage in all.filter(|s| !free.contains(&s.plan.kind) && !s.plan.is_empty()) {
        for at in (0..4_000).step_by(200).map(Duration::from_millis) {
            let closes = (at, Blow::Closes);
            let ended = run(
                &stage,
                Faults {
                    blows: vec![closes.clone()],
                    ..Faults::default()
                },
            );
            let shifted = ended.work.iter().any(|(kind, ..)| *kind == "shift");
            match (ended.outcome.kind, stage.plan.commit) {
                (OutcomeKind::Staged, Some(commit)) if brings.contains(&stage.plan.kind) => {
                    staged += 1;
                    let why = "the window closed, before the switch: the release stands by, no traffic was moved";
                    assert_eq!(ended.outcome.why, why);
                    let of = |id| stage.plan.steps.iter().find(|s| s.id == id).unwrap();
                    let moves = |a: &Action| matches!(a, Action::Shift { .. });
                    // Hosts that do not answer are set down before anything else.
                    let before = stage
                        .plan
                        .steps
                        .iter()
                        .filter(|s| Some(s.id) != stage.plan.commit);
                    let sets_down = before.clone().any(|s| moves(&s.action));
                    assert!(!shifted || sets_down, "{} {at:?}", stage.name);
                    for step in before {
                        let target = |s: &SlotName| *s == stage.plan.target;
                        if matches!(&step.action, Action::Gate { slot, .. } if target(slot)) {
                            gated += 1;
                            assert!(ended.done.contains(&step.id), "{} {at:?}", stage.name);
                        }
                        let debt = matches!(step.action, Action::Owe { .. });
                        if debt && of(commit).needs.contains(&step.id) {
                            owed += 1;
                        }
                    }
                    assert!(!ended.done.contains(&commit), "{} {at:?}", stage.name);
                }
                // Nothing stands by that a switch could send traffic to.
                (OutcomeKind::Cancelled, Some(_)) if !brings.contains(&stage.plan.kind) => {
                    unmoved += 1;
                    assert!(!shifted, "{} {at:?}", stage.name);
                    let why = "the window closed, before any traffic was moved: all is as it was";
                    assert_eq!(ended.outcome.why, why);
                }
                (OutcomeKind::Cancelled, None) => {
                    unbegun += 1;
                    assert!(!shifted, "{} {at:?}", stage.name);
                }
                (end, _) => {
                    whole += 1;
                    assert_eq!(end, stage.plan.end, "{} {at:?}", stage.name);
                }
            }
            let stopped = (at + Duration::from_millis(200), Blow::Signal);
            let faults = Faults {
                blows: vec![closes, stopped],
                ..Faults::default()
            };
            run(&stage, faults);
        }
    }
    assert!(
        staged > 60 && whole > 100 && unbegun > 5 && unmoved > 5,
        "{staged} {whole} {unbegun} {unmoved}"
    );
    assert!(gated > 60 && owed > 5, "{gated} {owed}");
}

/// A dispatcher that is told of a fleet in which all goes well, by hand.
struct Hand {
    stage: Stage,
    model: Model,
    dispatcher: Dispatcher,
    /// Work that waits for its answer.
    open: Vec<(u64, HostName, Work)>,
    shifts: usize,
}

impl Hand {
    fn tell(&mut self, input: In, now: Duration) {
        for out in self.dispatcher.handle(input, now) {
            if let Out::Act { token, host, work } = out {
                self.shifts += usize::from(matches!(work, Work::Shift(_)));
                self.model.apply(&host, &work, true);
                self.open.push((token, host, work));
            }
        }
    }

    /// Every watcher says that all is well.
    fn well(&mut self, now: Duration) {
        let slot = self.stage.plan.target.clone();
        let members: Vec<HostName> = self.stage.world.setup.hosts(&slot).cloned().collect();
        for member in &members {
            let list = self.model.containers(member, &slot);
            self.seen(member, Seen::Containers(list), now);
            for asker in [member, &h("lb1"), &h("lb2")] {
                let word = Seen::Gate {
                    member: (asker != member).then(|| member.clone()),
                    gate: 0,
                    ok: true,
                    detail: "HTTP 200".into(),
                };
                self.seen(asker, word, now);
            }
        }
    }

    fn seen(&mut self, asker: &HostName, seen: Seen, now: Duration) {
        let asker = asker.clone();
        self.tell(In::Seen { asker, seen }, now);
    }

    /// Answers the open work that `which` chooses.
    fn answer(&mut self, which: impl Fn(&HostName, &Work) -> bool, now: Duration) {
        while let Some(i) = self.open.iter().position(|(_, h, w)| which(h, w)) {
            let (token, _, work) = self.open.remove(i);
            let end = Ok(match work {
                Work::Prepare(_) | Work::Shift(_) => {
                    Answer::Balancer(Verdict::Converged { at: 0.0 })
                }
                _ => Answer::Done(String::new()),
            });
            self.tell(In::Answer { token, end }, now);
        }
    }
}

/// The client stands still for three seconds; what its watchers said before waits for it, and says
/// nothing about now.
#[test]
fn a_client_that_was_frozen_does_not_believe_the_words_that_waited_for_it() {
    let stage = of("deploy");
    let mut hand = Hand {
        model: Model::of(&stage.world),
        dispatcher: Dispatcher::new(stage.plan.clone(), stage.book()),
        stage,
        open: Vec::new(),
        shifts: 0,
    };
    let held = |host: &HostName, work: &Work| *host == h("lb1") && matches!(work, Work::Prepare(_));
    hand.tell(In::Begin, Duration::ZERO);
    let mut now = Duration::ZERO;
    for _ in 0..40 {
        now += Duration::from_millis(200);
        hand.answer(|host, work| !held(host, work), now);
        hand.well(now);
    }
    assert_eq!(
        (hand.shifts, hand.open.len()),
        (0, 1),
        "only one check is open"
    );
    now += Duration::from_secs(3);
    hand.well(now);
    hand.answer(held, now);
    assert_eq!(hand.shifts, 0, "it switched on old words");
    for _ in 0..6 {
        now += Duration::from_millis(200);
        hand.well(now);
    }
    assert_eq!(hand.shifts, 2, "fresh words are believed again");
}
