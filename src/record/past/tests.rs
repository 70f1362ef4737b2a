use std::time::Duration;

use super::*;
use crate::name::OutcomeKind;
use crate::record::fixture::entry;

fn host(name: &str, runs: &[HistoryEntry]) -> (HostName, Past) {
    let past = Past {
        runs: runs.to_vec(),
        ..Past::default()
    };
    (HostName::new(name).unwrap(), past)
}

fn told(merged: &[Remembered]) -> Vec<String> {
    let names = |hosts: &[HostName]| {
        hosts
            .iter()
            .map(HostName::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let line = |r: &Remembered| {
        let (run, outcome) = (&r.entry.run, r.entry.outcome);
        format!(
            "{run} {outcome} [{}] [{}]",
            names(&r.hosts),
            names(&r.otherwise)
        )
    };
    merged.iter().map(line).collect()
}

#[test]
fn what_one_host_forgot_the_others_remember() {
    let (a, b) = (
        entry("r-2", 10, OutcomeKind::Succeeded),
        entry("r-1", 20, OutcomeKind::Failed),
    );
    let all = BTreeMap::from([
        host("web1", &[a.clone(), b.clone()]),
        host("web2", &[b]),
        host("web3", &[]),
    ]);
    assert_eq!(
        told(&merge(&all)),
        ["r-2 succeeded [web1] []", "r-1 failed [web1 web2] []"]
    );
}

#[test]
fn the_later_end_of_a_resumed_run_counts_whoever_is_asked_first() {
    let first = entry("r-1", 10, OutcomeKind::Cancelled);
    let mut last = entry("r-1", 10, OutcomeKind::Succeeded);
    last.ended += 60;
    for (one, other) in [(&first, &last), (&last, &first)] {
        let all = BTreeMap::from([
            host("web1", std::slice::from_ref(one)),
            host("web2", std::slice::from_ref(other)),
        ]);
        let merged = merge(&all);
        assert_eq!(merged[0].entry.outcome, OutcomeKind::Succeeded);
        assert_eq!((merged[0].hosts.len(), merged[0].otherwise.len()), (1, 1));
    }
}

fn reply(end: &str, lines: &[&str]) -> Reply {
    Reply {
        lines: lines.iter().map(|l| (*l).to_owned()).collect(),
        end: end.split(' ').map(str::to_owned).collect(),
        stderr: String::new(),
        took: Duration::ZERO,
    }
}

#[test]
fn damaged_lines_are_counted_and_no_record_is_an_answer() {
    let line = format!("h {}", entry("r-1", 1, OutcomeKind::Failed).to_line());
    let claim = "c 1 r-2 1-abc 60 4 begun ops@m:1:2 .";
    let past = read_runs(&reply("ok", &[&line, "h {\"torn", "a ", claim])).unwrap();
    assert_eq!((past.runs.len(), past.damaged), (1, 1));
    assert_eq!(past.claim.unwrap().run.as_str(), "r-2");
    let torn = read_runs(&reply("ok", &["c 9 what"])).unwrap();
    assert_eq!((torn.claim, torn.damaged), (None, 1));
    assert_eq!(read_runs(&reply("none", &[])).unwrap(), Past::default());
    assert!(read_runs(&reply("error read", &[])).is_err());
}

#[test]
fn what_a_container_printed_is_never_taken_for_the_record() {
    let memory = read_run(&reply("ok", &["e l 0 h {}", "e c [\"x\"]", "c 1 r-2 x"])).unwrap();
    assert_eq!(memory.evidence, ["l 0 h {}", "c [\"x\"]"]);
    assert!(!memory.known());
}

#[test]
fn a_file_that_was_touched_on_the_host_is_named() {
    let lines = [
        "w blue aa docker-compose.yml",
        "w blue bb deploy.yml",
        "w blue cc conf/a b.txt",
        "s blue aa docker-compose.yml",
        "s blue b0 deploy.yml",
        "s blue dd left.over",
        "s green ee docker-compose.yml",
        "p red 0123456789abcdef",
    ];
    let found = read_sums(&reply("ok", &lines)).unwrap();
    let of = |slot: &str| found.get(&SlotName::new(slot).unwrap()).cloned();
    assert_eq!(
        of("blue").unwrap(),
        [
            "conf/a b.txt is missing",
            "deploy.yml was changed",
            "left.over was added"
        ]
    );
    assert_eq!(of("green"), None, "no sums were kept");
    assert_eq!(
        of("red").unwrap(),
        ["the files of release 0123456789abcdef are gone"]
    );
}
