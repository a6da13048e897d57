//! Rows of one long piece of work, as far as it has come.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Hash, JsonlWriter, read_jsonl, write_atomic};
use crate::{At, Result};

/// A JSONL file whose first line names the work by the hash of all that decides it, and whose further lines are its rows. A killed
/// piece of work finds its rows again; rows of other work are thrown away.
#[derive(Debug)]
pub struct Ledger<T> {
    path: PathBuf,
    work: Hash,
    writer: JsonlWriter,
    rows: Vec<T>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    work: Hash,
}

impl<T: Serialize + DeserializeOwned> Ledger<T> {
    /// Opens or begins the file of this work.
    ///
    /// # Errors
    /// If the file cannot be written, or holds rows of another form in spite of its first line.
    pub fn open(path: &Path, work: &Hash) -> Result<Self> {
        // Mends a line that a kill tore.
        let writer = JsonlWriter::open(path)?;
        let mut lines = read_jsonl::<Value>(path).unwrap_or_default().into_iter();
        let header = lines.next().and_then(|first| serde_json::from_value::<Header>(first).ok());
        let mut ledger = Self { path: path.to_owned(), work: work.clone(), writer, rows: Vec::new() };
        if header.is_some_and(|header| header.work == *work) {
            ledger.rows = lines.map(serde_json::from_value).collect::<Result<_, _>>().at(path)?;
        } else {
            ledger.rewrite()?;
        }
        Ok(ledger)
    }

    /// The rows so far.
    pub fn rows(&self) -> &[T] {
        &self.rows
    }

    /// Appends rows and waits until they are on the disk.
    ///
    /// # Errors
    /// As [`JsonlWriter::write`].
    pub fn extend(&mut self, rows: impl IntoIterator<Item = T>) -> Result<()> {
        for row in rows {
            self.writer.write(&row)?;
            self.rows.push(row);
        }
        self.writer.sync()
    }

    /// Keeps the first `count` rows only: work is done in pieces, and half a piece is done again.
    ///
    /// # Errors
    /// If the file cannot be replaced.
    pub fn cut(&mut self, count: usize) -> Result<()> {
        if count < self.rows.len() {
            self.rows.truncate(count);
            self.rewrite()?;
        }
        Ok(())
    }

    /// The rows themselves.
    pub fn into_rows(self) -> Vec<T> {
        self.rows
    }

    fn rewrite(&mut self) -> Result<()> {
        let mut bytes = serde_json::to_vec(&Header { work: self.work.clone() }).at(&self.path)?;
        bytes.push(b'\n');
        for row in &self.rows {
            serde_json::to_writer(&mut bytes, row).at(&self.path)?;
            bytes.push(b'\n');
        }
        write_atomic(&self.path, &bytes)?;
        // The old file is gone; rows appended to it would be lost.
        self.writer = JsonlWriter::open(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_again_by_the_same_work_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let (work, other) = (Hash::of("work"), Hash::of("other"));
        Ledger::open(&path, &work).unwrap().extend([1, 2, 3]).unwrap();
        let whole = std::fs::read(&path).unwrap();

        // Torn by a kill, then cut to a whole piece and done again: the same bytes.
        std::fs::write(&path, [&whole[..], b"4\n{\"to"].concat()).unwrap();
        let mut again = Ledger::<u32>::open(&path, &work).unwrap();
        assert_eq!(again.rows(), [1, 2, 3, 4]);
        again.cut(2).unwrap();
        again.extend([3]).unwrap();
        assert_eq!((again.into_rows(), std::fs::read(&path).unwrap()), (vec![1, 2, 3], whole));

        assert_eq!(Ledger::<u32>::open(&path, &other).unwrap().rows(), [0; 0]);
        assert_eq!(Ledger::<u32>::open(&path, &work).unwrap().rows(), [0; 0]);
    }

    #[test]
    fn a_file_of_something_else_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        for text in ["", "{\"a\":1}\n", "nonsense\n", "{\"work\""] {
            std::fs::write(&path, text).unwrap();
            let mut ledger = Ledger::open(&path, &Hash::of("work")).unwrap();
            ledger.extend([7]).unwrap();
            assert_eq!(Ledger::<u32>::open(&path, &Hash::of("work")).unwrap().rows(), [7]);
        }
    }
}
