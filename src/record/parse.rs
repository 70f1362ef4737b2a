//! Parsers of the answers, one for each verb, named like it.

use crate::host::script::Reply;
use crate::name::{Actor, Fence, MachineId, OutcomeKind, RunId};

use super::look::{Hold, Look, Running};
use super::reply::{
    ClaimReply, Fault, HoldReply, Holder, PeekReply, RecordError, ReleaseReply, RenewReply,
    StepReply, TakeReply,
};
use super::verb::HoldLevel;

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn look(reply: &Reply) -> Result<Look, RecordError> {
    match first(reply) {
        "ok" => Look::read(&reply.lines),
        _ => Err(fault(reply)),
    }
}

/// The line by which a claim tells that it is durable, before it looks.
pub const CLAIMED: &str = "claimed";

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn claim(reply: &Reply) -> Result<ClaimReply, RecordError> {
    match first(reply) {
        "ok" => Ok(ClaimReply::Taken {
            again: again(reply),
            machine: rest(
                reply.word("machine").and_then(|m| MachineId::new(m).ok()),
                reply,
            )?,
            look: Box::new(Look::read(told(reply))?),
        }),
        "held" => Ok(ClaimReply::Held(rest(Holder::read(reply), reply)?)),
        "hold" => Ok(ClaimReply::Hold(held(reply)?)),
        "busy" => Ok(ClaimReply::Busy),
        _ => Err(fault(reply)),
    }
}

