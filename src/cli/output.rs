//! The door through which the program writes files that a person asked for.

use std::path::Path;

use super::failure::Failure;

/// Writes a file, whole or not at all: beside its place first, then renamed.
///
/// # Errors
/// A usage failure where the place cannot be written.
#[expect(clippy::disallowed_methods, reason = "the door of written files")]
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Failure::usage(format!("{} cannot be written", path.display())).because(error)
    })
}
