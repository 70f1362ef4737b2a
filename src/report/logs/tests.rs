//! Merging: order, cut lines, slow and silent streams.

use proptest::prelude::*;

use super::*;
use crate::report::out::Kept;

const WINDOW: Duration = Duration::from_millis(500);

fn bytes(text: &str) -> Piece {
    Piece::Bytes(text.as_bytes().to_vec())
}

fn at(second: u8, text: &str) -> String {
    format!("2024-03-07T02:11:{second:02}.000000001Z {text}\n")
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|l| l.text.as_str()).collect()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn lines_are_ordered_by_the_time_stamps_of_the_engine() {
    let mut m = Merger::new(2, WINDOW);
    let first = at(1, "a1") + &at(4, "a4");
    m.take(0, &bytes(&first), millis(0));
    assert_eq!(
        m.ready(millis(0)),
        [],
        "web2 may still say something earlier"
    );
    m.take(1, &bytes(&(at(2, "b2") + &at(3, "b3"))), millis(10));
    assert_eq!(texts(&m.ready(millis(10))), ["a1", "b2", "b3"]);
    m.take(1, &Piece::End, millis(20));
    assert_eq!(texts(&m.ready(millis(20))), ["a4"]);
    assert!(!m.is_done());
    m.take(0, &Piece::End, millis(30));
    assert!(m.is_done());
}

#[test]
fn a_silent_stream_holds_others_up_for_the_window_only() {
    let mut m = Merger::new(2, WINDOW);
    m.take(0, &bytes(&at(1, "a")), millis(1000));
    assert_eq!(m.ready(millis(1499)), []);
    assert_eq!(texts(&m.ready(millis(1500))), ["a"]);
}

#[test]
fn lines_that_were_cut_anywhere_are_whole_again() {
    let mut m = Merger::new(1, WINDOW);
    let text = at(1, "größe 容器");
    for byte in text.bytes() {
        m.take(0, &Piece::Bytes(vec![byte]), millis(0));
    }
    assert_eq!(texts(&m.ready(millis(0))), ["größe 容器"]);
    m.take(0, &bytes("2024-03-07T02:11:02Z no end"), millis(0));
    assert_eq!(m.ready(millis(0)), []);
    m.take(0, &Piece::End, millis(0));
    assert_eq!(texts(&m.ready(millis(0))), ["no end"]);
}

#[test]
fn one_container_keeps_its_order_when_its_clock_is_set_back() {
    let mut m = Merger::new(2, WINDOW);
    m.take(
        0,
        &bytes(&(at(9, "a9") + &at(1, "a1") + "no stamp\n")),
        millis(0),
    );
    m.take(1, &bytes(&at(5, "b5")), millis(0));
    m.take(1, &Piece::End, millis(0));
    let ready = m.ready(millis(0));
    assert_eq!(texts(&ready), ["b5", "a9", "a1", "no stamp"]);
    assert_eq!(ready[3].at, "2024-03-07T02:11:09.000000001Z".parse().ok());
}

#[test]
fn a_line_without_end_is_shown_in_pieces() {
    let mut m = Merger::new(1, WINDOW);
    for _ in 0..40 {
        m.take(0, &Piece::Bytes(vec![b'x'; 4096]), millis(0));
    }
    let ready = m.ready(millis(0));
    assert_eq!(ready.len(), 2);
    assert!(ready.iter().all(|l| l.text.len() == LONGEST));
}

#[test]
fn a_remark_stands_where_the_stream_was_cut() {
    let mut m = Merger::new(1, WINDOW);
    m.take(
        0,
        &bytes(&(at(1, "a") + "2024-03-07T02:11:02Z half")),
        millis(0),
    );
    m.take(0, &Piece::Remark("connection lost".to_owned()), millis(0));
    assert_eq!(
        texts(&m.ready(millis(0))),
        ["a", "half", "-- connection lost"]
    );
}

fn sources() -> Vec<Source> {
    [("web1", ""), ("web2", "worker")]
        .map(|(host, container)| Source {
            host: host.parse().unwrap(),
            container: container.to_owned(),
        })
        .to_vec()
}

