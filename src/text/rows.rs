//! The tokens of one forward pass as a rectangle of integers, with the geometry and the steering coefficients of each row.

use std::sync::Arc;

/// A row's own steering coefficients, one for each part of the plan; `None` takes the plan's.
pub type Coefs = Option<Arc<[f32]>>;

/// The tokens of one pass, as integers: `rows x width` of them, row after row.
///
/// A row's columns `start .. end` are its text; the rest is padding, which is neither attended to nor steered.
/// Column numbers count from the beginning of the cache, so a decode step of row b has `at[b]` = its length so far.
#[derive(Debug, Clone)]
pub struct Rows {
    /// Tokens, padding included.
    pub ids: Vec<u32>,
    /// Tokens per row in this pass.
    pub width: usize,
    /// First column of each row's text: 0 unless the padding is on the left.
    pub start: Vec<usize>,
    /// Column of each row's first token in this pass.
    pub at: Vec<usize>,
    /// Column after each row's last token.
    pub end: Vec<usize>,
    /// Length of each row's prompt, in tokens.
    pub prompt: Vec<usize>,
    /// Steering coefficients of each row.
    pub coefs: Vec<Coefs>,
}

impl Rows {
    /// Texts from their first token on, padded on the right with token `pad`; `prompt[b]` tokens of each are prompt.
    pub fn whole(texts: &[&[u32]], prompt: Vec<usize>, pad: u32) -> Self {
        let width = texts.iter().map(|t| t.len()).max().unwrap_or(0);
        let ids =
            texts.iter().flat_map(|t| t.iter().copied().chain(std::iter::repeat_n(pad, width - t.len()))).collect();
        Self {
            ids,
            width,
            start: vec![0; texts.len()],
            at: vec![0; texts.len()],
            end: texts.iter().map(|t| t.len()).collect(),
            prompt,
            coefs: vec![None; texts.len()],
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// For every token its index within its row's text; `None` for padding.
    pub fn places(&self) -> impl Iterator<Item = Option<usize>> {
        (0..self.len()).flat_map(move |b| {
            (self.at[b]..self.at[b] + self.width)
                .map(move |column| (column >= self.start[b] && column < self.end[b]).then(|| column - self.start[b]))
        })
    }
}
