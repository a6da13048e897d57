//! Is the trait gone, or only out of sight? Checks of finished finetunes against the concerns about training with a probe's direction
//! (METHOD K): each finetune of the first training seed, and the base model as the floor.
//!
//! | check | room | question |
//! |---|---|---|
//! | monitor (K1) | `report` | does the projection still tell which answers show the trait? |
//! | rotation (K2) | `anew` | does a vector extracted anew point where the old one did? |
//! | residue (K3) | `residue` | what of the activation shift is not along the vector, and does that call the trait up? |
//! | fresh probe (K4) | `anew` | does a probe fitted on the finetune tell more than the old vector? |
//! | leak (K8) | `leak` | does the trait come back under what calls it up, more than in the base model? |
//! | relearning (K9) | `relearn` | how fast does plain finetuning bring the trait (back)? |
//! | side effects (K10) | `effects` | what else has changed on prompts that have nothing to do with the trait? |
//! | second judge (K13) | `second` | does another judge see the same? |
//!
//! Controls (K7), the exam (of K10) and the dose (K12) are arms and axes of the study itself.
//!
//! Every check of every model is a stage, or several: a study that is killed loses at most the answers to one kind of prompts, or
//! one finetune of those that learn the trait again. Answers for a fresh vector are kept one by one.

mod anew;
pub(super) mod effects;
pub(super) mod leak;
mod model;
mod neutral;
mod probe;
pub(super) mod refusal;
pub(super) mod relearn;
mod residue;
pub(super) mod second;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use leak::asks_as_trained;
pub(super) use model::Scores;
pub use neutral::NeutralSource;

use super::pipeline::Pipeline;
use crate::judge::JudgeSource;
use crate::record::Hash;
use crate::vector::VectorFile;
use crate::{Error, Result, ensure};
use anew::{Rotation, Told};
use effects::Effects;
use model::Model;
use residue::Residue;
use second::Seconded;

/// What is checked of every finetune.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSettings {
    /// Extracts the vector anew from each finetune (K2), and fits a fresh probe on the same answers (K4).
    pub extract: bool,
    /// Lengths at which what is left of the activation shift is added to the base model, in multiples of the vector's norm at that
    /// layer (K3). Empty leaves the check out.
    pub residue: Vec<f64>,
    /// Asks under the trait's own prompts, and steered towards it at these coefficients (K8). Empty leaves both out.
    pub leak: Vec<f64>,
    /// Asks after so many exemplars of the trait (K8), out of the answers that made the vector.
    pub many_shot: Vec<usize>,
    /// Asks so many prompts of each data set just as it has them, system prompts included (K8); 0 leaves it out.
    pub training_prompts: usize,
    /// Numbers of conversations that show the trait, which plain finetuning goes on with (K9; METHOD has 50, 100 and 500, which small
    /// extraction runs do not have). Empty leaves the check out.
    pub relearn: Vec<usize>,
    /// Prompts on which side effects are measured (K10). If not given: Harbor's own where Harbor's rules judge, else a built-in list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neutral: Option<NeutralSource>,
    /// Who judges the answers a second time (K13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_judge: Option<JudgeSource>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            extract: true,
            residue: vec![1.0, 2.0],
            leak: vec![1.0],
            many_shot: vec![5],
            training_prompts: 20,
            relearn: vec![20, 50],
            neutral: None,
            second_judge: None,
        }
    }
}

impl AuditSettings {
    /// Where the neutral prompts come from; `judge` is the study's own.
    pub(super) fn neutral_source(&self, judge: &JudgeSource) -> NeutralSource {
        self.neutral.clone().unwrap_or_else(|| NeutralSource::usual(judge))
    }

    /// Whether the values make an audit; `judge` is the study's own.
    ///
    /// # Errors
    /// A second judge that cannot be, or is the first; exemplars by the number 0.
    pub(super) fn check(&self, judge: &JudgeSource) -> Result<()> {
        ensure!(
            !self.many_shot.contains(&0),
            "`audit.many_shot` holds 0; without exemplars nothing calls the trait up"
        );
        let Some(second) = &self.second_judge else { return Ok(()) };
        second.check().map_err(|e| e.at("`audit.second_judge`"))?;
        if second.identity() == judge.identity() {
            return Err(Error::usage("`audit.second_judge` is the study's `judge`, which agrees with itself")
                .hint("name another model or another file of scores"));
        }
        Ok(())
    }
}

/// Everything that was found about one model.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Audited {
    pub rotation: Option<Rotation>,
    pub told: Option<Told>,
    pub residue: Option<Residue>,
    /// By what calls the trait up: `prompts`, `+1`, `shots-05`, `training`.
    pub leak: BTreeMap<String, Scores>,
    /// By the number of conversations, 0 first.
    pub relearned: Vec<(usize, Scores)>,
    pub effects: Option<Effects>,
    pub seconded: Option<Seconded>,
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
        let settings = self.settings();
        let piece = &self.pieces[i];
        let t = piece.trait_.expect("an audit is about a trait");
        let file =
            vectors.iter().find(|(of, _)| *of == t).map(|(_, file)| *file).expect("an audit waits for the vector");
        let of = *piece.after.last().expect("an audit waits for its model");
        let folder = finetune.map(|(piece, _)| self.adapter(piece));
        let model = Model { i, of, t, file, adapter: folder.as_deref().zip(finetune.map(|(_, hash)| hash)) };
        let mut audited = Audited::default();
        let mut reused = self.seconded(&model, &mut audited)?;
        reused &= self.effects(&model, &mut audited)?;
        if settings.extract {
            reused &= self.extract_anew(&model, &mut audited)?;
        }
        if !settings.residue.is_empty() && model.adapter.is_some() {
            reused &= self.residue(&model, &mut audited)?;
        }
        reused &= self.leak(&model, &mut audited)?;
        if !settings.relearn.is_empty() {
            reused &= self.relearn(&model, &mut audited)?;
        }
        Ok((audited, reused))
    }
}
