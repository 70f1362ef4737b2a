//! A whole run: starts the connections, watches for the end, waits until every open request has its outcome.

use super::client::Client;
use super::options::Options;
use super::schedule::Schedule;
use super::tally::{Summary, Tally};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// Runs the load to its end.
pub fn run(options: &Options) -> Summary {
    let schedule = Schedule::new(options);
    let tally = Tally::new();
    thread::scope(|scope| {
        for number in 0..options.connections {
            let (schedule, tally) = (&schedule, &tally);
            let started =
                thread::Builder::new()
                    .stack_size(128 << 10)
                    .spawn_scoped(scope, move || {
                        drive(options, number, schedule, tally);
                    });
            if let Err(error) = started {
                tally.broken(format!("load: no thread for connection {number}: {error}"));
            }
        }
        watch(options, &schedule, &tally);
        schedule.stop();
        tally.stopped();
    });
    progress(options, &tally, false);
    tally.summary()
}

/// One connection's life.
fn drive(options: &Options, number: usize, schedule: &Schedule, tally: &Tally) {
    let mut client = match Client::new(options, number) {
        Ok(client) => client,
        Err(message) => return tally.broken(message),
    };
    while let Some(kind) = schedule.wait_for_turn() {
        let begun = tally.begin();
        let outcome = client.request(kind);
        let refused = outcome
            .as_ref()
            .is_err_and(|failure| failure.error == "connect");
        tally.end(begun, kind, &client, outcome);
        // A server that refuses connections must not make this connection use up the whole schedule.
        if refused && !schedule.sleep_until(Instant::now() + Duration::from_millis(200)) {
            return;
        }
    }
}

/// Until the time is up or the file is there.
fn watch(options: &Options, schedule: &Schedule, tally: &Tally) {
    let end = Instant::now() + options.seconds;
    let over = || {
        options
            .until_file
            .as_ref()
            .is_some_and(|file| Path::new(file).exists())
    };
    let mut shown = Instant::now();
    while Instant::now() < end && !over() {
        if shown.elapsed() >= Duration::from_millis(200) {
            progress(options, tally, true);
            shown = Instant::now();
        }
        schedule.sleep_until(end.min(Instant::now() + Duration::from_millis(50)));
    }
}

/// Written beside and renamed: a reader never sees half of it.
fn progress(options: &Options, tally: &Tally, running: bool) {
    let Some(file) = &options.progress else {
        return;
    };
    let part = format!("{file}.part");
    if fs::write(&part, tally.progress(running))
        .and_then(|()| fs::rename(&part, file))
        .is_err()
    {
        tally.broken(format!("load: cannot write {file}"));
    }
}
