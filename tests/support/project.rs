//! An operator's folder for a test: the repository's own templates and inventories, which a test may edit.

use super::{Fleet, root};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder with `inventories/` and `templates/`.
pub struct Project {
    folder: TempDir,
}

impl Project {
    /// The repository's templates and inventories, as the README shows them; only the registry's address is this fleet's.
    pub fn new(fleet: &Fleet) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let project = Self { folder };
        for part in ["templates", "inventories"] {
            let copied = Command::new("cp")
                .arg("-r")
                .arg(root().join(part))
                .arg(project.folder())
                .status();
            assert!(copied.expect("cp starts").success());
        }
        project.edit(
            "inventories/defaults.yml",
            "10.213.0.2:5000",
            &format!("{}:5000", fleet.address("registry")),
        );
        project
    }

    /// Replaces one place of a file.
    ///
    /// # Panics
    /// Where the file does not have it exactly once: a test must not go on with a file that it did not change.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.folder().join(name)).expect("a file");
        assert_eq!(text.matches(from).count(), 1, "'{from}' in {name}");
        self.write(name, &text.replace(from, to));
    }

    /// Where the tool runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the project.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }
}
