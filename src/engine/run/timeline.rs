//! How a run went, step by step: from what was said while it ran to the report that is kept with it.
//!
//! Events name hosts and stages. Which step of the plan that was follows from their order: a host
//! does the steps of one stage one after the other, in the order of the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::engine::dispatch::Log;
use crate::engine::voice::Heard;
use crate::event::{Kind, Stage};
use crate::name::HostName;
use crate::plan::{Action, Plan};
use crate::record::run_report::{Remains, RunReport, Span, Wrong};

/// The report of a run that ends now.
#[must_use]
pub fn report(plan: &Plan, log: &Log, heard: &[Heard], now: Timestamp) -> RunReport {
    let begun = heard.first().map_or(now, |(at, _)| *at);
    let mut line = Line {
        begun,
        now,
        open: BTreeMap::new(),
        spans: Vec::new(),
        notes: Vec::new(),
        failed: u64::MAX,
    };
    for (at, kind) in heard {
        line.hear(*at, kind);
    }
    line.spans.sort_by_key(|s| s.at);
    number(plan, &mut line.spans, line.failed);
    RunReport {
        v: 1,
        begun: begun.as_millisecond(),
        ms: millis(begun, now),
        spans: line.spans,
        left_out: 0,
        switched: log
            .switched
            .iter()
            .map(|(host, at)| (host.clone(), whole_millis(*at)))
            .collect(),
        failure: log.failure.as_ref().map(|f| Wrong {
            host: f.host.clone(),
            stage: f.stage.word().to_owned(),
            why: f.why.clone(),
        }),
        evidence: log
            .evidence
            .iter()
            .map(|(host, end, log)| Remains {
                host: host.clone(),
                end: end.clone(),
                log: log.clone(),
            })
            .collect(),
        budget: BTreeMap::new(),
        notes: line.notes,
    }
    .bounded()
}

/// Budgets as a report keeps them.
#[must_use]
pub fn budget(of: &BTreeMap<Stage, Duration>) -> BTreeMap<String, u64> {
    let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    of.iter()
        .map(|(stage, time)| (stage.word().to_owned(), ms(time)))
        .collect()
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "milliseconds since the epoch fit"
)]
fn whole_millis(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// Spans as they are put together.
struct Line {
    begun: Timestamp,
    now: Timestamp,
    /// Spans without an end, by host and stage: where in `spans`.
    open: BTreeMap<(HostName, Stage), usize>,
    spans: Vec<Span>,
    notes: Vec<String>,
    /// When the first failure was told: what begins later is no step of the plan but takes one back.
    failed: u64,
}

impl Line {
    fn hear(&mut self, at: Timestamp, kind: &Kind) {
        match kind {
            Kind::Begin { host, stage } => {
                let span = self.begin(at, Some(host), stage.word());
                self.open.insert((host.clone(), *stage), span);
            }
            Kind::Done {
                host, stage, text, ..
            } => self.end(at, host, *stage, true, text),
            Kind::Failed { host, stage, why } => {
                self.end(at, host, *stage, false, why);
                self.stop_waiting(at);
            }
            Kind::Waiting { text, took } => {
                let span = self.begin(at, None, Stage::Bake.word());
                let wished = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let span = &mut self.spans[span];
                // A run that ended during it did not wait to its end.
                span.ok = (wished <= span.ms).then_some(true);
                span.ms = span.ms.min(wished);
                span.text.clone_from(text);
            }
            Kind::Note { text, .. } => self.notes.push(text.clone()),
            _ => {}
        }
    }

    /// The first failure ends every wait: gates of other hosts, the bake.
    fn stop_waiting(&mut self, at: Timestamp) {
        let since = millis(self.begun, at);
        self.failed = self.failed.min(since);
        self.open.retain(|(_, stage), span| {
            let waits = *stage == Stage::Gate;
            if waits {
                self.spans[*span].ms = since.saturating_sub(self.spans[*span].at);
            }
            !waits
        });
        for span in self.spans.iter_mut().filter(|s| s.host.is_none()) {
            if span.at + span.ms > since {
                span.ms = since.saturating_sub(span.at);
                span.ok = None;
            }
        }
    }

    fn begin(&mut self, at: Timestamp, host: Option<&HostName>, stage: &str) -> usize {
        self.spans.push(Span {
            step: None,
            host: host.cloned(),
            stage: stage.to_owned(),
            at: millis(self.begun, at),
            // Until it is known to have ended.
            ms: millis(at, self.now),
            ok: None,
            text: String::new(),
        });
        self.spans.len() - 1
    }

    fn end(&mut self, at: Timestamp, host: &HostName, stage: Stage, ok: bool, text: &str) {
        let open = self.open.remove(&(host.clone(), stage));
        let span = open.unwrap_or_else(|| self.begin(at, Some(host), stage.word()));
        let span = &mut self.spans[span];
        span.ms = millis(self.begun, at).saturating_sub(span.at);
        span.ok = Some(ok);
        text.clone_into(&mut span.text);
    }
}

/// Gives each span the number of its step: the first of its host and stage that has none yet.
fn number(plan: &Plan, spans: &mut [Span], failed: u64) {
    let mut taken: BTreeSet<(u32, Option<HostName>)> = BTreeSet::new();
    let steps: Vec<(u32, Stage, Vec<Option<HostName>>)> = plan
        .steps
        .iter()
        .filter_map(|step| {
            let stage = stage(&step.action)?;
            let hosts = match stage {
                Stage::Bake => vec![None],
                _ => step.action.hosts().into_iter().cloned().map(Some).collect(),
            };
            Some((step.id.0, stage, hosts))
        })
        .collect();
    for span in spans.iter_mut().filter(|s| s.at < failed) {
        let of = |(id, stage, hosts): &&(u32, Stage, Vec<Option<HostName>>)| {
            stage.word() == span.stage
                && hosts.contains(&span.host)
                && !taken.contains(&(*id, span.host.clone()))
        };
        if let Some((id, ..)) = steps.iter().find(of) {
            span.step = Some(*id);
            taken.insert((*id, span.host.clone()));
        }
    }
}

/// The stage that a step of the plan is; none for what only stands in undos.
fn stage(action: &Action) -> Option<Stage> {
    Some(match action {
        Action::Pull { .. } => Stage::Pull,
        Action::Job(_) => Stage::Job,
        Action::Stop { .. } => Stage::Stop,
        Action::Replace { .. } | Action::Restart { .. } => Stage::Up,
        Action::Gate { .. } => Stage::Gate,
        Action::Prepare(_) => Stage::Prepare,
        Action::Owe { .. } | Action::Mark { .. } | Action::Unspare { .. } => Stage::Note,
        Action::Shift { .. } => Stage::Switch,
        Action::Activate { .. } => Stage::Activate,
        Action::Deactivate { .. } => Stage::Deactivate,
        Action::Drain { .. } => Stage::Drain,
        Action::Bake { .. } => Stage::Bake,
        Action::Remove { .. } => Stage::Stop,
        Action::Evidence { .. } | Action::Revert { .. } => return None,
    })
}

#[cfg(test)]
#[path = "timeline/tests.rs"]
mod tests;
