//! Jobs on record (`jobs/<release>.<job>`): that one was begun, and how it ended. The host that runs a
//! job writes its own word within the step that starts it (`host::docker::job`), the others are told
//! before and after by the step here.
//!
//! The form of a line: `1 <release> <revision> <job> <attempt> <state> <host> <way> <run> <at> .`, the
//! state `begun`, `open`, `failed:<rc>`, `skipped` or `done`, the way `blocked` or `allowed`. They stay
//! when a release is pruned: it may come back.

use crate::fleet::{JobMark, JobState};
use crate::host::script::Body;
use crate::name::{HostName, JobName, ReleaseId, RunId};

const LIB: &str = include_str!("sh/job.sh");
const MARK: &str = include_str!("sh/mark.sh");

/// What is written about a job: all of a mark but who writes it and when, which the host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Release, its number, job.
    pub of: (ReleaseId, u64, JobName),
    /// The attempt.
    pub attempt: u32,
    /// The host that runs it.
    pub host: HostName,
    /// A rollback to an earlier release is refused.
    pub blocks: bool,
    /// What the release's fingerprints of secrets are made with; empty where that is not known.
    pub salt: String,
}

impl Words {
    /// The parameters of the functions in `sh/job.sh`: RELEASE REVISION JOB ATTEMPT HOST WAY SALT.
    #[must_use]
    pub fn args(&self) -> [String; 7] {
        let (release, revision, job) = &self.of;
        let way = if self.blocks { "blocked" } else { "allowed" };
        [
            release.to_string(),
            revision.to_string(),
            job.to_string(),
            self.attempt.to_string(),
            self.host.to_string(),
            way.to_owned(),
            match self.salt.as_str() {
                "" => "-".to_owned(),
                salt => salt.to_owned(),
            },
        ]
    }
}

/// Shell functions that read and write marks, for a body.
#[must_use]
pub fn lib() -> &'static str {
    LIB
}

/// Writes a word about a job that another host runs. Doing it twice changes nothing; a word that is
/// outdone already is left as it is.
#[must_use]
pub fn mark(words: &Words, state: JobState) -> Body {
    let args = words.args().into_iter().chain([word(state)]);
    Body::new("mark", [LIB, MARK].concat()).args(args)
}

/// The word of a state in the record.
#[must_use]
pub fn word(state: JobState) -> String {
    match state {
        JobState::Begun => "begun".to_owned(),
        JobState::Open => "open".to_owned(),
        JobState::Failed(code) => format!("failed:{code}"),
        JobState::Skipped => "skipped".to_owned(),
        JobState::Done => "done".to_owned(),
    }
}

/// Reads a state; `None` for any other word.
#[must_use]
pub fn state(word: &str) -> Option<JobState> {
    Some(match word {
        "begun" => JobState::Begun,
        "open" => JobState::Open,
        "skipped" => JobState::Skipped,
        "done" => JobState::Done,
        other => JobState::Failed(other.strip_prefix("failed:")?.parse().ok()?),
    })
}

/// Reads one line; `None` where it does not have its form.
pub(super) fn read(line: &str) -> Option<JobMark> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        "1",
        release,
        revision,
        job,
        attempt,
        how,
        host,
        way,
        salt,
        run,
        at,
        ".",
    ] = words[..]
    else {
        return None;
    };
    Some(JobMark {
        release: ReleaseId::new(release).ok()?,
        revision: revision.parse().ok()?,
        job: JobName::new(job).ok()?,
        attempt: attempt.parse().ok()?,
        state: state(how)?,
        host: HostName::new(host).ok()?,
        blocks: match way {
            "blocked" => true,
            "allowed" => false,
            _ => return None,
        },
        salt: match salt {
            "-" => String::new(),
            salt if salt.bytes().all(|b| b.is_ascii_alphanumeric()) => salt.to_owned(),
            _ => return None,
        },
        run: RunId::new(run).ok()?,
        at: at.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_does_not_have_its_form_is_no_mark() {
        let line = "1 rel1 43 migrate 2 failed:3 web1 blocked 5a17 r-7 99 .";
        let mark = read(line).unwrap();
        assert_eq!((mark.attempt, mark.state), (2, JobState::Failed(3)));
        assert!(mark.blocks && mark.revision == 43);
        for torn in [
            "1 rel1 43 migrate 2 failed:3 web1 blocked 5a17 r-7 99",
            "1 rel1 43 migrate 2 failed: web1 blocked 5a17 r-7 99 .",
            "1 rel1 43 migrate 2 ended web1 blocked 5a17 r-7 99 .",
            "1 rel1 43 migrate 2 done web1 perhaps 5a17 r-7 99 .",
            "2 rel1 43 migrate 2 done web1 blocked 5a17 r-7 99 .",
            "?",
            "",
        ] {
            assert_eq!(read(torn), None, "{torn}");
        }
        for state in ["begun", "open", "failed:3", "skipped", "done"] {
            assert_eq!(word(super::state(state).unwrap()), state);
        }
    }
}