#[test]
fn each_line_has_its_host_and_cannot_move_the_cursor() {
    let sources = sources();
    let line = |source, text: &str| LogLine {
        source,
        at: "2024-03-07T02:11:02Z".parse().ok(),
        text: text.to_owned(),
    };
    let plain = Lines::new(&sources, Style::default());
    assert_eq!(plain.text(&line(0, "hello")), "web1        | hello");
    assert_eq!(
        plain.text(&line(1, "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x08")),
        "web2/worker | red  \u{fffd}"
    );
    let colour = Style {
        colour: true,
        json: false,
    };
    assert_eq!(
        Lines::new(&sources, colour).text(&line(1, "x")),
        "\x1b[35mweb2/worker |\x1b[0m x"
    );
    let json = Style {
        colour: false,
        json: true,
    };
    assert_eq!(
        Lines::new(&sources, json).text(&line(1, "a\"\x1b")),
        r#"{"v":1,"event":"log","at":"2024-03-07T02:11:02.000Z","host":"web2","container":"worker","text":"a\"\u001b"}"#
    );
}

#[tokio::test]
async fn a_whole_stream_is_shown_and_ends_with_its_senders() {
    let (out, stdout, _) = Kept::pair();
    let (send, pieces) = mpsc::channel(16);
    send.send((1, bytes(&at(2, "second")))).await.unwrap();
    send.send((0, bytes(&(at(1, "first") + "half a line"))))
        .await
        .unwrap();
    drop(send);
    let (sources, clock) = (sources(), Clock::system());
    show(pieces, &sources, WINDOW, Style::default(), &clock, &out).await;
    assert_eq!(
        stdout.text(),
        "web1        | first\nweb1        | half a line\nweb2/worker | second\n"
    );
}

#[tokio::test]
async fn a_reader_that_went_away_ends_the_stream() {
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
    let (send, pieces) = mpsc::channel(16);
    send.send((0, bytes(&at(1, "a")))).await.unwrap();
    let (sources, clock) = (sources(), Clock::system());
    // The sender stays: only the reader's end can end it.
    show(pieces, &sources, millis(1), Style::default(), &clock, &out).await;
    assert!(send.is_closed());
}

proptest! {
    /// However streams are cut and mixed: nothing is lost, nothing comes twice, each container
    /// keeps its order, and where all are complete the whole is in order.
    #[test]
    fn nothing_is_lost_and_order_is_kept(
        seconds in prop::collection::vec(prop::collection::vec(0u8..60, 0..20), 1..4),
        cut in 1usize..40,
    ) {
        let mut m = Merger::new(seconds.len(), Duration::from_secs(3600));
        let mut want = 0;
        let mut streams: Vec<Vec<u8>> = Vec::new();
        for (i, list) in seconds.iter().enumerate() {
            let mut list = list.clone();
            list.sort_unstable();
            want += list.len();
            let lines = list.iter().enumerate().map(|(n, s)| at(*s, &format!("{i}:{n}")));
            streams.push(lines.collect::<String>().into_bytes());
        }
        let mut shown = Vec::new();
        let longest = streams.iter().map(Vec::len).max().unwrap_or(0);
        for from in (0..longest).step_by(cut) {
            for (i, stream) in streams.iter().enumerate() {
                if from < stream.len() {
                    let piece = stream[from..stream.len().min(from + cut)].to_vec();
                    m.take(i, &Piece::Bytes(piece), millis(0));
                }
                if from + cut >= stream.len() {
                    m.take(i, &Piece::End, millis(0));
                }
            }
            shown.extend(m.ready(millis(0)));
        }
        for i in 0..streams.len() {
            m.take(i, &Piece::End, millis(0));
        }
        shown.extend(m.ready(millis(0)));
        prop_assert!(m.is_done());
        prop_assert_eq!(shown.len(), want);
        prop_assert!(shown.windows(2).all(|w| w[0].at <= w[1].at));
        for i in 0..seconds.len() {
            let own: Vec<String> = shown.iter().filter(|l| l.source == i).map(|l| l.text.clone()).collect();
            let order: Vec<String> = (0..own.len()).map(|n| format!("{i}:{n}")).collect();
            prop_assert_eq!(own, order);
        }
    }
}
