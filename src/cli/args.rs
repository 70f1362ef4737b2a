//! The grammar: what may be typed, and what it is taken for.
//!
//! A first word that is no command is an environment: `deploy staging app@1.0.1` is read as the
//! hidden command `deploy` with the rest as its arguments. To add a command: one file with its
//! arguments (doc comments are the help) and `run`, one line in [`Command`] and in `Command::run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::{
    catch_up, check, deploy, drain, init, inventory, lock, logs, plan, render, restart, resume,
    rollback, schema, stage, status, switch, undrain, unlock,
};

/// Brings an environment of plain Docker hosts to a wanted release without dropping a request
#[derive(Debug, Parser)]
#[command(
    name = "deploy",
    version,
    before_help = EXAMPLES,
    after_help = EXIT_CODES,
    override_usage = "deploy [OPTIONS] ENV [APP]@VERSION\n       deploy [OPTIONS] COMMAND …",
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

pub(super) const EXAMPLES: &str = "\
Examples:
  deploy staging app@1.0.1-22-7e56158         pull, start, gate, switch, keep the way back
  deploy plan staging app@1.0.1-22-7e56158    show what that would do, change nothing
  deploy stage staging app@1.0.1-22-7e56158   all but the switch: nobody notices
  deploy switch staging app                   the switch alone, about a second
  deploy rollback staging app                 back to the release before, about a second
  deploy status                               what runs where, and is the way back ready

APP may be left out where the environment has one: `deploy staging @1.0.1-22-7e56158`.
`deploy staging` alone lists what it could mean.";

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    succeeded, nothing to change, staged
  1    failed before traffic moved: what served before serves now
  2    the command line or the configuration is wrong: nothing was changed
  3    there is something to change or different, where it was asked to tell
       (plan, status, diff with --exit-code; drift always)
  4    refused: another run, a lock, a freeze, no open window, a load balancer that
       was broken before, or somebody took over
  5    traffic was moved and moved back
  6    mixed: hosts differ and a person is needed; unfinished: `deploy resume` is needed
  7    could not tell: a host, load balancer or registry did not answer
  130  stopped by Ctrl-C, all put back (143: by SIGTERM)
  Where several apply: 6, then 7, 5, 1, 3.

Hosts are reached as by `ssh`: your configuration, agent and known_hosts.
DEPLOY_SSH_CONFIG=FILE names another ssh configuration.
Completion for bash, zsh and fish: `deploy completions --help`.";

/// Parts of each help text: what it is, how it looks, how to call it.
const HELP: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

const EVERYWHERE: &str = "Options of every command";

/// Options that may stand anywhere on the line.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = EVERYWHERE)]
pub struct Options {
    /// Read `inventories/` and `templates/` in this directory
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub config_dir: PathBuf,
    /// Write one JSON object per line to stdout, and nothing else
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub json: bool,
    /// Say nothing unless it ends badly
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Show each remote script with its time
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Do not ask before a protected environment is changed
    #[arg(long, global = true)]
    pub yes: bool,
    /// Why it is done; kept with the run on the hosts
    #[arg(short, long, global = true, value_name = "TEXT")]
    pub message: Option<String>,
    /// Ticket of the change, where the environment asks for one
    #[arg(long, global = true, value_name = "ID")]
    pub ticket: Option<String>,
    /// Set a value above all others for this run, e.g. `apps.app.vars.log_level=debug`
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    /// A person's word sets locks, windows and freezes aside (`--override`).
    #[arg(skip)]
    pub word: bool,
    /// Nobody watches: what another run was first with is tried again, and not told.
    #[arg(skip)]
    pub unattended: bool,
    /// Use no colours (also: NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a command's arguments hold its words: they are the help"
)]
pub enum Command {
    #[command(hide = true)]
    Deploy(deploy::Args),
    Stage(stage::Args),
    Switch(switch::Args),
    Weight(super::weight::Args),
    Rollback(rollback::Args),
    Resume(resume::Args),
    Job(super::job::Args),
    CatchUp(catch_up::Args),
    Drain(drain::Args),
    Undrain(undrain::Args),
    Status(status::Args),
    Plan(plan::Args),
    Apply(super::apply::Args),
    Versions(super::versions::Args),
    Pull(super::pull::Args),
    Prune(super::prune::Args),
    Render(render::Args),
    Init(init::Args),
    Setup(super::setup::Args),
    Adopt(super::adopt::Args),
    Check(check::Args),
    Checklist(super::checklist::Args),
    Inventory(inventory::Args),
    Schema(schema::Args),
    Logs(logs::Args),
    Exec(super::exec::Args),
    Run(super::run::Args),
    History(super::history::Args),
    Show(super::show::Args),
    Diff(super::diff::Args),
    Drift(super::drift::Args),
    Where(super::where_is::Args),
    Redeploy(super::redeploy::Args),
    Restart(restart::Args),
    Sync(super::sync::Args),
    Remove(super::remove::Args),
    Lock(lock::Args),
    Unlock(unlock::Args),
    Completions(super::completions::Args),
    Man(super::man::Args),
    #[command(hide = true)]
    Complete(super::complete::Args),
    /// Anything else: the first word is an environment.
    #[command(external_subcommand)]
    Environment(Vec<OsString>),
}

