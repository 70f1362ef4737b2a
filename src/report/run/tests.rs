use super::*;
use crate::host::docker::evidence;
use crate::name::OutcomeKind;
use crate::record::RunKind;
use crate::record::run_report::Wrong;

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn span(step: u32, name: &str, stage: &str, at: u64, ms: u64) -> Span {
    Span {
        step: (step > 0).then_some(step),
        host: (!name.is_empty()).then(|| host(name)),
        stage: stage.into(),
        at,
        ms,
        ok: Some(true),
        text: String::new(),
    }
}

/// A run that failed, with everything hostile that a container can print.
fn view() -> RunView {
    let mut gate = span(5, "web3", "gate", 2500, 4000);
    (gate.ok, gate.text) = (Some(false), "app is <b>\"restarting\"</b>".into());
    let mut other = span(5, "web4", "gate", 2500, 4000);
    other.ok = None;
    let report = RunReport {
        v: 1,
        begun: 1_700_000_000_000,
        ms: 7000,
        spans: vec![
            span(0, "web3", "look", 0, 500),
            span(1, "web3", "pull", 600, 900),
            span(2, "web4", "pull", 600, 300),
            span(3, "web3", "up", 1500, 1000),
            gate,
            other,
            span(0, "web3", "evidence", 6500, 500),
        ],
        switched: vec![(host("lb1"), 1_700_000_003_250)],
        failure: Some(Wrong {
            host: Some(host("web3")),
            stage: "gate".into(),
            why: "app is restarting".into(),
        }),
        ..RunReport::default()
    };
    let lines = [
        r#"c ["0a","/staging-app-green-app-1","app","restarting",3,false,4,"","","","none",null,"img",0]"#,
        "l 0 T starting",
        "l 0 T </pre><script src=\"http://evil.example/x.js\"></script>",
        "l 0 T starting",
        "l 0 T </pre><script src=\"http://evil.example/x.js\"></script>",
    ]
    .map(str::to_owned);
    RunView {
        place: Some(("staging".parse().unwrap(), "app".parse().unwrap())),
        run: RunId::new("r-7f3a9c01").ok(),
        entry: Some(HistoryEntry {
            run: RunId::new("r-7f3a9c01").unwrap(),
            kind: RunKind::Deploy,
            revision: 43,
            highest: 43,
            who: Actor::new("ops@bastion1:1:2").unwrap(),
            why: "the \"night\" & <day>".into(),
            ticket: "CHG0012345".into(),
            release: None,
            version: "1.0.2-30-abc1234".into(),
            digest: None,
            config: "339f2ee84742ccd3171f036f37ba93e151f7ce61".into(),
            active: None,
            outcome: OutcomeKind::Failed,
            reason: "web3: app is restarting".into(),
            started: 1_700_000_000,
            ended: 1_700_000_007,
            took: vec![],
            more: serde_json::Value::Null,
        }),
        begun: None,
        plan: Some("staging app deploy: #43\n  s1  web3: pull\n".into()),
        report: Some(report),
        evidence: vec![(host("web3"), evidence::read(&lines))],
        holds: vec![],
        hosts: vec![host("lb1"), host("web3")],
        silent: vec![],
    }
}

#[test]
fn everything_that_is_known_of_a_run_is_told() {
    insta::assert_snapshot!(text(&view(), &TimeZone::UTC), @r#"
    staging app deploy r-7f3a9c01
      outcome       failed
      release       #43 1.0.2-30-abc1234
      begun         2023-11-14 22:13:20
      ended         2023-11-14 22:13:27, after 7.0 s
      by            ops@bastion1
      ticket        CHG0012345
      message       the "night" & <day>
      configuration 339f2ee84742ccd3171f036f37ba93e151f7ce61
      why           web3: app is restarting
      plan
        staging app deploy: #43
          s1  web3: pull
      steps (* = the slowest way through the run)
      * +0 ms        web3  look      500 ms
      * +600 ms  s1  web3  pull      900 ms
        +600 ms  s2  web4  pull      300 ms
      * +1.5 s   s3  web3  up        1.0 s
        +2.5 s   s5  web3  gate      4.0 s   FAILED app is <b>"restarting"</b>
      * +2.5 s   s5  web4  gate      4.0 s   ?
      * +6.5 s       web3  evidence  500 ms
      switched lb1 22:13:23.250
      failed in gate on web3: app is restarting
      evidence of web3: app ended with exit code 3, 4 restarts
        | T starting
        | T </pre><script src="http://evil.example/x.js"></script>
        | (these 2 lines ×2)
      remembered by lb1 web3
    "#);
}

#[test]
fn a_run_without_an_end_says_who_began_it_and_what_it_holds() {
    let open = RunView {
        entry: None,
        report: None,
        plan: None,
        evidence: vec![],
        begun: Actor::new("me@laptop:1:2")
            .ok()
            .map(|who| (who, 1_700_000_000)),
        holds: vec![host("web3")],
        ..view()
    };
    insta::assert_snapshot!(text(&open, &TimeZone::UTC), @"
    staging app r-7f3a9c01
      begun         2023-11-14 22:13:20
      by            me@laptop
      ended         not yet; it holds web3
      remembered by lb1 web3
    ");
    let mut unsure = open;
    unsure.silent = vec![Said {
        host: host("lb2"),
        what: "silent".into(),
    }];
    assert_eq!(unsure.exit_code(), ExitCode::Unknown);
    let mut known = view();
    known.silent = unsure.silent;
    assert_eq!(known.exit_code(), ExitCode::Success);
}

/// One tag: its name with a slash where it closes, and its attributes.
type Tag = (String, Vec<(String, String)>);

/// Takes a page apart: tags with attributes, and the text between them.
fn parse(page: &str) -> (Vec<Tag>, String) {
    let (mut tags, mut text) = (Vec::new(), String::new());
    let mut rest = page;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!before.contains('>'), "a loose > in {before:?}");
        text.push_str(before);
        let mut quoted = false;
        let end = after.char_indices().find(|(_, c)| {
            quoted ^= *c == '"';
            *c == '>' && !quoted
        });
        let (inside, next) = after.split_at(end.expect("a tag ends").0);
        let (name, mut attributes) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut all = Vec::new();
        while let Some((key, more)) = attributes.split_once("=\"") {
            let (value, more) = more.split_once('"').expect("a value ends");
            all.push((key.trim().to_owned(), value.to_owned()));
            attributes = more;
        }
        tags.push((name.to_owned(), all));
        rest = &next[1..];
    }
    text.push_str(rest);
    (tags, text)
}

