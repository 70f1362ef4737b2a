//! Reading an answer: bytes in, lines out, between two framing lines that carry the call's nonce.
//!
//! Login shells talk before `begin`, commands print whatever they like after it; only the line
//! `end <nonce> …` with this call's nonce ends the answer, so no output can pretend to be it.

/// Longest line that is kept, in bytes; the rest is cut and marked with [`CUT`].
pub(crate) const LONGEST_LINE: usize = 64 * 1024;
/// What stands at the end of a line that was cut.
pub(crate) const CUT: &str = " …[cut]";

/// Where the answer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not begun: what comes is a login shell's noise.
    Before,
    /// Between the framing lines.
    Inside,
    /// Ended, with these words.
    Ended(Vec<String>),
    /// The far end did not run the script and says why.
    Refused(String),
}

/// A line-streaming state machine.
#[derive(Debug)]
pub(crate) struct Parser {
    nonce: String,
    stage: Stage,
    line: Vec<u8>,
    cut: bool,
    /// An empty line waits for its successor: the one before `end` belongs to the framing.
    blank: bool,
}

impl Parser {
    /// A parser for the call with this nonce.
    pub(crate) fn new(nonce: impl Into<String>) -> Self {
        Self {
            nonce: nonce.into(),
            stage: Stage::Before,
            line: Vec::new(),
            cut: false,
            blank: false,
        }
    }

    /// Where the answer stands.
    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Takes the next bytes and gives each line that they complete to `on_line`.
    /// Bytes after the end line are ignored.
    pub(crate) fn feed(&mut self, bytes: &[u8], on_line: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            if !matches!(self.stage, Stage::Before | Stage::Inside) {
                return;
            }
            let (text, whole) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LONGEST_LINE - self.line.len();
            self.cut |= text.len() > room;
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if whole {
                self.finish_line(on_line);
            }
        }
    }

    fn finish_line(&mut self, on_line: &mut dyn FnMut(&str)) {
        let bytes = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&bytes).into_owned();
        if std::mem::take(&mut self.cut) {
            line.push_str(CUT);
        }
        if self.stage == Stage::Before {
            if self.after("begin", &line) == Some("") {
                self.stage = Stage::Inside;
            } else if let Some(why) = self.after("refused", &line) {
                self.stage = Stage::Refused(why.to_owned());
            }
            return;
        }
        if let Some(words) = self.after("end", &line) {
            self.stage = Stage::Ended(words.split(' ').map(str::to_owned).collect());
            return;
        }
        if std::mem::take(&mut self.blank) {
            on_line("");
        }
        if line.is_empty() {
            self.blank = true;
        } else {
            on_line(&line);
        }
    }

    /// What follows `<word> <nonce>` on a framing line.
    fn after<'a>(&self, word: &str, line: &'a str) -> Option<&'a str> {
        let rest = line.strip_prefix(word)?.strip_prefix(' ')?;
        let rest = rest.strip_prefix(&self.nonce)?;
        if rest.is_empty() {
            return Some(rest);
        }
        rest.strip_prefix(' ')
    }
}

/// The last bytes of a stream, for errors.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    max: usize,
    lost: bool,
}

