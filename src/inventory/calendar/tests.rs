//! Windows over nights, weeks and changes of the clock; freezes; mistakes.

use super::*;
use crate::inventory::layer::Level;
use crate::inventory::source::build;
use crate::name::EnvName;
use crate::text::SourceFile;

pub(super) fn load(text: &str) -> Result<Calendar, Findings> {
    let file = SourceFile::new("production.yml", text);
    let env = EnvName::new("production").unwrap();
    let files = [(file, Level::Environment)];
    build(&env, &files, &[], Findings::default()).map(|i| i.calendar)
}

fn windows(all: &[&str]) -> Calendar {
    load(&format!("windows: [{}]\n", all.join(", "))).unwrap_or_else(|f| panic!("{f}"))
}

fn at(calendar: &Calendar, moment: &str) -> Standing {
    calendar.at(moment.parse().unwrap()).unwrap()
}

/// Whether something may be changed then.
fn open(calendar: &Calendar, moment: &str) -> bool {
    at(calendar, moment).against.is_empty()
}

#[test]
fn the_day_is_the_day_it_opens() {
    let all = windows(&["mon-thu 22:00-05:00 Asia/Shanghai"]);
    // Shanghai is eight hours ahead; 2026-11-23 is a Monday.
    for (moment, expected) in [
        ("2026-11-22T14:00:00Z", false), // Sunday 22:00
        ("2026-11-22T17:00:00Z", false), // Monday 01:00: would be Sunday's
        ("2026-11-23T13:59:59Z", false),
        ("2026-11-23T14:00:00Z", true),  // Monday 22:00
        ("2026-11-23T20:59:59Z", true),  // Tuesday 04:59:59
        ("2026-11-23T21:00:00Z", false), // Tuesday 05:00
        ("2026-11-26T20:00:00Z", true),  // Friday 04:00: Thursday's
        ("2026-11-27T14:30:00Z", false), // Friday 22:30
    ] {
        assert_eq!(open(&all, moment), expected, "{moment}");
    }
    let said = at(&all, "2026-11-27T14:30:00Z").says;
    assert_eq!(
        said,
        "no window is open (mon-thu 22:00-05:00 Asia/Shanghai), the next opens at 2026-11-30 22:00 Asia/Shanghai"
    );
    let standing = at(&all, "2026-11-23T15:00:00Z");
    assert_eq!(
        standing.says,
        "the window mon-thu 22:00-05:00 Asia/Shanghai is open until 2026-11-24 05:00 Asia/Shanghai"
    );
    let (closes, why) = standing.closes.unwrap();
    assert_eq!(closes.to_string(), "2026-11-23T21:00:00Z");
    assert_eq!(
        why,
        "the window mon-thu 22:00-05:00 Asia/Shanghai closed at 2026-11-24 05:00 Asia/Shanghai"
    );
}

/// Berlin 2026: on 29 March 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00.
#[test]
fn daylight_saving_both_ways() {
    let closes = |text: &str, moment: &str| {
        let end = at(&windows(&[text]), moment).closes;
        end.map(|(at, _)| at.to_string()).unwrap_or_default()
    };
    // A night that is an hour shorter, and one that is an hour longer: the clock on the wall counts.
    let night = "sat 22:00-05:00 Europe/Berlin";
    assert_eq!(
        closes(night, "2026-03-28T21:00:00Z"),
        "2026-03-29T03:00:00Z"
    );
    assert_eq!(
        closes(night, "2026-10-24T20:00:00Z"),
        "2026-10-25T04:00:00Z"
    );
    // Edges in the hour that is left out are passed at 01:00 UTC.
    let late = "sun 02:30-05:00 Europe/Berlin";
    assert!(!open(&windows(&[late]), "2026-03-29T00:59:59Z"));
    assert!(open(&windows(&[late]), "2026-03-29T01:00:00Z"));
    let early = "sat 23:00-02:30 Europe/Berlin";
    assert_eq!(
        closes(early, "2026-03-28T23:00:00Z"),
        "2026-03-29T01:00:00Z"
    );
    // What lies in it as a whole does not open that day, and the week after it does.
    let gone = windows(&["sun 02:10-02:50 Europe/Berlin"]);
    assert!(!open(&gone, "2026-03-29T01:00:00Z"));
    assert!(
        at(&gone, "2026-03-28T12:00:00Z")
            .says
            .ends_with("opens at 2026-04-05 02:10 Europe/Berlin"),
        "{}",
        at(&gone, "2026-03-28T12:00:00Z").says
    );
    // Of an hour that comes twice the first counts: for the end, and for the begin.
    assert_eq!(
        closes(early, "2026-10-24T22:00:00Z"),
        "2026-10-25T00:30:00Z"
    );
    assert!(
        !open(&windows(&[early]), "2026-10-25T01:15:00Z"),
        "02:15 again"
    );
    assert!(open(&windows(&[late]), "2026-10-25T00:30:00Z"));
    assert_eq!(closes(late, "2026-10-25T01:15:00Z"), "2026-10-25T04:00:00Z");
}

#[test]
fn windows_that_meet_are_one_and_without_end_there_is_none() {
    let two = windows(&[
        "mon 22:00-24:00 UTC",
        "tue 00:00-03:00 UTC",
        "tue 06:00-07:00 UTC",
    ]);
    let end = at(&two, "2026-11-23T23:00:00Z").closes.unwrap().0;
    assert_eq!(end.to_string(), "2026-11-24T03:00:00Z");
    assert!(!open(&two, "2026-11-24T05:00:00Z"));
    let always = at(&windows(&["daily 00:00-24:00 UTC"]), "2026-11-23T23:00:00Z");
    assert_eq!(
        (always.closes, always.says.as_str()),
        (None, "a window is open")
    );
    let wraps = windows(&["fri-mon 12:00-12:00 UTC"]);
    assert!(
        open(&wraps, "2026-11-24T11:59:00Z"),
        "Monday's, until Tuesday noon"
    );
    assert!(!open(&wraps, "2026-11-24T12:00:00Z"));
}

