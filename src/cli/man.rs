//! `deploy man DIR`: manual pages, made from the same words as the help.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Cli, EXAMPLES, EXIT_CODES};
use super::context::Context;
use super::failure::Failure;
use super::output;
use crate::name::ExitCode;

/// Write the manual pages: deploy.1 and one for each command
///
/// For a package, or for `man -l DIR/deploy.1`. Pages that lie in the directory already are
/// written anew. Under a directory of MANPATH they belong into its `man1`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory for the pages
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Args {
    /// Writes the pages and names them.
    ///
    /// # Errors
    /// A directory or file that cannot be written.
    pub fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        for (name, page) in pages() {
            let place = self.dir.join(&name);
            output::write(&place, &page)?;
            ctx.out.result(&place.display().to_string());
        }
        Ok(ExitCode::Success)
    }
}

/// File names and texts of all pages, `deploy.1` first.
fn pages() -> Vec<(String, String)> {
    let mut whole = Cli::command().after_help(format!("{EXAMPLES}\n\n{EXIT_CODES}"));
    // Gives every command its options, also those that stand anywhere, and its full name.
    whole.build();
    let commands = whole.get_subcommands().filter(|c| !c.is_hide_set());
    let own = commands.map(|c| {
        let global: Vec<clap::Id> = c
            .get_arguments()
            .filter(|a| a.is_global_set())
            .map(|a| a.get_id().clone())
            .collect();
        let mut own = c.clone().after_help("Options of every command: deploy(1).");
        for id in global {
            own = own.mut_arg(id, |a| a.hide(true));
        }
        own
    });
    let own: Vec<clap::Command> = own.collect();
    std::iter::once(whole).chain(own).map(page).collect()
}

fn page(command: clap::Command) -> (String, String) {
    let man = Man::new(command).manual("deploy");
    let mut text = Vec::new();
    man.render(&mut text)
        .expect("a vector takes all that is written to it");
    let text = String::from_utf8(text).expect("a page of our own words");
    (man.get_filename(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_the_help_names_has_a_page() {
        let pages = pages();
        let text = |name: &str| {
            let page = pages.iter().find(|(n, _)| n == name);
            page.unwrap_or_else(|| panic!("{name}")).1.clone()
        };
        let whole = text("deploy.1");
        for word in ["Exit codes", "could not tell", "Examples", "config\\-dir"] {
            assert!(whole.contains(word), "{word}\n{whole}");
        }
        let of = Cli::command();
        for command in of.get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = command.get_name();
            let text = text(&format!("deploy-{name}.1"));
            let name = format!("deploy-{name}").replace('-', "\\-");
            assert!(text.contains(&name), "{text}");
            assert!(!text.contains("one JSON object per line"), "{text}");
        }
        assert!(text("deploy-exec.1").contains("all hosts of the slot"));
        assert!(pages.iter().all(|(n, _)| n != "deploy-complete.1"));
    }
}
