//! Calls that switch members on and off, and those that go before every stop.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Real;
use crate::engine::remote::{Answer, Trouble, Work};
use crate::fleet::view::project;
use crate::host::docker::activity::{self, Callee};
use crate::host::docker::containers::off_before;
use crate::host::script::Body;
use crate::inventory::Call;
use crate::name::{HostName, SlotName};

/// Members that this run has switched off and not brought up since: they are not asked twice.
#[derive(Default)]
pub(super) struct Quiet(Mutex<BTreeSet<(HostName, SlotName)>>);

impl Quiet {
    /// Hears of work that begins.
    pub(super) fn begins(&self, host: &HostName, work: &Work) {
        if let Work::Activate { slot } | Work::Replace { slot, .. } | Work::Revert { slot, .. } =
            work
        {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.remove(&(host.clone(), slot.clone()));
        }
    }

    /// Hears how it ended.
    pub(super) fn ended(&self, host: &HostName, work: &Work, answer: &Answer) {
        if let (Work::Deactivate { slot }, Answer::Done(_)) = (work, answer) {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert((host.clone(), slot.clone()));
        }
    }

    fn has(&self, host: &HostName, slot: &SlotName) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(&(host.clone(), slot.clone()))
    }
}

/// The slots in which work ends what runs.
fn stopped(work: &Work) -> &[SlotName] {
    match work {
        Work::Stop { slot } | Work::Replace { slot, .. } | Work::Revert { slot, .. } => {
            std::slice::from_ref(slot)
        }
        Work::Remove { slots } => slots,
        _ => &[],
    }
}

impl Real {
    /// The body that switches a member on, or off.
    pub(super) fn call(&self, host: &HostName, slot: &SlotName, on: bool) -> Result<Body, Trouble> {
        let activity = self.site.setup.activity.as_ref();
        let call = activity.and_then(|a| match on {
            true => a.activate.as_ref(),
            false => Some(&a.deactivate),
        });
        let call = call.ok_or_else(|| Trouble::Refused("there is no such call".to_owned()))?;
        let with = if on { activity::on } else { activity::off };
        self.with(host, slot, |callee| with(callee, call))
            .ok_or_else(|| Trouble::Refused(format!("{host} is no member of {slot}")))
    }

    /// The same body, with calls before it that switch off what it stops.
    pub(super) fn off_before(&self, host: &HostName, work: &Work, body: Body) -> Body {
        let Some(activity) = &self.site.setup.activity else {
            return body;
        };
        let call: &Call = &activity.deactivate;
        let slots = stopped(work).iter().filter(|s| !self.quiet.has(host, s));
        let words = |slot| self.with(host, slot, |callee| activity::words(callee, call));
        let calls: Vec<(Vec<String>, Duration)> = slots
            .filter_map(words)
            .map(|words| (words, call.within))
            .collect();
        off_before(body, &calls)
    }

    fn with<T>(
        &self,
        host: &HostName,
        slot: &SlotName,
        make: impl FnOnce(Callee<'_>) -> T,
    ) -> Option<T> {
        let setup = &self.site.setup;
        let member = setup.groups.get(slot)?.iter().find(|m| m.host == *host)?;
        let project = project(&setup.env, &setup.app, slot);
        Some(make(Callee {
            env: &setup.env,
            app: &setup.app,
            slot,
            project: &project,
            member,
        }))
    }
}
