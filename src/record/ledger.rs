//! Long work on a list, chunk by chunk: what is finished outlives a kill, and what was half finished is done again as a whole,
//! so that a batch has the same members however often the work was interrupted.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Hash, JsonlWriter};
use crate::{At, Error, Result};

/// The finished chunks of one piece of work: a JSONL file whose first line says what work it is (`{"work": hash}`), then a line
/// `{"rows": [...]}` for each chunk in order.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    writer: JsonlWriter,
    chunks: usize,
}

#[derive(Serialize, Deserialize)]
struct Header {
    work: Hash,
}

#[derive(Serialize, Deserialize)]
struct Chunk<T> {
    rows: Vec<T>,
}

impl Ledger {
    /// Opens the ledger of the work that `identity` names; one of other work is begun anew.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, identity: &Hash) -> Result<Self> {
        // Mends a line that a kill tore.
        let mut writer = JsonlWriter::open(path)?;
        let mut lines = BufReader::new(File::open(path).at(path)?);
        let mut first = Vec::new();
        lines.read_until(b'\n', &mut first).at(path)?;
        if serde_json::from_slice::<Header>(&first).is_ok_and(|header| header.work == *identity) {
            return Ok(Self { path: path.to_owned(), writer, chunks: count_lines(lines).at(path)? });
        }
        drop(writer);
        std::fs::remove_file(path).at(path)?;
        writer = JsonlWriter::open(path)?;
        writer.write(&Header { work: identity.clone() })?;
        Ok(Self { path: path.to_owned(), writer, chunks: 0 })
    }

    /// How many chunks are finished.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the rows of the next chunk.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push<T: Serialize>(&mut self, rows: &[T]) -> Result<()> {
        self.writer.write(&Chunk { rows: rows.iter().collect() })?;
        self.chunks += 1;
        Ok(())
    }

    /// All rows so far, one chunk in memory at a time.
    ///
    /// # Errors
    /// If the file cannot be opened; each row that cannot be read is one.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Rows<T>> {
        let mut lines = BufReader::new(File::open(&self.path).at(&self.path)?);
        lines.skip_until(b'\n').at(&self.path)?;
        Ok(Rows { path: self.path.clone(), lines, chunk: Vec::new().into_iter() })
    }

    /// Removes the file: the work has come to its end.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let Self { path, writer, .. } = self;
        drop(writer);
        std::fs::remove_file(&path).at(&path)
    }
}

fn count_lines(mut lines: BufReader<File>) -> std::io::Result<usize> {
    let mut count = 0;
    while lines.skip_until(b'\n')? > 0 {
        count += 1;
    }
    Ok(count)
}

/// The rows of a [`Ledger`].
#[derive(Debug)]
pub struct Rows<T> {
    path: PathBuf,
    lines: BufReader<File>,
    chunk: std::vec::IntoIter<T>,
}

impl<T: DeserializeOwned> Iterator for Rows<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.chunk.next() {
                return Some(Ok(row));
            }
            let mut line = Vec::new();
            match self.lines.read_until(b'\n', &mut line).at(&self.path) {
                Ok(0) => return None,
                Ok(_) => match serde_json::from_slice::<Chunk<T>>(&line) {
                    Ok(chunk) => self.chunk = chunk.rows.into_iter(),
                    Err(e) => return Some(Err(Error::new(format!("cannot be read: {e}")).at(self.path.display()))),
                },
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_goes_on_after_the_last_whole_chunk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work.jsonl");
        let all = |ledger: &Ledger| ledger.rows::<u32>().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        let mut ledger = Ledger::open(&path, &Hash::of("a")).unwrap();
        ledger.push(&[1, 2]).unwrap();
        ledger.push(&[3]).unwrap();
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole, &b"{\"rows\":[4,"[..]].concat()).unwrap();
        let mut ledger = Ledger::open(&path, &Hash::of("a")).unwrap();
        assert_eq!((ledger.chunks(), all(&ledger)), (2, vec![1, 2, 3]));
        ledger.push(&[4]).unwrap();
        assert_eq!(all(&ledger), [1, 2, 3, 4]);
        drop(ledger);
        let other = Ledger::open(&path, &Hash::of("b")).unwrap();
        assert_eq!((other.chunks(), all(&other).len()), (0, 0));
        other.remove().unwrap();
        assert!(!path.exists());
    }
}
