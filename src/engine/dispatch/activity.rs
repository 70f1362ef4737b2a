//! Taking back what was switched on: nobody else is switched on before it is known to be off.

use super::{Dispatcher, Token};
use crate::event::Stage;
use crate::fleet::Traffic;
use crate::name::HostName;
use crate::plan::{Action, Move, Undo};

impl Dispatcher {
    /// One lost answer is not the end: the call may be repeated, and whether it is.
    pub(super) fn calls_again(&mut self, token: &Token) -> bool {
        let Some(action) = self.call_of(token) else {
            return false;
        };
        self.undo
            .get_mut(&token.step)
            .is_some_and(|line| line.once_more(&token.host, action))
    }

    /// The call that the token was for.
    fn call_of(&self, token: &Token) -> Option<Action> {
        let step = self.plan.steps.iter().find(|s| s.id == token.step)?;
        let (Undo::Do(actions) | Undo::Half(actions)) = &step.undo else {
            return None;
        };
        let of = |a: &&Action| match a {
            Action::Deactivate { host, .. } if token.stage == Stage::Deactivate => {
                *host == token.host
            }
            Action::Activate { host, .. } if token.stage == Stage::Activate => *host == token.host,
            _ => false,
        };
        actions.iter().find(of).cloned()
    }

    /// It is not active again, and that is told: requests are answered all the same.
    pub(super) fn stays_off(&mut self, token: &Token, why: &str) {
        let Some(Action::Activate { slot, .. }) = self.call_of(token) else {
            return;
        };
        let said = format!("{}: {slot} was not activated again: {why}", token.host);
        self.log.untidy.push(said);
    }

    /// It may be active still. Where another slot was to be switched on again, nothing more is touched:
    /// never are two releases active. Where there is one slot, it is stopped next.
    pub(super) fn stays_on(&mut self, token: &Token, why: &str) {
        let Some(Action::Deactivate { slot, .. }) = self.call_of(token) else {
            return;
        };
        let other = |a: &Action| matches!(a, Action::Activate { slot: s, .. } if *s != slot);
        let waits = self.undo.values().flat_map(|l| &l.left).any(other);
        let more = match waits {
            true => ", so no other slot was activated again",
            false => "",
        };
        let said = format!(
            "{}: {slot} may still be active there{more}: {why}",
            token.host
        );
        self.log.untidy.push(said);
        if waits {
            self.log.mixed.push(token.host.clone());
        } else if self.interrupts() {
            self.on_still.insert(token.host.clone());
        }
    }

    /// Whether nobody serves while members change: no two releases may be active.
    fn interrupts(&self) -> bool {
        let nobody = |m: &Move| m.after.as_ref().is_some_and(Traffic::nobody);
        self.plan
            .steps
            .iter()
            .any(|s| matches!(&s.action, Action::Shift { moves } if moves.iter().any(nobody)))
    }

    /// What ran on the host was ended: by that it is off.
    pub(super) fn is_off(&mut self, token: &Token) {
        if matches!(token.stage, Stage::Stop | Stage::Unwind) {
            self.on_still.remove(&token.host);
        }
    }

    /// Whether the member must not be switched on again: another one could neither be switched off nor
    /// ended, and is active for all that is known. It serves all the same, and that is told.
    pub(super) fn must_stay_off(&mut self, action: &Action) -> bool {
        let Action::Activate { host, slot } = action else {
            return false;
        };
        if self.on_still.is_empty() {
            return false;
        }
        let on: Vec<&str> = self.on_still.iter().map(HostName::as_str).collect();
        let on = on.join(" ");
        let said = format!(
            "{host}: {slot} was not activated again: another release may be active on {on}"
        );
        self.log.untidy.push(said);
        true
    }
}
