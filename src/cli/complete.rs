//! `deploy complete -- WORD…`: what the last of the words may become. For shells, see `completions`.
//!
//! Commands and options come from the grammar itself, environments, apps and hosts from the
//! inventories. To complete another kind of value: an arm in [`World::values`].

use super::args;
use super::context::Context;
use super::failure::Failure;
use super::session;
use crate::inventory::Inventory;
use crate::name::{EnvName, ExitCode};

/// What a word may become
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The words after `deploy`, the one that is being typed last
    #[arg(last = true, value_name = "WORD")]
    words: Vec<String>,
}

impl Args {
    /// Prints a line for each candidate: the word, a tab, what it is.
    ///
    /// # Errors
    /// None: where nothing is known nothing is offered.
    pub fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        let found = candidates(&args::bare_grammar(), &self.words, ctx);
        let lines: Vec<String> = found
            .iter()
            .map(|(w, what)| format!("{w}\t{what}"))
            .collect();
        if !lines.is_empty() {
            ctx.out.result(&lines.join("\n"));
        }
        Ok(ExitCode::Success)
    }
}

/// What is written, as far as it can be read.
trait World {
    /// The environments.
    fn environments(&self) -> Vec<String>;
    /// Words of a kind that an environment has: `APP`, `APP@`, `HOST`, `SLOT`.
    fn values(&self, kind: &str, env: &str) -> Vec<String>;
}

impl World for Context {
    fn environments(&self) -> Vec<String> {
        let all = self.environments().unwrap_or_default();
        all.iter().map(ToString::to_string).collect()
    }

    fn values(&self, kind: &str, env: &str) -> Vec<String> {
        let env = EnvName::new(env).ok();
        let inventory = env.and_then(|env| session::read(self, &env).ok());
        inventory.map_or_else(Vec::new, |inventory| of(&inventory, kind))
    }
}

fn of(inventory: &Inventory, kind: &str) -> Vec<String> {
    let apps = inventory.apps.keys();
    match kind {
        "APP" => apps.map(ToString::to_string).collect(),
        "APP@" => apps.map(|app| format!("{app}@")).collect(),
        "SLOT" => {
            let slots = inventory.apps.values().flat_map(|app| &app.slots);
            let mut all: Vec<String> = slots.map(|s| s.name.to_string()).collect();
            all.sort();
            all.dedup();
            all
        }
        _ => inventory.hosts.keys().map(ToString::to_string).collect(),
    }
}

/// What stands on the line before the word that is being typed.
#[derive(Default)]
struct Before<'a> {
    command: Option<&'a clap::Command>,
    /// Words that are no options, after the command.
    plain: Vec<&'a str>,
    /// The option whose value is being typed.
    open: Option<&'a clap::Arg>,
    /// A `--` was typed: what follows is somebody else's.
    rest: bool,
}

/// What the last word may become, in order, each with what it is.
fn candidates(
    grammar: &clap::Command,
    words: &[String],
    world: &dyn World,
) -> Vec<(String, String)> {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let before = read(grammar, before);
    let mut found = offers(grammar, &before, last, world);
    found.retain(|(word, _)| word.starts_with(last));
    found
}

fn read<'a>(grammar: &'a clap::Command, words: &'a [String]) -> Before<'a> {
    let mut out = Before::default();
    for word in words {
        if out.rest {
            continue;
        }
        if out.open.take().is_some() {
            continue;
        }
        if word == "--" {
            out.rest = true;
        } else if let Some(name) = word.strip_prefix('-') {
            let name = name.strip_prefix('-').unwrap_or(name);
            out.open = option(grammar, out.command, name).filter(|a| a.get_action().takes_values());
        } else if out.command.is_none() {
            let named = grammar.find_subcommand(word);
            // Another first word is the environment of a deploy.
            out.command = named.or_else(|| grammar.find_subcommand("deploy"));
            if named.is_none() {
                out.plain.push(word);
            }
        } else {
            out.plain.push(word);
        }
    }
    out
}

fn option<'a>(
    grammar: &'a clap::Command,
    command: Option<&'a clap::Command>,
    name: &str,
) -> Option<&'a clap::Arg> {
    let is = |arg: &&clap::Arg| {
        let mut letters = name.chars();
        let short = letters.next().filter(|_| letters.next().is_none());
        arg.get_long() == Some(name) || (short.is_some() && arg.get_short() == short)
    };
    let own = command.and_then(|c| c.get_arguments().find(is));
    own.or_else(|| grammar.get_arguments().find(is))
}

