//! How a run went, step by step: written to every host of the run when it ends, for `deploy show`.
//!
//! For people only: nothing is decided on it. To add a field: give it a serde default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::HostName;

/// Most spans that a report keeps: what comes later is counted in [`RunReport::left_out`].
const SPANS: usize = 2000;
/// Most bytes of a text, and most lines of a log, that a report keeps.
const TEXT: usize = 500;
const LINES: usize = 20;
/// Most hosts whose logs a report keeps; the hosts themselves keep more.
const LOGS: usize = 5;

/// How a run went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this form, 1.
    pub v: u32,
    /// When the first span began, in milliseconds since the epoch by the clock of the client.
    pub begun: i64,
    /// From then to the end, in milliseconds.
    pub ms: u64,
    /// What each host did, in the order of beginning.
    pub spans: Vec<Span>,
    /// Spans that were not kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// When each load balancer was switched, by its own clock, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switched: Vec<(HostName, i64)>,
    /// What went wrong first: host, stage, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Wrong>,
    /// How failed candidates ended, and their last log lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Remains>,
    /// Longest time that one host should take for a stage, in milliseconds, as it was said then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budget: BTreeMap<String, u64>,
    /// What was told beside, e.g. rules that were set aside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl RunReport {
    /// The budget of what took longer than it, in milliseconds. What was ended by a failure counts too.
    #[must_use]
    pub fn passed(&self, span: &Span) -> Option<u64> {
        let budget = *self.budget.get(&span.stage)?;
        (span.step.is_some() && span.ms > budget).then_some(budget)
    }
}

/// A stretch of time in which a host was busy with one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Number of the step of the plan; none for what is no step: connecting, looking, claiming, undoing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// The host; none for a wait of the whole run, e.g. the bake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The stage, e.g. `pull`.
    pub stage: String,
    /// Milliseconds from the report's beginning.
    pub at: u64,
    /// Milliseconds that it took.
    pub ms: u64,
    /// Whether it went well; none where its end is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// A few words, e.g. `already here`, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrong {
    /// Host, where it was one.
    pub host: Option<HostName>,
    /// Stage.
    pub stage: String,
    /// What and why.
    pub why: String,
}

/// What is left of a failed candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remains {
    /// Host.
    pub host: HostName,
    /// How it ended, in one line; may be empty.
    pub end: String,
    /// Its last log lines.
    pub log: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl RunReport {
    /// The same within bounds: spans, lengths of texts, lines of logs.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.v = 1;
        self.left_out += self.spans.len().saturating_sub(SPANS);
        self.spans.truncate(SPANS);
        for span in &mut self.spans {
            cut(&mut span.text);
        }
        if let Some(wrong) = &mut self.failure {
            cut(&mut wrong.why);
        }
        self.evidence.truncate(LOGS);
        for remains in &mut self.evidence {
            cut(&mut remains.end);
            let more = remains.log.len().saturating_sub(LINES);
            remains.log.drain(..more);
            remains.log.iter_mut().for_each(cut);
        }
        self.notes.truncate(LINES);
        self.notes.iter_mut().for_each(cut);
        self
    }

    /// The report as one line of JSON.
    ///
    /// # Panics
    /// Never: names, numbers and text have a JSON form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("plain data has a JSON form");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a report; none where it is damaged.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// Cuts a text that is too long; secrets were removed before.
fn cut(text: &mut String) {
    if text.len() > TEXT {
        let mut end = TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_whatever_happened() {
        let span = Span {
            stage: "up".into(),
            text: "ü".repeat(4000),
            ..Span::default()
        };
        let remains = Remains {
            host: HostName::new("web1").unwrap(),
            end: String::new(),
            log: (0..5000)
                .map(|n| format!("{n} {}", "x".repeat(9000)))
                .collect(),
        };
        let report = RunReport {
            spans: vec![span; 5000],
            evidence: vec![remains; 100],
            ..RunReport::default()
        };
        let report = report.bounded();
        assert_eq!((report.spans.len(), report.left_out), (2000, 3000));
        assert_eq!(report.evidence.len(), 5);
        assert!(report.evidence[0].log[19].starts_with("4999 xxx"));
        let bytes = report.to_bytes();
        assert!(bytes.len() < 1_300_000, "{}", bytes.len());
        let line = std::str::from_utf8(&bytes).unwrap().trim_end();
        assert!(!line.contains('\n'));
        assert_eq!(RunReport::read(line), Some(report));
        assert_eq!(RunReport::read(&line[..40]), None);
    }
}
