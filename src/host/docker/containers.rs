//! Containers of a slot: replaced by a release, taken back, and how compose tells of it.

use std::time::Duration;

use super::activity;
use crate::host::script::Body;
use crate::name::{ReleaseId, SlotName};

const REPLACE: &str = concat!(include_str!("sh/up.sh"), include_str!("sh/replace.sh"));
const STOP: &str = concat!(include_str!("sh/up.sh"), include_str!("sh/stop.sh"));
const REVERT: &str = concat!(include_str!("sh/up.sh"), include_str!("sh/revert.sh"));
const REMOVE: &str = concat!(include_str!("sh/up.sh"), include_str!("sh/remove.sh"));

/// What `up` may take at most where nobody says otherwise: it stops containers within their own
/// `stop_grace_period`, which is 10 s by default and minutes for some.
const LIMIT: Duration = Duration::from_secs(600);

/// Brings a release up in a slot, in place of whatever runs there, always with new containers.
///
/// `project` is the slot's compose project, `dir` the release's files relative to `$STATE`, with
/// `docker-compose.yml` and `deploy.yml` in it. Writes `slots/<slot>` after `up`, so that a half
/// done replacement is never taken for a whole one.
#[must_use]
pub fn replace(project: &str, dir: &str, slot: &SlotName, release: &ReleaseId) -> Body {
    up("replace", REPLACE).args([project, dir, slot.as_str(), release.as_str()])
}

/// Ends what runs in a slot, and leaves it empty. Volumes stay, and what was last brought up there
/// stays on record: it is what a failure brings up again.
#[must_use]
pub fn stop(project: &str, slot: &SlotName) -> Body {
    up("stop", STOP).args([project, slot.as_str()])
}

/// Takes back what a run put into a slot: brings `to` (its files' directory relative to `$STATE`,
/// and its id) up again, or leaves the slot empty. Volumes stay.
#[must_use]
pub fn revert(project: &str, slot: &SlotName, to: Option<(&str, &ReleaseId)>) -> Body {
    let (dir, release) = to.map_or(("-", "-"), |(dir, id)| (dir, id.as_str()));
    up("revert", REVERT).args([project, slot.as_str(), dir, release])
}

/// Ends and removes what runs in these slots (each with its project), then all that the record keeps
/// for the app beside its history. Volumes and images stay. May be done again.
#[must_use]
pub fn remove<'a>(slots: impl Iterator<Item = (String, &'a SlotName)>) -> Body {
    up("remove", REMOVE).args(slots.flat_map(|(project, slot)| [project, slot.to_string()]))
}

/// A body that stops containers, with calls before it that switch off what they do; a call is the
/// words of [`activity::words`]. What cannot be switched off is stopped all the same, and told.
#[must_use]
pub fn off_before(mut stop: Body, calls: &[(Vec<String>, Duration)]) -> Body {
    if calls.is_empty() {
        return stop;
    }
    let own = stop.text.strip_prefix(super::LIB).unwrap_or(&stop.text);
    stop.text = [super::LIB, activity::BEFORE, own].concat().into();
    let mut args = vec![calls.len().to_string()];
    for (words, within) in calls {
        args.push(words.len().to_string());
        args.extend(words.iter().cloned());
        stop.limit += *within;
    }
    args.append(&mut stop.args);
    stop.args = args;
    stop
}

fn up(name: &'static str, text: &'static str) -> Body {
    let mut body = super::body(name, text);
    body.limit = LIMIT;
    body.follow = true;
    body
}

/// The lines of a failed `up` that say why, for people: compose's progress left out. At most 20,
/// the last ones; all where nothing else was printed.
#[must_use]
pub fn reasons(lines: &[String]) -> Vec<String> {
    let filled = || lines.iter().filter(|l| !l.trim().is_empty());
    let mut kept: Vec<String> = filled().filter(|l| !progress(l)).cloned().collect();
    if kept.is_empty() {
        kept = filled().cloned().collect();
    }
    kept.split_off(kept.len().saturating_sub(20))
}

/// ` Container NAME  Started` and the like; wording of compose 2. For display only.
fn progress(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let kind = matches!(
        words.next(),
        Some("Container" | "Network" | "Volume" | "Image")
    );
    kind && line.starts_with(' ') && words.count() == 2
}

/// How taking back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// The earlier release runs again.
    To(ReleaseId),
    /// The slot is empty, as it was.
    Emptied,
    /// The candidate is gone, but the earlier release did not come up.
    Lost(ReleaseId),
    /// Nothing was said of the end: the candidate may still be there.
    Unknown,
}

/// Reads what [`revert`] printed.
#[must_use]
pub fn reverted(lines: &[String]) -> Reverted {
    let last = lines.iter().rev().find(|l| !l.trim().is_empty());
    let words: Vec<&str> = last.map_or(Vec::new(), |l| l.split(' ').collect());
    let id = |word: &str| ReleaseId::new(word).ok();
    match words[..] {
        ["emptied"] => Some(Reverted::Emptied),
        ["reverted", release] => id(release).map(Reverted::To),
        ["emptied", "but", release, "did", "not", "come", "back"] => {
            id(release).map(Reverted::Lost)
        }
        _ => None,
    }
    .unwrap_or(Reverted::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_failed_up_is_explained_without_its_progress() {
        let port = include_str!("../../../tests/fixtures/docker/up-port-taken.txt");
        let said = reasons(&lines(port));
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].contains("port is already allocated"), "{said:#?}");
        let only = " Container a  Starting\n";
        assert_eq!(reasons(&lines(only)), [" Container a  Starting"]);
    }

    #[test]
    fn the_way_back_says_how_it_ended_or_counts_as_unknown() {
        let ends = |text: &str| reverted(&lines(text));
        let id = ReleaseId::new("relA").unwrap();
        assert_eq!(
            ends(" Container a  Started\nreverted relA\n"),
            Reverted::To(id.clone())
        );
        assert_eq!(ends("emptied\n\n"), Reverted::Emptied);
        assert_eq!(
            ends("emptied but relA did not come back"),
            Reverted::Lost(id)
        );
        for bad in [
            "",
            "reverted",
            "reverted ../x",
            "emptied but",
            "reverted relA\ntorn",
        ] {
            assert_eq!(ends(bad), Reverted::Unknown, "{bad:?}");
        }
    }

    #[test]
    fn an_empty_slot_is_asked_for_by_dashes() {
        let slot = SlotName::new("blue").unwrap();
        assert_eq!(revert("p", &slot, None).args, ["p", "blue", "-", "-"]);
    }
}
