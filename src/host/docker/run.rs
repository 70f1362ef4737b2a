//! A command in a new container of a release's service, which is removed when the command ends.

use std::time::Duration;

use crate::host::script::Script;
use crate::name::ServiceName;

use super::exec::LIMIT;

const TEXT: &str = include_str!("sh/run.sh");
const UNRUN: &str = include_str!("sh/unrun.sh");

/// A container to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOff {
    /// Compose project of the slot.
    pub project: String,
    /// Absolute path of the release's files.
    pub dir: String,
    /// Name of the new container.
    pub name: String,
    /// Service whose image, environment, volumes and limits it gets.
    pub service: ServiceName,
}

/// Runs a command in the container, without input. `words` are the command and its arguments; no
/// newline may be in them. Its lines and its end are read as those of [`super::exec::script`].
#[must_use]
pub fn script(one: &OneOff, words: &[String]) -> Script {
    let body = super::body("run", TEXT);
    let mut script = Script::new(body.name, body.text)
        .args([&one.dir, &one.name, &one.project])
        .args([one.service.as_str()])
        .args(words.iter().cloned())
        .limit(LIMIT);
    script.tied = true;
    script
}

/// Removes the container, where a command on a terminal was cut off: nobody was left there to do it.
/// Answers `ok gone` where it is not there any more.
#[must_use]
pub fn remove(one: &OneOff) -> Script {
    let body = super::body("unrun", UNRUN);
    Script::new(body.name, body.text)
        .args([&one.name])
        .limit(Duration::from_secs(60))
}

/// The same with a terminal: the words of the docker command.
#[must_use]
pub fn on_terminal(one: &OneOff, words: &[String]) -> Vec<String> {
    let OneOff { dir, .. } = one;
    let files = [
        "--project-directory".to_owned(),
        dir.clone(),
        "-f".to_owned(),
        format!("{dir}/docker-compose.yml"),
        "-f".to_owned(),
        format!("{dir}/deploy.yml"),
    ];
    let run = ["run", "--rm", "--no-deps", "--name", &one.name];
    ["docker", "compose", "-p", &one.project]
        .map(str::to_owned)
        .into_iter()
        .chain(files)
        .chain(run.map(str::to_owned))
        .chain([one.service.to_string()])
        .chain(words.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words() {
        let one = OneOff {
            project: "staging-app-blue".to_owned(),
            dir: "/var/lib/deploy/staging/app/releases/r/blue".to_owned(),
            name: "staging-app-blue-run-1".to_owned(),
            service: "app".parse().unwrap(),
        };
        let words = ["sh", "-c", "echo $(id) ; 'x'"].map(str::to_owned);
        let made = script(&one, &words);
        let dir = one.dir.as_str();
        let args = [dir, one.name.as_str(), one.project.as_str(), "app"];
        assert_eq!(made.args[..4], args);
        assert_eq!(made.args[4..], words);
        assert!(made.tied && !made.text.contains("$(id)"));
        assert_eq!(on_terminal(&one, &words)[16..], words);
    }
}
