//! Files that are whole or untouched: written beside, synced, renamed.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Replaces the file at `path` by `bytes`, or leaves it as it was: a temporary file in the same folder, fsync, rename.
///
/// # Errors
/// A missing or read-only folder and a full disk, each naming the path and how to mend it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |w| w.write_all(bytes))
}

/// [`write_atomic`] for contents that are better streamed than held in memory; `write` gets a buffered writer.
///
/// # Errors
/// As [`write_atomic`], and whatever `write` reports; the old file stays.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static MARK: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    let Some(name) = path.file_name() else {
        return Err(Error::new("this path names no file").at(path.display()));
    };
    // A mark and a counter in the name: two writers of one file must not share a temporary one. Processes on several machines
    // may have the same number, so it is no mark.
    let unique = format!(".{:016x}.{}.tmp", *MARK, COUNT.fetch_add(1, Ordering::Relaxed));
    let mut temp = std::ffi::OsString::from(".");
    temp.push(name);
    temp.push(unique);
    let temp = path.with_file_name(temp);

    let attempt = || {
        let mut file = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(&temp)?);
        write(&mut file)?;
        // Synced before the rename, or a power cut could leave the new name on empty contents.
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temp, path)?;
        sync_folder(path);
        Ok(())
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temp);
        cannot_write(e, path)
    })
}

/// [`write_atomic_with`] for contents that are made while they are written, so that the making may fail too.
///
/// # Errors
/// As [`write_atomic`], and those of `make`; the old file stays.
pub fn write_atomic_by(path: &Path, make: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut failed = None;
    let written = write_atomic_with(path, |w| {
        make(w).map_err(|e| {
            failed = Some(e);
            io::ErrorKind::Other.into()
        })
    });
    match failed {
        Some(e) => Err(e),
        None => written,
    }
}

/// Makes the rename itself durable. Not every file system allows it, and the file is whole either way.
fn sync_folder(path: &Path) {
    if cfg!(unix)
        && let Some(folder) = path.parent()
        && let Ok(folder) = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
    {
        let _ = folder.sync_all();
    }
}

/// Names the file that could not be written, and the way out.
pub(super) fn cannot_write(e: io::Error, path: &Path) -> Error {
    let hint = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space or choose a folder on another disk with --out; what was there before is untouched")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("choose a folder that you may write to with --out")
        }
        io::ErrorKind::NotFound => Some("the folder does not exist; create it first"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Some("a file stands where a folder is needed; choose another place with --out")
        }
        _ => None,
    };
    let error = Error::new(format!("cannot write: {e}")).at(path.display());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// As [`write_atomic`].
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| cannot_write(e, path))
}
