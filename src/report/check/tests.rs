//! The whole text, and the exit code of each kind of finding.

use super::*;
use crate::text::{Diagnostic, SourceFile, Span};

fn host(name: &str) -> HostName {
    HostName::new(name).unwrap()
}

fn finding(check: Check, severity: Severity, what: &str) -> Finding {
    Finding::of(check, severity, &host("web1"), what, "do this")
}

fn view(findings: Vec<Finding>) -> CheckView {
    let mut view = CheckView::new(EnvName::new("staging").unwrap());
    view.findings = findings;
    view.checked = vec!["inventory".into(), "2 machines of app".into()];
    view
}

#[test]
fn all_of_it_is_said() {
    let mut view = view(vec![
        finding(
            Check::Compose,
            Severity::Error,
            "compose refuses the files:\nno key x",
        ),
        finding(Check::Host, Severity::Warning, "little room"),
        finding(Check::Versions, Severity::Note, "versions differ"),
    ]);
    let file = SourceFile::new("inventories/staging.yml", "vars: { debug: yes }");
    let odd = Diagnostic::warning("`vars.debug` is read as the text \"yes\"");
    view.files.push(odd.at(&Span::new(&file, 1, 16, 3)));
    view.skipped.push("registries: --offline".into());
    let seen = |free| Seen {
        engine: "28.5.2".into(),
        compose: "2.40.3".into(),
        disk_free: free,
        memory: 1 << 30,
    };
    view.seen.insert(host("web1"), seen(5 << 30));
    view.seen.insert(host("web2"), seen(3 << 30));
    insta::assert_snapshot!(text(&view));
    let lines = json(&view);
    assert_eq!(lines.len(), 5);
    let last: serde_json::Value = serde_json::from_str(&lines[4]).unwrap();
    assert_eq!((&last["errors"], &last["warnings"]), (&1.into(), &2.into()));
    assert_eq!(last["code"], 2);
}

#[test]
fn the_exit_code_says_what_kind_of_trouble_it_is() {
    let code = |findings: Vec<Finding>| view(findings).exit_code();
    let error = |check| finding(check, Severity::Error, "x");
    let silent = || Finding {
        unknown: true,
        ..error(Check::Reach)
    };
    assert_eq!(code(vec![]), ExitCode::Success);
    assert_eq!(
        code(vec![finding(Check::Host, Severity::Warning, "x")]),
        ExitCode::Success
    );
    assert_eq!(code(vec![error(Check::Host)]), ExitCode::Refused);
    assert_eq!(code(vec![error(Check::Host), silent()]), ExitCode::Unknown);
    assert_eq!(
        code(vec![silent(), error(Check::Registry)]),
        ExitCode::Usage
    );
    let mut written = view(vec![silent()]);
    written.files.push(Diagnostic::error("x"));
    assert_eq!(written.exit_code(), ExitCode::Usage);
}
