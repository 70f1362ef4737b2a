//! Lanes: a session that is kept for the next script over the same connection.
//!
//! To start one takes a process of sshd, a login shell and perhaps a `sudo`, about 25 ms of a host's
//! time, which is more than most scripts take. A lane runs scripts one after the other (`lane.sh`),
//! each in a shell of its own. One that is not known to be at rest is not used again.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};

use super::call::Channel;

/// The lanes of a connection that are at rest: at most one as the user, one as root.
#[derive(Default)]
pub(super) struct Lanes(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// By whether it is root's.
    lanes: BTreeMap<bool, Channel>,
    closed: bool,
}

impl Lanes {
    /// The one that is there, unless it has ended meanwhile.
    pub(super) async fn take(&self, root: bool) -> Option<Channel> {
        let lane = self.lock().lanes.remove(&root)?;
        at_rest(lane).await
    }

    /// Keeps one for the next script. A second one, of scripts that ran at once, ends here.
    pub(super) fn keep(&self, root: bool, lane: Channel) {
        let mut kept = self.lock();
        if !kept.closed {
            kept.lanes.entry(root).or_insert(lane);
        }
    }

    /// Ends them.
    pub(super) fn end(&self) {
        self.lock().lanes.clear();
    }

    /// Ends them, and keeps no other.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.end();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // A map of channels is whole whenever somebody let go of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane, where nothing has come from it: neither its end nor a word that nobody asked for.
async fn at_rest(mut lane: Channel) -> Option<Channel> {
    let mut bytes = [0; 1];
    let silent = poll_fn(|context| {
        let said = Pin::new(&mut lane.stdout).poll_read(context, &mut ReadBuf::new(&mut bytes));
        let told = Pin::new(&mut lane.stderr).poll_read(context, &mut ReadBuf::new(&mut bytes));
        Poll::Ready(said.is_pending() && told.is_pending())
    });
    silent.await.then_some(lane)
}

/// Looks for the line that a lane writes when a script has ended.
pub(super) struct Left {
    want: String,
    line: Vec<u8>,
    /// What stands behind the word of the call, once the line has come.
    pub(super) said: Option<String>,
}

impl Left {
    /// Of the call with this word.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            want: format!("left {nonce}"),
            line: Vec::new(),
            said: None,
        }
    }

    /// How the line begins.
    pub(super) fn line(&self) -> String {
        self.want.clone()
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        // Room for the status; a longer line is another.
        let most = self.want.len() + 16;
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() <= most {
                    self.line.push(*byte);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let rest = line.strip_prefix(self.want.as_bytes());
            if let Some(rest) = rest.filter(|_| line.len() <= most) {
                self.said = Some(String::from_utf8_lossy(rest).trim().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_pieces_and_no_other_is_taken_for_it() {
        let mut left = Left::new("ab12");
        for piece in [
            &b"end ab12 ok\nleft ab13 0\n x left ab12 0\nle"[..],
            b"ft ab12",
        ] {
            left.feed(piece);
            assert_eq!(left.said, None);
        }
        left.feed(b" 143\nmore");
        assert_eq!(left.said.as_deref(), Some("143"));
        let mut long = Left::new("ab12");
        long.feed(format!("left ab12 {}\n", "0".repeat(30)).as_bytes());
        assert_eq!(long.said, None);
    }
}