impl Tail {
    /// Keeps the last `max` bytes.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            max,
            lost: false,
        }
    }
    /// Adds bytes, forgetting the oldest.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > self.max {
            self.lost = true;
            self.bytes.drain(..self.bytes.len() - self.max);
        }
    }
    /// The text, from the first whole line on where the start was lost.
    pub(crate) fn text(&self) -> String {
        let newline = self.bytes.iter().position(|b| *b == b'\n');
        let from = match newline {
            Some(at) if self.lost => at + 1,
            _ => 0,
        };
        String::from_utf8_lossy(&self.bytes[from..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(chunks: &[&[u8]]) -> (Stage, Vec<String>) {
        let mut parser = Parser::new("n1");
        let mut lines = Vec::new();
        for chunk in chunks {
            parser.feed(chunk, &mut |l| lines.push(l.to_owned()));
        }
        (parser.stage().clone(), lines)
    }
    fn ended(words: &[&str]) -> Stage {
        Stage::Ended(words.iter().map(|w| (*w).to_owned()).collect())
    }

    #[test]
    fn noise_before_and_after_is_not_the_answer() {
        let (stage, lines) = parse(&[
            b"Welcome!\nend n1 ok\nbegin n2\n\nbegin n1\nhello\n\nend n1 ok rc=0\nafter\nend n1 bad\n",
        ]);
        assert_eq!(stage, ended(&["ok", "rc=0"]));
        assert_eq!(lines, ["hello"]);
    }

    #[test]
    fn an_end_line_of_another_call_is_just_a_line() {
        let (stage, lines) = parse(&[
            b"begin n1\nend n2 ok\nend n12 ok\nend ok\n end n1 ok\nx end n1 ok\nbegin n1\n",
        ]);
        assert_eq!(stage, Stage::Inside);
        assert_eq!(
            lines,
            [
                "end n2 ok",
                "end n12 ok",
                "end ok",
                " end n1 ok",
                "x end n1 ok",
                "begin n1"
            ]
        );
    }

    #[test]
    fn an_end_line_that_was_cut_off_is_no_end() {
        let whole = b"begin n1\na\n\nend n1 ok rc=0\n";
        for k in 0..whole.len() {
            let (stage, _) = parse(&[&whole[..k]]);
            assert!(!matches!(stage, Stage::Ended(_)), "after {k} bytes");
        }
        assert_eq!(parse(&[whole]).0, ended(&["ok", "rc=0"]));
    }

    #[test]
    fn only_the_framing_s_own_empty_line_is_dropped() {
        let (_, lines) = parse(&[b"begin n1\n\na\n\n\n\nend n1 ok\n"]);
        assert_eq!(lines, ["", "a", "", ""]);
    }

    #[test]
    fn a_refusal_is_read() {
        let (stage, _) = parse(&[b"\nrefused n1 arrived damaged\n"]);
        assert_eq!(stage, Stage::Refused("arrived damaged".to_owned()));
    }

    #[test]
    fn a_long_line_is_cut_and_says_so_and_the_next_is_whole() {
        let mut bytes = b"begin n1\n".to_vec();
        bytes.extend(vec![b'x'; LONGEST_LINE + 1]);
        bytes.extend(b"\nnext\n");
        bytes.extend(vec![b'y'; LONGEST_LINE]);
        bytes.extend(b"\nend n1\n");
        let (stage, lines) = parse(&bytes.chunks(1000).collect::<Vec<_>>());
        assert_eq!(stage, ended(&[""]));
        assert_eq!(lines[0].len(), LONGEST_LINE + CUT.len());
        assert!(lines[0].ends_with(CUT));
        assert_eq!(lines[1], "next");
        assert_eq!(lines[2].len(), LONGEST_LINE);
    }

    #[test]
    fn a_tail_keeps_whole_last_lines() {
        let mut tail = Tail::new(10);
        tail.push(b"first\nsecond\n");
        tail.push(b"th");
        assert_eq!(tail.text(), "second\nth");
        let mut tail = Tail::new(100);
        tail.push(b"sudo: a password is required");
        assert_eq!(tail.text(), "sudo: a password is required");
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(
            body in proptest::collection::vec("[ -~]{0,8}|end n1 x|\u{e9}\u{4e2d}", 0..12),
            size in 1usize..9,
        ) {
            let text = format!("noise\n\nbegin n1\n{}\n\nend n1 ok\n", body.join("\n"));
            let whole = parse(&[text.as_bytes()]);
            let cut = parse(&text.as_bytes().chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(whole, cut);
        }

        #[test]
        fn nothing_that_arrives_can_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let (stage, lines) = parse(&[&bytes]);
            prop_assert_eq!(stage, Stage::Before);
            prop_assert!(lines.is_empty());
        }
    }
}
