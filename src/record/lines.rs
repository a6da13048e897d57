//! Reading files of rows, one JSON value per line, that we or other programs wrote.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic::write_atomic_with;
use crate::{At, Error, Result, ensure};

/// A row is never longer, so a file with a longer line holds something else.
const LINE_BYTES_MAX: u64 = 1 << 30;

/// The lines of a file that are not blank, each with its number (from 1) and its bytes without the line feed. A byte-order
/// mark at the beginning is left out; a carriage return stays, since it is white space to JSON.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: usize,
}

impl Lines {
    /// Opens the file.
    ///
    /// # Errors
    /// If it cannot be read, or is a device such as `/dev/zero`, which has no end.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).at(path)?;
        refuse_device(&file).at(path)?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        skip_bom(&mut file).at(path)?;
        Ok(Self { path: path.to_owned(), file, number: 0 })
    }

    fn read(&mut self) -> Result<Option<(usize, Vec<u8>)>> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut limited = self.file.by_ref().take(LINE_BYTES_MAX);
            if limited.read_until(b'\n', &mut bytes).at(&self.path)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            let fits = bytes.ends_with(b"\n") || (bytes.len() as u64) < LINE_BYTES_MAX;
            ensure!(fits, "{}:{}: a line of more than {LINE_BYTES_MAX} bytes", self.path.display(), self.number);
            if !bytes.trim_ascii().is_empty() {
                bytes.pop_if(|last| *last == b'\n');
                return Ok(Some((self.number, bytes)));
            }
        }
    }
}

/// Pipes are read, since a shell makes them of `<(...)`.
#[cfg(unix)]
fn refuse_device(file: &File) -> Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let kind = file.metadata().doing("its kind")?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(Error::usage("is a device, not a file"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_device(_file: &File) -> Result<()> {
    Ok(())
}

impl Iterator for Lines {
    type Item = Result<(usize, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Passes over a byte-order mark, which some editors and spreadsheets put before UTF-8.
///
/// # Errors
/// If the file cannot be read.
pub fn skip_bom(file: &mut impl BufRead) -> std::io::Result<()> {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    if file.fill_buf()?.starts_with(BOM) {
        file.consume(BOM.len());
    }
    Ok(())
}

/// Reads every row of a JSONL file.
///
/// # Errors
/// If the file cannot be read, or a line is no `T`: the error names `file:line`.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let row = |line: Result<(usize, Vec<u8>)>| {
        let (number, bytes) = line?;
        serde_json::from_slice(&bytes).doing(format_args!("{}:{number}", path.display()))
    };
    Lines::open(path)?.map(row).collect()
}

/// Writes rows as a JSONL file, as [`write_atomic`](super::write_atomic) does.
///
/// # Errors
/// As there, or if a row has no JSON form; the old file stays.
pub fn write_jsonl<T: Serialize>(path: &Path, rows: impl IntoIterator<Item = T>) -> Result<()> {
    write_atomic_with(path, |out| {
        rows.into_iter().try_for_each(|row| {
            serde_json::to_writer(&mut *out, &row)?;
            out.write_all(b"\n")
        })
    })
}

/// Reads every row of a JSONL file, `make` giving what a row stands for out of its line number and its JSON value. Malformed
/// rows are kept apart, one error `FILE:LINE: reason` for each.
///
/// # Errors
/// If the file cannot be read or holds no row at all.
pub fn scan_jsonl<V: DeserializeOwned, T>(
    path: &Path,
    mut make: impl FnMut(usize, V) -> Result<T>,
) -> Result<(Vec<T>, Vec<Error>)> {
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for line in Lines::open(path)? {
        let (number, bytes) = line?;
        let mut read = || {
            let text = std::str::from_utf8(&bytes).doing("not UTF-8")?;
            make(number, serde_json::from_str(text).doing("not a JSON object")?)
        };
        match read() {
            Ok(row) => rows.push(row),
            Err(e) => bad.push(e.at(format_args!("{}:{number}", path.display()))),
        }
    }
    ensure!(!rows.is_empty() || !bad.is_empty(), "{}: the file holds no row", path.display());
    Ok((rows, bad))
}

/// Malformed rows: how many, and the first of them by name. A file may hold millions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Malformed {
    /// How many there are.
    pub count: usize,
    /// What is wrong with the first ten, `FILE:LINE: reason`.
    pub named: Vec<String>,
}

impl Malformed {
    const NAMED_MAX: usize = 10;

    /// Adds one.
    pub fn push(&mut self, reason: impl Display) {
        self.count += 1;
        if self.named.len() < Self::NAMED_MAX {
            self.named.push(reason.to_string());
        }
    }

    /// Fails if there are any; `good` rows were read beside them.
    ///
    /// # Errors
    /// The first ten malformed rows, by name.
    pub fn refuse(&self, good: usize) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let more = self.count - self.named.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let all = self.count + good;
        Err(Error::new(format!("{} of {all} rows are malformed: {}{more}", self.count, self.named.join("; "))))
    }
}

/// Fails if there are malformed rows; `good` rows were read beside them.
///
/// # Errors
/// The first ten malformed rows, by name.
pub fn refuse_malformed(bad: Vec<Error>, good: usize) -> Result<()> {
    let mut all = Malformed::default();
    bad.into_iter().for_each(|e| all.push(e));
    all.refuse(good)
}
