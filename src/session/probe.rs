//! A vector that is watched while a model answers: where each token lies along it, relative to a neutral answer.

use serde::Serialize;

use crate::language_model::Direction;
use crate::text::{Tokenizer, Words};

/// One layer of a vector: `evil@20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbePlace {
    pub vector: String,
    pub layer: usize,
}

/// The scale of projections onto a probe's direction.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeScale {
    /// The vector and the layer in words.
    pub name: String,
    /// Mean projection of the model's own answer to a neutral question: the middle of the scale.
    pub neutral: f64,
    /// The vector's norm, by which coefficient 1 moves a token.
    pub norm: f64,
    /// The ends of the scale lie so many norms away from neutral.
    pub reach: f64,
}

impl ProbeScale {
    /// A projection in norms from neutral.
    pub fn norms(&self, projection: f64) -> f64 {
        (projection - self.neutral) / self.norm
    }

    /// The same as a share of the whole scale: -1 and 1 are its ends.
    pub fn shade(&self, projection: f64) -> f64 {
        self.norms(projection) / self.reach
    }

    pub fn ends(&self) -> [f64; 2] {
        [-1.0, 1.0].map(|end| self.neutral + end * self.reach * self.norm)
    }
}

pub(super) struct Probe {
    pub place: ProbePlace,
    pub direction: Direction,
    pub scale: ProbeScale,
}

/// The mean projection of an answer's tokens, as files have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ProbeReading {
    pub vector: String,
    pub layer: usize,
    pub mean: f64,
    pub neutral: f64,
}

/// An answer's pieces of text, each with the shade of its last token, and the sum of all projections.
#[derive(Debug, Clone, Default)]
pub(super) struct ShadedText {
    words: Words,
    pub pieces: Vec<(String, Option<f64>)>,
    sum: f64,
    count: usize,
}

impl ShadedText {
    /// Takes the next token with its projection, and gives the text that is complete with it.
    pub fn push(
        &mut self,
        tokenizer: &Tokenizer,
        id: u32,
        projection: Option<f32>,
        scale: Option<&ProbeScale>,
    ) -> (String, Option<f64>) {
        if let Some(projection) = projection {
            self.sum += f64::from(projection);
            self.count += 1;
        }
        let shade = projection.zip(scale).map(|(projection, scale)| scale.shade(f64::from(projection)));
        let piece = (self.words.push(tokenizer, id), shade);
        self.pieces.push(piece.clone());
        piece
    }

    /// The text that was held back for more tokens to come.
    pub fn finish(&mut self) -> String {
        let rest = self.words.finish();
        self.pieces.push((rest.clone(), None));
        rest
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
