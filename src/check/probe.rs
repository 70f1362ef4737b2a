//! What is asked of every machine beside a look: its clock, the commands that steps need.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Check, Finding};
use crate::fleet::Severity;
use crate::host::script::{Reply, Script};
use crate::name::HostName;
use crate::text;

/// A clock that is further off is told: times in history and in load balancers' logs would mislead.
/// No decision rests on clocks.
const SKEW: Duration = Duration::from_secs(5);

/// The question.
#[must_use]
pub fn script() -> Script {
    Script::new("probe", include_str!("probe.sh")).limit(Duration::from_secs(15))
}

/// Judges the answer. `sent` and `come` are this machine's clock around it.
#[must_use]
pub fn judge(host: &HostName, reply: &Reply, sent: Timestamp, come: Timestamp) -> Vec<Finding> {
    let find = |word: &'static str| reply.lines.iter().filter_map(move |l| l.strip_prefix(word));
    let mut found = Vec::new();
    let tools: BTreeSet<&str> = find("tool ").collect();
    let mut miss = |what: &str, hint: &str| {
        let what = format!("{what} is not there");
        let check = Check::Tools;
        found.push(Finding::of(check, Severity::Error, host, what, hint));
    };
    if !tools.contains("flock") {
        miss(
            "flock",
            "install util-linux there: the record is locked with it",
        );
    }
    if !tools.contains("curl") && !tools.contains("wget") {
        miss(
            "neither curl nor wget",
            "install one of them there: gates ask HTTP with it",
        );
    }
    let clock = find("clock ").next().and_then(|c| c.parse::<i64>().ok());
    match clock {
        None => found.push(Finding::of(
            Check::Clock,
            Severity::Warning,
            host,
            "the clock could not be read",
            "try `date +%s` there",
        )),
        Some(clock) => found.extend(skewed(host, clock, sent, come)),
    }
    found
}

/// A clock outside of the time in which it was asked; it counts whole seconds.
fn skewed(host: &HostName, clock: i64, sent: Timestamp, come: Timestamp) -> Option<Finding> {
    let (first, last) = (sent.as_second(), come.as_second());
    let (off, word) = if clock < first {
        (first - clock, "behind")
    } else if clock > last {
        (clock - last, "ahead of")
    } else {
        return None;
    };
    let off = Duration::from_secs(off.unsigned_abs());
    (off > SKEW).then(|| {
        let what = format!("the clock is {} {word} this machine's", text::duration(off));
        let hint =
            "set both by NTP; nothing is decided by clocks, but times in history would mislead";
        Finding::of(Check::Clock, Severity::Warning, host, what, hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str]) -> Vec<String> {
        let reply = Reply {
            lines: lines.iter().map(|l| (*l).to_owned()).collect(),
            end: Vec::new(),
            stderr: String::new(),
            took: Duration::ZERO,
        };
        let at = |s| Timestamp::from_second(s).unwrap();
        let host = HostName::new("web1").unwrap();
        let found = judge(&host, &reply, at(1000), at(1002));
        found.into_iter().map(|f| f.what).collect()
    }

    #[test]
    fn clocks_and_tools_are_judged_and_silence_is_not_good_news() {
        let all = ["tool curl", "tool flock"];
        let with = |clock: &str| judged(&[clock, all[0], all[1]]);
        for good in ["clock 1000", "clock 1002", "clock 995", "clock 1007"] {
            assert_eq!(with(good), [""; 0], "{good}");
        }
        assert_eq!(
            with("clock 940"),
            ["the clock is 1m00s behind this machine's"]
        );
        assert_eq!(
            with("clock 1010"),
            ["the clock is 8.0 s ahead of this machine's"]
        );
        assert_eq!(with("clock x"), ["the clock could not be read"]);
        assert_eq!(
            judged(&["clock 1001"]),
            ["flock is not there", "neither curl nor wget is not there"]
        );
    }
}
