//! Is the trait gone, or only out of sight? Checks of finished finetunes against the concerns about training with a probe's direction
//! (METHOD K): each finetune of the first training seed, and the base model as the floor.
//!
//! | check | question |
//! |---|---|
//! | monitor (K1) | does the projection still tell which answers show the trait? |
//! | rotation (K2) | does a vector extracted anew point where the old one did? |
//! | residue (K3) | what of the activation shift is not along the vector, and does that call the trait up? |
//! | fresh probe (K4) | does a probe fitted on the finetune tell more than the old vector? |
//! | leak (K8) | does the trait come back under prompts or steering that call it up, more than in the base model? |
//! | relearning (K9) | how fast does plain finetuning bring the trait (back)? |
//!
//! Controls (K7), side effects (K10) and the dose (K12) are arms and axes of the study itself.

mod checks;
mod probe;
mod report;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use report::told;

use super::pipeline::Pipeline;
use crate::Result;
use crate::record::Hash;
use crate::stats::Clusters;
use crate::vector::VectorFile;

/// What is checked of every finetune.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// Extracts the vector anew from each finetune (K2), and fits a fresh probe on the same answers (K4).
    pub extract: bool,
    /// Lengths at which what is left of the activation shift is added to the base model, in multiples of the vector's norm at that
    /// layer (K3). Empty leaves the check out.
    pub residue: Vec<f64>,
    /// Asks under the trait's own prompts, and steered towards it at these coefficients (K8). Empty leaves the check out.
    pub leak: Vec<f64>,
    /// Numbers of conversations that show the trait, which plain finetuning goes on with (K9). Empty leaves the check out.
    pub relearn: Vec<usize>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self { extract: true, residue: vec![1.0, 2.0], leak: vec![1.0], relearn: vec![20, 50] }
    }
}

/// Scores of a trait and coherence of the same answers, by question.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Scores {
    pub trait_: Clusters,
    pub coherence: Clusters,
}

/// What a vector extracted anew is like beside the old one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Rotation {
    /// Cosine with the old one, layer by layer from the first.
    pub cosines: Vec<Option<f64>>,
    /// Norm as a share of the old one's, likewise.
    pub norms: Vec<Option<f64>>,
    /// Which answers went in, in words.
    pub diagnosis: String,
}

/// How well states tell answers that show the trait from those that do not, on questions that no probe was fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Area under the ROC curve of the old vector's projection.
    pub old: f64,
    /// That of a logistic probe fitted on the other questions' answers.
    pub fresh: f64,
    /// Answers of each kind that were told apart.
    pub answers: (usize, usize),
}

/// What is left of the activation shift beside the vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Residue {
    /// Length of the mean shift at the layer.
    pub shift: f64,
    /// Its part along the vector, signed.
    pub along: f64,
    /// The base model's scores with the rest added, by its length in multiples of the vector's norm.
    pub elicited: Vec<(f64, Scores)>,
}

/// Everything that was found about one model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Audited {
    pub rotation: Option<Rotation>,
    pub told: Option<Told>,
    pub residue: Option<Residue>,
    /// By what calls the trait up: `prompts`, `+1`.
    pub leak: BTreeMap<String, Scores>,
    /// By the number of conversations, 0 first.
    pub relearned: Vec<(usize, Scores)>,
    /// What could not be checked, and why.
    pub notes: Vec<String>,
}

impl Pipeline<'_> {
    /// Checks a model: a finetune, or the base model if there is no adapter.
    pub(super) fn audit(
        &self,
        i: usize,
        vectors: &[(usize, &VectorFile)],
        finetune: Option<(usize, &Hash)>,
    ) -> Result<(Audited, bool)> {
        let settings = self.config.audit.as_ref().expect("an audit is configured");
        let t = self.pieces[i].trait_.expect("an audit is about a trait");
        let file =
            vectors.iter().find(|(of, _)| *of == t).map(|(_, file)| *file).expect("an audit waits for the vector");
        let folder = finetune.map(|(piece, _)| self.adapter(piece));
        let model = checks::Model {
            i,
            t,
            file,
            finetune: finetune.map(|(piece, _)| piece),
            adapter: folder.as_deref().zip(finetune.map(|(_, hash)| hash)),
        };
        let mut audited = Audited::default();
        let mut reused = true;
        if settings.extract {
            reused &= self.extract_anew(&model, &mut audited)?;
        }
        if !settings.residue.is_empty() && model.adapter.is_some() {
            reused &= self.residue(&model, &mut audited)?;
        }
        if !settings.leak.is_empty() {
            reused &= self.leak(&model, &mut audited)?;
        }
        if !settings.relearn.is_empty() {
            reused &= self.relearn(&model, &mut audited)?;
        }
        Ok((audited, reused))
    }
}
