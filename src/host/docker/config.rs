//! Compose's own judgement of rendered files on a host, before anything is started.

use std::time::Duration;

use super::LIB;
use crate::host::script::Script;

const TEXT: &str = include_str!("sh/config.sh");

/// What compose said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its exit code; `None`: it was not asked, or did not answer.
    pub code: Option<i32>,
    /// What it wrote, line by line.
    pub said: Vec<String>,
}

/// Asks `docker compose config` on the host. The files (path, bytes) lie in a temporary directory
/// there meanwhile. `deploy.yml` among them is laid over `docker-compose.yml`.
#[must_use]
pub fn script<'a>(project: &str, files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Script {
    let mut script = Script::new("config", [LIB, TEXT].concat()).limit(Duration::from_secs(40));
    script.args.push(project.to_owned());
    for (path, bytes) in files {
        script
            .args
            .extend([path.to_owned(), bytes.len().to_string()]);
        script.data.extend_from_slice(bytes);
    }
    script
}

/// Reads the answer; no exit code is never a good one.
#[must_use]
pub fn read(lines: &[String]) -> Judged {
    let code = lines
        .iter()
        .find_map(|l| l.strip_prefix("config ")?.parse().ok());
    let dir = lines.iter().find_map(|l| l.strip_prefix("dir "));
    // Where the files lay for a moment says nothing, and differs from host to host.
    let short = |l: &str| dir.map_or_else(|| l.to_owned(), |d| l.replace(&format!("{d}/"), ""));
    let said = lines.iter().filter_map(|l| l.strip_prefix("said "));
    Judged {
        code,
        said: said.map(short).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_exit_code_is_no_answer() {
        let lines = |l: &[&str]| read(&l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(lines(&["config 0"]).code, Some(0));
        assert_eq!(
            lines(&["config 15", "said no such key"]).said,
            ["no such key"]
        );
        assert_eq!(
            lines(&["dir /tmp/d.1", "config 1", "said in /tmp/d.1/x.yml"]).said,
            ["in x.yml"]
        );
        assert_eq!(lines(&["files failed"]).code, None);
        assert_eq!(lines(&["config "]).code, None);
        assert_eq!(lines(&[]).code, None);
    }
}
