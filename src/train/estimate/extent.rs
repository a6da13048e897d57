//! The size of one forward pass.

use serde::Serialize;

use crate::text::TrainingExample;

/// The size of a micro-batch, padding included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Extent {
    /// Texts.
    pub rows: usize,
    /// Tokens of the longest.
    pub width: usize,
    /// Positions at which something is learned.
    pub supervised: usize,
}

impl Extent {
    /// That of these examples side by side.
    pub fn of(examples: &[&TrainingExample]) -> Self {
        Self {
            rows: examples.len(),
            width: examples.iter().map(|example| example.ids.len()).max().unwrap_or(0),
            supervised: examples.iter().map(|example| example.supervised()).sum(),
        }
    }

    /// Rows times width.
    pub fn tokens(&self) -> usize {
        self.rows * self.width
    }
}
