//! The command line: grammar, one file per command, failures and exit codes, questions.
//!
//! - `args`      the grammar; to add a command, begin there
//! - `output`    the door of files that a person asked for
//! - `outside`   what `main` reads once
//! - `context`   what every command is given
//! - `target`    `app@version` and what it means
//! - `place`     which apps of which environment: opened once, carried along
//! - `failure`   kinds, causes, hints, exit codes
//! - `confirm`   the question of a protected environment
//! - `signals`   Ctrl-C and its like as values
//! - `seeing`    how long hosts are waited for by what only looks
//! - `source`    what a command of `hosts_from` prints
//! - `several`   several apps in one command
//! - `session`   configuration read, machines connected, faces listening
//! - `notify`    who is told of a run; `hooks` programs around it
//! - `drive`     from a plan to its end; `summary` the block at the end
//! - `streams`   logs of all hosts as one
//! - `unfinished` what a run left behind
//! - `exclude`   load balancers that are left out
//! - `work`      what a command does once its words are understood: where engine and faces meet
//! - one file for each command: `deploy`, `stage`, `switch`, …

pub mod adopt;
pub mod apply;
pub mod args;
pub mod bring;
pub mod catch_up;
pub mod check;
pub mod checklist;
pub mod complete;
pub mod completions;
pub mod confirm;
pub mod context;
pub mod deploy;
pub mod diff;
pub mod drain;
pub mod drift;
pub mod drive;
pub mod exclude;
pub mod exec;
pub mod failure;
pub mod guard;
pub mod history;
pub mod hooks;
pub mod init;
pub mod inside;
pub mod inventory;
pub mod job;
pub mod lock;
pub mod logins;
pub mod logs;
pub mod man;
pub mod notify;
pub mod output;
pub mod outside;
pub mod place;
pub mod plan;
pub mod planned;
pub mod promote;
mod prune;
pub mod pull;
pub mod redeploy;
pub mod remove;
pub mod render;
pub mod restart;
pub mod resume;
pub mod rollback;
pub mod run;
pub mod schema;
pub mod secrets;
pub mod seeing;
pub mod session;
pub mod setup;
pub mod several;
pub mod show;
pub mod signals;
pub mod source;
pub mod stage;
pub mod status;
pub mod streams;
pub mod summary;
pub mod switch;
pub mod sync;
pub mod target;
pub mod undrain;
pub mod unfinished;
pub mod unlock;
pub mod versions;
pub mod weight;
pub mod where_is;
pub mod work;

pub use context::Context;
pub use failure::{Failure, FailureKind};
pub use outside::Outside;

use args::{Cli, Command, Parsed};

use crate::event::jiff_text::Stamp;
use crate::event::{Event, Kind};
use crate::name::ExitCode;
use crate::report::{self, Face, Json, Out};
use crate::time::Clock;

/// Longest line of help.
const WIDEST: usize = 100;

/// Reads the arguments, does what they say, and returns the exit code. Help needs no runtime.
#[must_use]
pub fn main(outside: Outside, clock: Clock, out: &Out) -> ExitCode {
    let look = args::Look {
        colour: outside.stdout_terminal && outside.stderr_terminal && !outside.no_color(),
        columns: report::columns().unwrap_or(WIDEST).min(WIDEST),
    };
    let cli = match args::parse(&outside.args, look) {
        Parsed::Run(cli) => *cli,
        Parsed::Text(text) => {
            out.result(&text);
            return finish(out, ExitCode::Success);
        }
        Parsed::Wrong(text) => {
            out.say(&text);
            return ExitCode::Usage;
        }
    };
    let Cli {
        mut options,
        command,
    } = cli;
    // Made for crontabs: who wants to watch says so.
    let cron = matches!(command, Some(Command::Redeploy(_)));
    options.quiet |= cron && !options.json && options.verbose == 0;
    options.unattended = cron;
    options.word = command.as_ref().is_some_and(Command::word);
    let ctx = Context {
        options,
        outside,
        clock,
        out: out.clone(),
        zone: jiff::tz::TimeZone::system(),
        asked: source::Asked::default(),
    };
    let code = match command {
        Some(command) => serve(&ctx, command),
        None => ExitCode::Usage,
    };
    finish(out, code)
}

