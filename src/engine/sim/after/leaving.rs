//! One plan's run, left at many moments.

use std::time::Duration;

use super::super::fault::{Blow, Faults};
use super::super::model::Model;
use super::super::play::Along;
use super::super::stage::Stage;
use super::{calm, led};

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
        if let Some((_, end)) = self.known.iter().find(|(model, _)| *model == left.model) {
            return end.clone().map(|end| (open, end));
        }
        let model = left.model.clone();
        let end = led(self.stage, left, calm);
        self.known.push((model, end.clone()));
        end.map(|end| (open, end))
    }
}
