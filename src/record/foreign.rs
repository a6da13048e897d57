//! Files that somebody else wrote: read whole, without a mark in front, and not the pointer that stands for them.

use std::io;
use std::path::Path;

use crate::Error;

/// No configuration, tokenizer or table of a model is larger.
const FILE_BYTES_MAX: u64 = 1 << 29;

/// Reads a whole file that somebody else wrote. What has no end (a device), what may never begin (a pipe) and what would fill the
/// memory is refused before it is opened.
///
/// # Errors
/// As said, and if it cannot be read.
pub fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    let refuse = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    if !about.is_file() {
        return refuse("is a folder, a device, a pipe or a socket, not a file".to_owned());
    }
    if about.len() > FILE_BYTES_MAX {
        return refuse(format!(
            "has {} bytes, and {FILE_BYTES_MAX} is the most that such a file may have",
            about.len()
        ));
    }
    std::fs::read(path)
}

/// The bytes of a text without the byte order mark that editors of Windows put in front.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Whether a file is only the pointer that a clone without Git LFS leaves in the place of a large one
/// (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// The error that says so.
pub fn lfs_pointer(path: &Path) -> Error {
    Error::new(format!("{}: only a Git LFS pointer, not the file itself", path.display()))
        .hint("run `git lfs install` and `git lfs pull` in the clone, or fetch the file from the hub")
}
