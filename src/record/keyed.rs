//! Rows that are known by a key: what stands in the file is never made again, whatever else is asked between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::sums::{SummedWriter, sound_rows, write_summed};
use crate::{At, Result};

/// A JSONL file of rows, all of them in memory too, in the order of their keys. Their checksums lie beside it.
#[derive(Debug)]
pub struct KeyedRows<K, T> {
    path: PathBuf,
    writer: SummedWriter,
    key: fn(&T) -> K,
    rows: BTreeMap<K, T>,
    damage: Option<String>,
}

impl<K: Ord, T: Serialize + DeserializeOwned> KeyedRows<K, T> {
    /// Opens or begins the file. A last row that a kill tore is dropped, and so is one that was altered, which is
    /// [`Self::damage`].
    ///
    /// # Errors
    /// If it cannot be read or written, or a row is no `T`.
    pub fn open(path: &Path, key: fn(&T) -> K) -> Result<Self> {
        let (rows, damage) = sound_rows::<T>(path)?;
        let rows = rows.into_iter().map(|row| (key(&row), row)).collect();
        let damage = damage.map(|damage| format!("{damage}; what stood there is asked anew"));
        Ok(Self { path: path.to_owned(), writer: SummedWriter::resume::<T>(path, |_| true)?, key, rows, damage })
    }

    /// What was wrong with the file that was there, with its place.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
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
        let mut text = Vec::new();
        for row in rows.values() {
            serde_json::to_writer(&mut text, row).at(&path)?;
            text.push(b'\n');
        }
        write_summed(&path, &text)
    }
}
