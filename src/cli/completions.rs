//! `deploy completions SHELL`: the text that teaches a shell to complete our words. What there is to
//! complete it asks of `deploy complete` each time. To add a shell: its file in `completions/`.

use super::context::Context;
use super::failure::Failure;
use crate::name::ExitCode;

/// Print the completion of a shell: commands, options, environments, apps, hosts
///
/// bash: `eval "$(deploy completions bash)"`; zsh: `eval "$(deploy completions zsh)"`, after compinit;
/// fish: `deploy completions fish | source`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// A shell that can be taught.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Args {
    /// Prints the text.
    ///
    /// # Errors
    /// None.
    pub fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let text = match self.shell {
            Shell::Bash => include_str!("completions/complete.bash"),
            Shell::Zsh => include_str!("completions/complete.zsh"),
            Shell::Fish => include_str!("completions/complete.fish"),
        };
        ctx.out.result(text.trim_end());
        Ok(ExitCode::Success)
    }
}
