//! What `deploy check` knows as a list with a state for each check, for tickets and release checklists.
//!
//! A check that did not run is never ticked, nor one about hosts while one of them did not answer.

use serde_json::json;

use super::check::{CheckView, seen};
use super::words::{names, tame};
use crate::check::{Check, Finding};
use crate::fleet::Severity;
use crate::name::ExitCode;

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It ran and found no error.
    Passed,
    /// It found an error.
    Failed,
    /// It could not be told.
    Unknown,
    /// It did not run.
    NotRun,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotRun => "not checked",
        }
    }
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which check.
    pub check: Check,
    /// How it stands.
    pub state: State,
    /// What was seen, found or missing.
    pub evidence: Vec<String>,
}

/// All checks in their order.
const ALL: [Check; 15] = [
    Check::Inventory,
    Check::Template,
    Check::Registry,
    Check::Secrets,
    Check::Reach,
    Check::Host,
    Check::LoadBalancer,
    Check::Machine,
    Check::Versions,
    Check::Memory,
    Check::Clock,
    Check::Tools,
    Check::Compose,
    Check::Calendar,
    Check::Plan,
];

fn sentence(check: Check) -> &'static str {
    match check {
        Check::Inventory => "the inventory is well formed",
        Check::Template => "the templates give valid documents on every host",
        Check::Registry => "the registry has every image",
        Check::Secrets => "the secrets that are asked for are there",
        Check::Reach => "every machine is reached and answers",
        Check::Host => "engine, compose, disk and record are in order",
        Check::LoadBalancer => "the load balancers are well configured",
        Check::Machine => "no machine has two names",
        Check::Versions => "engine and compose are the same everywhere",
        Check::Memory => "all limits together fit into each host's memory",
        Check::Clock => "the clocks agree",
        Check::Tools => "the commands that steps need are there",
        Check::Compose => "compose accepts the files on every host",
        Check::Calendar => "the environment may be changed now",
        Check::Plan => "nothing keeps a deploy from beginning",
    }
}

/// Whether a check is about what machines say.
fn of_machines(check: Check) -> bool {
    !matches!(
        check,
        Check::Inventory | Check::Template | Check::Registry | Check::Secrets | Check::Reach
    )
}

/// The list for what was checked.
#[must_use]
pub fn items(view: &CheckView) -> Vec<Item> {
    let error = |f: &&Finding| f.severity == Severity::Error;
    let silent = view
        .findings
        .iter()
        .filter(error)
        .any(|f| f.check == Check::Reach);
    let wrong_files = view.files.has_errors();
    let item = |check: Check| {
        let own: Vec<&Finding> = view.findings.iter().filter(|f| f.check == check).collect();
        let errors: Vec<&&Finding> = own
            .iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        // What is wrong in files is found in the last of the two that ran.
        let templates = view.ran.contains(&Check::Template);
        let files = match check {
            Check::Inventory => wrong_files && !templates,
            Check::Template => wrong_files && templates,
            _ => false,
        };
        let state = if files || errors.iter().any(|f| !f.unknown) {
            State::Failed
        } else if !errors.is_empty() {
            State::Unknown
        } else if !view.ran.contains(&check) {
            State::NotRun
        } else if silent && of_machines(check) {
            State::Unknown
        } else {
            State::Passed
        };
        let mut evidence: Vec<String> = own.iter().map(|f| found(f)).collect();
        if files {
            evidence.extend(view.files.sorted().iter().map(|d| match d.span() {
                Some(span) => format!("{span}: {}", tame(d.message())),
                None => tame(d.message()),
            }));
        }
        match (state, check) {
            (State::Passed, Check::Host) => evidence.splice(0..0, seen(view)).for_each(drop),
            (State::Unknown, _) if evidence.is_empty() => {
                evidence.push("not every machine answered".to_owned());
            }
            (State::NotRun, _) => evidence.push("what comes before it must pass first".to_owned()),
            _ => {}
        }
        Item {
            check,
            state,
            evidence,
        }
    };
    ALL.into_iter().map(item).collect()
}

fn found(finding: &Finding) -> String {
    let whom = match finding.whom.as_slice() {
        [] => String::new(),
        hosts => format!("{}: ", names(hosts, 12)),
    };
    let first = finding.what.lines().next().unwrap_or_default();
    format!("{whom}{}", tame(first))
}

