//! The screen as a terminal emulator sees it.

use indicatif::InMemoryTerm;

use super::*;
use crate::event::{Role, Stage};
use crate::name::OutcomeKind;
use crate::report::out::Kept;
use crate::report::script::{self, Script};

struct Memory(InMemoryTerm, Screen);

impl Surface for Memory {
    fn size(&self) -> Screen {
        self.1
    }
    fn target(&self) -> ProgressDrawTarget {
        ProgressDrawTarget::term_like(Box::new(self.0.clone()))
    }
}

struct Watch {
    face: Terminal,
    term: InMemoryTerm,
    stdout: Kept,
}

/// A face on an emulator, at a time somewhat after the script's begin.
fn watch(rows: u16, columns: u16, at: &str) -> Watch {
    let term = InMemoryTerm::new(rows, columns);
    let screen = Screen {
        rows: usize::from(rows),
        columns: usize::from(columns),
    };
    let (out, stdout, _) = Kept::pair();
    let clock = Clock::fixed(format!("2024-03-07T{at}Z").parse().unwrap());
    let surface = Box::new(Memory(term.clone(), screen));
    let face = Terminal::new(surface, out, clock, Colours::default());
    Watch { face, term, stdout }
}

impl Watch {
    fn show(&mut self, events: &[Event]) -> String {
        for event in events {
            self.face.event(event);
        }
        self.face.tick();
        self.term.contents()
    }
}

