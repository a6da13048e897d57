//! The residual stream of a run's answers, captured while they were made: a safetensors file with one tensor,
//! `states` `[answers, 3, layers + 1, hidden]` in f32.
//!
//! The second dimension is response_avg, prompt_avg, prompt_last; row L is the raw output of block L - 1. An answer
//! that has no states is all NaN. The header comes first and promises every answer, so the file grows answer by answer, memory does
//! not, and a file that is not whole yet is refused by every reader. The checksum of each answer's states stands with the answer.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::language_model::Residuals;
use crate::record::{Hash, hash_bytes, write_atomic};
use crate::tensorfile::{self, Dtype, TensorFile};
use crate::vector::{LAYER_CONVENTION, key};
use crate::{At, Error, Result, ensure};

const TENSOR: &str = "states";
const POSITIONS: usize = 3;

/// Bytes that one answer takes in a model of `(layers, hidden)`: 1.2 MB for a 7B model.
pub fn bytes_per_answer((layers, hidden): (usize, usize)) -> usize {
    POSITIONS * (layers + 1) * hidden * size_of::<f32>()
}

/// Writes a states file answer by answer.
#[derive(Debug)]
pub struct StatesWriter {
    file: File,
    path: PathBuf,
    shape: (usize, usize),
    header: usize,
    answers: usize,
}

impl StatesWriter {
    /// Opens or begins the file for so many `answers` of a model of `(layers, hidden)`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: &Path, shape: (usize, usize), answers: usize) -> Result<Self> {
        let (layers, hidden) = shape;
        let tensors = [(TENSOR.to_owned(), vec![answers, POSITIONS, layers + 1, hidden])];
        let metadata = BTreeMap::from([
            ("positions".to_owned(), "response_avg, prompt_avg, prompt_last".to_owned()),
            (key::LAYER_CONVENTION.to_owned(), LAYER_CONVENTION.to_owned()),
            (key::LAST_ROW.to_owned(), "raw".to_owned()),
        ]);
        let header = tensorfile::header(path, Dtype::F32, &tensors, &metadata)?;
        if !begins_with(path, &header) {
            write_atomic(path, &header)?;
        }
        let file = OpenOptions::new().write(true).open(path).at(path)?;
        let len = file.metadata().at(path)?.len() as usize;
        let mut writer = Self { file, path: path.to_owned(), shape, header: header.len(), answers: 0 };
        // A kill may have left half an answer.
        writer.cut((len - header.len()) / bytes_per_answer(shape))?;
        Ok(writer)
    }

    /// Keeps the first `answers` only.
    ///
    /// # Errors
    /// If the file cannot be cut.
    pub fn cut(&mut self, answers: usize) -> Result<()> {
        let end = (self.header + answers * bytes_per_answer(self.shape)) as u64;
        self.file.set_len(end).at(&self.path)?;
        self.file.seek(SeekFrom::Start(end)).at(&self.path)?;
        self.answers = answers;
        Ok(())
    }

    /// How many answers from the first on have the states that these checksums are of; an answer without a checksum is taken as it is.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn sound(&self, sums: impl IntoIterator<Item = Result<Option<Hash>>>) -> Result<usize> {
        let mut file = BufReader::new(File::open(&self.path).at(&self.path)?);
        file.seek(SeekFrom::Start(self.header as u64)).at(&self.path)?;
        let mut bytes = vec![0; bytes_per_answer(self.shape)];
        for (i, sum) in sums.into_iter().take(self.answers).enumerate() {
            file.read_exact(&mut bytes).at(&self.path)?;
            if sum?.is_some_and(|sum| sum != hash_bytes(&bytes)) {
                return Ok(i);
            }
        }
        Ok(self.answers)
    }

    /// Appends the next answers and waits until they are on the disk; gives the checksum of each.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn extend<'a>(&mut self, residuals: impl IntoIterator<Item = Option<&'a Residuals>>) -> Result<Vec<Hash>> {
        let mut sums = Vec::new();
        let numbers = bytes_per_answer(self.shape) / size_of::<f32>();
        for residuals in residuals {
            let values: Vec<f32> = match residuals {
                Some(Residuals { response_avg, prompt_avg, prompt_last }) => {
                    [response_avg, prompt_avg, prompt_last].into_iter().flatten().flatten().copied().collect()
                }
                None => vec![f32::NAN; numbers],
            };
            assert_eq!(values.len(), numbers, "states of this model");
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            self.file.write_all(&bytes).at(&self.path).map_err(|e: Error| {
                e.hint("the states of a 7B model take 1.2 MB an answer; choose a folder on another disk with --run")
            })?;
            self.answers += 1;
            sums.push(hash_bytes(&bytes));
        }
        self.file.sync_data().at(&self.path)?;
        Ok(sums)
    }
}