/// As of [`CheckView::exit_code`]; where that is good, 7 while a check did not run.
#[must_use]
pub fn exit_code(view: &CheckView, items: &[Item]) -> ExitCode {
    match view.exit_code() {
        ExitCode::Success if items.iter().any(|i| i.state != State::Passed) => ExitCode::Unknown,
        code => code,
    }
}

/// The list for people: `passed  inventory  the inventory is well formed`.
#[must_use]
pub fn text(title: &str, items: &[Item]) -> String {
    let mut out = vec![title.to_owned()];
    for item in items {
        let (state, check) = (item.state.word(), item.check.id());
        out.push(format!(
            "  {state:<11}  {check:<13}  {}",
            sentence(item.check)
        ));
        out.extend(item.evidence.iter().map(|e| format!("{:29}{e}", "")));
    }
    out.join("\n")
}

/// The list as Markdown's task list; a check is ticked only where it passed.
#[must_use]
pub fn markdown(title: &str, items: &[Item]) -> String {
    let mut out = vec![format!("### {}", escaped(title)), String::new()];
    for item in items {
        let tick = if item.state == State::Passed {
            "x"
        } else {
            " "
        };
        let state = match item.state {
            State::Passed => String::new(),
            other => format!(" — **{}**", other.word()),
        };
        out.push(format!("- [{tick}] {}{state}", sentence(item.check)));
        out.extend(item.evidence.iter().map(|e| format!("  - {}", escaped(e))));
    }
    out.join("\n")
}

/// What came from elsewhere makes no markup.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if "\\`*_{}[]<>#|!".contains(c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

/// One line per check.
#[must_use]
pub fn json(view: &CheckView, items: &[Item]) -> Vec<String> {
    let line = |item: &Item| {
        json!({
            "v": 1, "event": "item", "env": view.env, "check": item.check.id(),
            "state": item.state.word(), "evidence": item.evidence,
        })
        .to_string()
    };
    items.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::HostName;

    fn view(ran: &[Check], findings: Vec<Finding>) -> CheckView {
        let mut view = CheckView::new("staging".parse().unwrap());
        view.ran = ran.to_vec();
        view.findings = findings;
        view
    }

    fn error(check: Check, what: &str, unknown: bool) -> Finding {
        let host = HostName::new("web1").unwrap();
        Finding {
            unknown,
            ..Finding::of(check, Severity::Error, &host, what, "")
        }
    }

    fn state(items: &[Item], check: Check) -> State {
        items.iter().find(|i| i.check == check).unwrap().state
    }

    #[test]
    fn all_green_is_success_and_all_are_listed() {
        let view = view(&ALL, vec![]);
        let items = items(&view);
        assert!(items.iter().all(|i| i.state == State::Passed));
        assert_eq!(exit_code(&view, &items), ExitCode::Success);
        let list = markdown("staging app@1", &items);
        assert_eq!(list.matches("- [x] ").count(), ALL.len(), "{list}");
    }

    #[test]
    fn what_did_not_run_is_not_ticked() {
        let view = view(&[Check::Inventory, Check::Template], vec![]);
        let items = items(&view);
        assert_eq!(state(&items, Check::Inventory), State::Passed);
        assert_eq!(state(&items, Check::Plan), State::NotRun);
        assert_eq!(exit_code(&view, &items), ExitCode::Unknown);
    }

    #[test]
    fn a_machine_that_does_not_answer_leaves_nothing_about_machines_ticked() {
        let silent = error(Check::Reach, "it does not answer", true);
        let disk = error(Check::Host, "the disk is full [x](http://a)", false);
        let view = view(&ALL, vec![silent, disk]);
        let items = items(&view);
        assert_eq!(state(&items, Check::Reach), State::Unknown);
        assert_eq!(state(&items, Check::Host), State::Failed);
        assert_eq!(state(&items, Check::Clock), State::Unknown);
        assert_eq!(state(&items, Check::Registry), State::Passed);
        let list = markdown("staging app@1_2", &items);
        assert!(list.starts_with("### staging app@1\\_2\n"), "{list}");
        assert!(
            list.contains("- [ ] engine, compose, disk and record are in order — **failed**\n  - web1: the disk is full \\[x\\](http://a)"),
            "{list}"
        );
        assert_eq!(exit_code(&view, &items), view.exit_code());
    }
}
