//! A file of conversations that is screened, or that shows what is normal: which of its rows take part.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::choose::Largest;
use crate::data_table::{Entry, Format, Reader};
use crate::persona::texts::entries;
use crate::record::{Hash, hash_file, seed_of};
use crate::{Error, Result, ensure};

/// A file and the rows of it that take part.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// The hash of its contents.
    pub hash: Hash,
    /// Rows that take part.
    pub rows: usize,
    /// Rows of the file.
    pub all: usize,
    /// The lines that take part, if it is not all of them.
    sample: Option<BTreeSet<usize>>,
}

impl Source {
    /// Looks through a file of JSONL or Parquet; with `sample`, so many of its rows take part, drawn by the seed.
    ///
    /// # Errors
    /// If it cannot be read, is of another format, or holds no row.
    pub fn open(path: &Path, sample: Option<usize>, seed: u64) -> Result<Self> {
        if Reader::open(path)?.format() != Format::Jsonl {
            return Err(Error::usage("conversations come as JSONL or Parquet").at(path.display()));
        }
        let mut drawn = Largest::new(sample.unwrap_or(0));
        let mut all = 0;
        for entry in entries(path, |_| true)? {
            let line = entry?.number;
            drawn.offer(seed_of(seed, &format!("sample {line}")), line);
            all += 1;
        }
        ensure!(all > 0, "{}: the file holds no row", path.display());
        let sample = sample.filter(|n| *n < all).map(|_| drawn.lines().into_iter().collect::<BTreeSet<usize>>());
        let rows = sample.as_ref().map_or(all, BTreeSet::len);
        Ok(Self { path: path.to_owned(), hash: hash_file(path)?, rows, all, sample })
    }

    /// Whether only some of the rows take part.
    pub fn is_sampled(&self) -> bool {
        self.sample.is_some()
    }

    /// Stands for the rows that take part, for keys.
    pub(super) fn identity(&self) -> Hash {
        Hash::of(&(&self.hash, &self.sample))
    }

    /// The rows that take part, in the file's order.
    pub(super) fn entries(&self) -> Result<impl Iterator<Item = Result<Entry>> + '_> {
        entries(&self.path, |line| self.sample.as_ref().is_none_or(|sample| sample.contains(&line)))
    }
}
