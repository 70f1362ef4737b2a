//! The plan as lines: the dry run, the review and what unit tests compare.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::{Action, JobStart, Move, Owes, Plan, PlanKind, Undo, judge};
use crate::fleet::{DRAINED, JobState};
use crate::name::{HostName, SlotName};
use crate::text;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.env, self.app, self.kind.word())?;
        match (&self.from, &self.to) {
            _ if self.kind == PlanKind::Weight => {
                write!(f, ": {}", judge::says(self.after.as_ref()))?;
            }
            (Some(a), Some(b)) if a.id != b.id => write!(f, ": {a} → {b}")?,
            (_, Some(b)) => write!(f, ": {b}")?,
            (Some(a), None) => write!(f, ": away from {a}")?,
            (None, None) => {}
        }
        match &self.old {
            Some(_) if self.kind == PlanKind::Weight => writeln!(f)?,
            Some(old) if *old != self.target => writeln!(f, ", {old} → {}", self.target)?,
            _ => writeln!(f, ", {}", self.target)?,
        }
        for step in &self.steps {
            let needs: Vec<String> = step.needs.iter().map(ToString::to_string).collect();
            let after = if needs.is_empty() {
                String::new()
            } else {
                format!(" after {}", needs.join(" "))
            };
            let mark = if Some(step.id) == self.commit {
                " [commit point]"
            } else {
                ""
            };
            writeln!(
                f,
                "  {:<4}{}{mark} ({}){after}",
                step.id.to_string(),
                self.of_adopted(&step.action)
                    .unwrap_or_else(|| step.action.to_string()),
                step.cause.0
            )?;
            let (when, actions) = match &step.undo {
                Undo::Do(actions) => ("undo", actions),
                Undo::Half(actions) => ("undo if half done", actions),
                Undo::Nothing | Undo::NeverBack => continue,
            };
            let undo: Vec<String> = actions.iter().map(|a| self.named(a)).collect();
            writeln!(f, "      {when}: {}", undo.join("; "))?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

impl Plan {
    /// The action as text, a release by the words that people know.
    fn named(&self, action: &Action) -> String {
        if let Some(text) = self.of_adopted(action) {
            return text;
        }
        if let Action::Revert {
            host,
            slot,
            to: Some(to),
        } = action
            && let Some(label) = self.known.iter().find(|l| l.id == *to)
        {
            return format!("{host}: {slot} back to {label}");
        }
        action.to_string()
    }

    /// What is done to containers that are adopted: nothing but a word on them.
    fn of_adopted(&self, action: &Action) -> Option<String> {
        match action {
            _ if self.kind != PlanKind::Adopt => None,
            Action::Replace { host, slot, .. } => {
                Some(format!("{host}: record what runs as {slot}"))
            }
            Action::Revert { host, slot, .. } => {
                Some(format!("{host}: strike {slot} off the record"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull { host, .. } => write!(f, "{host}: pull"),
            Self::Job(start) => {
                let argv = start.job.argv.join(" ");
                write!(f, "{}: run job {}: {argv}", start.host, start.job.name)
            }
            Self::Mark { on, start, state } => mark(f, on, start, *state),
            Self::Stop { host, slot } => write!(f, "{host}: stop {slot}"),
            Self::Replace { host, slot, .. } => write!(f, "{host}: stop and up {slot}"),
            Self::Restart { host, slot, .. } => write!(f, "{host}: stop and start {slot}"),
            Self::Activate { host, slot } => write!(f, "{host}: activate {slot}"),
            Self::Deactivate { host, slot, .. } => write!(f, "{host}: deactivate {slot}"),
            Self::Gate {
                slot, hosts, once, ..
            } => {
                let how = if *once { "probe" } else { "gate" };
                write!(f, "{how} {slot} {}", names(hosts))
            }
            Self::Prepare(m) => {
                write!(f, "{}: prepare {}", m.host, judge::says(m.after.as_ref()))
            }
            Self::Shift { moves } => shift(f, moves),
            Self::Unspare { moves } => unspare(f, moves),
            Self::Owe { on, owing, paid } => owe(f, on, owing, paid),
            Self::Drain { host, within, .. } => {
                write!(f, "{host}: drain, at most {}", text::duration(*within))
            }
            Self::Bake { slot, time } => write!(f, "bake {slot} for {}", text::duration(*time)),
            Self::Evidence { host, slot } => write!(f, "{host}: keep evidence of {slot}"),
            Self::Revert {
                host,
                slot,
                to: Some(to),
            } => {
                write!(f, "{host}: {slot} back to release {to}")
            }
            Self::Revert {
                host,
                slot,
                to: None,
            } => write!(f, "{host}: remove {slot}"),
            Self::Remove { host, slots } => {
                let slots: Vec<&str> = slots.iter().map(|s| s.as_str()).collect();
                let slots = slots.join(" and ");
                write!(
                    f,
                    "{host}: stop and remove {slots}, with releases and secrets"
                )
            }
        }
    }
}

/// Load balancers that go to the same place are named together.
fn shift(f: &mut fmt::Formatter<'_>, moves: &[Move]) -> fmt::Result {
    let mut ends: Vec<(String, Vec<HostName>)> = Vec::new();
    for m in moves {
        let end = judge::says(m.after.as_ref());
        match ends.iter_mut().find(|(e, _)| *e == end) {
            Some((_, hosts)) => hosts.push(m.host.clone()),
            None => ends.push((end, vec![m.host.clone()])),
        }
    }
    f.write_str("switch ")?;
    for (i, (end, hosts)) in ends.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(f, "{comma}{} to {end}", names(hosts))?;
    }
    Ok(())
}

/// `lb1 lb2: blue is no spare any more`
fn unspare(f: &mut fmt::Formatter<'_>, moves: &[Move]) -> fmt::Result {
    let hosts: Vec<HostName> = moves.iter().map(|m| m.host.clone()).collect();
    let spare = |m: &Move| m.before.as_ref()?.spare.clone();
    let slots: BTreeSet<SlotName> = moves.iter().filter_map(spare).collect();
    let slots: Vec<&str> = slots.iter().map(SlotName::as_str).collect();
    let slots = slots.join(" and ");
    write!(f, "{}: {slots} is no spare any more", names(&hosts))
}

/// `write on web1 web2 lb1: lb2 misses this and may still send to blue`
fn owe(
    f: &mut fmt::Formatter<'_>,
    on: &[HostName],
    owing: &[Owes],
    paid: &[HostName],
) -> fmt::Result {
    let mut said: Vec<String> = Vec::new();
    for o in owing {
        let slots: Vec<&str> = o.slots.iter().map(|s| s.as_str()).collect();
        said.push(if o.missed == DRAINED {
            format!("{} is drained", o.host)
        } else if slots.is_empty() {
            format!("{} misses this", o.host)
        } else {
            format!(
                "{} misses this and may still send to {}",
                o.host,
                slots.join(" or ")
            )
        });
    }
    if !paid.is_empty() {
        let verb = if paid.len() == 1 { "owes" } else { "owe" };
        said.push(format!("{} {verb} nothing any more", names(paid)));
    }
    write!(f, "write on {}: {}", names(on), said.join(", "))
}

/// `write on web1 web2: migrate is begun on web3`
fn mark(
    f: &mut fmt::Formatter<'_>,
    on: &[HostName],
    start: &JobStart,
    state: JobState,
) -> fmt::Result {
    let (job, host, of) = (&start.job.name, &start.host, &start.release);
    write!(f, "write on {}: {job} ", names(on))?;
    match state {
        JobState::Begun => write!(f, "is begun on {host}"),
        JobState::Done => write!(f, "ran on {host}"),
        JobState::Skipped => write!(f, "of {of} is skipped"),
        JobState::Open => write!(f, "of {of} may be started once more"),
        JobState::Failed(code) => write!(f, "failed on {host} with exit code {code}"),
    }
}

fn names(hosts: &[HostName]) -> String {
    let mut out = String::new();
    for (i, host) in hosts.iter().enumerate() {
        let _ = write!(out, "{}{host}", if i == 0 { "" } else { " " });
    }
    out
}
