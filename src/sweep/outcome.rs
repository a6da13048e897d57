//! What a layer selection has found.

use std::path::PathBuf;

use super::positions::Compared;
use super::range::Range;
use super::rules::{Cell, Choice, Rule};
use super::settings::Norms;
use crate::report::{Example, Study};
use crate::vector::Layer;

/// The outcome of a layer selection.
#[derive(Debug, Clone)]
pub struct LayersReport {
    /// The grid, coefficient 0 first, then by layer and coefficient.
    pub cells: Vec<Cell>,
    /// Mean norm of the residual stream at a response token, and norm of the vector, by layer from 1.
    pub norms: Vec<Norms>,
    /// The choice of each rule, the paper's first; nothing where no cell qualifies.
    pub choices: Vec<(Rule, Option<Choice>)>,
    /// The layer that the paper chose for this model and trait.
    pub published: Option<Layer>,
    /// The choices on the other split, in their order, coefficient 0 first.
    pub confirmed: Vec<Cell>,
    /// The range of coefficients.
    pub range: Option<Range>,
    /// The token positions.
    pub compared: Option<Compared>,
    /// Answers of the chosen cells and of coefficient 0.
    pub examples: Vec<Example>,
    /// The choices, and what was searched and left out, a sentence each.
    pub verdict: Vec<String>,
    /// Everything as `results.json` has it.
    pub study: Study,
    /// What was written, the page first.
    pub files: Vec<PathBuf>,
    /// What was found damaged in the folder and was worked out anew, one line each.
    pub damage: Vec<String>,
}

impl LayersReport {
    /// What a coefficient adds at a layer, by the mean norm of the residual stream there.
    pub(super) fn fraction(&self, layer: Option<Layer>, coef: f64) -> Option<f64> {
        Some(self.norms.get(layer?.block())?.fraction(coef)).filter(|f| f.is_finite())
    }

    /// The same in words, where it is known.
    pub(super) fn share(&self, layer: Layer, coef: f64) -> String {
        let words = |f: f64| format!(" ({:.1} % of the residual's norm)", 100.0 * f);
        self.fraction(Some(layer), coef).map_or_else(String::new, words)
    }
}
