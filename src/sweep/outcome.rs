//! What a layer selection found.

use std::path::PathBuf;

use super::norms::Norms;
use super::positions::Compared;
use super::range::Range;
use super::rules::{Cell, Choice, Rule};
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
}
