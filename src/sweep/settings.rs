//! What decides a layer selection, and what it works with.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::rules::Rule;
use crate::judge::JudgeSource;
use crate::language_model::Sampling;
use crate::persona::Trait;
use crate::record::Hash;
use crate::runtime::Runtime;
use crate::stats::Interval;
use crate::steering::Positions;
use crate::vector::{Layer, VectorFile};

/// Which of a trait's two sets of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The ones that the vector was made from: to choose by.
    #[default]
    Extract,
    /// The others: to report on.
    Eval,
}

impl Split {
    /// Its name in rows and tables.
    pub fn key(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Eval => "eval",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Extract => Self::Eval,
            Self::Eval => Self::Extract,
        }
    }
}

/// Everything that decides the numbers besides the model, the vectors, the trait and the judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayersConfig {
    /// The model's name.
    pub model: String,
    /// Folder of its adapter.
    pub adapter: Option<PathBuf>,
    /// The file of persona vectors.
    pub vectors: PathBuf,
    /// The layers of the grid, ascending.
    pub layers: Vec<Layer>,
    /// The coefficients of the grid, ascending, none of them 0.
    pub coefs: Vec<f64>,
    /// Which questions choose.
    pub split: Split,
    /// Only so many of them.
    pub questions: Option<usize>,
    /// Which tokens are steered.
    pub positions: Positions,
    /// The paper's rule compares the layers at this coefficient.
    pub at: f64,
    /// The other rule's: the least mean coherence.
    pub min_coherence: f64,
    /// Whose layer the confirmation, the range and the comparison of positions use.
    pub choose: Rule,
    /// Whether the choices are asked the other split's questions too.
    pub confirm: bool,
    /// Search the largest useful coefficient with at most so many further batches.
    pub range_steps: Option<usize>,
    /// Compare the token positions' directions at these norms.
    pub compare: Option<Compare>,
    /// How answers are drawn, and how many per question.
    pub sampling: Sampling,
    /// The judge.
    pub judge: JudgeSource,
}

/// Steering norms of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// As they are.
    Norms(Vec<f64>),
    /// As fractions of the residual's mean norm at the layer.
    Fractions(Vec<f64>),
}

/// What a run works with.
pub struct Inputs<'a> {
    /// The settings.
    pub config: &'a LayersConfig,
    /// Folder of the model.
    pub model: &'a Path,
    /// The vectors.
    pub vectors: &'a VectorFile,
    /// The trait.
    pub trait_: &'a Trait,
    /// The machine.
    pub runtime: &'a dyn Runtime,
    /// Hashes of what the answers depend on besides the settings: the model, the adapter.
    pub hashes: Vec<(&'static str, Hash)>,
    /// Whether answers to other settings in the folder may be thrown away.
    pub overwrite: bool,
}

/// A layer's norms, by which a coefficient is read as a fraction of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Norms {
    /// The layer.
    pub layer: Layer,
    /// Mean of ‖h‖ over response tokens, unsteered.
    pub residual: Interval,
    /// ‖v‖.
    pub vector: f32,
}

impl Norms {
    /// The shift at a coefficient as a fraction of the residual's mean norm.
    pub fn fraction(&self, coef: f64) -> f64 {
        coef.abs() * f64::from(self.vector) / self.residual.mean
    }
}
