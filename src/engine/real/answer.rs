//! What the lines of a step mean: progress while it runs, its answer at the end.

use crate::engine::remote::{Answer, Work};
use crate::engine::site::Machine;
use crate::host::docker::activity;
use crate::host::docker::containers::{self, Reverted};
use crate::host::docker::evidence;
use crate::host::docker::images::{PullReader, Pulled};
use crate::registry::Carried;
use crate::text::Redactor;

/// The end of a pull that had nothing to do.
pub const HERE: &str = "already here";

/// Follows the lines of a step while it runs.
#[derive(Debug, Default)]
pub struct Follower {
    pull: PullReader,
}

impl Follower {
    /// Progress that a line tells: done, total, a few words.
    pub fn line(&mut self, work: &Work, line: &str) -> Option<(u64, u64, String)> {
        match work {
            Work::Pull { .. } => {
                let (done, total) = self.pull.line(line)?;
                Some((done, total, "layers".to_owned()))
            }
            _ => None,
        }
    }

    /// What the step came to.
    #[must_use]
    pub fn read(
        &self,
        machine: &Machine,
        work: &Work,
        (images, login): (&[String], &Carried),
        rc: i32,
        lines: &[String],
        redactor: &Redactor,
    ) -> Answer {
        let lines: Vec<String> = lines.iter().map(|l| redactor.clean(l)).collect();
        match work {
            Work::Pull { .. } => self.pulled(images, rc, login, redactor),
            Work::Job(start) => super::job::answer(start, rc, &lines),
            Work::Mark { .. } if rc != 0 => {
                failed("the job's mark could not be written", rc, lines)
            }
            Work::Mark { .. } => Answer::Done(String::new()),
            Work::Activate { .. } if rc != 0 => failed("it could not be activated", rc, lines),
            Work::Deactivate { .. } if rc != 0 => failed("it could not be deactivated", rc, lines),
            Work::Activate { .. } => Answer::Done(String::new()),
            Work::Deactivate { .. } => Answer::Done(lines.last().cloned().unwrap_or_default()),
            Work::Stop { .. } if rc != 0 => failed("compose could not stop it", rc, lines),
            Work::Replace { .. } if rc == 0 => Answer::Done(not_off(&lines)),
            Work::Replace { .. } => {
                let said = containers::reasons(&lines);
                failed("compose could not bring it up", rc, said)
            }
            Work::Revert { .. } => reverted(rc, &lines),
            Work::Remove { .. } if rc == 0 => {
                let not = not_off(&lines);
                let words = ["removed", &not].map(str::to_owned);
                let said: Vec<String> = words.into_iter().filter(|w| !w.is_empty()).collect();
                Answer::Done(said.join("; "))
            }
            Work::Remove { .. } => {
                let said = containers::reasons(&lines);
                failed("it could not be removed", rc, said)
            }
            Work::Evidence { .. } => evidence_of(&lines),
            Work::Prepare(_) | Work::Shift(_) => balancer(machine, rc, lines),
            Work::Owe { .. } if rc != 0 => failed("who owes could not be written", rc, lines),
            Work::Stop { .. } => Answer::Done(not_off(&lines)),
            Work::Drain { .. } | Work::Owe { .. } => Answer::Done(String::new()),
        }
    }

    fn pulled(&self, images: &[String], rc: i32, login: &Carried, redactor: &Redactor) -> Answer {
        let ends = self.pull.ends(images);
        let clean = |line: &str| login.redactor.clean(&redactor.clean(line));
        let bad = ends.iter().find_map(|(image, end)| match end {
            Pulled::Failed(why) => Some((image, login.says(image, &redactor.clean(why)))),
            Pulled::Unknown => Some((image, "nothing was said of its end".to_owned())),
            Pulled::Present | Pulled::Fetched => None,
        });
        match bad {
            Some((image, why)) => Answer::Failed {
                why: match self.pull.space() {
                    Some(space) => format!("{image} could not be pulled: {why}; {space}"),
                    None => format!("{image} could not be pulled: {why}"),
                },
                lines: self.pull.rest().iter().map(|l| clean(l)).collect(),
            },
            None if rc != 0 => {
                let rest = self.pull.rest().iter().map(|l| clean(l)).collect();
                failed("the pull failed", rc, rest)
            }
            None if ends.iter().all(|(_, e)| *e == Pulled::Present) => {
                Answer::Done(HERE.to_owned())
            }
            None => Answer::Done(String::new()),
        }
    }
}

/// What could not be switched off before it was stopped, in one line; empty where all was.
fn not_off(lines: &[String]) -> String {
    let mut not = lines.iter().filter(|l| l.starts_with(activity::NOT));
    not.next_back().cloned().unwrap_or_default()
}

fn failed(what: &str, rc: i32, lines: Vec<String>) -> Answer {
    let why = match (rc, lines.last()) {
        // `timeout` ends with these when it had to end the body.
        (124 | 137, _) => format!("{what}: it took too long and was ended"),
        (_, Some(last)) => format!("{what}: {}", last.trim()),
        (_, None) => format!("{what} (exit code {rc})"),
    };
    Answer::Failed { why, lines }
}

fn reverted(rc: i32, lines: &[String]) -> Answer {
    match containers::reverted(lines) {
        Reverted::To(release) if rc == 0 => Answer::Done(format!("release {release} is up again")),
        Reverted::Emptied if rc == 0 => Answer::Done("the slot is empty again".to_owned()),
        Reverted::Lost(release) => failed(
            &format!("release {release} did not come up again"),
            rc,
            lines.to_vec(),
        ),
        _ => failed("the candidate may still be there", rc, lines.to_vec()),
    }
}

/// Evidence is a help for people: what could not be kept is no failure of the run.
fn evidence_of(lines: &[String]) -> Answer {
    let kept = evidence::read(lines);
    let ends: Vec<String> = kept
        .containers
        .iter()
        .filter_map(evidence::Kept::end)
        .collect();
    let log = kept
        .containers
        .iter()
        .flat_map(|c| c.log_tail.iter().cloned())
        .collect();
    Answer::Evidence {
        end: ends.join("; "),
        log,
    }
}

fn balancer(machine: &Machine, rc: i32, lines: Vec<String>) -> Answer {
    let Some((driver, target)) = &machine.balancer else {
        return failed("it is no load balancer of the app", rc, lines);
    };
    match driver.verdict(target, &lines) {
        Ok(verdict) => Answer::Balancer(verdict),
        Err(error) => failed(&error.to_string(), rc, lines),
    }
}
