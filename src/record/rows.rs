//! Files of rows that grow line by line and outlive a kill.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::atomic::cannot_write;
use crate::{At, Result};

/// Appends rows to a JSONL file, each in one write, so that a kill tears at most the last one.
#[derive(Debug)]
pub struct JsonlWriter {
    file: File,
    path: PathBuf,
    dropped: usize,
}

impl JsonlWriter {
    /// Opens or creates the file. A torn last line (left by a kill) is cut off; [`Self::dropped`] tells.
    ///
    /// # Errors
    /// If the file cannot be opened for writing.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> io::Result<(File, usize)> {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
            let dropped = mend_tail(&mut file)?;
            file.seek(SeekFrom::End(0))?;
            Ok((file, dropped))
        };
        let (file, dropped) = open().map_err(|e| cannot_write(e, path))?;
        Ok(Self { file, path: path.to_owned(), dropped })
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If the row has no JSON form or the disk is full.
    pub fn write<T: Serialize + ?Sized>(&mut self, row: &T) -> Result<()> {
        let mut line = serde_json::to_vec(row).at(&self.path)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| cannot_write(e, &self.path))
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// If the disk reports one.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|e| cannot_write(e, &self.path))
    }

    /// How many bytes of a torn last line were cut off when the file was opened.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

/// Ends the file on a whole line: cuts a torn one off, or completes one that only lacks its newline.
fn mend_tail(file: &mut File) -> io::Result<usize> {
    let len = file.seek(SeekFrom::End(0))?;
    let mut tail = Vec::new();
    let mut start = len;
    // Backwards in pieces until a newline: the file may be large, its last line is not.
    while start > 0 && !tail.contains(&b'\n') {
        let piece = start.min(1 << 16);
        start -= piece;
        let mut bytes = vec![0; piece as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        bytes.append(&mut tail);
        tail = bytes;
    }
    let keep = tail.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
    let last = &tail[keep..];
    if last.is_empty() {
        return Ok(0);
    }
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(last).is_ok() {
        file.seek(SeekFrom::End(0))?;
        file.write_all(b"\n")?;
        return Ok(0);
    }
    file.set_len(start + keep as u64)?;
    Ok(last.len())
}
