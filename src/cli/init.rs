//! `deploy init`: a small working configuration to begin with.
//!
//! The files lie beside this one; `tests/cli.rs` writes, checks and renders them.

use std::io::Write;
use std::path::Path;

use super::context::Context;
use super::failure::Failure;
use super::session;
use crate::name::ExitCode;

/// Write a small working configuration to begin with: an inventory and a template
///
/// Writes inventories/defaults.yml, inventories/staging.yml and the template of `app` into the
/// directory of --config-dir. A file that is there already is never touched: then nothing is written.
#[derive(Debug, clap::Args)]
pub struct Args {}

const FILES: [(&str, &str); 3] = [
    (
        "inventories/defaults.yml",
        include_str!("init/defaults.yml"),
    ),
    ("inventories/staging.yml", include_str!("init/staging.yml")),
    (
        "templates/app/docker-compose.yml.j2",
        include_str!("init/docker-compose.yml.j2"),
    ),
];

impl Args {
    /// Writes the files.
    ///
    /// # Errors
    /// Files that are there already, or that cannot be written.
    pub async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let dir = session::config_dir(ctx);
        let there = FILES.iter().map(|(path, _)| *path);
        let there: Vec<&str> = there
            .filter(|path| dir.join(path).symlink_metadata().is_ok())
            .collect();
        if !there.is_empty() {
            let what = format!("nothing was written: {} is there already", there.join(", "));
            let failure = Failure::usage(what);
            return Err(failure.hint("name an empty directory: deploy init --config-dir DIR"));
        }
        for (path, text) in FILES {
            let place = dir.join(path);
            write(&place, text).map_err(|error| {
                Failure::failed(format!("{} could not be written", place.display())).because(error)
            })?;
            let shown = place.strip_prefix(".").unwrap_or(&place);
            ctx.out.result(&shown.display().to_string());
        }
        ctx.out.say(
            "next: put your hosts and image into inventories/, then\n  \
             deploy check --offline\n  deploy render staging @VERSION\n  deploy setup staging\n  deploy check staging",
        );
        Ok(ExitCode::Success)
    }
}

/// A new file; one that appeared meanwhile is an error too.
fn write(place: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = place.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = std::fs::File::create_new(place)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
