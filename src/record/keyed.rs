//! Rows that are known by a key: what stands in the file is never made again, whatever else is asked between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic::write_atomic_with;
use super::lines::read_jsonl;
use super::rows::JsonlWriter;
use crate::Result;

/// A JSONL file of rows, all of them in memory too, in the order of their keys.
#[derive(Debug)]
pub struct KeyedRows<K, T> {
    path: PathBuf,
    writer: JsonlWriter,
    key: fn(&T) -> K,
    rows: BTreeMap<K, T>,
}

impl<K: Ord, T: Serialize + DeserializeOwned> KeyedRows<K, T> {
    /// Opens or begins the file. A last row that a kill tore is dropped.
    ///
    /// # Errors
    /// If it cannot be read or written, or a row is no `T`.
    pub fn open(path: &Path, key: fn(&T) -> K) -> Result<Self> {
        let writer = JsonlWriter::open(path)?;
        let rows = read_jsonl::<T>(path)?.into_iter().map(|row| (key(&row), row)).collect();
        Ok(Self { path: path.to_owned(), writer, key, rows })
    }

    /// The rows so far.
    pub fn rows(&self) -> &BTreeMap<K, T> {
        &self.rows
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, row: T) -> Result<()> {
        self.writer.write(&row)?;
        self.rows.insert((self.key)(&row), row);
        Ok(())
    }

    /// Writes the file anew in the order of the keys, so that it shows no trace of interruptions.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sort(self) -> Result<()> {
        let Self { path, writer, rows, .. } = self;
        drop(writer);
        write_atomic_with(&path, |out| {
            rows.values().try_for_each(|row| {
                serde_json::to_writer(&mut *out, row)?;
                out.write_all(b"\n")
            })
        })
    }
}