fn offers(
    grammar: &clap::Command,
    before: &Before<'_>,
    last: &str,
    world: &dyn World,
) -> Vec<(String, String)> {
    let env = before.plain.first().copied().unwrap_or_default();
    if before.rest {
        return Vec::new();
    }
    if let Some(arg) = before.open {
        return values(arg, env, world);
    }
    if last.starts_with('-') {
        let all = before.command.into_iter().chain([grammar]);
        let all = all.flat_map(clap::Command::get_arguments);
        let shown = all.filter(|arg| !arg.is_hide_set() && !arg.is_positional());
        let offer =
            |arg: &clap::Arg| Some((format!("--{}", arg.get_long()?), help(arg.get_help())));
        return shown.filter_map(offer).collect();
    }
    let Some(command) = before.command else {
        let commands = grammar.get_subcommands().filter(|c| !c.is_hide_set());
        let commands = commands.map(|c| (c.get_name().to_owned(), help(c.get_about())));
        let envs = world.environments().into_iter();
        return commands
            .chain(envs.map(|env| (env, "environment".to_owned())))
            .collect();
    };
    let mut positions = command.get_positionals();
    let several = |arg: &&clap::Arg| matches!(arg.get_action(), clap::ArgAction::Append);
    let arg = positions.nth(before.plain.len());
    let arg = arg.or_else(|| command.get_positionals().last().filter(several));
    arg.map_or_else(Vec::new, |arg| values(arg, env, world))
}

/// What an argument or the value of an option may be.
fn values(arg: &clap::Arg, env: &str, world: &dyn World) -> Vec<(String, String)> {
    let names = arg.get_value_names().unwrap_or_default();
    let name = names.first().map_or("", |n| n.as_str());
    let fixed: Vec<(String, String)> = arg
        .get_possible_values()
        .iter()
        .map(|v| (v.get_name().to_owned(), help(v.get_help())))
        .collect();
    let (kind, what) = match name {
        "ENV" => {
            let all = world.environments().into_iter();
            return all.map(|env| (env, "environment".to_owned())).collect();
        }
        "APP" => ("APP", "app"),
        "[APP]@VERSION" => ("APP@", "app"),
        "HOST" | "HOSTS" => ("HOST", "host"),
        "SLOT" => ("SLOT", "slot"),
        _ => return fixed,
    };
    let all = world.values(kind, env).into_iter();
    all.map(|word| (word, what.to_owned())).collect()
}

fn help(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shop;

    impl World for Shop {
        fn environments(&self) -> Vec<String> {
            ["production", "staging"].map(str::to_owned).to_vec()
        }
        fn values(&self, kind: &str, env: &str) -> Vec<String> {
            let all: &[&str] = match (env, kind) {
                ("staging", "APP") => &["app", "web"],
                ("staging", "APP@") => &["app@", "web@"],
                ("staging", "HOST") => &["lb1", "web1", "web2"],
                ("staging", "SLOT") => &["blue", "green"],
                _ => &[],
            };
            all.iter().map(|w| (*w).to_owned()).collect()
        }
    }

    /// Candidates for the last of the words; `_` stands for one that is still empty.
    fn complete(line: &str) -> String {
        let words: Vec<String> = line
            .split(' ')
            .map(|w| w.trim_matches('_').to_owned())
            .collect();
        let found = candidates(&args::bare_grammar(), &words, &Shop);
        let words: Vec<&str> = found.iter().map(|(w, _)| w.as_str()).collect();
        words.join(" ")
    }

    #[test]
    fn every_place_of_a_line_offers_what_belongs_there() {
        assert_eq!(complete("sta"), "stage status staging");
        assert_eq!(complete("status _"), "production staging");
        assert_eq!(complete("status staging _"), "app web");
        assert_eq!(complete("staging a"), "app@");
        assert_eq!(complete("stage staging w"), "web@");
        assert_eq!(complete("drain staging web"), "web1 web2");
        assert_eq!(complete("redeploy staging app w"), "web");
        assert_eq!(complete("logs staging app --host l"), "lb1");
        assert_eq!(complete("logs staging --slot _"), "blue green");
        assert_eq!(complete("logs staging --fol"), "--follow");
        assert_eq!(complete("status --env"), "");
        assert_eq!(complete("where x --env p"), "production");
        assert_eq!(complete("completions _"), "bash zsh fish");
    }

    #[test]
    fn options_with_values_before_do_not_shift_the_places() {
        assert_eq!(complete("-m why --config-dir /srv status stag"), "staging");
        assert_eq!(complete("--json status staging w"), "web");
        assert_eq!(complete("status --within=3s staging w"), "web");
        assert_eq!(complete("exec staging app -- _"), "");
        assert_eq!(complete("status --ye"), "--yes");
    }
}
