//! One plan's run, left at many moments.

use std::time::Duration;

use super::super::fault::{Blow, Fault, Faults};
use super::super::model::Model;
use super::super::play::{Along, Claims, Ended, play, play_after};
use super::super::stage::Stage;
use super::super::tests::singles;
use super::{calm, led, stages};
use crate::name::{HostName, OutcomeKind};

/// Runs of one plan that are left, and whoever comes then. Many moments leave the same fleet behind:
/// each is led to its end once.
pub struct Leaving<'a> {
    stage: &'a Stage,
    along: Along<'a>,
    known: Vec<(Model, Result<&'static str, String>)>,
}

impl<'a> Leaving<'a> {
    pub fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            along: Along::new(stage, Faults::default()).expect("no fault"),
            known: Vec::new(),
        }
    }

    /// A run that is left at this moment, which is not before the last one: what was under way, and
    /// how it ends.
    pub fn at(&mut self, at: Duration, sent: bool) -> Result<(&'static str, &'static str), String> {
        self.along.until(at)?;
        let left = self.along.with(&[(at, Blow::Killed { sent })])?;
        let open = left.open.first().copied().unwrap_or("-");
        self.end(left).map(|end| (open, end))
    }

    /// The same, and of what was sent last only a part comes to its hosts in time; the rest comes
    /// when another one has taken over.
    pub fn torn(&mut self, at: Duration, odd: bool) -> Result<&'static str, String> {
        self.along.until(at)?;
        let left = self.along.with(&[(at, Blow::Torn { odd })])?;
        self.end(left)
    }

    /// The same, and meanwhile a load balancer came back with the file that it had before the run.
    pub fn with_old_file(&mut self, at: Duration, lb: &HostName) -> Result<&'static str, String> {
        self.along.until(at)?;
        let mut left = self.along.with(&[(at, Blow::Killed { sent: true })])?;
        if left.outcome.kind != OutcomeKind::Unfinished {
            return Ok("over");
        }
        let old = Model::of(&self.stage.world).balancers[lb].clone();
        left.model.balancers.insert(lb.clone(), old);
        self.end(left)
    }

    fn end(&mut self, left: Ended) -> Result<&'static str, String> {
        if let Some((_, end)) = self.known.iter().find(|(model, _)| *model == left.model) {
            return end.clone();
        }
        let model = left.model.clone();
        let end = led(self.stage, left, calm);
        self.known.push((model, end.clone()));
        end
    }
}

/// A load balancer that is restored from an older state of its disk while nobody looks after the run:
/// whoever comes leads all of them to one end, or a person is asked.
#[test]
fn a_load_balancer_that_comes_back_with_the_old_file_is_led_along() {
    let (mut broken, mut ends) = (Vec::new(), std::collections::BTreeSet::new());
    for stage in stages() {
        let mut leaving = Leaving::new(&stage);
        for at in (0..14_000).step_by(100).map(Duration::from_millis) {
            for lb in &stage.world.setup.balancers {
                match leaving.with_old_file(at, &lb.host) {
                    Ok(end) => drop(ends.insert(end)),
                    Err(why) => broken.push(format!("{} at {at:?}: {why}", stage.name)),
                }
            }
        }
    }
    let some = broken[..broken.len().min(10)].join("\n");
    assert!(broken.is_empty(), "{} broken, e.g.\n{some}", broken.len());
    assert!(
        ends.contains("succeeded") && ends.contains("cancelled"),
        "{ends:?}"
    );
}

#[test]
fn what_a_client_sent_last_may_come_in_part_and_too_late() {
    let (mut broken, mut ends) = (Vec::new(), std::collections::BTreeSet::new());
    for stage in super::super::stage::every() {
        if !super::leaves(&stage) {
            continue;
        }
        let mut leaving = Leaving::new(&stage);
        for at in (0..14_000).step_by(150).map(Duration::from_millis) {
            for odd in [true, false] {
                match leaving.torn(at, odd) {
                    Ok(end) => drop(ends.insert(end)),
                    Err(why) => broken.push(format!("{} at {at:?} {odd}: {why}", stage.name)),
                }
            }
        }
    }
    let some = broken[..broken.len().min(10)].join("\n");
    assert!(broken.is_empty(), "{} broken, e.g.\n{some}", broken.len());
    assert!(
        ends.is_superset(&["succeeded", "cancelled"].into()),
        "{ends:?}"
    );
}

/// The judge is awake: where the record does not refuse what comes late, or from one whose claims
/// were taken, that is found.
#[test]
fn without_the_word_of_the_record_late_requests_do_harm() {
    let stage = stages().into_iter().find(|s| s.name == "deploy");
    let stage = stage.expect("a deploy");
    let mut claims = Claims::first(&stage.world);
    claims.ignored = true;
    let own = singles(&stage)
        .into_iter()
        .filter(|f| f.work[0].3 == Fault::Late);
    let mut harm = [0, 0];
    for faults in own {
        assert!(play(&stage, faults.clone(), None, 1).is_ok());
        let how = (faults, None, 1);
        harm[0] += u32::from(play_after(&stage, how, claims.clone(), Vec::new()).is_err());
    }
    for at in (0..7_000).step_by(50).map(Duration::from_millis) {
        let faults = Faults {
            work: Vec::new(),
            blows: vec![(at, Blow::Killed { sent: false })],
        };
        let mut left = play(&stage, faults, None, 1).expect("it is left");
        assert!(led(&stage, left.clone(), calm).is_ok(), "{at:?}");
        left.claims.ignored = true;
        harm[1] += u32::from(led(&stage, left, calm).is_err());
    }
    assert!(harm[0] > 3 && harm[1] > 0, "{harm:?}");
}
