//! What a foreign file of vectors does not say of itself.

use std::collections::BTreeMap;

use super::file::key;

/// What the last row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastRow {
    /// The last block's output.
    Raw,
    /// The same after the final norm, as transformers' `hidden_states` has it: nothing to steer with.
    PostNorm,
}

impl LastRow {
    /// Its name in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::PostNorm => "post_norm",
        }
    }
}

/// Which program made a GGUF file; it decides where `direction.N` was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GgufFrom {
    /// At the output of block N, where llama.cpp adds it; the last block's after the final norm.
    #[default]
    Repeng,
    /// At the output of block N - 1: one block before the one where llama.cpp adds it.
    CvectorGenerator,
}

/// What a foreign file does not say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// What its last row is, if it is not what such files usually hold.
    pub last_row: Option<LastRow>,
    /// Which program made a GGUF file.
    pub gguf_from: GgufFrom,
    /// The layer of a single direction `[hidden]`; other files pass it over.
    pub layer: Option<usize>,
    /// The model's number of blocks, if the file leaves out the last ones.
    pub blocks: Option<usize>,
    /// Which row of ours the file's row or key 0 is, if it is not what such files usually mean: 0, the embedding, or 1.
    pub first_row: Option<usize>,
}

/// What is odd about a file but harmless.
#[derive(Default)]
pub(super) struct Notes(pub Vec<String>);

impl Notes {
    pub fn add(&mut self, note: impl Into<String>) {
        self.0.push(note.into());
    }
}

/// Writes into the metadata what the last row is.
pub(super) fn mark_last_row(
    metadata: &mut BTreeMap<String, String>,
    reading: &Reading,
    usual: LastRow,
    notes: &mut Notes,
) {
    let last_row = reading.last_row.unwrap_or(usual);
    metadata.insert(key::LAST_ROW.into(), last_row.key().into());
    if reading.last_row.is_none() && last_row == LastRow::PostNorm {
        notes.add("its last row is taken to be after the final norm, as transformers gives it; do not steer the last layer with it");
    }
}
