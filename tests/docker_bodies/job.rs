//! A job against the real engine: how it ended is told, it is never restarted, and nothing of it stays.

use std::time::Duration;

use deploy::fleet::JobState;
use deploy::host::docker::job::{self, JobEnd, JobRun};
use deploy::record::job::{Words, lib};

use super::rig::Rig;
use super::{GOOD, PROJECT};

#[tokio::test]
async fn a_job_ends_as_its_command_did_and_leaves_nothing() {
    let Some(mut rig) = Rig::start().await else {
        return;
    };
    let one = rig.image(GOOD).await;
    let dir = rig.release("rel1", GOOD, &one).await;
    let mut attempt = 0;
    // The service has `restart: always`, and a port that a second container could not have.
    for (service, argv, within, wanted) in [
        ("web", &["healthcheck"][..], 60, JobEnd::Failed(1)),
        ("web", &[], 2, JobEnd::Failed(124)),
        ("nosuch", &["healthcheck"], 60, JobEnd::NotStarted),
    ] {
        attempt += 1;
        let run = JobRun {
            project: PROJECT.to_owned(),
            dir: dir.clone(),
            service: service.parse().unwrap(),
            name: format!("{PROJECT}-job-migrate-rel1-{attempt}"),
            within: Duration::from_secs(within),
        };
        let words = Words {
            of: ("rel1".parse().unwrap(), 43, "migrate".parse().unwrap()),
            attempt,
            host: "web1".parse().unwrap(),
            blocks: false,
            salt: "5a17".into(),
        };
        let argv: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
        let body = job::job(&run, lib(), words.args(), &argv);
        let (rc, said) = rig.step(&body).await;
        assert_eq!(job::ended(&said, rc).0, wanted, "{said:#?}");
        let marks = rig.look().await.0.jobs;
        let state = match wanted {
            JobEnd::Failed(code) => JobState::Failed(code),
            _ => JobState::Open,
        };
        assert_eq!((marks[0].attempt, marks[0].state), (attempt, state));
        assert!(rig.ours().await.is_empty(), "a container stayed");
        // The same attempt once more.
        let (rc, said) = rig.step(&body).await;
        assert_eq!(job::ended(&said, rc).0, JobEnd::Already, "{said:#?}");
    }
    rig.end().await;
}
