//! When an environment may be changed: execution windows and freezes, as they are written.
//!
//! - `hours` when a window is open, with daylight saving
//!
//! To add a form of a window: `window` below. Who is bound by them, and by whose clock, is decided
//! in `plan::calendar`.

mod hours;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::document::{Document, pick};
use super::fields::{self, Fields};
use super::layer::{Layer, Origins, merge};
use crate::text::yaml::{Node, Value};
use crate::text::{Diagnostic, Findings};

pub use hours::Standing;

/// Windows and freezes of an environment; without any it may be changed at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Runs may begin and switch while one of these is open; at any time where there is none.
    pub windows: Vec<Window>,
    /// They may not while one of these holds.
    pub freezes: Vec<Freeze>,
}

#[cfg(test)]
impl Calendar {
    /// What a text with nothing but windows and freezes says.
    pub(crate) fn read_alone(text: &str) -> Self {
        tests::load(text).unwrap_or_else(|findings| panic!("{findings}"))
    }
}

/// `mon-thu 22:00-05:00 Asia/Shanghai`: the days are those on which it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// As it is written, with single blanks.
    pub text: String,
    /// Whether it opens on Monday, Tuesday, …
    days: [bool; 7],
    /// Minute of the day at which it opens.
    open: u16,
    /// Minute at which it closes, of the next day where it is not later than `open`.
    close: u16,
    zone: TimeZone,
}

/// A time in which nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Since when; always so far where it is absent.
    pub from: Option<Moment>,
    /// When it ends.
    pub until: Moment,
    /// Why, for those who are refused.
    pub reason: String,
}

/// A moment as a clock on a wall shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    zone: TimeZone,
}

const WINDOW: &str = "days, hours and a time zone, such as mon-thu 22:00-05:00 Asia/Shanghai";
const MOMENT: &str = "a date, a time and a time zone, such as 2027-01-04 08:00 Asia/Shanghai";
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// Reads `windows:` and `freezes:`; the most specific list holds.
pub(super) fn read(docs: &[Document], origins: &mut Origins, findings: &mut Findings) -> Calendar {
    let mut out = Calendar::default();
    if let Some(node) = last(docs, "windows", origins, findings) {
        let list = fields::list(&node, "windows", findings).unwrap_or_default();
        if node.seq().is_some_and(<[Node]>::is_empty) {
            let finding = Diagnostic::error("`windows` names none").at(&node.span);
            findings.push(finding.hint("for any time, write null; against all changes, a freeze"));
        }
        let each = list.iter().enumerate();
        out.windows = each
            .filter_map(|(n, item)| window(item, &format!("windows[{n}]"), findings))
            .collect();
    }
    if let Some(node) = last(docs, "freezes", origins, findings) {
        let list = match node.value {
            Value::Map(_) => std::slice::from_ref(&node),
            _ => fields::list(&node, "freezes", findings).unwrap_or_default(),
        };
        let each = list.iter().enumerate();
        out.freezes = each
            .filter_map(|(n, item)| freeze(item, &format!("freezes[{n}]"), findings))
            .collect();
    }
    out
}

/// What the most specific file says of a key; its place is noted.
fn last(
    docs: &[Document],
    key: &str,
    origins: &mut Origins,
    findings: &mut Findings,
) -> Option<Node> {
    let said: Vec<(&Document, Node)> = docs
        .iter()
        .filter_map(|d| d.root.get(key).map(|_| (d, pick(&d.root, &[key]))))
        .collect();
    let (_, newest) = said.last()?;
    let span = newest.span.clone();
    let layers = said.iter().map(|(d, n)| Layer::new(d.level, "", n));
    let merged = merge(&layers.collect::<Vec<_>>(), &span, "", findings);
    *origins = std::mem::take(origins).with("", merged.origins);
    merged.node.get(key).filter(|n| !n.is_null()).cloned()
}

fn window(node: &Node, path: &str, findings: &mut Findings) -> Option<Window> {
    let text = node.text().unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let [days, hours, zone] = words.as_slice() else {
        findings.push(fields::wrong(node, path, WINDOW));
        return None;
    };
    let (days, hours, zone) = (
        week(days).map_err(|why| said(node, path, &why)),
        span(hours).map_err(|why| said(node, path, &why)),
        zone_of(zone, node, path),
    );
    let found = match (days, hours, zone) {
        (Ok(days), Ok((open, close)), Ok(zone)) => {
            return Some(Window {
                text: words.join(" "),
                days,
                open,
                close,
                zone,
            });
        }
        (days, hours, zone) => [days.err(), hours.err(), zone.err()],
    };
    found.into_iter().flatten().for_each(|f| findings.push(f));
    None
}