fn serve(ctx: &Context, command: Command) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::failed("the program could not start").because(error);
            return explain(ctx, &failure);
        }
    };
    if let Err(failure) = ctx.with_reason(ctx.options.word, "--override") {
        return explain(ctx, &failure);
    }
    let ended = runtime.block_on(command.run(ctx));
    // A thread that still waits for an answer on stdin must not keep the program.
    runtime.shutdown_background();
    ended.unwrap_or_else(|failure| explain(ctx, &failure))
}

/// Says why a command failed, once, and returns its exit code.
fn explain(ctx: &Context, failure: &Failure) -> ExitCode {
    let code = failure.kind().exit_code();
    if ctx.options.json {
        Json::new(ctx.out.clone()).event(&Event {
            v: 1,
            seq: 0,
            at: Stamp(ctx.clock.wall()),
            run: None,
            kind: Kind::Error {
                what: failure.one_line(),
                hints: failure.hints().to_vec(),
                code: code.number(),
            },
        });
    }
    ctx.out.say(&failure.to_string());
    code
}

/// A result that could not be written must not look like success.
fn finish(out: &Out, code: ExitCode) -> ExitCode {
    match out.lost() {
        Some(kind) => {
            out.say(&format!("error: output was lost: stdout: {kind}"));
            code.worse(ExitCode::Failed)
        }
        None => code,
    }
}

impl Command {
    async fn run(self, ctx: &Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Deploy(args) => args.run(ctx).await,
            Self::Stage(args) => args.run(ctx).await,
            Self::Switch(args) => args.run(ctx).await,
            Self::Weight(args) => args.run(ctx).await,
            Self::Rollback(args) => args.run(ctx).await,
            Self::Resume(args) => args.run(ctx).await,
            Self::Job(args) => args.run(ctx).await,
            Self::CatchUp(args) => args.run(ctx).await,
            Self::Drain(args) => args.run(ctx).await,
            Self::Undrain(args) => args.run(ctx).await,
            Self::Status(args) => args.run(ctx).await,
            Self::Plan(args) => args.run(ctx).await,
            Self::Apply(args) => args.run(ctx).await,
            Self::Versions(args) => args.run(ctx).await,
            Self::Render(args) => args.run(ctx).await,
            Self::Init(args) => args.run(ctx).await,
            Self::Check(args) => args.run(ctx).await,
            Self::Checklist(args) => args.run(ctx).await,
            Self::Inventory(args) => args.run(ctx).await,
            Self::Schema(args) => args.run(ctx).await,
            Self::Logs(args) => args.run(ctx).await,
            Self::Pull(args) => args.run(ctx).await,
            Self::Prune(args) => args.run(ctx).await,
            Self::Completions(args) => args.run(ctx),
            Self::Man(args) => args.run(ctx),
            Self::Complete(args) => args.run(ctx),
            Self::Exec(args) => args.run(ctx).await,
            Self::Run(args) => args.run(ctx).await,
            Self::History(args) => args.run(ctx).await,
            Self::Show(args) => args.run(ctx).await,
            Self::Diff(args) => args.run(ctx).await,
            Self::Drift(args) => args.run(ctx).await,
            Self::Where(args) => args.run(ctx).await,
            Self::Redeploy(args) => args.run(ctx).await,
            Self::Restart(args) => args.run(ctx).await,
            Self::Sync(args) => args.run(ctx).await,
            Self::Remove(args) => args.run(ctx).await,
            Self::Lock(args) => args.run(ctx).await,
            Self::Unlock(args) => args.run(ctx).await,
            Self::Setup(args) => args.run(ctx).await,
            Self::Adopt(args) => args.run(ctx).await,
            // `args::parse` has made a `Deploy` of it.
            Self::Environment(_) => Err(Failure::usage("no command was given")),
        }
    }
}
