//! When a window is open. Pure: the moment is given.
//!
//! An edge of a window is the first moment at which a clock on the wall shows its time or a later
//! one: an hour that daylight saving leaves out is passed at once, of an hour that comes twice the
//! first counts. So a window never is open longer than it is written but for an hour that comes
//! twice inside of it, and one that lies wholly in an hour that is left out does not open.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{Calendar, DAY, Freeze, Window, number};

/// Windows repeat each week; a day more for daylight saving.
const AHEAD: Duration = Duration::from_secs(8 * 86_400);

/// What a calendar says of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Why nothing may be changed; empty while it may.
    pub against: Vec<String>,
    /// When that ends, and what ends it; `None` where that is not within a week.
    pub closes: Option<(Timestamp, String)>,
    /// All of it in one line.
    pub says: String,
}

impl Calendar {
    /// What holds at a moment; `None` where nothing is written, so that nothing is ever against it.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Option<Standing> {
        if self.windows.is_empty() && self.freezes.is_empty() {
            return None;
        }
        let frozen = self.freezes.iter().filter(|f| f.holds(now));
        let mut against: Vec<String> = frozen.map(Freeze::says).collect();
        let mut closes = self.next_freeze(now);
        let mut says = "no freeze holds now".to_owned();
        if !self.windows.is_empty() {
            match self.open_until(now) {
                None => against.push(self.outside(now)),
                Some(None) => "a window is open".clone_into(&mut says),
                Some(Some((end, window))) => {
                    let until = self::says(end, &window.zone);
                    says = format!("the window {} is open until {until}", window.text);
                    let words = format!("the window {} closed at {until}", window.text);
                    if closes.as_ref().is_none_or(|(at, _)| end < *at) {
                        closes = Some((end, words));
                    }
                }
            }
        }
        if !against.is_empty() {
            (says, closes) = (against.join("; "), None);
        }
        Some(Standing {
            against,
            closes,
            says,
        })
    }

    fn next_freeze(&self, now: Timestamp) -> Option<(Timestamp, String)> {
        let later = self.freezes.iter().filter_map(|f| {
            let from = f.from.as_ref().filter(|from| from.at > now)?;
            let words = format!("a freeze began at {} ({})", from.says(), f.reason);
            Some((from.at, words))
        });
        later.min_by_key(|(at, _)| *at)
    }

    /// `None` while no window is open; `Some(None)` where no end is near. Windows that meet are one;
    /// the last of them is named.
    fn open_until(&self, now: Timestamp) -> Option<Option<(Timestamp, &Window)>> {
        let (mut end, mut last) = (now, None);
        loop {
            let spans = self.windows.iter().flat_map(|w| {
                let open = w.spans(end).filter(|(from, to)| *from <= end && end < *to);
                open.map(move |(_, to)| (to, w)).collect::<Vec<_>>()
            });
            match spans.max_by_key(|(to, _)| *to) {
                None => return last.map(|window| Some((end, window))),
                Some((to, _)) if to > now + AHEAD => return Some(None),
                Some((to, window)) => (end, last) = (to, Some(window)),
            }
        }
    }

    fn outside(&self, now: Timestamp) -> String {
        let all: Vec<&str> = self.windows.iter().map(|w| w.text.as_str()).collect();
        let next = self.windows.iter().flat_map(|w| {
            let later = w.spans(now).filter(|(from, to)| *from > now && to > from);
            later.map(|(from, _)| (from, w)).collect::<Vec<_>>()
        });
        let next = next.min_by_key(|(from, _)| *from);
        let next = next.map_or_else(String::new, |(at, w)| {
            format!(", the next opens at {}", says(at, &w.zone))
        });
        format!("no window is open ({}){next}", all.join("; "))
    }
}

impl Freeze {
    fn holds(&self, now: Timestamp) -> bool {
        self.from.as_ref().is_none_or(|from| from.at <= now) && now < self.until.at
    }

    fn says(&self) -> String {
        format!("frozen until {}: {}", self.until.says(), self.reason)
    }
}

impl Window {
    /// When it opens and closes, on the days from two before a moment to eight after it.
    fn spans(&self, around: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let today = around.to_zoned(self.zone.clone()).date();
        let days = (-2..=8).filter_map(move |n| today.checked_add(jiff::Span::new().days(n)).ok());
        days.filter(|day| self.days[number(day.weekday())])
            .filter_map(|day| {
                let next = day.tomorrow().ok()?;
                let last = if self.close > self.open { day } else { next };
                let from = reached(&self.zone, clock(day, self.open)?)?;
                let to = reached(&self.zone, clock(last, self.close)?)?;
                Some((from, to))
            })
    }
}

/// What a clock on the wall shows at a minute of a day.
fn clock(day: Date, minute: u16) -> Option<DateTime> {
    let day = if minute == DAY {
        day.tomorrow().ok()?
    } else {
        day
    };
    let minute = i8::try_from(minute % 60)
        .ok()
        .zip(i8::try_from(minute % DAY / 60).ok());
    minute.map(|(minute, hour)| day.at(hour, minute, 0, 0))
}

/// The first moment at which a clock on the wall shows this or more.
pub(super) fn reached(zone: &TimeZone, shown: DateTime) -> Option<Timestamp> {
    let moment = zone.to_ambiguous_timestamp(shown);
    if !matches!(moment.offset(), AmbiguousOffset::Gap { .. }) {
        return moment.earlier().ok();
    }
    // It is left out: the clock passes it at the moment of the change.
    let behind = moment.later().ok()? + Duration::from_secs(1);
    zone.preceding(behind)
        .next()
        .map(|change| change.timestamp())
}

/// `2026-11-23 22:00 Asia/Shanghai`.
pub(super) fn says(at: Timestamp, zone: &TimeZone) -> String {
    let shown = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M");
    format!("{shown} {}", zone.iana_name().unwrap_or("UTC"))
}