impl Command {
    /// Whether `--override` was given.
    #[must_use]
    pub fn word(&self) -> bool {
        let word = match self {
            Self::Deploy(a) => a.word,
            Self::Stage(a) => a.word,
            Self::Switch(a) => a.word,
            Self::Weight(a) => a.word,
            Self::Remove(a) => a.word,
            Self::Apply(a) => a.word,
            Self::Redeploy(a) => a.word,
            Self::Restart(a) => a.word,
            Self::Sync(a) => a.word,
            _ => return false,
        };
        word.given
    }
}

/// Commands that the list of commands leaves out.
const HIDDEN: &[&str] = &["deploy", "complete", "completions"];

/// Commands that are to come; an environment of this name would be hidden by them.
const LATER: &[&str] = &[
    "abort", "cancel", "freeze", "help", "hold", "pause", "promote", "release", "serve", "thaw",
    "unhold",
];

/// What the arguments are.
#[derive(Debug)]
pub enum Parsed {
    /// Something to do.
    Run(Box<Cli>),
    /// Help or version, for stdout.
    Text(String),
    /// They make no sense; what to say on stderr.
    Wrong(String),
}

/// How texts may look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// They may hold colours.
    pub colour: bool,
    /// Longest line.
    pub columns: usize,
}

/// Reads the arguments, the program's name first.
#[must_use]
pub fn parse(args: &[OsString], look: Look) -> Parsed {
    match read(args, look) {
        Ok(cli) if cli.command.is_some() => Parsed::Run(Box::new(cli)),
        Ok(_) => Parsed::Wrong(styled(&grammar(look).render_help(), look)),
        Err(error) => {
            let text = styled(&error.render(), look);
            if error.use_stderr() {
                Parsed::Wrong(text)
            } else {
                Parsed::Text(text)
            }
        }
    }
}

fn read(args: &[OsString], look: Look) -> Result<Cli, clap::Error> {
    let cli = from(args, look)?;
    let Some(Command::Environment(words)) = &cli.command else {
        return Ok(cli);
    };
    // The words stand at the end, from the environment on: the command goes before them.
    let mut args = args.to_vec();
    args.insert(args.len() - words.len(), "deploy".into());
    from(&args, look)
}

fn from(args: &[OsString], look: Look) -> Result<Cli, clap::Error> {
    let mut grammar = grammar(look);
    let matches = grammar.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches(&matches).map_err(|e| e.format(&mut grammar))
}

fn grammar(look: Look) -> clap::Command {
    Cli::command()
        .help_template(HELP)
        .term_width(look.columns)
        .mut_subcommands(|command| calm(command).help_template(HELP).disable_version_flag(true))
}

/// What a doc comment says below its first line stands before the usage: as a "long about" it
/// would spread every option over three lines.
fn calm(command: clap::Command) -> clap::Command {
    let long = command.get_long_about().map(ToString::to_string);
    match long.as_deref().and_then(|text| text.split_once("\n\n")) {
        Some((_, rest)) => {
            let rest = rest.trim_end().to_owned();
            command.long_about(None).before_help(rest)
        }
        None => command,
    }
}

fn styled(text: &clap::builder::StyledStr, look: Look) -> String {
    if look.colour {
        text.ansi().to_string()
    } else {
        text.to_string()
    }
}

/// The grammar without its looks, for whoever asks what may be typed.
#[must_use]
pub fn bare_grammar() -> clap::Command {
    Cli::command()
}

/// Every command that can be typed, hidden ones not.
#[must_use]
pub fn commands() -> Vec<String> {
    Cli::command()
        .get_subcommands()
        .filter(|c| !c.is_hide_set())
        .map(|c| c.get_name().to_owned())
        .collect()
}

/// True for words that no environment may have as its name.
#[must_use]
pub fn reserved(word: &str) -> bool {
    HIDDEN.contains(&word) || later(word) || commands().iter().any(|c| c == word)
}

/// Whether a command of this name is only to come.
#[must_use]
pub fn later(word: &str) -> bool {
    LATER.contains(&word)
}

/// Every word that no environment may have as its name.
#[must_use]
pub fn all_reserved() -> Vec<String> {
    let later = LATER.iter().map(|w| (*w).to_owned());
    commands()
        .into_iter()
        .chain(later)
        .chain(HIDDEN.iter().map(|w| (*w).to_owned()))
        .collect()
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
#[path = "args/tests.rs"]
mod tests;
