//! Signals as values: the engine decides what the first and the second mean, the third leaves.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::failure::{Failure, FailureKind};
use crate::name::{ExitCode, OutcomeKind};
use crate::report::{Notices, words};

/// A wish to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone. Nobody can answer a question any more; a run goes on to its end.
    HangUp,
}

impl Stop {
    /// The exit code of a run that was stopped by it and unwound cleanly.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate | Self::HangUp => ExitCode::Terminated,
        }
    }
}

/// Does work that changes nothing; a wish to stop ends it at once.
///
/// # Errors
/// A [`Failure`] with the exit code of the signal where it was stopped.
pub async fn unless_stopped<T>(
    stops: &mut mpsc::UnboundedReceiver<Stop>,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => Ok(done),
        Some(stop) = stops.recv() => {
            let kind = match stop {
                Stop::Interrupt => FailureKind::Interrupted,
                Stop::Terminate | Stop::HangUp => FailureKind::Terminated,
            };
            Err(Failure::new(kind, "stopped; nothing was changed"))
        }
    }
}

/// Listens from now on: each signal arrives as a [`Stop`]; the third ends the program at once.
/// What the first two do is said by whoever heeds them.
///
/// # Errors
/// A [`Failure`] where the operating system does not let us listen.
pub fn listen(notices: Notices) -> Result<mpsc::UnboundedReceiver<Stop>, Failure> {
    let (tell, told) = mpsc::unbounded_channel();
    let refused = |e: std::io::Error| Failure::failed("signals cannot be heard").because(e);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(refused)?;
    tokio::spawn(async move {
        let mut times = 0;
        loop {
            let stop = tokio::select! {
                _ = interrupt.recv() => Stop::Interrupt,
                _ = terminate.recv() => Stop::Terminate,
                _ = hangup.recv() => Stop::HangUp,
            };
            times += usize::from(stop != Stop::HangUp);
            if times >= 3 {
                notices.say(words::interrupted(times));
                // A moment for the face to say it.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                // Only a run hears three: it is left half-way.
                let code = ExitCode::from(OutcomeKind::Unfinished);
                std::process::exit(i32::from(code.number()));
            }
            if tell.send(stop).is_err() {
                // Nobody listens any more: the run is over, the program ends by itself.
                std::process::exit(i32::from(stop.exit_code().number()));
            }
        }
    });
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_to_stop_ends_a_look_with_its_own_code() {
        let (tell, mut stops) = mpsc::unbounded_channel();
        let ended = unless_stopped(&mut stops, async { 7 }).await;
        assert_eq!(ended.unwrap(), 7);
        tell.send(Stop::Terminate).unwrap();
        let ended = unless_stopped(&mut stops, std::future::pending::<()>()).await;
        assert_eq!(ended.unwrap_err().kind().exit_code(), ExitCode::Terminated);
        drop(tell);
        // Nobody can wish any more: the work goes on to its end.
        assert_eq!(unless_stopped(&mut stops, async { 8 }).await.unwrap(), 8);
    }
}
