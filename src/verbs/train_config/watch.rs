//! The table `watch` of a configuration of `train`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ensure_usage;
use crate::train::Intervention;
use crate::{Error, Result};

/// What is measured while the model learns: how far the answers of a fixed set of chats lie along a vector, unsteered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchConfig {
    /// Steps from one measurement to the next.
    pub every: Option<usize>,
    /// JSONL of chats, whose last answers are read.
    pub file: Option<PathBuf>,
    /// File of persona vectors; that of the intervention unless said otherwise.
    pub vectors: Option<PathBuf>,
    /// Where it is measured.
    pub layer: Option<usize>,
    /// The run ends where the mean projection has risen by more than this.
    pub stop_above: Option<f64>,
    /// Whether the gradient along the vector is measured too, at every layer, with the intervention and without: on as many
    /// training chats as make a step, always the same.
    pub gradient: Option<bool>,
}

/// The keys of [`WatchConfig`].
pub(super) const WATCH_KEYS: [&str; 6] = ["every", "file", "vectors", "layer", "stop_above", "gradient"];

impl WatchConfig {
    /// Fills in the defaults; the vectors are the intervention's own unless said otherwise.
    ///
    /// # Errors
    /// What is missing or out of range.
    pub(super) fn resolve(mut self, intervention: &Intervention) -> Result<Self> {
        let every = *self.every.get_or_insert(10);
        ensure_usage(every > 0, || Error::usage("`watch.every` is 0; it must be at least 1"))?;
        self.gradient.get_or_insert(false);
        if let (None, [vectors]) = (&self.vectors, &intervention.vectors()[..]) {
            self.vectors = Some(vectors.to_path_buf());
        }
        for (key, there) in
            [("file", self.file.is_some()), ("vectors", self.vectors.is_some()), ("layer", self.layer.is_some())]
        {
            ensure_usage(there, || Error::usage(format!("`watch` needs `{key}`")))?;
        }
        ensure_usage(self.stop_above.is_none_or(f64::is_finite), || Error::usage("`watch.stop_above` is no number"))?;
        Ok(self)
    }
}
