//! The output of each kind of task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::audit::AuditFindings;
use crate::finetune::Fitted;
use crate::record::Hash;
use crate::report::Example;
use crate::stats::Clusters;
use crate::vector::VectorFile;

/// The output of one task.
#[derive(Debug)]
pub(in crate::study) enum Output {
    /// Judged answers, by the hash of their file.
    Rollouts(Hash),
    /// The persona vector of the task's trait.
    Vector(Box<Extracted>),
    /// The base model's own answers were written to their file.
    Selfgen,
    /// The projection difference of a data set.
    Difference(Difference),
    /// Nothing: another process does the task, and no task of this one waits for it.
    Elsewhere,
    /// What checks of a model found.
    Audited(Box<AuditFindings>),
    /// The scores on the axes, and the finetune that they belong to, if any.
    Measured(Measured, Option<Box<Fitted>>),
}

/// A vector and how it was extracted.
#[derive(Debug)]
pub(in crate::study) struct Extracted {
    /// The vectors.
    pub file: VectorFile,
    /// Which answers the vector was extracted from, in words; empty for a vector from a file.
    pub diagnosis: String,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// What was measured of one model, at each of its coefficients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Measured {
    /// Hash of the file with all judged answers.
    pub answers: Hash,
    /// One for each coefficient, or one without.
    pub at: Vec<MeasuredAt>,
}

/// Every axis by question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct MeasuredAt {
    /// The coefficient as reports show it: positive for inference-time steering too.
    pub coef: Option<f64>,
    /// By the key of the axis.
    pub scores: BTreeMap<String, Clusters>,
    /// Projection and score of single answers, by trait; empty for steered ones.
    #[serde(default)]
    pub pairs: BTreeMap<String, Vec<(f64, f64)>>,
    /// Judged answers.
    pub answers: usize,
    /// Number of judged answers without a score.
    pub missing: usize,
    /// Number of judged answers that ended at the limit of tokens.
    pub cut: usize,
    pub examples: Vec<Example>,
}

/// How far unsteered answers lie along the vectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::study) struct AnswerProjection {
    /// By the key of the axis, by question.
    pub scores: BTreeMap<String, Clusters>,
    /// Of each trait, by its key: projection and score of every answer that has both.
    pub pairs: BTreeMap<String, Vec<(f64, f64)>>,
}

/// How far the answers of a data set lie along each trait's vector, all read by the base model (Chen et al. 2025, section 6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::study) struct Difference {
    /// One for each trait, in the study's order.
    pub of: Vec<DataProjection>,
}

/// A data set's projections along one trait's vector, by conversation (guide: method, "Projection difference").
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(in crate::study) struct DataProjection {
    /// The answers of the data set: their projection.
    pub data: Clusters,
    /// The base model's own answers to the same prompts.
    pub own: Clusters,
    /// `data` minus `own`: the projection difference.
    pub difference: Clusters,
    /// `data` minus the projection of the prompt's last token: an approximation that needs no answers.
    pub approximation: Clusters,
}