#[test]
fn a_freeze_holds_from_its_begin_to_its_end_and_cuts_a_window() {
    let text = "
windows: daily 20:00-23:00 UTC
freezes:
  - { from: 2026-12-20 21:00 UTC, until: 2027-01-04 08:00 Asia/Shanghai, reason: end of the year }
";
    let calendar = load(text).unwrap_or_else(|f| panic!("{f}"));
    let before = at(&calendar, "2026-12-20T20:30:00Z");
    assert_eq!(before.against, Vec::<String>::new());
    assert_eq!(
        before.closes.unwrap().1,
        "a freeze began at 2026-12-20 21:00 UTC (end of the year)"
    );
    let during = at(&calendar, "2026-12-20T21:00:00Z");
    assert_eq!(
        during.against,
        ["frozen until 2027-01-04 08:00 Asia/Shanghai: end of the year"]
    );
    assert_eq!(
        at(&calendar, "2027-01-03T23:59:59Z").against.len(),
        2,
        "and no window is open"
    );
    assert!(open(&calendar, "2027-01-04T20:00:00Z"));
    assert_eq!(Calendar::default().at(Timestamp::UNIX_EPOCH), None);
}

#[test]
fn mistakes_have_their_place_and_a_hint() {
    let text = "\
windows:
  - mon-thu 22:00-05:00 Asia/Shangai
  - mon-thu 22:00-05:00 Shanghai
  - mon-thu 22:00-05:00
  - mno-thu 24:00-25:00 UTC
freezes:
  - { until: 2027-01-04, reason: a }
  - { from: 2027-01-05 00:00 UTC, until: 2027-01-04 00:00 UTC, reason: b }
  - { reason: c }
";
    insta::assert_snapshot!(load(text).unwrap_err().to_string(), @r#"
    error: `windows[0]` names no time zone: `Asia/Shangai`
     --> production.yml:2:5
      |
    2 |   - mon-thu 22:00-05:00 Asia/Shangai
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = expected: a name such as Asia/Shanghai, Europe/Berlin or UTC
      = hint: did you mean `Asia/Shanghai`?

    error: `windows[1]` names no time zone: `Shanghai`
     --> production.yml:3:5
      |
    3 |   - mon-thu 22:00-05:00 Shanghai
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      = hint: did you mean `Asia/Shanghai`?

    error: `windows[2]` is `mon-thu 22:00-05:00`
     --> production.yml:4:5
      |
    4 |   - mon-thu 22:00-05:00
      |     ^^^^^^^^^^^^^^^^^^^
      = expected: days, hours and a time zone, such as mon-thu 22:00-05:00 Asia/Shanghai

    error: `windows[3]` is `mno-thu 24:00-25:00 UTC`: `25:00` is no time of day
     --> production.yml:5:5
      |
    5 |   - mno-thu 24:00-25:00 UTC
      |     ^^^^^^^^^^^^^^^^^^^^^^^
      = expected: days, hours and a time zone, such as mon-thu 22:00-05:00 Asia/Shanghai

    error: `windows[3]` is `mno-thu 24:00-25:00 UTC`: `mno` is no day: did you mean `mon`?
     --> production.yml:5:5
      |
    5 |   - mno-thu 24:00-25:00 UTC
      |     ^^^^^^^^^^^^^^^^^^^^^^^
      = expected: days, hours and a time zone, such as mon-thu 22:00-05:00 Asia/Shanghai

    error: `freezes[0].until` is `2027-01-04`
     --> production.yml:7:14
      |
    7 |   - { until: 2027-01-04, reason: a }
      |              ^^^^^^^^^^
      = expected: a date, a time and a time zone, such as 2027-01-04 08:00 Asia/Shanghai

    error: `freezes[1]` ends at 2027-01-04 00:00 UTC, before it begins at 2027-01-05 00:00 UTC
     --> production.yml:8:5
      |
    8 |   - { from: 2027-01-05 00:00 UTC, until: 2027-01-04 00:00 UTC, reason: b }
      |     ^

    error: `freezes[2]` has no `until`
     --> production.yml:9:5
      |
    9 |   - { reason: c }
      |     ^
      = expected: until: 2027-01-04 08:00 Asia/Shanghai

    8 errors
    "#);
}

#[test]
fn the_most_specific_list_holds_and_null_takes_it_away() {
    let env = EnvName::new("production").unwrap();
    let file = |name: &str, text: &str, level| (SourceFile::new(name, text), level);
    let of = |own: &str| {
        let files = [
            file(
                "defaults.yml",
                "windows: [daily 01:00-02:00 UTC]\n",
                Level::Defaults,
            ),
            file("production.yml", own, Level::Environment),
        ];
        let read = build(&env, &files, &[], Findings::default());
        read.unwrap_or_else(|f| panic!("{f}")).calendar.windows
    };
    assert_eq!(of("{}\n")[0].text, "daily 01:00-02:00 UTC");
    assert_eq!(
        of("windows: sat  03:00-04:00 UTC\n")[0].text,
        "sat 03:00-04:00 UTC"
    );
    assert_eq!(of("windows: null\n"), Vec::new());
}
