//! The load client of the test fleet: many paced connections, some requests that last seconds, some with bodies; it never
//! retries, a timeout is a failure, and every failed request is kept with its time. `script/fleet load --help` says the
//! options. Standard library only; compiled by `script/fleet`.
//!
//! `options` what was asked; `schedule` when and what; `client` one connection; `tally` what happened; `run` all together.
//! To add a kind of request: `schedule::Kind`. To add an expectation: `options`, `tally::Summary::complaints`.

mod client;
mod options;
mod run;
mod schedule;
mod tally;

use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let options = match options::Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let summary = run::run(&options);
    let complaints = summary.complaints(&options);
    if let Some(file) = &options.json
        && let Err(error) = fs::write(file, summary.json(&complaints))
    {
        eprintln!("load: cannot write {file}: {error}");
        return ExitCode::from(2);
    }
    print!("{}", summary.text(&complaints));
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
