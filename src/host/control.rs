//! The private directory in which connections have their sockets, one below it for each run.
//!
//! Runs that died leave their directory: a file lock, which the kernel frees, tells them from live
//! ones, and the next run ends their connections and clears them away.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Longest base path: a socket's whole path must stay below 104 bytes (macOS; 108 on Linux), and
/// below the base come `/rXXXXXX/XXXXXX/master` (or `/kXXXXXXXXXXXX/master`), the 17 bytes that ssh adds, and a NUL.
const LONGEST_BASE: usize = 60;
const LOCK: &str = "lock";
/// What the directories of kept connections begin with; 12 letters follow.
const KEPT: &str = "k";
/// The name that the openssh crate gives to a connection's socket.
pub(super) const SOCKET: &str = "master";

/// Where connections keep their sockets: below the user's runtime directory
/// (`$XDG_RUNTIME_DIR`) where there is one and its path is short, else below `/tmp`.
#[must_use]
pub fn base(runtime_dir: Option<&Path>) -> PathBuf {
    runtime_dir
        // The variable may outlive the directory, e.g. after `su`.
        .filter(|d| d.is_absolute() && d.is_dir())
        .map(|d| d.join("deploy"))
        .filter(|d| d.as_os_str().len() <= LONGEST_BASE)
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/deploy-{}", uid())))
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// This run's directory; removed when dropped.
#[derive(Debug)]
pub(super) struct Control {
    dir: TempDir,
    /// Held for as long as the run lives.
    _lock: File,
}

impl Control {
    /// Makes this run's directory and clears those of dead runs.
    ///
    /// # Errors
    /// The base cannot be made, is not a directory of this user alone, or cannot be written.
    pub(super) fn open(base: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(base) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => private(base)?,
        }
        // Between making a run's directory and locking it, nobody may take it for a dead one.
        let turn = lock_file(&base.join(LOCK))?;
        turn.lock()?;
        reap(base)?;
        let dir = tempfile::Builder::new()
            .prefix("r")
            .rand_bytes(6)
            .tempdir_in(base)?;
        let lock = lock_file(&dir.path().join(LOCK))?;
        lock.try_lock()?;
        Ok(Self { dir, _lock: lock })
    }

    /// A new directory for one connection.
    pub(super) fn connection(&self) -> io::Result<TempDir> {
        tempfile::Builder::new()
            .prefix("")
            .rand_bytes(6)
            .tempdir_in(self.dir.path())
    }

    /// The place of a connection that outlives its run; `key` tells what it leads to.
    ///
    /// # Errors
    /// It cannot be made, or is being cleared away.
    pub(super) fn kept(&self, key: &str) -> io::Result<Kept> {
        let base = self.dir.path().parent().unwrap_or(self.dir.path());
        let dir = base.join(format!("{KEPT}{key}"));
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            _ => private(&dir)?,
        }
        Ok(Kept { dir })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Where a connection is kept for the commands that come after.
#[derive(Debug)]
pub(super) struct Kept {
    dir: PathBuf,
}

impl Kept {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join(SOCKET)
    }

    /// The right to make the connection, free of what a dead one left; none where somebody else is
    /// about to make it.
    pub(super) fn turn(&self) -> Option<File> {
        let lock = lock_file(&self.dir.join(LOCK)).ok()?;
        lock.try_lock().ok()?;
        Some(lock)
    }
}

/// Others could put a socket of theirs in the place of ours in a directory that they can write.
fn private(base: &Path) -> io::Result<()> {
    let meta = std::fs::symlink_metadata(base)?;
    let why = if !meta.is_dir() {
        "is not a directory"
    } else if meta.uid() != uid() {
        "belongs to another user"
    } else if meta.mode() & 0o077 != 0 {
        "is open to other users (mode must be 0700)"
    } else {
        return Ok(());
    };
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} {why}", base.display()),
    ))
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
}

fn reap(base: &Path) -> io::Result<()> {
    for run in std::fs::read_dir(base)?.flatten() {
        let dir = run.path();
        let name = run.file_name();
        let of_run = name.as_encoded_bytes().starts_with(b"r");
        // A kept connection that is gone; one that is there ends by itself.
        let gone = name.as_encoded_bytes().starts_with(KEPT.as_bytes());
        let gone = gone && !dir.join(SOCKET).exists();
        if !(of_run || gone) || !dir.is_dir() {
            continue;
        }
        let Ok(lock) = lock_file(&dir.join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            end_connections(&dir);
            let _ = std::fs::remove_dir_all(&dir);
        }
    }
    Ok(())
}

/// Asks the masters of a dead run to go once their last script has ended.
fn end_connections(run: &Path) {
    for entry in std::fs::read_dir(run).into_iter().flatten().flatten() {
        let socket = entry.path().join(SOCKET);
        if !socket.exists() {
            continue;
        }
        // A session that is dropped says goodbye, at the socket in a directory that it owns.
        if let Ok(own) = tempfile::tempdir_in(run)
            && std::fs::rename(&socket, own.path().join(SOCKET)).is_ok()
        {
            drop(openssh::Session::new_native_mux(own));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_base_is_short_and_private() {
        let own = format!("/tmp/deploy-{}", uid());
        let runtime = tempfile::tempdir().unwrap();
        assert_eq!(base(Some(runtime.path())), runtime.path().join("deploy"));
        let gone = runtime.path().join("gone");
        assert_eq!(base(Some(&gone)), Path::new(&own));
        assert_eq!(base(None), Path::new(&own));
        assert_eq!(base(Some(Path::new("relative"))), Path::new(&own));
        let long = runtime.path().join("x".repeat(60));
        std::fs::create_dir(&long).unwrap();
        assert_eq!(base(Some(&long)), Path::new(&own));
    }

    #[test]
    fn a_base_that_others_could_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("b");
        drop(Control::open(&base).unwrap());
        assert_eq!(std::fs::metadata(&base).unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&base, std::fs::Permissions::from_mode(0o770)).unwrap();
        let said = Control::open(&base).unwrap_err().to_string();
        assert!(
            said.ends_with("is open to other users (mode must be 0700)"),
            "{said}"
        );
        let link = dir.path().join("l");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        let said = Control::open(&link).unwrap_err().to_string();
        assert!(said.ends_with("is not a directory"), "{said}");
    }

    #[test]
    fn dead_runs_are_cleared_and_live_ones_left() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("b");
        let live = Control::open(&base).unwrap();
        let dead = Control::open(&base).unwrap();
        // As after SIGKILL: the lock is free, the directory is still there.
        let Control {
            dir: left,
            _lock: lock,
        } = dead;
        let left = left.keep();
        drop(lock);
        let next = Control::open(&base).unwrap();
        assert!(!left.exists());
        assert!(live.path().exists() && next.path().exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
