//! What a person should hear before a run, beside its plan. To add something: a function here, called
//! in `Drive::perform`.

use super::Drive;
use crate::cli::session::Session;
use crate::fleet::{Problem, Severity};
use crate::plan::Plan;
use crate::report::words;

impl Drive<'_> {
    /// Tells what the changes of traffic bring with them, e.g. a reload.
    pub(super) fn foresee(&self, session: &Session, plan: &Plan) {
        let mut told: Vec<(Problem, Vec<String>)> = Vec::new();
        for (driver, target, change) in self.changes(plan) {
            let Some(after) = &change.after else { continue };
            for problem in driver.foresee(target, change.before.as_ref(), after) {
                let host = change.host.to_string();
                match told.iter_mut().find(|(known, _)| *known == problem) {
                    Some((_, hosts)) if !hosts.contains(&host) => hosts.push(host),
                    Some(_) => {}
                    None => told.push((problem, vec![host])),
                }
            }
        }
        for (problem, hosts) in told {
            let text = format!("{}: {}", hosts.join(" "), problem.what);
            session.voice.note(text, problem.hint);
        }
    }

    /// Tells what is odd on hosts; what is odd on several is told once. Notes are about a change
    /// of traffic: where none is planned they would only be noise.
    pub(super) fn warn(&self, session: &Session, plan: &Plan) {
        let least = if plan.before == plan.after {
            Severity::Warning
        } else {
            Severity::Note
        };
        let hosts = self.fleet.hosts.iter().map(|(h, v)| (h, &v.problems));
        let balancers = self.fleet.balancers.iter().map(|(h, v)| (h, &v.problems));
        let mut told: Vec<(&Problem, Vec<&str>)> = Vec::new();
        for (host, problems) in hosts.chain(balancers) {
            let odd = |p: &&Problem| (least..Severity::Error).contains(&p.severity);
            for p in problems.iter().filter(odd) {
                match told.iter_mut().find(|(known, _)| *known == p) {
                    Some((_, names)) => names.push(host.as_str()),
                    None => told.push((p, vec![host.as_str()])),
                }
            }
        }
        let mut hints: Vec<&str> = Vec::new();
        for (problem, names) in told {
            let text = format!("{}: {}", words::names(&names, 8), problem.what);
            let known = hints.contains(&problem.hint.as_str());
            hints.push(&problem.hint);
            let hint = if known { "" } else { &problem.hint };
            session.voice.note(text, hint.to_owned());
        }
    }
}
