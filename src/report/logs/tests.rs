//! Merging: order, slow and silent hosts, new streams, readers that go away.

use proptest::prelude::*;

use super::*;
use crate::report::out::Kept;

const WINDOW: Duration = Duration::from_millis(500);

fn at(second: u8) -> Option<Timestamp> {
    format!("2024-03-07T02:11:{second:02}.000000001Z")
        .parse()
        .ok()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|l| l.text.as_str()).collect()
}

#[test]
fn lines_are_ordered_by_the_time_stamps_of_the_engine() {
    let mut m = Merger::new(2, WINDOW);
    let (a, b) = (m.open(), m.open());
    m.line(a, at(1), "a1".into(), millis(0));
    m.line(a, at(4), "a4".into(), millis(0));
    assert_eq!(
        m.ready(millis(0)),
        [],
        "the other host may say something earlier"
    );
    m.line(b, at(2), "b2".into(), millis(10));
    m.line(b, at(3), "b3".into(), millis(10));
    m.over();
    assert_eq!(m.ready(millis(20)), []);
    m.over();
    assert!(!m.is_done());
    assert_eq!(texts(&m.ready(millis(20))), ["a1", "b2", "b3", "a4"]);
    assert!(m.is_done());
}

#[test]
fn a_silent_host_holds_others_up_for_the_window_only() {
    let mut m = Merger::new(2, WINDOW);
    let a = m.open();
    m.line(a, at(1), "a".into(), millis(1000));
    assert_eq!(m.ready(millis(1499)), []);
    assert_eq!(texts(&m.ready(millis(1500))), ["a"]);
}

#[test]
fn one_container_keeps_its_order_when_its_clock_is_set_back() {
    let mut m = Merger::new(0, WINDOW);
    let (a, b) = (m.open(), m.open());
    for (second, text) in [(at(9), "a9"), (at(1), "a1"), (None, "no stamp")] {
        m.line(a, second, text.into(), millis(0));
    }
    m.line(b, at(5), "b5".into(), millis(0));
    let ready = m.ready(millis(0));
    assert_eq!(texts(&ready), ["b5", "a9", "a1", "no stamp"]);
    assert_eq!(ready[3].at, at(9));
}

fn hosts() -> Vec<HostName> {
    ["web1", "web2"].map(|h| h.parse().unwrap()).to_vec()
}

fn lines(hosts: &[HostName], style: Style) -> Lines<'_> {
    let mut lines = Lines::new(hosts, style);
    for (host, container) in [("web1", ""), ("web2", "worker")] {
        lines.open(Source {
            host: host.parse().unwrap(),
            container: container.to_owned(),
        });
    }
    lines
}

#[test]
fn each_line_has_its_host_and_cannot_move_the_cursor() {
    let line = |stream, text: &str| LogLine {
        stream,
        at: at(2),
        text: text.to_owned(),
        gap: false,
    };
    let hosts = hosts();
    let plain = lines(&hosts, Style::default());
    assert_eq!(plain.text(&line(0, "hello")), "web1        | hello");
    assert_eq!(
        plain.text(&line(1, "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x08")),
        "web2/worker | red  \u{fffd}"
    );
    let (colour, json) = (true, true);
    let coloured = Style {
        colour,
        json: false,
    };
    assert_eq!(
        lines(&hosts, coloured).text(&line(1, "x")),
        "\x1b[35mweb2/worker |\x1b[0m x"
    );
    let objects = Style { colour, json };
    assert_eq!(
        lines(&hosts, objects).text(&line(1, "a\"\x1b")),
        r#"{"v":1,"event":"log","at":"2024-03-07T02:11:02.000Z","host":"web2","container":"worker","text":"a\"\u001b"}"#
    );
}

fn open(stream: usize, container: &str) -> Said {
    Said::Open {
        stream,
        container: container.to_owned(),
    }
}

fn line(stream: usize, second: u8, text: &str) -> Said {
    Said::Line {
        stream,
        at: at(second),
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn streams_of_all_hosts_are_shown_as_one_and_end_with_their_readers() {
    let (out, stdout, stderr) = Kept::pair();
    let (send, said) = mpsc::channel(16);
    for message in [
        (1, open(0, "worker")),
        (1, line(0, 2, "second")),
        (0, open(0, "")),
        (0, line(0, 1, "first")),
        (0, line(7, 1, "of a stream that nobody opened")),
        (9, line(0, 1, "of a host that nobody knows")),
        (0, Said::Over("connection lost\x1b[2J".to_owned())),
    ] {
        send.send(message).await.unwrap();
    }
    drop(send);
    let (hosts, clock) = (hosts(), Clock::system());
    show(said, &hosts, WINDOW, Style::default(), &clock, &out).await;
    assert_eq!(stdout.text(), "web1        | first\nweb2/worker | second\n");
    assert_eq!(stderr.text(), "-- web1: connection lost\u{fffd}[2J\n");
}

#[tokio::test]
async fn a_reader_of_stdout_that_went_away_ends_the_stream() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Out::to(Box::new(Gone), Box::new(std::io::sink()));
    let (send, said) = mpsc::channel(16);
    send.send((0, open(0, ""))).await.unwrap();
    send.send((0, line(0, 1, "a"))).await.unwrap();
    let (hosts, clock) = (hosts(), Clock::system());
    // The sender stays: only the other end can end it.
    show(said, &hosts, millis(1), Style::default(), &clock, &out).await;
    assert!(send.is_closed());
}

proptest! {
    /// However lines arrive: nothing is lost, nothing comes twice, each container keeps its order,
    /// and what waited for all hosts is in order as a whole.
    #[test]
    fn nothing_is_lost_and_order_is_kept(
        seconds in prop::collection::vec(prop::collection::vec(0u8..60, 0..20), 1..4),
        late in 0usize..4,
    ) {
        let mut m = Merger::new(seconds.len(), Duration::from_secs(3600));
        let mut shown = Vec::new();
        let mut want = 0;
        for (i, list) in seconds.iter().enumerate() {
            let mut list = list.clone();
            list.sort_unstable();
            let stream = m.open();
            for (n, second) in list.iter().enumerate() {
                m.line(stream, at(*second), format!("{i}:{n}"), millis(0));
                want += 1;
            }
            m.over();
            if i == late {
                shown.extend(m.ready(millis(0)));
            }
        }
        shown.extend(m.ready(millis(0)));
        prop_assert!(m.is_done());
        prop_assert_eq!(shown.len(), want);
        prop_assert!(shown.windows(2).all(|w| w[0].at <= w[1].at));
        for i in 0..seconds.len() {
            let own: Vec<&str> = shown.iter().filter(|l| l.stream == i).map(|l| l.text.as_str()).collect();
            let order: Vec<String> = (0..own.len()).map(|n| format!("{i}:{n}")).collect();
            prop_assert_eq!(own, order);
        }
    }
}
