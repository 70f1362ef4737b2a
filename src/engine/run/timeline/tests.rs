use std::time::Duration;

use super::*;
use crate::engine::dispatch::Failure;
use crate::plan::PlanKind;
use crate::plan::blue_green::deploy;
use crate::plan::fixture::{World, host, release};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

fn begin(ms: i64, name: &str, stage: Stage) -> Heard {
    let host = host(name);
    (at(ms), Kind::Begin { host, stage })
}

fn done(ms: i64, name: &str, stage: Stage, text: &str) -> Heard {
    let done = Kind::Done {
        host: host(name),
        stage,
        took: Duration::ZERO,
        text: text.to_owned(),
    };
    (at(ms), done)
}

fn failed(ms: i64, name: &str, stage: Stage) -> Heard {
    let why = "no".to_owned();
    let host = host(name);
    (at(ms), Kind::Failed { host, stage, why })
}

fn plan() -> Plan {
    let w = World::serving();
    deploy(
        &w.setup,
        &release(&w.setup, 43),
        &w.fleet,
        PlanKind::Deploy,
        "g1",
    )
    .unwrap()
}

fn told(report: &RunReport) -> String {
    let line = |s: &Span| {
        let step = s.step.map_or("-".to_owned(), |n| format!("s{n}"));
        let host = s.host.as_ref().map_or("-", HostName::as_str);
        let ok = s.ok.map_or("?", |ok| if ok { "ok" } else { "bad" });
        format!(
            "{step} {host} {} {}+{} {ok} {}",
            s.stage, s.at, s.ms, s.text
        )
    };
    report.spans.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_span_knows_its_step_and_its_host() {
    let heard = [
        begin(0, "web3", Stage::Connect),
        done(40, "web3", Stage::Connect, ""),
        begin(100, "web3", Stage::Pull),
        begin(100, "web4", Stage::Pull),
        done(300, "web4", Stage::Pull, "already here"),
        done(900, "web3", Stage::Pull, ""),
        begin(900, "web3", Stage::Up),
        done(1500, "web3", Stage::Up, ""),
        begin(1500, "lb1", Stage::Switch),
        done(1700, "lb1", Stage::Switch, ""),
        (
            at(1700),
            Kind::Waiting {
                text: "bake green".into(),
                took: Duration::from_millis(300),
            },
        ),
    ];
    let report = report(&plan(), &Log::default(), &heard, at(2100));
    insta::assert_snapshot!(told(&report), @"
    - web3 connect 0+40 ok 
    s1 web3 pull 100+800 ok 
    s2 web4 pull 100+200 ok already here
    s3 web3 up 900+600 ok 
    s8 lb1 switch 1500+200 ok 
    s11 - bake 1700+300 ok bake green
    ");
    assert_eq!((report.begun, report.ms), (1_700_000_000_000, 2100));
}

#[test]
fn a_failure_ends_the_waits_and_what_follows_takes_back() {
    let heard = [
        begin(0, "web3", Stage::Gate),
        begin(0, "web4", Stage::Gate),
        failed(500, "web4", Stage::Gate),
        begin(600, "lb1", Stage::Drain),
        begin(600, "web4", Stage::Evidence),
        done(700, "web4", Stage::Evidence, ""),
    ];
    let log = Log {
        failure: Some(Failure {
            host: Some(host("web4")),
            stage: Stage::Gate,
            why: "no".into(),
        }),
        switched: vec![(host("lb1"), 1_700_000_000.25)],
        ..Log::default()
    };
    let report = report(&plan(), &log, &heard, at(1000));
    insta::assert_snapshot!(told(&report), @"
    s5 web3 gate 0+500 ? 
    s5 web4 gate 0+500 bad no
    - lb1 drain 600+400 ? 
    - web4 evidence 600+100 ok 
    ");
    assert_eq!(report.failure.unwrap().stage, "gate");
    assert_eq!(report.switched, [(host("lb1"), 1_700_000_000_250)]);
}