fn begins_with(path: &Path, header: &[u8]) -> bool {
    let mut found = Vec::with_capacity(header.len());
    let read = File::open(path).and_then(|file| file.take(header.len() as u64).read_to_end(&mut found));
    read.is_ok() && found == header
}

/// A whole states file, mapped into memory.
#[derive(Debug)]
pub struct States {
    file: TensorFile,
    shape: (usize, usize),
}

impl States {
    /// Opens the file.
    ///
    /// # Errors
    /// If it is not whole, or no states file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let shape = match file.shape(TENSOR) {
            Some(&[_, POSITIONS, rows, hidden]) if rows > 1 => (rows - 1, hidden),
            other => {
                let what = format!("no tensor `{TENSOR}` [answers, {POSITIONS}, layers + 1, hidden], but {other:?}");
                return Err(Error::new(what).at(path.display()));
            }
        };
        Ok(Self { file, shape })
    }

    /// The model's `(layers, hidden)`.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Whether there are as many answers as checksums, each with the states that its own is of; one without is taken as it is.
    pub fn are_sound(&self, sums: impl IntoIterator<Item = Result<Option<Hash>>>) -> bool {
        let mut n = 0;
        let mut is_sound = |sum: Result<Option<Hash>>| -> Result<bool> {
            n += 1;
            let bytes = self.bytes(n - 1)?;
            Ok(sum?.is_none_or(|sum| sum == hash_bytes(bytes)))
        };
        sums.into_iter().all(|sum| is_sound(sum).is_ok_and(|sound| sound)) && self.bytes(n).is_err()
    }

    /// Whether answer `i`, counted from 0, has states.
    ///
    /// # Errors
    /// If there is no such answer.
    pub fn has(&self, i: usize) -> Result<bool> {
        Ok(!number(self.bytes(i)?).is_nan())
    }

    /// The states of answer `i`; `None` if it has none.
    ///
    /// # Errors
    /// If there is no such answer.
    pub fn read(&self, i: usize) -> Result<Option<Residuals>> {
        let bytes = self.bytes(i)?;
        if !self.has(i)? {
            return Ok(None);
        }
        let (layers, hidden) = self.shape;
        let row = |bytes: &[u8]| bytes.chunks_exact(size_of::<f32>()).map(number).collect::<Vec<f32>>();
        let mut positions = bytes.chunks_exact((layers + 1) * hidden * size_of::<f32>());
        let mut next = || -> Vec<Vec<f32>> {
            let position = positions.next().expect("three positions");
            position.chunks_exact(hidden * size_of::<f32>()).map(row).collect()
        };
        Ok(Some(Residuals { response_avg: next(), prompt_avg: next(), prompt_last: next() }))
    }

    fn bytes(&self, i: usize) -> Result<&[u8]> {
        let (_, dims, bytes) = self.file.raw(TENSOR)?;
        ensure!(i < dims[0], "{}: there is no answer {i}, but {}", self.file.path().display(), dims[0]);
        let each = bytes_per_answer(self.shape);
        Ok(&bytes[i * each..(i + 1) * each])
    }
}

/// The number at the beginning of the bytes.
fn number(bytes: &[u8]) -> f32 {
    f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: (usize, usize) = (2, 3);

    fn residuals(of: f32) -> Residuals {
        let rows = |at: f32| (0..3).map(|l| (0..3).map(|d| of + at + (3 * l + d) as f32).collect()).collect();
        Residuals { response_avg: rows(0.0), prompt_avg: rows(10.0), prompt_last: rows(20.0) }
    }

    #[test]
    fn a_file_grows_answer_by_answer_and_is_whole_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pos.states.safetensors");
        let (a, b) = (residuals(100.0), residuals(0.5));
        let mut writer = StatesWriter::open(&path, SHAPE, 3).unwrap();
        writer.extend([Some(&a), None]).unwrap();
        assert!(States::open(&path).unwrap_err().to_string().contains("truncated"));
        drop(writer);

        // A kill left half an answer.
        let torn = [&std::fs::read(&path).unwrap()[..], b"half"].concat();
        std::fs::write(&path, torn).unwrap();
        let mut writer = StatesWriter::open(&path, SHAPE, 3).unwrap();
        assert_eq!(writer.answers, 2);
        writer.extend([Some(&b)]).unwrap();
        let states = States::open(&path).unwrap();
        assert_eq!(states.shape(), SHAPE);
        assert_eq!([0, 1, 2].map(|i| states.read(i).unwrap()), [Some(a), None, Some(b)]);
        assert_eq!([0, 1, 2].map(|i| states.has(i).unwrap()), [true, false, true]);
        assert!(states.read(3).unwrap_err().to_string().contains("there is no answer 3"));
        // For other answers it begins anew.
        assert_eq!(StatesWriter::open(&path, SHAPE, 4).unwrap().answers, 0);
    }
}
