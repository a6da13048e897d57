//! Locks on a run's folder: either one process holds it alone, or several share it and each claims its own tasks.
//!
//! A single process locks `.lock` in the folder exclusively, several share that lock, so the two kinds refuse each other.
//! `work/<task>.lock` is locked by the process that works on the task, and `.OUT.lock` beside an output that is long in the making by
//! the process that makes it. The system frees a lock when its process dies. Some network file systems have no locks; stages are
//! still written atomically there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::atomic::{cannot_write, create_folder, followed};
use crate::{Error, Result};

/// The right to one task of a run: no other process can claim it while this value lives.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// The right to make one output, a file or a folder: no other process can have it while this value lives.
#[derive(Debug)]
pub struct OutputHold {
    _lock: File,
    path: PathBuf,
}

impl Drop for OutputHold {
    /// The lock file goes while it is still locked: a process that opens it later makes one of its own.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
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
        None => Err(Error::new(format!("another process is at work in this folder{}", holder(&path)))
            .at(folder.display())
            .hint("wait until it has finished, or choose another folder with --out")),
    }
}

/// Claims a task by its lock file; waits for `patience` if another process has it.
pub(super) fn claim(path: &Path, patience: Duration) -> Result<Claim> {
    match locked(path, File::try_lock, patience.max(GLANCE))? {
        Some(lock) => Ok(Claim { _lock: lock }),
        None => {
            let what = format!("another process is at work on this piece{}", holder(path));
            Err(Error::new(what).at(path.with_extension("").display()))
        }
    }
}

/// Takes the right to make an output, and removes what writers of it that were killed have left beside it. The right to a link is
/// that to what it leads to.
///
/// # Errors
/// If another process is making it, or its folder cannot be written.
pub fn hold_output(output: &Path) -> Result<OutputHold> {
    let output = &*followed(output);
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = output.with_file_name(format!(".{name}.lock"));
    loop {
        let Some(lock) = locked(&path, File::try_lock, GLANCE)? else {
            return Err(Error::new(format!("another process is writing this{}", holder(&path)))
                .at(output.display())
                .hint("wait until it has finished, or choose another place with --out"));
        };
        // The process that held it before may have removed the file between our opening and our locking it.
        if is_at(&lock, &path) {
            let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            sweep(folder, |found| found == name);
            // What stands in an output that is a folder is its writer's, whatever the names.
            sweep(output, |_| true);
            return Ok(OutputHold { _lock: lock, path });
        }
    }
}

/// Removes temporary files of atomic writes, `.NAME.xxxxxx.tmp`, from a folder, where `is_ours` says so of NAME.
fn sweep(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let middle = found.to_str().and_then(|found| found.strip_prefix('.')?.strip_suffix(".tmp")?.rsplit_once('.'));
        if middle.is_some_and(|(name, random)| is_ours(name) && !random.is_empty()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether an open file is the one at this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |data: fs::Metadata| (data.dev(), data.ino());
    matches!((file.metadata().map(place), fs::metadata(path).map(place)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// The process that holds a lock, for a message; empty where the system does not tell. Linux lists all locks with the process and
/// the file's number: `1: FLOCK  ADVISORY  WRITE 4711 fd:01:5678 0 EOF`.
fn holder(path: &Path) -> String {
    let process = || {
        let number = number_of(path)?;
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [.., process, place, _, _] = words[..] else { return None };
            let is_this = place.rsplit(':').next()?.parse() == Ok(number);
            process.parse::<u32>().ok().filter(|&process| is_this && process > 0)
        })
    };
    process().map_or_else(String::new, |process| format!(": process {process}"))
}

/// The file's number on its disk.
#[cfg(unix)]
fn number_of(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(fs::metadata(path).ok()?.ino())
}

#[cfg(not(unix))]
fn number_of(_path: &Path) -> Option<u64> {
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_has_one_writer_who_is_named_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a.jsonl");
        for name in [".a.jsonl.Ab12Cd.tmp", ".a.jsonl.x.Ab12Cd.tmp", ".b.Ab12Cd.tmp"] {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        drop(hold_output(&out).unwrap());
        let names = || {
            let mut names: Vec<String> =
                fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), [".a.jsonl.x.Ab12Cd.tmp", ".b.Ab12Cd.tmp"], "what was killed is swept, and nothing else");
        let first = hold_output(&out).unwrap();
        let e = hold_output(&out).unwrap_err();
        assert!(
            e.to_string().contains("another process is writing this") && e.help().unwrap().contains("--out"),
            "{e}"
        );
        if cfg!(target_os = "linux") && fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains("FLOCK")) {
            assert!(e.to_string().contains(&format!("process {}", std::process::id())), "{e}");
        }
        hold_output(&dir.path().join("b.jsonl")).unwrap();
        drop(first);
        hold_output(&out).unwrap();
        assert_eq!(names().len(), 2);
    }
}
