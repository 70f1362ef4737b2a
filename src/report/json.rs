//! The face for programs: one event per line on stdout, and nothing else there.

use super::face::Face;
use super::out::Out;
use crate::event::Event;

/// Writes each event as one line of JSON to stdout.
#[derive(Debug)]
pub struct Json {
    out: Out,
}

impl Json {
    /// A face on these ends.
    #[must_use]
    pub fn new(out: Out) -> Self {
        Self { out }
    }
}

impl Face for Json {
    fn event(&mut self, event: &Event) {
        match serde_json::to_string(event) {
            Ok(line) => self.out.result(&line),
            Err(error) => self.out.say(&format!(
                "warning: event {} could not be written as JSON: {error}",
                event.seq
            )),
        }
    }

    fn notice(&mut self, text: &str) {
        self.out.say(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::out::Kept;
    use crate::report::script;

    #[test]
    fn every_line_is_one_event_and_nothing_else_is_on_stdout() {
        let (out, stdout, stderr) = Kept::pair();
        let mut face = Json::new(out);
        let events = script::deploy();
        for event in &events {
            face.event(event);
        }
        face.close();
        let values: Vec<serde_json::Value> = stdout
            .text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(values.len(), events.len());
        assert_eq!(stderr.text(), "");
        assert!(values.iter().all(|v| v["v"] == 1 && v["event"].is_string()));
        let pulled = values
            .iter()
            .find(|v| v["event"] == "done" && v["stage"] == "pull")
            .unwrap();
        assert_eq!(pulled["host"], "web3");
        assert_eq!(pulled["ms"], 300);
        assert_eq!(pulled["at"], "2024-03-07T02:11:04.523Z");
    }
}
