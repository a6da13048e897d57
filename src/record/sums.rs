//! Checksums of the rows of a JSONL file, in a file beside it, `.NAME.sums`: the rows themselves keep the form that other programs
//! read.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::atomic::write_atomic;
use super::hash::{Hash, hash_bytes};
use super::lines::write_jsonl;
use super::rows::JsonlWriter;
use crate::{At, Result};

/// A line of the file: a row's checksum, or before all others how many rows a finished file has.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Sum(Hash),
    Rows(usize),
}

/// The checksums of the rows that were written.
#[derive(Debug, Default)]
struct Sums {
    /// Nothing if there was no file: rows of an earlier version are taken as they are.
    known: Option<HashSet<Hash>>,
    /// How many rows there must be.
    rows: usize,
}

impl Sums {
    fn read(rows: &Path) -> Result<Self> {
        let path = path_of(rows);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(e).at(&path),
        };
        let (mut known, mut rows) = (HashSet::new(), 0);
        for line in lines(&bytes).filter_map(|line| serde_json::from_slice(line).ok()) {
            match line {
                Line::Sum(sum) => drop(known.insert(sum)),
                Line::Rows(n) => rows = n,
            }
        }
        Ok(Self { known: Some(known), rows })
    }

    fn knows(&self, row: &[u8]) -> bool {
        self.known.as_ref().is_none_or(|known| known.contains(&hash_bytes(row)))
    }
}

/// The file beside a JSONL file that holds the checksums of its rows.
fn path_of(rows: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(rows.file_name().unwrap_or_default());
    name.push(".sums");
    rows.with_file_name(name)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty())
}

/// Writes the checksums of these rows and of no others; `finished` if no row comes after them.
fn write_sums(path: &Path, rows: &[u8], finished: bool) -> Result<()> {
    let sums = lines(rows).map(|row| Line::Sum(hash_bytes(row)));
    let all = finished.then(|| Line::Rows(lines(rows).count())).into_iter().chain(sums);
    write_jsonl(&path_of(path), all)
}

/// Writes a finished file of rows and the checksums of these.
///
/// # Errors
/// If one of them cannot be written.
pub(super) fn write_summed(path: &Path, rows: &[u8]) -> Result<()> {
    write_atomic(path, rows)?;
    write_sums(path, rows, true)
}

/// The rows of a file that stand there as they were written, and what is wrong with the first one that does not: its place, for the
/// user. A last row that a kill tore counts as not there.
///
/// # Errors
/// If a file cannot be read, or a row whose checksum is right does not parse as `T`; the error names `file:line`.
pub fn sound_rows<T: DeserializeOwned>(path: &Path) -> Result<(Vec<T>, Option<String>)> {
    if !path.exists() {
        return Ok((Vec::new(), None));
    }
    let (sums, bytes) = (Sums::read(path)?, fs::read(path).at(path)?);
    let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |last| last + 1);
    let (mut rows, mut damage) = (Vec::new(), None);
    let place = |number: usize| format!("{}:{number}: damaged", path.display());
    for (i, line) in lines(&bytes[..end]).enumerate() {
        if sums.knows(line) {
            rows.push(serde_json::from_slice(line).doing(format_args!("{}:{}", path.display(), i + 1))?);
        } else {
            damage.get_or_insert_with(|| place(i + 1));
        }
    }
    let last = lines(&bytes[end..]).find(|line| sums.knows(line));
    rows.extend(last.and_then(|line| serde_json::from_slice(line).ok()));
    if rows.len() < sums.rows {
        damage.get_or_insert_with(|| place(rows.len() + 1));
    }
    Ok((rows, damage))
}

/// Appends rows to a JSONL file, and before each its checksum to the file beside it, so that a kill between the two leaves no row
/// without one.
#[derive(Debug)]
pub struct SummedWriter {
    rows: JsonlWriter,
    sums: JsonlWriter,
}

impl SummedWriter {
    /// Opens both files after dropping every row that was altered, that is no `T` or that `keep` refuses.
    ///
    /// # Errors
    /// If one of them cannot be read or written.
    pub fn resume<T: DeserializeOwned>(path: &Path, mut keep: impl FnMut(&T) -> bool) -> Result<Self> {
        let sums = Sums::read(path)?;
        let old = if path.exists() { fs::read(path).at(path)? } else { Vec::new() };
        let mut kept = Vec::with_capacity(old.len());
        for line in lines(&old).filter(|line| sums.knows(line)) {
            if serde_json::from_slice::<T>(line).is_ok_and(|row| keep(&row)) {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        }
        // The rows first: a row without a checksum would count as altered.
        if kept != old {
            write_atomic(path, &kept)?;
        }
        write_sums(path, &kept, false)?;
        Ok(Self { rows: JsonlWriter::open(path)?, sums: JsonlWriter::open(&path_of(path))? })
    }

    /// Appends one row.
    ///
    /// # Errors
    /// If the row has no JSON form or the disk is full.
    pub fn write<T: Serialize + ?Sized>(&mut self, row: &T) -> Result<()> {
        let line = serde_json::to_vec(row).doing("a row")?;
        self.sums.write(&Line::Sum(hash_bytes(&line)))?;
        self.rows.write(row)
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// If the disk reports one.
    pub fn sync(&mut self) -> Result<()> {
        self.sums.sync()?;
        self.rows.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_was_altered_is_dropped_and_a_finished_file_that_was_cut_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let mut writer = SummedWriter::resume::<Vec<f32>>(&path, |_| true).unwrap();
        (1..=3).for_each(|i| writer.write(&[0.1f32 * i as f32, 1e-30]).unwrap());
        drop(writer);
        let whole = fs::read(&path).unwrap();
        let read = || sound_rows::<Vec<f32>>(&path).unwrap();
        assert_eq!((read().0.len(), read().1), (3, None));
        fs::write(&path, String::from_utf8(whole.clone()).unwrap().replace("0.2", "0.7")).unwrap();
        let (rows, damage) = read();
        assert!(rows.len() == 2 && damage.unwrap().ends_with("rows.jsonl:2: damaged"));
        // A kill tears the last row, so that a torn one is not reported as damage.
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        assert_eq!((read().0.len(), read().1), (2, None));
        let mut writer = SummedWriter::resume::<Vec<f32>>(&path, |row| row[0] < 0.15).unwrap();
        writer.write(&[7.0]).unwrap();
        assert_eq!((read().0.len(), read().1), (2, None));
        // Of a finished file no row may be missing.
        write_summed(&path, &whole).unwrap();
        let end = whole.len() - 1 - whole.iter().rev().skip(1).position(|&b| b == b'\n').unwrap();
        fs::write(&path, &whole[..end]).unwrap();
        let (rows, damage) = read();
        assert!(rows.len() == 2 && damage.unwrap().ends_with("rows.jsonl:3: damaged"));
        // Rows of an earlier version have no checksums.
        fs::remove_file(path_of(&path)).unwrap();
        assert_eq!((read().0.len(), read().1), (2, None));
    }
}
