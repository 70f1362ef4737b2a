//! A job: a command in a new container of a release, started at most once.

use std::time::Duration;

use crate::host::script::Body;
use crate::name::ServiceName;

const JOB: &str = include_str!("sh/job.sh");

/// Beside the command itself: making the container, stopping one that takes too long, its last words.
const AROUND: Duration = Duration::from_secs(150);

/// A container in which a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// Compose project of the slot.
    pub project: String,
    /// The release's files, relative to `$STATE`.
    pub dir: String,
    /// Service whose image, environment, volumes and networks it gets.
    pub service: ServiceName,
    /// Name of the container: of one attempt, so that the engine itself refuses a second one.
    pub name: String,
    /// Longest time.
    pub within: Duration,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// Exit status 0.
    Done,
    /// Another exit status; 124: it took too long.
    Failed(i32),
    /// No process of it has run: it may be tried again.
    NotStarted,
    /// It was begun before, and is not begun again.
    Already,
    /// It may have run, and may still run.
    Unknown,
}

/// Runs the job. `words` are the mark's, `lib` the shell functions that write it, `argv` the command.
#[must_use]
pub fn job(run: &JobRun, lib: &str, words: [String; 7], argv: &[String]) -> Body {
    let mut body = Body::new("job", [super::LIB, lib, JOB].concat())
        .args([&run.project, &run.dir])
        .args([run.service.as_str(), &run.name])
        .args([run.within.as_millis().div_ceil(1000).to_string()])
        .args(words)
        .args(argv.iter().cloned());
    body.limit = run.within + AROUND;
    body.follow = true;
    body
}

/// How it ended, by its last line and the script's status, and what it wrote before. The line alone
/// could be one of the command's, where the script died.
#[must_use]
pub fn ended(lines: &[String], rc: i32) -> (JobEnd, &[String]) {
    let Some((last, said)) = lines.split_last() else {
        return (JobEnd::Unknown, lines);
    };
    let words: Vec<&str> = last.split(' ').collect();
    let end = match words[..] {
        ["job", "done"] => JobEnd::Done,
        ["job", "failed", code] => code.parse().map_or(JobEnd::Unknown, JobEnd::Failed),
        ["job", "not", "started"] | ["job", "unwritten"] => JobEnd::NotStarted,
        ["job", "already", _] => JobEnd::Already,
        ["job", "unknown"] => JobEnd::Unknown,
        _ => return (JobEnd::Unknown, lines),
    };
    match (end, rc) {
        (JobEnd::Done, 0)
        | (JobEnd::Failed(_), 3)
        | (JobEnd::Already, 4)
        | (JobEnd::NotStarted, 5 | 6)
        | (JobEnd::Unknown, 7) => (end, said),
        _ => (JobEnd::Unknown, lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_say_how_it_ended_is_not_known() {
        let with = |text: &str, rc| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let (end, said) = ended(&lines, rc);
            (end, said.len())
        };
        assert_eq!(with("a\nb\njob done", 0), (JobEnd::Done, 2));
        assert_eq!(with("job failed 3", 3), (JobEnd::Failed(3), 0));
        assert_eq!(with("job already begun", 4), (JobEnd::Already, 0));
        assert_eq!(with("no\njob not started", 6), (JobEnd::NotStarted, 1));
        // The command's own words, and the script ended by its limit.
        for words in ["job done", "job failed 3", "job not started"] {
            for rc in [1, 124, 137, 143] {
                assert_eq!(with(words, rc).0, JobEnd::Unknown, "{words} {rc}");
            }
        }
        let end = |text: &str| with(text, 0);
        for torn in ["", "job done\nmore", "job failed x", "job", "job unknown"] {
            assert_eq!(end(torn).0, JobEnd::Unknown, "{torn}");
        }
    }
}
