//! Whether a run may begin: other runs, locks, windows, freezes. To add a reason of that kind: here.

use super::{Drive, Failure, refused};
use crate::plan::entry::may_begin;
use crate::plan::{Plan, Refusal, calendar};

impl Drive<'_> {
    /// What is set aside by a person's word, to be recorded.
    ///
    /// # Errors
    /// All that is against it, at once.
    pub(super) fn may(&self, plan: &Plan) -> Result<Vec<String>, Failure> {
        let (setup, word) = (&self.site.setup, self.meta.word);
        let ends = &self.meta.over.displaced;
        let parts = [
            may_begin(setup, self.fleet, plan.kind, ends, word),
            calendar::may_begin(setup, self.fleet, plan, word),
        ];
        let (mut aside, mut against) = (Vec::new(), Vec::new());
        let mut unknown = false;
        for part in parts {
            match part {
                Ok(more) => aside.extend(more),
                Err(refusal) => {
                    unknown |= refusal.unknown;
                    against.extend(refusal.reasons);
                }
            }
        }
        match Refusal::of(against) {
            None => Ok(aside),
            Some(refusal) => Err(refused(plan.kind.word(), Refusal { unknown, ..refusal })),
        }
    }
}
