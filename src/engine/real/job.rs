//! Jobs on real machines: the container that runs one, and its mark in the record.

use super::{Real, dir, unknown};
use crate::engine::remote::{Answer, Trouble};
use crate::fleet::view::project;
use crate::host::docker::job::{self as docker, JobEnd, JobRun};
use crate::host::script::Body;
use crate::name::HostName;
use crate::plan::JobStart;
use crate::record::job::{self as record, Words};

/// What is written about a start.
fn words(start: &JobStart, salt: String) -> Words {
    let JobStart { release, job, .. } = start;
    Words {
        of: (release.id.clone(), release.revision, job.name.clone()),
        attempt: start.attempt,
        host: start.host.clone(),
        blocks: job.blocks,
        salt,
    }
}

impl Real {
    /// What is written about a start.
    pub(super) fn words(&self, start: &JobStart) -> Words {
        let mut of = self.specs.iter();
        let own = of.find(|((_, _, release), _)| *release == start.release.id);
        words(
            start,
            own.map_or_else(String::new, |(_, s)| s.secrets.salt.clone()),
        )
    }

    /// The body that runs a job.
    pub(super) fn job(&self, host: &HostName, start: &JobStart) -> Result<Body, Trouble> {
        let JobStart {
            slot, release, job, ..
        } = start;
        let setup = &self.site.setup;
        let spec = self.spec(host, slot, &release.id);
        let spec = spec.ok_or_else(|| unknown(&release.id))?;
        let mut services = spec.services.keys();
        let only = services.next().filter(|_| services.next().is_none());
        let Some(service) = job.service.as_ref().or(only) else {
            let why = format!("job {} does not say in whose container it runs", job.name);
            return Err(Trouble::Refused(why));
        };
        let project = project(&setup.env, &setup.app, slot);
        let (name, attempt) = (&job.name, start.attempt);
        let run = JobRun {
            name: format!("{project}-job-{name}-{}-{attempt}", release.id),
            dir: dir(&release.id, slot),
            service: service.clone(),
            within: job.within,
            project,
        };
        let words = self.words(start).args();
        Ok(docker::job(&run, record::lib(), words, &job.argv))
    }
}

/// What the lines of a job come to.
pub(super) fn answer(start: &JobStart, rc: i32, lines: &[String]) -> Answer {
    let (end, said) = docker::ended(lines, rc);
    let name = &start.job.name;
    let lines = || {
        let from = said.len().saturating_sub(20);
        said[from..].to_vec()
    };
    let last = said.iter().rev().find(|l| !l.trim().is_empty());
    let last = last.map_or_else(String::new, |l| format!(": {}", l.trim()));
    let failed = |why: String| Answer::Failed {
        why,
        lines: lines(),
    };
    match end {
        JobEnd::Done => Answer::Done(name.to_string()),
        JobEnd::Failed(124) => failed(format!(
            "job {name} took longer than {} and was stopped",
            crate::text::duration(start.job.within)
        )),
        JobEnd::Failed(code) => failed(format!("job {name} ended with exit code {code}{last}")),
        JobEnd::NotStarted => failed(format!("job {name} could not be started{last}")),
        JobEnd::Already => failed(format!(
            "job {name} was begun before, and is not begun again"
        )),
        JobEnd::Unknown => failed(format!(
            "job {name} was begun and nobody knows how it ended"
        )),
    }
}
