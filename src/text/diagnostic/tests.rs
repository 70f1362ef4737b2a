use super::*;

fn file() -> Arc<SourceFile> {
    SourceFile::new(
        "inventories/staging.yml",
        "apps:\n  app:\n    imgae: registry.example.com/acme/app\n    vars: { ü: \u{1b}[31m, x: 1 }\n",
    )
}

#[test]
fn a_finding_shows_file_line_column_source_and_hint() {
    let d = Diagnostic::error("unknown key `imgae` under apps.app")
        .at(&Span::new(&file(), 3, 5, 5))
        .did_you_mean("imgae", ["image", "restart"]);
    assert_eq!(
        d.to_string(),
        "error: unknown key `imgae` under apps.app
 --> inventories/staging.yml:3:5
  |
3 |     imgae: registry.example.com/acme/app
  |     ^^^^^
  = hint: did you mean `image`?"
    );
}

#[test]
fn two_places_share_one_gutter_and_say_what_they_are() {
    let text = "a: 1\n".repeat(12);
    let f = SourceFile::new("x.yml", text);
    let d = Diagnostic::error("two values")
        .at_saying(&Span::new(&f, 12, 4, 1), "this one")
        .at_saying(&Span::new(&f, 3, 4, 1), "and this one")
        .expected("one value");
    assert_eq!(
        d.to_string(),
        "error: two values
  --> x.yml:12:4
   |
12 | a: 1
   |    ^ this one
  ::: x.yml:3:4
   |
 3 | a: 1
   |    ^ and this one
   = expected: one value"
    );
}

#[test]
fn terminal_escapes_do_not_reach_the_terminal_and_columns_stay_true() {
    let f = file();
    let at = f.text.find('\u{1b}').unwrap();
    let d = Diagnostic::error("control character \u{1b} in value").at(&Span::bytes(&f, at..at + 1));
    assert_eq!(
        d.to_string(),
        "error: control character \\u{1b} in value
 --> inventories/staging.yml:4:16
  |
4 |     vars: { ü: \u{fffd}[31m, x: 1 }
  |                ^"
    );
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let f = SourceFile::new("x", format!("{}HERE{}", "a".repeat(300), "b".repeat(300)));
    let text = Diagnostic::error("m")
        .at(&Span::new(&f, 1, 301, 4))
        .to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[3].chars().count(), 4 + WINDOW + 2);
    let marks = lines[4].find('^').unwrap();
    let shown: String = lines[3].chars().skip(marks).take(4).collect();
    assert_eq!(shown, "HERE");
}

#[test]
fn places_outside_the_text_do_not_harm() {
    let f = SourceFile::new("x", "ab");
    for span in [
        Span::new(&f, 9, 9, 9),
        Span::new(&f, 0, 0, 0),
        Span::bytes(&f, std::ops::Range { start: 7, end: 3 }),
        Span::new(&SourceFile::new("e", ""), 1, 1, 0),
        Span::whole_line(&f, 5),
    ] {
        assert!(Diagnostic::error("m").at(&span).to_string().contains('^'));
    }
}

#[test]
fn all_findings_come_sorted_and_counted_and_only_errors_forbid() {
    let f = file();
    let mut all = Findings::default();
    assert!(!all.has_errors() && all.is_empty());
    all.push(Diagnostic::warning("later").at(&Span::new(&f, 4, 1, 1)));
    assert!(!all.has_errors());
    all.push(Diagnostic::error("first").at(&Span::new(&f, 1, 1, 1)));
    all.push(Diagnostic::error("first").at(&Span::new(&f, 1, 1, 1)));
    let order: Vec<&str> = all.sorted().iter().map(|d| d.message()).collect();
    assert_eq!(order, ["first", "later"]);
    assert!(all.to_string().ends_with("\n\n1 error, 1 warning"));
    assert!(all.or(()).is_err());
}
