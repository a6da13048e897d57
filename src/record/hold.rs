//! Locks on a run's folder: either one process holds it alone, or several share it and each claims its own tasks.
//!
//! A single process locks `.lock` in the folder exclusively, several share that lock, so the two kinds refuse each other.
//! `work/<task>.lock` is locked by the process that works on the task. The system frees a lock when its process dies. Some network
//! file systems have no locks; stages are still written atomically there.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::atomic::{cannot_write, create_folder};
use crate::{Error, Result};

/// The right to one task of a run: no other process can claim it while this value lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// How long a process that only looks ([`is_held`]) may hold a lock.
const GLANCE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(20);

/// Locks the folder for one process, or for one of several.
pub(super) fn hold(folder: &Path, alone: bool) -> Result<File> {
    let path = folder.join(".lock");
    let try_lock = if alone { File::try_lock } else { File::try_lock_shared };
    match locked(&path, try_lock, GLANCE)? {
        Some(lock) => Ok(lock),
        None => Err(Error::new("another process is at work in this folder")
            .at(folder.display())
            .hint("wait until it has finished, or choose another folder with --out")),
    }
}

/// Claims a task by its lock file; waits for `patience` if another process has it.
pub(super) fn claim(path: &Path, patience: Duration) -> Result<Claim> {
    match locked(path, File::try_lock, patience.max(GLANCE))? {
        Some(lock) => Ok(Claim { _lock: lock }),
        None => Err(Error::new("another process is at work on this piece").at(path.with_extension("").display())),
    }
}

/// The file, locked; nothing if another process kept it locked for so long.
fn locked(path: &Path, try_lock: fn(&File) -> Result<(), TryLockError>, patience: Duration) -> Result<Option<File>> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    // Over NFS a shared lock needs a file that is open for reading, an exclusive one a file that is open for writing.
    let file = open().map_err(|e| cannot_write(e, path))?;
    let began = Instant::now();
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => return Ok(Some(file)),
            Err(TryLockError::Error(e)) => return Err(cannot_write(e, path)),
        }
    }
}

/// Whether a process holds the lock in this file for itself; nothing where the file system has no locks.
pub fn is_held(path: &Path) -> Option<bool> {
    let Ok(file) = File::open(path) else { return Some(false) };
    match file.try_lock_shared() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}