/// What a claim told after [`CLAIMED`].
fn told(reply: &Reply) -> &[String] {
    match reply.lines.split_first() {
        Some((first, rest)) if first == CLAIMED => rest,
        _ => &reply.lines,
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn renew(reply: &Reply) -> Result<RenewReply, RecordError> {
    match first(reply) {
        "ok" => Ok(RenewReply::Renewed),
        "lost" => Ok(RenewReply::Lost(Holder::read(reply))),
        _ => Err(fault(reply)),
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn step(reply: &Reply) -> Result<StepReply, RecordError> {
    let number = |key| rest(reply.word(key).and_then(|v| v.parse().ok()), reply);
    match first(reply) {
        "ok" => Ok(StepReply::Done {
            rc: number("rc").and_then(|rc: i64| i32::try_from(rc).map_err(|_| malformed(reply)))?,
            again: again(reply),
            saved: !reply.end.iter().any(|w| w == "unsaved"),
            output: reply.lines.clone(),
        }),
        "lost" => Ok(StepReply::Lost(Holder::read(reply))),
        "unknown" => Ok(StepReply::Unknown {
            output: reply.lines.clone(),
        }),
        "stale" => Ok(StepReply::Stale {
            seq: number("seq").and_then(|s| u64::try_from(s).map_err(|_| malformed(reply)))?,
        }),
        "busy" => Ok(StepReply::Busy),
        _ => Err(fault(reply)),
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn take(reply: &Reply) -> Result<TakeReply, RecordError> {
    match first(reply) {
        "ok" => {
            let was = reply.word("was").and_then(|w| {
                let (phase, seq) = w.split_once('@')?;
                Some((seq.parse().ok()?, phase.parse().ok()?))
            });
            let (seq, phase) = rest(was, reply)?;
            Ok(TakeReply::Taken {
                seq,
                phase,
                again: again(reply),
            })
        }
        "held" => Ok(TakeReply::Held(rest(Holder::read(reply), reply)?)),
        "free" => Ok(TakeReply::Free),
        "busy" => Ok(TakeReply::Busy {
            pids: pids(reply),
            step: reply.word("step").unwrap_or("-").to_owned(),
            ends: rest(reply.word("ends").and_then(|e| e.parse().ok()), reply)?,
        }),
        _ => Err(fault(reply)),
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn release(reply: &Reply) -> Result<ReleaseReply, RecordError> {
    match first(reply) {
        "ok" => Ok(ReleaseReply::Released {
            again: again(reply),
            told: !reply.end.iter().any(|w| w == "untold"),
        }),
        "lost" => Ok(ReleaseReply::Lost(Holder::read(reply))),
        "busy" => Ok(ReleaseReply::Busy),
        _ => Err(fault(reply)),
    }
}

/// What was seen when the host was given back; `None` where it was not asked, or given back before.
///
/// # Errors
/// A [`RecordError`] where it is not readable.
pub fn released_look(reply: &Reply) -> Result<Option<Look>, RecordError> {
    let asked = first(reply) == "ok" && reply.lines.iter().any(|line| line == "facts");
    asked.then(|| Look::read(&reply.lines)).transpose()
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn peek(reply: &Reply) -> Result<PeekReply, RecordError> {
    match first(reply) {
        "ok" => Ok(PeekReply::Held {
            holder: rest(Holder::read(reply), reply)?,
            pids: pids(reply),
            running: reply
                .lines
                .iter()
                .find_map(|l| Running::read(l.strip_prefix("now ")?)),
        }),
        "free" => Ok(PeekReply::Free),
        _ => Err(fault(reply)),
    }
}

/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn hold(reply: &Reply) -> Result<HoldReply, RecordError> {
    match first(reply) {
        "ok" => Ok(HoldReply::Set),
        "hold" => Ok(HoldReply::Held(held(reply)?)),
        _ => Err(fault(reply)),
    }
}

/// The lock that was removed, where there was one.
///
/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn unhold(reply: &Reply) -> Result<Option<String>, RecordError> {
    match first(reply) {
        "ok" => Ok(reply.lines.first().cloned()),
        _ => Err(fault(reply)),
    }
}

/// The lines of a file; `None` where it is not there.
///
/// # Errors
/// A [`RecordError`] where there is no answer.
pub fn file(reply: &Reply) -> Result<Option<Vec<String>>, RecordError> {
    match first(reply) {
        "ok" => Ok(Some(reply.lines.clone())),
        "none" => Ok(None),
        _ => Err(fault(reply)),
    }
}

fn held(reply: &Reply) -> Result<Hold, RecordError> {
    let line = reply.lines.first().map_or("", String::as_str);
    rest(level(reply).and_then(|l| Hold::read(l, line)), reply)
}

impl Holder {
    pub(super) fn read(reply: &Reply) -> Option<Self> {
        Some(Self {
            run: RunId::new(reply.word("run")?).ok()?,
            fence: Fence::new(reply.word("fence")?).ok()?,
            who: Actor::new(reply.word("who")?).ok()?,
            seq: reply.word("seq")?.parse().ok()?,
            phase: reply.word("phase")?.parse().ok()?,
            left: reply.word("left").and_then(|l| l.parse().ok()),
            at: reply.word("at").and_then(|a| a.parse().ok()),
            past: reply.end.iter().any(|w| w == "past"),
        })
    }
}

/// How a run ended, from the line of `outcome`.
pub(crate) fn outcome_of(line: &str) -> Option<OutcomeKind> {
    let word = line.strip_prefix("1 ")?.strip_suffix(" .")?;
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

fn first(reply: &Reply) -> &str {
    reply.end.first().map_or("", String::as_str)
}
fn again(reply: &Reply) -> bool {
    reply.end.iter().any(|w| w == "again")
}
fn level(reply: &Reply) -> Option<HoldLevel> {
    match reply.end.get(1)?.as_str() {
        "env" => Some(HoldLevel::Env),
        "app" => Some(HoldLevel::App),
        _ => None,
    }
}
fn pids(reply: &Reply) -> Vec<u32> {
    let lines = reply.lines.iter();
    lines
        .filter_map(|l| l.strip_prefix("pid ")?.parse().ok())
        .collect()
}
fn malformed(reply: &Reply) -> RecordError {
    RecordError::malformed(&reply.end.join(" "), &reply.lines)
}
fn rest<T>(value: Option<T>, reply: &Reply) -> Result<T, RecordError> {
    value.ok_or_else(|| malformed(reply))
}
pub(super) fn fault(reply: &Reply) -> RecordError {
    let known = match first(reply) {
        "error" => reply.end.get(1).and_then(|w| Fault::of(w)),
        _ => None,
    };
    let hint = || {
        let mut lines = reply.lines.iter();
        lines.find_map(|l| l.strip_prefix("hint: "))
    };
    known.map_or_else(
        || malformed(reply),
        |fault| RecordError::Host {
            fault,
            hint: hint().unwrap_or_default().to_owned(),
        },
    )
}
