//! Which commit of which repository the configuration is of, read from git's own files: no git is
//! needed to deploy.
//!
//! Only what is checked out is told; whether files were changed since, git alone could say.

#![expect(clippy::disallowed_methods, reason = "the door of git's files")]

use std::fs;
use std::path::{Path, PathBuf};

use super::source::Config;

impl Config {
    /// The commit that is checked out where the configuration lies: 40 or 64 hex digits. None where
    /// it is in no repository, or before the first commit.
    #[must_use]
    pub fn commit(&self) -> Option<String> {
        let dir = fs::canonicalize(self.dir()).ok()?;
        let git = dir.ancestors().find_map(git_dir)?;
        let head = line(&git.join("HEAD"))?;
        let Some(name) = head.strip_prefix("ref: ") else {
            return hash(&head);
        };
        // A second work tree has its own HEAD and shares the branches.
        let shared = match line(&git.join("commondir")) {
            Some(path) => git.join(path),
            None => git.clone(),
        };
        let loose = [&git, &shared]
            .into_iter()
            .find_map(|d| line(&d.join(name)));
        hash(&loose.or_else(|| packed(&shared, name))?)
    }
}

/// `.git` in a directory: itself, or where the file of that name leads to.
fn git_dir(dir: &Path) -> Option<PathBuf> {
    let git = dir.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let target = line(&git)?;
    Some(dir.join(target.strip_prefix("gitdir: ")?))
}

fn packed(git: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(git.join("packed-refs")).ok()?;
    text.lines().find_map(|line| {
        let (hash, of) = line.split_once(' ')?;
        (of == name).then(|| hash.to_owned())
    })
}

fn line(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().next().map(|l| l.trim_end().to_owned())
}

fn hash(word: &str) -> Option<String> {
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && matches!(word.len(), 40 | 64)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(dir: &Path) -> Option<String> {
        Config::new(dir, []).commit()
    }

    #[test]
    fn every_way_in_which_git_names_a_commit_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let place = folder.path().join("ops/deploy");
        fs::create_dir_all(&place).unwrap();
        put(".git/HEAD", "ref: refs/heads/main\n");
        assert_eq!(commit(&place), None, "before the first commit");
        put(
            ".git/packed-refs",
            &format!("# pack-refs\n{a} refs/heads/main\n^{c}\n"),
        );
        assert_eq!(commit(&place), Some(a));
        put(".git/refs/heads/main", &format!("{b}\n"));
        assert_eq!(commit(&place), Some(b.clone()));
        put(".git/HEAD", &format!("{c}\n"));
        assert_eq!(commit(&place), Some(c.clone()));
        // A second work tree.
        put("tree/.git", "gitdir: ../.git/worktrees/tree\n");
        put(".git/worktrees/tree/HEAD", "ref: refs/heads/main\n");
        put(".git/worktrees/tree/commondir", "../..\n");
        assert_eq!(commit(&folder.path().join("tree")), Some(b));
        put(".git/HEAD", "nonsense\n");
        assert_eq!(commit(&place), None);
    }
}
