//! Files that are whole or untouched: written beside, synced, renamed.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::Builder;

use crate::{At, Error, Result};

/// Replaces the file at `path` by `bytes`, or leaves it as it was: a temporary file in the same folder, fsync, rename. A link is not
/// replaced but followed; a device or a pipe is not replaced but written to.
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
    let target = &*followed(path);
    let Some(name) = target.file_name() else {
        return Err(Error::new("this path names no file").at(path.display()));
    };
    if is_special(target) {
        let attempt = || -> io::Result<()> {
            let mut file = BufWriter::new(OpenOptions::new().write(true).open(target)?);
            write(&mut file)?;
            file.flush()
        };
        return attempt().map_err(|e| cannot_write(e, path));
    }
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");

    let attempt = || -> io::Result<()> {
        // `create_new` follows the umask; `tempfile`'s own files are readable by their owner alone.
        let temp = Builder::new().prefix(&prefix).suffix(".tmp").make_in(folder(target), |at| File::create_new(at))?;
        let mut file = BufWriter::new(temp);
        write(&mut file)?;
        let temp = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        // Synced before the rename, or a power cut could leave the new name on empty contents.
        temp.as_file().sync_all()?;
        temp.persist(target)?;
        // This makes the rename itself durable. Not every file system allows it, and the file is whole either way.
        if cfg!(unix)
            && let Ok(folder) = File::open(folder(target))
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

/// Checks before long work that a file can be written at `path`, without changing what is there. Nothing is left of the check, not even
/// by a kill.
///
/// # Errors
/// A missing or read-only folder, and something at `path` that is no file, such as a device.
pub fn can_write(path: &Path) -> Result<()> {
    let target = &*followed(path);
    if is_special(target) {
        return Err(Error::usage("is a device, a pipe or a socket, not a file")
            .at(path.display())
            .hint("name a file: what is written outlives a kill only there"));
    }
    tempfile::tempfile_in(folder(target)).map(drop).map_err(|e| cannot_write(e, path))
}

/// The file that a link leads to, whether it exists already or not; the path itself if it is no link.
pub(super) fn followed(path: &Path) -> Cow<'_, Path> {
    let Ok(link) = fs::read_link(path) else { return Cow::Borrowed(path) };
    Cow::Owned(fs::canonicalize(path).unwrap_or_else(|_| folder(path).join(link)))
}

/// Whether a device, a pipe or a socket is at this path.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| !data.is_file() && !data.is_dir())
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

/// The paths of what a folder holds, by name.
///
/// # Errors
/// If it cannot be read.
pub fn entries_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).at(folder)?.map(|entry| Ok(entry.at(folder)?.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Creates a folder and its parents.
///
/// # Errors
/// As [`write_atomic`].
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| cannot_write(e, path))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_followed_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (link, file) = (dir.path().join("link"), dir.path().join("disk/file"));
        fs::create_dir(dir.path().join("disk")).unwrap();
        symlink("disk/file", &link).unwrap();
        for text in ["to a file that is not there yet", "to one that is"] {
            can_write(&link).unwrap();
            write_atomic(&link, text.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::read_dir(dir.path().join("disk")).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_device_is_written_to_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("null");
        symlink("/dev/null", &link).unwrap();
        for path in [Path::new("/dev/null"), link.as_path()] {
            write_atomic(path, b"gone").unwrap();
            let e = can_write(path).unwrap_err();
            assert!(e.to_string().contains("is a device") && e.exit_code() == 2, "{e}");
        }
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
