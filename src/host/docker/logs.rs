//! Logs of a slot's containers, of one or several projects on a host, as one stream of lines.

use std::time::Duration;

use crate::host::script::Script;
use crate::name::ServiceName;

const TEXT: &str = include_str!("sh/logs.sh");

/// A follower ends with its connection; this is only an end for one that everybody forgot.
const FOLLOW: Duration = Duration::from_secs(7 * 24 * 3600);
/// Reading what was already said.
const ONCE: Duration = Duration::from_secs(300);

/// Which lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Lines from the end of each container; all where absent.
    pub tail: Option<u64>,
    /// Not older than this.
    pub since: Option<Duration>,
    /// Go on until the client goes; containers that start meanwhile are taken up.
    pub follow: bool,
    /// Of these services; of all where empty.
    pub services: Vec<ServiceName>,
    /// The app's record on the host; empty where nobody asks for what was adopted.
    pub folder: String,
}

/// Reads the logs of the projects' containers. Read-only: it runs without the lock.
#[must_use]
pub fn script(projects: &[String], wanted: &Wanted) -> Script {
    let body = super::body("logs", TEXT);
    let number = |n: Option<u64>, none: &str| n.map_or_else(|| none.to_owned(), |n| n.to_string());
    let mut script = Script::new(body.name, body.text)
        .args([
            number(wanted.tail, "all"),
            number(wanted.since.map(|d| d.as_secs()), "-"),
            if wanted.follow { "yes" } else { "no" }.to_owned(),
            wanted.folder.clone(),
            projects.len().to_string(),
        ])
        .args(projects.iter().cloned())
        .args(wanted.services.iter().map(ToString::to_string))
        .limit(if wanted.follow { FOLLOW } else { ONCE });
    script.tied = true;
    script
}

/// What a line of the script says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A stream begins; the number stands for it from here on.
    Stream {
        /// Its number on this host.
        stream: usize,
        /// Compose project.
        project: String,
        /// Compose service.
        service: String,
        /// Container.
        container: String,
    },
    /// A line of a stream.
    Line {
        /// Number of the stream.
        stream: usize,
        /// The engine's time stamp, RFC 3339 with nanoseconds; empty where the line has none.
        at: String,
        /// What the container wrote.
        text: String,
    },
    /// A stream has ended.
    End(usize),
}

/// Reads the lines. After a container was restarted its last second comes twice: lines that were
/// there before are left out.
#[derive(Debug, Clone, Default)]
pub struct LogReader {
    streams: Vec<Stream>,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    last: String,
    again: bool,
}

impl LogReader {
    /// Takes a line; what it says.
    pub fn line(&mut self, line: &str) -> Option<Said> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "s" => self.stream(rest),
            "l" => {
                let (n, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.text(n.parse().ok()?, text)
            }
            "r" => {
                self.streams.get_mut(rest.parse::<usize>().ok()?)?.again = true;
                None
            }
            "x" => {
                let stream = rest.parse().ok()?;
                self.streams.get(stream)?;
                Some(Said::End(stream))
            }
            _ => None,
        }
    }

    fn stream(&mut self, rest: &str) -> Option<Said> {
        let mut words = rest.split(' ');
        let stream = words.next()?.parse().ok()?;
        // Numbers grow by one; any other is not ours.
        if stream != self.streams.len() {
            return None;
        }
        self.streams.push(Stream::default());
        let mut word = || words.next().unwrap_or_default().to_owned();
        Some(Said::Stream {
            stream,
            project: word(),
            service: word(),
            container: word(),
        })
    }

    fn text(&mut self, stream: usize, line: &str) -> Option<Said> {
        let of = self.streams.get_mut(stream)?;
        let (at, text) = match line.split_once(' ') {
            Some((at, text)) if stamp(at) => (at, text),
            None if stamp(line) => (line, ""),
            _ => ("", line),
        };
        if of.again && !at.is_empty() {
            if at <= of.last.as_str() {
                return None;
            }
            of.again = false;
        }
        if !at.is_empty() {
            at.clone_into(&mut of.last);
        }
        Some(Said::Line {
            stream,
            at: at.to_owned(),
            text: text.to_owned(),
        })
    }
}

/// `2026-11-21T13:55:07.188467933Z`: of one length, so that text order is order in time.
fn stamp(word: &str) -> bool {
    word.len() == 30 && word.ends_with('Z') && word.as_bytes()[10] == b'T' && word.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &str = include_str!("../../../tests/fixtures/docker/logs.txt");

    fn read(text: &str) -> Vec<Said> {
        let mut reader = LogReader::default();
        text.lines().filter_map(|l| reader.line(l)).collect()
    }
    fn line(stream: usize, at: &str, text: &str) -> Said {
        Said::Line {
            stream,
            at: at.into(),
            text: text.into(),
        }
    }

    #[test]
    fn what_is_wanted_becomes_words() {
        let wanted = Wanted {
            tail: Some(5),
            since: Some(Duration::from_secs(60)),
            follow: true,
            services: vec![ServiceName::new("web").unwrap()],
            folder: "/r/e/a".to_owned(),
        };
        let script = script(&["a".into(), "b".into()], &wanted);
        assert_eq!(
            script.args,
            ["5", "60", "yes", "/r/e/a", "2", "a", "b", "web"]
        );
        assert!(script.tied);
        let all = super::script(&["a".into()], &Wanted::default());
        assert_eq!(all.args, ["all", "-", "no", "", "1", "a"]);
    }

    #[test]
    fn logs_of_two_containers_are_told_apart() {
        let said = read(LOGS);
        let streams: Vec<&str> = said
            .iter()
            .filter_map(|s| match s {
                Said::Stream { service, .. } => Some(service.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(streams, ["worker", "web"]);
        let of = |n: usize| {
            said.iter().filter_map(move |s| match s {
                Said::Line { stream, at, text } if *stream == n => Some((at, text)),
                _ => None,
            })
        };
        assert!(of(1).all(|(at, text)| stamp(at) && text.starts_with("ERROR cannot read")));
        assert!(of(1).count() > 1);
        assert!(of(0).any(|(_, text)| text.contains("listening on 8080")));
        assert_eq!(said.iter().filter(|s| matches!(s, Said::End(_))).count(), 2);
    }

    #[test]
    fn after_a_restart_nothing_is_shown_twice_and_nothing_is_lost() {
        let t = |n: u32| format!("2026-11-21T13:55:07.18846793{n}Z");
        let text = format!(
            "s 0 p web p-web-1\nl 0 {} a\nl 0 {} b\nr 0\nl 0 {} a\nl 0 {} b\nl 0 {} c\nl 0 {} c\n",
            t(1),
            t(2),
            t(1),
            t(2),
            t(3),
            t(3)
        );
        let shown = read(&text);
        assert_eq!(
            shown[1..],
            [
                line(0, &t(1), "a"),
                line(0, &t(2), "b"),
                line(0, &t(3), "c"),
                line(0, &t(3), "c")
            ]
        );
    }

    #[test]
    fn what_a_container_writes_is_never_taken_for_our_words() {
        let text = "s 0 p web c\nl 0 s 1 p x y\nl 0 x 0\nl 0\nl 7 none\nx 7\ns 5 p q r\nfoo\n";
        assert_eq!(
            read(text)[1..],
            [
                line(0, "", "s 1 p x y"),
                line(0, "", "x 0"),
                line(0, "", "")
            ]
        );
    }
}
