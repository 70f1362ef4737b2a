//! The program: reads the outside once and calls the library.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;

use deploy::cli::outside::actor;
use deploy::cli::{self, Outside};
use deploy::report::Out;
use deploy::time::Clock;

fn main() -> ExitCode {
    let code = cli::main(outside(), Clock::system(), &Out::process());
    ExitCode::from(code.number())
}

fn outside() -> Outside {
    let vars: BTreeMap<String, _> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .collect();
    let var = |name: &str| vars.get(name).and_then(|v| v.to_str());
    let machine = system_file("/proc/sys/kernel/hostname");
    let user = var("USER").or_else(|| var("LOGNAME"));
    let user = user.filter(|name| !name.is_empty()).map(str::to_owned);
    let user = user.or_else(|| login(rustix::process::getuid().as_raw()));
    let actor = actor(
        user.as_deref(),
        machine.as_deref().or_else(|| var("HOSTNAME")),
        std::process::id(),
        starts(std::process::id()).unwrap_or(0),
    );
    Outside {
        args: std::env::args_os().collect(),
        actor,
        starts,
        vars,
        stdin_terminal: std::io::stdin().is_terminal(),
        stdout_terminal: std::io::stdout().is_terminal(),
        stderr_terminal: std::io::stderr().is_terminal(),
    }
}

/// The name that belongs to a user id, where `/etc/passwd` knows it: containers and services often
/// have no `USER`. Else the number: it says more than nothing.
fn login(id: u32) -> Option<String> {
    let users = system_file("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.or_else(|| Some(format!("uid{id}")))
}

/// When a process started, in clock ticks since boot: with its number that names it for good.
/// `None` where there is none of that number, or the system does not tell.
fn starts(pid: u32) -> Option<u64> {
    // The second field is the program's name in brackets and may hold blanks; 20 fields follow it
    // up to the start time (proc(5), field 22).
    let stat = system_file(&format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "main reads the outside; these are no files of an operator"
)]
fn system_file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
