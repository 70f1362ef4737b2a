//! What a bad release does, told by `APP_MISBEHAVE`, comma separated; the broken tags of `releases` have it baked in.
//! To add one: a field, its word in `parse`, and a tag in `releases`.
//!
//! `fail-start`, `never-healthy`, `slow-start=8s` (unhealthy until then), `sick-after=10s` (unhealthy from then on),
//! `exit-after=10s` (code 4), `oom-after=15s` (eats memory until the limit ends it).

use std::process;
use std::thread;
use std::time::{Duration, Instant};

/// The faults of this process, counted from its start.
pub struct Misbehave {
    started: Instant,
    fail_start: bool,
    never_healthy: bool,
    slow_start: Option<Duration>,
    sick_after: Option<Duration>,
    exit_after: Option<Duration>,
    oom_after: Option<Duration>,
}

impl Misbehave {
    /// Reads the list; an unknown word ends the process, so that no test believes in a fault that is not there.
    pub fn parse(text: &str) -> Self {
        let mut faults = Self {
            started: Instant::now(),
            fail_start: false,
            never_healthy: false,
            slow_start: None,
            sick_after: None,
            exit_after: None,
            oom_after: None,
        };
        for word in text.split(',').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let time = value
                .strip_suffix('s')
                .and_then(|number| number.parse().ok())
                .map(Duration::from_secs);
            match (name, time) {
                ("fail-start", None) => faults.fail_start = true,
                ("never-healthy", None) => faults.never_healthy = true,
                ("slow-start", Some(_)) => faults.slow_start = time,
                ("sick-after", Some(_)) => faults.sick_after = time,
                ("exit-after", Some(_)) => faults.exit_after = time,
                ("oom-after", Some(_)) => faults.oom_after = time,
                _ => {
                    eprintln!("ERROR APP_MISBEHAVE: what is '{word}'?");
                    process::exit(2);
                }
            }
        }
        faults
    }

    /// Fails now, or sets the clocks of what will go wrong later.
    pub fn begin(&self) {
        if self.fail_start {
            eprintln!("ERROR cannot read configuration: key 'database.url' is missing");
            process::exit(3);
        }
        if let Some(time) = self.exit_after {
            thread::spawn(move || {
                thread::sleep(time);
                eprintln!("ERROR lost the connection to the database, giving up");
                process::exit(4);
            });
        }
        if let Some(time) = self.oom_after {
            thread::spawn(move || {
                thread::sleep(time);
                eprintln!("WARN cache is growing");
                eat_memory();
            });
        }
    }

    /// Why `/healthz` fails now, if it does.
    pub fn unhealthy(&self) -> Option<&'static str> {
        let age = self.started.elapsed();
        if self.never_healthy {
            Some("no connection to the database")
        } else if self.slow_start.is_some_and(|time| age < time) {
            Some("still loading")
        } else if self.sick_after.is_some_and(|time| age >= time) {
            Some("queue is full")
        } else {
            None
        }
    }
}

/// Grows by about 100 MB a second; ends at 2 GiB, so that a forgotten limit does not take the machine along.
fn eat_memory() {
    let mut eaten = Vec::new();
    for _ in 0..2048 {
        eaten.push(vec![1u8; 1 << 20]);
        thread::sleep(Duration::from_millis(10));
    }
    eprintln!("WARN no memory limit met: {} MiB in use", eaten.len());
    thread::sleep(Duration::from_secs(86_400));
}
