//! The door of output: stdout for results, stderr for everything else.
//!
//! A reader that goes away (`deploy … | head`) must not end a run: what cannot be written is
//! dropped and remembered, never a panic. To print something: take an [`Out`], call
//! [`Out::result`] or [`Out::say`].

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::text::Redactor;

/// Where output goes. Clones share the same ends.
#[derive(Clone)]
pub struct Out(Arc<Mutex<Ends>>);

struct Ends {
    stdout: Box<dyn Write + Send>,
    stderr: Box<dyn Write + Send>,
    /// The first error on stdout that was not a closed pipe.
    lost: Option<io::ErrorKind>,
    /// The reader of stdout went away.
    gone: bool,
    /// What is shown to nobody.
    hidden: Redactor,
}

impl Out {
    /// The process's own stdout and stderr.
    #[must_use]
    pub fn process() -> Self {
        Self::to(Box::new(io::stdout()), Box::new(io::stderr()))
    }

    /// Any two writers.
    #[must_use]
    pub fn to(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Ends {
            stdout,
            stderr,
            lost: None,
            gone: false,
            hidden: Redactor::default(),
        })))
    }

    /// From now on these secrets are written nowhere.
    pub fn hide(&self, secrets: &Redactor) {
        self.ends().hidden.extend(secrets);
    }

    /// Writes a result to stdout, with a newline at its end. What cannot be written is dropped.
    pub fn result(&self, text: &str) {
        let mut ends = self.ends();
        let text = ends.hidden.clean(text);
        let done = line(&mut *ends.stdout, &text);
        match done.map_err(|error| error.kind()) {
            Ok(()) => {}
            Err(io::ErrorKind::BrokenPipe) => ends.gone = true,
            Err(kind) => {
                ends.lost.get_or_insert(kind);
            }
        }
    }

    /// Writes to stderr, with a newline at its end. What cannot be written is dropped.
    pub fn say(&self, text: &str) {
        let mut ends = self.ends();
        let text = ends.hidden.clean(text);
        let _ = line(&mut *ends.stderr, &text);
    }

    /// Writes a question to stderr; the answer follows on the same line.
    pub fn ask(&self, text: &str) {
        let mut ends = self.ends();
        let text = ends.hidden.clean(text);
        let _ = ends.stderr.write_all(text.as_bytes());
        let _ = ends.stderr.flush();
    }

    /// Why results were lost, where stdout failed for another reason than a reader that went away.
    #[must_use]
    pub fn lost(&self) -> Option<io::ErrorKind> {
        self.ends().lost
    }

    /// True when the reader of stdout went away: a command that only shows something may end.
    #[must_use]
    pub fn gone(&self) -> bool {
        self.ends().gone
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        // A thread that panicked while it wrote leaves nothing half-done that matters here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Out {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Out")
    }
}

/// One write per text, so that lines of several processes on one terminal do not mix.
fn line(to: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut whole = String::with_capacity(text.len() + 1);
    whole.push_str(text);
    if !whole.ends_with('\n') {
        whole.push('\n');
    }
    to.write_all(whole.as_bytes())?;
    to.flush()
}

/// A writer that keeps what it is given, for tests of faces and commands.
#[derive(Clone, Default, Debug)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// What was written so far.
    #[must_use]
    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
    /// An [`Out`] and the two ends that keep what it writes: stdout, stderr.
    #[must_use]
    pub fn pair() -> (Out, Self, Self) {
        let (stdout, stderr) = (Self::default(), Self::default());
        let out = Out::to(Box::new(stdout.clone()), Box::new(stderr.clone()));
        (out, stdout, stderr)
    }
}

impl Write for Kept {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(buf);
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(io::ErrorKind);
    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_trouble_and_a_full_disk_is_remembered() {
        let gone = Out::to(
            Box::new(Fails(io::ErrorKind::BrokenPipe)),
            Box::new(io::sink()),
        );
        gone.result("x");
        assert_eq!((gone.lost(), gone.gone()), (None, true));
        let full = Out::to(
            Box::new(Fails(io::ErrorKind::StorageFull)),
            Box::new(io::sink()),
        );
        full.result("x");
        assert_eq!(full.lost(), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn every_text_ends_with_one_newline() {
        let (out, stdout, stderr) = Kept::pair();
        out.result("a\n");
        out.result("b");
        out.say("c");
        assert_eq!(
            (stdout.text().as_str(), stderr.text().as_str()),
            ("a\nb\n", "c\n")
        );
    }
}
