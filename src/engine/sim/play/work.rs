//! Work that the dispatcher asks for: when it takes effect, and how it ends.

use std::time::Duration;

use super::super::fault::{Fault, kind};
use super::super::model::Slot;
use super::super::{activity, jobs, judge};
use super::{Act, Event, Play, changed};
use crate::balancer::Verdict;
use crate::engine::dispatch::In;
use crate::engine::remote::{Answer, Trouble, Work};
use crate::fleet::JobState;
use crate::name::HostName;

impl Play<'_> {
    pub(super) fn begin(&mut self, token: u64, host: HostName, work: Work) -> Result<(), String> {
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
        // What happens seldom goes wrong the more often.
        let seldom = ["stop", "activate", "deactivate", "remove"].contains(&name);
        let odds = match back || seldom {
            true => (self.odds / 4).max(3),
            false => self.odds,
        };
        if let Some(dice) = &mut self.dice
            && dice.one_in(odds)
        {
            let any = dice.below(Fault::ALL.len() as u64);
            let any = Fault::ALL[usize::try_from(any).unwrap_or(0)];
            fault = any.fits(&work).then_some(any);
        }
        judge::on_act(self, &host, &work, back)?;
        jobs::on_act(self, &work, back)?;
        if fault.is_some() {
            self.faulty.insert(host.clone());
        }
        let took = match (fault, name) {
            (Some(Fault::Slow), _) => Duration::from_secs(20),
            (Some(Fault::SilentNot | Fault::SilentDone | Fault::Late), _) => self.pace(1000, 9000),
            (_, "pull" | "job" | "stop" | "replace" | "revert") => self.pace(50, 1500),
            (_, "drain") => self.pace(10, 3000),
            _ => self.pace(10, 400),
        };
        let waits = matches!(work, Work::Drain { .. });
        let act = Act {
            seq: (!waits).then(|| self.claims.next(&host)),
            begun: self.now,
            trouble: None,
            host,
            work,
            fault,
            back,
            fitting: true,
        };
        let again = match fault {
            Some(Fault::Late) => Some(took + self.pace(10, 4_000)),
            Some(Fault::Twice) => Some(took / 2 + self.pace(10, 4_000)),
            _ => None,
        };
        if let Some(after) = again {
            self.soon(after, Event::Late(Box::new(act.clone())));
        }
        self.acts.insert(token, act);
        self.soon(took / 2, Event::Effect(token));
        self.soon(took, Event::Answer(token));
        Ok(())
    }

    /// The moment at which the work does what it does.
    pub(super) fn effect(&mut self, token: u64) -> Result<(), String> {
        let Some(mut act) = self.acts.get(&token).cloned() else {
            return Ok(());
        };
        judge::on_effect(self, &act)?;
        let (host, work) = (act.host.clone(), act.work.clone());
        let not = [Fault::SilentNot, Fault::Late, Fault::Refused, Fault::Lost];
        let comes = act.fault.is_none_or(|f| !not.contains(&f));
        if comes && let Some(trouble) = self.kept_from(&act) {
            act.trouble = Some(trouble);
            self.acts.insert(token, act);
            return Ok(());
        }
        if comes {
            let keys = changed(&work).map(|slot| ((host.clone(), slot.clone()), None));
            self.touched.extend(keys);
        }
        match (act.fault, &work) {
            (Some(Fault::Fails), Work::Replace { slot, .. } | Work::Revert { slot, .. }) => {
                *self.model.slot(&host, slot) = Slot::default();
            }
            (Some(Fault::Fails), Work::Job(start)) => {
                self.model.starts(start, JobState::Failed(3));
            }
            // The power of its host is cut.
            (Some(Fault::FailsAfter), Work::Job(start)) => {
                self.model.starts(start, JobState::Begun);
            }
            (
                Some(
                    Fault::Fails
                    | Fault::SilentNot
                    | Fault::Late
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

    pub(super) fn answer(&mut self, token: u64) -> Result<(), String> {
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
        if let (Some(fault), None, false) = (act.fault, &act.trouble, self.cut(&act)) {
            self.hit.push((kind(&act.work), fault, act.back));
        }
        let end = match &act.trouble {
            Some(trouble) => Err(trouble.clone()),
            None if self.cut(&act) => Err(Trouble::Silent("it went down".into())),
            None => self.end_of(&act),
        };
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
            Some(Fault::SilentNot | Fault::SilentDone | Fault::Late) => {
                Err(Trouble::Silent("no answer".into()))
            }
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
                    at: self.now.as_secs_f64() + stepped(act.fault),
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
}

/// Seconds that the clock of a host is ahead.
fn stepped(fault: Option<Fault>) -> f64 {
    match fault {
        Some(Fault::Stepped) => 7_200.0,
        _ => 0.0,
    }
}
