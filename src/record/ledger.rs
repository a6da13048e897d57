//! Long work on a list, chunk by chunk. Finished chunks outlive a kill; a chunk that was half finished is done again as a whole,
//! so that a batch has the same members however often the work is interrupted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::atomic::write_atomic;
use super::hash::Hash;
use super::hold::{OutputHold, hold_output};
use super::lines::Lines;
use super::rows::JsonlWriter;
use crate::{At, Result};

/// The finished chunks of one piece of work: a JSONL file whose first line says what work it is (`{"work": hash, "sum": hash of that}`), then a line
/// `{"rows": [...], "sum": hash of the rows}` for each chunk in order.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    writer: JsonlWriter,
    chunks: usize,
    /// What was wrong with the file that was there.
    damage: Option<String>,
    /// The right to the output that the ledger lies beside, if it lies beside one.
    hold: Option<OutputHold>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    work: Hash,
    /// The hash of `work`, so that another work is told from a damaged line; earlier versions had none.
    #[serde(default)]
    sum: Option<Hash>,
}

impl Header {
    fn new(work: &Hash) -> Self {
        Self { sum: Some(Hash::of(work)), work: work.clone() }
    }

    /// Reads a line, unless it is damaged.
    fn read(line: &[u8]) -> Option<Self> {
        let header: Self = serde_json::from_slice(line).ok()?;
        header.sum.as_ref().is_none_or(|sum| *sum == Hash::of(&header.work)).then_some(header)
    }
}

#[derive(Serialize, Deserialize)]
struct Chunk<T> {
    rows: T,
    sum: Hash,
}

impl Ledger {
    /// Opens the ledger of the work that `identity` names. A ledger of other work is begun anew; a chunk that a kill cut short
    /// or that was altered is dropped with all that follow it. A kill leaves half a line at the end; anything else is
    /// [`Self::damage`].
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, identity: &Hash) -> Result<Self> {
        let Intact { end, chunks, damaged } = intact(path, identity).at(path)?;
        match chunks {
            Some(_) => OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(end)).at(path)?,
            None => {
                write_atomic(path, &[])?;
                JsonlWriter::open(path)?.write(&Header::new(identity))?;
            }
        }
        let damage = damaged.map(|line| {
            format!("{}:{line}: damaged; what stood there and after it is worked out anew", path.display())
        });
        let writer = JsonlWriter::open(path)?;
        Ok(Self { path: path.to_owned(), writer, chunks: chunks.unwrap_or(0), damage, hold: None })
    }

    /// Opens the ledger that lies beside an output until that is whole: `.OUT.partial`. The output is this process' alone meanwhile.
    ///
    /// # Errors
    /// As [`Self::open`], or if another process is writing the output.
    pub fn beside(output: &Path, identity: &Hash) -> Result<Self> {
        let hold = hold_output(output)?;
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        let ledger = Self::open(&output.with_file_name(format!(".{name}.partial")), identity)?;
        Ok(Self { hold: Some(hold), ..ledger })
    }

    /// What was wrong with the file that was there, with its place; nothing if it was whole or cut short by a kill.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// How many chunks are finished.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Adds the rows of the next chunk.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push<T: Serialize>(&mut self, rows: &[T]) -> Result<()> {
        // Hashed as they read back: an f32 has other digits as an f64.
        let text = serde_json::to_vec(rows).at(&self.path)?;
        let rows: Value = serde_json::from_slice(&text).at(&self.path)?;
        self.writer.write(&Chunk { sum: Hash::of(&rows), rows })?;
        self.chunks += 1;
        Ok(())
    }

    /// Works on the items that are not finished yet, `size` at a time; each chunk is kept before the next is begun. `work` gets
    /// the number of items before the chunk and the chunk's items, and gives as many rows for each item.
    ///
    /// # Errors
    /// Those of the items and of `work`, and a disk that is full; finished chunks stay.
    pub fn work<I, T: Serialize>(
        &mut self,
        items: impl IntoIterator<Item = Result<I>>,
        size: usize,
        work: &mut dyn FnMut(usize, Vec<I>) -> Result<Vec<T>>,
    ) -> Result<()> {
        let mut before = self.chunks * size;
        let mut items = items.into_iter().skip(before);
        loop {
            let chunk: Vec<I> = items.by_ref().take(size).collect::<Result<_>>()?;
            if chunk.is_empty() {
                return Ok(());
            }
            let n = chunk.len();
            let rows = work(before, chunk)?;
            assert!(rows.len().is_multiple_of(n), "as many rows for each item");
            self.push(&rows)?;
            before += n;
        }
    }

    /// All rows so far, one chunk in memory at a time.
    ///
    /// # Errors
    /// If the file cannot be opened; each row that cannot be read is one.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
        Self::rows_at(&self.path)
    }

    /// All rows of the ledger at a place, which need not be ours to write.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub fn rows_at<T: DeserializeOwned>(path: &Path) -> Result<impl Iterator<Item = Result<T>> + use<T>> {
        let (path, lines) = (path.to_owned(), Lines::open(path)?);
        let rows = move |line: Result<(usize, Vec<u8>)>| -> Vec<Result<T>> {
            let read = |(number, bytes): (usize, Vec<u8>)| {
                let chunk: Result<Chunk<Vec<T>>> =
                    serde_json::from_slice(&bytes).doing(format_args!("{}:{number}", path.display()));
                chunk
            };
            match line.and_then(read) {
                Ok(chunk) => chunk.rows.into_iter().map(Ok).collect(),
                Err(e) => vec![Err(e)],
            }
        };
        Ok(lines.skip(1).flat_map(rows))
    }

    /// Whether the ledger at a path belongs to other work. If its first line is damaged, it belongs to none.
    pub fn is_of_other(path: &Path, identity: &Hash) -> bool {
        let header = Lines::open(path).ok().and_then(|mut lines| lines.next()?.ok());
        let header = header.and_then(|(_, line)| Header::read(&line));
        header.is_some_and(|header| header.work != *identity)
    }

    /// Keeps the first `chunks` only: those after them rest on something that was damaged.
    ///
    /// # Errors
    /// If the file cannot be cut.
    pub fn cut(&mut self, chunks: usize) -> Result<()> {
        let (mut file, mut end, mut line) = (BufReader::new(File::open(&self.path).at(&self.path)?), 0, Vec::new());
        // The first line says what work it is.
        for _ in 0..=chunks {
            line.clear();
            end += file.read_until(b'\n', &mut line).at(&self.path)? as u64;
        }
        OpenOptions::new().write(true).open(&self.path).and_then(|file| file.set_len(end)).at(&self.path)?;
        self.writer = JsonlWriter::open(&self.path)?;
        self.chunks = chunks.min(self.chunks);
        Ok(())
    }

    /// Removes the file: the work has come to its end.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let Self { path, writer, hold, .. } = self;
        drop(writer);
        fs::remove_file(&path).at(&path)?;
        drop(hold);
        Ok(())
    }
}