#[test]
fn four_hosts_and_a_load_balancer_each_have_a_line() {
    let mut s = Script::new();
    s.started(&[
        ("green", Role::Candidate, &["web3", "web4"]),
        ("blue", Role::Active, &["web1", "web2"]),
        ("edge", Role::Balancer, &["lb1", "lb2"]),
    ]);
    for host in ["web3", "web4", "lb1", "lb2"] {
        s.begin(host, Stage::Look).done(host, Stage::Look, 80, "");
    }
    s.after(100)
        .begin("web3", Stage::Pull)
        .begin("web4", Stage::Pull);
    s.after(900).progress("web3", Stage::Pull, 3, 8);
    s.done("web4", Stage::Pull, 900, "already here");
    s.begin("web4", Stage::Up);
    let mut watch = watch(24, 80, "02:11:06.5");
    insta::assert_snapshot!(watch.show(&s.events), @r#"
    deploy staging app  ━━━─────────────────────  2.4 s
    candidate green
    › web3  pulling             2.3 s  ━━━───── 3/8
    › web4  starting            1.4 s
    active blue  web1 web2
    load balancer edge
    ✓ lb1   looked              0.1 s
    ✓ lb2   looked              0.1 s
    "#);
}

fn hundred() -> Script {
    let names: Vec<String> = (1..=100).map(|i| format!("web{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut s = Script::new();
    s.started(&[
        ("green", Role::Candidate, &names),
        ("edge", Role::Balancer, &["lb1", "lb2"]),
    ]);
    for name in &names {
        s.begin(name, Stage::Pull);
    }
    s.after(2000);
    for name in &names[..63] {
        s.done(name, Stage::Pull, 2000, "");
    }
    s.begin("lb1", Stage::Prepare);
    s
}

#[test]
fn a_hundred_hosts_fit_on_24_rows_failed_and_busy_ones_first() {
    let mut s = hundred();
    s.failed("web007", Stage::Pull, "no space left on device");
    let mut watch = watch(24, 80, "02:11:06.5");
    let screen = watch.show(&s.events);
    assert!(screen.lines().count() <= 22, "{screen}");
    insta::assert_snapshot!(screen, @r#"
    ✗ web007 failed while pulling: no space left on device
    deploy staging app  ━───────────────────────  2.4 s
    candidate green
    ✗ web007  failed              0.0 s  no space left on device
    › web064  pulling             2.4 s
    › web065  pulling             2.4 s
    › web066  pulling             2.4 s
    › web067  pulling             2.4 s
    › web068  pulling             2.4 s
    › web069  pulling             2.4 s
    › web070  pulling             2.4 s
    › web071  pulling             2.4 s
    › web072  pulling             2.4 s
    › web073  pulling             2.4 s
    › web074  pulling             2.4 s
    › web075  pulling             2.4 s
    › web076  pulling             2.4 s
      … and 86 hosts more: 62 pulled, 24 pulling
    load balancer edge
    › lb1     preparing           0.4 s
      lb2     waiting
    "#);
}

#[test]
fn the_screen_does_not_scroll_while_times_go_on() {
    let mut watch = watch(24, 80, "02:11:06.5");
    let first = watch.show(&hundred().events);
    for _ in 0..50 {
        watch.face.tick();
    }
    assert_eq!(watch.term.contents(), first);
}

#[test]
fn a_low_and_narrow_screen_shows_what_fits() {
    let mut watch = watch(6, 30, "02:11:06.5");
    let screen = watch.show(&hundred().events);
    assert!(screen.lines().count() <= 3, "{screen}");
    assert!(screen.lines().all(|l| l.chars().count() < 30), "{screen}");
}

#[test]
fn wide_characters_are_cut_by_what_they_take_on_the_screen() {
    let mut s = Script::new();
    s.started(&[("green", Role::Candidate, &["web3"])]);
    s.begin("web3", Stage::Up);
    s.say(Kind::Line {
        host: script::host("web3"),
        text: "容器正在启动".repeat(8),
    });
    let mut watch = watch(24, 60, "02:11:06.5");
    let screen = watch.show(&s.events);
    let widest = screen.lines().map(console::measure_text_width).max();
    assert!(widest <= Some(59), "{screen}");
    assert!(screen.contains("容器正在启动"), "{screen}");
    assert_eq!(screen.lines().count(), 3, "{screen}");
}

#[test]
fn at_the_end_the_screen_goes_and_what_matters_remains() {
    let mut watch = watch(24, 80, "02:11:06.5");
    let screen = watch.show(&script::deploy());
    watch.face.close();
    insta::assert_snapshot!(screen, @r#"
    ⇄ lb1 sends to green now
    note: lb1 has no spare disk
    hint: free some
    "#);
    assert_eq!(watch.stdout.text(), "staging app  succeeded\n");
}

#[test]
fn a_question_finds_a_clean_screen_and_the_next_event_takes_it_back() {
    let mut s = Script::new();
    s.started(&[("green", Role::Candidate, &["web3"])]);
    s.begin("web3", Stage::Look);
    let mut watch = watch(24, 80, "02:11:06.5");
    assert!(watch.show(&s.events).contains("web3"));
    watch.face.pause();
    assert_eq!(watch.term.contents(), "");
    watch.face.tick();
    assert_eq!(
        watch.term.contents(),
        "",
        "a tick must not paint over a question"
    );
    assert!(watch.show(&s.events[1..]).contains("web3"));
}

#[test]
fn what_a_signal_does_is_said_above_the_screen() {
    let mut watch = watch(24, 100, "02:11:06.5");
    watch.show(&script::deploy()[..4]);
    watch.face.notice(words::interrupted(1));
    let screen = watch.term.contents();
    assert!(screen.starts_with("stopping: no new step"), "{screen}");
    assert!(screen.contains("web3"), "{screen}");
}

#[test]
fn a_failed_run_shows_each_failure_once_above_the_block() {
    let mut s = hundred();
    s.failed(
        "web007",
        Stage::Pull,
        "no space left on device\nsecond line",
    );
    s.finished(OutcomeKind::Failed, "the block");
    let mut watch = watch(24, 80, "02:11:06.5");
    let screen = watch.show(&s.events);
    assert_eq!(
        screen,
        "✗ web007 failed while pulling: no space left on device\nsecond line"
    );
    assert_eq!(watch.stdout.text(), "the block\n");
}
