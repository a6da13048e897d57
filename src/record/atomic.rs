//! Files that are whole or untouched: written beside, synced, renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::Builder;

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
    let Some(name) = path.file_name() else {
        return Err(Error::new("this path names no file").at(path.display()));
    };
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");

    let attempt = || -> io::Result<()> {
        // `create_new`, for `tempfile`'s own way lets nobody but the owner read the file.
        let temp = Builder::new().prefix(&prefix).suffix(".tmp").make_in(folder(path), |at| File::create_new(at))?;
        let mut file = BufWriter::new(temp);
        write(&mut file)?;
        let temp = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Synced before the rename, or a power cut could leave the new name on empty contents.
        temp.as_file().sync_all()?;
        temp.persist(path)?;
        // This makes the rename itself durable. Not every file system allows it, and the file is whole either way.
        if cfg!(unix)
            && let Ok(folder) = File::open(folder(path))
        {
            let _ = folder.sync_all();
        }
        Ok(())
    };
    attempt().map_err(|e| cannot_write(e, path))
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

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
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