fn said(node: &Node, path: &str, why: &str) -> Diagnostic {
    let text = node.text().unwrap_or_default();
    Diagnostic::error(format!("`{path}` is `{text}`: {why}"))
        .at(&node.span)
        .expected(WINDOW)
}

/// `mon-thu`, `sat,sun`, `fri-mon`, `daily`.
fn week(text: &str) -> Result<[bool; 7], String> {
    if text == "daily" {
        return Ok([true; 7]);
    }
    let day = |word: &str| {
        let found = DAYS.iter().position(|d| *d == word);
        found.ok_or_else(|| match crate::text::nearest(word, DAYS.iter().copied()) {
            Some(near) => format!("`{word}` is no day: did you mean `{near}`?"),
            None => format!("`{word}` is no day; days are {} and daily", DAYS.join(" ")),
        })
    };
    let mut out = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        out[at] = true;
        while at != last {
            at = (at + 1) % 7;
            out[at] = true;
        }
    }
    Ok(out)
}

/// `22:00-05:00` as minutes of the day.
fn span(text: &str) -> Result<(u16, u16), String> {
    let edges = text.split_once('-');
    let edges = edges.ok_or_else(|| format!("`{text}` is not like 22:00-05:00"))?;
    let (open, close) = (minute(edges.0), minute(edges.1));
    match (open, close) {
        (Some(open), Some(close)) if open < DAY => Ok((open, close)),
        (None, _) | (Some(_), Some(_)) => Err(format!("`{}` is no time of day", edges.0)),
        (_, None) => Err(format!("`{}` is no time of day", edges.1)),
    }
}

/// `05:00`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |t: &str| (t.len() == 2).then(|| t.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}

/// The zone of that name: as this machine knows it, for its rules may be newer than those that are
/// compiled in; else as these say.
fn zone_of(name: &str, node: &Node, path: &str) -> Result<TimeZone, Diagnostic> {
    let known = TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name));
    known.map_err(|_| {
        let all = TimeZoneDatabase::bundled();
        let names: Vec<String> = all.available().map(|n| n.as_str().to_owned()).collect();
        // `Shanghai` alone is the last word of one.
        let whole = names.iter().find(|n| n.rsplit('/').next() == Some(name));
        let finding = Diagnostic::error(format!("`{path}` names no time zone: `{name}`"));
        let finding = finding.at(&node.span);
        match whole {
            Some(whole) => finding.hint(format!("did you mean `{whole}`?")),
            None => finding
                .did_you_mean(name, names.iter().map(String::as_str))
                .expected("a name such as Asia/Shanghai, Europe/Berlin or UTC"),
        }
    })
}

fn freeze(node: &Node, path: &str, findings: &mut Findings) -> Option<Freeze> {
    let f = Fields::of(node, path, &["from", "until", "reason"], findings)?;
    let from = f.read("from", findings, moment);
    let until = f.read("until", findings, moment);
    let reason = f.read("reason", findings, fields::text);
    for (key, example) in [
        ("until", "until: 2027-01-04 08:00 Asia/Shanghai"),
        ("reason", "reason: end of the year"),
    ] {
        if f.get(key).is_none() {
            let finding = Diagnostic::error(format!("`{path}` has no `{key}`")).at(&node.span);
            findings.push(finding.expected(example));
        }
    }
    let until = until?;
    if let Some(from) = from.as_ref().filter(|from| from.at >= until.at) {
        let what = format!(
            "`{path}` ends at {}, before it begins at {}",
            until.says(),
            from.says()
        );
        findings.push(Diagnostic::error(what).at(&node.span));
        return None;
    }
    Some(Freeze {
        from,
        until,
        reason: reason?,
    })
}

fn moment(node: &Node, path: &str, findings: &mut Findings) -> Option<Moment> {
    let words: Vec<&str> = node.text().unwrap_or_default().split_whitespace().collect();
    let read = match words.as_slice() {
        [date, time, zone] => Some((format!("{date}T{time}").parse::<DateTime>(), zone)),
        _ => None,
    };
    let Some((Ok(civil), zone)) = read else {
        findings.push(fields::wrong(node, path, MOMENT));
        return None;
    };
    let read = zone_of(zone, node, path).and_then(|zone| {
        let at = hours::reached(&zone, civil).ok_or_else(|| fields::wrong(node, path, MOMENT))?;
        Ok(Moment { at, zone })
    });
    read.map_err(|finding| findings.push(finding)).ok()
}

impl Moment {
    /// `2027-01-04 08:00 Asia/Shanghai`.
    #[must_use]
    pub fn says(&self) -> String {
        hours::says(self.at, &self.zone)
    }
}

/// The number of a day in [`DAYS`].
fn number(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}
