//! The screen as data: sizes, odd orders of events.

use super::*;
use crate::report::script::{self, Script};

fn screen(rows: usize, columns: usize) -> Screen {
    Screen { rows, columns }
}

fn now() -> Timestamp {
    "2024-03-07T02:11:10Z".parse().unwrap()
}

fn board(script: &Script) -> Board {
    let mut board = Board::new();
    script.events.iter().for_each(|e| board.event(e));
    board
}

#[test]
fn every_size_of_screen_is_kept() {
    let names: Vec<String> = (0..40)
        .map(|i| format!("a-rather-long-host-name-{i}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut s = Script::new();
    s.started(&[
        ("green", Role::Candidate, &names[..30]),
        ("blue", Role::Active, &names[30..35]),
        ("edge", Role::Balancer, &names[35..]),
    ]);
    for name in &names {
        s.begin(name, Stage::Pull);
        s.progress(name, Stage::Pull, 3, 9);
    }
    let board = board(&s);
    for rows in 0..60 {
        for columns in [0, 1, 2, 5, 20, 79, 80, 300] {
            let lines = board.lines(screen(rows, columns), now(), true);
            let most = rows.saturating_sub(3).max(1);
            assert!(lines.len() <= most, "{rows}x{columns}: {}", lines.len());
            for line in &lines {
                let width = console::measure_text_width(line);
                assert!(
                    width <= columns.saturating_sub(1).max(1),
                    "{columns}: {line:?}"
                );
            }
        }
    }
}

#[test]
fn hosts_that_speak_before_the_groups_are_known_keep_what_they_did() {
    let mut s = Script::new();
    s.begin("web3", Stage::Connect);
    s.done("web3", Stage::Connect, 40, "");
    s.begin("extra", Stage::Connect);
    let mut board = board(&s);
    let lines = board.lines(screen(24, 80), now(), false);
    assert_eq!(lines.len(), 4, "{lines:?}");
    let mut s = Script::new();
    s.started(&[("green", Role::Candidate, &["web3", "web4"])]);
    board.event(&s.events[0]);
    let lines = board.lines(screen(24, 80), now(), false);
    assert_eq!(lines[1], "candidate green");
    assert!(lines[2].starts_with("✓ web3   connected"), "{lines:?}");
    assert!(lines.iter().any(|l| l.starts_with("› extra")), "{lines:?}");
}

#[test]
fn a_wait_counts_down_and_ends_with_the_next_stage() {
    let mut s = Script::new();
    s.started(&[("green", Role::Candidate, &["web3"])]);
    s.say(Kind::Waiting {
        text: "bake".to_owned(),
        took: Duration::from_secs(30),
    });
    let mut board = board(&s);
    let head = |board: &Board| board.lines(screen(24, 80), now(), false)[0].clone();
    assert!(
        head(&board).ends_with("5.9 s  bake: 24 s to go"),
        "{}",
        head(&board)
    );
    let mut s = Script::new();
    board.event(&s.begin("web3", Stage::Finish).events[0]);
    assert!(!head(&board).contains("bake"), "{}", head(&board));
}

#[test]
fn a_clock_that_is_set_back_shows_no_nonsense() {
    let mut s = Script::new();
    s.after(3_600_000).begin("web3", Stage::Pull);
    let lines = board(&s).lines(screen(24, 80), now(), false);
    assert!(lines[2].contains("0.0 s"), "{lines:?}");
}

#[test]
fn what_a_host_says_cannot_move_the_cursor() {
    let mut s = Script::new();
    s.begin("web3", Stage::Up);
    s.say(Kind::Line {
        host: script::host("web3"),
        text: "one\n\x1b[2J\rtwo".to_owned(),
    });
    let lines = board(&s).lines(screen(24, 80), now(), false);
    assert!(lines[2].ends_with("\u{fffd}[2J\u{fffd}two"), "{lines:?}");
}