#[test]
fn the_page_is_well_formed_and_names_nothing_outside() {
    let page = page::html(&view(), &TimeZone::UTC);
    let (tags, text) = parse(&page);
    let mut open: Vec<&str> = Vec::new();
    for (name, attributes) in &tags {
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if matches!(name.as_str(), "!DOCTYPE" | "meta") => {}
            None => open.push(name),
        }
        let allowed = [
            "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "h1", "h2", "span",
            "table", "tr", "th", "td", "div", "p", "pre",
        ];
        assert!(allowed.contains(&name.trim_start_matches('/')), "{name}");
        for (key, value) in attributes {
            let known = [
                "lang",
                "charset",
                "http-equiv",
                "content",
                "name",
                "class",
                "style",
                "title",
            ];
            assert!(known.contains(&key.as_str()), "{key} of {name}");
            assert!(
                key == "title" || !value.contains("url") && !value.contains("//"),
                "{value}"
            );
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    let style = page
        .split("<style>")
        .nth(1)
        .and_then(|s| s.split("</style>").next())
        .unwrap();
    for word in ["url(", "@import", "//", "expression"] {
        assert!(!style.contains(word), "{word}");
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    // What a container printed is text.
    assert!(
        text.contains("&lt;script src=&quot;http://evil.example/x.js&quot;&gt;"),
        "{text}"
    );
    assert!(text.contains("the &quot;night&quot; &amp; &lt;day&gt;"));
}

#[test]
fn every_span_is_a_bar_in_its_place() {
    let page = page::html(&view(), &TimeZone::UTC);
    let (tags, _) = parse(&page);
    let bars: Vec<String> = tags
        .iter()
        .filter_map(|(_, all)| {
            let of = |key: &str| all.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
            let class = of("class").filter(|c| c.starts_with("bar "))?;
            Some(format!("{class} | {} | {}", of("style")?, of("title")?))
        })
        .collect();
    insta::assert_snapshot!(bars.join("\n"), @"
    bar look slow | left:0.000%;width:7.143% | web3 look 500 ms, from +0 ms
    bar pull slow | left:8.571%;width:12.857% | s1 web3 pull 900 ms, from +600 ms
    bar up slow | left:21.429%;width:14.286% | s3 web3 up 1.0 s, from +1.5 s
    bar gate bad | left:35.714%;width:57.143% | s5 web3 gate 4.0 s, from +2.5 s: FAILED: app is &lt;b&gt;&quot;restarting&quot;&lt;/b&gt;
    bar evidence slow | left:92.857%;width:7.143% | web3 evidence 500 ms, from +6.5 s
    bar pull | left:8.571%;width:4.286% | s2 web4 pull 300 ms, from +600 ms
    bar gate unsure slow | left:35.714%;width:57.143% | s5 web4 gate 4.0 s, from +2.5 s: its end is not known
    ");
}

/// Only steps of the plan have a budget, and only what took longer is marked.
#[test]
fn budgets_that_were_passed_are_marked() {
    let mut view = view();
    let plain = page::html(&view, &TimeZone::UTC);
    assert!(!plain.contains("Time budgets") && !plain.contains("late\""));
    let report = view.report.as_mut().unwrap();
    report.budget = [("pull", 500), ("up", 1000), ("evidence", 1)]
        .map(|(stage, ms)| (stage.to_owned(), ms))
        .into();
    let page = page::html(&view, &TimeZone::UTC);
    let (tags, text) = parse(&page);
    let late: Vec<&str> = tags
        .iter()
        .filter(|(_, all)| {
            all.iter()
                .any(|(k, v)| k == "class" && v.ends_with(" late"))
        })
        .filter_map(|(_, all)| all.iter().find(|(k, _)| k == "title"))
        .map(|(_, title)| title.as_str())
        .collect();
    assert_eq!(
        late,
        ["s1 web3 pull 900 ms of 500 ms allowed, from +600 ms"]
    );
    assert!(text.contains("passed: web3 900 ms"), "{text}");
    assert_eq!(text.matches("kept").count(), 2, "{text}");
    // A report that knows no budgets is read as before.
    let old: RunReport =
        serde_json::from_str("{\"v\":1,\"begun\":0,\"ms\":0,\"spans\":[]}").unwrap();
    assert!(old.budget.is_empty());
}
