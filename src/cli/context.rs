//! What every command is given: options, the outside, the clock, the output.

use std::io;

use jiff::tz::TimeZone;

use super::args::{self, Options};
use super::failure::Failure;
use super::outside::Outside;
use super::source::Asked;
use crate::name::EnvName;
use crate::report::terminal::{Colours, Stderr};
use crate::report::{Face, Feed, Json, Out, Plain, Quiet, Terminal};
use crate::time::Clock;

/// The surroundings of a command.
#[derive(Debug)]
pub struct Context {
    /// Options of every command.
    pub options: Options,
    /// What the program was told by the world around it.
    pub outside: Outside,
    /// What time it is.
    pub clock: Clock,
    /// Where output goes.
    pub out: Out,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// What commands of `hosts_from` have printed.
    pub asked: Asked,
}

impl Context {
    /// Refuses what was given (`what`: an option or a command) without `-m`: it is written down.
    ///
    /// # Errors
    /// A usage failure where it was given and there is no reason.
    pub fn with_reason(&self, given: bool, what: &str) -> Result<(), Failure> {
        if !given || self.options.message.is_some() {
            return Ok(());
        }
        let missing = Failure::usage(format!("{what} needs a reason that is written down"));
        Err(missing.hint("add -m \"why\""))
    }

    /// True where colours are wanted and stderr shows them.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.outside.stderr_terminal && !self.options.no_color && !self.outside.no_color()
    }

    /// True where stdout shows colours and they are wanted.
    #[must_use]
    pub fn stdout_colour(&self) -> bool {
        self.outside.stdout_terminal && !self.options.no_color && !self.outside.no_color()
    }

    /// A face for the run that begins, listening to [`Feed::sender`].
    #[must_use]
    pub fn feed(&self) -> Feed {
        Feed::start(self.face())
    }

    /// Whether progress is drawn on the screen; with -v there is a line for everything instead.
    fn draws(&self) -> bool {
        let screen = self.outside.stderr_terminal && !self.outside.dumb();
        screen && !self.outside.ci() && self.options.verbose == 0
    }

    fn face(&self) -> Box<dyn Face> {
        let out = self.out.clone();
        if self.options.json {
            Box::new(Json::new(out))
        } else if self.options.quiet {
            let face = Quiet::new(out, self.zone.clone());
            Box::new(face.refusals(!self.options.unattended))
        } else if self.draws() {
            let colours = Colours {
                screen: self.colour(),
                results: self.stdout_colour(),
            };
            let clock = self.clock.clone();
            Box::new(Terminal::new(Box::new(Stderr), out, clock, colours))
        } else {
            Box::new(Plain::new(out, self.zone.clone()))
        }
    }

    /// The names of all environments: inventory files other than `defaults`, sorted.
    ///
    /// # Errors
    /// A configuration [`Failure`] where `inventories/` cannot be read.
    pub fn environments(&self) -> Result<Vec<EnvName>, Failure> {
        let place = &self.options.config_dir;
        let dir = place.strip_prefix(".").unwrap_or(place).join("inventories");
        let mut names: Vec<EnvName> = stems(&dir)
            .map_err(|error| {
                Failure::configuration(format!("{} cannot be read", dir.display()))
                    .because(error)
                    .hint("start `deploy` where `inventories/` is, or name the place with --config-dir")
            })?
            .iter()
            .filter(|stem| *stem != "defaults")
            .filter_map(|stem| EnvName::new(stem.as_str()).ok())
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The environment that was named, else all.
    ///
    /// # Errors
    /// A usage [`Failure`] where there is none of that name.
    pub fn environments_of(&self, named: Option<&EnvName>) -> Result<Vec<EnvName>, Failure> {
        let Some(env) = named else {
            return self.environments();
        };
        self.environment(env, false)?;
        Ok(vec![env.clone()])
    }

    /// Checks that an environment of this name exists and can be meant. `first`: the name was the
    /// first word on the line, so that a mistyped command may be meant as well.
    ///
    /// # Errors
    /// A usage [`Failure`] with what may have been meant.
    pub fn environment(&self, name: &EnvName, first: bool) -> Result<(), Failure> {
        if first && args::later(name.as_str()) {
            let none =
                format!("there is no command `{name}`, and no environment may have its name");
            return Err(Failure::usage(none).hint("`deploy --help` lists the commands"));
        }
        if args::reserved(name.as_str()) {
            return Err(Failure::usage(format!(
                "{name} is the name of a command and cannot be an environment"
            ))
            .hint("give the inventory file another name"));
        }
        let known = self.environments()?;
        if known.contains(name) {
            return Ok(());
        }
        let commands = if first { args::commands() } else { Vec::new() };
        let candidates = known.iter().map(EnvName::as_str);
        let candidates = candidates.chain(commands.iter().map(String::as_str));
        let what = if first {
            format!("there is no environment and no command {name}")
        } else {
            format!("there is no environment {name}")
        };
        let failure = Failure::usage(what).did_you_mean(name.as_str(), candidates);
        Err(failure.hint(match known.as_slice() {
            [] => "there are none yet: an environment is a file inventories/NAME.yml".to_owned(),
            all => format!("environments: {}", crate::report::words::names(all, 12)),
        }))
    }
}

fn stems(dir: &std::path::Path) -> io::Result<Vec<String>> {
    let mut stems = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        let stem = name.strip_suffix(".yml").or(name.strip_suffix(".yaml"));
        stems.extend(stem.map(str::to_owned));
    }
    Ok(stems)
}