/// What of a file can be gone on with.
#[derive(Default)]
struct Intact {
    /// Bytes that are whole and unaltered.
    end: u64,
    /// The chunks in them; nothing if the file is of other work.
    chunks: Option<usize>,
    /// The first line that was altered, from 1.
    damaged: Option<usize>,
}

fn intact(path: &Path, identity: &Hash) -> io::Result<Intact> {
    let mut file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Intact::default()),
        Err(e) => return Err(e),
    };
    let (mut line, mut found, mut lines) = (Vec::new(), Intact::default(), 0);
    while file.read_until(b'\n', &mut line)? > 0 {
        let is_whole = line.ends_with(b"\n");
        if lines == 0 {
            match Header::read(&line) {
                Some(header) if header.work != *identity => return Ok(found),
                Some(_) if is_whole => {}
                _ => {
                    // Of a kill there is no second line.
                    found.damaged = is_whole.then_some(1);
                    return Ok(found);
                }
            }
        } else {
            let sound = |chunk: Chunk<Value>| Hash::of(&chunk.rows) == chunk.sum;
            if !is_whole || !serde_json::from_slice(&line).is_ok_and(sound) {
                found.damaged = is_whole.then_some(lines + 1);
                return Ok(found);
            }
        }
        (found.end, found.chunks) = (found.end + line.len() as u64, Some(lines));
        lines += 1;
        line.clear();
    }
    Ok(found)
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
        assert_eq!((ledger.chunks(), all(&ledger), ledger.damage()), (2, vec![1, 2, 3], None));
        ledger.push(&[4]).unwrap();
        assert_eq!(all(&ledger), [1, 2, 3, 4]);
        drop(ledger);
        let other = Ledger::open(&path, &Hash::of("b")).unwrap();
        assert_eq!((other.chunks(), all(&other).len()), (0, 0));
        other.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn an_altered_chunk_is_dropped_with_all_that_follow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work.jsonl");
        let mut ledger = Ledger::open(&path, &Hash::of("a")).unwrap();
        (1..=3).for_each(|i| ledger.push(&[0.1f32 * i as f32, 1e-30]).unwrap());
        drop(ledger);
        assert_eq!(Ledger::open(&path, &Hash::of("a")).unwrap().chunks(), 3);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("0.2"), "{text}");
        std::fs::write(&path, text.replacen("0.2", "0.3", 1)).unwrap();
        let mut ledger = Ledger::open(&path, &Hash::of("a")).unwrap();
        assert_eq!(ledger.chunks(), 1);
        let damage = ledger.damage().unwrap();
        assert!(damage.contains("work.jsonl:3: damaged; what stood there and after it"), "{damage}");
        let mut seen = Vec::new();
        let items = (0..5).map(Ok);
        ledger
            .work(items, 2, &mut |before, items: Vec<u32>| {
                seen.push((before, items.clone()));
                Ok(items)
            })
            .unwrap();
        assert_eq!(seen, [(2, vec![2, 3]), (4, vec![4])]);
    }

    #[test]
    fn a_damaged_first_line_is_told_from_other_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work.jsonl");
        Ledger::open(&path, &Hash::of("a")).unwrap().push(&[1]).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        let other = whole.replacen(&Hash::of("a").as_str()[..20], &Hash::of("b").as_str()[..20], 1);
        for (text, damaged) in
            [(whole.replacen("work", "wörk", 1), true), (other, true), (whole.clone(), false), ("{\"wo".into(), false)]
        {
            std::fs::write(&path, text).unwrap();
            let ledger = Ledger::open(&path, &Hash::of("b")).unwrap();
            assert_eq!((ledger.chunks(), ledger.damage().is_some()), (0, damaged));
        }
    }
}
