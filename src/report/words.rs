//! The words of output: stages, groups, times of day, and text that came from elsewhere made
//! harmless for a terminal.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::event::Stage;
use crate::name::Actor;
use crate::text::diagnostic::unprintable;

/// What a host does in a stage, e.g. `pulling`.
#[must_use]
pub fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connecting",
        Stage::Look => "looking",
        Stage::Claim => "claiming",
        Stage::Pull => "pulling",
        Stage::Job => "running a job",
        Stage::Stop => "stopping",
        Stage::Up => "starting",
        Stage::Gate => "waiting for gates",
        Stage::Prepare => "preparing",
        Stage::Note => "noting",
        Stage::Switch => "switching",
        Stage::Verify => "verifying",
        Stage::Activate => "activating",
        Stage::Deactivate => "deactivating",
        Stage::Drain => "draining",
        Stage::Bake => "baking",
        Stage::Unwind => "unwinding",
        Stage::Evidence => "keeping evidence",
        Stage::Finish => "finishing",
    }
}

/// What a host has done in a stage, e.g. `pulled`.
#[must_use]
pub fn done(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connected",
        Stage::Look => "looked",
        Stage::Claim => "claimed",
        Stage::Pull => "pulled",
        Stage::Job => "ran a job",
        Stage::Stop => "stopped",
        Stage::Up => "started",
        Stage::Gate => "gates passed",
        Stage::Prepare => "prepared",
        Stage::Note => "noted",
        Stage::Switch => "switched",
        Stage::Verify => "verified",
        Stage::Activate => "activated",
        Stage::Deactivate => "deactivated",
        Stage::Drain => "drained",
        Stage::Bake => "baked",
        Stage::Unwind => "unwound",
        Stage::Evidence => "evidence kept",
        Stage::Finish => "finished",
    }
}

/// True for stages that take long enough for their beginning to be worth a line in a log.
#[must_use]
pub fn long(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::Pull
            | Stage::Job
            | Stage::Stop
            | Stage::Up
            | Stage::Gate
            | Stage::Drain
            | Stage::Bake
    )
}

/// Local time of day with seconds, `02:11:04`.
#[must_use]
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// Local time of day with milliseconds, `02:11:04.123`.
#[must_use]
pub fn clock_millis(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%H:%M:%S%.3f")
        .to_string()
}

/// Time of day on the day of `now`, else with its date: `02:11`, `Mar 7 02:11`, `2024-03-07`.
#[must_use]
pub fn since(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned(zone.clone()), now.to_zoned(zone.clone()));
    let form = if at.date() == now.date() {
        "%H:%M"
    } else if at.year() == now.year() {
        "%b %-d %H:%M"
    } else {
        "%Y-%m-%d"
    };
    at.strftime(form).to_string()
}

/// One line of text from elsewhere: what a terminal would obey, line ends included, becomes
/// visible; a tab becomes a blank.
#[must_use]
pub fn tame(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if unprintable(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// The lines of a text from elsewhere, each made harmless; blanks at line ends are dropped.
pub fn tame_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| tame(line.trim_end()))
}

/// Longest block of lines whose repetition is folded.
const BLOCK: usize = 8;

/// Lines made harmless; what repeats itself, as the log of a container that restarts again and
/// again, is shown once with the number of times.
#[must_use]
pub fn folded(lines: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let rest = &lines[at..];
        let block = (1..=BLOCK).find(|n| repeats(rest, *n) > 1).unwrap_or(1);
        let times = repeats(rest, block);
        out.extend(rest.iter().take(block).map(|l| tame(l.trim_end())));
        match (times, block) {
            (1, _) => {}
            (n, 1) => {
                if let Some(last) = out.last_mut() {
                    last.push_str(&format!(" (×{n})"));
                }
            }
            (n, block) => out.push(format!("(these {block} lines ×{n})")),
        }
        at += block * times;
    }
    out
}

/// How often the first `block` lines stand there one after the other.
fn repeats(lines: &[String], block: usize) -> usize {
    if lines.len() < block {
        return 1;
    }
    lines
        .chunks_exact(block)
        .take_while(|c| *c == &lines[..block])
        .count()
}

/// `web1 web2`, or `web1 web2 and 38 more` where there are more than `at_most`.
#[must_use]
pub fn names<T: std::fmt::Display>(all: &[T], at_most: usize) -> String {
    let shown = if all.len() > at_most {
        &all[..at_most.saturating_sub(1).max(1)]
    } else {
        all
    };
    let mut text = shown
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ");
    if shown.len() < all.len() {
        text.push_str(&format!(" and {} more", all.len() - shown.len()));
    }
    text
}

/// `ops@bastion1` of an actor `ops@bastion1:4711:99`.
#[must_use]
pub fn person(who: &Actor) -> &str {
    who.as_str().split(':').next().unwrap_or_default()
}

/// What the log says when the terminal goes away.
pub const HUNG_UP: &str = "the terminal is gone: the run goes on to its end";

/// What the screen says when a signal arrives: first, second, third time.
#[must_use]
pub fn interrupted(times: usize) -> &'static str {
    match times {
        1 => {
            "stopping: no new step is started, running ones finish, then all is put back; \
             press again to stop without putting back"
        }
        2 => {
            "stopping without putting back: hosts stay as they are, and `deploy resume` finishes \
             it or takes it back; press again to leave at once"
        }
        _ => "leaving at once: what runs on the hosts goes on to its end",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_becomes_visible() {
        assert_eq!(
            tame("a\x1b[2Jb\tc\r\u{202e}d"),
            "a\u{fffd}[2Jb c\u{fffd}\u{fffd}d"
        );
        let lines: Vec<_> = tame_lines("one  \r\ntwo\x07\n").collect();
        assert_eq!(lines, ["one", "two\u{fffd}"]);
    }

    #[test]
    fn what_repeats_itself_is_said_once() {
        let lines = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let fold = |text: &str| folded(&lines(text)).join(" ");
        assert_eq!(fold("abc"), "a b c");
        assert_eq!(fold("aaaab"), "a (×4) b");
        assert_eq!(fold("sabcabcabcab"), "s a b c (these 3 lines ×3) a b");
        assert_eq!(fold(""), "");
        let long: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(folded(&[long.clone(), long].concat()).len(), 18);
    }

    #[test]
    fn long_lists_are_cut_with_their_number() {
        let all = ["a", "b", "c", "d"];
        assert_eq!(names(&all, 4), "a b c d");
        assert_eq!(names(&all, 3), "a b and 2 more");
        assert_eq!(names(&all, 0), "a and 3 more");
    }

    #[test]
    fn the_date_is_shown_when_it_is_another_day() {
        let zone = TimeZone::UTC;
        let now: Timestamp = "2024-03-07T02:11:04.123Z".parse().unwrap();
        let at = |s: &str| since(s.parse().unwrap(), now, &zone);
        assert_eq!(at("2024-03-07T01:00:00Z"), "01:00");
        assert_eq!(at("2024-03-06T23:00:00Z"), "Mar 6 23:00");
        assert_eq!(at("2023-12-31T23:00:00Z"), "2023-12-31");
        assert_eq!(clock_millis(now, &zone), "02:11:04.123");
    }
}
