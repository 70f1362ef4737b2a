//! The quiet face, for cron: silent when all goes well.
//!
//! What a person would want to know is kept; where the run ends badly it is shown on stderr in
//! order, before the closing block on stdout. A good end shows nothing, not even the block: the
//! exit code says it, and the record keeps it.

use jiff::tz::TimeZone;

use super::face::Face;
use super::out::Out;
use super::plain::Plain;
use crate::event::{Event, Kind};
use crate::name::ExitCode;

/// Most events that are kept; older ones make room.
const KEPT: usize = 1000;

/// Shows failures, notes and host output, and only where the run ends badly.
#[derive(Debug)]
pub struct Quiet {
    plain: Plain,
    kept: Vec<Event>,
    refusals: bool,
}

impl Quiet {
    /// A face on these ends.
    #[must_use]
    pub fn new(out: Out, zone: TimeZone) -> Self {
        Self {
            plain: Plain::new(out, zone),
            kept: Vec::new(),
            refusals: true,
        }
    }

    /// Whether runs that were refused are shown; not where whoever waits for them tells it.
    #[must_use]
    pub fn refusals(self, refusals: bool) -> Self {
        Self { refusals, ..self }
    }

    fn show(&mut self) {
        for event in self.kept.drain(..) {
            self.plain.event(&event);
        }
    }
}

impl Face for Quiet {
    fn event(&mut self, event: &Event) {
        match &event.kind {
            Kind::Failed { .. } | Kind::Note { .. } | Kind::Line { .. } => {
                if self.kept.len() == KEPT {
                    self.kept.remove(0);
                }
                self.kept.push(event.clone());
            }
            Kind::Finished { outcome, .. } => {
                let code = ExitCode::from(outcome.kind);
                let untold = code == ExitCode::Refused && !self.refusals;
                if code == ExitCode::Success || untold {
                    self.kept.clear();
                } else {
                    self.show();
                    self.plain.event(event);
                }
            }
            _ => {}
        }
    }

    fn notice(&mut self, text: &str) {
        self.plain.notice(text);
    }

    fn close(&mut self) {
        // A run that never came to its end did not go well.
        self.show();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Stage;
    use crate::name::OutcomeKind;
    use crate::report::out::Kept;
    use crate::report::script::{self, Script};

    fn show(events: &[Event]) -> (String, String) {
        let (out, stdout, stderr) = Kept::pair();
        let mut face = Quiet::new(out, TimeZone::UTC);
        for event in events {
            face.event(event);
        }
        face.close();
        (stdout.text(), stderr.text())
    }

    #[test]
    fn a_good_run_says_nothing() {
        assert_eq!(show(&script::deploy()), (String::new(), String::new()));
    }

    #[test]
    fn a_bad_run_says_what_failed_and_how_it_ended() {
        let mut s = Script::new();
        s.begin("web3", Stage::Up);
        s.failed("web3", Stage::Up, "exit code 3");
        s.finished(OutcomeKind::Failed, "the block");
        let (stdout, stderr) = show(&s.events);
        assert_eq!(stdout, "the block\n");
        assert_eq!(
            stderr,
            "02:11:04.123 web3 FAILED while starting: exit code 3\n02:11:04.123  failed\n"
        );
    }

    #[test]
    fn a_refusal_is_told_unless_somebody_else_tells_it() {
        for (refusals, blocks) in [(true, "the block\n"), (false, "")] {
            let (out, stdout, _) = Kept::pair();
            let mut face = Quiet::new(out, TimeZone::UTC).refusals(refusals);
            let mut s = Script::new();
            s.finished(OutcomeKind::Refused, "the block");
            s.events.iter().for_each(|e| face.event(e));
            face.close();
            assert_eq!(stdout.text(), blocks);
        }
    }

    #[test]
    fn a_run_without_an_end_says_what_it_knew() {
        let mut s = Script::new();
        s.failed("web3", Stage::Up, "exit code 3");
        assert!(show(&s.events).1.contains("exit code 3"));
    }
}
