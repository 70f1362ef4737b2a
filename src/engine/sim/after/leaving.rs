//! One plan's run, left at many moments.

use std::time::Duration;

use super::super::fault::{Blow, Faults};
use super::super::model::Model;
use super::super::play::{Along, Ended};
use super::super::stage::Stage;
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
